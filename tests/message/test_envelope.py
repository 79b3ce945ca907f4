"""ENVELOPE."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.envelope import envelope
from mailnode.message.header import scan

TERRY = b'(("Terry Gray" NIL "gray" "cac.washington.edu"))'


class EnvelopeTests(SynchronousTestCase):
    def test_example(self) -> None:
        """The envelope of RFC 3501 section 8."""
        header = scan(
            b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
            b"From: Terry Gray <gray@cac.washington.edu>\r\n"
            b"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
            b"To: imap@cac.washington.edu\r\n"
            b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
            b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n"
        )
        self.assertEqual(
            envelope(header),
            b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
            + TERRY + b" " + TERRY + b" " + TERRY +
            b' ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")'
            b'("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>")',
        )  # fmt: skip

    TABLE = (
        (b"", b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
        (b"Subject:\nMessage-ID: \nFrom: \n", b'(NIL "" NIL NIL NIL NIL NIL NIL NIL "")'),
        (
            b"From: a@b\nFrom: x@y\nSender: (nobody)\nReply-To: c@d\nTo: e@f\nTo: g@h\n",
            b'(NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "c" "d")) '
            b'((NIL NIL "e" "f")(NIL NIL "g" "h")) NIL NIL NIL NIL)',
        ),
        (
            b"Bcc: g: a@b;\n",
            b'(NIL NIL NIL NIL NIL NIL NIL ((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)) NIL NIL)',
        ),
        (b"Subject: caf\xe9\n", b"(NIL {4}\r\n" + b"caf\xe9 NIL NIL NIL NIL NIL NIL NIL NIL)"),
        (
            b'Subject: =?utf-8?q?x?= "y"\n z\n',
            b'(NIL "=?utf-8?q?x?= \\"y\\" z" NIL NIL NIL NIL NIL NIL NIL NIL)',
        ),
    )

    def test_table(self) -> None:
        """Absent is NIL, empty is "", sender and reply-to are From's, destinations join (RFC 5322 4.5.3)."""
        for header, expected in self.TABLE:
            self.assertEqual(envelope(scan(header)), expected, header)
