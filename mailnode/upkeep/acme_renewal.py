"""Has the certificate renewed while the server runs, by the authority of [tls.acme].

It looks each hour whether a third of the certificate's life is left, a little earlier by chance so that not
all servers ask at once, or whether the authority wants it earlier (RFC 9773). After a failure it waits,
longer each time. Files are only written here; who watches them (upkeep.renewal) takes them in force.

The talk waits for others for minutes, and so has a thread of its own.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from mailnode.auth.live import Live
from mailnode.config import Config
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.runtime import Executor
from mailnode.upkeep.acme_trouble import SHORT, Trouble
from mailnode.upkeep.certificate_files import life_of, read_pem, settle
from mailnode.upkeep.ordering import Order, account_of, fulfil, keep_failure, order_for
from mailnode.upkeep.proofs import OnPages

FIRST, EVERY = 60.0, 3600.0  # seconds until it looks for the first time, and between two looks
ASKED_EVERY = timedelta(hours=6)  # that the authority is asked when it wants to renew
YOUNGEST = timedelta(days=1)  # a certificate that is renewed because the authority wants it
LONGEST = 86400.0  # seconds until it tries again after failures

Now = Callable[[], datetime]


class AcmeRenewal:
    """One for the process; used on the reactor thread. `now` is the real time."""

    def __init__(
        self,
        live: Live,
        clock: IReactorTime,
        executor: Executor,
        files: FileSystem,
        rng: random.Random,
        now: Now,
    ) -> None:
        self._live = live
        self._clock = clock
        self._executor = executor
        self._work = _Work(files, rng, now)
        self._rng = rng
        self._log = Log("mailnode.upkeep")
        self._pause = 0.0  # seconds from the last failure to the next try
        self._again = 0.0  # when that is
        self._next: IDelayedCall | None = None
        self._running = False
        self._problem = ""

    def problems(self) -> list[str]:
        """What an administrator may have to do something about."""
        return [f"the certificate was not renewed: {self._problem}"] if self._problem else []

    def start(self) -> None:
        """Begin to look."""
        self._running = True
        self._look_in(FIRST * (1 + 9 * self._rng.random()))

    def stop(self) -> None:
        """Begin nothing more; what runs in the thread ends by itself."""
        self._running = False
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _look_in(self, seconds: float) -> None:
        if self._running:
            self._next = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        self._next = None
        config = self._live.config
        if config.tls.acme.directory:
            may_ask = self._clock.seconds() >= self._again
            self._executor.run(self._work.renewed, config, may_ask).addCallbacks(self._done, self._failed)
        else:
            self._done(())

    def _done(self, names: tuple[str, ...] | None) -> None:
        """With the names of a new certificate, none where none was due, None where it is and must wait."""
        if names is None:
            self._look_again()
            return
        if names:
            self._log.info("certificate renewed", names=",".join(names))
        self._pause, self._problem, self._again = 0.0, "", 0.0
        self._look_in(EVERY)

    def _look_again(self) -> None:
        """Somebody may get a certificate by hand before it is tried again."""
        self._look_in(max(1.0, min(EVERY, self._again - self._clock.seconds())))

    def _failed(self, failure: Failure) -> None:
        """Also a fault of our own must not end the looks."""
        trouble = failure.value
        least = trouble.wait if isinstance(trouble, Trouble) else SHORT
        self._pause = min(LONGEST, max(least, 2 * self._pause))
        wait = self._pause * (1 + 0.1 * self._rng.random())
        self._again = self._clock.seconds() + wait
        if isinstance(trouble, Trouble):
            self._problem = str(trouble)
            self._log.warn("certificate not renewed", reason=self._problem, next_in=int(wait))
        else:
            self._problem = "see the log"
            self._log.bug("certificate not renewed", failure)
        self._look_again()


class _Work:
    """What is done in the thread."""

    def __init__(self, files: FileSystem, rng: random.Random, now: Now) -> None:
        self._files = files
        self._now = now
        self._spread = rng.random()
        self._asked = datetime.min.replace(tzinfo=now().tzinfo)
        self._suggested: datetime | None = None
        self._chain = b""  # that the authority was asked about

    def renewed(self, config: Config, may_ask: bool) -> tuple[str, ...] | None:
        """Renew what is due, if that may be; gives its names, none where nothing is due. Raises Trouble."""
        order = order_for(config, self._now, self._files)
        if order is None and config.tls.certificates:
            raise Trouble("no certificate in [tls] is for a name in [tls.acme]", "Run: mailnode tls request")
        if order is not None:
            settle(order.pair, self._files)
        if order is None or not self._is_due(order, may_ask):
            return ()
        return _renewed(order, config, self._files) if may_ask else None

    def _is_due(self, order: Order, may_ask: bool) -> bool:
        due = order.due(self._files, self._spread)
        now = self._now()  # not earlier: what is due at once is due at the moment of the answer
        if due <= now:
            return True
        chain = read_pem(order.pair.certificate, self._files)
        if may_ask and (chain != self._chain or now - self._asked >= ASKED_EVERY):
            self._chain, self._asked = chain, now
            self._suggested = _suggested(order.directory, chain)
        aged = now - life_of(chain).begins >= YOUNGEST
        return aged and self._suggested is not None and self._suggested <= now


def _suggested(directory: str, chain: bytes) -> datetime | None:
    try:
        from mailnode.upkeep.authority import suggested
    except ImportError:
        return None  # said when one is due
    return suggested(directory, chain)


def _renewed(order: Order, config: Config, files: FileSystem) -> tuple[str, ...]:
    proofs, email = OnPages(files, config.acme_directory), config.tls.acme.email
    try:
        fulfil(order, files, account_of(order, files), proofs, email=email)
    except Trouble as trouble:
        keep_failure(config, str(trouble), order.now(), files)
        raise
    keep_failure(config, "", order.now(), files)
    return order.names
