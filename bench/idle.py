"""IMAP sessions beside Dovecot's: how many a second, and what those that only wait cost.

    python -m bench.idle [--seconds 5] [--clients 8] [--idle 1000] [--json]

A session is: connect, log in, SELECT, FETCH of ten messages, LOGOUT. Every client has a mailbox of its own.
Memory is what the processes of a server have for themselves and their share of what they have together
(PSS), for each session that idles. Ratio is how many times as good as Dovecot we are.
"""

import argparse
import json
import os
import resource
import selectors
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing

from bench import corpus
from bench.processes import descendants, share
from tests.interop.dovecot import Dovecot
from tests.interop.harness import DOMAIN, PASSWORD, Server

ROUNDS = 3
_LIMITS = """
[dns]
servers = ["127.0.0.1:9"]  # nobody

[limits]
connection_rate = 1000000
connections_per_address = 20000
preauth_connections = 20000
sessions_per_user_imap = 20000
"""
_DOVECOT = """
mail_location = maildir:~/%n
mail_max_userip_connections = 20000
default_process_limit = 20000
default_client_limit = 40000
"""
_STEPS = (b"SELECT INBOX", b"FETCH 1:10 (FLAGS ENVELOPE)", b"LOGOUT")


class Caller:
    """A client that does a session after the other, beside others in one thread."""

    def __init__(
        self, selector: selectors.BaseSelector, port: int, user: str, steps: tuple[bytes, ...]
    ) -> None:
        self._selector = selector
        self._port = port
        self._steps = (f"LOGIN {user} {PASSWORD}".encode(), *steps)
        self.sessions = 0
        self.open = True
        self.connect()

    def connect(self) -> None:
        """Begin a session."""
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._left = iter(self._steps)
        self._end, self._reply = b"* OK", b""

    def read(self, again: bool) -> None:
        """Octets are there; at the end of a reply comes the next command, at the end of all a new session."""
        octets = self._socket.recv(1 << 17)
        self._reply += octets
        last = self._reply[self._reply.rfind(b"\n", 0, -1) + 1 :]
        if octets and not (last.endswith(b"\n") and last.startswith(self._end)):
            return
        command = next(self._left, b"") if octets else b""
        self._end, self._reply = (b"+", b"") if command == b"IDLE" else (b"a OK", b"")
        if command:
            self._socket.sendall(b"a " + command + b"\r\n")
            return
        self.sessions += 1
        if not again and self._steps[-1] == b"IDLE":
            self.open = False
            return
        self.close()
        self.open = again
        if again:
            self.connect()

    def close(self) -> None:
        """Hang up."""
        self._selector.unregister(self._socket)
        self._socket.close()


def rate(port: int, users: list[str], seconds: float) -> float:
    """Sessions a second, of clients that begin the next as soon as one has ended."""
    with selectors.DefaultSelector() as selector:
        begun = time.perf_counter()
        callers = [Caller(selector, port, user, _STEPS) for user in users]
        while any(caller.open for caller in callers):
            again = time.perf_counter() < begun + seconds
            for key, _ in selector.select(60):
                key.data.read(again)
        return sum(caller.sessions for caller in callers) / (time.perf_counter() - begun)


def idle(port: int, users: list[str], count: int, memory: Callable[[], int]) -> float:
    """KiB for each of so many sessions that idle."""
    before = memory()
    callers: list[Caller] = []
    with selectors.DefaultSelector() as selector:
        try:
            for number in range(count):
                callers.append(Caller(selector, port, users[number % len(users)], (b"SELECT INBOX", b"IDLE")))
                while number % 20 == 19 and any(caller.open for caller in callers):
                    for key, _ in selector.select(60):
                        key.data.read(False)
            time.sleep(1)
            return (memory() - before) / count
        finally:
            for caller in callers:
                caller.close()


class Ours:
    """mailnode."""

    name = "mailnode"

    def __init__(self, names: list[str], fill: Callable[[str], None]) -> None:
        self.users = [f"{name}@{DOMAIN}" for name in names]
        self._server = Server(tuple(self.users), extra=_LIMITS)
        for user in self.users:
            place = self._server.maildir(user)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            fill(place)
        self._server.start()
        self.port = self._server.ports["imap"]

    def memory(self) -> int:
        """KiB of all processes."""
        return sum(map(share, descendants(self._server.pid)))

    def close(self) -> None:
        """Stop it."""
        self._server.clean_up()


class Theirs:
    """Dovecot."""

    name = "dovecot"

    def __init__(self, names: list[str], fill: Callable[[str], None]) -> None:
        self.users = names
        self._dovecot = Dovecot(extra=_DOVECOT)
        for name in names:
            fill(os.path.join(self._dovecot.tree, name))
        self._dovecot.start()
        self.port = self._dovecot.ports["imap"]

    def memory(self) -> int:
        """KiB of all processes."""
        assert self._dovecot._process is not None
        return sum(map(share, descendants(self._dovecot._process.pid)))

    def close(self) -> None:
        """Stop it."""
        self._dovecot.clean_up()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="for each round of sessions")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--messages", type=int, default=100, help="in the mailbox of each client")
    parser.add_argument("--idle", type=int, default=1000, help="sessions that wait; 0 for none")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory(prefix="mailnode-bench-") as directory:
        source = os.path.join(directory, "corpus")
        corpus.fill(source, options.messages)
        names = [f"user{number}" for number in range(options.clients)]
        found: dict[str, dict[str, float]] = {"sessions a second": {}, "KiB for each that idles": {}}

        def fill(place: str) -> None:
            shutil.copytree(source, place)

        with closing(Ours(names, fill)) as ours, closing(Theirs(names, fill)) as theirs:
            peers = (ours, theirs)
            rates: dict[str, list[float]] = {peer.name: [] for peer in peers}
            for _ in range(ROUNDS):
                for peer in peers:
                    rates[peer.name].append(rate(peer.port, peer.users, options.seconds))
            for peer in peers:
                found["sessions a second"][peer.name] = statistics.median(rates[peer.name])
                if options.idle:
                    cost = idle(peer.port, peer.users, options.idle, peer.memory)
                    found["KiB for each that idles"][peer.name] = cost
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'':26}{'mailnode':>12}{'dovecot':>12}{'ratio':>10}")
    for row, values in found.items():
        if values:
            one, other = values["mailnode"], values["dovecot"]
            ratio = one / other if row.startswith("sessions") else other / one
            print(f"{row:26}{one:12.1f}{other:12.1f}{ratio:9.1f}x")


if __name__ == "__main__":
    main()
