"""Mail coming in: from the first connection until every message is durable in a Maildir.

Postfix answers when a message is durable in its queue and delivers it afterwards; so there are two figures:
messages answered a second, and messages in the Maildir a second. With us they are the same.
"""

import os
import time
from collections.abc import Callable, Sequence
from tempfile import NamedTemporaryFile

from bench import corpus
from bench.clients.smtp import Load, until
from bench.limits import DIALOGUES, DIALOGUES_KEPT
from bench.row import Figure, Group, Opener, Row, Task
from bench.sides import OURS, DovecotSide, Mailnode, PostfixSide, Side, started

BOX = "box"
_PEOPLE = [BOX, *(f"{number}{BOX}" for number in range(1, 6))]
_STORED = (Figure("messages/s"), Figure("answers/s", name="answered"))


def _empty(side: Side) -> None:
    """Remove what has come."""
    for person in _PEOPLE:
        folder = os.path.join(side.maildir(person), "new")
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            os.unlink(os.path.join(folder, name))


def _stored(side: Side) -> int:
    folders = (os.path.join(side.maildir(person), "new") for person in _PEOPLE)
    return sum(len(os.listdir(folder)) for folder in folders if os.path.isdir(folder))


def store(side: Side, load: Load) -> tuple[float, float]:
    """Seconds until all is stored, and until all is answered."""
    _empty(side)
    begun = time.perf_counter()
    load.send(side.ports["lmtp" if load.lmtp else "smtp"], side.address(BOX))
    answered = time.perf_counter() - begun
    wanted = load.messages * load.recipients
    until(lambda: _stored(side) >= wanted, f"{wanted} messages in the Maildirs")
    return time.perf_counter() - begun, answered


def _in(
    connections: int, *, kept: bool = True, recipients: int = 1, lmtp: bool = False
) -> Callable[[Side, Task], Sequence[float]]:
    def work(side: Side, task: Task) -> Sequence[float]:
        load = Load(task.count, connections, kept, recipients=recipients, lmtp=lmtp)
        return [task.count / seconds for seconds in store(side, load)]

    return work


def _large(octets: int, connections: int) -> Callable[[Side, Task], Sequence[float]]:
    def work(side: Side, task: Task) -> Sequence[float]:
        with NamedTemporaryFile(prefix="mailnode-bench-") as file:
            file.write(corpus.of_size(octets))
            file.flush()
            load = Load(task.count, connections, file=file.name)
            return [task.count * octets / 1e6 / seconds for seconds in store(side, load)]

    return work


_MB = (Figure("MB/s"), Figure("MB/s", name="answered"))
_POSTFIX: dict[str, Opener] = {
    "postfix": lambda setting: started(PostfixSide(_PEOPLE)),
    "postfix, swift": lambda setting: started(PostfixSide(_PEOPLE, "postfix, swift", swift=True)),
}
_MANY = (
    Row("20 connections, a message each", _STORED, _in(20, kept=False), (400, 2000), limit="fsyncs"),
    Row("20 connections, many messages", _STORED, _in(20), (600, 4000), limit="fsyncs"),
    Row("200 connections, a message each", _STORED, _in(200, kept=False), (400, 2000), limit="fsyncs"),
    Row("200 connections, many messages", _STORED, _in(200), (600, 4000), limit="fsyncs"),
)
SMTP = Group(
    "SMTP in",
    {
        OURS: lambda setting: started(Mailnode(_PEOPLE)),
        **_POSTFIX,
    },
    (
        Row("1 connection, a message each", _STORED, _in(1, kept=False), (100, 600), limit=DIALOGUES),
        Row("1 connection, many messages", _STORED, _in(1), (200, 1200), limit=DIALOGUES_KEPT),
        *_MANY,
        Row("5 mailboxes each, 20 connections", _STORED, _in(20, recipients=5), (200, 1000), limit="fsyncs"),
        Row("100 KB each, 20 connections", _MB, _large(100_000, 20), (200, 1000), limit="loopback"),
        Row("20 MB each, 4 connections", _MB, _large(20_000_000, 4), (8, 20), limit="loopback"),
    ),
)

# What one process does on one processor at a time, beside all of Postfix's on all there are.
ALONE = Group(
    "SMTP in, one process",
    {OURS: lambda setting: started(Mailnode(_PEOPLE, workers=1)), **_POSTFIX},
    _MANY,
)


def _make_boxes(side: Side) -> None:
    for person in _PEOPLE:
        os.makedirs(side.maildir(person))


def _lmtp(
    name: str, connections: int, counts: tuple[int, int], *, kept: bool = True, recipients: int = 1
) -> Row:
    """A row of the one figure that both have at once."""
    both = _in(connections, kept=kept, recipients=recipients, lmtp=True)
    return Row(name, _STORED[:1], lambda side, task: both(side, task)[:1], counts, limit="fsyncs")


LMTP = Group(
    "LMTP in",
    {
        OURS: lambda setting: started(Mailnode(_PEOPLE)),
        "dovecot": lambda setting: started(DovecotSide(), _make_boxes),
    },
    (
        _lmtp("1 connection, many messages", 1, (200, 1200)),
        _lmtp("20 connections, a message each", 20, (400, 2000), kept=False),
        _lmtp("20 connections, many messages", 20, (600, 4000)),
        _lmtp("5 mailboxes each, 20 connections", 20, (200, 1000), recipients=5),
    ),
)
