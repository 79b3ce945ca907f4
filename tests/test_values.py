"""Values made of others."""

import dataclasses
from dataclasses import field

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode import values
from mailnode.envelope import Envelope
from mailnode.values import frozen, names_of, values_of
from mailnode.wire.address import Address
from mailnode.wire.smtp import Reply


@frozen
class One:
    """A value with one field, and something of its own."""

    text: str
    length: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", len(self.text))


CHANGES = st.fixed_dictionaries(
    {}, optional={"size": st.integers(), "utf8": st.booleans(), "envelope_id": st.text()}
)


class ValuesTests(SynchronousTestCase):
    """Fields, and replace()."""

    @given(CHANGES, CHANGES)
    def test_as_dataclasses(self, first: dict[str, object], then: dict[str, object]) -> None:
        """It is what dataclasses make of it."""
        ours = theirs = Envelope(Address("anna", "example.org"), size=7)
        for changes in (first, then):
            ours = values.replace(ours, **changes)  # type: ignore[arg-type]
            theirs = dataclasses.replace(theirs, **changes)  # type: ignore[arg-type]
            self.assertEqual(ours, theirs)

    def test_own_fields(self) -> None:
        """What a value finds out by itself it finds out again."""
        self.assertEqual(values.replace(One("abc"), text="abcd").length, 4)
        self.assertEqual((names_of(One), values_of(One("abc"))), (("text",), ("abc",)))
        reply = Reply(250, "2.0.0", "Ok")
        self.assertEqual(reply.encode(), b"250 2.0.0 Ok\r\n")
        self.assertEqual(values.replace(reply, text="No").encode(), b"250 2.0.0 No\r\n")

    def test_no_such_field(self) -> None:
        """That is a mistake."""
        self.assertRaises(TypeError, values.replace, One("abc"), other=1)
