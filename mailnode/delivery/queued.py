"""Delivers what comes out of the queue: recipients are routed as the configuration of that moment says."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

from mailnode.auth.live import Live
from mailnode.delivery.fitting import Content
from mailnode.delivery.local import PIECE, LocalCourier, LocalDelivery
from mailnode.delivery.mailing_list import for_members, list_of
from mailnode.delivery.moderation import NOT_ANSWERED, Moderation
from mailnode.delivery.remote import Settled
from mailnode.delivery.reporting import arrived
from mailnode.delivery.route import Route, Router
from mailnode.envelope import Envelope, Recipient
from mailnode.events.life import Bus, Expanded, Failed
from mailnode.events.log import Log
from mailnode.fs import ReadFile
from mailnode.message import trace
from mailnode.net.blocking import Lane
from mailnode.queue.batches import Batches
from mailnode.queue.entry import Approval, Entry, Fate, Progress
from mailnode.queue.spool import Beginning, Spool
from mailnode.runtime import Runtime
from mailnode.store.errors import OverQuota, StoreError
from mailnode.values import replace

GONE = Progress(Fate.FAILED, "5.1.1", "There is no such mailbox here any more")
FORWARDED = Progress(Fate.FAILED, "5.1.2", "The address leads elsewhere only since the message came")
TOO_LATE = Progress(Fate.FAILED, "5.4.7", "The time in which it was to be delivered is over")  # RFC 2852
FULL_FOR_GOOD = Progress(Fate.FAILED, "5.2.2", "The mailbox is full")
FULL = Progress(Fate.WAITING, "4.2.2", "The mailbox is full")
TROUBLE = Progress(Fate.WAITING, "4.3.0", "The mailbox could not be written to")

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
        moderation: Moderation,
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._courier = courier
        self._spool = spool
        self._bus = bus
        self._remote = remote
        self._moderation = moderation
        self._beginnings = Batches(runtime, spool.beginnings)
        self._sending = 0  # messages that are on their way to other hosts
        self._log = Log("mailnode.queue")

    async def deliver(self, entry: Entry, beginning: Beginning | None) -> Entry:
        """Try everybody who waits; gives what is true then.

        The `beginning` of the content is read where nobody has done so yet.
        """
        if name := list_of(self._live, entry):
            try:
                entry = await self._to_list(entry, name)
            except (OSError, StoreError) as error:
                reason = error.strerror if isinstance(error, OSError) else type(error).__name__
                self._log.warn("message not given to a list", message=entry.id, list=name, reason=reason)
                return entry
            if entry.approval is not Approval.GIVEN or not entry.waiting:
                return entry
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
        after = entry
        if outcomes or progress != entry.progress:
            reached = (*entry.reached, *(one for one, error in outcomes.items() if error is None))
            after = replace(entry, progress=progress, reached=reached)
        if elsewhere:
            after = await self._send(after, beginning, elsewhere, self._remote, reached=bool(missing))
        self._tell_failures(entry, after.progress)
        return after

    async def deliver_by(
        self, remote: Remote, domains: Collection[str], entry: Entry, beginning: Beginning | None
    ) -> Entry:
        """Try those who wait in these domains, by another way than usual; gives what is true then.

        What somebody has held meanwhile is left alone.
        """
        held = entry.envelope.release > self._runtime.now()
        numbers = [] if held else entry.waiting_for(domains)
        after = await self._send(entry, beginning, numbers, remote) if numbers else entry
        self._tell_failures(entry, after.progress)
        return after

    async def _to_list(self, entry: Entry, name: str) -> Entry:
        """The entry for the members; or as it waits for a moderator, or has waited for too long.

        Raises OSError and StoreError; then nothing has changed.
        """
        if entry.approval is Approval.ASKED:
            self._bus.publish(Failed("", entry.id, name, NOT_ANSWERED[1]))
            return entry.failed(*NOT_ANSWERED)
        if entry.approval is Approval.WANTED:
            return await self._moderation.ask(entry, name)
        expanded = for_members(self._live, entry, name)
        await self._runtime.blocking.run(self._spool.save, expanded)
        self._bus.publish(Expanded("", entry.id, name, len(expanded.progress)))
        return expanded

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
        head += entry.head.encode()
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

    async def _send(
        self,
        entry: Entry,
        beginning: Beginning | None,
        numbers: Sequence[int],
        remote: Remote,
        *,
        reached: bool = False,
    ) -> Entry:
        """Have these recipients tried at their hosts; mailboxes may have been `reached` just now.

        That may take long. What is true already is kept on the disk while others wait, so that a crash sends
        little twice.
        """
        self._sending += 1
        try:
            if beginning is None:
                beginning = await self._beginnings.run(entry.id, alone=self._sending == 1)
        except OSError as error:
            self._log.warn("queue not read", message=entry.id, reason=error.strerror)
            return entry.with_progress(dict.fromkeys(numbers, UNREADABLE))
        else:
            return await self._send_now(entry, beginning, numbers, remote, reached=reached)
        finally:
            self._sending -= 1

    async def _send_now(
        self, entry: Entry, beginning: Beginning, numbers: Sequence[int], remote: Remote, *, reached: bool
    ) -> Entry:
        after = entry
        head = entry.head.encode()
        octets = len(head) + beginning.size

        async def keep(found: Mapping[int, Progress], *, new: bool = False) -> None:
            nonlocal after
            after = after.with_progress(found)
            new = new or any(one.fate is not Fate.WAITING for one in found.values())
            if not new or not after.waiting:
                return  # what is new is not worth it, or written as soon as this returns
            try:
                await self._runtime.blocking.run(self._spool.save, after)
            except OSError as error:  # it will be written when all have been tried
                self._log.warn("queue not written", message=entry.id, reason=error.strerror)

        if reached:
            await keep({}, new=True)
        content = partial(self._content, entry.id, head, beginning)
        found = await remote.carry(entry, numbers, content, octets, settled=keep)
        return entry.with_progress(found)

    async def _content(self, name: str, head: bytes, beginning: Beginning) -> AsyncGenerator[bytes, None]:
        """All of it; a thread is asked for what follows the beginning only."""
        yield head + beginning.octets
        offset = len(beginning.octets)
        if offset >= beginning.size:
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

        Where an alias leads to other hosts and lists too, those have had their copy since it was accepted.
        """
        if before.fate is not Fate.WAITING:
            return before
        if route is None:
            return TOO_LATE
        if not route.ours:
            return before
        if not route.accounts:
            return FORWARDED if route.copies else GONE
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
