"""Dot-stuffing over every cut (RFC 5321 section 4.5.2; vectors S1 to S14 and S17)."""

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.dot import Decoder, Encoder, WholeLines, encoded

FALSE_ENDS = {  # vector: the octets, and whether a bare CR or LF, or a NUL, is in them
    "S1": (b"\n.\n", True, False),
    "S2": (b"\n.\r\n", True, False),
    "S3": (b"\r.\r", True, False),
    "S4": (b"\r.\r\n", True, False),
    "S5": (b"\r\n.\n", True, False),
    "S6": (b"\r\n.\r", True, False),
    "S7": (b"\n.\r", True, False),
    "S8": (b"\r.\r\r\n", True, False),
    "S9": (b"\r\n\x00.\r\n", False, True),
    "S10": (b"\r\n.\r\r\n", True, False),
    "S11": (b"\r\r\n.\r\r\n", True, False),
}
BODIES = (b"", b".\r\n", b"..\r\n", b"\r\n", b"a\r\n.\r\nb\r\n", b".a\r\n..b\r\n\r\n.\r\n", b"a\r\n" * 3)
OCTETS = st.lists(st.sampled_from([b"\r\n", b".", b"..", b"a", b"\r", b"\n", b"\0"]), max_size=12).map(
    b"".join
)


def decode(pieces: list[bytes]) -> tuple[bytes, Decoder]:
    """The content of a body that comes in pieces; what comes behind the end is added to the residue."""
    decoder = Decoder()
    content = b""
    for piece in pieces:
        if decoder.finished:
            decoder.residue += piece
        else:
            content += decoder.feed(piece)
    return content, decoder


def splits(data: bytes) -> list[list[bytes]]:
    """The data whole, in two at every place, and octet by octet."""
    ways = [[data[:place], data[place:]] for place in range(len(data) + 1)]
    return [*ways, [data[index : index + 1] for index in range(len(data))]]


def cuts(data: bytes, places: list[int]) -> list[bytes]:
    """The data cut at these places, as far as it reaches."""
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


class Normalizing(SynchronousTestCase):
    """Line ends put right in the reader."""

    @settings(deadline=None, max_examples=300)
    @given(OCTETS, st.lists(st.integers(0, 30), max_size=6))
    def test_any_cut(self, octets: bytes, places: list[int]) -> None:
        """S1-S11: the same end and content in any cut, but each CR and LF that stood alone is a CRLF."""
        text = octets + b"\r\n.\r\nQUIT\r\n"
        plain, mended = Decoder(), Decoder(normalize=True)
        content = plain.feed(text)
        found = b""
        for piece in cuts(text, places):
            if mended.finished:
                mended.residue += piece
            else:
                found += mended.feed(piece)
        self.assertEqual(found, re.sub(rb"\r\n|\r|\n", b"\r\n", content))
        self.assertEqual((mended.finished, mended.residue, mended.bare), (True, plain.residue, False))
        self.assertEqual(mended.nul, plain.nul)


class Decoding(SynchronousTestCase):
    """Only CRLF "." CRLF ends a body."""

    def test_false_ends(self) -> None:
        """S1-S11: none of them ends the body, however it is cut; what is odd about them is noticed."""
        for name, (end, bare, nul) in FALSE_ENDS.items():
            text = b"Subject: a\r\n\r\nx" + end + b"MAIL FROM:<evil@x>\r\nb\r\n"
            for pieces in splits(text + b".\r\nQUIT\r\n"):
                content, decoder = decode(pieces)
                self.assertEqual((decoder.finished, decoder.residue), (True, b"QUIT\r\n"), (name, pieces))
                self.assertIn(b"MAIL FROM", content)
                self.assertEqual((decoder.bare, decoder.nul), (bare, nul), (name, pieces))

    def test_dots(self) -> None:
        """S12: one dot is taken off the front of a line."""
        for pieces in splits(b"..\r\n.x\r\n...\r\n.\r\n"):
            content, decoder = decode(pieces)
            self.assertEqual((content, decoder.finished, decoder.bare), (b".\r\nx\r\n..\r\n", True, False))

    def test_end_in_pieces(self) -> None:
        """S13: the end may come octet by octet; before its last octet it is none."""
        for count in range(5):
            self.assertFalse(decode([b"x" + b"\r\n.\r\n"[:count]])[1].finished)
        for pieces in splits(b"x\r\n.\r\n"):
            self.assertEqual(decode(pieces)[0], b"x\r\n")

    def test_empty(self) -> None:
        """S14: a dot in the first line ends an empty body."""
        for pieces in splits(b".\r\n"):
            content, decoder = decode(pieces)
            self.assertEqual((content, decoder.finished), (b"", True))

    @settings(deadline=None, max_examples=200)
    @given(OCTETS, st.lists(st.integers(0, 40), max_size=6))
    def test_any_cut(self, text: bytes, places: list[int]) -> None:
        """The cut changes nothing: not the content, not the end, not what is noticed."""
        wire = text + b"\r\n.\r\nrest"
        once, first = decode([wire])
        again, second = decode(cuts(wire, places))
        self.assertEqual(once, again)
        for name in ("finished", "residue", "bare", "nul"):
            self.assertEqual(getattr(first, name), getattr(second, name), name)


