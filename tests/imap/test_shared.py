r"""Mailboxes of others: what is not open is not there, and the owner's world stays as it is."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane
from mailnode.store.acl import FILE_NAME
from mailnode.store.mailbox import Mailbox
from mailnode.store.sharing import Sharing
from mailnode.store.synchronised import Synchronised
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client, people

OPEN = "Shared/anna/Work"
HIDDEN = "Shared/anna/Secret"
ABSENT = ("Shared/anna/Nowhere", "Shared/carl/INBOX", "Shared/eve/INBOX", "Shared/me/INBOX")

# Every command that names a mailbox; %s is the name.
COMMANDS = (
    "SELECT %s",
    "EXAMINE %s",
    "SELECT %s (QRESYNC (1 1))",
    "CREATE %s/x",
    "CREATE %s",
    "CREATE %s (USE (\\Junk))",
    "DELETE %s",
    "RENAME %s x",
    "RENAME %s %s/y",
    "RENAME INBOX %s",
    "RENAME Mine %s/x",
    'LIST "" %s',
    'LIST "" %s RETURN (STATUS (MESSAGES) MYRIGHTS)',
    'LIST "" %s RETURN (METADATA (/shared/comment /private/comment))',
    'LIST "" %s/%%',
    'LSUB "" %s',
    "STATUS %s (MESSAGES UNSEEN SIZE DELETED-STORAGE APPENDLIMIT)",
    "GETMETADATA %s (/shared/comment /private/comment)",
    "SETMETADATA %s (/private/comment {1+}\r\nx)",
    "SETMETADATA %s (/shared/comment NIL)",
    r'SETMETADATA %s (/private/specialuse "\\Junk")',
    "ESEARCH IN (mailboxes %s) ALL",
    "ESEARCH IN (subtree %s) ALL",
    "ESEARCH IN (subtree-one %s) RETURN (COUNT) ALL",
    "GETQUOTAROOT %s",
    "APPEND %s {3+}\r\nabc",
    "APPEND %s CATENATE (TEXT {3+}\r\nabc)",
    'APPEND INBOX CATENATE (URL "/%s/;UID=1")',
    "COPY 1 %s",
    "UID COPY 1 %s",
    "UID COPY 77 %s",
    "MOVE 1 %s",
    "UID MOVE 1 %s",
    "REPLACE 1 %s {3+}\r\nabc",
    "UID REPLACE 1 %s {3+}\r\nabc",
    "RESETKEY %s",
    "SETACL %s me +l",
    "SETACL %s nobody +l",
    "DELETEACL %s me",
    "GETACL %s",
    "LISTRIGHTS %s me",
    "MYRIGHTS %s",
)


class SharedCase(SessionCase):
    """Anna, who shares, and others; whatever is done with a mailbox is done in the lane of its account."""

    def setUp(self) -> None:
        super().setUp()
        self.inside: list[Lane] = []
        self.patch(Lane, "run", self.noting(Lane.run))
        self.patch(Synchronised, "sync", self.checking(Synchronised.sync))
        self.patch(Sharing, "_at", self.checking(Sharing._at))
        for name in ("body", "octets", "prepared", "orderings"):
            self.patch(Mailbox, name, self.checking(getattr(Mailbox, name)))
        self.people("me", "anna", "carl", "dora@other.example")
        self.anna = self.client().login("INBOX", who="anna")

    def noting(self, run: Any) -> Any:
        """Lane.run, where the lane is known while a job runs."""

        def run_in(lane: Lane, function: Any, *args: Any) -> Any:
            def job(*args: Any) -> Any:
                self.inside.append(lane)
                try:
                    return function(*args)
                finally:
                    self.inside.pop()

            return run(lane, job, *args)

        return run_in

    def checking(self, method: Any) -> Any:
        """A method of the store, where the lane has to be that of its account."""

        def checked(part: Any, *args: Any) -> Any:
            root = getattr(part, "_lent", part)._context.root
            [lane] = [one.lane for one in self.world.realm.accounts() if one.store.root == root]
            self.assertIs(self.inside[-1] if self.inside else None, lane)
            return method(part, *args)

        return checked

    def people(self, *names: str) -> None:
        """These have mailboxes."""
        self.world.live.mailboxes = people(*names)

    def does(self, client: Client, *lines: str) -> bytes:
        """All of it is done."""
        heard = b""
        for line in lines:
            heard = client.say(f"x {line}")
            self.assertIn(b"x OK", heard, line)
        return heard

    def share(self, *rights: str, mailbox: str = "Work") -> None:
        """Anna opens a mailbox with a message in it to others."""
        self.does(self.anna, f"CREATE {mailbox}")
        self.anna.append(MESSAGE, mailbox)
        self.does(self.anna, *(f"SETACL {mailbox} {one}" for one in rights))

    def root(self, name: str = "anna") -> str:
        """Where somebody's mail lies."""
        return f"{self.world.directory}/example.org/{name}"


