"""SEARCH and UID SEARCH (RFC 3501 sections 6.4.4, 6.4.8), with result options (RFC 4731, RFC 9051)."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from mailnode.imap import results, search_keys
from mailnode.imap.matching import Matching, numbers
from mailnode.imap.replies import Refused, Reply, no, ok
from mailnode.imap.results import EVERYTHING, Response, Returning
from mailnode.imap.search_keys import Key
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.wire.imap.cursor import Cursor

KEYS = 500  # in one command
CHARSETS = (b"US-ASCII", b"UTF-8")


@dataclass(frozen=True, slots=True)
class Search:
    """What to find, how to name what was found, and what to say of it; None: a SEARCH response."""

    key: Key
    by_uid: bool
    returning: Returning | None = None


def parse(args: Cursor) -> Search:
    """search = "SEARCH" [search-return-opts] SP search-program"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Search:
    """uid = "UID" SP search"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Search:
    returning = results.parse(args.sp())
    return Search(program(args), by_uid, returning)


def program(args: Cursor) -> Key:
    """search-program = ["CHARSET" SP charset SP] search-key *(SP search-key), to the command's end."""
    if args.accept_keyword("CHARSET"):
        if args.sp().astring().upper() not in CHARSETS:
            raise Refused(b"BADCHARSET (%s)" % b" ".join(CHARSETS), "That charset is not known here")
        args.sp()
    key = search_keys.parse_all(args)
    args.end()
    if key.count > KEYS:
        raise Refused(b"LIMIT", f"A search has at most {KEYS} keys")
    return key


async def run(session: Session, search: Search) -> Reply:
    """One untagged response, also when nothing was found."""
    returning = search.returning
    if returning is None and "IMAP4rev2" in session.enabled:
        returning = EVERYTHING
    findings = Findings(session.view, search)
    if returning is None:
        await session.send(findings.chunks())
    else:
        await session.send(findings.extended(returning, Response(session.tag, search.by_uid)))
    return findings.reply()


class Findings:
    """The response, made in the account's lane while it is sent; what goes wrong ends it."""

    def __init__(self, view: Selected, search: Search) -> None:
        self.view = view
        self.search = search
        self.positions = array("I")  # what extended() has found
        self._matching = Matching(view, search.key)
        self.trouble: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """mailbox-data = "SEARCH" *(SP nz-number)"""
        yield b"* SEARCH"
        uids = self.view.uids
        try:
            for position in self._matching.positions():
                if position is None:
                    yield b""
                else:
                    yield b" %d" % (uids[position] if self.search.by_uid else position + 1)
        except Exception as error:
            self.trouble = error
        yield b"\r\n"

    def extended(self, returning: Returning, response: Response) -> Iterator[bytes]:
        """esearch-response; none where the search failed as a whole."""
        try:
            yield from self._matching.collect(
                self.positions, newest_first=returning.newest_first, most=returning.most
            )
        except Exception as error:
            self.trouble = error
            return
        found = numbers(self.view, self.positions, by_uid=response.by_uid)
        yield from response.chunks(returning, found)

    def reply(self) -> Reply:
        """The end of the command. Raises what went wrong."""
        if self.trouble is not None:
            raise self.trouble
        if self._matching.unreadable:
            return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
        return ok("Searched")
