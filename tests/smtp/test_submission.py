"""What is done to a submitted message: what is left out of it, and its line ends."""

from mailnode.config_submission import Submission
from tests.smtp.world import CUTS, EHLO, FROM, RCPT, SmtpTestCase, World, auth_plain

BEGIN = b"MAIL FROM:<anna@local.example>\r\n" + RCPT + b"DATA\r\n"
HIDING = {"submission": Submission(hide_client=True)}
NORMALIZING = {"submission": Submission(bare_line_ends="normalize")}


class Privacy(SmtpTestCase):
    """What nobody is told."""

    def delivered(self, world: World, fields: bytes = b"") -> bytes:
        """One message that is accepted, as the courier got it."""
        self.check(world, [(BEGIN, [b"250", b"250", b"354"])])
        self.check(world, [(FROM + fields + b"\r\nBcc: text\r\n.\r\n", [b"250"])])
        return world.courier.delivered[-1].content

    def test_client(self) -> None:
        """RFC 5321 section 4.4: the client is named in Received, or not if so configured."""
        self.assertIn(b"from client.example ([192.0.2.7])\r\n", self.delivered(self.submitting()))
        content = self.delivered(self.submitting(config=HIDING))
        self.assertIn(b"Received: from client.invalid\r\n\tby mx.local.example with ESMTPA id ", content)
        self.assertNotIn(b"192.0.2.7", content)
        self.assertNotIn(b"client.example", content)

    def test_other_servers(self) -> None:
        """Other mail servers are named whatever is configured."""
        world = self.greeted(config=HIDING)
        self.check(world, [(b"MAIL FROM:<>\r\n" + RCPT + b"DATA\r\n", [b"250", b"250", b"354"])])
        self.check(world, [(b"\r\n.\r\n", [b"250"])])
        self.assertIn(b"from client.example ([192.0.2.7])", world.courier.delivered[0].content)

    def test_fields(self) -> None:
        """RFC 5322 section 3.6.3: Bcc goes, repeated, folded, in any letters; so does Return-Path."""
        for removed in (
            b"Bcc: secret@x.example\r\n",
            b"BCC:\r\n secret@x.example,\r\n\tsecret@y.example\r\n",
            b"bcc :secret@x.example\r\nX-Between: y\r\nBcc: secret@y.example\r\n",
            b"Resent-Bcc: secret@x.example\r\nresent-bcc:\r\n secret@y.example\r\n",
            b"Return-Path: <secret@x.example>\r\nReturn-path:\r\n <secret@x.example>\r\n",
            b"Bcc:\r\n",
        ):
            content = self.delivered(self.submitting(), removed + b"X-Bcc: kept\r\n")
            self.assertNotIn(b"secret", content, removed)
            self.assertIn(b"X-Bcc: kept\r\n\r\nBcc: text\r\n", content)
            header = content.partition(b"\r\n\r\n")[0].lower()
            self.assertNotIn(b"\r\nbcc", header)
            self.assertEqual(header.count(b"return-path"), 1)


class Mending(SmtpTestCase):
    """RFC 6409 section 8.3"""

    def test_message_id(self) -> None:
        """A Message-ID that is none is replaced; one that is stays as it is."""
        for fields, kept in (
            (b"Message-ID: <a@b>\r\n", True),
            (b"MESSAGE-ID:\r\n <a.b$c!1@[192.0.2.1]>\r\n", True),
            (b"Message-ID: <\xc3\xbc@b>\r\n", True),
            (b"Message-ID: <a@b> (added by\r\n somebody)\r\n", True),
            (b"Message-ID: <a@b> x\r\n", False),
            (b"Message-ID:\r\n", False),
            (b"Message-ID: a@b\r\n", False),
            (b"Message-ID: <a b@c>\r\n", False),
            (b"Message-ID: <a@b> <c@d>\r\n", False),
            (b"Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n", False),
        ):
            world = self.submitting()
            self.check(world, [(BEGIN, [b"250", b"250", b"354"])])
            self.check(world, [(FROM + fields + b"\r\n.\r\n", [b"250"])])
            content = world.courier.delivered[0].content
            self.assertEqual(fields in content, kept, fields)
            self.assertEqual(content.lower().count(b"\r\nmessage-id:"), 1, content)
            self.assertEqual(b"@mx.local.example>\r\n" in content, not kept, fields)


class LineEnds(SmtpTestCase):
    """`bare_line_ends = "normalize"`"""

    def normalizing(self, **facts: object) -> World:
        """After 354 on submission."""
        world = self.submitting(config=NORMALIZING, **facts)
        self.check(world, [(BEGIN, [b"250", b"250", b"354"])])
        return world

    def test_header(self) -> None:
        """The header of an old scanner ends where its lines end, and nothing hides in it."""
        for cut in CUTS:
            world = self.normalizing(cut=cut)
            text = b"From: anna@local.example\nBcc: secret@x.example\n\nbody\n\r\n.\r\n"
            self.check(world, [(text, [b"250"])])
            content = world.courier.delivered[0].content
            self.assertTrue(content.endswith(b"From: anna@local.example\r\n\r\nbody\r\n\r\n"), content)
        world = self.normalizing()
        self.check(world, [(b"From: anna@local.example\rFrom: x@y.example\n\n\r\n.\r\n", [b"550 5.7.1"])])

    def test_elsewhere(self) -> None:
        """Not on port 25, and not in chunks, whose octets are counted."""
        world = self.greeted(config=NORMALIZING)
        self.check(world, [(b"MAIL FROM:<>\r\n" + RCPT + b"DATA\r\n", [b"250", b"250", b"354"])])
        self.check(world, [(b"a\nb\r\n.\r\n", [b"550 5.5.2"])])
        world = self.submitting(config=NORMALIZING)
        content = FROM + b"\r\na\nb\r\n"
        self.check(world, [(BEGIN.removesuffix(b"DATA\r\n"), [b"250", b"250"])])
        self.check(world, [(b"BDAT %d LAST\r\n" % len(content) + content, [b"550 5.5.2"])])


class Sessions(SmtpTestCase):
    """RFC 5321 section 3.8, RFC 6409 section 4."""

    def test_auth_parameter(self) -> None:
        """R30: AUTH= must be xtext and is believed of nobody (RFC 4954 section 5)."""
        world = self.submitting()
        for value, answer in (
            (b"<>", b"250"),
            (b"x@y.example", b"250"),
            (b"<>+0A", b"250"),
            (b"<>+0", b"501"),
        ):
            self.check(world, [(b"MAIL FROM:<anna@local.example> AUTH=" + value + b"\r\n", [answer])])
            world.send(b"RSET\r\n")
        world = self.greeted("submission", loopback=True)
        self.check(world, [(b"MAIL FROM:<anna@local.example> AUTH=<>\r\n", [b"530 5.7.0"])])
        self.check(world, [(auth_plain(b"anna@local.example"), [b"235"]), (EHLO, [b"250"])])

    def test_unknown_commands(self) -> None:
        """RFC 5321 section 3.8: a command that is not understood ends no connection."""
        world = self.submitting()
        self.check(world, [(b"WHAT\r\nTURN\r\nETRN y\r\nMAIL\r\n", [b"500", b"502", b"502", b"501"])])
        self.check(world, [(BEGIN, [b"250", b"250", b"354"])])
