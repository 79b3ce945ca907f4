"""IMAP URLs."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.url import MessageUrl, parse, shown


class UrlTests(SynchronousTestCase):
    """RFC 5092."""

    def test_messages(self) -> None:
        """A mailbox of the account, or the selected one; names and sections are decoded."""
        for url, parsed in (
            (
                b"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME",
                MessageUrl("Drafts", 385759045, 20, b"1.MIME"),
            ),
            (b"/a/b/;uid=1", MessageUrl("a/b", None, 1)),
            (b"/%E6%97%A5%e6%9c%ac/;UID=4294967295", MessageUrl("\u65e5\u672c", None, 4294967295)),
            (b";UID=20/;SECTION=HEADER.FIELDS%20(A)", MessageUrl(None, None, 20, b"HEADER.FIELDS (A)")),
            (b"/a%3b/;UID=1", MessageUrl("a;", None, 1)),
        ):
            self.assertEqual(parse(url), parsed)

    def test_refused(self) -> None:
        """Everything else."""
        for url in (
            b"",
            b"/",
            b"/INBOX",
            b"/INBOX;UID=1",
            b"/;UID=1",
            b"//host/INBOX/;UID=1",
            b"imap://host/INBOX/;UID=1",
            b"INBOX/;UID=1",
            b"/INBOX/;UID=01",
            b"/INBOX/;UID=4294967296",
            b"/INBOX;UIDVALIDITY=0/;UID=1",
            b"/INBOX/;UID=1/;PARTIAL=0.1",
            b"/INBOX/;UID=1;URLAUTH=anonymous:INTERNAL:0",
            b"/INBOX?SUBJECT%20x",
            b"/%ff/;UID=1",
            b"/%4/;UID=1",
            b"/a b/;UID=1",
            b"/\xc3\xa9/;UID=1",
            b"/INBOX/;UID=1\n",
        ):
            self.assertRaises(BadSyntax, parse, url)

    @given(st.binary(max_size=3000))
    def test_shown(self, url: bytes) -> None:
        """Whatever it is, it can stand in a response code."""
        text = shown(url)
        self.assertTrue(text and text.isascii() and not set(text) & set(b"]\r\n\0"))
        self.assertLessEqual(len(text), 3000)
        self.assertEqual(shown(b"/INBOX/;UID=1"), b"/INBOX/;UID=1")
