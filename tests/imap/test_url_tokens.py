"""Tokens of authorized URLs."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.url_tokens import _NO_KEY, holds, token

RUMP = b"imap://me@mail.example.org/INBOX/;UID=1;URLAUTH=anonymous"


class TokenTests(SynchronousTestCase):
    """RFC 4467 sections 2.4 and 6."""

    def test_holds(self) -> None:
        """With that key, and for that rump alone."""
        made = token(b"key", RUMP)
        self.assertRegex(made, "^01[0-9a-f]{64}$")
        self.assertTrue(holds(b"key", RUMP, made))
        for key, rump, given in (
            (b"other", RUMP, made),
            (b"key", RUMP.replace(b"=1", b"=2"), made),
            (b"key", RUMP.replace(b"INBOX", b"%49NBOX"), made),
            (b"key", RUMP.replace(b"mail", b"MAIL"), made),
            (b"key", RUMP, made[:-1]),
            (b"key", RUMP, "02" + made[2:]),
            (None, RUMP, made),
            (None, RUMP, token(_NO_KEY, RUMP)),
        ):
            self.assertFalse(holds(key, rump, given), (key, rump, given))
