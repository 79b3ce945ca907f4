"""What somebody gets who has proved who they are: their mail account and its lane."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from twisted.cred.portal import IRealm
from zope.interface import Attribute, Interface, implementer

from mailnode.auth.live import Live
from mailnode.events.feed import MailboxKey
from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.values import Name


class IMailAccount(Interface):
    """What POP3, IMAP and submission may do for an authenticated person."""

    address: str = Attribute("The address of the mailbox, in lower case.")
    store: Account = Attribute("The Maildir; its methods run in the lane.")
    lane: Lane = Attribute("Runs jobs of this account one after the other.")


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


@implementer(IRealm)
class Realm:
    """Gives accounts by address, each made once."""

    def __init__(self, live: Live, runtime: Runtime, files: FileSystem, *, rng: random.Random) -> None:
        self._live = live
        self._runtime = runtime
        self._files = files
        self._rng = rng
        self._accounts: dict[str, MailAccount] = {}

    def account(self, address: str) -> MailAccount:
        """The account of a configured mailbox."""
        root = self._live.config.mail_directory(address)
        known = self._accounts.get(address)
        if known is None or known.store.root != root:
            store = Account(
                root,
                files=self._files,
                now=self._runtime.now,
                host=self._live.config.hostname,
                rng=self._rng,
            )
            known = self._accounts[address] = MailAccount(address, store, Lane(self._runtime.blocking))
        return known

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]
    ) -> tuple[type[Interface], object, Callable[[], None]]:
        """cred's: the account of an authenticated address."""
        if IMailAccount not in interfaces or not avatarId:
            raise NotImplementedError("only IMailAccount is given here, and to nobody anonymous")
        return IMailAccount, self.account(avatarId.decode()), lambda: None

    def accounts(self) -> list[MailAccount]:
        """All accounts that were made so far."""
        return list(self._accounts.values())
