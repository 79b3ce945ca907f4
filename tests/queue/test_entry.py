"""Entries of the queue, and their text."""

import json
from dataclasses import fields, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.envelope import Body, Deadline, Envelope, Origin, Recipient
from mailnode.queue.entry import (
    Approval,
    Delay,
    Entry,
    Fate,
    Progress,
    Proof,
    decode,
    encode,
    glance,
    new_entry,
    owed,
)
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import Notify, OriginalRecipient

ANNA, BOB = Address("anna", "a.example"), Address("bob", "b.example")


def _is_address(address: Address) -> bool:
    """Whether a session could have taken it."""
    try:
        return parse_address(str(address), utf8=True) == address
    except BadSyntax:
        return False


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.floats(0, 2.5e11)
addresses = (
    st.builds(Address, texts, st.sampled_from(["a.example", "bücher.example", "[192.0.2.1]"])).filter(
        _is_address
    )
    | st.just(Address("postmaster", ""))
    | st.just(Address('a b"@\\c', "a.example"))
)
notifies = st.sampled_from([Notify(number) for number in range(8)])
recipients = st.builds(
    Recipient,
    addresses,
    notify=st.none() | notifies,
    original=st.none() | st.builds(OriginalRecipient, texts, texts),
)
envelopes = st.builds(
    Envelope,
    st.none() | addresses,
    size=st.integers(0, 10**20),
    recipients=st.lists(recipients, min_size=1, max_size=3).map(tuple),
    body=st.sampled_from(Body),
    utf8=st.booleans(),
    full=st.none() | st.booleans(),
    envelope_id=texts,
    deadline=st.none() | st.builds(Deadline, times, st.booleans(), st.booleans()),
    release=times,
    priority=st.integers(-9, 9),
    require_tls=st.booleans(),
    solicitation=st.lists(texts, max_size=2).map(tuple),
    origin=st.none() | st.builds(Origin, texts, texts),
)
progresses = st.builds(Progress, st.sampled_from(Fate), texts, texts, texts, st.booleans())


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any entry."""
    envelope = draw(envelopes)
    count = len(envelope.recipients)
    progress = tuple(draw(st.lists(progresses, min_size=count, max_size=count)))
    reached = tuple(draw(st.lists(texts, max_size=2)))
    tries = draw(st.integers(0, 99))
    delay = draw(st.sampled_from(Delay))
    more = (draw(texts), draw(st.sampled_from(Approval)), draw(st.sampled_from(Proof)))
    return Entry("ID", envelope, draw(times), draw(times), progress, tries, reached, delay, *more)


_OLDER = """{"version": 1, "id": "ID", "envelope": {"reverse_path": "anna@a.example", "size": 0,
 "recipients": [{"address": "bob@b.example", "notify": null, "original": null}], "body": "7BIT",
 "utf8": false, "release": 0.0, "full": null, "envelope_id": "", "deadline": null, "priority": 0,
 "solicitation": [], "kind": "MAIL"}, "came": 1.0, "due": 2.0, "progress": [{"fate": "delayed",
 "status": "", "reason": "", "diagnostic": "", "told": false, "host": ""}], "tries": 0, "reached": [],
 "delay": "unsaid", "head": "", "approval": "given", "proof": "needed"}
