"""Sessions that wait: what each of them costs, and when all of a mailbox's hear of a message.

There are ten mailboxes, each with a tenth of the sessions. The message comes by LMTP, and the time is from
the start of that session until the last of the sessions has been told. Memory is what processes have for
themselves and their share of what they have together (PSS), above what the server had before.

Each process of Dovecot has an inotify instance of its own, of which Linux gives a user 128 if nobody has set
`fs.inotify.max_user_instances` higher: without it those beyond hear of a message after half a minute.
"""

import os
import time
from collections.abc import Iterator, Sequence

from bench.clients import crowd
from bench.clients.crowd import Step
from bench.clients.smtp import Load
from bench.processes import share
from bench.row import Figure, Group, Row, Setting, Task
from bench.sides import OURS, DovecotSide, Mailnode, Side, started

_PEOPLE = [f"idle{number}" for number in range(10)]
_AT_ONCE = 20
_DELIVERIES = 3


def _memory(side: Side) -> int:
    return sum(map(share, side.pids()))


def _idle(user: str) -> Iterator[Step]:
    return crowd.imap(user, b"SELECT INBOX", b"IDLE")


def _wait(side: Side, task: Task) -> Sequence[float]:
    before = _memory(side)
    with crowd.waiting() as sessions:
        users = [side.login(person) for person in _PEOPLE]
        for begin in range(0, task.count, _AT_ONCE):
            end = min(begin + _AT_ONCE, task.count)
            many = [users[number % len(users)] for number in range(begin, end)]
            sessions.add(side.ports["imap"], crowd.scripts(_idle, many))
        time.sleep(1)
        each = (_memory(side) - before) / task.count
        load = Load(1, 1, lmtp=True)
        took = []
        for person in _PEOPLE[:_DELIVERIES]:
            begun = time.perf_counter()
            load.send(side.ports["lmtp"], side.address(person))
            told = sessions.wait_for(b" EXISTS", task.count // len(_PEOPLE))
            took.append(told - begun)
    return [each, 1000 * sorted(took)[len(took) // 2]]


def _make_boxes(side: Side) -> None:
    for person in _PEOPLE:
        os.makedirs(side.maildir(person))


def _ours(setting: Setting) -> Side:
    return started(Mailnode(_PEOPLE))


def _dovecot(setting: Setting) -> Side:
    return started(DovecotSide(), _make_boxes)


_FIGURES = (
    Figure("KiB a session", more=False, name="memory"),
    Figure("ms", more=False, name="a message heard by all of a mailbox"),
)
FEW = Group(
    "IDLE",
    {OURS: _ours, "dovecot": _dovecot},
    (Row("sessions that wait", _FIGURES, _wait, (100, 1000), once=True),),
)
# Dovecot has a process of a few MiB for each session: ten thousand of them are too many for usual machines.
MANY = Group(
    "IDLE, many",
    {OURS: _ours},
    (Row("sessions that wait", _FIGURES, _wait, (1000, 10000), once=True),),
)
