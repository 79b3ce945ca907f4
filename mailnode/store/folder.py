"""One folder on disk: cur/, new/, tmp/, the uid list and the keyword files.

This is the side that reads and writes; what the files mean for sessions is in mailbox.py, and when a
directory counts as unchanged in directory.py.

A look notes which messages are not where they were: only these are examined, so that a sync costs what has
changed, not what is there. After an error, and when another program has written the uid list anew, all are;
where it has but added to the list, what it has added.
"""

import contextlib
import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from mailnode.store import filenames, uidlist
from mailnode.store.context import Context
from mailnode.store.directory import COARSE_TICK_NS, CUR, FINE_TICK_NS, LOOKS, NEW, Remembered, mark, tick_of
from mailnode.store.keywords import FIRST_FILE, SECOND_FILE, Keywords
from mailnode.store.uidlist import Record, UidList
from mailnode.store.usage import NOTHING, Usage, size_of
from mailnode.values import frozen

_RARELY = 20  # how much longer than a look it is quiet after a change of our own
_QUIET_LIMIT_NS = 5_000_000_000

# Where a message is: whether still in new/, and what stands behind its base in the file name.
Place = tuple[bool, str]
_Signature = tuple[int, int, int] | None


@frozen
class _Stretch:
    """The beginning of a file: so many octets, and their checksum."""

    octets: int = 0
    checksum: int = 0

    def and_then(self, data: bytes | memoryview) -> "_Stretch":
        """With these behind it."""
        return _Stretch(self.octets + len(data), zlib.crc32(data, self.checksum))

    def begins(self, data: bytes) -> bool:
        """Whether these octets begin with it."""
        return _Stretch().and_then(memoryview(data)[: self.octets]) == self


@dataclass(slots=True)
class _Directory(Remembered):
    """What is remembered of new/ or cur/ since the last look."""

    cost_ns: int = 0  # how long it took to read it
    places: dict[str, Place] = field(default_factory=dict)
    twins: list[tuple[str, str]] = field(default_factory=list)  # base and suffix of further files of a base


