"""The content of one message as it comes in, by DATA or in BDAT chunks, to the one answer it ends in.

Content is always read to its end, whatever is wrong with it: were reading to stop at the first thing wrong,
the rest of the message would be taken for commands.
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from twisted.python.failure import Failure

from mailnode.events.life import Accepted
from mailnode.net.stream import TimedOut
from mailnode.smtp.incoming import Incoming
from mailnode.smtp.outcome import TEMPORARY, Farewell, Refused
from mailnode.smtp.session import Session
from mailnode.smtp.transaction import Transaction
from mailnode.wire.smtp import Reply

BARE = Reply(550, "5.5.2", "Bare CR or LF in the message: lines must end in CRLF")
NUL = Reply(550, "5.6.0", "NUL in the message")


class Findings(Protocol):
    """What was found in the octets so far: a CR or LF that stood alone, a NUL."""

    bare: bool
    nul: bool


class Pace:
    """How long a client may take for its message: some time in all, and more with every octet that came."""

    def __init__(self, session: Session) -> None:
        self.octets = 0
        self._session = session
        self._began = session.shared.runtime.now()

    def patience(self) -> float:
        """Seconds for the next octets to come. Raises TimedOut for a client that is too slow on the whole."""
        limits = self._session.limits_now()
        until = self._began + limits.data_timeout + self.octets / limits.data_rate
        left = until - self._session.shared.runtime.now()
        if left <= 0:
            raise TimedOut
        return min(left, limits.data_timeout)


class Receiving:
    """One message that is coming in; `refused` is why it will not be taken, once that is known."""

    def __init__(self, session: Session, transaction: Transaction) -> None:
        self.refused: Refused | None = None
        self._session = session
        self._transaction = transaction
        self._incoming = Incoming(session, transaction)
        self._pace = Pace(session)
        self._ignored = 0

    def be_patient(self) -> None:
        """Set how long the next read may take. Raises TimedOut."""
        self._session.stream.timeout = self._pace.patience()

    async def take(self, piece: bytes, findings: Findings) -> None:
        """Add content. Raises Farewell when much more follows than will ever be taken."""
        self._pace.octets += len(piece)
        if self.refused is None:
            self.refused = await self._refusal(self._take(piece, findings))
            if self.refused is not None:
                await self.abort()
            return
        self._ignored += len(piece)
        if self._ignored > self._session.limits.message_size:
            reason = self.refused.reply.text
            raise Farewell(Reply(421, "4.7.0", f"{reason}; too much follows")) from self.refused

    async def _take(self, piece: bytes, findings: Findings) -> None:
        if findings.bare:
            raise Refused(BARE)
        if findings.nul:
            raise Refused(NUL)
        await self._incoming.take(piece)

    async def finish(self) -> Sequence[Reply]:
        """Deliver what came, and give the answer: one, or one for each recipient on LMTP (RFC 2033 4.2)."""
        if self.refused is None:
            self.refused = await self._refusal(self._deliver())
        if self.refused is not None:
            replies = [self.refused.reply] * self._session.answers_due
        else:
            replies = self._replies
            self._announce()
        await self.abort()
        return replies

    async def _deliver(self) -> None:
        incoming = self._incoming
        if not self._session.lmtp:
            await incoming.finish()
            self._replies = [incoming.answer]
            return
        good = incoming.answer
        outcomes = await incoming.finish_each()
        self._replies = [good if outcome is None else outcome for outcome in outcomes]

    async def _refusal(self, work: Awaitable[None]) -> Refused | None:
        """Do it; gives what is wrong with the message, if anything is. A bug of ours puts it off."""
        try:
            await work
        except Refused as refused:
            return refused
        except Exception:
            self._session.connection.log.bug("message not taken", Failure())
            return Refused(TEMPORARY)
        return None

    async def abort(self) -> None:
        """Forget it; does nothing to what is delivered, and raises nothing.

        A file that cannot be removed is no reason to stop reading where the content has not ended.
        """
        try:
            await self._incoming.abort()
        except OSError as error:
            self._session.connection.log.warn("refused message not removed", reason=error.strerror)
        except Exception:
            self._session.connection.log.bug("refused message not removed", Failure())

    def _announce(self) -> None:
        """Tell that the message is here, for those whose answer is yes."""
        session, envelope = self._session, self._transaction.envelope
        taken = self._transaction.addresses
        if session.lmtp:
            taken = tuple(one for one, reply in zip(taken, self._replies, strict=True) if reply.positive)
        if not taken:
            return
        session.message_accepted()
        if self._transaction.reservation is not None:
            self._transaction.reservation.spend()
        session.shared.bus.publish(
            Accepted(
                session.connection.id,
                self._incoming.id,
                str(envelope.reverse_path or ""),
                taken,
                self._incoming.octets,
                session.connection.peer,
                session.hello.name if session.hello else "",
                self._incoming.message_id,
            )
        )
