"""Takes messages out of the spool when they are due, and sees each of them to its end.

A try ends in one of these ways: everybody has the message, or is given up, and it is removed; or somebody
still waits, and it is tried again after 5, 15 and 30 minutes, 1, 2 and 4 hours, then every 6 hours, until
five days are over. What has become of the recipients is on the disk before the sender is told of it, so that
a crash in between tells it twice, and never not at all.

Of what is due at a time the most important goes first (RFC 6710).

When something is due is held against the wall clock, at least once an hour: a clock that jumps delays or
hurries a message by no more than the jump. What an envelope file says of the next try is not believed beyond
the longest wait, in case the clock was wrong when it was written.
"""

import heapq
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from mailnode.events.life import Bus, Dropped, Ended, Postponed
from mailnode.events.log import Log
from mailnode.net.blocking import Lane
from mailnode.net.commits import Commits
from mailnode.net.wait import Running
from mailnode.queue.admission import Admission
from mailnode.queue.batches import TOGETHER as IN_A_JOB
from mailnode.queue.batches import Batches
from mailnode.queue.changes import Change, release
from mailnode.queue.entry import Approval, Delay, Entry, Proof
from mailnode.queue.spool import Beginning, Found, Spool, Unreadable
from mailnode.queue.state import QueueState, state
from mailnode.runtime import Runtime
from mailnode.values import replace

T = TypeVar("T")

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

WAITS = (5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 1 * HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR)
LIFETIME = 5 * DAY  # RFC 5321 section 4.5.4.1: at least 4 to 5 days
JITTER = 0.1  # of a wait, more or less: so that what failed together is not tried together for ever
LONGEST_SLEEP = 1 * HOUR
TOGETHER = 500  # messages that are worked at together: most of them wait for their turn at other hosts
# Seconds in which those that are done gather, and those that follow when nearly all places are taken. A crash
# in these sends again what is done.
GATHERED = 0.005
SLICE = 500  # messages that are looked at in one job of a thread, when the server starts

TOO_OLD = ("4.4.7", "It could not be delivered in five days")

Deliver = Callable[[Entry, Beginning | None], Awaitable[Entry]]
Report = Callable[[Entry], Awaitable[bool]]


class Busy(Exception):
    """The message is being delivered at this moment."""


class NotNow(Exception):
    """Whether the sender is to be told cannot be known at the moment."""


def next_try(entry: Entry, now: float, chance: float) -> float:
    """When to try again, in seconds since the epoch; `chance` from 0 to 1 decides on the jitter."""
    wait = WAITS[min(entry.tries, len(WAITS) - 1)]
    return now + wait * (1 + JITTER * (2 * chance - 1))


def gives_up(entry: Entry) -> float:
    """The moment after which a message is not tried any more; the time it was held for does not count."""
    return max(entry.came, entry.envelope.release) + LIFETIME


def late_at(entry: Entry, delay: float) -> float:
    """The moment after which the sender is told that a message is late (RFC 3461 section 5.2.5).

    That is what BY with N says (RFC 2852 section 4), else so many seconds after it came, or was released;
    never for 0.
    """
    deadline = entry.envelope.deadline
    if deadline is not None and not deadline.return_:
        return deadline.time
    return max(entry.came, entry.envelope.release) + delay if delay else math.inf


