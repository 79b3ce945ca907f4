"""mailnode.auth.oauth: OAUTHBEARER and XOAUTH2 (RFC 7628, vector A10)."""

import json

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from mailnode.auth.login import NotOffered
from mailnode.auth.tokens import InvalidToken, ITokenChecker
from mailnode.config import Limits
from mailnode.wire.errors import BadSyntax
from tests.auth.house import ANNA, BEN, House

BEARER = b"auth=Bearer anna-token\x01"


@implementer(ITokenChecker)
class Checker:
    """Tokens read NAME-token."""

    ready = True

    def check(self, token: str) -> "Deferred[str]":
        name, _, rest = token.partition("-")
        return succeed(f"{name}@example.org") if rest == "token" else fail(InvalidToken("expired"))


class Bearers(House):
    """Both mechanisms against the same tokens."""

    tokens = Checker()

    def test_right(self) -> None:
        """With and without a name, in any order of the pairs, after an empty challenge too."""
        for message in (
            b"n,,\x01" + BEARER + b"\x01",
            b"n,a=anna@example.org,\x01host=x\x01port=143\x01" + BEARER + b"\x01",
            b"y,a=Anna,\x01" + BEARER + b"vendor=a b\x01\x01",
            b"n,,\x01auth=bEaReR  anna-token\x01\x01",
        ):
            self.assert_in(self.authenticate("OAUTHBEARER", initial=message))
        self.assert_in(self.authenticate("OAUTHBEARER", b"n,,\x01" + BEARER + b"\x01"))
        self.assert_in(self.authenticate("XOAUTH2", initial=b"user=anna@example.org\x01" + BEARER + b"\x01"))

    def test_refused(self) -> None:
        """The error in JSON first, then the failure, whatever the client says to that."""
        for token, user in (("anna-old", ANNA), ("anna-token", BEN), ("nobody-token", "nobody@example.org")):
            auth = f"auth=Bearer {token}\x01\x01".encode()
            connection = self.connection()
            bearer = b"n,a=" + user.encode() + b",\x01" + auth
            self.assert_failed(
                self.authenticate("OAUTHBEARER", b"\x01", initial=bearer, connection=connection)
            )
            self.assertEqual(json.loads(self.asked[0]), {"status": "invalid_token", "scope": "mail"})
            google = b"user=" + user.encode() + b"\x01" + auth
            self.assert_failed(self.authenticate("XOAUTH2", b"", initial=google, connection=connection))
            self.assertEqual(
                json.loads(self.asked[0]), {"status": "401", "schemes": "bearer", "scope": "mail"}
            )
            self.assertEqual(connection.login_failures, 2)

    def test_counted_before_the_answer(self) -> None:
        """A client that goes away instead of saying the last word has failed all the same."""
        connection = self.connection()

        def gone(_: bytes) -> bytes:
            raise ConnectionError

        login = self.authenticate(
            "OAUTHBEARER", gone, initial=b"n,,\x01auth=Bearer x\x01\x01", connection=connection
        )
        self.failureResultOf(login, ConnectionError)
        self.assertEqual(connection.login_failures, 1)

    def test_broken_off(self) -> None:
        """A3: who never lets the server finish has no more tries on a connection than others."""
        connection = self.connection()

        def broken(_: bytes) -> bytes:
            raise BadSyntax("Invalid base64")

        bad = b"n,,\x01auth=Bearer %d\x01\x01"
        for number in range(3):
            login = self.authenticate("OAUTHBEARER", broken, initial=bad % number, connection=connection)
            self.failureResultOf(login, BadSyntax)
        good = b"n,,\x01" + BEARER + b"\x01"
        login = self.authenticate("OAUTHBEARER", initial=good, connection=connection)
        self.assertTrue(self.assert_failed(login).give_up)

    def test_same_token_again(self) -> None:
        """An expired token that a telephone sends again and again shuts nobody out."""
        for _ in range(Limits().login_failures_minute * 2):
            message = b"user=anna@example.org\x01auth=Bearer old\x01\x01"
            self.assert_failed(self.authenticate("XOAUTH2", b"", initial=message))
        self.assert_in(self.password("ben", "Geheimnis"), BEN)

    def test_syntax(self) -> None:
        """What is no such message, has no token, or two."""
        for message in (
            b"",
            b"\x01",
            b"n,,\x01\x01",
            b"n,," + BEARER + b"\x01",
            b"n,,\x01" + BEARER,
            b"p=x,,\x01" + BEARER + b"\x01",
            b"n,,\x01" + BEARER + BEARER + b"\x01",
            b"n,,\x01auth=Basic eA==\x01\x01",
            b"n,,\x01auth=Bearer a b\x01\x01",
            b"n,,\x01auth=Bearer \xff\x01\x01",
            b"n,a=x\0,\x01" + BEARER + b"\x01",
        ):
            self.failureResultOf(self.authenticate("OAUTHBEARER", initial=message), BadSyntax)
        for message in (b"", b"user=\x01" + BEARER + b"\x01", b"user=x\x01\x01", BEARER + b"\x01"):
            self.failureResultOf(self.authenticate("XOAUTH2", initial=message), BadSyntax)


class NotConfigured(House):
    """Without an issuer."""

    def test_not_offered(self) -> None:
        """Neither is offered, nor done."""
        for name in ("OAUTHBEARER", "XOAUTH2"):
            self.assertNotIn(name, self.logins.offered(self.connection()))
            login = self.authenticate(name, initial=b"n,,\x01" + BEARER + b"\x01")
            self.failureResultOf(login, NotOffered)
