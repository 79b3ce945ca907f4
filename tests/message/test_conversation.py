"""The root of a conversation: from the message alone, and the same for ever."""

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.conversation import root
from tests.message import strategies


class RootTests(SynchronousTestCase):
    TABLE: tuple[tuple[bytes, bytes | None], ...] = (
        (b"Message-ID: <a@x>\r\n\r\n", b"a@x"),
        (b"Message-ID: <c@x>\r\nIn-Reply-To: <b@x>\r\nReferences: <a@x> <b@x>\r\n\r\n", b"a@x"),
        (b"Message-ID: <c@x>\r\nReferences: <a@x>\r\n <b@x>\r\nIn-Reply-To: <b@x>\r\n\r\n", b"a@x"),
        (b"message-id: <c@x>\nin-reply-to: <b@x> <d@x>\n\n", b"b@x"),
        (b"In-Reply-To: Your message of Monday <b@x>\r\nMessage-ID: <c@x>\r\n\r\n", b"b@x"),
        (b"References:\r\nIn-Reply-To: nothing\r\nMessage-ID: <c@x>\r\n\r\n", b"c@x"),
        (b"References: none\r\nReferences: <a@x>\r\nMessage-ID: <c@x>\r\n\r\n", b"a@x"),
        (b'References: <"a"@x>\r\n\r\n', b"a@x"),
        (b"References: <<a@x>>\r\n\r\n", b"a@x"),
        (b"References: <> < > <a> <a@x\r\nMessage-ID: <c@x>\r\n\r\n", b"c@x"),
        (b"References: <a b@x>\r\n\r\n", b"ab@x"),
        (b"References: <\xe4@x>\r\n\r\n", b"\xe4@x"),
        (b"Subject: <a@x>\r\n\r\nMessage-ID: <b@x>\r\n", None),
        (b"", None),
    )

    def test_table(self) -> None:
        """References before In-Reply-To before Message-ID; of each the first that looks like one."""
        for header, expected in self.TABLE:
            self.assertEqual(root(header), expected, header)

    @given(strategies.messages)
    def test_any_octets(self, octets: bytes) -> None:
        """Whatever the header is, there is an answer, and line ends make no difference to it."""
        found = root(octets)
        self.assertTrue(found is None or found)

    @given(st.lists(st.sampled_from([b"<a@x>", b"<b@x>", b"<", b">", b"word", b"\r\n "]), max_size=8))
    def test_line_ends(self, words: list[bytes]) -> None:
        """LF and CRLF give the same: a copy may lie on the disk in the other form."""
        header = b"References: " + b" ".join(words) + b"\r\n\r\n"
        self.assertEqual(root(header), root(header.replace(b"\r\n", b"\n")))

    def test_linear(self) -> None:
        """A megabyte of what is almost a message-id costs no more than reading it."""
        for octets in (b"<", b"<a", b"<a ", b"<a@x"):
            begun = time.process_time()
            root(b"References: " + octets * (1_000_000 // len(octets)) + b"\r\n\r\n")
            self.assertLess(time.process_time() - begun, 1)
