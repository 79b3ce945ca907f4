"""Clients of a few accounts; every step says first what may happen, then what did."""

import copy
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mailnode.delivery.together import Together
from mailnode.envelope import Envelope, Recipient
from mailnode.fs import FileSystem
from mailnode.message.rendered import render
from mailnode.net.blocking import InlineExecutor, Lane
from mailnode.net.commits import Commits
from mailnode.pop3.maildrop import Views, open_maildrop
from mailnode.queue.admission import Admission
from mailnode.queue.entry import Entry, new_entry
from mailnode.queue.spool import Acceptance, Spool
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.delivery import Arrival, deliver, deliver_each, deliver_together
from mailnode.store.draft import Arriving
from mailnode.store.errors import StoreError
from mailnode.store.mailbox import Mailbox, Mode
from mailnode.store.prepared_tables import Prepared
from mailnode.store.undelete import bring_back
from mailnode.store.values import INBOX, NO_FLAGS, Flags, Name
from mailnode.wire.address import Address
from tests.crash.oracle import QUEUE, Box, Copies, Found, Told, message, messages_in, open_account, take_out

T = TypeVar("T")


PREPARED: tuple[Prepared, ...] = ("envelope", "body", "bodystructure", "header", "octets")


def clock(generation: int) -> Callable[[], float]:
    """A wall clock an hour later than that of the generation before, so that every look settles."""
    ticks = itertools.count()
    start = time.time() + 3600 * generation
    return lambda: start + next(ticks) * 0.001


class _Mailboxes:
    """Some INBOXes, as what is accepted for them and for others sees them."""

    def __init__(self, accounts: list[Account], files: FileSystem) -> None:
        self._accounts = accounts
        self._files = files
        self._draft = accounts[0].draft()
        self._open = True

    async def write(self, data: bytes) -> None:
        """Add octets."""
        self._draft.write(data)

    async def commit(self) -> None:
        """Into all of them, or none."""
        self._open = False
        deliver(self._draft, self._accounts, self._files)

    async def commit_each(self, groups: Sequence[Sequence[str]]) -> list[OSError | StoreError | None]:
        """Not used."""
        raise NotImplementedError

    async def abort(self) -> None:
        """Into none."""
        if self._open:
            self._draft.abort()


def _entry(name: str, people: Iterable[str]) -> Entry:
    """An envelope for people of a domain."""
    recipients = tuple(Recipient(Address(one, "example.org")) for one in people)
    return new_entry(name, Envelope(None, recipients=recipients), came=1.0, due=2.0)


