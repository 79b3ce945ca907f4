"""Searches that are kept under a name, in annotations of the server (FILTERS, RFC 5466).

A filter is one search key, as if its value stood in parentheses: so it means the same behind NOT and OR. Its
name has no case, as names of annotations have none.
"""

import re
from collections.abc import Mapping

from mailnode.imap import search_keys, uidonly
from mailnode.imap.replies import Refused
from mailnode.imap.search_key import Hole, Key
from mailnode.imap.search_keys import KEYS
from mailnode.imap.session import Session
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import announcement
from mailnode.wire.imap.cursor import Cursor

PRIVATE, SHARED = "/private/filters/values/", "/shared/filters/values/"
PASSES = 5  # a filter in a filter in a filter
FILTERS = 50  # in one command, those in others included

_NAME = re.compile(r"[!#$&'+,.0-9:;<=>?@A-Z\[^_`a-z|}~-]+")  # 1*<any ATOM-CHAR except "/">


def check_relevancy(key: Key, scored: bool) -> None:
    """Raise BadSyntax where it is asked how well messages match FUZZY keys, of which there are none."""
    if scored and not key.fuzzy and not key.holes:
        raise BadSyntax("RELEVANCY is that of FUZZY keys, and there is none")


async def filled(session: Session, key: Key, *, scored: bool = False) -> Key:
    """The key with the filters that it names, ready to be searched for.

    Raises Refused, BadSyntax as check_relevancy() does, and BadWithCode where numbers are not taken.
    """
    if key.holes:
        values = await session.lane(session.account.store.annotations.entries, None)
        key = _Filling(values).fill(key, ())
        check_relevancy(key, scored)
    if key.by_number:
        uidonly.refuse_numbers(session.enabled)
    return key


def check(name: str, value: bytes | None) -> None:
    """Raise Refused for a filter that cannot be kept; those in it may come later."""
    if not _NAME.fullmatch(name):
        raise Refused(b"CANNOT", "That is not the name of a filter")
    if value is not None:
        try:
            _limited(criteria(value))
        except BadSyntax:
            raise Refused(b"CANNOT", "The filter is not a search that can be done") from None


def _limited(key: Key) -> Key:
    if key.count > KEYS:
        raise Refused(b"LIMIT", f"A search has at most {KEYS} keys")
    return key


def criteria(value: bytes, depth: int = 0) -> Key:
    """search-criteria = search-key *(SP search-key), with literals as in a command. Raises BadSyntax."""
    texts: list[bytes] = []
    literals: list[bytes] = []
    line, end, rest = value.partition(b"\r\n")
    while end:
        announced = announcement(line)
        if announced is None or announced.size > len(rest):
            raise BadSyntax("Literal expected")
        texts.append(line[: line.rindex(b"{")])
        literals.append(rest[: announced.size])
        line, end, rest = rest[announced.size :].partition(b"\r\n")
    args = Cursor([*texts, line], literals)
    key = search_keys.parse_all(args, depth)
    args.end()
    return key


class _Filling:
    """One search; `values` are the annotations of the server."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = values
        self._count = 0

    def fill(self, key: Key, within: tuple[str, ...]) -> Key:
        """Put filters in the place of holes, `within` the filters of these names. Raises Refused."""
        return _limited(key.fill(lambda hole: self._put(hole, within)))

    def _put(self, hole: Hole, within: tuple[str, ...]) -> Key:
        self._count += 1
        if self._count > FILTERS:
            raise Refused(b"LIMIT", f"A search has at most {FILTERS} filters")
        name = hole.name.lower()
        value = self._values.get(PRIVATE + name, self._values.get(SHARED + name))
        if value is None or name in within or len(within) == PASSES:
            raise _undefined(hole)
        try:
            inner = criteria(value, hole.depth + 1)
        except BadSyntax:
            raise _undefined(hole) from None
        return self.fill(inner, (*within, name))


def _undefined(hole: Hole) -> Refused:
    """resp-text-code =/ "UNDEFINED-FILTER" SP filter-name"""
    return Refused(b"UNDEFINED-FILTER " + hole.name.encode("ascii"), "There is no such filter")
