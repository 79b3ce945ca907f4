"""SASL on the client's side: the examples of the RFCs, and servers that make no sense."""

from base64 import b64decode, b64encode

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.sasl_client import MECHANISMS, Identity, choose
from mailnode.wire.errors import BadSyntax

# name: client's nonce, server-first-message, client-final-message, server-final-message; of user and pencil.
EXAMPLES = {
    "SCRAM-SHA-1": (  # RFC 5802 section 5
        "fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    "SCRAM-SHA-256": (  # RFC 7677 section 3
        "rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
}
NONCE, FIRST, _, LAST = EXAMPLES["SCRAM-SHA-256"]
NONSENSE = (
    b"",
    b"\xff",
    b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    b"r=" + NONCE.encode() + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  # nothing of the server's in the nonce
    FIRST.replace(b"i=4096", b"i=0"),
    FIRST.replace(b"i=4096", b"i=99999999"),
    FIRST.replace(b"i=4096", b"i=-1"),
    FIRST.replace(b"s=W", b"s=!"),
    FIRST.replace(b"gQ==", b"gR=="),  # stray bits: not the canonical form
    b"m=new," + FIRST,
    b"e=unknown-user",
)


class Mechanisms(SynchronousTestCase):
    """Each of them."""

    def test_scram(self) -> None:
        """RFC 5802 section 5, RFC 7677 section 3: done only when the server has proved itself."""
        for name, (nonce, first, final, last) in EXAMPLES.items():
            mechanism = MECHANISMS[name](Identity("user", "pencil", nonce), {name})
            self.assertEqual(mechanism.begin(), b"n,,n=user,r=" + nonce.encode())
            self.assertEqual(mechanism.step(first), final)
            self.assertFalse(mechanism.done)
            self.assertRaises(BadSyntax, mechanism.step, b"v=" + b64encode(b"x" * 20))
            self.assertFalse(mechanism.done)
            self.assertEqual(mechanism.step(last), b"")
            self.assertTrue(mechanism.done)

    def test_scram_nonsense(self) -> None:
        """What is no server-first-message gets no proof of the password."""
        for challenge in NONSENSE:
            mechanism = MECHANISMS["SCRAM-SHA-256"](Identity("user", "pencil", NONCE), ())
            self.assertRaises(BadSyntax, mechanism.step, challenge)

    @settings(deadline=None, max_examples=100, derandomize=True)
    @given(st.lists(st.binary(max_size=30) | st.just(LAST), max_size=3))
    def test_scram_anything(self, challenges: list[bytes]) -> None:
        """Any server: a response or BadSyntax, and done by nothing but the proof."""
        mechanism = MECHANISMS["SCRAM-SHA-256"](Identity("user", "pencil", NONCE), ())
        for challenge in challenges:
            try:
                mechanism.step(challenge)
            except BadSyntax:
                pass
            self.assertFalse(mechanism.done)

    def test_channel_binding(self) -> None:
        """RFC 5802 section 6: bound where both can; "y" where only this side could, "n" where it cannot."""
        bound, unbound = Identity("a=b,c", "x", "N", b"BINDING"), Identity("a=b,c", "x", "N")
        both = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
        for identity, announced, flag, wanted in (
            (bound, both, b"p=tls-exporter", "SCRAM-SHA-256-PLUS"),
            (bound, {"SCRAM-SHA-256"}, b"y", "SCRAM-SHA-256"),
            (unbound, both, b"n", "SCRAM-SHA-256"),
        ):
            chosen = choose(announced, identity)
            assert chosen is not None
            name, mechanism = chosen
            self.assertEqual((name, mechanism.begin()), (wanted, flag + b",,n=a=3Db=2Cc,r=N"))
            final = mechanism.step(b"r=N1,s=c2FsdA==,i=1")
            data = flag + b",," + (b"BINDING" if flag.startswith(b"p") else b"")
            self.assertEqual(b64decode(final.split(b",")[0][2:]), data)

    def test_plain(self) -> None:
        """RFC 4616 section 2: no other identity, the name in UTF-8, and the password."""
        mechanism = MECHANISMS["PLAIN"](Identity("änna", "secret"), ())
        self.assertEqual(mechanism.begin(), b"\0\xc3\xa4nna\0secret")
        self.assertTrue(mechanism.done)
        self.assertRaises(BadSyntax, mechanism.step, b"more")

    def test_login(self) -> None:
        """Name and password, in this order, and nothing else."""
        mechanism = MECHANISMS["LOGIN"](Identity("anna", "secret"), ())
        self.assertIsNone(mechanism.begin())
        self.assertEqual((mechanism.step(b"?"), mechanism.done), (b"anna", False))
        self.assertEqual((mechanism.step(b"?"), mechanism.done), (b"secret", True))
        self.assertRaises(BadSyntax, mechanism.step, b"?")

    def test_choice(self) -> None:
        """The strongest that both have, in any letters; none for what is unknown here."""
        identity = Identity("anna", "secret")
        for announced, wanted in (
            (("LOGIN", "plain", "CRAM-MD5"), "PLAIN"),
            (("LOGIN", "SCRAM-SHA-1", "PLAIN"), "SCRAM-SHA-1"),
            (("SCRAM-SHA-256-PLUS", "LOGIN"), "LOGIN"),
            (("XOAUTH2",), None),
            ((), None),
        ):
            chosen = choose(announced, identity)
            self.assertEqual(chosen and chosen[0], wanted)

    def test_prepared(self) -> None:
        """RFC 5802 section 5.1: SASLprep for name and password; what it does not allow goes by PLAIN."""
        for written, sent in (("I\u00adX", b"IX"), ("\u2168", b"IX"), ("\u00aa", b"a")):
            chosen = choose({"SCRAM-SHA-256", "PLAIN"}, Identity(written, "secret", "N"))
            assert chosen is not None
            self.assertEqual(chosen[1].begin(), b"n,,n=" + sent + b",r=N")
        for forbidden in (Identity("anna", "a\x07b", "N"), Identity("\u0627\u0031", "secret", "N")):
            chosen = choose({"SCRAM-SHA-256", "PLAIN"}, forbidden)
            self.assertEqual(chosen and chosen[0], "PLAIN")
            self.assertIsNone(choose({"SCRAM-SHA-256"}, forbidden))

    def test_secrets_do_not_show(self) -> None:
        """Not in a log either."""
        self.assertNotIn("secret", repr(Identity("anna", "secret")))
