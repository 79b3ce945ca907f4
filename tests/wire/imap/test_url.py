"""IMAP URLs."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.url import AuthorizedUrl, MessageUrl, parse, parse_full, parse_rump, shown


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
            (b"/a/;UID=1/;SECTION=1.2/;PARTIAL=0.1024", MessageUrl("a", None, 1, b"1.2", (0, 1024))),
            (b";UID=1/;partial=7", MessageUrl(None, None, 1, b"", (7, None))),
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
            b"/INBOX/;UID=1/;PARTIAL=0.0",
            b"/INBOX/;UID=1/;PARTIAL=.1",
            b"/INBOX/;UID=1/;PARTIAL=0.4294967296",
            b"/INBOX/;UID=1/;PARTIAL=4294967296",
            b"/INBOX/;UID=1/;PARTIAL=0/;SECTION=1",
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


RUMP = b"imap://joe%40example.com@Example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred"
TOKEN = b":internal:91354A473744909de610943775f92038"
INBOX_20 = MessageUrl("INBOX", None, 20, b"1.2")


class AuthorizedTests(SynchronousTestCase):
    """RFC 4467 section 9."""

    def test_parts(self) -> None:
        """The rump stays as it is; names, host and token are compared without case."""
        expected = AuthorizedUrl(RUMP, "joe@example.com", "example.com", INBOX_20, None, "submit", "fred")
        self.assertEqual(parse_rump(RUMP), expected)
        token = TOKEN[10:].decode().lower()
        self.assertEqual(parse_full(RUMP + TOKEN), replace(expected, mechanism="INTERNAL", token=token))

    def test_forms(self) -> None:
        """Ports, types of authentication, ranges, times, and everybody who may be let in."""
        for url, expected in (
            (
                b"imap://u;AUTH=*@[::1]:993/a;UIDVALIDITY=7/;UID=1/;PARTIAL=1.2;EXPIRE=2023-11-14T23:13:20+01:00"
                b";URLAUTH=authuser",
                ("u", "[::1]", MessageUrl("a", 7, 1, b"", (1, 2)), 1_700_000_000.0, "authuser", ""),
            ),
            (
                b"IMAP://u@h/a/;UID=1;expire=2023-11-14T22:13:20.5z;urlauth=USER+a%40b",
                ("u", "h", MessageUrl("a", None, 1), 1_700_000_000.5, "user", "a@b"),
            ),
            (
                b"imap://u@h:/a/;UID=1;URLAUTH=anonymous",
                ("u", "h", MessageUrl("a", None, 1), None, "anonymous", ""),
            ),
        ):
            self.assertEqual(parse_rump(url), AuthorizedUrl(url, *expected))

    def test_refused(self) -> None:
        """What names no owner, no reader, no message, or no moment."""
        start = b"imap://u@h/a/;UID=1"
        for url in (
            start,
            b"imap://h/a/;UID=1;URLAUTH=anonymous",
            b"imap://;AUTH=*@h/a/;UID=1;URLAUTH=anonymous",
            b"imap://u@h/a;URLAUTH=anonymous",
            b"imap://u@h/;UID=1;URLAUTH=anonymous",
            b"/a/;UID=1;URLAUTH=anonymous",
            start + b";URLAUTH=user+",
            start + b";URLAUTH=user",
            start + b";URLAUTH=anonymous+u",
            start + b";URLAUTH=all",
            start + b";URLAUTH=user+%FF",
            start + b";EXPIRE=2023-02-30T00:00:00Z;URLAUTH=anonymous",
            start + b";EXPIRE=2023-02-20;URLAUTH=anonymous",
            start + b";URLAUTH=anonymous;EXPIRE=2023-11-14T22:13:20Z",
            start + b";URLAUTH=anonymous" + TOKEN,
            start + b";URLAUTH=anonymous\n",
        ):
            self.assertRaises(BadSyntax, parse_rump, url)
        self.assertRaises(BadSyntax, parse_full, RUMP)
        self.assertRaises(BadSyntax, parse_full, RUMP + TOKEN[:-1])
        self.assertRaises(BadSyntax, parse_full, RUMP + TOKEN + b"g")
