"""mailnode.web.acme_challenges: what an authority of certificates finds."""

import random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import Config, Mailboxes
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.upkeep.proofs import PATH, OnPages
from mailnode.web.acme_challenges import acme_challenges
from mailnode.web.pages import Answer, Asked, answered
from tests.scratch import room_of


class Challenges(SynchronousTestCase):
    """A page for each token."""

    def setUp(self) -> None:
        self.live = Live(Config(state=room_of(self)), Mailboxes())
        self.runtime = Runtime(Clock(), random.Random(1), InlineExecutor())

    def get(self, path: str, method: str = "GET") -> Answer:
        routes = acme_challenges(self.live, self.runtime, FileSystem())
        return self.successResultOf(Deferred.fromCoroutine(answered(routes, Asked(method, path))))

    def test_found(self) -> None:
        """As long as it is shown, and only under its own name: letters count."""
        pages = OnPages(FileSystem(), self.live.config.acme_directory)
        self.assertEqual(self.get(PATH + "aBc").status, 404)
        pages.show("mail.example.org", "aBc", "aBc.thumb")
        self.assertEqual((self.get(PATH + "aBc").body, self.get(PATH + "aBc").status), (b"aBc.thumb", 200))
        self.assertEqual(self.get(PATH + "aBc", "POST").status, 405)
        for other in ("abc", "", "aBc/", "x/aBc", "../../control.sock", "..", "%2e%2e"):
            self.assertEqual(self.get(PATH + other).status, 404, other)
        pages.remove("aBc")
        self.assertEqual(self.get(PATH + "aBc").status, 404)
