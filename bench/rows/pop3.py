"""POP3: how many look for mail in a second, and the download of a whole maildrop.

A session is: connect, log in, STAT, UIDL, three RETR, QUIT; each of the clients has a mailbox of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from bench.clients import crowd
from bench.clients.crowd import Step
from bench.clients.pop3 import LINES, Client
from bench.row import GROWING, Figure, Group, Row, Setting, Task
from bench.sides import OURS, DovecotSide, Mailnode, Side, started
from tests.interop.harness import PASSWORD

CLIENTS = 8
_MESSAGES = 100  # in the mailbox of each of the clients
_BIG = "big"
PEOPLE = [f"user{number}" for number in range(CLIENTS)]

_MS = (Figure("ms", more=False),)


def _session(user: str) -> Iterator[Step]:
    yield Step(b"", b"+OK")
    for command in (f"USER {user}", f"PASS {PASSWORD}", "STAT"):
        yield Step(command.encode() + b"\r\n", b"+OK")
    for command in ("UIDL", "RETR 1", "RETR 2", "RETR 3"):
        yield Step(command.encode() + b"\r\n", end=LINES)
    yield Step(b"QUIT\r\n", b"+OK")


def _rate(side: Side, task: Task) -> Sequence[float]:
    clients = crowd.scripts(_session, map(side.login, PEOPLE))
    crowd.run(side.ports["pop3"], clients, 0)  # what the first session of a mailbox makes is there then
    done = crowd.run(side.ports["pop3"], clients, task.seconds)
    return [done.sessions / done.seconds]


def _look(side: Side, task: Task) -> Sequence[float]:
    begun = time.perf_counter()
    with closing(Client(side.ports["pop3"], side.login(_BIG))) as client:
        client.say(b"STAT")
        client.say(b"QUIT")
    return [1000 * (time.perf_counter() - begun)]


def _download(*, pipelined: bool) -> Callable[[Side, Task], Sequence[float]]:
    def work(side: Side, task: Task) -> Sequence[float]:
        begun = time.perf_counter()
        with closing(Client(side.ports["pop3"], side.login(_BIG))) as client:
            commands = [b"RETR %d" % number for number in range(1, task.count + 1)]
            if pipelined:
                octets = client.ask_all(commands)
            else:
                octets = sum(client.say(command, LINES) for command in commands)
            client.say(b"QUIT")
        return [octets / 1e6 / (time.perf_counter() - begun)]

    return work


def fill_all(setting: Setting) -> Callable[[Side], None]:
    """Some messages for everybody."""

    def fill(side: Side) -> None:
        source = setting.corpora.maildir(_MESSAGES)
        for person in PEOPLE:
            side.fill(person, source)

    return fill


def _fill_big(setting: Setting) -> Callable[[Side], None]:
    return lambda side: side.fill(_BIG, setting.maildir(typical=700))


RATE = Group(
    "POP3",
    {
        OURS: lambda setting: started(Mailnode(PEOPLE), fill_all(setting)),
        "dovecot": lambda setting: started(DovecotSide(), fill_all(setting)),
        "dovecot, swift": lambda setting: started(
            DovecotSide("dovecot, swift", swift=True), fill_all(setting)
        ),
    },
    (Row("login, STAT, UIDL, 3 RETR, QUIT; 8 clients", (Figure("sessions/s"),), _rate, limit="round trips"),),
)

MAILDROP = Group(
    "POP3, a maildrop",
    {
        OURS: lambda setting: started(Mailnode([_BIG]), _fill_big(setting)),
        "dovecot": lambda setting: started(DovecotSide(), _fill_big(setting)),
    },
    (
        Row("first login and STAT", _MS, _look, once=True),
        Row("login and STAT", _MS, _look),
        Row("RETR of all", (Figure("MB/s"),), _download(pipelined=False), limit="loopback"),
        Row("RETR of all, pipelined", (Figure("MB/s"),), _download(pipelined=True), limit="loopback"),
    ),
    (125, 1500),
    GROWING,
)
