"""mailnode.store.usage: what an account holds is what its files say, whatever was done, and by whom."""

import errno
import os
import random
import shutil
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.fs import FileSystem
from mailnode.store import usage as usage_module
from mailnode.store.account import Account
from mailnode.store.index import FILE_NAME
from mailnode.store.usage import Ledger, Usage
from mailnode.store.values import FLAGGED, INBOX, Name
from tests.store.support import MESSAGE, FaultyFiles, StoreTestCase, sum_of_files

WORK: Name = ("Work",)
ON_DISK = len(MESSAGE.replace(b"\r\n", b"\n"))


class Counting(FaultyFiles):
    """Counts how often a new/ or cur/ is read."""

    def names(self, path: str) -> list[str]:
        if path.endswith(("/new", "/cur")):
            self.calls.append("read")
        return super().names(path)

    def readings(self) -> int:
        """Since the last time."""
        count = self.calls.count("read")
        self.calls.clear()
        return count


class UsageTests(StoreTestCase):
    """One account, on a disk that counts readings."""

    def setUp(self) -> None:
        super().setUp()
        self.files = self.counting = Counting()
        self.anna = self.account()

    def assert_exact(self, account: Account | None = None) -> None:
        """The usage is the sum of the files."""
        account = account or self.anna
        self.assertEqual(account.usage(), sum_of_files(account.root))

    def foreign(self, directory: str, name: str, octets: bytes) -> None:
        """Another program puts a file there."""
        with self.elsewhere(os.path.dirname(directory)), open(f"{directory}/{name}", "wb") as file:
            file.write(octets)

    def test_nothing_there(self) -> None:
        """An account that was never used holds nothing, and asking does not make it."""
        self.assertEqual(self.anna.usage(), Usage())
        self.anna.close()
        self.assertFalse(os.path.exists(self.anna.root))

    def test_who_did_not_ask_pays_nothing(self) -> None:
        """Without a limit nothing is counted, marked or read."""
        with patch.object(usage_module, "Ledger", side_effect=AssertionError):
            self.deliver(self.anna)
            self.append(self.anna)
            self.anna.mailbox(INBOX).claim_recent()
        times = [call for call in self.counting.calls if call == "read"]
        before = os.stat(f"{self.anna.root}/new").st_mtime_ns
        self.deliver(self.anna)
        self.assertEqual([call for call in self.counting.calls if call == "read"], times)
        self.assertLess(os.stat(f"{self.anna.root}/new").st_mtime_ns - before, 10**15)  # no mark of ours

    def test_own_changes_cost_no_reading(self) -> None:
        """Deliveries, appends, copies and expunges are counted without reading a directory again."""
        self.deliver(self.anna)
        self.anna.create(WORK)
        self.assert_exact()
        inbox, work = self.anna.mailbox(INBOX), self.anna.mailbox(WORK)
        self.counting.readings()
        ledger = self.anna._ledger()
        with patch.object(ledger, "_read", side_effect=AssertionError("a directory was read")):
            for _ in range(3):
                self.deliver(self.anna)
                self.assert_exact()
            self.append(self.anna, WORK)
            inbox.claim_recent()
            self.assert_exact()
            inbox.copy(list(inbox.uids)[:2], work)
            self.assert_exact()
            work.set_flags(work.uids, "add", frozenset({FLAGGED}))
            inbox.expunge(list(inbox.uids)[:3])
            self.assert_exact()
        self.assertEqual(self.anna.usage(), Usage(4 * ON_DISK, 4))

    def test_gains_are_believed_for_a_while(self) -> None:
        """After DOUBT a directory that we changed is read once more, and what had no trace is found."""
        self.deliver(self.anna)
        self.assert_exact()
        self.deliver(self.anna)
        self.assert_exact()
        new = f"{self.anna.root}/new"
        times = os.stat(new)
        self.foreign(new, "hidden", b"in the very moment of our change")
        os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.assertEqual(self.anna.usage().messages, 2)
        self.clock += usage_module.DOUBT_NS / 1e9
        self.assert_exact()
        self.counting.readings()
        self.assert_exact()
        self.assertEqual(self.counting.readings(), 0)

    def test_doubt_does_not_grow(self) -> None:
        """Where mail comes all the time, the one more reading is not put off for ever."""
        self.deliver(self.anna)
        self.assert_exact()
        readings = 0
        for _ in range(12):
            self.clock += usage_module.DOUBT_NS / 4e9
            self.counting.readings()
            self.assert_exact()
            readings += self.counting.readings()
            self.deliver(self.anna)
        self.assertIn(readings, (2, 3))

    def test_changed_while_marked(self) -> None:
        """What another program does just after we have set our mark is found at once."""
        self.deliver(self.anna)
        self.assert_exact()
        new = f"{self.anna.root}/new"
        set_time = self.files.set_time

        def and_another(path: str, nanoseconds: int) -> None:
            set_time(path, nanoseconds)
            with open(f"{new}/1.a.host", "wb") as file:
                file.write(b"12345")

        with patch.object(self.files, "set_time", and_another):
            self.deliver(self.anna)
        self.assertEqual(self.anna.usage().messages, 3)
        self.assert_exact()

    def test_a_time_that_is_now(self) -> None:
        """A directory that changed within the tick is read again, until its time is old enough to believe."""
        self.deliver(self.anna)
        new = f"{self.anna.root}/new"
        self.foreign(new, "first", b"12345")
        self.clock = os.stat(new).st_mtime + 0.001
        self.assert_exact()
        times = os.stat(new)
        self.foreign(new, "second", b"1234567")
        os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.assert_exact()

    def test_what_counts(self) -> None:
        """Regular files that may be messages, no dot files or symlinks; sizes from names, else from files."""
        self.append(self.anna)
        for name in ("1.a.host,S=5:2,S", "2.b.host", "3.c.host:2,"):
            self.foreign(f"{self.anna.root}/cur", name, b"12345")
        os.symlink("/etc/passwd", f"{self.anna.root}/cur/4.d.host")
        os.mkdir(f"{self.anna.root}/new/5.e.host")
        self.foreign(f"{self.anna.root}/new", ".dot", b"12345")
        self.assertEqual(self.anna.usage(), Usage(ON_DISK + 15, 4))

    def test_sizes_that_no_name_states(self) -> None:
        """A message without a size in its name that goes is found by reading."""
        self.append(self.anna)
        self.foreign(f"{self.anna.root}/new", "1.a.host", b"12345")
        self.assert_exact()
        inbox = self.anna.mailbox(INBOX)
        inbox.claim_recent()
        self.assert_exact()
        inbox.expunge(list(inbox.uids))
        self.assertEqual(self.anna.usage(), Usage())

    def test_folders_come_and_go(self) -> None:
        """A folder counts under any name; what is deleted counts no more."""
        self.anna.create(WORK)
        self.append(self.anna, WORK)
        self.append(self.anna, INBOX)
        self.assert_exact()
        self.anna.rename(WORK, ("Play",))
        self.assert_exact()
        version = self.anna.usage_version
        self.anna.delete(("Play",))
        self.assert_exact()
        self.assertNotEqual(self.anna.usage_version, version)
        self.anna.rename(INBOX, WORK)
        self.assertEqual(self.anna.usage(), Usage(ON_DISK, 1))

    def test_restart(self) -> None:
        """A new process reads only what has changed; without a cache, everything."""
        for name in (WORK, ("Play",)):
            self.anna.create(name)
            self.append(self.anna, name)
        self.append(self.anna, INBOX)
        self.clock += 1
        self.assert_exact()
        self.anna.close()
        self.counting.readings()
        self.assert_exact(self.account())
        self.assertEqual(self.counting.readings(), 0)
        self.foreign(f"{self.anna.root}/.Work/cur", "1.a.host", b"12345")
        self.assert_exact(self.account())
        self.assertEqual(self.counting.readings(), 2)
        os.unlink(f"{self.anna.root}/{FILE_NAME}")
        self.assert_exact(self.account())
        self.assertEqual(self.counting.readings(), 6)

    def test_restored_tree(self) -> None:
        """A tree that was copied with its times and its cache is not believed to hold what the cache says."""
        self.append(self.anna)
        self.assert_exact()
        self.anna.close()
        copied = f"{self.base}/ben"
        shutil.copytree(self.anna.root, copied)
        for name in os.listdir(f"{copied}/new"):
            os.unlink(f"{copied}/new/{name}")
        shutil.copystat(f"{self.anna.root}/new", f"{copied}/new")
        self.assertEqual(self.account("ben").usage(), Usage())

    def test_crash(self) -> None:
        """What was not saved is read again; nothing is saved for every single message."""
        self.deliver(self.anna)
        self.assert_exact()
        self.deliver(self.anna)
        with patch.object(Ledger, "save", side_effect=AssertionError):
            self.assert_exact()
        self.assert_exact(self.account())

    def test_much_is_saved(self) -> None:
        """After so many names the cache is written, without waiting for the end."""
        self.deliver(self.anna)
        with patch.object(usage_module, "UNSAVED_NAMES", 1):
            self.assert_exact()
        self.counting.readings()
        self.assert_exact(self.account())
        self.assertEqual(self.counting.readings(), 0)

    def test_broken_cache(self) -> None:
        """A cache that cannot be read or written costs readings, and nothing else."""
        self.deliver(self.anna)
        with open(f"{self.anna.root}/{FILE_NAME}", "wb") as file:
            file.write(b"no database" * 1000)
        self.assert_exact()
        self.anna.close()
        self.assert_exact(self.account())

    def test_failures(self) -> None:
        """A delivery, an append or a copy that fails at any step leaves the usage exact."""
        self.append(self.anna)
        self.anna.create(WORK)
        work, inbox = self.anna.mailbox(WORK), self.anna.mailbox(INBOX)
        actions: list[Callable[[], Any]] = [
            lambda: self.deliver(self.anna),
            lambda: self.append(self.anna),
            lambda: inbox.copy(list(inbox.uids), work),
        ]
        for action in actions:
            for step in ("link", "rename", "sync_directory", "append"):
                self.assert_exact()
                self.counting.fail = lambda operation, _, step=step: (  # type: ignore[misc]
                    OSError(errno.EIO, "I/O error") if operation == step else None
                )
                try:
                    action()
                except OSError:
                    pass
                self.counting.fail = lambda operation, count: None
                self.assert_exact()

    def test_out_of_descriptors(self) -> None:
        """A directory that could not be read is read the next time, whatever was counted there before."""
        self.deliver(self.anna)
        self.assert_exact()
        self.foreign(f"{self.anna.root}/new", "1.x", b"foreign")
        with patch.object(type(self.files), "names", side_effect=OSError(errno.EMFILE, "too many")):
            self.assertRaises(OSError, self.anna.usage)
        self.assert_exact()

    def test_unmarked_directory(self) -> None:
        """Where a directory cannot be marked, as it is another user's, changes are made and counted."""
        with patch.object(self.files, "set_time", side_effect=OSError(errno.EPERM, "not the owner")):
            self.deliver(self.anna)
            self.assert_exact()
            inbox = self.anna.mailbox(INBOX)
            self.append(self.anna)
            inbox.set_flags([1], "add", frozenset([FLAGGED]))
            self.assertEqual(inbox.expunge([1]), [1])
            self.assert_exact()
        self.assertEqual(self.anna.usage().messages, 1)


