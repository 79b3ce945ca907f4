"""mailnode.wire.scram: messages and verifiers, against the examples of RFC 5802 and RFC 7677."""

from base64 import b64decode, b64encode

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.scram import (
    HASHES,
    Verifier,
    make_verifier,
    parse_client_final,
    parse_client_first,
    parse_verifier,
)

# RFC 5802 section 5 and RFC 7677 section 3: scheme, salt, and what the two say. The password is "pencil".
EXAMPLES = (
    (
        "SCRAM-SHA-1",
        b"QSXCR+Q6sek8bf92",
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (
        "SCRAM-SHA-256",
        b"W22ZaJ0SNY7soEsUEjb6gQ==",
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
)

NO_FIRST = (
    b"",
    b"n,,",
    b"n,,n=user",
    b"n,,n=user,r=",
    b"n,,n=,r=x",
    b"n,n=user,r=x",
    b"N,,n=user,r=x",
    b"x,,n=user,r=x",
    b"p,,n=user,r=x",
    b"p=,,n=user,r=x",
    b"p=tls unique,,n=user,r=x",
    b"n,a=,n=user,r=x",
    b"n,b=x,n=user,r=x",
    b"n,,m=x,n=user,r=x",  # a mandatory extension
    b"n,,n=us=er,r=x",
    b"n,,n=us=2cer,r=x",
    b"n,,n=us\0er,r=x",
    b"n,,n=\xff,r=x",
    b"n,,n=user,r=x y",
    b"n,,n=user,r=x,",
    b"n,,n=user,r=x,zz",
    b"n,,r=x,n=user",
    b"n,,n=user,r=x\n",
)

NO_FINAL = (
    b"",
    b"c=biws,r=x",
    b"r=x,c=biws,p=AAAA",
    b"c=biws,r=x,p=",
    b"c=biw,r=x,p=AAAA",
    b"c=biws,r=x,p=AAA",
    b"c=biws,r=x,p=AAB=",  # stray bits
    b"c=biws,r=x,p=AAAA,z=1",
    b"c=biws,p=AAAA",
    b"c=biws,r=x,p=AAAA\n",
)

NO_VERIFIER = (
    "",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512$4096:c2FsdA==$AAAA:AAAA",
    "SCRAM-SHA-256$4095:{salt}${key}:{key}",  # A8: fewer iterations than any client would take
    "SCRAM-SHA-256$99999999:{salt}${key}:{key}",
    "SCRAM-SHA-256$04096:{salt}${key}:{key}",
    "SCRAM-SHA-256$4096:${key}:{key}",
    "SCRAM-SHA-256$4096:{salt}${key}",
    "SCRAM-SHA-256$4096:{salt}$AAAA:{key}",
    "SCRAM-SHA-256$4096:{salt}${key}:AAAA",
    "SCRAM-SHA-1$4096:{salt}${key}:{key}",
    "SCRAM-SHA-256$4096:{salt}${key}:{key} ",
)
KEY = b64encode(b"k" * 32).decode()


class Messages(SynchronousTestCase):
    """What clients send."""

    def test_examples(self) -> None:
        """The examples of the RFCs: the proof is right, and the server's signature is theirs."""
        for scheme, salt, first, challenge, final, signature in EXAMPLES:
            verifier = make_verifier(scheme, b"pencil", salt=b64decode(salt), iterations=4096)
            opened, ended = parse_client_first(first), parse_client_final(final)
            self.assertEqual((opened.username, opened.flag, opened.header), ("user", "n", b"n,,"))
            auth_message = b",".join((opened.bare, challenge, ended.unproved))
            self.assertTrue(verifier.proves(ended.proof, auth_message))
            self.assertEqual(b64encode(verifier.signature(auth_message)), signature)
            self.assertFalse(verifier.proves(ended.proof, auth_message + b"x"))
            self.assertFalse(verifier.proves(ended.proof[:-1], auth_message))
            other = make_verifier(scheme, b"Pencil", salt=b64decode(salt), iterations=4096)
            self.assertFalse(other.proves(ended.proof, auth_message))

    def test_header(self) -> None:
        """gs2-header: the flag, the type of binding, the authzid; names lose their quoting."""
        first = parse_client_first(b"p=tls-exporter,a=a=2Cb,n=c=3D2Cd,r=x,z=ignored,y=2")
        self.assertEqual((first.flag, first.binding, first.authzid), ("p", "tls-exporter", "a,b"))
        self.assertEqual((first.username, first.nonce), ("c=2Cd", b"x"))
        self.assertEqual(first.header, b"p=tls-exporter,a=a=2Cb,")
        self.assertEqual(parse_client_first(b"y,,n=x,r=x").flag, "y")

    def test_refused(self) -> None:
        """What is not the grammar, a mandatory extension, and names that are not UTF-8."""
        for message in NO_FIRST:
            self.assertRaises(BadSyntax, parse_client_first, message)
        for message in NO_FINAL:
            self.assertRaises(BadSyntax, parse_client_final, message)

    @given(st.binary(max_size=80))
    @settings(deadline=None, max_examples=200, derandomize=True)
    def test_any_octets(self, message: bytes) -> None:
        """Any octets are a message or BadSyntax."""
        for parse in (parse_client_first, parse_client_final):
            for start in (b"", b"n,,n=", b"c=biws,r="):
                try:
                    parse(start + message)
                except BadSyntax:
                    continue


class Verifiers(SynchronousTestCase):
    """What a server keeps (RFC 5803)."""

    @given(st.sampled_from(sorted(HASHES)), st.binary(min_size=1, max_size=40), st.integers(4096, 9_999_999))
    @settings(deadline=None, max_examples=50, derandomize=True)
    def test_round_trip(self, scheme: str, salt: bytes, iterations: int) -> None:
        """What is written is read again."""
        size = {"SCRAM-SHA-1": 20, "SCRAM-SHA-256": 32}[scheme]
        verifier = Verifier(scheme, iterations, salt, b"s" * size, b"k" * size)
        self.assertEqual(parse_verifier(str(verifier)), verifier)

    def test_refused(self) -> None:
        """Too few iterations, unknown schemes, and keys of another size."""
        good = "SCRAM-SHA-256$4096:{salt}${key}:{key}"
        parse_verifier(good.format(salt="c2FsdA==", key=KEY))
        for text in NO_VERIFIER:
            self.assertRaises(BadSyntax, parse_verifier, text.format(salt="c2FsdA==", key=KEY))

    def test_no_keys_in_repr(self) -> None:
        """The keys do not show themselves in logs."""
        verifier = make_verifier("SCRAM-SHA-1", b"x", salt=b"y", iterations=1)
        self.assertNotIn(repr(verifier.stored_key), repr(verifier))
        self.assertNotIn(repr(verifier.server_key), repr(verifier))
