"""From an address and a password to an avatar id, for twisted.cred.

The hash is worked out in a thread of its own behind a bounded queue, so that a flood of logins costs the
flood waiting time and nobody else anything. A password that was right is remembered for a few minutes as
an HMAC over address, stored hash and password: a new password makes a new key, so the old one can not be
found any more. A wrong one is never remembered here.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from mailnode.auth.claims import IProven
from mailnode.auth.live import Live
from mailnode.auth.names import login_address, prepared
from mailnode.auth.passwords import Hasher, normalized
from mailnode.runtime import Executor

LONGEST_PASSWORD = 1024  # octets; normalising takes time that grows with the square of the length

_CACHE_ENTRIES = 4096


class LoginBusy(Exception):
    """Too many logins wait for their password to be checked; trying again later helps."""


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Checks a login name and password (both bytes) against the mailboxes of this moment.

    Gives the mailbox address in lower case as bytes, raises UnauthorizedLogin or LoginBusy. Every wrong
    login costs the same, here and in the thread, whether the mailbox exists or not.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, live: Live, *, hasher: Hasher, executor: Executor, clock: Callable[[], float]) -> None:
        self._live = live
        self._hasher = hasher
        self._executor = executor
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._waiting = 0

    def requestAvatarId(self, credentials: object) -> Deferred[bytes | tuple[()]]:
        """A Deferred of the address that these credentials prove."""
        username, password = _texts(IUsernamePassword(credentials))
        address = login_address(self._live, username)
        stored = self._stored(address) or self._somebodys(address)
        digest = self._digest(address, stored, password)
        if self._remembered(digest):
            return succeed(address.encode())
        if self._waiting >= self._live.config.limits.password_queue:
            return fail(LoginBusy())
        return self._verify(address, stored, password, digest)

    def _stored(self, address: str) -> str:
        """The hash of a mailbox's password at this moment; "" where there is no such mailbox."""
        entry = self._live.mailboxes.mailboxes.get(address)
        return entry.password if entry else ""

    def _somebodys(self, address: str) -> str:
        """The hash of a mailbox for a name that has none: what it costs to check, any other may cost too.

        For each name it is always the same one. Being right about it proves nothing: it is another's.
        """
        entries = tuple(self._live.mailboxes.mailboxes.values())
        if not entries:
            return self._hasher.dummy
        number = int.from_bytes(hmac.digest(self._key, address.encode(), "sha256"), "big")
        return entries[number % len(entries)].password

    def _verify(self, address: str, stored: str, password: str, digest: bytes) -> Deferred[bytes | tuple[()]]:
        """The answer is a Deferred of its own: cancelling it must not let go of the place in the queue."""
        answer: Deferred[bytes | tuple[()]] = Deferred()

        def verified(right: bool | Failure) -> None:
            self._waiting -= 1
            if isinstance(right, Failure):
                answer.errback(right)
            elif right and self._stored(address) == stored:  # a reload may have come in between
                self._remember(digest)
                answer.callback(address.encode())
            else:
                answer.errback(UnauthorizedLogin())

        self._waiting += 1
        self._executor.run(self._hasher.verify, stored, password).addBoth(verified)
        return answer

    def _digest(self, address: str, stored: str, password: str) -> bytes:
        parts = (address.encode(), stored.encode(), normalized(password))
        return hmac.digest(self._key, b"\0".join(parts), "sha256")

    def _remember(self, digest: bytes) -> None:
        self._right[digest] = self._clock() + self._live.config.auth.cache_seconds
        self._right.move_to_end(digest)
        while len(self._right) > _CACHE_ENTRIES:
            self._right.popitem(last=False)

    def _remembered(self, digest: bytes) -> bool:
        return self._right.get(digest, 0.0) > self._clock()


@implementer(ICredentialsChecker)
class ProofChecker:
    """Takes a proof if what it was checked against is still what is kept; a reload may have come between."""

    credentialInterfaces = (IProven,)

    def __init__(self, live: Live) -> None:
        self._live = live

    def requestAvatarId(self, credentials: object) -> Deferred[bytes | tuple[()]]:
        """A Deferred of the address that was proved; UnauthorizedLogin."""
        proof = IProven(credentials)
        entry = self._live.mailboxes.mailboxes.get(proof.address)
        if entry is None or entry.credentials != proof.entry.credentials:
            return fail(UnauthorizedLogin())
        return succeed(proof.address.encode())


def _texts(credentials: IUsernamePassword) -> tuple[str, str]:
    """Name and password as text; what cannot be right makes an empty name, which nobody has."""
    if len(credentials.password) > LONGEST_PASSWORD:
        return "", ""
    try:
        return prepared(credentials.username), credentials.password.decode()
    except UnicodeDecodeError:
        return "", ""
