"""Who is the parent of whom, by message-ids: steps 1 to 3 of REFERENCES (RFC 5256 section 3).

A node stands for a message, or for a message-id that some message refers to and none has: a dummy. Nodes come
into being in the order in which they are named.
"""

from array import array
from collections.abc import Iterable
from typing import Final

from mailnode.message.forest import Forest
from mailnode.message.slices import STEP, Steps

NONE: Final = -1


class Links:
    """The nodes and their parents. Messages are numbers from 0 on, in the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: dict[bytes, int] = {}  # by message-id
        self._message = array("i")  # by node; NONE for a dummy
        self._parent = array("i")
        self._is_parent = bytearray()  # or was one
        self._forest = Forest()
        self._node_of = array("i")  # by message

    def add(self, identity: bytes, references: Iterable[bytes]) -> None:
        """Step 1: take the next message. Without a message-id, or with that of another, it has its own."""
        previous = NONE
        for reference in references:
            node = self._named(reference)
            if previous != NONE and self._parent[node] == NONE:
                self._join(node, previous)
            previous = node
        node = self._own(identity)
        if self._parent[node] != previous:
            if self._parent[node] != NONE:
                self._forest.cut(node)
                self._parent[node] = NONE
            if previous != NONE:
                self._join(node, previous)

    def _new(self) -> int:
        self._message.append(NONE)
        self._parent.append(NONE)
        self._is_parent.append(False)
        self._forest.grow()
        return len(self._parent) - 1

    def _named(self, identity: bytes) -> int:
        node = self._nodes.get(identity)
        if node is None:
            node = self._nodes[identity] = self._new()
        return node

    def _own(self, identity: bytes) -> int:
        node = self._named(identity) if identity else self._new()
        if self._message[node] != NONE:
            node = self._new()
        self._message[node] = len(self._node_of)
        self._node_of.append(node)
        return node

    def _join(self, node: int, parent: int) -> None:
        """Give a root a parent, unless that is below it.

        Only a node that has something below it can be above another, and only of one that has a parent.
        """
        if node == parent:
            return
        if self._is_parent[node] and self._parent[parent] != NONE and self._forest.root(parent) == node:
            return
        self._forest.join(node, parent)
        self._parent[node] = parent
        self._is_parent[parent] = True

    def places(self) -> "Steps[tuple[array[int], int]]":
        """Steps 2 and 3: what each message is under, and how many dummies are left.

        That is a message, or NONE, or one of the dummies, which are numbered on from the last message.
        """
        above = yield from self._above()
        count = len(self._node_of)
        members: dict[int, int] = {}  # of dummies at the top
        for node in self._node_of:
            if above[node] != NONE and self._message[above[node]] == NONE:
                members[above[node]] = members.get(above[node], 0) + 1
        yield b""
        numbers: dict[int, int] = {}
        places = array("i")
        for turn, node in enumerate(self._node_of):
            place = above[node]
            if place != NONE and self._message[place] != NONE:
                place = self._message[place]
            elif place != NONE:
                place = numbers.setdefault(place, count + len(numbers)) if members[place] > 1 else NONE
            places.append(place)
            if not turn % STEP:
                yield b""
        return places, len(numbers)

    def _above(self) -> "Steps[array[int]]":
        """By node: the next message above it, or else the dummy at the top; NONE for what is at the top."""
        above = array("i", [NONE]) * len(self._parent)
        known = bytearray(len(self._parent))
        turn = 0
        for start in range(len(self._parent)):
            way = []
            node = start
            while not known[node]:
                way.append(node)
                known[node] = True
                parent = self._parent[node]
                if parent == NONE or self._message[parent] != NONE:
                    break
                node = parent
            for node in reversed(way):
                parent = self._parent[node]
                through = parent != NONE and self._message[parent] == NONE and self._parent[parent] != NONE
                above[node] = above[parent] if through else parent
                turn += 1
                if not turn % STEP:
                    yield b""
        return above
