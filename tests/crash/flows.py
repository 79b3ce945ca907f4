"""What clients do with the store, one small story each; every step says first what may happen, then what did.

A story is a preparation, all of which is on disk for good before the power fails, and an act.
"""

import copy
import itertools
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from mailnode.fs import FileSystem
from mailnode.pop3.maildrop import Sizes, open_maildrop
from mailnode.store.account import Account
from mailnode.store.delivery import deliver
from mailnode.store.errors import StoreError
from mailnode.store.mailbox import Mailbox, Mode
from mailnode.store.values import ANSWERED, DELETED, FLAGGED, INBOX, NO_FLAGS, SEEN, Flags, Name
from tests.crash.oracle import Box, Copies, Found, Told, message, messages_in, open_account

T = TypeVar("T")

ANNA, BERT, CARL = "anna", "bert", "carl"
WORK: Name = ("Work",)
DEEP: Name = ("Work", "2026")
OLD: Name = ("Old",)

_generations = itertools.count(1)


def clock(generation: int) -> Callable[[], float]:
    """A wall clock an hour later than that of the generation before, so that every look settles."""
    ticks = itertools.count()
    start = time.time() + 3600 * generation
    return lambda: start + next(ticks) * 0.001


class World:
    """Clients of a few accounts. An error of the store is a refusal: the client goes on with the next."""

    def __init__(
        self, base: str, files: FileSystem, told: Told, tell: Callable[[Told], None], age: int = 1
    ) -> None:
        self.base = base
        self.told = told
        self.refused = 0
        self._files = files
        self._tell = tell
        self._now = clock(age)
        self._age = age
        self._accounts: dict[str, Account] = {}

    def account(self, name: str) -> Account:
        """An account; from its first mention on it has an INBOX."""
        if name not in self._accounts:
            self._accounts[name] = open_account(self.base, name, self._files, self._now, 10 + self._age)
            if not any(box.account == name for box in self.told.boxes):
                self.told.boxes.append(Box(name, {INBOX}))
        return self._accounts[name]

    def close(self) -> None:
        """Close the accounts."""
        for account in self._accounts.values():
            account.close()

    def box(self, who: str, name: Name) -> Box:
        """What is known of a mailbox."""
        self.account(who)
        return next(box for box in self.told.boxes if box.account == who and name in box.places)

    def tell(self) -> None:
        """From here on the clients know this."""
        self._tell(copy.deepcopy(self.told))

    def _try(self, action: Callable[[], T]) -> T | None:
        self.tell()
        try:
            return action()
        except (OSError, StoreError):
            self.refused += 1
            return None

    def plant(self, path: str, octets: bytes) -> None:
        """A file that another program left; only while preparing."""
        path = f"{self.base}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(octets)

    # Messages

    def deliver(self, label: str, *names: str) -> None:
        """A message to the INBOX of each; safe for all when acknowledged, for none when refused."""
        all_copies = [
            self.box(name, INBOX).copies.setdefault(label, Copies(0, 0, {NO_FLAGS})) for name in names
        ]
        for copies in all_copies:
            copies.high += 1

        def action() -> bool:
            accounts = [self.account(name) for name in names]
            draft = accounts[0].draft()
            try:
                draft.write(message(label))
            except OSError:
                draft.abort()
                raise
            deliver(draft, accounts, self._files)
            return True

        done = self._try(action)
        for copies in all_copies:
            copies.low += bool(done)
            copies.high -= not done
        self.tell()

    def append(
        self, who: str, name: Name, label: str, flags: Flags = NO_FLAGS, date: float | None = None
    ) -> None:
        """APPEND; answered with the UID."""
        copies = self.box(who, name).copies.setdefault(label, Copies(0, 0, {flags}, date))
        copies.high += 1

        def action() -> tuple[int, int]:
            mailbox = self.account(who).mailbox(name)
            draft = self.account(who).draft()
            try:
                draft.write(message(label))
            except OSError:
                draft.abort()
                raise
            return mailbox.append(draft, flags, date), mailbox.uid_validity

        done = self._try(action)
        copies.low += bool(done)
        copies.high -= not done
        if done:
            uid, validity = done
            self._show(who, validity, uid, label)
        self.tell()

    def _show(self, who: str, validity: int, uid: int, label: str) -> None:
        known = self.told.shown.setdefault((who, validity, uid), label)
        assert known == label, f"UID {uid} of {known} given to {label}"
        assert (who, validity, uid) not in self.told.gone, f"UID {uid} of {label} came back"

    def look(self, who: str, name: Name = INBOX) -> None:
        """SELECT or NOOP, and FETCH: what was seen has to be seen again."""
        box = self.box(who, name)

        def action() -> tuple[list[Found | str], Mailbox]:
            mailbox = self.account(who).mailbox(name)
            return list(messages_in(mailbox)), mailbox

        if seen := self._try(action):
            found, mailbox = seen
            for one in found:
                assert isinstance(one, Found), one
                copies = box.copies.get(one.label) or Copies(0, 0, set())
                self._show(who, mailbox.uid_validity, one.uid, one.label)
                copies.low = max(copies.low, 1)
                if copies.high == 1:
                    copies.flags = {one.flags}
            box.floor = mailbox.uid_validity, mailbox.uid_next, mailbox.highest_modseq
            box.must, box.places = True, {name}
        self.tell()

    def claim(self, who: str, name: Name = INBOX) -> None:
        """The part of SELECT that makes messages not recent any more."""
        self._try(lambda: self.account(who).mailbox(name).claim_recent())

    def _uids(self, who: str, mailbox: Mailbox, labels: Iterable[str]) -> list[int]:
        wanted = set(labels)
        return [
            uid for uid in mailbox.uids if self.told.shown.get((who, mailbox.uid_validity, uid)) in wanted
        ]

    def store(self, who: str, name: Name, labels: Iterable[str], flags: Flags, mode: Mode = "add") -> None:
        """STORE; after the OK the flags stay, before it and after a refusal they are the old or the new."""
        box = self.box(who, name)
        new: dict[str, set[Flags]] = {}
        for label in labels:
            old = box.copies[label].flags
            new[label] = {
                flags if mode == "replace" else one - flags if mode == "remove" else one | flags
                for one in old
            }
            box.copies[label].flags = old | new[label]

        def action() -> int:
            mailbox = self.account(who).mailbox(name)
            mailbox.set_flags(self._uids(who, mailbox, new), mode, flags)
            return mailbox.highest_modseq

        if modseq := self._try(action):
            for label, allowed in new.items():
                box.copies[label].flags = allowed
            box.floor = (*box.floor[:2], max(modseq, box.floor[2]))
        self.tell()

    def _doom(self, box: Box, labels: Iterable[str]) -> list[str]:
        doomed = [label for label in labels if box.copies[label].high]
        for label in doomed:
            box.copies[label].low = 0
        return doomed

    def _bury(self, who: str, box: Box, validity: int, doomed: list[str], uids: Iterable[int]) -> None:
        for uid in uids:
            self.told.gone.add((who, validity, uid))
            box.copies[self.told.shown[who, validity, uid]].high -= 1
        self.told.somewhere -= {(who, label) for label in doomed}

    def expunge(self, who: str, name: Name, labels: Iterable[str], having: str | None = None) -> None:
        """EXPUNGE; what was reported as gone is gone."""
        box = self.box(who, name)
        doomed = self._doom(box, labels)

        def action() -> tuple[int, list[int]]:
            mailbox = self.account(who).mailbox(name)
            return mailbox.uid_validity, mailbox.expunge(self._uids(who, mailbox, doomed), having=having)

        if done := self._try(action):
            self._bury(who, box, done[0], doomed, done[1])
        self.tell()

    def copy(self, who: str, source: Name, target: Name, labels: Iterable[str]) -> bool:
        """COPY; all of them or none."""
        here, there = self.box(who, source), self.box(who, target)
        labels = list(labels)
        for label in labels:
            old = here.copies[label]
            copies = there.copies.get(label)
            if copies is None or not copies.high:
                copies = there.copies[label] = Copies(0, 0, set(), old.date)
            copies.flags |= old.flags
            copies.high += 1

        def action() -> list[tuple[int, int, int]]:
            one, other = self.account(who).mailbox(source), self.account(who).mailbox(target)
            pairs = one.copy(self._uids(who, one, labels), other)
            return [(other.uid_validity, uid, old) for old, uid in pairs]

        done = self._try(action)
        for label in labels:
            there.copies[label].low += bool(done)
            there.copies[label].high -= not done
        validity = here.floor[0]
        for new_validity, uid, old_uid in done or ():
            self._show(who, new_validity, uid, self.told.shown[who, validity, old_uid])
        self.tell()
        return bool(done)

    def move(self, who: str, source: Name, target: Name, labels: Iterable[str]) -> None:
        """MOVE, as copy and then expunge: at no moment is a message in neither."""
        labels = list(labels)
        self.told.somewhere |= {(who, label) for label in labels}
        if self.copy(who, source, target, labels):
            self.expunge(who, source, labels)
        self.told.somewhere -= {(who, label) for label in labels}

    def quit(self, who: str, labels: Iterable[str]) -> None:
        """A POP3 session with DELE and QUIT."""
        box = self.box(who, INBOX)
        doomed = self._doom(box, labels)

        def action() -> tuple[int, list[int]]:
            account = self.account(who)
            drop = open_maildrop(account, Sizes())
            try:
                inbox = account.mailbox(INBOX)
                uids = self._uids(who, inbox, doomed)
                drop.deleted |= {n for n, entry in drop.listed() if entry.message.uid in uids}
                drop.update()
                return inbox.uid_validity, uids
            finally:
                drop.close()

        if done := self._try(action):
            self._bury(who, box, done[0], doomed, done[1])
        self.tell()

    # Mailboxes

    def create(self, who: str, name: Name) -> None:
        """CREATE; whole or not at all."""
        self.account(who)
        box = Box(who, {name}, must=False)
        self.told.boxes.append(box)
        box.must = bool(self._try(lambda: self.account(who).create(name) or True))
        self.tell()

    def delete(self, who: str, name: Name) -> None:
        """DELETE; the mailbox is there with all in it, or not there."""
        box = self.box(who, name)
        box.must = False
        if self._try(lambda: self.account(who).delete(name) or True):
            self.told.boxes.remove(box)
        self.tell()

    def rename(self, who: str, old: Name, new: Name) -> None:
        """RENAME with inferiors: each is under its old or its new name, with its UIDs."""
        self.account(who)
        moving = [
            (box, name, new + name[len(old) :])
            for box in self.told.boxes
            for name in list(box.places)
            if box.account == who and name[: len(old)] == old
        ]
        for box, name, target in moving:
            box.places = {name, target}
        if self._try(lambda: self.account(who).rename(old, new) or True):
            for box, _, target in moving:
                box.places = {target}
        self.tell()

    def rename_inbox(self, who: str, new: Name) -> None:
        """RENAME INBOX: all messages go to a new mailbox, none is in neither."""
        inbox = self.box(who, INBOX)
        target = Box(who, {new}, must=False)
        labels = self._doom(inbox, list(inbox.copies))
        target.copies = {
            label: Copies(0, 1, set(inbox.copies[label].flags), inbox.copies[label].date) for label in labels
        }
        self.told.boxes.append(target)
        self.told.somewhere |= {(who, label) for label in labels}
        if self._try(lambda: self.account(who).rename(INBOX, new) or True):
            target.must = True
            for label in labels:
                target.copies[label].low = 1
                inbox.copies[label].high -= 1
            self.told.gone |= {key for key in self.told.shown if key[:2] == (who, inbox.floor[0])}
            self.told.somewhere.clear()
        self.tell()

    def subscribe(self, who: str, name: Name, *, wanted: bool = True) -> None:
        """SUBSCRIBE and UNSUBSCRIBE."""
        account = self.account(who)
        (old,) = self.told.subscribed.get(who, [[]])
        new = [*old, name] if wanted else [one for one in old if one != name]
        self.told.subscribed[who] = [old, new]
        change = account.subscribe if wanted else account.unsubscribe
        if self._try(lambda: change(name) or True):
            self.told.subscribed[who] = [new]
        self.tell()


