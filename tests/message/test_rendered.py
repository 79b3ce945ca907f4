"""Rendering whole messages: random ones, and the corpus."""

import mmap
import tempfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.collation import fold
from mailnode.message.mime import Part, parse
from mailnode.message.rendered import OF_HEADER, Rendered, dump_parts, load_parts, render
from mailnode.message.section import Range, Section, What, locate
from mailnode.message.text import texts
from mailnode.message.wire_form import WireForm, to_wire, wire_size
from tests.message import corpus, grammar, strategies

WHATS: tuple[What, ...] = ("", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME")


def check_tree(data: bytes, part: Part, verbatim: bool) -> None:
    """Offsets are nested and ordered, sizes are those of the pieces."""
    assert 0 <= part.header_start <= part.body_start <= part.end <= len(data)
    assert part.octets == len(to_wire(data[part.body_start : part.end], verbatim))
    assert part.lines == data[part.body_start : part.end].count(b"\n")
    assert part.is_multipart <= bool(part.children)
    assert ((part.type, part.subtype) == (b"message", b"rfc822")) is (part.message is not None)
    position = part.body_start
    for child in part.children:
        assert position <= child.header_start
        assert child.end <= part.end
        check_tree(data, child, verbatim)
        position = child.end


def numbers(value: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Every part number of a bodystructure, by the rules of RFC 3501 section 6.4.5."""
    if not isinstance(value[0], list):
        path = (*path, 1)
        return [path, *_inside(value, path)]
    found = []
    for number, child in enumerate((child for child in value[:-5]), 1):
        if isinstance(child, list):
            inner = (*path, number)
            found += [
                inner,
                *(numbers(child, inner) if isinstance(child[0], list) else _inside(child, inner)),
            ]
    return found


def _inside(value: Any, path: tuple[int, ...]) -> list[tuple[int, ...]]:
    return numbers(value[8], path) if value[:2] == [b"message", b"rfc822"] else []


def check(data: bytes, verbatim: bool) -> Rendered:
    """Everything that must hold for any message."""
    rendered = render(data, verbatim)
    assert rendered == render(data, verbatim)
    wire = to_wire(data, verbatim)
    assert rendered.octets == len(wire) == wire_size(data, 0, len(data), verbatim)
    assert wire.startswith(rendered.header)
    check_tree(data, rendered.parts, verbatim)
    grammar.check_envelope(grammar.read(rendered.envelope))
    grammar.check_body(grammar.read(rendered.body), extended=False)
    structure = grammar.read(rendered.bodystructure)
    grammar.check_body(structure, extended=True)
    assert load_parts(dump_parts(rendered.parts)) == rendered.parts
    for what, made in OF_HEADER.items():
        assert made(data[: rendered.parts.body_start], verbatim) == getattr(rendered, what)
    for text in texts(data, rendered.parts):
        fold(text).encode("utf-8")
    for path in [(), *numbers(structure)]:
        for what in WHATS:
            place = locate(rendered.parts, Section(path, what))
            assert place is None or 0 <= place.start <= place.end <= len(data)
        assert locate(rendered.parts, Section(path)) is not None
    return rendered


class RenderTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=300)
    @given(strategies.messages, st.booleans())
    def test_any_bytes(self, data: bytes, verbatim: bool) -> None:
        """Any bytes have a valid ENVELOPE and BODYSTRUCTURE, sections, texts and sizes that agree."""
        check(data, verbatim)

    def test_degenerate(self) -> None:
        """C17: nothing, header only, no blank line, a mbox line and 8-bit headers are messages too."""
        for data in (
            b"",
            b"\n",
            b"\r\n",
            b"Subject: x\n",
            b"Subject: x",
            b"no header at all",
            b"From me@x Mon Jan 1 00:00:00 2024\nSubject: x\n\nbody",
            b"Subject: caf\xe9\nFrom: \xc3\xa9 <a@b>\n\nbody\n",
            b"--\n--\n",
        ):
            for verbatim in (False, True):
                check(data, verbatim)

    def test_mapped_file(self) -> None:
        """A mapped file gives what its bytes give."""
        data = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\r\n--b\nA: b\n\ny\n--b--\n"
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                view: Any = mapped
                self.assertEqual(render(view), render(data))
                self.assertEqual(list(texts(view, parse(view))), list(texts(data, parse(data))))

    def test_corpus(self) -> None:
        """Every message of the corpus renders validly and twice the same, as LF, as CRLF and verbatim."""
        for name, data in corpus.messages():
            try:
                first = check(data, False)
                check(data, True)
                pure = data.replace(b"\r\n", b"\n")
                wire = check(pure.replace(b"\n", b"\r\n"), True)
                disk = check(pure, False)
            except AssertionError as error:
                raise AssertionError(name) from error
            self.assertEqual(disk.bodystructure, wire.bodystructure, name)
            self.assertEqual((disk.envelope, disk.header), (wire.envelope, wire.header), name)
            self.assertEqual(disk.octets, wire.octets, name)
            self.assertIsNotNone(locate(first.parts, Section((1,))))

    if corpus.ABSENT:
        test_corpus.skip = corpus.ABSENT  # type: ignore[attr-defined]

    def test_whole_message(self) -> None:
        """The empty section is the whole message."""
        self.assertEqual(locate(parse(b"A: b\n\nx"), Section()), Range(0, 7))

    def test_dump_is_refused(self) -> None:
        """What is not a dumped tree raises ValueError."""
        for dumped in (
            b"",
            b"{}",
            b"[]",
            b"[1,2]",
            b"null",
            b"[" * 100000,
            dump_parts(parse(b"x"))[:-1],
            b"\xff",
        ):
            self.assertRaises(ValueError, load_parts, dumped)


class WireFormTests(SynchronousTestCase):
    TABLE = (
        (b"", b""),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb\n", b"a\r\nb\r\n"),
        (b"a\r\r\nb", b"a\r\r\nb"),
        (b"a\rb", b"a\rb"),
        (b"\n\n", b"\r\n\r\n"),
    )

    def test_table(self) -> None:
        """A CR is put before each LF that has none directly before it, and nothing else changes."""
        for disk, wire in self.TABLE:
            self.assertEqual(to_wire(disk, False), wire)
            self.assertEqual(to_wire(disk, True), disk)

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.text("\r\nab", max_size=6).map(str.encode), max_size=8), st.booleans())
    def test_chunks(self, chunks: list[bytes], verbatim: bool) -> None:
        """However a message is cut, the pieces join to its wire form."""
        form = WireForm(verbatim)
        whole = b"".join(chunks)
        wire = to_wire(whole, verbatim)
        self.assertEqual(b"".join(map(form.feed, chunks)), wire)
        self.assertEqual(wire_size(whole, 0, len(whole), verbatim), len(wire))

    def test_long_range(self) -> None:
        """Line ends are counted right where the counting steps cut them."""
        for shift in range(3):
            data = b"x" * shift + b"a\r\nb\n\r\n" * 100000
            self.assertEqual(wire_size(data, 0, len(data), False), len(to_wire(data, False)))
