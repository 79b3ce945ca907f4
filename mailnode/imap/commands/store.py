"""STORE and UID STORE (RFC 3501 sections 6.4.6 and 6.4.8), on condition too (RFC 7162 section 3.1.3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from mailnode.imap import flags, message_limit
from mailnode.imap.commands import arguments
from mailnode.imap.noted import Marked
from mailnode.imap.replies import Reply, no, ok
from mailnode.imap.selected import Selected, uses_modseqs
from mailnode.imap.session import Session
from mailnode.store.acl import may_set
from mailnode.store.errors import NoRight, StoreError
from mailnode.store.mailbox import Mode
from mailnode.store.messages import Message
from mailnode.store.values import SYSTEM_FLAGS, Flags
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import Positions, SequenceSet, encode

BATCH = 500

MODIFIERS = {"UNCHANGEDSINCE": lambda args: args.sp().modseq(zero=True)}

STORE_ITEMS: Mapping[str, tuple[Mode, bool]] = {
    "FLAGS": ("replace", False),
    "+FLAGS": ("add", False),
    "-FLAGS": ("remove", False),
    "FLAGS.SILENT": ("replace", True),
    "+FLAGS.SILENT": ("add", True),
    "-FLAGS.SILENT": ("remove", True),
}


@frozen
class Store:
    """Messages, flags, and what to do with them."""

    messages: SequenceSet
    mode: Mode
    silent: bool
    flags: tuple[str, ...]
    by_uid: bool
    unchanged_since: int | None = None


def parse(args: Cursor) -> Store:
    """store = "STORE" SP sequence-set [SP "(" store-modifier ")"] SP store-att-flags"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Store:
    """uid = "UID" SP store"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Store:
    """store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))"""
    messages = args.sp().sequence_set()
    args.sp()
    modifiers = arguments.options(args, MODIFIERS) if args.at(b"(") else None
    item = (args if modifiers is None else args.sp()).keyword()
    if item not in STORE_ITEMS:
        raise BadSyntax("There is no such data item to store")
    args.sp()
    named = args.flag_list() if args.at(b"(") else [args.flag()]
    while args.accept(b" "):
        named.append(args.flag())
    args.end()
    unchanged_since = (modifiers or {}).get("UNCHANGEDSINCE")
    return Store(messages, *STORE_ITEMS[item], tuple(named), by_uid, unchanged_since)


async def run(session: Session, store: Store) -> Reply:
    """The new flags of every message are told, changed or not; SILENT leaves out what this command did."""
    session.require_writable()
    if store.unchanged_since is not None:
        session.use_modseqs()
    wanted = flags.checked(store.flags)
    view = session.view
    _require_right(view, store.mode, wanted)
    positions = message_limit.newest(session, view.positions(store.messages, by_uid=store.by_uid))
    changes = Changes(view, store, wanted, positions)
    try:
        await session.answer(changes.chunks())
    finally:
        if changes.marked.uids:
            session.announce(view.place)
            changes.marked.tell(session, view.place, store.mode, wanted)
    if changes.trouble is not None:
        raise changes.trouble
    if changes.modified:
        # RFC 7162 section 3.1.3: OK, though nothing may have been stored.
        return ok("Some have changed meanwhile", b"MODIFIED " + encode(changes.modified))
    if changes.gone and not store.by_uid:
        return no("Some of the messages are gone", b"EXPUNGEISSUED")
    return ok("Stored")


def _require_right(view: Selected, mode: Mode, wanted: Flags) -> None:
    """Raise NoRight for who can change none of the flags (RFC 4314 section 4, "Changing flags")."""
    rights = view.mailbox.rights
    may = not rights.isdisjoint("swt") if mode == "replace" else any(may_set(rights, flag) for flag in wanted)
    if not may and (wanted or mode == "replace"):
        raise NoRight


@dataclass(slots=True)
class Changes:
    """The work and its FETCH responses, in the account's lane, a batch at a time."""

    view: Selected
    store: Store
    flags: Flags
    positions: Positions
    gone: int = 0
    marked: Marked = field(default_factory=Marked)
    modified: list[int] = field(default_factory=list)  # by number or UID: the condition does not hold
    trouble: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """The responses; what goes wrong ends them and stands in `trouble`, so that none of them is lost."""
        mailbox = self.view.mailbox
        for span in self.positions:
            for start in range(span.start, span.stop, BATCH):
                batch = range(start, min(start + BATCH, span.stop))
                uids = self.view.uids[batch.start : batch.stop]
                failed: set[int] = set()
                try:
                    changed = mailbox.set_flags(
                        uids, self.store.mode, self.flags, unless=partial(self._fails, failed)
                    )
                except (OSError, StoreError) as error:
                    self.trouble = error
                    return
                self.marked.add(mailbox, changed)
                yield from self._responses(batch, changed, failed)
                yield b""  # a silent one says nothing, and others have their turn all the same

    def _fails(self, failed: set[int], message: Message) -> bool:
        """Whether the message has changed since; `0` asks for what is not there (RFC 7162 example 8)."""
        since = self.store.unchanged_since
        if since is None or message.modseq <= since:
            return False
        if not since and self.store.mode != "replace" and self.flags.isdisjoint(SYSTEM_FLAGS):
            had = {flag.lower() for flag in message.flags}
            if had.isdisjoint(flag.lower() for flag in self.flags):
                return False
        failed.add(message.uid)
        return True

    def _responses(self, batch: range, changed: Mapping[int, int], failed: set[int]) -> Iterator[bytes]:
        for position in batch:
            uid = self.view.uids[position]
            message = self.view.mailbox.get(uid)
            if message is None:
                self.gone += 1
                continue
            if uid in failed:
                self.modified.append(uid if self.store.by_uid else position + 1)
            if not self.store.silent or uid in failed:
                self.view.client_knows(message)
                yield self.view.flags_response(position, uid=self.store.by_uid)
            elif self._modseq_only(uid, changed):
                # Of other flags that have changed meanwhile the client hears with the end of the command.
                yield self.view.flags_response(position, flags=False)
            if self.store.silent and uid in changed and self.view.was_known(uid, changed[uid]):
                self.view.client_knows(message)

    def _modseq_only(self, uid: int, changed: Mapping[int, int]) -> bool:
        """Whether a client that wants silence is told the modification sequence (RFC 7162 section 3.1.3)."""
        return uses_modseqs(self.view.enabled) and (uid in changed or self.store.unchanged_since is not None)
