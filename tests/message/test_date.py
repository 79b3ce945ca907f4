"""Dates."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.date import internal_date, internal_dates, parse_date, parse_internal_date
from mailnode.wire.errors import BadSyntax


def _at(*fields: int, hours: float = 0) -> datetime:
    year, month, day, hour, minute, second = fields
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone(timedelta(hours=hours)))


class ParseDateTests(SynchronousTestCase):
    TABLE = (
        (b"Fri, 21 Nov 1997 09:55:06 -0600", _at(1997, 11, 21, 9, 55, 6, hours=-6)),
        (
            b"Thu, 13\n     Feb\n  1969\n   23:32\n  -0330 (Newfoundland Time)",
            _at(1969, 2, 13, 23, 32, 0, hours=-3.5),
        ),
        (b"21 Nov 97 09:55:06 GMT", _at(1997, 11, 21, 9, 55, 6)),
        (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", _at(1997, 11, 21, 9, 55, 6, hours=-6)),
        (b"1 jan 49 00:00 EST", _at(2049, 1, 1, 0, 0, 0, hours=-5)),
        (b"1 Jan 50 00:00 Z", _at(1950, 1, 1, 0, 0, 0)),
        (b"1 Jan 100 00:00 +0000", _at(2000, 1, 1, 0, 0, 0)),
        (b"Sat, 31 Dec 2016 23:59:60 +0000", _at(2016, 12, 31, 23, 59, 59)),
        (b"Sat, 31 Dec 2016 23:59:10", _at(2016, 12, 31, 23, 59, 10)),
    )

    def test_table(self) -> None:
        """RFC 5322 appendix A, obsolete years and zones (section 4.3)."""
        for value, expected in self.TABLE:
            found = parse_date(value)
            self.assertEqual(found, expected, value)
            self.assertEqual(found and found.utcoffset(), expected.utcoffset(), value)

    def test_none(self) -> None:
        """C7: what is no date gives None."""
        for value in (
            b"",
            b"yesterday",
            b"1 Jan 0 00:00 +0000",
            b"1 Jan 0000 00:00 +0000",
            b"1 Jan 99999 00:00 +0000",
            b"1 Jan 9999 00:00 +0000",
            b"1 Jan 2020 00:00 +9999",
            b"1 Jan 2020 24:00 +0000",
            b"30 Feb 2020 00:00 +0000",
            b"1 Foo 2020 00:00 +0000",
            b"1 Jan 2020 00:00 +00000",
            b"1 Jan 2020 00:00 +0000" + b" " * 10240,
            b"(" * 200,
        ):
            self.assertIsNone(parse_date(value), value)

    @settings(deadline=None, max_examples=200)
    @given(st.text("0129 :+-JanFeb,()\\\n", max_size=40).map(str.encode))
    def test_never_raises(self, value: bytes) -> None:
        """Every text gives None or a moment that every zone can show."""
        found = parse_date(value)
        if found is not None:
            found.astimezone(UTC).timestamp()


class InternalDateTests(SynchronousTestCase):
    def test_format(self) -> None:
        """`date-time` of RFC 3501 section 9, in UTC."""
        self.assertEqual(internal_date(837571465.9), b'"17-Jul-1996 02:44:25 +0000"')
        self.assertEqual(internal_date(0), b'"01-Jan-1970 00:00:00 +0000"')
        self.assertEqual(internal_date(-1e18), b'"01-Jan-1900 00:00:00 +0000"')
        self.assertEqual(internal_date(1e18)[-16:], b' 23:59:59 +0000"')

    @given(st.lists(st.floats(-3e9, 3e11), max_size=4))
    def test_many(self, seconds: list[float]) -> None:
        """Each of many as if it were alone, also where one is out of bounds."""
        self.assertEqual(internal_dates(seconds), list(map(internal_date, seconds)))
        for one, text in zip(seconds, internal_dates(seconds), strict=True):
            if 0 <= one < 253370764799:
                self.assertEqual(parse_internal_date(text), int(one))

    def test_parse(self) -> None:
        """A one-digit day has a space, the zone counts, quotes may be there."""
        self.assertEqual(parse_internal_date(b" 7-Feb-1994 21:52:25 -0800"), 760686745.0)
        self.assertEqual(parse_internal_date(b'"17-Jul-1996 02:44:25 +0000"'), 837571465.0)

    def test_refused(self) -> None:
        """Anything else is bad syntax."""
        for text in (
            b"",
            b"bad date",
            b"7-Feb-1994 21:52:25 -0800",
            b"  -Feb-1994 21:52:25 -0800",
            b"30-Feb-1994 21:52:25 -0800",
            b"01-Feb-1994 24:52:25 -0800",
            b"01-Feb-1994 21:52:25 -08000",
            b"01-Feb-1994 21:52:25 +9900",
            b"01-Foo-1994 21:52:25 +0000",
            b'"01-Feb-1994 21:52:25 +0000',
            b"01-Feb-1994 21:52:25 +0000\n",
        ):
            self.assertRaises(BadSyntax, parse_internal_date, text)

    @settings(deadline=None, max_examples=100)
    @given(st.integers(-2208988800, 253000000000))
    def test_round_trip(self, seconds: int) -> None:
        """What is written is read back."""
        self.assertEqual(parse_internal_date(internal_date(seconds)), seconds)
