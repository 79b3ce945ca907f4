"""What one session's heavy work costs another: NOOPs of one account while another one's mailbox is worked on.

    python -m bench.stall --corpus DIR

Prints the median, the 99th percentile and the worst of the NOOPs, calm and beside each kind of work.
"""

import argparse
import os
import shutil
import sys
import threading
import time

from bench.imap import Client
from tests.interop.harness import ANNA, BEN, PASSWORD, Server

WORKS = (
    ("calm", None),
    ("adopt: first SELECT", b"SELECT INBOX"),
    ("FETCH FLAGS", b"FETCH 1:* FLAGS"),
    ("FETCH ENVELOPE, first", b"FETCH 1:20000 ENVELOPE"),
    ("FETCH ENVELOPE", b"FETCH 1:20000 ENVELOPE"),
    ("FETCH BODY[]", b"FETCH 1:20000 BODY.PEEK[]"),
    ("SEARCH TEXT", b"SEARCH 1:20000 TEXT nowhereatall"),
    ("STORE", b"STORE 1:20000 +FLAGS.SILENT (\\Flagged)"),
    ("SEARCH UNSEEN", b"SEARCH UNSEEN"),
)


def measure(server: Server) -> None:
    """Every kind of work once."""
    bystander = Client(server.ports["imap"], BEN, PASSWORD)
    bystander.command(b"SELECT INBOX")
    worker = Client(server.ports["imap"], ANNA, PASSWORD)
    for name, command in WORKS:
        done = threading.Event()
        took = [0.0]

        def work(
            command: bytes | None = command, done: threading.Event = done, took: list[float] = took
        ) -> None:
            if command is None:
                time.sleep(1.0)
            else:
                took[0] = worker.command(command)
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        waits = []
        while not done.is_set():
            waits.append(bystander.command(b"NOOP"))
            time.sleep(0.002)
        thread.join()
        waits.sort()
        p50, p99, worst = waits[len(waits) // 2], waits[int(len(waits) * 0.99)], waits[-1]
        sys.stdout.write(
            f"{name:24} {took[0]:8.2f} s  {len(waits):5} NOOPs: median {p50 * 1000:7.2f} ms,"
            f" 99 % {p99 * 1000:7.2f} ms, worst {worst * 1000:7.2f} ms\n"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", required=True, help="a Maildir")
    options = parser.parse_args()
    server = Server()
    place = server.maildir(ANNA)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    shutil.copytree(options.corpus, place, copy_function=os.link)
    try:
        server.start()
        measure(server)
    finally:
        server.clean_up()


if __name__ == "__main__":
    main()
