"""FETCH items (RFC 3501 section 6.4.5 and 7.4.2): which there are, how they are read, and what they answer.

An item is a function of a message that gives its octets, long ones in chunks. All that can go wrong goes
wrong before it returns: afterwards a literal may be half sent, and only Torn is left.

What the store has prepared comes in columns: the same item of many messages, one after the other. A FETCH of
such items alone costs a microsecond or two for each message.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import tee
from operator import attrgetter
from typing import Any, ClassVar, Protocol

from mailnode.imap import binary_items, identity
from mailnode.imap.binary_items import Binary
from mailnode.imap.literals import exactly
from mailnode.imap.replies import Refused, flag_list
from mailnode.imap.selected import Selected
from mailnode.imap.subject import Subject
from mailnode.message.date import internal_date, internal_dates
from mailnode.message.listed import are_listed
from mailnode.message.rendered import Rendered
from mailnode.message.section import Range, Section, What, header_fields, is_for_lists, locate
from mailnode.store.body import Body
from mailnode.store.messages import Several
from mailnode.store.prepared_tables import Prepared
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.writer import NIL, astring

_MANY = 512  # messages whose prepared answers are got together
_HEADERS = 128  # whose headers are, where these are not short
_SOME = 16  # which are read together
_SOON_COUNTED = 1 << 20
_KEPT = 4096  # octets of the names of items that a session remembers

_WHOLE = Section()
_HEADER = Section(what="HEADER")
_TEXT = Section(what="TEXT")


# The values of some messages of a view. Raises NoSuchMessage, OSError, or Unread where they are to be asked
# for one by one.
Column = Callable[[Selected, Several], Iterable[Any]]


@frozen
class Attribute:
    """An item whose value is short and prepared."""

    label: bytes
    values: Column
    alone: Callable[[Subject], Any] | None = None  # how one message is asked, if otherwise
    form: bytes = b"%b"  # in which a value is written

    together: ClassVar[int] = _MANY  # of how many messages it is got at once

    def columns(self, view: Selected, some: Several) -> tuple[Iterable[Any], ...]:
        """What is written of some messages: for each `%` of the form one of each. Raises as a Column."""
        return (self.values(view, some),)

    def __call__(self, subject: Subject) -> bytes:
        """The item of one message."""
        if self.alone is not None:
            value = self.alone(subject)
        else:
            (value,) = self.values(subject.view, Several([subject.message]))
        return b"%b %b" % (self.label, self.form % value)


@frozen
class Text:
    """BODY[<section>]<<partial>> and its older names; `peek` leaves \\Seen alone."""

    label: bytes
    section: Section
    peek: bool
    partial: tuple[int, int] | None = None  # first octet and how many

    form: ClassVar[bytes] = b"{%d}\r\n%b"  # in which its columns are written

    @property
    def together(self) -> int:
        """Of how many messages it is got at once."""
        if self.section == _WHOLE:
            return _SOME
        if is_for_lists(self.section) and are_listed(self.section.fields):
            return _MANY
        return _HEADERS if _is_header(self.section) else 1

    def columns(self, view: Selected, some: Several) -> tuple[Iterable[Any], ...]:
        """The length and the octets of each literal, where it is short or prepared; raises as a Column."""
        if self.section == _WHOLE:
            found: Iterable[bytes] = map(view.reading.small, some.uids)  # each is read when it is asked for
        else:
            found = _headers(view, some, self.section)
        lengths, texts = tee(map(self._octets, found))
        return map(len, lengths), texts

    def _octets(self, text: bytes) -> bytes:
        """What was asked for of it; NUL, which no literal can hold, is sent as 0x80."""
        if self.partial is not None:
            start, most = self.partial
            text = text[start : start + most]
        return text.replace(b"\0", b"\x80") if b"\0" in text else text

    def __call__(self, subject: Subject) -> bytes | Iterator[bytes]:
        """The section as a literal, in chunks; NIL where the message has none."""
        found = section_octets(subject, self.section)
        if found is None:
            return self.label + b" " + NIL
        size, text = found
        if isinstance(text, bytes):
            octets = self._octets(text)
            return self.label + b" " + self.form % (len(octets), octets)
        start, most = self.partial or (0, size)
        count = max(0, min(most, size - start))
        return _literal(self.label + b" {%d}\r\n" % count, text, start, count)


Item = Attribute | Text | Binary


def _prepared(name: bytes, what: Prepared) -> Attribute:
    return Attribute(
        name,
        lambda view, some: view.reading.column(some, what),
        lambda subject: bytes(subject.prepared(what)),
    )


def _internal_dates(view: Selected, some: Several) -> list[bytes]:
    return internal_dates(view.mailbox.internal_dates(some.uids))


def _named_for_ever(name: Callable[[Selected, int], str]) -> Column:
    """ "(" objectid ")" (RFC 8474 section 7)."""
    return lambda view, some: (b"(%b)" % name(view, uid).encode("ascii") for uid in some.uids)


def _save_dates(view: Selected, some: Several) -> Iterator[bytes]:
    return (internal_date(identity.saved(view, uid)) for uid in some.uids)


UID = Attribute(b"UID", lambda view, some: some.uids, form=b"%d")


def _flags(view: Selected, some: Several) -> list[bytes]:
    if view.recent:
        return list(map(view.flags, some.messages))
    flags = [message.flags for message in some.messages]
    written = {one: flag_list(one) for one in set(flags)}  # many have the same
    return [written[one] for one in flags]


FLAGS = Attribute(b"FLAGS", _flags)

# RFC 7162 section 3.1.4.2.
MODSEQ = Attribute(b"MODSEQ", lambda view, some: map(attrgetter("modseq"), some.messages), form=b"(%d)")


def _at_hand(view: Selected, some: Several) -> Iterator[bytes]:
    """PREVIEW where it is prepared, else NIL (RFC 8970 section 4.1)."""
    return (view.mailbox.ready(uid, "preview") or NIL for uid in some.uids)


_LAZY_PREVIEW = Attribute(b"PREVIEW", _at_hand)
_LAZY = re.compile(rb" \(LAZY(?: LAZY)*+\)", re.IGNORECASE)

ATTRIBUTES: Mapping[str, Attribute | Text] = {
    "UID": UID,
    "FLAGS": FLAGS,
    "MODSEQ": MODSEQ,
    "INTERNALDATE": Attribute(b"INTERNALDATE", _internal_dates),
    "RFC822.SIZE": Attribute(
        b"RFC822.SIZE",
        lambda view, some: view.reading.sizes(some.uids),
        lambda subject: subject.reading.octets(subject.uid),
        form=b"%d",
    ),
    "EMAILID": Attribute(b"EMAILID", _named_for_ever(identity.email_id)),
    "THREADID": Attribute(b"THREADID", _named_for_ever(identity.thread_id)),
    "SAVEDATE": Attribute(b"SAVEDATE", _save_dates),
    "ENVELOPE": _prepared(b"ENVELOPE", "envelope"),
    "BODY": _prepared(b"BODY", "body"),
    "BODYSTRUCTURE": _prepared(b"BODYSTRUCTURE", "bodystructure"),
    "PREVIEW": _prepared(b"PREVIEW", "preview"),
    "RFC822": Text(b"RFC822", _WHOLE, peek=False),
    "RFC822.HEADER": Text(b"RFC822.HEADER", _HEADER, peek=True),
    "RFC822.TEXT": Text(b"RFC822.TEXT", _TEXT, peek=False),
}
_FAST = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
MACROS: Mapping[str, tuple[str, ...]] = {
    "FAST": _FAST,
    "ALL": (*_FAST, "ENVELOPE"),
    "FULL": (*_FAST, "ENVELOPE", "BODY"),
}
_OF_MESSAGE: Mapping[str, What] = {
    "HEADER": "HEADER",
    "HEADER.FIELDS": "HEADER.FIELDS",
    "HEADER.FIELDS.NOT": "HEADER.FIELDS.NOT",
    "TEXT": "TEXT",
}


# Grammar


def parse(args: Cursor) -> tuple[Item, ...]:
    """ "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")" """
    if args.at(b"("):
        return tuple(args.list_of(_fetch_att))
    name = args.keyword()
    if name in MACROS:
        return tuple(ATTRIBUTES[item] for item in MACROS[name])
    return (_named(name, args),)


