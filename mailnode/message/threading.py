"""The threading algorithms (RFC 5256 section 3, draft-ietf-morg-inthread section 4).

Messages are numbers from 0 on, in the order of the mailbox; they are added one after the other, and threads()
gives the trees. Nothing here is recursive, as a thread may be as deep as the mailbox is long; all of it takes
O(n log n) steps, whatever the messages refer to.
"""

from array import array
from collections.abc import Iterator
from typing import Final, Protocol

from mailnode.message.ordering import Facts
from mailnode.message.slices import STEP, Steps, arranged
from mailnode.message.thread_links import Links

NONE: Final = -1


class Threads:
    """Trees in the order in which they are told. Nodes from `messages` on are dummies, and always roots."""

    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.roots: list[int] = []
        self.first = array("i", [NONE]) * messages  # child, by node
        self.next = array("i", [NONE]) * messages  # sibling, by message
        self._last = array("i", [NONE]) * messages

    def dummy(self) -> int:
        """One more root that is no message."""
        self.first.append(NONE)
        self._last.append(NONE)
        return len(self.first) - 1

    def add(self, parent: int, message: int) -> None:
        """Make a message the last child."""
        last = self._last[parent]
        if last == NONE:
            self.first[parent] = message
        else:
            self.next[last] = message
        self._last[parent] = message

    def below(self, root: int) -> Iterator[int]:
        """All messages of a thread."""
        if root < self.messages:
            yield root
        waiting = [self.first[root]]
        while waiting:
            node = waiting.pop()
            while node != NONE:
                yield node
                if self.next[node] != NONE:
                    waiting.append(self.next[node])
                node = self.first[node]


class Algorithm(Protocol):
    """What THREAD asks of one."""

    def add(self, facts: Facts, sent: int, arrived: int) -> None:
        """Take the next message; `sent` is its sent date, whatever tells it."""

    def threads(self) -> Steps[Threads]:
        """The trees of all messages."""


class OrderedSubject:
    """ORDEREDSUBJECT: those with the same base subject; all but the first are children of that."""

    def __init__(self) -> None:
        self._sent = array("q")
        self._subjects: list[bytes] = []

    def add(self, facts: Facts, sent: int, arrived: int) -> None:
        """Take the next message."""
        self._sent.append(sent)
        self._subjects.append(facts.subject)

    def threads(self) -> Steps[Threads]:
        """The trees, by the sent date of their first message."""
        threads = Threads(len(self._sent))
        order = yield from arranged(list(range(len(self._sent))), self._sent.__getitem__)
        firsts: dict[bytes, int] = {}
        for turn, message in enumerate(order):
            first = firsts.setdefault(self._subjects[message], message)
            if first == message:
                threads.roots.append(message)
            else:
                threads.add(first, message)
            if not turn % STEP:
                yield b""
        return threads


class Refs:
    """REFS: steps 1 to 3 and 6 of REFERENCES; threads are in the order of what arrived last in each."""

    def __init__(self) -> None:
        self._sent = array("q")
        self._arrived = array("q")
        self._links = Links()

    def add(self, facts: Facts, sent: int, arrived: int) -> None:
        """Take the next message."""
        self._sent.append(sent)
        self._arrived.append(arrived)
        self._links.add(facts.identity, facts.references)

    def threads(self) -> Steps[Threads]:
        """The trees."""
        order = yield from arranged(list(range(len(self._sent))), self._sent.__getitem__)
        places, dummies = yield from self._links.places()
        threads = yield from _built(order, places, dummies)
        latest: dict[int, int] = {}
        turn = 0
        for root in threads.roots:
            moment = 0
            for place, message in enumerate(threads.below(root)):
                arrived = self._arrived[message]
                moment = max(moment, arrived) if place else arrived
                turn += 1
                if not turn % STEP:
                    yield b""
            latest[root] = moment
        threads.roots = yield from arranged(threads.roots, latest.__getitem__)
        return threads


class References:
    """REFERENCES: by what messages refer to, and threads of the same subject together."""

    def __init__(self) -> None:
        self._sent = array("q")
        self._subjects: list[bytes] = []
        self._replies = bytearray()
        self._links = Links()

    def add(self, facts: Facts, sent: int, arrived: int) -> None:
        """Take the next message: step 1."""
        self._sent.append(sent)
        self._subjects.append(facts.subject)
        self._replies.append(facts.reply)
        self._links.add(facts.identity, facts.references)

    def threads(self) -> Steps[Threads]:
        """Steps 2 to 6."""
        order = yield from arranged(list(range(len(self._sent))), self._sent.__getitem__)
        places, dummies = yield from self._links.places()
        dummies = yield from self._merge(order, places, dummies)
        return (yield from _built(order, places, dummies))

    def _merge(self, order: list[int], places: "array[int]", dummies: int) -> Steps[int]:
        """Step 5; gives how many dummies there are then."""
        tops: list[tuple[int, int]] = []  # roots in order, each with the message that has its subject
        met: set[int] = set()
        for turn, message in enumerate(order):
            place = places[message]
            top = message if place == NONE else place
            if (place == NONE or top >= len(places)) and top not in met:
                met.add(top)
                if self._subjects[message]:
                    tops.append((top, message))
            if not turn % STEP:
                yield b""
        table = yield from self._table(tops)
        moved: dict[int, int] = {}  # dummies that are one with another
        for turn, (top, message) in enumerate(tops):
            subject = self._subjects[message]
            held = table[subject]
            if held != top:
                target = self._together(top, held, len(places) + dummies)
                if target >= len(places) + dummies:
                    dummies += 1
                    places[held] = table[subject] = target
                if top >= len(places):
                    moved[top] = target
                else:
                    places[top] = target
            if not turn % STEP:
                yield b""
        for message in order if moved else ():
            places[message] = moved.get(places[message], places[message])
        return dummies

    def _table(self, tops: list[tuple[int, int]]) -> Steps[dict[bytes, int]]:
        """The subject table: a dummy where there is one, else what is no reply, else the first."""
        table: dict[bytes, int] = {}
        count = len(self._sent)
        for turn, (top, message) in enumerate(tops):
            held = table.setdefault(self._subjects[message], top)
            if held < count and (top >= count or (self._replies[held] and not self._replies[top])):
                table[self._subjects[message]] = top
            if not turn % STEP:
                yield b""
        return table

    def _together(self, top: int, held: int, new_dummy: int) -> int:
        """What both threads go under: the one in the table, or a new dummy."""
        count = len(self._sent)
        if held >= count or (top < count and self._replies[top] and not self._replies[held]):
            return held
        return new_dummy


def _built(order: list[int], places: "array[int]", dummies: int) -> Steps[Threads]:
    """The trees, by what each message is under: steps 4 and 6, as siblings come in the order of their dates.

    A place is a message, a dummy, or NONE.
    """
    threads = Threads(len(places))
    for _ in range(dummies):
        threads.dummy()
    met = bytearray(dummies)
    for turn, message in enumerate(order):
        place = places[message]
        if place == NONE:
            threads.roots.append(message)
        else:
            if place >= len(places) and not met[place - len(places)]:
                met[place - len(places)] = True
                threads.roots.append(place)
            threads.add(place, message)
        if not turn % STEP:
            yield b""
    return threads
