"""Who is logged in, from the octets of utmp."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.utmp import SIZE, SIZES, TerminalLogin, logins


def record(kind: int, line: bytes, user: bytes, *, size: int = SIZE) -> bytes:
    """A record as login(1) writes it."""
    return struct.pack("=hxxi32s4s32s", kind, 4711, line, b"ts/0", user).ljust(size, b"\0")


class Utmp(SynchronousTestCase):
    """logins()"""

    def test_records(self) -> None:
        """Users on terminals count; booting, dead processes, graphical and remote lines do not."""
        data = b"".join((
            record(2, b"~", b"reboot"),
            record(7, b"tty1", b"anna"),
            record(7, b"pts/12", b"ben"),
            record(8, b"pts/3", b"ben"),
            record(7, b":0", b"anna"),
            record(7, b"../sda", b"anna"),
            record(7, b"pts/../sda", b"anna"),
            record(7, b"/dev/sda", b"anna"),
            record(7, b"p" * 32, b"anna"),
            record(7, b"ttyS0", b"u" * 32),
            record(7, b"tty2", b"anna")[:-1],
        ))  # fmt: skip
        found = [
            TerminalLogin("anna", "tty1"),
            TerminalLogin("ben", "pts/12"),
            TerminalLogin("u" * 32, "ttyS0"),
        ]
        self.assertEqual(logins(data), found)

    def test_long_times(self) -> None:
        """Where times are long a record is longer."""
        size = SIZES["aarch64"]
        data = record(7, b"tty1", b"anna", size=size) + record(7, b"tty2", b"ben", size=size)
        found = [TerminalLogin("anna", "tty1"), TerminalLogin("ben", "tty2")]
        self.assertEqual(logins(data, size=size), found)

    @given(st.binary(max_size=3 * SIZE))
    def test_anything(self, data: bytes) -> None:
        """No octets are an error, and no line leads out of /dev."""
        for login in logins(data + record(7, data[:32], data[:32])):
            self.assertRegex(login.line, r"\A(tty[A-Za-z0-9]+|pts/[0-9]+)\Z")
