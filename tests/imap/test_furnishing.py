"""The folders of a new account, at its first login."""

import errno

from twisted.trial.unittest import SynchronousTestCase

from mailnode.config_folders import SpecialUse
from tests.imap.world import World
from tests.scratch import room_of


class FirstLoginTests(SynchronousTestCase):
    """With folders configured."""

    def setUp(self) -> None:
        self.world = World(room_of(self), special_use=SpecialUse(sent="INBOX.Gesendet", archive=""))
        self.addCleanup(self.world.close)

    def test_names_of_the_configuration(self) -> None:
        """Levels may be written with either separator, and nothing stands for none."""
        answer = self.world.client().login().say('a LIST (SPECIAL-USE) "" *')
        self.assertIn(b'(\\Sent \\HasNoChildren) "/" INBOX/Gesendet\r\n', answer)
        self.assertNotIn(b"Archive", answer)

    def test_a_full_disk_bars_nobody(self) -> None:
        """The login is done all the same, and the next one makes what is missing."""

        def full(path: str, data: bytes, **more: object) -> None:
            raise OSError(errno.ENOSPC, "no room", path)

        failing = self.patch(self.world.files, "replace", full)
        first = self.world.client()
        self.assertIn(b"a OK", first.say("a LOGIN me secret"))
        self.assertTrue(self.flushLoggedErrors(OSError))
        failing.restore()
        answer = self.world.client().login().say('a LIST (SUBSCRIBED) "" *')
        self.assertIn(b"(\\Subscribed \\Trash \\HasNoChildren)", answer)