def parse_kept(args: Cursor) -> tuple[Item, ...]:
    """ "(" fetch-att *(SP fetch-att) ")", for a session to remember. Raises Refused where that is much."""
    items = tuple(dict.fromkeys(args.list_of(_fetch_att)))
    if sum(len(item.label) for item in items) > _KEPT:
        raise Refused(b"LIMIT", "Those are too many items to be remembered")
    return items


def _fetch_att(args: Cursor) -> Item:
    return _named(args.keyword(), args)


def _named(name: str, args: Cursor) -> Item:
    if name in ("BODY", "BODY.PEEK") and args.accept(b"["):
        return _section_item(args, peek=name == "BODY.PEEK")
    if name in binary_items.NAMES and args.accept(b"["):
        return binary_items.parse(name, args)
    if name not in ATTRIBUTES:
        raise BadSyntax("There is no such message data item")
    if name == "PREVIEW" and args.accept_all(_LAZY):  # other lists behind it modify the command
        return _LAZY_PREVIEW
    return ATTRIBUTES[name]


def _section_item(args: Cursor, *, peek: bool) -> Text:
    """ "BODY" [".PEEK"] section ["<" number "." nz-number ">"]"""
    section = section_spec(args)
    args.expect(b"]")
    label = b"BODY[" + _written(section) + b"]"
    if not args.accept(b"<"):
        return Text(label, section, peek)
    start, count = args.number(), args.expect(b".").nz_number()
    args.expect(b">")
    return Text(label + b"<%d>" % start, section, peek, (start, count))