class HiddenTests(SharedCase):
    """I17: missing and forbidden are one."""

    def answers(self, name: str, client: Client) -> Iterator[tuple[str, bytes]]:
        """What every command says of a mailbox, whose name does not matter."""
        for command in COMMANDS:
            line = command.replace("%s", name).replace("%%", "%")
            client.say("s SELECT INBOX")
            heard = client.say(f"t {line}")
            yield command, re.sub(rb"UIDVALIDITY \d+", b"", heard.replace(name.encode(), b"NAME"))

    def test_missing_and_forbidden(self) -> None:
        """Every command that names a mailbox answers alike for one that is not there and one not open."""
        self.share(mailbox="Secret")
        self.share("me lr", mailbox="Work")
        carl = self.client().login("INBOX", who="carl")
        self.does(carl, "SETACL INBOX anna lrs")
        client = self.client().login()
        self.does(client, "CREATE Mine", "ENABLE QRESYNC IMAP4rev2")
        client.append(MESSAGE)
        hidden = dict(self.answers(HIDDEN, client))
        for place in ABSENT:
            self.assertEqual(dict(self.answers(place, client)), hidden, place)
        for command, heard in hidden.items():
            self.assertNotIn(b"Secret", heard, command)
            if not command.startswith(("LIST", "LSUB", "ESEARCH", "UID COPY 77", "UID MOVE 77")):
                self.assertRegex(heard, rb"(?m)^t NO \[(NONEXISTENT|TRYCREATE|NOPERM|BADURL .*)\]", command)
        self.assertNotEqual(dict(self.answers(OPEN, client)), hidden)

    def test_forbidden_even_with_other_rights(self) -> None:
        """Who has a right but not the right to know of the mailbox may use it, and hears nothing more."""
        self.share("me i")
        client = self.client().login()
        client.append(MESSAGE)
        self.assertRegex(client.append(MESSAGE, "Shared/anna/Work"), rb"^ap OK Appended\r\n$")
        self.assertRegex(client.say("a COPY 1 Shared/anna/Work"), rb"^a OK Copied\r\n$")
        self.assertIn(b"b NO [NONEXISTENT]", client.say("b STATUS Shared/anna/Work (MESSAGES)"))
        self.assertIn(b"* MYRIGHTS Shared/anna/Work i\r\n", client.say("c MYRIGHTS Shared/anna/Work"))
        self.assertNotIn(b"Shared", client.say('d LIST "" *'))
        self.does(self.anna, "SETACL Work me p")
        self.assertIn(b"e NO [NONEXISTENT]", client.say("e MYRIGHTS Shared/anna/Work"))
        self.assertIn(b"(MESSAGES 3)", self.anna.say("f STATUS Work (MESSAGES)"))

    def test_nobody_is_touched(self) -> None:
        """Who asks for mailboxes of somebody who shares nothing does not even make their directory."""
        client = self.client().login()
        client.say("a SELECT Shared/carl/INBOX")
        client.say("b APPEND Shared/carl/INBOX {3+}\r\nabc")
        client.say("c ESEARCH IN (subtree Shared) ALL")
        self.assertFalse(os.path.exists(self.root("carl")))

    def test_a_list_that_cannot_be_read(self) -> None:
        """It grants nothing to others, and the owner goes on."""
        self.share("me lr")
        client = self.client().login()
        path = f"{self.root()}/.Work/{FILE_NAME}"
        with open(path, "a", encoding="utf-8") as file:
            file.write("# long\n" * 10_000)
        self.assertIn(b"a NO [NONEXISTENT]", client.say("a SELECT Shared/anna/Work"))
        self.does(self.anna, "SELECT Work", "CREATE Work/Below")
        self.assertFalse(os.path.exists(f"{self.root()}/.Work.Below/{FILE_NAME}"))

    def test_lookup_without_reading(self) -> None:
        """Who may only know of a mailbox sees it in LIST, and cannot select it."""
        self.share("me l")
        client = self.client().login()
        heard = client.say('a LIST "" Shared/anna/* RETURN (STATUS (MESSAGES))')
        self.assertEqual(heard.count(b"\r\n"), 2)
        self.assertIn(b'* LIST (\\Noselect \\HasNoChildren) "/" Shared/anna/Work\r\n', heard)
        self.assertIn(b"b NO [NOPERM]", client.say("b SELECT Shared/anna/Work"))
        self.assertIn(b"c OK", client.say("c ESEARCH IN (subtree Shared mailboxes Shared/anna/Work) ALL"))

    def test_switched_off(self) -> None:
        """Without a name for it there is no namespace, and nothing is announced."""
        self.share("me lr")
        store = self.world.config.store
        self.world.live.config = replace(self.world.config, store=replace(store, shared_namespace=""))
        client = self.client().login()
        self.assertIn(b'* NAMESPACE (("" "/")) NIL (("Recovered/" "/"))\r\n', client.say("a NAMESPACE"))
        self.assertNotIn(b" ACL ", client.say("b CAPABILITY"))
        self.assertIn(b"c NO [NONEXISTENT]", client.say("c SELECT Shared/anna/Work"))
        self.assertNotIn(b"Shared", client.say('d LIST "" *'))
        self.does(client, "CREATE Shared/anna/Work")


