"""When no look is needed: what vouches for that, and all that ends it."""

import errno
import os
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs_watch import LOST, FirstChanges
from mailnode.store import stillness
from mailnode.store.mailbox import Mailbox
from mailnode.store.stillness import LONGEST_REST, PAUSE, RARELY, SECONDS, Stillness
from mailnode.store.values import DELETED, INBOX, SEEN
from tests.store.support import StoreTestCase


class FakeChanges:
    """A queue into which tests put what they like; paths have numbers as in the kernel."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.going_on: dict[str, int] = {}
        self.left: list[int] = []
        self.then: Callable[[], object] = lambda: None  # after a watch has begun
        self.error: OSError | None = None
        self._last = 0

    def watch(self, path: str) -> int:
        if self.error is not None:
            raise self.error
        if path not in self.going_on:
            self._last += 1
            self.going_on[path] = self._last
        number = self.going_on[path]
        self.then()
        return number

    def change(self, path: str) -> None:
        self.queue.append(self.going_on.pop(path))

    def leave(self, watch: int) -> None:
        self.left.append(watch)
        self.going_on = {path: number for path, number in self.going_on.items() if number != watch}

    def ended(self) -> list[int]:
        told, self.queue = self.queue, []
        return told


class StillnessTests(SynchronousTestCase):
    """Watches of a queue that is not the kernel's."""

    def setUp(self) -> None:
        self.changes = FakeChanges()
        self.stillness = Stillness(lambda: self.changes)
        self.watch = self.stillness.of("/m/new", "/m/cur")

    def vouch(self, now: float = 100.0) -> None:
        self.watch.begin(lambda: now)
        self.assertTrue(self.watch.holds)
        self.watch.vouch(now)

    def test_a_second(self) -> None:
        """What was vouched for is good for a while, and not when the clock has jumped back."""
        self.vouch()
        self.assertTrue(self.watch.is_still(100.0))
        self.assertTrue(self.watch.is_still(100.0 + SECONDS / 2))
        self.assertFalse(self.watch.is_still(100.0 + SECONDS))
        self.assertFalse(self.watch.is_still(99.0))

    def test_dear(self) -> None:
        """A directory of many names is watched rarely where it changes again and again."""
        times = [100.0, 100.01]
        self.watch.begin(lambda: times.pop(0))
        self.changes.change("/m/cur")
        self.assertFalse(self.stillness.goes_on(self.watch))
        for now in (100.01, 100.01 + RARELY * 0.009):
            self.watch.begin(lambda now=now: now)  # type: ignore[misc]
            self.assertFalse(self.watch.holds)
        self.watch.begin(lambda: 100.01 + RARELY * 0.011)
        self.assertTrue(self.watch.holds)

    def test_dear_and_the_clock_set(self) -> None:
        """A clock that is set while a watch begins keeps nothing from being watched for long."""
        for jump in (-3600.0, 3600.0):
            watch = self.stillness.of("/m/new", "/m/cur")
            times = [100.0, 100.0 + jump]
            watch.begin(lambda times=times: times.pop(0))  # type: ignore[misc]
            self.changes.change("/m/cur")
            self.assertFalse(self.stillness.goes_on(watch))
            watch.begin(lambda now=100.0 + jump + LONGEST_REST: now)  # type: ignore[misc]
            self.assertTrue(watch.holds)

    def test_nobody_vouched(self) -> None:
        """A watch alone says nothing: what was before it was not looked at."""
        self.assertFalse(self.watch.is_still(100.0))
        self.watch.begin(lambda: 100.0)
        self.assertFalse(self.watch.is_still(100.0))

    def test_change(self) -> None:
        """The first change ends it, until it has begun anew and a look was vouched for again."""
        for path in ("/m/new", "/m/cur"):
            self.vouch()
            self.changes.change(path)
            self.assertFalse(self.watch.is_still(100.0))
            self.assertFalse(self.watch.holds)
        self.vouch()
        self.assertTrue(self.watch.is_still(100.0))
        self.assertEqual(self.changes.left, [])

    def test_anew(self) -> None:
        """A look before it began anew vouches for nothing: what came in between was not looked at."""
        self.vouch()
        self.changes.change("/m/new")
        self.assertFalse(self.watch.is_still(100.0))
        self.watch.begin(lambda: 100.0)
        self.assertTrue(self.watch.holds)
        self.assertFalse(self.watch.is_still(100.0))

    def test_anew_while_some_goes_on(self) -> None:
        """What goes on is kept, and tells."""
        self.vouch()
        self.changes.change("/m/new")
        self.stillness.goes_on(self.watch)
        self.vouch()
        self.changes.change("/m/cur")
        self.assertFalse(self.watch.is_still(100.0))

    def test_others(self) -> None:
        """A change elsewhere ends nothing here; two may watch the same."""
        other, same = self.stillness.of("/n/new"), self.stillness.of("/m/new")
        for one in (other, same):
            one.begin(lambda: 100.0)
        self.vouch()
        self.changes.change("/n/new")
        self.assertTrue(self.watch.is_still(100.0))
        self.assertFalse(other.holds)
        self.assertTrue(same.holds)
        self.changes.change("/m/new")
        self.assertFalse(self.watch.is_still(100.0))
        self.assertFalse(same.holds)

    def test_lost(self) -> None:
        """What may have been told of anybody ends all."""
        other = self.stillness.of("/n/new")
        other.begin(lambda: 100.0)
        self.vouch()
        self.changes.queue = [LOST]
        self.assertFalse(self.watch.is_still(100.0))
        self.assertFalse(other.holds)

    def test_told_before_it_is_known(self) -> None:
        """A change right after a watch began is read by another thread before the watch is known here."""
        other = self.stillness.of("/n/new")

        def at_once() -> None:
            if "/m/new" in self.changes.going_on:
                self.changes.change("/m/new")
                self.stillness.goes_on(other)

        self.changes.then = at_once
        self.watch.begin(lambda: 100.0)
        self.assertFalse(self.watch.holds)
        self.changes.then = lambda: None
        self.vouch()

    def test_told_after_it_is_known(self) -> None:
        """The same where nobody has read it meanwhile."""

        def at_once() -> None:
            if "/m/new" in self.changes.going_on:
                self.changes.change("/m/new")

        self.changes.then = at_once
        self.watch.begin(lambda: 100.0)
        self.watch.vouch(100.0)
        self.assertFalse(self.watch.is_still(100.0))

    def test_not_possible(self) -> None:
        """What the kernel cannot do it is not asked at once again."""
        self.changes.error = OSError(errno.ENOSPC, "too many")
        self.watch.begin(lambda: 100.0)
        self.changes.error = None
        self.watch.begin(lambda: 100.0 + PAUSE / 2)
        self.assertFalse(self.watch.holds)
        self.watch.begin(lambda: 100.0 + PAUSE)
        self.assertTrue(self.watch.holds)

    def test_half(self) -> None:
        """Where only some of it can be watched, nothing is."""
        changes = self.changes

        def full() -> None:
            changes.error = OSError(errno.ENOSPC, "too many")

        changes.then = full
        self.watch.begin(lambda: 100.0)
        self.watch.vouch(100.0)
        self.assertFalse(self.watch.is_still(100.0))
        self.assertEqual(changes.going_on, {})

    def test_no_queue(self) -> None:
        """Without the kernel there is a look each time."""
        watch = Stillness().of("/m")
        watch.begin(lambda: 100.0)
        watch.vouch(100.0)
        self.assertFalse(watch.is_still(100.0))

    def test_few(self) -> None:
        """For another mailbox the one that began first is not watched any more."""
        self.patch(stillness, "MOST", 2)
        watches = [self.stillness.of(f"/{number}", "/root") for number in range(3)]
        for watch in watches:
            watch.begin(lambda: 100.0)
        self.assertEqual([watch.holds for watch in watches], [False, True, True])
        self.assertEqual(sorted(self.changes.going_on), ["/1", "/2", "/root"])


