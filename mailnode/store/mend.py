"""Mending what verify() finds: names, modes and uid lists; a message is never removed.

A message that needs another base gets another UID with it: the old base may be what a client knows.
"""

import os
from collections.abc import Callable

from mailnode.fs import FileSystem
from mailnode.store import filenames
from mailnode.store.account import Account
from mailnode.store.body import Body
from mailnode.store.directory import CUR, NEW
from mailnode.store.download import Download, measure
from mailnode.store.filenames import UniqueNames
from mailnode.store.verify import OTHERS, PUBLIC, TMP, Finding, Lock, Tree


class Mender:
    """Mends what can be mended, under the store's locks."""

    def __init__(self, account: Account, files: FileSystem, unique: UniqueNames, lock: Lock) -> None:
        self._account = account
        self._files = files
        self._unique = unique
        self._lock = lock
        self._mends: dict[str, Callable[[str, Finding], None]] = {
            "permissions": self._close_to_others,
            "half-folder": self._make_whole,
            "two-names": self._take_second_name,
            "wrong-size": self._state_true_sizes,
            "twins": self._open,
            "uid-list": self._open,
            "uid-list-header": self._open,
            "unlisted": self._open,
        }

    def mend(self, tree: Tree, findings: list[Finding]) -> list[Finding]:
        """Mend what can be mended; gives those findings. Raises OSError, StoreError."""
        # What makes a folder whole comes before what reads it, and a look at all of it last.
        mended = []
        for kind, mend in self._mends.items():
            for finding in findings:
                if finding.kind == kind:
                    mend(tree.paths[finding.folder], finding)
                    mended.append(finding)
        for name in {finding.folder for finding in mended}:
            self._account.mailbox(name)
        return mended

    def _open(self, folder: str, _: Finding) -> None:
        """The store mends uid lists and twins, and gives UIDs, when a mailbox is opened: at the end, once."""

    def _close_to_others(self, folder: str, finding: Finding) -> None:
        paths = [finding.path]
        for entry, is_directory in self._files.entries(finding.path):
            if not is_directory and not entry.startswith(PUBLIC):
                paths.append(f"{finding.path}/{entry}")
        for path in paths:
            self._files.take_access(path, OTHERS)

    def _make_whole(self, folder: str, _: Finding) -> None:
        for name in (CUR, NEW, TMP):
            self._files.make_directories(f"{folder}/{name}")

    def _take_second_name(self, folder: str, finding: Finding) -> None:
        base = filenames.split(os.path.basename(finding.path))[0]
        with self._lock(folder):
            second = self._files.stat(finding.path)
            for directory in (CUR, NEW):
                for name in self._files.names(f"{folder}/{directory}"):
                    path = f"{folder}/{directory}/{name}"
                    first = self._files.stat(path)
                    if filenames.split(name)[0] != base or path == finding.path:
                        continue
                    if first is not None and second is not None and os.path.samestat(first, second):
                        self._files.unlink(finding.path)
                        return

    def _state_true_sizes(self, folder: str, finding: Finding) -> None:
        directory, _, name = finding.path.rpartition("/")
        base, suffix = filenames.split(name)
        with self._lock(folder):
            facts = self._files.stat(finding.path)
            if facts is None:
                return  # it has another name by now; the next run finds it again
            disk, wire = filenames.sizes(base)
            with self._files.open(finding.path) as opened:
                body = Body(opened, verbatim=disk is not None and disk == wire)
                octets = body.octets()
                plain = measure(body, octets) == Download(octets)
            base = filenames.stating(self._unique.next(), body.size, octets, plain=plain)
            self._files.rename(finding.path, f"{directory}/{base}{suffix}")
            self._files.sync_directory(directory)
