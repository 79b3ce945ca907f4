"""POP3 beside Dovecot's: sessions a second, and the download of a large maildrop, in one run.

    python -m bench.pop3 [--seconds 5] [--clients 8] [--large 50000] [--json]

A session is: connect, log in, STAT, UIDL, three RETR, QUIT. Every client has a mailbox of its own, and each
server runs with its default settings. Ratio is how many times as fast as Dovecot we are.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from bench import corpus
from bench.processes import descendants, peak
from tests.interop.dovecot import Dovecot
from tests.interop.harness import DOMAIN, PASSWORD, Server

ROUNDS = 3
LARGE = "large"
_LIMITS = """
[dns]
servers = ["127.0.0.1:9"]  # nobody

[limits]
connection_rate = 1000000
"""


class Client:
    """One POP3 connection, blocking; replies are read and counted, not looked at."""

    def __init__(self, port: int, user: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb", 1 << 16)
        self.octets = 0
        self._line()
        self.say(b"USER " + user.encode())
        self.say(b"PASS " + PASSWORD.encode())

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.startswith(b"+OK"):
            raise RuntimeError(line)
        return line

    def say(self, command: bytes) -> bytes:
        """A command with a reply of one line."""
        self._socket.sendall(command + b"\r\n")
        return self._line()

    def ask(self, command: bytes) -> None:
        """A command with a reply of many lines."""
        self.say(command)
        self._to_the_dot()

    def _to_the_dot(self) -> None:
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                raise RuntimeError("the connection is closed")
            self.octets += len(line)

    def ask_all(self, commands: list[bytes]) -> None:
        """Many such commands, sent without waiting."""
        sending = threading.Thread(target=self._socket.sendall, args=(b"\r\n".join(commands) + b"\r\n",))
        sending.start()
        for _ in commands:
            self._line()
            self._to_the_dot()
        sending.join()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


def session(port: int, user: str) -> None:
    """What a program does that looks for new mail."""
    with closing(Client(port, user)) as client:
        client.say(b"STAT")
        client.ask(b"UIDL")
        for number in (1, 2, 3):
            client.ask(b"RETR %d" % number)
        client.say(b"QUIT")


def rate(port: int, users: list[str], seconds: float) -> float:
    """Sessions a second, of clients that begin the next as soon as one has ended."""
    until = time.perf_counter() + seconds
    counts = [0] * len(users)

    def work(place: int) -> None:
        while time.perf_counter() < until:
            session(port, users[place])
            counts[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(users))]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begun)


def first_login(port: int, user: str) -> float:
    """Seconds to log in and to hear STAT."""
    begun = time.perf_counter()
    with closing(Client(port, user)) as client:
        client.say(b"STAT")
        client.say(b"QUIT")
    return time.perf_counter() - begun


def download(port: int, user: str, count: int, pipelined: bool) -> float:
    """Seconds to get every message."""
    begun = time.perf_counter()
    with closing(Client(port, user)) as client:
        commands = [b"RETR %d" % number for number in range(1, count + 1)]
        if pipelined:
            client.ask_all(commands)
        else:
            for command in commands:
                client.ask(command)
        client.say(b"QUIT")
    return time.perf_counter() - begun


class Ours:
    """mailnode."""

    name = "mailnode"

    def __init__(self, names: list[str], fill: Callable[[str, str], None]) -> None:
        self.users = [f"{name}@{DOMAIN}" for name in names]
        self._server = Server(tuple(self.users), extra=_LIMITS)
        for name, user in zip(names, self.users, strict=True):
            place = self._server.maildir(user)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            fill(name, place)
        self._server.start()
        self.port = self._server.ports["pop3"]

    def processes(self) -> list[int]:
        return [self._server.pid]

    def close(self) -> None:
        self._server.clean_up()


class Theirs:
    """Dovecot."""

    name = "dovecot"

    def __init__(self, names: list[str], fill: Callable[[str, str], None]) -> None:
        self.users = names
        self._dovecot = Dovecot(extra="mail_location = maildir:~/%n")
        for name in names:
            fill(name, os.path.join(self._dovecot.tree, name))
        self._dovecot.start()
        self.port = self._dovecot.ports["pop3"]

    def processes(self) -> list[int]:
        assert self._dovecot._process is not None
        return descendants(self._dovecot._process.pid)

    def close(self) -> None:
        self._dovecot.clean_up()


@contextmanager
def both(names: list[str], fill: Callable[[str, str], None]) -> Iterator[tuple[Ours, Theirs]]:
    """The two servers, on trees of their own."""
    with closing(Ours(names, fill)) as ours, closing(Theirs(names, fill)) as theirs:
        yield ours, theirs


def measure(ours: Ours, theirs: Theirs, seconds: float, large: int) -> list[dict[str, object]]:
    """Every row, each server in turn; all values are rates or seconds."""
    results: list[dict[str, object]] = []

    def row(name: str, work: Callable[[Ours | Theirs], float], *, rounds: int, more_is_better: bool) -> None:
        found: dict[str, list[float]] = {"mailnode": [], "dovecot": []}
        for _ in range(rounds):
            for peer in (ours, theirs):
                found[peer.name].append(work(peer))
        mine, other = (statistics.median(found[name]) for name in ("mailnode", "dovecot"))
        ratio = mine / other if more_is_better else other / mine
        results.append({"row": name, "mailnode": mine, "dovecot": other, "ratio": ratio})
        print(f"{name:34} {mine:10.3f} {other:10.3f} {ratio:8.2f}x", file=sys.stderr)

    def sessions(peer: Ours | Theirs) -> float:
        return rate(peer.port, peer.users[:-1], seconds)

    if large:
        last = {peer.name: peer.users[-1] for peer in (ours, theirs)}
        for name in ("first login and STAT, seconds", "login and STAT, seconds"):
            row(name, lambda peer: first_login(peer.port, last[peer.name]), rounds=1, more_is_better=False)
        for name, pipelined in (("all messages, seconds", False), ("all, pipelined, seconds", True)):
            row(
                name,
                lambda peer, pipelined=pipelined: download(peer.port, last[peer.name], large, pipelined),
                rounds=1,
                more_is_better=False,
            )
    row("sessions a second", sessions, rounds=ROUNDS, more_is_better=True)
    memory = {peer.name: max(map(peak, peer.processes())) / 1024 for peer in (ours, theirs)}
    results.append({"row": "peak memory of a process, MiB", **memory})
    print(
        f"{'peak memory of a process, MiB':34} {memory['mailnode']:10.0f} {memory['dovecot']:10.0f}",
        file=sys.stderr,
    )
    return results


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="for each round of sessions")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--messages", type=int, default=100, help="in the maildrop of each client")
    parser.add_argument("--large", type=int, default=50000, help="messages in the large maildrop; 0 for none")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = [f"user{number}" for number in range(options.clients)] + [LARGE]
    with tempfile.TemporaryDirectory(prefix="mailnode-bench-") as directory:
        made = {name: os.path.join(directory, name) for name in ("usual", LARGE)}
        corpus.fill(made["usual"], options.messages)
        corpus.fill(made[LARGE], options.large, typical=700)

        def fill(name: str, place: str) -> None:
            shutil.copytree(made[LARGE if name == LARGE else "usual"], place)

        print(f"{'':34} {'mailnode':>10} {'dovecot':>10} {'ratio':>9}", file=sys.stderr)
        with both(names, fill) as (ours, theirs):
            results = measure(ours, theirs, options.seconds, options.large)
    if options.json:
        print(
            json.dumps({"clients": options.clients, "messages": options.messages, "rows": results}, indent=2)
        )


if __name__ == "__main__":
    main()
