"""The spool, on a real disk."""

import errno
import itertools
import os
import random
import time
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mailnode import fs
from mailnode.envelope import Envelope, Recipient
from mailnode.fs import FileSystem
from mailnode.queue import spool
from mailnode.queue.entry import Entry, encode, new_entry
from mailnode.queue.spool import Acceptance, Found, Spool, Unreadable
from mailnode.wire.address import Address
from tests.scratch import scratch

ENVELOPE = Envelope(Address("anna", "a.example"), recipients=(Recipient(Address("bob", "a.example")),))
BODY = b"Received: x\r\nSubject: a\r\n\r\nbare\n\0\r\n"


def entry(name: str, due: float = 5.0) -> Entry:
    """An entry."""
    return new_entry(name, ENVELOPE, came=1.0, due=due)


class Failing(FileSystem):
    """Fails one kind of call."""

    fails = ""

    def rename(self, source: str, target: str) -> None:
        """Rename, or fail."""
        if self.fails == "rename":
            raise OSError(errno.EIO, "broken")
        super().rename(source, target)

    def sync_directory(self, path: str) -> None:
        """Sync, or fail."""
        if self.fails == "sync":
            raise OSError(errno.EIO, "broken")
        super().sync_directory(path)


class Spools(SynchronousTestCase):
    """Spool and Arriving."""

    def setUp(self) -> None:
        room = scratch()
        self.addCleanup(room.cleanup)
        self.path = os.path.join(room.name, "state", "queue")
        self.files = Failing()
        self.spool = Spool(self.files, self.path)

    def accepted(self, name: str, due: float = 5.0) -> Entry:
        """A message that was accepted."""
        one = entry(name, due)
        arriving = self.spool.arriving(name)
        arriving.write(BODY[:5])
        arriving.write(BODY[5:])
        arriving.accept(one)
        return one

    def listed(self) -> list[str]:
        """The names in the folder."""
        return sorted(os.listdir(self.path))

    def plant(self, name: str, octets: bytes = b"") -> None:
        """A file that is there."""
        os.makedirs(self.path, exist_ok=True)
        with open(os.path.join(self.path, name), "wb") as file:
            file.write(octets)

    def test_life(self) -> None:
        """Accepted, read, changed, read by another process, removed."""
        one = self.accepted("A1")
        self.assertEqual(self.listed(), ["A1.body", "A1.envelope"])
        self.assertEqual(self.spool.read("A1"), one)
        with self.spool.body("A1") as body:
            self.assertEqual(body.read_at(0, 1000), BODY)
        self.spool.save(entry("A1", 9.0))
        again = Spool(FileSystem(), self.path)
        self.assertEqual(list(again.scan()), [Found("A1", 9.0, came=1.0)])
        self.assertEqual(again.names(), ["A1"])
        again.remove("A1")
        self.assertEqual((self.listed(), list(again.scan()), again.names()), ([], [], []))

    def test_several_at_once(self) -> None:
        """Several go with one fsync, but for one that the disk does not let go of."""
        names = ["A1", "B2", "C3"]
        for name in names:
            self.accepted(name)
        unlink, synced = self.files.unlink, []
        gone = OSError(errno.EIO, "broken")

        def failing(path: str, **how: bool) -> None:
            if "B2.envelope" in path:
                raise gone
            unlink(path, **how)

        with (
            patch.object(self.files, "unlink", failing),
            patch.object(self.files, "sync_directory", synced.append),
        ):
            self.assertEqual(self.spool.remove_all(names), [None, gone, None])
        self.assertEqual((synced, sorted(os.listdir(self.path))), ([self.path], ["B2.body", "B2.envelope"]))
        self.files.fails = "sync"
        [error] = self.spool.remove_all(["B2"])
        self.assertIsInstance(error, OSError)
        self.assertEqual(os.listdir(self.path), ["B2.body"])

    def test_opened(self) -> None:
        """An entry comes with the beginning of its content, or without; none spoils another."""
        for name in ("A1", "B2", "C3"):
            self.accepted(name)
        whole = self.files.read(os.path.join(self.path, "A1.body"))
        os.unlink(os.path.join(self.path, "B2.body"))
        os.unlink(os.path.join(self.path, "C3.envelope"))
        with patch.object(spool, "BEGINNING", 4):
            first, second, third = self.spool.open_all(["A1", "B2", "C3"])
            [alone] = self.spool.beginnings(["A1"])
        self.assertEqual(first, (self.spool.read("A1"), (len(whole), whole[:4])))
        self.assertEqual(second, (self.spool.read("B2"), None))
        self.assertIsInstance(third, FileNotFoundError)
        self.assertEqual(alone, (len(whole), whole[:4]))

    def test_nothing_there(self) -> None:
        """Without a folder there is nothing in it, and looking makes none."""
        self.assertEqual(self.spool.names(), [])
        self.assertFalse(os.path.exists(self.path))

    def test_modes(self) -> None:
        """X1: nobody but the owner reads what waits."""
        self.accepted("A1")
        for name in ("", "A1.body", "A1.envelope"):
            self.assertEqual(os.stat(os.path.join(self.path, name)).st_mode & 0o077, 0)

    def test_owner(self) -> None:
        """What root changes by hand stays the server's."""
        if os.geteuid():
            raise SkipTest("only root can give files away")
        self.accepted("A1")
        os.chown(os.path.join(self.path, "A1.envelope"), 12345, 12346)
        self.spool.save(entry("A1", 9.0))
        facts = os.stat(os.path.join(self.path, "A1.envelope"))
        self.assertEqual((facts.st_uid, facts.st_gid, facts.st_mode & 0o777), (12345, 12346, 0o600))

    def test_too_large(self) -> None:
        """An envelope that could not be read again is not taken, and nothing is left of the message."""
        self.patch(spool, "LARGEST_ENVELOPE", 100_000)
        many = (Recipient(Address("b" * 250, "a.example")),) * 500
        arriving = self.spool.arriving("A1")
        large = new_entry("A1", Envelope(None, recipients=many), came=1.0, due=2.0)
        self.assertRaises(OSError, arriving.accept, large)
        arriving.abort()
        self.assertEqual(self.listed(), [])

    def test_abort(self) -> None:
        """Nothing is left of a message that does not come to its end."""
        arriving = self.spool.arriving("A1")
        arriving.abort()
        arriving.write(BODY)
        arriving.abort()
        arriving.abort()
        self.assertEqual(self.listed(), [])

    def test_abort_after_accept(self) -> None:
        """What was accepted stays."""
        arriving = self.spool.arriving("A1")
        arriving.write(BODY)
        arriving.accept(entry("A1"))
        arriving.abort()
        self.assertEqual(self.listed(), ["A1.body", "A1.envelope"])

    def test_withdraw(self) -> None:
        """What was accepted goes too, unless the disk does not let go of it."""
        arriving = self.spool.arriving("A1")
        arriving.write(BODY)
        arriving.accept(entry("A1"))
        with patch.object(FileSystem, "unlink", side_effect=OSError(errno.EIO, "broken")):
            arriving.withdraw()
        self.assertEqual(self.listed(), ["A1.body", "A1.envelope"])
        arriving.withdraw()
        self.assertEqual(self.listed(), [])

    def test_not_accepted(self) -> None:
        """D3: when the end fails, nothing of it stays, so that the sender may send it again."""
        for fails in ("rename", "sync"):
            arriving = self.spool.arriving("A1")
            arriving.write(BODY)
            self.files.fails = fails
            self.assertRaises(OSError, arriving.accept, entry("A1"))
            arriving.abort()
            self.files.fails = ""
            self.assertEqual(self.listed(), [])

    def test_accepted_together(self) -> None:
        """Several come with one fsync of the folder; one that fails does the others no harm (D3)."""
        names = ["A1", "B2", "C3"]
        errors_and_bugs = OSError(errno.EIO, "broken"), RuntimeError("a bug")
        steps = "NewFile.write", "NewFile.sync", "Replacement.place"
        for failing, error in itertools.product(steps, errors_and_bugs):
            count = itertools.count()
            original = getattr(fs, failing.split(".")[0]).__dict__[failing.split(".")[1]]

            def fails(
                self: object, *args: object, count: Any = count, original: Any = original, error: Any = error
            ) -> None:
                if next(count) == 2:
                    raise error
                original(self, *args)

            several = [Acceptance(self.spool.arriving(name), BODY, entry(name)) for name in names]
            with patch(f"mailnode.fs.{failing}", fails), patch.object(self.files, "sync_directory") as synced:
                self.spool._files.make_directories(self.path)
                synced.reset_mock()
                errors = self.spool.accept_all(several)
            synced.assert_called_once_with(self.path)
            there = [name for name, wrong in zip(names, errors, strict=True) if wrong is None]
            self.assertEqual(len(there), 2, failing)
            for one in several:
                one.arriving.abort()
            self.assertEqual(
                self.listed(), sorted(f"{name}.{end}" for name in there for end in ("body", "envelope"))
            )
            self.assertEqual(self.spool._taken, set())
            self.assertEqual(self.spool.remove_all(there), [None, None])

    def test_folder_that_cannot_be_synced(self) -> None:
        """Its error is that of all, but of one that had its own (D3)."""
        self.accepted("A1")
        self.files.fails = "sync"
        several = [Acceptance(self.spool.arriving(name), BODY, entry(name)) for name in ("A1", "B2", "C3")]
        errors = self.spool.accept_all(several)
        self.assertEqual([type(error) for error in errors], [FileExistsError, OSError, OSError])
        for one in several:
            one.arriving.abort()
        self.assertEqual(self.listed(), ["A1.body", "A1.envelope"])

    def test_same_id(self) -> None:
        """A second message of the same id does not touch the first."""
        self.accepted("A1")
        second = self.spool.arriving("A1")
        self.assertRaises(FileExistsError, second.write, b"x")
        second.abort()
        self.assertEqual(self.listed(), ["A1.body", "A1.envelope"])

    def test_strays(self) -> None:
        """A start removes what a crash left half made: a body without envelope, a temporary file."""
        self.accepted("A1")
        self.plant("B2.body", b"half")
        self.plant("A1.envelope.new.123", b"{")
        self.plant("C3.envelope.new.5", b"{")
        self.assertEqual(list(self.spool.scan()), [Found("A1", 5.0, came=1.0)])
        self.assertEqual(self.listed(), ["A1.body", "A1.envelope"])

    def test_what_comes_in_is_no_stray(self) -> None:
        """A start leaves alone what is being written meanwhile, and what was accepted meanwhile."""
        one, two = self.spool.arriving("A1"), self.spool.arriving("B2")
        one.write(BODY)
        two.write(BODY)
        self.plant("0.envelope", b"")  # makes the scan stop before it comes to the others
        scan = self.spool.scan()
        self.assertIn("put aside", next(scan).wrong)
        two.accept(entry("B2"))
        self.assertEqual(list(scan), [])
        one.accept(entry("A1"))
        self.assertEqual([found.name for found in self.spool.scan()], ["A1", "B2"])

    def test_of_one_process(self) -> None:
        """Only what has ids that begin so is looked at, and mended."""
        self.accepted("1UA")
        self.accepted("11UA")
        for name in ("1UB.body", "11UB.body", "1UC.envelope.new.5", "11UC.envelope.new.5", "B2.body"):
            self.plant(name, b"half")
        self.assertEqual(list(self.spool.scan("1U")), [Found("1UA", 5.0, came=1.0)])
        left = ["11UA.body", "11UA.envelope", "11UB.body", "11UC.envelope.new.5", "1UA.body", "1UA.envelope"]
        self.assertEqual(self.listed(), [*left, "B2.body"])

    def test_put_aside(self) -> None:
        """What is torn or foreign is put aside with one line, body and all, and is never lost."""
        self.accepted("A1")
        whole = encode(entry("B2"))
        for name, octets in (
            ("B2.envelope", whole[:50]),
            ("B2.body", BODY),
            ("C3.envelope", whole),
            ("C3.body", BODY),
            ("D4.envelope", encode(entry("D4"))),
            ("notes.txt", b"mine"),
            ("é.envelope", b"{}"),
        ):
            self.plant(name, octets)
        found = list(self.spool.scan())
        self.assertEqual([one.name for one in found if not one.wrong], ["A1"])
        self.assertEqual(
            [one.name for one in found if one.wrong],
            ["B2.envelope", "C3.envelope", "D4.envelope", "notes.txt", "é.envelope"],
        )
        self.assertIn("another message", found[2].wrong)
        self.assertIn("its message is missing", found[3].wrong)
        self.assertEqual(self.listed(), ["A1.body", "A1.envelope", "aside"])
        self.assertEqual(len(os.listdir(os.path.join(self.path, "aside"))), 7)
        self.assertEqual([one.wrong for one in self.spool.scan()], [""])

    def test_aside_keeps_all(self) -> None:
        """A second file of the same name does not replace the first."""
        for octets in (b"one", b"two", b"three"):
            self.plant("notes.txt", octets)
            self.assertEqual(len(list(self.spool.scan())), 1)
        self.assertEqual(len(os.listdir(os.path.join(self.path, "aside"))), 3)

    def test_planted(self) -> None:
        """X2: a symlink or a FIFO is not followed and does not hang; it is told and left as it is."""
        self.accepted("A1")
        os.symlink("/etc/passwd", os.path.join(self.path, "B2.envelope"))
        os.mkfifo(os.path.join(self.path, "C3.envelope"))
        found = list(self.spool.scan())
        self.assertEqual([one.name for one in found], ["A1", "B2.envelope", "C3.envelope"])
        self.assertTrue(all("left as it is" in one.wrong for one in found[1:]))

    def test_ids(self) -> None:
        """An id that is none leads nowhere, above all not out of the folder."""
        self.accepted("A1")
        for name in ("", ".", "..", "../queue/A1", "A1/", "A1.", "B2", "a" * 65, "A\0"):
            self.assertRaises(FileNotFoundError, self.spool.read, name)
            self.assertRaises(FileNotFoundError, self.spool.body, name)
            self.assertRaises(FileNotFoundError, self.spool.remove, name) if name != "B2" else None

    def test_unreadable(self) -> None:
        """An envelope that is torn while the server runs."""
        self.accepted("A1")
        self.plant("A1.envelope", b"{}")
        self.assertRaises(Unreadable, self.spool.read, "A1")

    def test_many(self) -> None:
        """Ten thousand messages are found in seconds."""
        os.makedirs(self.path)
        ids = [f"{number:05}" for number in range(10_000)]
        random.Random(1).shuffle(ids)
        text = encode(entry("ID")).decode()
        for name in ids:
            self.plant(f"{name}.envelope", text.replace('"ID"', f'"{name}"').encode())
            self.plant(f"{name}.body")
        begun = time.process_time()
        self.assertEqual(sum(not one.wrong for one in self.spool.scan()), 10_000)
        self.assertLess(time.process_time() - begun, 10)
