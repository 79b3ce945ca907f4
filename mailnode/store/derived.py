"""What was made of all messages of a mailbox, for who asks the same again while they are still the same.

Only what never changes while a message lives may go into it, or what says on what else it hangs: orders and
threads do, flags do not. Whoever shows a mailbox in pages asks for one and the same order again and again.
"""

from array import array
from typing import Any

MOST = 8  # of a mailbox: each takes a few octets for every message


class Derived:
    """Values by name; `uids` is the array for which they hold, and not only one that equals it."""

    def __init__(self) -> None:
        self._uids: array[int] | None = None
        self._values: dict[object, Any] = {}

    def get(self, name: object, uids: "array[int]") -> Any | None:
        """What was made of these messages, or None."""
        return self._values.get(name) if uids is self._uids else None

    def keep(self, name: object, uids: "array[int]", value: Any) -> None:
        """Remember it; what was made of other messages, or first of too many, is forgotten."""
        if uids is not self._uids:
            self._values.clear()
            self._uids = uids
        self._values.pop(name, None)
        while len(self._values) >= MOST:
            del self._values[next(iter(self._values))]
        self._values[name] = value