class NameTests(SharedCase):
    """By what names mailboxes of others go."""

    def test_owners(self) -> None:
        """A local part, or an address where the domain is another one; INBOX in capitals."""
        self.share("me lr", "dora@other.example lr")
        self.does(self.anna, "SETACL INBOX me lr", "SETACL INBOX dora@other.example lr")
        dora = self.client().login(who="dora@other.example")
        self.assertIn(b'"/" Shared/anna@example.org/Work\r\n', dora.say('a LIST "" *'))
        self.does(dora, "SELECT Shared/anna@example.org/inbox", "SETACL INBOX me@example.org lr")
        me = self.client().login()
        heard = me.say('a LIST "" Shared*')
        self.assertEqual(
            re.findall(rb'"/" (.*)\r\n', heard),
            [b"Shared/anna/INBOX", b"Shared/anna/Work", b"Shared/dora@other.example/INBOX"],
        )
        self.does(me, "SELECT Shared/dora@other.example/INBOX")
        for name in (
            "Shared/anna@example.org/Work",
            "Shared/dora/INBOX",
            "shared/anna/Work",
            "Shared/Anna/Work",
        ):
            self.assertIn(b"b NO [NONEXISTENT]", me.say(f"b SELECT {name}"), name)
        self.assertIn(b'(("" "/")) (("Shared/" "/")) (("Recovered/" "/"))', me.say("c NAMESPACE"))

    def test_modern(self) -> None:
        """IMAP4rev2 tells by what name a mailbox is known (RFC 9051 section 6.3.9.7)."""
        self.does(self.anna, "SETACL INBOX me lrx", "CREATE INBOX/Hidden", "DELETEACL INBOX/Hidden me")
        me = self.client().login(None)
        self.does(me, "ENABLE IMAP4rev2")
        heard = me.say("a SELECT Shared/anna/inbox")
        self.assertIn(
            b'* LIST (\\HasNoChildren) "/" Shared/anna/INBOX ("OLDNAME" (Shared/anna/inbox))\r\n', heard
        )
        self.assertIn(b"a OK [READ-ONLY]", heard)

    def test_dots(self) -> None:
        """Where the dot separates levels, ":" stands for it in an owner's name."""
        self.people("me", "anna.b@other.example")
        self.world.live.config = replace(
            self.world.config, store=replace(self.world.config.store, separator=".")
        )
        anna = self.client().login(who="anna.b@other.example")
        self.does(anna, "CREATE Work.Deep", "SETACL Work.Deep me@example.org lr")
        me = self.client().login()
        self.assertIn(b'"." Shared.anna:b@other:example.Work.Deep\r\n', me.say('a LIST "" *'))
        self.does(me, "SELECT Shared.anna:b@other:example.Work.Deep")

    def test_a_folder_of_that_name(self) -> None:
        """Who has one keeps it, and sees nothing of others."""
        self.share("me lr")
        os.makedirs(f"{self.root('me')}/.Shared.anna.Work/cur")
        me = self.client().login()
        me.append(MESSAGE, "Shared/anna/Work")
        self.assertIn(b"(MESSAGES 1 RECENT 1)", me.say("a STATUS Shared/anna/Work (MESSAGES RECENT)"))
        self.assertIn(b'(("" "/")) NIL (("Recovered/" "/"))', me.say("b NAMESPACE"))
        self.assertEqual(me.say('c LIST "" Shared*').count(b"\r\n"), 2)
        self.does(me, "RENAME Shared Mine")
        me = self.client().login()
        self.assertIn(b'(("" "/")) (("Shared/" "/")) (("Recovered/" "/"))', me.say("d NAMESPACE"))
        for line in (
            "CREATE Shared",
            "CREATE Shared/",
            "CREATE Shared/x",
            "RENAME Mine Shared",
            "RENAME Mine Shared/x/y",
        ):
            self.assertIn(b"e NO [NOPERM]", me.say(f"e {line}"), line)

    def test_subscriptions(self) -> None:
        """They stand in the reader's own file, in both its versions; what is hidden counts as missing."""
        self.share("me lr")
        self.people("me", "anna", "carl", "dora@other.example")
        dora = self.client().login(who="dora@other.example")
        self.does(dora, "SETACL INBOX me@example.org lr")
        for version in (b"", b"INBOX\n"):
            me = self.client().login()
            with open(f"{self.root('me')}/subscriptions", "wb") as file:
                file.write(version)
            self.does(
                me,
                *(
                    f"SUBSCRIBE Shared/{one}"
                    for one in ("anna/Work", "anna/Secret", "dora@other.example/INBOX")
                ),
            )
            heard = self.does(me, 'LSUB "" Shared*')
            self.assertIn(b'* LSUB () "/" Shared/anna/Work\r\n', heard)
            self.assertIn(b'* LSUB (\\Noselect) "/" Shared/anna/Secret\r\n', heard)
            self.assertIn(b'* LSUB () "/" Shared/dora@other.example/INBOX\r\n', heard)
            heard = self.does(me, 'LIST (SUBSCRIBED) "" Shared*')
            self.assertIn(
                b'* LIST (\\Subscribed \\HasNoChildren) "/" Shared/dora@other.example/INBOX\r\n', heard
            )
            self.assertIn(
                b'* LIST (\\Subscribed \\NonExistent \\HasNoChildren) "/" Shared/anna/Secret\r\n', heard
            )
            heard = self.does(me, "ESEARCH IN (subscribed) RETURN (COUNT) ALL")
            self.assertIn(b"MAILBOX Shared/anna/Work UIDVALIDITY", heard)
            self.does(me, "UNSUBSCRIBE Shared/dora@other.example/INBOX")
            self.assertNotIn(b"dora", self.does(me, 'LSUB "" Shared*'))

    def test_many_searches(self) -> None:
        """ESEARCH goes through the accounts, and PERSONAL and INBOXES stay at home."""
        self.share("me lr")
        self.share("me r", mailbox="Unlisted")
        me = self.client().login()
        me.append(MESSAGE)
        found = re.compile(rb"MAILBOX (\S+) ")
        for where, names in (
            ("subtree (Shared INBOX)", [b"INBOX", b"Shared/anna/Work"]),
            ("subtree-one Shared/anna", [b"Shared/anna/Work"]),
            (
                "mailboxes (Shared/anna/Unlisted Shared/anna/Work)",
                [b"Shared/anna/Unlisted", b"Shared/anna/Work"],
            ),
            ("personal inboxes", [b"INBOX"]),
        ):
            heard = self.does(me, f"ESEARCH IN ({where}) RETURN (COUNT) ALL")
            self.assertEqual(found.findall(heard), names, where)
        self.does(me, "SELECT Shared/anna/Unlisted")
        heard = self.does(me, "ESEARCH IN (selected personal) RETURN (COUNT) ALL")
        self.assertEqual(found.findall(heard), [b"INBOX", b"Shared/anna/Unlisted"])
        self.assertEqual(found.findall(self.does(me, "ESEARCH ALL")), [b"Shared/anna/Unlisted"])


