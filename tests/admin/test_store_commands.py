"""`mailnode store` as a person meets it."""

import io
import json
import os
import random
import shutil
import socket
import sys
import threading
from pathlib import Path

from mailnode.admin import on_disk
from mailnode.admin.outside import Outside
from mailnode.fs import FileSystem
from mailnode.store.account import Account
from mailnode.store.values import INBOX, NO_FLAGS, SEEN, Flags, Name
from tests.admin.test_cli import Commands
from tests.store.test_verify import ReadOnly, message

ANNA, BEN = "anna@example.org", "ben@example.org"
MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nText.\r\n"


class StoreCommands(Commands):
    """Two mailboxes; anna has two messages in INBOX and one in Work/2026, ben has none yet."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(os.umask, os.umask(0o077))
        self.outside = Outside()
        self.init()
        self.cheap()
        for address in (ANNA, BEN):
            self.mailnode("mailbox", "add", address, "--password-stdin", input="secret\n")
        self.root = self.folder / "etc/state/mail/example.org/anna"
        account = self.account()
        self.append(account, INBOX, frozenset({SEEN}))
        self.append(account, INBOX, frozenset({"Later"}))
        account.create(("Work", "2026"))
        self.append(account, ("Work", "2026"), NO_FLAGS)
        account.close()

    def account(self) -> Account:
        """The store, as the server has it open."""
        now = self.outside.now().timestamp
        return Account(str(self.root), files=FileSystem(), now=now, host="mail", rng=random.Random())

    def append(self, account: Account, name: Name, flags: Flags) -> None:
        draft = account.draft()
        draft.write(MESSAGE)
        account.append(name, draft, flags)

    def told(self, *arguments: str, code: int = 0) -> str:
        """The output, without the way to anna's mail."""
        return self.mailnode("store", *arguments, code=code).replace("state/mail/example.org/anna", "ANNA")

    def grow(self) -> Path:
        """Damage the first message: its size is not what its name says."""
        path = message(self.root)
        path.write_bytes(path.read_bytes() + b"more\n")
        return path


class Verify(StoreCommands):
    """mailnode store verify."""

    def test_sound(self) -> None:
        """A sound tree says so in a line, with exit code 0; who has no mail yet is no fault."""
        self.assertEqual(self.told("verify"), "3 messages, nothing is wrong.\n")
        self.assertEqual(self.told("verify", "Anna@example.org"), "3 messages, nothing is wrong.\n")
        self.assertEqual(self.told("verify", BEN), "0 messages, nothing is wrong.\n")

    def test_found_and_mended(self) -> None:
        """What is wrong is said with its remedy and code 1; --repair mends it, and then nothing is wrong."""
        damaged = self.grow()
        expected = (
            f"found: wrong-size: ANNA/cur/{damaged.name}\n"
            "    has 47 octets, 52 on the wire; stated: S=42, W=46\n"
            "    --repair gives it a name with its true sizes, and so a new UID.\n"
            "3 messages, 1 found.\n"
        )
        self.assertEqual(self.told("verify", code=1), expected)
        mended = self.told("verify", "--repair", code=1)
        self.assertIn(f"mended: wrong-size: ANNA/cur/{damaged.name}", mended)
        self.assertIn("1 found, 1 mended.", mended)
        self.assertIn("nothing is wrong", self.told("verify"))
        self.assertEqual(list(self.account().mailbox(INBOX).uids), [2, 3])

    def test_json(self) -> None:
        """--json gives the same as data."""
        self.grow()
        answer = json.loads(self.mailnode("store", "verify", "--json", code=1))
        self.assertEqual(answer["messages"], 3)
        [found] = answer["findings"]
        self.assertEqual(
            (found["address"], found["folder"], found["kind"], found["harmless"], found["mended"]),
            (ANNA, "INBOX", "wrong-size", False, False),
        )

    def test_notes(self) -> None:
        """What comes with every day's work is only noted, with exit code 0; --repair gives the UIDs."""
        (self.root / "new" / "1700000000.x").write_bytes(MESSAGE)
        self.assertIn("note: unlisted", self.told("verify"))
        self.assertIn("mended: unlisted", self.told("verify", "--repair"))
        self.assertNotIn("unlisted", self.told("verify"))

    def test_beside_a_server(self) -> None:
        """A store that is open elsewhere takes over what was mended, and keeps its cache."""
        account = self.account()
        inbox = account.mailbox(INBOX)
        inbox.rendered(2)
        self.grow()
        self.told("verify", "--repair", code=1)
        inbox.sync()
        self.assertEqual(list(inbox.uids), [2, 3])
        self.assertEqual(inbox.octets(3), 52)
        self.append(account, INBOX, NO_FLAGS)
        account.close()

    def test_control_characters(self) -> None:
        """Names of files cannot write to the terminal what they like."""
        (self.root / "cur" / "\x1b[2J\udcff\n").write_bytes(b"")
        self.assertIn("cur/\\x1b[2J\\udcff\\n\n", self.told("verify", code=1))

    def test_unknown_address(self) -> None:
        """An address without a mailbox, or none at all, is refused."""
        self.assertIn("there is no mailbox", self.told("verify", "carla@example.org", code=1))
        self.assertIn("anna", self.told("verify", "anna", code=2))

    def test_may_not_look(self) -> None:
        """What cannot be read is said, without a traceback."""
        shutil.rmtree(self.root)
        self.root.write_bytes(b"")
        self.assertIn(f"Error: {ANNA}: ", self.told("verify", code=1))

    def test_as_owner(self) -> None:
        """Root writes as the owner of the mail, and is root again afterwards."""
        if os.geteuid() != 0:
            return
        for path in (self.folder, *self.root.parents):
            if self.folder in (path, *path.parents):
                path.chmod(0o755)
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, 65534, 65534)
        self.told("reindex")
        (self.root / "dovecot-uidlist").write_bytes(b"?\n")
        os.chown(self.root / "dovecot-uidlist", 65534, 65534)
        self.told("verify", "--repair", code=1)
        self.assertEqual({path.stat().st_uid for path in self.root.rglob("*")}, {65534})
        self.assertEqual((os.geteuid(), os.getegid()), (0, 0))

    def test_progress(self) -> None:
        """On a terminal a bar shows how far it is."""

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        self.patch(sys, "stderr", Terminal())
        with on_disk.progress(ANNA, 2) as step:
            step(1)
            step(1)
        self.assertIn("100%", sys.stderr.getvalue())  # type: ignore[attr-defined]


