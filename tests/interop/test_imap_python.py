"""Python's libraries for IMAP against a whole server: IMAPClient and its own tests, imap-tools."""

import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from imap_tools import NOT, OR, A, MailBox, MailBoxStartTls, MailBoxUnencrypted, SortCriteria
from imapclient import IMAPClient

from tests.interop.both_sides import deliver, far_side, kept, login
from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, InteropTestCase, run, sample, samples
from tests.interop.test_clients import HouseTestCase

FLAGS = ([], [b"\\Seen"], [b"\\Flagged", b"$Label1"], [b"\\Answered", b"\\Seen"], ["Old"])
NAMES = ("Work", "Work/Deep", "Grüße & Co", '"quoted" \\ back', "日本語", "a*b%c")
SPECIAL = ((b"\\Sent", "Sent"), (b"\\Trash", "Trash"), (b"\\Drafts", "Drafts"), (b"\\Junk", "Junk"))

# Of imapclient.livetest: all that need neither sleep nor Gmail, but test_fetch, which measures an Envelope by
# len(), and test_subscriptions: SUBSCRIBE need not fail for what is not there (RFC 3501 section 6.3.6).
LIVE_GENERAL = (
    "alternates capabilities namespace unselect_folder select_and_close select_read_only list_folders folders"
    " rename_folder status noop"
)
LIVE_MESSAGES = (
    "BODYSTRUCTURE append_bytes append_unicode copy expunge fetch_modifiers flags move partial_fetch search"
    " search_with_modseq search_with_unicode sort sort_with_unicode thread thread_with_unicode uid_expunge"
)


def fill(client: IMAPClient) -> list[bytes]:
    """INBOX with some messages of several days, selected; gives what was put there."""
    messages = [one.octets for one in samples("first")[:-1]]
    for number, (message, flags) in enumerate(zip(messages, FLAGS, strict=True)):
        client.append("INBOX", message, flags, datetime(2026, 2, 3 + number, 4, 5, 6, tzinfo=UTC))
    client.select_folder("INBOX")
    return messages


class Live(HouseTestCase):
    """The tests that IMAPClient brings for any server."""

    def test_imapclient(self) -> None:
        """Under TLS and after STARTTLS; a wrong password is refused."""
        ports = self.server.ports
        lines = (
            f"[DEFAULT]\nhost = {HOST}\nport = {ports['imaps']}\nusername = {BEN}\npassword = {PASSWORD}",
            f"ssl_ca_file = {self.server.authority}",
            f"[starttls]\nport = {ports['imap']}\nssl = false\nstarttls = true",
            "[wrong]\npassword = wrong\nexpect_failure = .*Authentication failed.*",
        )
        config = self.house.write("live.ini", "\n".join(lines) + "\n")
        names = [f"TestGeneral.test_{name}" for name in LIVE_GENERAL.split()]
        names += [f"TestWithUIDs.test_{name}" for name in LIVE_MESSAGES.split()]
        trust = {**os.environ, "SSL_CERT_FILE": self.server.authority}
        run([sys.executable, "-m", "imapclient.livetest", config, *names], env=trust)


