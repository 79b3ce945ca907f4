"""Reading ahead: what a client gets is what it asked for, whatever was read before."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.deeds import Retrieved
from mailnode.net.blocking import PIECE, InlineExecutor
from mailnode.pop3 import session as session_module
from mailnode.pop3.ahead import AHEAD_OCTETS
from mailnode.store.body import SMALL, Body
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX
from mailnode.wire.dot import Decoder
from tests.pop3.talk import Pop3TestCase, Talk
from tests.pop3.test_maildrop import decoded

T = TypeVar("T")


def message(number: int, size: int = 0) -> bytes:
    """One that tells which it is."""
    return b"Subject: %d\r\n\r\n.%d\r\n%s\r\nlast\r\n" % (number, number, b"x" * size)


GONE = b"-ERR No such message\r\n"


def replies(octets: bytes) -> list[bytes]:
    """The content of each of some responses that hold messages; others as they are."""
    found = []
    while octets:
        first, end, rest = octets.partition(b"\r\n")
        if not first.startswith(b"+OK") or first == b"+OK Marked as deleted":
            found.append(first + end)
        else:
            decoder = Decoder()
            found.append(decoder.feed(rest))
            assert decoder.finished
            rest = decoder.residue
        octets = rest
    return found


class CountingExecutor(InlineExecutor):
    """Counts the jobs."""

    jobs = 0

    def run(self, function: Any, *args: Any) -> Any:
        """As of an Executor."""
        self.jobs += 1
        return super().run(function, *args)


class Ahead(Pop3TestCase):
    """How much is read, and when."""

    def setUp(self) -> None:
        super().setUp()
        self.executor = CountingExecutor()
        self.account.lane._executor = self.executor
        self.read: list[int] = []
        for name in ("body", "stored"):
            self.patch(Mailbox, name, self.noting(getattr(Mailbox, name)))

    def noting(self, way: Callable[[Mailbox, int], T]) -> Callable[[Mailbox, int], T]:
        """The same way to read a message, which is noted."""

        def noted(mailbox: Mailbox, uid: int) -> T:
            self.read.append(uid)
            return way(mailbox, uid)

        return noted

    def begin(self, *messages: bytes) -> Talk:
        talk = self.logged_in(*messages)
        self.read.clear()
        self.executor.jobs = 0
        return talk

    def retrieve(self, talk: Talk, number: int) -> bytes:
        return decoded(talk.say(b"RETR %d\r\n" % number))

    def test_one_after_the_other(self) -> None:
        """Each message is opened once, and most of them together with others."""
        messages = [message(number) for number in range(1, 101)]
        talk = self.begin(*messages)
        self.assertEqual([self.retrieve(talk, number) for number in range(1, 101)], messages)
        self.assertEqual(self.read, list(range(1, 101)))
        self.assertLess(self.executor.jobs, 10)

    def test_here_and_there(self) -> None:
        """Who asks for one message here and one there gets these, and nothing else is read."""
        talk = self.begin(*map(message, range(1, 21)))
        for number in (7, 3, 20, 5, 9, 5):
            self.assertEqual(self.retrieve(talk, number), message(number))
        self.assertEqual(self.read, [7, 3, 20, 5, 9, 5])

    def test_new_ones(self) -> None:
        """Who goes on from a message in the middle, as after UIDL, is read ahead from there."""
        talk = self.begin(*map(message, range(1, 21)))
        for number in range(11, 21):
            self.assertEqual(self.retrieve(talk, number), message(number))
        self.assertEqual(self.read, list(range(11, 21)))
        self.assertLess(self.executor.jobs, 5)

    def test_not_too_much(self) -> None:
        """However many are asked for, a fixed number of octets is held; what is large is not held."""
        size = 30_000
        talk = self.begin(*[message(number, size) for number in range(1, 31)], message(31, SMALL))
        for number in range(1, 31):
            before = len(self.read)
            self.assertEqual(self.retrieve(talk, number), message(number, size))
            self.assertLessEqual((len(self.read) - before) * size, AHEAD_OCTETS)
        self.assertEqual(self.retrieve(talk, 31), message(31, SMALL))
        self.assertEqual(self.read, list(range(1, 32)))

    def test_more_than_the_name_says(self) -> None:
        """A large message is never held, however small its name says that it is."""
        self.put(message(1))
        base = next(iter(self.store.mailbox(INBOX).each([1]))).base
        self.store.close()
        os.unlink(f"{self.root}/new/{base}")
        large = message(2, 10 * SMALL)
        for number in (1, 2):
            with open(f"{self.root}/cur/160000000{number}.M1P1Q1.h,S=30,W=34:2,", "wb") as file:
                file.write(large.replace(b"\r\n", b"\n"))
        self.account = replace(self.account, store=self.open_store())
        self.logins.account = self.account
        whole = Body.data
        self.patch(Body, "data", property(lambda body: self.fail("all of it is in memory")))
        self.addCleanup(setattr, Body, "data", whole)
        talk = self.connect()
        talk.log_in()
        for number in (1, 2):
            self.assertTrue(self.retrieve(talk, number) == large)
        self.assertEqual(decoded(talk.say(b"TOP 2 0\r\n")), b"Subject: 2\r\n\r\n")

    def test_tops(self) -> None:
        """TOP is read ahead too, each number of lines by itself."""
        messages = [message(number) for number in range(1, 9)]
        talk = self.begin(*messages)
        for lines in (0, 1):
            for number in range(1, 9):
                got = decoded(talk.say(b"TOP %d %d\r\n" % (number, lines)))
                head = messages[number - 1].split(b"\r\n")[: 2 + lines]
                self.assertEqual(got, b"\r\n".join([*head, b""]))
        self.assertLess(self.executor.jobs, 8)
        self.assertEqual(self.retrieve(talk, 1), messages[0])

    def test_gone_meanwhile(self) -> None:
        """What was read ahead and has gone since is gone; so is what a mark hides."""
        talk = self.begin(*map(message, range(1, 7)))
        self.assertEqual(self.retrieve(talk, 1), message(1))
        self.assertIn(3, self.read)
        self.store.mailbox(INBOX).expunge([3])
        talk.say(b"DELE 2\r\n")
        for number in (2, 3):
            self.assertEqual(talk.say(b"RETR %d\r\n" % number), b"-ERR No such message\r\n")
        talk.say(b"RSET\r\n")
        self.assertEqual(self.retrieve(talk, 2), message(2))
        self.assertEqual(self.retrieve(talk, 4), message(4))

    def test_many_at_once(self) -> None:
        """Commands that came together are answered together: each once, in order, in few pieces."""
        messages = [message(number, 1000) for number in range(1, 101)]
        talk = self.begin(*messages)
        with mock.patch.object(talk.wire, "write", wraps=talk.wire.write) as write:
            answers = talk.say(b"".join(b"RETR %d\r\n" % number for number in range(1, 101)))
        self.assertEqual(replies(answers), messages)
        self.assertEqual(self.read, list(range(1, 101)))
        self.assertLess(write.call_count, 20)

    def test_not_too_much_at_once(self) -> None:
        """What is sent together is little more than a piece."""
        talk = self.begin(*[message(number, 10_000) for number in range(1, 41)])
        with mock.patch.object(talk.wire, "write", wraps=talk.wire.write) as write:
            talk.say(b"".join(b"RETR %d\r\n" % number for number in range(1, 41)))
        self.assertLess(max(len(call.args[0]) for call in write.call_args_list), PIECE + 11_000)

    def test_trouble_between(self) -> None:
        """Of commands that came together each gets its own answer, whatever one of them meets."""
        sizes = {2: SMALL, 4: SMALL}
        messages = [message(number, sizes.get(number, 0)) for number in range(1, 8)]
        stored, body = Mailbox.stored, Mailbox.body

        def broken(way: Callable[[Mailbox, int], T], uids: tuple[int, ...]) -> Callable[[Mailbox, int], T]:
            def opened(mailbox: Mailbox, uid: int) -> T:
                if uid in uids:
                    raise OSError(errno.EIO, "Input/output error")
                return way(mailbox, uid)

            return opened

        talk = self.begin(*messages)
        self.patch(Mailbox, "stored", broken(stored, (3, 7)))
        self.patch(Mailbox, "body", broken(body, (4,)))
        answers = replies(talk.say(b"".join(b"RETR %d\r\n" % number for number in range(1, 8))))
        talk.say(b"QUIT\r\n")
        trouble = [one for one in answers if one.startswith(b"-ERR [SYS/TEMP] ")]
        self.assertEqual(len(trouble), 3)
        wanted = [*messages[:2], trouble[0], trouble[1], *messages[4:6], trouble[2]]
        self.assertTrue(answers[:7] == wanted)
        self.assertEqual([one.uids for one in self.events if isinstance(one, Retrieved)], ["1:2,5:6"])

    def test_broken_off(self) -> None:
        """Trouble half-way through a message ends the session; what was sent whole before it is told."""
        messages = [message(1), message(2), message(3, 10 * SMALL), message(4)]
        talk = self.begin(*messages)
        wire = Body.wire

        def broken(body: Body, *where: int) -> Iterator[bytes]:
            yield next(wire(body, *where))
            raise OSError(errno.EIO, "Input/output error")

        self.patch(Body, "wire", broken)
        answer = talk.say(b"RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n")
        self.assertTrue(talk.over)
        self.assertIn(b"Subject: 3", answer)
        self.assertNotIn(b"Subject: 4", answer)
        talk.lose()
        self.assertEqual([one.uids for one in self.events if isinstance(one, Retrieved)], ["1:2"])

    def test_lost_half_way(self) -> None:
        """What was made for a client that is gone was not sent to it."""
        talk = self.begin(*[message(number, 60_000) for number in range(1, 11)])
        talk.stream.pauseProducing()
        talk.say(b"".join(b"RETR %d\r\n" % number for number in range(1, 11)))
        self.assertGreater(len(self.read), 3)
        talk.lose()
        self.assertEqual([one.uids for one in self.events if isinstance(one, Retrieved)], ["1:3"])

    def test_what_has_not_come(self) -> None:
        """Half a command is not taken for the whole of it, and nothing is read for it."""
        talk = self.begin(*map(message, range(1, 9)))
        answers = talk.say(b"RETR 1\r\nRETR 2\r\nRETR 3\r")
        self.assertEqual(replies(answers), [message(1), message(2)])
        self.assertEqual(self.read, [1, 2])
        self.assertEqual(replies(talk.say(b"\n")), [message(3)])

    def test_what_goes_between(self) -> None:
        """Of commands that came together each finds what the ones before it have left."""
        talk = self.begin(*map(message, range(1, 9)))
        self.assertEqual(self.retrieve(talk, 1), message(1))
        self.store.mailbox(INBOX).expunge([3])
        commands = [b"RETR 2", b"RETR 3", b"RETR 4", b"DELE 5", b"RETR 5", b"retr 6", b"TOP 7 0", b"RETR 8"]
        answers = talk.say(b"".join(command + b"\r\n" for command in commands))
        self.assertEqual(
            replies(answers),
            [
                *(message(2), GONE, message(4), b"+OK Marked as deleted\r\n", GONE, message(6)),
                *(b"Subject: 7\r\n\r\n", message(8)),
            ],
        )

    def test_told_of_each(self) -> None:
        """At the end it is told which messages were sent whole, however they were asked for."""
        talk = self.begin(*map(message, range(1, 9)))
        talk.say(b"RETR 1\r\nRETR 2\r\nRETR 3\r\nTOP 4 0\r\nTOP 5 0\r\nRETR 6\r\nQUIT\r\n")
        self.assertEqual([one.uids for one in self.events if isinstance(one, Retrieved)], ["1:3,6"])

    def test_another_language(self) -> None:
        """What was read ahead is said in the language of the moment, and in any spelling of the command."""
        talk = self.begin(*map(message, range(1, 9)))
        sizes = [len(message(number)) for number in range(1, 9)]
        self.assertTrue(talk.say(b"RETR 1\r\n").startswith(b"+OK %d octets\r\n" % sizes[0]))
        talk.say(b"LANG de\r\n")
        for command, number in ((b"RETR 2", 2), (b"RETR 3 ", 3), (b"retr 4", 4), (b"RETR 05", 5)):
            answer = talk.say(command + b"\r\n")
            self.assertTrue(answer.startswith(b"+OK %d Oktette\r\n" % sizes[number - 1]), answer[:40])
            self.assertEqual(decoded(answer), message(number))
        self.assertLessEqual(self.executor.jobs, 3)

    def test_trouble_ahead(self) -> None:
        """A message that cannot be read is nobody's trouble until somebody asks for it."""
        stored = Mailbox.stored

        def broken(mailbox: Mailbox, uid: int) -> bytes:
            if uid == 3:
                raise OSError(errno.EIO, "Input/output error")
            return stored(mailbox, uid)

        talk = self.begin(*map(message, range(1, 7)))
        self.patch(Mailbox, "stored", broken)
        for number in (1, 2):
            self.assertEqual(self.retrieve(talk, number), message(number))
        self.assertTrue(talk.say(b"RETR 3\r\n").startswith(b"-ERR [SYS/TEMP] "))
        for number in (4, 5, 6):
            self.assertEqual(self.retrieve(talk, number), message(number))

    def test_looks_no_farther(self) -> None:
        """Commands behind one that cannot be answered are left for later, and not looked at each time."""
        talk = self.begin(*map(message, range(1, 101)))
        talk.say(b"".join(b"DELE %d\r\n" % number for number in range(2, 101, 2)))
        with mock.patch.object(talk.stream, "begins", wraps=talk.stream.begins) as begins:
            answers = talk.say(b"".join(b"RETR %d\r\n" % number for number in range(1, 101)))
        self.assertEqual(replies(answers), [GONE if n % 2 == 0 else message(n) for n in range(1, 101)])
        self.assertLess(begins.call_count, 101)


