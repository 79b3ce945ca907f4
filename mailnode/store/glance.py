"""A look at a whole account that opens no mailbox: what there is, and what may have changed.

All methods run in the account's lane.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import field

from mailnode.store import attributes, subscriptions
from mailnode.store.attributes import Place
from mailnode.store.context import Context
from mailnode.store.directory import CUR, NEW, tick_of
from mailnode.store.homes import guid_at
from mailnode.store.values import INBOX, Name
from mailnode.values import frozen

Mark = tuple[int, ...]  # another one after every change that is not of the last moment
UNSETTLED: Mark = ()  # it may change again without another mark
THE_ACCOUNT: Name = ()  # instead of a mailbox: the mailboxes there are, subscriptions, annotations

# An annotation: the G of the mailbox, or None for the server, and the entry.
Entry = tuple[str | None, str]


@frozen
class Census:
    """What belongs to an account as a whole, at one moment.

    `guids` has all mailboxes, with what names each for ever ("" where nothing does so far), `entries` what
    tells values of annotations apart.
    """

    guids: Mapping[Name, str] = field(default_factory=dict)
    subscribed: frozenset[Name] = frozenset()
    entries: Mapping[Entry, int] = field(default_factory=dict)


class Glance:
    """The looks at one account; as long as nothing has changed all get the same census."""

    def __init__(
        self,
        context: Context,
        directories: Callable[[], Mapping[Name, str]],
        subscribed: Callable[[], Collection[Name]],
    ) -> None:
        self._context = context
        self._directories = directories
        self._subscribed = subscribed
        self._census = Census()
        self._mark: Mark = UNSETTLED

    def marks(self, names: Collection[Name]) -> dict[Name, Mark]:
        """The marks of those of these mailboxes that are there, and that of THE_ACCOUNT."""
        directories = self._directories()
        found = {name: directories[name] for name in directories.keys() & set(names)}
        marks = {name: self._of(path, f"{path}/{NEW}", f"{path}/{CUR}") for name, path in found.items()}
        return {**marks, THE_ACCOUNT: self._of_account()}

    def _of_account(self) -> Mark:
        root = self._context.root
        return self._of(root, root, f"{root}/{subscriptions.FILE_NAME}", f"{root}/{attributes.FILE_NAME}")

    def _of(self, path: str, *parts: str) -> Mark:
        """Of a directory that is the same as long as its inode is, and of what changes."""
        now = int(self._context.now() * 1_000_000_000)
        itself = self._context.files.stat(path)
        mark = [-1 if itself is None else itself.st_ino]
        for part in parts:
            facts = self._context.files.stat(part)
            if facts is not None and now - facts.st_mtime_ns <= tick_of(facts.st_mtime_ns):
                return UNSETTLED
            mark += (-1, -1) if facts is None else (facts.st_mtime_ns, facts.st_size)
        return tuple(mark)

    def census(self) -> Census:
        """What is there now. Raises OSError."""
        mark = self._of_account()
        if mark == UNSETTLED or mark != self._mark:
            found = self._taken()
            if found != self._census:
                self._census = found
            self._mark = mark
        return self._census

    def _taken(self) -> Census:
        guids = {name: guid_at(self._context, path) or "" for name, path in self._directories().items()}
        return Census(guids, frozenset(self._subscribed()), self._entries(guids[INBOX]))

    def _entries(self, inbox: str) -> dict[Entry, int]:
        """All annotations; those of the server stand with INBOX."""
        try:
            data = self._context.files.read(f"{self._context.root}/{attributes.FILE_NAME}")
        except FileNotFoundError:
            return {}
        found: dict[Entry, int] = {}
        for key, value in attributes.parse(data).values.items():
            guid = attributes.guid_of(key)
            entry = Place(guid).entry(key)
            if entry is not None:
                found[guid, entry] = hash(value)
            elif guid == inbox and (entry := Place(guid, server=True).entry(key)) is not None:
                found[None, entry] = hash(value)
        return found
