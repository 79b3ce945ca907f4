"""What became of a message at another host, for each recipient."""

from enum import Enum

from mailnode.envelope import Recipient
from mailnode.values import frozen, replace
from mailnode.wire.smtp import Reply

TEXT_LIMIT = 1000  # characters of a reply that are kept


class Result(Enum):
    """What is to be done next: nothing, another try, or a report to the sender."""

    DELIVERED = "delivered"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


class Stage(Enum):
    """How far the dialogue had come."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"
    END = "end of content"
    QUIT = "QUIT"


@frozen
class Tls:
    """What protects a connection; `problem` says why the certificate proves nothing, "" where it does."""

    version: str
    cipher: str
    problem: str

    @property
    def verified(self) -> bool:
        """Whether the peer is who it should be."""
        return not self.problem


@frozen
class Peer:
    """The other host: its name as it was looked for, its IP address, and TLS; None in clear.

    `tls_result` is what a report says of TLS (RFC 8460 section 4.3): "" for good, None without any.
    """

    name: str
    address: str = ""
    tls: Tls | None = None
    tls_result: str | None = None


@frozen
class Verdict:
    """The reply that decided. Where `own`, the peer did not say so: it is what this host makes of it.

    `maybe_delivered` tells that all content was sent and no answer came: a second try may be a second copy.
    """

    reply: Reply
    stage: Stage
    own: bool = False
    maybe_delivered: bool = False

    @property
    def result(self) -> Result:
        """By the first digit of the code; no yes but the one at the end of the content counts."""
        if self.reply.code >= 500:
            return Result.PERMANENT
        delivered = self.reply.positive and self.stage is Stage.END
        return Result.DELIVERED if delivered else Result.TEMPORARY

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 3463); where the peer gave none, the least that fits."""
        return self.reply.enhanced or f"{self.reply.code // 100}.0.0"

    @property
    def text(self) -> str:
        """One printable line of what was said, not too long."""
        return " ".join(self.reply.text.split("\n"))[:TEXT_LIMIT]


@frozen
class Outcome:
    """One recipient's.

    `without_dsn` tells that the message was handed to a host that gives no delivery status notifications:
    who asked for one of success gets a "relayed" one from here (RFC 3461 section 5.2.2).
    """

    recipient: Recipient
    verdict: Verdict
    peer: Peer
    without_dsn: bool = False

    @property
    def result(self) -> Result:
        """See Verdict."""
        return self.verdict.result


class Broken(Exception):
    """The connection cannot be used any more; the verdict is for everybody who has none yet."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.stage.value}: {verdict.reply}")
        self.verdict = verdict


def own(code: int, enhanced: str, text: str, stage: Stage) -> Verdict:
    """A verdict of this host."""
    return Verdict(Reply(code, enhanced, text), stage, own=True)


def out_of_step(reply: Reply, stage: Stage) -> Broken:
    """The peer answers something else than it was asked."""
    return Broken(own(421, "4.5.0", f"The server answers {stage.value} with {reply}", stage))


def at_recipient(reply: Reply) -> Reply:
    """552 in place of 452 for too many recipients is temporary (RFC 5321 section 4.5.3.1.10).

    A full mailbox, or any other reason that is given, is what it says.
    """
    if reply.code == 552 and reply.enhanced in ("", "5.5.3"):
        return replace(reply, code=452, enhanced="4.5.3")
    return reply