class Reindex(StoreCommands):
    """mailnode store reindex."""

    def test_made_anew(self) -> None:
        """Broken caches are thrown away, and everything in them is made again."""
        cache, text = (self.root / f"mailnode-{name}.sqlite" for name in ("index", "text"))
        for path in (cache, text):
            path.write_bytes(b"no database")
        self.assertEqual(self.told("reindex"), f"{ANNA}  3 messages\n")
        for path in (cache, text):
            self.assertTrue(path.read_bytes().startswith(b"SQLite"))
        self.assertTrue(b'"hello"' in cache.read_bytes())
        account = self.account()
        self.assertEqual(sorted(account.mailbox(INBOX).candidates("TEXT.") or ()), [1, 2])
        account.close()

    def test_without_text_index(self) -> None:
        """Where none is wanted none is left."""
        text = self.root / "mailnode-text.sqlite"
        text.write_bytes(b"no database")
        self.path.write_text(self.path.read_text() + "\n[store]\ntext_index = false\n")
        self.assertEqual(self.told("reindex"), f"{ANNA}  3 messages\n")
        self.assertFalse(text.exists())

    def test_unreadable(self) -> None:
        """A message that cannot be read is counted, and the others are done."""
        (self.root / "cur" / "1.x:2,").symlink_to("/nowhere")
        self.assertEqual(self.told("reindex", ANNA), f"{ANNA}  3 messages\n")

    def test_beside_a_server(self) -> None:
        """A server has the caches open: it must be stopped first."""
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwd()
            os.chdir(self.path.parent / "state")  # a short path
            self.addCleanup(os.chdir, here)
            listener.bind("control.sock")
            listener.listen()
            thread = threading.Thread(target=lambda: listener.accept()[0].close())
            thread.start()
            self.assertIn("Stop it first", self.told("reindex", code=1))
            thread.join()


