"""Reading ahead: who asks for one message after the other finds the next ones read.

Opening a small file takes far less time than the way to the lane and back, so one job reads some messages
that follow each other. How many grows while the client goes on in order, up to AHEAD_OCTETS; who asks for
this and that gets what it asks for. What is large is not read here but streamed.
"""

from collections.abc import Callable, Iterable, Iterator

from mailnode.net.blocking import Lane
from mailnode.pop3.maildrop import Maildrop
from mailnode.store.body import SMALL
from mailnode.store.download import text
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.wire.dot import Encoder

AHEAD_OCTETS = 131072
_FIRST = 4  # messages that are read at first
_MOST = 32

Cut = Callable[[Iterator[bytes]], Iterable[bytes]]


class Ahead:
    """The replies that are ready, of one session."""

    def __init__(self) -> None:
        self._command: object = None
        self._ready: dict[int, bytes | None] = {}  # None for a large message, which is not read here
        self._next = 1
        self._count = _FIRST

    async def text(
        self, maildrop: Maildrop, lane: Lane, number: int, command: object, cut: Cut
    ) -> bytes | None:
        """What follows the first line of the reply to a command, such as ("TOP", 0).

        None for a large message, which is to be streamed. The message has to be there. Raises NoSuchMessage
        where it goes meanwhile, and OSError.
        """
        if command != self._command:
            self._ready.clear()
            self._command = command
        if number not in self._ready:
            self._count = min(2 * self._count, _MOST) if number == self._next and number > 1 else _FIRST
            count = self._count if number == self._next else 1
            self._ready = await lane.run(_read, maildrop, number, count, cut)
        self._next = number + 1
        return self._ready.pop(number)


def _read(maildrop: Maildrop, first: int, count: int, cut: Cut) -> dict[int, bytes | None]:
    """In the lane: the first message, and some after it up to a large one, or one that gives trouble."""
    made = _text(maildrop, first, cut)
    found = {first: made}
    held = len(made or b"")
    for number in range(first + 1, min(first + count, len(maildrop.entries) + 1)):
        if made is None or held + maildrop.entries[number - 1].octets > AHEAD_OCTETS:
            break
        try:
            made = _text(maildrop, number, cut)
        except NoSuchMessage:
            continue
        except Exception:  # who asks for this one hears of it, not who asked for the first
            break
        found[number] = made
        held += len(made or b"")
    return found


def _text(maildrop: Maildrop, number: int, cut: Cut) -> bytes | None:
    entry = maildrop.entries[number - 1]
    if entry.octets > SMALL:
        return None
    try:
        whole = text(maildrop.stored(number), with_surrogate=entry.surrogate)
    except Unread:  # whatever its name says
        return None
    encoder = Encoder()
    return b"".join([*map(encoder.feed, cut(iter((whole,)))), encoder.finish()])
