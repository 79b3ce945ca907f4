"""mailnode.imap.replies: which trouble has which response code (RFC 5530)."""

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.checker import LoginBusy
from mailnode.auth.login import LoginFailed
from mailnode.imap.replies import for_error
from mailnode.store import errors

NUMBERS = {
    errno.ENOSPC: b"OVERQUOTA",
    errno.EDQUOT: b"OVERQUOTA",
    errno.EIO: b"UNAVAILABLE",
    errno.EMFILE: b"UNAVAILABLE",
    errno.ESTALE: b"UNAVAILABLE",
    errno.EACCES: b"CONTACTADMIN",
    errno.EROFS: b"CONTACTADMIN",
    errno.ENOTDIR: b"CONTACTADMIN",
    errno.EUCLEAN: b"CORRUPTION",
    errno.EBADMSG: b"CORRUPTION",
}


class CodeTests(SynchronousTestCase):
    """for_error()"""

    def test_codes(self) -> None:
        """Each fact of the store and each kind of trouble has the code that says what the client may do."""
        for error, code in (
            (errors.NoSuchMailbox(), b"NONEXISTENT"),
            (errors.MailboxExists(), b"ALREADYEXISTS"),
            (errors.BadMailboxName("why"), b"CANNOT"),
            (errors.NoSuchMessage(), b"EXPUNGEISSUED"),
            (errors.InUse(), b"INUSE"),
            (errors.OverQuota(), b"OVERQUOTA"),
            (errors.TooManyKeywords(), b"LIMIT"),
            (LoginFailed(give_up=False), b"AUTHENTICATIONFAILED"),
            (LoginBusy(), b"UNAVAILABLE"),
            *((OSError(number, "no"), code) for number, code in NUMBERS.items()),
        ):
            reply = for_error(error)
            assert reply is not None, error
            self.assertEqual((reply.status, reply.code), (b"NO", code), error)
            self.assertTrue(reply.text.isascii() and reply.text, error)

    def test_every_error_of_the_store_is_known(self) -> None:
        """None is taken for a bug."""
        for kind in errors.StoreError.__subclasses__():
            self.assertIsNotNone(for_error(kind("x")), kind)

    def test_the_text_of_the_system_is_not_told(self) -> None:
        """It may hold a path."""
        for number in NUMBERS:
            reply = for_error(OSError(number, os.strerror(number), "/srv/mail/x"))
            assert reply is not None
            self.assertNotIn("/srv", reply.text)
            self.assertNotIn(os.strerror(number), reply.text)

    def test_our_own_mistakes(self) -> None:
        """Anything else is a bug."""
        self.assertIsNone(for_error(ValueError("x")))