class Encoding(SynchronousTestCase):
    """Content out, and back."""

    def encode(self, pieces: list[bytes]) -> bytes:
        """The wire form of content that comes in pieces."""
        encoder = Encoder()
        return b"".join([*map(encoder.feed, pieces), encoder.finish()])

    def test_every_cut(self) -> None:
        """S17: at every cut the same octets, with one end in them, which decode to the content."""
        for body in BODIES:
            whole = self.encode([body])
            for pieces in splits(body):
                self.assertEqual(self.encode(pieces), whole)
            content, decoder = decode([whole + b"next"])
            self.assertEqual((content, decoder.residue), (body, b"next"))

    def test_long_lines_at_the_edges(self) -> None:
        """S17: dots at the edges of the pieces that transports like to cut."""
        for size in (*range(1, 71), 16383, 16384, 16385):
            body = b"x" * size + b"\r\n.\r\n..\r\n"
            for edge in range(size, len(body)):
                self.assertEqual(decode([self.encode([body[:edge], body[edge:]])])[0], body)

    @settings(deadline=None, max_examples=200)
    @given(OCTETS, st.lists(st.integers(0, 40), max_size=6), st.lists(st.integers(0, 60), max_size=6))
    def test_round_trip(self, body: bytes, cut: list[int], wire_cut: list[int]) -> None:
        """Any content comes back, with a CRLF at its end where it had none."""
        wire = self.encode(cuts(body, cut))
        content, decoder = decode(cuts(wire, wire_cut))
        wanted = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
        self.assertEqual((content, decoder.finished, decoder.residue), (wanted, True, b""))

    @settings(deadline=None, max_examples=500)
    @given(OCTETS)
    def test_at_once(self, body: bytes) -> None:
        """encoded() gives of a whole content what an encoder gives."""
        self.assertEqual(encoded(body), self.encode([body]))


class Whole(SynchronousTestCase):
    """WholeLines"""

    def whole(self, pieces: list[bytes]) -> bytes:
        """The octets that come out."""
        lines = WholeLines()
        return b"".join([*map(lines.feed, pieces), lines.finish()])

    def test_every_cut(self) -> None:
        """S16, S17: a CR or LF that stands alone ends a line; a CRLF stays one; whatever the cut."""
        for text, wanted in (
            (b"", b""),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"a\nb\rc", b"a\r\nb\r\nc"),
            (b"\n.\n", b"\r\n.\r\n"),
            (b"\r.\r", b"\r\n.\r\n"),
            (b"\r\r\n\n", b"\r\n" * 3),
            (b"\r\n.\r\r\n", b"\r\n.\r\n\r\n"),
        ):
            for pieces in splits(text):
                self.assertEqual(self.whole(pieces), wanted, pieces)

    @settings(deadline=None, max_examples=200, derandomize=True)
    @given(OCTETS, st.lists(st.integers(0, 40), max_size=6))
    def test_nothing_stands_alone(self, text: bytes, cut: list[int]) -> None:
        """S16, S17: whatever goes in, one end comes out, which is the true one, and no bare CR or LF."""
        encoder, lines = Encoder(), WholeLines()
        pieces = [encoder.feed(lines.feed(piece)) for piece in cuts(text, cut)]
        wire = b"".join([*pieces, encoder.feed(lines.finish()), encoder.finish()])
        content, decoder = decode([wire])
        self.assertEqual((decoder.finished, decoder.residue, decoder.bare), (True, b"", False))
        self.assertEqual(content.replace(b"\r\n", b""), text.replace(b"\r", b"").replace(b"\n", b""))
