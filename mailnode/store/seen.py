r"""What readers of a shared mailbox have read: `mailnode-seen`, in the folder.

\Seen of others than the owner is theirs alone, so it cannot stand in the name of the message's file. The file
begins with what names the folder and its UIDs, and has a line for each change, with its modification
sequence:

    1 V1700000000 G0123456789abcdef0123456789abcdef
    1700000000000000 ben@example.org = 1:40,43
    1700000000000100 ben@example.org + 44:45
    1700000000000200 ben@example.org - 41

Lines are appended and synced. A file with another first line says nothing of these UIDs, and is replaced. Of
each reader the last CHANGES changes are remembered, and what was before them is one line, with "=". From it
nobody could tell when each of its messages had changed, so as of its modification sequence all count as
changed: a client that was away for longer looks at all flags again, which is right, if slow, and never misses
any. The file is written anew when most of its lines are folded into such ones. Torn and strange lines are
passed over, and nothing is appended to them.
"""

import re
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from mailnode.fs import FileSystem
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import sequence

FILE_NAME = "mailnode-seen"
CHANGES = 100  # of one reader that are remembered one by one
_DEAD_LINES = 64
_MODSEQ = re.compile("[0-9]{1,18}")
_SIGNS = ("=", "+", "-")

Spans = list[range]


