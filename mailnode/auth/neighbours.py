"""What people of this server let each other see: the mailboxes of the "other users" namespace (RFC 2342).

Where the mail of people lies is the realm's business, and what they have granted stands with their mailboxes.
"""

from collections.abc import Callable

from mailnode.auth.live import Live
from mailnode.auth.realm import MailAccount, Realm
from mailnode.config import Config
from mailnode.fs import FileSystem
from mailnode.store import sharing
from mailnode.store.acl import Acl
from mailnode.store.shares import Shares
from mailnode.store.values import Name


class Neighbours:
    """Finds accounts for those to whom they are open. All but knows() and account() is for a lane."""

    def __init__(self, live: Live, realm: Realm, files: FileSystem) -> None:
        self._live = live
        self._realm = realm
        self._files = files
        self._config: Config = live.config  # where mail lies is settled when the server starts
        self._shares = Shares(files, live.config.state, self._guests)

    def _guests(self, owner: str) -> set[str]:
        return sharing.guests(self._files, self._config.mail_directory(owner))

    def knows(self, address: str) -> bool:
        """Whether there is a mailbox of that address."""
        return address in self._live.mailboxes.mailboxes

    def account(self, address: str) -> MailAccount | None:
        """The account of somebody, whatever it is open to; None where there is no such mailbox."""
        return self._realm.account(address) if self.knows(address) else None

    def open_to(self, address: str) -> list[MailAccount]:
        """Those that may have shared something with somebody else. Raises OSError."""
        owners = self._shares.open_to(address, self._live.mailboxes.mailboxes)
        return [self._realm.account(owner) for owner in owners]

    def grant(self, owner: MailAccount, mailbox: Name, wanted: Callable[[Acl], Acl]) -> None:
        """Change who may do what with a mailbox; in the owner's lane. Raises StoreError, OSError."""
        shared = owner.store.sharing
        new = wanted(shared.list(mailbox))
        self._shares.add(owner.address, new.guests())
        shared.change(mailbox, wanted)
        self._shares.look_again(owner.address)
