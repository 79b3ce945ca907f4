"""Drafts: line ends on disk, and back, byte for byte."""

import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.store import draft as draft_module
from mailnode.store.body import Body
from mailnode.store.download import Download, measure
from mailnode.store.draft import Draft
from mailnode.store.filenames import is_plain, sizes, with_sizes_of

pieces = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"\r\r\n", b"a", b"text", b".", b"\0", b"\xff"]), max_size=30
)


def written(
    message: bytes, cuts: list[int], directory: str, *, paired: bool = False, begun: bool = False
) -> tuple[str, bytes, bytes, Download]:
    """Base name, disk octets, wire octets and download of a message written in the given cuts.

    It may have `begun` to go to the disk before it is finished.
    """
    files = FileSystem()
    draft = Draft(files, directory, "1.M2P3Q4.host", paired=paired)
    start = 0
    for cut in [*sorted(cuts), len(message)]:
        draft.write(message[start:cut])
        start = max(start, cut)
    expected = draft.octets_on_disk
    if begun:
        draft.begin_finish()
        assert draft.octets_on_disk == expected
    path, base = draft.finish()
    draft.begin_finish()  # too late for anything
    assert os.stat(path).st_size == expected
    on_disk, on_wire = sizes(base)
    with Body(files.open(path), verbatim=on_disk == on_wire) as body:
        disk, wire = body.data, b"".join(body.wire())
        download = measure(body, len(wire))
    draft.abort()
    return base, disk, wire, download


class DraftTests(SynchronousTestCase):
    """Each message on its way to disk."""

    def check(self, message: bytes, cuts: list[int], *, begun: bool = False) -> bytes:
        """Write, and hold the promises of the format; gives the disk octets."""
        with tempfile.TemporaryDirectory() as directory:
            base, disk, wire, download = written(message, cuts, directory, begun=begun)
            self.assertEqual(os.listdir(directory), [])
        self.assertEqual(wire, message)
        self.assertEqual(sizes(base), (len(disk), len(message)))
        if is_plain(base):
            self.assertEqual(download, Download(len(message)), "a plain name tells what POP3 sends")
        return disk

    def test_pure_is_stored_with_lf(self) -> None:
        """CRLF becomes LF; a bare CR stays (docs/store.md, line ends)."""
        self.assertEqual(self.check(b"a\r\nb\rc\r\n", []), b"a\nb\rc\n")

    @given(
        st.lists(st.sampled_from([b"\r\n", b"a", b"\xff", b"."]), max_size=30), st.lists(st.integers(0, 60))
    )
    @settings(deadline=None)
    def test_paired(self, parts: list[bytes], cuts: list[int]) -> None:
        """Where every CR has its LF, nothing else comes of it when nobody looks for them."""
        message = b"".join(parts)
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(
                written(message, cuts, directory, paired=True), written(message, cuts, directory)
            )

    def test_violations_are_stored_verbatim(self) -> None:
        """A bare LF, or CR CR LF, anywhere makes the whole file verbatim."""
        for message in (b"a\nb\r\n", b"a\r\r\nb\r\n", b"\n", b"a\r\nb\n"):
            self.assertEqual(self.check(message, []), message)

    def test_plain(self) -> None:
        """Only a message that is ended and whose header is ASCII is stored with LF, in whatever cuts."""
        for message in (b"A: b\r\n\r\n\xff\r\n", b"\r\n\xff\r\n", b"A: b\r\n\r\nc\r\n\r\n\xff\r\n"):
            for cut in range(len(message)):
                self.assertEqual(self.check(message, [cut]), message.replace(b"\r\n", b"\n"))
        for message in (
            b"A: b\r\n\r\nno end",
            b"A: b\r\n\r\nend\r",
            b"A: \xff\r\n\r\nx\r\n",
            b"A: b\r\n\xff\r\n",
        ):
            for cut in range(len(message)):
                self.assertEqual(self.check(message, [cut]), message)

    def test_names(self) -> None:
        """Only a name of ours says that a message is plain, and a copy does not say more than was known."""
        ours, theirs = "1.M2P3Q4.host", "1.M2P3.host"
        for base, plain, copy in (
            (f"{ours},S=1,W=2", True, f"{ours},S=1,W=2"),
            (f"{ours},S=2,W=2", False, f"{ours},S=2,W=2"),
            (f"{ours},S=1", False, f"{ours},S=1"),
            (f"{theirs},S=1,W=2", False, f"{ours},S=1"),
            (f"{theirs},S=2,W=2", False, f"{ours},S=2,W=2"),
            (theirs, False, ours),
        ):
            self.assertEqual(is_plain(base), plain, base)
            self.assertEqual(with_sizes_of(base, ours), copy, base)

    @given(pieces, st.lists(st.integers(0, 60), max_size=5), st.booleans())
    @settings(deadline=None, max_examples=300)
    def test_any_octets_in_any_cut(self, parts: list[bytes], cuts: list[int], begun: bool) -> None:
        """The wire form comes back byte for byte, and the name tells both sizes exactly."""
        self.check(b"".join(parts), cuts, begun=begun)

    @given(pieces, st.lists(st.integers(0, 60), max_size=5), st.booleans())
    @settings(deadline=None, max_examples=100)
    def test_any_octets_through_the_disk(self, parts: list[bytes], cuts: list[int], begun: bool) -> None:
        """The same when nothing is held in memory."""
        self.patch(draft_module, "MEMORY_LIMIT", 3)
        self.check(b"".join(parts), cuts, begun=begun)

    def test_abort_leaves_nothing(self) -> None:
        """An aborted draft leaves no file, at whatever stage, and may be aborted again."""
        self.patch(draft_module, "MEMORY_LIMIT", 3)
        stages = (lambda draft: None, Draft.begin_finish, Draft.finish)
        for stage in stages:
            with tempfile.TemporaryDirectory() as directory:
                draft = Draft(FileSystem(), directory, "name")
                draft.write(b"some text\r\n")
                stage(draft)
                draft.abort()
                draft.abort()
                self.assertEqual(os.listdir(directory), [])
