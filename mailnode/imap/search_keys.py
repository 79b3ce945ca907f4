"""SEARCH keys (RFC 3501 section 6.4.4): which there are, how they are read, and which messages match.

Those that look for a string are made in text_keys.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from math import floor

from mailnode.imap import identity
from mailnode.imap.members import Members
from mailnode.imap.narrowing import Narrowing
from mailnode.imap.needles import Needle
from mailnode.imap.search_key import (
    EVERY,
    Asked,
    Cost,
    Hole,
    Key,
    all_of,
    any_of,
    fuzzy_of,
    not_of,
)
from mailnode.imap.selected import Selected
from mailnode.imap.subject import Subject
from mailnode.imap.text_keys import header_key, text_key
from mailnode.message.collation import fold
from mailnode.store.messages import Message
from mailnode.store.values import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from mailnode.values import replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import LARGEST, SequenceSet

_EPOCH = date(1970, 1, 1).toordinal()

DEPTH = 100
KEYS = 500  # in one command


Parse = Callable[[Cursor, int], Key]


def parse_all(args: Cursor, depth: int = 0) -> Key:
    """search-key *(SP search-key): all of them must match."""
    keys = [parse_key(args, depth)]
    while args.accept(b" "):
        keys.append(parse_key(args, depth))
    return all_of(keys)


def parse_key(args: Cursor, depth: int) -> Key:
    """search-key; raises BadSyntax for one that is nested deeper than DEPTH."""
    if depth > DEPTH:
        raise BadSyntax("The search keys are nested too deep")
    if args.accept(b"("):
        key = parse_all(args, depth + 1)
        args.expect(b")")
        return key
    if args.at_digit() or args.at(b"*") or args.at(b"$"):
        return _numbers(args, by_uid=False)
    parse = SEARCH_KEYS.get(args.keyword())
    if parse is None:
        raise BadSyntax("There is no such search key")
    return parse(args, depth)


# Keys without arguments, flags, and numbers


def _known(asked: Callable[[Selected, Message], bool]) -> Key:
    """A key for which it is enough what is in memory."""
    return Key(
        Cost.MEMORY,
        lambda subject: asked(subject.view, subject.message),
        together=lambda view, messages, known: [asked(view, message) for message in messages],
    )


def _constant(asked: Callable[[Selected, Message], bool]) -> Parse:
    return lambda args, depth: _known(asked)


def _flag(flag: str, *, wanted: bool) -> Parse:
    """A flag of which many messages are asked again and again, without a call for each."""
    key = Key(
        Cost.MEMORY,
        lambda subject: (flag in subject.message.flags) is wanted,
        together=lambda view, messages, known: [(flag in one.flags) is wanted for one in messages],
    )
    return lambda args, depth: key


def _recent(view: Selected, message: Message) -> bool:
    return message.uid in view.recent


def _keyword(*, wanted: bool) -> Parse:
    """KEYWORD and UNKEYWORD <flag>: keywords have no case."""

    def parse(args: Cursor, depth: int) -> Key:
        keyword = args.sp().atom().decode("ascii").lower()
        return _known(lambda view, message: any(keyword == one.lower() for one in message.flags) is wanted)

    return parse


def _numbers(args: Cursor, *, by_uid: bool) -> Key:
    """sequence-set"""
    return _one_of(Members(args.sequence_set(), by_uid=by_uid))


def _one_of(members: Members) -> Key:
    return Key(
        Cost.MEMORY,
        lambda subject: subject.uid in members,
        sets=(members,),
        within=(members,),
        together=lambda view, messages, known: members.holding(_uids(messages)),
    )


def _uids_from(bounds: Callable[[int], tuple[int, int]]) -> Parse:
    """UIDAFTER and UIDBEFORE <uid> (RFC 9738 section 3.2)."""

    def parse(args: Cursor, depth: int) -> Key:
        first, last = bounds(args.sp().nz_number())
        return _one_of(Members(SequenceSet(((first, last),) if first <= last else ()), by_uid=True))

    return parse


def _modseq(args: Cursor, depth: int) -> Key:
    """search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer (RFC 7162)

    entry-name = DQUOTE "/flags/" attr-flag DQUOTE. A message has one sequence for all its flags: so entries
    are read, and ignored (section 3.1.5).
    """
    if args.sp().at(b'"'):
        _entry(args)
        args.sp()
    since = args.modseq(zero=True)
    return replace(_known(lambda view, message: message.modseq >= since), modseqs=True)


def _entry(args: Cursor) -> None:
    """entry-name SP entry-type-req"""
    if not args.string().lower().startswith(b"/flags/"):
        raise BadSyntax("That is not the name of an entry")
    if args.sp().keyword() not in ("PRIV", "SHARED", "ALL"):
        raise BadSyntax("PRIV, SHARED or ALL expected")


def _object(cost: Cost, name: Callable[[Selected, int], str]) -> Parse:
    """EMAILID and THREADID <objectid> (RFC 8474 section 6)."""

    def parse(args: Cursor, depth: int) -> Key:
        wanted = identity.object_id(args.sp())
        return Key(cost, lambda subject: name(subject.view, subject.uid) == wanted)

    return parse


# Combinations


def _not(args: Cursor, depth: int) -> Key:
    """NOT <search-key>"""
    return not_of(parse_key(args.sp(), depth + 1))


def _or(args: Cursor, depth: int) -> Key:
    """OR <search-key1> <search-key2>"""
    return any_of([parse_key(args.sp(), depth + 1), parse_key(args.sp(), depth + 1)])


def _fuzzy(args: Cursor, depth: int) -> Key:
    """FUZZY <search-key> (RFC 6203): matched as exactly as without, as section 5 allows for every key."""
    return fuzzy_of(parse_key(args.sp(), depth + 1))


def _filter(args: Cursor, depth: int) -> Key:
    """FILTER <filter-name>  ;  filter-name = 1*<any ATOM-CHAR except "/">"""
    name = args.sp().atom().decode("ascii")
    if "/" in name:
        raise BadSyntax("That is not the name of a filter")
    return Key(Cost.MEMORY, _unfilled, holes=(Hole(name, depth),), filled=lambda put: put(Hole(name, depth)))


def _unfilled(subject: Subject) -> bool:
    raise AssertionError("a filter that nobody has looked up")


# Sizes and dates


def _size(compare: Callable[[int, int], bool]) -> Parse:
    def parse(args: Cursor, depth: int) -> Key:
        limit = args.sp().number()

        def asked(view: Selected, messages: Sequence[Message]) -> list[bool]:
            return [compare(octets, limit) for octets in view.mailbox.sizes(_uids(messages))]

        return _looked_at(asked)

    return parse


def _looked_at(asked: Asked) -> Key:
    """A key for which a file has to be looked at, but not opened."""
    return Key(
        Cost.INODE,
        lambda subject: bool(asked(subject.view, (subject.message,))[0]),
        together=lambda view, messages, known: asked(view, messages),
    )


def _uids(messages: Sequence[Message]) -> list[int]:
    return [message.uid for message in messages]


# Days are counted from the year 1 on.


def _before(one: int, other: int) -> bool:
    return one < other


def _on(one: int, other: int) -> bool:
    return one == other


def _since(one: int, other: int) -> bool:
    return one >= other


def _received(view: Selected, messages: Sequence[Message]) -> list[float]:
    return view.mailbox.internal_dates(_uids(messages))


def _saved(view: Selected, messages: Sequence[Message]) -> list[float]:
    return [identity.saved(view, message.uid) for message in messages]


def _dated(
    moments: Callable[[Selected, Sequence[Message]], list[float]], compare: Callable[[int, int], bool]
) -> Parse:
    """BEFORE, ON, SINCE <date>, also with SAVED: the day that INTERNALDATE or SAVEDATE shows, in UTC."""

    def parse(args: Cursor, depth: int) -> Key:
        wanted = args.sp().date().toordinal()

        def asked(view: Selected, messages: Sequence[Message]) -> list[bool]:
            return [compare(_day(moment), wanted) for moment in moments(view, messages)]

        return _looked_at(asked)

    return parse


def _day(seconds: float) -> int:
    return _EPOCH + floor(min(max(seconds, -2208988800), 253370764799)) // 86400


def _within(compare: Callable[[int, int], bool]) -> Parse:
    """OLDER, YOUNGER SP nz-number: the age in seconds, by INTERNALDATE (RFC 5032)."""

    def parse(args: Cursor, depth: int) -> Key:
        age = args.sp().nz_number()

        def asked(view: Selected, messages: Sequence[Message]) -> list[bool]:
            limit = floor(view.mailbox.now) - age
            return [compare(floor(moment), limit) for moment in _received(view, messages)]

        return replace(_looked_at(asked), ages=True)

    return parse


def _sent(compare: Callable[[int, int], bool]) -> Parse:
    """SENTBEFORE, SENTON, SENTSINCE <date>: the day that the Date field states, whatever its zone."""

    def parse(args: Cursor, depth: int) -> Key:
        wanted = args.sp().date().toordinal()

        def together(view: Selected, messages: Sequence[Message], known: Narrowing) -> list[bool | None]:
            days = view.mailbox.days(_uids(messages))
            return [None if day is None else day > 0 and compare(day, wanted) for day in days]

        return Key(
            Cost.HEADER,
            lambda subject: subject.sent > 0 and compare(subject.sent, wanted),
            together=together,
        )

    return parse


# Texts


def _needle(args: Cursor) -> str:
    """astring, folded for comparison; octets are UTF-8, of which US-ASCII is a part."""
    try:
        return fold(args.sp().astring().decode("utf-8"))
    except UnicodeDecodeError:
        raise BadSyntax("The search string is not in the charset that was named") from None


def _field(name: bytes) -> Parse:
    return lambda args, depth: header_key(name, _needle(args))


def _header(args: Cursor, depth: int) -> Key:
    """HEADER <field-name> <string>: an empty string matches any message that has the field."""
    name = args.sp().astring()
    return header_key(name, _needle(args))


def _text(*, in_header: bool) -> Parse:
    """TEXT and BODY <string>."""
    return lambda args, depth: text_key(Needle(_needle(args), in_header))


SEARCH_KEYS: Mapping[str, Parse] = {
    "ALL": lambda args, depth: EVERY,
    "ANSWERED": _flag(ANSWERED, wanted=True),
    "BCC": _field(b"bcc"),
    "BEFORE": _dated(_received, _before),
    "BODY": _text(in_header=False),
    "CC": _field(b"cc"),
    "DELETED": _flag(DELETED, wanted=True),
    "DRAFT": _flag(DRAFT, wanted=True),
    "EMAILID": _object(Cost.MEMORY, identity.email_id),
    "FILTER": _filter,
    "FLAGGED": _flag(FLAGGED, wanted=True),
    "FROM": _field(b"from"),
    "FUZZY": _fuzzy,
    "HEADER": _header,
    "KEYWORD": _keyword(wanted=True),
    "LARGER": _size(lambda octets, limit: octets > limit),
    "MODSEQ": _modseq,
    "NEW": _constant(lambda view, message: _recent(view, message) and SEEN not in message.flags),
    "NOT": _not,
    "OLD": _constant(lambda view, message: not _recent(view, message)),
    "OLDER": _within(lambda received, limit: received <= limit),
    "ON": _dated(_received, _on),
    "OR": _or,
    "RECENT": _constant(_recent),
    "SAVEDATESUPPORTED": _constant(lambda view, message: True),
    "SAVEDBEFORE": _dated(_saved, _before),
    "SAVEDON": _dated(_saved, _on),
    "SAVEDSINCE": _dated(_saved, _since),
    "SEEN": _flag(SEEN, wanted=True),
    "SENTBEFORE": _sent(_before),
    "SENTON": _sent(_on),
    "SENTSINCE": _sent(_since),
    "SINCE": _dated(_received, _since),
    "SMALLER": _size(lambda octets, limit: octets < limit),
    "SUBJECT": _field(b"subject"),
    "TEXT": _text(in_header=True),
    "THREADID": _object(Cost.HEADER, identity.thread_id),
    "TO": _field(b"to"),
    "UID": lambda args, depth: _numbers(args.sp(), by_uid=True),
    "UIDAFTER": _uids_from(lambda uid: (uid + 1, LARGEST)),
    "UIDBEFORE": _uids_from(lambda uid: (1, uid - 1)),
    "UNANSWERED": _flag(ANSWERED, wanted=False),
    "UNDELETED": _flag(DELETED, wanted=False),
    "UNDRAFT": _flag(DRAFT, wanted=False),
    "UNFLAGGED": _flag(FLAGGED, wanted=False),
    "UNKEYWORD": _keyword(wanted=False),
    "UNSEEN": _flag(SEEN, wanted=False),
    "YOUNGER": _within(lambda received, limit: received >= limit),
}
