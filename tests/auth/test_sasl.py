"""mailnode.auth.sasl: PLAIN, LOGIN and base64, against RFC 4616 and vector A5."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.claims import NOBODY, Claim, Password
from mailnode.auth.evidence import Evidence
from mailnode.auth.sasl import Exchange, decode_base64, login, plain
from mailnode.wire.errors import BadSyntax

# A5: what a client may send as PLAIN's message, and what comes of it.
PLAIN_MESSAGES: tuple[tuple[bytes, Password | type[Exception]], ...] = (
    (b"\0anna@example.org\0secret", Password(b"anna@example.org", b"secret")),
    (b"anna\0anna\0secret", Password(b"anna", b"secret")),
    (b"ANNA\0anna\0secret", Password(b"anna", b"secret")),
    (b"\0anna\0" + "pässwörd".encode(), Password(b"anna", "pässwörd".encode())),
    (b"\0anna\0" + "u\u0308".encode(), Password(b"anna", "u\u0308".encode())),
    (b"\0user\r\nX\0secret", Password(b"user\r\nX", b"secret")),
    (b"\0" + b"u" * 10240 + b"\0secret", Password(b"u" * 10240, b"secret")),
    (b"a\0b\0c", NOBODY),
    (b"admin\0anna\0secret", NOBODY),
    (b"", BadSyntax),
    (b"anna", BadSyntax),
    (b"anna\0secret", BadSyntax),
    (b"\0anna\0sec\0ret", BadSyntax),
    (b"\0\0secret", BadSyntax),
    (b"\0anna\0", BadSyntax),
    (b"\0\0", BadSyntax),
    (b"\0anna\0\xff", BadSyntax),
    (b"\0\xc3\0secret", BadSyntax),
)

BASE64: tuple[tuple[bytes, bytes | None], ...] = (
    (b"", b""),
    (b"=", b""),
    (b"QQ==", b"A"),
    (b"AGFubmEAZGVtbw==", b"\0anna\0demo"),
    (b"*", None),
    (b"==", None),
    (b"QQ", None),
    (b"QQ=", None),
    (b"QR==", None),
    (b"QQ===", None),
    (b"QQ==QQ==", None),
    (b" QQ==", None),
    (b"Q Q==", None),
    (b"QQ==\n", None),
    (b"Q-_=", None),
    (b"\xc3\xa9==", None),
    (b"QUJD!", None),
)


class Dialogue(SynchronousTestCase):
    """Runs a mechanism against responses that are known before; `asked` are its challenges."""

    def run_through(
        self,
        mechanism: Callable[[Exchange, Evidence], Awaitable[Claim]],
        *responses: bytes,
        initial: bytes | None = None,
    ) -> "Deferred[Claim]":
        self.asked: list[bytes] = []
        left = list(responses)

        async def ask(challenge: bytes) -> bytes:
            self.asked.append(challenge)
            return left.pop(0)

        claim = mechanism(Exchange(initial, ask), cast(Evidence, None))
        return Deferred.fromCoroutine(cast(Any, claim))


class PlainTests(Dialogue):
    """PLAIN (RFC 4616)."""

    def test_messages(self) -> None:
        """Each message of A5 gives a password, bad syntax, or nobody's login for who acts for others."""
        for message, expected in PLAIN_MESSAGES:
            claim = self.run_through(plain, initial=message)
            if isinstance(expected, Password):
                self.assertEqual(self.successResultOf(claim), expected, message[:40])
            else:
                self.failureResultOf(claim, expected)

    def test_empty_challenge(self) -> None:
        """Without an initial response the server sends an empty challenge (RFC 4422 section 5)."""
        claim = self.run_through(plain, b"\0a\0b")
        self.assertEqual(self.successResultOf(claim), Password(b"a", b"b"))
        self.assertEqual(self.asked, [b""])

    @given(st.binary(max_size=60))
    @settings(deadline=None, max_examples=150)
    def test_any_octets(self, message: bytes) -> None:
        """Any octets end in a name and a password, in nobody, or in BadSyntax."""
        claim = self.run_through(plain, initial=message)
        claim.addErrback(lambda failure: failure.trap(BadSyntax) and NOBODY)
        found = self.successResultOf(claim)
        assert isinstance(found, Password)
        self.assertTrue(found is NOBODY or (found.username.decode() and found.password.decode()))


class LoginTests(Dialogue):
    """LOGIN, as mail clients expect it."""

    def test_two_challenges(self) -> None:
        """Name and password are asked for one after the other."""
        claim = self.run_through(login, b"anna", b"secret")
        self.assertEqual(self.successResultOf(claim), Password(b"anna", b"secret"))
        self.assertEqual(self.asked, [b"Username:", b"Password:"])

    def test_initial_response(self) -> None:
        """The name may come with the command."""
        claim = self.run_through(login, b"secret", initial=b"anna")
        self.assertEqual(self.successResultOf(claim), Password(b"anna", b"secret"))
        self.assertEqual(self.asked, [b"Password:"])

    def test_bad_parts(self) -> None:
        """Empty parts, NUL and what is not UTF-8 are refused."""
        for name, password in ((b"", b"x"), (b"x", b""), (b"a\0b", b"x"), (b"a", b"\xff")):
            self.failureResultOf(self.run_through(login, name, password), BadSyntax)


class Base64Tests(SynchronousTestCase):
    """Base64 as SASL sends it."""

    def test_table(self) -> None:
        """Only canonical base64 is taken; "=" alone is the empty response (RFC 4954 section 4)."""
        for text, expected in BASE64:
            if expected is None:
                self.assertRaises(BadSyntax, decode_base64, text)
            else:
                self.assertEqual(decode_base64(text), expected)

    @given(st.binary(max_size=100))
    @settings(deadline=None, max_examples=100)
    def test_round_trip(self, data: bytes) -> None:
        """What is encoded is decoded again."""
        self.assertEqual(decode_base64(b64encode(data)), data)


class Others(SynchronousTestCase):
    """What shows itself."""

    def test_no_password_in_repr(self) -> None:
        """Neither a claim nor an exchange shows the password."""
        self.assertNotIn("secret", repr(Password(b"anna", b"secret")))
        self.assertNotIn("secret", repr(Exchange(b"secret", cast(Any, None))))
