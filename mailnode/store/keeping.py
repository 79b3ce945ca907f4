"""Where messages lie that were removed for good, for a while: nobody's removal is the last word at once.

The account's directory `mailnode-recovered` is a Maildir++ tree of its own, which no program takes for
a folder, as its name has no dot in front. The folder there has the name of the one that a message was removed
from. A message gets a further name there, which is durable before the name in its folder goes: so at any
moment it is in its folder, or here, or in both. The new name says when that was, then the old one:

    1790000000.removed-1700000000.M1P2Q3.host,S=310,W=320:2,S

Nothing else is written: UIDs are given when somebody looks, as to every message that came without us, and in
the order of removal. What is kept here counts for no quota. It goes after some days, and the oldest first
where it is more than it may be. Where the disk is nearly full a message is removed without being kept, and
what is kept goes.
"""

import contextlib
import errno
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mailnode.fs import FileSystem
from mailnode.store import filenames
from mailnode.store.context import Context
from mailnode.store.directory import CUR, NEW, folders
from mailnode.store.errors import StoreError, TooManyKeywords
from mailnode.store.folder import make_folder
from mailnode.store.keywords import FIRST_FILE, SECOND_FILE, Keywords
from mailnode.store.names import directory_of, usual_directory
from mailnode.store.trees import remove_tree
from mailnode.store.values import DELETED, INBOX, Flags, Name
from mailnode.values import frozen

DIRECTORY = "mailnode-recovered"

_REMOVED = re.compile(r"([0-9]{1,12})\.removed-(.+)", re.DOTALL)
_DAY = 86_400.0
_UNCOUNTED = 8  # one part in so many of the limit may come before the whole is measured again
# The disk is full or takes nothing new, or the file has as many names as it may have.
_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMLINK))


@frozen
class Terms:
    """How many days removed messages are kept, and how many octets of them; 0 days: they are not.

    Nor are they where fewer than `least_free` octets are free on the disk.
    """

    days: int = 0
    octets: int | None = None
    least_free: int = 0


NOTHING_KEPT = Terms()


def name_of_removed(base: str, now: float) -> str:
    """The base of a message that is removed at this moment."""
    return f"{int(now)}.removed-{base}"


def original(base: str) -> str:
    """The base that a removed message had in its folder, as far as its name tells."""
    found = _REMOVED.fullmatch(base)
    return found[2] if found else base


class Shelf:
    """One folder of removed messages, locked."""

    def __init__(self, context: Context, path: str) -> None:
        self.octets = 0
        self._context = context
        self._files: FileSystem = context.files
        self._path = path
        self._keywords = Keywords(*(self._read(name) for name in (FIRST_FILE, SECOND_FILE)))
        self._made: dict[str, str] = {}  # the paths, by the bases in the folder

    def _read(self, name: str) -> bytes:
        try:
            return self._files.read(f"{self._path}/{name}")
        except FileNotFoundError:
            return b""

    def learn(self, flags: Flags) -> None:
        """Have letters for these keywords, durably, as far as there are any left."""
        missing = self._keywords.missing(flags)
        if not missing:
            return
        used = {
            filenames.info_of(filenames.split(name)[1]) for name in self._files.names(f"{self._path}/{CUR}")
        }
        with contextlib.suppress(TooManyKeywords):
            self._keywords.give_letters(missing, used)
        for name, data in zip((FIRST_FILE, SECOND_FILE), self._keywords.encode(), strict=True):
            if data != self._read(name):
                self._files.replace(f"{self._path}/{name}", data)

    def put(self, path: str, base: str, flags: Flags) -> None:
        r"""Give a message's file a name here, without \Deleted. Raises FileNotFoundError if it has gone."""
        lost = self._keywords.missing(flags)
        kept = frozenset(map(self._keywords.canonical, flags - {DELETED, *lost}))
        suffix = filenames.suffix_of(self._keywords.info(kept, ""))
        target = f"{self._path}/{CUR}/{name_of_removed(base, self._context.now())}{suffix}"
        try:
            self._files.link(path, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENAMETOOLONG):
                raise
            other = filenames.with_sizes_of(base, self._context.names.next())
            target = f"{self._path}/{CUR}/{other}{suffix}"
            self._files.link(path, target)
        self._made[base] = target
        self.octets += filenames.sizes(base)[0] or 0

    def sync(self) -> None:
        """Make the names durable."""
        self._files.sync_directory(f"{self._path}/{CUR}")

    def take_back(self, bases: Iterable[str] | None = None) -> None:
        """Remove the names that were given: all of them, or those of messages that were not removed."""
        for base in list(self._made) if bases is None else bases:
            if base in self._made:
                self._files.unlink(self._made.pop(base), missing_ok=True)


