"""One IMAP session: what is known of the client, and what its commands work with (RFC 3501 section 3)."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import field
from enum import Flag, auto
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

from mailnode.auth.live import Live
from mailnode.auth.login import Logins, plaintext_allowed
from mailnode.auth.neighbours import Neighbours
from mailnode.auth.realm import MailAccount
from mailnode.config import Config
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus
from mailnode.events.presence import LiveSessions
from mailnode.imap import interest, names
from mailnode.imap.lookout import Lookouts
from mailnode.imap.own import Added, Deed
from mailnode.imap.places import Place, Places
from mailnode.imap.progress import Progress
from mailnode.imap.replies import Goodbye, Refused, Reply, ok
from mailnode.imap.selected import Selected, uses_modseqs
from mailnode.imap.words.languages import DEFAULT, resp_text
from mailnode.net.blocking import send
from mailnode.net.dirwatch import DirectoryWatches
from mailnode.net.listen import Connection
from mailnode.net.stream import Stream
from mailnode.net.tls import TlsServer
from mailnode.runtime import Runtime
from mailnode.store.values import Name
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import Announced, announcement

T = TypeVar("T")

_PIECE = 65536
_MOST_ALERTS = 16  # that wait for a client which is silent


class State(Flag):
    """RFC 3501 section 3; a command's row says in which of them it may be given."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()
    SELECTED = auto()
    LOGOUT = auto()


@frozen
class Surroundings:
    """What all sessions of the server share; `tls` is None where there is no certificate."""

    live: Live
    runtime: Runtime
    logins: Logins
    feed: ChangeFeed
    bus: Bus
    watches: DirectoryWatches
    tls: TlsServer | None
    sessions: LiveSessions
    neighbours: Neighbours
    lookouts: Lookouts = field(default_factory=Lookouts)


class Reporter(Protocol):
    """Who knows what a client wants to hear besides the changes of the selected mailbox, see imap.news.

    `at_once`: also while no command is in progress.
    """

    at_once: bool

    @property
    def has_heard(self) -> bool:
        """Whether there may be something to tell."""

    def did(self, deed: Deed) -> None:
        """This session has done something, of which it need not be told."""

    async def tell(self, updates: Iterator[bytes]) -> None:
        """Tell all there is, and what is new in the selected mailbox."""

    def close(self) -> None:
        """Hear nothing more."""


