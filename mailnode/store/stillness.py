"""Whether a mailbox is certainly what it was at the last look, so that none is needed.

The kernel says so (fs_watch): a watch of its directories that was in place before a look, and that has told
nothing since. A look costs a thread and some questions to the disk; this costs one call that waits for
nothing, so that it can be asked on the reactor's thread too.

What a watch cannot tell (something was mounted over a mailbox, or what its tree lies in was moved) shows with
a look all the same, as no answer is good for longer than SECONDS.
"""

import errno
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from threading import Lock
from typing import Protocol, cast

SECONDS = 1.0
MOST = 256  # mailboxes that are watched at a time: the kernel has so many watches for all programs
PAUSE = 60.0  # seconds until the kernel is asked again that could not do it

# The kernel goes over all names of a directory that it has in memory when a watch begins: milliseconds of one
# with 40,000. So after that it rests for so many times as long as it took, in which somebody has to look.
RARELY = 20
LONGEST_REST = 5.0  # seconds


class Changes(Protocol):
    """What is used of fs_watch.FirstChanges."""

    def watch(self, path: str) -> int: ...
    def leave(self, watch: int) -> None: ...
    def ended(self) -> list[int]: ...


def _unable() -> Changes:
    raise OSError(errno.ENOSYS, "nobody watches here")


class Watch:
    """Of one mailbox; all but is_still() is used in the account's lane."""

    def __init__(self, stillness: "Stillness", paths: Sequence[str]) -> None:
        self.holds = False  # whether it goes on, as far as is known
        self.numbers: set[int] = set()
        self._stillness = stillness
        self._paths = paths
        self._looked = self._asked = -math.inf
        self._rest = 0.0

    def begin(self, clock: Callable[[], float]) -> None:
        """Watch from now on, if that is possible and not dear; it vouches for no look that was before."""
        self._looked = -math.inf
        began = clock()
        if 0 <= began - self._asked < self._rest:
            return
        try:
            self._stillness.begin(self, self._paths)
        except OSError:
            self._asked, self._rest = began, PAUSE
        else:
            self._asked = clock()
            self._rest = min(RARELY * (self._asked - began), LONGEST_REST)

    def vouch(self, now: float) -> None:
        """It was in place when a look began, at `now`, that has found what was known."""
        self._looked = now

    def is_still(self, now: float) -> bool:
        """Whether another look, at `now`, would find what is known."""
        return 0 <= now - self._looked < SECONDS and self._stillness.goes_on(self)


class Stillness:
    """The watches of one process; `open_queue` is asked for the kernel's queue when it is first needed."""

    def __init__(self, open_queue: Callable[[], Changes] = _unable) -> None:
        self._open = open_queue
        self._queue: Changes | None = None
        self._lock = Lock()  # never held while the disk is asked
        self._told = 0  # how often the queue was not empty
        self._watches: OrderedDict[Watch, None] = OrderedDict()  # the one that began first is first
        self._by_number: dict[int, set[Watch]] = {}

    def of(self, *paths: str) -> Watch:
        """A watch of these directories, which has not begun."""
        return Watch(self, paths)

    def begin(self, watch: Watch, paths: Sequence[str]) -> None:
        """Let a watch hold from now on. Raises OSError; then it does not."""
        with self._lock:
            queue = self._queue = self._queue or self._open()
            told = self._told
        numbers: set[int] = set()
        try:
            numbers.update(map(queue.watch, paths))
        finally:
            with self._lock:
                self._forget(watch, but=numbers)
                # What was told meanwhile may have been told of these, before anybody knew whose they are.
                if told == self._told and len(numbers) == len(paths):
                    self._know(watch, numbers)
                self._leave(numbers)

    def goes_on(self, watch: Watch) -> bool:
        """Whether nothing has been told so far of what it watches."""
        with self._lock:
            ended = self._queue.ended() if self._queue is not None else ()
            if ended:
                self._told += 1
                self._hear(ended)
            return watch.holds

    def _hear(self, ended: Sequence[int]) -> None:
        for number in ended if min(ended) >= 0 else list(self._by_number):
            for watch in self._by_number.pop(number, ()):
                watch.holds = False
                watch.numbers.discard(number)

    def _know(self, watch: Watch, numbers: set[int]) -> None:
        watch.holds, watch.numbers = True, numbers
        for number in numbers:
            self._by_number.setdefault(number, set()).add(watch)
        self._watches[watch] = None
        if len(self._watches) > MOST:
            self._forget(next(iter(self._watches)))

    def _forget(self, watch: Watch, *, but: AbstractSet[int] = frozenset()) -> None:
        watch.holds = False
        self._watches.pop(watch, None)
        numbers, watch.numbers = watch.numbers, set()
        for number in numbers & self._by_number.keys():
            self._by_number[number].discard(watch)
            if not self._by_number[number]:
                del self._by_number[number]
        self._leave(numbers - but)

    def _leave(self, numbers: AbstractSet[int]) -> None:
        """End those of these that nobody has."""
        for number in numbers - self._by_number.keys():
            cast(Changes, self._queue).leave(number)
