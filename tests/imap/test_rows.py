"""FETCH responses that are put together from columns."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.rows import Rows
from mailnode.store.blocks import Texts

LABELS = (b"ENVELOPE", b"BODY[HEADER.FIELDS (%d)]")


class RowsTests(SynchronousTestCase):
    @given(
        st.lists(st.tuples(st.sampled_from(LABELS), st.booleans()), min_size=1, max_size=4),
        st.lists(st.sampled_from((b"%", b"%d", b"(a)", b"%%b")), min_size=1, max_size=4),
    )
    def test_together(self, items: list[tuple[bytes, bool]], texts: list[bytes]) -> None:
        """All at once are what each is alone, whether a column came joined or not."""

        def rows() -> Rows:
            found = Rows(b"* %d FETCH (", range(7, 7 + len(texts)))
            for label, joined in items:
                if joined:
                    found.add(label, b"%b", (Texts(b"\0".join(texts), len(texts)),))
                else:
                    found.add(label, b"{%d}\r\n%b", (map(len, texts), texts))
            return found

        expected = [
            b"* %d FETCH (%b)\r\n"
            % (
                number,
                b" ".join(
                    label + (b" " + text if joined else b" {%d}\r\n%b" % (len(text), text))
                    for label, joined in items
                ),
            )
            for number, text in enumerate(texts, 7)
        ]
        self.assertEqual(list(rows()), expected)
        self.assertEqual(rows().together(), b"".join(expected))

    def test_columns_of_another_length(self) -> None:
        """No value comes to another message's response."""
        for values in ([b"a"], [b"a", b"b", b"c"]):
            rows = Rows(b"* %d FETCH (", [1, 2])
            rows.add(b"X", b"%b", (values,))
            self.assertRaises(ValueError, rows.together)
            self.assertRaises(ValueError, list, rows)
