"""How many recipients an account may send to: what a stolen password is worth to the thief.

Three limits hold for each account: recipients in an hour, recipients in a day, and addresses in a day that
it never sent to before. A transaction reserves at RCPT, so that many sessions at once cannot pass a limit
together; what it reserved is spent when the message is accepted, and given back when it is not.

Every recipient counts for the first two, one of our own domains too. For the third only addresses elsewhere
count: a round to all colleagues must not use up what is there for new customers.

Time goes in steps of five minutes, and an hour is the step that runs and the twelve before it: nobody is
ever given too much by the rounding.

What is remembered of an account is one text file, `{state}/senders/{domain}/{local}`:

    mailnode-sender 1
    sent STEP RECIPIENTS NEW        (a line for each step of the last day in which something was sent)
    known HASH                      (a line for each address sent to, the one of longest ago first)

The hashes are so that the file is no list of a person's correspondents for whoever finds it in a backup. It
is written a minute after something was sent, when the account has to make room in memory, and when the
server stops: a crash forgets the last minute. A file that cannot be read counts as empty, and the log says
so: mail is not held up by its being broken.
"""

import hashlib
import math
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from mailnode.auth.live import Live
from mailnode.config_rules import split_address
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane
from mailnode.runtime import Runtime
from mailnode.values import frozen
from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax

STEP = 300  # seconds
HOUR, DAY = 3600 // STEP, 86400 // STEP  # steps
KNOWN = 10_000  # addresses remembered of one account; about a megabyte in memory
KEPT = 32  # accounts in memory, besides those that are sending
SAVE_SECONDS = 60.0
LARGEST_FILE = 300_000  # octets; one of ours is smaller

_HEAD = "mailnode-sender 1"
_DIGEST = 8  # octets


@dataclass(slots=True)
class Used:
    """Recipients of a step, and how many of them were new addresses."""

    recipients: int = 0
    new: int = 0


@dataclass(slots=True)
class Sender:
    """One account: what it used by steps, whom it knows, and what its open transactions have reserved."""

    address: str
    steps: dict[int, Used] = field(default_factory=dict)
    known: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    reserved: Used = field(default_factory=Used)
    transactions: int = 0
    unsaved: bool = False
    told: dict[str, float] = field(default_factory=dict)  # when the administrator last heard of a limit

    def used(self, now: int, steps: int) -> Used:
        """What was used in so many steps up to the one of `now`, with what is reserved."""
        counted = [used for step, used in self.steps.items() if now - steps <= step <= now]
        recipients = sum(used.recipients for used in counted)
        return Used(
            recipients + self.reserved.recipients, sum(used.new for used in counted) + self.reserved.new
        )

    def spend(self, now: int, digests: list[bytes | None]) -> None:
        """Count recipients; None stands for one of our own domains."""
        self.steps = {step: used for step, used in self.steps.items() if abs(now - step) <= DAY}
        used = self.steps.setdefault(now, Used())
        for digest in digests:
            used.recipients += 1
            if digest is not None:
                used.new += digest not in self.known
                self.known[digest] = None
                self.known.move_to_end(digest)
        while len(self.known) > KNOWN:
            self.known.popitem(last=False)
        self.unsaved = True

    def text(self) -> str:
        """The content of its file."""
        sent = [f"sent {step} {used.recipients} {used.new}" for step, used in self.steps.items()]
        return "\n".join([_HEAD, *sent, *(f"known {digest.hex()}" for digest in self.known), ""])


def parse(address: str, text: str) -> Sender:
    """The account whose file holds this. Raises BadSyntax."""
    sender = Sender(address)
    head, *lines = text.splitlines() or [""]
    if head != _HEAD:
        raise BadSyntax("the first line is unknown")
    for line in lines:
        match line.split(" "):
            case ["sent", *words] if len(words) == 3:
                step, recipients, new = (number(word.encode(), limit=2**53) for word in words)
                sender.steps[step] = Used(recipients, new)
            case ["known", word] if len(word) == 2 * _DIGEST:
                sender.known[_from_hex(word)] = None
            case _:
                raise BadSyntax(f"unknown line {line[:40]}")
    return sender


def _from_hex(word: str) -> bytes:
    try:
        return bytes.fromhex(word)
    except ValueError:
        raise BadSyntax("a hash is not in hexadecimal") from None


@frozen
class Allowance:
    """A limit: its key in [limits], over how many steps, and what it counts; `new`: only new addresses."""

    key: str
    steps: int
    words: str
    new: bool = False

    def counted(self, used: Used) -> int:
        """What the limit is for."""
        return used.new if self.new else used.recipients


ALLOWANCES = (
    Allowance("submission_recipients_hour", HOUR, "recipients in an hour"),
    Allowance("submission_recipients_day", DAY, "recipients in a day"),
    Allowance("submission_new_recipients_day", DAY, "addresses in a day you never wrote to before", new=True),
)


class UsedUp(Exception):
    """One recipient more would pass a limit; `first` tells that the administrator has not heard of it yet."""

    def __init__(self, allowance: Allowance, allowed: int, *, first: bool) -> None:
        super().__init__(allowance.key)
        self.allowance = allowance
        self.allowed = allowed
        self.first = first


