"""The store beside Dovecot's: both serve the same Maildir over IMAP to the same client, in turn.

    python -m bench.store --messages 50000 [--corpus DIR] [--json]

Each row is the median of a few runs, theirs and ours one after the other. Ratio is Dovecot's time by ours.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bench import corpus
from bench.imap import Client
from bench.processes import descendants, peak
from mailnode.store.index import FILE_NAME as INDEX
from mailnode.store.text_index import FILE_NAME as TEXT_INDEX
from tests.interop.dovecot import Dovecot
from tests.interop.harness import ANNA, PASSWORD, Server

RUNS = 3
MESSAGE = (
    b"From: a@example.org\r\nTo: b@example.org\r\nSubject: appended\r\n\r\n" + b"One more line.\r\n" * 100
)


class Peer(Protocol):
    """A server on a copy of the corpus."""

    name: str

    def client(self) -> Client: ...
    def prepare(self) -> float: ...
    def peak(self) -> int: ...
    def close(self) -> None: ...


class Ours:
    """mailnode."""

    name = "mailnode"

    def __init__(self, source: str) -> None:
        self._server = Server()
        place = self._server.maildir(ANNA)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copytree(source, place, copy_function=os.link)
        self._server.start()

    def client(self) -> Client:
        return Client(self._server.ports["imap"], ANNA, PASSWORD)

    def prepare(self) -> float:
        """Everything that the idle indexer does in time, at once; the server is stopped meanwhile."""
        self._server.stop()
        begun = time.perf_counter()
        command = os.path.join(os.path.dirname(sys.executable), "mailnode")
        subprocess.run(
            [command, "--config", self._server.config_path, "store", "reindex", ANNA],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - begun
        self._server.start()
        return seconds

    def sizes(self) -> dict[str, int]:
        """Octets of cache and text index."""
        place = self._server.maildir(ANNA)
        found = {name: f"{place}/{name}" for name in (INDEX, TEXT_INDEX)}
        return {name: os.path.getsize(path) for name, path in found.items() if os.path.exists(path)}

    def peak(self) -> int:
        return peak(self._server.pid)

    def close(self) -> None:
        self._server.clean_up()


class Theirs:
    """Dovecot, with its default settings."""

    name = "dovecot"

    def __init__(self, source: str) -> None:
        self._dovecot = Dovecot(extra="mail_max_userip_connections = 100\nimap_max_line_length = 1M")
        os.rmdir(self._dovecot.tree)
        shutil.copytree(source, self._dovecot.tree)  # its owner changes: links would change ours
        self._dovecot.start()

    def client(self) -> Client:
        return Client(self._dovecot.ports["imap"], "anna", PASSWORD)

    def prepare(self) -> float:
        return 0.0  # it has no index of texts by itself

    def peak(self) -> int:
        assert self._dovecot._process is not None
        return max(map(peak, descendants(self._dovecot._process.pid)))

    def close(self) -> None:
        self._dovecot.clean_up()


@dataclass(frozen=True)
class Row:
    """One kind of work; `once` where a second time would be other work."""

    name: str
    work: Callable[[Client, int], float]
    once: bool = False


def _plain(text: str, before: str | None = None) -> Callable[[Client, int], float]:
    def work(client: Client, count: int) -> float:
        if before is not None:
            client.command(before.encode())
        return client.command(text.replace("COUNT", str(count)).encode())

    return work


def _appends(client: Client, count: int) -> float:
    return sum(client.command(b"APPEND INBOX", MESSAGE) for _ in range(100))


def _noops(client: Client, count: int) -> float:
    return sum(client.command(b"NOOP") for _ in range(200))


def _flags(client: Client, count: int) -> float:
    seconds = client.command(b"STORE 1:5000 +FLAGS.SILENT (\\Flagged)")
    return seconds + client.command(b"STORE 1:5000 -FLAGS.SILENT (\\Flagged)")


ROWS = (
    Row("adopt: first SELECT", _plain("SELECT INBOX"), once=True),
    Row("SELECT again", _plain("SELECT INBOX", before="CLOSE")),
    Row("FETCH FLAGS", _plain("FETCH 1:* FLAGS")),
    Row("FETCH SIZE, INTERNALDATE", _plain("FETCH 1:* (RFC822.SIZE INTERNALDATE)")),
    Row("FETCH ENVELOPE, first", _plain("FETCH 1:* ENVELOPE"), once=True),
    Row("FETCH ENVELOPE", _plain("FETCH 1:* ENVELOPE")),
    Row("FETCH BODYSTRUCTURE", _plain("FETCH 1:* BODYSTRUCTURE")),
    Row("FETCH HEADER.FIELDS", _plain("FETCH 1:* BODY.PEEK[HEADER.FIELDS (From Subject Date)]")),
    Row("FETCH HEADER", _plain("FETCH 1:* BODY.PEEK[HEADER]")),
    Row("FETCH BODY[]", _plain("FETCH 1:* BODY.PEEK[]")),
    Row("SEARCH SUBJECT", _plain("SEARCH SUBJECT budget")),
    Row("SEARCH TEXT, rare", _plain(f"SEARCH TEXT {corpus.RARE_WORD}")),
    Row("SEARCH TEXT, absent", _plain("SEARCH TEXT nowhereatall")),
    Row("SEARCH UNSEEN", _plain("SEARCH UNSEEN")),
    Row("SORT (ARRIVAL)", _plain("SORT (ARRIVAL) UTF-8 ALL")),
    Row("SORT (SUBJECT)", _plain("SORT (SUBJECT) UTF-8 ALL")),
    Row("SORT (REVERSE DATE)", _plain("SORT (REVERSE DATE) UTF-8 ALL")),
    Row("SORT (FROM)", _plain("SORT (FROM) UTF-8 ALL")),
    Row("THREAD REFERENCES", _plain("THREAD REFERENCES UTF-8 ALL")),
    Row("THREAD ORDEREDSUBJECT", _plain("THREAD ORDEREDSUBJECT UTF-8 ALL")),
    Row("STORE 5,000 flags, twice", _flags),
    Row("COPY 1,000", _plain("COPY 1:1000 Copies"), once=True),
    Row("APPEND, 100", _appends),
    Row("NOOP, 200", _noops),
)


def measure(peers: list[Peer], count: int, wanted: str, runs: int) -> list[dict[str, object]]:
    """Every row, each peer in turn."""
    clients = [peer.client() for peer in peers]
    for client in clients:
        client.command(b"CREATE Copies")
    results: list[dict[str, object]] = []
    prepared = False
    for row in ROWS:
        if wanted not in row.name and row is not ROWS[0]:
            continue
        if row.name.startswith("SEARCH") and not prepared:
            prepared = True
            seconds = {peer.name: peer.prepare() for peer in peers}
            peaks = {peer.name: peer.peak() for peer in peers}
            results.append({"row": "prepare all", "seconds": seconds, "peak_kib": peaks, "octets": {}})
            _tell(results[-1])
            clients = [peer.client() for peer in peers]
            for client in clients:
                client.command(b"SELECT INBOX")
        times: dict[str, list[float]] = {peer.name: [] for peer in peers}
        octets = {}
        for _ in range(1 if row.once else runs):
            for peer, client in zip(peers, clients, strict=True):
                times[peer.name].append(row.work(client, count))
                octets[peer.name] = client.octets
        medians = {name: statistics.median(seconds) for name, seconds in times.items()}
        peaks = {peer.name: peer.peak() for peer in peers}
        results.append({"row": row.name, "seconds": medians, "peak_kib": peaks, "octets": octets})
        _tell(results[-1])
    return results


def _tell(result: dict[str, object]) -> None:
    seconds, peaks = result["seconds"], result["peak_kib"]
    assert isinstance(seconds, dict) and isinstance(peaks, dict)
    ours, theirs = seconds.get("mailnode", 0.0), seconds.get("dovecot", 0.0)
    print(
        f"{result['row']:26} {ours * 1000:10.1f} ms {theirs * 1000:10.1f} ms"
        f" {theirs / ours if ours else 0:8.2f}x"
        f" {peaks.get('mailnode', 0) / 1024:8.0f} MiB {peaks.get('dovecot', 0) / 1024:8.0f} MiB",
        file=sys.stderr,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--corpus", help="a Maildir to be served instead of a made one")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each row")
    parser.add_argument("--alone", action="store_true", help="without Dovecot")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailnode-bench-") as directory:
        source = options.corpus
        if source is None:
            source = os.path.join(directory, "corpus")
            corpus.fill(source, options.messages, typical=700)
        count = len(os.listdir(os.path.join(source, "cur")))
        print(
            f"{count} messages{'':14} mailnode       dovecot      ratio     peak         peak",
            file=sys.stderr,
        )
        ours = Ours(source)
        peers: list[Peer] = [ours]
        try:
            if not options.alone:
                peers.append(Theirs(source))
            results = measure(peers, count, options.only, options.runs)
            print(ours.sizes(), file=sys.stderr)
        finally:
            for peer in peers:
                peer.close()
    if options.json:
        print(json.dumps({"messages": count, "rows": results}, indent=2))


if __name__ == "__main__":
    main()