class ImapClient(InteropTestCase):
    """IMAPClient, as programs use it."""

    def setUp(self) -> None:
        super().setUp()
        self.client = login(self.server)
        self.addCleanup(self.client.shutdown)

    def test_folders(self) -> None:
        """Names of all kinds are made, found, subscribed, renamed and removed; special folders are found."""
        client = self.client
        for name in NAMES:
            client.create_folder(name)
            client.subscribe_folder(name)
            self.assertTrue(client.folder_exists(name), name)
        listed = [name for _, _, name in client.list_folders()]
        self.assertLessEqual(set(NAMES), set(listed))
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual([name for _, _, name in client.list_folders("", "Work/%")], ["Work/Deep"])
        self.assertLessEqual(set(NAMES), {name for _, _, name in client.list_sub_folders()})
        client.unsubscribe_folder("日本語")
        self.assertNotIn("日本語", {name for _, _, name in client.list_sub_folders()})
        client.rename_folder("Work", "Arbeit")
        self.assertTrue(client.folder_exists("Arbeit/Deep"))
        self.assertFalse(client.folder_exists("Work"))
        client.delete_folder("日本語")
        self.assertFalse(client.folder_exists("日本語"))
        for flag, name in SPECIAL:
            self.assertEqual(client.find_special_folder(flag), name)
        self.assertEqual(client.namespace().personal, (("", "/"),))

    def test_messages(self) -> None:
        """Several at once go in and come out; they are found, ordered, marked, copied, moved and removed."""
        client = self.client
        sent = fill(client)
        client.multiappend(
            "INBOX", [{"msg": one.octets, "flags": [b"\\Flagged"]} for one in samples("more")[:2]]
        )
        client.noop()
        rows = client.fetch(client.search(), ["ENVELOPE", "RFC822.SIZE", "BODY.PEEK[]", "BODYSTRUCTURE"])
        self.assertEqual(list(rows), [1, 2, 3, 4, 5, 6, 7])
        for octets, row in zip(sent, rows.values(), strict=False):
            self.assertTrue(row[b"BODY[]"] == octets)
            self.assertEqual(row[b"RFC822.SIZE"], len(octets))
            self.assertEqual(row[b"BODYSTRUCTURE"][:2], (b"text", b"plain"))
        self.assertEqual(rows[3][b"ENVELOPE"].message_id, b"<first-8bit@client.example>")
        self.assertEqual(client.search(["TEXT", "Владимир"], "UTF-8"), [3])
        self.assertEqual(client.search(["SINCE", date(2026, 2, 5), "BEFORE", date(2026, 2, 7)]), [3, 4])
        self.assertEqual(client.search(["NOT", ["KEYWORD", "Old", "UNSEEN"], "UNFLAGGED"]), [1, 2, 4])
        self.assertEqual(client.sort("REVERSE ARRIVAL", "UID 1:5"), [5, 4, 3, 2, 1])
        self.assertEqual(len(client.thread("REFERENCES")), 7)
        client.copy([1, 3], "Archive")
        client.move([2], "Trash")
        client.delete_messages([4, 5])
        client.uid_expunge([4])
        self.assertEqual(client.search(), [1, 3, 5, 6, 7])
        client.expunge()
        self.assertEqual(client.search(), [1, 3, 6, 7])
        self.assertEqual(
            client.folder_status("Archive", ["MESSAGES", "UIDNEXT"]), {b"MESSAGES": 2, b"UIDNEXT": 3}
        )
        side = far_side(self.server)
        self.assertEqual([one.name for one in side["Archive"]], ["first-8bit", "first-dots"])
        self.assertEqual([(one.name, one.letters) for one in side["Trash"]], [("first-last-dot", "S")])

    def test_idle(self) -> None:
        """What others do is told at once, and is true when the client looks."""
        client = self.client
        fill(client)
        client.idle()
        deliver(self.server, [sample("new", b"text\r\n")])
        self.assertEqual(self.told(), {(6, b"EXISTS")})
        with login(self.server) as other:
            other.select_folder("INBOX")
            other.add_flags([1], [b"\\Seen"])
            self.assertEqual(self.told(), {(1, b"FETCH", (b"UID", 1, b"FLAGS", (b"\\Recent", b"\\Seen")))})
            other.delete_messages([2])
            self.told()
            other.uid_expunge([2])
            self.assertEqual(self.told(), {(2, b"EXPUNGE")})
        client.idle_done()
        self.assertEqual(client.search(), [1, 3, 4, 5, 6])

    def told(self) -> set[Any]:
        """What comes in IDLE, but for numbers of what is new to this session only."""
        found: list[Any] = []
        while not (told := {one for one in found if one[-1] != b"RECENT"}):
            found += self.client.idle_check(30)
            self.assertTrue(found)
        return told


