"""Mail comes in by LMTP while twenty sessions of eight people read, search, flag, copy and expunge.

It comes as fast to each side, which is not fast for any: so the commands of all are of the same work.

Ours has the index of texts at the beginning that the idle indexer makes in time (`mailnode store reindex`).
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle

from bench.clients import crowd
from bench.clients.crowd import Step
from bench.clients.smtp import Load
from bench.row import Figure, Group, Row, Setting, Task
from bench.rows.pop3 import PEOPLE, fill_all
from bench.sides import OURS, DovecotSide, Mailnode, Side, started

_SESSIONS = 20
_CONNECTIONS = 4  # by which mail comes, for one of the mailboxes
_TOGETHER = 10  # messages that are sent by one run of smtp-source
_RATE = 50.0  # messages a second
_ROUND = (
    b"NOOP",
    b"FETCH 1:20 (FLAGS ENVELOPE)",
    b"FETCH 3 BODY.PEEK[]",
    b"SEARCH TEXT 4711",
    b"SEARCH UNSEEN",
    b"STORE 5 +FLAGS (\\Flagged)",
    b"COPY 2 INBOX",
    b"STORE * +FLAGS (\\Deleted)",  # so that there is at the end what there was at the beginning
    b"EXPUNGE",
    b"STORE 5 -FLAGS (\\Flagged)",
)


def _script(until: float, user: str) -> Iterator[Step]:
    """What a reader does, over and over; others may have removed the message, so that NO is an answer too."""
    yield from crowd.imap(user, b"SELECT INBOX")
    for command in cycle(_ROUND):
        if time.perf_counter() >= until:
            break
        yield Step(b"b " + command + b"\r\n", b"b ")
    yield Step(b"a LOGOUT\r\n", b"a OK")


class _Sender(threading.Thread):
    """Sends mail for a time, at _RATE where that is possible."""

    def __init__(self, side: Side, until: float) -> None:
        super().__init__(daemon=True)
        self.rate = 0.0
        self.error: Exception | None = None
        self._side = side
        self._until = until

    def run(self) -> None:
        load = Load(_TOGETHER, _CONNECTIONS, lmtp=True)
        count, begun = 0, time.perf_counter()
        try:
            while time.perf_counter() < self._until:
                load.send(self._side.ports["lmtp"], self._side.address(PEOPLE[0]))
                count += _TOGETHER
                time.sleep(max(0.0, begun + count / _RATE - time.perf_counter()))
        except Exception as error:
            self.error = error
        self.rate = count / (time.perf_counter() - begun)


def _mix(side: Side, task: Task) -> Sequence[float]:
    seconds = 2 * task.seconds
    end = time.perf_counter() + seconds
    sender = _Sender(side, end)
    users = [side.login(PEOPLE[number % len(PEOPLE)]) for number in range(_SESSIONS)]
    sender.start()
    done = crowd.run(side.ports["imap"], crowd.scripts(partial(_script, end), users), 0)
    sender.join()
    if sender.error is not None:
        raise AssertionError(f"the sender failed: {sender.error}")
    waits = sorted(done.waits)
    return [len(waits) / done.seconds, 1000 * waits[int(len(waits) * 0.99)], sender.rate]


def _fill(setting: Setting) -> Callable[[Side], None]:
    def fill(side: Side) -> None:
        fill_all(setting)(side)
        if isinstance(side, Mailnode):
            done = side.server.command("store", "reindex")
            assert done.exit_code == 0, done.output

    return fill


MIXED = Group(
    "Mixed",
    {
        OURS: lambda setting: started(Mailnode(PEOPLE), _fill(setting)),
        "dovecot": lambda setting: started(DovecotSide(), fill_all(setting)),
    },
    (
        Row(
            "20 sessions while mail comes",
            (
                Figure("commands/s"),
                Figure("ms", more=False, name="99 % of commands"),
                Figure("messages/s", name="mail"),
            ),
            _mix,
        ),
    ),
)
