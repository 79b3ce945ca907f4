"""What a client hears of trouble with the store (RFC 3206 section 4): whether trying again may help."""

import errno

from mailnode.pop3.state import Refused

# Nobody but the administrator can mend these: permissions, a wrong path, a disk that is mounted read-only.
_LASTING = frozenset({errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS})


def is_lasting(trouble: Exception) -> bool:
    """Whether the same command will fail until somebody has mended something."""
    return isinstance(trouble, OSError) and trouble.errno in _LASTING


def system_code(trouble: Exception) -> str:
    """The response code: SYS/PERM where trying again is no use."""
    return "SYS/PERM" if is_lasting(trouble) else "SYS/TEMP"


def unusable(trouble: Exception) -> Refused:
    """The refusal of a command that met this trouble."""
    if is_lasting(trouble):
        return Refused("The maildrop cannot be used; the administrator must look into it", "SYS/PERM")
    return Refused("The maildrop cannot be used now, try again later", "SYS/TEMP")
