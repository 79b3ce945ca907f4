"""Quick resynchronization: what a client has missed since it was here last (RFC 7162 section 3.2).

The store remembers a bounded number of expunges. For a client that was away for longer, every UID in question
that no message has counts as expunged.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from mailnode.imap.selected import Selected
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import SequenceSet, common, encode_in_parts, without


@frozen
class Resync:
    """What the client knows: until when, of which messages, and a few of its pairs of number and UID."""

    uid_validity: int
    modseq: int
    known: SequenceSet | None
    pairs: tuple[SequenceSet, SequenceSet] | None


def parse(args: Cursor) -> Resync:
    """ "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" """
    validity = args.sp().expect(b"(").nz_number()
    modseq = args.sp().modseq()
    known = pairs = None
    if args.accept(b" "):
        if not args.at(b"("):
            known = _literally(args.sequence_set())
        if known is None or args.accept(b" "):
            pairs = _pairs(args)
    args.expect(b")")
    return Resync(validity, modseq, known, pairs)


def _pairs(args: Cursor) -> tuple[SequenceSet, SequenceSet]:
    """seq-match-data = "(" known-sequence-set SP known-uid-set ")" """
    numbers = _literally(args.expect(b"(").sequence_set())
    uids = _literally(args.sp().sequence_set())
    args.expect(b")")
    if sum(map(len, numbers.spans(0))) != sum(map(len, uids.spans(0))):
        raise BadSyntax("There are not as many message numbers as UIDs")
    return numbers, uids


def _literally(numbers: SequenceSet) -> SequenceSet:
    """A set that means the same whatever is selected: known-uids and others have no "*", and so no "$"."""
    if numbers.has_star or numbers.saved:
        raise BadSyntax("What a client knows has neither * nor $")
    return numbers


def missed(view: Selected, resync: Resync) -> Iterator[bytes]:
    """The responses of SELECT and EXAMINE; none where the client knows another mailbox (section 3.2.5)."""
    if resync.uid_validity != view.mailbox.uid_validity:
        return
    everything = [range(1, view.mailbox.uid_next)]
    known = everything if resync.known is None else list(common(resync.known.spans(0), everything))
    floor = _agreed(view.uids, resync.pairs)
    yield from vanished(view, common(known, [range(floor + 1, view.mailbox.uid_next)]), resync.modseq)
    positions = SequenceSet(tuple((one.start, one.stop - 1) for one in known)).uids(view.uids)
    for position in view.changed(positions, resync.modseq):
        yield view.flags_response(position)


def _agreed(uids: Sequence[int], pairs: tuple[SequenceSet, SequenceSet] | None) -> int:
    """The highest UID that stands where the client thinks: up to it the client knows of all expunges."""
    if pairs is None:
        return 0
    agreed = 0
    numbers, theirs = (chain.from_iterable(one.spans(0)) for one in pairs)
    for number, uid in zip(numbers, theirs, strict=True):
        if number > len(uids):
            break
        if uids[number - 1] == uid:
            agreed = uid
    return agreed


def vanished(view: Selected, uids: Iterator[range], since: int) -> Iterator[bytes]:
    """VANISHED (EARLIER) for those of the UIDs that were expunged after modseq `since` (section 3.2.10.1).

    What the client still counts as a message is told later, in a response that takes it away.
    """
    mailbox = view.mailbox
    asked = list(common(list(uids), [range(1, mailbox.uid_next)]))
    known = mailbox.expunged(since)
    gone = without(asked if known is None else common(asked, known), view.uids)
    if mailbox.uids is not view.uids:
        gone = without(gone, mailbox.uids)
    for some in encode_in_parts(gone):
        yield b"* VANISHED (EARLIER) %s\r\n" % some
