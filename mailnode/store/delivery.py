"""Delivery into INBOX: one file, linked into new/ of every recipient, without any lock.

1. The draft is written to tmp/ of the first recipient and fsynced.
2. Its file is linked into new/ of each recipient, under one base name.
3. Each new/ is fsynced. From here on the message is safe for all: now it may be acknowledged.
4. The name in tmp/ goes; a crash before that leaves a stray in tmp/, which a clean-up removes after 36 hours.

Before all that room is reserved under the quotas of all recipients, until the message counts by being there.
A postmaster needs no room: whoever is to hear that a mailbox is full must be able to.
UIDs are given when a session next looks.

Of messages that come at the same time each step is done for all before the next one begins. So the kernel
has all files when it is asked to make the first one durable, and what its journal has to hold goes together;
and a folder that several of them come into is fsynced once, after the last of their links.
"""

import contextlib
import errno
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mailnode.fs import READ_SIZE, FileSystem
from mailnode.store.account import Account
from mailnode.store.draft import Draft
from mailnode.store.errors import StoreError
from mailnode.store.quota import demand, reserved
from mailnode.store.usage import Usage
from mailnode.values import frozen


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


@frozen
class Arrival:
    """A message for the INBOX of each of these accounts: its draft, and the octets that it still wants.

    The first of the accounts has made the draft. None of them has a quota.
    """

    draft: Draft
    data: bytes
    accounts: Sequence[Account]


@dataclass(slots=True)
class _Attempt:
    """What has become of an arrival: its file, its links, and the error that ended it, if one did."""

    arrival: Arrival
    path: str = ""
    base: str = ""
    made: list[str] = field(default_factory=list)
    error: Exception | None = None


def deliver_together(arrivals: Sequence[Arrival], files: FileSystem) -> list[Exception | None]:
    """Make messages durable, each as by deliver(); for each None, or why it is nowhere.

    One that fails does the others no harm.
    """
    attempts = [_Attempt(arrival) for arrival in arrivals]
    steps = (_write, _begin_finish, _finish, _link_all) if len(attempts) > 1 else (_write, _finish, _link_all)
    try:
        for step in steps:
            for attempt in attempts:
                _try(attempt, step, files)
        _sync_all(attempts, files)
    finally:
        for attempt in attempts:
            _forget(attempt.arrival.draft)
    return [attempt.error for attempt in attempts]


def _try(attempt: _Attempt, step: Callable[[_Attempt, FileSystem], None], files: FileSystem) -> None:
    """Take a step, unless one has failed; after an error the message is nowhere."""
    if attempt.error is not None:
        return
    try:
        step(attempt, files)
    except Exception as error:
        attempt.error = error
        _doubt(attempt.arrival.accounts)
        _take_all_back(attempt.arrival.accounts, attempt.made, files)


def _write(attempt: _Attempt, files: FileSystem) -> None:
    arrival = attempt.arrival
    arrival.draft.write(arrival.data)
    for account in arrival.accounts[1:]:  # the first one makes sure of itself for its draft
        account.ensure()


def _begin_finish(attempt: _Attempt, files: FileSystem) -> None:
    attempt.arrival.draft.begin_finish()


def _finish(attempt: _Attempt, files: FileSystem) -> None:
    attempt.path, attempt.base = attempt.arrival.draft.finish()


def _link_all(attempt: _Attempt, files: FileSystem) -> None:
    _link_each(attempt.arrival.accounts, attempt.path, attempt.base, files, attempt.made)


def _sync_all(attempts: Sequence[_Attempt], files: FileSystem) -> None:
    """fsync each folder once; the error of a folder is that of every message which came into it."""
    synced: dict[str, OSError | None] = {}

    def sync(attempt: _Attempt, files: FileSystem) -> None:
        for account in attempt.arrival.accounts:
            if account.root not in synced:
                synced[account.root] = _sync(account, files)
            error = synced[account.root]
            if error is not None:
                raise error

    for attempt in attempts:
        _try(attempt, sync, files)


def _sync(account: Account, files: FileSystem) -> OSError | None:
    try:
        files.sync_directory(f"{account.root}/new")
    except OSError as error:
        return error
    return None


@contextlib.contextmanager
def _used_up(draft: Draft) -> Iterator[None]:
    """Remove what is left of the draft in the end."""
    try:
        yield
    finally:
        _forget(draft)


def _forget(draft: Draft) -> None:
    try:
        draft.abort()
    except OSError:
        pass  # a clean-up will find it


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
        _doubt(accounts)
        raise


def _doubt(accounts: Sequence[Account]) -> None:
    for account in accounts:
        account.look_anew()


def _place(accounts: Sequence[Account], path: str, base: str, files: FileSystem) -> None:
    """Link a finished draft into new/ of all these accounts, durably, or of none."""
    made: list[str] = []
    try:
        _link_each(accounts, path, base, files, made)
        for account in accounts:
            files.sync_directory(f"{account.root}/new")
    except BaseException:
        _take_all_back(accounts, made, files)
        raise


def _link_each(accounts: Sequence[Account], path: str, base: str, files: FileSystem, made: list[str]) -> None:
    """Link a finished draft into each new/; what was linked is in `made` then, also after an error."""
    for account in accounts:
        with account.arriving(base) as target:
            _link(files, path, target)
            made.append(target)


def _take_all_back(accounts: Sequence[Account], made: Sequence[str], files: FileSystem) -> None:
    for account, target in zip(accounts, made, strict=False):
        with contextlib.suppress(OSError):
            _take_back(files, account, target)


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
