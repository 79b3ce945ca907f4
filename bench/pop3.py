"""POP3 beside Dovecot's: sessions a second, and the download of a large maildrop, in one run.

    python -m bench.pop3 [--seconds 5] [--clients 8] [--large 50000] [--json]

A session is: connect, log in, STAT, UIDL, three RETR, QUIT. Every client has a mailbox of its own, and each
server runs with its default settings. Values are medians of three rounds, but for the first login. Ratio is
how many times as fast as Dovecot we are.
"""

import argparse
import json
import os
import selectors
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


LINE, LINES = b"\r\n", b"\r\n.\r\n"
LOOK = [
    (b"STAT", LINE),
    (b"UIDL", LINES),
    *((b"RETR %d" % number, LINES) for number in (1, 2, 3)),
    (b"QUIT", LINE),
]


def _check(reply: bytes) -> None:
    if not reply.startswith(b"+OK"):
        raise RuntimeError(reply[:80])


class Client:
    """One POP3 connection, blocking; replies are read and not looked at."""

    def __init__(self, port: int, user: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read(LINE)
        self.say(b"USER " + user.encode())
        self.say(b"PASS " + PASSWORD.encode())

    def _read(self, end: bytes) -> None:
        reply = self._socket.recv(1 << 17)
        _check(reply)
        while not reply.endswith(end):
            more = self._socket.recv(1 << 17)
            if not more:
                raise RuntimeError("the connection is closed")
            reply = reply[-len(end) :] + more

    def say(self, command: bytes, end: bytes = LINE) -> None:
        """A command, and its reply up to this end."""
        self._socket.sendall(command + b"\r\n")
        self._read(end)

    def ask_all(self, commands: list[bytes]) -> None:
        """Many commands with replies of many lines, sent without waiting."""
        sending = threading.Thread(target=self._socket.sendall, args=(b"\r\n".join([*commands, b""]),))
        sending.start()
        ends, rest = 0, b""
        while ends < len(commands):
            data = rest + self._socket.recv(1 << 17)
            ends += data.count(LINES)
            rest = data[max(len(data) - len(LINES) + 1, data.rfind(LINES) + len(LINES), 0) :]
        sending.join()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class Caller:
    """A client that looks for mail again and again, beside others in one thread."""

    def __init__(self, selector: selectors.BaseSelector, port: int, user: str) -> None:
        self._selector = selector
        self._port = port
        self._steps = [(b"USER " + user.encode(), LINE), (b"PASS " + PASSWORD.encode(), LINE), *LOOK]
        self.sessions = 0
        self.open = True
        self.connect()

    def connect(self) -> None:
        """Begin a session."""
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._left = iter(self._steps)
        self._end, self._reply = LINE, b""

    def read(self, again: bool) -> None:
        """Octets are there; at the end of a reply comes the next command, at the end of all a new session."""
        self._reply += self._socket.recv(1 << 17)
        if not self._reply.endswith(self._end):
            return
        _check(self._reply)
        command, self._end = next(self._left, (b"", b""))
        self._reply = b""
        if command:
            self._socket.sendall(command + b"\r\n")
            return
        self.sessions += 1
        self._selector.unregister(self._socket)
        self._socket.close()
        self.open = again
        if again:
            self.connect()


def rate(port: int, users: list[str], seconds: float) -> float:
    """Sessions a second, of clients that begin the next as soon as one has ended."""
    with selectors.DefaultSelector() as selector:
        begun = time.perf_counter()
        callers = [Caller(selector, port, user) for user in users]
        while any(caller.open for caller in callers):
            again = time.perf_counter() < begun + seconds
            for key, _ in selector.select(60):
                key.data.read(again)
        return sum(caller.sessions for caller in callers) / (time.perf_counter() - begun)


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
                client.say(command, LINES)
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
                rounds=ROUNDS,
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
