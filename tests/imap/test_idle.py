"""IDLE (RFC 2177) over time, and pipelined; dialogs/idle.txt shows what it tells."""

import tracemalloc

from tests.imap.test_session import MESSAGE, SessionCase


class IdleTests(SessionCase):
    """A clock that stands still otherwise."""

    def test_an_hour(self) -> None:
        """Who says DONE every 29 minutes, as the RFC asks, stays; nothing piles up, all is told at once."""
        client, other = self.client().login(), self.client().login()
        for half in range(2):
            self.assertEqual(client.say("a IDLE"), b"+ idling\r\n")
            for second in range(10, 29 * 60, 10):
                self.world.clock.advance(10)
                if second % 600 == 0:
                    other.append(MESSAGE)
                    self.assertIn(b" EXISTS\r\n", client.heard())
                else:
                    self.assertEqual(client.heard(), b"")
                self.assertLess(len(self.world.clock.getDelayedCalls()), 6)
            self.assertEqual(client.say("DONE"), b"a OK No longer idle\r\n", half)
            other.say("b NOOP")
        self.assertFalse(client.ended)

    def test_autologout(self) -> None:
        """Who says nothing is there for 30 minutes and no longer, whatever happens in the mailbox (I20)."""
        client = self.client().login()
        client.say("a IDLE")
        for minute in range(30):
            self.assertFalse(client.ended, minute)
            self.world.clock.advance(30)
            if minute % 9 == 0:
                self.world.account().store.mailbox(("INBOX",)).sync()
                self.client().login().append(MESSAGE)
            self.world.clock.advance(30)
        self.world.clock.advance(0)
        self.assertTrue(client.heard().endswith(b"* BYE Autologout; idle for too long\r\n"))
        self.assertTrue(client.ended)

    def test_nothing_selected(self) -> None:
        """Without a mailbox IDLE only waits, and no timer looks at a disk."""
        client = self.client().login(None)
        client.say("a IDLE")
        self.assertEqual(len(self.world.clock.getDelayedCalls()), 1)
        self.assertEqual(client.say("DONE"), b"a OK No longer idle\r\n")

    def test_pipelined(self) -> None:
        """DONE, the next command and the next IDLE in one segment, ten thousand times."""
        client = self.client().login(None)
        client.send(b"a IDLE\r\nDONE\r\nb NOOP\r\n" * 100)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        said = client.send(b"a IDLE\r\nDONE\r\nb NOOP\r\n" * 10_000)
        self.assertEqual(said, b"+ idling\r\na OK No longer idle\r\nb OK Done\r\n" * 10_000)
        self.assertLess(tracemalloc.get_traced_memory()[0] - before - len(said), 1_000_000)

    def test_garbage(self) -> None:
        """What is not DONE ends IDLE with BAD, and a line without end the connection (I20)."""
        client = self.client().login()
        for line in ("DONE DONE", " DONE", "b NOOP", "x" * 65536):
            client.say("a IDLE")
            self.assertEqual(client.say(line), b"a BAD DONE expected\r\n", line[:9])
        client.say("a IDLE")
        said = b"".join(client.send(b"x" * 50_000) for _ in range(20))
        self.assertEqual(said, b"* BYE Line too long\r\n")
        self.assertTrue(client.ended)