# The stories


def _three(world: World) -> None:
    """Three messages in anna's INBOX, all seen by a client, and an empty mailbox."""
    for label in ("one", "two", "three"):
        world.append(ANNA, INBOX, label, frozenset({SEEN}) if label == "two" else NO_FLAGS)
    world.create(ANNA, WORK)
    world.look(ANNA)
    world.look(ANNA, WORK)


def _nothing(world: World) -> None:
    """Nobody has been here."""


def _accounts(world: World) -> None:
    """Three accounts, seen by their owners."""
    for name in (ANNA, BERT, CARL):
        world.look(name)


def _tree(world: World) -> None:
    """Work and Work/2026 with messages."""
    _three(world)
    world.create(ANNA, DEEP)
    world.append(ANNA, WORK, "four", frozenset({"$Todo"}))
    world.append(ANNA, DEEP, "five")
    world.look(ANNA, WORK)
    world.look(ANNA, DEEP)


def _foreign(world: World) -> None:
    """A Maildir of another program, without a uid list; one message has another keyword letter."""
    names = {
        "new/1700000001.1.host": "one",
        "cur/1700000002.M5P7.host,S=1:2,Sa": "two",
        "cur/1700000003.3.host": "three",
    }
    flags = {"two": frozenset({SEEN, "unknown-0"})}
    for name, label in names.items():
        octets = message(label).replace(b"\r\n", b"\n")
        world.plant(f"anna/{name.replace('S=1', f'S={len(octets)}')}", octets)
        world.box(ANNA, INBOX).copies[label] = Copies(1, 1, {flags.get(label, NO_FLAGS)})
    world.plant("anna/tmp/stray", b"From: half")


