"""What is said to the people of IMAP sessions; dialogs/alert.txt shows when it is heard."""

from twisted.trial.unittest import SynchronousTestCase

from tests.imap.world import World
from tests.scratch import room_of

ME = "me@example.org"


class Alerts(SynchronousTestCase):
    """LiveSessions and a session's tell()."""

    def setUp(self) -> None:
        self.world = World(room_of(self))
        self.addCleanup(self.world.close)

    def test_there(self) -> None:
        """A session is there from the login to its end, however it ends."""
        client = self.world.client()
        self.assertEqual(self.world.sessions.count(ME), 0)
        client.login()
        self.assertEqual(
            (self.world.sessions.count(ME), self.world.sessions.count("you@example.org")), (1, 0)
        )
        other = self.world.client().login()
        self.assertEqual(self.world.sessions.tell(ME, "x"), 2)
        client.hang_up()
        other.say("a LOGOUT")
        self.assertEqual(self.world.sessions.count(ME), 0)
        self.assertEqual(self.world.sessions.tell(ME, "x"), 0)

    def test_silent_client(self) -> None:
        """For a client that says nothing some alerts wait; what is more is not heard."""
        client = self.world.client().login()
        heard = [self.world.sessions.tell(ME, f"alert {number}") for number in range(20)]
        self.assertEqual(heard, [1] * 16 + [0] * 4)
        self.assertEqual(client.say("a NOOP").count(b"* OK [ALERT] "), 16)
        self.assertEqual(self.world.sessions.tell(ME, "x"), 1)

    def test_deaf_client(self) -> None:
        """A client in IDLE that reads nothing is written to no more; the alerts that wait are bounded."""
        for mailbox in (None, "INBOX"):
            client = self.world.client().login(mailbox)
            client.say("a IDLE")
            client.stream.pauseProducing()
            heard = [self.world.sessions.tell(ME, f"alert {number}") for number in range(30)]
            self.assertIn(sum(heard), (16, 17))  # those that wait, and one that may be on its way
            self.assertLess(client.heard().count(b"[ALERT]"), 2)
            client.stream.resumeProducing()
            client.heard()
            self.assertEqual(client.say("DONE"), b"a OK No longer idle\r\n")
            client.hang_up()

    def test_ascii(self) -> None:
        """resp-text is US-ASCII."""
        client = self.world.client().login()
        self.world.sessions.tell(ME, "Grüße")
        self.assertIn(b"* OK [ALERT] Gr??e\r\n", client.say("a NOOP"))

    def test_not_in_a_literal(self) -> None:
        """Nothing is said while the client sends a message; the end of APPEND tells it."""
        client = self.world.client().login()
        self.assertTrue(client.say("a APPEND INBOX {8}").startswith(b"+ "))
        self.world.sessions.tell(ME, "x")
        self.assertEqual(client.heard(), b"")
        self.assertIn(b"* OK [ALERT] x\r\na OK", client.send(b"a: b\r\n\r\n\r\n"))
