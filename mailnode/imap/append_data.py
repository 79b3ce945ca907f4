"""The messages of APPEND and REPLACE, as the grammar of RFC 4466 names their parts (append-message)."""

from collections.abc import Awaitable, Callable, Mapping

from mailnode.imap import flags
from mailnode.imap.incoming import Incoming, empty
from mailnode.imap.references import referred
from mailnode.wire.errors import BadSyntax

Read = Callable[[Incoming], Awaitable[None]]


async def read_message(incoming: Incoming) -> None:
    """append-message = append-opts SP append-data  ;  append-opts = [SP flag-list] [SP date-time]"""
    args = incoming.args
    flag_list = args.sp().flag_list() if args.at(b" (") else []
    internal_date = args.sp().date_time() if args.at(b' "') else None
    args.sp()
    named = not args.at_awaited() and not args.at(b"~")
    kind = args.keyword() if named else ""
    if kind not in _DATA:
        raise BadSyntax("A literal with the message is expected")
    wanted = flags.checked(flag_list)
    await incoming.begin()
    await _DATA[kind](incoming)
    await incoming.end(wanted, internal_date)


async def _whole(incoming: Incoming) -> None:
    """append-data = literal / literal8  ;  literal8 = "~{" number ["+"] "}" CRLF *OCTET"""
    binary = incoming.args.accept(b"~")
    announced = incoming.session.awaited
    if announced is not None and not announced.size:
        raise empty()
    await _literal(incoming, binary=binary)


async def _utf8(incoming: Incoming) -> None:
    """utf8-literal = "UTF8" SP "(" literal8 ")"  (RFC 6855 section 4); the name was read"""
    incoming.args.sp().expect(b"(").expect(b"~")
    await _literal(incoming, binary=True)
    incoming.args.expect(b")")


async def _catenate(incoming: Incoming) -> None:
    """append-data =/ "CATENATE" SP "(" cat-part *(SP cat-part) ")"  (RFC 4469 section 5); the name was read

    Each part is looked at, and added, before the next one is read.
    """
    incoming.args.sp().expect(b"(")
    await _part(incoming)
    while not incoming.args.accept(b")"):
        incoming.args.sp()
        await _part(incoming)


async def _part(incoming: Incoming) -> None:
    """cat-part = text-literal / url / utf8-literal"""
    kind = incoming.args.keyword()
    if kind not in _PARTS:
        raise BadSyntax("TEXT, UTF8 or URL expected")
    await _PARTS[kind](incoming)


async def _text(incoming: Incoming) -> None:
    """text-literal = "TEXT" SP literal; the name was read"""
    incoming.args.sp()
    await _literal(incoming, binary=False)


async def _url(incoming: Incoming) -> None:
    """url = "URL" SP astring; the name was read"""
    incoming.args.sp()
    session = incoming.session
    found = await referred(session, await incoming.string())
    try:
        await incoming.copied(found.chunks, found.size)
    finally:
        await session.lane(found.close)


async def _literal(incoming: Incoming, *, binary: bool) -> None:
    if not incoming.args.at_awaited():
        raise BadSyntax("A literal with the message is expected")
    await incoming.literal(binary=binary)


_DATA: Mapping[str, Read] = {"": _whole, "UTF8": _utf8, "CATENATE": _catenate}
_PARTS: Mapping[str, Read] = {"TEXT": _text, "URL": _url, "UTF8": _utf8}
