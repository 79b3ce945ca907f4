"""A store in a temporary directory, with clocks and disks that tests can turn."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem, NewFile
from mailnode.store.account import Account
from mailnode.store.delivery import deliver
from mailnode.store.mailbox import Mailbox
from mailnode.store.usage import Usage
from mailnode.store.values import INBOX, NO_FLAGS, Flags, Name
from tests.scratch import scratch

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nText.\r\n"


def sum_of_files(root: str) -> Usage:
    """What an account holds: all regular files in new/ and cur/ of its folders, but what is no message."""
    octets = messages = 0
    names = os.listdir(root) if os.path.isdir(root) else []
    folders = [root, *(f"{root}/{name}" for name in names if name.startswith(".") and name[1] != ".")]
    for directory in (f"{folder}/{name}" for folder in folders for name in ("new", "cur")):
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            if not name.startswith(".") and os.path.isfile(f"{directory}/{name}"):
                octets += os.path.getsize(f"{directory}/{name}")
                messages += 1
    return Usage(octets, messages)


class FaultyFiles(FileSystem):
    """A file system that fails the n-th call of some operations from now on, with an error of choice."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.fail: Callable[[str, int], OSError | None] = lambda operation, count: None

    def _step(self, operation: str) -> None:
        self.calls.append(operation)
        error = self.fail(operation, len(self.calls))
        if error is not None:
            raise error

    def create(self, path: str, *, mode: int = 0o600) -> NewFile:
        self._step("create")
        return super().create(path, mode=mode)

    def append(self, path: str, data: bytes) -> None:
        self._step("append")
        super().append(path, data)

    def link(self, source: str, target: str) -> None:
        self._step("link")
        super().link(source, target)

    def rename(self, source: str, target: str) -> None:
        self._step("rename")
        super().rename(source, target)

    def unlink(self, path: str, *, missing_ok: bool = False) -> None:
        self.calls.append("unlink")
        super().unlink(path, missing_ok=missing_ok)

    def sync_directory(self, path: str) -> None:
        self._step("sync_directory")
        super().sync_directory(path)


class StoreTestCase(SynchronousTestCase):
    """Accounts under a temporary root; `self.clock` is the wall clock in seconds."""

    def setUp(self) -> None:
        room = scratch()  # in memory: nothing here is about the speed of a disk
        self.addCleanup(room.cleanup)
        self.base = room.name
        # The clock runs far ahead of the file system's: every look at a directory settles at once, and a
        # change of another program is seen if, and only if, the directory's time is another one.
        self.clock = 4_000_000_000.0
        self._later = 3_000_000_000
        self.files = FaultyFiles()
        self._open: list[Account] = []

    def tearDown(self) -> None:
        for account in self._open:
            account.close()

    def account(self, name: str = "anna", **quotas: Any) -> Account:
        """An account as a fresh process would open it."""
        account = Account(
            f"{self.base}/{name}",
            files=self.files,
            now=self._now,
            host="mail.example.org",
            rng=random.Random(len(self._open)),
            **quotas,
        )
        self._open.append(account)
        return account

    def _now(self) -> float:
        self.clock += 0.001
        return self.clock

    def deliver(self, *accounts: Account, message: bytes = MESSAGE) -> None:
        """One message into new/ of each."""
        draft = accounts[0].draft()
        draft.write(message)
        deliver(draft, accounts, self.files)

    def append(
        self, account: Account, name: Name = INBOX, flags: Flags = NO_FLAGS, message: bytes = MESSAGE
    ) -> int:
        """One message by APPEND; gives its UID."""
        draft = account.draft()
        draft.write(message)
        return account.append(name, draft, flags)

    @contextlib.contextmanager
    def elsewhere(self, directory: str) -> Iterator[None]:
        """Another program changes new/ and cur/ of a folder, a second or more after the last change."""
        yield
        self._later += 1
        for name in ("new", "cur"):
            os.utime(f"{directory}/{name}", (self._later, self._later))

    def facts(self, mailbox: Mailbox) -> list[tuple[int, Flags, bytes]]:
        """UID, flags and wire octets of every message."""
        found = []
        for uid in mailbox.uids:
            with mailbox.body(uid) as body:
                message = mailbox.get(uid)
                assert message is not None
                found.append((uid, message.flags, b"".join(body.wire())))
        return found
