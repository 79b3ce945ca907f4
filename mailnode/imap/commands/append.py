r"""APPEND (RFC 3501 section 6.3.11; RFC 3502; grammar of RFC 4466) with APPENDUID (RFC 4315 section 3).

A message is a literal of any size: it goes from the connection to the disk piece by piece. The command is
read message by message; all of them are kept, or none.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mailnode.imap import flags
from mailnode.imap.incoming import Incoming, empty
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import encode

MESSAGES = 1000  # in one command


@dataclass(frozen=True, slots=True)
class Append:
    """Where to; the messages are still to be read, from `args` on."""

    mailbox: str
    args: Cursor


def parse(args: Cursor) -> Append:
    """append = "APPEND" SP mailbox 1*append-message"""
    return Append(args.sp().mailbox(), args)


def reads(args: Cursor) -> bool:
    """Whether the literal announced at the end is for the command to read; the first may be the mailbox."""
    return not args.sp().at_awaited()


async def run(session: Session, append: Append) -> Reply:
    """Temporary files until all of it is here; the OK comes when all messages are durable."""
    incoming = Incoming(session, append.args, append.mailbox)
    try:
        await read_message(incoming)
        while not incoming.args.at_end():
            if len(incoming.arrived) == MESSAGES:
                raise Refused(b"LIMIT", f"An APPEND has at most {MESSAGES} messages")
            await incoming.set_aside()
            await read_message(incoming)
        validity, uids = await session.lane(incoming.put)
    except BaseException:
        await session.lane(incoming.abort)
        raise
    session.announce(incoming.name)
    return ok("Appended", appended(validity, uids))


def appended(validity: int, uids: list[int]) -> bytes:
    """resp-code-apnd = "APPENDUID" SP nz-number SP append-uid"""
    return b"APPENDUID %d %s" % (validity, encode(uids))


async def read_message(incoming: Incoming) -> None:
    """append-message = append-opts SP append-data  ;  append-opts = [SP flag-list] [SP date-time]

    append-data = literal / literal8 / utf8-literal
    """
    args = incoming.args
    flag_list = args.sp().flag_list() if args.at(b" (") else []
    internal_date = args.sp().date_time() if args.at(b' "') else None
    args.sp()
    named = not args.at_awaited() and not args.at(b"~")
    kind = args.keyword() if named else ""
    if kind not in _KINDS:
        raise BadSyntax("A literal with the message is expected")
    wanted = flags.checked(flag_list)
    incoming.begin()
    await _KINDS[kind](incoming)
    await incoming.end(wanted, internal_date)


async def _one_literal(incoming: Incoming) -> None:
    """append-data = literal / literal8  ;  literal8 = "~{" number ["+"] "}" CRLF *OCTET"""
    binary = incoming.args.accept(b"~")
    announced = incoming.session.awaited
    if announced is not None and not announced.size:
        raise empty()
    await expect_literal(incoming, binary=binary)


async def utf8_literal(incoming: Incoming) -> None:
    """utf8-literal = "UTF8" SP "(" literal8 ")"  (RFC 6855 section 4); "UTF8" has been read"""
    incoming.args.sp().expect(b"(").expect(b"~")
    await expect_literal(incoming, binary=True)
    incoming.args.expect(b")")


async def expect_literal(incoming: Incoming, *, binary: bool) -> None:
    """A literal that belongs to the message."""
    if not incoming.args.at_awaited():
        raise BadSyntax("A literal with the message is expected")
    await incoming.literal(binary=binary)


_KINDS: Mapping[str, Callable[[Incoming], Awaitable[None]]] = {"": _one_literal, "UTF8": utf8_literal}
