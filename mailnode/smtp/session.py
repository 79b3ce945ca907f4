"""The state of one SMTP session, as the commands see it."""

from collections.abc import Awaitable, Callable
from functools import lru_cache

from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from mailnode.auth.allowance import Senders
from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.auth.realm import MailAccount
from mailnode.config import Config, Limits
from mailnode.delivery.live import LiveCourier
from mailnode.delivery.local import LocalCourier
from mailnode.delivery.moderation import Answers
from mailnode.delivery.reporting import Reports
from mailnode.delivery.route import Router
from mailnode.delivery.senders import leads_to, may_send_as
from mailnode.delivery.waiting import WaitingMail
from mailnode.events.life import Bus
from mailnode.net.listen import Connection, is_among
from mailnode.net.stream import Stream
from mailnode.queue.admission import WayIn
from mailnode.runtime import Runtime
from mailnode.smtp.outcome import OUT_OF_STEP, TOO_MUCH_JUNK, Farewell
from mailnode.smtp.transaction import Transaction
from mailnode.values import frozen, replace
from mailnode.wire.address import Address
from mailnode.wire.smtp import Reply

ENDLESS = 8192  # octets of a line beyond its limit: so much is read past before its sender is sent away


@frozen
class ForPeople:
    """What only those ask for who log in."""

    senders: Senders
    waiting: WaitingMail


@frozen
class Collaborators:
    """What all sessions of a server share.

    Without `tls` there is no STARTTLS, and without `people` there is no listener for submission.
    """

    live: Live
    runtime: Runtime
    logins: Logins
    courier: LocalCourier
    bus: Bus
    tls: IOpenSSLServerConnectionCreator | None
    free_space: Callable[[], Awaitable[int]]  # octets left for mail
    live_courier: LiveCourier
    queue: WayIn
    reports: Reports
    moderators: Answers
    people: ForPeople | None


@lru_cache(maxsize=2)
def in_a_hurry(limits: Limits) -> Limits:
    """The limits for strangers while there are too many: little time, and no second try at anything."""
    return replace(
        limits,
        smtp_timeout=min(limits.smtp_timeout, limits.stress_timeout),
        data_timeout=min(limits.data_timeout, limits.stress_timeout),
        errors_hard=1,
        junk_commands=1,
    )


@lru_cache(4)
def _greeting(hostname: str, protocol: str) -> Reply:
    return Reply(220, "", f"{hostname} {protocol} mailnode")


@frozen
class Hello:
    """What the client called itself, and whether it said so with EHLO."""

    name: str
    extended: bool


