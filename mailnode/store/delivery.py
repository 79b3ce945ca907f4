"""Delivery into INBOX: one file, linked into new/ of every recipient, without any lock.

1. The draft is written to tmp/ of the first recipient and fsynced.
2. Its file is linked into new/ of each recipient, under one base name.
3. Each new/ is fsynced. From here on the message is safe for all: now it may be acknowledged.
4. The name in tmp/ goes; a crash before that leaves a stray in tmp/, which a clean-up removes after 36 hours.

Before all that room is reserved under the quotas of all recipients, until the message counts by being there.
A postmaster needs no room: whoever is to hear that a mailbox is full must be able to.
UIDs are given when a session next looks.
"""

import contextlib
import errno
from collections.abc import Collection, Iterator, Sequence

from mailnode.fs import READ_SIZE, FileSystem
from mailnode.store.account import Account
from mailnode.store.draft import Draft
from mailnode.store.errors import StoreError
from mailnode.store.quota import demand, reserved
from mailnode.store.usage import Usage


def deliver(
    draft: Draft, accounts: Sequence[Account], files: FileSystem, *, always: Collection[Account] = ()
) -> None:
    """Make a message durable in new/ of each account; all of them, or none when an error is raised.

    Those in `always` get it even where no quota has room for it. The draft is used up. It must have been
    made by the first of the accounts, or have a file already. Raises OverQuota, OSError.
    """
    with _used_up(draft), _room(draft, accounts, always), _doubting(accounts):
        for account in accounts:
            account.ensure()
        path, base = draft.finish()
        _place(accounts, path, base, files)


def deliver_each(
    draft: Draft, groups: Sequence[Sequence[Account]], files: FileSystem, *, always: Collection[Account] = ()
) -> list[OSError | StoreError | None]:
    """Make a message durable for as many groups of accounts as can be; for each None, or why it has it not.

    A group gets it as by deliver(): all of them, or none. Who has it from one group gets no second copy from
    the next. The draft must have been made by the first account of the first group. Raises OSError when the
    message cannot be written at all.
    """
    outcomes: list[OSError | StoreError | None] = []
    reached: set[Account] = set()
    with _used_up(draft):
        with _doubting(groups[0][:1]):
            groups[0][0].ensure()
            path, base = draft.finish()
        for group in groups:
            accounts = [account for account in group if account not in reached]
            try:
                with _room(draft, accounts, always), _doubting(accounts):
                    for account in accounts:
                        account.ensure()
                    _place(accounts, path, base, files)
            except (OSError, StoreError) as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
                reached.update(accounts)
    return outcomes


@contextlib.contextmanager
def _used_up(draft: Draft) -> Iterator[None]:
    """Remove what is left of the draft in the end."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            draft.abort()


def _room(
    draft: Draft, accounts: Sequence[Account], always: Collection[Account]
) -> contextlib.AbstractContextManager[None]:
    """Reserve room for the draft under the quotas of all but those in `always`. Raises OverQuota."""
    asked = [account.quotas() for account in accounts if account not in always]
    return reserved(demand(asked, Usage(draft.octets_on_disk, 1)))


@contextlib.contextmanager
def _doubting(accounts: Sequence[Account]) -> Iterator[None]:
    """After an error, believe nothing any more of what the accounts were known to hold."""
    try:
        yield
    except BaseException:
        for account in accounts:
            account.look_anew()
        raise


def _place(accounts: Sequence[Account], path: str, base: str, files: FileSystem) -> None:
    """Link a finished draft into new/ of all these accounts, durably, or of none."""
    made: list[str] = []
    try:
        for account in accounts:
            with account.arriving(base) as target:
                _link(files, path, target)
                made.append(target)
        for account in accounts:
            files.sync_directory(f"{account.root}/new")
    except BaseException:
        for account, target in zip(accounts, made, strict=False):
            with contextlib.suppress(OSError):
                _take_back(files, account, target)
        raise


def _take_back(files: FileSystem, account: Account, target: str) -> None:
    """Remove a link again, also where a session has moved it to cur/ meanwhile."""
    base = target.rpartition("/")[2]
    files.unlink(target, missing_ok=True)
    for name in files.names(f"{account.root}/cur"):
        if name.startswith(base + ":"):
            files.unlink(f"{account.root}/cur/{name}", missing_ok=True)


def _link(files: FileSystem, source: str, target: str) -> None:
    """Link, or copy where the accounts lie on different file systems."""
    try:
        files.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK):
            raise
        _copy(files, source, target)


def _copy(files: FileSystem, source: str, target: str) -> None:
    directory, _, name = target.rpartition("/")
    temporary = f"{directory.rpartition('/')[0]}/tmp/{name}"
    with files.open(source) as old:
        new = files.create(temporary)
        try:
            offset = 0
            while chunk := old.read_at(offset, READ_SIZE):
                new.write(chunk)
                offset += len(chunk)
            new.set_time(old.stat().st_mtime)
            new.sync()
            files.rename(temporary, target)
        except BaseException:
            files.unlink(temporary, missing_ok=True)
            raise
        finally:
            new.close()
