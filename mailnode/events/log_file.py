"""The log in a file that others may put aside while the server writes it, as logrotate does.

What there is to write is one write of whole lines at the end of the file, so nothing is held back here, and
a file that is emptied in place goes on from its beginning. Who renames it asks for `reopen`: until then lines
go into the renamed file, and from then on into the one at the path. So no line is lost.
"""

from mailnode.fs import FileSystem

_MODE = 0o640  # a log may be read by a group of administrators


class LogFile:
    """An output for lines. Raises OSError where the file cannot be opened."""

    def __init__(self, files: FileSystem, path: str) -> None:
        self._files = files
        self.path = path
        self._file = files.open_end(path, mode=_MODE)

    def write(self, text: str) -> None:
        """Append the text. Raises OSError, and forgets the rest, where the disk does not take it."""
        self._file.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Nothing is held back."""

    def reopen(self) -> None:
        """Go on in the file that is at the path by then, made if there is none. Raises OSError, and stays."""
        before, self._file = self._file, self._files.open_end(self.path, mode=_MODE)
        before.close()
