"""What verify() finds in a damaged tree, and what the mender makes of it."""

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.fs import FileSystem
from mailnode.store import uidlist
from mailnode.store.filenames import UniqueNames, arrival_order
from mailnode.store.locks import Locks
from mailnode.store.mend import Mender
from mailnode.store.values import FLAGGED, INBOX, SEEN
from mailnode.store.verify import HARMLESS, REMEDIES, Finding, examine, read_listing, read_tree, verify
from tests.store.support import MESSAGE, StoreTestCase

LATER = 4_100_000_000.0  # everything in a tmp/ is old by then
NAME = "1700000000.M1P1.elsewhere"


def message(root: Path) -> Path:
    """The first message of INBOX."""
    return min((root / "cur").iterdir(), key=lambda path: arrival_order(path.name))


def renamed(old: str, new: str) -> Callable[[Path], None]:
    """A damage: part of the first message's name becomes another, in its line too."""

    def damage(root: Path) -> None:
        path, uids = message(root), root / uidlist.FILE_NAME
        renamed = path.rename(path.with_name(path.name.replace(old, new)))
        bases = [one.name.partition(":")[0].encode() for one in (path, renamed)]
        uids.write_bytes(uids.read_bytes().replace(*bases))

    return damage


def cut(octets: int) -> Callable[[Path], None]:
    """A damage: only so much of the first message is left."""

    def damage(root: Path) -> None:
        message(root).write_bytes(message(root).read_bytes()[:octets])

    return damage


def written(name: str, octets: bytes) -> Callable[[Path], None]:
    """A damage: a file that should not be there, or not so."""
    return lambda root: none((root / name).write_bytes(octets))


