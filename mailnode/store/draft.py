"""A message being written: octets of the wire form in, a durable file in tmp/ out.

Line ends (docs/store.md): a plain message is stored with LF alone; any other is stored verbatim, and then its
name says S equal to W. Plain is a message whose every LF follows exactly one CR, whose last line is ended,
and whose header is ASCII: of it every protocol sends the octets that the name tells. The draft writes LF
form as long as the message is plain; at the first violation it turns what it has into the wire form again
and goes on verbatim.
"""

from collections.abc import Callable

from mailnode.fs import READ_SIZE, FileSystem, NewFile
from mailnode.store.values import NO_FLAGS, Flags
from mailnode.values import frozen
from mailnode.wire.octets import occurrences

MEMORY_LIMIT = 262144

_CRLF = b"\r\n"


def _with_lf(text: bytes) -> bytes | None:
    """The text with LF alone at the ends of lines; None where a LF in it does not follow just one CR."""
    pairs = text.count(_CRLF)
    if occurrences(text, b"\n") != pairs:
        return None
    if occurrences(text, b"\r") == pairs:  # each belongs to a CRLF: to leave them out takes less time
        return _without_cr(text)
    return None if b"\r\r\n" in text else text.replace(_CRLF, b"\n")


def _without_cr(text: bytes) -> bytes:
    return text.translate(None, b"\r")


class Draft:
    """One message in tmp/. Up to MEMORY_LIMIT octets it touches no disk before finish().

    `paired` is the promise that no CR and no LF of a message that is finished stands alone: whoever has
    looked for them on the wire need not do so again, which takes longer than all else.
    """

    def __init__(
        self,
        files: FileSystem,
        directory: str,
        name: str,
        *,
        prepare: Callable[[], None] = lambda: None,
        paired: bool = False,
    ) -> None:
        self.name = name
        self._with_lf = _without_cr if paired else _with_lf
        self.octets = 0
        self._files = files
        self._prepare = prepare  # makes sure that the directory is there
        self._path = f"{directory}/{name}"
        self._held = b""  # trailing CRs: what they are depends on what follows
        self._verbatim = False
        self._in_header = True
        self._before = _CRLF  # the last octets that were converted; at first as if a line had ended
        self._written = 0
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._file: NewFile | None = None
        self._finished: tuple[str, str] | None = None
        self._consumed = False

    @property
    def size(self) -> int:
        """Octets of the wire form so far."""
        return self.octets

    @property
    def octets_on_disk(self) -> int:
        """Octets that the file will have, if nothing follows."""
        return self.octets if self._verbatim or self._is_cut_off() else self._written

    def _is_cut_off(self) -> bool:
        """Whether the last line has no end."""
        return bool(self._held) or self._before[-1:] != b"\n"

    def write(self, data: bytes) -> None:
        """Add octets of the wire form, of any kind and in any cut."""
        self.octets += len(data)
        text = self._held + data
        keep = len(text.rstrip(b"\r"))
        self._held = text[keep:]
        self._convert(text[:keep])

    def _convert(self, text: bytes) -> None:
        if not self._verbatim and text:
            seen = self._before + text
            self._before = seen[-3:]
            pure = self._with_lf(text) if not self._in_header or self._is_ascii_header(seen) else None
            if pure is None:
                self._become_verbatim()
            else:
                text = pure
        self._put(text)

    def _is_ascii_header(self, seen: bytes) -> bool:
        end = seen.find(_CRLF + _CRLF)
        self._in_header = end < 0
        return (seen if end < 0 else seen[:end]).isascii()

    def _put(self, data: bytes) -> None:
        self._buffer.append(data)
        self._buffered += len(data)
        self._written += len(data)
        if self._buffered > MEMORY_LIMIT:
            self._spill()

    def _spill(self) -> NewFile:
        if self._file is None:
            self._prepare()
            self._file = self._files.create(self._path)
        self._file.write(b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0
        return self._file

    def _become_verbatim(self) -> None:
        self._verbatim = True
        so_far, self._written = self._written, 0
        if self._file is None:
            pure, self._buffer, self._buffered = b"".join(self._buffer), [], 0
            self._put(pure.replace(b"\n", b"\r\n"))
            return
        self._spill()
        # Rewrite through a second file: the first is read while the second grows.
        old, self._file = self._file, None
        old.close()
        source = self._path
        self._path += ".v"
        with self._files.open(source) as pure_file:
            for offset in range(0, so_far, READ_SIZE):
                self._put(pure_file.read_at(offset, READ_SIZE).replace(b"\n", b"\r\n"))
        self._files.unlink(source)

    def finish(self, internal_date: float | None = None) -> tuple[str, str]:
        """Make the octets durable; gives the path in tmp/ and the base name the message is to have.

        `internal_date` becomes the file's modification time, in seconds since the epoch. The file still has
        to be linked or moved into a folder; if that fails, abort() removes it. Once finished it takes neither
        memory nor a descriptor; asked again it gives the same.
        """
        if self._finished is not None:
            return self._finished
        file = self._whole(internal_date)
        file.sync()
        file.close()
        self._finished = self._path, f"{self.name},S={self._written},W={self.octets}"
        return self._finished

    def begin_finish(self, internal_date: float | None = None) -> None:
        """Do what of finish() waits for no disk, and have it begin: for each of several, before the first."""
        if self._finished is None:
            self._whole(internal_date).begin_sync()

    def _whole(self, internal_date: float | None) -> NewFile:
        """The file, with all octets and its time; asked again it is the same."""
        if self._is_cut_off() and not self._verbatim:
            self._become_verbatim()
        held, self._held = self._held, b""
        self._put(held)
        file = self._spill()
        if internal_date is not None:
            file.set_time(internal_date)
        return file

    def consumed(self) -> None:
        """The file has its place now, under another name; abort() does nothing any more."""
        self._consumed = True

    def abort(self) -> None:
        """Forget the message; may be called at any time and twice."""
        if self._file is not None:
            self._file.close()
            if not self._consumed:
                self._files.unlink(self._path, missing_ok=True)
            self._file = None
        self._buffer.clear()


@frozen
class Arriving:
    """A message on its way into a mailbox, with the flags and the INTERNALDATE that it will have there."""

    draft: Draft
    flags: Flags = NO_FLAGS
    internal_date: float | None = None
