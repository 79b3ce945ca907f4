"""`mailnode import` and `mailnode export` as a person meets them."""

import imaplib
import json
from typing import Any, ClassVar

from mailnode.admin import imap_source
from mailnode.store.values import INBOX, SEEN
from tests.admin.test_store_commands import ANNA, BEN, StoreCommands

ONE = b"Subject: one\r\n\r\nx\r\n"
TWO = b"Subject: two\r\n\r\ny\r\n"


class FakeSession:
    """Another server: folders with messages, told as imaplib tells them."""

    asked: ClassVar[list[tuple[Any, ...]]] = []
    fails_after = 1000
    error, abort = imaplib.IMAP4.error, imaplib.IMAP4.abort

    def __init__(self, host: str, port: int, *args: Any, **kwargs: Any) -> None:
        self.asked.append((host, port))
        self._folder = ""
        self._left = FakeSession.fails_after

    def login(self, user: str, password: str) -> None:
        if password != "there":
            raise imaplib.IMAP4.error(b"[AUTHENTICATIONFAILED] no")

    def starttls(self, context: object) -> None:
        self.asked.append(("STARTTLS",))

    def logout(self) -> None:
        self.asked.append(("LOGOUT",))

    def list(self, *args: str) -> Any:
        return "OK", [
            b'(\\HasNoChildren) "." INBOX',
            b'(\\Noselect \\HasChildren) "." Parent',
            b'(\\HasNoChildren \\Sent) "." "Parent.S&AOQ-nt"',
            (b'(\\HasNoChildren) "." {5}', b'a/"b"'),
            b'(\\All) "." All',
            None,
        ]

    def select(self, name: str, readonly: bool) -> Any:
        assert readonly
        self._folder = name
        self.asked.append(("EXAMINE", name))
        return "OK", [b"2"]

    def response(self, code: str) -> Any:
        return code, [b"17"]

    def uid(self, command: str, uids: str, items: str) -> Any:
        if "INTERNALDATE" in items:
            return "OK", [
                b'1 (UID 5 FLAGS (\\Seen $Todo \\Recent) INTERNALDATE "14-Nov-2023 22:13:20 +0000")',
                b'2 (UID 7 FLAGS () INTERNALDATE "14-Nov-2023 22:13:21 +0000")',
                b'3 (UID 9 FLAGS (\\deleted) INTERNALDATE "14-Nov-2023 22:13:21 +0000")',
                b"4 (FLAGS ())",
            ]
        self.asked.append(("FETCH", uids))
        self._left -= 1
        if self._left < 0:
            raise imaplib.IMAP4.abort("connection lost")
        found: Any = []
        for uid, data in (("5", ONE), ("7", TWO)):
            if uid in uids.split(","):
                found += [(b"1 (UID %b BODY[] {%d}" % (uid.encode(), len(data)), data), b")"]
        return "OK", found


