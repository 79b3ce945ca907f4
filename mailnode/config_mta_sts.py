"""The [mta_sts] table: what others are told of how mail for our domains must be brought (RFC 8461)."""

from typing import Annotated, Literal

from mailnode.config_rules import between, domain_name
from mailnode.values import frozen
from mailnode.wire.mta_sts import LONGEST, Mode, StsPolicy

WEEK = 604_800  # seconds
FIRST_MODE: Mode = "testing"  # to begin with: failures are reported, and no mail is held back


def host_pattern(text: str) -> str:
    """A host, or a wildcard for one label (RFC 8461 section 4.1)."""
    star = "*." if text.startswith("*.") else ""
    return star + domain_name(text.removeprefix("*."))


@frozen
class MtaSts:
    """What the pages of our domains say: the mode, "off" for no page; the hosts that take mail; for how long.

    No hosts mean this one. `max_age` is in seconds.
    """

    mode: Literal["off", "none", "testing", "enforce"] = "off"
    hosts: tuple[Annotated[str, host_pattern], ...] = ()
    max_age: Annotated[int, between(86400, LONGEST)] = WEEK

    def policy(self, hostname: str) -> StsPolicy:
        """The policy; where there is no page here, the one to begin with elsewhere."""
        mode = FIRST_MODE if self.mode == "off" else self.mode
        return StsPolicy(mode, self.max_age, self.hosts or (hostname,))
