"""Takes certificates that were renewed: looks once a minute whether their files are others.

A certificate and its key are two files, and are rarely written at once: what does not fit together is not
taken, and looked at again when it changes once more. Meanwhile the old one stays in force.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from mailnode.events.log import Log

EVERY = 60.0  # seconds between two looks

Stamp = tuple[object, ...]


class Renewal:
    """One for the process.

    `look` gives what tells one state of the files from another, `known` that of those in force; `take` puts
    the files in force. What `refused` is, is logged once for a state.
    """

    def __init__(
        self,
        clock: IReactorTime,
        look: Callable[[], "Deferred[Stamp]"],
        known: Callable[[], Stamp],
        take: Callable[[], "Deferred[None]"],
        refused: tuple[type[Exception], ...],
    ) -> None:
        self._look = look
        self._known = known
        self._take = take
        self._refused = refused
        self._log = Log("mailnode.upkeep")
        self._bad: Stamp | None = None
        self._loop = LoopingCall(lambda: Deferred.fromCoroutine(self._once()))
        self._loop.clock = clock

    def start(self) -> None:
        """Begin to look."""
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()

    async def _once(self) -> None:
        """One look; raises nothing."""
        try:
            stamp = await self._look()
            if stamp in (self._known(), self._bad):
                return
            self._bad = stamp
            await self._take()
        except self._refused as error:
            self._log.warn("certificates not taken", reason=str(error))
        except Exception:
            self._log.bug("certificates not looked at", Failure())
        else:
            self._bad = None
            self._log.info("certificates taken")
