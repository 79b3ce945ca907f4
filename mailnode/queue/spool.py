"""The spool: messages that were accepted and are not yet where they are to go, as files in one folder.

Two files for each message, named by its id:

    ID.body      the content, Received on top, in wire form and octet for octet: it is made to be sent on, may
                 hold octets that no text file may (BINARYMIME), and nobody reads it with a mail program
    ID.envelope  who is to get it and how far that is, as a text (queue.entry)

What there can be, and what it means:

    body  envelope
     +       -      not accepted, or done: a start removes it
     +       +      accepted: it waits
     -       +      not accepted and cut off by a power failure, or damaged by hand: put aside

Accepting writes and fsyncs the body, then the envelope under a temporary name, renames that and fsyncs the
folder, which keeps both names. Being done removes the envelope, fsyncs the folder, then removes the body.
What cannot be read, or is not ours, goes to aside/ and is left to the administrator.

Any thread may call; one message is worked at by one caller at a time.
"""

import contextlib
import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from mailnode.fs import FileSystem, NewFile, ReadFile, Replacement
from mailnode.queue.entry import Entry, decode, encode, glance
from mailnode.values import frozen

T = TypeVar("T")

BODY = ".body"
ENVELOPE = ".envelope"
ASIDE = "aside"
BEGINNING = 32768  # octets of a content that are read together with its size: all of it, mostly
LARGEST_ENVELOPE = 33_554_432  # octets; thirty thousand recipients with long replies need less

_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_OURS = re.compile(r"([0-9A-Za-z]{1,64})(\.body|\.envelope)(\.new\.[0-9]+)?")


class Unreadable(Exception):
    """An envelope file that is not whole, or not ours; the text says why."""


class Beginning(NamedTuple):
    """Of a content: how many octets it has, and the first of them."""

    size: int
    octets: bytes


@frozen
class Found:
    """A message that waits, until when, how important it is and when it came; or, with `wrong`, the name of a
    file and what was done to it.
    """

    name: str
    due: float = 0.0
    release: float = 0.0
    priority: int = 0
    came: float = 0.0
    wrong: str = ""


def _encoded(entry: Entry) -> bytes:
    """An envelope. Raises OSError for one too large."""
    data = encode(entry)
    if len(data) > LARGEST_ENVELOPE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


def _outcome(work: Callable[[str], T], name: str) -> T | Exception:
    """What comes of it, or the error it ends in, for those who do it for others too."""
    try:
        return work(name)
    except (Unreadable, OSError) as error:
        return error


class Arriving:
    """A message being written; write as often as needed, then accept or abort."""

    def __init__(self, spool: "Spool", name: str) -> None:
        self._spool = spool
        self._name = name
        self._file: NewFile | None = None
        self._envelope: Replacement | None = None  # which is written, but not yet in its place
        self._accepted = False

    def write(self, data: bytes) -> None:
        """Add octets in wire form. Raises OSError."""
        if self._file is None:
            self._file = self._spool.create(self._name)
        self._file.write(data)

    def accept(self, entry: Entry, last: bytes = b"") -> None:
        """Add the last octets, make all durable: from here on it is in the queue. Raises OSError."""
        [error] = self._spool.accept_all([Acceptance(self, last, entry)])
        if error is not None:
            raise error

    def prepare(self, data: bytes, entry: Entry) -> None:
        """Write the last octets and the envelope, and wait for no disk."""
        self.write(data)
        self._envelope = self._spool.prepare(entry)
        for file in (self._file, self._envelope):
            assert file is not None
            file.begin_sync()

    def place(self) -> None:
        """Make it durable, and the envelope once the folder is synced."""
        assert self._file is not None
        assert self._envelope is not None
        self._file.sync()
        self._file.close()
        self._envelope.place()
        self._envelope = None

    def accepted(self) -> None:
        """It is in the queue."""
        self._accepted = True
        self._spool.free(self._name)

    def abort(self) -> None:
        """Forget the message; may be called at any time, and does nothing after accept."""
        if self._file is None or self._accepted:
            return
        self._file.close()
        if self._envelope is not None:
            self._envelope.drop()
        with contextlib.suppress(OSError):
            self._spool.discard(self._name)
        self._spool.free(self._name)
        self._file = None

    def withdraw(self) -> None:
        """Forget the message, also after accept, while nobody else works at it.

        Where the disk does not let go of it, it is in the queue at the next start: rather twice than lost.
        """
        self.abort()
        if self._accepted:
            with contextlib.suppress(OSError):
                self._spool.remove(self._name)


