"""Mail for another host, from smtp-source through the server into smtp-sink.

`pass` is the time from the first connection of the source until the sink has all. `drain` is what a queue
takes that has filled while the sink was down: from the request to send it until the sink has all. The start
of `mailnode queue retry`, a Python program, would take longer than that, so we ask the server itself. Both
servers find out by an alias that the mail is for another host, and by a route which one.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from bench.clients.smtp import Load, Sink, until
from bench.row import Figure, Group, Row, Task
from bench.sides import OURS, Mailnode, PostfixSide, Side, started
from mailnode.admin.control import ask
from mailnode.admin.queue_control import IDS
from mailnode.queue.entry import glance
from mailnode.queue.spool import ENVELOPE
from mailnode.store.importing import batched
from tests.interop.harness import DOMAIN, free_ports

_SESSIONS = 20
_NAME, _TARGET = "relay", "you@sink.test"
_ALIAS = f"{_NAME}@{DOMAIN}"
_RATE = (Figure("messages/s"),)


class _Ours(Mailnode):
    """mailnode, with its default settings."""

    def __init__(self) -> None:
        (self.sink,) = free_ports(1)
        route = f'\n[routes."sink.test"]\nhost = "127.0.0.1"\nport = {self.sink}\n'
        super().__init__(["anna"], route, aliases=f'"{_ALIAS}" = ["{_TARGET}"]\n')
        self._queue = self.server.config().queue_directory

    def flush(self) -> None:
        """Send all that waits."""
        names = [os.path.basename(path).removesuffix(ENVELOPE) for path in self._envelopes()]
        for some in batched(names, IDS):
            ask(self.server.config().control_socket, {"command": "queue retry", "ids": some})

    def waiting(self) -> int:
        """How many messages are in the queue."""
        return len(self._envelopes())

    def put_off(self) -> int:
        """Of what waits, that which has been tried."""
        return sum(glance(_read(path))[1] > time.time() for path in self._envelopes())

    def _envelopes(self) -> list[str]:
        names = os.listdir(self._queue) if os.path.isdir(self._queue) else []
        return [os.path.join(self._queue, name) for name in names if name.endswith(ENVELOPE)]


class _Theirs(PostfixSide):
    """Postfix."""

    def __init__(self, name: str, *, swift: bool) -> None:
        (self.sink,) = free_ports(1)
        way = {
            "virtual_mailbox_domains": "",
            "virtual_alias_domains": DOMAIN,
            "virtual_alias_maps": f"inline:{{ {{ {_ALIAS} = {_TARGET} }} }}",
            "transport_maps": f"inline:{{ {{ sink.test = smtp:[127.0.0.1]:{self.sink} }} }}",
        }
        super().__init__([], name, swift=swift, settings=way)

    def flush(self) -> None:
        """Send all that waits."""
        self.postfix.flush()

    def waiting(self) -> int:
        """How many messages are in the queue."""
        return self.postfix.waiting()

    def put_off(self) -> int:
        """Of what waits, that which has been tried."""
        return self.postfix.waiting("deferred")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _send(side: Side, count: int) -> None:
    Load(count, _SESSIONS).send(side.ports["smtp"], _ALIAS)


def _timed(side: Side, count: int, work: Callable[[], None]) -> float:
    """Messages a second, until the sink has all; returns when the queue is empty."""
    assert isinstance(side, _Ours | _Theirs)
    with closing(Sink(side.sink)) as sink:
        begun = time.perf_counter()
        work()
        sink.wait_for(count)
        seconds = time.perf_counter() - begun
        until(lambda: side.waiting() == 0, "the queue to be empty")
    return count / seconds


def _pass(side: Side, task: Task) -> Sequence[float]:
    return [_timed(side, task.count, lambda: _send(side, task.count))]


def _drain(side: Side, task: Task) -> Sequence[float]:
    assert isinstance(side, _Ours | _Theirs)
    _send(side, task.count)
    until(lambda: side.put_off() == task.count, "all to wait")
    return [_timed(side, task.count, side.flush)]


RELAY = Group(
    "SMTP out",
    {
        OURS: lambda setting: started(_Ours()),
        "postfix": lambda setting: started(_Theirs("postfix", swift=False)),
        "postfix, swift": lambda setting: started(_Theirs("postfix, swift", swift=True)),
    },
    (
        Row("pass, 20 connections", _RATE, _pass, limit="fsyncs"),
        Row("drain of a full queue", _RATE, _drain),
    ),
    (300, 1000),
)
