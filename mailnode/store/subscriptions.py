r"""The `subscriptions` file of an account, in Dovecot's two forms.

Version 2 starts with `V\t2` and an empty line; a name is its levels joined by TAB, each escaped (\x01 and
0, 1, t, r, n for NUL, \x01, TAB, CR, LF). Version 1 has no header; a name is its directory without the
first dot. Both hold modified UTF-7, or UTF-8 in trees that were written so. A file keeps the version it was
found in, and its lines stay as they are, also those that no client can name.
"""

import unicodedata

from mailnode.store.tabbed import escape, unescape
from mailnode.store.values import INBOX, Name
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import mutf7

FILE_NAME = "subscriptions"
_HEADER = b"V\t2\n\n"


@frozen
class Subscriptions:
    """The file's lines, without their ends."""

    version: int
    lines: tuple[bytes, ...]

    @property
    def names(self) -> list[Name]:
        """The names that can be read, in file order, each once."""
        return list(dict.fromkeys(name for line in self.lines if (name := self._name(line)) is not None))

    def with_name(self, name: Name) -> "Subscriptions":
        """The same with a name, at the end if it is new."""
        return self if name in self.names else Subscriptions(self.version, (*self.lines, self._line(name)))

    def without_name(self, name: Name) -> "Subscriptions":
        """The same without a name."""
        return Subscriptions(self.version, tuple(line for line in self.lines if self._name(line) != name))

    def encode(self) -> bytes:
        """The file's content."""
        return (_HEADER if self.version == 2 else b"") + b"".join(line + b"\n" for line in self.lines)

    def _name(self, line: bytes) -> Name | None:
        try:
            if self.version == 2:
                levels = [_text(unescape(level)) for level in line.split(b"\t")]
            else:
                levels = _text(line).split(".")
        except (BadSyntax, UnicodeDecodeError):
            return None
        if levels[0].upper() == INBOX[0]:
            levels[0] = INBOX[0]
        return tuple(levels) if all(levels) else None

    def _line(self, name: Name) -> bytes:
        if self.version == 2:
            return b"\t".join(escape(mutf7.encode(level)) for level in name)
        return mutf7.encode(".".join(name))


def parse(data: bytes) -> Subscriptions:
    """Read the file; an empty one is of version 2."""
    version = 2 if not data or data.startswith(b"V\t2\n") else 1
    lines = data.split(b"\n")[2 if version == 2 else 0 :]
    return Subscriptions(version, tuple(line for line in lines if line))


def _text(octets: bytes) -> str:
    try:
        text = mutf7.decode(octets)
    except BadSyntax:
        text = octets.decode("utf-8")
        if text.isascii():
            raise
    return unicodedata.normalize("NFC", text)
