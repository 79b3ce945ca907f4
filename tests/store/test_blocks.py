"""Blocks of prepared answers: what is asked of one is what was put into it, or nothing."""

from array import array
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store import blocks
from mailnode.store.blocks import LONGEST, TEXTS, Entry, Names, Texts

PLACE = TEXTS.index("envelope")
BASES = ("a", "1.x,S=2", "\udcff", "\u00e4", "%d")

texts = st.sampled_from(
    (b"x", b"%d%%", b"(NIL)", b"", b"\0", b"a\1b", b"l" * (LONGEST + 1), b"\xff")
) | st.binary(max_size=5)
entries = st.builds(Entry, st.sampled_from(BASES), st.tuples(*[texts] * len(TEXTS)))
contents = st.dictionaries(st.integers(0, 200), entries, max_size=9)


def rows(known: dict[int, Entry]) -> dict[int, tuple[bytes, ...]]:
    """The blocks of messages, by number."""
    return {
        number: blocks.packed({uid: known[uid] for uid in uids})
        for number, uids in groupby(sorted(known), blocks.number_of)
    }


def asked(known: dict[int, Entry]) -> Names:
    """These messages as they are asked for."""
    return blocks.names(array("I", sorted(known)), [known[uid].base for uid in sorted(known)])


def kept(text: bytes) -> bytes:
    """What is in a block of a text."""
    return text if blocks.fits(text) else b""


class BlockTests(SynchronousTestCase):
    @given(contents)
    def test_unpacked(self, known: dict[int, Entry]) -> None:
        """What was packed; what cannot stand in a block is empty."""
        found = {}
        for number, row in rows(known).items():
            found.update(blocks.unpacked(number, row))
        expected = {uid: Entry(one.base, tuple(map(kept, one.texts))) for uid, one in known.items()}
        self.assertEqual(found, expected)

    @given(contents.filter(bool), contents.filter(bool))
    def test_with_more(self, known: dict[int, Entry], more: dict[int, Entry]) -> None:
        """What is new comes behind, between, or in the place of what was there, which is not forgotten."""
        known, more = ({uid % 64 + 64: one for uid, one in some.items()} for some in (known, more))
        found = blocks.with_more(1, blocks.packed(known), more)
        expected = {**known, **more}
        for uid in known.keys() & more.keys():
            if known[uid].base == more[uid].base:
                texts = zip(known[uid].texts, more[uid].texts, strict=True)
                expected[uid] = Entry(known[uid].base, tuple(new or kept(old) for old, new in texts))
        self.assertEqual(found, blocks.packed(expected))

    @given(contents, contents, st.data())
    def test_chosen(self, known: dict[int, Entry], others: dict[int, Entry], data: st.DataObject) -> None:
        """Some of the messages, however they lie; and never the text of a message of another name."""
        some = sorted(data.draw(st.sets(st.sampled_from(sorted(known))))) if known else []
        wanted = {uid: known[uid] for uid in some} | others
        there = all(uid in known and known[uid].base == one.base for uid, one in wanted.items())
        strips = [(row[0], row[1], row[2 + PLACE]) for row in rows(known).values()]
        found = blocks.chosen(strips, asked(wanted)) if wanted else []
        if not there:
            self.assertIsNone(found)
            return
        assert found is not None
        expected = [kept(known[uid].texts[PLACE]) for uid in sorted(wanted)]
        self.assertEqual(list(found), expected)
        if isinstance(found, Texts):
            self.assertNotIn(b"", found)
            template = found.between(b"[%d:", b"|%d:", b"]")
            numbers = range(len(expected))
            each = (b"%d:%b" % (number, text) for number, text in zip(numbers, expected, strict=True))
            self.assertEqual(template % tuple(numbers), b"[" + b"|".join(each) + b"]")
            self.assertEqual((len(found), found[0], found[-1:]), (len(expected), expected[0], expected[-1:]))

    def test_joined(self) -> None:
        """Neighbours come as they stand there, all of them or some; others are picked."""
        known = {uid: Entry(str(uid), (b"%d" % uid,) * len(TEXTS)) for uid in range(1, 130)}
        strips = [(row[0], row[1], row[2]) for row in rows(known).values()]
        for uids in (range(1, 130), range(60, 70), range(1, 2), range(129, 130)):
            found = blocks.chosen(strips, asked({uid: known[uid] for uid in uids}))
            assert isinstance(found, Texts)
            self.assertEqual(list(found), [b"%d" % uid for uid in uids])
        self.assertEqual(blocks.chosen(strips, asked({uid: known[uid] for uid in (1, 70)})), [b"1", b"70"])

    def test_nonsense(self) -> None:
        """Rows that somebody has damaged."""
        known = {uid: Entry(str(uid), (b"x",) * len(TEXTS)) for uid in range(1, 9)}
        uids, bases, text, *_ = blocks.packed(known)
        some = asked({uid: known[uid] for uid in (2, 3)})
        apart = asked({uid: known[uid] for uid in (2, 4)})
        damaged: tuple[tuple[Any, ...], ...] = (
            (uids, bases, text[2:]),
            (uids, bases, text + b"\0x"),
            (uids, bases[2:], text),
            (uids[4:], bases, text),
            (uids + b"x", bases, text),
            (uids, bases, None),
            (uids, "text", text),
            (7, bases, text),
        )
        for row in damaged:
            for wanted in (some, apart, asked(known)):
                self.assertRaises(ValueError, blocks.chosen, [row], wanted)
            self.assertRaises(ValueError, blocks.listed, row)
        self.assertRaises(ValueError, blocks.unpacked, 1, blocks.packed(known))
        self.assertRaises(ValueError, blocks.with_more, 0, (uids, bases, text, 7), known)

    def test_shifted(self) -> None:
        """A text too few in one block and one too many in the next do not make up for each other."""
        known = {uid: Entry(str(uid), (b"%d" % uid,) * len(TEXTS)) for uid in range(60, 70)}
        (uids, bases, first), (more_uids, more_bases, second) = (row[:3] for row in rows(known).values())
        last = first.rpartition(b"\0")
        damaged = [(uids, bases, last[0]), (more_uids, more_bases, last[2] + b"\0" + second)]
        self.assertRaises(ValueError, blocks.chosen, damaged, asked(known))

    @given(st.sets(st.integers(1, 500), min_size=1), st.integers(0, 50), st.integers(1, 60))
    def test_whole(self, some: set[int], start: int, count: int) -> None:
        """No block is cut in two, but one that is longer than what is asked for."""
        uids = sorted(some)
        start %= len(uids)
        stop = min(start + count, len(uids))
        cut = blocks.whole(uids, start, stop)
        self.assertTrue(start < cut <= stop)
        numbers = [blocks.number_of(uid) for uid in uids]
        if cut < len(uids) and numbers[cut] == numbers[cut - 1]:
            self.assertEqual((cut, numbers[start]), (stop, numbers[cut]))
        elif cut < stop:
            self.assertEqual(set(numbers[cut:stop]), {numbers[stop]})