class Reservation:
    """What one transaction may use up; ended by spend() or release(), the second of which does nothing."""

    def __init__(self, senders: "Senders", sender: Sender) -> None:
        self._senders = senders
        self._sender = sender
        self._digests: list[bytes | None] = []
        self._new = 0
        self._open = True
        sender.transactions += 1

    def add(self, address: str, *, ours: bool) -> None:
        """Reserve for a recipient, whose address is given as its key; `ours` if in one of our domains.

        Raises UsedUp, and then nothing is reserved.
        """
        sender = self._sender
        digest = None if ours else _digest(sender.address, address)
        new = int(digest is not None and digest not in sender.known and digest not in self._digests)
        self._senders.check(sender, new)
        self._digests.append(digest)
        self._new += new
        sender.reserved.recipients += 1
        sender.reserved.new += new

    def spend(self) -> None:
        """The message is accepted: what was reserved is used."""
        if self._open:
            self.release()
            self._senders.spend(self._sender, self._digests)

    def release(self) -> None:
        """Give back what was not spent."""
        if self._open:
            self._open = False
            self._sender.transactions -= 1
            self._sender.reserved.recipients -= len(self._digests)
            self._sender.reserved.new -= self._new


def _digest(account: str, address: str) -> bytes:
    """The hash of a correspondent; that of the same one differs from account to account."""
    return hashlib.blake2b(
        f"{account} {address}".encode("utf-8", "surrogateescape"), digest_size=_DIGEST
    ).digest()


class Senders:
    """The accounts that send. Used on the reactor thread; files are read and written in a lane."""

    def __init__(self, live: Live, runtime: Runtime, files: FileSystem) -> None:
        self._live = live
        self._runtime = runtime
        self._files = files
        self._folder = os.path.join(live.config.state, "senders")  # that of the start, as all of `state`
        self._log = Log("mailnode.senders")
        # One lane for all: what is read behind a write is never older than it.
        self._lane = Lane(runtime.blocking)
        self._senders: OrderedDict[str, Sender] = OrderedDict()  # the one used longest ago is first
        self._saving: IDelayedCall | None = None

    async def reserve(self, account: str) -> Reservation:
        """A reservation for a new transaction of an account."""
        if account not in self._senders:
            try:
                loaded = await self._lane.run(self._load, account)
            except (OSError, UnicodeDecodeError, BadSyntax) as error:
                path = self._path(account)
                self._log.warn("what was sent is not known, and counts from now", path=path, reason=error)
                loaded = Sender(account)
            self._senders.setdefault(account, loaded)
        self._senders.move_to_end(account)
        reservation = Reservation(self, self._senders[account])
        self._make_room()
        return reservation

    def check(self, sender: Sender, new: int) -> None:
        """Raise UsedUp if one recipient more, new or not, would pass a limit."""
        now = self._step()
        for allowance in ALLOWANCES:
            allowed: int = getattr(self._live.config.limits, allowance.key)
            wanted = allowance.counted(Used(1, new))
            if not allowed or not wanted:
                continue
            if allowance.counted(sender.used(now, allowance.steps)) + wanted > allowed:
                last = sender.told.get(allowance.key, -math.inf)
                first = now - last > allowance.steps
                if first:
                    sender.told[allowance.key] = now
                raise UsedUp(allowance, allowed, first=first)

    def spend(self, sender: Sender, digests: list[bytes | None]) -> None:
        """Count the recipients of a message; it is written down soon."""
        sender.spend(self._step(), digests)
        if self._saving is None:
            self._saving = self._runtime.clock.callLater(SAVE_SECONDS, self._save_later)

    def _step(self) -> int:
        return int(self._runtime.now()) // STEP

    def _make_room(self) -> None:
        """Let those go that were used longest ago and have nothing open; first write down what they used.

        Nobody goes while files are read or written: what is read then may be older than what goes.
        """
        if self._lane.busy:
            return
        for sender in list(self._idle())[: max(0, len(self._senders) - KEPT)]:
            if sender.unsaved:
                Deferred.fromCoroutine(self._save(sender))
            else:
                del self._senders[sender.address]

    def _idle(self) -> Iterator[Sender]:
        return (sender for sender in self._senders.values() if not sender.transactions)

    # Files

    def _path(self, account: str) -> str:
        local, domain = split_address(account)
        return os.path.join(self._folder, domain, local)

    def _load(self, account: str) -> Sender:
        path = self._path(account)
        if self._files.stat(path) is None:
            return Sender(account)
        return parse(account, self._files.read(path, limit=LARGEST_FILE).decode("ascii"))

    def _save_later(self) -> None:
        self._saving = None
        Deferred.fromCoroutine(self._save_all())

    async def _save_all(self) -> None:
        for sender in [sender for sender in self._senders.values() if sender.unsaved]:
            await self._save(sender)

    async def _save(self, sender: Sender) -> None:
        sender.unsaved = False
        path = self._path(sender.address)
        try:
            await self._lane.run(self._write, path, sender.text().encode("ascii"))
        except OSError as error:
            sender.unsaved = True  # written with the next ones
            self._log.warn("what was sent is not written down", path=path, reason=error.strerror)

    def _write(self, path: str, data: bytes) -> None:
        self._files.make_directories(os.path.dirname(path))
        self._files.replace(path, data)

    async def stop(self) -> None:
        """Write down what is not yet."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        await self._save_all()
        await self._lane.run(lambda: None)  # behind what was being written already
