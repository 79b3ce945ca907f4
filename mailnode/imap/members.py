"""The sets of messages in the keys of a search, as they are in one view.

A program is read before anybody knows in which mailboxes it will look. So its sets are bound to a view when
the search begins there, and bound again for the next one.
"""

from collections.abc import Iterator, Sequence
from heapq import merge

from mailnode.imap.runs import NONE, Runs
from mailnode.imap.selected import Selected
from mailnode.wire.imap.sequence import SequenceSet, joined


class Members:
    """The messages that a sequence-set names; numbers and UIDs that no message has name none."""

    def __init__(self, messages: SequenceSet, *, by_uid: bool) -> None:
        self._messages = messages
        self._by_uid = by_uid
        self._named = self._saved = NONE

    @property
    def by_number(self) -> bool:
        """Whether it is one of sequence numbers, or "$" among them."""
        return not self._by_uid

    def bind(self, view: Selected) -> None:
        """Let the set stand for what it names in this view at this moment."""
        self._saved = view.saved if self._messages.saved else NONE
        self._name(view)

    def follow(self, view: Selected) -> None:
        """Let UIDs name messages that have come to the view since.

        What sequence numbers and "$" stood for is not changed by that.
        """
        if self._by_uid:
            self._name(view)

    def _name(self, view: Selected) -> None:
        uids = view.uids
        spans = self._messages.uids(uids) if self._by_uid else self._messages.existing_numbers(len(uids))
        self._named = Runs(spans, uids)

    @property
    def stretches(self) -> int:
        """Of how many runs of neighbours it is made."""
        return len(self._named) + len(self._saved)

    def positions(self, view: Selected) -> Iterator[range]:
        """Where they stand, ascending."""
        both = (runs.positions(view.uids) for runs in (self._named, self._saved))
        return joined(merge(*both, key=lambda span: span.start))

    def __contains__(self, uid: int) -> bool:
        return uid in self._named or uid in self._saved

    def holding(self, uids: Sequence[int]) -> list[bool]:
        """Which messages of a view are in it, by their UIDs, which ascend."""
        if uids and any(runs.span(uids[0], uids[-1]) for runs in (self._named, self._saved)):
            return [True] * len(uids)
        return [uid in self for uid in uids]
