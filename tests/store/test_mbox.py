"""mbox files: what is written is read again, and so is what others write."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store.mbox import Letter, letters, written
from mailnode.store.values import ANSWERED, DELETED, DRAFT, FLAGGED, NO_FLAGS, SEEN

NOON = 1_700_000_000.0

LINES = st.lists(
    st.sampled_from(
        [
            b"From ",
            b"From a Tue Nov 14 22:13:20 2023",
            b">From x",
            b">>From y",
            b"",
            b"text",
            b"From: a",
            b"\xff",
        ]
    )
)


def read(*parts: bytes, cut: int = 1000) -> list[Letter]:
    """The messages of a file that comes in pieces."""
    data = b"".join(parts)
    return list(letters(data[start : start + cut] for start in range(0, len(data), cut)))


class MboxTests(SynchronousTestCase):
    """Writing and reading."""

    @given(
        st.lists(
            st.tuples(LINES, st.frozensets(st.sampled_from([SEEN, ANSWERED, FLAGGED, DRAFT, "$x", "y"])))
        ),
        st.integers(1, 50),
    )
    def test_there_and_back(self, messages: list[tuple[list[bytes], frozenset[str]]], cut: int) -> None:
        """Octets, flags and dates are what they were, whatever lines a message has, in any cut."""
        wanted = [
            Letter(b"Subject: x\n\n" + b"".join(line + b"\n" for line in lines), flags, NOON)
            for lines, flags in messages
        ]
        file = [written(one.data, one.flags, NOON) for one in wanted]
        self.assertEqual(read(*file, cut=cut), wanted)

    def test_form(self) -> None:
        """A separator, fields of flags, quoted lines, an empty line at the end."""
        self.assertEqual(
            written(b"A: b\r\n\r\nFrom x\r\n>From y", frozenset({SEEN, ANSWERED, "$Todo"}), NOON),
            b"From MAILER-DAEMON Tue Nov 14 22:13:20 2023\nStatus: RO\nX-Status: A\nX-Keywords: $Todo\n"
            b"A: b\n\n>From x\n>>From y\n\n",
        )

    def test_of_others(self) -> None:
        """CRLF, Thunderbird's status, dates in zones or in the header only, and separators without a date."""
        dated = b"From a@example.org Tue Nov 14 22:13:20 2023\r\n"
        for file, expected in (
            (dated + b"A: b\r\n\r\nx\r\n\r\n", Letter(b"A: b\n\nx\n", NO_FLAGS, NOON)),
            (dated[:-2] + b" +0100\n\nx\n", Letter(b"\nx\n", NO_FLAGS, NOON - 3600)),
            (
                b"From - Tue Nov 14 22:13:20 2023\nX-Mozilla-Status: 0007\nX-Mozilla-Keys: a $b\n\nx\n",
                Letter(b"\nx\n", frozenset({SEEN, ANSWERED, FLAGGED, "a", "$b"}), NOON),
            ),
            (
                b"From - Tue Nov 14 22:13:20 2023\nX-Mozilla-Status: 0009\n\nx\n",
                Letter(b"\nx\n", frozenset({SEEN}), NOON, gone=True),
            ),
            (dated + b"X-Status: D\n\n", Letter(b"", frozenset({DELETED}), NOON)),
            (
                b"From \nDate: 14 Nov 2023 22:13:20 +0000\n\nx",
                Letter(b"Date: 14 Nov 2023 22:13:20 +0000\n\nx", NO_FLAGS, NOON),
            ),
            (b"From nonsense\n\nx\n", Letter(b"\nx\n", NO_FLAGS, None)),
        ):
            self.assertEqual(read(file), [expected], file)

    def test_what_separates(self) -> None:
        """A line behind an empty one, of the kind that the first is."""
        dated, bare = b"From a Tue Nov 14 22:13:20 2023\n", b"From \n"
        for file, count in (
            (b"", 0),
            (b"no mbox\n\n" + dated, 1),
            (dated + b"x\n" + dated, 1),
            (dated + b"x\n\n" + dated, 2),
            (dated + b"x\n\n" + bare + b"y\n", 1),
            (bare + b"x\n\n" + bare + b"y\n", 2),
        ):
            self.assertEqual(len(read(file)), count, file)
