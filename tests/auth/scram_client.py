"""A client of SCRAM, written from RFC 5802 and not from the server's code."""

import hashlib
import hmac
from base64 import b64decode, b64encode


class ScramClient:
    """One exchange; `header` is the gs2-header, `channel` the channel binding data behind it."""

    def __init__(
        self,
        hash_name: str,
        username: str,
        password: str,
        *,
        header: bytes = b"n,,",
        channel: bytes = b"",
        nonce: bytes = b"rOprNGfwEbeRWgbNEkqO",
    ) -> None:
        self._hash = hash_name
        self._password = password.encode()
        self._header = header
        self._channel = channel
        quoted = username.replace("=", "=3D").replace(",", "=2C").encode()
        self._bare = b"n=" + quoted + b",r=" + nonce
        self._server_signature = b""
        self.iterations = 0
        self.salt = b""

    def first(self) -> bytes:
        """client-first-message"""
        return self._header + self._bare

    def final(self, challenge: bytes, instead: bytes | None = None) -> bytes:
        """client-final-message, with the nonce of the challenge or with another one `instead`."""
        nonce, salt, iterations = (part[2:] for part in challenge.split(b",", 2))
        nonce = nonce if instead is None else instead
        self.salt, self.iterations = b64decode(salt), int(iterations)
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, self.salt, self.iterations)
        client_key = self._hmac(salted, b"Client Key")
        unproved = b"c=" + b64encode(self._header + self._channel) + b",r=" + nonce
        auth_message = self._bare + b"," + challenge + b"," + unproved
        signature = self._hmac(hashlib.new(self._hash, client_key).digest(), auth_message)
        proof = bytes(one ^ two for one, two in zip(client_key, signature, strict=True))
        self._server_signature = self._hmac(self._hmac(salted, b"Server Key"), auth_message)
        return unproved + b",p=" + b64encode(proof)

    def end(self, answer: bytes) -> bytes:
        """The empty response, when the server has proved itself."""
        assert answer == b"v=" + b64encode(self._server_signature), answer
        return b""

    def _hmac(self, key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, self._hash).digest()
