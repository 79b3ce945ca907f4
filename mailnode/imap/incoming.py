"""A message that comes in with a command: octets from the connection, or from messages here, to the disk.

All that can be wrong with a piece is looked at before the client is told to send it. Octets that were let in,
or that came unasked, are read to their end in any case: what went wrong meanwhile is said behind them. Up to
MEMORY_LIMIT octets are held in memory, more goes to a file in tmp/.
"""

import errno
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from mailnode.auth.realm import MailAccount
from mailnode.imap.places import Place
from mailnode.imap.replies import Refused, no_target
from mailnode.imap.session import Session
from mailnode.store.draft import MEMORY_LIMIT, Arriving, Draft
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.mailbox import Mailbox
from mailnode.store.usage import NOTHING, Usage
from mailnode.store.values import Flags
from mailnode.values import replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import Assembler
from mailnode.wire.imap.cursor import Cursor

T = TypeVar("T")

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_PIECE = 65536
_PIECES = 2048  # small ones that are held
_SLICE = 1 << 20  # octets of messages here that are copied before others in the lane have their turn


class Incoming:
    """The messages of one command, and what of the command is not read yet: `args`, then lines and literals.

    What will be `freed` at once, in the account of which it is, needs no room under the quota.
    """

    def __init__(
        self,
        session: Session,
        args: Cursor,
        mailbox: str,
        *,
        freed: Usage = NOTHING,
        of: MailAccount | None = None,
    ) -> None:
        self.session = session
        self.args = args
        self.place = Place(session.account, ())
        self.arrived: list[Arriving] = []
        self.readable = False  # by the client, once all is there
        self._mailbox = mailbox
        self._freed = freed
        self._freed_in = of
        self._draft: Draft | None = None
        self._octets = 0
        self._held: list[bytes] = []
        self._held_octets = 0
        self._text_octets = 0
        self._literal_octets = 0
        self._unchecked = False  # whether nobody has looked for room so far

    # One message

    async def begin(self) -> None:
        """Another message. Raises Refused for a mailbox name that cannot be."""
        if not self.place.name:
            name = self.session.name(self._mailbox)
            try:
                self.place = await self.session.place(self._mailbox)
            except NoSuchMailbox:
                self.place = replace(self.place, name=name)  # no mailbox of the client's own has such a name
        if self.place.account is not self._freed_in:
            self._freed = NOTHING
        self._draft = self.place.account.store.draft()
        self._octets = 0

    def _lane(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        return self.session.lane(function, *args, of=self.place.account)

    async def literal(self, *, binary: bool = False) -> None:
        """The octets of the awaited literal belong to the message; reads the line behind it too.

        `binary` is a literal8, which may hold NUL (RFC 3516 section 4.4).
        """
        announced = self.session.awaited
        assert announced is not None
        if announced.synchronizing or announced.size > MEMORY_LIMIT:
            await self._admit(announced.size)
        else:  # it is under way, and is held in memory; before it is written, it is looked at
            self._check_size(announced.size)
            self._unchecked = True
        self.session.go_ahead(announced)
        self.session.awaited = None
        trouble: Exception | None = None
        left = announced.size
        while left:
            piece = await self.session.stream.some(min(left, _PIECE))
            left -= len(piece)
            if not binary and b"\0" in piece:
                trouble = trouble or BadSyntax("A message must not hold NUL")
            if trouble is None:
                try:
                    await self._keep(piece)
                except Exception as error:  # whatever it is, the octets are no commands
                    trouble = error
        await self._line()
        if trouble is not None:
            raise trouble

    async def copied(self, chunks: Iterator[bytes], size: int) -> None:
        """Octets of messages here belong to the message; the generator runs in the lane."""
        await self._admit(size)
        await self._lane(self._write_held)
        until = self._octets + size
        while not await self._lane(self._copy_slice, chunks):
            pass
        if self._octets != until:
            raise OSError(errno.EIO, "a message does not have the size that was counted")

    async def end(self, flags: Flags, internal_date: float | None) -> None:
        """The message is whole. Raises Refused for an empty one.

        RFC 6855 section 4 would have a header that is not ASCII refused of who has not enabled UTF8=ACCEPT.
        Much old mail has one, and programs that bring it here would leave it behind.
        """
        if not self._octets:
            raise empty()
        assert self._draft is not None
        self.arrived.append(Arriving(self._draft, flags, internal_date))

    async def set_aside(self) -> None:
        """Another message follows: this one is on the disk then, and takes no more memory."""
        await self._lane(self._finish)

    async def string(self) -> bytes:
        """astring, also where its literal is still awaited: it is not part of the message."""
        if not self.args.at_awaited():
            return self.args.astring()
        announced = self.session.awaited
        assert announced is not None
        self._literal_octets += announced.size
        if self._literal_octets > self.session.literal_limit:
            raise Refused(b"TOOBIG", "The literal is too large")
        self.session.go_ahead(announced)
        self.session.awaited = None
        octets = await self.session.stream.exactly(announced.size)
        await self._line()
        if b"\0" in octets:
            raise BadSyntax("A literal must not hold NUL")
        return octets

    # All of them

    async def finish(self) -> tuple[int, list[int]]:
        """Put all messages where they belong; see put().

        In the selected mailbox the same job tells what has changed there.
        """
        session, view = self.session, self.session.selected
        if view is None or view.place != self.place or not session.hears_everything:
            return await self._lane(self.put)
        outcome: list[tuple[int, list[int]] | Exception] = []
        try:
            await session.answer(self._putting(outcome))
        except Exception:  # such as a lost connection, when the messages are there
            if outcome and not isinstance(outcome[0], Exception):
                session.announce(self.place, outcome[0][1])
            raise
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _putting(self, outcome: list[tuple[int, list[int]] | Exception]) -> Iterator[bytes]:
        """put() as a response that has no octets."""
        try:
            outcome.append(self.put())
        except Exception as error:
            outcome.append(error)
        yield b""

    async def forget(self) -> None:
        """Forget all of them."""
        await self._lane(self.abort)

    # These run in the lane of the mailbox's account

    def put(self) -> tuple[int, list[int]]:
        """UIDVALIDITY of the mailbox, and the UIDs of the messages, which are durable then."""
        mailbox = self._check_room() if self._is_unchecked else self._target()
        self._write_held(checked=True)
        view = self.session.selected
        claims = view is not None and not view.read_only and view.mailbox is mailbox
        uids = mailbox.append_all(self.arrived, freed=self._freed, claimed=claims)
        if view is not None and claims:
            view.claimed.update(uids)
        self.readable = "r" in mailbox.rights
        return mailbox.uid_validity, uids

    def take_back(self, uids: list[int]) -> None:
        """Remove what put() has put there."""
        self.place.mailbox("i").take_back(uids)

    def abort(self) -> None:
        """Forget all of them."""
        for draft in (*(one.draft for one in self.arrived), self._draft):
            if draft is not None:
                draft.abort()

    # Steps

    def _check_size(self, size: int) -> None:
        limit = self.session.config.limits.message_size
        if self._octets + size > limit:
            raise Refused(b"TOOBIG", f"A message has at most {limit} octets")

    async def _admit(self, size: int) -> None:
        self._check_size(size)
        await self._lane(self._check_room, size)

    def _check_room(self, more: int = 0) -> Mailbox:
        """Refuse before a single octet is sent, or written, for nothing; gives where they are to go."""
        mailbox = self._target()
        others = [one.draft for one in self.arrived if one.draft is not self._draft]
        octets = sum(draft.octets_on_disk for draft in others) + self._octets + more
        messages = len(others) + 1
        store = self.place.account.store
        store.check_room(max(0, octets - self._freed.octets), max(0, messages - self._freed.messages))
        free = store.free_space() - self._held_octets - more
        if free < self.session.config.limits.min_free_space:
            raise Refused(b"OVERQUOTA", "There is no room for it")
        return mailbox

    @property
    def _is_unchecked(self) -> bool:
        """Whether there are octets for which nobody has looked for room."""
        return bool(self._held) and self._unchecked

    def _target(self) -> Mailbox:
        try:
            return self.place.mailbox("i")
        except NoSuchMailbox:
            raise no_target() from None

    async def _keep(self, piece: bytes) -> None:
        self._octets += len(piece)
        self._held.append(piece)
        self._held_octets += len(piece)
        if self._held_octets > MEMORY_LIMIT or len(self._held) > _PIECES:
            await self._lane(self._write_held)

    def _write_held(self, *, checked: bool = False) -> None:
        if self._is_unchecked and not checked:
            self._check_room()
        held, self._held = b"".join(self._held), []
        self._held_octets = 0
        if held:
            assert self._draft is not None
            self._draft.write(held)

    def _copy_slice(self, chunks: Iterator[bytes]) -> bool:
        """Whether that was all."""
        assert self._draft is not None
        until = self._octets + _SLICE
        for chunk in chunks:
            self._draft.write(chunk)
            self._octets += len(chunk)
            if self._octets >= until:
                return False
        return True

    def _finish(self) -> None:
        self._write_held()
        last = self.arrived[-1]
        last.draft.finish(last.internal_date)

    async def _line(self) -> None:
        """The next line of the command becomes `args`."""
        session = self.session
        assembler = Assembler(utf8=session.utf8)
        line = await session.stream.line(session.line_limit)
        session.awaited = assembler.line(line)
        self.args = assembler.arguments(awaited=session.awaited is not None)
        self._text_octets += len(line)
        if self._text_octets > session.line_limit:
            raise Refused(b"LIMIT", "The command has too many messages, or parts of them")


def empty() -> Refused:
    """A message of no octets: the way to take an APPEND back (RFC 3502 section 6.3.11)."""
    return Refused(b"CANNOT", "A message cannot be empty")
