"""The fields on top of a message (RFC 5321 section 4.4)."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message import trace
from mailnode.message.date import parse_date
from mailnode.wire.address import Address

HOP = trace.Hop(
    hello="client.example",
    peer="192.0.2.7",
    by="mx.example",
    protocol="ESMTPS",
    id="ABC",
    recipient=Address("a b", "x.example"),
    seconds=0.0,
)


class Trace(SynchronousTestCase):
    """Received, Return-Path, Delivered-To."""

    def test_received(self) -> None:
        """Stamp = From-domain By-domain Opt-info ";" date-time"""
        self.assertEqual(
            trace.received(HOP),
            b"Received: from client.example ([192.0.2.7])\r\n\tby mx.example with ESMTPS id ABC\r\n"
            b'\tfor <"a b"@x.example>;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n',
        )

    def test_received_without(self) -> None:
        """No recipient is named where there are several; a UNIX socket has no address."""
        self.assertEqual(
            trace.received(replace(HOP, recipient=None, peer="")),
            b"Received: from client.example\r\n\tby mx.example with ESMTPS id ABC;\r\n"
            b"\tThu, 1 Jan 1970 00:00:00 +0000\r\n",
        )

    def test_paths(self) -> None:
        """Return-Path and Delivered-To."""
        self.assertEqual(trace.return_path(None), b"Return-Path: <>\r\n")
        self.assertEqual(trace.return_path(Address("a", "b.c")), b"Return-Path: <a@b.c>\r\n")
        self.assertEqual(trace.delivered_to("a@b.c"), b"Delivered-To: a@b.c\r\n")

    def test_no_lines_of_their_own(self) -> None:
        """C13: nothing that could end the line, or is not ASCII, gets into a field, whoever asks for it."""
        for bad in ("a\r\nBcc: v@x", "a\nb", "a\rb", "a\0b", "\u00fc", "\x7f"):
            self.assertRaises(ValueError, trace.field, "X", "fine", bad)
            self.assertRaises(ValueError, trace.return_path, Address(bad, "x"))
            self.assertRaises(ValueError, trace.received, replace(HOP, hello=bad))

    def test_utf8(self) -> None:
        """RFC 6531 section 3.7.3: names in UTF-8 in a message that is, and still no line of their own."""
        address = Address("\u00fc\u200d\U000323af", "\u4f8b\u3048.example")
        text = str(address).encode()
        self.assertIn(b"for <" + text + b">;", trace.received(replace(HOP, recipient=address, utf8=True)))
        self.assertEqual(trace.return_path(address, utf8=True), b"Return-Path: <" + text + b">\r\n")
        self.assertEqual(trace.delivered_to("\u00fc@x", utf8=True), b"Delivered-To: \xc3\xbc@x\r\n")
        a_labels = Address("u", "xn--bcher-kva.example")
        shown = trace.received(replace(HOP, by="xn--r8jz45g.example", recipient=a_labels, utf8=True)).decode()
        self.assertIn("by \u4f8b\u3048.example with", shown)
        self.assertIn("for <u@b\u00fccher.example>", shown)
        self.assertIn(b"<u@xn--bcher-kva.example>", trace.received(replace(HOP, recipient=a_labels)))
        self.assertIn("<u@b\u00fccher.example>", trace.return_path(a_labels, utf8=True).decode())
        self.assertRaises(ValueError, trace.received, replace(HOP, recipient=address))
        self.assertRaises(ValueError, trace.delivered_to, "\u00fc@x")
        for bad in ("a\r\nb", "\0", "\x85", "\u2028", "\x7f", "\ud800"):
            self.assertRaises(ValueError, trace.field, "X", bad, utf8=True)

    def test_utf8_protocols(self) -> None:
        """RFC 6531 section 4.3: UTF8SMTP takes the place of ESMTP."""
        names = [
            trace.protocol(extended=True, secure=secure, authenticated=authenticated, utf8=True)
            for secure, authenticated in ((0, 0), (0, 1), (1, 0), (1, 1))
        ]
        self.assertEqual(names, ["UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"])

    def test_protocols(self) -> None:
        """RFC 3848: S for TLS, A for authenticated; plain HELO is SMTP whatever else is true."""
        names = [
            trace.protocol(extended=extended, secure=secure, authenticated=authenticated)
            for extended, secure, authenticated in ((0, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1))
        ]
        self.assertEqual(names, ["SMTP", "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"])

    @settings(deadline=None, max_examples=100)
    @given(st.integers(0, 2**37))
    def test_dates(self, seconds: int) -> None:
        """A date is read back as the moment it was written from (RFC 5322 section 3.3)."""
        moment = parse_date(trace.date_time(seconds + 0.5).encode())
        assert moment is not None
        self.assertEqual(moment.timestamp(), seconds)