class Stats(StoreCommands):
    """mailnode store stats."""

    def test_table(self) -> None:
        """A line for each folder, and one for all."""
        lines = [line.split() for line in self.told("stats").splitlines()]
        self.assertEqual(
            lines,
            [
                [ANNA],
                ["INBOX", "2", "messages", "1", "unseen", "0.0", "MB"],
                ["Work/2026", "1", "message", "1", "unseen", "0.0", "MB"],
                ["all", "3", "messages", "2", "unseen", "0.0", "MB"],
            ],
        )

    def test_json(self) -> None:
        """--json gives exact numbers."""
        [row] = json.loads(self.told("stats", ANNA, "--json"))["mailboxes"]
        self.assertEqual([one["octets"] for one in row["folders"]], [84, 42])
        self.assertEqual(row["folders"][0]["uidvalidity"], self.account().mailbox(INBOX).uid_validity)
        self.assertGreater(row["cache"], 0)
        self.assertEqual(row["text_index"], 0)
        self.assertEqual(row["usage"], {"octets": 126, "messages": 3})
        self.assertEqual(row["limit"], {"octets": None, "messages": None})
        self.told("reindex")
        [row] = json.loads(self.told("stats", ANNA, "--json"))["mailboxes"]
        self.assertGreater(row["text_index"], 0)

    def test_nothing(self) -> None:
        """Where nobody has mail so far that is said."""
        shutil.rmtree(self.root)
        self.assertEqual(self.told("stats"), "There is no mail.\n")

    def test_limits(self) -> None:
        """Beside each limit stands what counts for it, of mailboxes and of domains."""
        self.mailnode("mailbox", "quota", ANNA, "252")
        domain = '[quota.domains."example.org"]\nmessages = 6\n'
        self.path.write_text(self.path.read_text() + f"[quota]\nmessages = 2\n{domain}")
        lines = [line.strip() for line in self.told("stats").splitlines()]
        own = ["quota: 0.0 of 0.0 MB (50 %)", "quota: 3 of 2 messages (150 %)"]
        self.assertEqual(lines[-4:], [*own, "example.org", "quota: 3 of 6 messages (50 %)"])
        self.assertNotIn("example.org", self.told("stats", ANNA).splitlines())


class Adopt(StoreCommands):
    """mailnode store adopt --dry-run."""

    def adopt(self) -> list[str]:
        """The lines, with single spaces; nothing is written meanwhile."""
        before = self.snapshot()
        self.outside = Outside(files=ReadOnly())
        text = self.told("adopt", "--dry-run", str(self.root))
        self.assertEqual(self.snapshot(), before)
        self.assertLessEqual(text.count("\n"), 24)
        return [" ".join(line.split()) for line in text.splitlines()]

    def snapshot(self) -> list[tuple[str, int, int, int]]:
        """What a write would change."""
        paths = [self.root, *sorted(self.root.rglob("*"))]
        return [
            (str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ctime_ns)
            for path in paths
        ]

    def test_sound(self) -> None:
        """A good tree: nothing changes."""
        self.assertEqual(
            self.adopt(),
            [
                "tree ANNA",
                "folders 2",
                "messages 3 (0.0 MB)",
                "UIDs 0 UIDs change",
                "UIDVALIDITYs 2 of 2 are kept",
                "keywords 1",
                "subscriptions 0",
            ],
        )

    def test_everything(self) -> None:
        """What would not come over is said, and why."""
        work = self.root / ".Work.2026"
        (work / "dovecot-uidlist").unlink()
        uids = self.root / "dovecot-uidlist"
        uids.write_bytes(uids.read_bytes().replace(b"\n2 :", b"\n1 :"))
        (work / "dovecot-keywords").write_text("".join(f"{number} key{number}\n" for number in range(26)))
        (work / "cur" / "1700000000.x:2,5").write_bytes(MESSAGE)
        for number in range(7):
            (work / "cur" / f".{number}").write_bytes(b"")
        (self.root / "Old" / "cur").mkdir(parents=True)
        work.chmod(0o750)
        lines = self.adopt()
        for line in (
            "UIDs 1 UID changes",
            "INBOX: 1, since line 3 of its uid list has UID 1 after UID 1",
            "2 messages have none yet and get their first",
            "UIDVALIDITYs 1 of 2 are kept",
            "keywords 27",
            "Work/2026: shown as unknown-31",
            "no messages 7",
            "and 4 more",
            "hidden folders 1",
            "permissions 1",
        ):
            self.assertIn(line, lines)

    def test_refused(self) -> None:
        """Without --dry-run there is nothing to do; what is no Maildir is said to be none."""
        self.assertIn("store.mail", self.told("adopt", str(self.root), code=2))
        self.assertIn("no Maildir", self.told("adopt", "--dry-run", str(self.folder), code=1))

    def test_json(self) -> None:
        """The same by topic, for programs."""
        found = json.loads(self.mailnode("store", "adopt", "--dry-run", str(self.root), "--json"))
        self.assertEqual((found["folders"], found["UIDs"][0]), (["2"], "0 UIDs change"))
