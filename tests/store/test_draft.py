"""Drafts: line ends on disk, and back, byte for byte."""

import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.store import draft as draft_module
from mailnode.store.body import Body
from mailnode.store.draft import Draft
from mailnode.store.filenames import sizes

pieces = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"\r\r\n", b"a", b"text", b".", b"\0", b"\xff"]), max_size=30
)


def written(message: bytes, cuts: list[int], directory: str) -> tuple[str, bytes, bytes]:
    """Base name, disk octets and wire octets of a message written in the given cuts."""
    files = FileSystem()
    draft = Draft(files, directory, "name")
    start = 0
    for cut in [*sorted(cuts), len(message)]:
        draft.write(message[start:cut])
        start = max(start, cut)
    path, base = draft.finish()
    on_disk, on_wire = sizes(base)
    with Body(files.open(path), verbatim=on_disk == on_wire) as body:
        disk, wire = body.data, b"".join(body.wire())
    draft.abort()
    return base, disk, wire


class DraftTests(SynchronousTestCase):
    """Each message on its way to disk."""

    def check(self, message: bytes, cuts: list[int]) -> bytes:
        """Write, and hold the promises of the format; gives the disk octets."""
        with tempfile.TemporaryDirectory() as directory:
            base, disk, wire = written(message, cuts, directory)
            self.assertEqual(os.listdir(directory), [])
        self.assertEqual(wire, message)
        self.assertEqual(sizes(base), (len(disk), len(message)))
        return disk

    def test_pure_is_stored_with_lf(self) -> None:
        """CRLF becomes LF; a bare CR stays (docs/store.md, line ends)."""
        self.assertEqual(self.check(b"a\r\nb\rc\r\n", []), b"a\nb\rc\n")

    def test_violations_are_stored_verbatim(self) -> None:
        """A bare LF, or CR CR LF, anywhere makes the whole file verbatim."""
        for message in (b"a\nb\r\n", b"a\r\r\nb\r\n", b"\n", b"a\r\nb\n"):
            self.assertEqual(self.check(message, []), message)

    @given(pieces, st.lists(st.integers(0, 60), max_size=5))
    @settings(deadline=None, max_examples=300)
    def test_any_octets_in_any_cut(self, parts: list[bytes], cuts: list[int]) -> None:
        """The wire form comes back byte for byte, and the name tells both sizes exactly."""
        self.check(b"".join(parts), cuts)

    @given(pieces, st.lists(st.integers(0, 60), max_size=5))
    @settings(deadline=None, max_examples=100)
    def test_any_octets_through_the_disk(self, parts: list[bytes], cuts: list[int]) -> None:
        """The same when nothing is held in memory."""
        self.patch(draft_module, "MEMORY_LIMIT", 3)
        self.check(b"".join(parts), cuts)

    def test_abort_leaves_nothing(self) -> None:
        """An aborted draft leaves no file, at whatever stage, and may be aborted again."""
        self.patch(draft_module, "MEMORY_LIMIT", 3)
        for finish in (False, True):
            with tempfile.TemporaryDirectory() as directory:
                draft = Draft(FileSystem(), directory, "name")
                draft.write(b"some text\r\n")
                if finish:
                    draft.finish()
                draft.abort()
                draft.abort()
                self.assertEqual(os.listdir(directory), [])
