"""Finds in the event log what belongs to one message, or to one session.

Events know a message by its id, from the connection on which it came to the last host that took it, and by
the base name of its file once it is in a mailbox; UIDs lead on from there where no name was written down. So
the log is read several times, each time for the lines in which a word stands that the time before has
brought up. Only those lines are parsed.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from mailnode.admin.explain_places import MAILBOXES, followed
from mailnode.events.journal import Journal, Row, understood

_MESSAGES_AT_ONCE = 1000  # for one address; what is older is left out
_TOLD_AT_ONCE = 50  # messages of one Message-ID
_BEFORE = ("Refused", "LoggedIn", "LoginRefused")  # what may stand before a message in its session


@dataclass(slots=True)
class Found:
    """The events of one thing in the order of time, the sessions they speak of, and the messages in them."""

    rows: list[Row] = field(default_factory=list)
    sessions: dict[str, list[Row]] = field(default_factory=dict)  # logins and names of clients
    messages: list[str] = field(default_factory=list)  # ids, the newest last
    files: list[tuple[str, str]] = field(default_factory=list)  # address and lasting name, of deliveries


_NAMELESS = b'"names":[]'  # as it stands in the line of a deed
_OF_MAILBOXES = b'"event":"Mailbox'


def as_written(word: str) -> bytes:
    """A word as it stands in a line of the log."""
    return json.dumps(word)[1:-1].encode("ascii")


class Search:
    """Searches in one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def oldest(self) -> float | None:
        """When the log begins, in seconds since the epoch; None for one that is empty."""
        last = None
        for line in self._journal.lines():
            last = line
        return next((row["time"] for row in understood([last] if last else [])), None)

    def _rows(
        self, words: Collection[str], wanted: Callable[[Row], bool], *, fold: bool = False
    ) -> list[Row]:
        """The events, oldest first, in whose lines one of these words stands, and that are wanted."""
        keys = [as_written(word.lower() if fold else word) for word in words]
        return self._in_lines(keys, wanted, fold=fold)

    def _in_lines(
        self, keys: Collection[bytes], wanted: Callable[[Row], bool], *, fold: bool = False
    ) -> list[Row]:
        found = understood(self._journal.lines(keys, fold=fold)) if keys else ()
        return [row for row in found if wanted(row)][::-1]

    def messages(self, text: str) -> list[str]:
        """The ids of the messages that an id, a Message-ID or an address means, the newest last."""
        if "@" not in text:
            rows = self._rows([text], lambda row: row.get("message") == text)
        elif text.startswith("<"):
            rows = self._rows([text], lambda row: row.get("message_id") == text)
        else:
            named = text.casefold()
            rows = self._rows([text], lambda row: _concerns(row, named), fold=True)
        ids = dict.fromkeys(str(row["message"]) for row in reversed(rows) if row.get("message"))
        return list(ids)[:_MESSAGES_AT_ONCE][::-1]

    def refusals(self, address: str) -> list[Row]:
        """The commands that were refused and name an address, or belong to a transaction that does."""
        named = address.casefold()

        def concerns(row: Row) -> bool:
            if row["event"] != "Refused":
                return False
            return named in str(row.get("subject")).casefold() or named in _people(row)

        return self._rows([address], concerns, fold=True)

    def session(self, connection: str) -> Found:
        """All that happened on a connection."""
        rows = self._rows([connection], lambda row: row.get("connection") == connection)
        return Found(rows, {connection: _of_session(rows, connection)} if rows else {})

    def outlines(self, ids: Sequence[str]) -> dict[str, list[Row]]:
        """Of each message what happened to it outside of mailboxes."""
        found: dict[str, list[Row]] = {one: [] for one in ids}
        for row in self._rows(ids, lambda row: row.get("message") in found):
            found[row["message"]].append(row)
        return {one: rows for one, rows in found.items() if rows}

    def story(self, ids: list[str]) -> Found:
        """All that happened to a message; several ids are told as one."""
        ids = ids[-_TOLD_AT_ONCE:]
        rows = self._rows(ids, lambda row: row.get("message") in ids)
        deliveries = [row for row in rows if row["event"] == "Delivered" and row.get("file")]
        files = dict.fromkeys((str(row.get("address")), str(row["file"])) for row in deliveries)
        rows = _in_order([*self._before(rows, ids), *rows, *self._deeds(deliveries)])
        return Found(rows, self._sessions(rows), ids, list(files))

    def _before(self, rows: list[Row], ids: list[str]) -> list[Row]:
        """What happened on the connection that brought it, since the message before."""
        connections = {str(row.get("connection")) for row in rows if row["event"] == "Accepted"}
        waiting: dict[str, list[Row]] = {}
        found: list[Row] = []
        for row in self._rows(connections, lambda row: row["event"] in (*_BEFORE, "Accepted")):
            connection = str(row.get("connection"))
            if row["event"] != "Accepted":
                waiting.setdefault(connection, []).append(row)
            elif connection in connections:
                before = waiting.pop(connection, [])
                found += before if row.get("message") in ids else []
        return found

    def _deeds(self, deliveries: list[Row]) -> list[Row]:
        """What was done in mailboxes to what was delivered, and to mailboxes while it was there."""
        names = {str(row["file"]) for row in deliveries}
        if not names:
            return []
        # The events in which one is named, and those in which none is.
        rows = self._in_lines(
            [*map(as_written, names), _NAMELESS, _OF_MAILBOXES],
            lambda row: ("uids" in row and isinstance(row.get("names"), list)) or row["event"] in MAILBOXES,
        )
        return followed(sorted([*deliveries, *rows], key=_time), names)

    def _sessions(self, rows: list[Row]) -> dict[str, list[Row]]:
        """Of each session in these events who it was."""
        connections = {str(row.get("connection")) for row in rows if row.get("connection")}
        found = self._rows(
            connections,
            lambda row: row["event"] in ("LoggedIn", "Identified") and row.get("connection") in connections,
        )
        return {one: _of_session(found, one) for one in connections}


def _of_session(rows: list[Row], connection: str) -> list[Row]:
    return [
        row
        for row in rows
        if row.get("connection") == connection and row["event"] in ("LoggedIn", "Identified")
    ]


def _time(row: Row) -> float:
    return float(row["time"])


def _in_order(rows: list[Row]) -> list[Row]:
    """By time; that a message was accepted comes first of what its connection did to it.

    The peer is told when it is where it belongs, but that is where the story begins.
    """
    begin: dict[object, float] = {}
    for row in rows:
        if row.get("message") and row.get("connection"):
            key = row["message"], row["connection"]
            begin[key] = min(row["time"], begin.get(key, row["time"]))

    def place(row: Row) -> tuple[float, bool]:
        first = row["event"] == "Accepted"
        time = begin.get((row.get("message"), row.get("connection"))) if first else None
        return (row["time"] if time is None else time), not first

    return sorted(rows, key=place)


def _concerns(row: Row, address: str) -> bool:
    """Whether an event of a message names an address, in small letters, as sender or recipient."""
    return bool(row.get("message")) and address in _people(row)


def _people(row: Row) -> list[str]:
    """The addresses of sender and recipients, in small letters."""
    named = [row.get(key) for key in ("reverse_path", "recipient", "address")]
    recipients = row.get("recipients")
    named += recipients if isinstance(recipients, list) else []
    return [one.casefold() for one in named if isinstance(one, str)]
