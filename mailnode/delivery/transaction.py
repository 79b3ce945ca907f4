"""One mail transaction as a client leads it: MAIL, RCPT, content, and what each recipient gets of it.

Commands go in groups where the peer announces PIPELINING, one by one otherwise; either way each reply is
counted off against its command (RFC 2920 section 3.1). A reply that nobody asked for, or that makes no sense
where it comes, ends the connection: from then on nobody knows which reply means what.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from mailnode.delivery.outcome import Broken, Stage, Verdict, at_recipient, out_of_step, own
from mailnode.values import frozen, replace
from mailnode.wire.dot import Encoder, WholeLines
from mailnode.wire.smtp import Reply
from mailnode.wire.smtp_client import chunk

# Commands in a group: their replies fit into the stream's buffer, so that neither side waits for the other
# to read before it does so itself (RFC 2920 section 3.1).
GROUP = 50
CHUNK = 262144  # octets of content in a BDAT

GO_AHEAD = 354


class Link(Protocol):
    """The connection, as far as a transaction needs it."""

    @property
    def pending(self) -> bool:
        """Whether the peer has said something that was not yet read."""

    async def send(self, data: bytes, stage: Stage) -> None:
        """Write, and wait for a peer that does not read. Raises Broken."""

    async def reply(self, stage: Stage) -> Reply:
        """The next reply. Raises Broken where none comes, where it is none, and for 421."""


@frozen
class Script:
    """What is to be said: complete lines.

    Content goes by DATA, or with `bdat` in chunks (RFC 3030); with `binary` these are left as they are.
    """

    mail: bytes
    recipients: tuple[bytes, ...]
    reset: bool = False
    pipelining: bool = False
    bdat: bool = False
    binary: bool = False
    lmtp: bool = False


@frozen
class _Asked:
    """A command, and which recipient it is for."""

    stage: Stage
    line: bytes
    recipient: int = -1


class Transaction:
    """Runs once.

    Afterwards: `usable` tells whether another transaction may follow on the connection, `unfinished` whether
    the peer may still hold this one, so that RSET must come first.
    """

    def __init__(self, link: Link, script: Script) -> None:
        self.usable = True
        self.unfinished = script.reset
        self._link = link
        self._script = script
        self._verdicts: list[Verdict | None] = [None] * len(script.recipients)
        self._accepted: list[int] = []
        self._refused = False
        self._go_ahead = script.bdat
        self._all_sent = False

    async def run(self, content: AsyncGenerator[bytes, None]) -> list[Verdict]:
        """The verdict on each recipient. Raises nothing: what breaks is a verdict too.

        An OSError of the content ends the transaction as a temporary failure of this host.
        """
        try:
            await self._say()
            if self._accepted and self._go_ahead:
                await (self._chunks(content) if self._script.bdat else self._data(content))
            elif self._go_ahead and not self._script.bdat:
                await self._nothing()
        except Broken as broken:
            self.usable = False
            maybe = self._all_sent and broken.verdict.own
            self._rest(replace(broken.verdict, maybe_delivered=maybe))
        except OSError as error:
            self.usable = False
            text = f"The message cannot be read: {error.strerror or type(error).__name__}"
            self._rest(own(451, "4.3.0", text, Stage.CONTENT))
        return [verdict for verdict in self._verdicts if verdict is not None]  # and none is

    def _rest(self, verdict: Verdict) -> None:
        """For everybody who has none yet."""
        self._verdicts = [known or verdict for known in self._verdicts]

    # Envelope

    async def _say(self) -> None:
        asked = [_Asked(Stage.RSET, b"RSET\r\n")] if self._script.reset else []
        asked.append(_Asked(Stage.MAIL, self._script.mail))
        asked += [_Asked(Stage.RCPT, line, number) for number, line in enumerate(self._script.recipients)]
        if not self._script.bdat:
            asked.append(_Asked(Stage.DATA, b"DATA\r\n"))
        size = GROUP if self._script.pipelining else 1
        for start in range(0, len(asked), size):
            group = asked[start : start + size]
            if self._refused or (group[0].stage is Stage.DATA and not self._accepted):
                break
            await self._in_step()
            await self._link.send(b"".join(one.line for one in group), group[0].stage)
            for one in group:
                self._hear(one, await self._link.reply(one.stage))

    async def _in_step(self) -> None:
        """Nothing was asked, so nothing may have been said."""
        if self._link.pending:
            raise out_of_step(await self._link.reply(Stage.MAIL), Stage.MAIL)

    def _hear(self, asked: _Asked, reply: Reply) -> None:
        wanted = reply.code == GO_AHEAD if asked.stage is Stage.DATA else reply.code < 300
        if reply.positive and not wanted:
            raise out_of_step(reply, asked.stage)
        match asked.stage:
            case Stage.RSET if not wanted:
                raise out_of_step(reply, asked.stage)
            case Stage.RSET:
                self.unfinished = False
            case Stage.MAIL if wanted:
                self.unfinished = True
            case Stage.MAIL:
                self._refused = True
                self._rest(Verdict(reply, Stage.MAIL))
            case Stage.RCPT if wanted and not self._refused:
                self._accepted.append(asked.recipient)
            case Stage.RCPT if not self._refused:
                self._verdicts[asked.recipient] = Verdict(at_recipient(reply), Stage.RCPT)
            case Stage.DATA if wanted:
                self._go_ahead = True
            case Stage.DATA:
                self._rest(Verdict(reply, Stage.DATA))

    # Content

    async def _data(self, content: AsyncGenerator[bytes, None]) -> None:
        """Content with its dots doubled; a CR or LF that stands alone becomes a CRLF.

        The end goes out with the last piece: so a small message is one packet, and one call of the kernel.
        """
        lines, encoder = WholeLines(), Encoder()
        held = b""
        async for piece in content:
            if held:
                await self._undisturbed()
                await self._link.send(held, Stage.CONTENT)
            held = encoder.feed(lines.feed(piece))
        await self._undisturbed()
        self._all_sent = True
        end = b"".join((held, encoder.feed(lines.finish()), encoder.finish()))
        await self._link.send(end, Stage.END)
        self.unfinished = False
        await self._ends()

    async def _chunks(self, content: AsyncGenerator[bytes, None]) -> None:
        """Content in chunks, each of which is answered before the next one goes."""
        lines = None if self._script.binary else WholeLines()
        async with aclosing(_in_chunks(content, lines)) as chunks:
            async for octets, last in chunks:
                if not await self._chunk(octets, last=last):
                    return
        await self._ends()

    async def _chunk(self, octets: bytes, *, last: bool) -> bool:
        """Whether there is more to be said or heard; the answers to the last one are for _ends()."""
        await self._undisturbed()
        self._all_sent = last
        await self._link.send(chunk(len(octets), last=last) + octets, Stage.END if last else Stage.CONTENT)
        if last:
            return True
        reply = await self._link.reply(Stage.CONTENT)
        if reply.positive and reply.code >= 300:
            raise out_of_step(reply, Stage.CONTENT)
        if not reply.positive:
            self._rest(Verdict(reply, Stage.CONTENT))
        return reply.positive

    async def _undisturbed(self) -> None:
        """Whoever says no before the end has heard enough; a yes before the end is none."""
        if not self._link.pending:
            return
        reply = await self._link.reply(Stage.CONTENT)
        raise out_of_step(reply, Stage.CONTENT) if reply.positive else Broken(Verdict(reply, Stage.CONTENT))

    async def _ends(self) -> None:
        """One answer for all; on LMTP one for each accepted recipient, in order (RFC 2033 section 4.2)."""
        for number in self._accepted:
            reply = await self._link.reply(Stage.END)
            if reply.positive and reply.code >= 300:
                raise out_of_step(reply, Stage.END)
            if not self._script.lmtp:
                self.unfinished = self.unfinished and not reply.positive
                self._rest(Verdict(reply, Stage.END))
                return
            self._verdicts[number] = Verdict(reply, Stage.END)

    async def _nothing(self) -> None:
        """DATA was let go ahead, though nobody is left: a single dot ends it (RFC 2920 section 3.1)."""
        await self._link.send(b".\r\n", Stage.END)
        self.unfinished = False
        if self._script.lmtp:
            self.usable = False  # as many answers as recipients would be none, against what RFC 2033 says
        else:
            await self._link.reply(Stage.END)


async def _in_chunks(
    content: AsyncGenerator[bytes, None], lines: WholeLines | None
) -> AsyncGenerator[tuple[bytes, bool], None]:
    """The content in pieces of CHUNK octets, and whether it is the last one; there is one at least."""
    held = bytearray()
    async for piece in content:
        held += lines.feed(piece) if lines else piece
        while len(held) > CHUNK:
            yield bytes(held[:CHUNK]), False
            del held[:CHUNK]
    yield bytes(held) + (lines.finish() if lines else b""), True
