"""The event log on the disk: what happened to messages, one JSON object on each line, the newest at the end.

`events.jsonl` is appended to; when it is full it becomes `events.jsonl.1`, what had that name becomes
`events.jsonl.2`, and so on, and the oldest goes. A power cut may leave a torn last line, or octets that were
never written: no line that cannot be read counts, and what is appended after it begins on a line of its own.
Lines are not synced: the log tells of mail, it is not mail.

Text of peers is cut, so that no line gets long; JSON in ASCII has no octet that could end a line or reach a
terminal. There are no passwords and no bodies in events.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import Any

from mailnode.events.life import Event
from mailnode.fs import FileSystem
from mailnode.values import frozen, names_of, values_of

FILE = "events.jsonl"
TEXT_LIMIT = 1000  # characters of a text
_BLOCK = 262144  # octets that are read at once
ANY = (b"",)  # words of which every line has one
_LONGEST_LINE = 4_194_304  # octets; nothing that is longer was written here

Row = dict[str, Any]

File = tuple[int, int]  # a device and an inode: what a file is under any name


@frozen
class Mark:
    """A place in the log: so many octets of that file."""

    file: File
    octets: int


NOWHERE = Mark((0, 0), 0)

_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: that costs more than a line
_quote: Callable[[str], str] = json.encoder.encode_basestring_ascii  # what it does with a text, in C
_NUMBERS = {int, float}


def line_of(event: Event, time: float) -> bytes:
    """The line of an event that happened at `time`, in seconds since the epoch."""
    kind: Any = type(event)
    template, values = _template(kind), (round(time, 3), *values_of(event))
    line = template % tuple([_quote(one) if type(one) is str else _json(one) for one in values])
    if len(line) > TEXT_LIMIT:
        line = template % tuple([_json(_cut(one)) for one in values])
    return line.encode("ascii")


def _json(value: object) -> str:
    """What the encoder makes of it; it would take longer to begin than with all that an event has."""
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, tuple):
        return f"[{','.join([_json(one) for one in value])}]"
    return repr(value) if type(value) in _NUMBERS else _encode(value)


@cache
def _template(kind: Any) -> str:
    """The line of such an event, with places for its time and its values."""
    return (
        f'{{"time":%s,"event":"{kind.__name__}"' + "".join(f',"{name}":%s' for name in names_of(kind)) + "}\n"
    )


def _cut(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else value[:TEXT_LIMIT] + "..."
    if isinstance(value, tuple):
        return tuple([_cut(one) for one in value])
    return value


class Journal:
    """The files in one folder. There is one writer; readers may come and go."""

    def __init__(self, files: FileSystem, directory: str) -> None:
        self._files = files
        self._directory = directory
        self._checked = False

    @property
    def path(self) -> str:
        """The file that is appended to."""
        return f"{self._directory}/{FILE}"

    # Writing

    def append(self, lines: bytes, *, size: int, keep: int) -> None:
        """Add whole lines; a file of `size` octets is put aside first, and `keep` of those are kept.

        Raises OSError.
        """
        facts = self._files.stat(self.path)
        if facts is not None and facts.st_size >= size:
            self._rotate(keep)
            facts = None
        if facts is None:
            self._files.make_directories(self._directory)
            self._files.create(self.path).close()
        elif not self._checked and facts.st_size and not self._ends_well(facts.st_size):
            lines = b"\n" + lines
        self._files.append(self.path, lines, durable=False)
        self._checked = True

    def _ends_well(self, size: int) -> bool:
        with self._files.open(self.path) as file:
            return file.read_at(size - 1, 1) == b"\n"

    def _rotate(self, keep: int) -> None:
        """Put the file aside; those that are too old go. A crash on the way leaves a gap in the numbers."""
        for number, path in sorted(self._aside(), reverse=True):
            if number >= keep:
                self._files.unlink(path, missing_ok=True)
            else:
                self._files.rename(path, f"{self.path}.{number + 1}")
        if keep:
            self._files.rename(self.path, f"{self.path}.1")
        else:
            self._files.unlink(self.path)

    def _aside(self) -> list[tuple[int, str]]:
        """The files that were put aside, by number."""
        try:
            names = self._files.names(self._directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        numbers = [name.removeprefix(FILE + ".") for name in names if name.startswith(FILE + ".")]
        plain = [text for text in numbers if text.isascii() and text.isdigit() and len(text) < 6]
        return [(int(text), f"{self.path}.{text}") for text in plain]

    # Reading

    def files(self) -> list[str]:
        """The paths of all files, the newest first; the first need not be there."""
        return [self.path, *[path for _, path in sorted(self._aside())]]

    def mark(self) -> Mark:
        """Where the log ends."""
        return self.mark_of(self.path) or NOWHERE

    def mark_of(self, path: str) -> Mark | None:
        """Where a file of it ends; None for one that is not there."""
        facts = self._files.stat(path)
        return Mark((facts.st_dev, facts.st_ino), facts.st_size) if facts is not None else None

    def lines(
        self, words: Collection[bytes] = ANY, *, fold: bool = False, until: Mark | None = None
    ) -> Iterator[bytes]:
        """All lines in which one of the words stands, the newest first, without their ends. Raises OSError.

        With `fold` the words are in small letters, and those of the log may be in capitals. With a mark only
        those before it. Files that are renamed meanwhile are read once all the same.
        """
        seen: set[File] = set()
        for path in self.files():
            try:
                with self._files.open(path) as file:
                    facts = file.stat()
                    id, size = (facts.st_dev, facts.st_ino), facts.st_size
                    if until is not None and not seen:
                        if id != until.file:
                            continue
                        size = until.octets
                    if id not in seen:
                        seen.add(id)
                        for block in _blocks_backwards(file.read_at, size):
                            yield from _lines_backwards(block, words, fold=fold)
            except FileNotFoundError:
                continue


def _blocks_backwards(read_at: Callable[[int, int], bytes], size: int) -> Iterator[bytes]:
    """A file in pieces of whole lines, from its end; memory: a block and a line."""
    rest = b""
    end = size
    while end:
        start = max(0, end - _BLOCK)
        block = read_at(start, end - start) + rest
        whole = block.find(b"\n") + 1 if start else 0  # where the first whole line begins
        if whole or not start:
            yield block[whole:]
            block = block[: max(whole - 1, 0)]
        rest = block if len(block) <= _LONGEST_LINE else b""
        end = start


def _lines_backwards(block: bytes, words: Collection[bytes], *, fold: bool) -> Iterator[bytes]:
    """The lines in which one of the words stands, from the last; most blocks have none."""
    searched = block.lower() if fold else block
    begins = {begin for word in words for begin in _begins(searched, word)}
    for begin in sorted(begins, reverse=True):
        end = block.find(b"\n", begin)
        if line := block[begin:] if end < 0 else block[begin:end]:
            yield line


def _begins(block: bytes, word: bytes) -> Iterator[int]:
    """Where the lines begin in which the word stands."""
    at = block.find(word)
    while at >= 0:
        yield block.rfind(b"\n", 0, at) + 1
        end = block.find(b"\n", at)
        at = block.find(word, end + 1) if end >= 0 else -1


def understood(lines: Iterable[bytes]) -> Iterator[Row]:
    """The events in these lines; a line that is none is passed over."""
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("event"), str) and _is_time(row.get("time")):
            yield row


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11
