"""Logins, and sessions in which people read their mail: what each process has that serves connections.

`word` is how the ids begin that are made in this process, where there are several.
"""

import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.cred.portal import Portal

from mailnode.auth.checker import PasswordChecker, ProofChecker
from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.auth.neighbours import Neighbours
from mailnode.auth.passwords import Hasher
from mailnode.auth.realm import Realm
from mailnode.auth.throttle import LoginThrottle
from mailnode.auth.tokens import JwtChecker
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus
from mailnode.events.log import Log
from mailnode.events.presence import LiveSessions
from mailnode.fs import FileSystem
from mailnode.fs_watch import FirstChanges
from mailnode.imap.protocol import Imap
from mailnode.imap.session import Surroundings
from mailnode.net.blocking import Lane, ThreadedExecutor
from mailnode.net.dirwatch import DirectoryWatches, KernelWatcher
from mailnode.net.listen import Serve
from mailnode.pop3.session import Pop3
from mailnode.runtime import Runtime
from mailnode.service_certificates import Certificates
from mailnode.service_reading import Reading, changed_people, read, waits_for_a_start
from mailnode.store.stillness import Stillness

STORE_THREADS = 8
PASSWORD_THREADS = 1

READING = ("pop3", "imap")  # the protocols in which mail is read
IN_WORKERS = (*READING, "smtp", "lmtp")  # what is served in processes of its own, where there are some


class Entrance:
    """Built once for each process, from what was read when it started."""

    def __init__(self, path: str, reading: Reading, reactor: Any, word: str = "") -> None:
        self._path = path
        self._log = Log("mailnode")
        loaded = reading.loaded
        self._started = loaded.config
        self.files = files = FileSystem(alarm=partial(reactor.callFromThread, self._disk_failed))
        self.live = live = Live(loaded.config, loaded.mailboxes)
        self.disk = ThreadedExecutor(reactor, STORE_THREADS, "store")
        self.passwords = ThreadedExecutor(reactor, PASSWORD_THREADS, "passwords")
        self.rng = random.SystemRandom()
        self.runtime = runtime = Runtime(reactor, self.rng, self.disk, word)
        self._reads = Lane(runtime.blocking)  # so that what was read last is what is in force
        self.certificates = Certificates(live, reactor, files, self._reads, reading.tls)
        self.tls, self.asking = self.certificates.others, self.certificates.people
        self.feed, self.bus, self.sessions = ChangeFeed(), Bus(), LiveSessions()
        self.realm = realm = Realm(live, runtime, files, rng=self.rng, stillness=Stillness(FirstChanges))
        checker = PasswordChecker(
            live, hasher=Hasher(loaded.config.auth), executor=self.passwords, clock=runtime.now
        )
        self._tokens = tokens = JwtChecker(reading.issuer, runtime.blocking, runtime.now)
        portal = Portal(realm, [checker, ProofChecker(live)])
        self.throttle = LoginThrottle(runtime.now, lambda: live.config.limits)
        self.logins = Logins(live, runtime, portal, self.throttle, self.bus, tokens)
        self.watches = DirectoryWatches(reactor, partial(KernelWatcher, reactor))

    def serve(self) -> Mapping[str, Serve]:
        """What makes sessions in which mail is read, by protocol."""
        pop3 = Pop3(self.live, self.runtime, self.logins, self.feed, self.bus, self.asking)
        imap = Imap(
            Surroundings(
                self.live,
                self.runtime,
                self.logins,
                self.feed,
                self.bus,
                self.watches,
                self.asking,
                self.sessions,
                Neighbours(self.live, self.realm, self.files),
            )
        )
        return {"pop3": pop3.serve, "imap": imap.serve}

    def _disk_failed(self, path: str) -> None:
        remedy = "look at the kernel's log and the disk, restore what it lost, then start the server again"
        self._log.warn(
            "the disk does not keep what is written: no mail is accepted", path=path, remedy=remedy
        )

    async def reload(self) -> tuple[list[str], frozenset[str]]:
        """Take the configuration as it is on disk now; gives warnings, and whose credentials have changed.

        Raises ConfigurationError, TlsError or TokenKeysError; then the old configuration stays.
        """
        reading = await self._reads.run(read, self._path, self.files)
        loaded = reading.loaded
        self.certificates.show(reading.tls)
        self._tokens.issuer = reading.issuer
        warnings = [str(warning) for warning in loaded.warnings]
        warnings += waits_for_a_start(self._started, loaded.config)
        changed = changed_people(self.live.mailboxes, loaded.mailboxes)
        self.live.config, self.live.mailboxes = loaded.config, loaded.mailboxes
        return warnings, changed
