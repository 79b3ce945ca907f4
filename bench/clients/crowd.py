"""Many sessions in one thread, each of them a script of commands and of what ends their replies.

A script is an iterator of steps; each session of a caller runs a new one. What a step took is kept where a
row wants to know it.
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial

from mailnode.values import frozen
from tests.interop.harness import PASSWORD

_TAIL = 4096  # octets at the end of a reply that are looked at


@frozen
class Step:
    """A command, which for a greeting is b"", and how its reply's last line begins, or what it ends with."""

    command: bytes
    last_line: bytes = b""
    end: bytes = b"\n"


Script = Callable[[], Iterator[Step]]


def imap(user: str, *commands: bytes) -> Iterator[Step]:
    """The steps of an IMAP session: greeting, login, and these commands."""
    yield Step(b"", b"* OK")
    yield Step(f'a LOGIN {user} "{PASSWORD}"\r\n'.encode(), b"a OK")
    for command in commands:
        yield Step(b"a " + command + b"\r\n", b"+" if command == b"IDLE" else b"a OK")


def scripts(session: Callable[[str], Iterator[Step]], users: Iterable[str]) -> list[Script]:
    """The same session for each of these users."""
    return [partial(session, user) for user in users]


class Caller:
    """A client that does a session after the other, beside others in one thread."""

    def __init__(self, selector: selectors.BaseSelector, port: int, script: Script) -> None:
        self._selector = selector
        self._port = port
        self._script = script
        self.sessions = 0
        self.waits: list[float] = []  # seconds of each step
        self.open = True
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._left = self._script()
        self._go_on()

    def _go_on(self) -> bool:
        """Begin the next step, if there is one."""
        step = next(self._left, None)
        if step is None:
            return False
        self._step, self._reply, self._began = step, b"", time.perf_counter()
        if step.command:
            self._socket.sendall(step.command)
        return True

    def read(self, again: bool) -> None:
        """Octets are there; at the end of a reply comes the next step, at the end of all a new session."""
        octets = self._socket.recv(1 << 17)
        assert octets, f"the server has hung up at {self._step.command[:60]!r}: {self._reply[-200:]!r}"
        self._reply = self._reply[-_TAIL:] + octets
        if not self._is_over():
            return
        self.waits.append(time.perf_counter() - self._began)
        if self._go_on():
            return
        self.sessions += 1
        self.close()
        self.open = again
        if again:
            self._connect()

    def _is_over(self) -> bool:
        if not self._reply.endswith(self._step.end):
            return False
        last = self._reply[self._reply.rfind(b"\n", 0, -1) + 1 :]
        if last.startswith((b"a NO", b"a BAD", b"-ERR")):
            raise AssertionError((self._step.command[:60], last))
        return last.startswith(self._step.last_line)

    def close(self) -> None:
        """Hang up."""
        self._selector.unregister(self._socket)
        self._socket.close()


@frozen
class Done:
    """What a crowd has done: sessions, seconds in all, seconds of each step."""

    sessions: int
    seconds: float
    waits: Sequence[float]


def run(port: int, clients: Sequence[Script], seconds: float) -> Done:
    """Sessions of so many clients, which begin the next as soon as one has ended, for a time."""
    with selectors.DefaultSelector() as selector:
        begun = time.perf_counter()
        callers = [Caller(selector, port, script) for script in clients]
        while any(caller.open for caller in callers):
            again = time.perf_counter() < begun + seconds
            ready = selector.select(60)
            assert ready, "no server answers for a minute"
            for key, _ in ready:
                key.data.read(again)
        return Done(
            sum(caller.sessions for caller in callers),
            time.perf_counter() - begun,
            [wait for caller in callers for wait in caller.waits],
        )


class Waiting:
    """Sessions that have run their script and stay open; they hear what the server says unasked."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._connections: list[socket.socket] = []

    def add(self, port: int, clients: Sequence[Script]) -> None:
        """More of them; returns when all have come to the end of their scripts."""
        with selectors.DefaultSelector() as selector:
            callers = [_Staying(selector, port, script) for script in clients]
            while any(caller.open for caller in callers):
                for key, _ in selector.select(60):
                    key.data.read(False)
        for caller in callers:
            self._connections.append(caller.connection)
            self._selector.register(caller.connection, selectors.EVENT_READ, b"")

    def wait_for(self, word: bytes, count: int, seconds: float = 60.0) -> float:
        """Until so many have been told something with this word; gives when, as time.perf_counter()."""
        told: set[int] = set()
        until = time.perf_counter() + seconds
        while len(told) < count:
            assert time.perf_counter() < until, f"{len(told)} of {count} sessions were told"
            for key, _ in self._selector.select(1):
                assert isinstance(key.fileobj, socket.socket)
                if word in key.fileobj.recv(1 << 16):
                    told.add(key.fd)
        return time.perf_counter()

    def close(self) -> None:
        """Hang up, all of them."""
        self._selector.close()
        for connection in self._connections:
            connection.close()


class _Staying(Caller):
    """One that does not hang up."""

    def close(self) -> None:
        self._selector.unregister(self._socket)

    @property
    def connection(self) -> socket.socket:
        """Of the session."""
        return self._socket


def waiting() -> closing[Waiting]:
    """None yet; to be used with `with`."""
    return closing(Waiting())
