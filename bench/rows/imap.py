"""IMAP: one session on a large mailbox, command by command; and how many short sessions in a second.

The mailbox grows to 4x and 16x. Searches of ours have the text index that the idle indexer makes in time;
here `mailnode store reindex` makes it at once, before the first search.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from weakref import WeakKeyDictionary

from bench import corpus
from bench.clients import crowd
from bench.clients.crowd import Step
from bench.clients.imap import Client
from bench.row import GROWING, Figure, Group, Row, Setting, Task
from bench.rows.pop3 import PEOPLE, fill_all
from bench.sides import OURS, DovecotSide, Mailnode, Side, started

_BIG = "big"
_MS = (Figure("ms", more=False),)
_APPENDED = (
    b"From: a@example.org\r\nTo: b@example.org\r\nSubject: appended\r\n\r\n" + b"One more line.\r\n" * 100
)
_Work = Callable[[Side, Task], Sequence[float]]


_sessions: WeakKeyDictionary[Side, Client] = WeakKeyDictionary()


def _session(side: Side) -> Client:
    """The one session that a side is measured by."""
    if side not in _sessions:
        _sessions[side] = side.imap(_BIG)
        _sessions[side].command(b"SELECT INBOX")
    return _sessions[side]


def _adopt(side: Side, task: Task) -> Sequence[float]:
    client = side.imap(_BIG)
    seconds = client.command(b"SELECT INBOX")
    client.command(b"CREATE Copies")
    client.close()
    return [1000 * seconds]


def _command(text: str, before: str = "") -> _Work:
    def work(side: Side, task: Task) -> Sequence[float]:
        client = _session(side)
        if before:
            client.command(before.encode())
        return [1000 * client.command(text.encode())]

    return work


def _bodies(text: str) -> _Work:
    def work(side: Side, task: Task) -> Sequence[float]:
        client = _session(side)
        seconds = client.command(text.encode())
        return [client.octets / 1e6 / seconds]

    return work


def _prepare(side: Side, task: Task) -> Sequence[float]:
    """Ours alone: all that the idle indexer would do in time. 0 for others, which have nothing of it."""
    if not isinstance(side, Mailnode):
        return [0.0]
    _sessions.pop(side, None)
    side.stop()
    begun = time.perf_counter()
    try:
        side.reindex()
        seconds = time.perf_counter() - begun
    finally:
        side.start()
    _session(side)
    return [1000 * seconds]


def _flags(side: Side, task: Task) -> Sequence[float]:
    client, last = _session(side), min(task.count, 5000)
    seconds = client.command(b"STORE 1:%d +FLAGS.SILENT (\\Flagged)" % last)
    return [1000 * (seconds + client.command(b"STORE 1:%d -FLAGS.SILENT (\\Flagged)" % last))]


def _copy(side: Side, task: Task) -> Sequence[float]:
    return [1000 * _session(side).command(b"COPY 1:%d Copies" % min(task.count, 1000))]


def _repeated(times: int, command: bytes, literal: bytes | None = None) -> _Work:
    def work(side: Side, task: Task) -> Sequence[float]:
        client = _session(side)
        return [times / sum(client.command(command, literal) for _ in range(times))]

    return work


def _plain(name: str, text: str) -> Row:
    return Row(name, _MS, _command(text), limit="loopback")


def _short(user: str) -> Iterator[Step]:
    return crowd.imap(user, b"SELECT INBOX", b"FETCH 1:10 (FLAGS ENVELOPE)", b"LOGOUT")


def _rate(side: Side, task: Task) -> Sequence[float]:
    clients = crowd.scripts(_short, map(side.login, PEOPLE))
    crowd.run(side.ports["imap"], clients, 0)  # what the first session of a mailbox makes is there then
    done = crowd.run(side.ports["imap"], clients, task.seconds)
    return [done.sessions / done.seconds]


def _fill(setting: Setting) -> Callable[[Side], None]:
    return lambda side: side.fill(_BIG, setting.maildir(typical=700))


MAILBOX = Group(
    "IMAP, a mailbox",
    {
        OURS: lambda setting: started(Mailnode([_BIG]), _fill(setting)),
        "dovecot": lambda setting: started(DovecotSide(), _fill(setting)),
    },
    (
        Row("adopt: first SELECT", _MS, _adopt, once=True),
        Row("SELECT again", _MS, _command("SELECT INBOX", before="CLOSE")),
        _plain("FETCH FLAGS", "FETCH 1:* FLAGS"),
        _plain("FETCH RFC822.SIZE, INTERNALDATE", "FETCH 1:* (RFC822.SIZE INTERNALDATE)"),
        Row("FETCH ENVELOPE, first time", _MS, _command("FETCH 1:* ENVELOPE"), once=True),
        _plain("FETCH ENVELOPE", "FETCH 1:* ENVELOPE"),
        _plain("FETCH BODYSTRUCTURE", "FETCH 1:* BODYSTRUCTURE"),
        _plain("FETCH HEADER.FIELDS", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (From Subject Date)]"),
        _plain("FETCH HEADER", "FETCH 1:* BODY.PEEK[HEADER]"),
        Row("FETCH BODY[]", (Figure("MB/s"),), _bodies("FETCH 1:* BODY.PEEK[]"), limit="loopback"),
        Row("all prepared by `store reindex`", _MS, _prepare, once=True),
        Row("SEARCH UNSEEN", _MS, _command("SEARCH UNSEEN")),
        Row("SEARCH SUBJECT", _MS, _command("SEARCH SUBJECT budget")),
        Row("SEARCH TEXT, in most messages", _MS, _command("SEARCH TEXT budget")),
        Row("SEARCH TEXT, rare", _MS, _command(f"SEARCH TEXT {corpus.RARE_WORD}")),
        Row("SEARCH TEXT, absent", _MS, _command("SEARCH TEXT nowhereatall")),
        Row("SORT (ARRIVAL)", _MS, _command("SORT (ARRIVAL) UTF-8 ALL")),
        Row("SORT (SUBJECT)", _MS, _command("SORT (SUBJECT) UTF-8 ALL")),
        Row("SORT (REVERSE DATE)", _MS, _command("SORT (REVERSE DATE) UTF-8 ALL")),
        Row("SORT (FROM)", _MS, _command("SORT (FROM) UTF-8 ALL")),
        Row("THREAD REFERENCES", _MS, _command("THREAD REFERENCES UTF-8 ALL")),
        Row("THREAD ORDEREDSUBJECT", _MS, _command("THREAD ORDEREDSUBJECT UTF-8 ALL")),
        Row("STORE of up to 5,000, twice", _MS, _flags),
        Row("COPY of up to 1,000", _MS, _copy, once=True),
        Row("APPEND", (Figure("messages/s"),), _repeated(50, b"APPEND INBOX", _APPENDED), limit="fsyncs"),
        Row("NOOP", (Figure("commands/s"),), _repeated(2000, b"NOOP"), limit="round trips"),
    ),
    (125, 2500),
    GROWING,
)

RATE = Group(
    "IMAP",
    {
        OURS: lambda setting: started(Mailnode(PEOPLE), fill_all(setting)),
        "dovecot": lambda setting: started(DovecotSide(), fill_all(setting)),
        "dovecot, swift": lambda setting: started(
            DovecotSide("dovecot, swift", swift=True), fill_all(setting)
        ),
    },
    (
        Row(
            "login, SELECT, FETCH of 10, LOGOUT; 8 clients",
            (Figure("sessions/s"),),
            _rate,
            limit="round trips",
        ),
    ),
)
