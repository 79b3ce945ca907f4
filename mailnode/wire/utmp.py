"""utmp, the file that tells who is logged in on which terminal of this machine (utmp(5) of Linux)."""

import re
import struct

from mailnode.values import frozen

USER_PROCESS = 7  # ut_type of somebody who is logged in

# ut_type, ut_pid, ut_line, ut_id, ut_user; the rest has other sizes where times are long.
_BEGINNING = struct.Struct("=hxxi32s4s32s")
SIZES = {"aarch64": 400, "riscv64": 400, "loongarch64": 400}  # octets of a record, by machine
SIZE = 384  # everywhere else

_LINE = re.compile(rb"tty[A-Za-z0-9]{1,8}|pts/[0-9]{1,8}")


@frozen
class TerminalLogin:
    """A user, and the name of the terminal below /dev."""

    user: str
    line: str


def logins(data: bytes, *, size: int = SIZE) -> list[TerminalLogin]:
    """Who is logged in, from the content of the file; `size` is that of a record.

    Logins without a terminal, such as those of graphical sessions, and the rest of a record are left out.
    """
    found = []
    for start in range(0, len(data) - size + 1, size):
        kind, _, line, _, user = _BEGINNING.unpack_from(data, start)
        line, user = line.partition(b"\0")[0], user.partition(b"\0")[0]
        if kind == USER_PROCESS and _LINE.fullmatch(line):
            found.append(TerminalLogin(user.decode("utf-8", "replace"), line.decode("ascii")))
    return found
