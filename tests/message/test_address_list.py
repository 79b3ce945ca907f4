"""Addresses as ENVELOPE shows them."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.address_list import GROUP_END, Address, parse


def plain(mailbox: bytes, host: bytes, name: bytes | None = None, route: bytes | None = None) -> Address:
    return Address(name, route, mailbox, host)


def group(name: bytes) -> Address:
    return Address(None, None, name, None)


class ParseTests(SynchronousTestCase):
    TABLE: tuple[tuple[bytes, list[Address]], ...] = (
        (b"", []),
        (b" , ,", []),
        (b"jdoe@machine.example", [plain(b"jdoe", b"machine.example")]),
        (b"John Doe <jdoe@machine.example>", [plain(b"jdoe", b"machine.example", b"John Doe")]),
        # RFC 5322 appendix A.1.2 and A.1.3
        (b'"Joe Q. Public" <john.q.public@example.com>',
         [plain(b"john.q.public", b"example.com", b"Joe Q. Public")]),
        (b'"Giant; \\"Big\\" Box" <sysservices@example.net>',
         [plain(b"sysservices", b"example.net", b'Giant; "Big" Box')]),
        (b"A Group:Ed Jones <joe@a.test>,john@b.test;",
         [group(b"A Group"), plain(b"joe", b"a.test", b"Ed Jones"), plain(b"john", b"b.test"), GROUP_END]),
        (b"Undisclosed recipients:;", [group(b"Undisclosed recipients"), GROUP_END]),
        # appendix A.5 and A.6.1
        (b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
         [plain(b"pete", b"silly.test", b"Pete")]),
        (b"Joe Q. Public <john.q.public@example.com>",
         [plain(b"john.q.public", b"example.com", b"Joe Q. Public")]),
        (b"Mary Smith <@node.test:mary@example.net>, , jdoe@test . example",
         [plain(b"mary", b"example.net", b"Mary Smith", b"@node.test"), plain(b"jdoe", b"test.example")]),
        (b"<@a.test,@b.test:c@d>", [plain(b"c", b"d", None, b"@a.test,@b.test")]),
        (b"c@d (John (Q.) Doe)", [plain(b"c", b"d", b"John (Q.) Doe")]),
        (b'"john doe"@[127.0.0.1]', [plain(b"john doe", b"[127.0.0.1]")]),
        (b"=?utf-8?q?=C3=A9_x?= <a@b>", [plain(b"a", b"b", b"=?utf-8?q?=C3=A9_x?=")]),
        (b"[SPAM] caf\xe9 <a@b>", [plain(b"a", b"b", b"[SPAM] caf\xe9")]),
        # What the grammar does not know
        (b"MAILER-DAEMON", [plain(b"MAILER-DAEMON", b"")]),
        (b"<>", [plain(b"", b"")]),
        (b"a:b@c;", [group(b"a"), plain(b"b", b"c"), GROUP_END]),
        (b"a:b@c", [group(b"a"), plain(b"b", b"c"), GROUP_END]),
        (b"a: b: c@d;", [group(b"a"), GROUP_END, group(b"b"), plain(b"c", b"d"), GROUP_END]),
        (b"a@b; c@d", [plain(b"a", b"b"), plain(b"c", b"d")]),
        (b"a@b@c", [plain(b"a@b", b"c")]),
        (b"x <a@b, c@d", [plain(b"a", b"b", b"x"), plain(b"c", b"d")]),
        (b"x <a@b> <c@d>", [plain(b"a", b"b", b"x"), plain(b"c", b"d")]),
        (b"<a@b> x: y", [plain(b"a", b"b")]),
        (b"a@b > (c\\", [plain(b"a", b"b", b"c\\")]),
        (b'"" <a@b>', [plain(b"a", b"b")]),
        (b"(only a comment)", []),
    )  # fmt: skip

    def test_table(self) -> None:
        """RFC 5322 appendix A, RFC 3501 section 7.4.2, and what stands outside them (C6)."""
        for value, expected in self.TABLE:
            self.assertEqual(parse(value), expected, value)

    def test_limit(self) -> None:
        """At most 1,000 are given, and an open group is ended."""
        self.assertEqual(len(parse(b"a@b," * 5000)), 1000)
        found = parse(b"g:" + b"a@b," * 5000)
        self.assertEqual((len(found), found[-1]), (1001, GROUP_END))

    @settings(deadline=None, max_examples=300)
    @given(st.text('ab@.<>,;:"()\\[] \n', max_size=40).map(str.encode))
    def test_never_raises(self, value: bytes) -> None:
        """Every text gives something, with groups that begin and end in turn."""
        inside = False
        for address in parse(value):
            if address.host is None:
                self.assertIs(inside, address.mailbox is None)
                inside = not inside
            else:
                self.assertIsNotNone(address.mailbox)
        self.assertFalse(inside)