class Sharing(Pop3TestCase):
    """Sessions that find the same messages share what is known of them."""

    def entries(self, talk: Talk) -> object:
        (session,) = (one for one in self.sessions if one.connection is talk.connection)
        return session.transaction.maildrop.entries

    def setUp(self) -> None:
        super().setUp()
        self.sessions: list[Any] = []

        class Noted(session_module.Session):
            """One that the test can look into."""

        def noted(*args: Any) -> Any:
            self.sessions.append(Noted(*args))
            return self.sessions[-1]

        self.patch(session_module, "Session", noted)

    def after(self, *commands: bytes) -> Talk:
        talk = self.connect()
        for command in commands:
            talk.say(command + b"\r\n")
        self.assertTrue(talk.log_in().startswith(b"+OK"))
        return talk

    def test_same(self) -> None:
        """One after the other, as long as nothing has changed; each kind of session by itself."""
        self.put(message(1), "Subject: é\r\n\r\n".encode())
        first = self.after()
        known = self.entries(first)
        listing = first.say(b"UIDL\r\n") + first.say(b"LIST\r\n")
        first.say(b"QUIT\r\n")
        second = self.after()
        self.assertIs(self.entries(second), known)
        self.assertEqual(second.say(b"UIDL\r\n") + second.say(b"LIST\r\n"), listing)
        second.say(b"QUIT\r\n")
        third = self.after(b"UTF8")
        self.assertNotEqual(third.say(b"LIST 2\r\n"), second.say(b"LIST 2\r\n"))
        third.say(b"QUIT\r\n")
        self.put(message(3))
        fourth = self.after()
        self.assertEqual(fourth.say(b"UIDL\r\n").count(b"\r\n"), 5)

    def test_corrected(self) -> None:
        """What is found to be untrue is not told again: a size in a name, a line of the uid list."""
        self.put(message(1))
        base = next(iter(self.store.mailbox(INBOX).each([1]))).base
        self.store.close()
        os.rename(f"{self.root}/new/{base}", f"{self.root}/new/1600000000.M1P1Q1.other,S=99,W=111")
        self.account = replace(self.account, store=self.open_store())
        self.logins.account, self.store = self.account, self.account.store
        inbox = self.store.mailbox(INBOX)
        (uid,) = inbox.uids
        talk = self.after()
        self.assertEqual(talk.say(b"LIST 1\r\n"), b"+OK 1 111\r\n")
        talk.say(b"QUIT\r\n")
        inbox.rendered(uid)
        talk = self.after()
        self.assertEqual(talk.say(b"LIST 1\r\n"), b"+OK 1 %d\r\n" % len(message(1)))
        talk.say(b"QUIT\r\n")
        with open(f"{self.root}/dovecot-uidlist", "r+b") as file:
            text = file.read().replace(b" :1600000000", b" Pold-id :1600000000")
            file.seek(0)
            file.write(text)
        self.assertEqual(self.after().say(b"UIDL 1\r\n"), b"+OK 1 old-id\r\n")

    def test_marks_are_ones_own(self) -> None:
        """What one session marks is missing in its lists only, however they were made."""
        self.put(message(1), message(2))
        first = self.after()
        whole = first.say(b"UIDL\r\n")
        first.say(b"DELE 1\r\n")
        without = first.say(b"UIDL\r\n")
        self.assertEqual(without.split(b"\r\n")[1:], whole.split(b"\r\n")[2:])
        first.say(b"RSET\r\n")
        self.assertEqual(first.say(b"UIDL\r\n"), whole)
        first.say(b"DELE 2\r\nQUIT\r\n")
        second = self.after()
        self.assertEqual(second.say(b"UIDL\r\n").split(b"\r\n")[1:], [*whole.split(b"\r\n")[1:2], b".", b""])


