"""Reading ahead: who asks for one message after the other finds the next ones read.

Opening a small file takes far less time than the way to the lane and back, so one job reads some messages
that follow each other. How many grows while the client goes on in order, up to AHEAD_OCTETS; who asks for
this and that gets what it asks for. What is large is not read here but streamed.
"""

from collections.abc import Callable, Iterable, Iterator

from mailnode.net.blocking import Lane
from mailnode.pop3.maildrop import Maildrop
from mailnode.store.download import text
from mailnode.store.errors import NoSuchMessage
from mailnode.wire.dot import Encoder

AHEAD_OCTETS = 131072
LARGE = 65536  # octets of a message that is streamed
_FIRST = 4  # messages that are read at first
_MOST = 32

Cut = Callable[[Iterator[bytes]], Iterable[bytes]]


class Ahead:
    """The replies that are ready, of one session."""

    def __init__(self) -> None:
        self._command: object = None
        self._ready: dict[int, bytes] = {}
        self._next = 1
        self._count = _FIRST

    async def text(self, maildrop: Maildrop, lane: Lane, number: int, command: object, cut: Cut) -> bytes:
        """What follows the first line of the reply to a command, such as ("TOP", 0), for a small message.

        The message has to be there. Raises NoSuchMessage where it goes meanwhile, and OSError.
        """
        if command != self._command:
            self._ready.clear()
            self._command = command
        ready = self._ready.pop(number, None)
        if ready is None:
            self._count = min(2 * self._count, _MOST) if number == self._next and number > 1 else _FIRST
            count = self._count if number == self._next else 1
            self._ready = await lane.run(_read, maildrop, number, count, cut)
            ready = self._ready.pop(number)
        self._next = number + 1
        return ready


def _read(maildrop: Maildrop, first: int, count: int, cut: Cut) -> dict[int, bytes]:
    """In the lane: the first message, and some after it as far as there is no trouble with them."""
    found = {first: _text(maildrop, first, cut)}
    octets = len(found[first])
    for number in range(first + 1, min(first + count, len(maildrop.entries) + 1)):
        size = maildrop.entries[number - 1].octets
        octets += size
        if octets > AHEAD_OCTETS or size > LARGE:
            break
        try:
            found[number] = _text(maildrop, number, cut)
        except NoSuchMessage:
            continue
        except Exception:  # who asks for this one hears of it, not who asked for the first
            break
    return found


def _text(maildrop: Maildrop, number: int, cut: Cut) -> bytes:
    with maildrop.body(number) as body:
        whole = text(body, with_surrogate=maildrop.entries[number - 1].surrogate)
    encoder = Encoder()
    return b"".join([*map(encoder.feed, cut(iter((whole,)))), encoder.finish()])
