"""Annotations of the mailboxes of one account, special uses among them (RFC 5464, RFC 6154).

They stand in one file in the account's root, which is written anew with each change, under the root's lock.
All methods run in the account's lane.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from mailnode.store import attributes, special_use
from mailnode.store.attributes import SPECIAL_USE, Attributes, Place, guid_of
from mailnode.store.context import Context
from mailnode.store.errors import BadUse, TooManyAnnotations
from mailnode.store.homes import guid_at
from mailnode.store.special_use import Uses
from mailnode.store.values import INBOX, Name

ENTRIES = 100  # of one mailbox, or of the server
ENTRY_OCTETS = 250
VALUE_OCTETS = 16_384
FILE_OCTETS = 2_097_152  # of all of an account: each change writes them all


class Snapshot:
    """What was annotated of mailboxes at one moment: for who looks at many of them, the file is read once."""

    def __init__(self, found: Attributes) -> None:
        self._values: dict[str, dict[bytes, bytes]] = {}
        for key, value in found.values.items():
            self._values.setdefault(guid_of(key), {})[key] = value

    def of(self, guid: str, uses: Uses = ()) -> dict[str, bytes]:
        """All of a mailbox, which has these special uses, whatever was said of it."""
        return _with_uses(Attributes(self._values.get(guid, {})).of(Place(guid)), uses)


class Annotations:
    """What is annotated; `usual` gives the names that mailboxes of some special use have, by the use."""

    def __init__(
        self,
        context: Context,
        directories: Callable[[], Mapping[Name, str]],
        guid: Callable[[Name], str],
        usual: Callable[[], Mapping[str, Name]],
    ) -> None:
        self._context = context
        self._path = f"{context.root}/{attributes.FILE_NAME}"
        self._directories = directories
        self._guid = guid
        self._usual = usual

    # Special use

    def special_uses(self) -> dict[Name, Uses]:
        """What mailboxes are for: as was said of them, else by their usual names."""
        directories = self._directories()
        stated = dict(self._read().special_uses())
        guids = {name: guid_at(self._context, path) for name, path in directories.items()} if stated else {}
        names = {guid: name for name, guid in guids.items() if guid in stated}
        owners: dict[str, Name] = {}
        for guid, value in stated.items():
            if guid in names:
                owners.update(dict.fromkeys(special_use.read(value), names[guid]))
        for use, name in self._usual().items():
            if name in directories and guids.get(name) not in stated:
                owners.setdefault(use, name)
        return {
            name: tuple(sorted(use for use in owners if owners[use] == name)) for name in set(owners.values())
        }

    def designate(self, guid: str, uses: Uses) -> None:
        """A mailbox that is about to be made has these special uses, as soon as it is there."""
        with self._lock():
            self._write(self._read().changed(Place(guid), {SPECIAL_USE: special_use.written(uses)}))

    def give_up(self, guid: str) -> None:
        """What the mailbox with this G is for no other is for any more."""
        with self._lock():
            self._write(_given_up(self._read(), guid))

    def settle(self, names: list[Name]) -> None:
        """What these mailboxes are for because of their names they stay for under any name."""
        uses = self.special_uses()
        stated = dict(self._read().special_uses())
        for name in uses.keys() & set(names):
            guid = self._guid(name)
            if guid not in stated:
                self.designate(guid, uses[name])

    # Annotations

    def entries(self, name: Name | None) -> dict[str, bytes]:
        """All of a mailbox, or of the server (None). Raises NoSuchMailbox."""
        found = self._read().of(self._place(name))
        return _with_uses(found, self.special_uses().get(name, ()) if name is not None else ())

    def snapshot(self) -> Snapshot:
        """What is annotated of all mailboxes."""
        return Snapshot(self._read())

    def change(self, name: Name | None, changes: Mapping[str, bytes | None]) -> None:
        """Set all of these, or none; None takes an entry out.

        Raises NoSuchMailbox, TooManyAnnotations, and BadUse for a special use that cannot be.
        """
        wanted = dict(changes)
        uses = self._checked_uses(name, wanted) if name is not None else None
        self._change(self._place(name), wanted, uses)

    def _change(self, place: Place, wanted: Mapping[str, bytes | None], uses: Uses | None = None) -> None:
        with self._lock():
            found = self._read().changed(place, wanted)
            if uses:
                found = _given_up(found, place.guid)
            if any(value is not None for value in wanted.values()):
                _check_room(found, place)
            self._write(found)

    def guid(self, name: Name) -> str:
        """By what annotations name a mailbox. Raises NoSuchMailbox."""
        return self._guid(name)

    def entries_of(self, guid: str) -> dict[str, bytes]:
        """What the owner of this account has noted of a mailbox of somebody else."""
        return self._read().of(Place(guid))

    def change_of(self, guid: str, changes: Mapping[str, bytes | None]) -> None:
        """Set all of these, or none; None takes an entry out. Raises TooManyAnnotations."""
        self._change(Place(guid), changes)

    def _checked_uses(self, name: Name, wanted: dict[str, bytes | None]) -> Uses:
        if SPECIAL_USE not in wanted:
            return ()
        uses = special_use.checked_value(wanted[SPECIAL_USE] or b"")
        if uses and name == INBOX:
            raise BadUse("INBOX has no special use")
        # An empty value says that a mailbox with a usual name is for nothing special.
        wanted[SPECIAL_USE] = special_use.written(uses) if uses or name in self._usual().values() else None
        return uses

    def copy(self, source: Name, target: Name) -> None:
        """Give a mailbox all that is annotated of another one."""
        origin, place = self._place(source), self._place(target)
        with self._lock():
            found = self._read()
            self._write(found.changed(place, found.of(origin)))

    def forget(self, guid: str | None) -> None:
        """The mailbox that had this G is gone; should there be a copy that still has it, all stays."""
        if not guid or guid in (guid_at(self._context, path) for path in self._directories().values()):
            return
        with self._lock():
            self._write(self._read().without(guid))

    # The file

    def all(self) -> Attributes:
        """The content of the file, with what nobody is shown."""
        return self._read()

    def edit(self, change: Callable[[Attributes], Attributes]) -> None:
        """Put another content in its place, durably."""
        with self._lock():
            self._write(change(self._read()))

    def _place(self, name: Name | None) -> Place:
        return Place(self._guid(INBOX if name is None else name), server=name is None)

    def _lock(self) -> AbstractContextManager[None]:
        return self._context.locks.folder(self._context.root)

    def _read(self) -> Attributes:
        try:
            return attributes.parse(self._context.files.read(self._path))
        except FileNotFoundError:
            return Attributes()

    def _write(self, wanted: Attributes) -> None:
        found = self._read()
        if list(wanted.values.items()) != list(found.values.items()):
            self._context.files.replace(self._path, wanted.encode())


def _with_uses(found: dict[str, bytes], uses: Uses) -> dict[str, bytes]:
    found.pop(SPECIAL_USE, None)
    return {**found, SPECIAL_USE: special_use.written(uses)} if uses else found


def _given_up(found: Attributes, guid: str) -> Attributes:
    """The uses that a folder has are taken from all others."""
    stated = dict(found.special_uses())
    taken = special_use.read(stated.get(guid, b""))
    for other, value in stated.items():
        had = special_use.read(value)
        if other != guid and set(had) & set(taken):
            left = tuple(use for use in had if use not in taken)
            found = found.changed(Place(other), {SPECIAL_USE: special_use.written(left)})
    return found


def _check_room(found: Attributes, place: Place) -> None:
    if len(found.of(place)) > ENTRIES or len(found.encode()) > FILE_OCTETS:
        raise TooManyAnnotations("There are too many annotations")
