"""DATA (RFC 5321 section 4.1.1.4): the content, and the end of the transaction whatever comes of it."""

from twisted.python.failure import Failure

from mailnode.events.life import Accepted
from mailnode.net.stream import TimedOut
from mailnode.smtp.incoming import Incoming
from mailnode.smtp.outcome import NO_ARGUMENT, NO_TRANSACTION, TEMPORARY, Farewell, Refused
from mailnode.smtp.session import Session
from mailnode.smtp.transaction import Transaction
from mailnode.wire.dot import Decoder
from mailnode.wire.smtp import Reply

NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
GO_ON = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
BARE = Reply(550, "5.5.2", "Bare CR or LF in the message: lines must end in CRLF")
NUL = Reply(550, "5.6.0", "NUL in the message")


async def run(session: Session, argument: bytes) -> Reply:
    """Take the message up to its true end, then answer once."""
    if argument:
        raise Refused(NO_ARGUMENT)
    transaction = session.transaction
    if transaction is None:
        raise Refused(NO_TRANSACTION)
    if not transaction.accounts:
        raise Refused(NO_RECIPIENTS)
    try:
        await session.say(GO_ON)
        incoming = Incoming(session, transaction)
        try:
            await _receive(session, incoming)
        finally:
            await incoming.abort()
    finally:
        session.transaction = None
    _announce(session, transaction, incoming)
    return Reply(250, "2.0.0", f"Ok: {incoming.id}")


class Pace:
    """How long a client may take for its message: some time in all, and more with every octet that came."""

    def __init__(self, session: Session) -> None:
        self.octets = 0
        self._session = session
        self._began = session.shared.runtime.now()

    def patience(self) -> float:
        """Seconds for the next octets to come. Raises TimedOut for a client that is too slow on the whole."""
        limits = self._session.limits
        until = self._began + limits.data_timeout + self.octets / limits.data_rate
        left = until - self._session.shared.runtime.now()
        if left <= 0:
            raise TimedOut
        return min(left, limits.data_timeout)


async def _receive(session: Session, incoming: Incoming) -> None:
    """Read to the true end, whatever happens meanwhile, then deliver. Raises Refused.

    Were reading to stop at the first thing wrong, the rest of the message would be taken for commands.
    """
    decoder = Decoder()
    refused: Refused | None = None
    pace = Pace(session)
    ignored = 0
    while not decoder.finished:
        session.stream.timeout = pace.patience()
        piece = await session.stream.dotted(decoder)
        pace.octets += len(piece)
        if refused is None:
            refused = await _refusal(session, incoming, decoder, piece)
            continue
        ignored += len(piece)
        if ignored > session.limits.message_size:
            raise Farewell(Reply(421, "4.7.0", f"{refused.reply.text}; too much follows")) from refused
    if refused is not None:
        raise refused
    await incoming.finish()


async def _refusal(session: Session, incoming: Incoming, decoder: Decoder, piece: bytes) -> Refused | None:
    """Pass a piece on; what is wrong with the message, if anything is. Then nothing of it is kept."""
    try:
        if decoder.bare:
            raise Refused(BARE)
        if decoder.nul:
            raise Refused(NUL)
        await incoming.take(piece)
    except Refused as refused:
        await incoming.abort()
        return refused
    except Exception:
        session.connection.log.bug("DATA failed", Failure())
        return Refused(TEMPORARY)
    return None


def _announce(session: Session, transaction: Transaction, incoming: Incoming) -> None:
    session.message_accepted()
    session.shared.bus.publish(
        Accepted(
            session.connection.id,
            incoming.id,
            str(transaction.reverse_path or ""),
            tuple(map(str, transaction.recipients)),
            incoming.octets,
        )
    )