class ImapTools(InteropTestCase):
    """imap-tools."""

    def setUp(self) -> None:
        super().setUp()
        with login(self.server) as client:
            self.sent = fill(client)
        self.box = self.open()

    def open(self) -> MailBox:
        """A session under TLS."""
        box = MailBox(HOST, self.server.ports["imaps"], ssl_context=self.server.tls()).login(BEN, PASSWORD)
        self.addCleanup(box.logout)
        return box

    def test_ways(self) -> None:
        """In clear, after STARTTLS and under TLS the same messages are there."""
        ways: tuple[Callable[[], Any], ...] = (
            lambda: MailBoxUnencrypted(HOST, self.server.ports["imap"]),
            lambda: MailBoxStartTls(HOST, self.server.ports["imap"], ssl_context=self.server.tls()),
            lambda: MailBox(HOST, self.server.ports["imaps"], ssl_context=self.server.tls()),
        )
        for way in ways:
            with way().login(BEN, PASSWORD) as box:
                self.assertEqual([one.uid for one in box.fetch(mark_seen=False)], ["1", "2", "3", "4", "5"])

    def test_folders(self) -> None:
        """Made, found, subscribed, counted, renamed, removed."""
        folders = self.box.folder
        names = [name for name in NAMES if "\\" not in name]  # quoted characters are left as they come
        for name in names:
            folders.create(name)
            folders.subscribe(name, True)
            self.assertTrue(folders.exists(name), name)
        self.assertLessEqual(set(names), {one.name for one in folders.list()})
        self.assertLessEqual(set(names), {one.name for one in folders.list(subscribed_only=True)})
        folders.rename("Work", "Arbeit")
        folders.delete("日本語")
        self.assertTrue(folders.exists("Arbeit/Deep"))
        self.assertFalse(folders.exists("日本語"))
        status = folders.status("INBOX")
        self.assertEqual((status["MESSAGES"], status["UNSEEN"], status["UIDNEXT"]), (5, 3, 6))
        folders.set("Grüße & Co")
        self.assertEqual(folders.get(), "Grüße & Co")

    def test_messages(self) -> None:
        """Found by what its queries can say, in bulk and one by one, marked, copied, moved, removed."""
        box = self.box
        for bulk in (True, 2, False):
            found = list(box.fetch(mark_seen=False, bulk=bulk))
            self.assertEqual(
                [kept(one.obj.as_bytes(), "").name for one in found],
                [kept(one, "").name for one in self.sent],
            )
            self.assertEqual([one.size_rfc822 for one in found], list(map(len, self.sent)))
            self.assertEqual(found[2].text, "Grüße, Владимир, 你好 \U0001f600\r\n" * 50)
            self.assertEqual(found[2].subject, "grüße first-8bit")
        self.assertEqual(far_side(self.server)["INBOX"][1].letters, "")
        self.assertEqual(box.uids(A(OR(seen=True, flagged=True), NOT(answered=True))), ["2", "3"])
        self.assertEqual(box.uids(A(date_gte=date(2026, 1, 1), subject="first", keyword="Old")), ["5"])
        self.assertEqual(box.uids(A(text="Владимир"), charset="utf8"), ["3"])
        self.assertEqual(box.uids(sort=SortCriteria.ARRIVAL_DT_DESC), ["5", "4", "3", "2", "1"])
        self.assertEqual(box.uids(A(size_gt=5000)), ["5"])
        list(box.fetch(A(uid="1"), headers_only=True))
        box.flag(["1", "3"], ["\\Answered", "Blue"], True)
        box.flag("3", "\\Flagged", False)
        box.copy(["1", "5"], "Archive")
        box.move("2", "Trash")
        box.delete("4")
        box.append(
            sample("put", b"text\r\n").octets,
            "Drafts",
            dt=datetime(2026, 2, 3, tzinfo=UTC),
            flag_set=["\\Draft"],
        )
        side = {
            name: [(one.name, one.letters) for one in side] for name, side in far_side(self.server).items()
        }
        inbox = [("first-8bit", "R"), ("first-dots", "RS"), ("first-long", "")]
        self.assertEqual(side["INBOX"], inbox)
        self.assertEqual(side["Archive"], [("first-dots", "RS"), ("first-long", "")])
        self.assertEqual(side["Trash"], [("first-last-dot", "S")])
        self.assertEqual(side["Drafts"], [("put", "D")])

    def test_idle(self) -> None:
        """It waits for what others do."""
        thread = threading.Thread(target=deliver, args=(self.server, [sample("new", b"text\r\n")]))
        with self.box.idle as idle:
            thread.start()
            self.assertIn(b"* 6 EXISTS", idle.poll(timeout=120))
        thread.join()
        (message,) = self.box.fetch(A(uid="6"))
        self.assertEqual(message.text, "text\r\n")
        self.assertEqual(message.from_, ANNA)
