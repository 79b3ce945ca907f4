"""The people of tests/smtp/world.py, let in by the real Logins: their password is "secret"."""

import random
from dataclasses import replace
from functools import lru_cache

from twisted.cred.portal import Portal

from mailnode.auth.checker import PasswordChecker, ProofChecker
from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.auth.realm import Realm
from mailnode.auth.throttle import LoginThrottle
from mailnode.config import Mailboxes
from mailnode.events.life import Bus
from mailnode.fs import FileSystem
from mailnode.runtime import Runtime
from tests.auth.house import HASHER, entry
from tests.smtp.world import MAILBOXES


@lru_cache(maxsize=1)
def people() -> Mailboxes:
    """With a hash and verifiers of SCRAM, made once, that cost little."""
    return replace(MAILBOXES, mailboxes=dict.fromkeys(MAILBOXES.mailboxes, entry("secret")))


def logins(live: Live, runtime: Runtime, bus: Bus) -> Logins:
    """As a server has it, without tokens."""
    passwords = PasswordChecker(live, hasher=HASHER, executor=runtime.blocking, clock=runtime.now)
    realm = Realm(live, runtime, FileSystem(), rng=random.Random(1))
    portal = Portal(realm, [passwords, ProofChecker(live)])
    return Logins(live, runtime, portal, LoginThrottle(runtime.now, lambda: live.config.limits), bus)
