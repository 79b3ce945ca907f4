"""The values of MAIL and RCPT parameters."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire import esmtp
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import DeliverBy, Notify, OriginalRecipient

Parse = Callable[[bytes | None], Any]


def orcpt_utf8(value: bytes | None) -> OriginalRecipient:
    """ORCPT in a message with SMTPUTF8."""
    return esmtp.parse_original_recipient(value, utf8=True)


RIGHT: list[tuple[Parse, bytes | None, Any]] = [
    (esmtp.parse_notify, b"never", Notify.NEVER),
    (esmtp.parse_notify, b"SUCCESS", Notify.SUCCESS),
    (esmtp.parse_notify, b"delay,FAILURE,delay", Notify.DELAY | Notify.FAILURE),
    (esmtp.parse_original_recipient, b"rfc822;a+2Bb@x", OriginalRecipient("rfc822", "a+b@x")),
    (esmtp.parse_original_recipient, b"X400;/C=x".replace(b"=", b"+3D"), OriginalRecipient("x400", "/C=x")),
    (esmtp.parse_original_recipient, rb"utf-8;\x{E4}b@x", OriginalRecipient("utf-8", "\u00e4b@x")),
    (orcpt_utf8, "utf-8;\u00e4b@x".encode(), OriginalRecipient("utf-8", "\u00e4b@x")),
    (esmtp.parse_envelope_id, b"QQ314159+2C", "QQ314159,"),
    (esmtp.parse_full, b"full", True),
    (esmtp.parse_full, b"HDRS", False),
    (esmtp.parse_deliver_by, b"123;R", DeliverBy(123, return_=True, trace=False)),
    (esmtp.parse_deliver_by, b"-999999999;nT", DeliverBy(-999_999_999, return_=False, trace=True)),
    (esmtp.parse_hold_for, b"86400", 86400),
    (esmtp.parse_hold_until, b"2001-09-09T01:46:40Z", 1e9),
    (esmtp.parse_hold_until, b"2001-09-09T03:46:40.5+02:00", 1e9 + 0.5),
    (esmtp.parse_priority, b"-9", -9),
    (esmtp.parse_solicitation, b"net.example:ADV,org.x:ADV:ADLT", ("net.example:adv", "org.x:adv:adlt")),
    (esmtp.parse_nothing, None, True),
]
WRONG: list[tuple[Parse, tuple[bytes | None, ...]]] = [
    (esmtp.parse_notify, (None, b"", b"NEVER,SUCCESS", b"SUCCESS,", b"EVER", b"\xff")),
    # R29: nothing that could end a line, or hide in one, comes out of xtext.
    (
        esmtp.parse_original_recipient,
        (
            *(None, b"", b"rfc822", b"rfc822;", b";a", b"a b;c", b"a;" + b"x" * 500),
            *(b"rfc822;a+0D+0AX:+20y", b"rfc822;a+00", b"rfc822;a+zz", b"rfc822;a+C3", b"rfc822;\xc3\xa4"),
            *(rb"utf-8;\x{D800}", rb"utf-8;\x{0A}", b"utf-8;\xc3\xa4"),
        ),
    ),
    (orcpt_utf8, (b"utf-8;\xc3", b"utf-8;\xe2\x80\xae", b"rfc822;\xc3\xa4")),
    (esmtp.parse_envelope_id, (None, b"", b"+0A", b"+00", b"+7F", b"x" * 101, b"+C3+A4", b"a b")),
    (esmtp.parse_full, (None, b"", b"HEADERS")),
    (esmtp.parse_deliver_by, (None, b"", b"1", b"1;", b"1;X", b"0;R", b"-1;R", b"+1;N", b"1" * 10 + b";N")),
    (esmtp.parse_hold_for, (None, b"", b"-1", b"1234567890", b"1.5")),
    (esmtp.parse_hold_until, (None, b"", b"2001-09-09", b"2001-13-09T01:46:40Z", b"2001-09-09T01:46:40")),
    (esmtp.parse_priority, (None, b"", b"10", b"+1", b"-", b"x")),
    (esmtp.parse_solicitation, (None, b"", b"a,,b", b"a b", b"a;", b"1a", b":a", b"\xff", b"a" * 1001)),
    (esmtp.parse_nothing, (b"", b"x")),
]  # fmt: skip
ALL = sorted({parse for parse, *_ in RIGHT}, key=lambda parse: parse.__name__)


class Values(SynchronousTestCase):
    """Each parameter."""

    def test_right(self) -> None:
        """What the grammars allow."""
        for parse, value, wanted in RIGHT:
            self.assertEqual(parse(value), wanted, value)

    def test_wrong(self) -> None:
        """What they do not."""
        for parse, values in WRONG:
            for value in values:
                self.assertRaises(BadSyntax, parse, value)

    @given(st.sampled_from(ALL), st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
    def test_anything(self, parse: Parse, value: bytes) -> None:
        """No octets make another error; and no text comes out that would not stay in its line."""
        try:
            result = parse(value)
        except BadSyntax:
            return
        texts = [result.address, result.kind] if isinstance(result, OriginalRecipient) else [result]
        for text in texts:
            self.assertTrue(not isinstance(text, str) or text.isprintable())
