"""Password hashes: argon2id (RFC 9106), salted, in the text form that argon2 tools share.

Both directions are slow on purpose and hold no lock of the interpreter's while they work: call them in a
thread, never on the reactor's.
"""

import secrets
import unicodedata

import argon2

from mailnode.config_auth import Auth


class Hasher:
    """Makes and checks hashes; `dummy` is a hash of no password, as costly to check as a real one."""

    def __init__(self, parameters: Auth) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=parameters.argon2_time,
            memory_cost=parameters.argon2_memory,
            parallelism=parameters.argon2_parallelism,
        )
        self.dummy = self.hash(secrets.token_hex())

    def hash(self, password: str) -> str:
        """A new hash of the password, with a salt of its own."""
        return self._argon2.hash(normalized(password))

    def verify(self, stored: str, password: str) -> bool:
        """Whether the password is the one that was hashed; False also for what is no argon2 hash."""
        try:
            return self._argon2.verify(stored, normalized(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def normalized(password: str) -> bytes:
    """The octets that are hashed: UTF-8 of Unicode's NFC, so that every keyboard's u-umlaut is the same."""
    return unicodedata.normalize("NFC", password).encode()
