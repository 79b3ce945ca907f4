"""The maildrop of a session: lock, snapshot, sizes, streaming, UPDATE (vectors P2, P3, P4, P6)."""

import errno
import os
import poplib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.config import Pop3
from mailnode.events.deeds import Retrieved
from mailnode.events.life import Expunged
from mailnode.fs import FileSystem, ReadFile
from mailnode.net import blocking
from mailnode.net.stream import ConnectionClosed
from mailnode.pop3.maildrop import Entry, Maildrop, dotted, top
from mailnode.store.body import SMALL, Body
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX, SEEN
from mailnode.wire.dot import Decoder
from mailnode.wire.uidl import DEFAULT
from tests.pop3.talk import ADDRESS, MESSAGE, Pop3TestCase, Talk

# P6: message as appended, message as RETR gives it
SHAPES = (
    (b"", b""),
    (b"\r\n", b"\r\n"),
    (b"A: b\r\n\r\n", b"A: b\r\n\r\n"),
    (b"A: b\r\n\r\n.\r\n..\r\n...\r\n", b"A: b\r\n\r\n.\r\n..\r\n...\r\n"),
    (b".", b".\r\n"),
    (b"A: b\r\n\r\nno end", b"A: b\r\n\r\nno end\r\n"),
    (b"A: b\r\n\r\nhalf\r", b"A: b\r\n\r\nhalf\r\r\n"),
    (b"A: b\r\n\r\nbare\n.\nlf\r\n", b"A: b\r\n\r\nbare\r\n.\r\nlf\r\n"),
    (b"A: b\n\nall bare\n", b"A: b\r\n\r\nall bare\r\n"),
    (b"A: b\r\n\r\nbare\nno end", b"A: b\r\n\r\nbare\r\nno end\r\n"),
    (b"A: b\r\n\r\n\xff\0\x80\r\n", b"A: b\r\n\r\n\xff\0\x80\r\n"),
    (b"A: b\r\n\r\ncr\rcr\r\r\n", b"A: b\r\n\r\ncr\rcr\r\r\n"),
    (b"A: b\n\n" + b".\n" * 70_000, b"A: b\r\n\r\n" + b".\r\n" * 70_000),
    (b"A: b\n\n" + b".\n" * 70_000 + b"no end", b"A: b\r\n\r\n" + b".\r\n" * 70_000 + b"no end\r\n"),
    (b"A: b\r\n\r\n" + b"x" * 5_000_000 + b"\r\n", b"A: b\r\n\r\n" + b"x" * 5_000_000 + b"\r\n"),
)

INTERNATIONAL = "Subject: é\r\n\r\nü\r\n".encode()
IN_ASCII = "Subject: =?utf-8?q?=C3=A9?=\r\n\r\nü\r\n".encode()


def decoded(answer: bytes) -> bytes:
    """The content of a multi-line response; it must end with the response."""
    first, _, rest = answer.partition(b"\r\n")
    assert first.startswith(b"+OK"), first
    decoder = Decoder()
    content = decoder.feed(rest)
    assert decoder.finished and not decoder.residue
    return content


