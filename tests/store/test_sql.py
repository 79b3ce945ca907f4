"""What is common to the SQLite files of an account."""

import sqlite3

from mailnode.store.index import FILE_NAME
from mailnode.store.text_index import FILE_NAME as TEXT_FILE_NAME
from mailnode.store.values import INBOX, SEEN
from tests.store.support import StoreTestCase

# What a later version may have made: names of ours for other things, and what is no table at all.
LATER = """
CREATE TABLE later (id INTEGER PRIMARY KEY AUTOINCREMENT, folder INTEGER);
INSERT INTO later (folder) VALUES (1);
CREATE TABLE "a ""quoted"" name" (id INTEGER);
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words VALUES ('one');
CREATE TRIGGER follow AFTER INSERT ON later BEGIN DELETE FROM later; END;
CREATE TRIGGER before BEFORE INSERT ON folder BEGIN SELECT RAISE(ABORT, 'not for you'); END;
CREATE INDEX later_of ON later (folder);
DROP TABLE origin;
CREATE VIEW origin AS SELECT id AS token FROM later;
PRAGMA user_version = 1000000;
"""


class ForeignFormTests(StoreTestCase):
    """Caches that another version made."""

    def test_made_anew(self) -> None:
        """All in them is dropped, whatever it is; they work as new ones do, and UIDs and flags stay."""
        account = self.account()
        for _ in range(3):
            self.append(account, flags=frozenset({SEEN}))
        mailbox = account.mailbox(INBOX)
        while mailbox.prepare_some(10_000).more:
            pass
        known = (mailbox.uid_validity, mailbox.uid_next, mailbox.uids.tolist(), mailbox.highest_modseq)
        account.close()
        for name in (FILE_NAME, TEXT_FILE_NAME):
            with sqlite3.connect(f"{self.base}/anna/{name}") as database:
                database.executescript(LATER)
            database.close()
        account = self.account()
        mailbox = account.mailbox(INBOX)
        *same, modseq = known
        self.assertEqual([mailbox.uid_validity, mailbox.uid_next, mailbox.uids.tolist()], same)
        self.assertGreaterEqual(mailbox.highest_modseq, modseq)
        self.assertEqual([flags for _, flags, _ in self.facts(mailbox)], [{SEEN}] * 3)
        while mailbox.prepare_some(10_000).more:
            pass
        account.close()
        self.assertEqual(account.caches_discarded, 0)
        for name in (FILE_NAME, TEXT_FILE_NAME):
            database = sqlite3.connect(f"{self.base}/anna/{name}")
            self.assertLess(database.execute("PRAGMA user_version").fetchone()[0], 1_000_000, name)
            left = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            self.assertEqual(
                left & {"later", "words", "words_data", "follow", "before", "later_of"}, set(), name
            )
            database.close()