class ImportCommands(StoreCommands):
    """Into anna's mailbox, or ben's, who has none yet."""

    def rows(self, *arguments: str, **options: Any) -> dict[str, tuple[int, int]]:
        """How many came to each folder, and were there."""
        told = json.loads(self.mailnode("import", *arguments, "--json", **options))
        return {row["folder"]: (row["added"], row["known"]) for row in told["folders"]}

    def test_mbox(self) -> None:
        """A file, and a directory with folders."""
        work = self.folder / "mail" / "Work.sbd"
        work.mkdir(parents=True)
        for path in (self.folder / "mail" / "Inbox", work / "2026"):
            path.write_bytes(b"From \n" + ONE + b"\nFrom \n" + TWO)
        self.assertEqual(self.rows("mbox", BEN, str(self.folder / "mail" / "Inbox")), {"INBOX": (2, 0)})
        expected = {"Old/INBOX": (2, 0), "Old/W": (2, 0)}
        arguments = ("--into", "Old", "--map", "Work/2026=W")
        self.assertEqual(self.rows("mbox", BEN, str(self.folder / "mail"), *arguments), expected)
        told = self.mailnode("import", "mbox", BEN, str(self.folder / "mail"))
        self.assertRegex(told, r"(?m)^  INBOX +0 came +2 there already\n  Work/2026 +2 came +0 there")
        self.assertIn(
            "is no mbox", self.mailnode("import", "mbox", BEN, str(self.folder / "etc/mailnode.toml"), code=1)
        )
        self.assertIn("OLD=NEW", self.mailnode("import", "mbox", BEN, str(work), "--map", "x", code=2))

    def test_maildir(self) -> None:
        """From one mailbox to another one; of two messages that are the same one comes."""
        self.assertEqual(self.rows("maildir", BEN, str(self.root)), {"INBOX": (1, 1), "Work/2026": (1, 0)})
        self.assertEqual(self.rows("maildir", BEN, str(self.root)), {"INBOX": (0, 2), "Work/2026": (0, 1)})
        self.assertIn("no Maildir", self.mailnode("import", "maildir", BEN, str(self.folder), code=1))

    def other(self, fails_after: int = 1000) -> None:
        """There is another server."""
        FakeSession.asked, FakeSession.fails_after = [], fails_after
        self.patch(imap_source.imaplib, "IMAP4_SSL", FakeSession)
        self.patch(imap_source.imaplib, "IMAP4", FakeSession)

    def imap(self, *arguments: str) -> dict[str, tuple[int, int]]:
        return self.rows("imap", BEN, "old.example", "--password-stdin", *arguments, input="there\n")

    def test_imap(self) -> None:
        """All folders but what is none, with flags; the second time nothing is fetched."""
        self.other()
        expected = {"INBOX": (2, 0), "Parent/Sänt": (2, 0), 'a_"b"': (2, 0)}
        self.assertEqual(self.imap(), expected)
        self.assertIn(("EXAMINE", '"a/\\"b\\""'), FakeSession.asked)
        self.assertIn(("old.example", 993), FakeSession.asked)
        self.root = self.root.parent / "ben"
        account = self.account()
        flags = [one.flags for one in account.mailbox(INBOX).each([1, 2])]
        self.assertCountEqual(flags, [{SEEN, "$Todo"}, set()])
        self.assertEqual(
            {account.mailbox(INBOX).internal_date(uid) for uid in (1, 2)}, {1_700_000_000, 1_700_000_001}
        )
        account.close()
        self.other()
        self.assertEqual(self.imap("--starttls"), dict.fromkeys(expected, (0, 2)))
        self.assertFalse([one for one in FakeSession.asked if one[0] == "FETCH"])
        self.assertIn(("STARTTLS",), FakeSession.asked)
        self.assertIn(("old.example", 143), FakeSession.asked)

    def test_imap_folders(self) -> None:
        """Only those that are named, under other names."""
        self.other()
        found = self.imap("--folder", "Parent/Sänt", "--map", "Parent=Old")
        self.assertEqual(found, {"Old/Sänt": (2, 0)})
        arguments = ("imap", BEN, "h", "--password-stdin", "--folder", "No")
        self.assertIn("no folder No", self.mailnode("import", *arguments, code=1, input="there\n"))

    def test_imap_that_fails(self) -> None:
        """What came is there, and the same command goes on."""
        self.other(fails_after=1)
        arguments = ("imap", BEN, "old.example", "--password-stdin")
        told = self.mailnode("import", *arguments, code=1, input="there\n")
        self.assertIn("connection lost. The same command goes on", told)
        self.assertRegex(told, r"INBOX +2 came")
        self.other()
        self.assertEqual(self.imap()["INBOX"], (0, 2))
        self.assertIn("no. The same", self.mailnode("import", *arguments, code=1, input="wrong\n"))

    def test_export(self) -> None:
        """mbox and Maildir, and in again."""
        for kind in ("mbox", "maildir"):
            target = str(self.folder / kind)
            told = self.mailnode("export", kind, ANNA, target)
            self.assertRegex(told, r"(?m)^  INBOX +2 messages  ")
            self.assertRegex(told, r"(?m)^  Work/2026 +1 message   ")
            rows = self.rows(kind, BEN, target, "--into", kind)
            self.assertEqual(rows[f"{kind}/Work/2026"], (1, 0))
