"""Mail of other programs and servers, brought into an account: nothing twice, and resumable at any time.

Each message gets a name for ever (GUID) that is made of where it comes from, or of its octets, and stands in
the uid list. So what came before is passed over without being fetched or written once more, and there is no
other state. A message that is in the folder for another reason is known by its octets.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import NamedTuple, TypeVar

from mailnode.fs import FileSystem
from mailnode.store import manifest, mbox
from mailnode.store.account import Account
from mailnode.store.draft import Draft
from mailnode.store.errors import NoSuchMailbox, TooManyKeywords
from mailnode.store.identity import guid_of
from mailnode.store.incoming_files import Foreign, Known, Staged, Taken, take_in
from mailnode.store.mailbox import Linked, Mailbox
from mailnode.store.uidlist import Record
from mailnode.store.values import DELETED, SYSTEM_FLAGS, Flags, Name
from mailnode.store.verify import Folder
from mailnode.values import replace

TOGETHER = 100  # messages that are taken in with one step

Step = Callable[[int], object]

T = TypeVar("T")


class Letter(NamedTuple):
    """A message in wire form, its flags and INTERNALDATE, and the GUID that it is to have."""

    data: bytes
    flags: Flags
    date: float | None
    guid: str


@dataclass(slots=True)
class Target:
    """A folder into which messages come, made where it is not there."""

    account: Account
    mailbox: Mailbox
    known: Known

    @classmethod
    def of(cls, account: Account, name: Name) -> "Target":
        """The folder of that name. Raises StoreError, OSError."""
        account.ensure()
        try:
            mailbox = account.mailbox(name)
        except NoSuchMailbox:
            account.create(name)
            mailbox = account.mailbox(name)
        return cls(account, mailbox, Known(mailbox))

    def has(self, guid: str) -> bool:
        """Whether a message came before."""
        return self.known.has_name(guid, guid)

    def take(self, letters: Sequence[Letter]) -> Taken:
        """Put messages here, durably, those that are not here. Raises OverQuota, OSError."""
        taken = Taken()
        with contextlib.ExitStack() as drafts:
            linked = list(self._linked(letters, taken, drafts))
            self.known.look(_put(self.mailbox, linked))
            taken.added = len(linked)
        return taken

    def _linked(
        self, letters: Sequence[Letter], taken: Taken, drafts: contextlib.ExitStack
    ) -> Iterator[Linked]:
        fresh: dict[str, tuple[Letter, Draft]] = {}
        for one in letters:
            if self.has(one.guid) or one.guid in fresh:
                taken.known += 1
                continue
            draft = self.account.draft()
            drafts.callback(draft.abort)
            draft.write(one.data)
            draft.begin_finish(one.date)
            fresh[one.guid] = one, draft
        for one, draft in fresh.values():
            path, base = draft.finish(one.date)
            octets = draft.octets_on_disk
            if self.known.has_octets(Staged(path, octets, manifest.digest_of(self.account.files, path))):
                taken.known += 1
            else:
                yield Linked(path, base, one.flags, one.guid, octets)


def _put(mailbox: Mailbox, linked: list[Linked]) -> list[int]:
    """Where there are no letters left for keywords, messages come without them."""
    try:
        return mailbox.link_all(linked)
    except TooManyKeywords:
        plain = frozenset(SYSTEM_FLAGS)
        return mailbox.link_all([replace(one, flags=one.flags & plain) for one in linked])


def import_mbox(
    account: Account, files: FileSystem, path: str, name: Name, *, step: Step = lambda count: None
) -> Taken:
    """Bring an mbox file, that `files` reads, into a folder; `step` is told how many octets are done.

    What is marked as deleted is left out. Raises StoreError, OSError.
    """
    target, taken = Target.of(account, name), Taken()
    pieces = manifest.pieces(files, path, lambda piece: step(len(piece)))
    wanted = (one for one in mbox.letters(pieces) if not one.gone and DELETED not in one.flags)
    for some in batched(map(_of_mbox, wanted), TOGETHER):
        taken.count(target.take(some))
    return taken


def _of_mbox(letter: mbox.Letter) -> Letter:
    data = letter.data.replace(b"\n", b"\r\n")
    return Letter(data, letter.flags, letter.date, f"mbox{sha256(data).hexdigest()[:40]}")


def mbox_files(files: FileSystem, path: str) -> Iterator[tuple[Name, str]]:
    """The folders below a directory that are mbox files, as we and Thunderbird write them, and their paths.

    `Work/2026.mbox` and `Work.sbd/2026` are both Work/2026.
    """
    for entry, is_directory in sorted(files.entries(path)):
        level = entry.removesuffix(".sbd").removesuffix(".mbox")
        if not level or level.startswith("."):
            continue
        if is_directory:
            yield from (((level, *name), one) for name, one in mbox_files(files, f"{path}/{entry}"))
        elif is_mbox(files, f"{path}/{entry}"):
            yield (level,), f"{path}/{entry}"


def is_mbox(files: FileSystem, path: str) -> bool:
    """Whether a file begins as mbox files do."""
    try:
        return files.read(path, limit=mbox.MAGIC) == mbox.FROM
    except OSError:
        return False


def import_maildir(
    account: Account, files: FileSystem, folder: Folder, name: Name, *, step: Step = lambda count: None
) -> Taken:
    """The same with a folder of a Maildir; `step` is told how many messages are done."""
    target, taken = Target.of(account, name), Taken()
    some = [_of_maildir(folder, one.base, folder.path_of(one), one.info) for one in folder.messages]
    for piece in batched((one for one in some if DELETED not in one.flags), TOGETHER):
        taken.count(take_in(account, target.mailbox, target.known, files, piece))
        step(len(piece))
    return taken


def _of_maildir(folder: Folder, base: str, path: str, info: str) -> Foreign:
    record = folder.listing.records.get(base) or Record(0, base)
    return Foreign(path, base, guid_of(record), folder.keywords.flags(info))


def batched(some: Iterable[T], count: int) -> Iterator[list[T]]:
    """The same, so many at a time."""
    left = iter(some)
    while piece := list(islice(left, count)):
        yield piece


def renamed(name: Name, mapped: Iterable[tuple[Name, Name]], into: Name) -> Name:
    """The name that a folder is to have: by the first pair of old and new that fits, then below `into`."""
    for old, new in mapped:
        if name[: len(old)] == old:
            name = (*new, *name[len(old) :])
            break
    return (*into, *name)
