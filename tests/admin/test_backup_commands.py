"""`mailnode backup` and `mailnode restore` as a person meets them."""

import errno
import gc
import io
import json
import os
import shutil
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from mailnode.admin import backup_commands, cli, queue_restore
from mailnode.admin.outside import Outside
from mailnode.envelope import Envelope, Recipient
from mailnode.events.journal import Journal, line_of
from mailnode.events.life import Ended
from mailnode.fs import FileSystem
from mailnode.queue.entry import new_entry
from mailnode.queue.spool import Spool
from mailnode.store.values import INBOX, NO_FLAGS
from mailnode.wire.address import Address
from tests.admin.test_store_commands import ANNA, BEN, StoreCommands


class _Broken(io.RawIOBase):
    """The writing end of a pipe that nobody reads."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


class BackupCommands(StoreCommands):
    """Anna has three messages."""

    def setUp(self) -> None:
        super().setUp()
        self.moment = datetime(2026, 11, 26, 2, tzinfo=UTC)
        self.outside = Outside(now=self._now, sleep=lambda seconds: None)
        self.place = self.folder / "backup"

    def _now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def back_up(self, *arguments: str, code: int = 0) -> str:
        return self.mailnode("backup", *arguments, code=code)

    def names(self) -> list[str]:
        """The backups that are there."""
        return sorted(os.listdir(self.place))

    def told_of(self, *arguments: str) -> dict[str, int]:
        """A new backup."""
        found = json.loads(self.back_up(str(self.place), *arguments, "--json"))
        assert isinstance(found, dict)
        return found

    def test_backup(self) -> None:
        """Mail and configuration, with a summary; the next one links."""
        self.assertRegex(
            self.back_up(str(self.place)), r"backup/20261126T02\d+Z: 1 mailbox, 3 messages, 0.0 MB\.\n$"
        )
        (name,) = self.names()
        root = self.place / name
        self.assertEqual(
            set(os.listdir(root)),
            {"backup.json", "config", "config.sha256", "mail", f"{ANNA}.sha256"},
        )
        self.assertEqual(os.listdir(root / "mail"), [ANNA])
        self.assertEqual(set(os.listdir(root / "config")), {"mailnode.toml", "mailboxes.toml"})
        self.assertEqual(json.loads((root / "backup.json").read_text())["mailboxes"], [ANNA])
        self.assertEqual(root.stat().st_mode & 0o077, 0)
        found = self.told_of()
        self.assertEqual((found["messages"], found["linked"]), (3, 3))

    def test_keys(self) -> None:
        """Private keys are in it only where that is said."""
        self.told_of("--with-keys")
        (name,) = self.names()
        self.assertIn("key.pem", os.listdir(self.place / name / "config"))

    def test_nobody_reads(self) -> None:
        """Whatever writes to a pipe that is closed ends without a word."""
        journal = Journal(FileSystem(), str(self.folder / "etc/state/log"))
        journal.append(line_of(Ended("", "7K2M9QXW4T"), 1.0), size=10**6, keep=1)
        unraisable: list[object] = []
        self.patch(sys, "unraisablehook", unraisable.append)
        export = str(self.folder / "export")
        for words in ("backup --tar -", "log", "queue list", "store verify", f"export mbox {ANNA} {export}"):
            self.patch(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(_Broken(), 10)))
            self.patch(sys, "stderr", io.StringIO())
            arguments = ["--config", str(self.path), *words.split()]
            ended = self.assertRaises(SystemExit, cli.main.main, arguments, obj=self.outside)
            self.assertEqual((ended.code, sys.stderr.getvalue()), (1, ""), words)
            del ended
            gc.collect()
            self.assertEqual(unraisable, [], words)

    def test_keep(self) -> None:
        """Older ones go when a new one is whole."""
        for _ in range(4):
            self.told_of("--keep", "2")
        self.assertEqual(len(self.names()), 2)

    def test_cut_off(self) -> None:
        """What is left of a backup that was cut off is used, and goes; nothing is restored from it."""
        self.told_of()
        (name,) = self.names()
        (self.place / name / "backup.json").unlink()
        self.assertIn("no backup that is whole", self.mailnode("restore", str(self.place), ANNA, code=1))
        self.assertEqual(self.told_of()["linked"], 3)
        self.assertNotIn(name, self.names())

    def test_tar(self) -> None:
        """One archive, in a file or as a stream."""
        archive = self.folder / "all.tar"
        self.back_up("--tar", str(archive))
        with tarfile.open(archive) as tar:
            names = tar.getnames()
        self.assertIn("backup.json", names)
        self.assertIn("config/mailnode.toml", names)
        self.assertEqual(len([name for name in names if "/cur/" in name or "/new/" in name]), 3)
        self.assertIn("File exists", self.back_up("--tar", str(archive), code=1))
        with patch.object(backup_commands, "_summary", side_effect=OSError(28, "No space left on device")):
            self.assertIn("No space", self.back_up("--tar", str(self.folder / "other.tar"), code=1))
        self.assertEqual(list(self.folder.glob("*.tar*")), [archive])
        self.back_up(code=2)
        self.back_up(str(self.place), "--tar", "-", code=2)

    def test_restore(self) -> None:
        """All that was lost comes back, into the same mailbox or another one; twice it is told so."""
        self.told_of()
        account = self.account()
        before = list(account.mailbox(INBOX).uids)
        account.close()
        shutil.rmtree(self.root)
        told = self.mailnode("restore", str(self.place), ANNA)
        self.assertRegex(told, r"(?m)^  INBOX +2 put back +0 there already$")
        self.assertRegex(told, r"(?m)^  Work/2026 +1 put back +0 there already$")
        self.assertEqual(list(self.account().mailbox(INBOX).uids), before)
        again = json.loads(self.mailnode("restore", str(self.place / self.names()[0]), ANNA, "--json"))
        self.assertEqual({(row["added"], row["damaged"]) for row in again["folders"]}, {(0, 0)})
        self.mailnode("restore", str(self.place), ANNA, "--to", BEN, "--folder", "Work/2026")
        self.assertTrue((self.root.parent / "ben/.Work.2026/dovecot-uidlist").exists())
        self.assertIn("nothing of", self.mailnode("restore", str(self.place), ANNA, "--folder", "No", code=1))

    def test_damaged(self) -> None:
        """What was changed in the backup stays out, and is said."""
        self.told_of()
        messages = [
            one for one in self.place.rglob("*") if one.parent.name in ("cur", "new") and one.is_file()
        ]
        messages[0].write_bytes(b"X")
        shutil.rmtree(self.root)
        told = self.mailnode("restore", str(self.place), ANNA, code=1)
        self.assertIn("1 damaged", told)
        self.assertIn("left out", told)

    def wait(self, *names: str) -> Spool:
        """Messages in the queue."""
        spool = Spool(FileSystem(), str(self.folder / "etc/state/queue"))
        envelope = Envelope(None, recipients=(Recipient(Address("anna", "example.org")),))
        for name in names:
            arriving = spool.arriving(name)
            arriving.write(b"Subject: x\r\n\r\n")
            arriving.accept(new_entry(name, envelope, came=1.0, due=2.0))
        return spool

    def test_queue(self) -> None:
        """What waited waits again, but not what was delivered since; the running server hears of it."""
        spool = self.wait("A1", "B2", "C3", "D4")
        self.assertRegex(self.back_up(str(self.place)), "3 messages, 0.0 MB, 4 in the queue")
        self.mailnode("queue", "drop", "D4")
        for name in ("A1", "B2"):
            spool.remove(name)
        journal = Journal(FileSystem(), str(self.folder / "etc/state/log"))
        journal.append(line_of(Ended("", "B2"), 5.0), size=10**6, keep=1)
        asked: list[Any] = []

        def ask(path: str, request: dict[str, Any]) -> dict[str, Any]:
            asked.append(request)
            return {"ok": True, "left": {}}

        self.patch(queue_restore, "ask", ask)
        told = self.mailnode("restore", str(self.place), "--queue")
        self.assertEqual(told, "queue: 1 put back, 1 was there, 2 have left it since\n")
        self.assertEqual(asked, [{"command": "queue take", "ids": ["A1"]}])
        self.assertEqual(sorted(spool.names()), ["A1", "C3"])
        again = json.loads(self.mailnode("restore", str(self.place), "--queue", "--json"))
        self.assertEqual(again, {"messages": [], "known": 2, "done": 2, "damaged": 0})

    def test_queue_refusals(self) -> None:
        """A mailbox or the queue; and a backup of some mailboxes has no queue, as that is everybody's."""
        self.wait("A1")
        self.back_up(str(self.place), ANNA)
        self.assertIn("has no queue", self.mailnode("restore", str(self.place), "--queue", code=1))
        for arguments in ((), (ANNA, "--queue"), ("--queue", "--to", BEN)):
            self.assertIn("ADDRESS", self.mailnode("restore", str(self.place), *arguments, code=2))

    def test_configuration(self) -> None:
        """All files with keys, of whatever folder; what cannot be read is said, and the rest is there."""
        etc = self.folder / "etc"
        (etc / "more").mkdir()
        for name in ("cert.pem", "key.pem"):
            shutil.copy(etc / "tls" / name, etc / "more" / name)
        os.symlink("cert.pem", etc / "tls/link.pem")
        with open(etc / "mailnode.toml", "a", encoding="utf-8") as file:
            file.write('[[tls.further]]\ncertificate = "more/cert.pem"\nkey = "more/key.pem"\n')
            file.write('[[tls.further]]\ncertificate = "tls/link.pem"\nkey = "tls"\n')
        (etc / "state/acme").mkdir()
        os.symlink("/etc/passwd", etc / "state/acme/x.key")
        (etc / "state/acme/a.key").write_text("key")
        said = self.back_up(str(self.place), "--with-keys")
        self.assertIn("left out: tls: ", said)
        self.assertIn("left out: state/acme/x.key: ", said)
        found = set(os.listdir(self.place / self.names()[0] / "config"))
        pems = {"a.key", "cert.pem", "cert.pem.2", "key.pem", "key.pem.2", "link.pem"}
        self.assertEqual(found - {"login.key", "senders.key"}, pems | {"mailnode.toml", "mailboxes.toml"})

    def test_as_owner(self) -> None:
        """Root locks and restores as the owner of the mail."""
        if os.geteuid() != 0:
            return
        for path in (self.folder, *self.root.parents):
            if self.folder in (path, *path.parents):
                path.chmod(0o755)
        for path in (self.root.parent, self.root, *self.root.rglob("*")):
            os.chown(path, 65534, 65534)
        account = self.account()
        self.append(account, INBOX, NO_FLAGS)
        account.close()
        self.told_of()
        shutil.rmtree(self.root)
        self.mailnode("restore", str(self.place), ANNA)
        self.assertEqual({path.stat().st_uid for path in self.root.rglob("*")}, {65534})
