"""Upgrades and downgrades: what servers of earlier commits left, and caches that later ones would leave.

Each archive in elders/ has what one of them wrote (tests/interop/upgrading.py), by the form of its cache.
"""

import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import cli
from mailnode.admin.certificates import write_certificates
from mailnode.fs import FileSystem
from tests.interop.harness import HOSTNAME, REPOSITORY, STANDARD_PORTS, free_ports
from tests.interop.upgrading import ELSEWHERE, EXPECTED, SERVICES, look, move_ports, running
from tests.scratch import untar

ELDERS = Path(__file__).resolve().parent / "elders"
MAILBOXES = ("INBOX", "Work/2026")
# What a later one might have: things that a careless reader could not drop, and no table of ours.
LATER = """
CREATE TABLE novelty (id INTEGER PRIMARY KEY AUTOINCREMENT, folder INTEGER);
INSERT INTO novelty (folder) VALUES (1), (2);
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words VALUES ('one');
CREATE TABLE "a ""quoted"" one" (id INTEGER);
CREATE VIEW seen AS SELECT id FROM novelty;
CREATE TRIGGER follow AFTER INSERT ON novelty BEGIN DELETE FROM novelty WHERE id < 0; END;
PRAGMA user_version = 1000000;
"""


class UpgradeTests(SynchronousTestCase):
    """Mail, UIDs, flags and keywords stay, and no modification sequence falls."""

    def unpack(self, archive: Path) -> tuple[str, dict[str, int], Any]:
        """The folder of an elder, with ports that are free; these, and what its clients were told."""
        room = tempfile.mkdtemp(prefix="mailnode-elder-")
        self.addCleanup(shutil.rmtree, room)
        home = os.path.join(room, "home")
        with tarfile.open(archive) as packed:
            untar(packed, home)
        ports = dict(zip(STANDARD_PORTS, free_ports(len(STANDARD_PORTS)), strict=True))
        move_ports(home, ports)
        write_certificates(os.path.join(home, "tls"), HOSTNAME, FileSystem(), datetime.now(UTC))
        told = json.loads((Path(home) / EXPECTED).read_text(encoding="utf-8"))
        return home, {name: ports[port] for name, port in SERVICES.items()}, told

    def looked(self, home: str, ports: dict[str, int]) -> Any:
        """What this server tells of it."""
        with running(REPOSITORY, home, ports):
            return look(ports)

    def assert_kept(self, before: Any, after: Any, what: str, *, clock_is_later: bool) -> None:
        """All that clients remember is as it was; modification sequences may have risen."""
        for name in MAILBOXES:
            old, new = before[name], after[name]
            falls = [
                (one["modseq"], new["messages"].get(uid, {}).get("modseq", 0), uid)
                for uid, one in old["messages"].items()
            ]
            falls.append((old.get("HIGHESTMODSEQ", 0), new["HIGHESTMODSEQ"], name))
            if clock_is_later:
                self.assertEqual([one for one in falls if one[1] < one[0]], [], what)
            self.assertEqual(without_modseq(old), without_modseq(new), what)
        for key in ("subscribed", "uidl"):
            self.assertEqual(before[key], after[key], what)

    def test_up(self) -> None:
        """This server finds all that earlier ones left, and what waits in their queue."""
        archives = sorted(ELDERS.glob("*.tar.xz"))
        self.assertGreaterEqual(len(archives), 3)
        for archive in archives:
            home, ports, told = self.unpack(archive)
            self.assert_queue(home)
            first = self.looked(home, ports)
            later = time.time() > max(told[name].get("HIGHESTMODSEQ", 0) for name in MAILBOXES) / 1e6
            self.assert_kept(told, first, archive.name, clock_is_later=later)

    def test_down(self) -> None:
        """A cache that a later server made, whatever is in it, is made anew, and nothing is lost with it."""
        home, ports, _ = self.unpack(max(ELDERS.glob("*.tar.xz")))
        self.assert_queue(home)
        before = self.looked(home, ports)
        caches = sorted(Path(home).rglob("mailnode-*.sqlite"))
        self.assertTrue(caches)
        for cache in caches:
            with sqlite3.connect(cache) as database:
                database.executescript(LATER)
            database.close()
        after = self.looked(home, ports)
        self.assert_kept(before, after, "down", clock_is_later=True)
        for cache in caches:
            with sqlite3.connect(cache) as database:
                ((version,),) = database.execute("PRAGMA user_version").fetchall()
            database.close()
            self.assertLess(version, 1_000_000, cache.name)

    def assert_queue(self, home: str) -> None:
        """What waits can be read. It is taken away then, as it would come back when it is too old."""
        queue = os.path.join(home, "state", "queue")
        if not os.path.isdir(queue):
            return
        config = os.path.join(home, "mailnode.toml")
        listed = CliRunner().invoke(cli.main, ["--config", config, "queue", "list", "--json"])
        self.assertEqual(listed.exit_code, 0, listed.output)
        self.assertEqual(listed.output.count(ELSEWHERE), 1, listed.output)
        shutil.rmtree(queue)


def without_modseq(mailbox: Any) -> Any:
    """What a client is told of a mailbox, but the modification sequences."""
    messages = {uid: {**one, "modseq": 0} for uid, one in mailbox["messages"].items()}
    return {**mailbox, "HIGHESTMODSEQ": 0, "messages": messages}
