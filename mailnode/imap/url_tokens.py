"""The tokens of the mechanism INTERNAL, by which a URL shows that it was authorized (RFC 4467 section 2.4.1).

A token is the HMAC of the rump as it stands, with the mailbox's key, behind a number that tells how it was
made: should there be a better way one day, both can be told apart (section 10).
"""

import hmac
from hashlib import sha256

MECHANISM = "INTERNAL"
URLMECH = b"URLMECH INTERNAL"  # the response code that tells of it (section 8)

_HMAC_SHA256 = "01"
_NO_KEY = b"0" * 64  # somebody always has to calculate: nobody learns by the time it takes what there is


def token(key: bytes, rump: bytes) -> str:
    """What stands behind the mechanism, in hex digits."""
    return _HMAC_SHA256 + hmac.new(key, rump, sha256).hexdigest()


def holds(key: bytes | None, rump: bytes, given: str) -> bool:
    """Whether a token, in lower case, was made with the key; without a key, none was (section 6)."""
    made = token(key or _NO_KEY, rump)
    return hmac.compare_digest(made, given) and key is not None
