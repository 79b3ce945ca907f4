"""Remembering what was made of values."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.remembered import remembered


class RememberedTests(SynchronousTestCase):
    def test_short_and_long(self) -> None:
        """A short value is worked at once, a long one each time, and the result is the same."""
        seen: list[bytes] = []

        @remembered
        def lower(value: bytes) -> bytes:
            """A name."""
            seen.append(value)
            return value.lower()

        short, long = b"A" * 256, b"A" * 257
        self.assertEqual(
            [lower(one) for one in (short, long, short, long)], [b"a" * n for n in (256, 257) * 2]
        )
        self.assertEqual(seen, [short, long, long])
        self.assertEqual(lower.__doc__, "A name.")

    def test_bounded(self) -> None:
        """Of many values the first are forgotten."""
        seen: list[bytes] = []
        known = remembered(lambda value: seen.append(value))
        for number in range(5000):
            known(b"%d" % number)
        known(b"4999")
        known(b"0")
        self.assertEqual(len(seen), 5001)
