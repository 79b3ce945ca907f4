"""The idle indexer: prepares answers and texts of messages before anybody asks for them.

It hears of mailboxes from the change feed, and goes once through all mailboxes of an account that is used for
the first time. It works in slices of a fraction of a second, one at a time in the whole process, in the lane
of the account, and steps aside for everybody:

- A slice begins only in an account that was quiet for a second, and while nobody waits in any lane.
- After a slice it rests at least twice as long as the slice took, and nine times as long while anybody uses
  the server: it shares the interpreter with them.

Mailboxes that were announced come first: there are few new messages in each. While one is announced again and
again it is left alone, for LONGEST at most: each look at it costs about as much for one new message as for
many. A mailbox in which more is to do goes to the head of the backlog and is worked at to its end, as opening
it again would be dear.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import chain

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from mailnode.auth.realm import MailAccount, Realm
from mailnode.events.feed import ChangeFeed, MailboxKey
from mailnode.events.log import Log
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.errors import NoSuchMailbox, StoreError
from mailnode.store.values import Name

SLICE = 0.02  # seconds of work
QUIET = 1.0  # seconds nobody has used the account, nor announced the mailbox
LONGEST = 30.0  # seconds that a mailbox waits which is announced all the time
REST = 0.05  # seconds between two slices at least
WAIT = 0.25  # seconds until it looks again whether somebody is still busy

_ALL: Name = ()  # instead of a mailbox: all that the account has


@dataclass(slots=True)
class _Heard:
    """When a mailbox was announced first, since it was looked at, and last."""

    first: float
    last: float


class Indexer:
    """One for the process; used on the reactor thread."""

    def __init__(self, runtime: Runtime, realm: Realm, feed: ChangeFeed, log: Log) -> None:
        self._runtime = runtime
        self._realm = realm
        self._feed = feed
        self._log = log
        self._heard: OrderedDict[MailboxKey, _Heard] = OrderedDict()
        self._backlog: OrderedDict[MailboxKey, None] = OrderedDict()
        self._complained: set[str] = set()  # addresses
        self._running = False
        self._working = False
        self._next: IDelayedCall | None = None
        realm.greet(self._meet)

    def start(self) -> None:
        """Begin to listen and to work."""
        self._running = True
        self._stop_listening = self._feed.listen(self._hear)

    def stop(self) -> None:
        """Begin nothing more; a slice that runs ends by itself."""
        if not self._running:
            return
        self._running = False
        self._stop_listening()
        self._heard.clear()
        self._backlog.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _hear(self, key: MailboxKey) -> None:
        now = self._runtime.now()
        known = self._heard.get(key)
        if known is None:
            self._heard[key] = _Heard(now, now)
        else:
            known.last = now
        self._look_in(QUIET)

    def _meet(self, account: MailAccount) -> None:
        if self._running:
            self._backlog[account.address, _ALL] = None
            self._look_in(QUIET)

    def _look_in(self, seconds: float) -> None:
        """Look for work after a while, if that was not planned already."""
        if self._running and not self._working and self._next is None:
            self._next = self._runtime.clock.callLater(seconds, self._look)

    def _look(self) -> None:
        self._next = None
        if not self._realm.crowded:
            for key in chain(self._heard, self._backlog):
                if self._is_quiet(key[0]) and self._has_settled(key):
                    self._work(key)
                    return
        if self._heard or self._backlog:
            self._look_in(WAIT)

    def _is_quiet(self, address: str) -> bool:
        quiet = self._runtime.now() - self._realm.last_used(address) >= QUIET
        return quiet and not self._realm.account(address).lane.busy

    def _has_settled(self, key: MailboxKey) -> bool:
        """Whether nothing has come lately, or something all the time; the clock may jump back."""
        heard, now = self._heard.get(key), self._runtime.now()
        return heard is None or not (0 <= now - heard.last < QUIET and 0 <= now - heard.first < LONGEST)

    def _work(self, key: MailboxKey) -> None:
        self._heard.pop(key, None)
        self._backlog.pop(key, None)
        self._working = True
        address, name = key
        account = self._realm.account(address)
        started = self._runtime.now()
        done = self._realm.aside(account, _slice, account.store, name)
        done.addCallback(self._more, address)
        done.addErrback(self._failed, address)
        done.addBoth(self._rest, started)

    def _more(self, names: list[Name], address: str) -> None:
        for name in reversed(names) if self._running else ():
            self._backlog[address, name] = None
            self._backlog.move_to_end((address, name), last=False)

    def _failed(self, failure: Failure, address: str) -> None:
        """Leave this account alone until somebody says that something is new there."""
        for waiting in (self._heard, self._backlog):
            for key in [key for key in waiting if key[0] == address]:
                del waiting[key]
        if address in self._complained:
            return
        self._complained.add(address)
        if failure.check(OSError, StoreError):
            self._log.warn("mail not prepared", address=address, reason=str(failure.value))
        else:
            self._log.bug("mail not prepared", failure)

    def _rest(self, _: object, started: float) -> None:
        self._working = False
        if self._heard or self._backlog:
            now = self._runtime.now()
            alone = now - self._realm.last_use >= QUIET
            self._look_in(max(REST, (2 if alone else 9) * (now - started)))


def _slice(store: Account, name: Name) -> list[Name]:
    """A piece of work in the lane; gives the mailboxes in which there is something to do after it."""
    if name == _ALL:
        return store.names()
    try:
        piece = store.mailbox(name).prepare_some(SLICE)
    except NoSuchMailbox:
        return []
    return [name] * piece.more + [_ALL] * piece.anew