class Session:
    """The state of one connection and the tools of its commands."""

    def __init__(self, shared: Surroundings, connection: Connection) -> None:
        self.shared = shared
        self.connection = connection
        self.stream: Stream = connection.stream
        self.tag = b"*"
        self.awaited: Announced | None = None  # a literal that the command itself reads
        self.wake: Callable[[], None] | None = None  # while it waits to hear, see imap.waiting
        self.progress = Progress(shared.runtime.clock, self._say_at_once)
        self.limited = b""  # what the reply says of messages that were left out, see imap.message_limit
        self.may_expunge = True  # whether EXPUNGE may be told at the end of this command
        self._told = False  # whether a command has told already what flush() tells
        self.identified = False  # whether the client has said what it is
        self._ended = False
        self._begin()

    def _begin(self) -> None:
        """Know nothing of the client; UNAUTHENTICATE forgets all of this (RFC 8437 section 4.1)."""
        self.selected: Selected | None = None
        self.bad_in_a_row = 0
        self.enabled: set[str] = set()  # the extensions that the client has asked for (RFC 5161)
        self.language = DEFAULT  # a language tag (RFC 5255 section 3)
        self.reporter: Reporter | None = None
        self.interest = interest.EVERYTHING  # in the selected mailbox
        self._account: MailAccount | None = None
        self._places: Places | None = None
        self._started = self.shared.runtime.now()
        self._alerts: list[str] = []
        self._leave: Callable[[], None] = lambda: None

    # What is known

    @property
    def config(self) -> Config:
        """The configuration of this moment."""
        return self.shared.live.config

    @property
    def state(self) -> State:
        """Where the session stands."""
        if self._ended:
            return State.LOGOUT
        if self._account is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self.selected is None else State.SELECTED

    @property
    def utf8(self) -> bool:
        """Whether the client takes UTF-8 in names and headers (RFC 6855 section 3, RFC 9051 section 5.1)."""
        return not self.enabled.isdisjoint(("UTF8=ACCEPT", "IMAP4rev2"))

    @property
    def has_one_charset(self) -> bool:
        """Whether SEARCH may name no charset (RFC 6855 section 3); RFC 9051 section 6.4.4 allows it again."""
        return "UTF8=ACCEPT" in self.enabled and "IMAP4rev2" not in self.enabled

    @property
    def account(self) -> MailAccount:
        """Whose mail it is; only after login."""
        assert self._account is not None
        return self._account

    @property
    def places(self) -> Places:
        """Where mailboxes are; only after login."""
        assert self._places is not None
        return self._places

    @property
    def view(self) -> Selected:
        """The selected mailbox; only in selected state."""
        assert self.selected is not None
        return self.selected

    @property
    def plaintext_allowed(self) -> bool:
        """Whether passwords may be sent on this connection."""
        return plaintext_allowed(self.config, self.connection)

    @property
    def takes_passwords(self) -> bool:
        """Whether LOGIN is possible on this connection."""
        return self.shared.logins.takes_passwords(self.connection)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that AUTHENTICATE takes now."""
        return self.shared.logins.offered(self.connection) if self._account is None else ()

    @property
    def starttls_offered(self) -> bool:
        """Whether STARTTLS would be answered with OK."""
        return (
            self.shared.tls is not None
            and self.connection.listener.tls == "starttls"
            and not self.stream.secure
        )

    @property
    def line_limit(self) -> int:
        """Octets of all lines of one command."""
        limits = self.config.limits
        return limits.imap_preauth_line if self._account is None else limits.imap_line

    @property
    def literal_limit(self) -> int:
        """Octets of all literals of one command, the message of an APPEND not counted."""
        return 4096 if self._account is None else self.config.limits.imap_literals

    def patience(self) -> float:
        """Seconds the next command may take to come: autologout, or what is left of the time to log in."""
        limits = self.config.limits
        if self._account is not None:
            return limits.imap_timeout
        return max(0.0, self._started + limits.login_timeout - self.shared.runtime.now())

    # What changes

    def logged_in(self, account: MailAccount) -> None:
        """From here on the session may touch this account."""
        self._account = account
        self._places = Places(account, self.shared.live, self.shared.neighbours)
        self._leave = self.shared.sessions.join(account.address, self.tell)
        self.stream.timeout = self.patience()

    def log_out(self) -> None:
        """Be again what a new connection is. Raises Goodbye when there is no place for another stranger."""
        self.alert()  # to those it was meant for
        self.report_by(None)
        self._leave()
        self._begin()
        if self.connection.admission.unauthenticated():
            raise Goodbye("Too many connections; try again later", b"UNAVAILABLE")

    def end(self) -> None:
        """No further command is read."""
        self._ended = True

    def close(self) -> None:
        """The connection is at its end: nothing can be told any more."""
        self.progress.close()
        self.report_by(None)
        self._leave()

    def report_by(self, reporter: Reporter | None) -> None:
        """What the client hears besides the changes of the selected mailbox comes from here."""
        if self.reporter is not None:
            self.reporter.close()
        self.reporter = reporter

    @property
    def listens(self) -> bool:
        """Whether the client wants to hear of changes also while no command is in progress."""
        return self.reporter is not None and self.reporter.at_once

    # Alerts

    def tell(self, text: str) -> bool:
        """Say one line to the person: at once in IDLE, else with the end of the next command.

        Whether it will be said, as far as can be known now.
        """
        if self._ended or self.stream.lost or len(self._alerts) >= _MOST_ALERTS:
            return False
        self._alerts.append(text)
        self.awake()
        return True

    def awake(self) -> None:
        """There is something to tell, if the client waits to hear it now."""
        if self.wake is not None:
            self.wake()

    @property
    def has_news(self) -> bool:
        """Whether there may be something to tell at once."""
        return bool(self._alerts) or (self.reporter is not None and self.reporter.has_heard)

    def alert(self) -> None:
        """Write the alerts that wait (RFC 3501 section 7.1): a client must show them."""
        alerts, self._alerts = self._alerts, []
        for text in alerts:
            self.status(ok(text, b"ALERT"))

    # Extensions that are on only for who asks

    def use_modseqs(self) -> None:
        """The client has shown that it knows modification sequences (RFC 7162 section 3.1)."""
        if not uses_modseqs(self.enabled):
            self.enabled.add("CONDSTORE")
            if self.selected is not None:
                self.status(self.selected.told())

    # Names

    def name(self, text: str) -> Name:
        """The levels of a mailbox name that the client sent. Raises Refused."""
        return self.places.name(names.levels(text, self.config.store.separator))

    async def place(self, text: str) -> Place:
        """Where a mailbox is that the client names; it need not exist.

        Raises Refused, and NoSuchMailbox for one of others that nobody has opened to the client.
        """
        name = self.name(text)
        if self.places.is_elsewhere(name):
            return await self.lane(self.places.find, name)
        return Place(self.account, name)

    def wire_name(self, name: Name) -> bytes:
        """mailbox: a name as this client reads it."""
        return names.encode(self.config.store.separator.join(name), utf8=self.utf8)

    # Work on the disk

    def lane(self, function: Callable[..., T], *args: Any, of: MailAccount | None = None) -> "Deferred[T]":
        """Run in the lane of an account: of the client's own, or `of` the one whose mailbox it is about."""
        return self.progress.during((of or self.account).lane.run(function, *args))

    def announce(self, place: Place, own: Collection[int] = ()) -> None:
        """Tell all sessions that a mailbox has changed.

        Of messages with the UIDs in `own` the client knows that it has added or removed them.
        """
        if self.selected is not None and self.selected.place == place:
            self.selected.did(own, self.interest)
        elif self.reporter is not None and own:
            self.reporter.did(Added(self.places.shown(place), frozenset(own)))
        self.shared.feed.announce(place.key)

    def announce_account(self, account: MailAccount, deed: Deed) -> None:
        """Tell all sessions that an account has other mailboxes, subscriptions or annotations."""
        if self.reporter is not None:
            self.reporter.did(deed)
        self.shared.feed.announce_account(account.address)

    # Words to the client

    def untagged(self, response: bytes) -> None:
        """A response of its own line, without its "*" and CRLF."""
        self.stream.write(b"* " + response + b"\r\n")

    def status(self, reply: Reply) -> None:
        """An untagged status response."""
        self.stream.write(reply.encode(b"*", self.language))

    def _say_at_once(self, reply: Reply) -> None:
        self.stream.write_through(reply.encode(b"*", self.language))

    def speak(self, tag: str) -> None:
        """All that is said to people is in this language from here on."""
        self.language = tag
        if self.selected is not None:
            self.selected.language = tag

    async def send(self, chunks: Iterator[bytes], *, of: MailAccount | None = None) -> None:
        """Stream what a generator makes in the lane of an account, as lane(); see net.blocking.send."""
        with self.progress.sending() as writing:
            await send(self.stream, (of or self.account).lane, chunks, writing)

    @property
    def hears_everything(self) -> bool:
        """Whether the client is told of all that happens in the selected mailbox, whoever did it."""
        return self.interest is interest.EVERYTHING and not self.view.contexts and self.reporter is None

    async def answer(self, chunks: Iterator[bytes]) -> None:
        """Stream the last responses of a command about the selected mailbox.

        What has changed there is told behind them in the same job, if nobody else wants to tell it.
        """
        if self.reporter is None:
            chunks = self._with_updates(chunks)
        with self.progress.sending() as writing:
            await send(self.stream, self.view.place.account.lane, chunks, writing, last=False)

    def _with_updates(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        mailbox = self.view.mailbox
        mailbox.looked = False
        yield from chunks
        try:
            yield from self._updates(expunge=self.may_expunge, unasked=False, looked=mailbox.looked)
            self.told()
        except OSError:
            pass  # flush() will meet it again

    def told(self) -> None:
        """The command has told all that there is in the selected mailbox, so that flush() need not look."""
        self._told = True

    async def reply(self, reply: Reply) -> None:
        """The tagged end of the command, and alerts before it."""
        self.write(reply)
        await self.stream.drain()

    def write(self, reply: Reply) -> None:
        """The same, without waiting for the client to take it."""
        self.alert()
        self.stream.write(reply.encode(self.tag, self.language))

    async def flush(self, *, expunge: bool = True, unasked: bool = False) -> None:
        """Tell the client what has changed, as far as it wants to hear of it.

        `unasked`: a command that is at its end tells what the client needs to know to understand the command.
        """
        told, self._told = self._told, False
        updates = self._updates(expunge=expunge, unasked=unasked)
        if self.reporter is not None:
            await self.reporter.tell(updates)
        elif self.selected is not None and not told and not self._is_told(self.selected):
            with self.progress.sending() as writing:
                await send(self.stream, self.selected.place.account.lane, updates, writing, last=False)
        if self.selected is not None and self.selected.newly_seen:
            self.selected.newly_seen = False
            self.announce(self.selected.place)

    def _is_told(self, view: Selected) -> bool:
        """Whether it is certain, without a way to a thread and back, that there is nothing to tell."""
        return view.place.account.lane.is_idle and self.interest is interest.EVERYTHING and view.is_told

    def _updates(self, *, expunge: bool, unasked: bool, looked: bool = False) -> Iterator[bytes]:
        view = self.selected
        if view is None or (unasked and not self.interest.messages):
            return iter(())
        view.utf8 = self.utf8
        return view.updates(expunge=expunge, interest=self.interest, unasked=unasked, looked=looked)

    # Literals

    def go_ahead(self, announced: Announced, text: bytes = b"Ready for literal data") -> None:
        """Let the client send a literal, if it waits for that (RFC 3501 section 7.5)."""
        if announced.synchronizing:
            self.stream.write(b"+ " + resp_text(self.language, text.decode("ascii")) + b"\r\n")

    async def skip_awaited(self, refusal: Reply) -> None:
        """Read past what comes unasked of a refused command: literals (RFC 7888 section 4) and their lines.

        A client that waits for a go-ahead sends nothing more of its command when it is refused instead.
        Raises Goodbye, with the refusal's text, when there is more than a message may have, or more than a
        stranger may send, or no line where one must be: its octets must not be taken for commands.
        """
        announced, self.awaited = self.awaited, None
        room = self.literal_limit if self._account is None else self.config.limits.message_size
        while announced is not None and not announced.synchronizing:
            room -= announced.size
            if room < 0:
                raise Goodbye(f"{refusal.text}; what follows is too long to be read past", b"TOOBIG")
            left = announced.size
            while left:
                self.stream.timeout = self.patience()
                left -= len(await self.stream.some(min(left, _PIECE)))
            self.stream.timeout = self.patience()
            try:
                line = await self.stream.line(self.line_limit)
            except BadSyntax as error:
                raise Goodbye(f"{refusal.text}; {error}") from None
            room -= len(line)
            announced = announcement(line)

    def require_writable(self) -> None:
        """Raise Refused in a mailbox that was opened with EXAMINE."""
        if self.view.read_only:
            raise Refused(b"READ-ONLY", "The mailbox is selected read-only")
