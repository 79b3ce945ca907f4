"""The queue in a backup, and back from there.

A message is two files. Its body never changes, and its envelope is replaced as a whole: so the envelope is
read first, and with the body it is the message as it was at that moment, whatever the server does meanwhile.
One that is done in between is left out.

What is put back does not come twice: not what is in the queue still, and not what has left it since, as far
as somebody knows. Envelopes stay as they were; a try is due when it was.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from mailnode.fs import FileSystem
from mailnode.queue.entry import decode
from mailnode.queue.spool import BODY, ENVELOPE, LARGEST_ENVELOPE, Spool
from mailnode.store import manifest
from mailnode.store.backup import Sink

QUEUE = "queue"  # its folder in a backup


class NoQueue(Exception):
    """There is no queue in the backup."""


def save(sink: Sink, files: FileSystem, spool: Spool) -> int:
    """Copy all messages that wait; gives how many there are. Raises OSError."""
    count = 0
    sink.begin(QUEUE)
    for name in sorted(spool.names()):
        envelope, body = spool.paths(name)
        with contextlib.suppress(FileNotFoundError):  # it is done
            data = files.read(envelope, limit=LARGEST_ENVELOPE)
            sink.copy(f"{QUEUE}/{name}{BODY}", body)
            sink.put(f"{QUEUE}/{name}{ENVELOPE}", data)
            count += 1
    sink.end()
    return count


@dataclass(slots=True)
class PutBack:
    """The ids of messages that were put back, and how many were not: in the queue, done, or damaged."""

    ids: list[str] = field(default_factory=list)
    known: int = 0
    done: int = 0
    damaged: int = 0


def put_back(spool: Spool, files: FileSystem, root: str, done: Callable[[], Collection[str]]) -> PutBack:
    """Put the messages in the backup at `root` into the queue.

    `done` gives the ids of those that have left it; it is asked after it is known what is there: what leaves
    meanwhile is among one of them. `files` reads the backup. Raises NoQueue, OSError.
    """
    if not files.is_directory(f"{root}/{QUEUE}"):
        raise NoQueue
    digests = manifest.read(files, f"{root}/{QUEUE}{manifest.SUFFIX}")
    found, there = PutBack(), set(spool.names())
    left = done()
    for name in sorted(files.names(f"{root}/{QUEUE}")):
        if not name.endswith(ENVELOPE):
            continue
        id = name.removesuffix(ENVELOPE)
        if id in there:
            found.known += 1
        elif id in left:
            found.done += 1
        elif _is_back(spool, files, root, id, digests):
            found.ids.append(id)
        else:
            found.damaged += 1
    return found


def _is_back(spool: Spool, files: FileSystem, root: str, id: str, digests: dict[str, str]) -> bool:
    """Whether the message is in the queue; not if it is not what was written."""
    envelope, body = (f"{QUEUE}/{id}{suffix}" for suffix in (ENVELOPE, BODY))
    arriving = spool.arriving(id)
    try:
        data = files.read(f"{root}/{envelope}", limit=LARGEST_ENVELOPE)
        entry = decode(data)
        if entry.id != id or digests.get(envelope) != sha256(data).hexdigest():
            return False
        digest = sha256()
        for piece in _pieces(files, f"{root}/{body}"):
            digest.update(piece)
            arriving.write(piece)
        if digests.get(body) != digest.hexdigest():
            return False
        arriving.accept(entry)
    except (FileNotFoundError, ValueError):
        return False
    finally:
        arriving.abort()
    return True


def _pieces(files: FileSystem, path: str) -> Iterator[bytes]:
    return manifest.pieces(files, path, lambda piece: None)
