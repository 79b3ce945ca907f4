"""THREAD and UID THREAD (RFC 5256)."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from mailnode.imap import filters, message_limit
from mailnode.imap.commands import search
from mailnode.imap.criteria import Columns, arrived, orderings
from mailnode.imap.matching import Matching, numbers
from mailnode.imap.replies import Reply, no, ok
from mailnode.imap.search_key import Key
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.imap.thread_lists import thread_list
from mailnode.message.ordering import Facts, facts
from mailnode.message.slices import Steps
from mailnode.message.threading import Algorithm, OrderedSubject, References, Refs, Threads
from mailnode.store.mailbox import Mailbox
from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

ALGORITHMS: Mapping[str, Callable[[], Algorithm]] = {
    "ORDEREDSUBJECT": OrderedSubject,
    "REFERENCES": References,
    "REFS": Refs,
}
_BY_ARRIVAL = ("REFS",)


@frozen
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
    message_limit.require_few(session, session.view.uids)
    thread = replace(thread, key=await filters.filled(session, thread.key))
    if thread.key.modseqs:
        session.use_modseqs()
    threaded = Threaded(session.view, thread)
    await session.answer(threaded.chunks())
    return threaded.reply()


def _known(mailbox: Mailbox, uids: Sequence[int], *, arrivals: bool) -> list[tuple[Facts, int, int]]:
    """Facts, sent date and INTERNALDATE of messages; the last where it is wanted."""
    rows = []
    for uid, octets in zip(uids, orderings(mailbox, uids), strict=True):
        known = facts(octets)
        (arrival,) = arrived(mailbox, (uid,)) if arrivals or known.sent is None else (0,)
        rows.append((known, arrival if known.sent is None else known.sent, arrival))
    return rows


class Threaded:
    """The response, made in the account's lane while it is sent; there is none if anything goes wrong."""

    def __init__(self, view: Selected, thread: Thread) -> None:
        self._view = view
        self._thread = thread
        self._matching = Matching(view, thread.key)
        self._algorithm = ALGORITHMS[thread.algorithm]()
        self._columns = Columns(view, (partial(_known, arrivals=thread.algorithm in _BY_ARRIVAL),))
        self._trouble: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """thread-data = "THREAD" [SP 1*thread-list]"""
        found = array("I")
        try:
            yield from self._matching.collect(found)
            positions, threads = yield from self._threads(found)
        except Exception as error:
            self._trouble = error
            return
        names = numbers(self._view, positions, by_uid=self._thread.by_uid)
        yield b"* THREAD"
        if threads.roots:
            yield b" "
        for root in threads.roots:
            yield from thread_list(threads, root, names)
        yield b"\r\n"

    def _threads(self, found: "array[int]") -> "Steps[tuple[array[int], Threads]]":
        """The positions of the messages that are there, and their threads; those of all are kept."""
        everything = self._view.is_all(found)
        known: Threads | None = self._view.derived(self._thread.algorithm) if everything else None
        if known is not None:
            return found, known
        yield from self._add(found)
        threads = yield from self._algorithm.threads()
        if everything and self._view.is_all(self._columns.positions):
            self._view.keep_derived(self._thread.algorithm, threads)
        return self._columns.positions, threads

    def _add(self, found: "array[int]") -> Iterator[bytes]:
        """Tell the algorithm of the messages, without those that are gone."""
        for (rows,) in self._columns.read(found):
            for known, sent, arrival in rows:
                self._algorithm.add(known, sent, arrival)
            yield b""

    def reply(self) -> Reply:
        """The end of the command. Raises what went wrong."""
        if self._trouble is not None:
            raise self._trouble
        if self._matching.unreadable or self._columns.unreadable:
            return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
        return ok("Threaded")
