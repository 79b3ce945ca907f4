r"""Removed messages in IMAP: seen by who asks for them, taken out, and never changed."""

import os
from dataclasses import replace
from unittest import mock

from mailnode.store.keeping import DIRECTORY
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client

PLACE = "Recovered/INBOX"

# What can be done with no such mailbox, whoever asks; %s is its name.
REFUSED = (
    "CREATE %s",
    "CREATE %s/x",
    "CREATE Recovered",
    "DELETE %s",
    "RENAME %s x",
    "RENAME Mine %s/y",
    "RENAME INBOX Recovered/x",
    "APPEND %s {3+}\r\nabc",
    "COPY 1 %s",
    "MOVE 1 %s",
    "REPLACE 1 %s {3+}\r\nabc",
    "SETACL %s ben +l",
    "GETACL %s",
    "SETMETADATA %s (/shared/comment {1+}\r\nx)",
    "SELECT Recovered",
    "SELECT Recovered/Nowhere",
)


class RecoveredCase(SessionCase):
    """Somebody who has removed one of two messages."""

    def setUp(self) -> None:
        super().setUp()
        self.me = self.client().login()
        for flags in ("(\\Seen $Todo)", "()"):
            self.me.append(MESSAGE, flags=flags)
        self.does("STORE 1 +FLAGS (\\Deleted)", "EXPUNGE")

    def does(self, *lines: str, client: Client | None = None) -> bytes:
        """All of it is done; what is said to the last."""
        heard = b""
        for line in lines:
            heard = (client or self.me).say(f"x {line}")
            self.assertIn(b"x OK", heard, line)
        return heard


class SeeingTests(RecoveredCase):
    """Who sees what."""

    def test_namespace(self) -> None:
        """It is among the shared ones."""
        self.assertIn(
            b'* NAMESPACE (("" "/")) (("Shared/" "/")) (("Recovered/" "/"))\r\n', self.does("NAMESPACE")
        )

    def test_list(self) -> None:
        """Who asks for all mailboxes is not told; who asks for these, or has subscribed to them, is."""
        self.does("SUBSCRIBE INBOX")
        told = b'"/" Recovered/INBOX\r\n'
        for line in ('LIST "" *', 'LIST "" %', 'LIST "" (% %/%)', 'LIST "" Rec*', 'LSUB "" *'):
            self.assertNotIn(b"Recovered", self.does(line), line)
        self.assertNotIn(b"Recovered", self.does('LIST (SUBSCRIBED) "" *'))
        for line in ('LIST "" Recovered/*', "LIST Recovered/ %", 'LIST "" (INBOX Recovered/%)'):
            self.assertIn(told, self.does(line), line)
        self.does(f"SUBSCRIBE {PLACE}")
        for line in ('LSUB "" *', 'LIST (SUBSCRIBED) "" *', 'LSUB "" Recovered/%'):
            heard = self.does(line)
            self.assertIn(told, heard, line)
            self.assertNotIn(b"NonExistent", heard)
        self.assertNotIn(b"Recovered", self.does('LIST "" *'))

    def test_list_with_more(self) -> None:
        """STATUS, rights and annotations."""
        heard = self.does('LIST "" Recovered/* RETURN (STATUS (MESSAGES UNSEEN) MYRIGHTS)')
        self.assertIn(b"* STATUS Recovered/INBOX (MESSAGES 1 UNSEEN 0)\r\n", heard)
        self.assertIn(b"* MYRIGHTS Recovered/INBOX lrte", heard)
        self.does(f'SETMETADATA {PLACE} (/private/comment "mine")')
        heard = self.does('LIST "" Recovered/* RETURN (METADATA (/private/comment /shared/comment))')
        got = self.does(f"GETMETADATA {PLACE} (/private/comment /shared/comment)")
        self.assertIn(b'* METADATA Recovered/INBOX (/private/comment "mine" /shared/comment NIL)\r\n', heard)
        self.assertIn(b'* METADATA Recovered/INBOX (/private/comment "mine" /shared/comment NIL)\r\n', got)

    def test_folders(self) -> None:
        """A folder that was deleted is there under its name; one without removed messages is not."""
        self.does("CREATE Work/Deep", "CREATE Other")
        self.me.append(MESSAGE, "Work/Deep")
        self.me.append(MESSAGE, "Other")
        self.does("DELETE Work/Deep")
        heard = self.does('LIST "" Recovered/*')
        self.assertIn(b'"/" Recovered/Work/Deep\r\n', heard)
        self.assertNotIn(b"Other", heard)
        self.assertIn(b"* 1 EXISTS", self.does("EXAMINE Recovered/Work/Deep"))

    def test_trouble(self) -> None:
        """Where they cannot be looked at all others are listed."""
        self.does("SUBSCRIBE INBOX")
        shown_to = mock.Mock(side_effect=OSError("no"))
        self.patch(self.world.account().store.recovered.sharing, "shown_to", shown_to)
        for line in ('LSUB "" *', 'LIST "" (INBOX Recovered/*)'):
            self.assertIn(b'"/" INBOX\r\n', self.does(line), line)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)

    def test_own_folder_of_that_name(self) -> None:
        """Who has one keeps it, and goes without."""
        self.world.account().store.create(("Recovered",))
        client = self.client().login()
        self.assertIn(b'(("Shared/" "/")) NIL\r\n', self.does("NAMESPACE", client=client))
        self.assertIn(b'"/" Recovered\r\n', self.does('LIST "" *', client=client))
        self.does("SELECT Recovered", client=client)
        self.assertIn(b"a NO [NONEXISTENT]", client.say(f"a SELECT {PLACE}"))

    def test_switched_off(self) -> None:
        """Where nothing is kept, or shown, it is a name like any other."""
        for change in ({"recovered_namespace": ""}, {"recover_days": 0}):
            store = replace(self.world.config.store, **change)
            self.world.live.config = replace(self.world.config, store=store)
            client = self.client().login()
            self.assertIn(b'(("Shared/" "/")) NIL\r\n', self.does("NAMESPACE", client=client))
            self.assertIn(b"a NO [NONEXISTENT]", client.say(f"a SELECT {PLACE}"))
            self.assertIn(b"OK", self.does('LIST "" Recovered/*', client=client))

    def test_search_in_all(self) -> None:
        """A search in all mailboxes leaves it out; one in this goes there."""
        self.assertNotIn(b"Recovered", self.does("ESEARCH IN (personal subtree Recovered) ALL"))
        heard = self.does(f"ESEARCH IN (mailboxes {PLACE}) RETURN (COUNT) ALL")
        self.assertIn(b'(TAG "x" MAILBOX Recovered/INBOX', heard)
        self.assertIn(b"COUNT 1", heard)


