"""BDAT: content in counted chunks (RFC 3030); attacks on it are in tests/vectors/chunking.toml."""

from mailnode.net.stream import TimedOut
from tests.smtp.world import CUTS, EHLO, MAIL, RCPT, SmtpTestCase, World

HEAD = b"Subject: x\r\n\r\n"


def bdat(content: bytes, *, last: bool = True) -> bytes:
    """A chunk with its command."""
    return b"BDAT %d%s\r\n%s" % (len(content), b" LAST" * last, content)


class Chunking(SmtpTestCase):
    """After MAIL and RCPT."""

    def ready(self, protocol: str = "smtp", mail: bytes = MAIL, **facts: object) -> World:
        """After RCPT."""
        world = self.greeted(protocol, **facts)
        self.check(world, [(mail, [b"250"]), (RCPT, [b"250"])])
        return world

    def content(self, world: World) -> bytes:
        """The content of the only message, without the fields on top of it."""
        (delivery,) = world.courier.delivered
        return delivery.content[delivery.content.index(b"Subject: ") :]

    def test_whole_and_in_parts(self) -> None:
        """One answer for each chunk; what is in them is content to the last octet, and dots are dots."""
        inside = HEAD + b".\r\n..\r\nMAIL FROM:<e@x.example>\r\n\r\n.\r\n"
        for cut in CUTS:
            for at in range(0, len(inside), 7):
                world = self.ready(cut=cut)
                parts = bdat(inside[:at], last=False) + bdat(inside[at:])
                self.check(world, [(parts + b"NOOP\r\n", [b"250", b"250 2.0.0 Ok: ", b"250 2.0.0"])])
                self.assertEqual(self.content(world), inside)

    def test_empty_last_chunk(self) -> None:
        """BDAT 0 LAST ends a message."""
        world = self.ready()
        self.check(world, [(bdat(HEAD, last=False), [b"250"]), (b"BDAT 0 LAST\r\n", [b"250 2.0.0 Ok"])])
        self.assertEqual(self.content(world), HEAD)

    def test_no_mixing(self) -> None:
        """M1: nothing but chunks, RSET and its kin come after the first chunk."""
        for command, reply in (
            (b"DATA\r\n", b"503 5.5.1"),
            (MAIL, b"503 5.5.1"),
            (RCPT, b"503 5.5.1"),
            (EHLO, b"250"),
            (b"RSET\r\n", b"250"),
        ):
            world = self.ready()
            self.check(world, [(bdat(b"hello", last=False), [b"250"]), (command, [reply])])
            gone = reply == b"250"
            self.check(world, [(bdat(HEAD), [b"503 5.5.1" if gone else b"250 2.0.0 Ok"])])

    def test_a_failed_chunk_fails_those_behind_it(self) -> None:
        """RFC 3030 section 2: chunks that were sent on meanwhile are read and refused."""
        world = self.ready()
        chunks = bdat(b"a\nb", last=False) + bdat(HEAD, last=False) + bdat(b"x\r\n")
        self.check(world, [(chunks, [b"550 5.5.2"] * 3), (RCPT, [b"503"])])
        self.assertEqual(world.courier.delivered, [])

    def test_however_many_they_are(self) -> None:
        """They are one error together: all have their answers, and the session goes on."""
        world = self.ready()
        chunks = bdat(b"a\nb", last=False) + bdat(b"c\r\n", last=False) * 30 + bdat(b"d\r\n")
        self.check(world, [(chunks + b"NOOP\r\n", [b"550 5.5.2"] * 32 + [b"250"])])

    def test_line_ends(self) -> None:
        """S16: a bare CR or LF or a NUL is refused in any cut, and taken as it is in a binary message."""
        for bad, answer in ((b"\n", b"550 5.5.2"), (b"\r", b"550 5.5.2"), (b"\0", b"550 5.6.0")):
            for text in (b"a" + bad + b"b\r\n", b"a\r\n" + bad, b"\r\n" + bad + b"\r\n"):
                content = HEAD + text
                for at in range(len(HEAD), len(content)):
                    parts = bdat(content[:at], last=False) + bdat(content[at:])
                    world = self.ready()
                    self.assertEqual(world.send(parts)[-1][:9], answer, (content, at))
                    self.assertEqual(world.courier.delivered, [])
                    world = self.ready(mail=MAIL[:-2] + b" BODY=BINARYMIME\r\n")
                    self.check(world, [(parts, [b"250", b"250 2.0.0 Ok"])])
                    self.assertEqual(self.content(world), content)

    def test_a_pair_over_two_chunks_is_a_pair(self) -> None:
        """CR at the end of one chunk and LF at the start of the next are a line end."""
        world = self.ready()
        parts = bdat(HEAD + b"a\r", last=False) + bdat(b"\nb\r\n")
        self.check(world, [(parts, [b"250", b"250 2.0.0 Ok"])])

    def test_too_large_in_all(self) -> None:
        """Chunks that are too large together are read to their end."""
        world = self.ready(limits={"message_size": 1000})
        chunk = bdat(b"x" * 99 + b"\r\n" + b"x" * 598 + b"\r\n", last=False)
        self.check(world, [(chunk, [b"250"]), (chunk, [b"552 5.3.4"]), (b"NOOP\r\n", [b"250"])])

    def test_too_slow(self) -> None:
        """A chunk that does not come ends the session, and nothing is left of the message."""
        world = self.ready()
        self.check(world, [(b"BDAT 100 LAST\r\nabc", [])])
        world.clock.advance(200)
        self.assertEqual(world.outcome, TimedOut.__name__)
        self.assertEqual(world.replies()[0][:9], b"421 4.4.2")

    def test_gone_in_the_middle(self) -> None:
        """M16: a client that goes between two chunks has sent nothing."""
        world = self.ready()
        self.check(world, [(bdat(HEAD + b"body\r\n", last=False), [b"250"])])
        world.lose()
        self.assertEqual([delivery.outcome for delivery in world.courier.deliveries], ["aborted"])