@dataclass(slots=True)
class Seen:
    r"""The \Seen of one reader."""

    spans: Spans = field(default_factory=list)
    floor: int = 0  # as of this modification sequence every message counts as changed
    base: Spans = field(default_factory=list)  # what was seen then
    changes: list[tuple[int, str, Spans]] = field(default_factory=list)  # since then; modseqs ascend
    _stretches: tuple[list[int], list[int]] | None = None

    def __contains__(self, uid: int) -> bool:
        index = bisect_right(self.spans, uid, key=lambda span: span.start) - 1
        return index >= 0 and uid in self.spans[index]

    def modseq(self, uid: int) -> int:
        r"""The modification sequence of the last change of a message's \Seen."""
        if self._stretches is None:
            self._stretches = self._laid_out()
        starts, modseqs = self._stretches
        index = bisect_right(starts, uid) - 1
        return modseqs[index] if index >= 0 else self.floor

    def _laid_out(self) -> tuple[list[int], list[int]]:
        """Where stretches of UIDs begin whose last change is the same, and the modseqs of these changes."""
        edges = [
            (edge, modseq, opens)
            for modseq, _, spans in self.changes
            for span in spans
            for edge, opens in ((span.start, True), (span.stop, False))
        ]
        starts: list[int] = []
        modseqs: list[int] = []
        covering: list[int] = []
        for edge, here in groupby(sorted(edges), key=itemgetter(0)):
            for _, modseq, opens in here:
                if opens:
                    insort(covering, modseq)
                else:
                    covering.remove(modseq)
            starts.append(edge)
            modseqs.append(covering[-1] if covering else self.floor)
        return starts, modseqs

    def changed(self, since: int) -> Iterator[range]:
        r"""The UIDs whose \Seen has changed after modseq `since`, as ranges in no order."""
        if since < self.floor:
            yield range(1, sequence.LARGEST + 1)
        for modseq, _, spans in reversed(self.changes):
            if modseq <= since:
                return
            yield from spans

    def apply(self, modseq: int, sign: str, spans: Spans) -> None:
        """Take a change in; "=" is the beginning."""
        self._stretches = None
        if sign == "=":
            self.spans, self.floor, self.base, self.changes = spans, modseq, spans, []
            return
        self.spans = _changed(self.spans, sign, spans)
        self.changes.append((modseq, sign, spans))
        if len(self.changes) > CHANGES:
            folded, self.changes = self.changes[: CHANGES // 2], self.changes[CHANGES // 2 :]
            for modseq, sign, spans in folded:
                self.base, self.floor = _changed(self.base, sign, spans), modseq

    def lines(self) -> Iterator[tuple[int, str, Spans]]:
        """All that is remembered."""
        if self.floor:
            yield self.floor, "=", self.base
        yield from self.changes


def _changed(spans: Spans, sign: str, change: Spans) -> Spans:
    return sequence.merge([*spans, *change]) if sign == "+" else list(_less(spans, change))


def _less(some: Spans, taken: Spans) -> Iterator[range]:
    """The numbers of ascending ranges that are in none of other ones."""
    end = sequence.LARGEST + 1
    starts = [0, *(span.stop for span in taken)]
    stops = [*(span.start for span in taken), end]
    left = [range(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]
    return sequence.common(some, left)


class SeenFile:
    """The file of one folder; changes want the folder's lock."""

    def __init__(self, files: FileSystem, directory: str, *, validity: int, guid: str) -> None:
        self._files = files
        self._path = f"{directory}/{FILE_NAME}"
        self._head = f"1 V{validity} G{guid}"
        self._signature: tuple[int, int, int] | None = None
        self._sound = False  # whether lines may be added to the file
        self._doubtful = False  # after an error: the disk may not have what it shows
        self._lines = 0
        self._readers: dict[str, Seen] = {}
        self.newest = 0  # modification sequence

    def load(self) -> None:
        """Read the file again if it is not what was last read or written."""
        signature = self._looked()
        if signature == self._signature and signature is not None:
            return
        self._readers, self._lines, self._sound = {}, 0, False
        self._signature = signature
        data = b"" if signature is None else self._files.read(self._path)
        head, *lines = data.decode("utf-8", "replace").split("\n")
        if head != self._head:
            return
        self._sound = lines.pop() == "" if lines else False
        for line in lines:
            self._take(line)

    def _looked(self) -> tuple[int, int, int] | None:
        facts = self._files.stat(self._path)
        return None if facts is None else (facts.st_ino, facts.st_size, facts.st_mtime_ns)

    def _take(self, line: str) -> None:
        try:
            modseq, reader, sign, uids = line.split(" ")
            spans = sequence.parse(uids.encode("ascii")).spans(sequence.LARGEST) if uids else []
            if sign not in _SIGNS or not _MODSEQ.fullmatch(modseq):
                raise ValueError(line)
        except (ValueError, BadSyntax):
            self._sound = False
            return
        self._lines += 1
        self.newest = max(self.newest, int(modseq))
        self._readers.setdefault(reader, Seen()).apply(int(modseq), sign, spans)

    def of(self, reader: str) -> Seen:
        r"""The \Seen of a reader, as it was last read or written."""
        return self._readers.get(reader) or Seen()

    def change(self, reader: str, modseq: int, uids: Iterable[int], *, seen: bool) -> None:
        r"""Set or clear \Seen of messages, whose UIDs ascend, durably, as of `modseq`. Raises OSError."""
        change = modseq, "+" if seen else "-", list(sequence.runs(uids))
        try:
            self._readers.setdefault(reader, Seen()).apply(*change)
            self.newest = max(self.newest, modseq)
            live = sum(1 for one in self._readers.values() for _ in one.lines())
            if self._sound and not self._doubtful and self._lines <= 2 * live + _DEAD_LINES:
                self._files.append(self._path, _line(reader, *change))
                self._lines += 1
            else:
                self._rewrite()
        except BaseException:
            self._signature = None  # what the disk has is to be read again
            self._doubtful = True
            raise
        self._signature = self._looked()

    def _rewrite(self) -> None:
        readers = sorted(self._readers.items())
        lines = [_line(reader, *line) for reader, seen in readers for line in seen.lines()]
        self._files.replace(self._path, b"".join([f"{self._head}\n".encode(), *lines]))
        self._sound, self._doubtful, self._lines = True, False, len(lines)


def _line(reader: str, modseq: int, sign: str, spans: Spans) -> bytes:
    return f"{modseq} {reader} {sign} ".encode() + sequence.encode_ranges(spans) + b"\n"
