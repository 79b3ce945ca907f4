"""Clients that never finish: `python -m bench.clients.loris PORT COUNT` holds on until its stdin ends.

Each has connected and sends an octet of a command now and then. A line on stdout says that all are there.
"""

import contextlib
import select
import socket
import sys
from itertools import cycle

_PAUSE = 0.01  # seconds between two octets, of whichever client


def main() -> None:
    """The command line."""
    port, count = map(int, sys.argv[1:])
    clients = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(count)]
    print("all are there", flush=True)
    for client in cycle(clients):
        if select.select([sys.stdin], [], [], _PAUSE)[0]:
            return
        with contextlib.suppress(OSError):  # it may have been sent away
            client.send(b"a")


if __name__ == "__main__":
    main()
