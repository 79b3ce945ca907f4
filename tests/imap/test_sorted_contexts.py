"""Sorted results that are followed, as a client puts them together."""

import random
import re

from mailnode.store.errors import NoSuchMessage
from mailnode.store.mailbox import Mailbox
from tests.imap.test_session import SessionCase

_UPDATE = re.compile(rb'\* ESEARCH \(TAG "f"\) UID (ADDTO|REMOVEFROM) \(([0-9 ]+)\)\r\n')


class FollowTests(SessionCase):
    """A client that puts in and takes out what it hears has what a SORT would give."""

    def setUp(self) -> None:
        super().setUp()
        self.rng = random.Random(1)
        self.me = self.client().login()
        self.other = self.client().login()
        self.results: list[int] = []

    def append(self) -> None:
        """Somebody else adds a message."""
        subject, size = self.rng.randint(1, 4), self.rng.randint(1, 3)
        self.other.append(b"Subject: Re: %d\r\n\r\n%s" % (subject, b"x" * size))

    def hear(self, said: bytes) -> None:
        """Do what the updates say (RFC 5267 sections 4.3.3 and 4.3.4)."""
        for kind, pairs in _UPDATE.findall(said):
            numbers = [int(number) for number in pairs.split()]
            for place, uid in zip(numbers[::2], numbers[1::2], strict=True):
                if kind == b"ADDTO":
                    self.results.insert(place - 1, uid)
                else:
                    self.assertEqual(self.results.pop(place - 1), uid)

    def sorted(self, criteria: str) -> list[int]:
        """What a new command gives."""
        said = self.me.say(f"n UID SORT {criteria} UTF-8 UNFLAGGED")
        self.hear(said)
        found = re.search(rb"\* SORT([0-9 ]*)\r\n", said)
        assert found is not None
        return [int(uid) for uid in found[1].split()]

    def test_random(self) -> None:
        """Messages come and go, and their flags change."""
        for criteria in ("(SUBJECT REVERSE SIZE)", "(REVERSE SUBJECT)", "(SIZE ARRIVAL REVERSE FROM)"):
            for _ in range(8):
                self.append()
            self.me.say("o NOOP")
            self.results = self.sorted(criteria)
            self.assertIn(
                b"f OK", self.me.say(f"f UID SORT RETURN (UPDATE COUNT) {criteria} UTF-8 UNFLAGGED")
            )
            for _ in range(40):
                for _ in range(self.rng.randint(0, 3)):
                    uid = self.rng.randint(1, 60)
                    self.rng.choice(
                        (
                            self.append,
                            lambda uid=uid: self.other.say(f"x UID STORE {uid} +FLAGS (\\Flagged)"),
                            lambda uid=uid: self.other.say(f"x UID STORE {uid} -FLAGS (\\Flagged)"),
                            lambda uid=uid: self.other.say(f"x UID STORE {uid} +FLAGS (\\Deleted)"),
                            lambda: self.other.say("x EXPUNGE"),
                        )
                    )()
                self.hear(self.me.say("o NOOP"))
                self.assertEqual(self.results, self.sorted(criteria))
            self.assertIn(b"o OK", self.me.say('o CANCELUPDATE "f"'))

    def test_neighbours_are_gone(self) -> None:
        """A message finds its place though others are gone of which the client has not heard."""
        for _ in range(20):
            self.append()
        self.me.say("o NOOP")
        self.results = self.sorted("(SUBJECT)")
        self.me.say("f UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 UNFLAGGED")
        orderings = Mailbox.orderings

        def some(mailbox: Mailbox, uids: list[int]) -> list[bytes]:
            if any(uid % 3 == 0 for uid in uids):
                raise NoSuchMessage
            return orderings(mailbox, uids)

        patch = self.patch(Mailbox, "orderings", some)
        for _ in range(9):
            self.append()
        self.hear(self.me.say("o NOOP"))
        patch.restore()
        known = [uid for uid in self.results if uid % 3]
        self.assertEqual(known, [uid for uid in self.sorted("(SUBJECT)") if uid % 3])

    def test_unreadable(self) -> None:
        """What cannot be read now comes into the results when it can."""
        self.append()
        self.me.say("o NOOP")
        self.me.say("f UID SORT RETURN (UPDATE) (SUBJECT) UTF-8 UNFLAGGED")
        self.append()
        patch = self.patch(Mailbox, "orderings", self.raising(OSError(5, "broken")))
        self.assertNotIn(b"ADDTO", self.me.say("o NOOP"))
        patch.restore()
        self.assertIn(b"ADDTO", self.me.say("o NOOP"))
