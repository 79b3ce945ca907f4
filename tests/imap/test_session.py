"""Sessions where a dialogue does not reach: limits, streaming, other programs, and trouble on the disk."""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from mailnode.config_quota import Quota
from mailnode.fs import FileSystem
from mailnode.imap.places import Place
from mailnode.imap.selected import Selected
from mailnode.net.breath import Breather
from mailnode.net.limits import Admission
from mailnode.store.account import Account
from mailnode.store.draft import MEMORY_LIMIT, Draft
from mailnode.store.errors import InUse, NoSuchMailbox, OverQuota, TooManyKeywords
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX
from mailnode.wire.imap.sequence import SequenceSet
from tests.imap.world import Client, FakeLogins, World
from tests.scratch import room_of

MESSAGE = b"From: a@b\r\nSubject: x\r\n\r\nbody\r\n"


class SessionCase(SynchronousTestCase):
    """A world for each test; no session may end in a bug, no timer may stay."""

    def setUp(self) -> None:
        self.world = World(room_of(self))
        self.clients: list[Client] = []

    def tearDown(self) -> None:
        for client in self.clients:
            if not client.stream.lost:
                client.hang_up()
            self.assertIsNone(client.failure)
            self.assertTrue(client.ended)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
        self.assertEqual(self.world.feed.watched(), [])
        self.world.close()

    def client(self, **facts: object) -> Client:
        """A new connection."""
        self.clients.append(self.world.client(**facts))
        return self.clients[-1]

    def raising(self, error: Exception) -> Callable[..., object]:
        """A function that raises."""

        def fail(*_: object, **__: object) -> object:
            raise error

        return fail


class MechanismTests(SessionCase):
    """AUTHENTICATE and LOGIN go by what is offered on the connection."""

    def test_no_passwords(self) -> None:
        """With SCRAM alone: LOGINDISABLED under TLS too, and LOGIN and AUTHENTICATE PLAIN are refused."""
        self.patch(FakeLogins, "mechanisms", ("SCRAM-SHA-256",))
        self.patch(FakeLogins, "takes_passwords", lambda *_: False)
        self.patch(FakeLogins, "offered", lambda *_: ("SCRAM-SHA-256",))
        client = self.client(tls="implicit")
        self.assertIn(b" LOGINDISABLED ", client.greeting)
        self.assertIn(b" AUTH=SCRAM-SHA-256]", client.greeting)
        self.assertTrue(client.say("a LOGIN me secret").startswith(b"a NO [PRIVACYREQUIRED] "))
        self.assertTrue(client.say("b AUTHENTICATE PLAIN AG1lAHNlY3JldA==").startswith(b"b NO [CANNOT] "))

    def test_gone_after_login(self) -> None:
        """Who is logged in is told of no mechanism."""
        client = self.client().login(None)
        self.assertNotIn(b"AUTH=", client.say("a CAPABILITY"))


class LoggedOutTests(SessionCase):
    """UNAUTHENTICATE (RFC 8437): what the dialogue does not see."""

    def test_another_person(self) -> None:
        """Nothing of the first login is left: neither person nor presence, alerts, ENABLE or errors."""
        client = self.client().login()
        sessions = self.world.sessions
        for number in range(19):
            client.say(f"{number} BAD")
        sessions.tell("me@example.org", "for me")
        said = client.say("a UNAUTHENTICATE")
        self.assertIn(b"* OK [ALERT] for me\r\na OK ", said)
        self.assertEqual(sessions.count("me@example.org"), 0)
        self.assertIn(b"b OK", client.say("b LOGIN you secret"))
        self.assertEqual(sessions.tell("me@example.org", "not for you"), 0)
        sessions.tell("you@example.org", "for you")
        self.assertEqual(client.say("c BAD").count(b"[ALERT]"), 1)
        client.hang_up()
        self.assertEqual(sessions.count("you@example.org"), 0)

    def test_time_to_log_in(self) -> None:
        """It has the time of a new connection, and what a stranger may send."""
        client = self.client().login()
        self.world.clock.advance(1000)
        client.say("a UNAUTHENTICATE")
        self.world.clock.advance(59)
        self.assertFalse(client.ended)
        self.world.clock.advance(2)
        self.assertIn(b"* BYE ", client.heard())
        client = self.client().login()
        client.say("a UNAUTHENTICATE")
        self.assertIn(b"* BYE ", client.send(b"b NOOP " + b"x" * 9000))

    def test_no_place(self) -> None:
        """When strangers have all places, the connection ends: NO is not permitted (section 3)."""
        client = self.client().login()
        self.patch(Admission, "unauthenticated", lambda _: "too many connections before login")
        self.assertEqual(
            client.say("a UNAUTHENTICATE"), b"* BYE [UNAVAILABLE] Too many connections; try again later\r\n"
        )
        self.assertTrue(client.ended)

    def test_failures_stay(self) -> None:
        """Wrong passwords of one connection are counted together, or each would have three for each login."""
        client = self.client()
        for number in range(2):
            self.assertIn(b"NO [AUTHENTICATIONFAILED]", client.say("a LOGIN me wrong"))
            client.login(None)
            self.assertIn(b"b OK", client.say("b UNAUTHENTICATE"), number)
        self.assertIn(b"* BYE ", client.say("a LOGIN me wrong"))