class OwnersTests(SharedCase):
    """Who has nothing to do with any of it pays nothing for it."""

    def test_no_further_files(self) -> None:
        """No command on mailboxes of one's own looks at a list, whether they are shared or not."""
        self.share("me lrs")
        looked: list[str] = []

        def noting(original: Any) -> Any:
            def call(files: FileSystem, path: str, *args: Any, **more: Any) -> Any:
                looked.append(os.path.basename(path))
                return original(files, path, *args, **more)

            return call

        for name in ("stat", "open", "read", "replace", "append"):
            self.patch(FileSystem, name, noting(getattr(FileSystem, name)))
        self.anna.append(MESSAGE, "Work", "(\\Seen)")
        self.does(
            self.anna,
            "SELECT Work",
            "FETCH 1:* (FLAGS BODY[])",
            "STORE 1 +FLAGS (\\Flagged)",
            "SEARCH SEEN",
            "COPY 1 INBOX",
            "STATUS INBOX (MESSAGES UNSEEN)",
            "MOVE 1 INBOX",
            "EXPUNGE",
            "GETMETADATA Work (/private/comment)",
            "CREATE Top",
            "RENAME Top Other",
            "DELETE Other",
            "CLOSE",
            "SUBSCRIBE Work",
        )
        self.assertFalse({FILE_NAME, "mailnode-seen", "shares"}.intersection(looked))

    def test_letters_of_the_owner_stay(self) -> None:
        r"""The \Seen of a reader is in no file name, and what somebody flags is in both views."""
        self.share("me lrsw")
        me = self.client().login(None)
        self.does(me, "SELECT Shared/anna/Work", "FETCH 1 BODY[]")
        self.assertEqual(os.listdir(f"{self.root()}/.Work/cur"), [])
        self.does(me, "STORE 1 FLAGS (\\Flagged \\Seen)")
        [name] = os.listdir(f"{self.root()}/.Work/cur")
        self.assertTrue(name.endswith(":2,F"))
        self.does(self.anna, "SELECT Work", "STORE 1 FLAGS (\\Seen \\Draft)")
        self.does(me, "STORE 1 FLAGS ()")
        [name] = os.listdir(f"{self.root()}/.Work/cur")
        self.assertTrue(name.endswith(":2,S"))
        self.assertIn(b"FLAGS ()", me.say("a FETCH 1 FLAGS"))
