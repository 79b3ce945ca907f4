"""What happened, in sentences: one for each event."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from mailnode.counting import counted
from mailnode.events.journal import Row

Sessions = Mapping[str, Sequence[Row]]

_PROTOCOLS = {"smtp": "SMTP", "submission": "submission", "lmtp": "LMTP", "pop3": "POP3", "imap": "IMAP"}
_FLAGS = {
    ("add", "\\Seen"): "marked as read",
    ("remove", "\\Seen"): "marked as unread",
    ("add", "\\Answered"): "marked as answered",
    ("add", "\\Flagged"): "flagged",
    ("remove", "\\Flagged"): "no longer flagged",
    ("add", "\\Deleted"): "marked for deletion",
    ("remove", "\\Deleted"): "no longer marked for deletion",
}
_CHANGES = {"add": "gets", "remove": "loses", "replace": "has from here on"}


def when(seconds: object) -> str:
    """A time as people here read clocks."""
    try:
        return f"{datetime.fromtimestamp(float(str(seconds))).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def told(rows: Sequence[Row], sessions: Sessions) -> Iterator[str]:
    """A line for each event: the time, and what happened."""
    for row in rows:
        sentence = _SENTENCES.get(row["event"])
        text = sentence(row, sessions) if sentence else _otherwise(row)
        yield f"{when(row['time'])}  {text}"


def _by(row: Row, sessions: Sessions) -> str:
    """Who did it, in which session, from where, with which program."""
    connection = str(row.get("connection"))
    known = sessions.get(connection, ())
    logins = [one for one in known if one["event"] == "LoggedIn"]
    login = next((one for one in reversed(logins) if one["time"] <= row["time"]), None)
    client = next((one.get("client") for one in known if one["event"] == "Identified"), "")
    if login is None:
        return f"in session {connection}" if connection else "by the server"
    protocol = _PROTOCOLS.get(str(login.get("protocol")), login.get("protocol"))
    text = f"by {login.get('address')}, {protocol} session {connection} from {login.get('peer') or 'here'}"
    return f"{text} ({client})" if client else text


def _accepted(row: Row, sessions: Sessions) -> str:
    peer = row.get("peer") or "this machine"
    hello = f" ({row['hello']})" if row.get("hello") else ""
    recipients = ", ".join(map(str, row.get("recipients") or ()))
    known = [one for one in sessions.get(str(row.get("connection")), ()) if one["event"] == "LoggedIn"]
    before = [one for one in known if one["time"] <= row["time"]]
    login = f", logged in as {before[-1].get('address')}" if before else ""
    named = f", Message-ID {row['message_id']}" if row.get("message_id") else ""
    return (
        f"accepted as {row.get('message')} in session {row.get('connection')} from {peer}{hello}{login}: "
        f"from <{row.get('reverse_path')}> to {recipients}, {_many(row, 'octets', 'octet')}{named}"
    )


def _flagged(row: Row, sessions: Sessions) -> str:
    flags = [str(one) for one in row.get("flags") or ()]
    change = str(row.get("change"))
    plain = [_FLAGS.get((change, flag), "") for flag in flags]
    if plain and all(plain):
        what = " and ".join(plain)
    else:
        what = f"{_CHANGES.get(change, change)} the flags {' '.join(flags) or '(none)'}"
    return f"{what} in {_place(row)} {_by(row, sessions)}"


def _place(row: Row, prefix: str = "") -> str:
    return f"{row.get(prefix + 'mailbox')} of {row.get(prefix + 'address')}"


def _many(row: Row, key: str, thing: str) -> str:
    """A number that an event tells, and of what."""
    number = row.get(key)
    return counted(number, thing) if isinstance(number, int) else f"{number} {thing}s"


def _refused(row: Row, _: Sessions) -> str:
    command = f"{row.get('command')} {row.get('subject')}".rstrip()
    peer = f" from {row['peer']}" if row.get("peer") else ""
    sender = f" of mail from <{row['reverse_path']}>" if row.get("reverse_path") else ""
    recipients = row.get("recipients")
    to = f" to {', '.join(map(str, recipients))}" if isinstance(recipients, list) and recipients else ""
    session = f"session {row.get('connection')}{peer}"
    return f"{command}{sender}{to} was refused in {session}: {row.get('reply')}"


def _otherwise(row: Row) -> str:
    """An event that has no sentence."""
    values = (f"{key} {value}" for key, value in row.items() if key not in ("time", "event") and value)
    return f"{row['event']}: {', '.join(values)}"


_SENTENCES: Mapping[str, Callable[[Row, Sessions], str]] = {
    "Accepted": _accepted,
    "Refused": _refused,
    "LoggedIn": lambda row, _: (
        f"{row.get('address')} logged in by {_PROTOCOLS.get(str(row.get('protocol')), row.get('protocol'))} "
        f"from {row.get('peer') or 'here'}"
    ),
    "LoginRefused": lambda row, _: (
        f"login as {row.get('username')} refused from {row.get('peer') or 'here'}: {row.get('reason')}"
    ),
    "Identified": lambda row, _: f"the client says it is {row.get('client')}",
    "Delivered": lambda row, _: f"delivered to {_place(row)}",
    "Held": lambda row, _: f"held in the queue until {when(row.get('until'))}",
    "Postponed": lambda row, _: (
        f"tried {_many(row, 'tries', 'time')}; the next try is at {when(row.get('until'))}"
    ),
    "Expanded": lambda row, _: f"goes on to {_many(row, 'members', 'member')} of {row.get('address')}",
    "Relayed": lambda row, _: f"{row.get('host')} took it for {row.get('recipient')}: {row.get('reply')}",
    "PutOff": lambda row, _: (
        f"{row.get('host')} did not take it yet for {row.get('recipient')}: {row.get('reply')}"
    ),
    "MaybeTwice": lambda row, _: (
        f"{row.get('host')} had all of it and did not answer: "
        f"{_many(row, 'recipients', 'recipient')} may get it twice"
    ),
    "Failed": lambda row, _: f"given up for {row.get('recipient')}: {row.get('reason')}",
    "Ended": lambda row, _: "left the queue: it was delivered or given up for each recipient",
    "Dropped": lambda row, _: "removed from the queue by an administrator; who lacked it does not get it",
    "Reported": lambda row, _: f"{row.get('address')} was told what became of it",
    "NotTold": lambda row, _: f"{row.get('address')} is not told what became of it: {row.get('reason')}",
    "Shown": lambda row, _: f"shown to {row.get('address')} in {_many(row, 'count', 'place')}",
    "Flagged": _flagged,
    "Copied": lambda row, sessions: f"copied from {_place(row)} to {_place(row, 'to_')} {_by(row, sessions)}",
    "Moved": lambda row, sessions: f"moved from {_place(row)} to {_place(row, 'to_')} {_by(row, sessions)}",
    "MailboxDeleted": lambda row, sessions: (
        f"{_place(row)} was deleted with all messages in it {_by(row, sessions)}"
    ),
    "MailboxRenamed": lambda row, sessions: (
        f"{_place(row)} was renamed to {row.get('to_mailbox')} {_by(row, sessions)}"
    ),
    "Retrieved": lambda row, sessions: f"downloaded from {_place(row)} {_by(row, sessions)}",
    "Expunged": lambda row, sessions: f"removed for good from {_place(row)} {_by(row, sessions)}",
}