class Model(RuleBasedStateMachine):
    """Any commands while messages go: every reply is the message of that number, or an error."""

    COUNT = 12

    @initialize(sizes=st.lists(st.sampled_from((0, 10, 40_000, SMALL)), min_size=COUNT, max_size=COUNT))
    def begin(self, sizes: list[int]) -> None:
        """A session over some messages, small and large."""
        self.case = Pop3TestCase("run")
        self.case.setUp()
        self.messages = [message(number, size) for number, size in enumerate(sizes, 1)]
        self.talk = self.case.logged_in(*self.messages)
        self.marked: set[int] = set()
        self.gone: set[int] = set()

    numbers = st.integers(1, COUNT)

    def answer(self, command: bytes, number: int) -> bytes | None:
        reply = self.talk.say(command)
        if number in self.marked | self.gone:
            assert reply == b"-ERR No such message\r\n", reply[:80]
            return None
        return decoded(reply)

    @rule(first=numbers, count=st.integers(1, COUNT))
    def retrieve(self, first: int, count: int) -> None:
        """RETR of some that follow each other."""
        for number in range(first, min(first + count, self.COUNT) + 1):
            found = self.answer(b"RETR %d\r\n" % number, number)
            assert found in (None, self.messages[number - 1])

    @rule(first=numbers, count=st.integers(1, COUNT))
    def retrieve_at_once(self, first: int, count: int) -> None:
        """The same, all commands in one piece."""
        numbers = range(first, min(first + count, self.COUNT) + 1)
        found = replies(self.talk.say(b"".join(b"RETR %d\r\n" % number for number in numbers)))
        missing = self.marked | self.gone
        assert found == [GONE if one in missing else self.messages[one - 1] for one in numbers]

    @rule(number=numbers, lines=st.integers(0, 4))
    def top(self, number: int, lines: int) -> None:
        """TOP of one."""
        found = self.answer(b"TOP %d %d\r\n" % (number, lines), number)
        wanted = b"".join(self.messages[number - 1].splitlines(keepends=True)[: 2 + lines])
        assert found in (None, wanted)

    @rule(number=numbers)
    def mark(self, number: int) -> None:
        """DELE."""
        if self.talk.say(b"DELE %d\r\n" % number).startswith(b"+OK"):
            self.marked.add(number)

    @rule()
    def reset(self) -> None:
        """RSET."""
        self.talk.say(b"RSET\r\n")
        self.marked.clear()

    @rule(number=numbers)
    def remove(self, number: int) -> None:
        """Somebody removes a message over IMAP."""
        self.case.store.mailbox(INBOX).expunge([number])
        self.gone.add(number)

    @invariant()
    def fixed(self) -> None:
        """The session's view counts what is not marked, whatever has gone."""
        if hasattr(self, "talk"):
            left = [one for number, one in enumerate(self.messages, 1) if number not in self.marked]
            assert self.talk.say(b"STAT\r\n") == b"+OK %d %d\r\n" % (len(left), sum(map(len, left)))

    def teardown(self) -> None:
        """End the session."""
        if hasattr(self, "case"):
            self.case.doCleanups()


class ModelTests(SynchronousTestCase):
    """Model."""

    def test_any_commands(self) -> None:
        """What no reading ahead may change."""
        run_state_machine_as_test(
            Model, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
        )
