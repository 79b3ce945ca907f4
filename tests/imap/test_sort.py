"""SORT and THREAD where a dialogue does not reach: order, what is prepared, and trouble in the middle."""

import os
import re
from array import array
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap import criteria
from mailnode.imap.commands import sort, thread
from mailnode.imap.commands.sort import Sorted
from mailnode.imap.commands.thread import Threaded
from mailnode.imap.criteria import CRITERIA, Criterion, Sorting
from mailnode.imap.places import Place
from mailnode.imap.selected import Selected
from mailnode.store import of_headers
from mailnode.store.errors import NoSuchMessage
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX
from mailnode.wire.imap.cursor import Cursor
from tests.imap.test_session import SessionCase
from tests.message.test_threading import result_of

_COMMANDS = (
    "SORT (DATE) UTF-8 ALL",
    "SORT (SUBJECT FROM) UTF-8 ALL",
    "UID THREAD ORDEREDSUBJECT UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "UID SORT RETURN (ALL) (REVERSE DISPLAYTO) UTF-8 ALL",
)

_SOME = (b"3", b"5", b"7", b"40")


def message(number: int) -> bytes:
    """One that answers the one before."""
    return b"Subject: %d\r\nMessage-ID: <%d@x>\r\nReferences: <%d@x>\r\n\r\n" % (
        number % 7,
        number,
        number - 1,
    )


class OrderTests(SynchronousTestCase):
    """Sorting against sorted()."""

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(st.tuples(*[st.integers(0, 2)] * 4), max_size=30),
        st.lists(st.builds(Criterion, st.sampled_from("ABC"), st.booleans()), max_size=3),
        st.sets(st.integers(0, 30)),
    )
    def test_as_told(
        self, rows: list[tuple[int, int, int, int]], wanted: list[Criterion], gone: set[int]
    ) -> None:
        """In the priority of the criteria, each in its direction; what is the same, by sequence number."""

        def value(column: int) -> criteria.Values:
            def of(mailbox: Mailbox, uids: Sequence[int]) -> list[int]:
                if gone.intersection(uids):
                    raise NoSuchMessage
                return [rows[uid][column] for uid in uids]

            return of

        self.patch(criteria, "CRITERIA", {name: value(column) for column, name in enumerate("ABC")})
        uids = list(range(len(rows)))
        view = cast(
            Selected,
            SimpleNamespace(
                mailbox=None, uids=uids, derived=lambda name: None, is_all=lambda positions: False
            ),
        )
        steps = Sorting(view, tuple(wanted)).order(array("I", range(len(rows))), array("B"))
        found, scores = cast("tuple[array[int], array[int]]", result_of(cast(Any, steps)))

        def key(position: int) -> list[int]:
            return [(-1 if one.reverse else 1) * rows[position]["ABC".index(one.name)] for one in wanted]

        there = [n for n in range(len(rows)) if n not in gone or not wanted]
        self.assertEqual(list(found), sorted(there, key=key))
        self.assertEqual(list(scores), [])

    def test_twice(self) -> None:
        """What stands there twice counts once, in the direction that was said first."""
        found = criteria.parse(Cursor([b"(size reverse size DATE REVERSE DATE date)"]))
        self.assertEqual(found, (Criterion("SIZE"), Criterion("DATE")))
        many = b"(" + b" ".join([b"SIZE"] * 5000 + [name.encode() for name in CRITERIA]) + b")"
        self.assertEqual(len(criteria.parse(Cursor([many]))), len(CRITERIA))


