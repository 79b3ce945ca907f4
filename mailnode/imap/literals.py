"""Long octets in a response: exactly as many as were announced."""

from collections.abc import Iterator

from mailnode.imap.replies import Torn
from mailnode.store.errors import StoreError


def exactly(announcement: bytes, chunks: Iterator[bytes], start: int, count: int) -> Iterator[bytes]:
    """The announcement, then exactly `count` octets from the octet `start` on.

    Raises Torn when the chunks do not give that many.
    """
    yield announcement
    try:
        while count:
            chunk = next(chunks, None)
            if chunk is None:
                raise Torn("a message is shorter than its size")
            piece = chunk[start : start + count]
            start = max(0, start - len(chunk))
            count -= len(piece)
            yield piece  # also where there is nothing of it: others have their turn
    except (OSError, StoreError) as error:
        raise Torn("a message cannot be read to its end") from error
