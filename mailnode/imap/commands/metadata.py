"""GETMETADATA and SETMETADATA (RFC 5464): annotations of mailboxes, and of the server, whose name is ""."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from urllib.parse import quote

from mailnode.imap import annotated, filters
from mailnode.imap.commands import arguments
from mailnode.imap.own import Annotated
from mailnode.imap.places import Place
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.store.annotations import ENTRY_OCTETS, VALUE_OCTETS
from mailnode.store.attributes import RESERVED
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.writer import astring, nstring8

ADMIN = "/shared/admin"

_ENTRY = re.compile(rb"/(?:private|shared)(?:/[^/*%\x00-\x1f\x7f-\xff]+)*", re.IGNORECASE)
_OPTION_STARTS = (b"(M", b"(m", b"(D", b"(d")
_ENTRIES = 100  # in one GETMETADATA
_DEPTHS = {"0": 0, "1": 1, "INFINITY": None}
_VENDOR_LEVELS = 4  # of "/shared/vendor/<vendor-token>/<entry>", at least; of other entries 2


@frozen
class Get:
    """A mailbox, or "" for the server, and which entries; `depth` is None for all below them."""

    mailbox: str
    entries: tuple[str, ...]
    depth: int | None = 0
    most: int | None = None

    def asks_for(self, entry: str) -> bool:
        """Whether an entry is named, or near enough below one that is."""
        return any(self._reaches(above, entry) for above in self.entries)

    def _reaches(self, above: str, entry: str) -> bool:
        if entry == above:
            return True
        below = entry.removeprefix(f"{above}/")
        return below != entry and (self.depth is None or below.count("/") < self.depth)


@frozen
class Set:
    """A mailbox, or "" for the server, and what to set; None is to be taken out."""

    mailbox: str
    values: Mapping[str, bytes | None] = field(repr=False)


# Grammar


def parse_get(args: Cursor) -> Get:
    """getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries

    The examples of section 4.2 have the options behind the mailbox, and several entries without parentheses:
    both are taken too.
    """
    options = _options(args) if args.sp().at(b"(") else None
    mailbox = args.sp().mailbox() if options is not None else args.mailbox()
    args.sp()
    if options is None and any(map(args.at, _OPTION_STARTS)):
        options = _options(args)
        args.sp()
    entries = args.list_of(_entry) if args.at(b"(") else [_entry(args)]
    while args.accept(b" "):
        entries.append(_entry(args))
    args.end()
    return Get(mailbox, _once(entries), **(options or {}))


def parse_entries(args: Cursor) -> tuple[str, ...]:
    """SP "(" entry *(SP entry) ")" (RFC 9590 section 5)"""
    return _once(args.sp().list_of(_entry))


def _once(entries: list[str]) -> tuple[str, ...]:
    if len(entries) > _ENTRIES:
        raise Refused(b"LIMIT", f"There may be {_ENTRIES} entries")
    return tuple(dict.fromkeys(entries))


def _options(args: Cursor) -> dict[str, int | None]:
    """getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")" """
    given = arguments.options(args, {"MAXSIZE": lambda args: args.sp().number(), "DEPTH": _depth})
    return {"depth": given.get("DEPTH", 0), "most": given.get("MAXSIZE")}


def _depth(args: Cursor) -> int | None:
    """scope-opt = "DEPTH" SP ("0" / "1" / "infinity")"""
    depth = args.sp().keyword()
    if depth not in _DEPTHS:
        raise BadSyntax("DEPTH is 0, 1 or infinity")
    return _DEPTHS[depth]


def _entry(args: Cursor) -> str:
    """entry = astring, a path below /private or /shared (section 3.2), here in lower case."""
    entry = args.astring()
    if not _ENTRY.fullmatch(entry):
        raise BadSyntax("That is not the name of an entry")
    return entry.decode("ascii").lower()


def parse_set(args: Cursor) -> Set:
    """setmetadata = "SETMETADATA" SP mailbox SP entry-values"""
    mailbox = args.sp().mailbox()
    values = dict(args.sp().list_of(_entry_value))
    args.end()
    return Set(mailbox, values)


def _entry_value(args: Cursor) -> tuple[str, bytes | None]:
    """entry-value = entry SP value  ;  value = nstring / literal8"""
    entry = _entry(args)
    levels = entry.split("/")[1:]
    if len(levels) < (_VENDOR_LEVELS if levels[1:2] == ["vendor"] else 2):
        raise BadSyntax("The name of the entry has too few levels")
    return entry, args.sp().nstring8()


# GETMETADATA


async def get(session: Session, asked: Get) -> Reply:
    """An entry that is named and not there is NIL, unless more than the named ones is asked for."""
    place = await _place(session, asked.mailbox)
    there = await annotated.entries(session, place)
    if place is None and (address := _administrator(session)):
        there[ADMIN] = address
    found: dict[str, bytes | None] = {} if asked.depth != 0 else dict.fromkeys(asked.entries)
    found.update({entry: value for entry, value in there.items() if asked.asks_for(entry)})
    sizes = [len(value or b"") for value in found.values()]
    if asked.most is not None:
        found = {entry: value for entry, value in found.items() if len(value or b"") <= asked.most}
    if found:
        mailbox = session.wire_name(session.places.shown(place) if place is not None else ())
        await session.send(response(mailbox, found))
    if len(found) == len(sizes):
        return ok("Done")
    return ok("Some entries are too long", b"METADATA LONGENTRIES %d" % max(sizes))


async def _place(session: Session, mailbox: str) -> Place | None:
    return await session.place(mailbox) if mailbox else None


def _administrator(session: Session) -> bytes:
    """The URI of /shared/admin (section 3.2.1.1)."""
    config = session.config
    domain = next(iter(config.domains), config.hostname)
    return f"mailto:{quote(config.postmaster or f'postmaster@{domain}', safe='@')}".encode("ascii")


def response(mailbox: bytes, found: Mapping[str, bytes | None]) -> Iterator[bytes]:
    """metadata-resp = "METADATA" SP mailbox SP entry-values, as a line"""
    before = b"* METADATA " + mailbox + b" ("
    for entry, value in found.items():
        yield before + astring(entry.encode("ascii")) + b" " + nstring8(value)
        before = b" "
    yield b")\r\n"


# SETMETADATA


async def set_entries(session: Session, wanted: Set) -> Reply:
    """All of them, or none."""
    place = await _place(session, wanted.mailbox)
    for entry, value in wanted.values.items():
        _check(entry, value, server=place is None)
    await annotated.change(session, place, wanted.values)
    account = session.account if place is None else place.account
    name = None if place is None else session.places.shown(place)
    session.announce_account(account, Annotated(name, wanted.values))
    return ok("Set")


def _check(entry: str, value: bytes | None, *, server: bool) -> None:
    """Raise Refused for what cannot be set: shared entries of the server are the administrator's."""
    if server and entry.startswith("/shared/"):
        raise Refused(b"NOPERM", "Shared entries of the server cannot be changed")
    if entry.split("/", 2)[2].startswith(RESERVED):
        raise Refused(b"NOPERM", "The entry is reserved")
    if len(entry) > ENTRY_OCTETS:
        raise Refused(b"LIMIT", f"The name of an entry has at most {ENTRY_OCTETS} letters")
    if len(value or b"") > VALUE_OCTETS:
        raise Refused(b"METADATA MAXSIZE %d" % VALUE_OCTETS, "The value is too large")
    if server and entry.startswith(filters.PRIVATE):
        filters.check(entry.removeprefix(filters.PRIVATE), value)
