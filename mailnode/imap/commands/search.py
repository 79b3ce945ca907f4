"""SEARCH and UID SEARCH (RFC 3501 sections 6.4.4 and 6.4.8)."""

from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from mailnode.imap import search_keys
from mailnode.imap.narrowing import Narrowing
from mailnode.imap.needles import TextsUnread, seek
from mailnode.imap.replies import Refused, Reply, no, ok
from mailnode.imap.search_keys import Key
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.imap.subject import Subject
from mailnode.message.text import texts
from mailnode.store.errors import NoSuchMessage
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

KEYS = 500  # in one command
TURNS = 32  # messages between two chances for others to have their turn
CHARSETS = (b"US-ASCII", b"UTF-8")


@dataclass(frozen=True, slots=True)
class Search:
    """What to find, and how to name what was found."""

    key: Key
    by_uid: bool
    charset: bool = False  # whether one was named


def parse(args: Cursor) -> Search:
    """search = "SEARCH" [SP "CHARSET" SP astring] 1*(SP search-key)"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Search:
    """uid = "UID" SP search"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Search:
    charset = args.sp().accept_keyword("CHARSET")
    if charset:
        if args.sp().astring().upper() not in CHARSETS:
            raise Refused(b"BADCHARSET (%s)" % b" ".join(CHARSETS), "That charset is not known here")
        args.sp()
    key = search_keys.parse_all(args)
    args.end()
    if key.count > KEYS:
        raise Refused(b"LIMIT", f"A search has at most {KEYS} keys")
    return Search(key, by_uid, charset)


async def run(session: Session, search: Search) -> Reply:
    """One untagged response, also when nothing was found."""
    if search.charset and session.has_one_charset:
        raise BadSyntax("After ENABLE UTF8=ACCEPT everything is in UTF-8")
    found = Findings(session.view, search)
    await session.send(found.chunks())
    if found.trouble is not None:
        raise found.trouble
    if found.unreadable:
        return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
    return ok("Searched")


@dataclass(slots=True)
class Findings:
    """The SEARCH response, made in the account's lane while it is sent."""

    view: Selected
    search: Search
    unreadable: int = 0
    trouble: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """mailbox-data = "SEARCH" *(SP nz-number); what goes wrong ends it and stands in `trouble`."""
        yield b"* SEARCH"
        narrowing = Narrowing(self.view.mailbox.candidates)
        try:
            for turn, position in enumerate(self._positions(narrowing)):
                if (yield from self._matches(position, narrowing)):
                    yield b" %d" % (self.view.uids[position] if self.search.by_uid else position + 1)
                elif not turn % TURNS:
                    yield b""
        except Exception as error:
            self.trouble = error
        yield b"\r\n"

    def _positions(self, narrowing: Narrowing) -> Iterable[int]:
        """Where those messages stand that can match, in ascending order."""
        uids = self.view.uids
        possible = self.search.key.possible(narrowing)
        if possible is None:
            return range(len(uids))
        places = ((bisect_left(uids, uid), uid) for uid in possible)
        return (place for place, uid in places if place < len(uids) and uids[place] == uid)

    def _matches(self, position: int, narrowing: Narrowing) -> Generator[bytes, None, bool]:
        key = self.search.key
        try:
            with Subject(self.view, position, narrowing) as subject:
                try:
                    return key.matches(subject)
                except TextsUnread:
                    all_texts = texts(subject.body.data, subject.rendered.parts)
                    subject.found = yield from seek(key.needles, all_texts)
                return key.matches(subject)
        except NoSuchMessage:
            return False
        except OSError:
            self.unreadable += 1
            return False
