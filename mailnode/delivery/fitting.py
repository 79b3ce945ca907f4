"""A message cut to what one peer can take: what is said of it, its content, and who cannot get it there.

| the message | the peer | what is done |
|---|---|---|
| is larger than SIZE | | 5.3.4 |
| REQUIRETLS | not announced, or no verified TLS | 5.7.30, 5.7.10 |
| BY with R, or its time is over | not announced | 5.3.3, 5.4.7 |
| needs SMTPUTF8 | not announced | domains as A-labels; 5.6.7 for addresses, 5.6.9 for header fields |
| holds 8-bit or binary content | not announced | its parts re-encoded, or 5.6.3 |

Only for a peer that lacks something is the content looked at; then it is held in memory, and worked at in a
thread. Lines of more than 998 octets go as they are: they get through almost everywhere, and to fold them
would change what was written.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from mailnode.delivery import parameters
from mailnode.delivery.outcome import Peer, Stage, Verdict, own
from mailnode.delivery.parameters import Sending
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.message.downgrade import CannotDowngrade, downgrade, examine
from mailnode.runtime import Runtime
from mailnode.values import frozen, replace
from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import SIZE_DIGITS
from mailnode.wire.smtp_client import BadCommand, Capabilities

PIECE = 65536

Content = Callable[[], AsyncGenerator[bytes, None]]


@frozen
class Message:
    """A message to be sent to the recipients of its envelope.

    `content` begins to read it, in its wire form (CRLF at the ends of lines) and in pieces of any size, and
    may be called again; it raises OSError. `octets` is the size of all of it.
    """

    envelope: Envelope
    octets: int
    content: Content


class NotForThisPeer(Exception):
    """Nobody can get the message there, for the reason in the verdict."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.verdict = own(code, enhanced, text, Stage.MAIL)


@frozen
class Fitted:
    """What is to be said: MAIL, for each recipient RCPT or why there can be none, and the content."""

    mail: bytes
    recipients: tuple[bytes | Verdict, ...]
    content: Content
    binary: bool


async def fit(message: Message, peer: Peer, capabilities: Capabilities, runtime: Runtime) -> Fitted:
    """The message for this peer. Raises NotForThisPeer, and OSError where it cannot be read."""
    envelope = message.envelope
    _check_tls(envelope, peer, capabilities)
    _check_deadline(envelope, capabilities, runtime.now())
    _check_size(message.octets, capabilities)
    utf8 = envelope.utf8 and "SMTPUTF8" in capabilities
    body = envelope.body
    if body is Body.BINARY and not {"BINARYMIME", "CHUNKING", "8BITMIME"} <= capabilities.keys():
        body = Body.SEVEN_BIT
        message = await _seven_bit(message, runtime)
    elif "8BITMIME" not in capabilities or (envelope.utf8 and not utf8):
        message = await _plain(message, capabilities, runtime)
    _check_size(message.octets, capabilities)
    sending = Sending(envelope, message.octets, body, utf8, runtime.now(), capabilities)
    return _said(message, sending)


def _said(message: Message, sending: Sending) -> Fitted:
    try:
        mail = parameters.mail(sending)
    except (BadCommand, BadSyntax) as wrong:
        raise NotForThisPeer(550, "5.6.7", f"The reverse-path cannot be sent: {wrong}") from None
    recipients = tuple(_recipient(sending, recipient) for recipient in sending.envelope.recipients)
    return Fitted(mail, recipients, message.content, sending.body is Body.BINARY)


def _recipient(sending: Sending, recipient: Recipient) -> bytes | Verdict:
    try:
        return parameters.rcpt(sending, recipient)
    except (BadCommand, BadSyntax) as wrong:
        return own(553, "5.6.7", f"The address cannot be sent: {wrong}", Stage.RCPT)


def _check_tls(envelope: Envelope, peer: Peer, capabilities: Capabilities) -> None:
    """RFC 8689 section 4.2.1; what has no reverse-path is a report, and goes as it can."""
    if not envelope.require_tls or envelope.reverse_path is None:
        return
    if peer.tls is None or not peer.tls.verified:
        raise NotForThisPeer(550, "5.7.10", "The message requires TLS with a verified server")
    if "REQUIRETLS" not in capabilities:
        raise NotForThisPeer(550, "5.7.30", "The message requires TLS, and the server has no REQUIRETLS")


def _check_deadline(envelope: Envelope, capabilities: Capabilities, now: float) -> None:
    """What is to come back late goes only where that is done (RFC 2852 section 4)."""
    deadline = envelope.deadline
    if deadline is None or not deadline.return_:
        return
    if deadline.time - now < 1:
        raise NotForThisPeer(550, "5.4.7", "The time for delivery is over")
    if "DELIVERBY" not in capabilities:
        raise NotForThisPeer(550, "5.3.3", "The message has a deadline, and the server has no DELIVERBY")


def _check_size(octets: int, capabilities: Capabilities) -> None:
    """SIZE without a number, or with 0, sets no limit (RFC 1870 section 4)."""
    words = capabilities.get("SIZE", ())
    try:
        limit = number(words[0].encode(), limit=10**SIZE_DIGITS - 1) if words else 0
    except BadSyntax:
        limit = 0
    if limit and octets > limit:
        raise NotForThisPeer(552, "5.3.4", f"The message has {octets} octets, the server takes {limit}")


async def _plain(message: Message, capabilities: Capabilities, runtime: Runtime) -> Message:
    """The message for a peer without 8BITMIME, or without SMTPUTF8 where that was asked for."""
    data = await _whole(message.content)
    found = await runtime.blocking.run(examine, data)
    if found.header_eight_bit and message.envelope.utf8 and "SMTPUTF8" not in capabilities:
        raise NotForThisPeer(554, "5.6.9", "The header is in UTF-8, and the server has no SMTPUTF8")
    if found.eight_bit and "8BITMIME" not in capabilities:
        return await _seven_bit(message, runtime)
    return message


async def _seven_bit(message: Message, runtime: Runtime) -> Message:
    data = await _whole(message.content)
    try:
        changed = await runtime.blocking.run(downgrade, data)
    except CannotDowngrade as error:
        text = f"The server takes no 8-bit content, and the message cannot be converted: {error}"
        raise NotForThisPeer(554, "5.6.3", text) from None
    return replace(message, octets=len(changed), content=lambda: _pieces(changed))


async def _whole(content: Content) -> bytes:
    async with aclosing(content()) as pieces:
        return b"".join([piece async for piece in pieces])


async def _pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
