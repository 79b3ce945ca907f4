"""The mail of mailboxes on the disk, for commands that work on it without the server.

They work beside a running one, under the store's locks. Root works as the owner of the mail, so that nothing
is written which the server cannot read.
"""

import contextlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from mailnode.admin.command import held_against
from mailnode.config import Config
from mailnode.config_quota import Room
from mailnode.config_rules import address as check_address
from mailnode.fs import FileSystem, ReadFile
from mailnode.store.account import Account
from mailnode.store.errors import OverQuota, StoreError
from mailnode.store.filenames import UniqueNames
from mailnode.store.keeping import Terms
from mailnode.store.locks import Locks
from mailnode.store.mend import Mender
from mailnode.store.quota import Limit
from mailnode.store.values import Name
from mailnode.store.verify import Lock
from mailnode.values import frozen

if TYPE_CHECKING:
    from mailnode.admin.command import Command


@frozen
class Tools:
    """What is needed to work on the mail of one address."""

    address: str
    root: str
    config: Config
    files: FileSystem
    now: Callable[[], float]
    lock: Lock
    rng: random.Random
    room: Room

    def account(self) -> Account:
        """The store, as the server opens it."""
        return Account(
            self.root,
            files=self.files,
            now=self.now,
            host=self.config.hostname,
            rng=self.rng,
            text_index=self.config.store.text_index,
            uidl=lambda: self.config.pop3.uidl,
            limit=lambda: Limit(self.room.storage, self.room.messages),
            special_use=self.config.store.special_use.names,
            recover=lambda: Terms(
                self.config.store.recover_days,
                self.config.store.recover_storage,
                self.config.limits.min_free_space,
            ),
        )

    def mender(self, account: Account) -> Mender:
        """What mends it."""
        unique = UniqueNames(self.now, pid=os.getpid(), host=self.config.hostname, rng=self.rng)
        return Mender(account, self.files, unique, self.lock)


def chosen_mail(command: "Command", address: str | None, *, make: bool = False) -> list[Tools]:
    """The mail of one address, or of all; those without any yet are left out, unless it is to be made."""
    loaded = command.configuration()
    addresses = list(loaded.mailboxes.mailboxes)
    if address is not None:
        address = held_against(check_address, address)
        if address not in addresses:
            raise click.ClickException(f"there is no mailbox {address}")
        addresses = [address]
    files = command.outside.files
    chosen = []
    for one in addresses:
        root = loaded.config.mail_directory(one)
        locks = Locks(files, host=os.uname().nodename, pid=os.getpid())
        if make or files.stat(root) is not None:
            chosen.append(
                Tools(
                    address=one,
                    root=root,
                    config=loaded.config,
                    files=files,
                    now=lambda: command.outside.now().timestamp(),
                    lock=locks.folder,
                    rng=random.SystemRandom(),
                    room=loaded.config.room(loaded.mailboxes.mailboxes.get(one)),
                )
            )
    return chosen


def lent_to_owner(tools: Tools) -> contextlib.AbstractContextManager[None]:
    """Be the owner of the mail meanwhile, for root."""
    return lent_to_owner_of(tools.root, tools.files)


@contextlib.contextmanager
def lent_to_owner_of(path: str, files: FileSystem) -> Iterator[None]:
    """Be the owner of what is at a path meanwhile, or of what it will be made in, for root."""
    while (facts := files.stat(path)) is None:
        path = os.path.dirname(path)
    lent = os.geteuid() == 0 and facts.st_uid != 0
    try:
        if lent:
            os.setegid(facts.st_gid)
            os.seteuid(facts.st_uid)
        yield
    finally:
        if lent:
            os.seteuid(0)
            os.setegid(0)


@contextlib.contextmanager
def as_owner(tools: Tools) -> Iterator[None]:
    """Be the owner of the mail meanwhile, for root; failures become words."""
    try:
        with lent_to_owner(tools):
            yield
    except OverQuota:
        raise click.ClickException(f"{tools.address}: there is no room left under its quota") from None
    except (OSError, StoreError) as error:
        raise click.ClickException(f"{tools.address}: {plain(str(error))}") from None


@contextlib.contextmanager
def locked_as_owner(tools: Tools, path: str) -> Iterator[None]:
    """Hold a folder's lock, which is to be the owner's: the server must be able to end it should root die."""
    with contextlib.ExitStack() as stack:
        with lent_to_owner(tools):
            stack.enter_context(tools.lock(path))
        yield


class Reading(FileSystem):
    """What root may read is read by root, also while it is the owner of the mail."""

    @contextlib.contextmanager
    def _as_root(self) -> Iterator[None]:
        before = os.geteuid()
        if os.getuid() == 0:
            os.seteuid(0)
        try:
            yield
        finally:
            os.seteuid(before)

    def open(self, path: str) -> ReadFile:
        """Open a regular file for reading."""
        with self._as_root():
            return super().open(path)

    def names(self, path: str) -> list[str]:
        """The names in a directory."""
        with self._as_root():
            return super().names(path)

    def entries(self, path: str) -> list[tuple[str, bool]]:
        """Names in a directory and whether each is a directory itself."""
        with self._as_root():
            return super().entries(path)

    def stat(self, path: str) -> os.stat_result | None:
        """What lstat says, or None where there is nothing."""
        with self._as_root():
            return super().stat(path)


@contextlib.contextmanager
def progress(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; gives what moves it on."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def plain(text: str) -> str:
    """Text of others for a terminal."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def shown(name: Name) -> str:
    return plain("/".join(name)) or "-"
