"""One account: the tree of folders, subscriptions, and messages on their way in.

All methods run in the account's lane, but draft(), ensure() and those of the quota: deliveries call them in
threads of their own.
"""

import functools
import os
import random
import stat
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from weakref import WeakValueDictionary

from mailnode.fs import FileSystem, Lock
from mailnode.store import identity, subscriptions, uidlist
from mailnode.store import names as naming
from mailnode.store.annotations import Annotations
from mailnode.store.context import Context
from mailnode.store.directory import NEW, folders
from mailnode.store.draft import Draft
from mailnode.store.errors import BadMailboxName, HasInferiors, InUse, MailboxExists, NoSuchMailbox
from mailnode.store.filenames import UniqueNames
from mailnode.store.folder import make_folder, next_validity
from mailnode.store.glance import Glance
from mailnode.store.homes import forget_texts, guid_at
from mailnode.store.keeping import NOTHING_KEPT, Keeper, Terms
from mailnode.store.locks import Locks
from mailnode.store.mailbox import Mailbox
from mailnode.store.quota import UNLIMITED, Limit, Quota, demand
from mailnode.store.removed import Lent, Removed
from mailnode.store.sharing import Sharing
from mailnode.store.special_use import Uses
from mailnode.store.stillness import Stillness
from mailnode.store.subscriptions import Subscriptions
from mailnode.store.synchronised import Status
from mailnode.store.trees import remove_tree, rename_all
from mailnode.store.uidlist import UidList
from mailnode.store.url_keys import UrlKeys
from mailnode.store.usage import Ledger, Usage
from mailnode.store.values import INBOX, NO_FLAGS, Flags, Name
from mailnode.wire.uidl import DEFAULT

MAILDROP_LOCK = "mailnode-pop3.lock"
KEPT_OPEN = 8  # mailboxes that stay in memory though no session has them
ABANDONED_AFTER = 36 * 3600.0  # seconds; the age at which every Maildir program may clean tmp/
BUILDING = "..mailnode-new."  # a folder that is not whole yet; nobody lists it
TRASHED = "..DOVECOT-TRASHED"  # what Dovecot calls a folder on its way out; nobody lists it


