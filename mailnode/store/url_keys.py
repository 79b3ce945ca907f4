"""The keys with which URLs of messages are authorized: the mailbox access keys of RFC 4467 section 2.2.

There is one for each mailbox that an account has, from when it is first asked for. It stands among the
annotations, by the G of the folder, where no entry is shown to anybody: so it goes with a folder that is
renamed, ends with one that is deleted, and is in backups. Nothing brings it back from there: what was revoked
meanwhile stays revoked. All methods run in the account's lane.
"""

import re
from collections.abc import Mapping

from mailnode.store import attributes
from mailnode.store.annotations import Annotations
from mailnode.store.attributes import Attributes
from mailnode.store.context import Context
from mailnode.store.names import normal
from mailnode.store.values import Name

_BITS = 256
_KEY = re.compile(rb"[0-9a-f]{64}")
_PLACE = re.compile(rb"priv/[0-9a-f]{32}/" + re.escape(attributes.URL_KEY).encode("ascii"))


class UrlKeys:
    """Those of one account."""

    def __init__(self, context: Context, annotations: Annotations) -> None:
        self._context = context
        self._annotations = annotations

    def get(self, name: Name) -> bytes | None:
        """The key of a mailbox; None where nobody has asked for one. Raises NoSuchMailbox, OSError.

        An account that has no keys at all is not touched.
        """
        values = self._annotations.all().values
        if not any(map(_PLACE.fullmatch, values)):
            return None
        return _read(values, self._place(name))

    def made(self, name: Name) -> bytes:
        """The key of a mailbox, durable; one is made if there is none. Raises NoSuchMailbox, OSError."""
        place, fresh = self._place(name), self._fresh()
        found = _read(self._annotations.all().values, place)
        if found is not None:
            return found
        self._annotations.edit(  # another process may have made one a moment ago
            lambda there: there if _read(there.values, place) else _with(there, place, fresh)
        )
        return _read(self._annotations.all().values, place) or fresh

    def reset(self, name: Name) -> None:
        """Another key in the place of the one there is. Raises NoSuchMailbox, OSError."""
        place, fresh = self._place(name), self._fresh()
        self._annotations.edit(lambda there: _with(there, place, fresh))

    def forget_all(self) -> None:
        """No mailbox has a key. Raises OSError."""
        self._annotations.edit(
            lambda there: Attributes(
                {key: value for key, value in there.values.items() if not _PLACE.fullmatch(key)}
            )
        )

    def _place(self, name: Name) -> bytes:
        return f"priv/{self._annotations.guid(normal(name))}/{attributes.URL_KEY}".encode("ascii")

    def _fresh(self) -> bytes:
        return b"%0*x" % (_BITS // 4, self._context.rng.getrandbits(_BITS))


def _read(values: Mapping[bytes, bytes], place: bytes) -> bytes | None:
    found = values.get(place, b"")
    return found if _KEY.fullmatch(found) else None


def _with(there: Attributes, place: bytes, key: bytes) -> Attributes:
    return Attributes({**there.values, place: key})
