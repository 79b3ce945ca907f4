r"""The `subscriptions` file of an account, in Dovecot's two forms.

Version 2 starts with `V\t2` and an empty line; a name is its levels joined by TAB, each escaped (\x01 and
0, 1, t, r, n for NUL, \x01, TAB, CR, LF). Version 1 has no header; a name is its directory without the
first dot. Both hold modified UTF-7. A file keeps the version it was found in.
"""

from mailnode.store.values import Name
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import mutf7

FILE_NAME = "subscriptions"
HEADER = b"V\t2\n\n"

_ESCAPES = {b"\0": b"\x010", b"\t": b"\x01t", b"\r": b"\x01r", b"\n": b"\x01n"}


def parse(data: bytes) -> tuple[int, list[Name]]:
    """The version and the names, in file order, each once; lines nobody can name are left out."""
    version = 2 if not data or data.startswith(b"V\t2\n") else 1
    lines = data.split(b"\n")[2 if version == 2 else 0 :]
    names: dict[Name, None] = {}
    for line in lines:
        if not line:
            continue
        levels = [_unescape(level) for level in line.split(b"\t")] if version == 2 else line.split(b".")
        try:
            name = tuple(map(mutf7.decode, levels))
        except BadSyntax:
            continue
        if all(name):
            names[name] = None
    return version, list(names)


def encode(version: int, names: list[Name]) -> bytes:
    """The file's content."""
    lines = []
    for name in names:
        levels = [mutf7.encode(level) for level in name]
        lines.append(b"\t".join(map(_escape, levels)) if version == 2 else b".".join(levels))
    return (HEADER if version == 2 else b"") + b"".join(line + b"\n" for line in lines)


def _escape(level: bytes) -> bytes:
    level = level.replace(b"\x01", b"\x011")
    for octet, escaped in _ESCAPES.items():
        level = level.replace(octet, escaped)
    return level


def _unescape(level: bytes) -> bytes:
    for octet, escaped in _ESCAPES.items():
        level = level.replace(escaped, octet)
    return level.replace(b"\x011", b"\x01")
