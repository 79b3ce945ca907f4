"""SEARCH and UID SEARCH (RFC 3501 sections 6.4.4, 6.4.8), with result options (RFC 4731, RFC 9051)."""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailnode.imap import contexts, filters, message_limit, results, search_keys
from mailnode.imap.contexts import Context
from mailnode.imap.matching import Matching, numbers
from mailnode.imap.replies import BadWithCode, Refused, Reply, no, ok
from mailnode.imap.results import EVERYTHING, Response, Returning
from mailnode.imap.runs import NONE, Runs
from mailnode.imap.search_key import EVERY, Key
from mailnode.imap.search_keys import KEYS
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

CHARSETS = (b"US-ASCII", b"UTF-8")
_NICKNAMES = (b"ASCII", b"UTF8")  # what Python and its programs call them


@frozen
class Search:
    """What to find, how to name what was found, and what to say of it; None: a SEARCH response."""

    key: Key
    by_uid: bool
    returning: Returning | None = None
    refusal: Refused | None = None
    charset: bool = False  # whether one was named

    @property
    def scored(self) -> bool:
        """Whether it asks how relevant each message is (RFC 6203 section 4)."""
        return self.returning is not None and "RELEVANCY" in self.returning.options


def parse(args: Cursor) -> Search:
    """search = "SEARCH" [search-return-opts] SP search-program"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Search:
    """uid = "UID" SP search"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Search:
    return searching(args.sp(), by_uid=by_uid)


def searching(args: Cursor, *, by_uid: bool) -> Search:
    """[search-return-opts] search-program, which end the command."""
    returning = results.parse(args)
    charset = args.accept_keyword("CHARSET")
    try:
        key = in_charset(args.sp()) if charset else _keys(args)
    except Refused as refusal:  # it is said by run(), which can forget the saved result
        return Search(EVERY, by_uid, returning, refusal, charset)
    search = Search(key, by_uid, returning, charset=charset)
    filters.check_relevancy(key, search.scored)
    return search


def program(args: Cursor) -> Key:
    """search-program = ["CHARSET" SP charset SP] search-key *(SP search-key), to the command's end."""
    return in_charset(args.sp()) if args.accept_keyword("CHARSET") else _keys(args)


def in_charset(args: Cursor) -> Key:
    """search-criteria = charset 1*(SP search-key), to the command's end (RFC 5256 section 5)."""
    if args.astring().upper() not in (*CHARSETS, *_NICKNAMES):
        raise _bad_charset(args)
    return _keys(args.sp())


def _bad_charset(args: Cursor) -> Refused | BadWithCode:
    """NO, but BAD with a filter, as that is in UTF-8 in any case (RFC 5466 section 3.1)."""
    code, text = b"BADCHARSET (%s)" % b" ".join(CHARSETS), "That charset is not known here"
    with suppress(BadSyntax):
        if search_keys.parse_all(args.sp()).holes:
            return BadWithCode(text, code)
    return Refused(code, text)


def _keys(args: Cursor) -> Key:
    key = search_keys.parse_all(args)
    args.end()
    if key.count > KEYS:
        raise Refused(b"LIMIT", f"A search has at most {KEYS} keys")
    return key


async def run(session: Session, search: Search) -> Reply:
    """One untagged response, also when nothing was found; a failed search empties what it was to save."""
    returning = search.returning
    if returning is None and "IMAP4rev2" in session.enabled:
        returning = EVERYTHING
    view = session.view
    with saving(view, returning) as saved:
        if search.charset and session.has_one_charset:
            raise BadSyntax("After ENABLE UTF8=ACCEPT everything is in UTF-8")
        if search.refusal is not None:
            raise search.refusal
        search = replace(search, key=await filters.filled(session, search.key, scored=search.scored))
        follow = contexts.wanted(session, returning)
        if search.key.modseqs:
            session.use_modseqs()
        limit = message_limit.most(session)
        findings = Findings(view, search, follow=follow, limit=limit)
        session.progress.measure = findings.progress
        if returning is None:
            await session.answer(findings.chunks())
        else:
            chunks = findings.extended(returning, Response(session.tag, search.by_uid))
            if follow:  # it has to be known before changes are told
                await session.send(chunks, of=view.place.account)
            else:
                await session.answer(chunks)
        if findings.trouble is not None:
            raise findings.trouble
        if findings.lowest:
            message_limit.reached(session, limit, findings.lowest)
        if findings.unreadable:
            return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
        if findings.context is not None:
            view.contexts[session.tag] = findings.context
        saved.append(findings.kept)
    return ok("Searched")


@contextmanager
def saving(view: Selected | None, returning: Returning | None) -> Iterator[list[Runs]]:
    """Gives a place for what is to be saved; a search that fails saves nothing (RFC 5182 section 2.1)."""
    saved: list[Runs] = []
    wanted = view if returning is not None and returning.save else None
    try:
        yield saved
    except BadSyntax:
        wanted = None
        raise
    finally:
        if wanted is not None:
            wanted.saved = saved[0] if saved else NONE


class Findings:
    """The response, made in the account's lane while it is sent; what goes wrong ends it.

    With `follow`, extended() leaves a context of what it has found.
    """

    def __init__(self, view: Selected, search: Search, *, follow: bool = False, limit: int = 0) -> None:
        self.view = view
        self.search = search
        self.positions = array("I")  # what extended() has found
        self.kept = NONE  # what is to be saved of it
        self.context: Context | None = None
        self.trouble: Exception | None = None
        self._follow = follow
        self._matching = Matching(view, search.key, limit=limit)

    def progress(self) -> tuple[int, int]:
        """How many messages were looked at, and how many are to be."""
        return self._matching.looked, self._matching.wanted or len(self.view.uids)

    @property
    def lowest(self) -> int:
        """The lowest UID that was looked at; 0 where no message was left out for a limit."""
        return self._matching.lowest

    @property
    def unreadable(self) -> int:
        """Messages that cannot be read now."""
        return self._matching.unreadable

    def chunks(self) -> Iterator[bytes]:
        """mailbox-data = "SEARCH" [1*(SP nz-number) [SP search-sort-mod-seq]]

        It begins with what is found first, so that progress can be told until then.
        """
        start = b"* SEARCH"
        modseq = 0
        try:
            for positions in self._matching.found():
                if positions:
                    found = numbers(self.view, positions, by_uid=self.search.by_uid)
                    yield start + b" %d" * len(found) % tuple(found)
                    start = b""
                    modseq = max(modseq, self._matching.modseq(positions))
                else:
                    yield b""
        except Exception as error:
            self.trouble = error
        yield start + results.mod_seq(modseq) + b"\r\n"

    def extended(self, returning: Returning, response: Response) -> Iterator[bytes]:
        """esearch-response; none where the search failed as a whole."""
        self._matching.scored = "RELEVANCY" in returning.options
        followed = Matching(self.view, self.search.key)
        context = Context(followed, response, returning.items) if self._follow else None
        try:
            yield from self._matching.collect(
                self.positions, newest_first=returning.newest_first, most=returning.most
            )
        except Exception as error:
            self.trouble = error
            return
        if context is not None:
            context.found(self.positions)
            self.context = context
        if returning.save:
            self.kept = Runs.at(returning.kept(self.positions), self.view.uids)
        nothing_to_say = response.mailbox is not None and not self.positions  # RFC 7377 section 2.1
        if not returning.silent and not nothing_to_say:
            found = numbers(self.view, self.positions, by_uid=response.by_uid)
            modseq = self._matching.modseq(returning.kept(self.positions))
            yield from response.chunks(returning, found, self._matching.scores, modseq)
