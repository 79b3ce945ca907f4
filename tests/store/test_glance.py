"""What is seen of an account without opening a mailbox."""

import os
import shutil
from collections.abc import Callable

from mailnode.store.glance import THE_ACCOUNT, UNSETTLED, Census
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase

BOX = ("box",)


class GlanceTests(StoreTestCase):
    """Marks and the census."""

    def setUp(self) -> None:
        super().setUp()
        self.anna = self.account()
        self.anna.create(BOX)
        self.glance = self.anna.glance
        self.box = f"{self.anna.root}/.box"

    def aged(self, change: Callable[[], object]) -> None:
        """Change something; the root's time is another one then, whatever the kernel's clock says."""
        change()
        self._later += 1
        os.utime(self.anna.root, (self._later, self._later))

    def test_marks(self) -> None:
        """They are the same as long as nothing changes; of what is not there, there is none."""
        before = self.glance.marks((INBOX, BOX, ("none",)))
        self.assertEqual(before.keys(), {INBOX, BOX, THE_ACCOUNT})
        self.assertNotIn(UNSETTLED, before.values())
        self.assertEqual(self.glance.marks((INBOX, BOX)), before)
        with self.elsewhere(self.box):
            pass
        changed = self.glance.marks((INBOX, BOX))
        self.assertEqual({name for name in before if changed[name] != before[name]}, {BOX})

    def test_another_folder(self) -> None:
        """A folder in the place of another has another mark, though its directories were kept."""
        before = self.glance.marks((BOX,))[BOX]
        shutil.copytree(self.box, f"{self.box}2", copy_function=shutil.copy2)
        os.rename(self.box, f"{self.box}3")
        os.rename(f"{self.box}2", self.box)
        self.assertNotEqual(self.glance.marks((BOX,))[BOX], before)

    def test_the_account(self) -> None:
        """Folders, subscriptions and annotations, whether their files are replaced or written over."""
        mark = self.glance.marks(())[THE_ACCOUNT]
        for change in (
            lambda: self.anna.create(("other",)),
            lambda: self.anna.subscribe(BOX),
            lambda: self.anna.annotations.change(BOX, {"/private/comment": b"x"}),
        ):
            self.aged(change)
            after = self.glance.marks(())[THE_ACCOUNT]
            self.assertNotEqual(after, mark)
            mark = after
        for name in ("subscriptions", "dovecot-attributes"):
            with open(f"{self.anna.root}/{name}", "ab") as file:
                file.write(b"more\n")
            after = self.glance.marks(())[THE_ACCOUNT]
            self.assertNotEqual(after, mark, name)
            mark = after

    def test_what_may_change_again(self) -> None:
        """Within a tick of the clock a change leaves no trace: what has just changed is not settled."""
        self.clock = os.stat(f"{self.box}/new").st_mtime + 0.001
        self.assertEqual(self.glance.marks((BOX,))[BOX], UNSETTLED)
        self.clock += 3
        self.assertNotEqual(self.glance.marks((BOX,))[BOX], UNSETTLED)

    def test_census(self) -> None:
        """What there is; the same object as long as it is the same."""
        self.aged(lambda: self.anna.subscribe(("gone",)))
        self.anna.mailbox(INBOX)
        self.aged(lambda: self.anna.annotations.change(BOX, {"/private/comment": b"x"}))
        self.aged(lambda: self.anna.annotations.change(None, {"/private/comment": b"y"}))
        census = self.glance.census()
        guids = {name: self.anna.mailbox(name).guid for name in (INBOX, BOX)}
        entries = {(guids[BOX], "/private/comment"): hash(b"x"), (None, "/private/comment"): hash(b"y")}
        self.assertEqual(census, Census(guids, frozenset((("gone",),)), entries))
        self.assertIs(self.glance.census(), census)
        self.aged(lambda: None)
        self.assertIs(self.glance.census(), census)
        self.aged(lambda: self.anna.rename(BOX, ("crate",)))
        self.assertEqual(self.glance.census().guids, {INBOX: guids[INBOX], ("crate",): guids[BOX]})

    def test_strange_files(self) -> None:
        """Annotations of nobody are passed over, and a folder that nothing names has no name for ever."""
        os.makedirs(f"{self.anna.root}/.bare/cur")
        with open(f"{self.anna.root}/dovecot-attributes", "wb") as file:
            file.write(
                b"priv/xyz/comment\n1\npriv/" + b"0" * 32 + b"/vendor/vendor.dovecot/pvt/server/x\n2\nodd"
            )
        census = self.glance.census()
        self.assertEqual(census.guids[("bare",)], "")
        self.assertEqual(census.entries, {})
