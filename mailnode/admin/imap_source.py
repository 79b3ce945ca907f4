"""Another IMAP server as a source of mail: it is only looked at, and nothing there is changed."""

import imaplib
import re
import ssl
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from mailnode.store.importing import Letter, batched
from mailnode.store.names import normal
from mailnode.store.values import DELETED, Flags, Name
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import mutf7

TIMEOUT = 120.0  # seconds without an answer
TOGETHER = 20  # messages that are fetched by one command

_LIST = re.compile(rb'\(([^)]*)\) (NIL|"(?:\\.|[^"\\])") (.+)', re.DOTALL)
_UID = re.compile(rb"\bUID ([0-9]+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'INTERNALDATE "[^"]*"')
_LEFT_OUT = frozenset(("\\noselect", "\\nonexistent", "\\all"))  # no folders, and one that has all of others
_NO_LEVEL = re.compile(r"[./]")


class SourceFailed(Exception):
    """The other server has refused something, or cannot be reached; the text says what."""


@frozen
class There:
    """A folder there: the name as it is said, and the levels that it has here."""

    said: bytes
    name: Name


@frozen
class Seen:
    """A message there, as far as it is known before it is fetched."""

    uid: int
    flags: Flags
    date: float | None
    guid: str


@frozen
class Account:
    """Whose mail it is, and where."""

    host: str
    port: int
    user: str
    starttls: bool = False
    ca: str | None = None


class ImapSource:
    """A session. Every method raises SourceFailed."""

    def __init__(self, account: Account, password: str, *, context: ssl.SSLContext | None = None) -> None:
        self._account = account
        context = context or ssl.create_default_context(cafile=account.ca)
        try:
            if account.starttls:
                self._session: imaplib.IMAP4 = imaplib.IMAP4(account.host, account.port, TIMEOUT)
                self._session.starttls(context)
            else:
                self._session = imaplib.IMAP4_SSL(
                    account.host, account.port, ssl_context=context, timeout=TIMEOUT
                )
            self._log_in(account.user, password)
        except (OSError, imaplib.IMAP4.error) as error:
            raise SourceFailed(f"{account.host}: {_words(error)}") from None

    def _log_in(self, user: str, password: str) -> None:
        """LOGIN takes ASCII only."""
        if f"{user}{password}".isascii():
            self._session.login(user, password)
        else:
            self._session.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())

    def close(self) -> None:
        """Say goodbye, whatever the answer is."""
        try:
            self._session.logout()
        except (OSError, imaplib.IMAP4.error):
            self._session.shutdown()

    def _ask(self, command: str, *arguments: Any) -> list[Any]:
        try:
            status, data = getattr(self._session, command)(*arguments)
        except (OSError, imaplib.IMAP4.error) as error:
            raise SourceFailed(f"{self._account.host}: {_words(error)}") from None
        if status != "OK":
            raise SourceFailed(f"{self._account.host}: {_words(data[0] if data else status)}")
        return list(data)

    def folders(self) -> list[There]:
        """All that can be selected, INBOX first."""
        found = []
        for one in self._ask("list", '""', "*"):
            there = _folder(one)
            if there is not None:
                found.append(there)
        return sorted(found, key=lambda one: (one.name != ("INBOX",), one.name))

    def look(self, folder: There) -> list[Seen]:
        """The messages of a folder, but those that are marked as deleted; it stays open for fetch()."""
        self._ask("select", _quoted(folder.said), True)
        validity = self._session.response("UIDVALIDITY")[1]
        account = self._account
        place = b"%s\0%s\0%s\0%s" % (
            account.host.encode(),
            account.user.encode(),
            folder.said,
            validity[0] if validity and validity[0] else b"",
        )
        found = []
        for one in self._ask("uid", "FETCH", "1:*", "(FLAGS INTERNALDATE)"):
            line = one[0] if isinstance(one, tuple) else one or b""
            uid, flags = _UID.search(line), _flags(line)
            if uid is not None and DELETED not in flags:
                digest = sha256(place + b"\0" + uid[1]).hexdigest()
                guid = f"imap{digest[:40]}"
                found.append(Seen(int(uid[1]), flags, _date(line), guid))
        return found

    def fetch(self, some: list[Seen]) -> Iterator[Letter]:
        """These messages of the folder that was looked at last; those that are gone are left out."""
        for piece in batched(some, TOGETHER):
            by_uid = {one.uid: one for one in piece}
            uids = ",".join(map(str, by_uid))
            for one in self._ask("uid", "FETCH", uids, "(UID BODY.PEEK[])"):
                found = _UID.search(one[0]) if isinstance(one, tuple) else None
                seen = by_uid.get(int(found[1])) if found else None
                if seen is not None:
                    yield Letter(one[1], seen.flags, seen.date, seen.guid)


def _words(what: Any) -> str:
    text = what.decode("utf-8", "replace") if isinstance(what, bytes) else str(what)
    return text.removeprefix("b'").removesuffix("'")


def _folder(response: Any) -> There | None:
    line = response[0] if isinstance(response, tuple) else response
    found = _LIST.match(line or b"")
    if found is None or not _LEFT_OUT.isdisjoint(found[1].decode("ascii", "replace").lower().split()):
        return None
    said = response[1] if isinstance(response, tuple) else _unquoted(found[3])
    separator = "" if found[2] == b"NIL" else _unquoted(found[2]).decode("ascii", "replace")
    try:
        text = mutf7.decode(said)
    except BadSyntax:
        text = said.decode("utf-8", "replace")
    levels = text.split(separator) if separator else [text]
    levels = [_NO_LEVEL.sub("_", level) for level in levels if level]
    return There(said, normal(tuple(levels))) if levels else None


def _unquoted(text: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", text[1:-1]) if text.startswith(b'"') else text


def _quoted(name: bytes) -> str:
    escaped = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return f'"{escaped.decode("ascii", "surrogateescape")}"'


def _flags(line: bytes) -> Flags:
    found = _FLAGS.search(line)
    flags = found[1].decode("ascii", "replace").split() if found else []
    known = {"\\seen": "\\Seen", "\\answered": "\\Answered", "\\flagged": "\\Flagged", "\\draft": "\\Draft"}
    known["\\deleted"] = DELETED
    plain = (known.get(flag.lower(), "" if flag.startswith("\\") else flag) for flag in flags)
    return frozenset(flag for flag in plain if flag and len(flag) <= 50)


def _date(line: bytes) -> float | None:
    found = _DATE.search(line)
    moment = imaplib.Internaldate2tuple(found[0]) if found else None
    return None if moment is None else time.mktime(moment)
