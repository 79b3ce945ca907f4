r"""The file of annotations of an account, `dovecot-attributes`: a line with a key, then one with its value.

A key is `priv/<G>/<entry>` or `shared/<G>/<entry>`, where G names a folder for ever (it stands in its uid
list): so annotations go with a folder that is renamed, and a new folder of an old name has none. Those of the
server stand with INBOX, below a prefix that no entry of a mailbox may have. NUL, TAB, CR, LF and \x01 are
escaped. Entries are named as in RFC 5464 section 3.2, "/private/comment", in lower case. Of two mailboxes
with the same special use the one that stands last has it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from mailnode.store.tabbed import escape, unescape
from mailnode.values import frozen

FILE_NAME = "dovecot-attributes"
SPECIAL_USE = "/private/specialuse"
SERVER = "vendor/vendor.dovecot/pvt/server/"
RESERVED = "vendor/vendor.dovecot/pvt/"  # Dovecot keeps more of its own there
URL_KEY = f"{RESERVED}imap-urlauth"  # nobody is shown it, see store.url_keys

_SCOPES = {"private": "priv", "shared": "shared"}
_KEY = re.compile(rb"(priv|shared)/([0-9a-f]{32})/([\x20-\x7e]+)")


@frozen
class Place:
    """What annotations are of: a mailbox, by its G, or the server."""

    guid: str
    server: bool = False

    def key(self, entry: str) -> bytes:
        """Where an entry stands in the file."""
        _, scope, rest = entry.split("/", 2)
        prefix = SERVER if self.server else ""
        return f"{_SCOPES[scope]}/{self.guid}/{prefix}{rest}".encode("ascii")

    def entry(self, key: bytes) -> str | None:
        """The entry that stands there, or None for one of another place."""
        found = _KEY.fullmatch(key)
        if found is None or found[2].decode() != self.guid:
            return None
        scope, rest = "private" if found[1] == b"priv" else "shared", found[3].decode()
        if self.server:
            return f"/{scope}/{rest.removeprefix(SERVER)}" if rest.startswith(SERVER) else None
        return None if rest.startswith(RESERVED) else f"/{scope}/{rest}"


@frozen
class Attributes:
    """The file's content: values by key, in file order."""

    values: Mapping[bytes, bytes] = field(default_factory=dict)

    def of(self, place: Place) -> dict[str, bytes]:
        """All entries of a place."""
        return {entry: value for key, value in self.values.items() if (entry := place.entry(key)) is not None}

    def changed(self, place: Place, changes: Mapping[str, bytes | None]) -> "Attributes":
        """The same with these values, each at the end; None takes an entry out."""
        keys = {place.key(entry): value for entry, value in changes.items()}
        kept = {key: value for key, value in self.values.items() if key not in keys}
        return Attributes({**kept, **{key: value for key, value in keys.items() if value is not None}})

    def without(self, guid: str) -> "Attributes":
        """The same without anything of a folder."""
        gone = [guid.encode("ascii")]
        return Attributes({key: value for key, value in self.values.items() if key.split(b"/")[1:2] != gone})

    def special_uses(self) -> Iterator[tuple[str, bytes]]:
        """The G of each folder that has a special use, or was said to have none, and what it is."""
        for key, value in self.values.items():
            found = _KEY.fullmatch(key)
            if found and found[1] == b"priv" and found[3] == b"specialuse":
                yield found[2].decode(), value

    def encode(self) -> bytes:
        """The file."""
        return b"".join(escape(key) + b"\n" + escape(value) + b"\n" for key, value in self.values.items())


def guid_of(key: bytes) -> str:
    """The G of the folder that an entry stands with; "" for what is no key."""
    found = _KEY.fullmatch(key)
    return found[2].decode() if found else ""


def parse(data: bytes) -> Attributes:
    """Read the file; a last key without a value is left out."""
    lines = [unescape(line) for line in data.split(b"\n")[:-1]]
    return Attributes(dict(zip(lines[::2], lines[1::2], strict=False)))
