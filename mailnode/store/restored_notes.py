"""Annotations from a backup (RFC 5464): those that are missing come back, those that are there stay.

A folder is known by its name, as one that was made anew since has another G. A special use is given back
where no folder has it.
"""

from mailnode.fs import FileSystem
from mailnode.store import attributes, special_use
from mailnode.store.account import Account
from mailnode.store.attributes import SPECIAL_USE, Attributes, Place
from mailnode.store.values import INBOX, Name

Guids = dict[Name, str]  # of folders in the backup


def restore_notes(account: Account, files: FileSystem, path: str, guids: Guids, *, whole: bool) -> None:
    """Those of these folders from the Maildir of a backup at `path`; with `whole` also those of the server,
    and what was noted of folders of others. Raises StoreError, OSError.
    """
    try:
        found = attributes.parse(files.read(f"{path}/{attributes.FILE_NAME}"))
    except FileNotFoundError:
        return
    for name, guid in guids.items():
        if guid:
            _give_back(account, name, found.of(Place(guid)))
    if whole:
        inbox = guids.get(INBOX, "")
        _give_back(account, None, found.of(Place(inbox, server=True)) if inbox else {})
        for guid in _of_others(found, guids):
            there = account.annotations.entries_of(guid)
            missing = {key: value for key, value in found.of(Place(guid)).items() if key not in there}
            if missing:
                account.annotations.change_of(guid, dict(missing))


def _give_back(account: Account, name: Name | None, kept: dict[str, bytes]) -> None:
    notes = account.annotations
    there = notes.entries(name) if kept else {}
    missing = {key: value for key, value in kept.items() if key not in there}
    if SPECIAL_USE in missing:
        taken = {use for uses in notes.special_uses().values() for use in uses}
        uses = special_use.read(missing.pop(SPECIAL_USE))
        free = tuple(use for use in uses if use not in taken and use in special_use.ASSIGNABLE)
        if free and name != INBOX:
            missing[SPECIAL_USE] = special_use.written(free)
    if missing:
        notes.change(name, dict(missing))


def _of_others(found: Attributes, guids: Guids) -> list[str]:
    """The Gs that are of no folder in the backup."""
    own = {*guids.values(), ""}
    return list(dict.fromkeys(guid for key in found.values if (guid := attributes.guid_of(key)) not in own))