def _torn(world: World) -> None:
    """A uid list whose last line is half a line, behind messages that a client has seen."""
    _three(world)
    world.deliver("four", ANNA)
    with open(f"{world.base}/anna/dovecot-uidlist", "ab") as file:
        file.write(b"4 :17")


def _dead(world: World) -> None:
    """A uid list with many lines of messages that are gone: the next change sweeps it."""
    dead = "".join(f"{uid} :1600000000.M{uid}.host\n" for uid in range(1, 91))
    world.plant("anna/dovecot-uidlist", f"3 V1234 N91 G{7:032x}\n{dead}".encode())
    world.told.gone |= {(ANNA, 1234, uid) for uid in range(1, 91)}
    world.box(ANNA, INBOX).floor = (1234, 91, 0)


def _appends(world: World) -> None:
    world.append(ANNA, INBOX, "four", frozenset({SEEN, "$Fresh"}), 1_000_000_000.0)
    world.append(ANNA, INBOX, "bare five")
    world.append(ANNA, WORK, "big six", frozenset({FLAGGED}), 1_100_000_000.0)


def _delivery(world: World) -> None:
    world.deliver("four", ANNA)
    world.look(ANNA)


def _deliveries(world: World) -> None:
    world.deliver("one", ANNA, BERT, CARL)
    world.deliver("two", BERT, ANNA)
    world.look(BERT)


