"""CRAM-MD5 (RFC 2195) and APOP (RFC 1939 section 7): a digest over what the server said and a shared secret.

Both need the secret itself on the server, APOP can be broken by collisions of MD5 (CVE-2007-1558), and
neither knows the server. They are here for devices that know nothing else, and only where somebody switched
them on.
"""

import hashlib
import hmac
from collections.abc import Callable

from mailnode.auth.claims import Claim, Proven, Wrong
from mailnode.auth.evidence import Evidence
from mailnode.auth.sasl import Exchange
from mailnode.wire.errors import BadSyntax


async def cram_md5(exchange: Exchange, evidence: Evidence) -> Claim:
    """CRAM-MD5: the response is the name, a blank, and HMAC-MD5 of the challenge in hexadecimal."""
    if exchange.initial is not None:
        raise BadSyntax("CRAM-MD5 has no initial response")
    challenge = evidence.timestamp()
    return _judged(
        await exchange.ask(challenge),
        evidence,
        lambda secret: hmac.new(secret, challenge, hashlib.md5).hexdigest(),
        challenge,
    )


async def apop(argument: bytes, timestamp: bytes, evidence: Evidence) -> Claim:
    """APOP name digest: MD5 of the greeting's timestamp and the secret, in hexadecimal."""
    return _judged(argument, evidence, lambda secret: hashlib.md5(timestamp + secret).hexdigest(), timestamp)


def _judged(answer: bytes, evidence: Evidence, digest: Callable[[bytes], str], challenge: bytes) -> Claim:
    username, _, claimed = answer.rpartition(b" ")
    if not username:
        raise BadSyntax("A name, a blank and a digest are needed")
    person = evidence.person(username)
    right = hmac.compare_digest(digest(evidence.secret(person)).encode("ascii"), claimed.lower())
    if person.entry is None or not right:
        raise Wrong(username, challenge + answer)  # as with SCRAM, each one counts
    return Proven(username, person.address, person.entry)
