"""SASL mechanisms (RFC 4422), the client's side: challenges in, responses out, no I/O.

A mechanism object lives for one exchange. `begin` gives the initial response, or None where the server speaks
first; `step` answers a challenge; `done` tells whether the server, too, has proved itself, where it has to.
"""

import contextlib
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from typing import Protocol

from mailnode.values import frozen
from mailnode.wire.abnf import number
from mailnode.wire.base64 import base64, canonical_base64
from mailnode.wire.errors import BadSyntax
from mailnode.wire.saslprep import saslprep
from mailnode.wire.scram import HASHES, make_keys

MOST_ITERATIONS = 1_000_000  # more is an attack on this host: it would hash for seconds


@frozen
class Identity:
    """With what this host logs in.

    `nonce` is printable, without comma, and never the same twice. `binding` is what tls-exporter gives
    (RFC 9266 section 4), b"" where there is none.
    """

    username: str
    password: str = field(repr=False)
    nonce: str = ""
    binding: bytes = field(default=b"", repr=False)


class ClientMechanism(Protocol):
    """One exchange."""

    @property
    def done(self) -> bool:
        """Whether the server may now say that all is well."""

    def begin(self) -> bytes | None:
        """The initial response; None for none."""

    def step(self, challenge: bytes) -> bytes:
        """The response to a challenge; raises BadSyntax for one that makes no sense or proves no password."""


class Plain:
    """PLAIN (RFC 4616 section 2): message = [authzid] UTF8NUL authcid UTF8NUL passwd"""

    done = True

    def __init__(self, identity: Identity, _announced: Collection[str]) -> None:
        self._message = f"\0{identity.username}\0{identity.password}".encode()

    def begin(self) -> bytes | None:
        """All of it."""
        return self._message

    def step(self, challenge: bytes) -> bytes:
        """There is nothing to be asked."""
        raise BadSyntax("PLAIN has no challenge")


class Login:
    """LOGIN: no RFC; the server asks for the name and then for the password, in words of its own."""

    def __init__(self, identity: Identity, _announced: Collection[str]) -> None:
        self._answers = [identity.password.encode(), identity.username.encode()]

    @property
    def done(self) -> bool:
        """Both were asked for."""
        return not self._answers

    def begin(self) -> bytes | None:
        """Not every server takes one."""
        return None

    def step(self, challenge: bytes) -> bytes:
        """The name, then the password."""
        if not self._answers:
            raise BadSyntax("LOGIN asks for two things only")
        return self._answers.pop()


class Scram:
    """SCRAM (RFC 5802, RFC 7677): the password is proved, not sent, and the server proves that it knows it.

    Making one raises BadSyntax for a name or password that SASLprep does not allow.
    """

    def __init__(self, scheme: str, identity: Identity, announced: Collection[str], *, plus: bool) -> None:
        self._scheme = scheme
        self._password = saslprep(identity.password).encode()
        username = saslprep(identity.username)
        self._nonce = identity.nonce
        self._bare = f"n={username.replace('=', '=3D').replace(',', '=2C')},r={self._nonce}"
        offered = any(name.endswith("-PLUS") for name in announced)
        # gs2-cbind-flag: "y" tells that this side could bind the channel and saw no offer (section 6).
        flag = "p=tls-exporter" if plus else "y" if identity.binding and not offered else "n"
        self._header = f"{flag},,".encode()
        self._bound = self._header + (identity.binding if plus else b"")
        self._signature = b""
        self._first = False
        self.done = False

    def begin(self) -> bytes | None:
        """client-first-message"""
        return self._header + self._bare.encode()

    def step(self, challenge: bytes) -> bytes:
        """client-final-message; then nothing more, for server-final-message."""
        if not self._first:
            self._first = True
            return self._final(challenge)
        given = canonical_base64(_attributes(challenge).get("v", "").encode())
        if self.done or not self._signature or not hmac.compare_digest(given, self._signature):
            raise BadSyntax("the server does not know the password either")
        self.done = True
        return b""

    def _final(self, challenge: bytes) -> bytes:
        said = _attributes(challenge)
        nonce, salt = said.get("r", ""), canonical_base64(said.get("s", "").encode())
        iterations = number(said.get("i", "").encode(), limit=MOST_ITERATIONS)
        # A server adds to the nonce, and mandatory extensions ("m=") are unknown here (section 5.1).
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not iterations or "m" in said:
            raise BadSyntax("SCRAM: no server-first-message")
        keys = make_keys(self._scheme, self._password, salt=salt, iterations=iterations)
        without_proof = b"c=" + base64(self._bound) + b",r=" + nonce.encode()
        message = b",".join((self._bare.encode(), challenge, without_proof))
        signature = hmac.digest(keys.stored_key, message, HASHES[self._scheme])
        proof = bytes(one ^ other for one, other in zip(keys.client_key, signature, strict=True))
        self._signature = hmac.digest(keys.server_key, message, HASHES[self._scheme])
        return without_proof + b",p=" + base64(proof)


def _scram(scheme: str, *, plus: bool = False) -> Callable[[Identity, Collection[str]], ClientMechanism]:
    return lambda identity, announced: Scram(scheme, identity, announced, plus=plus)


# The strongest first.
MECHANISMS: Mapping[str, Callable[[Identity, Collection[str]], ClientMechanism]] = {
    "SCRAM-SHA-256-PLUS": _scram("SCRAM-SHA-256", plus=True),
    "SCRAM-SHA-256": _scram("SCRAM-SHA-256"),
    "SCRAM-SHA-1-PLUS": _scram("SCRAM-SHA-1", plus=True),
    "SCRAM-SHA-1": _scram("SCRAM-SHA-1"),
    "PLAIN": Plain,
    "LOGIN": Login,
}


def choose(announced: Collection[str], identity: Identity) -> tuple[str, ClientMechanism] | None:
    """The best mechanism that both sides have and that fits the password, and its name; None for none."""
    known = {name.upper() for name in announced}
    for name, begin in MECHANISMS.items():
        if name in known and (identity.binding or not name.endswith("-PLUS")):
            with contextlib.suppress(BadSyntax):
                return name, begin(identity, known)
    return None


def _attributes(message: bytes) -> dict[str, str]:
    """attr-val *("," attr-val) (RFC 5802 section 7); the first of each. Raises BadSyntax."""
    try:
        pairs = [part.partition("=") for part in message.decode().split(",")]
    except UnicodeDecodeError:
        raise BadSyntax("SCRAM: no UTF-8") from None
    return {name: value for name, _, value in reversed(pairs)}