class LimitTests(SessionCase):
    """Vectors of section 2 in the list of attacks."""

    def test_never_preauth(self) -> None:
        """The greeting is an OK (T10)."""
        self.assertTrue(self.client().greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 "))

    def test_handshake_without_starttls(self) -> None:
        """T13: a TLS handshake on the port without is answered by one line and the end."""
        client = self.client()
        self.assertEqual(client.send(b"\x16\x03\x01\x02").count(b"\r\n"), 1)
        self.assertTrue(client.ended)

    def test_long_line_before_login(self) -> None:
        """8 KiB without a line end and the connection is closed (I1)."""
        client = self.client()
        self.assertEqual(client.send(b"a NOOP " + b"(" * 8200), b"* BYE Line too long\r\n")
        self.assertTrue(client.ended)

    def test_long_line_after_login(self) -> None:
        """A line that is too long is BAD, with its tag, and the session goes on after its end (I22)."""
        client = self.client().login()
        self.assertEqual(client.send(b"a SEARCH " + b"(" * 70000), b"")
        said = client.send(b"x" * 50000 + b"\r\nb NOOP\r\n")
        self.assertEqual(said, b"a BAD Line too long\r\nb OK Done\r\n")
        self.assertEqual(client.say(b"c SEARCH " + b"(" * 70000), b"c BAD Line too long\r\n")
        for no_tag in (b"(" * 70000, b"x" * 70000, b"x" * 64 + b" " + b"(" * 70000):
            self.assertEqual(client.say(no_tag), b"* BAD Line too long\r\n")

    def test_endless_line(self) -> None:
        """A line that goes on for 64 KiB more, or comes as one of that length, ends the session (I22)."""
        for size, rest in ((70_000, b"x" * 65536), (135_000, b"\r\nb NOOP\r\n")):
            client = self.client().login()
            said = client.send(b"a SEARCH " + b"(" * size) + client.send(rest)
            self.assertEqual(said, b"* BYE Line too long\r\n")
            self.assertTrue(client.ended)

    def test_lines_of_one_command_add_up(self) -> None:
        """Text between literals counts against the same limit as one line."""
        client = self.client()
        part = b"x" * 4000 + b" {1+}\r\ny"
        self.assertIn(b"BYE", client.send(b"a LOGIN " + part * 3))

    def test_many_small_literals(self) -> None:
        """All literals of a command have one budget, before login a small one (I2)."""
        client = self.client()
        said = client.send(b"a LOGIN {4000}\r\n" + b"x" * 4000 + b" {97}\r\n")
        self.assertEqual(said, b"+ Ready for literal data\r\na NO [TOOBIG] The literal is too large\r\n")

    def test_small_literals_are_looked_at_before_they_are_written(self) -> None:
        """What comes unasked is held in memory; where there is no room for it nothing gets to the disk."""
        written: list[bytes] = []
        self.patch(Account, "free_space", lambda account: 0)
        self.patch(Draft, "write", lambda draft, data: written.append(data))
        client = self.client().login()
        said = client.send(b"q APPEND INBOX {1+}\r\na {1+}\r\nb\r\n")
        self.assertTrue(said.startswith(b"q NO [OVERQUOTA] "), said)
        self.assertEqual(written, [])

    def test_refused_literal_without_a_line(self) -> None:
        """What follows a refused literal must be a line; else BYE, which also says why it was refused.

        Small ones are not refused before they are here.
        """
        literal = b" {%d+}\r\n" % (MEMORY_LIMIT + 1) + b"x" * (MEMORY_LIMIT + 1)
        ends = ((b"\n", b"Lines must end in CRLF, not in a bare LF"), (b"y" * 70000, b"Line too long"))
        for end, complaint in ends:
            stranger = self.client()
            self.assertEqual(
                stranger.send(b"a X {1+}\r\nx" + end), b"* BYE Unknown command; " + complaint + b"\r\n"
            )
            client = self.client().login()
            said = client.send(b"q APPEND nope" + literal + end)
            self.assertTrue(said.startswith(b"* BYE There is no such mailbox; create it first; " + complaint))
            self.patch(Account, "free_space", self.raising(OSError(errno.EIO, "no")))
            failing = self.client().login()
            said = failing.send(b"q APPEND INBOX" + literal + end)
            self.assertRegex(said, b"^\\* BYE The mailbox cannot be read or written now; .*; " + complaint)
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
            self.assertTrue(stranger.ended and client.ended and failing.ended)

    def test_refused_literal_after_login(self) -> None:
        """Of a refused command as much is read past as a message may have; then comes the true answer."""
        client = self.client().login()
        message = b"x" * 3_000_000
        for command, answer in (
            (b"a APPEND nowhere {3000000+}\r\n", b"a NO [TRYCREATE] There is no such mailbox"),
            (b'a APPEND INBOX () "bad" {3000000+}\r\n', b"a BAD Date and time expected"),
            (b"a LIST {3000000+}\r\n", b"a NO [TOOBIG] The literal is too large"),
        ):
            said = client.send(command + message + b"\r\nb NOOP\r\n")
            self.assertTrue(said.startswith(answer), said)
            self.assertTrue(said.endswith(b"\r\nb OK Done\r\n"), said)

    def test_refused_literal_without_end(self) -> None:
        """More than that is not waited for: BYE, and the text still says why the command was refused."""
        client = self.client().login()
        said = client.send(b"a APPEND nowhere {52428800+}\r\n" + b"x" * 70000)
        self.assertEqual(said, b"")
        client = self.client().login()
        said = client.send(b"a APPEND nowhere {52428801+}\r\n")
        self.assertEqual(
            said,
            b"* BYE [TOOBIG] A message has at most 52428800 octets; "
            b"what follows is too long to be read past\r\n",
        )
        stranger = self.client()
        said = stranger.send(b"a X {4000+}\r\n" + b"x" * 4000 + b"{97+}\r\n")
        self.assertEqual(
            said, b"* BYE [TOOBIG] Unknown command; what follows is too long to be read past\r\n"
        )

    def test_slow_stranger(self) -> None:
        """The time to log in is that of all commands together, however their octets come."""
        for command in (b"a LOGIN {99+}\r\n", b"a X {99+}\r\n"):
            client = self.client()
            client.send(command)
            for _ in range(60):
                self.assertFalse(client.ended)
                client.send(b"x")
                self.world.clock.advance(1)
            self.assertTrue(client.ended)

    def test_bare_line_feed(self) -> None:
        """Only CRLF ends a line."""
        self.assertIn(b"a BAD", self.client().send(b"a NOOP\n"))

    def test_deep_nesting(self) -> None:
        """SEARCH keys nest 100 deep; 5000 are refused, not an error of ours (I6)."""
        client = self.client().login()
        for keys in (b"NOT " * 5000 + b"ALL", b"OR ALL " * 5000 + b"ALL", b"(" * 5000 + b"ALL" + b")" * 5000):
            self.assertRegex(client.say(b"a SEARCH " + keys), b"^a BAD ")
        self.assertIn(b"a OK", client.say(b"a SEARCH " + b"(" * 100 + b"ALL" + b")" * 100))

    def test_deep_sections(self) -> None:
        """A part number of a hundred levels is NIL (I11)."""
        client = self.client().login()
        client.append(MESSAGE)
        path = b".".join([b"1"] * 100)
        self.assertIn(b"BODY[%s] NIL)" % path, client.say(b"a FETCH 1 BODY.PEEK[%s]" % path))

    def test_garbage_in_idle(self) -> None:
        """A line that is not DONE ends IDLE with BAD, also one that is too long (I20)."""
        client = self.client().login()
        client.say("a IDLE")
        self.assertEqual(client.send(b"x" * 100_000), b"")
        self.assertEqual(client.send(b"\r\nb NOOP\r\n"), b"a BAD Line too long\r\nb OK Done\r\n")

    def test_twenty_mistakes_after_login(self) -> None:
        """A right command between them starts the count again."""
        client = self.client().login()
        for _ in range(19):
            client.say("a X")
        client.say("a NOOP")
        for _ in range(19):
            self.assertIn(b"a BAD", client.say("a X"))
        self.assertIn(b"* BYE", client.say("a X"))

    def test_nul_in_a_message(self) -> None:
        """A literal of RFC 3501 holds no NUL; the message is read to its end and refused."""
        client = self.client().login()
        self.assertIn(b"ap BAD", client.append(b"a: b\r\n\r\n\0"))
        self.assertIn(b"a OK", client.say("a NOOP"))

    def test_clear_text_behind_starttls(self) -> None:
        """Octets behind STARTTLS are never executed; the connection is cut (T3)."""
        world = World(room_of(self), tls=object())
        client = world.client(loopback=False)
        said = client.send(b"a STARTTLS\r\nb LOGIN me secret\r\n")
        self.assertEqual(said, b"a OK Begin TLS negotiation now\r\n")
        self.assertTrue(client.transport.aborting)
        self.assertTrue(client.ended)
        client.hang_up()
        world.close()

    def test_starttls_while_sessions_take_turns(self) -> None:
        """TLS has begun when the client can have seen the OK, also where a busy server takes turns."""
        world = World(room_of(self), tls=object())
        client = world.client(loopback=False)
        begun: list[bool] = []
        write = client.transport.write

        def answered(data: bytes) -> None:
            write(data)
            world.clock.callLater(0, lambda: begun.append(client.transport.tls))

        self.patch(Breather, "is_due", lambda breather, since: True)
        self.patch(client.transport, "write", answered)
        self.assertIn(b"a OK", client.say("a STARTTLS"))
        self.assertEqual(begun, [True])
        client.hang_up()
        world.close()

    def test_pipelining(self) -> None:
        """Commands in one segment are done one after the other, in their order (I19)."""
        client = self.client()
        said = client.send(
            b"a LOGIN me secret\r\nb SELECT INBOX\r\n" + b"c NOOP\r\n" * 50 + b"d LOGOUT\r\ne NOOP\r\n"
        )
        tags = [line.split()[0] for line in said.splitlines() if not line.startswith(b"*")]
        self.assertEqual(tags, [b"a", b"b", *[b"c"] * 50, b"d"])


class StreamingTests(SessionCase):
    """Messages go through in pieces."""

    def test_large_message_waits_for_the_reader(self) -> None:
        """While the client does not read, no more than a few pieces are made; then all of it comes (I10)."""
        client = self.client().login()
        message = b"a: b\r\n\r\n" + (b"x" * 98 + b"\r\n") * 30_000
        self.assertIn(b"ap OK", client.append(message))
        client.stream.pauseProducing()
        first = client.say("a FETCH 1 BODY.PEEK[]")
        self.assertLess(len(first), 300_000)
        second = client.say("b NOOP")
        self.assertEqual(second, b"")
        client.stream.resumeProducing()
        whole = first + client.heard()
        start = b"* 1 FETCH (BODY[] {%d}\r\n" % len(message)
        self.assertEqual(whole, start + message + b")\r\na OK Fetched\r\nb OK Done\r\n")

    def test_reader_that_goes_away(self) -> None:
        """A connection lost in the middle of a literal closes the file and ends the session."""
        client = self.client().login()
        client.append(b"a: b\r\n\r\n" + b"x\r\n" * 500_000)
        client.stream.pauseProducing()
        client.say("a FETCH 1 BODY.PEEK[]")
        client.hang_up()
        self.assertTrue(client.ended)

    def test_partials_join_to_the_whole(self) -> None:
        """Any cut into partials gives the octets of the whole, of the message and of a part."""
        client = self.client().login()
        body = b"".join(b"%d\r\n" % n for n in range(40_000))
        client.append(b"a: b\r\n\r\n" + body)
        joined, start, step = b"", 0, 70_001
        while start < len(body):
            said = client.say(f"a FETCH 1 BODY.PEEK[TEXT]<{start}.{step}>")
            announced, _, rest = said.partition(b"\r\n")
            size = int(announced.rpartition(b"{")[2].rstrip(b"}"))
            joined += rest[:size]
            start += step
        self.assertEqual(joined, body)

    def test_many_messages_in_one_append(self) -> None:
        """Each is on the disk before the next one comes; the command has at most 1000 (RFC 3502)."""
        client = self.client().login()
        tmp = f"{self.world.account().store.root}/tmp"
        one = b" {%d+}\r\n" % len(MESSAGE) + MESSAGE
        client.send(b"a APPEND INBOX" + one * 999)
        self.assertEqual(len(os.listdir(tmp)), 998)
        self.assertIn(b"a OK [APPENDUID 1700000000 1:1000] ", client.send(one + b"\r\n"))
        self.assertEqual(os.listdir(tmp), [])
        said = client.send(b"b APPEND INBOX" + one * 1001 + b"\r\nc STATUS INBOX (MESSAGES)\r\n")
        self.assertIn(b"b NO [LIMIT] An APPEND has at most 1000 messages\r\n", said)
        self.assertIn(b"(MESSAGES 1000)", said)
        self.assertEqual(os.listdir(tmp), [])

    def test_many_flags_in_one_append(self) -> None:
        """All lines of the command together are as long as one may be; the rest is read past."""
        client = self.client().login()
        one = b" (%s) {%d+}\r\n" % (b" ".join([b"$Keyword"] * 700), len(MESSAGE)) + MESSAGE
        said = client.send(b"a APPEND INBOX" + one * 20 + b"\r\nb NOOP\r\n")
        self.assertEqual(
            said, b"a NO [LIMIT] The command has too many messages, or parts of them\r\nb OK Done\r\n"
        )

    def test_trouble_with_one_of_several(self) -> None:
        """Nothing stays of an APPEND whose second message cannot be put where the first one is already."""
        client = self.client().login()
        put = FileSystem.rename
        names: list[str] = []

        def rename(files: FileSystem, source: str, target: str) -> None:
            names.append(target)
            if len(names) == 2:
                raise OSError(errno.EIO, "no")
            put(files, source, target)

        self.patch(FileSystem, "rename", rename)
        one = b" {%d+}\r\n" % len(MESSAGE) + MESSAGE
        self.assertIn(b"a NO [UNAVAILABLE] ", client.send(b"a APPEND INBOX" + one * 3 + b"\r\n"))
        self.assertEqual(len(names), 2)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertIn(b"(MESSAGES 0)", client.say("b STATUS INBOX (MESSAGES)"))

    def test_client_that_leaves_in_the_middle_of_append(self) -> None:
        """Nothing is left of the message, not even in tmp/."""
        client = self.client().login()
        client.send(b"a APPEND INBOX {1+}\r\nx {600000+}\r\n" + b"x" * 500_000)
        client.hang_up()
        root = self.world.account().store.root
        self.assertEqual(os.listdir(f"{root}/tmp"), [])
        self.assertEqual(
            self.client().login("INBOX").say("a STATUS INBOX (MESSAGES)").count(b"MESSAGES 0"), 1
        )

    def test_nul_on_disk(self) -> None:
        """A NUL in a stored message goes out as 0x80, and the length stays true."""
        client = self.client().login()
        root = self.world.account().store.root
        with open(f"{root}/new/1.M1.host", "wb") as file:
            file.write(b"a: b\n\nx\0y\n")
        self.assertIn(b"* 1 EXISTS", client.say("a NOOP"))
        self.assertIn(b"BODY[TEXT] {5}\r\nx\x80y\r\n FLAGS", client.say("b FETCH 1 BODY[TEXT]"))


class ChangeTests(SessionCase):
    """What others do to the selected mailbox."""

    def test_new_mail_in_idle_by_the_feed(self) -> None:
        """A delivery that is announced is told at once, and one by another program within ten seconds."""
        client = self.client().login()
        client.say("a IDLE")
        root = self.world.account().store.root
        for number in (1, 2):
            with open(f"{root}/new/{number}.M1.host", "wb") as file:
                file.write(MESSAGE.replace(b"\r\n", b"\n"))
            if number == 1:
                self.world.feed.announce(self.world.account().key(("INBOX",)))
                self.assertEqual(client.heard(), b"* 1 EXISTS\r\n* 1 RECENT\r\n")
        self.assertEqual(client.heard(), b"")
        self.world.clock.advance(10)
        self.assertEqual(client.heard(), b"* 2 EXISTS\r\n* 2 RECENT\r\n")
        self.assertEqual(client.say("DONE"), b"a OK No longer idle\r\n")

    def test_new_mail_in_idle_by_a_hint(self) -> None:
        """A message of another program is told as soon as the kernel says that something is there."""
        client = self.client().login()
        client.say("a IDLE")
        root = os.path.abspath(self.world.account().store.root)
        self.assertEqual(self.world.watcher.paths(), [f"{root}/cur", f"{root}/new"])
        with open(f"{root}/new/1.M1.host", "wb") as file:
            file.write(MESSAGE.replace(b"\r\n", b"\n"))
        self.world.watcher.notice(f"{root}/new")
        self.world.clock.advance(0.1)
        self.assertEqual(client.heard(), b"* 1 EXISTS\r\n* 1 RECENT\r\n")
        client.say("DONE")
        self.assertEqual(self.world.watcher.paths(), [])

    def test_sequence_numbers_while_others_expunge(self) -> None:
        """Until EXPUNGE is told, each number means what it meant; afterwards the rest has moved up."""
        one, two = self.client().login(), self.client().login()
        for _ in range(5):
            one.append(MESSAGE)
        two.say("a NOOP")
        one.say("a STORE 2,4 +FLAGS.SILENT (\\Deleted)")
        self.assertEqual(one.say("b EXPUNGE").count(b"EXPUNGE\r\n"), 2)
        self.assertEqual(two.say("b FETCH 5 UID"), b"* 5 FETCH (UID 5)\r\nb OK Fetched\r\n")
        self.assertIn(b"* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n", two.say("c NOOP"))
        self.assertEqual(two.say("d FETCH 3 UID"), b"* 3 FETCH (UID 5)\r\nd OK Fetched\r\n")

    def test_arrival_while_expunge_is_held_back(self) -> None:
        """New mail is counted on top of messages that are gone and not yet told."""
        one, two = self.client().login(), self.client().login()
        one.append(MESSAGE, flags="(\\Deleted)")
        two.say("a NOOP")
        one.say("a EXPUNGE")
        one.append(MESSAGE)
        self.assertIn(b"* 2 EXISTS", two.say("b SEARCH ALL"))
        self.assertIn(b"* 2 FETCH (UID 2)", two.say("c FETCH 2 UID"))
        self.assertIn(b"* 1 EXPUNGE\r\n", two.say("d NOOP"))
        self.assertIn(b"* 1 FETCH (UID 2)", two.say("e FETCH 1 UID"))

    def test_flags_of_others(self) -> None:
        """SILENT is silent about its own change only."""
        one, two = self.client().login(), self.client().login()
        one.append(MESSAGE)
        two.say("a NOOP")
        one.say("a STORE 1 +FLAGS (\\Flagged)")
        said = two.say("b STORE 1 +FLAGS.SILENT (\\Seen)")
        self.assertEqual(said, b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))\r\nb OK Stored\r\n")
        self.assertEqual(two.say("b STORE 1 +FLAGS.SILENT (\\Draft)"), b"b OK Stored\r\n")
        self.assertEqual(two.say("b STORE 1 -FLAGS.SILENT (\\Draft)"), b"b OK Stored\r\n")
        one.say("c STORE 1 +FLAGS (\\Answered)")
        self.assertIn(b"* 1 FETCH (UID 1 FLAGS (\\Answered \\Flagged \\Seen))", two.say("c NOOP"))

    def test_recent_belongs_to_one_session(self) -> None:
        """A message is recent in the first session that is told of it, and in no other."""
        one, two = self.client().login(), self.client().login()
        one.append(MESSAGE)
        self.assertIn(b"\\Recent", one.say("a FETCH 1 FLAGS"))
        self.assertIn(b"* 0 RECENT", two.say("a NOOP"))
        self.assertNotIn(b"\\Recent", two.say("b FETCH 1 FLAGS"))

    def test_unchanged_view_is_shared(self) -> None:
        """Sessions that have seen the same keep one list of UIDs, the store's own."""
        account = self.world.account()
        views = [Selected.opened(Place(account, INBOX), read_only=False) for _ in range(2)]
        self.client().login().append(MESSAGE)
        for view in views:
            list(view.updates(expunge=True))
        self.assertIs(views[0].uids, views[1].uids)
        self.assertEqual(views[0].named(SequenceSet(((1, 1),)), by_uid=False), [1])

    def test_what_was_brought_and_has_gone(self) -> None:
        r"""A message that goes before its session was told of it is \Recent to nobody."""
        append_all = Mailbox.append_all

        def append_and_lose(mailbox: Mailbox, *arguments: object, **facts: object) -> list[int]:
            uids = append_all(mailbox, *arguments, **facts)
            mailbox.expunge(uids)
            return uids

        client = self.client().login()
        self.assertIn(b"* 1 RECENT", client.append(MESSAGE))
        self.patch(Mailbox, "append_all", append_and_lose)
        client.append(MESSAGE)
        self.patch(Mailbox, "append_all", append_all)
        self.assertIn(b"* 2 EXISTS\r\n* 2 RECENT", client.append(MESSAGE))

    def test_view_is_true_to_the_responses(self) -> None:
        """A client that only counts EXISTS and EXPUNGE knows how many messages its session sees."""
        one, two = self.client().login(), self.client().login()
        count = 0
        for step in range(12):
            one.append(MESSAGE, flags="(\\Deleted)" if step % 3 else "()")
            said = two.say("a SEARCH ALL") if step % 2 else two.say("a NOOP")
            if step % 4 == 3:
                one.say("b EXPUNGE")
                said += two.say("b NOOP")
            for line in said.splitlines():
                words = line.split()
                if words[2:] == [b"EXISTS"]:
                    count = int(words[1])
                elif words[2:] == [b"EXPUNGE"]:
                    count -= 1
            self.assertIn(b"c OK", two.say(f"c FETCH 1:{count} UID"))
            self.assertIn(b"c BAD", two.say(f"c FETCH {count + 1} UID"))

    def test_expunge_takes_what_is_deleted_now(self) -> None:
        r"""A message that another program has taken \Deleted from stays, however late it does so."""
        expunge = Mailbox.expunge

        def undelete_first(mailbox: Mailbox, uids: list[int], **facts: object) -> list[int]:
            mailbox.set_flags(uids, "remove", frozenset(("\\Deleted",)))
            return expunge(mailbox, uids, **facts)

        self.patch(Mailbox, "expunge", undelete_first)
        for command in ("EXPUNGE", "UID EXPUNGE 1:*", "CLOSE"):
            client = self.client().login()
            client.append(MESSAGE, flags="(\\Deleted)")
            said = client.say(f"a {command}")
            self.assertIn(b"a OK", said)
            self.assertNotIn(b" EXPUNGE", said)
            self.assertIn(b"MESSAGES 1", client.say("b STATUS INBOX (MESSAGES)"))
            client.say("c SELECT INBOX")
            client.say("d STORE 1:* +FLAGS (\\Deleted)")
            self.patch(Mailbox, "expunge", expunge)
            client.say("e CLOSE")
            self.patch(Mailbox, "expunge", undelete_first)

    def test_selected_mailbox_replaced(self) -> None:
        """BYE to whatever is asked of a mailbox that is gone, or is another one now; CLOSE is OK."""
        commands = (
            "NOOP",
            "EXPUNGE",
            "UID EXPUNGE 1:*",
            "STORE 1 +FLAGS.SILENT (\\Seen)",
            "FETCH 1 (ENVELOPE BODY[])",
            "SEARCH TEXT body",
            "COPY 1 INBOX",
            "CLOSE",
        )
        other = self.client().login()
        for command in commands:
            for again in (False, True):
                other.say("a CREATE gone")
                client = self.client().login()
                client.append(MESSAGE, mailbox="gone", flags="(\\Deleted)")
                client.say("b SELECT gone")
                other.say("c DELETE gone")
                if again:
                    other.say("d CREATE gone")
                    other.append(MESSAGE, mailbox="gone", flags="(\\Deleted)")
                said = client.say(f"e {command}")
                if command == "CLOSE":
                    self.assertEqual(said, b"e OK Closed\r\n")
                else:
                    self.assertRegex(said, b"(^|\\n)\\* BYE The selected mailbox was deleted or renamed\r\n$")
                    self.assertNotIn(b"e OK", said)
                if again:
                    self.assertIn(b"MESSAGES 1", other.say("f STATUS gone (MESSAGES)"))
                    other.say("g DELETE gone")

    def test_folder_removed_on_disk(self) -> None:
        """The same where another program has removed the directory; the log has no traceback."""
        for command, answer in (("EXPUNGE", b"* BYE The selected"), ("CLOSE", b"e OK Closed")):
            client = self.client().login()
            client.say("a CREATE gone")
            client.append(MESSAGE, mailbox="gone", flags="(\\Deleted)")
            client.say("b SELECT gone")
            shutil.rmtree(self.world.account().store.root + "/.gone")
            self.assertTrue(client.say(f"e {command}").startswith(answer))


