"""Message-ids, as THREAD compares them and as they are written."""

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.message_ids import REFERENCES, digest, is_message_id, message_ids, references


class MessageIdTests(SynchronousTestCase):
    """message_ids() and references()"""

    def test_normal_form(self) -> None:
        """RFC 5256 section 3: quotes make no other message-id, and only valid ones count."""
        for value, found in (
            (b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
            (b"<01KF8JCEOCBS0045PS@xxx.yyy.com>", [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
            (b"<a@b> <c@d>\t<e@f>", [b"a@b", b"c@d", b"e@f"]),
            (b"<a@b><c@d>", [b"a@b", b"c@d"]),
            (b'<"a\\"b>"@[x\\]y]>', [b'a"b>@[x]y]']),
            (b"< a . b @ c >", [b"a.b@c"]),
            (b"Your message of 1 May <a@b> from <me>", [b"a@b"]),
            (b"<A@b> <a@B>", [b"A@b", b"a@B"]),
            (b"a@b <a> <@b> <a@> <a@b@c> <> < @ > <a@b", []),
            (b"<<a@b>>", [b"a@b"]),
            (b'<"a<b@c>', [b"b@c"]),
        ):
            self.assertEqual(list(message_ids(value)), found, value)

    def test_alone(self) -> None:
        """A field has one, and comments behind it; quotes and brackets hold what nothing else may."""
        for value in (b"<a@b>", b"<a@b> (x) (y)", b'<"a@b"@c>', b"<a@[x@y]>", b"<\xc3\xa4@b>", b"<a@b>(x)"):
            self.assertTrue(is_message_id(value), value)
        for value in (
            *(b"", b"a@b", b"<a>", b"<a@>", b"<@b>", b"<a@b@c>", b"<a@b> <c@d>", b"x <a@b>", b"<a@b> x"),
            *(b"<a b@c>", b'<"a b"@c>', b"<a@b\x7f>", b'<"a@b>', b"<a@[b>", b"<a@b> (", b"<a@b>\r\n"),
        ):
            self.assertFalse(is_message_id(value), value)

    def test_references(self) -> None:
        """References, or else the first of In-Reply-To."""
        self.assertEqual(references(b"<a@b> <c@d>", b"<e@f>"), [b"a@b", b"c@d"])
        self.assertEqual(references(b"nothing", b"<e@f> <g@h>"), [b"e@f"])
        self.assertEqual(references(None, b"me <e@f>"), [b"e@f"])
        self.assertEqual(references(b"", None), [])

    def test_very_many(self) -> None:
        """The first one and the last ones stay, also of a field that is far too long."""
        for count in (REFERENCES + 1, 100_000):
            found = references(b" ".join(b"<%d@x>" % n for n in range(count)), None)
            kept = [0, *range(count - REFERENCES + 1, count)]
            self.assertEqual(found, [b"%d@x" % n for n in kept])

    @given(st.binary())
    def test_anything(self, value: bytes) -> None:
        """Nothing that comes out of it is empty, and there is a digest of it."""
        for found in message_ids(value):
            self.assertIn(b"@", found)
            self.assertEqual(len(digest(found)), 16)

    def test_takes_linear_time(self) -> None:
        """Whatever a field is made of."""
        before = time.process_time()
        for piece in (
            b"<",
            b'<"',
            b"<a@",
            b"<a@[",
            b'"<',
            b'<"\\',
            b"<a",
            b'<"a"',
            b'<"<""',
            b"< ",
            b"\\",
            b'<\\"',
            b'\\"x"',
        ):
            for before_it, behind in ((b"", b""), (b'<"', b""), (b"<", b"@x>"), (b"<a@[", b"]>")):
                list(message_ids(before_it + piece * 30_000 + behind))
        self.assertLess(time.process_time() - before, 5)
