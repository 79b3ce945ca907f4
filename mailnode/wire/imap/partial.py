"""A range of results, counted from the first or from the last (RFC 9394 section 4)."""

from dataclasses import dataclass

from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import Positions


@dataclass(frozen=True, slots=True)
class Partial:
    """The results from `first` to `last`, which count from 1; `backwards` begins with the newest."""

    first: int
    last: int
    backwards: bool

    def of(self, count: int) -> range:
        """Which of `count` results these are, by their indexes; fewer where there are not so many."""
        low, high = min(self.first - 1, count), min(self.last, count)
        return range(count - high, count - low) if self.backwards else range(low, high)

    def cut(self, positions: Positions) -> Positions:
        """Those of the positions, which are the results."""
        wanted = self.of(sum(map(len, positions)))
        spans: list[range] = []
        before = 0
        for span in positions:
            part = span[max(wanted.start - before, 0) : max(wanted.stop - before, 0)]
            if part:
                spans.append(part)
            before += len(span)
        return spans


def parse(args: Cursor) -> Partial:
    """partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number, in either order."""
    backwards = args.accept(b"-")
    one = args.nz_number()
    args.expect(b":-" if backwards else b":")
    other = args.nz_number()
    return Partial(min(one, other), max(one, other), backwards)
