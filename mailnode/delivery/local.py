"""The courier to the mailboxes of this host: straight into new/, one file however many recipients."""

import math
from collections.abc import Callable, Collection, Sequence
from functools import partial

from mailnode.auth.realm import MailAccount, Realm
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus, Delivered
from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane
from mailnode.net.commits import Commits
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.delivery import Arrival, deliver, deliver_each, deliver_together
from mailnode.store.draft import Draft
from mailnode.store.errors import StoreError
from mailnode.store.quota import demand
from mailnode.store.usage import Usage
from mailnode.store.values import INBOX

PIECE = 262144  # octets that are collected before a thread is asked to write them
REMEMBERED_SECONDS = 5.0


class LocalDelivery:
    """One message on its way; begin, write as often as needed, then commit or abort.

    The octets are the wire form. All disk work runs in a lane of the message's own: delivering needs no lock
    on anybody's mailbox, so nobody's session waits for it. A message of up to PIECE octets costs one job, or
    less where several come at once.
    """

    def __init__(
        self,
        lane: Lane,
        commits: Commits[Arrival],
        files: FileSystem,
        accounts: Sequence[MailAccount],
        head: bytes,
        arrived: Callable[[Sequence[MailAccount], str], None],
        *,
        always: Collection[str] = (),
        paired: bool = False,
    ) -> None:
        self._lane = lane
        self._paired = paired
        self._commits = commits
        self._files = files
        self._accounts = accounts
        self._arrived = arrived
        self._always = always
        self._pieces = [head]
        self._held = len(head)
        self._draft: Draft | None = None

    async def write(self, data: bytes) -> None:
        """Add octets; returns when they are taken care of. Raises OSError."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held > PIECE:
            await self._lane.run(self._begun().write, self._taken())

    def leave_out(self, addresses: Collection[str]) -> None:
        """Take these mailboxes out; to be called before commit, and somebody must be left."""
        self._accounts = [account for account in self._accounts if account.address not in addresses]

    async def commit(self) -> None:
        """Make the message durable in every INBOX and tell who watches there.

        Raises OSError or StoreError; then it is in none of them.
        """
        if self._fits_with_others():
            draft = await self._with_others()
        else:
            draft = self._begun()
            await self._lane.run(self._finish, draft, self._taken())
        self._draft = None
        self._arrived(self._accounts, draft.finish()[1])

    async def commit_each(self, groups: Sequence[Sequence[str]]) -> list[OSError | StoreError | None]:
        """Make the message durable for as many groups of mailboxes as can be; for each None, or why not.

        The groups make up the mailboxes of the delivery, in their order; all of one have it then, or none.
        Raises OSError; then it is nowhere.
        """
        errors: list[OSError | StoreError | None] = [None]
        together = len(groups) == 1 and self._fits_with_others()
        draft = self._begun()
        if together:
            try:
                await self._with_others()
            except (OSError, StoreError) as error:
                errors = [error]
        else:
            errors = await self._lane.run(self._finish_each, draft, groups, self._taken())
        self._draft = None
        there = {one for group, error in zip(groups, errors, strict=True) if error is None for one in group}
        if there:
            accounts = [account for account in self._accounts if account.address in there]
            self._arrived(accounts, draft.finish()[1])
        return errors

    def _fits_with_others(self) -> bool:
        """Whether it is small, and needs no room under a quota, for which one may have to wait."""
        limited = (one for one in self._accounts if one.address not in self._always and one.store.quotas())
        return self._draft is None and next(limited, None) is None

    async def _with_others(self) -> Draft:
        draft, stores = self._begun(), self._stores()
        # Those that lie side by side are on one disk.
        side_by_side = frozenset([store.root.rpartition("/")[0] for store in stores])
        await self._commits.run(side_by_side, Arrival(draft, self._taken(), stores))
        return draft

    async def abort(self) -> None:
        """Forget the message; may be called at any time, and does nothing after commit."""
        draft, self._draft = self._draft, None
        self._taken()
        if draft is not None:
            await self._lane.run(draft.abort)

    def _begun(self) -> Draft:
        if self._draft is None:
            self._draft = self._accounts[0].store.draft(paired=self._paired)
        return self._draft

    def _taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        return data

    def _finish(self, draft: Draft, data: bytes) -> None:
        draft.write(data)
        deliver(draft, self._stores(), self._files, always=self._stores_always())

    def _finish_each(
        self, draft: Draft, groups: Sequence[Sequence[str]], data: bytes
    ) -> list[OSError | StoreError | None]:
        stores = {account.address: account.store for account in self._accounts}
        draft.write(data)
        asked = [[stores[one] for one in group] for group in groups]
        return deliver_each(draft, asked, self._files, always=self._stores_always())

    def _stores(self) -> list[Account]:
        return [account.store for account in self._accounts]

    def _stores_always(self) -> list[Account]:
        return [account.store for account in self._accounts if account.address in self._always]


class LocalCourier:
    """Begins deliveries to mailboxes of this host."""

    def __init__(self, runtime: Runtime, realm: Realm, feed: ChangeFeed, bus: Bus, files: FileSystem) -> None:
        self._runtime = runtime
        self._realm = realm
        self._feed = feed
        self._bus = bus
        self._files = files
        self._commits = Commits(runtime, partial(deliver_together, files=files))

    def begin(
        self,
        addresses: Sequence[str],
        head: bytes,
        *,
        message: str,
        connection: str,
        always: Collection[str] = (),
        paired: bool = False,
    ) -> LocalDelivery:
        """A delivery of what starts with `head` into the INBOX of each mailbox; there must be one at least.

        No quota keeps it from those in `always`. The ids of the message and of its connection go into the
        events. `paired` promises that no CR and no LF stands alone in what is committed.
        """
        accounts = [self._realm.account(address) for address in addresses]

        def arrived(there: Sequence[MailAccount], file: str) -> None:
            for account in there:
                self._feed.announce(account.key(INBOX))
                self._bus.publish(Delivered(connection, message, account.address, INBOX[0], file))

        return LocalDelivery(
            Lane(self._runtime.blocking),
            self._commits,
            self._files,
            accounts,
            head,
            arrived,
            always=always,
            paired=paired,
        )

    async def check_room(self, addresses: Sequence[str], beside: Collection[str], octets: int) -> None:
        """Raise OverQuota if one of these has no room for a message of that size that goes to others too.

        Those beside are not asked again, but share the room of a domain. 0 is a size that is not known. Where
        there is no limit no thread is used. Raises OSError.
        """
        asked = [self._realm.account(address).store for address in addresses if address not in beside]
        quotas = {quota for account in asked for quota in account.quotas()}
        if not quotas:
            return
        others = [self._realm.account(address).store for address in beside]
        wanted = demand([account.quotas() for account in (*asked, *others)], Usage(max(octets, 1), 1))

        def check() -> None:
            for quota, more in wanted.items():
                if quota in quotas:
                    quota.check(more)

        await self._runtime.blocking.run(check)


class FreeSpace:
    """How many octets the mail directory's file system has left; measured every few seconds at most."""

    def __init__(self, runtime: Runtime, files: FileSystem, path: Callable[[], str]) -> None:
        self._runtime = runtime
        self._files = files
        self._path = path
        self._measured = 0
        self._until = -math.inf

    async def __call__(self) -> int:
        """Octets; raises OSError where nothing can be measured."""
        if (
            not self._until - REMEMBERED_SECONDS <= self._runtime.now() < self._until
        ):  # the clock may jump back
            self._measured = await self._runtime.blocking.run(self._files.free_space, self._path())
            self._until = self._runtime.now() + REMEMBERED_SECONDS
        return self._measured
