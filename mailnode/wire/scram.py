"""SCRAM's messages (RFC 5802 section 7), and what a server keeps of a password (RFC 5803).

The server knows StoredKey = H(ClientKey) and ServerKey. A client proves that it knows ClientKey by sending it
XORed with a signature that only StoredKey makes; the server proves itself with a signature by ServerKey. So
what is kept logs nobody in, and what is sent is worth nothing a second time.
"""

import hashlib
import hmac
import re
from dataclasses import field

from mailnode.values import frozen
from mailnode.wire.base64 import base64, canonical_base64
from mailnode.wire.errors import BadSyntax

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}

LEAST_ITERATIONS = 4096  # RFC 5802 section 5.1, RFC 7677 section 3
MOST_ITERATIONS = 10_000_000

_SASLNAME = rb"(?:[^\0,=]|=2C|=3D)+"
_PRINTABLE = rb"[!-+\--~]+"
_EXTENSIONS = rb"(?:,[A-Za-z]=[^\0,]+)*"
_BASE64 = rb"[A-Za-z0-9+/=]+"

_CLIENT_FIRST = re.compile(
    rb"(?P<header>(?P<flag>p=(?P<binding>[A-Za-z0-9.-]+)|n|y),(?:a=(?P<authzid>" + _SASLNAME + rb"))?,)"
    rb"(?P<bare>n=(?P<username>" + _SASLNAME + rb"),r=(?P<nonce>" + _PRINTABLE + rb")" + _EXTENSIONS + rb")",
    re.DOTALL,
)
_CLIENT_FINAL = re.compile(
    rb"(?P<unproved>c=(?P<channel>" + _BASE64 + rb"),r=(?P<nonce>" + _PRINTABLE + rb")" + _EXTENSIONS + rb")"
    rb",p=(?P<proof>" + _BASE64 + rb")",
    re.DOTALL,
)
_VERIFIER = re.compile(r"(SCRAM-[A-Z0-9-]+)\$([1-9][0-9]{0,8}):([^$:]+)\$([^$:]+):([^$:]+)")


@frozen
class ClientFirst:
    """client-first-message = gs2-header client-first-message-bare

    `header` and `bare` are its two parts as they came; `flag` is "n", "y" or "p", and with "p" `binding` is
    the type of channel binding. `authzid` is "" where there is none.
    """

    header: bytes
    bare: bytes
    flag: str
    binding: str
    authzid: str
    username: str
    nonce: bytes


@frozen
class ClientFinal:
    """client-final-message = client-final-message-without-proof "," proof

    `unproved` is its first part as it came; `channel` and `proof` are decoded.
    """

    unproved: bytes
    channel: bytes
    nonce: bytes
    proof: bytes = field(repr=False)


def parse_client_first(message: bytes) -> ClientFirst:
    """Raises BadSyntax, as it must for an "m=" attribute too (RFC 5802 section 5.1)."""
    found = _CLIENT_FIRST.fullmatch(message)
    if not found:
        raise BadSyntax("This is no first message of SCRAM")
    return ClientFirst(
        header=found["header"],
        bare=found["bare"],
        flag=found["flag"][:1].decode("ascii"),
        binding=(found["binding"] or b"").decode("ascii"),
        authzid=_name(found["authzid"] or b""),
        username=_name(found["username"]),
        nonce=found["nonce"],
    )


def parse_client_final(message: bytes) -> ClientFinal:
    """Raises BadSyntax."""
    found = _CLIENT_FINAL.fullmatch(message)
    if not found:
        raise BadSyntax("This is no final message of SCRAM")
    return ClientFinal(
        found["unproved"],
        canonical_base64(found["channel"]),
        found["nonce"],
        canonical_base64(found["proof"]),
    )


def _name(saslname: bytes) -> str:
    """A saslname without its quoting. Raises BadSyntax for what is not UTF-8."""
    try:
        return saslname.decode().replace("=2C", ",").replace("=3D", "=")
    except UnicodeDecodeError:
        raise BadSyntax("Names must be UTF-8") from None


@frozen
class Verifier:
    """What is kept of one password for one scheme, such as "SCRAM-SHA-256"."""

    scheme: str
    iterations: int
    salt: bytes
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def __str__(self) -> str:
        """scheme "$" iteration-count ":" salt "$" StoredKey ":" ServerKey (RFC 5803 section 2)"""
        salt, stored, server = (
            base64(part).decode("ascii") for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"{self.scheme}${self.iterations}:{salt}${stored}:{server}"

    def proves(self, proof: bytes, auth_message: bytes) -> bool:
        """Whether the proof is that of the password (RFC 5802 section 3)."""
        signature = self._hmac(self.stored_key, auth_message)
        if len(proof) != len(signature):
            return False
        client_key = bytes(one ^ two for one, two in zip(proof, signature, strict=True))
        digest = hashlib.new(HASHES[self.scheme], client_key).digest()
        return hmac.compare_digest(digest, self.stored_key)

    def signature(self, auth_message: bytes) -> bytes:
        """ServerSignature, by which the client knows the server."""
        return self._hmac(self.server_key, auth_message)

    def _hmac(self, key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, HASHES[self.scheme])


@frozen
class Keys:
    """What a password makes (RFC 5802 section 3): the client's key, and the two that a server keeps."""

    client_key: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def make_keys(scheme: str, password: bytes, *, salt: bytes, iterations: int) -> Keys:
    """The keys of a prepared password. Slow on purpose: not for the reactor."""
    name = HASHES[scheme]
    salted = hashlib.pbkdf2_hmac(name, password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", name)
    stored_key = hashlib.new(name, client_key).digest()
    return Keys(client_key, stored_key, hmac.digest(salted, b"Server Key", name))


def make_verifier(scheme: str, password: bytes, *, salt: bytes, iterations: int) -> Verifier:
    """The verifier of a prepared password. Slow, as its keys are."""
    keys = make_keys(scheme, password, salt=salt, iterations=iterations)
    return Verifier(scheme, iterations, salt, keys.stored_key, keys.server_key)


def parse_verifier(text: str) -> Verifier:
    """The verifier in a line of text. Raises BadSyntax."""
    found = _VERIFIER.fullmatch(text)
    if not found or found[1] not in HASHES:
        raise BadSyntax("not a SCRAM verifier")
    salt, stored_key, server_key = (canonical_base64(part.encode()) for part in found.groups()[2:])
    verifier = Verifier(found[1], int(found[2]), salt, stored_key, server_key)
    size = hashlib.new(HASHES[verifier.scheme]).digest_size
    if not LEAST_ITERATIONS <= verifier.iterations <= MOST_ITERATIONS or not salt:
        raise BadSyntax("not a SCRAM verifier")
    if (len(stored_key), len(server_key)) != (size, size):
        raise BadSyntax("not a SCRAM verifier")
    return verifier