class Folder:
    """The files of one folder. All methods that write want lock() held."""

    def __init__(self, context: Context, path: str) -> None:
        self.path = path
        self.context = context
        self.list: UidList = UidList(0, 1, "")
        self.lines = 0  # of the uid list's file, those of the dead included
        self.keywords = Keywords()
        self.renamed_keywords = False  # whether letters may mean something else than at the last look
        self._doubtful: set[str] = set()  # files that could not be written: what is on the disk is unknown
        self._files = context.files
        self._list_signature: _Signature = (-1, -1, -1)
        self._list_octets: _Stretch | None = None  # of the uid list, as far as it is known
        self._keyword_signatures: list[_Signature] = []
        self._directories = {NEW: _Directory(), CUR: _Directory()}
        self._differing: set[str] | None = None
        self._gains: dict[str, Usage | None] = {}  # of the change under way; None where it is not certain

    def lock(self) -> AbstractContextManager[None]:
        """The folder's lock."""
        return self.context.locks.folder(self.path)

    def file_path(self, base: str, place: Place) -> str:
        """Where a message lies."""
        recent, suffix = place
        return f"{self.path}/{NEW if recent else CUR}/{base}{suffix}"

    def forget(self) -> None:
        """Believe nothing of what was seen or written: after an error, the next look reads everything."""
        self._list_signature = (-1, -1, -1)
        self._list_octets = None
        self._keyword_signatures = []
        for known in self._directories.values():
            known.forget()
        self._differing = None
        if self.context.ledger is not None:
            self.context.ledger.doubt()

    # Has anything changed?

    def _signature(self, name: str) -> _Signature:
        facts = self._files.stat(f"{self.path}/{name}")
        return None if facts is None else (facts.st_ino, facts.st_size, facts.st_mtime_ns)

    def _mtimes(self) -> dict[str, int]:
        times = {}
        for name in (NEW, CUR):
            facts = self._files.stat(f"{self.path}/{name}")
            if facts is None:
                raise FileNotFoundError(errno.ENOENT, "no such folder", f"{self.path}/{name}")
            times[name] = facts.st_mtime_ns
        return times

    def newest_change(self) -> float:
        """When new/ or cur/ last changed, in seconds since the epoch."""
        return max(self._mtimes().values()) / 1_000_000_000

    def _now_ns(self) -> int:
        return int(self.context.now() * 1_000_000_000)

    def unchanged(self) -> bool:
        """Whether nothing on disk differs from what was last seen."""
        now = self._now_ns()
        return (
            all(self._directories[name].is_known(mtime, now) for name, mtime in self._mtimes().items())
            and self._list_signature == self._signature(uidlist.FILE_NAME)
            and self._keyword_signatures == [self._signature(FIRST_FILE), self._signature(SECOND_FILE)]
        )

    @property
    def believed(self) -> bool:
        """Whether a look that finds the times of the last one would read nothing again."""
        now = self._now_ns()
        return all(
            known.mtime_ns >= 0 and known.is_known(known.mtime_ns, now)
            for known in self._directories.values()
        )

    # Looking

    def look(self, *, again: bool = False) -> bool:
        """Find out where each message is now; gives whether nothing moved while we looked.

        Two directories are never read in one instant, and readdir may skip a name that is being renamed:
        so the look is repeated while the directories change. `again` reads them even if they look known.
        """
        for _ in range(LOOKS):
            before = self._mtimes()
            for name, mtime in before.items():
                if again or not self._directories[name].is_known(mtime, self._now_ns()):
                    self._read(name, mtime)
            if self._separate_twins():
                continue
            if self._mtimes() == before:
                return True
        return False

    def look_for_missing(self) -> bool:
        """A second look, because the first missed messages.

        Within a tick of the clock a rename leaves no trace in a directory's time: so this look waits until
        the tick of the last change is over.
        """
        newest = max(self._mtimes().values())
        wait = min(newest + tick_of(newest) - self._now_ns(), COARSE_TICK_NS)
        if wait > 0:
            self.context.sleep(wait / 1_000_000_000)
        return self.look(again=True)

    def place(self, base: str) -> Place | None:
        """Where a message was at the last look."""
        return self._directories[CUR].places.get(base) or self._directories[NEW].places.get(base)

    def differing(self) -> dict[str, Place | None]:
        """Where the messages to be examined are, by base: all, or those that are not where they were."""
        if self._differing is not None:
            return {base: self.place(base) for base in self._differing}
        return {**self._directories[NEW].places, **self._directories[CUR].places}

    def found(self) -> dict[str, Place]:
        """Those of the messages to be examined that are there."""
        return {base: place for base, place in self.differing().items() if place is not None}

    @property
    def all_differ(self) -> bool:
        """Whether nothing is known of earlier looks."""
        return self._differing is None

    def examine_all(self) -> None:
        """Take all for different: what is known of them is another thing now."""
        self._differing = None

    def examined(self, *, but: set[str]) -> None:
        """All that differed has been dealt with; these could not be, and the next look decides."""
        self._differing = but
        if but:
            for known in self._directories.values():
                known.forget()

    def _read(self, directory: str, mtime: int) -> None:
        known = self._directories[directory]
        begun = self._now_ns()
        known.read_at(mtime, begun)
        places: dict[str, Place] = {}
        twins: list[tuple[str, str]] = []
        # Of hundreds of thousands of names each base and place is kept once: few suffixes are in use.
        place_of: dict[str, Place] = {}
        records = self.list.records
        for name in self._files.names(f"{self.path}/{directory}"):
            if not filenames.is_message(name):
                continue
            base, suffix = filenames.split(name)
            if base in places:
                twins.append((base, suffix))
                continue
            record = records.get(base)
            place = place_of.get(suffix)
            if place is None:
                place = place_of[suffix] = (directory == NEW, suffix)
            places[record.base if record else base] = place
        if self._differing is not None:
            self._differing.update(base for base, _ in places.items() ^ known.places.items())
        known.places, known.twins = places, twins
        known.cost_ns = self._now_ns() - begun

    def _separate_twins(self) -> bool:
        """Give the second of two files of one base a base of its own; whether there was one.

        Two names of one file are left alone: somebody renames it by link and unlink just now.
        """
        new, cur = self._directories[NEW], self._directories[CUR]
        twins = [(directory, twin) for directory in (NEW, CUR) for twin in self._directories[directory].twins]
        twins += [(NEW, (base, new.places[base][1])) for base in new.places.keys() & cur.places.keys()]
        separated = False
        for directory, (base, suffix) in twins:
            path = f"{self.path}/{directory}/{base}{suffix}"
            first = self._files.stat(self.file_path(base, self.place(base) or (True, "")))
            second = self._files.stat(path)
            if first is None or second is None or first.st_ino == second.st_ino:
                continue
            other = filenames.with_sizes_of(base, self.context.names.next())
            with contextlib.suppress(FileNotFoundError):
                self._files.rename(path, f"{self.path}/{directory}/{other}{suffix}")
                separated = True
        return separated

    @contextlib.contextmanager
    def own_change(self) -> Iterator[None]:
        """Changes of cur/ and new/ in here are ours, and are told with moved().

        Afterwards the changed directories get a time of ours. What another program without a lock did in the
        very moment of our change is found by one more look after the tick, or later where a look is dear:
        looks take a small part of the time at most. new/ gets that look at once, as deliveries take no lock.
        """
        before = self._mtimes()
        self._gains = {NEW: NOTHING, CUR: NOTHING} if self.context.ledger is not None else {}
        try:
            yield
        finally:
            after = self._mtimes()
            for name, known in self._directories.items():
                gain = self._gains.get(name)
                if after[name] != before[name] or (self._gains and gain != NOTHING):
                    marked = mark(self._files, f"{self.path}/{name}", self._now_ns())
                    quiet = max(FINE_TICK_NS, min(_RARELY * known.cost_ns, _QUIET_LIMIT_NS))
                    known.changed_by_us(before[name], marked, marked + quiet if name == CUR else 0)
                    if self.context.ledger is not None:
                        self.context.ledger.changed(f"{self.path}/{name}", before[name], marked, gain)

    def moved(self, base: str, old: Place | None, new: Place | None) -> None:
        """Remember a change of our own, so that the next look need not find it out."""
        if old is not None:
            self._directories[NEW if old[0] else CUR].places.pop(base, None)
        if new is not None:
            self._directories[NEW if new[0] else CUR].places[base] = new
        if self._gains and (old and old[0]) != (new and new[0]):
            self._count(base, old, gone=True)
            self._count(base, new, gone=False)

    def _count(self, base: str, place: Place | None, *, gone: bool) -> None:
        if place is not None:
            name = NEW if place[0] else CUR
            size, gain = size_of(base), self._gains[name]
            self._gains[name] = None if size is None or gain is None else gain + (-size if gone else size)

    # The uid list

    def load(self) -> bool:
        """Read the uid list and the keyword files again if they are not what was last read.

        Gives whether the uid list may say something else than before, and not only more.
        """
        signatures = [self._signature(FIRST_FILE), self._signature(SECOND_FILE)]
        if signatures != self._keyword_signatures:
            self.keywords = Keywords(*(self._read_or_empty(name) for name in (FIRST_FILE, SECOND_FILE)))
            self._keyword_signatures = signatures
            self.renamed_keywords = True
            if self._doubtful & {FIRST_FILE, SECOND_FILE}:
                self.write_keywords()
        signature = self._signature(uidlist.FILE_NAME)
        if signature == self._list_signature:
            return False
        data = b"" if signature is None else self._files.read(f"{self.path}/{uidlist.FILE_NAME}")
        if self._has_grown(data):
            self._list_signature = signature
            return False
        parsed = uidlist.parse(data)
        if parsed is None:
            parsed = UidList(next_validity(self.context), 1, self.context.new_guid(), sound=False)
            for base in uidlist.bases_in(data):
                parsed.records[base] = Record(parsed.next_uid, base)
                parsed.next_uid += 1
        parsed.sound = parsed.sound and uidlist.FILE_NAME not in self._doubtful
        self.list = parsed
        self.lines = data.count(b"\n")
        self._list_signature, self._list_octets = signature, _Stretch().and_then(data)
        return True

    def _has_grown(self, data: bytes) -> bool:
        """Whether the uid list is what it was, with lines behind it, which are taken in then."""
        known = self._list_octets
        if known is None or self._doubtful or not known.begins(data):
            return False
        behind = data[known.octets :]
        added = uidlist.extend(self.list, behind)
        if added is None:
            return False
        if self._differing is not None:
            self._differing.update(record.base for record in added)
        self.lines += len(added)
        self._list_octets = known.and_then(behind)
        return True

    def _read_or_empty(self, name: str) -> bytes:
        try:
            return self._files.read(f"{self.path}/{name}")
        except FileNotFoundError:
            return b""

    def add_records(self, records: list[Record]) -> None:
        """Make new records durable, before any client sees their UIDs.

        After an error what is in the file is in doubt, and it is written anew before it is added to.
        """
        for record in records:
            self.list.records[record.base] = record
        if records:
            self.list.next_uid = records[-1].uid + 1
        if not self.list.sound:
            self.rewrite_list()
        elif records:
            self._doubtful.add(uidlist.FILE_NAME)
            lines = uidlist.encode(records)
            self._files.append(f"{self.path}/{uidlist.FILE_NAME}", lines)
            self._doubtful.discard(uidlist.FILE_NAME)
            self.lines += len(records)
            self._list_octets = self._list_octets and self._list_octets.and_then(lines)
            self._list_signature = self._signature(uidlist.FILE_NAME)

    def rewrite_list(self) -> None:
        """Write the uid list anew, without the dead."""
        if not self.list.guid:
            self.list.guid = self.context.new_guid()
        whole = self.list.encode()
        self._replace(uidlist.FILE_NAME, whole)
        self.list.sound = True
        self._list_octets = _Stretch().and_then(whole)
        self.lines = len(self.list.records) + 1
        self._list_signature = self._signature(uidlist.FILE_NAME)

    def _replace(self, name: str, data: bytes) -> None:
        """Write a file anew. After an error it may show what a power cut takes away: it is written again."""
        self._doubtful.add(name)
        self._files.replace(f"{self.path}/{name}", data)
        self._doubtful.discard(name)

    def write_keywords(self) -> None:
        """Make the keyword table durable, before any name uses its letters."""
        for name, data in zip((FIRST_FILE, SECOND_FILE), self.keywords.encode(), strict=True):
            if name in self._doubtful or data != self._read_or_empty(name):
                self._replace(name, data)
        self._keyword_signatures = [self._signature(FIRST_FILE), self._signature(SECOND_FILE)]


