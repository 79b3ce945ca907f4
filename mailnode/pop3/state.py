"""The state of one POP3 session (RFC 1939 section 3)."""

from dataclasses import dataclass, field
from enum import Flag, auto
from typing import NamedTuple

from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.auth.realm import MailAccount
from mailnode.config import Limits
from mailnode.events.deeds import NAMED, Retrieved
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus
from mailnode.net.listen import Connection
from mailnode.net.stream import Stream
from mailnode.net.tls import TlsServer
from mailnode.pop3.ahead import Ahead
from mailnode.pop3.maildrop import Maildrop, Views
from mailnode.pop3.words import PHRASES
from mailnode.runtime import Runtime
from mailnode.store.messages import Message
from mailnode.store.values import INBOX
from mailnode.values import frozen
from mailnode.wire.imap.sequence import encode
from mailnode.wire.language import ENGLISH


class State(Flag):
    """The states in which a command may be given. UPDATE is what QUIT does, nobody speaks in it."""

    AUTHORIZATION = auto()
    TRANSACTION = auto()
    ANY = AUTHORIZATION | TRANSACTION


class Refused(Exception):
    """The command is well-formed, but not done: the text is for the client, `code` from RFC 2449 or 3206.

    `values` belong into the text, which is one of words.py.
    """

    def __init__(self, text: str, code: str = "", *values: object) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.values = values


@frozen
class Collaborators:
    """What all POP3 sessions share."""

    live: Live
    runtime: Runtime
    logins: Logins
    feed: ChangeFeed
    bus: Bus
    tls: TlsServer | None
    views: Views = field(default_factory=Views)
    last_login: dict[str, float] = field(default_factory=dict)  # by mailbox, in seconds since the epoch


class OpenMaildrop(NamedTuple):
    """A maildrop, the account it belongs to, and what was read ahead of it."""

    account: MailAccount
    maildrop: Maildrop
    ahead: Ahead


@dataclass(slots=True)
class Session:
    """One conversation. In AUTHORIZATION while `opened` is None, in TRANSACTION with it."""

    shared: Collaborators
    connection: Connection
    username: bytes | None = None  # from USER, until the next command
    opened: OpenMaildrop | None = None
    stamp: bytes = b""  # the greeting's timestamp, where APOP is offered
    bad_lines: int = 0
    ended: bool = False
    language: str = ENGLISH
    utf8: bool = False  # RFC 6856 section 2.1
    retrieved: list[Message] = field(default_factory=list)  # sent whole, in the order of the commands

    def say(self, text: str, *values: object) -> str:
        """A text of words.py in the language of the session."""
        return PHRASES.said(self.language, text, *values)

    def count(self, messages: int, octets: int) -> str:
        """How many messages there are, with how many octets."""
        if messages == 1:
            return self.say("{} message ({} octets)", messages, octets)
        return self.say("{} messages ({} octets)", messages, octets)

    @property
    def stream(self) -> Stream:
        """The connection's stream."""
        return self.connection.stream

    @property
    def limits(self) -> Limits:
        """The limits of this moment."""
        return self.shared.live.config.limits

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that AUTH takes now."""
        return self.shared.logins.offered(self.connection)

    @property
    def state(self) -> State:
        """Where the session is."""
        return State.AUTHORIZATION if self.opened is None else State.TRANSACTION

    @property
    def transaction(self) -> OpenMaildrop:
        """The open maildrop; for commands of TRANSACTION only."""
        assert self.opened is not None
        return self.opened

    def release(self) -> None:
        """Give the maildrop back, and tell what was read of it; nothing is deleted by this.

        May be called twice.
        """
        opened, self.opened = self.opened, None
        if opened is None:
            return
        opened.maildrop.close()
        for start in range(0, len(self.retrieved), NAMED):
            some = self.retrieved[start : start + NAMED]
            named = encode(one.uid for one in some).decode(), tuple(one.base for one in some)
            where = opened.account.address, INBOX[0]
            self.shared.bus.publish(Retrieved(self.connection.id, *where, *named))
        self.retrieved = []
