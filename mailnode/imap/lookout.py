"""What the sessions of one account that use NOTIFY share: looks at the disk, and what they have seen.

However many sessions watch however many mailboxes, there is one timer for each account, and with each look a
few questions to the disk for each mailbox; only one that may have changed is opened. Sessions that have heard
the same remember the same objects.
"""

from collections.abc import Callable, Collection

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from mailnode.auth.realm import MailAccount
from mailnode.events.feed import ChangeFeed
from mailnode.events.log import Log
from mailnode.net.blocking import Lane
from mailnode.store.glance import THE_ACCOUNT, UNSETTLED, Census, Mark
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import Name
from mailnode.values import frozen

POLL = 10.0  # seconds between looks at the disk, for what other programs do there

Watched = Callable[[], Collection[Name]]  # called in the lane


@frozen
class Sight:
    """A mailbox at one moment, as far as STATUS tells it."""

    uid_validity: int = 0
    uid_next: int = 1
    messages: int = 0
    highest_modseq: int = 0
    unseen: int = 0


EMPTY = Sight()  # of a mailbox that nobody has seen so far


def sight_of(mailbox: Mailbox, known: Sight = EMPTY) -> Sight:
    """A mailbox as it was when it was last looked at; `known` itself if nothing is different."""
    state = mailbox.uid_validity, mailbox.uid_next, len(mailbox.uids), mailbox.highest_modseq
    if (known.uid_validity, known.uid_next, known.messages, known.highest_modseq) == state:
        return known
    return Sight(*state, mailbox.status().unseen)


class Lookout:
    """One account. begin(), census() and seen() run in its lane, all else on the reactor thread."""

    def __init__(self, account: MailAccount, clock: IReactorTime, feed: ChangeFeed) -> None:
        self._account = account
        self._clock = clock
        self._feed = feed
        self._log = Log("mailnode.imap.lookout", account=account.address)
        self._watching: dict[object, Watched] = {}
        self._marks: dict[Name, Mark] = {}
        self._sights: dict[Name, Sight] = {}
        self._timer: IDelayedCall | None = None

    # Who watches

    def join(self, watched: Watched) -> Callable[[], None]:
        """A session watches these mailboxes; gives a function that ends it."""
        token = object()
        self._watching[token] = watched
        if self._timer is None:
            self._wait()

        def leave() -> None:
            self._watching.pop(token, None)
            if not self._watching and self._timer is not None:
                self._timer.cancel()
                self._timer = None

        return leave

    @property
    def is_left(self) -> bool:
        """Whether nobody watches any more."""
        return not self._watching

    # Looks

    def _wait(self) -> None:
        self._timer = self._clock.callLater(POLL, self._look)

    def _look(self) -> None:
        """The plain run() of a lane, which is no use of the account."""
        self._timer = None
        looking = Lane.run(self._account.lane, self._changed)
        looking.addCallbacks(self._announce, self._failed)
        looking.addErrback(lambda failure: self._log.bug("changes not announced", failure))
        looking.addBoth(self._looked)

    def _looked(self, _: object) -> None:
        if self._watching and self._timer is None:
            self._wait()

    def _changed(self) -> list[Name]:
        """In the lane: what may not be what it was at the last look."""
        names: set[Name] = set().union(*(watched() for watched in list(self._watching.values())))
        known, self._marks = self._marks, self._account.store.glance.marks(names)
        self._sights = {name: sight for name, sight in self._sights.items() if name in self._marks}
        return [
            name
            for name, mark in self._marks.items()
            if name in known and (mark == UNSETTLED or mark != known[name])
        ]

    def _announce(self, names: list[Name]) -> None:
        for name in names:
            if name == THE_ACCOUNT:
                self._feed.announce_account(self._account.address)
            else:
                self._feed.announce(self._account.key(name))

    def _failed(self, failure: Failure) -> None:
        """Trouble with the disk, which the next look may not have."""
        self._log.warn("account not looked at", reason=failure.getErrorMessage())

    # Sights

    def begin(self, names: Collection[Name]) -> None:
        """Somebody is about to see these mailboxes: what happens to them from here on is announced."""
        fresh = [name for name in (THE_ACCOUNT, *names) if name not in self._marks]
        for name, mark in self._account.store.glance.marks(fresh).items() if fresh else ():
            self._marks.setdefault(name, mark)

    def census(self) -> Census:
        """What belongs to the account as a whole. Raises OSError."""
        return self._account.store.glance.census()

    def seen(self, mailbox: Mailbox) -> Sight:
        """A mailbox as its owner saw it when it was last looked at."""
        known = self._sights.get(mailbox.name, EMPTY)
        now = sight_of(mailbox, known)
        if now is not known:
            self._sights[mailbox.name] = now
        return now


class Lookouts:
    """Those of all accounts; of an account that nobody watches there is none."""

    def __init__(self) -> None:
        self._of: dict[str, Lookout] = {}

    def join(
        self, account: MailAccount, watched: Watched, *, clock: IReactorTime, feed: ChangeFeed
    ) -> tuple[Lookout, Callable[[], None]]:
        """A session watches mailboxes of an account; gives a function that ends it too."""
        lookout = self._of.setdefault(account.address, Lookout(account, clock, feed))
        stop = lookout.join(watched)

        def leave() -> None:
            stop()
            if lookout.is_left and self._of.get(account.address) is lookout:
                del self._of[account.address]

        return lookout, leave
