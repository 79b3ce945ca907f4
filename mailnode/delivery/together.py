"""One message to mailboxes here and to other hosts: taken for all of them with one answer, or for none.

The order in which that is done:

    1. what is for other hosts is durable in the queue, and not started
    2. it is delivered to the mailboxes here
    3. what is in the queue is started, and the client is told yes

If 1 or 2 fails, what is in the queue is removed, and nobody has got anything. If the process dies after 1,
the client hears no yes and sends the message again, and the queue starts what it finds: other hosts, and
mailboxes after 2, get it twice at most. With 2 before 1 it would be found out too late that the queue cannot
be written to: what is in a mailbox may have been read, and cannot be taken back.
"""

import contextlib
from collections.abc import Sequence
from typing import Protocol

from mailnode.queue.admission import Admission
from mailnode.store.errors import StoreError


class Delivery(Protocol):
    """A message on its way: write as often as needed, then commit or abort.

    Each raises OSError or StoreError; then the message is nowhere.
    """

    async def write(self, data: bytes) -> None:
        """Add octets in wire form."""

    async def commit(self) -> None:
        """Make it durable."""

    async def abort(self) -> None:
        """Forget it; does nothing after commit."""


class DeliveryToEach(Delivery, Protocol):
    """One to mailboxes that can do it for each group of them by itself."""

    async def commit_each(self, groups: Sequence[Sequence[str]]) -> list[OSError | StoreError | None]:
        """None, or why not, for each group. Raises OSError; then it is in no mailbox."""


class Together:
    """The deliveries of one message; `admissions` have the numbers of the recipients they belong to."""

    def __init__(
        self, mailboxes: DeliveryToEach | None, admissions: Sequence[tuple[int, Admission]] = ()
    ) -> None:
        self._mailboxes = mailboxes
        self._admissions = admissions

    async def write(self, data: bytes) -> None:
        """Add octets in wire form. Raises OSError and StoreError."""
        if self._mailboxes is not None:
            await self._mailboxes.write(data)
        for _, admission in self._admissions:
            await admission.write(data)

    async def commit(self) -> None:
        """Make it durable for all. Raises OSError and StoreError; then abort() leaves nothing of it."""
        await self._store()
        if self._mailboxes is not None:
            await self._mailboxes.commit()
        for _, admission in self._admissions:
            admission.start()

    async def commit_each(self, groups: Sequence[Sequence[str]]) -> list[OSError | StoreError | None]:
        """Make it durable for as many recipients as can be; None, or why not, for each.

        `groups` are the mailboxes of each, none for one who has them on other hosts only. One whose mailboxes
        have not got it goes to no other host either: its client will send it again. Raises OSError; then
        abort() leaves nothing of it.
        """
        await self._store()
        here = [group for group in groups if group]
        outcomes = iter(await self._mailboxes.commit_each(here) if self._mailboxes is not None else ())
        errors = [next(outcomes) if group else None for group in groups]
        for number, admission in self._admissions:
            if errors[number] is None:
                admission.start()
            else:
                with contextlib.suppress(OSError):  # else it is sent after the next start, as a second copy
                    await admission.abort()
        return errors

    async def _store(self) -> None:
        for _, admission in self._admissions:
            await admission.store()

    async def abort(self) -> None:
        """Forget it; may be called at any time, and does nothing to what is committed.

        Raises OSError where something of it could not be removed; the rest is removed all the same.
        """
        async with contextlib.AsyncExitStack() as stack:
            if self._mailboxes is not None:
                stack.push_async_callback(self._mailboxes.abort)
            for _, admission in self._admissions:
                stack.push_async_callback(admission.abort)
