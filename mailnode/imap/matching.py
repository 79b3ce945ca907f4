"""The messages of a view that match a search key, found one after the other in the account's lane."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mailnode.imap.narrowing import Narrowing
from mailnode.imap.needles import TextsUnread, seek
from mailnode.imap.search_key import EVERY, Key
from mailnode.imap.selected import Selected
from mailnode.imap.subject import Subject
from mailnode.message.text import texts
from mailnode.store.errors import NoSuchMessage
from mailnode.store.messages import Message

TURNS = 32  # messages between two chances for others to have their turn
_EVERY_TURN = 4096  # where all of them are wanted


@dataclass(slots=True)
class Matching:
    """A search; `unreadable` counts the messages of which nobody can tell now.

    With `scored`, `scores` has how relevant each of the messages is that were found (RFC 6203 section 4).
    """

    view: Selected
    key: Key
    scored: bool = False
    unreadable: int = 0
    looked: int = 0  # messages
    scores: "array[int]" = field(default_factory=lambda: array("B"))

    def positions(self, *, newest_first: bool = False) -> Iterator[int | None]:
        """Where the messages stand, in the order of the mailbox or the other way round.

        None is a chance for others to have their turn.
        """
        self.begin()
        narrowing = Narrowing(self.view.mailbox.candidates)
        for turn, position in enumerate(self._possible(narrowing, newest_first=newest_first)):
            self.looked = turn
            if (yield from self.look(position, narrowing)):
                yield position
            elif not turn % TURNS:
                yield None

    def begin(self) -> None:
        """See the mailbox as it is now, and let the sets of messages in the key stand for those of the view.

        What another session has been told is done can be searched for, in whatever process it was done.
        """
        self.view.mailbox.sync()
        for members in self.key.sets:
            members.bind(self.view)

    def _possible(self, narrowing: Narrowing, *, newest_first: bool) -> Iterator[int]:
        """Where those messages stand that can match."""
        uids = self.view.uids
        possible = self.key.possible(narrowing)
        if possible is None:
            everywhere = range(len(uids))
            return reversed(everywhere) if newest_first else iter(everywhere)
        ordered = reversed(possible) if newest_first else possible
        places = ((bisect_left(uids, uid), uid) for uid in ordered)
        return (place for place, uid in places if place < len(uids) and uids[place] == uid)

    def ask(self, position: int) -> Generator[bytes, None, bool]:
        """Whether the message at a position matches; with empty chunks, for others to have their turn."""
        looking = self.look(position)
        while True:
            try:
                next(looking)
            except StopIteration as answer:
                return bool(answer.value)
            yield b""

    def look(self, position: int, narrowing: Narrowing | None = None) -> Generator[None, None, bool]:
        """Whether the message at a position matches; one that has gone does not."""
        try:
            with Subject(self.view, position, narrowing) as subject:
                try:
                    return self._matches(subject)
                except TextsUnread:
                    all_texts = texts(subject.body.data, subject.rendered.parts)
                    subject.found = yield from seek(self.key.needles, all_texts)
                return self._matches(subject)
        except NoSuchMessage:
            return False
        except OSError:
            self.unreadable += 1
            return False

    def _matches(self, subject: Subject) -> bool:
        if not self.key.matches(subject):
            return False
        if self.scored:
            self.scores.append(self.key.relevancy(subject))
        return True

    def collect(
        self, found: "array[int]", *, newest_first: bool = False, most: int | None = None
    ) -> Iterator[bytes]:
        """Put the positions into `found`, `most` of them at most, in the order of the mailbox.

        Gives empty chunks, for others to have their turn.
        """
        if self.key is EVERY and most is None:
            self.begin()
            yield from self._everything(found)
            return
        if self.key.of_message is not None and most is None and not self.scored:
            yield from self._asked(self.key.of_message, found)
            return
        for position in self.positions(newest_first=newest_first) if most != 0 else ():
            if position is not None:
                found.append(position)
                if len(found) == most:
                    break
            yield b""
        if newest_first:
            found.reverse()
            self.scores.reverse()

    def _asked(self, matches: Callable[[Message], bool], found: "array[int]") -> Iterator[bytes]:
        """The same for a key that needs only the messages: they are in memory."""
        self.begin()
        get, uids = self.view.mailbox.get, self.view.uids
        for start in range(0, len(uids), _EVERY_TURN):
            self.looked = start
            some = enumerate(uids[start : start + _EVERY_TURN], start)
            found.extend([place for place, uid in some if (one := get(uid)) is not None and matches(one)])
            yield b""

    def modseq(self, positions: Iterable[int]) -> int:
        """The highest modification sequence of the messages there; 0 where nobody has asked for it."""
        if not self.key.modseqs:
            return 0
        get, uids = self.view.mailbox.get, self.view.uids
        return max((one.modseq for position in positions if (one := get(uids[position]))), default=0)

    def _everything(self, found: "array[int]") -> Iterator[bytes]:
        if self.view.uids is self.view.mailbox.uids:
            found.extend(range(len(self.view.uids)))
            return
        get = self.view.mailbox.get
        for start in range(0, len(self.view.uids), _EVERY_TURN):
            uids = self.view.uids[start : start + _EVERY_TURN]
            found.extend([place for place, uid in enumerate(uids, start) if get(uid) is not None])
            yield b""


def numbers(view: Selected, positions: Sequence[int], *, by_uid: bool) -> "array[int]":
    """The UIDs or sequence numbers of the messages at these positions, in their order."""
    return array("I", map(view.uids.__getitem__ if by_uid else (1).__add__, positions))
