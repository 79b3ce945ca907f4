"""What a searching command is to return, and the ESEARCH response that does it (RFC 4731, 4466 section 2.6).

A searching command finds messages in an order of its own: SEARCH in that of the mailbox, SORT in the one that
was asked for. It reads its options with parse(), and hands the numbers that it found, sequence numbers or
UIDs, to Response. `Returning.kept` says which of them are the saved result (RFC 5182 section 2.4).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby
from typing import Any

from mailnode.imap import fetch_items
from mailnode.imap.commands import arguments
from mailnode.imap.fetch_items import Item
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import partial, sequence
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.partial import Partial
from mailnode.wire.imap.writer import string

_ALL_FOUND = frozenset(("ALL", "COUNT"))
_SOME_FOUND = frozenset(("MIN", "MAX", "PARTIAL"))


@frozen
class Returning:
    """search-return-opts: the options by their names, the range of PARTIAL, the items of UPDATE."""

    options: frozenset[str]
    partial: Partial | None = None
    items: tuple[Item, ...] = ()

    @property
    def save(self) -> bool:
        """Whether the result is to be saved."""
        return "SAVE" in self.options

    @property
    def silent(self) -> bool:
        """Whether no response is wanted: SAVE is the only option (RFC 5182 section 1)."""
        return self.options == {"SAVE"}

    @property
    def newest_first(self) -> bool:
        """Whether the search may begin at the end of the mailbox."""
        return self._looks_at("MAX", newest=True)

    @property
    def most(self) -> int | None:
        """How many messages are enough, from where the search begins; None for all that there are."""
        if not self.newest_first and not self._looks_at("MIN", newest=False):
            return None
        return 1 if self.partial is None else self.partial.last

    def _looks_at(self, end: str, *, newest: bool) -> bool:
        """Whether all that is wanted stands at one end of the results."""
        wanted = self.options - {"SAVE", "RELEVANCY", "CONTEXT"}
        if self.partial is None:
            return wanted == {end}
        return self.partial.newest is newest and wanted <= {end, "PARTIAL"}

    def kept(self, found: Sequence[int]) -> Iterable[int]:
        """The saved result, in the order of what was found (RFC 5182 section 2.4, RFC 9394 section 3.2)."""
        if self.options & _ALL_FOUND or not self.options & _SOME_FOUND:
            return found
        return (found[index] for index in self._shown(len(found)))

    def scored(self, scores: Sequence[int]) -> Iterable[int]:
        """The scores of the messages that the response names; of all that were found if it names none."""
        if "ALL" in self.options or not self.options & _SOME_FOUND:
            return scores
        return (scores[index] for index in self._shown(len(scores)))

    def _shown(self, count: int) -> Iterator[int]:
        """The places of those results that MIN, MAX and PARTIAL give."""
        first = [0] if count and "MIN" in self.options else []
        last = [count - 1] if count and "MAX" in self.options else []
        inside = self.partial.indexes(count) if self.partial is not None else ()
        return (index for index, _ in groupby(merge(first, inside, last)))


EVERYTHING = Returning(frozenset(("ALL",)))


# Options


def _update(args: Cursor) -> tuple[Item, ...]:
    """modifier-update = "UPDATE" [SP "(" fetch-att *(SP fetch-att) ")"] (RFC 5465 section 8)"""
    return fetch_items.parse_kept(args.sp()) if args.at(b" (") else ()


RETURN_OPTIONS: Mapping[str, Callable[[Cursor], Any]] = {
    "MIN": arguments.flag,
    "MAX": arguments.flag,
    "ALL": arguments.flag,
    "COUNT": arguments.flag,
    "SAVE": arguments.flag,
    "PARTIAL": partial.parse,
    "RELEVANCY": arguments.flag,
    "UPDATE": _update,
    "CONTEXT": arguments.flag,  # a hint, of which nothing is made
}


def parse(args: Cursor, known: Mapping[str, Callable[[Cursor], Any]] = RETURN_OPTIONS) -> Returning | None:
    """["RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" SP]; None where it is not there.

    Raises BadSyntax for options that are not known, or do not go together.
    """
    if not args.accept_keyword("RETURN"):
        return None
    options = arguments.options(args.sp(), known, empty=True)
    args.sp()
    if "PARTIAL" in options and "ALL" in options:
        raise BadSyntax("PARTIAL and ALL exclude each other")
    if not options:
        return EVERYTHING
    return Returning(frozenset(options), options.get("PARTIAL"), options.get("UPDATE", ()))


# The response


@frozen
class Response:
    """esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)

    search-correlator = SP "(" one-correlator *(SP one-correlator) ")"

    The tag names the command; `mailbox` is the name on the wire and the UIDVALIDITY of RFC 7377.
    """

    tag: bytes
    by_uid: bool
    mailbox: tuple[bytes, int] | None = None

    @property
    def start(self) -> bytes:
        """What stands before the data."""
        correlator = b"TAG " + string(self.tag)
        if self.mailbox is not None:
            correlator += b" MAILBOX %b UIDVALIDITY %d" % self.mailbox
        return b"* ESEARCH (%b)%b" % (correlator, b" UID" if self.by_uid else b"")

    def chunks(
        self,
        returning: Returning,
        found: Sequence[int],
        scores: Sequence[int] = (),
        modseq: int = 0,
    ) -> Iterator[bytes]:
        """The whole line, in pieces.

        `found` is in the order of the command, `scores` say how relevant each of them is, `modseq` is the
        highest modification sequence of those that `kept` gives, if it is to be told (RFC 4731 section 3.2).
        """
        yield self.start
        options = returning.options
        if found and "MIN" in options:
            yield b" MIN %d" % found[0]
        if found and "MAX" in options:
            yield b" MAX %d" % found[-1]
        if "COUNT" in options:
            yield b" COUNT %d" % len(found)
        if found and "ALL" in options:
            yield b" ALL "
            yield from sequence.pieces(found)
        if returning.partial is not None:
            yield from _partial_results(returning.partial, found)
        if "RELEVANCY" in options:
            yield from _score_list(returning.scored(scores))
        if modseq:
            yield b" MODSEQ %d" % modseq
        yield b"\r\n"


def mod_seq(modseq: int) -> bytes:
    """[SP search-sort-mod-seq] = SP "(" "MODSEQ" SP mod-sequence-value ")" (RFC 7162 section 3.1.6)"""
    return b" (MODSEQ %d)" % modseq if modseq else b""


def _partial_results(wanted: Partial, found: Sequence[int]) -> Iterator[bytes]:
    """ret-data-partial = "PARTIAL" SP "(" partial-range SP partial-results ")" """
    indexes = wanted.indexes(len(found))
    yield b" PARTIAL (%b " % wanted.text
    yield from sequence.pieces(found[index] for index in indexes) if indexes else (b"NIL",)
    yield b")"


def _score_list(scores: Iterable[int]) -> Iterator[bytes]:
    """score-list = "(" [score *(SP score)] ")" """
    yield b" RELEVANCY ("
    start = b""
    for score in scores:
        yield start + b"%d" % score
        start = b" "
    yield b")"
