"""MTA-STS: the TXT record and the policy behind it (RFC 8461 section 3), as values."""

import re
from collections.abc import Sequence
from typing import Literal, cast

from mailnode.values import frozen
from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax

LONGEST = 31_557_600  # seconds; about a year
POLICY_LIMIT = 65_536  # octets
HOSTS_LIMIT = 200

Mode = Literal["enforce", "testing", "none"]
_MODES = ("enforce", "testing", "none")

_RECORD = re.compile(r"v=STSv1[ \t]*;(.*)", re.DOTALL)
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*([^\r\n]*)")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


@frozen
class StsPolicy:
    """A policy: what to do with hosts that do not fit, for how many seconds, and which hosts there are."""

    mode: Mode
    max_age: int
    mx: tuple[str, ...] = ()

    def names(self, host: str) -> bool:
        """Whether a host is one of its hosts (section 4.1); "*." stands for one label."""
        host = host.lower()
        return any(one in (host, "*." + host.partition(".")[2]) for one in self.mx)

    @property
    def lines(self) -> tuple[str, ...]:
        """The policy as its domain writes it."""
        hosts = [f"mx: {one}" for one in self.mx]
        return ("version: STSv1", f"mode: {self.mode}", *hosts, f"max_age: {self.max_age}")


def parse_record(texts: Sequence[str]) -> str | None:
    """The id in the TXT records of _mta-sts (section 3.1); None where there is no policy.

    Other records are passed over. More than one of version STSv1, or one without a good id, is none.
    """
    found = [one for text in texts if (one := _RECORD.match(text))]
    if len(found) != 1:
        return None
    fields = [part.strip(" \t").partition("=") for part in found[0][1].split(";")]
    ids = [value for name, _, value in fields if name == "id"]
    return ids[0] if len(ids) == 1 and _ID.fullmatch(ids[0]) else None


def parse_policy(data: bytes) -> StsPolicy:
    """The policy in what was fetched (section 3.2). Raises BadSyntax.

    Lines end with LF or CRLF. Of fields that are there once the first counts; unknown ones are passed over.
    """
    if len(data) > POLICY_LIMIT:
        raise BadSyntax("the policy is too long")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise BadSyntax("the policy is not UTF-8") from None
    fields: dict[str, list[str]] = {}
    for line in filter(None, (one.removesuffix("\r").rstrip(" \t") for one in lines)):
        found = _FIELD.fullmatch(line)
        if found is None:
            raise BadSyntax("a line of the policy is no field")
        fields.setdefault(found[1], []).append(found[2])
    if fields.get("version", [""])[0] != "STSv1":
        raise BadSyntax("the policy is not of version STSv1")
    mode = fields.get("mode", [""])[0]
    if mode not in _MODES:
        raise BadSyntax("the policy has no known mode")
    hosts = fields.get("mx", [])
    if not all(map(_HOST.fullmatch, hosts)) or len(hosts) > HOSTS_LIMIT or (mode != "none" and not hosts):
        raise BadSyntax("the policy does not name hosts")
    age = number(fields.get("max_age", [""])[0].encode(), limit=10**10 - 1)
    return StsPolicy(cast(Mode, mode), min(age, LONGEST), tuple(one.lower() for one in hosts))