class TroubleTests(SessionCase):
    """What goes wrong below becomes a word of the protocol."""

    def test_disk_trouble(self) -> None:
        """A full disk is [OVERQUOTA], another error [UNAVAILABLE]; no path gets out, and the log has it."""
        client = self.client().login()
        for number, code in ((errno.ENOSPC, b"OVERQUOTA"), (errno.EIO, b"UNAVAILABLE")):
            self.patch(Mailbox, "append_all", self.raising(OSError(number, "no", "/secret/path")))
            said = client.append(MESSAGE)
            self.assertIn(b"ap NO [%s] " % code, said)
            self.assertNotIn(b"secret", said)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)
        self.assertIn(b"a OK", client.say("a NOOP"))

    def test_trouble_behind_an_expunge(self) -> None:
        """What was told before it went wrong has been told: numbers stay right."""
        client, other = self.client().login(), self.client().login()
        for _ in range(2):
            other.append(MESSAGE)
        client.say("a NOOP")
        other.say(r"a STORE 1 FLAGS (\Deleted)")
        other.say("a EXPUNGE")
        with mock.patch.object(Mailbox, "claim_recent", self.raising(OSError(errno.EIO, "no"))):
            self.assertIn(b"* 1 EXPUNGE\r\n", client.say("b NOOP"))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertIn(b"* 1 FETCH (UID 2)", client.say("c FETCH 1 (UID)"))

    def test_a_bug(self) -> None:
        """An exception nobody expects is [SERVERBUG], and the session goes on."""
        client = self.client().login()
        self.patch(Mailbox, "copy", self.raising(ValueError("secret")))
        client.append(MESSAGE)
        said = client.say("a COPY 1 INBOX")
        self.assertIn(b"a NO [SERVERBUG] ", said)
        self.assertNotIn(b"secret", said)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertIn(b"b OK", client.say("b NOOP"))

    def test_words_of_the_store(self) -> None:
        """The store's words have their codes."""
        client = self.client().login()
        client.append(MESSAGE)
        for error, answer in (
            (OverQuota(), b"[OVERQUOTA] The mailbox is full"),
            (InUse(), b"[INUSE] The mailbox is in use"),
            (TooManyKeywords(), b"[LIMIT] The keywords are too many for the mailbox, or too long"),
            (NoSuchMailbox(), b"[TRYCREATE] There is no such mailbox"),  # the target, as INBOX is still here
        ):
            self.patch(Mailbox, "copy", self.raising(error))
            self.assertIn(b"a NO " + answer, client.say("a COPY 1 INBOX"))

    def test_free_space_is_kept(self) -> None:
        """A message that would use up the last room is refused before it is sent."""
        self.world.live.config = World(room_of(self), min_free_space=2**62).config
        client = self.client().login()
        self.assertIn(b"a NO [OVERQUOTA] ", client.say("a APPEND INBOX {10}"))

    def test_full_meanwhile(self) -> None:
        """A mailbox that is filled while the message comes: NO [OVERQUOTA], and nothing of it stays."""
        client = self.client().login()
        self.world.live.config = replace(self.world.config, quota=Quota(messages=1))
        client.send(b"a APPEND INBOX {%d}\r\n" % len(MESSAGE))
        other = self.client().login()
        self.assertIn(b"ap OK", other.append(MESSAGE))
        self.assertIn(b"a NO [OVERQUOTA] The mailbox is full", client.send(MESSAGE + b"\r\n"))
        self.world.live.config = self.world.config
        self.assertIn(b"* 2 EXISTS", client.append(MESSAGE))

    def test_replace_that_cannot_remove(self) -> None:
        """The old message stays and the new one goes; where the old one is gone, the new one stays."""
        client = self.client().login()
        client.append(MESSAGE)
        unlink = FileSystem.unlink
        command = b"a REPLACE 1 INBOX {1+}\r\nx\r\n"

        def failing(files: FileSystem, path: str, *, missing_ok: bool = False) -> None:
            if f",S={len(MESSAGE) - 4}," in path:
                raise OSError(errno.EIO, "no")
            unlink(files, path, missing_ok=missing_ok)

        self.patch(FileSystem, "unlink", failing)
        said = client.send(command)
        self.assertIn(b"a NO [UNAVAILABLE] ", said)
        self.assertNotIn(b"EXPUNGE", said)
        self.assertNotIn(b"APPENDUID", said)
        self.patch(FileSystem, "unlink", unlink)
        self.assertIn(b"* 1 FETCH (UID 1)\r\nb OK", client.say("b FETCH 1:* UID"))
        sync = FileSystem.sync_directory
        synced: list[str] = []

        def once(files: FileSystem, path: str) -> None:
            synced.append(path)
            if len(synced) == 2:  # of the removal
                raise OSError(errno.EIO, "no")
            sync(files, path)

        self.patch(FileSystem, "sync_directory", once)
        said = client.send(command)
        self.assertIn(b"* 1 EXPUNGE\r\n", said)
        self.assertIn(b"a OK", said)
        self.assertIn(b"* 1 FETCH (RFC822.SIZE 1)\r\nb OK", client.say("b FETCH 1:* RFC822.SIZE"))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_unreadable_message(self) -> None:
        """One message that cannot be read costs the others nothing."""
        client = self.client().login()
        client.append(MESSAGE)
        client.append(MESSAGE)
        rendered = Mailbox.rendered

        def fail_first(mailbox: Mailbox, uid: int) -> object:
            if uid == 1:
                raise OSError(errno.EIO, "no")
            return rendered(mailbox, uid)

        header = Mailbox._header
        self.patch(Mailbox, "_header", lambda box, one: None if one.uid == 1 else header(box, one))
        self.patch(Mailbox, "rendered", fail_first)
        said = client.say("a FETCH 1:2 ENVELOPE")
        self.assertNotIn(b"* 1 FETCH", said)
        self.assertIn(b"* 2 FETCH (ENVELOPE ", said)
        self.assertIn(b"a NO [UNAVAILABLE] ", said)
        self.assertIn(b"* SEARCH 2\r\nb NO [UNAVAILABLE] ", client.say("b SEARCH SUBJECT x"))

    def test_file_that_shrank(self) -> None:
        """When the disk gives less than was announced, the connection is cut: nothing could follow."""
        client = self.client().login()
        client.append(MESSAGE + b"More text.\r\n" * 120_000)
        client.say("a FETCH 1 ENVELOPE")
        root = self.world.account().store.root
        (name,) = os.listdir(f"{root}/cur")
        os.truncate(f"{root}/cur/{name}", 1_200_000)
        client.say("b FETCH 1 BODY[]")
        self.assertTrue(client.transport.aborting)
        self.assertTrue(client.ended)

    def test_expunge_is_published(self) -> None:
        """Removing messages is an event with their number."""
        client = self.client().login()
        client.append(MESSAGE, flags="(\\Deleted)")
        client.say("a CLOSE")
        self.assertEqual([event.count for event in self.world.events], [1])
