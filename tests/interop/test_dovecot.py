"""Trees that Dovecot made are served as they lie, and Dovecot serves what became of them.

Nothing is imported: the same UIDs, UIDVALIDITYs, flags, dates, octets, subscriptions and UIDLs, both ways.
"""

import os
import poplib
import random
import smtplib
import time
from dataclasses import field, replace
from datetime import UTC, datetime

from click.testing import CliRunner
from imapclient import IMAPClient
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.cli import main
from mailnode.fs import FileSystem
from mailnode.store.account import Account
from mailnode.store.delivery import deliver
from mailnode.store.filenames import is_message, split
from mailnode.store.values import DELETED, FLAGGED, INBOX, NO_FLAGS, SEEN, Flags
from mailnode.values import frozen
from tests.interop.dovecot import Dovecot
from tests.interop.harness import ANNA, BEN, PASSWORD, Server, sample, samples

LETTERS = 26  # how many keywords of a folder Dovecot can write into file names
FOLDERS = ("Work", "Work/2026", "Work/2026/Mai", "R&D", "Grüße/Übersicht", "日本語", "many", "gone", "empty")
NAMED = tuple(f"key{number:02}" for number in range(LETTERS + 4))

NO_MAILBOX = {b"\\Noselect", b"\\NonExistent"}  # what LIST says of names that only have inferiors

# Line ends as APPEND may bring them, and octets that have broken mail systems.
ODD = (
    b"Subject: no line end\r\n\r\nend",
    b"Subject: bare\r\n\r\na\nb\r\n",
    b"Subject: crcrlf\r\n\r\na\r\r\nb\rc\r\n",
    b"no header\r\n",
    b"Subject: \xc3\xbc\xff\r\n\r\n" + bytes(range(14, 256)) + b"\r\n",
)


# What a delivery agent without sizes in its names has left.
FOREIGN = {
    "new/1600000000.M1P1.elsewhere": b"Subject: LF\n\ntext\n",
    "cur/1600000001.2.elsewhere:2,RS": b"Subject: CRLF\r\n\r\ntext\r\n",
    "cur/1600000002.3.elsewhere,S=23:2,": b"Subject: both\r\n\ntext\r\n\n",
    "tmp/1600000003.4.elsewhere": b"half",
}


@frozen
class Message:
    """What FETCH tells of a message; the date in seconds since the epoch."""

    flags: Flags
    date: int
    size: int
    octets: bytes = field(repr=False)


@frozen
class Folder:
    """What SELECT and FETCH tell of a folder: messages by UID."""

    validity: int
    uid_next: int
    messages: dict[int, Message]

    def without(self, *keywords: str) -> "Folder":
        """The same where nobody knows these keywords."""
        messages = {uid: replace(one, flags=one.flags - set(keywords)) for uid, one in self.messages.items()}
        return replace(self, messages=messages)


@frozen
class View:
    """All of an account, as a client sees it."""

    folders: dict[str, Folder]
    subscribed: frozenset[str]


# Looking


def login(server: "Server | Dovecot") -> IMAPClient:
    """Anna's IMAP session."""
    client = IMAPClient("127.0.0.1", port=server.ports["imap"], ssl=False)
    client.normalise_times = False
    client.login(ANNA, PASSWORD)
    return client


def over_imap(server: "Server | Dovecot") -> View:
    """All that FETCH gives of all folders."""
    with login(server) as client:
        names = [name for flags, _, name in client.list_folders() if not NO_MAILBOX & set(flags)]
        subscribed = frozenset(name for _, _, name in client.list_sub_folders())
        return View({name: _folder(client, name) for name in names}, subscribed)


