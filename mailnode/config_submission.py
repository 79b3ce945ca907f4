"""What our own people may send, and how it looks: the [submission] table, and rules for single values."""

import re
from typing import Annotated, Literal

from mailnode.config_rules import between
from mailnode.tomlfile import Fault
from mailnode.values import frozen

SOLICITATION_LIMIT = 1000  # octets of all keywords with the commas between them; RFC 3865 section 2.1

_SOLICITATION = re.compile(r"[A-Za-z][A-Za-z0-9._:-]*")


@frozen
class Submission:
    """What is done to mail of our own people before it goes on.

    `add_sender`: name the one who logged in where From is somebody else (RFC 6409 section 8.1).
    `hide_client`: say nothing in Received of the place it was sent from.
    `bare_line_ends`: what becomes of content by DATA with a CR or LF that stands alone.
    `longest_hold`: for how long a message is held at most when its sender asks for it (RFC 4865), in seconds.
    """

    add_sender: bool = False
    hide_client: bool = False
    bare_line_ends: Literal["refuse", "normalize"] = "refuse"
    longest_hold: Annotated[int, between(0, 999_999_999, "seconds")] = 2_592_000


def solicitation(text: str) -> str:
    """A solicitation class keyword, in lower case (RFC 3865 section 2.2)."""
    if not _SOLICITATION.fullmatch(text) or len(text) > SOLICITATION_LIMIT:
        raise Fault("is not a solicitation class keyword", 'Write it like "org.example:ADV".')
    return text.lower()
