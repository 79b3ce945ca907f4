"""Which messages of a folder were expunged as of which modification sequence (RFC 7162 section 5.3).

A queue of UID sets with a limit: the oldest are given up, and then all is known only from `since` on. Who
asks for more has to take every UID that no message has for one that was expunged.
"""

from collections import deque
from collections.abc import Iterable

from mailnode.wire.imap.sequence import merge, runs

RECORDS = 2000  # expunges
RANGES = 20000  # stretches of UIDs in all of them

Record = tuple[int, list[range]]  # a modification sequence, and the UIDs that vanished with it


class Vanished:
    """The expunges after the modification sequence `since`, all of them."""

    def __init__(self, since: int = 0, records: Iterable[Record] = ()) -> None:
        self.since = since
        self._records = deque(records)
        self._ranges = sum(len(uids) for _, uids in self._records)
        self._fresh: list[Record] = []
        self._give_up()

    def add(self, modseq: int, uids: Iterable[int]) -> None:
        """These UIDs vanished with `modseq`, which is higher than all before."""
        record = modseq, list(runs(sorted(uids)))
        self._records.append(record)
        self._fresh.append(record)
        self._ranges += len(record[1])
        self._give_up()

    def hear(self, others: "Vanished") -> set[int]:
        """Take in expunges that others have written down, which are later than all here; gives the UIDs."""
        self.since = max(self.since, others.since)
        self._records += others._records
        self._ranges += others._ranges
        self._give_up()
        return {uid for _, uids in others._records for span in uids for uid in span}

    def _give_up(self) -> None:
        while self._records and (len(self._records) > RECORDS or self._ranges > RANGES):
            self.since, uids = self._records.popleft()
            self._ranges -= len(uids)

    def after(self, modseq: int) -> list[range] | None:
        """The UIDs that vanished after `modseq`, as ascending ranges; None where that is not known."""
        if modseq < self.since:
            return None
        found: list[range] = []
        for at, uids in reversed(self._records):
            if at <= modseq:
                break
            found += uids
        return merge(found)

    def fresh(self) -> list[Record]:
        """What was added since the last call, to be written down."""
        fresh, self._fresh = self._fresh, []
        return fresh