def _folder(client: IMAPClient, name: str) -> Folder:
    said = client.select_folder(name, readonly=True)
    found = {}
    uids = client.search("ALL")
    for uid, row in client.fetch(uids, ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"]).items():
        flags = frozenset(flag.decode() for flag in row[b"FLAGS"]) - {"\\Recent"}
        date = int(row[b"INTERNALDATE"].timestamp())
        found[uid] = Message(flags, date, row[b"RFC822.SIZE"], row[b"BODY[]"])
    return Folder(said[b"UIDVALIDITY"], said[b"UIDNEXT"], found)


def in_store(account: Account) -> View:
    """The same, from the store itself."""
    folders = {}
    for name in account.names():
        mailbox = account.mailbox(name)
        found = {}
        for uid in mailbox.uids:
            message = mailbox.get(uid)
            assert message is not None
            with mailbox.body(uid) as body:
                octets = b"".join(body.wire()).replace(b"\0", b"\x80")
            date = int(mailbox.internal_date(uid))
            found[uid] = Message(message.flags, date, mailbox.octets(uid), octets)
        folders["/".join(name)] = Folder(mailbox.uid_validity, mailbox.uid_next, found)
    return View(folders, frozenset("/".join(name) for name in account.subscriptions()))


def uidls(server: "Server | Dovecot") -> list[bytes]:
    """The UIDLs of the POP3 service, in its order."""
    client = poplib.POP3("127.0.0.1", server.ports["pop3"])
    client.user(ANNA)
    client.pass_(PASSWORD)
    found = [line.split(b" ")[1] for line in client.uidl()[1]]
    client.quit()
    return found


def bases(tree: str) -> set[str]:
    """The bases of all message files, with their folders."""
    return {
        os.path.join(os.path.dirname(directory), split(name)[0])
        for directory, _, names in os.walk(tree)
        if os.path.basename(directory) in ("cur", "new")
        for name in names
        if is_message(name)
    }


# Doing


def furnish(server: "Server | Dovecot") -> None:
    """An account with everything in it that a mail client makes."""
    with login(server) as client:
        for name in FOLDERS:
            client.create_folder(name)
        for name in ("INBOX", "Work/2026", "日本語", "R&D", "gone"):
            client.subscribe_folder(name)
        for number, one in enumerate(samples("first")):
            date = datetime(2001 + number, 2, 3, 4, 5, number, tzinfo=UTC)
            client.append("INBOX", one.octets, [SEEN, "$Forwarded", "Later"][:number], date)
        for octets in ODD:
            client.append("日本語", octets, [FLAGGED], datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC))
        for number in range(10):
            client.append("Grüße/Übersicht", sample(f"g{number}", b"text\r\n" * number).octets)
        client.select_folder("Grüße/Übersicht")
        client.copy(client.search("ALL")[:5], "Work/2026/Mai")
        client.copy(client.search("ALL")[:2], "Grüße/Übersicht")
        client.add_flags(client.search("ALL")[1:4], [DELETED])
        client.expunge()
        for keyword in NAMED:
            client.append("many", sample(keyword, b"text\r\n").octets, [keyword])
        client.append("many", sample("all", b"text\r\n").octets, NAMED)
        client.append("gone", ODD[0])
        client.delete_folder("gone")


def change(client: IMAPClient, mark: str) -> None:
    """What a day brings: flags, keywords, copies, moves, folders that come and go."""
    client.select_folder("INBOX")
    uids = client.search("ALL")
    client.add_flags(uids[:2], [FLAGGED, f"{mark}Keyword", "$Forwarded"])
    client.remove_flags(uids[2:4], [SEEN, "Later"])
    client.copy(uids[:3], "Work")
    client.copy(uids[:1], "INBOX")
    client.append(
        "INBOX", sample(mark, b"a\r\n").octets, [SEEN, mark], datetime(2010, 1, 2, 3, 4, 5, tzinfo=UTC)
    )
    client.append("Work", ODD[1], [], datetime(2011, 1, 2, 3, 4, 5, tzinfo=UTC))
    client.add_flags(uids[4:5], [DELETED])
    client.expunge()
    client.create_folder(f"Neu/{mark} ü")
    client.append(f"Neu/{mark} ü", sample(f"{mark}-n", b"").octets, [mark])
    client.create_folder(f"{mark}-old")
    client.append(f"{mark}-old", ODD[2], ["Later"])
    client.rename_folder(f"{mark}-old", f"Work/{mark} & new")
    client.create_folder(f"{mark}-short")
    client.delete_folder(f"{mark}-short")
    client.subscribe_folder(f"Work/{mark} & new")
    client.subscribe_folder("Work")
    client.unsubscribe_folder(f"Work/{mark} & new" if mark == "two" else "Work")


