"""A range of results, counted from the first or from the last (RFC 9394 section 4)."""

from array import array
from collections.abc import Iterator

from mailnode.values import frozen
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import Positions


@frozen
class Partial:
    """From the `first` to the `last` result, with `newest` counted from the end; `text` as it was asked."""

    text: bytes
    first: int
    last: int
    newest: bool

    def indexes(self, count: int) -> range:
        """Which of `count` results are in the range; it may be empty."""
        last = min(self.last, count)
        first = min(self.first, count + 1)
        return range(count - last, count - first + 1) if self.newest else range(first - 1, last)

    def cut(self, positions: Positions) -> Iterator[range]:
        """Those of the positions, which are the results, that are in the range."""
        bounds = array("I")  # the spans, in eight octets each, as there may be very many
        for span in positions:
            bounds.extend((span.start, span.stop))
        wanted = self.indexes(sum(bounds[1::2]) - sum(bounds[::2]))
        before = 0
        for start, stop in zip(bounds[::2], bounds[1::2], strict=True):
            part = range(start, stop)[max(wanted.start - before, 0) : max(wanted.stop - before, 0)]
            if part:
                yield part
            before += stop - start


def parse(args: Cursor) -> Partial:
    """modifier-partial = "PARTIAL" SP partial-range, behind the name

    partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number, in either order.
    """
    newest = args.sp().accept(b"-")
    one = args.nz_number()
    args.expect(b":-" if newest else b":")
    other = args.nz_number()
    text = (b"-%d:-%d" if newest else b"%d:%d") % (one, other)
    return Partial(text, min(one, other), max(one, other), newest)
