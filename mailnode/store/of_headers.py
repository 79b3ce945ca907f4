"""Answers that are made of the start of a message's file, as long as nobody has read all of it."""

from collections.abc import Callable, Sequence
from typing import Any

from mailnode.fs import FileSystem
from mailnode.message.header import extent
from mailnode.message.rendered import OF_HEADER
from mailnode.store import filenames
from mailnode.store.answers import Answers
from mailnode.store.messages import Message
from mailnode.store.prepared_tables import Answer

SLICE = 0.02  # seconds for many messages at once

_OCTETS = 8192  # of a file, in which a header mostly ends


def header_at(files: FileSystem, path: str) -> bytes | None:
    """The header of a message as it lies on the disk, where one short read finds all of it."""
    try:
        data = files.read_start(path, _OCTETS)
    except OSError:
        return None
    _, end = extent(data, 0, len(data))
    return data[:end] if end < len(data) or len(data) < _OCTETS else None


def made(
    answers: Answers,
    messages: Sequence[Message],
    known: Sequence[Any | None],
    what: Answer,
    *,
    header: Callable[[Message], bytes | None],
    now: Callable[[], float],
) -> list[Any | None]:
    """One answer of each message; what is not `known` of it is made of its header, for about `SLICE`.

    None where there was no time, and where `header` does not find it: more than the start of the file has to
    be read, or the file be looked for.
    """
    until = now() + SLICE
    found = list(known)
    fresh: list[tuple[int, str, Any]] = []
    for at, message in enumerate(messages):
        if found[at] is not None:
            continue
        octets = header(message)
        if octets is not None:
            answer = found[at] = OF_HEADER[what](octets, filenames.is_verbatim(message.base))
            fresh.append((message.uid, message.base, answer))
        if now() >= until:
            break
    if fresh:
        answers.keep_alone(what, fresh)
    if len(found) > 1 and None in found:
        answers.save_alone()  # as somebody will ask for each of them
    return found
