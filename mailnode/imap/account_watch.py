"""What a client hears of one account: its own, or one whose owner has opened mailboxes to it.

The change feed, and looks at the disk, say that something may be different. Then what there is is compared
with what the client was told last: so nothing is told twice, what happens together is told together, and a
client that reads slowly makes nothing pile up. All that is told is made in the account's lane, as one stream
of responses that waits for the client.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from twisted.python.failure import Failure

from mailnode.imap.account_news import account_news, shut
from mailnode.imap.census_changes import compare
from mailnode.imap.events import Wanted
from mailnode.imap.mailbox_news import TooMany, WatchedMailboxes
from mailnode.imap.outlook import Outlook
from mailnode.imap.own import Added, Deed, done
from mailnode.imap.places import Place
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.glance import THE_ACCOUNT, Census
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


class AccountWatch:
    """What one client wants to hear of one account, and was told. All names are the client's.

    `changed` is called when there may be something to tell.
    """

    def __init__(self, session: Session, root: Place, wanted: Wanted, changed: Callable[[], None]) -> None:
        self._session = session
        self._wanted = wanted
        self._changed = changed
        self._census = Census()  # as it was told
        self._shut: frozenset[Name] = frozenset()  # what it was told that it may not read
        self._subscribed: frozenset[Name] = frozenset()
        self._heard: set[Name] = set()
        self._deeds: list[Deed] = []
        shared, account = session.shared, root.account
        lookout, leave = shared.lookouts.join(
            account, self._watched, clock=shared.runtime.clock, feed=shared.feed
        )
        self.outlook = Outlook(root, session.places, lookout)
        self._mailboxes = WatchedMailboxes(session, wanted, self.outlook)
        self._leave = [leave, shared.feed.attend(account.address, self._hear)]

    def close(self) -> None:
        """Hear nothing more."""
        for leave in self._leave:
            leave()

    # Hearing

    @property
    def has_heard(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._heard)

    @property
    def is_empty(self) -> bool:
        """Whether the client was told of no mailbox that is still there."""
        return not self._census.guids

    def _watched(self) -> Collection[Name]:
        return [self.outlook.hidden(name) for name in self._mailboxes.names]

    def _hear(self, name: Name) -> None:
        shown = self.outlook.shown(name)
        if bool(self._wanted) if name == THE_ACCOUNT else shown in self._mailboxes:
            self._heard.add(shown)
            self._changed()

    def look_again(self, subscribed: frozenset[Name] | None = None) -> None:
        """Mailboxes may have been opened or closed to the client, or those are subscribed."""
        if subscribed is None or subscribed != self._subscribed:
            self._subscribed = self._subscribed if subscribed is None else subscribed
            self._heard.add(THE_ACCOUNT)

    def did(self, deed: Deed) -> None:
        """This session has done something, of which it need not be told."""
        if self._wanted:
            self._deeds.append(deed)

    # Telling

    def begin(self, subscribed: frozenset[Name], view: Selected | None, *, status: bool) -> Iterator[bytes]:
        """See for the first time what is watched, in the lane; tell it with `status`. Raises TooMany."""
        self._subscribed = subscribed
        self.outlook.begin(())
        self._census = self.outlook.census(subscribed)
        self._shut = self.outlook.shut
        yield from shut(self._session, self.outlook, self._wanted, self._census)
        for name in self._mailboxes.choose(self._census):
            shown = status and not self._is_of(view, name)
            yield self._mailboxes.first(name) if shown else b""
        self._heard |= self._mailboxes.take_unseen()

    def concerns(self, view: Selected | None) -> bool:
        """Whether a view is of this account."""
        return view is not None and view.place.account is self.outlook.root.account

    def _is_of(self, view: Selected | None, name: Name) -> bool:
        return view is not None and self.concerns(view) and self.outlook.shown(view.mailbox.name) == name

    async def tell(self, view: Selected | None, updates: Iterator[bytes]) -> None:
        """Tell all there is, with what is new in the selected mailbox of this account. Raises TooMany."""
        heard, self._heard = self._heard, set()
        deeds, self._deeds = self._deeds, []
        if view is None and not heard and not deeds:
            return
        telling = _Telling(heard, deeds)
        try:
            await self._session.send(self._all(telling, view, updates), of=self.outlook.root.account)
        finally:
            self._heard |= heard
            self._deeds[:0] = deeds
        if telling.trouble is not None:
            self._session.connection.log.bug("mailbox cannot be read", Failure(telling.trouble))
        if telling.too_many:
            raise TooMany

    def _all(self, telling: _Telling, view: Selected | None, updates: Iterator[bytes]) -> Iterator[bytes]:
        if view is not None:
            self.outlook.begin((self.outlook.shown(view.mailbox.name),))
        yield from self._of_account(telling)
        yield from updates
        if view is not None:
            self._note_updates(view, telling.heard)
        for name in sorted(telling.heard - {THE_ACCOUNT}):
            if self._is_of(view, name):
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
        name = self.outlook.shown(view.mailbox.name)
        if self._session.interest.messages and view.in_step:
            heard.discard(name)
            self._mailboxes.follow(view.mailbox)
        else:
            heard.add(name)

    def _of_account(self, telling: _Telling) -> Iterator[bytes]:
        deeds = [deed for deed in telling.deeds if not isinstance(deed, Added)]
        if THE_ACCOUNT not in telling.heard and not deeds:
            return
        try:
            now = self.outlook.census(self._subscribed)
            changes = compare(done(deeds, self._census, now), now)
            turned = (self._shut ^ self.outlook.shut) & self._census.guids.keys() & now.guids.keys()
            responses = list(account_news(self._session, self.outlook, self._wanted, changes, now, turned))
            for _ in self._mailboxes.choose(now):
                yield b""
        except OSError as error:
            telling.trouble = error
            return
        except TooMany:
            telling.too_many = True
        self._census, self._shut = now, self.outlook.shut
        telling.heard |= self._mailboxes.take_unseen()
        telling.heard.discard(THE_ACCOUNT)
        telling.deeds[:] = [deed for deed in telling.deeds if isinstance(deed, Added)]
        yield from responses