def section_spec(args: Cursor) -> Section:
    """section-spec = section-msgtext / (section-part ["." section-text])"""
    if args.at(b"]"):
        return _WHOLE
    path: list[int] = []
    while args.at_digit():
        path.append(args.nz_number())
        if not args.accept(b"."):
            return Section(tuple(path))
    name = args.keyword()
    if name == "MIME" and path:
        return Section(tuple(path), "MIME")
    if name not in _OF_MESSAGE:
        raise BadSyntax("There is no such section")
    what = _OF_MESSAGE[name]
    fields = args.sp().list_of(Cursor.astring) if what.startswith("HEADER.FIELDS") else ()
    return Section(tuple(path), what, tuple(fields))


def _written(section: Section) -> bytes:
    """The section as the response names it."""
    words = [b"%d" % number for number in section.path]
    if section.what:
        words.append(section.what.encode())
    fields = b" (" + b" ".join(map(astring, section.fields)) + b")" if section.fields else b""
    return b".".join(words) + fields


# Octets


class Source(Protocol):
    """A message whose sections are asked for."""

    @property
    def body(self) -> Body:
        """Its open file."""

    @property
    def rendered(self) -> Rendered:
        """Its prepared answers, with the tree of parts."""

    def prepared(self, what: Prepared) -> Any:
        """One of them, without the others."""


def section_octets(subject: Source, section: Section) -> tuple[int, bytes | Iterator[bytes]] | None:
    """The size of a section on the wire, and its octets; None where there is no such section."""
    if section == _WHOLE:
        return _whole(subject)
    if _is_header(section):
        header = _chosen(subject.prepared("header"), section)
        return len(header), header
    place = locate(subject.rendered.parts, section)
    if place is None:
        return None
    if section.fields:
        header = _chosen(b"".join(subject.body.wire(place.start, place.end)), section)
        return len(header), header
    return _size(subject, place), subject.body.wire(place.start, place.end)


def _whole(subject: Source) -> tuple[int, bytes | Iterator[bytes]]:
    """Nobody has to have parsed a message for this; only of a large one the size is looked up."""
    body = subject.body
    if body.is_small:
        text = body.text()
        return len(text), text
    return body.octets() if body.size <= _SOON_COUNTED else subject.prepared("octets"), body.wire()


def _chosen(header: bytes, section: Section) -> bytes:
    if not section.fields:
        return header
    return header_fields(header, section.fields, negate=section.what == "HEADER.FIELDS.NOT")


def _is_header(section: Section) -> bool:
    """Whether it is of the header of the message itself, which is prepared."""
    return section.what.startswith("HEADER") and not section.path


def _headers(view: Selected, some: Several, section: Section) -> Sequence[bytes]:
    """The header of each of some messages, or what was chosen of it; raises as a Column."""
    if not section.fields:
        return view.reading.column(some, "header")
    if not is_for_lists(section):
        return [_chosen(header, section) for header in view.reading.column(some, "header")]
    found = view.mailbox.fields(some, section.fields)
    known = [fields for fields in found if fields is not None]
    if len(known) == len(found):
        return known
    return [
        _chosen(view.reading.prepared(uid, "header"), section) if fields is None else fields
        for uid, fields in zip(some.uids, found, strict=True)
    ]


def _size(subject: Source, place: Range) -> int:
    """From what was counted when the message was rendered; only headers inside it are counted now."""
    for part in subject.rendered.parts.walk():
        if (place.start, place.end) == (part.body_start, part.end):
            return part.octets
    return subject.body.octets(place.start, place.end)


def _literal(announcement: bytes, chunks: Iterator[bytes], start: int, count: int) -> Iterator[bytes]:
    """NUL, which no literal can hold, is sent as 0x80."""
    return (piece.replace(b"\0", b"\x80") for piece in exactly(announcement, chunks, start, count))
