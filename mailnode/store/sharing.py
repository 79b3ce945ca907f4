"""What an account lets others do with its mailboxes (RFC 4314), and how they see them.

All methods run in the account's lane. A list that cannot be read grants nothing.
"""

import contextlib
import errno
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

from mailnode.fs import FileSystem
from mailnode.store import acl
from mailnode.store.acl import NO_RIGHTS, Acl, Rights
from mailnode.store.borrowed import Borrowed
from mailnode.store.context import Context
from mailnode.store.directory import folders
from mailnode.store.errors import NoRight, NoSuchMailbox, TooManyEntries
from mailnode.store.mailbox import Mailbox
from mailnode.store.names import normal
from mailnode.store.seen import SeenFile
from mailnode.store.values import Name

_Signature = tuple[int, int, int]


class Sharing:
    """The lists of one account; `mailbox` opens one of its mailboxes."""

    def __init__(
        self,
        context: Context,
        directories: Callable[[], Mapping[Name, str]],
        existing: Callable[[Name], str],
        mailbox: Callable[[Name], Mailbox],
    ) -> None:
        self._context = context
        self._directories = directories
        self._existing = existing
        self._mailbox = mailbox
        self._read: dict[str, tuple[_Signature, Acl]] = {}
        self._seen: WeakKeyDictionary[Mailbox, SeenFile] = WeakKeyDictionary()

    # What others may do

    def rights(self, name: Name, address: str) -> Rights:
        """What somebody else may do with a mailbox; nothing where there is none."""
        try:
            return self._at(self._existing(name)).rights(address)
        except (NoSuchMailbox, OSError):
            return NO_RIGHTS

    def check(self, name: Name, address: str, needed: str, *, any_of: str = "") -> None:
        """Raise NoSuchMailbox or NoRight for who has not all `needed` rights, and one of `any_of`.

        Who lacks "l" is never told that there is a mailbox (section 6).
        """
        held = self.rights(name, address)
        if not held.issuperset(needed) or (any_of and held.isdisjoint(any_of)):
            raise NoRight if "l" in held else NoSuchMailbox(name)

    def check_parent(self, name: Name, address: str) -> None:
        """Raise NoRight for who must not make this mailbox: "k" of the nearest one above it is needed."""
        parent = self._parent(name, self._directories())
        if parent is None or "k" not in self.rights(parent, address):
            raise NoRight

    def is_hidden(self, name: Name, address: str) -> bool:
        """Whether there is a mailbox that somebody must not know of."""
        try:
            self._existing(normal(name))
        except NoSuchMailbox:
            return False
        return "l" not in self.rights(name, address)

    def shown_to(self, address: str) -> dict[Name, Rights]:
        """The mailboxes with which somebody may do anything."""
        found = {}
        for name, directory in self._directories().items():
            try:
                found[name] = self._at(directory).rights(address)
            except OSError:
                continue
        return {name: rights for name, rights in found.items() if rights}

    def open(self, name: Name, address: str, needed: str) -> Mailbox:
        """A mailbox as somebody else sees it. Raises NoSuchMailbox, NoRight."""
        name = normal(name)
        self.check(name, address, needed)
        lent = self._mailbox(name)
        if lent not in self._seen:
            self._seen[lent] = SeenFile(
                self._context.files, lent.directory, validity=lent.uid_validity, guid=lent.guid
            )
        return Borrowed(lent, address, self._seen[lent], lambda: self.rights(name, address), needed)

    # The lists

    def list(self, name: Name) -> Acl:
        """Who may do what. Raises NoSuchMailbox, OSError."""
        return self._at(self._existing(name))

    def change(self, name: Name, change: Callable[[Acl], Acl]) -> None:
        """Put another list in the place of the one that is there, durably. Raises TooManyEntries."""
        directory = self._existing(name)
        path = f"{directory}/{acl.FILE_NAME}"
        files = self._context.files
        with self._context.locks.folder(directory):
            old = self._at(directory)
            new = change(old)
            if new == old:
                return
            if len(new.lines) > max(acl.ENTRIES, len(old.lines)) or len(new.encode()) > acl.FILE_OCTETS:
                raise TooManyEntries
            if new.lines:
                files.replace(path, new.encode())
            else:
                files.unlink(path)
                files.sync_directory(directory)

    def inherit(self, name: Name, directories: Mapping[Name, str], building: str) -> None:
        """Give a mailbox that is being made the list of the nearest one above it (section 4, CREATE)."""
        parent = self._parent(name, directories)
        inherited = Acl()
        if parent is not None:
            with contextlib.suppress(OSError):  # a list that cannot be read grants nothing here either
                inherited = self._at(directories[parent])
        if inherited.lines:
            self._context.files.replace(f"{building}/{acl.FILE_NAME}", inherited.encode())

    @staticmethod
    def _parent(name: Name, directories: Mapping[Name, str]) -> Name | None:
        above = (name[:depth] for depth in range(len(name) - 1, 0, -1))
        return next((one for one in above if one in directories), None)

    def _at(self, directory: str) -> Acl:
        """The list in a directory; it is read again where the file is another one."""
        path = f"{directory}/{acl.FILE_NAME}"
        facts = self._context.files.stat(path)
        if facts is None:
            self._read.pop(path, None)
            return Acl()
        signature = facts.st_ino, facts.st_size, facts.st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != signature:
            known = self._read[path] = signature, read(self._context.files, path)
        return known[1]


def read(files: FileSystem, path: str) -> Acl:
    """A list. Raises OSError, also for one that is too long: half of it could grant what the rest takes."""
    data = files.read(path, limit=acl.FILE_OCTETS + 1)
    if len(data) > acl.FILE_OCTETS:
        raise OSError(errno.EFBIG, "an access control list is too long", path)
    return acl.parse(data)


def guests(files: FileSystem, root: str) -> set[str]:
    """All to whom an account grants anything; may be asked in any thread. Raises OSError."""
    if not files.is_directory(root):
        return set()
    found: set[str] = set()
    for directory in folders(files, root).values():
        path = f"{directory}/{acl.FILE_NAME}"
        if files.stat(path) is not None:
            try:
                found |= read(files, path).guests()
            except OSError:
                continue
    return found
