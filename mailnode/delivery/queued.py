"""Delivers what comes out of the queue: recipients are routed as the configuration of that moment says."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from mailnode.auth.live import Live
from mailnode.delivery.fitting import Content
from mailnode.delivery.local import PIECE, LocalCourier, LocalDelivery
from mailnode.delivery.remote import Settled
from mailnode.delivery.reporting import arrived
from mailnode.delivery.route import Route, Router
from mailnode.envelope import Envelope, Recipient
from mailnode.events.life import Bus, Failed
from mailnode.events.log import Log
from mailnode.fs import ReadFile
from mailnode.message import trace
from mailnode.net.blocking import Lane
from mailnode.queue.entry import Entry, Fate, Progress
from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime
from mailnode.store.errors import OverQuota, StoreError

GONE = Progress(Fate.FAILED, "5.1.1", "There is no such mailbox here any more")
FORWARDED = Progress(Fate.FAILED, "5.1.2", "The address leads to other hosts only since the message came")
TOO_LATE = Progress(Fate.FAILED, "5.4.7", "The time in which it was to be delivered is over")  # RFC 2852
FULL_FOR_GOOD = Progress(Fate.FAILED, "5.2.2", "The mailbox is full")
FULL = Progress(Fate.WAITING, "4.2.2", "The mailbox is full")
TROUBLE = Progress(Fate.WAITING, "4.3.0", "The mailbox could not be written to")

BEGINNING = 65536  # octets that are read together with the size of a message: all of it, mostly

UNREADABLE = Progress(Fate.WAITING, "4.3.0", "The message could not be read")

Outcomes = Mapping[str, OSError | StoreError | None]


class Remote(Protocol):
    """Carries messages to other hosts; see remote.RemoteCourier."""

    async def carry(
        self, entry: Entry, numbers: Sequence[int], content: Content, octets: int, *, settled: Settled
    ) -> Mapping[int, Progress]:
        """Try these recipients; how far each is then. Raises nothing."""


class QueuedDelivery:
    """What the queue's runner calls for each try."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        courier: LocalCourier,
        spool: Spool,
        bus: Bus,
        remote: Remote,
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._courier = courier
        self._spool = spool
        self._bus = bus
        self._remote = remote
        self._log = Log("mailnode.queue")

    async def deliver(self, entry: Entry) -> Entry:
        """Try everybody who waits; gives what is true then."""
        if self._is_late(entry.envelope):
            routes: list[Route | None] = [None] * len(entry.progress)
        else:
            routes = [
                self._route(recipient, progress)
                for recipient, progress in zip(entry.envelope.recipients, entry.progress, strict=True)
            ]
        accounts = {one: None for route in routes if route for one in route.accounts}
        always = {one for route in routes if route and route.always for one in route.accounts}
        elsewhere = [number for number, one in enumerate(routes) if one is not None and not one.ours]
        missing = [one for one in accounts if one not in entry.reached]
        outcomes = await self._carry(entry, missing, always, alone=len(accounts) == 1) if missing else {}
        progress = tuple(
            self._progress(before, route, outcomes)
            for before, route in zip(entry.progress, routes, strict=True)
        )
        reached = (*entry.reached, *(one for one, error in outcomes.items() if error is None))
        after = replace(entry, progress=progress, reached=reached)
        if elsewhere:
            after = await self._send(after, elsewhere)
        self._tell_failures(entry, after.progress)
        return after

    def _is_late(self, envelope: Envelope) -> bool:
        """Whether it is to be returned, because its time is over (RFC 2852 section 4)."""
        deadline = envelope.deadline
        return deadline is not None and deadline.return_ and self._runtime.now() > deadline.time

    def _route(self, recipient: Recipient, progress: Progress) -> Route | None:
        waits = progress.fate is Fate.WAITING
        return Router(self._live).resolve(recipient.address) if waits else None

    async def _carry(self, entry: Entry, accounts: list[str], always: set[str], *, alone: bool) -> Outcomes:
        """Deliver the body to these mailboxes; why not, for each that has not got it.

        They share a file, which is written beside the first of them. Where that cannot be done at all it is
        no fault of the others, so each is tried by itself.
        """
        try:
            return await self._together(entry, accounts, always, alone=alone)
        except OSError as error:
            if len(accounts) == 1:
                return {accounts[0]: error}
        outcomes: dict[str, OSError | StoreError | None] = {}
        for account in accounts:
            outcomes |= await self._carry(entry, [account], always, alone=alone)
        return outcomes

    async def _together(
        self, entry: Entry, accounts: list[str], always: set[str], *, alone: bool
    ) -> Outcomes:
        """The same with one file for all. Raises OSError; then nobody has it."""
        lane = Lane(self._runtime.blocking)
        envelope = entry.envelope
        head = trace.final(envelope.reverse_path, accounts if alone else (), utf8=envelope.utf8)
        body = await lane.run(self._spool.body, entry.id)
        delivery = self._courier.begin(accounts, head, message=entry.id, connection="", always=always)
        try:
            await self._copy(lane, body, delivery)
            errors = await delivery.commit_each([[account] for account in accounts])
            return dict(zip(accounts, errors, strict=True))
        finally:
            await delivery.abort()
            await lane.run(body.close)

    @staticmethod
    async def _copy(lane: Lane, body: ReadFile, delivery: LocalDelivery) -> None:
        offset = 0
        while piece := await lane.run(body.read_at, offset, PIECE):
            offset += len(piece)
            await delivery.write(piece)

    # To other hosts

    async def _send(self, entry: Entry, numbers: Sequence[int]) -> Entry:
        """Have these recipients tried at their hosts.

        That may take long. What is true already is kept on the disk, so that a crash sends nothing twice.
        """
        lane = Lane(self._runtime.blocking)
        after = entry
        try:
            octets, beginning = await lane.run(self._beginning, entry.id)
        except OSError as error:
            self._log.warn("queue not read", message=entry.id, reason=error.strerror)
            return entry.with_progress(dict.fromkeys(numbers, UNREADABLE))

        async def keep(found: Mapping[int, Progress]) -> None:
            nonlocal after
            after = after.with_progress(found)
            if all(one.fate is Fate.WAITING for one in found.values()) or not after.waiting:
                return  # what is new is not worth it, or written as soon as this returns
            try:
                await lane.run(self._spool.save, after)
            except OSError as error:  # it will be written when all have been tried
                self._log.warn("queue not written", message=entry.id, reason=error.strerror)

        await keep(dict(enumerate(entry.progress)))
        content = partial(self._content, entry.id, octets, beginning)
        found = await self._remote.carry(entry, numbers, content, octets, settled=keep)
        return entry.with_progress(found)

    def _beginning(self, name: str) -> tuple[int, bytes]:
        """The size of a message, and its first octets."""
        with self._spool.body(name) as body:
            return body.stat().st_size, body.read_at(0, BEGINNING)

    async def _content(self, name: str, octets: int, beginning: bytes) -> AsyncGenerator[bytes, None]:
        """All of it; a thread is asked for what follows the beginning only."""
        yield beginning
        offset = len(beginning)
        if offset >= octets:
            return
        lane = Lane(self._runtime.blocking)
        body = await lane.run(self._spool.body, name)
        try:
            while piece := await lane.run(body.read_at, offset, PIECE):
                offset += len(piece)
                yield piece
        finally:
            await lane.run(body.close)

    # What came of it

    def _progress(self, before: Progress, route: Route | None, outcomes: Outcomes) -> Progress:
        """How far a recipient is after a try.

        Where an alias or list leads to other hosts too, those have had their copy since it was accepted.
        """
        if before.fate is not Fate.WAITING:
            return before
        if route is None:
            return TOO_LATE
        if not route.ours:
            return before
        if not route.accounts:
            return FORWARDED if route.elsewhere else GONE
        errors = [error for one in route.accounts if (error := outcomes.get(one)) is not None]
        return self._for_error(errors[0]) if errors else arrived(route)

    def _for_error(self, error: OSError | StoreError) -> Progress:
        if not isinstance(error, OverQuota):
            return TROUBLE
        return FULL_FOR_GOOD if self._live.config.quota.over == "refuse" else FULL

    def _tell_failures(self, entry: Entry, progress: tuple[Progress, ...]) -> None:
        for recipient, before, after in zip(entry.envelope.recipients, entry.progress, progress, strict=True):
            if after.fate is Fate.FAILED and before.fate is not Fate.FAILED:
                self._bus.publish(Failed("", entry.id, str(recipient.address), after.reason))
