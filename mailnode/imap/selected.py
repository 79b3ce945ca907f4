r"""The selected mailbox as one session sees it.

The session has told its client how many messages there are, and the client counts them by sequence number. So
the view changes only when the client is told: `uids` is what was reported, and updates() compares it with the
store, reports what differs, and moves the view on. Message n of the client is uids[n - 1], always. Everything
here runs in the account's lane.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from heapq import merge
from itertools import groupby
from typing import Any, Protocol

from mailnode.imap import uidonly
from mailnode.imap.interest import EVERYTHING, Interest
from mailnode.imap.places import Place
from mailnode.imap.replies import Goodbye, Reply, flag_list, ok
from mailnode.imap.runs import NONE
from mailnode.imap.surrogates import Surrogates
from mailnode.imap.url_tokens import URLMECH
from mailnode.imap.words.languages import DEFAULT
from mailnode.store.acl import may_set
from mailnode.store.errors import NoSuchMailbox, NoSuchMessage
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Message, Several, without
from mailnode.store.values import SYSTEM_FLAGS
from mailnode.wire.imap.sequence import Positions, SequenceSet, encode_in_parts, joined, runs

_RECENT = frozenset(("\\Recent",))


def uses_modseqs(enabled: AbstractSet[str]) -> bool:
    """Whether the client hears of modification sequences (RFC 7162 section 3.1)."""
    return not enabled.isdisjoint(("CONDSTORE", "QRESYNC"))


class Follower(Protocol):
    """Who tells the client of changes in its own way; both give responses."""

    def expunged(self, uids: Sequence[int]) -> Iterator[bytes]:
        """These messages have gone; EXPUNGE was not told yet, and may not be told now."""
        ...

    def changed(self) -> Iterator[bytes]:
        """All else was told; `uids` and the mailbox are what they are now."""
        ...

    @property
    def by_number(self) -> bool:
        """Whether it tells sequence numbers."""
        ...

    def items(self, uid: int) -> tuple[Any, ...]:
        """What the client wants to know of a message that is new, once changed() has told all."""
        ...


# FETCH responses with these items for messages at a stretch of positions.
Introduce = Callable[["Selected", Sequence[Any], range], Iterator[bytes]]


def _nobody(view: "Selected", items: Sequence[Any], positions: range) -> Iterator[bytes]:
    return iter(())


class Selected:
    """A view of a mailbox as it is in memory; `recent` are the UIDs that are \\Recent in this session.

    `enabled` are the extensions that the client has asked for; there may be more of them later.
    """

    def __init__(
        self, place: Place, mailbox: Mailbox, *, read_only: bool, enabled: AbstractSet[str] = frozenset()
    ) -> None:
        self.enabled = enabled
        self.place = place
        self.mailbox = mailbox
        self.read_only = read_only
        self.language = DEFAULT  # of what is said to people
        self.utf8 = False  # whether the client takes UTF-8 in headers
        self.recent: set[int] = set()
        self.claimed: set[int] = set()  # UIDs of what this session has brought, \Recent once it was told
        self._own: set[int] = set()  # UIDs of what this session has added or removed since the last update
        self.introduce: Introduce = _nobody
        self.newly_seen = False  # whether that has changed flags of which nobody else has heard
        self.contexts: dict[bytes, Follower] = {}  # by the tags of the searches (RFC 5267)
        self.saved = NONE  # the result of the last SEARCH that was to be saved (RFC 5182)
        self.uids: array[int] = self.mailbox.uids
        self._compared = self.mailbox.uids
        self._newest = self.uids[-1] if self.uids else 0
        self._uid_next = self.mailbox.uid_next  # as of when these were looked at
        self._modseq = self.mailbox.highest_modseq
        self._in_step = self._modseq  # as of when all is told, expunges too
        self._keywords = self.mailbox.keywords()
        self._rights = self.mailbox.rights
        self._key_resets = self.mailbox.key_resets
        self._reported: dict[int, int] = {}  # UID -> modseq of flags the client knows already

    @classmethod
    def opened(cls, place: Place, *, read_only: bool, enabled: AbstractSet[str] = frozenset()) -> "Selected":
        """A view of a mailbox as it is now, with what is \\Recent claimed. Raises NoSuchMailbox, NoRight."""
        mailbox = place.mailbox()
        recent = set(mailbox.recent) if read_only else mailbox.claim_recent()
        view = cls(place, mailbox, read_only=read_only, enabled=enabled)
        view.recent.update(recent)
        return view

    def follow(self, place: Place) -> None:
        """The mailbox is there now, by a RENAME."""
        self.place = place
        self.mailbox = place.mailbox()

    @property
    def writable(self) -> bool:
        """Whether anything that others see can be changed (RFC 4314 section 5.2)."""
        return not (self.read_only or self.mailbox.rights.isdisjoint("iewt"))

    @property
    def reading(self) -> "Mailbox | Surrogates":
        """The messages as FETCH tells them."""
        return self.mailbox if self.utf8 else Surrogates(self.mailbox)

    def summary(self) -> Iterator[bytes]:
        """What SELECT and EXAMINE answer before the tagged OK (RFC 3501 section 6.3.1)."""
        yield self._flags_line()
        yield self._counts()
        if not self._rev2 and not uidonly.is_on(self.enabled):
            unseen = self.mailbox.first_unseen()
            number = 0 if unseen is None else bisect_left(self.uids, unseen) + 1
            if 0 < number <= len(self.uids):
                yield ok("The first unseen message", b"UNSEEN %d" % number).encode(b"*", self.language)
        yield self._permanent_flags()
        lasting = self.mailbox.mailbox_id.encode("ascii")
        yield ok("The mailbox's lasting name", b"MAILBOXID (%b)" % lasting).encode(b"*", self.language)
        yield ok("The next UID", b"UIDNEXT %d" % self._uid_next).encode(b"*", self.language)
        yield ok("UIDs are valid", b"UIDVALIDITY %d" % self.mailbox.uid_validity).encode(b"*", self.language)
        if not self.place.reader:
            yield self._mechanisms()
        yield self.told().encode(b"*", self.language)

    def _mechanisms(self) -> bytes:
        """How URLs of messages of one's own can be authorized (RFC 4467 section 8)."""
        return ok("URLs can be authorized", URLMECH).encode(b"*", self.language)

    def told(self, text: str = "All is told up to here") -> Reply:
        """OK with HIGHESTMODSEQ: up to there the client knows everything (RFC 7162 section 3.1.2.1)."""
        return ok(text, b"HIGHESTMODSEQ %d" % self._in_step)

    def _flags_line(self) -> bytes:
        return b"* FLAGS %s\r\n" % flag_list(frozenset((*SYSTEM_FLAGS, *self._keywords)))

    def _permanent_flags(self) -> bytes:
        if self.read_only:
            return ok("No flags can be changed", b"PERMANENTFLAGS ()").encode(b"*", self.language)
        any_keyword = [] if self.mailbox.keywords_full else ["\\*"]
        kept = (
            flag for flag in (*SYSTEM_FLAGS, *self._keywords, *any_keyword) if may_set(self._rights, flag)
        )
        flags = flag_list(frozenset(kept))
        return ok("These flags are kept", b"PERMANENTFLAGS " + flags).encode(b"*", self.language)

    def _counts(self) -> bytes:
        return b"* %d EXISTS\r\n" % len(self.uids) + self._recent_count()

    def _recent_count(self) -> bytes:
        return b"" if self._rev2 else b"* %d RECENT\r\n" % len(self.recent)

    @property
    def _rev2(self) -> bool:
        r"""Whether IMAP4rev2 is enabled, which knows neither \Recent nor UNSEEN (RFC 9051 appendix E)."""
        return "IMAP4rev2" in self.enabled

    # What is made of all messages

    def is_all(self, positions: Sequence[int]) -> bool:
        """Whether these positions, which ascend, are of all messages that there are at this moment."""
        return len(positions) == len(self.uids) and self.uids is self.mailbox.uids

    def derived(self, name: object) -> Any | None:
        """What was made of all of them before."""
        return self.mailbox.derived.get(name, self.uids)

    def keep_derived(self, name: object, value: Any) -> None:
        """Remember it for all sessions that look at the same messages."""
        self.mailbox.derived.keep(name, self.uids, value)

    # Messages

    def positions(self, messages: SequenceSet, *, by_uid: bool) -> Positions:
        """Where the messages of a set stand in `uids`; raises BadSyntax for sequence numbers nobody has."""
        named = messages.uids(self.uids) if by_uid else messages.numbers(len(self.uids))
        if not messages.saved:
            return named
        return joined(merge(named, self.saved.positions(self.uids), key=lambda span: span.start))

    def named(self, messages: SequenceSet, *, by_uid: bool) -> list[int]:
        """The UIDs of the messages of a set, in ascending order."""
        return [
            uid
            for span in self.positions(messages, by_uid=by_uid)
            for uid in self.uids[span.start : span.stop]
        ]

    def messages(self, positions: Sequence[int]) -> list[Message]:
        """The messages at these positions of `uids`. Raises NoSuchMessage where one has gone."""
        if isinstance(positions, range):
            return self.mailbox.each(self.uids[positions.start : positions.stop])
        return self.mailbox.each(map(self.uids.__getitem__, positions))

    def neighbours(self, positions: range) -> Several:
        """The same of messages at a stretch."""
        uids = self.uids[positions.start : positions.stop]
        return Several(self.mailbox.each(uids), uids)

    def message(self, position: int) -> Message:
        """The message at a position of `uids`. Raises NoSuchMessage when it has gone."""
        message = self.mailbox.get(self.uids[position])
        if message is None:
            raise NoSuchMessage(self.uids[position])
        return message

    def flags(self, message: Message) -> bytes:
        """FLAGS of a message, with this session's \\Recent."""
        recent = message.uid in self.recent and not self._rev2
        return flag_list(message.flags | _RECENT if recent else message.flags)

    def changed(self, positions: Positions, since: int) -> Iterator[int]:
        """Those positions at which a message has changed after modseq `since`."""
        for span in positions:
            for position in span:
                message = self.mailbox.get(self.uids[position])
                if message is not None and message.modseq > since:
                    yield position

    def flags_response(self, position: int, *, flags: bool = True, uid: bool = True) -> bytes:
        """FETCH of a message whose flags are others; who knows modification sequences gets this one's too.

        With these goes the UID (RFC 7162 section 3.2.4), and always in IMAP4rev2 (RFC 9051 section 7.5.2),
        but not in UIDFETCH. The message has to be there.
        """
        message = self.message(position)
        modseqs = uses_modseqs(self.enabled)
        named = not uidonly.is_on(self.enabled) and (uid or modseqs or self._rev2)
        items = [b"UID %d" % message.uid] if named else []
        if flags:
            items.append(b"FLAGS " + self.flags(message))
        if modseqs:
            items.append(b"MODSEQ (%d)" % message.modseq)
        start = uidonly.fetch_start(self.enabled, position + 1, message.uid)
        return b"%b%b)\r\n" % (start, b" ".join(items))

    def client_knows(self, message: Message) -> None:
        """These flags need not be reported: the client has just set them silently, or was just told."""
        self._reported[message.uid] = message.modseq

    def was_known(self, uid: int, modseq: int) -> bool:
        """Whether the client had been told the flags that the message had as of `modseq`."""
        return modseq <= self._modseq or self._reported.get(uid) == modseq

    # Changes

    def did(self, uids: Iterable[int], interest: Interest) -> None:
        """The client has added or removed these messages itself, which can make a difference."""
        if not interest.messages or interest.items or self.contexts:
            self._own.update(uids)

    @property
    def in_step(self) -> bool:
        """Whether the client was told of everything that the last look at the disk has found."""
        told = self._compared is self.mailbox.uids
        return told and self._modseq == self.mailbox.highest_modseq

    def updates(
        self,
        *,
        expunge: bool,
        interest: Interest = EVERYTHING,
        unasked: bool = False,
        looked: bool = False,
    ) -> Iterator[bytes]:
        """Report what has changed since the last time; EXPUNGE responses only with `expunge`.

        What the client has no interest in is left for later; what it does itself it hears all the same.
        `unasked`: not at the end of a command. `looked`: the command has looked at the disk itself, so that
        it knows what had happened before it was given. Raises Goodbye when the mailbox is not there any more
        (RFC 2180 section 3.3).
        """
        try:
            if not looked:
                self.mailbox.refresh()
            yield from self._updates(interest, expunge=expunge, unasked=unasked)
        except NoSuchMailbox:
            raise Goodbye("The selected mailbox was deleted or renamed") from None

    def _updates(self, interest: Interest, *, expunge: bool, unasked: bool) -> Iterator[bytes]:
        told = not unasked
        for response in self._changes(interest, expunge=expunge):
            told = told or response != b""
            yield response
        self._own.clear()
        complete = self._compared is self.mailbox.uids
        if complete:
            self._in_step = self._modseq
        behind = not interest.flags and self._modseq != self.mailbox.highest_modseq
        if told and (not complete or behind) and self._may_tell_too_much(behind=behind):
            yield self.told().encode(b"*", self.language)

    def _may_tell_too_much(self, *, behind: bool) -> bool:
        """Whether the client could take a modification sequence that it hears for that of all it knows.

        What was told may be of later than an expunge that was not (RFC 7162 section 3.2), or other flags.
        """
        return "QRESYNC" in self.enabled or (behind and uses_modseqs(self.enabled))

    @property
    def is_told(self) -> bool:
        """Whether it is certain that updates() would tell nothing.

        Asked on the reactor's thread, while nothing runs in the account's lane. Where there may be something
        the answer is no.
        """
        mailbox = self.mailbox
        return (
            not (self.contexts or self._own or self._reported)
            and self._compared is mailbox.uids
            and self._modseq == self._in_step == mailbox.highest_modseq
            and self._key_resets == mailbox.key_resets
            and self._keywords == mailbox.keywords()
            and mailbox.is_still
        )

    def _changes(self, interest: Interest, *, expunge: bool) -> Iterator[bytes]:
        newest = self._newest
        if self.mailbox.uids is not self._compared:
            if self.contexts or (expunge and (interest.messages or self._own)):
                yield from self._expunged(None if interest.messages else self._own, expunge=expunge)
            if interest.messages:
                self._claim_recent()
                current = self.mailbox.uids
                yield from self._arrived(current)
                if self.uids == current:
                    self.uids = self._compared = current
        if (self._keywords, self._rights) != (self.mailbox.keywords(), self.mailbox.rights):
            self._keywords, self._rights = self.mailbox.keywords(), self.mailbox.rights
            yield self._flags_line()
            yield self._permanent_flags()
        if self._key_resets != self.mailbox.key_resets:
            self._key_resets = self.mailbox.key_resets
            yield self._mechanisms()
        if interest.flags:
            yield from self._flags_changed(newest)
        else:
            self._reported.clear()
        for context in tuple(self.contexts.values()):
            yield from context.changed()
        yield from self._introduced(newest, interest)

    def _expunged(self, only: AbstractSet[int] | None, *, expunge: bool) -> Iterator[bytes]:
        """From the last to the first, so that no number has to be corrected for one sent before.

        Of `only` some, where the client wants to hear of no others.
        """
        gone = self._gone(self.mailbox.uids)
        lost = [self.uids[index] for index in gone] if self.contexts else []
        for context in tuple(self.contexts.values()) if lost else ():
            yield from context.expunged(lost)
        if only is not None:
            gone = [index for index in gone if self.uids[index] in only]
        if not expunge or not gone:
            return
        recent = len(self.recent)
        uids = [self.uids[index] for index in gone]
        self.recent.difference_update(uids)
        self.uids = without(self.uids, gone)
        if "QRESYNC" in self.enabled or uidonly.is_on(self.enabled):
            yield from (b"* VANISHED %s\r\n" % some for some in encode_in_parts(runs(uids)))
        else:
            yield from (b"* %d EXPUNGE\r\n" % (index + 1) for index in reversed(gone))
        if len(self.recent) != recent:
            yield self._recent_count()

    def _gone(self, current: "array[int]") -> list[int]:
        """Where those stand that are not there any more, ascending; mostly messages have only come."""
        if current[: len(self.uids)] == self.uids:
            return []
        return sorted(bisect_left(self.uids, uid) for uid in set(self.uids).difference(current))

    def _arrived(self, current: Sequence[int]) -> Iterator[bytes]:
        """Only UIDs above all that were reported: the client can learn of nothing that stands between."""
        first = bisect_right(current, self._newest)
        if first == len(current):
            return
        self._newest = current[-1]
        self.uids = self.uids + array("I", current[first:])
        yield self._counts()

    def _introduced(self, newest: int, interest: Interest) -> Iterator[bytes]:
        """What was asked for of new messages that others have brought (RFC 5465 sections 5.2 and 7).

        Section 5.2 has this after ESEARCH responses, section 7 before them; there is no third way.
        """
        contexts = tuple(self.contexts.values())
        if not interest.items and not contexts:
            return

        def wanted(position: int) -> tuple[Any, ...]:
            uid = self.uids[position]
            if uid in self._own:
                return ()
            also = (item for context in contexts for item in context.items(uid))
            return tuple(dict.fromkeys((*interest.items, *also)))

        for items, positions in groupby(range(bisect_right(self.uids, newest), len(self.uids)), wanted):
            if items:
                first, *others = positions
                yield from self.introduce(self, items, range(first, first + 1 + len(others)))

    def _claim_recent(self) -> None:
        self.recent.update(uid for uid in self.claimed if self.mailbox.get(uid) is not None)
        self.claimed.clear()
        if self.read_only:
            self.recent.update(self.mailbox.recent)
        else:
            self.recent.update(self.mailbox.claim_recent())

    def _flags_changed(self, newest: int) -> Iterator[bytes]:
        """FETCH responses for other flags, of messages that were there at the last report."""
        since, self._modseq = self._modseq, self.mailbox.highest_modseq
        reported, self._reported = self._reported, {}
        for uid in self.mailbox.changes(since) if self._modseq != since else ():
            message = self.mailbox.get(uid)
            if message is None or uid > newest or reported.get(uid) == message.modseq:
                continue
            index = bisect_left(self.uids, uid)
            if index < len(self.uids) and self.uids[index] == uid:
                yield self.flags_response(index)
