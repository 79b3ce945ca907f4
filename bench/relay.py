"""Mail on its way through: mailnode beside Postfix, from smtp-source to smtp-sink, in turn.

    python -m bench.relay [--messages 2000] [--octets 2000] [--runs 3] [--json]

`pass` is the time from the first connection of the source until the sink has all. `drain` is what a queue
takes that has filled while the sink was down: from the command to send it until the sink has all. Both
servers find out by an alias that the mail is for another host, and by a route which one. Each figure is the
median of a few runs, ours and theirs one after the other. Postfix is there twice: with the settings that it
comes with, and with more connections to a destination, 20 at first and 50 at most.
Memory is the greatest resident size of our process, and the sum of that of theirs. Needs root for Postfix.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Protocol

from bench.processes import cpu_seconds, descendants, peak
from mailnode.queue.entry import glance
from mailnode.queue.spool import ENVELOPE
from tests.interop.harness import Server, free_ports, program, run, wait_until
from tests.interop.postfix import Postfix

RUNS = 3
SESSIONS = 20  # of smtp-source
ALIAS, TARGET = "relay@example.test", "you@sink.test"
PATIENCE = 900.0

_COUNTED = re.compile(rb"mesg=(\d+)")
# More of it at once, and no pause for what comes in while there is much to send.
TUNED = {
    "default_destination_concurrency_limit": "50",
    "initial_destination_concurrency": "20",
    "in_flow_delay": "0",
}
_ROUTE = """
[routes."sink.test"]
host = "127.0.0.1"
port = {port}
"""


class Sink:
    """smtp-sink, which counts."""

    def __init__(self, port: int) -> None:
        self.count = 0
        command = [program("smtp-sink"), "-c", "-u", "nobody", f"127.0.0.1:{port}", "1000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while piece := os.read(descriptor, 65536):
            if found := _COUNTED.findall(piece):
                self.count = int(found[-1])

    def wait_for(self, count: int) -> None:
        """Until it has so many."""
        wait_until(lambda: self.count >= count, f"{count} messages in the sink", PATIENCE)

    def close(self) -> None:
        """The end of it."""
        self._process.kill()
        self._process.wait()


class Peer(Protocol):
    """A server that relays to the sink."""

    name: str
    port: int

    def flush(self) -> None: ...
    def waiting(self) -> int: ...
    def put_off(self) -> int: ...
    def pids(self) -> list[int]: ...
    def peak(self) -> int: ...
    def close(self) -> None: ...


class Ours:
    """mailnode, with its default settings."""

    name = "mailnode"

    def __init__(self, sink: int) -> None:
        self._server = Server(extra=_ROUTE.format(port=sink))
        self._server.add_alias(ALIAS, TARGET)
        self._server.start()
        self.port = self._server.ports["smtp"]
        self._queue = self._server.config().queue_directory

    def flush(self) -> None:
        command = os.path.join(os.path.dirname(sys.executable), "mailnode")
        run([command, "--config", self._server.config_path, "queue", "retry", "--domain", "sink.test"])

    def waiting(self) -> int:
        return len(self._envelopes())

    def put_off(self) -> int:
        """Of what waits, that which has been tried."""
        return sum(glance(_read(path))[1] > time.time() for path in self._envelopes())

    def _envelopes(self) -> list[str]:
        names = os.listdir(self._queue) if os.path.isdir(self._queue) else []
        return [os.path.join(self._queue, name) for name in names if name.endswith(ENVELOPE)]

    def pids(self) -> list[int]:
        return [self._server.pid]

    def peak(self) -> int:
        return sum(map(peak, self.pids()))

    def close(self) -> None:
        self._server.clean_up()


class Theirs:
    """Postfix, with its default settings, or some others."""

    def __init__(self, name: str, sink: int, **settings: str) -> None:
        self.name = name
        (self.port,) = free_ports(1)
        way = {
            "relay_domains": "",
            "virtual_alias_domains": "example.test",
            "virtual_alias_maps": f"inline:{{ {{ {ALIAS} = {TARGET} }} }}",
            "transport_maps": f"inline:{{ {{ sink.test = smtp:[127.0.0.1]:{sink} }} }}",
        }
        self._postfix = Postfix({}, {**way, **settings}, self.port)
        self._postfix.start()

    def flush(self) -> None:
        self._postfix.flush()

    def waiting(self) -> int:
        return self._postfix.waiting()

    def put_off(self) -> int:
        """Of what waits, that which has been tried."""
        return self._postfix.waiting("deferred")

    def pids(self) -> list[int]:
        master = self._postfix.master()
        assert master is not None
        return descendants(master)

    def peak(self) -> int:
        return sum(map(peak, self.pids()))

    def close(self) -> None:
        self._postfix.close()


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@dataclass(frozen=True)
class Load:
    """What is sent."""

    messages: int
    octets: int
    sink: int  # its port

    def send(self, peer: Peer) -> None:
        """All of it, by several sessions with many messages each."""
        run(
            [
                program("smtp-source"),
                *("-d", "-s", str(SESSIONS), "-m", str(self.messages), "-l", str(self.octets)),
                *("-M", "client.example", "-f", "load@client.example", "-t", ALIAS),
                f"inet:127.0.0.1:{peer.port}",
            ],
            seconds=PATIENCE,
        )

    def pass_through(self, peer: Peer) -> tuple[float, float]:
        """The time, and the CPU time of the server, until the sink has all that it is sent."""
        sink = Sink(self.sink)
        try:
            return self._timed(peer, sink, lambda: self.send(peer))
        finally:
            sink.close()

    def drain(self, peer: Peer) -> tuple[float, float]:
        """The same for what has been waiting for the sink."""
        self.send(peer)
        wait_until(lambda: peer.put_off() == self.messages, "all to wait", PATIENCE)
        sink = Sink(self.sink)
        try:
            return self._timed(peer, sink, peer.flush)
        finally:
            sink.close()

    def _timed(self, peer: Peer, sink: Sink, work: Callable[[], None]) -> tuple[float, float]:
        before, begun = cpu_seconds(peer.pids()), time.perf_counter()
        work()
        sink.wait_for(self.messages)
        seconds = time.perf_counter() - begun
        wait_until(lambda: peer.waiting() == 0, "the queue to be empty", PATIENCE)
        return seconds, cpu_seconds(peer.pids()) - before


def measure(load: Load, peers: list[Peer], runs: int, wanted: str) -> list[dict[str, object]]:
    """Each kind of work, each peer in turn."""
    rows: list[dict[str, object]] = []
    for name, work in (("pass", load.pass_through), ("drain", load.drain)):
        if wanted not in name:
            continue
        found: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in peers}
        for _ in range(runs):
            for peer in peers:
                found[peer.name].append(work(peer))
        medians = {
            peer: [statistics.median(one) for one in zip(*times, strict=True)]
            for peer, times in found.items()
        }
        for peer in peers:
            seconds, cpu = medians[peer.name]
            rows.append(
                {
                    "row": name,
                    "server": peer.name,
                    "per_second": load.messages / seconds,
                    "ratio": seconds / medians[Ours.name][0],
                    "cpu_seconds": cpu,
                    "peak_kib": peer.peak(),
                }
            )
            _tell(rows[-1])
    return rows


def _tell(row: dict[str, object]) -> None:
    print(
        "{row:8} {server:18} {per_second:8.0f} /s {ratio:8.2f}x {cpu_seconds:8.2f} s".format(**row),
        f"{int(str(row['peak_kib'])) / 1024:8.0f} MiB",
        file=sys.stderr,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--octets", type=int, default=2000, help="of each message")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each row")
    parser.add_argument("--alone", action="store_true", help="without Postfix")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    (port,) = free_ports(1)
    peers: list[Peer] = []
    print("work     server             messages     ours is        CPU     memory", file=sys.stderr)
    try:
        peers.append(Ours(port))
        if not options.alone:
            peers.append(Theirs("postfix", port))
            peers.append(Theirs("postfix, tuned", port, **TUNED))
        load = Load(options.messages, options.octets, port)
        rows = measure(load, peers, options.runs, options.only)
    finally:
        for peer in peers:
            peer.close()
    if options.json:
        print(json.dumps({"messages": options.messages, "octets": options.octets, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
