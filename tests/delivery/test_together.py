"""One message for mailboxes and for other hosts, when the disk fails in between."""

import errno
from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.together import Together

BROKEN = OSError(errno.EIO, "Input/output error")


class Part:
    """Mailboxes, or a message for the queue, that note what is done with them."""

    def __init__(self, *, stuck: bool = False, errors: Sequence[OSError | None] = ()) -> None:
        self.done: list[str] = []
        self._stuck = stuck
        self._errors = list(errors)

    async def store(self) -> None:
        """Durable."""
        self.done.append("stored")

    def start(self) -> None:
        """On its way."""
        self.done.append("started")

    async def commit_each(self, _groups: Sequence[Sequence[str]]) -> list[OSError | None]:
        """For each what the test wants."""
        return self._errors

    async def abort(self) -> None:
        """Gone, unless it cannot be removed."""
        self.done.append("aborted")
        if self._stuck:
            raise BROKEN


class TogetherTests(SynchronousTestCase):
    """Commit and abort."""

    def of(self, mailboxes: Part, *admissions: Part) -> Together:
        """All of them, with numbers in their order."""
        return Together(cast(Any, mailboxes), cast(Any, list(enumerate(admissions))))

    def test_abort(self) -> None:
        """What cannot be removed keeps nothing else from being removed."""
        parts = [Part(stuck=True), Part(stuck=True), Part()]
        aborted = Deferred.fromCoroutine(self.of(*parts).abort())
        self.assertIs(self.failureResultOf(aborted, OSError).value, BROKEN)
        self.assertEqual([part.done for part in parts], [["aborted"]] * 3)

    def test_each(self) -> None:
        """Who has the message keeps it, also where that of another cannot be taken back."""
        first, second, third = Part(stuck=True), Part(), Part()
        together = self.of(Part(errors=(BROKEN, None)), first, second, third)
        outcomes = self.successResultOf(Deferred.fromCoroutine(together.commit_each([["a"], ["b"], []])))
        self.assertEqual(outcomes, [BROKEN, None, None])
        self.assertEqual(
            (first.done[1:], second.done[1:], third.done[1:]), (["aborted"], ["started"], ["started"])
        )