class Runner:
    """One for the process; used on the reactor thread.

    `deliver` gives the entry back with what has become of its recipients; what it raises is a failure of ours
    and changes nothing. It is told how the content begins, where that was read with the entry. `report` tells
    the sender what is owed, and gives False where nothing proves who that is: then the message is kept for a
    while. It raises OSError or NotNow to be asked again. `delay` gives the seconds after which the sender is
    told that a message is late, 0 for never.
    """

    def __init__(
        self,
        runtime: Runtime,
        spool: Spool,
        *,
        deliver: Deliver,
        report: Report,
        bus: Bus,
        log: Log,
        delay: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._delay = delay
        self._runtime = runtime
        self._spool = spool
        self._commits = Commits(runtime, spool.accept_all, at_once=True)
        self._reads = Batches(runtime, spool.open_all)
        self._removals = Batches(runtime, spool.remove_all, seconds=GATHERED)
        self._deliver = deliver
        self._report = report
        self._bus = bus
        self._log = log
        self._due: dict[str, float] = {}  # what waits, and until when
        self._order: list[tuple[float, str]] = []  # a heap of the same, and of what was true once
        self._ready: list[tuple[int, float, str]] = []  # of what is due: the most important, the oldest first
        self._priority: dict[str, int] = {}  # of what is not as important as all else
        self._came: dict[str, float] = {}  # when, in seconds since the epoch
        self._running: dict[str, Deferred[None]] = {}
        self._arriving: set[str] = set()  # what comes in, and may be on the disk before it is to be started
        self._unsaved: dict[str, Entry] = {}  # what happened and could not be written
        self._fresh: dict[str, Entry] = {}  # what is on the disk in these words, and due at once
        self._timer: IDelayedCall | None = None
        self._started = False
        # Fires when it was seen what is on the disk at the start: what comes later is not taken for remains.
        self.listed: Deferred[None] = Deferred()

    # Starting and stopping

    def start(self) -> "Deferred[None]":
        """Begin to work; fires when all that is on the disk is known."""
        self._started = True
        return Deferred.fromCoroutine(self._load())

    def stop(self) -> "list[Deferred[None]]":
        """Begin nothing more; gives what is still under way."""
        self._started = False
        self._plan()
        return list(self._running.values())

    async def _load(self, beginning: str = "") -> None:
        try:
            scan = await self._runtime.blocking.run(self._spool.scan, beginning)
            self._listed()
            while self._started and (found := await self._runtime.blocking.run(_slice, scan)):
                for one in found:
                    self._meet(one)
                self._plan()
        except OSError as error:
            self._log.warn("the queue cannot be read", path=self._spool.path, reason=error.strerror)
        finally:
            self._listed()

    def _listed(self) -> None:
        if not self.listed.called:
            self.listed.callback(None)

    def _meet(self, found: Found) -> None:
        if found.wrong:
            self._log.warn("strange file in the queue", file=found.name, outcome=found.wrong)
        elif not self._knows(found.name):
            latest = max(found.release, self._runtime.now() + WAITS[-1] * (1 + JITTER))
            self._came[found.name] = found.came
            self._wait(found.name, min(found.due, latest), found.priority)

    def _knows(self, name: str) -> bool:
        return any(name in known for known in (self._due, self._running, self._arriving))

    # What other processes have accepted

    def hear(self, name: str, due: float, came: float, priority: int) -> None:
        """A message has been accepted by another process."""
        if not self._knows(name):
            self._came[name] = came
            self._wait(name, due, priority)
            self._plan()

    async def take_over(self, beginning: str) -> None:
        """A process has ended whose ids begin so: it may not have told of all that it has accepted."""
        await self._load(beginning)

    # What others ask for

    def begin(self, entry: Entry, head: bytes) -> Admission:
        """A message that is coming in, of which these octets are the first."""
        lane = Lane(self._runtime.blocking)
        self._arriving.add(entry.id)
        arriving = self._spool.arriving(entry.id)
        return Admission(lane, self._commits, arriving, entry, head, self._arrived)

    def _arrived(self, entry: Entry, accepted: bool) -> None:
        self._arriving.discard(entry.id)
        if accepted:
            if entry.due <= self._runtime.now() and len(self._fresh) < TOGETHER:
                self._fresh[entry.id] = entry
            self._came[entry.id] = entry.came
            self._wait(entry.id, entry.due, entry.envelope.priority)
            self._plan()

    async def change(self, name: str, change: Change) -> None:
        """Put another entry in the place of a message's, and let it wait until that is due.

        Raises Busy, Unreadable and OSError: FileNotFoundError for an unknown one.
        """

        unsaved, now = self._unsaved.get(name), self._runtime.now()

        def save(name: str) -> Entry:
            changed = change(unsaved or self._spool.read(name), now)
            self._spool.save(changed)
            return changed

        changed = await self._alone(name, save)
        self._unsaved.pop(name, None)
        self._wait(name, changed.due)
        self._plan()

    def hurry(self, names: Iterable[str]) -> None:
        """Try these messages as soon as can be; what is being tried already is left alone."""
        now = self._runtime.now()
        for name in names:
            if name in self._due:
                self._wait(name, now)
        self._plan()

    async def work(self, name: str, deliver: Deliver) -> None:
        """Have a message tried now, by this way; returns when that is over. Raises Busy, after stop() too."""
        if name not in self._due or not self._started:
            raise Busy(name)
        del self._due[name]
        await self._begin(name, deliver, called=True)

    def retry(self, name: str) -> None:
        """Try a message now, unless it is held; no file is changed. Raises Busy and FileNotFoundError."""
        if name in self._running or name in self._arriving:
            raise Busy(name)
        if name not in self._due:
            raise FileNotFoundError(name)
        self.hurry([name])

    async def release(self, name: str) -> None:
        """Try a message now. Raises as change() does."""
        await self.change(name, release)

    async def drop(self, name: str) -> None:
        """Remove a message; nobody is told. Raises as change() does."""
        await self._alone(name, self._forget)
        for known in (self._due, self._priority, self._came, self._unsaved):
            known.pop(name, None)
        self._bus.publish(Dropped("", name))

    def _forget(self, name: str) -> None:
        self._spool.read(name)
        self._spool.remove(name)

    async def _alone(self, name: str, work: Callable[[str], T]) -> T:
        """Do it in a thread, while nobody else works at the message. Raises Busy, and what it raises."""
        if name in self._running or name in self._arriving:
            raise Busy(name)
        self._fresh.pop(name, None)
        ended = self._running[name] = Deferred()
        try:
            return await self._runtime.blocking.run(work, name)
        finally:
            del self._running[name]
            if name in self._due:
                self._wait(name, self._due[name])
            self._plan()
            ended.callback(None)

    def state(self) -> QueueState:
        """How much waits at this moment, and since when."""
        known = self._due.keys() | self._running.keys()
        self._came = {name: came for name, came in self._came.items() if name in known}
        waiting = (due for name, due in self._due.items() if name not in self._running)
        return state(waiting, self._came.values(), active=len(self._running), now=self._runtime.now())

    # Time

    def _wait(self, name: str, due: float, priority: int = 0) -> None:
        self._due[name] = due
        if priority:
            self._priority[name] = priority
        if len(self._order) > 2 * len(self._due) + SLICE:
            self._order = [(when, one) for one, when in self._due.items()]
            heapq.heapify(self._order)
        else:
            heapq.heappush(self._order, (due, name))

    def _plan(self) -> None:
        """Be woken when the next one is due, and there is somebody free to work at it."""
        timer = self._timer
        if not self._started or not (self._order or self._ready) or len(self._running) >= TOGETHER:
            if timer is not None:
                timer.cancel()
                self._timer = None
            return
        first = 0.0 if self._ready else self._order[0][0]
        least = GATHERED if len(self._running) > TOGETHER - IN_A_JOB else 0.0
        seconds = min(max(first - self._runtime.now(), least), LONGEST_SLEEP)
        if timer is not None:
            if timer.getTime() <= self._runtime.clock.seconds() + seconds:
                return  # to wake too early costs less than another timer
            timer.cancel()
        self._timer = self._runtime.clock.callLater(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._runtime.now()
        while self._order and self._order[0][0] <= now:
            due, name = heapq.heappop(self._order)
            heapq.heappush(self._ready, (-self._priority.get(name, 0), due, name))
        while self._ready and len(self._running) < TOGETHER:
            _, due, name = heapq.heappop(self._ready)
            if self._due.get(name) == due and name not in self._running:
                del self._due[name]
                self._begin(name, self._deliver)
        self._plan()

    def _begin(self, name: str, deliver: Deliver, *, called: bool = False) -> "Deferred[None]":
        ended: Deferred[None] = Deferred()
        self._running[name] = ended

        def end(_: Running) -> None:
            del self._running[name]
            self._plan()
            ended.callback(None)

        Running(self._run(name, deliver, called=called), end).go()
        return ended

    # One try

    async def _run(self, name: str, deliver: Deliver, *, called: bool) -> None:
        """Raises nothing."""
        try:
            await self._try(name, deliver, called=called)
        except Exception:
            self._log.bug("a message of the queue was left alone", Failure())
            self._wait(name, self._runtime.now() + WAITS[-1])

    async def _try(self, name: str, deliver: Deliver, *, called: bool) -> None:
        beginning = None
        try:
            entry = self._fresh.pop(name, None) or self._unsaved.pop(name, None)
            if entry is None:
                entry, beginning = await self._reads.run(name, alone=len(self._running) == 1)
        except FileNotFoundError:
            return
        except Unreadable as why:
            await self._put_aside(name, str(why))
            return
        except OSError as error:
            self._disk_failed(name, error)
            return
        held = entry.waiting or entry.proof is Proof.MISSING
        if (
            held and entry.envelope.release > self._runtime.now()
        ):  # somebody is in a hurry, or the clock is back
            self._wait(name, max(entry.due, entry.envelope.release), entry.envelope.priority)
            return
        after = await self._tried(entry, beginning, deliver)
        try:
            await self._settle(after, called=called)
        except NotNow:
            self._wait(name, self._runtime.now() + WAITS[2])
        except OSError as error:
            self._disk_failed(name, error)

    async def _put_aside(self, name: str, why: str) -> None:
        try:
            self._meet(await self._runtime.blocking.run(self._spool.put_aside, name, why))
        except OSError as error:
            self._disk_failed(name, error)

    async def _tried(self, entry: Entry, beginning: Beginning | None, deliver: Deliver) -> Entry:
        """What is true after a try."""
        after = entry
        if entry.waiting:
            try:
                after = await deliver(entry, beginning)
            except Exception:
                self._log.bug("delivery failed", Failure())
        if after.waiting and self._runtime.now() > gives_up(after):
            after = after.failed(*TOO_OLD)
        if after.waiting and after.delay is Delay.UNSAID and self._runtime.now() >= self._late_at(after):
            after = replace(after, delay=Delay.DUE)
        return after

    def _late_at(self, entry: Entry) -> float:
        return late_at(entry, self._delay())

    def _next_try(self, entry: Entry) -> float:
        """When to try again; who is to hear that it is late hears it at that moment."""
        now, late = self._runtime.now(), self._late_at(entry)
        due = next_try(entry, now, self._runtime.random.random())
        return min(due, late) if entry.delay is Delay.UNSAID and late > now else due

    async def _settle(self, entry: Entry, *, called: bool) -> None:
        """Keep what is true now, tell the sender, put it away or let it wait. Raises OSError and NotNow.

        Where a host has called for it, those who wait elsewhere are tried when they would have been.
        """
        self._unsaved[entry.id] = entry
        was_kept = entry.proof is Proof.MISSING
        if entry.owed and not was_kept:
            await self._runtime.blocking.run(self._spool.save, entry)
            told = await self._report(entry)
            until = self._runtime.now() + LIFETIME
            entry = entry.with_everything_told() if told else entry.with_nobody_told(until)
            self._unsaved[entry.id] = entry
        if entry.waiting or (entry.proof is Proof.MISSING and not was_kept):
            tried = entry.waiting and entry.approval is not Approval.ASKED and not called
            due = self._next_try(entry) if tried else entry.due if called else 0.0
            due = max(due, entry.envelope.release)
            entry = replace(entry, due=due, tries=entry.tries + tried)
            await self._runtime.blocking.run(self._spool.save, entry)
            self._wait(entry.id, due)
            self._bus.publish(Postponed("", entry.id, entry.tries, int(due)))
        else:
            await self._removals.run(entry.id, alone=len(self._running) == 1)
            self._priority.pop(entry.id, None)
            self._came.pop(entry.id, None)
            self._bus.publish(Ended("", entry.id))
        del self._unsaved[entry.id]

    def _disk_failed(self, name: str, error: OSError) -> None:
        self._log.warn("queue not written or read", message=name, reason=error.strerror)
        self._wait(name, self._runtime.now() + WAITS[0])


def _slice(scan: Iterator[Found]) -> list[Found]:
    return list(islice(scan, SLICE))