class Acceptance(NamedTuple):
    """A message that is to be accepted: what is still to be written of it, and its envelope."""

    arriving: Arriving
    data: bytes
    entry: Entry


class _Each(Generic[T]):
    """Steps that are taken for several, each of which fails for itself."""

    def __init__(self, ones: Sequence[T]) -> None:
        self._ones = ones
        self.errors: list[Exception | None] = [None] * len(ones)

    def step(self, work: Callable[[T], None]) -> None:
        """Take it for those that have not failed yet."""
        for number, one in enumerate(self._ones):
            try:
                if self.errors[number] is None:
                    work(one)
            except Exception as wrong:  # a bug of ours too: the others have nothing to do with it
                self.errors[number] = wrong

    def step_for_all(self, work: Callable[[], None]) -> None:
        """Take one step for all of them; where it fails, all have."""
        try:
            work()
        except Exception as wrong:
            self.errors = [error or wrong for error in self.errors]


class Spool:
    """The folder."""

    def __init__(self, files: FileSystem, path: str) -> None:
        self.path = path
        self._files = files
        self._lock = threading.Lock()
        self._taken: set[str] = set()  # ids that somebody is writing now

    def arriving(self, name: str) -> Arriving:
        """A new message with this id; it touches no disk before it is written to."""
        return Arriving(self, name)

    def create(self, name: str) -> NewFile:
        """The file of a body that is to come; the id is taken until free()."""
        self._files.make_directories(self.path)
        with self._lock:
            self._taken.add(name)
        try:
            return self._files.create(self._path(name, BODY))
        except BaseException:
            self.free(name)
            raise

    def free(self, name: str) -> None:
        """Nobody writes it any more."""
        with self._lock:
            self._taken.discard(name)

    # Messages that are there

    def names(self) -> list[str]:
        """The ids of all messages, in no order. Raises OSError."""
        if not self._files.is_directory(self.path):
            return []
        return [
            name.removesuffix(ENVELOPE) for name in self._files.names(self.path) if name.endswith(ENVELOPE)
        ]

    def read(self, name: str) -> Entry:
        """An entry. Raises Unreadable, and OSError: FileNotFoundError when there is none of that id."""
        entry = self._understood(decode, name)
        self._check_owner(entry.id, name)
        return entry

    def beginning(self, name: str) -> Beginning:
        """How a content begins. Raises OSError."""
        with self.body(name) as body:
            return Beginning(body.stat().st_size, body.read_at(0, BEGINNING))

    def open(self, name: str) -> tuple[Entry, Beginning | None]:
        """An entry, and how its content begins; None where that cannot be read. Raises as read() does."""
        entry = self.read(name)
        try:
            return entry, self.beginning(name)
        except OSError:
            return entry, None

    def open_all(self, names: Sequence[str]) -> list[tuple[Entry, Beginning | None] | Exception]:
        """The same for several; for each what open() gives or raises."""
        return [_outcome(self.open, name) for name in names]

    def beginnings(self, names: Sequence[str]) -> list[Beginning | Exception]:
        """How the content of each begins; or the OSError that says why nobody knows."""
        return [_outcome(self.beginning, name) for name in names]

    def _understood(self, parse: Callable[[bytes], T], name: str) -> T:
        data = self._files.read(self._path(name, ENVELOPE), limit=LARGEST_ENVELOPE)
        try:
            return parse(data)
        except ValueError as wrong:
            raise Unreadable(str(wrong)) from None

    @staticmethod
    def _check_owner(owner: str, name: str) -> None:
        if owner != name:
            raise Unreadable("it is of another message")

    def paths(self, name: str) -> tuple[str, str]:
        """Where envelope and body are. Raises FileNotFoundError for what cannot be an id."""
        return self._path(name, ENVELOPE), self._path(name, BODY)

    def body(self, name: str) -> ReadFile:
        """The content, opened. Raises OSError."""
        return self._files.open(self._path(name, BODY))

    def save(self, entry: Entry) -> None:
        """Put an entry in the place of what was known, durably. Raises OSError, also for one too large."""
        data = _encoded(entry)
        path = self._path(entry.id, ENVELOPE)
        before = self._files.stat(path)
        # root may change it by hand, but the server must still be able to read it
        owner = (before.st_uid, before.st_gid) if before and before.st_uid != os.geteuid() else None
        with self._lock:
            self._taken.add(entry.id)
        try:
            self._files.replace(path, data, owner=owner)
        finally:
            self.free(entry.id)

    def prepare(self, entry: Entry) -> Replacement:
        """The same for a new one, as far as it waits for no disk; the id is taken already."""
        return self._files.prepare(self._path(entry.id, ENVELOPE), _encoded(entry))

    def accept_all(self, messages: Sequence[Acceptance]) -> list[Exception | None]:
        """Have messages in the queue, durably; for each None, or why it is not: then abort() is to follow.

        The kernel has the files of all when it is asked to make the first one durable, and they share the
        fsync of the folder.
        """
        each = _Each(messages)
        each.step(lambda one: one.arriving.prepare(one.data, one.entry))
        each.step(lambda one: one.arriving.place())
        each.step_for_all(lambda: self._files.sync_directory(self.path))
        each.step(lambda one: one.arriving.accepted())
        return each.errors

    def remove(self, name: str) -> None:
        """Be done with a message, durably. Raises OSError; then it may still be there."""
        [error] = self.remove_all([name])
        if error is not None:
            raise error

    def remove_all(self, names: Sequence[str]) -> list[Exception | None]:
        """The same for several; for each None, or why it may still be there."""
        each = _Each(names)
        each.step(lambda name: self._unlink(name, ENVELOPE))
        each.step_for_all(lambda: self._files.sync_directory(self.path))
        each.step(lambda name: self._unlink(name, BODY))
        return each.errors

    def discard(self, name: str) -> None:
        """Remove what was never accepted."""
        self._unlink(name, ENVELOPE)
        self._unlink(name, BODY)

    def _unlink(self, name: str, suffix: str) -> None:
        self._files.unlink(self._path(name, suffix), missing_ok=True)

    # The start

    def scan(self, beginning: str = "") -> Iterator[Found]:
        """All that is there now, one small read for each message; what is no message is mended on the way.

        Or only that of ids that begin so. Memory: the names. Raises OSError when the folder cannot be listed.
        """
        self._files.make_directories(self.path)
        listed = self._files.entries(self.path)
        names = sorted(name for name, directory in listed if not directory and name.startswith(beginning))
        return self._scan(names)

    def _scan(self, names: list[str]) -> Iterator[Found]:
        there = frozenset(names)
        for name in names:
            ours = _OURS.fullmatch(name)
            try:
                if ours is None:
                    yield self._put_aside(name, "it is no file of the queue")
                elif ours[3] or (ours[2] == BODY and ours[1] + ENVELOPE not in there):
                    self._remove_stray(name, ours[1])
                elif ours[2] == ENVELOPE:
                    yield self._look_at(ours[1], whole=ours[1] + BODY in there)
            except FileNotFoundError:
                continue  # done or dropped meanwhile
            except OSError as error:
                yield Found(name, wrong=f"left as it is: {error.strerror}")

    def _look_at(self, name: str, *, whole: bool) -> Found:
        try:
            found = self._understood(glance, name)
            self._check_owner(found.id, name)
            if not whole:
                raise Unreadable("its message is missing")
        except Unreadable as why:
            return self.put_aside(name, str(why))
        return Found(name, *found[1:])

    def put_aside(self, name: str, why: str) -> Found:
        """Move an envelope nobody understands out of the way, with its body. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self._put_aside(name + BODY, "")
        return self._put_aside(name + ENVELOPE, why)

    def _remove_stray(self, name: str, owner: str) -> None:
        """Remove what a crash left, unless it belongs to a message that is being written now."""
        with self._lock:
            accepted = name.endswith(BODY) and self._files.stat(self._path(owner, ENVELOPE)) is not None
            if owner not in self._taken and not accepted:
                self._files.unlink(os.path.join(self.path, name))

    def _put_aside(self, name: str, why: str) -> Found:
        aside = os.path.join(self.path, ASIDE)
        self._files.make_directories(aside)
        target = os.path.join(aside, name)
        while self._files.stat(target) is not None:
            target += "+"
        self._files.rename(os.path.join(self.path, name), target)
        self._files.sync_directory(aside)
        self._files.sync_directory(self.path)
        return Found(name, wrong=f"put aside, because {why}")

    def _path(self, name: str, suffix: str) -> str:
        """Where a file of a message is. Raises FileNotFoundError for what cannot be an id."""
        if not _ID.fullmatch(name):
            raise FileNotFoundError(2, "no such message", name)
        return os.path.join(self.path, name + suffix)
