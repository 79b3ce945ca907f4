"""Reading ahead: who asks for one message after the other finds the replies ready.

Opening a small file takes far less time than the way to the lane and back, so one job reads some messages
that follow each other. How many grows while the client goes on in order, up to AHEAD_OCTETS; who asks for
this and that gets what it asks for. What is large is not read here but streamed.

A reply lies ready under the command that is likely to ask for it, in the spelling of most clients: so a line
that was foreseen is answered as it comes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mailnode.net.blocking import Lane
from mailnode.pop3.maildrop import Entry, Maildrop
from mailnode.store.body import SMALL
from mailnode.store.download import text
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.values import frozen
from mailnode.wire.dot import encoded

AHEAD_OCTETS = 131072
_FIRST = 4  # messages that are read at first
_MOST = 32

Cut = Callable[[Iterator[bytes]], Iterable[bytes]]


@frozen
class Wish:
    """What is wanted of messages: the command for number %d, the first line of its reply, what is cut off."""

    command: bytes
    head: Callable[[Entry], bytes]
    cut: Cut


class Reply(NamedTuple):
    """What is ready for a command: the whole reply, or None where it is large, and not read here."""

    number: int
    octets: bytes | None


class Ahead:
    """The replies that are ready, of one session."""

    def __init__(self) -> None:
        self.command = b""  # of what is ready
        self._ready: dict[bytes, Reply] = {}  # by command
        self._next = 1
        self._count = _FIRST

    def foreseen(self, line: bytes) -> Reply | None:
        """What is ready for a command, if this is one; who has it sends it, or knows that it may not."""
        found = self._ready.get(line)
        if found is None or found.octets is None:
            return None
        del self._ready[line]
        self.passed(found.number)
        return found

    def passed(self, number: int) -> None:
        """The client has this message now, and may go on behind it."""
        self._next = number + 1

    def forget(self) -> None:
        """Nothing that is ready is right any more."""
        self._ready.clear()

    async def reply(self, maildrop: Maildrop, lane: Lane, number: int, wish: Wish) -> bytes | None:
        """The whole reply, or None for a large message, which is to be streamed.

        The message has to be there. Raises NoSuchMessage where it goes meanwhile, and OSError.
        """
        if wish.command != self.command:
            self._ready.clear()
            self.command = wish.command
        line = wish.command % number
        if line not in self._ready:
            self._count = min(2 * self._count, _MOST) if number == self._next and number > 1 else _FIRST
            count = self._count if number == self._next else 1
            self._ready = await lane.run(_read, maildrop, number, count, wish)
        self.passed(number)
        return self._ready.pop(line).octets


def _read(maildrop: Maildrop, first: int, count: int, wish: Wish) -> dict[bytes, Reply]:
    """In the lane: the first message, and some after it up to a large one, or one that gives trouble."""
    made = small(maildrop, first, wish)
    found = {wish.command % first: Reply(first, made)}
    held = len(made or b"")
    for number in range(first + 1, min(first + count, len(maildrop.entries) + 1)):
        if made is None or held + maildrop.entries[number - 1].octets > AHEAD_OCTETS:
            break
        try:
            made = small(maildrop, number, wish)
        except NoSuchMessage:
            continue
        except Exception:  # who asks for this one hears of it, not who asked for the first
            break
        found[wish.command % number] = Reply(number, made)
        held += len(made or b"")
    return found


def small(maildrop: Maildrop, number: int, wish: Wish) -> bytes | None:
    """In the lane: the whole reply, or None for a large message. Raises NoSuchMessage and OSError."""
    entry = maildrop.entries[number - 1]
    if entry.octets > SMALL:
        return None
    try:
        whole = text(maildrop.stored(number), with_surrogate=entry.surrogate)
    except Unread:  # whatever its name says
        return None
    return wish.head(entry) + encoded(b"".join(wish.cut(iter((whole,)))))
