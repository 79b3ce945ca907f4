"""The certificates in force: what connections see, and how renewed ones take their place."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from mailnode.auth.live import Live
from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane, ThreadedExecutor
from mailnode.net.tls import TlsError, TlsServer
from mailnode.service_reading import TlsFiles, read_tls, stamp_of
from mailnode.upkeep.acme_renewal import AcmeRenewal
from mailnode.upkeep.renewal import Renewal


class Certificates:
    """One for the process; `lane` is that in which all configuration is read."""

    def __init__(
        self, live: Live, clock: IReactorTime, files: FileSystem, lane: Lane, first: TlsFiles
    ) -> None:
        # Other mail servers are never asked for a certificate: they would send theirs for nothing.
        servers = [TlsServer(context) for context in first.contexts]
        self.others = servers[0] if servers else None
        self.people = servers[1] if servers else None
        self._live = live
        self._files = files
        self._lane = lane
        self._servers = servers
        self._shown = first
        self.renewal = Renewal(
            clock,
            look=lambda: lane.run(stamp_of, live.config.tls, files),
            known=lambda: self._shown.stamp,
            take=lambda: Deferred.fromCoroutine(self._renew()),
            refused=(TlsError, OSError),
        )

    def ends(self) -> Mapping[str, float]:
        """When they run out, in seconds since the epoch, by file."""
        return self._shown.ends

    def show(self, tls: TlsFiles) -> None:
        """Have connections that come from now on see these."""
        for server, context in zip(self._servers, tls.contexts, strict=False):
            server.context = context
        self._shown = tls

    async def _renew(self) -> None:
        self.show(await self._lane.run(read_tls, self._live.config.tls, self._files))


class NewCertificates:
    """Asks an authority for new ones, in a thread of its own; in the main process only."""

    def __init__(self, live: Live, reactor: Any, files: FileSystem, rng: random.Random) -> None:
        self._thread = ThreadedExecutor(reactor, 1, "acme")
        self._renewal = AcmeRenewal(
            live,
            reactor,
            self._thread,
            files,
            rng,
            now=lambda: datetime.fromtimestamp(reactor.seconds(), UTC),
        )
        self.problems = self._renewal.problems
        self.stop = self._renewal.stop  # what the thread waits for is not waited for

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._renewal.start()
