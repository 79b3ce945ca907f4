"""The messages of a view that match a search key, found in the account's lane.

Some neighbours are asked together, as far as the key can do that, and the others of them one after the other.
"""

from array import array
from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain, compress

from mailnode.imap.members import Members
from mailnode.imap.narrowing import LOOKUPS, Narrowing
from mailnode.imap.needles import Needle, TextsUnread, seek, standing
from mailnode.imap.search_key import EVERY, Key
from mailnode.imap.selected import Selected
from mailnode.imap.subject import Subject
from mailnode.message.text import texts
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.wire.imap.sequence import common, last_of

TURNS = 32  # messages that are asked one by one between two chances for others to have their turn
_TOGETHER = 256  # which are asked together
_ANSWERS = 4096  # of keys, for each of several messages, likewise
_MOST = 2  # messages for each that can match, where all of them are asked
_STRETCHES = 256  # of a set, which are found out in no time
_SETS = 4  # of which that is done
_EVERY_TURN = 4096  # where all of them are wanted


@dataclass(slots=True)
class Matching:
    """A search; `unreadable` counts the messages of which nobody can tell now.

    With `scored`, `scores` has how relevant each of the messages is that were found (RFC 6203 section 4).
    With a `limit`, only the newest of the messages that the sets in the key name are looked at, so many, and
    `lowest` is the first UID of those; it is 0 where none was left out (RFC 9738).
    """

    view: Selected
    key: Key
    scored: bool = False
    limit: int = 0
    lowest: int = 0
    unreadable: int = 0
    looked: int = 0  # messages
    wanted: int = 0  # to be looked at
    scores: "array[int]" = field(default_factory=lambda: array("B"))

    def found(self, *, newest_first: bool = False) -> Iterator[Sequence[int]]:
        """Where the messages stand, some at a time, in the order of the mailbox or the other way round.

        Each, also an empty one, is a chance for others to have their turn.
        """
        self.begin()
        narrowing = Narrowing(self.view.mailbox)
        named = self._named()
        self.wanted = len(named)
        for positions in self._possible(narrowing, named, newest_first=newest_first):
            yield from self._among(positions, narrowing, newest_first=newest_first)
            self.looked += len(positions)

    def _among(
        self, positions: Sequence[int], narrowing: Narrowing, *, newest_first: bool
    ) -> Iterator[Sequence[int]]:
        """Those of some neighbours that match."""
        answers = self._together(positions, narrowing)
        if newest_first:
            positions, answers = positions[::-1], answers[::-1]
        if None not in answers:
            yield list(compress(positions, answers))
            return
        found: list[int] = []
        alone = 0
        for position, matches in zip(positions, answers, strict=True):
            if matches or (matches is None and (yield from self._alone(position, narrowing))):
                found.append(position)
            if matches is None:
                alone += 1
                if found or not alone % TURNS:
                    yield found
                    found = []
        self.view.mailbox.keep_texts()
        yield found

    def _alone(self, position: int, narrowing: Narrowing) -> Generator[Sequence[int], None, bool]:
        looking = self.look(position, narrowing)
        while True:
            try:
                next(looking)
            except StopIteration as answer:
                return bool(answer.value)
            yield ()

    def _together(self, positions: Sequence[int], narrowing: Narrowing) -> Sequence[bool | None]:
        """Whether the messages at these positions match; None for those that have to be asked alone."""
        unknown: Sequence[bool | None] = [None] * len(positions)
        if self.scored:
            return unknown
        try:
            return self.key.together(self.view, self.view.messages(positions), narrowing)
        except NoSuchMessage:
            there = [place for place in positions if self.view.mailbox.get(self.view.uids[place]) is not None]
            if len(there) == len(positions):
                return unknown
            answer_of = dict(zip(there, self._together(there, narrowing), strict=True))
            return [answer_of.get(place, False) for place in positions]
        except (OSError, Unread):
            return unknown

    def begin(self) -> None:
        """See the mailbox as it is now, and let the sets of messages in the key stand for those of the view.

        What another session has been told is done can be searched for, in whatever process it was done.
        """
        self.view.mailbox.refresh()
        for members in self.key.sets:
            members.bind(self.view)
        self.lowest = self._lowest() if self.limit else 0

    def _lowest(self) -> int:
        named = self._spans(range(len(self.view.uids)), self.key.within)
        kept, exceeded = last_of(named, self.limit)
        return self.view.uids[kept[0].start] if exceeded else 0

    def _named(self) -> Sequence[int]:
        """Positions outside of which no message matches, as far as sets of few stretches tell."""
        uids = self.view.uids
        newest = range(bisect_left(uids, self.lowest), len(uids))
        few = [members for members in self.key.within if members.stretches <= _STRETCHES]
        named = self._spans(newest, few[:_SETS])
        return named[0] if len(named) == 1 else array("I", chain.from_iterable(named))

    def _spans(self, span: range, sets: Sequence[Members]) -> list[range]:
        """What all these sets name of a stretch."""
        named = [span]
        for members in sets:
            named = list(common(named, list(members.positions(self.view))))
        return named

    def _possible(
        self, narrowing: Narrowing, named: Sequence[int], *, newest_first: bool
    ) -> Iterator[Sequence[int]]:
        """Where those messages stand that can match, some neighbours at a time, which ascend."""
        uids = self.view.uids
        possible = self.key.possible(narrowing)
        if possible is not None and self.lowest:
            possible = possible[bisect_left(possible, self.lowest) :]
        if possible is not None and _MOST * len(possible) > len(named):
            possible = None  # to look them up takes longer than to pass over the others
        wanted = named if possible is None else possible
        some_at_once = max(1, min(_TOGETHER, _ANSWERS // self.key.count))
        starts = range(0, len(wanted), some_at_once)
        for start in reversed(starts) if newest_first else starts:
            some = wanted[start : start + some_at_once]
            if possible is None:
                yield some
            else:
                places = ((bisect_left(uids, uid), uid) for uid in some)
                yield [place for place, uid in places if place < len(uids) and uids[place] == uid]

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
                    subject.found = yield from self._kept(subject)
                if subject.found is None:
                    subject.found = self._read(subject.uid)
                if subject.found is None:
                    all_texts = texts(subject.body.data, subject.rendered.parts)
                    subject.found = yield from seek(self.key.needles, all_texts)
                return self._matches(subject)
        except NoSuchMessage:
            return False
        except OSError:
            self.unreadable += 1
            return False

    def _kept(self, subject: Subject) -> Generator[None, None, AbstractSet[Needle] | None]:
        """The needles that stand in the kept texts of the message; None where it is better to read it once.

        There may be no texts, or so many needles that a look for each takes longer.
        """
        if len(self.key.needles) > LOOKUPS:
            return None
        found: set[Needle] = set()
        for needle in self.key.needles:
            held = self.view.mailbox.texts_holding((subject.uid,), needle.text, in_header=needle.in_header)
            if held == [None]:
                return None
            if held == [True]:
                found.add(needle)
            yield None
        return found

    def _read(self, uid: int) -> AbstractSet[Needle] | None:
        """The needles in the texts of a message that is read at once, and kept; None where that is not done.

        One of so many needles would be read again all the same.
        """
        said = self.view.mailbox.text(uid) if len(self.key.needles) <= LOOKUPS else None
        return None if said is None else standing(self.key.needles, said)

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
        for positions in self.found(newest_first=newest_first) if most != 0 else ():
            found.extend(positions)
            if most is not None and len(found) >= most:
                del found[most:], self.scores[most:]
                self.lowest = 0 if newest_first else self.lowest  # nothing is missing
                break
            yield b""
        if newest_first:
            found.reverse()
            self.scores.reverse()

    def modseq(self, positions: Iterable[int]) -> int:
        """The highest modification sequence of the messages there; 0 where nobody has asked for it."""
        if not self.key.modseqs:
            return 0
        get, uids = self.view.mailbox.get, self.view.uids
        return max((one.modseq for position in positions if (one := get(uids[position]))), default=0)

    def _everything(self, found: "array[int]") -> Iterator[bytes]:
        first = bisect_left(self.view.uids, self.lowest)
        if self.view.uids is self.view.mailbox.uids:
            found.extend(range(first, len(self.view.uids)))
            return
        get = self.view.mailbox.get
        for start in range(first, len(self.view.uids), _EVERY_TURN):
            uids = self.view.uids[start : start + _EVERY_TURN]
            found.extend([place for place, uid in enumerate(uids, start) if get(uid) is not None])
            yield b""


def numbers(view: Selected, positions: Sequence[int], *, by_uid: bool) -> "array[int]":
    """The UIDs or sequence numbers of the messages at these positions, in their order."""
    uids = view.uids
    return array("I", [uids[place] for place in positions] if by_uid else [place + 1 for place in positions])
