"""SASL (RFC 4422), the server's side: what an exchange is, and the mechanisms that need no cryptography.

A mechanism is a coroutine that talks to the client through an Exchange, looks at the Evidence of the
connection, and ends in a Claim. It raises BadSyntax for what is not its grammar, and Wrong for what proves
nothing. Base64, "334 " or "+ ", and a client that cancels are the business of the protocols.
"""

from collections.abc import Awaitable, Callable
from dataclasses import field

from mailnode.auth.claims import NOBODY, Claim, Password, Proven, Wrong
from mailnode.auth.evidence import Evidence
from mailnode.values import frozen
from mailnode.wire.base64 import canonical_base64
from mailnode.wire.errors import BadSyntax


@frozen
class Exchange:
    """One dialogue. `initial` is the decoded initial response, None where the client sent none.

    `ask` sends a challenge and gives the decoded response to it.
    """

    initial: bytes | None = field(repr=False)
    ask: Callable[[bytes], Awaitable[bytes]]

    async def first(self, challenge: bytes = b"") -> bytes:
        """The initial response; the challenge asks for it where it has not come (RFC 4422 section 5)."""
        return await self.ask(challenge) if self.initial is None else self.initial


def decode_base64(text: bytes) -> bytes:
    """The octets of one base64 line; "=" alone stands for none (RFC 4954 section 4, RFC 4959 section 3).

    Raises BadSyntax.
    """
    return b"" if text == b"=" else canonical_base64(text)


async def plain(exchange: Exchange, _evidence: Evidence) -> Claim:
    """PLAIN (RFC 4616 section 2): message = [authzid] UTF8NUL authcid UTF8NUL passwd"""
    parts = (await exchange.first()).split(b"\0")
    if len(parts) != 3:
        raise BadSyntax("PLAIN needs authzid, authcid and password, with NUL between them")
    authzid, authcid, password = parts
    claim = _password(authcid, password)
    return claim if authzid.lower() in (b"", authcid.lower()) else NOBODY


async def login(exchange: Exchange, _evidence: Evidence) -> Claim:
    """LOGIN: no RFC, but old mail clients know nothing else. The name may be the initial response."""
    username = await exchange.first(b"Username:")
    return _password(username, await exchange.ask(b"Password:"))


async def external(exchange: Exchange, evidence: Evidence) -> Claim:
    """EXTERNAL (RFC 4422 appendix A): the client's certificate names the mailbox, or several to choose from.

    The response is the authzid, or empty for the first mailbox that the certificate names.
    """
    authzid = await exchange.first()
    for named in evidence.certified:
        person = evidence.person(named.encode())
        if person.entry is not None and authzid.lower() in (b"", named.encode()):
            return Proven(named.encode(), person.address, person.entry)
    raise Wrong(authzid, authzid)


def _password(username: bytes, password: bytes) -> Password:
    """Both parts must be UTF-8 without NUL, and not empty (RFC 4616 section 2: 1*SAFE)."""
    for part in (username, password):
        if not part:
            raise BadSyntax("Name and password must not be empty")
        if b"\0" in part:
            raise BadSyntax("Name and password must not hold NUL")
        try:
            part.decode()
        except UnicodeDecodeError:
            raise BadSyntax("Name and password must be UTF-8") from None
    return Password(username, password)
