"""SORT and UID SORT (RFC 5256), also with result options (ESORT and CONTEXT=SORT, RFC 5267)."""

from array import array
from collections.abc import Iterator

from mailnode.imap import contexts, criteria, filters, results
from mailnode.imap.commands import search
from mailnode.imap.criteria import RELEVANCY, Criterion, Sorting
from mailnode.imap.matching import Matching, numbers
from mailnode.imap.replies import Refused, Reply, no, ok
from mailnode.imap.results import Response, Returning
from mailnode.imap.runs import NONE, Runs
from mailnode.imap.search_key import EVERY, Key
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.imap.sorted_contexts import SortedContext, can_follow
from mailnode.values import frozen, replace
from mailnode.wire.imap.cursor import Cursor

_PIECE = 1024  # numbers that are written at once


@frozen
class Sort:
    """What to find, in which order, and how to tell it; without `returning` by a SORT response."""

    criteria: tuple[Criterion, ...]
    key: Key
    by_uid: bool
    returning: Returning | None = None
    refusal: Refused | None = None

    @property
    def scored(self) -> bool:
        """Whether it asks how relevant each message is (RFC 6203 section 6)."""
        returned = self.returning is not None and RELEVANCY in self.returning.options
        return returned or any(criterion.name == RELEVANCY for criterion in self.criteria)


def parse(args: Cursor) -> Sort:
    """sort = "SORT" [search-return-opts] SP sort-criteria SP search-criteria"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Sort:
    """uid = "UID" SP sort"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Sort:
    returning = results.parse(args.sp())
    order = criteria.parse(args)
    try:
        sort = Sort(order, search.in_charset(args.sp()), by_uid, returning)
    except Refused as refusal:  # it is said by run(), which can forget the saved result
        return Sort(order, EVERY, by_uid, returning, refusal)
    filters.check_relevancy(sort.key, sort.scored)
    return sort


async def run(session: Session, sort: Sort) -> Reply:
    """One untagged response, also when nothing was found; a failed command empties what it was to save."""
    view = session.view
    with search.saving(view, sort.returning) as saved:
        if sort.refusal is not None:
            raise sort.refusal
        sort = replace(sort, key=await filters.filled(session, sort.key, scored=sort.scored))
        follow = contexts.wanted(session, sort.returning)
        if sort.key.modseqs:
            session.use_modseqs()
        if follow and not can_follow(sort.criteria):
            contexts.refuse(session, "What is sorted by relevancy sends no updates")
            follow = False
        found = Sorted(view, sort, session.tag, follow=follow)
        if follow:  # it has to be known before changes are told
            await session.send(found.chunks(), of=view.place.account)
        else:
            await session.answer(found.chunks())
        if found.trouble is not None:
            raise found.trouble
        if found.unreadable:
            return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
        if found.context is not None:
            view.contexts[session.tag] = found.context
        saved.append(found.kept)
    return ok("Sorted")


class Sorted:
    """The response, made in the account's lane while it is sent; there is none if anything goes wrong.

    With `follow`, chunks() leaves a context of what it has found.
    """

    def __init__(self, view: Selected, sort: Sort, tag: bytes, *, follow: bool = False) -> None:
        self.kept = NONE  # what is to be saved
        self.context: SortedContext | None = None
        self.trouble: Exception | None = None
        self._view = view
        self._sort = sort
        self._response = Response(tag, sort.by_uid)
        self._follow = follow
        self._matching = Matching(view, sort.key, scored=sort.scored)
        self._sorting = Sorting(view, sort.criteria)

    @property
    def unreadable(self) -> int:
        """Messages that cannot be read now."""
        return self._matching.unreadable + self._sorting.unreadable

    def chunks(self) -> Iterator[bytes]:
        """A SORT or an ESEARCH response."""
        positions = array("I")
        context = self._context() if self._follow else None
        try:
            yield from self._matching.collect(positions)
            positions, scores = yield from self._sorting.order(positions, self._matching.scores)
        except Exception as error:
            self.trouble = error
            return
        if context is not None:
            context.found_in_order(positions)
            self.context = context
        returning = self._sort.returning
        if returning is not None and returning.save:
            self.kept = Runs.at(sorted(returning.kept(positions)), self._view.uids)
        found = numbers(self._view, positions, by_uid=self._sort.by_uid)
        if returning is None:
            yield from _response(found, self._matching.modseq(positions))
        elif not returning.silent:
            modseq = self._matching.modseq(returning.kept(positions))
            yield from self._response.chunks(returning, found, scores, modseq)

    def _context(self) -> SortedContext:
        sort = self._sort
        items = sort.returning.items if sort.returning is not None else ()
        return SortedContext(Matching(self._view, sort.key), self._response, sort.criteria, items)


def _response(found: "array[int]", modseq: int) -> Iterator[bytes]:
    """sort-data = "SORT" [1*(SP nz-number) [SP search-sort-mod-seq]]"""
    yield b"* SORT"
    for start in range(0, len(found), _PIECE):
        yield (" " + " ".join(map(str, found[start : start + _PIECE]))).encode("ascii")
    yield results.mod_seq(modseq) + b"\r\n"
