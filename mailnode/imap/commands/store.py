"""STORE and UID STORE (RFC 3501 sections 6.4.6 and 6.4.8)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mailnode.imap import flags
from mailnode.imap.replies import Reply, no, ok
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.errors import StoreError
from mailnode.store.mailbox import Mode
from mailnode.store.values import Flags
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import Positions, SequenceSet

BATCH = 500

STORE_ITEMS: Mapping[str, tuple[Mode, bool]] = {
    "FLAGS": ("replace", False),
    "+FLAGS": ("add", False),
    "-FLAGS": ("remove", False),
    "FLAGS.SILENT": ("replace", True),
    "+FLAGS.SILENT": ("add", True),
    "-FLAGS.SILENT": ("remove", True),
}


@dataclass(frozen=True, slots=True)
class Store:
    """Messages, flags, and what to do with them."""

    messages: SequenceSet
    mode: Mode
    silent: bool
    flags: tuple[str, ...]
    by_uid: bool


def parse(args: Cursor) -> Store:
    """store = "STORE" SP sequence-set SP store-att-flags"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Store:
    """uid = "UID" SP store"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Store:
    """store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))"""
    messages = args.sp().sequence_set()
    item = args.sp().keyword()
    if item not in STORE_ITEMS:
        raise BadSyntax("There is no such data item to store")
    args.sp()
    named = args.flag_list() if args.at(b"(") else [args.flag()]
    while args.accept(b" "):
        named.append(args.flag())
    args.end()
    return Store(messages, *STORE_ITEMS[item], tuple(named), by_uid)


async def run(session: Session, store: Store) -> Reply:
    """The new flags of every message are told, changed or not; SILENT leaves out what this command did."""
    session.require_writable()
    wanted = flags.checked(store.flags)
    view = session.view
    changes = Changes(view, store, wanted, view.positions(store.messages, by_uid=store.by_uid))
    try:
        await session.send(changes.chunks())
    finally:
        if changes.changed:
            session.announce(view.mailbox.name)
    if changes.trouble is not None:
        raise changes.trouble
    if changes.gone and not store.by_uid:
        return no("Some of the messages are gone", b"EXPUNGEISSUED")
    return ok("Stored")


@dataclass(slots=True)
class Changes:
    """The work and its FETCH responses, in the account's lane, a batch at a time."""

    view: Selected
    store: Store
    flags: Flags
    positions: Positions
    changed: int = 0
    gone: int = 0
    trouble: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """The responses; what goes wrong ends them and stands in `trouble`, so that none of them is lost."""
        mailbox = self.view.mailbox
        for span in self.positions:
            for start in range(span.start, span.stop, BATCH):
                batch = range(start, min(start + BATCH, span.stop))
                uids = self.view.uids[batch.start : batch.stop]
                try:
                    changed = mailbox.set_flags(uids, self.store.mode, self.flags)
                except (OSError, StoreError) as error:
                    self.trouble = error
                    return
                self.changed += len(changed)
                yield from self._responses(batch, changed)

    def _responses(self, batch: range, changed: Mapping[int, int]) -> Iterator[bytes]:
        for position in batch:
            uid = self.view.uids[position]
            message = self.view.mailbox.get(uid)
            if message is None:
                self.gone += 1
            elif not self.store.silent:
                self.view.client_knows(message)
                shown = b"UID %d " % uid if self.store.by_uid else b""
                yield b"* %d FETCH (%sFLAGS %s)\r\n" % (position + 1, shown, self.view.flags(message))
            elif uid in changed and self.view.was_known(uid, changed[uid]):
                self.view.client_knows(message)
