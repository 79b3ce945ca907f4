"""What a login name means."""

from mailnode.auth.live import Live
from mailnode.config_rules import address as mail_address
from mailnode.tomlfile import Fault
from mailnode.wire.errors import BadSyntax
from mailnode.wire.saslprep import saslprep


def login_address(live: Live, username: str) -> str:
    """The address a login name means, prepared as the names of mailboxes are (RFC 8265 section 3.3).

    A name without a domain is in the only one. "" for what nobody can be called. Whether there is such a
    mailbox is another question.
    """
    domains = live.config.domains
    if "@" not in username and len(domains) == 1:
        username = f"{username}@{domains[0]}"
    try:
        return mail_address(username)
    except Fault:
        return ""


LONGEST_NAME = 512  # octets; preparing takes time, and no address is longer (RFC 5321 section 4.5.3.1)


def prepared(username: bytes) -> str:
    """A login name by SASLprep (RFC 4013); "" where it cannot be one."""
    if len(username) > LONGEST_NAME:
        return ""
    try:
        return saslprep(username.decode())
    except (UnicodeDecodeError, BadSyntax):
        return ""
