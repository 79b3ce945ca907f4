"""BDAT (RFC 3030 section 2): the content in chunks of counted octets, each with an answer of its own.

The octets of a chunk are always read, whatever becomes of the message: what follows them is the next command.
Where the count cannot be read, nobody knows where that begins, and the connection ends.
"""

from collections.abc import Sequence

from mailnode.counting import counted
from mailnode.envelope import Body
from mailnode.net.stream import READ_BUFFER, Stream
from mailnode.smtp.extensions import too_large
from mailnode.smtp.outcome import HELLO_FIRST, NO_TRANSACTION, Farewell, Refused
from mailnode.smtp.receiving import Receiving
from mailnode.smtp.session import Session
from mailnode.wire.dot import LineEnds
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply, parse_chunk

NO_RECIPIENTS = Reply(503, "5.5.1", "No valid recipients")
FAR_TOO_LARGE = Reply(421, "4.7.0", "The chunk is far too large; closing connection")
DISCARDED = 1_048_576  # octets that are read of a chunk nobody will want, before the connection is closed


async def run(session: Session, argument: bytes) -> Sequence[Reply]:
    """BDAT chunk-size [LAST]"""
    try:
        octets, last = parse_chunk(argument)
    except BadSyntax as wrong:
        raise Farewell(Reply(501, "5.5.4", str(wrong))) from None
    if octets > session.limits.message_size:
        await session.say(too_large(session))
        await _discard(session.stream, DISCARDED)
        raise Farewell(FAR_TOO_LARGE)
    if not octets and not last:
        session.count_junk()  # an endless row of empty chunks is no mail
    receiving = _receiving(session)
    if isinstance(receiving, Reply):
        await _discard(session.stream, octets)
        return [receiving] * (session.answers_due if last else 1)
    return await _take(session, receiving, octets, last=last)


def _receiving(session: Session) -> Receiving | Reply:
    """The message that chunks are added to; or why there is none."""
    transaction = session.transaction
    if transaction is None:
        return HELLO_FIRST if session.hello is None else NO_TRANSACTION
    if not transaction.recipients:
        return NO_RECIPIENTS
    if transaction.receiving is None:
        binary = transaction.envelope.body is Body.BINARY
        transaction.receiving = Receiving(session, transaction)
        transaction.line_ends = LineEnds(everything=binary)
    return transaction.receiving


async def _take(session: Session, receiving: Receiving, octets: int, *, last: bool) -> Sequence[Reply]:
    transaction = session.transaction
    assert transaction is not None
    ends = transaction.line_ends
    failed = receiving.refused is not None
    left = octets
    while left:
        receiving.be_patient()
        piece = await session.stream.some(min(left, READ_BUFFER))
        left -= len(piece)
        ends.feed(piece)
        await receiving.take(piece, ends)
    if not last:
        if receiving.refused is not None:
            # Chunks that were sent on meanwhile are no errors of their own (RFC 3030 section 2).
            raise Refused(receiving.refused.reply, counts=not failed)
        return [Reply(250, "2.0.0", f"{counted(octets, 'octet')} received")]
    try:
        ends.finish()
        await receiving.take(b"", ends)
        return await receiving.finish()
    finally:
        await session.drop_transaction()


async def _discard(stream: Stream, octets: int) -> None:
    while octets:
        octets -= len(await stream.some(min(octets, READ_BUFFER)))
