"""mailnode.auth.sasl: PLAIN, LOGIN and base64, against RFC 4616 and vector A5."""

from base64 import b64encode

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.sasl import (
    MECHANISMS,
    AuthzidRefused,
    Challenge,
    Credentials,
    Login,
    Plain,
    decode_base64,
)
from mailnode.wire.errors import BadSyntax

# A5: what a client may send as PLAIN's message, and what comes of it.
PLAIN_MESSAGES: tuple[tuple[bytes, Credentials | type[Exception]], ...] = (
    (b"\0anna@example.org\0secret", Credentials(b"anna@example.org", b"secret")),
    (b"anna\0anna\0secret", Credentials(b"anna", b"secret")),
    (b"ANNA\0anna\0secret", Credentials(b"anna", b"secret")),
    (b"\0anna\0" + "pässwörd".encode(), Credentials(b"anna", "pässwörd".encode())),
    (b"\0anna\0" + "u\u0308".encode(), Credentials(b"anna", "u\u0308".encode())),
    (b"\0user\r\nX\0secret", Credentials(b"user\r\nX", b"secret")),
    (b"\0" + b"u" * 10240 + b"\0secret", Credentials(b"u" * 10240, b"secret")),
    (b"a\0b\0c", AuthzidRefused),
    (b"admin\0anna\0secret", AuthzidRefused),
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


class PlainTests(SynchronousTestCase):
    """PLAIN (RFC 4616)."""

    def test_messages(self) -> None:
        """Each message of A5 gives credentials, bad syntax, or a refusal to act for others."""
        for message, expected in PLAIN_MESSAGES:
            if isinstance(expected, Credentials):
                self.assertEqual(Plain().step(message), expected, message[:40])
            else:
                self.assertRaises(expected, Plain().step, message)

    def test_empty_challenge(self) -> None:
        """Without an initial response the server sends an empty challenge (RFC 4422 section 5)."""
        mechanism = Plain()
        self.assertEqual(mechanism.step(None), Challenge(b""))
        self.assertEqual(mechanism.step(b"\0a\0b"), Credentials(b"a", b"b"))

    @given(st.binary(max_size=60))
    @settings(deadline=None, max_examples=150)
    def test_any_octets(self, message: bytes) -> None:
        """Any octets end in credentials that are complete, or in one of the two exceptions."""
        try:
            answer = Plain().step(message)
        except (BadSyntax, AuthzidRefused):
            return
        assert isinstance(answer, Credentials)
        self.assertTrue(answer.username.decode() and answer.password.decode())


class LoginTests(SynchronousTestCase):
    """LOGIN, as mail clients expect it."""

    def test_two_challenges(self) -> None:
        """Name and password are asked for one after the other."""
        mechanism = Login()
        self.assertEqual(mechanism.step(None), Challenge(b"Username:"))
        self.assertEqual(mechanism.step(b"anna"), Challenge(b"Password:"))
        self.assertEqual(mechanism.step(b"secret"), Credentials(b"anna", b"secret"))

    def test_initial_response(self) -> None:
        """The name may come with the command."""
        mechanism = Login()
        self.assertEqual(mechanism.step(b"anna"), Challenge(b"Password:"))
        self.assertEqual(mechanism.step(b"secret"), Credentials(b"anna", b"secret"))

    def test_bad_parts(self) -> None:
        """Empty parts, NUL and what is not UTF-8 are refused."""
        for name, password in ((b"", b"x"), (b"x", b""), (b"a\0b", b"x"), (b"a", b"\xff")):
            mechanism = Login()
            mechanism.step(name)
            self.assertRaises(BadSyntax, mechanism.step, password)


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
    """The table, and what shows itself."""

    def test_mechanisms(self) -> None:
        """Each mechanism makes a new exchange every time."""
        self.assertEqual(set(MECHANISMS), {"PLAIN", "LOGIN"})
        for make in MECHANISMS.values():
            self.assertIsNot(make(), make())

    def test_no_password_in_repr(self) -> None:
        """Credentials do not show the password."""
        self.assertNotIn("secret", repr(Credentials(b"anna", b"secret")))
