"""What one client's heavy work costs another: NOOPs of one account beside the work of others.

The heavy client is a process of its own, so that its reading is not in what the other one measures. A NOOP is
sent every few milliseconds until the work is over.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from bench.row import GROWING, Figure, Group, Row, Setting, Task
from bench.sides import OURS, DovecotSide, Mailnode, Side, started
from tests.interop.harness import PASSWORD

_BIG, _OTHER = "big", "other"
_LORISES = 500
_GAP = 0.002  # seconds between two NOOPs
_LEAST = 20  # NOOPs
_FIGURES = (Figure("ms", more=False, name="50 %"), Figure("ms", more=False, name="99 %"))


def _noops(side: Side, goes_on: Callable[[], bool]) -> Sequence[float]:
    waits: list[float] = []
    with closing(side.imap(_OTHER)) as client:
        client.command(b"SELECT INBOX")
        while goes_on() or len(waits) < _LEAST:
            waits.append(client.command(b"NOOP"))
            time.sleep(_GAP)
    waits.sort()
    return [1000 * waits[len(waits) // 2], 1000 * waits[int(len(waits) * 0.99)]]


def _alone(side: Side, task: Task) -> Sequence[float]:
    until = time.perf_counter() + task.seconds / 2
    return _noops(side, lambda: time.perf_counter() < until)


def _beside(what: str, *commands: str) -> Row:
    def work(side: Side, task: Task) -> Sequence[float]:
        who = [str(side.ports["imap"]), side.login(_BIG), PASSWORD]
        command = [sys.executable, "-m", "bench.clients.imap", *who, *commands]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as worker:
            found = _noops(side, lambda: worker.poll() is None)
        assert worker.returncode == 0, f"the other client ended with {worker.returncode}"
        return found

    return Row(f"while {what}", _FIGURES, work, once=True)


@contextmanager
def _lorises(side: Side) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.clients.loris", str(side.ports["imap"]), str(_LORISES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        said = process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
        assert said, "the slow clients could not all connect"


def _beside_lorises(side: Side, task: Task) -> Sequence[float]:
    with _lorises(side):
        return _alone(side, task)


def _fill(setting: Setting) -> Callable[[Side], None]:
    def fill(side: Side) -> None:
        side.fill(_BIG, setting.maildir(typical=700))
        side.fill(_OTHER, setting.corpora.maildir(10))

    return fill


CALM = Group(
    "NOOP of another",
    {
        OURS: lambda setting: started(Mailnode([_BIG, _OTHER]), _fill(setting)),
        "dovecot": lambda setting: started(DovecotSide(), _fill(setting)),
    },
    (
        Row("while nothing else is done", _FIGURES, _alone, limit="round trips"),
        _beside("a mailbox is adopted", "SELECT INBOX"),
        _beside("all messages are fetched", "SELECT INBOX", "FETCH 1:* BODY.PEEK[]"),
        _beside("all texts are searched", "SELECT INBOX", "SEARCH TEXT nowhereatall"),
    ),
    (60, 12_500),  # 200,000 at its largest
    GROWING,
)

LORISES = Group(
    "NOOP of another",
    {
        OURS: lambda setting: started(Mailnode([_BIG, _OTHER]), _fill(setting)),
        "dovecot": lambda setting: started(DovecotSide(), _fill(setting)),
    },
    (Row("while 500 slow clients hold on", _FIGURES, _beside_lorises),),
    (10, 10),
)
