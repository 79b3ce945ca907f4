"""The targets of the fuzzer on what it begins with, and on what it has found before; without the fuzzer."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.__main__ import shares
from tests.fuzz.targets import TARGETS, pieces, plainly_decoded, seeds
from tests.vectors.vector import vectors

FOUND = Path(__file__).resolve().parent / "found"


class Targets(SynchronousTestCase):
    """Nothing here may raise."""

    def test_seeds(self) -> None:
        """What the vectors send, every second of them; the fuzzer begins with all."""
        for name, inputs in seeds(vectors()).items():
            self.assertGreater(len(inputs), 20, name)
            for data in sorted(inputs)[::2]:
                TARGETS[name](data)

    def test_found(self) -> None:
        """What once made a target fail; the name of the file begins with that of the target."""
        for path in sorted(FOUND.glob("*-*")):
            TARGETS[path.name.partition("-")[0]](path.read_bytes())

    def test_shares(self) -> None:
        """All targets together take the time there is, and a session half of it; each has some."""
        self.assertEqual(
            shares(60, list(TARGETS)), {name: 30 if name == "session" else 5 for name in TARGETS}
        )
        self.assertEqual(shares(60, ["session"]), {"session": 60})
        self.assertEqual(shares(1, ["dots", "base64"]), {"dots": 2, "base64": 2})

    def test_pieces(self) -> None:
        """However octets are cut, they are all there."""
        for how in range(256):
            self.assertEqual(b"".join(pieces(b"a\r\n\r\nb\nc" * 9, how)), b"a\r\n\r\nb\nc" * 9)

    def test_plain_decoder(self) -> None:
        """The decoder that the other one is measured by."""
        for body, found in (
            (b".\r\n", (b"", b"")),
            (b"..\r\n.\r\nx", (b".\r\n", b"x")),
            (b"a\r\n.b\r\n.\r\n", (b"a\r\nb\r\n", b"")),
            (b"a\n.\n", (b"a\n.\n", None)),
        ):
            self.assertEqual(plainly_decoded(body), found)