def _nothing(entry: Entry, accepted: bool) -> None:
    """What a queue without a runner does with what has come."""


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
        self._spool = Spool(files, f"{base}/{QUEUE}")

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
        """What is known of a mailbox; of one that could not be made, nothing."""
        self.account(who)
        known = (box for box in self.told.boxes if box.account == who and name in box.places)
        return next(known, Box(who, {name}, must=False))

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

    def deliver_each(self, label: str, *names: str) -> None:
        """A message to each for himself: who was told so has it, who was refused has it not."""
        copies = {
            name: self.box(name, INBOX).copies.setdefault(label, Copies(0, 0, {NO_FLAGS})) for name in names
        }
        for one in copies.values():
            one.high += 1
        outcomes: list[OSError | StoreError | None] = []

        def action() -> bool:
            accounts = [self.account(name) for name in names]
            draft = accounts[0].draft()
            draft.write(message(label))
            outcomes.extend(deliver_each(draft, [[account] for account in accounts], self._files))
            return True

        done = self._try(action)
        for name, error in zip(names, outcomes or [OSError()] * len(names), strict=True):
            copies[name].low += bool(done) and error is None
            copies[name].high -= not done or error is not None
        self.tell()

    def deliver_together(self, *letters: tuple[str, ...]) -> None:
        """Messages at the same time, each with a label and names: there for all of these, or for none."""
        many = [
            [self.box(name, INBOX).copies.setdefault(label, Copies(0, 0, {NO_FLAGS})) for name in names]
            for label, *names in letters
        ]
        for copies in itertools.chain.from_iterable(many):
            copies.high += 1
        outcomes: list[Exception | None] = []

        def action() -> bool:
            arrivals = []
            for label, *names in letters:
                accounts = [self.account(name) for name in names]
                arrivals.append(Arrival(accounts[0].draft(), message(label), accounts))
            outcomes.extend(deliver_together(arrivals, self._files))
            return True

        self._try(action)
        for all_copies, error in zip(many, outcomes or [OSError()] * len(letters), strict=True):
            for copies in all_copies:
                copies.low += error is None
                copies.high -= error is not None
        self.tell()

    def hold(self, *letters: tuple[str, ...]) -> None:
        """Messages, by id in the queue, label and names, that wait there for the INBOX of each of these."""
        many = [
            [self.box(one, INBOX).copies.setdefault(label, Copies(0, 0, {NO_FLAGS})) for one in names]
            for _, label, *names in letters
        ]
        for copies in itertools.chain.from_iterable(many):
            copies.high += 1
        outcomes: list[OSError | None] = []

        def action() -> bool:
            held = [
                Acceptance(self._spool.arriving(name), message(label), _entry(name, names))
                for name, label, *names in letters
            ]
            outcomes.extend(self._spool.accept_all(held))
            for one, error in zip(held, outcomes, strict=True):
                if error is not None:
                    one.arriving.abort()
            return True

        for name, label, *names in letters:
            self.told.queued[name] = label, tuple(names)
        self._try(action)
        for all_copies, error in zip(many, outcomes or [OSError()] * len(letters), strict=True):
            for copies in all_copies:
                copies.low += error is None
                copies.high -= error is not None
        self.tell()

    def accept(self, name: str, label: str, here: Iterable[str], elsewhere: Iterable[str]) -> None:
        """A message for mailboxes here, and by the queue for others: for all of them, or for none."""
        here, elsewhere = tuple(here), tuple(elsewhere)
        all_copies = [
            self.box(one, INBOX).copies.setdefault(label, Copies(0, 0, {NO_FLAGS}))
            for one in here + elsewhere
        ]
        for copies in all_copies:
            copies.high += 1
        self.told.queued[name] = label, elsewhere
        executor = InlineExecutor()
        commits = Commits(Runtime(Clock(), random.Random(1), executor), self._spool.accept_all, at_once=True)
        admission = Admission(
            Lane(executor), commits, self._spool.arriving(name), _entry(name, elsewhere), b"", _nothing
        )

        async def accept() -> None:
            accounts = [self.account(one) for one in here]
            delivery = Together(_Mailboxes(accounts, self._files), [(0, admission)])
            try:
                await delivery.write(message(label))
                await delivery.commit()
            finally:
                await delivery.abort()

        def action() -> bool:
            results: list[object] = []
            Deferred.fromCoroutine(accept()).addBoth(results.append)
            if isinstance(results[0], Failure):
                results[0].raiseException()
            return True

        done = self._try(action)
        for copies in all_copies:
            copies.low += bool(done)
            copies.high -= not done
        self.tell()

    def release(self) -> None:
        """Deliver all that waits; a message is there twice only if the process dies before the done-mark."""
        for found in self._try(lambda: list(self._spool.scan())) or ():
            if not found.wrong:
                self._release(found.name)

    def _release(self, name: str) -> None:
        label, names = self.told.queued[name]
        all_copies = [self.box(one, INBOX).copies[label] for one in names]
        for copies in all_copies:
            copies.high += 1
        done = self._try(lambda: take_out(self._spool, name, self.account, self._files) or True)
        # Refused, it is in the queue only; done and marked, it is in the mailboxes only.
        if not done or self._try(lambda: self._spool.remove(name) or True):
            for copies in all_copies:
                copies.high -= 1
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

    def append_all(self, who: str, name: Name, *labels: str) -> None:
        """APPEND of several messages; answered with their UIDs, all of them or none when refused."""
        all_copies = [
            self.box(who, name).copies.setdefault(label, Copies(0, 0, {NO_FLAGS})) for label in labels
        ]
        for copies in all_copies:
            copies.high += 1

        def action() -> tuple[list[int], int]:
            account = self.account(who)
            mailbox = account.mailbox(name)
            drafts = [account.draft() for _ in labels]
            try:
                for draft, label in zip(drafts, labels, strict=True):
                    draft.write(message(label))
                    if draft is not drafts[-1]:
                        draft.finish()
            except OSError:
                for draft in drafts:
                    draft.abort()
                raise
            return mailbox.append_all([Arriving(draft) for draft in drafts]), mailbox.uid_validity

        done = self._try(action)
        for copies in all_copies:
            copies.low += bool(done)
            copies.high -= not done
        if done:
            for uid, label in zip(done[0], labels, strict=True):
                self._show(who, done[1], uid, label)
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
            all_found, mailbox = seen
            found = [one for one in all_found if isinstance(one, Found)]
            assert len(found) == len(all_found), all_found
            validity = mailbox.uid_validity
            for one in found:
                self._show(who, validity, one.uid, one.label)
                if box.copies[one.label].high == 1:
                    box.copies[one.label].flags = {one.flags}
            uids = {one.uid for one in found}
            self.told.gone |= {
                key for key in self.told.shown if key[:2] == (who, validity) and key[2] not in uids
            }
            counts = Counter(one.label for one in found)
            for label, copies in box.copies.items():
                assert copies.low <= counts[label] <= copies.high, f"{label} {counts[label]} times, {copies}"
                copies.low = copies.high = counts[label]
            box.floor = validity, mailbox.uid_next, mailbox.highest_modseq
            box.must, box.places = True, {name}
        self.tell()

    def fetch(self, who: str, name: Name = INBOX) -> None:
        """FETCH 1:* of everything that can be prepared: true for each message."""

        def action() -> None:
            mailbox = self.account(who).mailbox(name)
            for uid in mailbox.uids:
                with mailbox.body(uid) as body:
                    true = render(body.data, body.verbatim)
                assert mailbox.rendered(uid) == true, f"UID {uid} is rendered as another message"
                for what in PREPARED:
                    assert mailbox.prepared(uid, what) == getattr(true, what), f"untrue {what} of UID {uid}"

        self._try(action)
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
        for label in self._known(box, labels):
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

    def _known(self, box: Box, labels: Iterable[str]) -> list[str]:
        """Those of the messages that are there and that a client has a UID for."""
        known = {label for key, label in self.told.shown.items() if key[:2] == (box.account, box.floor[0])}
        return [label for label in labels if label in known and box.copies[label].high]

    @staticmethod
    def _doom(box: Box, labels: Iterable[str]) -> list[str]:
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
        """EXPUNGE; what was reported as gone is gone from there, and can be recovered."""
        box = self.box(who, name)
        doomed = self._doom(box, self._known(box, labels))
        self.told.kept |= {(who, label) for label in doomed}

        def action() -> tuple[int, list[int]]:
            mailbox = self.account(who).mailbox(name)
            return mailbox.uid_validity, mailbox.expunge(self._uids(who, mailbox, doomed), having=having)

        if done := self._try(action):
            self._bury(who, box, done[0], doomed, done[1])
        self.tell()

    def copy(self, who: str, source: Name, target: Name, labels: Iterable[str]) -> bool:
        """COPY; all of them or none."""
        here, there = self.box(who, source), self.box(who, target)
        labels = self._known(here, labels)
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
        """MOVE: at no moment is a message in neither; after an error it may be in both."""
        here, there = self.box(who, source), self.box(who, target)
        labels = self._doom(here, self._known(here, labels))
        for label in labels:
            old = here.copies[label]
            copies = there.copies.setdefault(label, Copies(0, 0, set(), old.date))
            copies.flags |= old.flags
            copies.high += 1
        self.told.somewhere |= {(who, label) for label in labels}

        def action() -> tuple[int, int, list[tuple[int, int]]]:
            one, other = self.account(who).mailbox(source), self.account(who).mailbox(target)
            return one.uid_validity, other.uid_validity, one.move(self._uids(who, one, labels), other)

        if done := self._try(action):
            validity, new_validity, pairs = done
            for old_uid, uid in pairs:
                self._show(who, new_validity, uid, self.told.shown[who, validity, old_uid])
            self._bury(who, here, validity, labels, [old_uid for old_uid, _ in pairs])
            for label in labels:
                there.copies[label].low += 1
        self.tell()

    def quit(self, who: str, labels: Iterable[str]) -> None:
        """A POP3 session with DELE and QUIT."""
        box = self.box(who, INBOX)
        doomed = self._doom(box, self._known(box, labels))
        self.told.kept |= {(who, label) for label in doomed}

        def action() -> tuple[int, list[int]]:
            account = self.account(who)
            drop = open_maildrop(account, Views())
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

    def undelete(self, who: str, name: Name, labels: Iterable[str]) -> None:
        """Bring messages back into the mailbox that they were removed from, which is made if it is gone.

        At no moment is one of them in neither, and after it is told that it is back it is there once.
        """
        box = self.box(who, name)
        if box not in self.told.boxes:
            self.told.boxes.append(box)
        wanted = {label for label in labels if (who, label) in self.told.kept}
        for label in wanted:
            box.copies.setdefault(label, Copies(0, 0, set())).high += 1

        def action() -> int:
            account = self.account(who)
            there = account.recovered.mailbox(name)
            found = [one for one in messages_in(there) if isinstance(one, Found) and one.label in wanted]
            return bring_back(account, name, [one.uid for one in found])

        if self._try(action):
            box.must = True
            for label in wanted:
                box.copies[label].low += 1
        self.tell()

    # Mailboxes

    def create(self, who: str, name: Name) -> None:
        """CREATE; whole or not at all, and not at all when it is refused."""
        self.account(who)
        box = Box(who, {name}, must=False)
        self.told.boxes.append(box)
        box.must = bool(self._try(lambda: self.account(who).create(name) or True))
        if not box.must:
            self.told.boxes.remove(box)
        self.tell()

    def delete(self, who: str, name: Name) -> None:
        """DELETE; the mailbox is there with all in it, as after a refusal, or not there.

        Its messages can be recovered then.
        """
        box = self.box(who, name)
        box.must = False
        self.told.kept |= {(who, label) for label, copies in box.copies.items() if copies.low}
        box.must = not self._try(lambda: self.account(who).delete(name) or True)
        if not box.must:
            self.told.boxes.remove(box)
        self.tell()

    def rename(self, who: str, old: Name, new: Name) -> None:
        """RENAME with inferiors: each is under its old or its new name, under its old after a refusal."""
        self.account(who)
        moving = [
            (box, name, new + name[len(old) :])
            for box in self.told.boxes
            for name in list(box.places)
            if box.account == who and name[: len(old)] == old
        ]
        for box, name, target in moving:
            box.places = {name, target}
        done = self._try(lambda: self.account(who).rename(old, new) or True)
        for box, name, target in moving:
            box.places = {target if done else name}
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
        old = self.told.subscribed.get(who, [[]])  # more than one after a refusal
        if wanted:
            new = [names if name in names else [*names, name] for names in old]
        else:
            new = [[one for one in names if one != name] for names in old]
        self.told.subscribed[who] = old + new
        change = account.subscribe if wanted else account.unsubscribe
        if self._try(lambda: change(name) or True):
            self.told.subscribed[who] = new
        self.tell()
