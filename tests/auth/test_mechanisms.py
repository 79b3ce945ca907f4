"""mailnode.auth.mechanisms: what is offered where, and CRAM-MD5 and APOP (vectors T6, A9)."""

import hashlib
import hmac
from dataclasses import replace

from twisted.internet.defer import Deferred

from mailnode.auth.login import NotOffered
from mailnode.auth.mechanisms import MECHANISMS
from mailnode.auth.realm import MailAccount
from mailnode.config import Mailboxes
from mailnode.config_auth import SAFE
from mailnode.net.listen import Connection
from mailnode.wire.errors import BadSyntax
from tests.auth.house import ANNA, BEN, PASSWORD, House

SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-1")
PLUS = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1")
PASSWORDS = ("PLAIN", "LOGIN")


class Offered(House):
    """Which mechanisms there are on a connection."""

    def setUp(self) -> None:
        super().setUp()
        self.configure(mechanisms=SAFE)

    def test_table(self) -> None:
        """By TLS and place, none in clear from elsewhere (T6), and the defaults need nobody's secret (A9)."""
        for facts, require_tls, offered in (
            ({"secure": True}, "remote", (*PLUS, *PASSWORDS)),
            ({"secure": True}, "always", (*PLUS, *PASSWORDS)),
            ({"secure": False}, "remote", ()),
            ({"secure": False, "trusted": True}, "remote", ()),
            ({"secure": False, "loopback": True}, "remote", (*SCRAM, *PASSWORDS)),
            ({"secure": False, "loopback": True}, "always", ()),
        ):
            self.configure(require_tls=require_tls)
            self.assertEqual(self.logins.offered(self.connection(**facts)), offered, facts)

    def test_switched_off(self) -> None:
        """What the configuration does not have is not offered, nor done."""
        self.configure(mechanisms=("LOGIN",))
        self.assertEqual(self.logins.offered(self.connection()), ("LOGIN",))
        self.assertTrue(self.logins.takes_passwords(self.connection()))
        for name in (*MECHANISMS.keys() - {"LOGIN"}, "APOP", "GSSAPI", "", "plain"):
            self.failureResultOf(self.authenticate(name, initial=b"\0anna\0Geheimnis"), NotOffered)
        self.configure(mechanisms=("SCRAM-SHA-256",))
        self.assertFalse(self.logins.takes_passwords(self.connection()))

    def test_no_passwords(self) -> None:
        """Without PLAIN and LOGIN no command takes a password."""
        self.configure(mechanisms=SCRAM)
        self.failureResultOf(self.password("anna", PASSWORD), NotOffered)

    def test_secrets(self) -> None:
        """CRAM-MD5 and APOP: switched on, and somebody has a secret."""
        self.assertEqual(self.logins.greeting_stamp(self.connection()), b"")
        self.configure(mechanisms=(*SAFE, "CRAM-MD5", "APOP"))
        self.assertIn("CRAM-MD5", self.logins.offered(self.connection()))
        self.assertNotEqual(self.logins.greeting_stamp(self.connection()), b"")
        self.assertEqual(self.logins.greeting_stamp(self.connection(secure=False)), b"")
        people = {name: replace(one, secret="") for name, one in self.live.mailboxes.mailboxes.items()}
        self.live.mailboxes = Mailboxes(people)
        self.assertNotIn("CRAM-MD5", self.logins.offered(self.connection()))
        self.assertEqual(self.logins.greeting_stamp(self.connection()), b"")

    def test_passwords(self) -> None:
        """PLAIN and LOGIN open an account, and who acts for another opens none."""
        self.assert_in(self.authenticate("PLAIN", initial=b"\0anna\0Geheimnis"))
        self.assert_in(self.authenticate("LOGIN", b"ben", b"Geheimnis"), BEN)
        self.assert_failed(self.authenticate("PLAIN", initial=b"ben\0anna\0Geheimnis"))
        self.assert_failed(self.authenticate("PLAIN", initial=b"\0anna\0geheimnis"))


class CramMd5(House):
    """CRAM-MD5 (RFC 2195)."""

    def say(self, username: str, secret: str) -> "Deferred[MailAccount]":
        def response(challenge: bytes) -> bytes:
            digest = hmac.new(secret.encode(), challenge, hashlib.md5).hexdigest()
            return f"{username} {digest}".encode()

        return self.authenticate("CRAM-MD5", response)

    def test_example(self) -> None:
        """RFC 2195 section 2: the digest of its example."""
        challenge = b"<1896.697170952@postoffice.reston.mci.net>"
        digest = hmac.new(b"tanstaaftanstaaf", challenge, hashlib.md5).hexdigest()
        self.assertEqual(digest, "b913a602c7eda7a495b4e6e7334d3890")

    def test_logins(self) -> None:
        """The secret of a mailbox is right; another, nobody's, and that of one who has none are wrong."""
        self.assert_in(self.say(ANNA, PASSWORD))
        self.assert_in(self.say("Anna", PASSWORD))
        for username, secret in (("anna", "x"), ("nobody", PASSWORD), ("ben", PASSWORD), ("ben", "")):
            self.assert_failed(self.say(username, secret))

    def test_challenge(self) -> None:
        """A9: a msg-id that never comes again."""
        self.say("anna", "x").addErrback(lambda _: None)
        first = self.asked[0]
        self.say("anna", "x").addErrback(lambda _: None)
        self.assertNotEqual(self.asked[0], first)
        self.assertRegex(first, rb"^<[A-Za-z0-9_-]{32}@mail\.example\.org>$")

    def test_replayed(self) -> None:
        """A response to another challenge is wrong."""
        self.assert_failed(self.authenticate("CRAM-MD5", b"anna b913a602c7eda7a495b4e6e7334d3890"))

    def test_syntax(self) -> None:
        """No initial response; a name and a digest."""
        self.failureResultOf(self.authenticate("CRAM-MD5", initial=b"x"), BadSyntax)
        for answer in (b"", b"x", b" x"):
            self.failureResultOf(self.authenticate("CRAM-MD5", answer), BadSyntax)


class Apop(House):
    """APOP (RFC 1939 section 7)."""

    def say(
        self, name: bytes, secret: bytes, stamp: bytes, connection: Connection
    ) -> "Deferred[MailAccount]":
        digest = hashlib.md5(stamp + secret).hexdigest().encode()
        login = Deferred.fromCoroutine(self.logins.apop(name + b" " + digest, stamp, connection))
        self.clock.advance(0)
        return login

    def test_logins(self) -> None:
        """Right with the greeting's own timestamp and the secret, wrong with any other."""
        connection = self.connection()
        stamp = self.logins.greeting_stamp(connection)
        self.assertRegex(stamp, rb"^<[!-~]+@mail\.example\.org>$")
        self.assert_in(self.say(b"anna", PASSWORD.encode(), stamp, connection))
        self.assertNotEqual(self.logins.greeting_stamp(connection), stamp)
        for name, secret in ((b"anna", b"x"), (b"nobody", b"x"), (b"ben", PASSWORD.encode())):
            self.assert_failed(self.say(name, secret, stamp, self.connection()))