"""


class Texts(SynchronousTestCase):
    """encode() and decode()."""

    @settings(derandomize=True, database=None, deadline=None)
    @given(entries())
    def test_round_trip(self, entry: Entry) -> None:
        """What is read is what was written, in every field."""
        self.assertEqual(decode(encode(entry)), entry)
        self.assertEqual(
            glance(encode(entry)),
            (entry.id, entry.due, entry.envelope.release, entry.envelope.priority, entry.came),
        )

    @settings(derandomize=True, database=None, deadline=None)
    @given(entries())
    def test_what_is_written(self, entry: Entry) -> None:
        """A field that the envelope gets later is in the text without a change here, unless as always."""
        envelope = entry.envelope
        unusual = {one.name for one in fields(Envelope) if getattr(envelope, one.name) != one.default}
        self.assertEqual(set(json.loads(encode(entry))["envelope"]), unusual)

    def test_readable(self) -> None:
        """A person finds addresses and states as they know them, each on a line."""
        recipient = Recipient(BOB, Notify.SUCCESS | Notify.FAILURE)
        entry = new_entry("ID", Envelope(ANNA, recipients=(recipient,)), came=1, due=2)
        lines = encode(entry.failed("4.4.7", "It is too old")).decode().splitlines()
        for words in ('"reverse_path": "anna@a.example"', '"notify": "SUCCESS,FAILURE"', '"fate": "failed"'):
            self.assertEqual(len([line for line in lines if words in line]), 1, words)
        self.assertGreater(len(lines), 8)

    def test_older_text(self) -> None:
        """What an older server wrote is read: with defaults in it, or without fields that are new."""
        entry = new_entry("ID", Envelope(ANNA, recipients=(Recipient(BOB),)), came=1, due=2)
        texts = (_OLDER, _OLDER.replace('"utf8": false, "release": 0.0, ', "", 1))
        for text in texts:
            self.assertEqual(decode(text.encode()), entry)
            self.assertEqual(glance(text.encode()), ("ID", 2.0, 0.0, 0, 1.0))

    @settings(derandomize=True, database=None, deadline=None)
    @given(st.data())
    def test_torn(self, data: st.DataObject) -> None:
        """No part of an envelope file is taken for one, and nothing but ValueError comes of it."""
        whole = encode(new_entry("ID", Envelope(ANNA, recipients=(Recipient(BOB),)), came=1, due=2))
        cut = data.draw(st.integers(0, len(whole) - 2))
        for torn in (whole[:cut], bytes(cut) + whole[cut:] if cut else b"\0"):
            self.assertRaises(ValueError, decode, torn)
            self.assertRaises(ValueError, glance, torn)

    def test_foreign(self) -> None:
        """What is JSON and no entry of ours is refused."""
        entry = json.loads(
            encode(new_entry("ID", Envelope(ANNA, recipients=(Recipient(BOB),)), came=1, due=2))
        )
        for wrong in (
            [],
            "text",
            {},
            {"version": 1},
            {**entry, "version": 2},
            {**entry, "progress": []},
            {**entry, "due": "soon"},
            {**entry, "due": float("nan")},
            {**entry, "due": float("inf")},
            {**entry, "due": True},
            {**entry, "id": 5},
            {**entry, "envelope": None},
            {**entry, "envelope": {**entry["envelope"], "reverse_path": "a@b@c"}},
            {**entry, "envelope": {**entry["envelope"], "reverse_path": 5}},
            {**entry, "envelope": {**entry["envelope"], "body": "9BIT"}},
        ):
            self.assertRaises(ValueError, decode, json.dumps(wrong).encode())
        self.assertRaises(ValueError, decode, b"[" * 100_000)


class Owed(SynchronousTestCase):
    """What the sender is to be told."""

    def test_notify(self) -> None:
        """RFC 3461 section 4.1: each keyword, NEVER, and nothing said, for each outcome."""
        for notify, wanted in (
            (None, {Fate.FAILED}),
            (Notify.NEVER, set()),
            (Notify.SUCCESS, {Fate.DELIVERED, Fate.EXPANDED, Fate.RELAYED}),
            (Notify.FAILURE, {Fate.FAILED}),
            (Notify.DELAY, set()),
        ):
            envelope = Envelope(ANNA, recipients=(Recipient(BOB, notify),))
            found = {fate for fate in Fate if owed(envelope, (Progress(fate),))}
            self.assertEqual(found, wanted, notify)
            late = bool(owed(envelope, (Progress(),), late=True))
            self.assertEqual(late, notify is None or Notify.DELAY in notify, notify)

    def test_nothing_of_reports(self) -> None:
        """B3: nothing is owed for a message without reverse-path."""
        envelope = Envelope(None, recipients=(Recipient(BOB, Notify.SUCCESS | Notify.FAILURE),))
        self.assertEqual([owed(envelope, (Progress(fate),)) for fate in Fate], [()] * len(Fate))

    def test_once(self) -> None:
        """What was told is not told again; who waits is still to be told of the end."""
        envelope = Envelope(ANNA, recipients=(Recipient(BOB), Recipient(ANNA)))
        entry = new_entry("ID", envelope, came=1, due=2)
        entry = replace(entry, progress=(Progress(Fate.FAILED), Progress()))
        self.assertEqual([recipient for recipient, _ in entry.owed], [Recipient(BOB)])
        told = entry.with_everything_told()
        self.assertEqual((told.owed, told.waiting), ((), True))
        late = replace(told, delay=Delay.DUE)
        self.assertEqual([recipient for recipient, _ in late.owed], [Recipient(ANNA)])
        self.assertEqual((late.with_everything_told().owed, told.with_everything_told()), ((), told))
        self.assertEqual([one for one, _ in told.failed("4.4.7", "Too old").owed], [Recipient(ANNA)])