class UsingTests(RecoveredCase):
    """What can be done there."""

    def test_select(self) -> None:
        r"""Messages are as they were, never \Recent, and only \Deleted can be set."""
        heard = self.does(f"SELECT {PLACE}")
        self.assertIn(b"* 1 EXISTS\r\n* 0 RECENT\r\n", heard)
        self.assertIn(b"PERMANENTFLAGS (\\Deleted)", heard)
        self.assertRegex(self.does("FETCH 1 (FLAGS)"), rb"FLAGS \((\$Todo \\Seen|\\Seen \$Todo)\)")
        self.assertIn(MESSAGE, self.does("FETCH 1 BODY[]"))
        self.assertIn(b"* SEARCH 1\r\n", self.does("SEARCH KEYWORD $Todo"))
        self.assertIn(b"a NO [NOPERM]", self.me.say("a STORE 1 +FLAGS (\\Flagged)"))
        self.does("STORE 1 -FLAGS (\\Deleted)", "STORE 1 FLAGS (\\Flagged \\Deleted)")
        heard = self.does("FETCH 1 FLAGS")
        self.assertIn(b"\\Deleted", heard)
        self.assertNotIn(b"\\Flagged", heard)

    def test_reading_changes_nothing(self) -> None:
        r"""FETCH BODY[] sets no \Seen."""
        self.does("SELECT INBOX", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE", f"SELECT {PLACE}")
        self.assertNotIn(b"FLAGS", self.does("FETCH 2 BODY[]"))

    def test_uids_are_stable(self) -> None:
        """They are the same in the next session, and after a restart."""
        before = self.does(f"SELECT {PLACE}")
        self.world.close()
        self.world.start()
        after = self.does(f"SELECT {PLACE}", client=self.client().login())
        for code in (b"UIDVALIDITY", b"UIDNEXT"):
            self.assertEqual(
                *(heard.partition(b"[" + code)[2].partition(b"]")[0] for heard in (before, after))
            )

    def test_move_out(self) -> None:
        """The message is back, with its flags and as what it was, and no longer here."""
        first = self.does(f"SELECT {PLACE}", "FETCH 1 (EMAILID INTERNALDATE)")
        heard = self.does("MOVE 1 INBOX")
        self.assertIn(b"COPYUID", heard)
        self.assertIn(b"* 1 EXPUNGE", heard)
        heard = self.does("SELECT INBOX", "FETCH 2 (EMAILID INTERNALDATE FLAGS)")
        self.assertIn(first.partition(b"(")[2].partition(b")")[0], heard)
        self.assertIn(b"$Todo", heard)
        self.assertNotIn(b"Deleted", heard)
        self.assertIn(b"(MESSAGES 0)", self.does(f"STATUS {PLACE} (MESSAGES)"))
        self.does("STORE 2 +FLAGS (\\Deleted)", "EXPUNGE", f"SELECT {PLACE}")
        self.assertIn(b"* 1 EXISTS", self.does(f"SELECT {PLACE}"))

    def test_copy_out(self) -> None:
        """The message is in both."""
        self.does(f"SELECT {PLACE}", "COPY 1 INBOX")
        self.assertIn(b"(MESSAGES 2)", self.does("STATUS INBOX (MESSAGES)"))
        self.assertIn(b"(MESSAGES 1)", self.does(f"STATUS {PLACE} (MESSAGES)"))

    def test_quota_counts_what_comes_back(self) -> None:
        """What is removed takes no room, so what comes back needs some."""
        config = self.world.live.config
        self.world.live.config = replace(config, quota=replace(config.quota, messages=1))
        self.does(f"SELECT {PLACE}")
        self.assertIn(b"a NO [OVERQUOTA]", self.me.say("a MOVE 1 INBOX"))
        self.assertIn(b"* 1 EXISTS", self.does(f"SELECT {PLACE}"))

    def test_removed_for_good(self) -> None:
        """EXPUNGE removes for good, and CLOSE what was marked here."""
        self.does(f"SELECT {PLACE}", "CLOSE", f"SELECT {PLACE}", "STORE 1 +FLAGS (\\Deleted)", "CLOSE")
        self.assertIn(b"(MESSAGES 0)", self.does(f"STATUS {PLACE} (MESSAGES)"))
        root = f"{self.world.account().store.root}/{DIRECTORY}"
        self.assertEqual(os.listdir(f"{root}/cur"), [])

    def test_what_is_removed_meanwhile(self) -> None:
        """Another session hears of what is removed now."""
        other = self.client().login(PLACE)
        self.does("STORE 1 +FLAGS (\\Deleted)", "EXPUNGE")
        self.assertIn(b"* 2 EXISTS", self.does("NOOP", client=other))
        self.assertIn(b"+ ", other.say("i IDLE"))
        self.me.append(MESSAGE)
        self.does("STORE 1 +FLAGS (\\Deleted)", "EXPUNGE")
        self.world.clock.advance(1)
        self.assertIn(b"* 3 EXISTS", other.heard())

    def test_replaced(self) -> None:
        """A version that is replaced is not kept."""
        self.assertIn(b"a OK", self.me.say("a REPLACE 1 INBOX {3+}\r\nabc"))
        self.assertIn(b"(MESSAGES 1)", self.does(f"STATUS {PLACE} (MESSAGES)"))

    def test_refused(self) -> None:
        """Nothing is put there, made, deleted, renamed or granted."""
        self.does("CREATE Mine", "SELECT INBOX")
        for command in REFUSED:
            heard = self.me.say(f"a {command.replace('%s', PLACE)}")
            self.assertRegex(heard, rb"(?m)^a NO \[(NOPERM|NONEXISTENT|TRYCREATE)\]", command)
            self.does("SELECT INBOX")
        self.assertIn(b"(MESSAGES 1)", self.does(f"STATUS {PLACE} (MESSAGES)"))
        self.assertIn(b"(MESSAGES 1)", self.does("STATUS INBOX (MESSAGES)"))

    def test_other_words_for_it(self) -> None:
        """The inbox in any case of its letters; levels separated by dots."""
        self.assertIn(b"* 1 EXISTS", self.does("SELECT Recovered/inbox"))

    def test_notify(self) -> None:
        """A client that hears of everything is told of the selected mailbox here too."""
        self.does(
            f"SELECT {PLACE}",
            "NOTIFY SET (selected (MessageNew (UID) MessageExpunge)) (personal (MessageNew MessageExpunge))",
        )
        other = self.client().login()
        self.does("STORE 1 +FLAGS (\\Deleted)", "EXPUNGE", client=other)
        self.world.clock.advance(1)
        self.assertIn(b"* 2 EXISTS", self.me.heard() + self.does("NOOP"))
        self.does("UID MOVE 1 INBOX")
