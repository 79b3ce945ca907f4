"""The saved result of a search, and sets of messages in its keys, while the mailbox changes."""

import errno

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.runs import NONE, Runs
from mailnode.store.mailbox import Mailbox
from tests.imap.test_session import MESSAGE, SessionCase

UIDS = st.sets(st.integers(1, 60), max_size=30).map(sorted)


class RunsTests(SynchronousTestCase):
    """The set itself."""

    @settings(deadline=None, max_examples=300)
    @given(UIDS, st.randoms(use_true_random=False))
    def test_follows_the_view(self, uids: list[int], random: object) -> None:
        """Whatever goes from the view and comes behind it, the same messages are meant."""
        chosen = [one for one in range(len(uids)) if random.random() < 0.6]
        runs = Runs.at(chosen, uids)
        meant = {uids[one] for one in chosen}
        self.assertEqual({uid for uid in uids if uid in runs}, meant)
        later = [uid for uid in uids if random.random() < 0.7] + [70, 71]
        spans = list(runs.positions(later))
        self.assertEqual([later[one] for span in spans for one in span], sorted(meant & set(later)))
        self.assertNotIn(70, runs)
        self.assertNotIn(0, runs)

    def test_costs(self) -> None:
        """However many messages, a run is two numbers."""
        uids = range(1, 200_001)
        self.assertEqual(list(Runs.at(range(200_000), uids).positions(uids)), [range(200_000)])
        self.assertEqual(list(NONE.positions(uids)), [])


class SavedTests(SessionCase):
    """The saved result in a session."""

    def test_others_expunge(self) -> None:
        """Until EXPUNGE is told numbers mean what they meant; the saved result loses what is gone."""
        one, two = self.client().login(), self.client().login()
        for _ in range(4):
            one.append(MESSAGE)
        two.say("a NOOP")
        two.say("b SEARCH RETURN (SAVE) 2,4")
        one.say("a STORE 2:3 +FLAGS.SILENT (\\Deleted)")
        one.say("b EXPUNGE")
        self.assertEqual(two.say("c SEARCH $"), b"* SEARCH 4\r\nc OK Searched\r\n")
        said = two.say("d SEARCH RETURN (ALL) 1:4")
        self.assertEqual(said, b'* ESEARCH (TAG "d") ALL 1,4\r\nd OK Searched\r\n')
        said = two.say("e UID FETCH $ UID")
        self.assertEqual(said, b"* 4 FETCH (UID 4)\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\ne OK Fetched\r\n")
        self.assertEqual(two.say("f SEARCH $"), b"* SEARCH 2\r\nf OK Searched\r\n")

    def test_failed_search(self) -> None:
        """A NO empties what was to be saved, and nothing else does (RFC 5182 section 2.1)."""
        client = self.client().login()
        client.append(MESSAGE)
        client.say("a SEARCH RETURN (SAVE) ALL")
        self.patch(Mailbox, "body", self.raising(OSError(errno.EIO, "no")))
        self.assertIn(b"b NO [UNAVAILABLE]", client.say("b SEARCH RETURN (ALL) TEXT y"))
        self.assertIn(b"* SEARCH 1\r\n", client.say("c SEARCH $"))
        self.assertIn(b"d NO [UNAVAILABLE]", client.say("d SEARCH RETURN (SAVE) TEXT y"))
        self.assertIn(b"* SEARCH\r\n", client.say("e SEARCH $"))
        self.patch(Mailbox, "body", self.raising(ValueError("secret")))
        client.say("f SEARCH RETURN (SAVE) ALL")
        self.assertIn(b"g NO [SERVERBUG]", client.say("g SEARCH RETURN (SAVE ALL) TEXT z"))
        self.assertIn(b"* SEARCH\r\n", client.say("h SEARCH $"))
        client.say("i SEARCH RETURN (SAVE) ALL")
        self.assertIn(b"j NO [LIMIT]", client.say("j SEARCH RETURN (SAVE)" + " ALL" * 501))
        self.assertIn(b"* SEARCH\r\n", client.say("k SEARCH $"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
