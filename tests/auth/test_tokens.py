"""mailnode.auth.tokens: whose a JSON Web Token is (vector A10)."""

import base64
import hmac
import json
import sys
from typing import Any, ClassVar
from unittest import mock

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from mailnode.auth.tokens import InvalidToken, ITokenChecker, JwtChecker, TokenKeysError, read_issuer
from mailnode.config_auth import OAuth
from mailnode.net.blocking import InlineExecutor
from tests.auth.house import ANNA

NOW = 1_000_000_000.0
SETTINGS = OAuth("keys.json", "https://id.example.org", "mail")


class Keys:
    """An issuer's key pairs, made once: `rsa` and `ec` by their kid."""

    rsa: ClassVar = rsa.generate_private_key(65537, 2048)
    ec: ClassVar = ec.generate_private_key(ec.SECP256R1())

    @classmethod
    def jwk(cls, kid: str) -> dict[str, Any]:
        """The public half."""
        algorithm: Any = jwt.algorithms.RSAAlgorithm if kid == "rsa" else jwt.algorithms.ECAlgorithm
        return {**json.loads(algorithm.to_jwk(getattr(cls, kid).public_key())), "kid": kid, "use": "sig"}

    @classmethod
    def file(cls, *kids: str) -> bytes:
        """A JWK set."""
        return json.dumps({"keys": [cls.jwk(kid) for kid in kids]}).encode()


def token(kid: str | None = "rsa", *, key: Any = None, algorithm: str = "", **claims: object) -> str:
    """A token that is good but for what is given."""
    said = {"iss": SETTINGS.issuer, "aud": "mail", "exp": NOW + 300, "email": ANNA, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    headers = {"kid": kid} if kid is not None else {}
    return jwt.encode(
        said,
        key if key is not None else getattr(Keys, kid or "rsa"),
        algorithm=algorithm or {"ec": "ES256"}.get(kid or "", "RS256"),
        headers=headers,
    )


def checker(*kids: str, settings: OAuth = SETTINGS) -> JwtChecker:
    """Believes these keys."""
    return JwtChecker(read_issuer(settings, lambda _: Keys.file(*kids)), InlineExecutor(), lambda: NOW)


def unsigned(header: dict[str, str]) -> str:
    """A token with a header of one's own and no signature."""
    claims = {"iss": SETTINGS.issuer, "aud": "mail", "exp": NOW + 300, "email": ANNA}
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, claims)]
    return b".".join([*parts, b""]).decode()


def signed_with(secret: bytes) -> str:
    """A token whose signature is a HMAC, which PyJWT itself would not make with a public key."""
    text = unsigned({"alg": "HS256", "kid": "rsa"}).encode()
    signature = base64.urlsafe_b64encode(hmac.digest(secret, text[:-1], "sha256")).rstrip(b"=")
    return (text + signature).decode()


class Tokens(SynchronousTestCase):
    """Right ones and others."""

    def test_right(self) -> None:
        """RSA and elliptic curves, the address in lower case, clocks that differ a little."""
        believes = checker("rsa", "ec")
        verifyObject(ITokenChecker, believes)
        self.assertTrue(believes.ready)
        for good in (
            token("rsa"),
            token("ec"),
            token("rsa", algorithm="RS256", aud=["other", "mail"]),
            token(email="Anna@Example.org"),
            token(exp=NOW - 30),
            token(nbf=NOW + 30),
            token(email_verified=True),
        ):
            self.assertEqual(self.successResultOf(believes.check(good)), ANNA)

    def test_refused(self) -> None:
        """A10: every trick with the header, and claims that are missing or not for us."""
        public = Keys.rsa.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        others = rsa.generate_private_key(65537, 2048)
        for what, bad in {
            "alg none": unsigned({"alg": "none", "kid": "rsa"}),
            "alg NONE": unsigned({"alg": "NONE", "kid": "rsa"}),
            "no alg": unsigned({"kid": "rsa"}),
            "the public key as a secret": signed_with(public),
            "another algorithm": token("rsa", key=Keys.ec, algorithm="ES256"),
            "another RSA algorithm": token("rsa", algorithm="RS512"),
            "a key of others": token(key=others),
            "kid is a path": token("../../etc/passwd", key=Keys.rsa, algorithm="RS256"),
            "unknown kid": token("new", key=Keys.rsa, algorithm="RS256"),
            "no kid": token(None, key=Keys.rsa, algorithm="RS256"),
            "wrong aud": token(aud="calendar"),
            "no aud": token(aud=None),
            "wrong iss": token(iss="https://id.example.com"),
            "no iss": token(iss=None),
            "expired": token(exp=NOW - 61),
            "never expires": token(exp=None),
            "expires some day": token(exp="some day"),
            "not yet": token(nbf=NOW + 61),
            "no address": token(email=None),
            "an address that is none": token(email=["anna@example.org"]),
            "a name": token(email="anna"),
            "not verified": token(email_verified=False),
            "empty": "",
            "no token": "a.b.c",
            "long": "a" * 10_000,
        }.items():
            failed = self.failureResultOf(checker("rsa", "ec").check(bad), InvalidToken)
            self.assertNotIn("Traceback", str(failed.value), what)

    def test_changed_signature(self) -> None:
        """One letter of the claims, and it is no token any more."""
        head, claims, signature = token().split(".")
        changed = ("A" if claims[20] != "A" else "B").join((claims[:20], claims[21:]))
        self.failureResultOf(checker("rsa").check(f"{head}.{changed}.{signature}"), InvalidToken)

    def test_other_claim(self) -> None:
        """The address may stand elsewhere."""
        settings = OAuth("keys.json", SETTINGS.issuer, "mail", "upn")
        found = checker("rsa", settings=settings).check(token(upn=ANNA, email="x@example.org"))
        self.assertEqual(self.successResultOf(found), ANNA)

    def test_not_configured(self) -> None:
        """Without keys there is no issuer, and no token is good."""
        self.assertIsNone(read_issuer(OAuth(), lambda _: b""))
        nobody = JwtChecker(None, InlineExecutor(), lambda: NOW)
        self.assertFalse(nobody.ready)
        self.failureResultOf(nobody.check(token()), InvalidToken)

    def test_without_the_library(self) -> None:
        """Where PyJWT is not installed, that is said, with the remedy."""
        with mock.patch.dict(sys.modules, {"jwt": None}):
            error = self.assertRaises(TokenKeysError, read_issuer, SETTINGS, lambda _: b"")
        self.assertIn("pip install 'mailnode[oauth]'", str(error))

    def test_key_files(self) -> None:
        """What is no JWK set, holds a secret key, or none at all, cannot be used."""
        rsa_key = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(Keys.rsa)), "kid": "rsa"}
        ec_key = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(Keys.ec)), "kid": "ec"}
        secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "HS256"}
        for content in (
            b"",
            b"[]",
            b"{}",
            b'{"keys": []}',
            b"\xff",
            json.dumps({"keys": [secret]}).encode(),
            json.dumps({"keys": [Keys.jwk("rsa"), secret]}).encode(),
            json.dumps({"keys": [Keys.jwk("rsa"), Keys.jwk("rsa")]}).encode(),
            b"[" * 100_000,
            *(json.dumps({"keys": [private]}).encode() for private in (rsa_key, ec_key)),
        ):
            self.assertRaises(TokenKeysError, read_issuer, SETTINGS, lambda _, content=content: content)
