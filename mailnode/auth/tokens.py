"""Bearer tokens: who one was issued for.

The one kind that is known are JSON Web Tokens (RFC 7519), signed by somebody whose public keys lie in a file
on this machine (a JWK set, RFC 7517). Nothing is fetched from anywhere. Only asymmetric signatures count,
each key works with its own algorithm only, and `kid` is looked up among these keys, never used as a path. A
bearer token is good until it expires, as often as it is shown: short lives are the issuer's business (RFC
6750 section 5.3).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface, implementer

from mailnode.config_auth import OAuth
from mailnode.runtime import Executor
from mailnode.values import frozen

LONGEST_TOKEN = 8192  # octets
LEEWAY = 60.0  # seconds that two clocks may differ

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


class InvalidToken(Exception):
    """The token proves nothing; the text is for the log."""


class TokenKeysError(Exception):
    """The file with the keys cannot be used; the text says why."""


class ITokenChecker(Interface):
    """Knows whose a token is."""

    ready: bool = Attribute("Whether tokens can be checked now.")

    def check(token: str) -> "Deferred[str]":
        """A Deferred of the mail address, in lower case, that the token was issued for; or InvalidToken."""


@frozen
class Issuer:
    """Whose tokens are believed, and the keys by `kid`; a key is what PyJWT calls a PyJWK."""

    settings: OAuth
    keys: Mapping[str, Any] = field(repr=False)


def read_issuer(settings: OAuth, read: Callable[[str], bytes]) -> Issuer | None:
    """The issuer of a configuration, or None. Raises TokenKeysError."""
    if not settings.keys:
        return None
    try:
        import jwt
    except ImportError:
        raise TokenKeysError(
            "auth.oauth needs PyJWT; install it with: pip install 'mailnode[oauth]'"
        ) from None
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(read(settings.keys))).keys
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, jwt.PyJWTError) as error:
        raise TokenKeysError(f"{settings.keys} is no JWK set that can be used ({error})") from None
    # A private key knows its public one; whoever reads this file could sign with it.
    keys = {
        key.key_id or "": key
        for key in found
        if key.algorithm_name in ALGORITHMS and not hasattr(key.key, "public_key")
    }
    if not keys or len(keys) < len(found):
        text = "each key must be public, of a known kind, and have a kid of its own"
        raise TokenKeysError(f"{settings.keys} cannot be used: {text}")
    return Issuer(settings, keys)


@implementer(ITokenChecker)
class JwtChecker:
    """Checks tokens of the issuer of the moment; `issuer` is set anew by a reload."""

    def __init__(self, issuer: Issuer | None, executor: Executor, clock: Callable[[], float]) -> None:
        self.issuer = issuer
        self._executor = executor
        self._clock = clock

    @property
    def ready(self) -> bool:
        """Whether there is an issuer."""
        return self.issuer is not None

    def check(self, token: str) -> "Deferred[str]":
        """The address in the token's claim; the signature is checked in a thread."""
        return self._executor.run(_address, self.issuer, token, self._clock())


def _address(issuer: Issuer | None, token: str, now: float) -> str:
    """Raises InvalidToken, whatever is wrong."""
    if issuer is None or len(token) > LONGEST_TOKEN:
        raise InvalidToken("no token of ours")
    import jwt

    settings = issuer.settings
    try:
        key = issuer.keys[jwt.get_unverified_header(token).get("kid", "")]
        claims = jwt.decode(
            token,
            key=key.key,
            algorithms=[key.algorithm_name],
            audience=settings.audience,
            issuer=settings.issuer,
            options={
                "require": ["exp", "iss", "aud"],
                "verify_exp": False,  # by our clock, below
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        if not claims.get("nbf", 0.0) - LEEWAY <= now < claims["exp"] + LEEWAY:
            raise InvalidToken("expired, or not yet good")
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        raise InvalidToken(f"{type(error).__name__}: {error}") from None
    address = claims.get(settings.claim)
    unverified = settings.claim == "email" and claims.get("email_verified", True) is not True
    if not isinstance(address, str) or not address.isascii() or "@" not in address or unverified:
        raise InvalidToken(f"no mail address in {settings.claim}")
    return address.lower()