class DovecotTests(SynchronousTestCase):
    """Dovecot's tree in our hands, and ours in Dovecot's."""

    maxDiff = 4000

    def setUp(self) -> None:
        self.addCleanup(os.umask, os.umask(0o077))

    def dovecot(self, *, extra: str = "") -> Dovecot:
        """One that has made a tree, and runs."""
        dovecot = Dovecot(extra=extra)
        self.addCleanup(dovecot.clean_up)
        self.addCleanup(self.assert_content, dovecot)
        for name, octets in FOREIGN.items():
            path = os.path.join(dovecot.tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(octets)
        dovecot.start()
        furnish(dovecot)
        return dovecot

    def assert_content(self, dovecot: Dovecot) -> None:
        """Dovecot has found nothing to complain of."""
        for word in ("Error:", "Panic:", "Fatal:"):
            self.assertNotIn(word, dovecot.log())

    def account(self, tree: str) -> Account:
        """The store on a tree, as a fresh process opens it."""
        account = Account(
            tree, files=FileSystem(), now=time.time, host="mail.example.test", rng=random.Random()
        )
        self.addCleanup(account.close)
        return account

    def mailnode(self, dovecot: Dovecot) -> Server:
        """A server for anna, whose mail is Dovecot's tree."""
        server = Server((ANNA,))
        self.addCleanup(server.clean_up)
        server.write_config(server.extra + f'\n[store]\nmail = "{dovecot.directory}/{{local}}"\n')
        return server

    def assert_same(self, one: View, other: View, *, unknown: tuple[str, ...] = ()) -> None:
        """Two views are one, but for keywords that one side cannot know."""
        self.assertEqual(one.folders.keys(), other.folders.keys())
        self.assertEqual(one.subscribed, other.subscribed)
        for name, folder in one.folders.items():
            self.assertEqual(folder.without(*unknown), other.folders[name].without(*unknown), name)

    def test_store(self) -> None:
        """The store gives what Dovecot gave, with no file renamed; then Dovecot gives what the store gave."""
        dovecot = self.dovecot()
        dovecot_saw = over_imap(dovecot)
        dovecot.stop()
        before = bases(dovecot.tree)
        account = self.account(dovecot.tree)
        self.assert_same(dovecot_saw, in_store(account), unknown=NAMED[LETTERS:])
        many = in_store(account).folders["many"].messages
        self.assertEqual(many[len(NAMED) + 1].flags, frozenset(NAMED[:LETTERS]))
        self.assertEqual(bases(dovecot.tree), before)

        self.change_store(account)
        store_saw = in_store(account)
        account.close()
        dovecot.start()
        self.assert_same(store_saw, over_imap(dovecot), unknown=NAMED[LETTERS:])

        with login(dovecot) as client:
            change(client, "dove")
        dovecot_saw = over_imap(dovecot)
        dovecot.stop()
        self.assert_same(dovecot_saw, in_store(self.account(dovecot.tree)), unknown=NAMED[LETTERS:])

    def change_store(self, account: Account) -> None:
        """Every way in which the store changes a tree."""
        inbox, work = account.mailbox(INBOX), account.mailbox(("Work",))
        uids = list(inbox.uids)
        inbox.set_flags(uids[:3], "add", frozenset({SEEN, "Neu"}))
        inbox.set_flags(uids[3:4], "replace", frozenset({FLAGGED}))
        inbox.copy(uids[:3], work)
        inbox.copy(uids[:2], inbox)
        inbox.expunge(uids[4:5])
        for octets in ODD:
            draft = account.draft()
            draft.write(octets)
            account.append(("Work",), draft, frozenset({"Later"}), 1_000_000_000.0)
            draft = account.draft()
            draft.write(octets)
            account.append(("日本語",), draft, NO_FLAGS, 1_000_000_000.0)
        draft = account.draft()
        draft.write(sample("delivered", b"text\r\n").octets)
        deliver(draft, [account], FileSystem())
        account.create(("Neu", "älter"))
        account.rename(("日本語",), ("Arbeit", "日本"))
        account.delete(("empty",))
        account.subscribe(("Arbeit", "日本"))
        account.unsubscribe(("R&D",))

    def test_server(self) -> None:
        """The same with the whole server, over IMAP, POP3 and SMTP, in two rounds."""
        dovecot = self.dovecot()
        server = self.mailnode(dovecot)
        for mark in ("one", "two"):
            dovecot_saw, dovecot_uidls = over_imap(dovecot), uidls(dovecot)
            dovecot.stop()
            before = bases(dovecot.tree)
            server.start()
            self.assertEqual(uidls(server), dovecot_uidls)
            self.assert_same(dovecot_saw, over_imap(server), unknown=NAMED[LETTERS:])
            self.assertEqual(bases(dovecot.tree), before)
            with login(server) as client:
                change(client, mark)
            with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as smtp:
                smtp.sendmail(BEN, [ANNA], sample(mark, b".\r\ntext\r\n").octets)
            server_saw, server_uidls = over_imap(server), uidls(server)
            self.assert_sound(server)
            server.stop()
            self.assertNotIn("Traceback", server.log())
            dovecot.start()
            self.assert_same(server_saw, over_imap(dovecot), unknown=NAMED[LETTERS:])
            self.assertEqual(uidls(dovecot), server_uidls)
            with login(dovecot) as client:
                change(client, f"dove-{mark}")

    def assert_sound(self, server: Server) -> None:
        """`mailnode store verify` finds nothing, while the server runs."""
        arguments = ("--config", server.config_path, "store", "verify", ANNA)
        self.assertIn("nothing is wrong", CliRunner().invoke(main, arguments).output)

    def test_saved_uidls(self) -> None:
        """UIDLs that Dovecot has written into the uid list are kept, whatever they look like."""
        self.keep_uidls("dove-%u.%v")

    def test_saved_guids(self) -> None:
        """A UIDL that is the message's base is written as an empty field, and kept as well."""
        self.keep_uidls("%g")

    def keep_uidls(self, style: str) -> None:
        """Dovecot makes UIDLs of a style and saves them; we know nothing of the style."""
        dovecot = self.dovecot(
            extra=f"pop3_uidl_format = {style}\nprotocol pop3 {{\n  pop3_save_uidl = yes\n}}\n"
        )
        expected = uidls(dovecot)
        dovecot.stop()
        server = self.mailnode(dovecot)
        server.start()
        self.assertEqual(uidls(server), expected)

    def test_more_keywords(self) -> None:
        """Keywords beyond the 26 letters are kept for us by Dovecot, which does not know them."""
        dovecot = self.dovecot()
        dovecot.stop()
        account = self.account(dovecot.tree)
        many = account.mailbox(("many",))
        ours = frozenset({"extra1", "extra2"})
        many.set_flags([1, 2], "add", ours)
        account.close()
        dovecot.start()
        with login(dovecot) as client:
            client.select_folder("many")
            client.add_flags([1], [FLAGGED, "key05"])
        seen = over_imap(dovecot).folders["many"]
        dovecot.stop()
        self.assertEqual(seen.messages[1].flags & ours, NO_FLAGS)
        again = in_store(self.account(dovecot.tree)).folders["many"]
        self.assertEqual(again.messages[1].flags, ours | {"key00", "key05", FLAGGED})
        self.assertEqual(again.messages[2].flags, ours | {"key01"})
