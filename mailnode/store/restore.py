"""Mail from a backup (store.backup), put back and merged with what is there: nothing is removed or doubled.

A folder that is not there is made with the UIDs and the UIDVALIDITY that it had. After the backup more UIDs
may have been given, which clients remember: so UIDNEXT is far above the one in the backup, and none of them
is given again. Messages that go into a folder which is there get new UIDs.
"""

from collections.abc import Callable, Iterator

from mailnode.fs import FileSystem
from mailnode.store import manifest, subscriptions, uidlist
from mailnode.store.account import Account
from mailnode.store.backup import MAIL, label_of
from mailnode.store.directory import CUR
from mailnode.store.identity import guid_of
from mailnode.store.incoming_files import Foreign, Known, Staging, Taken, take_in
from mailnode.store.restored_notes import restore_notes
from mailnode.store.uidlist import UID_END, Record, UidList
from mailnode.store.values import INBOX, Name
from mailnode.store.verify import File, Folder, read_tree
from mailnode.values import frozen, replace

TOGETHER = 200  # messages that are put back in one step
UID_GAP = 100_000  # above the UIDNEXT of a backup, for those that were given after it

_NOT_COPIED = (uidlist.FILE_NAME, "dovecot-uidvalidity")

Step = Callable[[int], object]


class NoBackup(Exception):
    """There is nothing of that mailbox, or of that folder, in the backup."""


@frozen
class Source:
    """The mail of one address in a backup at `root`."""

    files: FileSystem
    root: str
    address: str

    @property
    def path(self) -> str:
        """Where its Maildir lies."""
        return f"{self.root}/{MAIL}/{label_of(self.address)}"

    def folders(self, only: Name | None = None) -> Iterator[Folder]:
        """Its folders, or one of them. Raises NoBackup, OSError."""
        if not self.files.is_directory(self.path):
            raise NoBackup
        tree = read_tree(self.files, self.path)
        if only is not None and only not in tree.paths:
            raise NoBackup
        for name, path in tree.paths.items():
            if only in (None, name):
                yield tree.read(name, path)

    def digests(self) -> dict[str, str]:
        """What each file must be, by its path in the backup."""
        return manifest.read(self.files, f"{self.root}/{label_of(self.address)}{manifest.SUFFIX}")


def restore(
    account: Account, source: Source, only: Name | None = None, *, step: Step = lambda count: None
) -> Iterator[tuple[Name, Taken]]:
    """Put back all folders of a mailbox, or one, with what is annotated of them; gives what became of each.

    Raises NoBackup, StoreError, OSError.
    """
    digests = source.digests()
    there = set(account.names()) if account.files.is_directory(f"{account.root}/cur") else set()
    if _is_untouched(account):
        there.discard(INBOX)
    account.ensure()
    guids: dict[Name, str] = {}
    for folder in source.folders(only):
        guids[folder.name] = folder.listing.header.guid if folder.listing.header is not None else ""
        some = [_foreign(source, folder, file, digests) for file in folder.messages]
        if folder.name not in there and folder.listing.header is not None:
            yield folder.name, _restore_whole(account, source, folder, folder.listing.header, some, step)
        else:
            yield folder.name, _merge(account, source, folder.name, some, step)
    _subscribe(account, source, only)
    restore_notes(account, source.files, source.path, guids, whole=only is None)


def _is_untouched(account: Account) -> bool:
    """Whether nobody has ever looked at INBOX, and nothing is there."""
    files, root = account.files, account.root
    if files.stat(f"{root}/{uidlist.FILE_NAME}") is not None:
        return False
    return not any(
        files.names(f"{root}/{one}") for one in ("cur", "new") if files.is_directory(f"{root}/{one}")
    )


def _foreign(source: Source, folder: Folder, file: File, digests: dict[str, str]) -> Foreign:
    path = folder.path_of(file)
    record = folder.listing.records.get(file.base) or Record(0, file.base)
    digest = digests.get(path.removeprefix(f"{source.root}/"), "")
    return Foreign(path, file.base, guid_of(record), folder.keywords.flags(file.info), digest)


def _merge(account: Account, source: Source, name: Name, some: list[Foreign], step: Step) -> Taken:
    """Put messages into a folder, which is made where it is not there."""
    if name not in account.names():
        account.create(name)
    mailbox = account.mailbox(name)
    known, taken = Known(mailbox), Taken()
    for start in range(0, len(some), TOGETHER):
        piece = some[start : start + TOGETHER]
        taken.count(take_in(account, mailbox, known, source.files, piece))
        step(len(piece))
    return taken


def _restore_whole(
    account: Account, source: Source, folder: Folder, header: UidList, some: list[Foreign], step: Step
) -> Taken:
    """Make a folder as it was. All messages are copied first, then they appear at once with their UIDs."""
    files = account.files
    octets = sum(file.octets for file in folder.messages)
    account.check_room(octets, len(some))
    if folder.name != INBOX:
        account.create(folder.name)
    path = account.directory_of(folder.name)
    staging, taken = Staging(account, source.files), Taken()
    try:
        copies: list[tuple[str, str]] = []
        for one, file in zip(some, folder.messages, strict=True):
            staged = staging.copy(one.path)
            if one.digest and staged.digest != one.digest:
                taken.damaged += 1
            else:
                copies.append((staged.path, f"{path}/{CUR}/{_name(file)}"))
            step(1)
        staging.settle()
        with account.locked(path):
            _write_texts(files, source, folder, path)
            gap = min(header.next_uid + UID_GAP, UID_END - 1)
            bases = {file.base for file in folder.messages}
            records = {base: one for base, one in folder.listing.records.items() if base in bases}
            files.replace(
                f"{path}/{uidlist.FILE_NAME}", replace(header, records=records, next_uid=gap).encode()
            )
            for staged_path, target in copies:
                files.rename(staged_path, target)
            files.sync_directory(f"{path}/{CUR}")
    finally:
        staging.drop()
    taken.added = len(copies)
    return taken


def _name(file: File) -> str:
    """A name in cur/; what was in new/ was looked at by the backup."""
    return file.name if ":" in file.name else f"{file.name}:2,"


def _write_texts(files: FileSystem, source: Source, folder: Folder, path: str) -> None:
    """What else says something of the folder; in the root only where nothing says it yet."""
    for entry, is_directory in source.files.entries(folder.path):
        stays = folder.name == INBOX and files.stat(f"{path}/{entry}") is not None
        if not is_directory and not stays and not entry.startswith(_NOT_COPIED):
            files.replace(f"{path}/{entry}", source.files.read(f"{folder.path}/{entry}"))


def _subscribe(account: Account, source: Source, only: Name | None) -> None:
    try:
        data = source.files.read(f"{source.path}/{subscriptions.FILE_NAME}")
    except FileNotFoundError:
        return
    names = [name for name in subscriptions.parse(data).names if only in (None, name)]
    if names:
        account.subscribe(*names)