class Messages(Pop3TestCase):
    """RETR, TOP and sizes."""

    def test_shapes(self) -> None:
        """P6: framed right, whatever is in it; sizes are the octets of RETR without stuffing."""
        talk = self.logged_in(*(appended for appended, _ in SHAPES))
        listing = dict(line.split(b" ") for line in decoded(talk.say(b"LIST\r\n")).split(b"\r\n")[:-1])
        for number, (appended, sent) in enumerate(SHAPES, 1):
            answer = talk.say(b"RETR %d\r\n" % number)
            self.assertEqual(decoded(answer), sent, appended[:40])
            self.assertEqual(int(listing[b"%d" % number]), len(sent), appended[:40])
        total = sum(len(sent) for _, sent in SHAPES)
        self.assertEqual(talk.say(b"STAT\r\n"), b"+OK %d %d\r\n" % (len(SHAPES), total))

    def test_replaced_to_the_end(self) -> None:
        """So they are where a header that is replaced is all there is, and has no end."""
        for header in ("Subject: café", "A: b\r\nReceived: café", "café", "A: é\r\n", "Received: é\r\n\r\n"):
            self.put(header.encode())
        talk = self.connect()
        talk.log_in()
        for number in range(1, 6):
            size = int(talk.say(b"LIST %d\r\n" % number).split()[2])
            self.assertEqual(len(decoded(talk.say(b"RETR %d\r\n" % number))), size, str(number))

    def opened(self) -> list[str]:
        """The paths of messages that are opened from now on."""
        opened: list[str] = []
        whole, small = FileSystem.open, FileSystem.read_small

        def noted_whole(files: FileSystem, path: str) -> ReadFile:
            opened.extend([path] * ("/cur/" in path or "/new/" in path))
            return whole(files, path)

        def noted_small(files: FileSystem, path: str, most: int) -> bytes | None:
            opened.append(path)
            return small(files, path, most)

        self.patch(FileSystem, "open", noted_whole)
        self.patch(FileSystem, "read_small", noted_small)
        return opened

    def test_sizes_are_remembered(self) -> None:
        """Sizes of messages that are not plain are looked up once, not again after a restart."""
        self.logged_in(*(appended for appended, _ in SHAPES[:-1]), INTERNATIONAL).say(b"QUIT\r\n")
        before = self.connect()
        before.log_in()
        self.store.close()
        self.account = replace(self.account, store=self.open_store())
        self.logins.account = self.account
        before.say(b"QUIT\r\n")
        opened = self.opened()
        talk = self.connect()
        talk.log_in()
        total = sum(len(sent) for _, sent in SHAPES[:-1]) + len(IN_ASCII)
        self.assertEqual(talk.say(b"STAT\r\n"), b"+OK %d %d\r\n" % (len(SHAPES), total))
        self.assertEqual(opened, [])

    def test_plain_messages_are_not_opened(self) -> None:
        """Of a message as almost all are the name tells the size: a login opens none."""
        self.put(*[MESSAGE] * 3)
        opened = self.opened()
        talk = self.connect()
        talk.log_in()
        self.assertEqual(talk.say(b"STAT\r\n"), b"+OK 3 %d\r\n" % (3 * len(MESSAGE)))
        talk.say(b"LIST\r\nUIDL\r\n")
        self.assertEqual(opened, [])

    def test_lenient_client(self) -> None:
        """A client that ends lines at LF (as Python's poplib does) sees every message whole."""
        for appended, sent in SHAPES[:-1]:
            talk = self.logged_in(appended)
            number = int(talk.say(b"STAT\r\n").split(b" ")[1])
            client = poplib.POP3.__new__(poplib.POP3)
            client.file = BytesIO(talk.say(b"RETR %d\r\n" % number))
            client._debugging = 0
            lines = client._getlongresp()[1]
            if b"\0" not in sent:
                self.assertEqual(b"".join(line + b"\r\n" for line in lines), sent)
            talk.say(b"QUIT\r\n")

    def test_no_flags(self) -> None:
        """RETR leaves \\Seen alone, and new messages stay new: only IMAP knows what was read."""
        talk = self.logged_in(MESSAGE)
        talk.say(b"RETR 1\r\nQUIT\r\n")
        message = self.store.mailbox(INBOX).get(1)
        assert message is not None
        self.assertNotIn(SEEN, message.flags)
        self.assertEqual(self.store.mailbox(INBOX).recent, {1})

    def test_slow_reader(self) -> None:
        """A peer that does not read gets no more than a piece ahead, and holds nobody's lane."""
        talk = self.logged_in(b"A: b\r\n\r\n" + b"x" * 3_000_000 + b"\r\n")
        talk.wire.full_at = 1
        talk.stream.dataReceived(b"RETR 1\r\n")
        self.assertLess(len(talk.wire.value()), 200_000)
        self.successResultOf(self.account.lane.run(int, 1))
        octets = b""
        while b"\r\n.\r\n" not in octets[-5:]:
            octets += talk.wire.value()
            talk.wire.clear()
            assert talk.wire.producer is not None
            talk.wire.producer.resumeProducing()
        self.assertEqual(len(decoded(octets)), 3_000_010)

    def test_lost_while_sending(self) -> None:
        """A connection that goes in the middle leaves neither file nor lock behind."""
        talk = self.logged_in(b"A: b\r\n\r\n" + b"x" * 3_000_000 + b"\r\n")
        before = len(os.listdir("/proc/self/fd"))
        talk.wire.full_at = 1
        talk.stream.dataReceived(b"RETR 1\r\n")
        talk.lose()
        self.failureResultOf(talk.served, ConnectionClosed)
        self.assertLess(len(os.listdir("/proc/self/fd")), before + 1)
        self.assertTrue(self.connect().log_in().startswith(b"+OK"))

    def test_lost_unread(self) -> None:
        """P3: who has sent RETR, DELE and QUIT at once, and goes before all is read, has deleted nothing."""
        self.put(b"A: b\r\n\r\n" + b"x" * 1_000_000 + b"\r\n")
        for large in (True, False):
            talk = self.connect()
            talk.log_in()
            talk.wire.full_at = 100_000 if large else 10
            talk.say(b"RETR 1\r\nDELE 1\r\nQUIT\r\n" if large else b"NOOP\r\nDELE 1\r\nQUIT\r\n")
            talk.stream.stopProducing()  # as a transport does that is reset
            talk.lose()
            self.clock.advance(0)
            self.failureResultOf(talk.served, ConnectionClosed)
            self.assertEqual(self.kept(), [1])

    def test_disk_trouble(self) -> None:
        """A message that cannot be opened is a temporary failure; the session goes on."""
        talk = self.logged_in(MESSAGE)

        def stored(_: Mailbox, uid: int) -> bytes:
            raise OSError(5, "Input/output error", "/secret/path")

        self.patch(Mailbox, "stored", stored)
        answer = talk.say(b"RETR 1\r\n")
        self.assertTrue(answer.startswith(b"-ERR [SYS/TEMP] "))
        self.assertNotIn(b"secret", answer)
        self.assertEqual(talk.say(b"NOOP\r\n"), b"+OK\r\n")

    def test_lasting_trouble(self) -> None:
        """What only the administrator can mend is told apart from what passes (RFC 3206 section 4)."""
        talk = self.logged_in(MESSAGE)
        for number, code in (
            (errno.EACCES, b"SYS/PERM"),
            (errno.EROFS, b"SYS/PERM"),
            (errno.ENOTDIR, b"SYS/PERM"),
            (errno.EMFILE, b"SYS/TEMP"),
            (errno.ENOSPC, b"SYS/TEMP"),
        ):

            def fails(_: Mailbox, uid: object, number: int = number) -> object:
                raise OSError(number, os.strerror(number))

            patches = [self.patch(Mailbox, name, fails) for name in ("stored", "expunge")]
            self.assertTrue(talk.say(b"RETR 1\r\n").startswith(b"-ERR [%s] " % code), number)
            answer = talk.say(b"DELE 1\r\nQUIT\r\n").splitlines()[-1]
            self.assertEqual(answer, b"-ERR [%s] some deleted messages not removed" % code)
            for patch in patches:
                patch.restore()
            talk = self.connect()
            talk.log_in()
        self.assertEqual(self.kept(), [1])

    def test_disk_trouble_half_way(self) -> None:
        """A message that cannot be read to its end never looks complete: the connection is cut."""
        talk = self.logged_in(b"A: b\r\n\r\n" + b"x" * SMALL + b"\r\n")

        def wire(_: Body, start: int = 0, end: int | None = None) -> Iterator[bytes]:
            yield b"A: b\r\n"
            raise OSError(5, "Input/output error")

        self.patch(Body, "wire", wire)
        self.assertNotIn(b"\r\n.\r\n", talk.say(b"RETR 1\r\n"))
        self.assertTrue(talk.wire.disconnected)
        self.failureResultOf(talk.served, ConnectionClosed)

    def test_disk_trouble_at_the_beginning(self) -> None:
        """A large message of which nothing can be read is refused as a small one is, or one that is gone."""
        talk = self.logged_in(*[b"A: b\r\n\r\n" + b"x" * SMALL + b"\r\n"] * 2)

        def wire(_: Body, start: int = 0, end: int | None = None) -> Iterator[bytes]:
            raise OSError(5, "Input/output error")

        patch = self.patch(Body, "wire", wire)
        self.assertTrue(talk.say(b"RETR 1\r\n").startswith(b"-ERR [SYS/TEMP] "))
        patch.restore()
        self.store.mailbox(INBOX).expunge([2])
        self.assertEqual(talk.say(b"RETR 2\r\n"), b"-ERR No such message\r\n")
        self.assertEqual(len(decoded(talk.say(b"RETR 1\r\n"))), SMALL + 10)

    def test_bug(self) -> None:
        """An error of ours is a temporary failure for the client and a traceback in the log only."""
        talk = self.logged_in(MESSAGE)

        def stored(_: Mailbox, uid: int) -> bytes:
            raise ZeroDivisionError("secret")

        self.patch(Mailbox, "stored", stored)
        answer = talk.say(b"RETR 1\r\n")
        self.assertTrue(answer.startswith(b"-ERR [SYS/TEMP] "))
        self.assertNotIn(b"secret", answer)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(talk.say(b"NOOP\r\n"), b"+OK\r\n")


