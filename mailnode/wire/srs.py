"""The Sender Rewriting Scheme: a reverse-path on this host for mail that goes on, and the way back from it.

A host that checks SPF (RFC 7208) refuses mail that comes from here with a reverse-path of another domain. So
it gets one of ours, which holds the other and a signature: a report that comes to it goes on to who sent the
message, and nobody else can make one. There is no RFC; Wong's "Sender Rewriting Scheme" of 2004 is what
others have built too:

    SRS0=HHHH=TT=domain=local@here          from local@domain
    SRS1=HHHH=first==HHHH=TT=domain=local@here    from SRS0=HHHH=TT=domain=local@first, straight back to first

TT is the day in base 32, HHHH the signature. Both hold in capital and small letters.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Callable

from mailnode.wire.address import LOCAL_LIMIT, Address, parse_address
from mailnode.wire.errors import BadSyntax

VALID_DAYS = 21  # reports come for as long as the slowest queue tries, and a little later
_DAYS = 1024  # that two letters can tell apart
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SIGNED = 8  # letters, of five bits each

_MADE_ONCE = re.compile(r"SRS0[=+-]", re.IGNORECASE)
_REWRITTEN = re.compile(r"SRS[01][=+-].*", re.IGNORECASE | re.DOTALL)
_FIRST = re.compile(r"SRS0[=+-](?P<sign>\w{8})=(?P<said>(?P<day>[A-Z2-7]{2})=[^=]+=.+)", re.IGNORECASE)
_LATER = re.compile(r"SRS1[=+-](?P<sign>\w{8})=(?P<said>(?P<host>[^=]+)=(?P<rest>[=+-].+))", re.IGNORECASE)


class Srs:
    """Signs with a key that lasts; `now` gives seconds since the epoch."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    def rewritten(self, sender: Address, domain: str) -> Address:
        """The reverse-path in a domain of ours that stands for the sender; what is too long stays so."""
        kind, said = "SRS0", f"{self._day()}={sender.domain_key}={sender.local}"
        if _MADE_ONCE.match(sender.local):
            kind, said = "SRS1", f"{sender.domain_key}={sender.local[4:]}"
        elif found := _LATER.fullmatch(sender.local):
            kind, said = "SRS1", found["said"]
        local = f"{kind}={self.signature(said)}={said}"
        return sender if len(local.encode()) > LOCAL_LIMIT else Address(local, domain)

    def original(self, local: str) -> Address | None:
        """Whom a local part stands for; None for one that was never rewritten.

        Raises BadSyntax for one that looks so, and was not made here, or too long ago.
        """
        if not _REWRITTEN.fullmatch(local):
            return None
        first, later = _FIRST.fullmatch(local), _LATER.fullmatch(local)
        found = first or later
        if found is None or not hmac.compare_digest(
            self.signature(found["said"]).encode(), found["sign"].upper().encode()
        ):
            raise BadSyntax("This reverse-path was not made here")
        if later:
            return parse_address(str(Address(f"SRS0{later['rest']}", later["host"])), utf8=True)
        assert first is not None
        self._check_day(first["day"].upper())
        _, domain, name = first["said"].split("=", 2)
        return parse_address(str(Address(name, domain)), utf8=True)

    def signature(self, said: str) -> str:
        """Letters that nobody else can put to a text; capital and small ones are the same in it."""
        digest = hmac.digest(self._key, said.lower().encode(), "sha256")
        return b32encode(digest[: _SIGNED * 5 // 8]).decode()

    def _day(self) -> str:
        high, low = divmod(self._today(), len(_LETTERS))
        return _LETTERS[high] + _LETTERS[low]

    def _check_day(self, written: str) -> None:
        day = _LETTERS.index(written[0]) * len(_LETTERS) + _LETTERS.index(written[1])
        if (self._today() - day + 1) % _DAYS > VALID_DAYS + 1:  # the clock may have been a day ahead
            raise BadSyntax("This reverse-path is too old")

    def _today(self) -> int:
        return int(self._now() // 86400) % _DAYS