def listed(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    """A damage: the lines of the uid list become others."""

    def damage(root: Path) -> None:
        path = root / uidlist.FILE_NAME
        path.write_bytes(b"\n".join(change(path.read_bytes().split(b"\n"))))

    return damage


def mode(name: str, bits: int) -> Callable[[Path], None]:
    """A damage: others are let in."""
    return lambda root: (root / name).chmod(bits)


def none(_: object) -> None:
    """Nothing, whatever it was."""


def open_message(root: Path) -> None:
    message(root).chmod(0o644)


def twin(root: Path) -> None:
    base = message(root).name.partition(":")[0]
    (root / "new" / base).write_bytes(message(root).read_bytes())


def second_name(root: Path) -> None:
    os.link(message(root), root / "new" / message(root).name.partition(":")[0])


def device(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(root)
        one.bind("cur/socket")
        os.chdir(here)


def without_w(root: Path) -> None:
    """A message whose sizes stand in its line, and the one on the wire is wrong there."""
    renamed(message(root).name[message(root).name.index(",") :], ":2,")(root)
    listed(lambda lines: [lines[0], lines[1].replace(b" :", b" W5 :"), *lines[2:]])(root)


FALLING = ["dead-lines", "uid-list", "uid-list", "unlisted"]

# What is done to INBOX (two messages in cur/, flagged; one in .Work), what is found, and whether it can be
# mended.
DAMAGES: list[tuple[str, Callable[[Path], None], list[str], bool]] = [
    ("nothing", lambda root: None, [], True),
    ("half a message", cut(20), ["torn-file"], False),
    ("an empty message", cut(0), ["empty-file"], False),
    ("S and W too large", renamed(",W=", ",W=9"), ["wrong-size"], True),
    ("W too small", renamed(",W=4", ",W="), ["wrong-size"], True),
    ("S too small", renamed(",S=4", ",S="), ["wrong-size"], True),
    ("S too large, and W says that all is there", renamed(",S=", ",S=1"), ["wrong-size"], True),
    ("W in the line", without_w, ["wrong-size"], True),
    ("gzip", written("cur/1.x,S=9999,W=9999:2,", b"\x1f\x8b\x08 "), ["compressed-file", "unlisted"], False),
    ("no line end", listed(lambda lines: lines[:-1]), ["uid-list", "unlisted"], True),
    ("a bad line", listed(lambda lines: [lines[0], b"?", *lines[1:]]), ["uid-list"], True),
    ("a UID twice", listed(lambda lines: [*lines[:-1], b"2 :x", b""]), ["uid-list"], True),
    ("a falling UID", listed(lambda lines: [lines[0], b"9 :x", *lines[1:]]), FALLING, True),
    ("a message twice", listed(lambda lines: [*lines[:-1], b"9" + lines[1][1:], b""]), ["uid-list"], True),
    ("a bad header", listed(lambda lines: [b"4 x", *lines[1:]]), ["uid-list-header"], True),
    ("dead lines", listed(lambda lines: [*lines[:-1], b"9 :x", b""]), ["dead-lines"], False),
    ("a message without line", written(f"new/{NAME}", MESSAGE), ["unlisted"], True),
    ("two of one base", twin, ["twins"], True),
    ("two names of one file", second_name, ["two-names"], True),
    ("a dot file", written("cur/.hidden", b"x"), ["stray-name"], False),
    ("a line break", written("cur/a\nb", b"x"), ["stray-name"], False),
    ("a directory", lambda root: (root / "cur/x").mkdir(), ["not-a-file"], False),
    ("a symlink", lambda root: (root / "cur/x").symlink_to("/etc/passwd"), ["not-a-file"], False),
    ("a FIFO", lambda root: os.mkfifo(root / "new/x"), ["not-a-file"], False),
    ("a socket", device, ["not-a-file"], False),
    ("an open folder", mode(".Work", 0o755), ["permissions"], True),
    ("an open cur", mode("cur", 0o750), ["permissions"], True),
    ("an open message", open_message, ["permissions"], True),
    ("an open list", mode(uidlist.FILE_NAME, 0o644), ["permissions"], True),
    ("left in tmp", written("tmp/x", b"half"), ["left-over"], False),
    ("half a folder", lambda root: (root / "..mailnode-new.1").mkdir(), ["left-over"], False),
    ("a deleted folder", lambda root: (root / "..DOVECOT-TRASHED").mkdir(), ["left-over"], False),
    ("no tmp", lambda root: (root / ".Work/tmp").rmdir(), ["half-folder"], True),
    ("no new", lambda root: (root / ".Work/new").rmdir(), ["half-folder"], True),
    ("no mailbox's name", lambda root: (root / ".&x/cur").mkdir(parents=True), ["unreachable-folder"], False),
    ("LAYOUT=fs", lambda root: (root / "Old/cur").mkdir(parents=True), ["unreachable-folder"], False),
]  # fmt: skip


class ReadOnly(FileSystem):
    """A disk that may only be looked at."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise AssertionError("wrote")

    create = append = replace = link = rename = unlink = make_directory = set_time = _refuse  # type: ignore[assignment]
    remove_directory = sync_directory = locked = try_lock = _refuse  # type: ignore[assignment]


class VerifyTests(StoreTestCase):
    """Each damage is found, and mended where it can be, and no octet of a message is lost."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(os.umask, os.umask(0o077))

    def made(self, name: str) -> Path:
        """A tree: two messages in INBOX, one in Work; nothing wrong with it."""
        account = self.account(name)
        self.append(account, flags=frozenset({SEEN}))
        self.append(account, flags=frozenset({FLAGGED, "Later"}))
        account.create(("Work",))
        self.append(account, ("Work",), flags=frozenset({SEEN}))
        account.close()
        return Path(account.root)

    def found(self, root: Path, now: float = LATER) -> list[Finding]:
        """What verify() says, without anything being written."""
        files = ReadOnly()
        return list(verify(read_tree(files, str(root)), files, now))

    def mend(self, root: Path, findings: list[Finding]) -> list[Finding]:
        """Mend, as the command does."""
        account = self.account(root.name)
        unique = UniqueNames(self._now, pid=1, host="here", rng=random.Random(1))
        lock = Locks(self.files, host="here", pid=os.getpid()).folder
        return Mender(account, self.files, unique, lock).mend(read_tree(self.files, str(root)), findings)

    def octets(self, root: Path) -> list[tuple[int, bytes]]:
        """Inode and octets of all files in new/ and cur/, each once."""
        paths = [path for name in ("new", "cur") for path in root.rglob(f"{name}/*")]
        files = {
            path.lstat().st_ino: path.read_bytes()
            for path in paths
            if path.is_file() and not path.is_symlink()
        }
        return sorted(files.items())

    def test_damages(self) -> None:
        """All of the table: found, explained, mended or left alone, and found no more where it was mended."""
        for number, (what, damage, kinds, mendable) in enumerate(DAMAGES):
            with self.subTest(what):
                root = self.made(str(number))
                damage(root)
                findings = self.found(root)
                self.assertEqual(sorted(one.kind for one in findings), kinds, findings)
                before = self.octets(root)
                mended = self.mend(root, findings)
                self.assertEqual(self.octets(root), before)
                left = [one.kind for one in self.found(root) if one.kind != "dead-lines"]
                expected = [] if mendable else [kind for kind in kinds if kind not in HARMLESS]
                self.assertEqual(left, expected, what)
                self.assertEqual(bool(mended), bool(kinds) and (mendable or "unlisted" in kinds), what)

    def test_every_kind(self) -> None:
        """The table has each kind that a test can make, and each has a remedy."""
        made = {kind for _, _, kinds, _ in DAMAGES for kind in kinds}
        self.assertEqual(REMEDIES.keys() - made, {"unreadable-file", "foreign-owner"})

    def test_true_sizes(self) -> None:
        """A message with untrue sizes keeps flags, date and octets, and gets a new UID."""
        root = self.made("sizes")
        os.utime(message(root), (1_000_000_000, 1_000_000_000))
        renamed(",W=", ",W=9")(root)
        self.mend(root, self.found(root))
        inbox = self.account("sizes").mailbox(INBOX)
        self.assertEqual(list(inbox.uids), [2, 3])
        self.assertEqual((inbox.internal_date(3), inbox.octets(3)), (1_000_000_000, len(MESSAGE)))
        self.assertEqual(self.facts(inbox)[1], (3, frozenset({SEEN}), MESSAGE))

    def test_owner(self) -> None:
        """Files of somebody else are told of, as a chown mends them."""
        root = self.made("owner")
        inbox = next(read_tree(self.files, str(root)).folders())
        found = [one.kind for one in examine(inbox, self.files, LATER, os.geteuid() + 1)]
        self.assertEqual(found, ["foreign-owner"] * 4)  # the folder, cur, new, tmp

    def test_young(self) -> None:
        """What was begun a moment ago in tmp/ is nobody's fault."""
        root = self.made("young")
        (root / "tmp" / "x").write_bytes(b"half")
        self.assertEqual(self.found(root, now=(root / "tmp" / "x").stat().st_ctime), [])

    def test_gone(self) -> None:
        """A message that is renamed between the look and the reading is passed over."""
        root = self.made("gone")
        tree = read_tree(self.files, str(root))
        renamed(":2,", ":2,D")(root)
        self.assertEqual(list(verify(tree, self.files, LATER)), [])

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from([b"1 :a", b"2 :b", b"2 W5 :c", b"3 :a", b"1 1 1", b"", b"4294967296 :x"]),
                st.binary(max_size=12).filter(lambda line: b"\n" not in line),
            ),
            max_size=8,
        ),
        st.booleans(),
    )
    def test_as_the_store(self, lines: list[bytes], old: bool) -> None:
        """What verify believes of a uid list is what the store believes, and a fault is what unsettles it."""
        data = b"\n".join([b"1 7 9" if old else b"3 V7 N9 Gff", *lines])
        listing, parsed = read_listing(data), uidlist.parse(data)
        assert parsed is not None or b"\n" not in data
        if parsed is not None:
            self.assertEqual(listing.records, parsed.records)
            self.assertEqual(bool(listing.faults) or old, not parsed.sound)
