"""What clients were told, what is found after a crash, and whether the one can be true of the other.

A message is known by its label: message(label) gives its octets, so that any other octets are found out.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from mailnode.fs import FileSystem
from mailnode.queue.spool import Spool
from mailnode.store import filenames
from mailnode.store.account import Account
from mailnode.store.delivery import deliver
from mailnode.store.index import FILE_NAME as CACHE
from mailnode.store.keeping import Terms
from mailnode.store.locks import LOCK_NAME
from mailnode.store.mailbox import Mailbox
from mailnode.store.quota import Limit
from mailnode.store.values import Flags, Name
from tests.store.support import sum_of_files

HOST = "mail.example.org"
QUEUE = "queue"  # a folder beside those of the accounts
BIG = 300_000  # more than a draft keeps in memory

PLENTY = Limit(octets=10**12)  # with a limit, every step is counted

Shown = tuple[str, int, int]  # account, UIDVALIDITY, UID


def message(label: str) -> bytes:
    """The message of that label; one that starts with "bare" has a bare LF, one with "big" is large."""
    text = f"From: a@example.org\r\nSubject: {label}\r\n\r\nThe text of {label}.\r\n"
    text += "A bare\nline end.\r\n" if label.startswith("bare") else ""
    return text.encode() + (b"0123456789 filling\r\n" * (BIG // 20) if label.startswith("big") else b"")


def label_of(octets: bytes) -> str | None:
    """The label of a message that is whole, or None."""
    label = octets.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode("ascii", "replace")
    return label if octets == message(label) else None


@dataclass
class Copies:
    """How often a message has to be, and may be, in a mailbox; with which flags, and which date."""

    low: int
    high: int
    flags: set[Flags]
    date: float | None = None


@dataclass
class Box:
    """A mailbox: the names it may have now, whether it must be there, and what was shown of it."""

    account: str
    places: set[Name]
    must: bool = True
    copies: dict[str, Copies] = field(default_factory=dict)
    floor: tuple[int, int, int] = (0, 0, 0)  # UIDVALIDITY, UIDNEXT, highest modification sequence


@dataclass
class Told:
    """All that the clients know, and what is under way."""

    boxes: list[Box] = field(default_factory=list)
    shown: dict[Shown, str] = field(default_factory=dict)  # the label that a UID stands for, for ever
    gone: set[Shown] = field(default_factory=set)  # reported as expunged
    somewhere: set[tuple[str, str]] = field(default_factory=set)  # account and label on its way between two
    subscribed: dict[str, list[list[Name]]] = field(default_factory=dict)  # the lists that may be found
    queued: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # by id: label, accounts
    kept: set[tuple[str, str]] = field(default_factory=set)  # removed: in a mailbox still, or recoverable


@dataclass(frozen=True)
class Found:
    """A message as a session sees it."""

    uid: int
    label: str
    flags: Flags
    date: float


@dataclass(frozen=True)
class Seen:
    """A mailbox as a session sees it."""

    account: str
    name: Name
    floor: tuple[int, int, int]
    messages: tuple[Found, ...]


@dataclass
class Facts:
    """What a fresh process finds."""

    boxes: list[Seen] = field(default_factory=list)
    subscribed: dict[str, list[Name]] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)  # the labels of what can be recovered
    problems: list[str] = field(default_factory=list)


def open_account(base: str, name: str, files: FileSystem, now: Callable[[], float], seed: int) -> Account:
    """An account as a fresh process opens it."""
    return Account(
        f"{base}/{name}",
        files=files,
        now=now,
        host=HOST,
        rng=random.Random(f"{name}{seed}"),
        pid=4_000_000 + seed,
        limit=lambda: PLENTY,
        recover=lambda: Terms(14),
    )


def messages_in(mailbox: Mailbox) -> Iterator[Found | str]:
    """Every message, or a word on what is wrong with it."""
    for uid in mailbox.uids:
        one = mailbox.get(uid)
        assert one is not None
        with mailbox.body(uid) as body:
            octets, facts = b"".join(body.wire()), body.stat()
        label = label_of(octets)
        on_disk, on_wire = filenames.sizes(one.base)
        if on_disk not in (None, facts.st_size) or on_wire not in (None, len(octets)):
            yield f"untrue size: {one.base} has {facts.st_size} and {len(octets)} octets"
        if mailbox.octets(uid) != len(octets):
            yield f"untrue RFC822.SIZE: {one.base}"
        if label is None:
            yield f"torn or foreign message: {mailbox.name} {uid} {octets[:80]!r}"
        else:
            yield Found(uid, label, one.flags, mailbox.internal_date(uid))


def take_out(spool: Spool, name: str, accounts: Callable[[str], Account], files: FileSystem) -> None:
    """Deliver a message of the queue to everybody it is for, but leave it there."""
    entry = spool.read(name)
    there = [accounts(recipient.address.local) for recipient in entry.envelope.recipients]
    draft = there[0].draft()
    try:
        with spool.body(name) as body:
            draft.write(body.read_at(0, body.stat().st_size))
    except OSError:
        draft.abort()
        raise
    deliver(draft, there, files)


def _deliver_the_queue(base: str, files: FileSystem, now: Callable[[], float], seed: int) -> None:
    """What the runner does with all that waits, sooner or later."""
    spool = Spool(files, f"{base}/{QUEUE}")
    opened: dict[str, Account] = {}

    def account(name: str) -> Account:
        return opened.setdefault(name, open_account(base, name, files, now, seed))

    for found in list(spool.scan()) if os.path.isdir(spool.path) else ():
        if not found.wrong:
            take_out(spool, found.name, account, files)
            spool.remove(found.name)
    for one in opened.values():
        one.close()


def _look(
    base: str, accounts: Iterable[str], files: FileSystem, now: Callable[[], float], seed: int
) -> Facts:
    facts = Facts()
    _deliver_the_queue(base, files, now, seed)
    for name in accounts:
        account = open_account(base, name, files, now, seed)
        try:
            for box in account.names():
                mailbox = account.mailbox(box)
                all_found = list(messages_in(mailbox))
                facts.problems += [one for one in all_found if isinstance(one, str)]
                found = tuple(one for one in all_found if isinstance(one, Found))
                floor = mailbox.uid_validity, mailbox.uid_next, mailbox.highest_modseq
                facts.boxes.append(Seen(name, box, floor, found))
            facts.subscribed[name] = account.subscriptions()
            facts.kept[name] = list(_recoverable(account, facts))
            usage, files_say = account.usage(), sum_of_files(account.root)
            if usage != files_say:
                facts.problems.append(f"wrong usage: {name} has {files_say}, not {usage}")
        finally:
            account.close()
    return facts


def _recoverable(account: Account, facts: Facts) -> Iterator[str]:
    there = account.recovered
    for name in there.names() if os.path.isdir(there.root) else ():
        for one in messages_in(there.mailbox(name)):
            if isinstance(one, str):
                facts.problems.append(one)
            else:
                yield one.label


def _untrue_answers(account: Account) -> Iterator[str]:
    """What the cache has prepared for another message; each has a header of its own."""
    try:
        for name in account.names():
            mailbox = account.mailbox(name)
            for uid in mailbox.uids:
                with mailbox.body(uid) as body:
                    head, blank, _ = b"".join(body.wire()).partition(b"\r\n\r\n")
                if mailbox.prepared(uid, "header") != head + blank:
                    yield f"untrue answer: {name} {uid}"
    finally:
        account.close()


def _names(base: str) -> list[str]:
    return sorted(
        os.path.join(path, name)
        for path, directories, files in os.walk(base)
        for name in directories + files
        if not name.startswith(CACHE)
    )


def _steady(facts: Facts) -> list[Seen]:
    """The mailboxes without their modification sequences, which every start may raise."""
    return [replace(seen, floor=(*seen.floor[:2], 0)) for seen in facts.boxes]


def recover(
    base: str, accounts: Iterable[str], now: Callable[[], float], files: FileSystem | None = None
) -> Facts:
    """What a fresh process finds; and a problem more if the next one finds, or leaves, anything else.

    What waits in the queue is delivered first. The usage that each reports is the sum of the files (V13).
    """
    files = files or FileSystem()
    accounts = list(accounts)
    cached = [name for name in accounts if os.path.exists(f"{base}/{name}/{CACHE}")]
    try:
        facts = _look(base, accounts, files, now, 1)
        names = _names(base)
        second = _look(base, accounts, files, now, 2)
        for name in cached:
            facts.problems += _untrue_answers(open_account(base, name, files, now, 3))
    except Exception as error:
        return Facts(problems=[f"recovery failed: {error!r}"])
    if (_steady(second), second.subscribed, second.kept) != (_steady(facts), facts.subscribed, facts.kept):
        facts.problems.append(f"second recovery differs: {facts.boxes} {second.boxes}")
    if _names(base) != names:
        facts.problems.append(f"second recovery changed {set(_names(base)) ^ set(names)}")
    facts.problems += [
        f"lock left: {name}" for name in names if name.endswith(LOCK_NAME) and "/.." not in name
    ]
    return facts


def check(told: Told, facts: Facts) -> list[str]:
    """Every promise that is broken, in words; the first word tells its kind."""
    problems = list(facts.problems)
    if not facts.boxes:
        return problems
    totals: Counter[tuple[str, str]] = Counter()
    claimed: dict[int, Seen] = {}
    for seen in facts.boxes:
        for one in seen.messages:
            totals[seen.account, one.label] += 1
        owners = [box for box in told.boxes if box.account == seen.account and seen.name in box.places]
        if not owners:
            problems.append(f"unknown mailbox: {seen.account} {seen.name}")
        for box in owners:
            if id(box) in claimed:
                problems.append(f"doubled mailbox: {seen.account} {seen.name}")
            claimed[id(box)] = seen
            problems += _check_box(box, seen)
        problems += _check_uids(told, seen)
    problems += [f"lost mailbox: {box.places}" for box in told.boxes if box.must and id(box) not in claimed]
    problems += [f"lost on the way: {key}" for key in told.somewhere if not totals[key]]
    recoverable = {(account, label) for account, labels in facts.kept.items() for label in labels}
    problems += [f"not recoverable: {key}" for key in told.kept - recoverable if not totals[key]]
    for account, allowed in told.subscribed.items():
        if facts.subscribed.get(account) not in allowed:
            problems.append(f"lost subscriptions: {facts.subscribed.get(account)} not in {allowed}")
    return problems


def _check_box(box: Box, seen: Seen) -> Iterator[str]:
    where = f"in {seen.account} {seen.name}"
    counts = Counter(one.label for one in seen.messages)
    for label in counts.keys() | box.copies.keys():
        wanted = box.copies.get(label) or Copies(0, 0, set())
        if counts[label] < wanted.low:
            yield f"lost message: {label} {where}"
        if counts[label] > wanted.high:
            yield f"unwanted message: {label} {where}, {counts[label]} times"
    for one in seen.messages:
        wanted = box.copies.get(one.label) or Copies(0, 0, set())
        if wanted.flags and one.flags not in wanted.flags:
            yield f"wrong flags: {one.label} {where} has {set(one.flags)}, not {wanted.flags}"
        if wanted.date is not None and one.date != wanted.date:
            yield f"wrong date: {one.label} {where}"
    for what, had, has in zip(("UIDVALIDITY", "UIDNEXT", "MODSEQ"), box.floor, seen.floor, strict=True):
        if has < had and (what == "UIDVALIDITY" or seen.floor[0] == box.floor[0]):
            yield f"fallen {what}: {where} from {had} to {has}"
    if box.floor[0] and seen.floor[0] != box.floor[0]:
        yield f"changed UIDVALIDITY: {where}"


def _check_uids(told: Told, seen: Seen) -> Iterator[str]:
    for one in seen.messages:
        key = (seen.account, seen.floor[0], one.uid)
        if key in told.gone:
            yield f"returned UID: {key} is {one.label}"
        if told.shown.get(key, one.label) != one.label:
            yield f"reused UID: {key} was {told.shown[key]}, is {one.label}"
