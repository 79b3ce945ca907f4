r"""What readers of a shared mailbox have read."""

import errno
import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.store.seen import CHANGES, FILE_NAME, Seen, SeenFile
from mailnode.wire.imap import sequence
from tests.scratch import room_of

UIDS = st.sets(st.integers(1, 30), min_size=1)
G = "0" * 32


class SeenTests(SynchronousTestCase):
    r"""The \Seen of one reader."""

    @given(st.lists(st.tuples(st.booleans(), UIDS), max_size=2 * CHANGES))
    def test_like_a_set(self, changes: list[tuple[bool, set[int]]]) -> None:
        """Each UID is seen or not as its last change says, and no change is missed by who asks since when."""
        seen, expected, last = Seen(), set(), {}
        for modseq, (add, uids) in enumerate(changes, 1):
            seen.apply(modseq, "+" if add else "-", list(sequence.runs(sorted(uids))))
            expected = expected | uids if add else expected - uids
            last.update(dict.fromkeys(uids, modseq))
        self.assertEqual({uid for uid in range(40) if uid in seen}, expected)
        for uid in range(1, 31):
            self.assertEqual(seen.modseq(uid), max(last.get(uid, 0), seen.floor))
        for since in (0, seen.floor, len(changes) // 2, len(changes)):
            told = {uid for span in seen.changed(since) for uid in range(1, 31) if uid in span}
            self.assertGreaterEqual(told, {uid for uid, modseq in last.items() if modseq > since})
            if since >= seen.floor:
                self.assertEqual(told, {uid for uid, modseq in last.items() if modseq > since})


class FileTests(SynchronousTestCase):
    """The file."""

    def setUp(self) -> None:
        self.files = FileSystem()
        self.directory = room_of(self)
        os.mkdir(self.directory)

    def file(self, validity: int = 7) -> SeenFile:
        """The file as a server reads it that has just started."""
        found = SeenFile(self.files, self.directory, validity=validity, guid=G)
        found.load()
        return found

    def text(self) -> str:
        """What stands in it."""
        with open(f"{self.directory}/{FILE_NAME}", encoding="utf-8") as file:
            return file.read()

    def test_form(self) -> None:
        """A line for each change, behind one that says of which UIDs."""
        file = self.file()
        file.change("ben@x", 100, [1, 2, 3, 9], seen=True)
        file.change("ann@x", 101, [9], seen=True)
        file.change("ben@x", 102, [2], seen=False)
        self.assertEqual(self.text(), f"1 V7 G{G}\n100 ben@x + 1:3,9\n101 ann@x + 9\n102 ben@x - 2\n")
        again = self.file()
        self.assertEqual([uid for uid in range(12) if uid in again.of("ben@x")], [1, 3, 9])
        self.assertEqual([again.of("ben@x").modseq(uid) for uid in (1, 2, 4)], [100, 102, 0])
        self.assertEqual((again.newest, 9 in again.of("ann@x"), 9 in again.of("nobody")), (102, True, False))

    def test_written_anew(self) -> None:
        """It does not grow for ever, and says the same afterwards."""
        file = self.file()
        for number in range(10 * CHANGES):
            file.change("ben@x", 1000 + number, [1 + number % 7], seen=number % 3 > 0)
        self.assertLess(len(self.text().splitlines()), 4 * CHANGES)
        again = self.file()
        for uid in range(9):
            self.assertEqual(uid in again.of("ben@x"), uid in file.of("ben@x"))
            self.assertGreaterEqual(again.of("ben@x").modseq(uid), file.of("ben@x").modseq(uid))

    def test_other_uids(self) -> None:
        """Where UIDs mean something else nothing is seen, and the next change begins a new file."""
        self.file().change("ben@x", 100, [1], seen=True)
        other = self.file(validity=8)
        self.assertNotIn(1, other.of("ben@x"))
        other.change("ben@x", 200, [2], seen=True)
        self.assertEqual(self.text(), f"1 V8 G{G}\n200 ben@x + 2\n")

    def test_torn_and_strange_lines(self) -> None:
        """They are passed over, nothing is added behind them, and the next change mends the file."""
        with open(f"{self.directory}/{FILE_NAME}", "w", encoding="utf-8") as file:
            file.write(
                f"1 V7 G{G}\n100 ben@x + 1:2\nxyzzy\n1 ben@x * 4\n2 ben@x + 0\n² ben@x + 5\n103 ben@x + 3:"
            )
        found = self.file()
        self.assertEqual([uid for uid in range(9) if uid in found.of("ben@x")], [1, 2])
        found.change("ben@x", 104, [8], seen=True)
        self.assertEqual(self.text(), f"1 V7 G{G}\n100 ben@x + 1:2\n104 ben@x + 8\n")

    @given(st.text())
    def test_any_file_is_read(self, text: str) -> None:
        """Whatever stands there, nothing is raised."""
        with open(f"{self.directory}/{FILE_NAME}", "w", encoding="utf-8", errors="replace") as file:
            file.write(f"1 V7 G{G}\n{text}")
        self.file()

    def test_another_process(self) -> None:
        """What somebody else has written is read."""
        mine, theirs = self.file(), self.file()
        theirs.change("ben@x", 100, [1], seen=True)
        mine.load()
        self.assertIn(1, mine.of("ben@x"))

    def test_trouble(self) -> None:
        """A change that could not be kept is none, and the next one writes the file anew."""
        file = self.file()
        file.change("ben@x", 100, [1], seen=True)

        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "no")

        self.patch(self.files, "append", fail)
        self.assertRaises(OSError, file.change, "ben@x", 101, [2], seen=True)
        file.load()
        self.assertNotIn(2, file.of("ben@x"))
        file.change("ben@x", 102, [3], seen=True)
        self.assertEqual(self.text(), f"1 V7 G{G}\n100 ben@x + 1\n102 ben@x + 3\n")
