"""The fields of mailing lists."""

import email
from email import policy
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.list_fields import LIST_FIELDS, came_through, list_fields
from mailnode.wire.address import Address

TEAM, OWNER = "team@example.org", "anna@example.org"


class ListFields(SynchronousTestCase):
    """RFC 2369, RFC 2919, RFC 8058"""

    def test_plain(self) -> None:
        """A list without page and without moderators."""
        self.assertEqual(
            list_fields(TEAM, full_name='The "team"', owner=OWNER).split(b"\r\n"),
            [
                b'List-Id: "The \\"team\\""',
                b"\t<team.example.org>",
                b"List-Post: <mailto:team@example.org>",
                b"List-Owner: <mailto:anna@example.org>",
                b"List-Help: <mailto:anna@example.org?subject=help%20team%40example.org>",
                b"List-Unsubscribe: <mailto:anna@example.org?subject=unsubscribe%20team%40example.org>",
                b"Precedence: list",
                b"",
            ],
        )

    def test_one_click(self) -> None:
        """RFC 8058 section 3.1: the page comes first, with the field that tells of the one click."""
        fields = list_fields(TEAM, owner=OWNER, moderated=True, unsubscribe="https://example.org/leave?x=1")
        self.assertIn(b"List-Unsubscribe: <https://example.org/leave?x=1>,\r\n\t<mailto:anna@", fields)
        self.assertIn(b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", fields)
        self.assertIn(b"List-Post: <mailto:team@example.org>\r\n\t(", fields)
        self.assertIn(b"List-Id: <team.example.org>\r\n", fields)

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(
        st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Zs")), max_size=80),
        st.text("abc.!#$%&'*+-/=?^_`{|}~\u00e4\u4e2d", min_size=1, max_size=30),
    )
    def test_any_name(self, full_name: str, local: str) -> None:
        """Any list has fields in ASCII, in lines of an allowed length, that lead to its address."""
        name = str(Address(local, "example.org"))
        octets = list_fields(name, full_name=full_name, owner=name)
        self.assertTrue(octets.isascii())
        self.assertLess(max(map(len, octets.split(b"\r\n"))), 998)
        message = email.message_from_bytes(octets + b"\r\n", policy=policy.default)
        self.assertEqual({one.lower().encode() for one in message} - LIST_FIELDS, {b"precedence"})
        post = "".join(str(message["List-Post"]).split())
        self.assertEqual(unquote(post), f"<mailto:{name}>")
        self.assertTrue(came_through(octets, name))

    def test_came_through(self) -> None:
        """In any letters, with or without a name in front; no other list is meant."""
        for value, found in (
            (b"<team.example.org>", True),
            (b"Team\r\n\t<TEAM.example.ORG>", True),
            (b"<steam.example.org>", False),
            (b"<team.example.org.example>", False),
            (b"team.example.org", False),
        ):
            self.assertEqual(came_through(b"A: b\r\nList-Id: " + value + b"\r\n\r\n", TEAM), found, value)
        self.assertFalse(came_through(b"X: <team.example.org>\r\n\r\n", TEAM))
