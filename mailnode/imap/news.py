"""What a client hears besides the changes of its selected mailbox (RFC 5465, RFC 5464 section 4.4.2).

The change feed, and looks at the disk, say that something may be different. Then what there is is compared
with what the client was told last: so nothing is told twice, what happens together is told together, and a
client that reads slowly makes nothing pile up. All that is told is made in the account's lane, as one stream
of responses that waits for the client.

Of the selected mailbox its view tells (RFC 5465 section 3.1). What the client has heard from there it does
not hear again when another one is selected.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from twisted.python.failure import Failure

from mailnode.imap.account_news import account_news
from mailnode.imap.census_changes import compare
from mailnode.imap.events import MAILBOX_METADATA_CHANGE, SERVER_METADATA_CHANGE, Group, Wanted
from mailnode.imap.interest import EVERYTHING, NOTHING
from mailnode.imap.mailbox_news import TooMany, WatchedMailboxes
from mailnode.imap.own import Added, Deed, done
from mailnode.imap.replies import ok
from mailnode.imap.scopes import Scope
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.glance import THE_ACCOUNT, Census
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import Name


@dataclass(slots=True)
class _Telling:
    """What is to be told; what was told is taken out."""

    heard: set[Name]
    deeds: list[Deed]
    too_many: bool = False
    trouble: Exception | None = None

    def added(self, name: Name) -> set[int]:
        """The UIDs that the client has put into a mailbox itself."""
        return {
            uid for deed in self.deeds if isinstance(deed, Added) and deed.name == name for uid in deed.uids
        }


async def tell_metadata(session: Session) -> None:
    """From here on METADATA responses tell of changes, with other responses (RFC 5464 section 4.1).

    Who has used NOTIFY has said there what is to be told.
    """
    if session.reporter is None and session.interest is EVERYTHING:
        events = frozenset((MAILBOX_METADATA_CHANGE, SERVER_METADATA_CHANGE))
        await begin(session, News(session, [Group(Scope("PERSONAL"), events)], at_once=False))


async def begin(session: Session, news: "News", *, status: bool = False) -> None:
    """Let a session hear this from here on; with `status` also how mailboxes are now. Raises TooMany."""
    try:
        await session.send(news.begin(status=status))
    except BaseException:
        news.close()
        raise
    session.report_by(news)


class News:
    """What one client wants to hear, and was told; `at_once`: also while no command is in progress."""

    def __init__(self, session: Session, groups: Iterable[Group], *, at_once: bool) -> None:
        self.at_once = at_once
        self._session = session
        self._wanted = Wanted(groups, session.name)
        self._census = Census()  # as it was told
        self._heard: set[Name] = set()
        self._deeds: list[Deed] = []
        self._followed: Mailbox | None = None
        self._hints: list[Callable[[], None]] = []
        shared, account = session.shared, session.account
        self._lookout, leave = shared.lookouts.join(
            account, self._watched, clock=shared.runtime.clock, feed=shared.feed
        )
        self._mailboxes = WatchedMailboxes(session, self._wanted, self._lookout)
        self._leave = [leave, shared.feed.attend(account.address, self._hear)]

    def close(self) -> None:
        """Hear nothing more."""
        self._follow(None)
        for leave in self._leave:
            leave()

    # Hearing

    @property
    def has_heard(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._heard)

    def _watched(self) -> Collection[Name]:
        view = self._session.selected
        return self._mailboxes.names if view is None else [*self._mailboxes.names, view.mailbox.name]

    def _hear(self, name: Name) -> None:
        view = self._session.selected
        concerned = bool(self._wanted) if name == THE_ACCOUNT else name in self._mailboxes
        if concerned or (view is not None and view.mailbox.name == name):
            self._heard.add(name)
            self._session.awake()

    def did(self, deed: Deed) -> None:
        """This session has done something, of which it need not be told."""
        if self._wanted:
            self._deeds.append(deed)

    def _follow(self, mailbox: Mailbox | None) -> None:
        """Get hints of what other programs do in the selected mailbox, without waiting for the next look."""
        if mailbox is self._followed:
            return
        for stop in self._hints:
            stop()
        self._followed, self._hints = mailbox, []
        if mailbox is not None and self.at_once:
            watches, name = self._session.shared.watches, mailbox.name
            self._hints = [watches.watch(path, lambda: self._hear(name)) for path in mailbox.directories]

    # Telling

    def begin(self, *, status: bool) -> Iterator[bytes]:
        """See for the first time what is watched, in the lane; tell it with `status`. Raises TooMany."""
        self._lookout.begin(())
        self._census = self._lookout.census()
        view = self._session.selected
        for name in self._mailboxes.choose(self._census):
            shown = status and (view is None or view.mailbox.name != name)
            yield self._mailboxes.first(name) if shown else b""
        self._heard |= self._mailboxes.take_unseen()

    async def tell(self, updates: Iterator[bytes]) -> None:
        """Tell all there is, and what is new in the selected mailbox."""
        view = self._session.selected
        self._follow(None if view is None else view.mailbox)
        heard, self._heard = self._heard, set()
        deeds, self._deeds = self._deeds, []
        if view is None and not heard and not deeds:
            return
        telling = _Telling(heard, deeds)
        try:
            await self._session.send(self._all(telling, view, updates))
        finally:
            self._heard |= heard
            self._deeds[:0] = deeds
        if telling.too_many:
            self._overflow()
        if telling.trouble is not None:
            self._session.connection.log.bug("mailbox cannot be read", Failure(telling.trouble))

    def _overflow(self) -> None:
        """RFC 5465 section 5.8: as if NOTIFY NONE had been given."""
        session = self._session
        session.status(ok("There are too many mailboxes to be watched", b"NOTIFICATIONOVERFLOW"))
        session.report_by(None)
        session.interest = NOTHING

    def _all(self, telling: _Telling, view: Selected | None, updates: Iterator[bytes]) -> Iterator[bytes]:
        if view is not None:
            self._lookout.begin((view.mailbox.name,))
        yield from self._of_account(telling)
        yield from updates
        if view is not None:
            self._note_updates(view, telling.heard)
        for name in sorted(telling.heard - {THE_ACCOUNT}):
            if view is not None and view.mailbox.name == name:
                continue
            try:
                yield self._mailboxes.look(name, telling.added(name))
            except OSError as error:
                telling.trouble = error
            else:
                telling.heard.discard(name)
        telling.deeds.clear()

    def _note_updates(self, view: Selected, heard: set[Name]) -> None:
        """What the view has told counts as told, if it has told everything; else it waits for its time."""
        if self._session.interest.messages and view.in_step:
            heard.discard(view.mailbox.name)
            self._mailboxes.follow(view.mailbox)
        else:
            heard.add(view.mailbox.name)

    def _of_account(self, telling: _Telling) -> Iterator[bytes]:
        deeds = [deed for deed in telling.deeds if not isinstance(deed, Added)]
        if THE_ACCOUNT not in telling.heard and not deeds:
            return
        try:
            now = self._lookout.census()
            changes = compare(done(deeds, self._census, now), now)
            responses = list(account_news(self._session, self._wanted, changes, now))
            for _ in self._mailboxes.choose(now):
                yield b""
        except OSError as error:
            telling.trouble = error
            return
        except TooMany:
            telling.too_many = True
        self._census = now
        telling.heard |= self._mailboxes.take_unseen()
        telling.heard.discard(THE_ACCOUNT)
        telling.deeds[:] = [deed for deed in telling.deeds if isinstance(deed, Added)]
        yield from responses
