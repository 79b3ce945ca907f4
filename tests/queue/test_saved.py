"""mailnode.queue.saved: the queue in a backup, and back."""

import os
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.queue.entry import Entry
from mailnode.queue.saved import NoQueue, PutBack, put_back, save
from mailnode.queue.spool import Spool
from mailnode.store.backup import Directory
from tests.queue.test_spool import BODY, entry
from tests.scratch import room_of


class Saving(SynchronousTestCase):
    """Two messages wait when the backup is made."""

    def setUp(self) -> None:
        self.files = FileSystem()
        self.path = f"{room_of(self)}/queue"
        self.spool = Spool(self.files, self.path)
        self.entries = [entry("A1"), entry("B2", 9.0)]
        for one in self.entries:
            arriving = self.spool.arriving(one.id)
            arriving.write(BODY)
            arriving.accept(one)
        self.root = f"{os.path.dirname(self.path)}/backup"
        self.count = self.save(self.files)

    def save(self, files: FileSystem) -> int:
        return save(Directory(FileSystem(), self.root, []), files, self.spool)

    def back(self, *done: str) -> PutBack:
        return put_back(self.spool, FileSystem(), self.root, lambda: done)

    def bodies(self) -> set[bytes]:
        found = set()
        for name in self.spool.names():
            with self.spool.body(name) as body:
                found.add(body.read_at(0, 1000))
        return found

    def test_back(self) -> None:
        """What is gone comes back as it was, octet for octet; what is there stays as it is."""
        self.assertEqual(self.count, 2)
        self.spool.remove("A1")
        changed = replace(self.entries[1], tries=7)
        self.spool.save(changed)
        self.assertEqual(self.back(), PutBack(["A1"], known=1))
        self.assertEqual([self.spool.read("A1"), self.spool.read("B2")], [self.entries[0], changed])
        self.assertEqual(self.bodies(), {BODY})
        self.assertEqual(self.back(), PutBack(known=2))

    def test_done(self) -> None:
        """What has left the queue since is not put back; what leaves it at this moment neither."""
        self.spool.remove("B2")
        self.assertEqual(self.back("B2"), PutBack(known=1, done=1))

        def leaves() -> tuple[str]:
            self.spool.remove("A1")
            return ("B2",)

        self.assertEqual(put_back(self.spool, FileSystem(), self.root, leaves), PutBack(known=1, done=1))
        self.assertEqual(self.spool.names(), [])

    def test_damaged(self) -> None:
        """What is not what was written, or only half there, stays out and leaves nothing behind."""
        for name in ("A1", "B2"):
            self.spool.remove(name)
        with open(f"{self.root}/queue/A1.body", "ab") as file:
            file.write(b"x")
        os.unlink(f"{self.root}/queue/B2.body")
        self.assertEqual(self.back(), PutBack(damaged=2))
        self.assertEqual(os.listdir(self.path), [])
        with open(f"{self.root}/queue/A1.envelope", "wb") as file:
            file.write(b"{}")
        self.assertEqual(self.back(), PutBack(damaged=2))

    def test_nothing(self) -> None:
        """A backup without a queue says so."""
        empty = f"{self.root}/mail"
        self.assertRaises(NoQueue, put_back, self.spool, FileSystem(), empty, tuple)

    def test_meanwhile(self) -> None:
        """A message that is done while it is looked at is left out; one that changes is what it was."""
        spool = self.spool

        class Busy(FileSystem):
            """Somebody works at the queue."""

            def read(self, path: str, *, limit: int | None = None) -> bytes:
                data = super().read(path) if limit is None else super().read(path, limit=limit)
                if path.endswith("A1.envelope"):
                    spool.remove("A1")
                elif path.endswith("B2.envelope"):
                    spool.save(replace(spool.read("B2"), tries=1))
                return data

        self.root += "2"
        self.assertEqual(self.save(Busy()), 1)
        self.spool.remove("B2")
        self.assertEqual(self.back(), PutBack(["B2"]))
        self.assertEqual(self.spool.read("B2"), self.entries[1])
        self.assertIsInstance(self.spool.read("B2"), Entry)
