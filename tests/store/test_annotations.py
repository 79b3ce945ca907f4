"""Annotations and special uses: their file, and what becomes of them when mailboxes change."""

import errno
import os
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store import attributes
from mailnode.store.annotations import ENTRIES, FILE_OCTETS, VALUE_OCTETS
from mailnode.store.attributes import Attributes, Place
from mailnode.store.errors import BadUse, MailboxExists, NoSuchMailbox, TooManyAnnotations
from mailnode.store.furnishing import furnish
from mailnode.store.tabbed import escape, unescape
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase

G = "0123456789abcdef0123456789abcdef"
USUAL = {"\\Sent": ("Sent",), "\\Junk": ("Mail", "Spam"), "\\Trash": ("Sent",)}
ENTRY = "/private/comment"


class FileTests(SynchronousTestCase):
    """The file as text."""

    @given(st.binary())
    def test_escapes(self, octets: bytes) -> None:
        """Every value stands in one line and comes back."""
        self.assertFalse(set(escape(octets)) & set(b"\0\t\r\n"))
        self.assertEqual(unescape(escape(octets)), octets)

    @given(st.dictionaries(st.sampled_from(("/private/a", "/shared/b/c", "/private/d")), st.binary()))
    def test_round_trip(self, entries: dict[str, bytes]) -> None:
        """What is written is read again, of a mailbox and of the server beside each other."""
        written = Attributes().changed(Place(G), entries).changed(Place(G, server=True), entries)
        found = attributes.parse(written.encode())
        self.assertEqual(found.of(Place(G)), entries)
        self.assertEqual(found.of(Place(G, server=True)), entries)
        self.assertEqual(found.of(Place("f" * 32)), {})
        self.assertEqual(found.without(G).encode(), b"")
        other = {"/private/vendor/x/" + G: b"of another"}
        self.assertEqual(found.changed(Place("f" * 32), other).without(G).of(Place("f" * 32)), other)

    @given(st.binary())
    def test_any_file_is_read(self, data: bytes) -> None:
        """Whatever stands there, nothing is raised."""
        found = attributes.parse(data)
        list(found.special_uses())
        found.of(Place(G))

    def test_dovecots_form(self) -> None:
        """A key, its value, with Dovecot's names for the scopes; a key without value is left out."""
        data = f"shared/{G}/comment\nof all\npriv/{G}/specialuse\n\\Sent\npriv/{G}/half".encode()
        found = attributes.parse(data)
        self.assertEqual(found.of(Place(G)), {"/shared/comment": b"of all", "/private/specialuse": b"\\Sent"})
        self.assertEqual(list(found.special_uses()), [(G, b"\\Sent")])

    def test_dovecots_own_entries_are_nobodys(self) -> None:
        """Below vendor.dovecot/pvt/ only those of the server are ours."""
        data = f"priv/{G}/vendor/vendor.dovecot/pvt/x\ny\n".encode()
        self.assertEqual(attributes.parse(data).of(Place(G)), {})


