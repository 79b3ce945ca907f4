"""BINARY where a dialogue does not reach: NUL, and parts that are long."""

import base64
import os

from tests.imap.test_session import SessionCase

HEADER = b"a: b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: "


class BinaryTests(SessionCase):
    """RFC 3516."""

    def fetched(self, said: bytes) -> tuple[bytes, bytes]:
        """How the first literal of a response was announced, and its octets."""
        announced, _, rest = said.partition(b"}\r\n")
        return announced.rpartition(b" ")[2] + b"}", rest[: int(announced.rpartition(b"{")[2])]

    def test_nul(self) -> None:
        """A literal8 may hold NUL: it is kept, BINARY gives it back, BODY sends 0x80 in its place."""
        client = self.client().login()
        for body in (b"\0\r\nx\0", b"\0\nx\r\0\r\r\n", b"a" * 300_000 + b"\0\n"):
            message = HEADER + b"binary\r\n\r\n" + body
            self.assertIn(
                b" OK ", client.send(b"a APPEND INBOX ~{%d+}\r\n" % len(message) + message + b"\r\n")
            )
            said = client.say("b FETCH * (BINARY.SIZE[1] BINARY.PEEK[1])")
            self.assertIn(b"BINARY.SIZE[1] %d " % len(body), said)
            self.assertEqual(self.fetched(said), (b"~{%d}" % len(body), body))
            self.assertEqual(self.fetched(client.say("c FETCH * BINARY[]"))[1], message)
            self.assertEqual(
                self.fetched(client.say("d FETCH * BODY[1]")),
                (b"{%d}" % len(body), body.replace(b"\0", b"\x80")),
            )
            self.assertIn(b"RFC822.SIZE %d)" % len(message), client.say("e FETCH * RFC822.SIZE"))

    def test_nul_in_the_other_literal(self) -> None:
        """Of several messages each has its kind of literal; a NUL in the wrong one and none is kept."""
        client = self.client().login()
        said = client.send(b"a APPEND INBOX ~{3+}\r\n\0\r\n {3+}\r\n\0\r\n ~{1+}\r\n\0\r\nb NOOP\r\n")
        self.assertEqual(said, b"a BAD A message must not hold NUL\r\nb OK Done\r\n")
        self.assertEqual(os.listdir(f"{self.world.account().store.root}/tmp"), [])

    def test_decoded_nul(self) -> None:
        """Whether it is a literal8 goes by the decoded octets of the whole part, also for a piece of it."""
        client = self.client().login()
        octets = b"x" * 50_000 + b"\0"
        client.append(HEADER + b"base64\r\n\r\n" + base64.encodebytes(octets).replace(b"\n", b"\r\n"))
        self.assertEqual(self.fetched(client.say("a FETCH 1 BINARY.PEEK[1]")), (b"~{50001}", octets))
        self.assertEqual(self.fetched(client.say("b FETCH 1 BINARY.PEEK[1]<49999.9>")), (b"~{2}", b"x\0"))
        self.assertEqual(self.fetched(client.say("c FETCH 1 BINARY.PEEK[1]<0.2>")), (b"~{2}", b"xx"))

    def test_large_part_waits_for_the_reader(self) -> None:
        """A long part is decoded as it is read."""
        client = self.client().login()
        octets = bytes(range(1, 256)) * 8000
        client.append(HEADER + b"base64\r\n\r\n" + base64.encodebytes(octets).replace(b"\n", b"\r\n"))
        client.stream.pauseProducing()
        first = client.say("a FETCH 1 BINARY.PEEK[1]")
        self.assertLess(len(first), 300_000)
        client.stream.resumeProducing()
        self.assertEqual(self.fetched(first + client.heard()), (b"{%d}" % len(octets), octets))

    def test_partials_join_to_the_whole(self) -> None:
        """Any cut gives the decoded octets of the whole."""
        client = self.client().login()
        octets = os.urandom(100_000)
        client.append(HEADER + b"base64\r\n\r\n" + base64.encodebytes(octets).replace(b"\n", b"\r\n"))
        found = [
            self.fetched(client.say(f"a FETCH 1 BINARY.PEEK[1]<{start}.7001>"))[1]
            for start in range(0, 100_000, 7001)
        ]
        self.assertEqual(b"".join(found), octets)
