"""SASL mechanisms (RFC 4422), the server's side: bytes in, a challenge or credentials out, no I/O.

A mechanism object lives for one exchange. `step` takes the client's decoded response, or None at the start
when the client sent no initial response. It gives a Challenge to be sent, or Credentials: then the exchange
is over and the password is still to be checked. Base64 is the business of `decode_base64` and the protocols.
"""

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mailnode.wire.errors import BadSyntax


class AuthzidRefused(Exception):
    """The client wants to act as somebody else than it logs in as; to be answered by a login of NOBODY."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server sends next, not yet in base64."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims; neither part has been checked against anything."""

    username: bytes
    password: bytes = field(repr=False)


NOBODY = Credentials(b"", b"")  # for a refused authzid: as slow, as counted and as wrong as any other


class Mechanism(Protocol):
    """One exchange."""

    def step(self, response: bytes | None) -> Challenge | Credentials:
        """The answer to a response; raises BadSyntax or AuthzidRefused."""


class Plain:
    """PLAIN (RFC 4616 section 2): message = [authzid] UTF8NUL authcid UTF8NUL passwd"""

    def step(self, response: bytes | None) -> Challenge | Credentials:
        """Credentials from the one message of this mechanism; an empty challenge asks for it."""
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise BadSyntax("PLAIN needs authzid, authcid and password, with NUL between them")
        authzid, authcid, password = parts
        credentials = _credentials(authcid, password)
        if authzid and authzid.lower() != authcid.lower():
            raise AuthzidRefused
        return credentials


class Login:
    """LOGIN: no RFC, but old mail clients know nothing else. Asks for the name, then for the password."""

    def __init__(self) -> None:
        self._username: bytes | None = None

    def step(self, response: bytes | None) -> Challenge | Credentials:
        """A challenge until name and password are both here; the name may come as initial response."""
        if response is None:
            return Challenge(b"Username:")
        if self._username is None:
            self._username = response
            return Challenge(b"Password:")
        return _credentials(self._username, response)


MECHANISMS: Mapping[str, Callable[[], Mechanism]] = {
    "PLAIN": Plain,
    "LOGIN": Login,
}


def decode_base64(text: bytes) -> bytes:
    """The octets of one base64 line; "=" alone stands for none (RFC 4954 section 4, RFC 4959 section 3).

    Only the canonical form is taken: no blanks, full padding, no stray bits (RFC 4648 section 3.5).
    """
    if text == b"=":
        return b""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("Invalid base64") from None
    if binascii.b2a_base64(data, newline=False) != text:
        raise BadSyntax("Invalid base64")
    return data


def _credentials(username: bytes, password: bytes) -> Credentials:
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
    return Credentials(username, password)
