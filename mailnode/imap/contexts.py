"""Searches whose results a client follows: ADDTO and REMOVEFROM (RFC 5267 section 4.3).

A context knows which messages match, as far as its client was told. When the selected mailbox is looked at,
what is new or was changed is asked again; what has gone is taken out before the client hears of EXPUNGE, so
that sequence numbers are still right. Positions are all 0: a client puts results of a SEARCH in order itself.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from mailnode.imap.fetch_items import MODSEQ
from mailnode.imap.matching import TURNS, Matching
from mailnode.imap.replies import no
from mailnode.imap.results import Response, Returning
from mailnode.imap.session import Session
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.sequence import pieces
from mailnode.wire.imap.writer import string

CONTEXTS = 8  # that a session may have; each costs four octets for each message that matches
AGEING = 300.0  # seconds after which a search by age is done anew, when somebody looks


class Context:
    """A search that is followed; it begins before the search does, and `found` is told when that is over.

    `items` are told of new messages that match (RFC 5465 section 7).
    """

    def __init__(self, matching: Matching, response: Response, items: tuple[Any, ...] = ()) -> None:
        self._matching = matching
        self._response = response
        self._items = items
        self._fresh = array("I")  # of the messages that came and matched at the last look, ascending
        self._uids = array("I")  # of the messages that match, ascending
        self._view = matching.view
        self._modseq = self._view.mailbox.highest_modseq
        self._newest = self._view.uids[-1] if self._view.uids else 0
        self._asked = self._view.mailbox.now

    @property
    def by_number(self) -> bool:
        """Whether the client hears of sequence numbers."""
        return not self._response.by_uid

    def bind(self) -> None:
        """Let the sets in the key stand for messages of this view, after another was searched with them."""
        self._matching.begin()

    def found(self, positions: Iterable[int]) -> None:
        """These are the messages that match, ascending."""
        self._uids = array("I", (self._view.uids[position] for position in positions))

    def expunged(self, uids: Iterable[int]) -> Iterator[bytes]:
        """Take out what has gone, while its sequence numbers still stand for it."""
        lost = array("I", (uid for uid in uids if self._remove(uid)))
        yield from self._told(b"REMOVEFROM", lost)

    def changed(self) -> Iterator[bytes]:
        """Ask again of all that is new to the view or was changed."""
        added, removed = array("I"), array("I")
        known = self._modseq, self._newest, self._asked
        unreadable = self._matching.unreadable
        doubtful = self._doubtful()
        for members in self._matching.key.sets if doubtful else ():
            members.follow(self._view)
        for turn, uid in enumerate(doubtful):
            missed = self._matching.unreadable
            matches = yield from self._ask(uid)
            if self._matching.unreadable == missed:  # else nobody can tell, and it stays what it was
                if matches and self._add(uid):
                    added.append(uid)
                elif not matches and self._remove(uid):
                    removed.append(uid)
            if not turn % TURNS:
                yield b""
        self._fresh = added[bisect_right(added, known[1]) :] if self._items else self._fresh
        if self._matching.unreadable != unreadable:
            self._modseq, self._newest, self._asked = known  # the next look asks again
        yield from self._told(b"REMOVEFROM", removed)
        yield from self._told(b"ADDTO", added)

    def items(self, uid: int) -> tuple[Any, ...]:
        """What is to be told of this message, as it came and matched; nothing of others."""
        place = bisect_left(self._fresh, uid)
        return self._items if place < len(self._fresh) and self._fresh[place] == uid else ()

    def _doubtful(self) -> Sequence[int]:
        """UIDs, ascending, of those messages that may match by now, or not match any more."""
        mailbox, uids = self._view.mailbox, self._view.uids
        since, self._modseq = self._modseq, mailbox.highest_modseq
        newest, self._newest = self._newest, uids[-1] if uids else self._newest
        if self._matching.key.ages and mailbox.now >= self._asked + AGEING:
            self._asked = mailbox.now
            return uids
        changed = [uid for uid in mailbox.changes(since) if uid <= newest] if self._modseq != since else []
        return [*changed, *uids[bisect_right(uids, newest) :]]

    def _ask(self, uid: int) -> Generator[bytes, None, bool]:
        uids = self._view.uids
        position = bisect_left(uids, uid)
        if position == len(uids) or uids[position] != uid:
            return False  # it was never told, or is not any more
        return (yield from self._matching.ask(position))

    def _add(self, uid: int) -> bool:
        place = bisect_left(self._uids, uid)
        if place < len(self._uids) and self._uids[place] == uid:
            return False
        self._uids.insert(place, uid)
        return True

    def _remove(self, uid: int) -> bool:
        place = bisect_left(self._uids, uid)
        if place == len(self._uids) or self._uids[place] != uid:
            return False
        del self._uids[place]
        return True

    def _told(self, item: bytes, uids: "array[int]") -> Iterator[bytes]:
        """ret-data-addto = "ADDTO" SP "(" context-position SP sequence-set ")", and REMOVEFROM likewise."""
        if uids:
            yield b"%b %b (0 " % (self._response.start, item)
            yield from pieces(uids if self._response.by_uid else map(self._number, uids))
            yield b")\r\n"

    def _number(self, uid: int) -> int:
        return bisect_right(self._view.uids, uid)


def wanted(session: Session, returning: Returning | None) -> bool:
    """Whether the search of this command is to be followed; if there is no room, the client hears of it.

    Raises BadSyntax where the tag is that of another one.
    """
    if returning is None or "UPDATE" not in returning.options:
        return False
    contexts = session.view.contexts
    if session.tag in contexts:
        raise BadSyntax("This tag is that of a search that sends updates")
    if MODSEQ in returning.items:
        session.use_modseqs()
    if len(contexts) >= CONTEXTS:
        refuse(session, "There are too many searches that send updates")
        return False
    return True


def refuse(session: Session, text: str, tag: bytes = b"") -> None:
    """resp-text-code = "NOUPDATE" SP quoted: the rest of the command is done (section 4.3.1).

    The tag is that of the search; "" for this command.
    """
    session.status(no(text, b"NOUPDATE " + string(tag or session.tag)))


def end_numbered(session: Session) -> None:
    """The client takes no sequence numbers any more (RFC 9586 section 3)."""
    contexts = session.view.contexts
    for tag in [tag for tag, one in contexts.items() if one.by_number]:
        del contexts[tag]
        refuse(session, "A search by number sends no updates after ENABLE UIDONLY", tag)
