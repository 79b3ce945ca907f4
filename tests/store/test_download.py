"""What POP3 sends of a message, as it is counted."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.message.wire_form import wire_size
from mailnode.store.body import Body
from mailnode.store.download import measure, measure_small
from tests.message import strategies
from tests.scratch import scratch

MESSAGES = st.one_of(
    strategies.messages,
    st.lists(st.sampled_from([b"S: \xc3\xa4", b"a", b"\n", b"\r", b"\xff"])).map(b"".join),
)


class MeasureTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=200)
    @given(MESSAGES, st.booleans())
    def test_small_ones(self, data: bytes, verbatim: bool) -> None:
        """The octets of a small message say of it what its open file says."""
        with scratch() as room:
            path = os.path.join(room, "message")
            with open(path, "wb") as file:
                file.write(data)
            on_wire = wire_size(data, 0, len(data), verbatim)
            with Body(FileSystem().open(path), verbatim=verbatim) as body:
                self.assertEqual(measure_small(data, verbatim, on_wire), measure(body, on_wire))
