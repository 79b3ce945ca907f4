r"""APPEND (RFC 3501 section 6.3.11; RFC 3502; grammar of RFC 4466) with APPENDUID (RFC 4315 section 3).

A message is a literal of any size: it goes from the connection to the disk piece by piece. The command is
read message by message; all of them are kept, or none.
"""

from mailnode.imap import message_limit
from mailnode.imap.append_data import read_message
from mailnode.imap.incoming import Incoming
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.values import frozen
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import encode

MESSAGES = 1000  # in one command, where no other limit is set


@frozen
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
    limit = message_limit.most_saved(session)
    try:
        await read_message(incoming)
        while not incoming.args.at_end():
            if len(incoming.arrived) == limit:
                raise message_limit.refusal(limit)
            if not limit and len(incoming.arrived) == MESSAGES:
                raise Refused(b"LIMIT", f"An APPEND has at most {MESSAGES} messages")
            await incoming.set_aside()
            await read_message(incoming)
        validity, uids = await incoming.finish()
    except BaseException:
        await incoming.forget()
        raise
    session.announce(incoming.place, uids)
    return ok("Appended", appended(incoming, validity, uids))


def appended(incoming: Incoming, validity: int, uids: list[int]) -> bytes:
    """resp-code-apnd = "APPENDUID" SP nz-number SP append-uid

    Who may not read the mailbox learns nothing of it (RFC 4315 section 3).
    """
    return b"APPENDUID %d %s" % (validity, encode(uids)) if incoming.readable else b""
