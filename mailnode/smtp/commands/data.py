"""DATA (RFC 5321 section 4.1.1.4): the content, and the end of the transaction whatever comes of it."""

from collections.abc import Sequence

from mailnode.envelope import Body
from mailnode.smtp.outcome import CONTENT_BEGUN, NO_ARGUMENT, NO_TRANSACTION, Refused
from mailnode.smtp.receiving import Receiving
from mailnode.smtp.session import Session
from mailnode.smtp.transaction import Transaction
from mailnode.wire.dot import Decoder
from mailnode.wire.smtp import Reply

NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
NO_RECIPIENTS_LMTP = Reply(503, "5.5.1", "No valid recipients")  # RFC 2033 section 4.2
GO_ON = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
BINARY = Reply(503, "5.5.1", "A binary message comes by BDAT")  # RFC 3030 section 3


async def run(session: Session, argument: bytes) -> Sequence[Reply]:
    """Take the message up to its true end, then answer."""
    if argument:
        raise Refused(NO_ARGUMENT)
    transaction = _ready(session)
    try:
        await session.say(GO_ON)
        receiving = transaction.receiving = Receiving(session, transaction)
        decoder = Decoder(normalize=session.normalizes)
        while not decoder.finished:
            receiving.be_patient()
            await receiving.take(await session.stream.dotted(decoder), decoder)
        return await receiving.finish()
    finally:
        await session.drop_transaction()


def _ready(session: Session) -> Transaction:
    """The transaction, if it is at the point where content may come."""
    transaction = session.transaction
    if transaction is None:
        raise Refused(NO_TRANSACTION)
    if transaction.receiving is not None:
        raise Refused(CONTENT_BEGUN)
    if not transaction.recipients:
        raise Refused(NO_RECIPIENTS_LMTP if session.lmtp else NO_RECIPIENTS)
    if transaction.envelope.body is Body.BINARY:
        raise Refused(BINARY)
    return transaction