class Snapshot(Pop3TestCase):
    """P2: one session at a time, one view for each."""

    def remove(self, uid: int) -> None:
        """Remove a message's file as another program would."""
        message = self.store.mailbox(INBOX).get(uid)
        assert message is not None
        os.unlink(f"{self.root}/new/{message.base}")

    def test_exclusive(self) -> None:
        """A second session is refused with [IN-USE] until the first has ended, and may try again then."""
        first = self.logged_in(MESSAGE)
        second = self.connect()
        self.assertTrue(second.log_in().startswith(b"-ERR [IN-USE] "))
        self.assertTrue(second.say(b"STAT\r\n").startswith(b"-ERR Not possible before login"))
        first.say(b"QUIT\r\n")
        self.assertTrue(second.log_in().startswith(b"+OK 1 message"))

    def test_shared(self) -> None:
        """Several sessions where the configuration allows it; each keeps its numbers, none removes twice."""
        self.live.config = replace(self.live.config, pop3=Pop3("shared"))
        first = self.logged_in(b"A: 1\r\n\r\n", b"A: 2\r\n\r\n", b"A: 3\r\n\r\n")
        second = self.connect()
        self.assertTrue(second.log_in().startswith(b"+OK 3 messages"))
        first.say(b"DELE 1\r\n")
        self.assertEqual(decoded(second.say(b"RETR 1\r\n")), b"A: 1\r\n\r\n")
        first.say(b"QUIT\r\n")
        self.assertEqual(second.say(b"RETR 1\r\n"), b"-ERR No such message\r\n")
        self.assertEqual(decoded(second.say(b"RETR 2\r\n")), b"A: 2\r\n\r\n")
        second.say(b"DELE 1\r\nDELE 2\r\n")
        self.assertEqual(second.say(b"QUIT\r\n"), b"+OK Goodbye\r\n")
        self.assertEqual(self.kept(), [3])
        self.assertEqual([one.count for one in self.events if isinstance(one, Expunged)], [1, 1])

    def test_lock_ends_with_the_session(self) -> None:
        """However a session ends, the next one gets in."""
        for end in (b"QUIT\r\n", b"GET / HTTP/1.1\r\n", b"XTND\r\n" * 10):
            talk = self.connect()
            self.assertTrue(talk.log_in().startswith(b"+OK"), end)
            talk.say(end)
            self.successResultOf(talk.served)
        talk = self.connect()
        talk.log_in()
        talk.lose()
        self.assertTrue(self.connect().log_in().startswith(b"+OK"))

    def test_failed_login_holds_no_lock(self) -> None:
        """When INBOX cannot be read, the answer is temporary and the lock is free again."""

        def names(*_: object) -> None:
            raise OSError(5, "Input/output error")

        self.put(MESSAGE)
        patch = self.patch(Mailbox, "sync", names)
        talk = self.connect()
        self.assertTrue(talk.log_in().startswith(b"-ERR [SYS/TEMP] "))
        patch.restore()
        self.assertTrue(talk.log_in().startswith(b"+OK 1 message"))

    def test_new_messages_wait(self) -> None:
        """What arrives during a session belongs to the next one."""
        talk = self.logged_in(MESSAGE)
        self.put(MESSAGE)
        self.assertEqual(talk.say(b"STAT\r\n"), b"+OK 1 38\r\n")
        self.assertEqual(talk.say(b"RETR 2\r\n"), b"-ERR No such message\r\n")

    def test_gone_meanwhile(self) -> None:
        """A message that IMAP expunges keeps its number and is -ERR; its neighbours stay what they are."""
        messages = [b"Subject: %d\r\n\r\n" % number for number in range(1, 4)]
        talk = self.logged_in(*messages)
        self.store.mailbox(INBOX).expunge([2])
        for command in (b"RETR 2", b"TOP 2 0"):
            self.assertEqual(talk.say(command + b"\r\n"), b"-ERR No such message\r\n")
        self.assertEqual(decoded(talk.say(b"RETR 3\r\n")), messages[2])
        self.assertEqual(talk.say(b"STAT\r\n")[:6], b"+OK 3 ")
        self.assertEqual(len(decoded(talk.say(b"UIDL\r\n")).splitlines()), 3)
        self.assertTrue(talk.say(b"DELE 2\r\nDELE 3\r\nQUIT\r\n").endswith(b"+OK Goodbye\r\n"))
        self.assertEqual(self.kept(), [1])

    def test_file_removed_by_hand(self) -> None:
        """A file that somebody removed is -ERR too."""
        talk = self.logged_in(MESSAGE, MESSAGE)
        self.remove(1)
        self.assertEqual(talk.say(b"RETR 1\r\n"), b"-ERR No such message\r\n")
        self.assertEqual(decoded(talk.say(b"RETR 2\r\n")), MESSAGE)

    def test_lost_uid_list(self) -> None:
        """When the UIDs of the folder start anew, no number means another message, and none is removed."""
        talk = self.logged_in(b"Subject: 1\r\n\r\n", b"Subject: 2\r\n\r\n")
        self.remove(1)
        os.unlink(f"{self.root}/dovecot-uidlist")
        self.assertNotIn(b"Subject", talk.say(b"RETR 1\r\n"))
        talk.say(b"DELE 1\r\nQUIT\r\n")
        self.assertEqual(len(os.listdir(f"{self.root}/new")), 1)

    def test_unique_ids(self) -> None:
        """UIDLs are the same in every session, are unique, and survive removals (RFC 1939 section 7)."""
        first = self.logged_in(MESSAGE, MESSAGE, MESSAGE)
        before = [line.split(b" ")[1] for line in decoded(first.say(b"UIDL\r\n")).splitlines()]
        first.say(b"DELE 1\r\nQUIT\r\n")
        talk = self.connect()
        talk.log_in()
        after = [line.split(b" ")[1] for line in decoded(talk.say(b"UIDL\r\n")).splitlines()]
        self.assertEqual(after, before[1:])
        self.assertEqual(len(set(before)), 3)
        for uidl in before:
            self.assertRegex(uidl, rb"^[\x21-\x7e]{1,70}$")

    def uidls(self) -> list[bytes]:
        talk = self.connect()
        talk.log_in()
        found = [line.split(b" ")[1] for line in decoded(talk.say(b"UIDL\r\n")).splitlines()]
        talk.say(b"QUIT\r\n")
        return found

    def test_ids_that_are_none(self) -> None:
        """What the uid list says is no unique-id where it holds other characters, or too many (RFC 1939)."""
        bases = (b"3.\xe9.h", b"4 b.h", b"5." + b"h" * 90, b"6.ok")
        self.put(MESSAGE)
        self.store.close()
        with open(f"{self.root}/dovecot-uidlist", "ab") as file:
            file.write(b"".join(b"%d P :%s\n" % (uid, base) for uid, base in enumerate(bases, 2)))
        for base in bases:
            with open(os.path.join(os.fsencode(self.root), b"cur", base + b":2,"), "wb") as file:
                file.write(MESSAGE)
        self.account = replace(self.account, store=self.open_store())
        self.logins.account = self.account
        found = self.uidls()
        validity = b"%08x" % self.account.store.mailbox(INBOX).uid_validity
        self.assertEqual(found[1:], [b"%08x" % uid + validity for uid in (2, 3, 4)] + [b"6.ok"])

    def test_whatever_the_list_says(self) -> None:
        """No two messages have one unique-id, also where the list says that of another for one."""
        self.put(*[MESSAGE] * 4)
        validity = self.store.mailbox(INBOX).uid_validity
        self.store.close()
        path = f"{self.root}/dovecot-uidlist"
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        for uid in (1, 2, 4):  # the id of message 3
            lines[uid] = lines[uid].replace(b" :", b" P%08x%08x :" % (3, validity))
        with open(path, "wb") as file:
            file.write(b"".join(lines))
        found = []
        for _ in range(2):
            self.account = replace(self.account, store=self.open_store())
            self.logins.account = self.account
            found.append(self.uidls())
        self.assertEqual(len(set(found[0])), 4)
        self.assertEqual(found[0], found[1], "nor do they change with a restart")

    def test_long_listing_fails(self) -> None:
        """What goes wrong in the middle of a listing ends the connection: no reply stands in it."""
        self.put(*[MESSAGE] * 1100)
        listed = Maildrop.listed

        def failing(maildrop: Maildrop) -> Iterator[tuple[int, Entry]]:
            for number, entry in listed(maildrop):
                if number > 1050:
                    raise ValueError("odd")
                yield number, entry

        self.patch(Maildrop, "listed", failing)
        self.patch(blocking, "PIECE", 1)
        talk = self.connect()
        talk.log_in()
        answer = talk.say(b"UIDL\r\n")
        self.assertEqual(answer.count(b"\r\n"), 1001)
        self.assertNotIn(b"-ERR", answer)
        self.failureResultOf(talk.served, ConnectionClosed)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_formats(self) -> None:
        """A configured form is written down with the UID, and outlives the configuration and the cache."""
        self.uidl = "UID%u-%v"
        self.put(MESSAGE, MESSAGE)
        validity = self.store.mailbox(INBOX).uid_validity
        wanted = [b"UID1-%d" % validity, b"UID2-%d" % validity]
        self.assertEqual(self.uidls(), wanted)
        self.uidl = DEFAULT
        self.put(MESSAGE)
        wanted.append(b"00000003%08x" % validity)
        self.assertEqual(self.uidls(), wanted)
        self.store.close()
        os.unlink(f"{self.root}/mailnode-index.sqlite")
        self.account = replace(self.account, store=self.open_store())
        self.logins.account = self.account
        self.assertEqual(self.uidls(), wanted)

    def test_another_server_before_us(self) -> None:
        """A tree whose ids were not written down has those of the form that the server before used."""
        self.put(MESSAGE)
        (base,) = (message.base for message in self.store.mailbox(INBOX).each([1]))
        self.uidl = "%f"
        self.assertEqual(self.uidls(), [base.encode()])

    def test_order_of_another_server(self) -> None:
        """Messages to which the uid list gives places come first, in that order; all others by UID."""
        self.put(*[b"Subject: %d\r\n\r\n" % number for number in range(1, 7)])
        self.store.close()
        path = f"{self.root}/dovecot-uidlist"
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        for uid, place in ((5, b"1"), (2, b"7"), (6, b"3"), (3, b"x")):
            lines[uid] = lines[uid].replace(b" :", b" O%s :" % place)
        with open(path, "wb") as file:
            file.write(b"".join(lines))
        self.account = replace(self.account, store=self.open_store())
        self.logins.account = self.account
        self.assertEqual([int(uidl[:8], 16) for uidl in self.uidls()], [5, 6, 2, 1, 3, 4])
        self.store = self.account.store
        self.put(MESSAGE)
        self.assertEqual([int(uidl[:8], 16) for uidl in self.uidls()], [5, 6, 2, 1, 3, 4, 7])
        self.store.mailbox(INBOX).expunge([6, 1])
        self.assertEqual([int(uidl[:8], 16) for uidl in self.uidls()], [5, 2, 3, 4, 7])

    def test_no_two_alike(self) -> None:
        """Where a form gives one id to a message and its copy, the later gets another."""
        self.uidl = "%g"
        self.put(MESSAGE)
        inbox = self.store.mailbox(INBOX)
        inbox.copy([1], inbox)
        first, second = self.uidls()
        self.assertNotEqual(first, second)
        self.assertEqual(second, b"00000002%08x" % inbox.uid_validity)
        talk = self.connect()
        talk.log_in()
        talk.say(b"DELE 1\r\nQUIT\r\n")
        self.assertEqual(self.uidls(), [second])
        self.account = replace(self.account, store=self.open_store())
        self.logins.account = self.account
        self.assertEqual(self.uidls(), [second], "an id of a message that is gone is nobody else's")


