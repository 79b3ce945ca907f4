"""Threads on the wire (RFC 5256 section 5), however deep they are."""

from collections.abc import Iterator, Sequence

from mailnode.message.threading import NONE, Threads

_PIECE = 1024  # words that are written at once


def thread_list(threads: Threads, root: int, names: Sequence[int]) -> Iterator[bytes]:
    """thread-list = "(" (thread-members / thread-nested) ")", in pieces; `names` is what messages are called.

    thread-members = nz-number *(SP nz-number) [SP thread-nested]; thread-nested = 2*thread-list
    """
    words = []
    for word in _words(threads, root, names):
        words.append(word)
        if len(words) == _PIECE:
            yield b"".join(words)
            words.clear()
    yield b"".join(words)


def _words(threads: Threads, root: int, names: Sequence[int]) -> Iterator[bytes]:
    first, following = threads.first, threads.next
    waiting: list[int] = []  # of every list that is open, the sibling that comes next; NONE for the last
    node = root
    yield b"("
    while True:
        child = first[node]
        alone = child != NONE and following[child] == NONE
        if node < threads.messages:
            yield b"%d" % names[node] if child == NONE else b"%d " % names[node]
        if child == NONE:
            yield b")"
            while waiting and waiting[-1] == NONE:
                waiting.pop()
                yield b")"
            if not waiting:
                return
            child = waiting.pop()
        if not alone:
            waiting.append(following[child])
            yield b"("
        node = child