class AnnotationTests(StoreTestCase):
    """With mailboxes."""

    def setUp(self) -> None:
        super().setUp()
        self.store = self.account(special_use=lambda: USUAL)

    def test_usual_names(self) -> None:
        """A mailbox is for what its name says; once somebody has said something else, for that."""
        notes = self.store.annotations
        self.assertEqual(notes.special_uses(), {})
        self.store.create(("Sent",))
        self.assertEqual(notes.special_uses(), {("Sent",): ("\\Sent", "\\Trash")})
        notes.change(("Sent",), {attributes.SPECIAL_USE: b"\\Archive"})
        self.assertEqual(notes.special_uses(), {("Sent",): ("\\Archive",)})
        notes.change(("Sent",), {attributes.SPECIAL_USE: None})
        self.assertEqual(notes.special_uses(), {})

    def test_a_use_goes_with_a_rename(self) -> None:
        """Also when only the name said it; a new mailbox of the old name has no use then."""
        notes = self.store.annotations
        self.store.create(("Mail", "Spam"))
        self.store.rename(("Mail",), ("Post",))
        self.store.create(("Mail", "Spam"))
        self.assertEqual(notes.special_uses(), {("Post", "Spam"): ("\\Junk",)})
        self.store.delete(("Post", "Spam"))
        self.assertEqual(notes.special_uses(), {("Mail", "Spam"): ("\\Junk",)})

    def test_survive_the_end_of_the_process(self) -> None:
        """They stand in a file, not in memory nor in the cache."""
        self.store.create(("Pläne",), ("\\Drafts",))
        self.store.annotations.change(("Pläne",), {ENTRY: b"\0\r\n\xff"})
        self.store.close()
        for name in os.listdir(self.store.root):
            if "sqlite" in name:
                os.unlink(f"{self.store.root}/{name}")
        notes = self.account().annotations
        self.assertEqual(
            notes.entries(("Pläne",)), {ENTRY: b"\0\r\n\xff", attributes.SPECIAL_USE: b"\\Drafts"}
        )

    def test_deleted_ones_leave_nothing(self) -> None:
        """Nothing is left in the file."""
        self.store.create(("a",), ("\\Drafts",))
        self.store.annotations.change(("a",), {ENTRY: b"x"})
        self.store.delete(("a",))
        with open(f"{self.store.root}/{attributes.FILE_NAME}", "rb") as file:
            self.assertEqual(file.read(), b"")

    def test_a_copy_keeps_them_alive(self) -> None:
        """The original is deleted, and another folder has its G still: somebody has copied it."""
        self.store.create(("a",))
        self.store.annotations.change(("a",), {ENTRY: b"x"})
        root = self.store.root
        os.mkdir(f"{root}/.b")
        for name in ("cur", "new", "tmp"):
            os.mkdir(f"{root}/.b/{name}")
        os.link(f"{root}/.a/dovecot-uidlist", f"{root}/.b/dovecot-uidlist")
        self.store.delete(("a",))
        self.assertEqual(self.store.annotations.entries(("b",)), {ENTRY: b"x"})

    def test_limits(self) -> None:
        """So many of a mailbox, and so many octets of an account; what is refused changes nothing."""
        notes = self.store.annotations
        notes.change(INBOX, {f"/private/{n}": b"" for n in range(ENTRIES)})
        with self.assertRaises(TooManyAnnotations):
            notes.change(INBOX, {"/private/0": b"x", "/private/more": b""})
        self.assertEqual(notes.entries(INBOX)["/private/0"], b"")
        notes.change(INBOX, {"/private/0": None, "/private/more": b""})
        large = {f"/private/{n}": bytes(VALUE_OCTETS // 2) for n in range(ENTRIES // 2)}
        with self.assertRaises(TooManyAnnotations):
            for n in range(FILE_OCTETS // VALUE_OCTETS):
                self.store.create((f"m{n}",))
                notes.change((f"m{n}",), large)

    def test_refusals(self) -> None:
        """No mailbox, and no use."""
        notes = self.store.annotations
        with self.assertRaises(NoSuchMailbox):
            notes.entries(("none",))
        with self.assertRaises(BadUse):
            notes.change(INBOX, {attributes.SPECIAL_USE: b"\\Sent"})

    def test_create_with_a_use_fails_whole(self) -> None:
        """Whichever step fails: no mailbox, and the use is where it was; or all of it."""
        files = self.files
        account = self.account()
        account.create(("old",), ("\\Sent",))
        for step in range(1, 60):
            files.calls.clear()
            files.fail = lambda operation, count, step=step: (
                OSError(errno.ENOSPC, "full") if count == step else None
            )
            try:
                account.create(("fresh",), ("\\Sent",))
            except OSError:
                made = False
            else:
                made = True
            finally:
                files.fail = lambda operation, count: None
            account = self.account()
            self.assertEqual(("fresh",) in account.names(), made, step)
            owner = ("fresh",) if made else ("old",)
            self.assertEqual(account.annotations.special_uses(), {owner: ("\\Sent",)}, step)
            if made and len(files.calls) < step:
                return
            if made:
                account.delete(("fresh",))
                account.annotations.change(("old",), {attributes.SPECIAL_USE: b"\\Sent"})
        self.fail("never done")


class FurnishTests(StoreTestCase):
    """The mailboxes of a new account."""

    def test_new_accounts(self) -> None:
        """They are made and subscribed, once."""
        account = self.account(special_use=lambda: USUAL)
        furnish(account)
        everything = [INBOX, ("Mail", "Spam"), ("Sent",)]
        self.assertEqual(account.names(), everything)
        self.assertEqual(sorted(account.subscriptions()), everything)
        self.assertEqual(account.annotations.special_uses()[("Sent",)], ("\\Sent", "\\Trash"))
        account.delete(("Sent",))
        furnish(account)
        self.assertNotIn(("Sent",), account.names())

    def test_after_a_crash(self) -> None:
        """What was begun is done to its end."""
        account = self.account(special_use=lambda: USUAL)
        account.create(("Sent",))
        furnish(account)
        self.assertEqual(account.names(), [INBOX, ("Mail", "Spam"), ("Sent",)])

    def test_two_processes(self) -> None:
        """What another process makes at the same moment is there, once; who only wants it made hears so."""
        account, other = (self.account(special_use=lambda: USUAL) for _ in range(2))
        locks = account._context.locks
        lock, waits = locks.folder, [("Sent",), ("Mail", "Spam")]

        def taken(path: str) -> Any:
            if waits and path == account.root:
                other.create(waits.pop())
            return lock(path)

        self.patch(locks, "folder", taken)
        self.assertRaises(MailboxExists, account.create, ("Mail", "Spam"))
        furnish(account)
        self.assertEqual(waits, [])
        self.assertEqual(account.names(), [INBOX, ("Mail", "Spam"), ("Sent",)])
        self.assertEqual(sorted(account.subscriptions()), account.names())

    def test_others_are_left_alone(self) -> None:
        """Who has other folders, or subscriptions, gets none; nor does anybody where none are wanted."""
        account = self.account(special_use=lambda: USUAL)
        account.create(("Gesendet",))
        furnish(account)
        self.assertEqual(account.names(), [INBOX, ("Gesendet",)])
        bare = self.account("other")
        furnish(bare)
        self.assertEqual(bare.names(), [INBOX])
        self.assertFalse(bare.has_subscriptions)
