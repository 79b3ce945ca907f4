"""THREAD and UID THREAD (RFC 5256)."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mailnode.imap.commands import search
from mailnode.imap.criteria import TURNS, arrived
from mailnode.imap.matching import Matching, numbers
from mailnode.imap.replies import Reply, no, ok
from mailnode.imap.search_keys import Key
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.imap.thread_lists import thread_list
from mailnode.message.ordering import facts
from mailnode.message.threading import Algorithm, OrderedSubject, References, Refs
from mailnode.store.errors import NoSuchMessage
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

ALGORITHMS: Mapping[str, Callable[[], Algorithm]] = {
    "ORDEREDSUBJECT": OrderedSubject,
    "REFERENCES": References,
    "REFS": Refs,
}


@dataclass(frozen=True, slots=True)
class Thread:
    """What to find, how to make threads of it, and how to name it."""

    algorithm: str
    key: Key
    by_uid: bool


def parse(args: Cursor) -> Thread:
    """thread = "THREAD" SP thread-alg SP search-criteria"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Thread:
    """uid = "UID" SP thread"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Thread:
    algorithm = args.sp().keyword()
    if algorithm not in ALGORITHMS:
        raise BadSyntax("There is no such threading algorithm")
    return Thread(algorithm, search.in_charset(args.sp()), by_uid)


async def run(session: Session, thread: Thread) -> Reply:
    """One untagged response, also when nothing was found."""
    threaded = Threaded(session.view, thread)
    await session.send(threaded.chunks())
    return threaded.reply()


class Threaded:
    """The response, made in the account's lane while it is sent; there is none if anything goes wrong."""

    def __init__(self, view: Selected, thread: Thread) -> None:
        self._view = view
        self._thread = thread
        self._matching = Matching(view, thread.key)
        self._algorithm = ALGORITHMS[thread.algorithm]()
        self._positions = array("I")  # of the messages that the algorithm knows
        self._trouble: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """thread-data = "THREAD" [SP 1*thread-list]"""
        found = array("I")
        try:
            yield from self._matching.collect(found)
            for turn, position in enumerate(found):
                self._add(position)
                if not turn % TURNS:
                    yield b""
            threads = yield from self._algorithm.threads()
        except Exception as error:
            self._trouble = error
            return
        names = numbers(self._view, self._positions, by_uid=self._thread.by_uid)
        yield b"* THREAD"
        if threads.roots:
            yield b" "
        for root in threads.roots:
            yield from thread_list(threads, root, names)
        yield b"\r\n"

    def _add(self, position: int) -> None:
        """Tell the algorithm of a message, if it is still there."""
        mailbox, uid = self._view.mailbox, self._view.uids[position]
        try:
            known = facts(mailbox.prepared(uid, "ordering"))
            by_arrival = known.sent is None or self._thread.algorithm == "REFS"
            arrival = arrived(mailbox, uid) if by_arrival else 0
        except NoSuchMessage:
            return
        except OSError:
            self._matching.unreadable += 1
            return
        self._algorithm.add(known, arrival if known.sent is None else known.sent, arrival)
        self._positions.append(position)

    def reply(self) -> Reply:
        """The end of the command. Raises what went wrong."""
        if self._trouble is not None:
            raise self._trouble
        if self._matching.unreadable:
            return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
        return ok("Threaded")
