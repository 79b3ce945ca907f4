"""What is kept of everybody's password for the mechanisms that never see it.

For a name that nobody has there are a verifier and a secret too, as stable as real ones and as dear to look
at: a client sees a salt before it has proved anything, and must not learn from it who has a mailbox here.
They are made of a key that lasts: where it changed, the salts that change with it would be those of nobody.
"""

import hmac
import secrets

from mailnode.auth.keys import KEY_OCTETS
from mailnode.auth.live import Live
from mailnode.config import MailboxEntry, Mailboxes
from mailnode.wire.errors import BadSyntax
from mailnode.wire.saslprep import saslprep
from mailnode.wire.scram import HASHES, Verifier, make_verifier

# Work for whoever has stolen mailboxes.toml and guesses, against time that every login costs the client: a
# laptop takes 30 ms for this, an old telephone 0.3 s. RFC 7677 section 4 counted 15,000 for 0.1 s, in 2015.
ITERATIONS = 100_000
SALT_OCTETS = 16


def make_verifiers(password: str) -> tuple[Verifier, ...]:
    """One for each scheme, with salts of their own; slow. None where SASLprep does not allow the password."""
    try:
        text = saslprep(password).encode()
    except BadSyntax:
        return ()
    return tuple(
        make_verifier(scheme, text, salt=secrets.token_bytes(SALT_OCTETS), iterations=ITERATIONS)
        for scheme in HASHES
    )


class Verifiers:
    """Looks into the mailboxes of this moment; `key` is what is invented for nobody is made of."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.key = secrets.token_bytes(KEY_OCTETS)
        self._counted: Mailboxes | None = None
        self._complete: frozenset[str] = frozenset()

    def complete(self, scheme: str) -> bool:
        """Whether every mailbox has a verifier of this scheme, and there is a mailbox at all.

        Only then is the mechanism offered: a client that prefers it must not fail where PLAIN would work.
        """
        mailboxes = self._live.mailboxes
        if self._counted is not mailboxes:
            self._counted = mailboxes
            entries = mailboxes.mailboxes.values()
            self._complete = frozenset(
                one for one in HASHES if entries and all(entry.verifier(one) for entry in entries)
            )
        return scheme in self._complete

    def verifier(self, scheme: str, address: str, entry: MailboxEntry | None) -> Verifier:
        """The verifier of a mailbox, or one that nothing proves."""
        found = entry.verifier(scheme) if entry else None
        return found or self._invented(scheme, address)

    def secret(self, address: str, entry: MailboxEntry | None) -> bytes:
        """The secret of a mailbox for CRAM-MD5 and APOP, or one that nobody knows."""
        return entry.secret.encode() if entry and entry.secret else self._made_of("secret", address)

    def _invented(self, scheme: str, address: str) -> Verifier:
        """With the number of iterations that real ones have here."""
        entries = self._live.mailboxes.mailboxes.values()
        like = next((found for entry in entries if (found := entry.verifier(scheme))), None)
        stored_key, server_key = (self._made_of(scheme + what, address) for what in ("stored", "server"))
        return Verifier(
            scheme,
            like.iterations if like else ITERATIONS,
            self._made_of(scheme + "salt", address)[: len(like.salt) if like else SALT_OCTETS],
            stored_key,
            server_key,
        )

    def _made_of(self, what: str, address: str) -> bytes:
        return hmac.digest(self.key, f"{what}\0{address}".encode(), "sha256")
