"""The event log as it grows: the lines that are added, also while files are put aside.

The file that is read stays open, so that it is read to its end when it has another name; then those that came
after it are read, in the order of their making. No line comes twice, and none is left out unless a file is
gone before anybody has looked.
"""

from mailnode.events.journal import Journal, Mark
from mailnode.fs import READ_SIZE, FileSystem, ReadFile


class Follower:
    """Follows from `mark` on, which Journal.mark() gives."""

    def __init__(self, files: FileSystem, journal: Journal, mark: Mark) -> None:
        self._files = files
        self._journal = journal
        self._at = mark
        self._file: ReadFile | None = None
        self._rest = b""

    def close(self) -> None:
        """Have nothing open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def more(self) -> list[bytes]:
        """The whole lines that were added since the last time. Raises OSError."""
        paths = self._journal.files()[::-1]  # the oldest first
        ends = [(path, end) for path in paths if (end := self._journal.mark_of(path)) is not None]
        known = [place for place, (_, end) in enumerate(ends) if end.file == self._at.file]
        if known:
            self._go_back(ends[known[0]][1].octets)
            if self._file is None:
                self._open(*ends[known[0]])
        octets = self._read()
        for path, end in ends[known[0] + 1 if known else 0 :]:
            if not self._open(path, end):
                break
            octets += b"\n" + self._read()
        *lines, self._rest = (self._rest + octets).split(b"\n")
        return [line for line in lines if line]

    def _go_back(self, octets: int) -> None:
        """What could not be written whole is cut off again."""
        if octets < self._at.octets:
            self._at, self._rest = Mark(self._at.file, octets), b""

    def _open(self, path: str, end: Mark) -> bool:
        """Whether the file at the path is still the same; it is open then, another one from its beginning."""
        try:
            file = self._files.open(path)
        except FileNotFoundError:
            return False
        facts = file.stat()
        if (facts.st_dev, facts.st_ino) != end.file:
            file.close()
            return False  # put aside at this moment: found under its other name the next time
        self.close()
        self._file = file
        if end.file != self._at.file:
            self._at = Mark(end.file, 0)
        return True

    def _read(self) -> bytes:
        """What the open file has beyond the mark."""
        pieces = []
        offset = self._at.octets
        while self._file is not None and (piece := self._file.read_at(offset, READ_SIZE)):
            pieces.append(piece)
            offset += len(piece)
        self._at = Mark(self._at.file, offset)
        return b"".join(pieces)