class Update(Pop3TestCase):
    """P3, P4: what DELE marked goes at QUIT, and only then."""

    def marked(self) -> Talk:
        talk = self.logged_in(MESSAGE, MESSAGE, MESSAGE)
        talk.say(b"DELE 1\r\nDELE 3\r\n")
        self.assertEqual(self.kept(), [1, 2, 3])
        return talk

    def test_quit(self) -> None:
        """QUIT removes, tells the feed and the bus, and lets go of the lock before it answers."""
        talk = self.marked()
        woken: list[bool] = []
        self.feed.watch((ADDRESS, ("INBOX",)), lambda: woken.append(True))
        self.assertEqual(talk.say(b"QUIT\r\n"), b"+OK Goodbye\r\n")
        self.assertEqual((self.kept(), woken), ([2], [True]))
        (event,) = self.events
        assert isinstance(event, Expunged)
        self.assertEqual((event.connection, event.address, event.mailbox), ("C1", ADDRESS, "INBOX"))
        self.assertEqual((event.count, event.uids, len(set(event.names))), (2, "1,3", 2))
        self.assertTrue(self.connect().log_in().startswith(b"+OK 1 message"))

    def test_what_was_read_is_told(self) -> None:
        """A session tells at its end which messages it was sent whole, however it ends."""
        talk = self.logged_in(MESSAGE, MESSAGE, MESSAGE)
        talk.say(b"RETR 3\r\nTOP 2 0\r\nRETR 1\r\n")
        self.assertEqual(self.events, [])
        talk.lose()
        (event,) = self.events
        assert isinstance(event, Retrieved)
        self.assertEqual((event.connection, event.uids, len(set(event.names))), ("C1", "3,1", 2))

    def test_quit_without_marks(self) -> None:
        """Without marks nothing is announced."""
        talk = self.marked()
        talk.say(b"RSET\r\nQUIT\r\n")
        self.assertEqual((self.kept(), self.events), ([1, 2, 3], []))

    def test_lost(self) -> None:
        """P3: a connection that goes before QUIT deletes nothing."""
        talk = self.marked()
        talk.say(b"QUI")
        talk.lose()
        self.failureResultOf(talk.served, ConnectionClosed)
        self.assertEqual(self.kept(), [1, 2, 3])

    def test_sent_away(self) -> None:
        """Nor does a session that the server ends."""
        talk = self.marked()
        talk.say(b"XTND\r\n" * 10)
        self.successResultOf(talk.served)
        self.assertEqual(self.kept(), [1, 2, 3])

    def test_failure(self) -> None:
        """When removing fails the reply says so, and the lock is free."""
        talk = self.marked()

        def expunge(_: Mailbox, uids: object) -> list[int]:
            raise OSError(5, "Input/output error")

        self.patch(Mailbox, "expunge", expunge)
        answer = talk.say(b"QUIT\r\n")
        self.assertEqual(answer, b"-ERR [SYS/TEMP] some deleted messages not removed\r\n")
        self.successResultOf(talk.served)
        self.assertEqual(self.kept(), [1, 2, 3])
        self.assertTrue(self.connect().log_in().startswith(b"+OK 3 messages"))