class StillMailboxTests(StoreTestCase):
    """A mailbox, and the real kernel."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(stillness, "RARELY", 0)  # however long the kernel takes
        self.changes: FirstChanges | None = None
        self.store = self.account(stillness=Stillness(self.open))
        self.append(self.store)
        self.append(self.store, flags=frozenset((SEEN,)))
        self.mailbox = self.store.mailbox(INBOX)

    def open(self) -> FirstChanges:
        self.changes = FirstChanges()
        self.addCleanup(self.changes.close)
        return self.changes

    def stand_still(self, mailbox: Mailbox) -> None:
        """Looks until nothing is new, of which the last is vouched for."""
        self.clock += 10
        for _ in range(4):
            mailbox.refresh()
        self.assertTrue(mailbox.is_still)

    def looks(self) -> int:
        """How often a refresh asks for the uid list."""
        seen: list[str] = []
        stat = self.files.stat
        patch = self.patch(self.files, "stat", lambda path: (seen.append(path), stat(path))[1])
        self.mailbox.refresh()
        patch.restore()
        return sum(path.endswith("/dovecot-uidlist") for path in seen)

    def test_no_look(self) -> None:
        """Where nothing has changed the disk is not asked; after a second it is."""
        self.stand_still(self.mailbox)
        self.assertEqual(self.looks(), 0)
        self.clock += SECONDS
        self.assertEqual(self.looks(), 1)
        self.assertEqual(self.looks(), 0)

    def test_not_without_the_kernel(self) -> None:
        """Without watches it never is."""
        mailbox = self.account().mailbox(INBOX)
        for _ in range(4):
            mailbox.refresh()
        self.assertFalse(mailbox.is_still)

    def test_every_change(self) -> None:
        """All that a look would see ends it, and the look sees it."""
        root = f"{self.base}/anna"
        other = self.account()  # another process
        theirs = other.mailbox(INBOX)

        def rename() -> None:
            name = next(one for one in os.listdir(f"{root}/cur") if one.endswith(",S"))
            os.rename(f"{root}/cur/{name}", f"{root}/cur/{name}F")

        changes: dict[str, Callable[[], object]] = {
            "delivered": lambda: self.deliver(other),
            "appended": lambda: self.append(other, flags=frozenset((SEEN,))),
            "flagged": lambda: theirs.set_flags([theirs.uids[0]], "add", frozenset(("\\Flagged",))),
            "keyword": lambda: theirs.set_flags([theirs.uids[0]], "add", frozenset(("$New",))),
            "expunged": lambda: theirs.expunge([theirs.uids[0]]),
            "claimed": theirs.claim_recent,
            "by another program": rename,
            "a longer list": lambda: theirs._folder.rewrite_list(),
        }
        for name, change in changes.items():
            self.stand_still(self.mailbox)
            with self.elsewhere(root):
                change()
            self.assertFalse(self.mailbox.is_still, name)
            self.mailbox.refresh()
            theirs.sync()
            self.assertEqual(self.facts(self.mailbox), self.facts(theirs), name)
            self.assertEqual(self.mailbox.keywords(), theirs.keywords(), name)

    def test_change_before_the_watch(self) -> None:
        """What happens between a look and the watch that begins then is seen by the next look."""
        other, begin = self.account(), Stillness.begin

        def late(*args: Any) -> None:
            patch.restore()
            with self.elsewhere(self.store.root):
                self.append(other)
            begin(*args)

        self.stand_still(self.mailbox)
        with self.elsewhere(self.store.root):
            self.append(other)
        self.mailbox.refresh()
        patch = self.patch(Stillness, "begin", late)
        self.mailbox.refresh()
        self.assertEqual(len(self.mailbox.uids), 3)
        self.mailbox.refresh()
        self.assertEqual(len(self.mailbox.uids), 4)

    def test_own_change(self) -> None:
        """After a change of our own too there is a look, and later there need be none."""
        self.stand_still(self.mailbox)
        self.mailbox.set_flags([self.mailbox.uids[0]], "add", frozenset(("\\Flagged",)))
        self.assertFalse(self.mailbox.is_still)
        self.stand_still(self.mailbox)

    def test_replaced_and_removed(self) -> None:
        """Another folder at its place, or none."""
        for change in ("move", "remove", "whole account"):
            self.store.create(("Work",))
            mailbox = self.store.mailbox(("Work",))
            self.stand_still(mailbox)
            if change == "move":
                self.account().rename(("Work",), ("Away",))
            elif change == "remove":
                self.account().delete(("Work",))
            else:
                os.rename(self.store.root, f"{self.store.root}.away")
            self.assertFalse(mailbox.is_still, change)

    def test_error(self) -> None:
        """After an error nothing is believed."""
        self.stand_still(self.mailbox)
        self.files.fail = lambda operation, count: (
            OSError(errno.EIO, "no") if operation == "sync_directory" else None
        )
        self.assertRaises(OSError, self.mailbox.expunge, [self.mailbox.uids[0]])
        self.assertFalse(self.mailbox.is_still)

    def test_counted(self) -> None:
        """What was counted is counted anew after every change, also one that failed half-way."""
        store = self.account()
        self.append(store)
        mailbox = store.mailbox(INBOX)

        def check() -> None:
            flags = {one.uid: one.flags for one in mailbox.each(mailbox.uids)}
            unseen = [uid for uid in mailbox.uids if SEEN not in flags[uid]]
            deleted = sum(DELETED in some for some in flags.values())
            self.assertEqual((mailbox.status().unseen, mailbox.status().deleted), (len(unseen), deleted))
            self.assertEqual(mailbox.first_unseen(), unseen[0] if unseen else None)
            self.assertTrue(mailbox.is_counted and mailbox.knows_first_unseen)

        check()
        mailbox.set_flags(mailbox.uids, "add", frozenset((SEEN,)))
        self.assertFalse(mailbox.is_counted or mailbox.knows_first_unseen)
        check()
        self.append(store)
        check()
        mailbox.set_flags(mailbox.uids[-1:], "replace", frozenset((DELETED,)))
        check()
        with self.elsewhere(store.root):
            self.append(self.account(), flags=frozenset((DELETED,)))
        mailbox.sync()
        check()
        self.files.fail = lambda operation, count: OSError(errno.EIO, "no") if operation == "rename" else None
        self.assertRaises(OSError, mailbox.set_flags, mailbox.uids, "replace", frozenset())
        self.files.fail = lambda operation, count: None
        check()
        mailbox.sync()
        check()
        mailbox.expunge(mailbox.uids, having=DELETED)
        check()

    def test_restless(self) -> None:
        """What is believed for a while after a change of ours is vouched for as long, and no longer."""
        self.mailbox.set_flags([self.mailbox.uids[0]], "add", frozenset(("\\Flagged",)))
        patch = self.patch(self.store._context, "now", lambda: self.clock)
        for _ in range(4):
            self.mailbox.refresh()
        self.assertTrue(self.mailbox.is_still)
        for known in self.mailbox._folder._directories.values():
            if not known.settled:
                known.quiet_until_ns = int(self.clock * 1_000_000_000)
        self.assertFalse(self.mailbox.is_still)
        patch.restore()
        self.stand_still(self.mailbox)
