"""What the account's text index knows of one folder; every failure in it is only a gap, as in store.cache."""

import sqlite3
from array import array
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from mailnode.store.context import Context
from mailnode.store.text_index import Addition, Found, Held, Text, TextIndex
from mailnode.store.text_words import Where

T = TypeVar("T")


class FolderText:
    """The texts of the folder with this G and UIDVALIDITY; messages up to the UID `until` are taken care of.

    Where there is no text index, `until` only counts what this object was told.
    """

    def __init__(self, context: Context, guid: str, validity: int) -> None:
        self._context = context
        self._guid = guid
        self._validity = validity
        self.until = 0
        self._seen = True  # whether `until` is what the index says
        self._apart = False

    def _tried(self, work: Callable[[TextIndex], T], *, absent: T, failed: T, make: bool = False) -> T:
        if self._apart:
            return absent
        try:
            index = self._context.text_index(make=make)
            return absent if index is None else work(index)
        except (sqlite3.OperationalError, OSError):
            self._context.close()  # locked, or out of disk: it may be all right later
        except (sqlite3.Error, ValueError, OverflowError):  # the last of a UID that is none
            self._context.discard_text_index()
        return failed

    @property
    def wanted(self) -> bool:
        """Whether texts are of any use."""
        return self._context.text_wanted

    def open(self) -> None:
        """See what was indexed before; nothing is believed of what cannot be seen now."""
        until = self._tried(
            lambda index: index.coverage(self._guid, self._validity).until, absent=0, failed=-1
        )
        self._seen = until >= 0
        self.until = max(until, 0)

    def stay_apart(self) -> None:
        """Do without the index: which of its messages are still the same ones is not known."""
        self._apart = True
        self.until = 0

    def look_again(self) -> None:
        """See whether the index was lost or started anew since."""
        if self.wanted and not self._apart:
            self.open()

    def distrust(self, uids: Sequence[int]) -> None:
        """Messages that nobody remembers under these UIDs: what was indexed under them may be others.

        An index that cannot be told of it now, as it is locked or the disk is full, is thrown away.
        """
        if not uids or (self._seen and min(uids) > self.until):
            return
        self.until = 0

        def forget(index: TextIndex) -> bool:
            index.forget(self._guid)
            return True

        if not self._tried(forget, absent=True, failed=False):
            self._context.discard_text_index()

    def candidates(self, needle: str) -> tuple[AbstractSet[int], int] | None:
        """The messages that may hold a folded string, up to a UID; None when nothing can be said."""
        return self._tried(
            lambda index: index.candidates(self._guid, self._validity, needle), absent=None, failed=None
        )

    def found(self, needle: str, where: Where, uids: "array[int]") -> Found | None:
        """Which of these messages hold a folded string, as far as is known; None when nothing can be said."""
        return self._tried(
            lambda index: index.found(self._guid, self._validity, needle, where, uids),
            absent=None,
            failed=None,
        )

    def called(self, uids: Sequence[int], bases: Sequence[str], folder: int = 0) -> list[bool] | None:
        """Whether what is known of messages in order of UID is of messages with these base names.

        What is known in a folder of this number, if that is given. None where nobody can tell now.
        """

        def called(index: TextIndex) -> list[bool] | None:
            return index.called(folder or index.coverage(self._guid, self._validity).id, uids, bases)

        return self._tried(called, absent=None, failed=None)

    def held(self, needle: bytes, uids: Sequence[int], *, in_header: bool) -> Held:
        """Whether a folded string stands in the texts of messages in order of UID, as far as is known."""
        return self._tried(
            lambda index: index.held(self._guid, self._validity, needle, uids, in_header=in_header),
            absent={},
            failed={},
        )

    def drop(self, uids: Sequence[int]) -> None:
        """These messages are gone. Texts that cannot be removed now stay, and are nobody's."""
        if uids:
            self._tried(lambda index: index.drop(self._guid, self._validity, uids), absent=None, failed=None)

    def keep(self, texts: Sequence[Text], is_there: Callable[[Text], bool]) -> None:
        """Keep the texts of messages that had to be read, of those that are there; see TextIndex.keep()."""

        def keep(index: TextIndex) -> None:
            index.keep(self._guid, self._validity, texts, is_there)

        self._tried(keep, absent=None, failed=None, make=True)

    def extend(self, since: int, until: int, texts: Sequence[Text], passed_over: Sequence[int]) -> None:
        """Add the messages above the UID `since` up to `until`: their texts, and those that have none here.

        What cannot be added is left out: a search reads these messages, as the index does not speak of them.
        """

        def extend(index: TextIndex) -> bool:
            part = Addition(since=since, until=until, texts=texts, passed_over=passed_over)
            return index.extend(self._guid, self._validity, part)

        if self._tried(extend, absent=True, failed=True, make=True):
            self.until = until
        else:
            self.open()

    def clean_up(self) -> bool:
        """All is added: start anew, and say so, when most of what is indexed is gone from the account."""

        def start_anew(index: TextIndex) -> bool:
            index.have_done()
            garbage = index.mostly_garbage(self._context.index().messages())
            if garbage:
                index.start_anew()
            return garbage

        anew = self._tried(start_anew, absent=False, failed=False)
        if anew:
            self.until = 0
        return anew
