"""Removes for good what was removed some time ago (store.keeping), every hour.

One account after the other, each in its lane, on nobody's behalf.
"""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from mailnode.auth.realm import MailAccount, Realm
from mailnode.events.log import Log
from mailnode.net.blocking import Lane
from mailnode.store.errors import StoreError

EVERY = 3600.0  # seconds


class Expiry:
    """One for the process; `addresses` gives those of all mailboxes of the moment."""

    def __init__(
        self, clock: IReactorTime, realm: Realm, addresses: Callable[[], Iterable[str]], log: Log
    ) -> None:
        self._realm = realm
        self._addresses = addresses
        self._log = log
        self._loop = LoopingCall(self._look_at_all)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin to look."""
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """Look at no further account."""
        if self._loop.running:
            self._loop.stop()

    def _look_at_all(self) -> "Deferred[None]":
        return Deferred.fromCoroutine(self._expire_all())

    async def _expire_all(self) -> None:
        for address in list(self._addresses()):
            if not self._loop.running:
                return
            await self._expire(self._realm.account(address))

    async def _expire(self, account: MailAccount) -> None:
        try:
            # The plain run() of a lane, which is no use of the account, and opens no cache.
            gone = await Lane.run(account.lane, account.store.keeper.expire)
        except (OSError, StoreError) as error:
            self._log.warn("removed mail not expired", address=account.address, reason=str(error))
        except Exception:
            self._log.bug("removed mail not expired", Failure())
        else:
            if gone:
                self._log.info("removed mail expired", address=account.address, messages=gone)
