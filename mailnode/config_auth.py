"""How people may log in: what stands in the [auth] table."""

from typing import Annotated, Literal, get_args

from mailnode.config_rules import FilePath, between
from mailnode.values import frozen

# SASL's names: all but those for which the secret itself would have to be kept.
_SafeName = Literal[
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "EXTERNAL",
    "OAUTHBEARER",
    "XOAUTH2",
    "PLAIN",
    "LOGIN",
]
SAFE: tuple[_SafeName, ...] = get_args(_SafeName)

# And those two; APOP is of POP3.
MechanismName = Literal[_SafeName, "CRAM-MD5", "APOP"]


@frozen
class OAuth:
    """Whose bearer tokens are taken: a file with public keys (JWK set), and what a token must say."""

    keys: FilePath = ""
    issuer: str = ""
    audience: str = ""
    claim: str = "email"


@frozen
class Auth:
    """How and when people may log in, and what checking a password costs (argon2_memory in KiB)."""

    require_tls: Literal["remote", "always"] = "remote"
    mechanisms: tuple[MechanismName, ...] = SAFE
    argon2_memory: Annotated[int, between(8, 4_194_304, "KiB")] = 19456
    argon2_time: Annotated[int, between(1, 1000, "rounds")] = 2
    argon2_parallelism: Annotated[int, between(1, 64, "threads")] = 1
    cache_seconds: Annotated[int, between(0, 2**53, "seconds")] = 300
    oauth: OAuth = OAuth()