VALIDITY_FILE = "dovecot-uidvalidity"


def next_validity(context: Context) -> int:
    """A UIDVALIDITY greater than any ever used in the account, written down before it is used.

    Dovecot keeps the last one as hex8 in the text of `dovecot-uidvalidity` and in the name of an empty marker
    file `dovecot-uidvalidity.<hex8>`; the marker moves first. The root's lock is held.
    """
    files, root = context.files, context.root
    with context.locks.folder(root):
        last = 0
        marker = None
        for name in files.names(root):
            head, dot, tail = name.partition(".")
            if head == VALIDITY_FILE and dot and _is_hex8(tail):
                marker = name if marker is None or name > marker else marker
                last = max(last, int(tail, 16))
        try:
            text = files.read(f"{root}/{VALIDITY_FILE}", limit=64).decode("ascii", "replace").strip()
        except FileNotFoundError:
            text = ""
        if _is_hex8(text):
            last = max(last, int(text, 16))
        validity = max(int(context.now()) & 0xFFFFFFFF, last + 1, 1)
        new_marker = f"{root}/{VALIDITY_FILE}.{validity:08x}"
        if marker is None:
            files.create(new_marker, mode=0o444).close()
        else:
            files.rename(f"{root}/{marker}", new_marker)
        files.replace(f"{root}/{VALIDITY_FILE}", f"{validity:08x}".encode())
        return validity


def _is_hex8(text: str) -> bool:
    return len(text) == 8 and all(letter in "0123456789abcdefABCDEF" for letter in text)


def make_folder(context: Context, path: str) -> None:
    """Create cur/, new/ and tmp/, durably; what is there stays."""
    context.files.make_directories(path)
    made = False
    for name in (CUR, NEW, "tmp"):
        directory = os.path.join(path, name)
        if context.files.stat(directory) is None:
            with contextlib.suppress(FileExistsError):  # a delivery may make it at the same time
                context.files.make_directory(directory)
            made = True
    if made:
        context.files.sync_directory(path)
