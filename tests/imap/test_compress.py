"""COMPRESS and UNAUTHENTICATE where a dialogue does not reach: bombs, splits, abrupt ends."""

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client
from tests.net.test_deflate import cut, deflated

BOMB = deflated(b"A" * 64 * 1024 * 1024)


class CompressTests(SessionCase):
    """A client with a deflater."""

    def compressing(self) -> Client:
        """A session that compresses."""
        client = self.client().login()
        client.append(MESSAGE)
        self.assertEqual(client.say("c COMPRESS DEFLATE"), b"c OK DEFLATE active\r\n")
        return client

    def test_announced(self) -> None:
        """Where the command would be answered with OK, and nowhere else."""
        client = self.client()
        self.assertNotIn(b"COMPRESS", client.say("a CAPABILITY"))
        self.assertIn(b" COMPRESS=DEFLATE", client.login().say("b CAPABILITY"))
        client.say("c COMPRESS DEFLATE")
        said = client.send(deflated(b"d CAPABILITY\r\n"))
        self.assertNotIn(b"COMPRESS", zlib.decompressobj(-15).decompress(said))

    def test_bomb(self) -> None:
        """A line that inflates to 64 MiB is cut at the limit of lines (I12)."""
        client = self.compressing()
        client.send(BOMB[: len(BOMB) // 2])
        self.assertTrue(client.ended)
        self.assertLess(client.stream.pending, len(BOMB))

    def test_literal_bomb(self) -> None:
        """Octets of a literal cost what they would cost in clear: the limit is told before, and is held."""
        client = self.compressing()
        said = zlib.decompressobj(-15).decompress(
            client.send(deflated(b"a STATUS {300000+}\r\n" + b"A" * 64 * 1024 * 1024))
        )
        self.assertEqual(said, b"* BYE The literal is too large; Line too long\r\n")

    def test_clear_octets(self) -> None:
        """Commands in clear are not run; the connection ends with a BYE."""
        client = self.compressing()
        said = zlib.decompressobj(-15).decompress(client.send(b"a STORE 1 FLAGS (\\Deleted)\r\n"))
        self.assertEqual(said, b"* BYE This is not compressed as was agreed\r\n")
        self.assertTrue(client.ended)

    def test_pipelined_in_clear(self) -> None:
        """What comes behind COMPRESS is compressed, whether it comes with it or after the reply."""
        client = self.client().login()
        said = client.send(b"c COMPRESS DEFLATE\r\nd NOOP\r\n")
        head, _, rest = said.partition(b"\r\n")
        self.assertEqual(head, b"c OK DEFLATE active")
        self.assertTrue(zlib.decompressobj(-15).decompress(rest).startswith(b"* BYE "))

    def test_hung_up(self) -> None:
        """A client that goes away leaves nothing, wherever it is."""
        said = deflated(b"a FETCH 1 (BODY[])\r\nb IDLE\r\n")
        for length in range(len(said)):
            client = self.compressing()
            client.send(said[:length])
            client.hang_up()
            self.assertTrue(client.ended)

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.integers(0, 400), max_size=12), st.integers(0, 9))
    def test_any_split(self, places: list[int], level: int) -> None:
        """A whole session with two people, of which the first compresses, cut anywhere."""
        client = self.client()
        said = client.send(b"a LOGIN me secret\r\nb COMPRESS DEFLATE\r\n")
        first = deflated(b"c NOOP\r\nd UNAUTHENTICATE\r\n", level=level)
        for piece in cut(first + b"e LOGIN you secret\r\nf NOOP\r\n", places):
            said += client.send(piece)
        inflater = zlib.decompressobj(-15)
        inside = inflater.decompress(said.partition(b"DEFLATE active\r\n")[2])
        self.assertTrue(inflater.eof)
        self.assertRegex(inside, rb"\Ac OK Done\r\nd OK \[CAPABILITY [^]]*\] [^\r]*\r\n\Z")
        self.assertRegex(inflater.unused_data, rb"\Ae OK [^\r]*\r\nf OK Done\r\n\Z")

    def test_large_answer(self) -> None:
        """What is streamed comes whole, with pauses."""
        client = self.client().login()
        body = b"".join(b"line %d of a large message\r\n" % n for n in range(60_000))
        client.append(MESSAGE + body)
        client.say("c COMPRESS DEFLATE")
        inflater = zlib.decompressobj(-15)
        said = inflater.decompress(client.send(deflated(b"a FETCH 1 BODY.PEEK[]\r\n")))
        for _ in range(200):
            said += inflater.decompress(client.heard())
        self.assertIn(body, said)
        self.assertTrue(said.endswith(b"a OK Fetched\r\n"), said[-60:])
