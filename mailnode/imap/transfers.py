"""COPY and MOVE: in one step where both mailboxes are the client's own, else a step in each one's lane."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mailnode.imap.noted import Names, names_of, tell_copied
from mailnode.imap.places import Place
from mailnode.imap.replies import no_target, ok
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.errors import NoRight, NoSuchMailbox, StoreError
from mailnode.store.mailbox import Mailbox
from mailnode.store.transfer import Transfer
from mailnode.wire.imap.sequence import encode

Pairs = list[tuple[int, int]]  # UIDs here and there

_MOVING = frozenset("te")  # RFC 6851 section 4.2


async def transfer(session: Session, uids: list[int], text: str, *, moving: bool = False) -> bytes:
    """Copy or move messages of the selected mailbox to one that the client names; gives the COPYUID.

    Of copies all are made, or none; of messages that are to move each is moved, or stays. Raises Refused.
    """
    try:
        work = _Work(session, session.view, uids, await session.place(text), moving)
        await work.run()
    except NoSuchMailbox:  # should it be the selected one that is gone, the client hears BYE instead
        raise no_target() from None
    return work.copy_uid()


@dataclass(slots=True)
class _Work:
    """What is to be done, and what was done: UIDs here and there, and the names of the messages here."""

    session: Session
    source: Selected
    uids: list[int]
    place: Place
    moving: bool
    target: Mailbox | None = None
    pairs: Pairs = field(default_factory=list)
    names: Names = field(default_factory=dict)
    trouble: Exception | None = None

    async def run(self) -> None:
        """Do it; where possible, what has changed in the selected mailbox is told in the same job.

        What was done is told to others also where the client is lost meanwhile.
        """
        session = self.session
        try:
            if self.source.place.reader or self.place.reader:
                await self._between_accounts()
            elif session.hears_everything:
                await session.answer(self._chunks())
            else:
                for response in await session.lane(lambda: list(self._chunks())):
                    session.stream.write(response)
        finally:
            self._tell()
        if self.trouble is not None:
            raise self.trouble

    def _chunks(self) -> Iterator[bytes]:
        """The work in the lane of the client's own account, and the response to MOVE."""
        view = self.source
        try:
            self.target = self.place.mailbox("i")
            self.names = names_of(view.mailbox, self.uids) if self.uids else {}
            do = view.mailbox.move if self.moving else view.mailbox.copy
            self.pairs = do(self.uids, self.target) if self.uids else []
        except (OSError, StoreError) as error:
            self.trouble = error
            return
        if self.place == view.place:
            view.did([made for _, made in self.pairs], self.session.interest)
        if self.moving:
            view.did([gone for gone, _ in self.pairs], self.session.interest)
        yield self._moved()

    async def _between_accounts(self) -> None:
        session, source = self.session, self.source
        self.target = await session.lane(self.place.mailbox, "i", of=self.place.account)
        if not self.uids:
            return
        self.names = await session.lane(names_of, source.mailbox, self.uids, of=source.place.account)
        self.pairs = await (self._move(self.target) if self.moving else self._copy(self.target))
        session.stream.write(self._moved())

    async def _copy(self, target: Mailbox) -> Pairs:
        session, source = self.session, self.source
        transfer = Transfer(self.place.account.store)
        try:
            await session.lane(transfer.take, source.mailbox, self.uids, of=source.place.account)
            freed = self.moving and self.place.account is source.place.account
            made = await session.lane(lambda: transfer.put(target, moving=freed), of=self.place.account)
        finally:
            await session.lane(transfer.drop, of=self.place.account)
        return list(zip(self.uids, made, strict=True))

    async def _move(self, target: Mailbox) -> Pairs:
        """Copy them, then remove them here; what cannot be removed is not left there either."""
        session, source = self.session, self.source
        if not source.mailbox.rights.issuperset(_MOVING):
            raise NoRight
        made = await self._copy(target)
        try:
            await session.lane(lambda: source.mailbox.expunge(self.uids, keep=False), of=source.place.account)
        except Exception:
            left = await session.lane(_those_left, source.mailbox, made, of=source.place.account)
            await session.lane(target.take_back, left, of=self.place.account)
            if left:
                raise
        return made

    def _moved(self) -> bytes:
        """COPYUID before the EXPUNGE responses (RFC 6851 section 4.3); nothing for COPY."""
        if not (self.moving and self.pairs):
            return b""
        return ok("Moved", self.copy_uid()).encode(b"*", self.session.language)

    def _tell(self) -> None:
        """Tell other sessions, and whoever hears of events."""
        if not self.pairs:
            return
        session = self.session
        session.announce(self.place, [made for _, made in self.pairs])
        if self.moving:
            session.announce(self.source.place, [gone for gone, _ in self.pairs])
        tell_copied(session, self.place, self.pairs, self.names, moved=self.moving)

    def copy_uid(self) -> bytes:
        """resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set (RFC 4315 section 3).

        Who may not read the target learns nothing of it.
        """
        if self.target is None or not self.pairs or "r" not in self.target.rights:
            return b""
        sources, made = zip(*self.pairs, strict=True)
        return b"COPYUID %d %s %s" % (self.target.uid_validity, encode(sources), encode(made))


def _those_left(mailbox: Mailbox, made: Pairs) -> list[int]:
    """The copies of messages that are still here."""
    return [there for here, there in made if mailbox.is_there(here)]
