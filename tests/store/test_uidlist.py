"""The uid list file, to the byte."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store.uidlist import Record, UidList, extend, parse

GUID = "0123456789abcdef0123456789abcdef"

bases = st.text(
    st.characters(blacklist_characters="/:\n\r\0", blacklist_categories=["Cs"]), min_size=1, max_size=20
)
fields = st.lists(st.from_regex(r"[A-Z][!-9;-~]{0,8}", fullmatch=True), max_size=3).map(tuple)


class ParseTests(SynchronousTestCase):
    """Reading what Dovecot and we have written."""

    def test_dovecots_own(self) -> None:
        """A version 3 list with fields is read to the letter, and encoded back the same."""
        data = (
            f"3 V1246 N9 G{GUID}\n1 :100.M1P2.host,S=3,W=4\n"
            "3 P000000 W99 S98 :200.M1P2.host\n8 G77 :300.M1P2.host\n"
        ).encode()
        parsed = parse(data)
        assert parsed is not None
        self.assertEqual((parsed.validity, parsed.next_uid, parsed.guid, parsed.sound), (1246, 9, GUID, True))
        self.assertEqual(parsed.records["200.M1P2.host"].field("P"), "000000")
        self.assertEqual(parsed.encode(), data)

    def test_version_1(self) -> None:
        """A version 1 list keeps its UIDs and is to be rewritten."""
        parsed = parse(b"1 1246 5\n2 100.a:2,S\n4 200.b\n")
        assert parsed is not None
        self.assertEqual(
            [(one.uid, one.base) for one in parsed.records.values()], [(2, "100.a"), (4, "200.b")]
        )
        self.assertFalse(parsed.sound)

    def test_next_uid_is_never_below_the_last(self) -> None:
        """UIDNEXT is the greater of N and the last UID plus one."""
        parsed = parse(f"3 V1 N2 G{GUID}\n7 :a\n".encode())
        assert parsed is not None
        self.assertEqual(parsed.next_uid, 8)

    def test_bad_lines(self) -> None:
        """A bad line costs its own message its UID, nothing else, and has the file rewritten."""
        for line in (
            b"x :a",
            b"0 :a",
            b"4294967295 :a",
            b"2",
            b"2 a",
            b"2 :",
            b"2 :a/b",
            b"2 lower :a",
            b"+2 :a",
            b"",
        ):
            parsed = parse(b"3 V1 N2 G%s\n1 :one\n%s\n9 :nine\n" % (GUID.encode(), line))
            assert parsed is not None
            self.assertEqual([record.uid for record in parsed.records.values()], [1, 9], line)
            self.assertFalse(parsed.sound)

    def test_uids_that_do_not_increase(self) -> None:
        """A UID that is not greater than the one before is not believed."""
        parsed = parse(f"3 V1 N2 G{GUID}\n5 :a\n5 :b\n4 :c\n6 :d\n".encode())
        assert parsed is not None
        self.assertEqual(list(parsed.records), ["a", "d"])

    def test_torn_last_line(self) -> None:
        """Half a line at the end, as a crash leaves it, is not believed and never appended to."""
        parsed = parse(f"3 V1 N2 G{GUID}\n1 :a\n30".encode())
        assert parsed is not None
        self.assertEqual(list(parsed.records), ["a"])
        self.assertFalse(parsed.sound)

    def test_bad_headers(self) -> None:
        """A header without a usable UIDVALIDITY means a new one."""
        for header in (
            b"",
            b"\n",
            b"2 V1 N1\n",
            b"3 N1\n",
            b"3 V0 N1\n",
            b"3 V4294967296 N1\n",
            b"3 Vx N1\n",
        ):
            self.assertIsNone(parse(header), header)

    @given(st.binary(max_size=200))
    @settings(deadline=None, max_examples=200)
    def test_any_octets(self, data: bytes) -> None:
        """Whatever lies there, reading ends, with UIDs that increase."""
        parsed = parse(b"3 V1 N1 G1\n" + data)
        assert parsed is not None
        uids = [record.uid for record in parsed.records.values()]
        self.assertEqual(uids, sorted(set(uids)))
        self.assertTrue(all(uid < parsed.next_uid for uid in uids))

    @given(
        st.dictionaries(bases, fields, max_size=6),
        st.lists(
            st.tuples(st.integers(1, 12).map(str) | st.sampled_from(["x", ""]), bases, fields), max_size=4
        ),
        st.sampled_from(["", "", "7", "7 :torn"]),
    )
    @settings(deadline=None, max_examples=300)
    def test_extended(
        self,
        names: dict[str, tuple[str, ...]],
        more: list[tuple[str, str, tuple[str, ...]]],
        rest: str,
    ) -> None:
        """What stands behind is taken in as if all had been read at once, or nothing of it."""
        records = {base: Record(uid, base, own) for uid, (base, own) in enumerate(names.items(), 1)}
        before = UidList(7, len(records) + 1, GUID, (), records).encode()
        behind = os.fsencode(
            "".join(f"{uid} {' '.join((*own, ':' + base))}\n" for uid, base, own in more) + rest
        )
        known, whole = parse(before), parse(before + behind)
        assert known is not None and whole is not None
        added = extend(known, behind)
        if added is None:
            self.assertEqual(known, parse(before))
            self.assertTrue(rest or not whole.sound or len(whole.records) < len(names) + len(more))
        else:
            self.assertEqual(known, whole)
            self.assertEqual([*records.values(), *added], list(whole.records.values()))

    @given(st.dictionaries(bases, fields, max_size=8), st.integers(1, 2**32 - 1))
    @settings(deadline=None, max_examples=100)
    def test_round_trip(self, names: dict[str, tuple[str, ...]], validity: int) -> None:
        """What is written is read back."""
        records = {base: Record(uid, base, own) for uid, (base, own) in enumerate(names.items(), 1)}
        written = UidList(validity, len(records) + 1, GUID, (), records)
        self.assertEqual(parse(written.encode()), written)

    def test_names_that_are_not_utf8(self) -> None:
        """A base with foreign octets survives."""
        base = os.fsdecode(b"100.\xff\xfe.host")
        written = UidList(1, 2, GUID, (), {base: Record(1, base)})
        self.assertIn(b"\xff\xfe", written.encode())
        self.assertEqual(parse(written.encode()), written)
