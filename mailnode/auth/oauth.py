"""OAUTHBEARER (RFC 7628) and XOAUTH2, by which Google's and Microsoft's clients send the same token.

A token that is not good is answered with JSON in a challenge; what the client says to that tells nothing, and
then it has failed. The host and port that a client may name are not looked at: a house has many names.
"""

import json
import re
from dataclasses import field

from mailnode.auth.claims import Claim, Proven, Wrong
from mailnode.auth.evidence import Evidence
from mailnode.auth.sasl import Exchange
from mailnode.auth.tokens import InvalidToken
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax

_SCOPE = "mail"

# RFC 7628 section 3.2.2, with the words of RFC 6750 section 3.1; what XOAUTH2 says instead is custom.
BEARER_REFUSED = json.dumps({"status": "invalid_token", "scope": _SCOPE}).encode()
XOAUTH2_REFUSED = json.dumps({"status": "401", "schemes": "bearer", "scope": _SCOPE}).encode()

# client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep ; kvpair = key "=" value kvsep
_OAUTHBEARER = re.compile(
    rb"[ny],(?:a=(?P<user>(?:[^\0-\x1f,=]|=2C|=3D)+))?,\x01(?P<pairs>(?:[A-Za-z]+=[ -~\t\r\n]*\x01)*)\x01"
)
_XOAUTH2 = re.compile(rb"user=(?P<user>[^\0-\x1f]+)\x01(?P<pairs>(?:[A-Za-z]+=[ -~\t\r\n]*\x01)*)\x01")
_TOKEN = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")  # RFC 6750 section 2.1


@frozen
class Bearer:
    """Whose mailbox is wanted, b"" where that is not said, and the token."""

    user: bytes
    token: str = field(repr=False)


async def oauthbearer(exchange: Exchange, evidence: Evidence) -> Claim:
    """OAUTHBEARER: the authzid may be left out, the token says whose it is."""
    message = await exchange.first()
    found = _parsed(_OAUTHBEARER, message)
    user = found.user.replace(b"=2C", b",").replace(b"=3D", b"=")
    return await _owner(Bearer(user, found.token), evidence, BEARER_REFUSED)


async def xoauth2(exchange: Exchange, evidence: Evidence) -> Claim:
    """XOAUTH2: "user=" user ^A "auth=Bearer " token ^A ^A"""
    return await _owner(_parsed(_XOAUTH2, await exchange.first()), evidence, XOAUTH2_REFUSED)


def _parsed(grammar: re.Pattern[bytes], message: bytes) -> Bearer:
    found = grammar.fullmatch(message)
    pairs = found["pairs"].split(b"\x01") if found else []
    values = [pair[5:].decode("ascii") for pair in pairs if pair[:5].lower() == b"auth="]
    token = _TOKEN.fullmatch(values[0]) if len(values) == 1 else None
    if found is None or token is None:
        raise BadSyntax("One bearer token is needed")
    return Bearer(found["user"] or b"", token[1])


async def _owner(bearer: Bearer, evidence: Evidence, refusal: bytes) -> Claim:
    """Who the token was issued for, if that is the one who is named."""
    attempt = bearer.token.encode("ascii")
    try:
        owner = await evidence.token_owner(bearer.token)
    except InvalidToken as invalid:
        evidence.person(bearer.user)
        raise Wrong(bearer.user, attempt, told=refusal, reason=f"bad token: {invalid}") from None
    person = evidence.person(owner.encode())
    named = not bearer.user or evidence.person(bearer.user).address == person.address
    if person.entry is None or not named:
        raise Wrong(bearer.user, attempt, told=refusal, reason=f"a token of {owner}")
    return Proven(bearer.user or owner.encode(), person.address, person.entry)
