"""Start-up with many mailboxes: from the start of the process until a login has selected its INBOX."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from bench.row import GROWING, Figure, Group, Row, Setting, Task
from bench.sides import OURS, DovecotSide, Mailnode, Side, filled

_MESSAGES = 3  # in each mailbox


def _names(count: int) -> list[str]:
    return [f"user{number}" for number in range(count)]


def _start(side: Side, task: Task) -> Sequence[float]:
    assert isinstance(side, Mailnode | DovecotSide)
    side.stop()
    begun = time.perf_counter()
    side.start()
    with closing(side.imap(f"user{task.count - 1}")) as client:
        client.command(b"SELECT INBOX")
        return [time.perf_counter() - begun]


def _fill(setting: Setting) -> Callable[[Side], None]:
    def fill(side: Side) -> None:
        source = setting.corpora.maildir(_MESSAGES)
        for name in _names(setting.count):
            side.fill(name, source)

    return fill


START = Group(
    "Start",
    {
        OURS: lambda setting: filled(Mailnode(_names(setting.count)), _fill(setting)),
        "dovecot": lambda setting: filled(DovecotSide(), _fill(setting)),
    },
    (Row("until one of so many has logged in", (Figure("s", more=False),), _start),),
    (50, 1000),
    GROWING,
)
