"""What a client hears besides the changes of its selected mailbox (RFC 5465, RFC 5464 section 4.4.2).

Each account in which there is something to hear has an AccountWatch: the client's own, and if what was asked
for reaches so far, those of others who have opened mailboxes to the client.

Of the selected mailbox its view tells (RFC 5465 section 3.1). What the client has heard from there it does
not hear again when another one is selected.
"""

from collections.abc import Callable, Iterable, Iterator

from mailnode.events.feed import EVERYBODY
from mailnode.imap.account_watch import AccountWatch
from mailnode.imap.events import MAILBOX_METADATA_CHANGE, SERVER_METADATA_CHANGE, Group, Wanted
from mailnode.imap.interest import EVERYTHING, NOTHING
from mailnode.imap.lent import roots
from mailnode.imap.lookout import Lookout
from mailnode.imap.mailbox_news import TooMany
from mailnode.imap.own import Deed, Renamed
from mailnode.imap.places import Place
from mailnode.imap.replies import ok
from mailnode.imap.scopes import Scope
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import Name


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
        await news.begin(status=status)
    except BaseException:
        news.close()
        raise
    session.report_by(news)


class News:
    """What one client wants to hear, and was told; `at_once`: also while no command is in progress."""

    def __init__(self, session: Session, groups: Iterable[Group], *, at_once: bool) -> None:
        self.at_once = at_once
        self._session = session
        self._wanted = Wanted(groups, session.name, self._is_of_others)
        self._own = AccountWatch(session, Place(session.account, ()), self._wanted, self._awake)
        self._others: dict[Name, AccountWatch] = {}  # by what stands before their names
        self._others_changed = False  # who has opened something to the client
        self._view_heard = False  # the selected mailbox may be another
        self._followed: Mailbox | None = None
        self._hints: list[Callable[[], None]] = []
        self._lookout: Lookout | None = None  # at the account of the selected mailbox
        self._leave = session.shared.feed.attend(EVERYBODY, self._hear_of_others)

    def close(self) -> None:
        """Hear nothing more."""
        self._follow(None)
        self._leave()
        for watch in self._watches:
            watch.close()

    # Hearing

    @property
    def has_heard(self) -> bool:
        """Whether there may be something to tell."""
        return self._others_changed or self._view_heard or any(watch.has_heard for watch in self._watches)

    @property
    def _watches(self) -> list[AccountWatch]:
        return [self._own, *self._others.values()]

    def _awake(self) -> None:
        self._session.awake()

    def _is_of_others(self, name: Name) -> bool:
        """Asked in any lane: whether there is the namespace was found out when it began."""
        places = self._session.places
        return places.are_others(name) and places.there()

    def _hear_of_others(self, _: Name) -> None:
        if self._wanted.reaches_others:
            self._others_changed = True
            self._awake()

    def did(self, deed: Deed) -> None:
        """This session has done something, of which it need not be told."""
        name = deed.old if isinstance(deed, Renamed) else deed.name
        watch = self._own
        if name is not None and self._is_of_others(name):
            found = self._others.get(name[:2])
            if found is None:
                return
            watch = found
        watch.did(deed)

    def _follow(self, view: Selected | None) -> None:
        """Hear of the selected mailbox, also what other programs do, without waiting for the next look."""
        mailbox = None if view is None else view.mailbox
        if mailbox is self._followed:
            return
        for stop in self._hints:
            stop()
        self._followed, self._hints, self._lookout = mailbox, [], None
        if view is not None and self.at_once:
            shared, place = self._session.shared, view.place
            self._lookout, leave = shared.lookouts.join(
                place.account, lambda: [place.name], clock=shared.runtime.clock, feed=shared.feed
            )
            self._hints = [leave, shared.feed.watch(place.key, self._hear_view)]
            self._hints += [shared.watches.watch(path, self._hear_view) for path in view.mailbox.directories]

    def _hear_view(self) -> None:
        self._view_heard = True
        self._awake()

    # Telling

    async def begin(self, *, status: bool) -> None:
        """See for the first time what is watched; tell it with `status`. Raises TooMany."""
        session = self._session
        await session.lane(session.places.there)
        await self._begin(self._own, status=status)
        for watch in await self._new_others():
            await self._begin(watch, status=status)

    async def _begin(self, watch: AccountWatch, *, status: bool) -> None:
        subscribed, view = self._own.outlook.subscribed_of_others, self._session.selected
        chunks = watch.begin(subscribed, view, status=status)
        await self._session.send(chunks, of=watch.outlook.root.account)

    async def _new_others(self) -> list[AccountWatch]:
        """Watch those who may have opened something; gives who was not watched before."""
        self._others_changed = False
        found = await roots(self._session) if self._wanted.reaches_others else []
        fresh = [root for root in found if self._session.places.shown(root) not in self._others]
        for root in fresh:
            watch = AccountWatch(self._session, root, self._wanted, self._awake)
            self._others[self._session.places.shown(root)] = watch
        return [self._others[self._session.places.shown(root)] for root in fresh]

    async def tell(self, updates: Iterator[bytes]) -> None:
        """Tell all there is, and what is new in the selected mailbox."""
        view = self._session.selected
        self._follow(view)
        self._view_heard = False
        try:
            await self._tell(self._own, view, updates)
            if self._others_changed:
                await self._new_others()
                for watch in self._others.values():
                    watch.look_again()
            for watch in list(self._others.values()):
                watch.look_again(self._own.outlook.subscribed_of_others)
                await self._tell(watch, view, updates)
        except TooMany:
            self._overflow()
        else:
            self._leave_others()
        if view is not None and not any(watch.concerns(view) for watch in self._watches):
            await self._session.send(self._of_view(view, updates), of=view.place.account)

    def _of_view(self, view: Selected, updates: Iterator[bytes]) -> Iterator[bytes]:
        if self._lookout is not None:
            self._lookout.begin((view.place.name,))
        yield from updates

    @staticmethod
    async def _tell(watch: AccountWatch, view: Selected | None, updates: Iterator[bytes]) -> None:
        if watch.concerns(view):
            await watch.tell(view, updates)
        else:
            await watch.tell(None, iter(()))

    def _leave_others(self) -> None:
        """Nothing is to be heard of those of whose mailboxes the client knows none."""
        for prefix, watch in list(self._others.items()):
            if watch.is_empty and not watch.has_heard:
                watch.close()
                del self._others[prefix]

    def _overflow(self) -> None:
        """RFC 5465 section 5.8: as if NOTIFY NONE had been given."""
        session = self._session
        session.status(ok("There are too many mailboxes to be watched", b"NOTIFICATIONOVERFLOW"))
        session.report_by(None)
        session.interest = NOTHING
