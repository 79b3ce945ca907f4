"""The patterns of the parsers cannot backtrack without end: told by their shape, not by a clock.

Two things make a pattern costly: a repetition within a repetition, where one text can be shared out between
them in many ways; and a repeated choice, two of whose ways begin alike. Neither is a problem where the octet
that comes next always tells which way it goes.
"""

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire import address, smtp, spf
from mailnode.wire.imap import url

ALPHABET = frozenset(range(256)) | {0x20AC, 0x10FFFF}  # as much as tells classes apart
MANY = re._constants.MAXREPEAT  # type: ignore[attr-defined]
Nodes = Any  # what re._parser gives: a sequence of (operation, arguments)


def patterns(module: ModuleType) -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    """The patterns of a module, with their names."""
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern):
            yield f"{module.__name__}.{name}", value


def one(operation: str, argument: Any) -> frozenset[int]:
    """What a node for one character can be."""
    if operation == "LITERAL":
        return frozenset([argument])
    if operation == "NOT_LITERAL":
        return ALPHABET - {argument}
    if operation == "ANY":
        return ALPHABET
    if operation == "RANGE":
        return frozenset(code for code in ALPHABET if argument[0] <= code <= argument[1])
    if operation == "IN":
        negated = str(argument[0][0]) == "NEGATE"
        found = frozenset().union(*(one(str(kind), value) for kind, value in argument[negated:]))
        return ALPHABET - found if negated else found
    raise AssertionError(f"{operation} is not known here")


def first(nodes: Nodes) -> tuple[frozenset[int], bool]:
    """What the text can begin with, and whether it can be empty."""
    found: frozenset[int] = frozenset()
    for operation, argument in nodes:
        begins, empty = first_of(str(operation), argument)
        found |= begins
        if not empty:
            return found, False
    return found, True


def first_of(operation: str, argument: Any) -> tuple[frozenset[int], bool]:
    """The same for one node."""
    if operation == "SUBPATTERN":
        return first(argument[3])
    if operation == "MAX_REPEAT":
        begins, empty = first(argument[2])
        return begins, empty or argument[0] == 0
    if operation == "BRANCH":
        ways = [first(way) for way in argument[1]]
        return frozenset().union(*(begins for begins, _ in ways)), any(empty for _, empty in ways)
    return one(operation, argument), False


def inside(nodes: Nodes) -> Iterator[tuple[str, Any]]:
    """All nodes, however deep."""
    for operation, argument in nodes:
        yield str(operation), argument
        parts = {"SUBPATTERN": lambda a: [a[3]], "MAX_REPEAT": lambda a: [a[2]], "BRANCH": lambda a: a[1]}
        for part in parts.get(str(operation), lambda a: [])(argument):
            yield from inside(part)


def complaints(pattern: str | bytes) -> list[str]:
    """What is wrong with the shape."""
    found = []
    for operation, argument in inside(re._parser.parse(pattern)):  # type: ignore[attr-defined]
        if operation != "MAX_REPEAT" or argument[1] != MANY:
            continue
        begins, empty = first(argument[2])
        if empty:
            found.append("what is repeated can be empty")
        for within, deeper in inside(argument[2]):
            if within == "MAX_REPEAT" and deeper[1] == MANY and begins & first(deeper[2])[0]:
                found.append("a repetition within one that begins alike")
            if within == "BRANCH":
                ways = [first(way)[0] for way in deeper[1]]
                if sum(map(len, ways)) > len(frozenset().union(*ways)):
                    found.append("two ways of a choice begin alike")
    return found


class Linear(SynchronousTestCase):
    """Every pattern of some modules."""

    def test_shapes(self) -> None:
        """None of them can be led into more work than the text is long, some times over."""
        found = [one for module in (address, smtp, spf, url) for one in patterns(module)]
        self.assertGreater(len(found), 10)
        for name, pattern in found:
            self.assertEqual(complaints(pattern.pattern), [], name)

    def test_costly_shapes_are_seen(self) -> None:
        """The classic ones."""
        for pattern in (
            r"(a+)+b",
            r"(?:ab|[a-z]c)*",
            r"(?:a*)*",
            r"(?:[a-z]+\.?)*@",
            r"(?:x|[^y])*",
            r"(\w?a*)*",
        ):
            self.assertNotEqual(complaints(pattern.replace(r"\w", "[a-z]")), [], pattern)
        for pattern in (r"a+(?:\.a+)*", r"(?:[^\\]|\\.)*", r"a*b*", rb"x(?:=[!-~]+)?"):
            self.assertEqual(complaints(pattern), [], pattern)
