"""What a client hears of trouble with the store (RFC 3206 section 4): whether trying again may help."""

from mailnode.pop3.state import Refused
from mailnode.store.errors import is_lasting


def system_code(trouble: Exception) -> str:
    """The response code: SYS/PERM where trying again is no use."""
    return "SYS/PERM" if is_lasting(trouble) else "SYS/TEMP"


def unusable(trouble: Exception) -> Refused:
    """The refusal of a command that met this trouble."""
    if is_lasting(trouble):
        return Refused("The maildrop cannot be used; the administrator must look into it", "SYS/PERM")
    return Refused("The maildrop cannot be used now, try again later", "SYS/TEMP")
