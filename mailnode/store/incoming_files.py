"""Message files of elsewhere on their way into a mailbox: copied to tmp/ first, then taken in, nothing twice.

A message is known again by its name (GUID or base), else by its octets. So what was cut off is begun once
more, and goes on where it was.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from mailnode.fs import FileSystem, NewFile
from mailnode.store import filenames, manifest
from mailnode.store.account import Account
from mailnode.store.identity import guid_of
from mailnode.store.mailbox import Linked, Mailbox
from mailnode.store.values import Flags
from mailnode.values import frozen

_UNSETTLED = 100  # copies that are on their way to the disk at once, each of which has a descriptor


@frozen
class Staged:
    """A copy in tmp/, and what its octets are."""

    path: str
    octets: int
    digest: str
    bare: int = 0  # LFs without CR, each of which is one octet more on the wire


class Staging:
    """Copies for one account, of what `source` reads.

    They are on the disk for good after settle(); drop() has to be called in the end.
    """

    def __init__(self, account: Account, source: FileSystem) -> None:
        self._account = account
        self._source = source
        self._files: FileSystem = account.files
        self._paths: list[str] = []
        self._unsettled: list[NewFile] = []

    def copy(self, source: str) -> Staged:
        """Copy a file with its modification time. Raises OSError, also of copies before it."""
        if len(self._unsettled) == _UNSETTLED:
            self.settle()
        with self._source.open(source) as file:
            time = file.stat().st_mtime
        found = sha256()
        octets = bare = 0
        before = b""
        path = self._account.path_of_draft()
        target = self._files.create(path)
        self._paths.append(path)
        self._unsettled.append(target)
        for piece in manifest.pieces(self._source, source, found.update):
            target.write(piece)
            octets += len(piece)
            bare += piece.count(b"\n") - (before[-1:] + piece).count(b"\r\n")
            before = piece
        target.set_time(time)
        target.begin_sync()
        return Staged(path, octets, found.hexdigest(), bare)

    def settle(self) -> None:
        """Make durable what was copied so far. Raises OSError."""
        for file in self._unsettled:
            file.sync()
        self._close()

    def _close(self) -> None:
        for file in self._unsettled:
            file.close()
        self._unsettled.clear()

    def drop(self) -> None:
        """Take away the names in tmp/."""
        self._close()
        for path in self._paths:
            with contextlib.suppress(OSError):
                self._files.unlink(path, missing_ok=True)
        self._paths.clear()


class Known:
    """What a mailbox has already; each message of elsewhere is asked for once."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._names: set[str] = set()
        self._by_size: dict[int, list[int]] = {}
        self._digests: dict[int, str] = {}
        self.look(mailbox.uids)

    def look(self, uids: Iterable[int]) -> None:
        """Know these messages too."""
        for uid in uids:
            record = self._mailbox.record(uid)
            self._names.update((record.base, guid_of(record)))
            self._by_size.setdefault(self._mailbox.usage_of(uid).octets, []).append(uid)

    def has_name(self, base: str, guid: str) -> bool:
        """Whether a message of that name is there, or one that was copied from it."""
        return base in self._names or guid in self._names

    def has_octets(self, staged: Staged) -> bool:
        """Whether a message with the same octets is there."""
        return any(self._digest(uid) == staged.digest for uid in self._by_size.get(staged.octets, ()))

    def _digest(self, uid: int) -> str:
        if uid not in self._digests:
            with self._mailbox.body(uid) as body:
                self._digests[uid] = sha256(body.data).hexdigest()
        return self._digests[uid]


@frozen
class Foreign:
    """A message file of elsewhere: its base name and GUID there, and its flags."""

    path: str
    base: str
    guid: str
    flags: Flags
    digest: str = ""  # what its octets must be; "" where nobody knows


@dataclass(slots=True)
class Taken:
    """How many messages came, were there before, and were not what they should be."""

    added: int = 0
    known: int = 0
    damaged: int = 0

    def count(self, other: "Taken") -> None:
        """Add others."""
        self.added += other.added
        self.known += other.known
        self.damaged += other.damaged


def take_in(
    account: Account, mailbox: Mailbox, known: Known, source: FileSystem, some: Sequence[Foreign]
) -> Taken:
    """Put messages into a mailbox, those that are not there yet, durably. Raises OverQuota, OSError."""
    taken = Taken()
    staging = Staging(account, source)
    try:
        linked = list(_staged(staging, known, some, taken))
        staging.settle()
        known.look(mailbox.link_all(linked))
        taken.added = len(linked)
    finally:
        staging.drop()
    return taken


def _staged(staging: Staging, known: Known, some: Sequence[Foreign], taken: Taken) -> Iterator[Linked]:
    seen: set[str] = set()
    for one in some:
        if known.has_name(one.base, one.guid):
            taken.known += 1
            continue
        staged = staging.copy(one.path)
        if one.digest and staged.digest != one.digest:
            taken.damaged += 1
        elif known.has_octets(staged) or staged.digest in seen:
            taken.known += 1
        else:
            seen.add(staged.digest)
            yield Linked(staged.path, _true_base(one.base, staged), one.flags, one.guid, staged.octets)


def _true_base(base: str, staged: Staged) -> str:
    """The base without sizes where they are not those of the file; W equal to S means verbatim."""
    on_disk, on_wire = filenames.sizes(base)
    true = staged.octets
    if on_disk in (None, true) and on_wire in (None, true + staged.bare, on_disk):
        return base
    return base.partition(",S=")[0].partition(",W=")[0]