class Account:
    """The mail of one person, in a Maildir++ tree at `root`.

    `limit` gives what it may hold at this moment, and `shared` a quota that it shares with others, or None.
    `uidl` is the format of POP3 unique-ids from now on, `special_use` says what mailboxes are usually called,
    `recover` on which terms removed messages are kept. `removed`: all that is here has been removed.
    `stillness` tells where nothing has changed; without it, that is looked at each time.
    """

    def __init__(
        self,
        root: str,
        *,
        files: FileSystem,
        now: Callable[[], float],
        host: str,
        rng: random.Random,
        pid: int | None = None,
        text_index: bool = True,
        limit: Callable[[], Limit] = lambda: UNLIMITED,
        shared: Callable[[], Quota | None] = lambda: None,
        uidl: Callable[[], str] = lambda: DEFAULT,
        special_use: Callable[[], Mapping[str, Name]] = dict,
        recover: Callable[[], Terms] = lambda: NOTHING_KEPT,
        removed: bool = False,
        stillness: Stillness | None = None,
    ) -> None:
        pid = os.getpid() if pid is None else pid
        self.root = root
        self._host = host
        self.files = self._files = files
        self._context = Context(
            root=root,
            files=files,
            locks=Locks(files, host=os.uname().nodename, pid=pid),  # the name Dovecot's lock files have
            names=UniqueNames(now, pid=pid, host=host, rng=rng),
            now=now,
            rng=rng,
            text_wanted=text_index,
            quotas=self.quotas,
            uidl=uidl,
            stillness=stillness or Stillness(),
        )
        self.keeper = Keeper(self._context, recover)
        self._context.keeper = None if removed else self.keeper
        self._kind = Removed if removed else Mailbox
        self._quota = Quota(root, limit=limit, usage=self.usage)
        self._shared = shared
        self.usual_names = special_use
        self.furnished = False  # whether it was looked whether it has them
        self.annotations = Annotations(self._context, self._directories, self._guid, special_use)
        self.url_keys = UrlKeys(self._context, self.annotations)
        sharing = Lent if removed else Sharing
        self.sharing = sharing(self._context, self._directories, self._existing, self.mailbox)
        self.glance = Glance(self._context, self._directories, self.subscriptions)
        self._open: WeakValueDictionary[Name, Mailbox] = WeakValueDictionary()
        self._used: deque[Mailbox] = deque(maxlen=KEPT_OPEN)
        self._there = False
        self._making = threading.Lock()  # deliveries ask in threads of their own
        self._counting = threading.Lock()

    def ensure(self) -> None:
        """Create the Maildir if it is not there, durably; sweep up what a crash left in it.

        What is there may have been made a moment ago by somebody who was killed: so its names are synced too,
        once in the life of the process.
        """
        with self._making:
            if not self._there or not self._files.is_directory(f"{self.root}/new"):
                make_folder(self._context, self.root)
                self._files.sync_upwards(self.root)
                self._sweep()
                self._there = True

    def look_anew(self) -> None:
        """After an error: do not believe that the Maildir is there, nor what it holds."""
        self._there = False
        if self._context.ledger is not None:
            self._context.ledger.doubt()

    def _sweep(self) -> None:
        """Remove what was begun long ago and never finished; nobody was told that it is there."""
        until = self._context.now() - ABANDONED_AFTER
        for directory, prefix in ((f"{self.root}/tmp", ""), (self.root, BUILDING)):
            for name in self._files.names(directory):
                path = f"{directory}/{name}"
                facts = self._files.stat(path) if name.startswith(prefix) else None
                if facts is None or facts.st_ctime > until:
                    continue  # not the modification time: a draft has that of its message
                if stat.S_ISREG(facts.st_mode):
                    self._files.unlink(path, missing_ok=True)
                elif prefix and stat.S_ISDIR(facts.st_mode):
                    remove_tree(self._files, path)

    @property
    def caches_discarded(self) -> int:
        """How often a cache or text index was made anew after an error in it."""
        return self._context.discarded

    def close(self) -> None:
        """Close the caches, with everything in them; the next use opens them again."""
        for mailbox in list(self._open.values()):
            mailbox.save_prepared()
        if self._context.ledger is not None:
            self._context.ledger.save()
        self._context.close()
        if "recovered" in self.__dict__:
            self.recovered.close()

    @functools.cached_property
    def recovered(self) -> "Account":
        """The messages that were removed lately, as an account with the mailboxes they were removed from."""
        return Account(
            self.keeper.root,
            files=self._files,
            now=self._context.now,
            host=self._host,
            rng=self._context.rng,
            text_index=False,
            removed=True,
        )

    # Folders

    def _directories(self) -> dict[Name, str]:
        """All mailboxes and their directories, as they lie on disk now."""
        self.ensure()
        return folders(self._files, self.root)

    def names(self) -> list[Name]:
        """Existing mailboxes: INBOX first, then by name."""
        return sorted(self._directories(), key=lambda name: (name != INBOX, name))

    def mailbox(self, name: Name) -> Mailbox:
        """A mailbox, synchronised; all sessions share one object. Raises NoSuchMailbox."""
        name = naming.normal(name)
        known = self._open.get(name)
        if known is not None:
            with suppress(NoSuchMailbox):  # another folder may have that name by now
                known.refresh()
                return self._keep(known)
            self._drop(name)
        opened = self._kind(self._context, name, self._existing(name))
        opened.sync()
        return self._keep(opened)

    def at_hand(self, name: Name) -> Mailbox | None:
        """A mailbox that is open, and certainly is what it was at the last look; None for any other.

        It touches no disk, and may be asked on the reactor's thread too, while nothing runs in the lane.
        """
        known = self._open.get(naming.normal(name))
        return known if known is not None and known.is_still else None

    def _keep(self, mailbox: Mailbox) -> Mailbox:
        self._open[mailbox.name] = mailbox
        self._used.append(mailbox)
        return mailbox

    def _drop(self, name: Name) -> None:
        self._open.pop(name, None)
        self.look_anew()

    def status(self, name: Name) -> Status:
        """Counts of a mailbox, now. Raises NoSuchMailbox."""
        return self.mailbox(name).status()

    def create(self, name: Name, uses: Uses = ()) -> str:
        """Make a mailbox (RFC 3501 section 6.3.3); parents are not made, they need not exist.

        It takes these special uses from all others. Gives its MAILBOXID (RFC 8474). Raises MailboxExists,
        BadMailboxName.
        """
        name = naming.normal(name)
        directories = self._directories()
        if name in directories:
            raise MailboxExists(name)
        utf8 = naming.wants_utf8(os.path.basename(path) for path in directories.values())
        target = f"{self.root}/{naming.directory_of(name, utf8=utf8)}"
        guid = self._context.new_guid()
        with self._context.locks.folder(self.root):
            if self._files.stat(target) is not None and name in self._directories():
                raise MailboxExists(name)  # another process was faster
            if uses:
                self.annotations.designate(guid, uses)
            # Built under a name nobody lists, then renamed: a mailbox is there whole, or not at all.
            building = f"{self.root}/{BUILDING}{self._context.new_guid()}"
            try:
                make_folder(self._context, building)
                self._files.create(f"{building}/maildirfolder").close()
                uids = UidList(next_validity(self._context), 1, guid)
                self._files.replace(f"{building}/{uidlist.FILE_NAME}", uids.encode())
                self.sharing.inherit(name, directories, building)
                rename_all(self._files, self.root, [(building, target)])
            except BaseException:
                with suppress(OSError):  # what is left is swept up when it is old
                    remove_tree(self._files, building)
                    self.annotations.forget(guid)
                raise
            if uses:
                with suppress(OSError):  # the last one that was given a use has it anyway
                    self.annotations.give_up(guid)
        return identity.mailbox_id(uids.guid, uids.validity)

    def delete(self, name: Name) -> None:
        """Remove a mailbox and its messages (RFC 3501 section 6.3.4); inferiors stay, annotations go.

        The messages can be recovered for a while. Raises NoSuchMailbox, HasInferiors, OSError; BadMailboxName
        for INBOX.
        """
        name = naming.normal(name)
        if name == INBOX:
            raise BadMailboxName("INBOX cannot be deleted")
        path = self._deletable(name)
        guid = guid_at(self._context, path)
        shelf = self.mailbox(name).keep_all() if self.keeper.wanted else None
        with self._context.locks.folder(self.root):
            trashed = f"{self.root}/{TRASHED}"
            try:
                remove_tree(self._files, trashed)
                rename_all(self._files, self.root, [(path, trashed)])
            except BaseException:
                if shelf is not None:
                    shelf.take_back()
                raise
            self._drop(name)
            forget_texts(self._context, path, guid)
            with suppress(OSError):  # it is deleted; what is left of it goes with the next one
                remove_tree(self._files, trashed)
                self.annotations.forget(guid)

    def _deletable(self, name: Name) -> str:
        try:
            return self._existing(name)
        except NoSuchMailbox:
            if any(other[: len(name)] == name for other in self._directories()):
                raise HasInferiors(name) from None
            raise

    def _guid(self, name: Name) -> str:
        return guid_at(self._context, self._existing(name)) or self.mailbox(name).guid

    def _existing(self, name: Name) -> str:
        if name == INBOX:
            self.ensure()
            return self.root
        usual = naming.usual_directory(name)
        place = f"{self.root}/{usual}"
        if usual is not None and self._files.is_directory(place) and self._files.is_directory(f"{place}/cur"):
            return place
        path = self._directories().get(name)
        if path is None:
            raise NoSuchMailbox(name)
        return path

    def directory_of(self, name: Name) -> str:
        """Where a mailbox lies. Raises NoSuchMailbox."""
        return self._existing(naming.normal(name))

    def locked(self, path: str) -> AbstractContextManager[None]:
        """Hold the lock of a folder's directory. Raises FileNotFoundError, InUse."""
        return self._context.locks.folder(path)

    def rename(self, old: Name, new: Name) -> None:
        """Rename a mailbox with its inferiors (RFC 3501 section 6.3.5); UIDs and UIDVALIDITY stay.

        INBOX instead gives all its messages to the new mailbox and stays, empty. A name that exists only as
        the parent of others can be renamed too. Raises NoSuchMailbox, MailboxExists, BadMailboxName.
        """
        old, new = naming.normal(old), naming.normal(new)
        if old == INBOX:
            self._empty_inbox_into(new)
            return
        directories = self._directories()
        moving = [name for name in directories if name[: len(old)] == old]
        if not moving:
            raise NoSuchMailbox(old)
        if new[: len(old)] == old and new != old:
            raise BadMailboxName("A mailbox cannot become its own inferior")
        utf8 = naming.wants_utf8(os.path.basename(path) for path in directories.values())
        targets = {name: new + name[len(old) :] for name in moving}
        if any(target in directories for target in targets.values()) or new in directories:
            raise MailboxExists(new)
        paths = {name: naming.directory_of(target, utf8=utf8) for name, target in targets.items()}
        self.annotations.settle(moving)
        with self._context.locks.folder(self.root):
            pairs = [(directories[name], f"{self.root}/{target}") for name, target in sorted(paths.items())]
            rename_all(self._files, self.root, pairs)
        for name in moving:
            self._drop(name)

    def _empty_inbox_into(self, new: Name) -> None:
        self.create(new)
        self.annotations.copy(INBOX, new)
        inbox, target = self.mailbox(INBOX), self.mailbox(new)
        inbox.move(list(inbox.uids), target)

    # Subscriptions

    def subscriptions(self) -> list[Name]:
        """The subscribed names, in file order, whether or not a mailbox of that name exists."""
        return self._read_subscriptions().names

    def _read_subscriptions(self) -> Subscriptions:
        self.ensure()
        try:
            data = self._files.read(f"{self.root}/{subscriptions.FILE_NAME}")
        except FileNotFoundError:
            data = b""
        return subscriptions.parse(data)

    @property
    def has_subscriptions(self) -> bool:
        """Whether anybody has ever subscribed to anything."""
        return self._files.stat(f"{self.root}/{subscriptions.FILE_NAME}") is not None

    def subscribe(self, *names: Name) -> None:
        """Add names; nothing happens to those that are there. Raises BadMailboxName."""
        wanted = [naming.normal(name) for name in names]
        for name in wanted:
            naming.directory_of(name)
        self._edit_subscriptions(lambda listed: functools.reduce(Subscriptions.with_name, wanted, listed))

    def unsubscribe(self, name: Name) -> None:
        """Take a name out; nothing happens when it is not there."""
        name = naming.normal(name)
        self._edit_subscriptions(lambda listed: listed.without_name(name))

    def _edit_subscriptions(self, edit: Callable[[Subscriptions], Subscriptions]) -> None:
        self.ensure()
        with self._context.locks.folder(self.root):
            listed = self._read_subscriptions()
            edited = edit(listed)
            if edited != listed:
                self._files.replace(f"{self.root}/{subscriptions.FILE_NAME}", edited.encode())

    # Messages on their way in

    def draft(self, *, paired: bool = False) -> Draft:
        """A new message for this account. Touches no disk; may be called outside the lane."""
        name = self._context.names.next()
        return Draft(self._files, f"{self.root}/tmp", name, prepare=self._ensure_tmp, paired=paired)

    def path_of_draft(self) -> str:
        """Where the file of a message on its way in may lie; may be asked outside the lane."""
        self._ensure_tmp()
        return f"{self.root}/tmp/{self._context.names.next()}"

    def _ensure_tmp(self) -> None:
        """The Maildir is made, and made again where somebody has removed its empty directories."""
        if self._files.stat(f"{self.root}/tmp") is None:
            self.look_anew()
        self.ensure()

    def append(
        self, name: Name, draft: Draft, flags: Flags = NO_FLAGS, internal_date: float | None = None
    ) -> int:
        """Put a draft into a mailbox, durably; gives its UID. The draft is used up in any case.

        Raises NoSuchMailbox, OverQuota, TooManyKeywords, OSError.
        """
        try:
            mailbox = self.mailbox(name)
        except BaseException:
            draft.abort()
            raise
        return mailbox.append(draft, flags, internal_date)

    def free_space(self) -> int:
        """Octets that can still be written where this account lies."""
        self.ensure()
        return self._files.free_space(self.root)

    # How much it holds, and may hold

    def usage(self) -> Usage:
        """Octets and messages in all folders, as the files say."""
        return self._ledger().usage()

    @property
    def usage_version(self) -> int:
        """Another number after every change that was told."""
        return self._ledger().version

    def usage_changed(self) -> None:
        """Another process has changed what it holds: who adds it up asks anew."""
        if self._context.ledger is not None:
            self._context.ledger.version += 1

    def _ledger(self) -> Ledger:
        if self._context.ledger is None:
            with self._counting:
                self._context.ledger = self._context.ledger or Ledger(
                    self.root,
                    files=self._files,
                    now=self._context.now,
                    open_index=self._context.open_index,
                )
        return self._context.ledger

    def quotas(self) -> list[Quota]:
        """Those of its quotas that have a limit now."""
        return [quota for quota in (self._quota, self._shared()) if quota is not None and quota.limited]

    def check_room(self, octets: int, messages: int = 1) -> None:
        """Raise OverQuota when messages of that size would not fit now."""
        for quota, more in demand([self.quotas()], Usage(octets, messages)).items():
            quota.check(more)

    def arriving(self, base: str) -> AbstractContextManager[str]:
        """A delivery links a file of this base into new/ in here, at the path given."""
        directory, ledger = f"{self.root}/{NEW}", self._context.ledger
        if ledger is None:
            return nullcontext(f"{directory}/{base}")
        return ledger.arriving(directory, base)

    # The maildrop

    def try_lock_maildrop(self) -> Lock:
        """The exclusive-access lock of a POP3 session (RFC 1939 section 4). Raises InUse."""
        self.ensure()
        lock = self._files.try_lock(f"{self.root}/{MAILDROP_LOCK}")
        if lock is None:
            raise InUse("the maildrop is locked by another POP3 session")
        return lock