def _stores(world: World) -> None:
    world.store(ANNA, INBOX, ["one", "three"], frozenset({SEEN, "$Project"}))
    world.store(ANNA, INBOX, ["two"], frozenset({SEEN}), "remove")
    world.store(ANNA, INBOX, ["one", "two"], frozenset({FLAGGED, ANSWERED, "$Second"}), "replace")


def _expunges(world: World) -> None:
    world.store(ANNA, INBOX, ["one", "three"], frozenset({DELETED}))
    world.expunge(ANNA, INBOX, ["one", "three"], having=DELETED)
    world.deliver("four", ANNA)
    world.look(ANNA)


def _day(world: World) -> None:
    """A bit of everything in one life of the process."""
    world.deliver("four", ANNA)
    world.look(ANNA)
    world.claim(ANNA)
    world.copy(ANNA, INBOX, WORK, ["four", "two"])
    world.store(ANNA, WORK, ["four"], frozenset({"$Project"}))
    world.expunge(ANNA, INBOX, ["four"])
    world.move(ANNA, WORK, INBOX, ["four"])
    world.deliver("seven", ANNA)
    world.look(ANNA)


def _adoption(world: World) -> None:
    world.look(ANNA)
    world.claim(ANNA)


def _sweep(world: World) -> None:
    world.append(ANNA, INBOX, "one")
    world.look(ANNA)
    world.expunge(ANNA, INBOX, ["one"])
    world.append(ANNA, INBOX, "two")