class Session:
    """One connection's dialogue so far."""

    def __init__(self, shared: Collaborators, connection: Connection) -> None:
        protocol = connection.listener.protocol
        self.shared = shared
        self.connection = connection
        self.stream: Stream = connection.stream
        self.submission = protocol == "submission"  # for our own people (RFC 6409), and not for the world
        self.lmtp = protocol == "lmtp"  # for delivery by another server of ours (RFC 2033)
        self.strict = protocol == "smtp"  # clients must keep to the order of speaking, as the world's must
        self.hello: Hello | None = None
        self.account: MailAccount | None = None
        self.transaction: Transaction | None = None
        self.accepted = 0  # messages in this session
        self.errors = 0  # since the last accepted message, as are the junk commands
        self.junk = 0
        self.ends_group = False
        self.limits = self.limits_now()
        self.reversed = False  # the connection has become one on which we were the client

    @property
    def config(self) -> Config:
        """The configuration of this moment."""
        return self.shared.live.config

    def limits_now(self) -> Limits:
        """The limits of this moment; `limits` are those from when the session began to wait."""
        limits = self.shared.live.config.limits
        return in_a_hurry(limits) if self.connection.admission.stressed else limits

    @property
    def normalizes(self) -> bool:
        """Whether a CR or LF that stands alone in DATA is made a line end, and not refused."""
        return self.submission and self.config.submission.bare_line_ends == "normalize"

    @property
    def answers_due(self) -> int:
        """How many answers content gets: one, but on LMTP one for each recipient (RFC 2033 section 4.2)."""
        if not self.lmtp:
            return 1
        return len(self.transaction.recipients) if self.transaction else 0

    @property
    def reports_success(self) -> bool:
        """Whether a sender who asks for it can be told that the message has arrived (RFC 3461).

        Strangers can name anybody as the sender, who would be told of what somebody else has sent.
        """
        return not self.lmtp and (self.submission or self.connection.trusted)

    @property
    def longest_hold(self) -> int:
        """Seconds that a message may be held back when its sender asks for it; 0 for not at all."""
        return self.config.submission.longest_hold if self.submission else 0

    @property
    def offers_starttls(self) -> bool:
        """Whether STARTTLS is possible now (RFC 3207)."""
        offered = self.shared.tls is not None and self.connection.listener.tls == "starttls"
        return offered and not self.stream.secure

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What AUTH takes now (RFC 4954): on submission, once, and not for everyone to read."""
        possible = self.submission and self.account is None
        return self.shared.logins.offered(self.connection) if possible else ()

    @property
    def hears_xclient(self) -> bool:
        """Whether the peer may say for whom it speaks."""
        return is_among(self.connection.peer, self.config.xclient_networks)

    @property
    def greeting(self) -> Reply:
        """What a session begins with."""
        return _greeting(self.config.hostname, "LMTP" if self.lmtp else "ESMTP")

    @property
    def known(self) -> bool:
        """Whether the peer is one of our own people, or in a trusted network."""
        return self.account is not None or self.connection.trusted

    @property
    def takes_live(self) -> bool:
        """Whether SEND, SOML and SAML are taken from this peer (RFC 821 section 3.4)."""
        allow = self.config.messages.allow
        return not self.lmtp and (
            allow == "everybody"
            or (allow == "trusted" and self.known)
            or (allow == "users" and self.account is not None)
        )

    @property
    def on_demand(self) -> tuple[str, ...]:
        """The domains whose waiting mail this peer may call for."""
        if self.account is None:
            return ()
        rows = self.config.on_demand.items()
        return tuple(domain for domain, accounts in rows if self.account.address in accounts)

    @property
    def for_people(self) -> ForPeople:
        """What a session has in which somebody has logged in."""
        assert self.shared.people is not None
        return self.shared.people

    @property
    def offers_on_demand(self) -> bool:
        """Whether mail can be called for here, by this peer or once it has logged in."""
        if self.account is not None:
            return bool(self.on_demand)
        return self.submission and bool(self.config.on_demand)

    @property
    def router(self) -> Router:
        """Who gets what, as the configuration of this moment says."""
        return Router(self.shared.live)

    def is_own(self, address: Address) -> bool:
        """Whether the address leads to the one who is logged in."""
        return self.account is not None and leads_to(self.shared.live, self.account.address, address)

    def may_send_as(self, address: Address) -> bool:
        """Whether the one who is logged in may send from the address."""
        return self.account is not None and may_send_as(self.shared.live, self.account.address, address)

    async def forget(self) -> None:
        """Be as new, as after the greeting (RFC 3207 section 4.2)."""
        self.hello = None
        self.account = None
        self.junk = 0
        await self.drop_transaction()

    async def drop_transaction(self) -> None:
        """End the open transaction, if there is one, with all that has come of its content."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        if transaction.reservation is not None:
            transaction.reservation.release()
        receiving, transaction.receiving = transaction.receiving, None  # each knows the other, no longer
        if receiving is not None:
            await receiving.abort()

    def count_junk(self) -> None:
        """Count a command that moves no mail. Raises Farewell for the one too many."""
        self.junk += 1
        if self.junk > self.limits.junk_commands:
            raise Farewell(TOO_MUCH_JUNK)

    def message_accepted(self) -> None:
        """Count a message that was acknowledged; it makes up for errors before it."""
        self.accepted += 1
        self.errors = self.junk = 0

    async def say(self, reply: Reply) -> None:
        """Write a reply, also one in the middle of a command (334, 354), and wait for who does not read."""
        self.write(reply)
        if not self.stream.flows:
            await self.stream.drain()

    def write(self, reply: Reply) -> None:
        """The same without waiting.

        The transport joins the replies of one group into one segment. The first positive reply to a verb that
        ends a group (RFC 2920 section 3.1) is due to a client that is waiting for it: one that has sent more
        already takes this server for another, and is sent away. On submission, only old clients do so, and
        they may; on LMTP, only a server of our own could.
        """
        if self.ends_group and reply.positive:
            self.ends_group = False
            if self.stream.pending and self.strict:
                raise Farewell(OUT_OF_STEP)
        self.stream.write(reply.encode())