def cut(text: bytes, size: int) -> list[bytes]:
    """The text in pieces."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def plain_top(message: bytes, count: int) -> bytes:
    """TOP, the slow and obvious way."""
    head, blank, body = (b"\r\n" + message).partition(b"\r\n\r\n")
    lines = body.split(b"\n")
    taken = b"\n".join(lines[:count]) + (b"\n" if count < len(lines) and count else b"")
    return (head + blank + taken)[2:]


class Tops(SynchronousTestCase):
    """top() and dotted()"""

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(st.sampled_from([b"", b"a", b".", b"bc", b"\r"]), max_size=12),
        st.booleans(),
        st.integers(0, 14),
        st.integers(1, 9),
    )
    def test_any_message_any_cut(self, lines: list[bytes], ended: bool, count: int, size: int) -> None:
        """The header, the blank line and `count` lines, wherever the chunks are cut."""
        message = b"\r\n".join(lines) + (b"\r\n" if ended else b"")
        self.assertEqual(b"".join(top(cut(message, size), count)), plain_top(message, count))

    def test_reads_no_further(self) -> None:
        """The file is not read beyond what is sent."""
        read: list[bytes] = []

        def chunks() -> Iterator[bytes]:
            for chunk in (b"A: b\r\n\r\n", b"one\r\n", b"two\r\n", b"three\r\n"):
                read.append(chunk)
                yield chunk

        with closing(top(chunks(), 1)) as result:  # type: ignore[type-var]
            self.assertEqual(b"".join(result), b"A: b\r\n\r\none\r\n")
        self.assertEqual(len(read), 2)

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.sampled_from([b"", b".", b"..", b"a", b".a"]), max_size=8), st.integers(1, 5))
    def test_dotted(self, lines: list[bytes], size: int) -> None:
        """What a client takes out of a response is what went in."""
        message = b"".join(line + b"\r\n" for line in lines)
        response = b"".join(dotted(b"+OK\r\n", cut(message, size)))
        self.assertEqual(decoded(response), message)