def _folders(world: World) -> None:
    world.create(ANNA, OLD)
    world.append(ANNA, OLD, "six")
    world.look(ANNA, OLD)
    world.delete(ANNA, OLD)
    world.create(ANNA, OLD)


def _selects(world: World) -> None:
    world.deliver("four", ANNA)
    world.deliver("five", ANNA)
    world.look(ANNA)
    world.claim(ANNA)
    world.look(ANNA)


def _subscriptions(world: World) -> None:
    world.subscribe(ANNA, WORK)
    world.subscribe(ANNA, OLD)
    world.subscribe(ANNA, WORK, wanted=False)


def _renamed_inbox(world: World) -> None:
    world.rename_inbox(ANNA, OLD)
    world.look(ANNA, OLD)
    world.look(ANNA)


def _renamed(world: World) -> None:
    world.rename(ANNA, WORK, OLD)
    world.append(ANNA, OLD, "six")


@dataclass(frozen=True)
class Flow:
    """A story: what was before, and what is done while the power fails."""

    prepare: Callable[[World], None]
    act: Callable[[World], None]


FLOWS: dict[str, Flow] = {
    "deliver, first ever": Flow(_nothing, lambda world: world.deliver("one", ANNA)),
    "deliver to one": Flow(_three, _delivery),
    "deliver, large": Flow(_three, lambda world: world.deliver("big bare four", ANNA)),
    "deliver to three": Flow(_accounts, _deliveries),
    "append": Flow(_three, lambda world: world.append(ANNA, INBOX, "four")),
    "appends": Flow(_three, _appends),
    "copy": Flow(_three, lambda world: world.copy(ANNA, INBOX, WORK, ["one", "two"]) and None),
    "copy in place": Flow(_three, lambda world: world.copy(ANNA, INBOX, INBOX, ["one", "two"]) and None),
    "move": Flow(_three, lambda world: world.move(ANNA, INBOX, WORK, ["one", "two"])),
    "store": Flow(_three, _stores),
    "expunge": Flow(_three, _expunges),
    "pop3 quit": Flow(_three, lambda world: world.quit(ANNA, ["one", "three"])),
    "select": Flow(_three, _selects),
    "create, delete": Flow(_three, _folders),
    "delete": Flow(_tree, lambda world: world.delete(ANNA, WORK)),
    "rename": Flow(_tree, _renamed),
    "rename INBOX": Flow(_three, _renamed_inbox),
    "subscribe": Flow(_three, _subscriptions),
    "adoption": Flow(_foreign, _adoption),
    "torn uid list": Flow(_torn, lambda world: world.look(ANNA)),
    "sweep of the dead": Flow(_dead, _sweep),
    "a day": Flow(_three, _day),
}