class PreparedTests(SessionCase):
    """A mailbox of some messages."""

    def setUp(self) -> None:
        super().setUp()
        self.me = self.client().login()
        for number in range(40):
            self.me.append(message(number))
        self.mailbox = self.world.account().store.mailbox(("INBOX",))

    def forget(self) -> None:
        """Throw the cache away."""
        self.world.account().store.close()
        for directory, _, names in os.walk(self.world.directory):
            for name in names:
                if name.startswith("mailnode-index.sqlite"):
                    os.unlink(os.path.join(directory, name))

    def test_no_file_is_opened(self) -> None:
        """Once a message was read, its order is known, also to a server that starts anew."""
        self.mailbox.prepare_some(10_000)
        self.patch(Mailbox, "body", self.raising(ValueError("opened")))
        for command in _COMMANDS:
            self.assertIn(b"\r\na OK ", self.me.say("a " + command), command)

    def test_not_prepared(self) -> None:
        """What nobody has read is read."""
        self.forget()
        said = self.me.say("a THREAD REFERENCES UTF-8 ALL")
        expected = b"* THREAD (" + b" ".join(b"%d" % n for n in range(1, 41)) + b")\r\na OK Threaded\r\n"
        self.assertEqual(said, expected)

    def test_asked_again(self) -> None:
        """What was sorted and threaded before is not looked up again, and new mail, or less mail, is seen."""
        known = {command: self.me.say("a " + command) for command in _COMMANDS}
        self.patch(Mailbox, "orderings", self.raising(ValueError("looked up")))
        for command, said in known.items():
            self.assertEqual(self.me.say("a " + command), said, command)
            if command.startswith("SORT"):
                some = self.me.say("a " + command.replace("ALL", "7,3,5,40"))
                numbers = [n for n in re.findall(rb"\d+", said.partition(b"\r\n")[0]) if n in _SOME]
                self.assertTrue(some.startswith(b"* SORT " + b" ".join(numbers) + b"\r\n"), some)
        other = self.client().login()
        self.assertEqual(other.say("a " + _COMMANDS[0]), known[_COMMANDS[0]])

    def test_asked_again_of_others(self) -> None:
        """When messages have come or gone it is made anew."""
        for command in _COMMANDS:
            self.me.say("a " + command)
        self.me.append(b"Subject: 0\r\nDate: 1 Jan 1990 00:00:00 +0000\r\n\r\n")
        self.assertTrue(self.me.say("a SORT (DATE) UTF-8 ALL").startswith(b"* SORT 41 "))
        self.me.say("s STORE 41 +FLAGS (\\Deleted)")
        self.me.say("e EXPUNGE")
        self.assertNotIn(b"41", self.me.say("a SORT (DATE) UTF-8 ALL"))
        self.assertNotIn(b"41", self.me.say("a THREAD REFERENCES UTF-8 ALL"))

    def test_gone(self) -> None:
        """A message that another program has removed is in no response."""
        self.patch(Mailbox, "orderings", self._without(3, NoSuchMessage(3)))
        self.assertNotRegex(self.me.say("a SORT (SUBJECT) UTF-8 ALL"), rb" 3[ \r]")
        self.assertEqual(
            self.me.say("a THREAD REFERENCES UTF-8 2:4"), b"* THREAD (2)(4)\r\na OK Threaded\r\n"
        )

    def test_unreadable(self) -> None:
        """The others are told, and a NO says that something is missing."""
        self.patch(Mailbox, "orderings", self._without(3, OSError(5, "broken")))
        self.assertEqual(
            self.me.say("a SORT (REVERSE SUBJECT) UTF-8 2:4"),
            b"* SORT 4 2\r\na NO [UNAVAILABLE] Some messages cannot be read now; try again later\r\n",
        )
        said = self.me.say("a UID THREAD REFS UTF-8 2:4")
        self.assertRegex(said, rb"^\* THREAD \(2\)\(4\)\r\na NO \[UNAVAILABLE\] ")

    def _without(self, missing: int, error: Exception) -> object:
        orderings = Mailbox.orderings

        def instead(mailbox: Mailbox, uids: Sequence[int]) -> object:
            if missing in uids:
                raise error
            return orderings(mailbox, uids)

        return instead

    def test_trouble_in_the_middle(self) -> None:
        """No response is begun that cannot be ended."""
        self.patch(Mailbox, "orderings", self.raising(ValueError("secret")))
        for command in ("SORT (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"):
            self.assertRegex(self.me.say("a " + command), rb"^a NO \[SERVERBUG\] ")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_turns(self) -> None:
        """Others have their turn while messages are looked at."""
        self.patch(criteria, "TURN", 4)
        view = Selected.opened(Place(self.world.account(), INBOX), read_only=True)
        for work in (
            Sorted(view, sort.parse(Cursor([b" (SUBJECT) UTF-8 ALL"])), b"a"),
            Threaded(view, thread.parse(Cursor([b" REFERENCES UTF-8 ALL"]))),
        ):
            chunks = list(work.chunks())
            self.assertGreaterEqual(chunks.count(b""), 40 // 4)

    def test_turns_while_messages_are_read(self) -> None:
        """Where it takes time to read what nobody has read so far, there is a turn after each message."""
        self.patch(of_headers, "SLICE", 0.0)
        self.forget()
        view = Selected.opened(Place(self.world.account(), INBOX), read_only=True)
        work = Sorted(view, sort.parse(Cursor([b" (SUBJECT) UTF-8 ALL"])), b"a")
        self.assertGreaterEqual(list(work.chunks()).count(b""), 40)

    def test_long_responses_come_in_pieces(self) -> None:
        """No piece has more than some thousand octets."""
        pieces = list(sort._response(array("I", range(1_000_000, 1_010_000)), 0))
        self.assertLess(max(map(len, pieces)), 10_000)
        self.assertEqual(b"".join(pieces).count(b" "), 10_001)
