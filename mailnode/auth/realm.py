"""What somebody gets who has proved who they are: their mail account and its lane.

Where the mail lies is settled when the server starts: a reload that moved it under open sessions would give
one mailbox two places. How much it may hold is what the configuration says at that moment. Accounts may be
asked for in any thread, as is done where the usage of a domain is summed up.
"""

import math
import random
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface, implementer

from mailnode.auth.live import Live
from mailnode.config import Config
from mailnode.config_quota import Room
from mailnode.config_rules import split_address
from mailnode.events.feed import MailboxKey
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane
from mailnode.runtime import Executor, Runtime
from mailnode.store.account import Account
from mailnode.store.keeping import Terms
from mailnode.store.quota import UNLIMITED, Limit, Quota, Sum
from mailnode.store.stillness import Stillness
from mailnode.store.values import Name

T = TypeVar("T")


# A store keeps three descriptors of its cache open (database, log, index of the log), and as many of its text
# index while somebody searches: 64 of them take 400 of the 1,024 that a process has by default. Where more
# people come and go, opening again costs a millisecond.
OPEN_STORES = 64


class IMailAccount(Interface):
    """What POP3, IMAP and submission may do for an authenticated person."""

    address: str = Attribute("The address of the mailbox, in lower case.")
    store: Account = Attribute("The Maildir; its methods run in the lane.")
    lane: Lane = Attribute("Runs jobs of this account one after the other.")


class AccountLane(Lane):
    """A lane that says when it is used."""

    def __init__(self, executor: Executor, used: Callable[[], None]) -> None:
        super().__init__(executor)
        self._used = used

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run after all jobs that were given before."""
        self._used()
        return super().run(function, *args)


@implementer(IMailAccount)
@dataclass(frozen=True, slots=True, eq=False)
class MailAccount:
    """One account of this process; all its sessions share it."""

    address: str
    store: Account
    lane: Lane

    def key(self, mailbox: Name) -> MailboxKey:
        """The name of one of its mailboxes in the change feed."""
        return self.address, mailbox


def _terms_of(config: Config) -> Terms:
    """How removed mail is kept."""
    store = config.store
    return Terms(store.recover_days, store.recover_storage, config.limits.min_free_space)


@implementer(IRealm)
class Realm:
    """Gives accounts by address, each made once; only those used last have their stores open."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        files: FileSystem,
        *,
        rng: random.Random,
        stillness: Stillness | None = None,
    ) -> None:
        self._live = live
        self._config = live.config
        self._runtime = runtime
        self._files = files
        self._rng = rng
        self._stillness = stillness
        self._log = Log("mailnode.realm")
        self._accounts: dict[str, MailAccount] = {}
        self._making = threading.RLock()
        self._domains: dict[str, Quota] = {}
        self._open: OrderedDict[str, None] = OrderedDict()  # the one used longest ago is first
        self.last_use = -math.inf  # when a job was last given to any lane, in seconds since the epoch
        self._used_at: dict[str, float] = {}
        self._greeters: list[Callable[[MailAccount], None]] = []
        self.tell: Callable[[str], None] = lambda address: None  # other processes, of each use

    @property
    def mail_root(self) -> str:
        """The path below which the mail of everybody lies; it need not be there yet."""
        return self._config.store.mail.partition("{")[0]

    def account(self, address: str) -> MailAccount:
        """The account of a configured mailbox."""
        known = self._accounts.get(address)
        if known is None:
            with self._making:
                known = self._accounts.get(address) or self._made(address)
                self._accounts[address] = known
        return known

    def _made(self, address: str) -> MailAccount:
        domain = split_address(address)[1]
        store = Account(
            self._config.mail_directory(address),
            files=self._files,
            now=self._runtime.now,
            host=self._config.hostname,
            rng=self._rng,
            text_index=self._config.store.text_index,
            limit=lambda: self._limit(address),
            shared=lambda: self._shared(domain),
            uidl=lambda: self._live.config.pop3.uidl,
            special_use=lambda: self._live.config.store.special_use.names(),
            recover=self._terms,
            stillness=self._stillness,
        )
        return MailAccount(address, store, AccountLane(self._runtime.blocking, lambda: self._used(address)))

    def changed(self, address: str) -> None:
        """Another process has changed an account."""
        if known := self._accounts.get(address):
            known.store.usage_changed()

    # Who uses them

    def greet(self, greet: Callable[[MailAccount], None]) -> None:
        """Call `greet` with every account, once, when it is first used."""
        self._greeters.append(greet)

    def last_used(self, address: str) -> float:
        """When a job was last given to the lane of an account, in seconds since the epoch."""
        return self._used_at.get(address, -math.inf)

    def aside(self, account: MailAccount, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run in the lane of an account on nobody's behalf: it does not count as a use of the account."""
        self._opens(account.address)
        return Lane.run(account.lane, function, *args)

    @property
    def crowded(self) -> bool:
        """Whether in any account somebody waits for the disk."""
        return any(account.lane.waiting for account in self.accounts())

    # Quotas, as the configuration of the moment says

    def _limit(self, address: str) -> Limit:
        room = self._live.config.room(self._live.mailboxes.mailboxes.get(address))
        if room.storage is room.messages is None:
            return UNLIMITED
        return Limit(room.storage, room.messages)

    def _terms(self) -> Terms:
        return _terms_of(self._live.config)

    def _shared(self, domain: str) -> Quota | None:
        """The quota of a domain, or None where it has none."""
        if domain not in self._live.config.quota.domains:
            return None
        with self._making:
            if domain not in self._domains:
                total = Sum(lambda: self._members(domain), self._runtime.now)
                self._domains[domain] = Quota(
                    f"@{domain}", limit=lambda: self._domain_limit(domain), usage=total.usage
                )
            return self._domains[domain]

    def _domain_limit(self, domain: str) -> Limit:
        room = self._live.config.quota.domains.get(domain, Room())
        return Limit(room.storage, room.messages)

    def _members(self, domain: str) -> list[Account]:
        addresses = self._live.mailboxes.mailboxes
        return [self.account(one).store for one in addresses if split_address(one)[1] == domain]

    def note_use(self, address: str) -> None:
        """An account is used, here or in another process."""
        known = address in self._used_at
        self._used_at[address] = self.last_use = self._runtime.now()
        for greet in () if known else self._greeters:
            greet(self.account(address))

    def _used(self, address: str) -> None:
        self.note_use(address)
        self._opens(address)
        self.tell(address)

    def _opens(self, address: str) -> None:
        """Note that a store is about to be open, and close another one for it."""
        self._open[address] = None
        self._open.move_to_end(address)
        if len(self._open) > OPEN_STORES:
            account = self._accounts[self._open.popitem(last=False)[0]]
            # The plain run() of a lane, which is no use of the account.
            closed = Lane.run(account.lane, account.store.close)
            closed.addErrback(lambda failure: self._log.bug("cache not closed", failure))

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]
    ) -> tuple[type[Interface], object, Callable[[], None]]:
        """cred's: the account of an authenticated address."""
        if IMailAccount not in interfaces or not avatarId:
            raise NotImplementedError("only IMailAccount is given here, and to nobody anonymous")
        return IMailAccount, self.account(avatarId.decode()), lambda: None

    @property
    def open_stores(self) -> int:
        """How many accounts have their caches open."""
        return len(self._open)

    def accounts(self) -> list[MailAccount]:
        """All accounts that were made so far."""
        return list(self._accounts.values())
