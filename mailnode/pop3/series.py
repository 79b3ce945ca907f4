"""Commands that came together: what a client asks for without waiting is one long response.

RETR 1, RETR 2, RETR 3 and so on, sent at once, would each take a way to the lane and back that is longer than
to read the message. So the lane answers all of them that have come, one message behind the other. A command
is taken out of the stream when its message was made: one that cannot be answered so, as that of a message
that has gone, is left there and met again by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailnode.net.stream import Stream
from mailnode.pop3.ahead import Cut, Wish, small
from mailnode.pop3.maildrop import Maildrop, dotted
from mailnode.store.download import lines, surrogate_lines

_LONGEST = 1024  # commands


@dataclass(slots=True)
class Series:
    """The same wish for some messages that follow each other, of which the first has been asked for."""

    maildrop: Maildrop
    wish: Wish
    numbers: Sequence[int]
    done: int = 0  # how many were made whole
    sent: int = 0  # how many of these the connection was given

    def hand_on(self) -> None:
        """What was made is sent, or is about to be."""
        self.sent = self.done

    def responses(self) -> Iterator[bytes]:
        """In the lane: all that can be made. Raises what the first one raises, and what happens half-way."""
        for number in self.numbers:
            try:
                entry = self.maildrop.present(number)
                whole = small(self.maildrop, number, self.wish)
                chunks = dotted(self.wish.head(entry), _opened(self.maildrop, number, self.wish.cut))
                first = next(chunks) if whole is None else whole
            except Exception:  # who asks for it hears of it
                if not self.done:
                    raise
                return
            if whole is None:
                yield first
                yield from chunks
                self.done += 1
            else:
                self.done += 1
                yield whole


def _opened(maildrop: Maildrop, number: int, cut: Cut) -> Iterator[bytes]:
    """The octets of a message, which is opened by the first step and closed by the last."""
    with maildrop.body(number) as body:
        yield from cut(surrogate_lines(body) if maildrop.entry(number).surrogate else lines(body))


def asked(stream: Stream, maildrop: Maildrop, number: int, wish: Wish) -> Series:
    """The series that begins with a message: with it those whose commands have come behind that one."""
    stop = number + 1
    last = min(number + _LONGEST - 1, len(maildrop.entries))
    octets = 0
    while stop <= last and stream.begins(command := _line(wish, stop), octets) and maildrop.holds(stop):
        octets += len(command)
        stop += 1
    return Series(maildrop, wish, range(number, stop))


def take(stream: Stream, series: Series) -> Sequence[int]:
    """Have the commands out of the stream that were answered; gives their numbers."""
    sent = series.numbers[: series.sent]
    stream.accept(b"".join(_line(series.wish, number) for number in sent[1:]))
    return sent


def _line(wish: Wish, number: int) -> bytes:
    return wish.command % number + b"\r\n"