class _File(NamedTuple):
    """A removed message: when, how large, where."""

    since: int
    octets: int
    path: str


class Keeper:
    """The removed messages of one account; `terms` are those of the moment. For the account's lane."""

    def __init__(self, context: Context, terms: Callable[[], Terms]) -> None:
        self.root = f"{context.root}/{DIRECTORY}"
        self._context = context
        self._files: FileSystem = context.files
        self._terms = terms
        self._uncounted = 0  # octets that came since all was measured

    @property
    def wanted(self) -> bool:
        """Whether what is removed is kept: not where the disk is nearly full, as it would free nothing."""
        terms = self._terms()
        return terms.days > 0 and self._lacking(terms) == 0

    def _lacking(self, terms: Terms) -> int:
        """Octets that must become free on the disk."""
        if not terms.least_free:
            return 0
        return max(0, terms.least_free - self._files.free_space(self._context.root))

    def keep(self, name: Name, put: Callable[[Shelf], None]) -> Shelf | None:
        """Let `put` give messages that are removed from a folder names on its shelf, durably.

        What finds no room on the disk is left out, and no error is raised: removing makes room.
        """
        shelf: Shelf | None = None
        try:
            with self._locked(name) as path:
                shelf = Shelf(self._context, path)
                try:
                    put(shelf)
                    shelf.sync()
                except BaseException as error:
                    if not _is_no_room(error):
                        with contextlib.suppress(OSError):
                            shelf.take_back()
                    raise
        except OSError as error:
            if not _is_no_room(error):
                raise
        if shelf is not None:
            self._uncounted += shelf.octets
        return shelf

    @contextlib.contextmanager
    def _locked(self, name: Name) -> Iterator[str]:
        path = (
            self.root
            if name == INBOX
            else f"{self.root}/{usual_directory(name) or directory_of(name, utf8=True)}"
        )
        with contextlib.ExitStack() as stack:
            for attempt in range(3):
                try:
                    stack.enter_context(self._context.locks.folder(path))
                    break
                except FileNotFoundError:  # it was not made so far, or is removed at this moment, being empty
                    if attempt == 2:
                        raise
                    make_folder(self._context, self.root)
                    make_folder(self._context, path)
            make_folder(self._context, path)
            yield path

    def keep_in_bounds(self) -> None:
        """After something was kept: measure, where so much has come that there may be too much."""
        octets = self._terms().octets
        if octets is not None and self._uncounted > octets // _UNCOUNTED:
            with contextlib.suppress(OSError):  # it is tried again, and told, by who looks at all accounts
                self.expire()

    def expire(self) -> int:
        """Remove what has been here long enough, and the oldest of what is too much; gives how many.

        Too much is also what the disk lacks.
        """
        self._uncounted = 0
        if not self._files.is_directory(self.root):
            return 0
        terms, until = self._terms(), self._context.now() - self._terms().days * _DAY
        found = sorted(self._found())
        total = sum(one.octets for one in found)
        most = min(total if terms.octets is None else terms.octets, total - self._lacking(terms))
        gone = 0
        for one in found:
            if total <= most and one.since > until:
                break
            self._files.unlink(one.path, missing_ok=True)
            total -= one.octets
            gone += 1
        self._remove_empty_folders()
        return gone

    def _found(self) -> Iterator[_File]:
        for folder in folders(self._files, self.root).values():
            for directory in (f"{folder}/{CUR}", f"{folder}/{NEW}"):
                for name in filter(filenames.is_message, self._names(directory)):
                    base, path = filenames.split(name)[0], f"{directory}/{name}"
                    octets = filenames.sizes(base)[0]
                    if octets is None:
                        facts = self._files.stat(path)
                        octets = facts.st_size if facts else 0
                    yield _File(filenames.stamp(base) or 0, octets, path)

    def _names(self, directory: str) -> list[str]:
        try:
            return self._files.names(directory)
        except FileNotFoundError:
            return []

    def _remove_empty_folders(self) -> None:
        for name, path in folders(self._files, self.root).items():
            if name != INBOX and self._is_empty(path):
                # Who has it locked is about to put something there.
                with contextlib.suppress(OSError, StoreError), self._context.locks.folder(path):
                    if self._is_empty(path):
                        remove_tree(self._files, path)

    def _is_empty(self, path: str) -> bool:
        return not self._names(f"{path}/{CUR}") and not self._names(f"{path}/{NEW}")


def _is_no_room(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_ROOM