WHAT = ("deliver", "append", "append-work", "bare", "copy", "expunge", "claim", "flag", "rename")
BY_OTHERS = ("foreign", "remove", "restart")
STEPS = st.lists(st.tuples(st.sampled_from(WHAT + BY_OTHERS), st.integers(0, 10**6)), min_size=1, max_size=14)


class AnyHistory(StoreTestCase):
    """Everything that can happen to an account, in any order."""

    @given(STEPS)
    @settings(deadline=None, max_examples=60)
    def test_usage_is_the_sum(self, steps: list[tuple[str, int]]) -> None:
        """After each step the usage is the sum of the files, and is so for a fresh process too."""
        self.setUp()
        life = Life(self)
        life.look()
        for step, number in steps:
            life.step(step, number)
            life.look()
        self.tearDown()


class Life:
    """One account and what happens to it."""

    def __init__(self, test: StoreTestCase) -> None:
        self._test = test
        self._rng = random.Random(1)
        self.anna = test.account()
        self.anna.create(WORK)

    def look(self) -> None:
        """Compare with the files, and with what a process finds that has no cache."""
        found = sum_of_files(self.anna.root)
        assert self.anna.usage() == found, (self.anna.usage(), found)
        fresh = Ledger(
            self.anna.root, files=FileSystem(), now=lambda: self._test.clock, open_index=self._no_cache
        )
        assert fresh.usage() == found

    @staticmethod
    def _no_cache() -> Any:
        raise OSError

    def step(self, what: str, number: int) -> None:
        """Do one thing; `number` chooses how much, and with which messages."""
        self._rng.seed(number)
        message = MESSAGE + b"x" * (number % 100) + b"\r\n"
        inbox, work = self.anna.mailbox(INBOX), self.anna.mailbox(WORK)
        some = [uid for uid in inbox.uids if self._rng.random() < 0.5]
        actions: dict[str, Callable[[], Any]] = {
            "deliver": lambda: self._test.deliver(self.anna, message=message),
            "append": lambda: self._test.append(self.anna, INBOX, message=message),
            "append-work": lambda: self._test.append(self.anna, WORK, message=message),
            "bare": lambda: self._test.append(self.anna, INBOX, frozenset({FLAGGED}), b"a: b\n\n" + message),
            "copy": lambda: inbox.copy(some, self._rng.choice((inbox, work))),
            "expunge": lambda: inbox.expunge(some),
            "claim": inbox.claim_recent,
            "flag": lambda: inbox.set_flags(some, "add", frozenset({FLAGGED})),
            "rename": lambda: self._rename(number),
            "foreign": lambda: self._foreign(number),
            "remove": self._remove,
            "restart": lambda: self._restart(number),
        }
        actions[what]()

    def _rename(self, number: int) -> None:
        self.anna.rename(WORK, ("Away",))
        self.anna.rename(("Away",), WORK)
        if (f"Old{number}",) not in self.anna.names():
            self.anna.rename(INBOX, (f"Old{number}",))

    def _foreign(self, number: int) -> None:
        octets = b"y" * (number % 1000)
        stated = f",S={len(octets)}" if number % 3 else ""
        folder = self.anna.root + ("/.Work" if number % 2 else "")
        with self._test.elsewhere(folder):
            name = f"{folder}/{'new' if number % 5 else 'cur'}/{len(os.listdir(folder + '/new'))}.{number}.f"
            if not os.path.exists(name + stated):
                with open(name + stated, "wb") as file:
                    file.write(octets)

    def _remove(self) -> None:
        for folder in (self.anna.root, f"{self.anna.root}/.Work"):
            with self._test.elsewhere(folder):
                for directory in (f"{folder}/new", f"{folder}/cur"):
                    for name in sorted(os.listdir(directory))[:1]:
                        os.unlink(f"{directory}/{name}")

    def _restart(self, number: int) -> None:
        if number % 3:
            self.anna.close()
        if number % 3 == 2:
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(path := f"{self.anna.root}/{FILE_NAME}{suffix}"):
                    os.unlink(path)
        self.anna = self._test.account()
