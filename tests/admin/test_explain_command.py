"""`mailnode explain`, over event logs that are made here."""

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import cli
from mailnode.admin.outside import Outside
from mailnode.events import deeds, life
from mailnode.events.journal import Journal, line_of
from mailnode.fs import FileSystem

ANNA, BEN, OUT = "anna@example.org", "ben@example.org", "x@partner.example"
FILE = "1700000000.M1P2Q3.mail.example.org,S=10,W=11"
SENT = life.Accepted("S1", "M1", ANNA, (BEN, OUT), 11, "192.0.2.7", "laptop", "<1@client.example>")


class ExplainTests(SynchronousTestCase):
    """A log of events, one second after the other."""

    def setUp(self) -> None:
        self.addCleanup(self.set_zone, os.environ.get("TZ"))
        self.set_zone("UTC")
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        names = 'hostname = "mail.example.org"\ndomains = ["example.org"]\n'
        (self.folder / "mailnode.toml").write_text(names)
        self.journal = Journal(FileSystem(), str(self.folder / "state/log"))
        self.now = 1700000000

    def set_zone(self, zone: str | None) -> None:
        if zone is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = zone
        time.tzset()

    def happened(self, *events: life.Event) -> None:
        """Each of these a second after the one before; three events in each file."""
        for event in events:
            self.journal.append(line_of(event, self.now), size=600, keep=100)
            self.now += 1

    def explain(self, *arguments: str, code: int = 0) -> str:
        path = str(self.folder / "mailnode.toml")
        result = CliRunner().invoke(cli.main, ["--config", path, "explain", *arguments], obj=Outside())
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.assertEqual(result.exit_code, code, result.output)
        return str(result.output)

    def told(self, text: str) -> list[str]:
        """The sentences, without their times."""
        return [line.partition("  ")[2] for line in self.explain(text).splitlines() if line[:2] == "20"]

    def message(self) -> None:
        """A message with a life in two mailboxes and at another host, and others beside it."""
        where = ("I1", BEN, "INBOX")
        self.happened(
            life.LoggedIn("S1", ANNA, "submission", "192.0.2.7"),
            life.Accepted("S1", "M0", ANNA, (BEN,), 9, "192.0.2.7", "laptop", "<0@client.example>"),
            life.Refused("S1", "RCPT", "550 5.1.1 No such mailbox", "TO:<nobody@example.org>"),
            life.Delivered("S1", "M1", BEN, "INBOX", FILE),
            SENT,
            life.PutOff("", "M1", OUT, "mx.partner.example", "450 4.2.0 later \x1b[31m"),
            life.Postponed("", "M1", 1, 1700000600),
            life.Refused("S1", "RCPT", "550 5.1.1 No such mailbox", "TO:<later@example.org>"),
            life.Refused("S9", "DATA", "552 5.3.4 Too big", "", "192.0.2.9", "z@b.example", (ANNA,)),
            deeds.Identified("I1", "name=Reader"),
            life.LoggedIn("I1", BEN, "imap", "192.0.2.8"),
            deeds.Flagged(*where, "6:7", ("other", FILE), "add", ("\\Seen",)),
            deeds.Flagged(*where, "1:500", (), "add", ("\\Flagged",)),
            deeds.Flagged(*where, "8:500", (), "add", ("\\Deleted",)),
            deeds.Flagged("I1", ANNA, "INBOX", "1:500", (), "add", ("\\Deleted",)),
            deeds.Copied(*where, "7", (FILE,), BEN, "Work", "31"),
            deeds.Flagged("I1", BEN, "Work", "30:900", (), "replace", ("$Label1", "\\Seen")),
            life.Relayed("", "M1", OUT, "mx.partner.example", "250 ok"),
            life.Ended("", "M1"),
            deeds.Retrieved("P1", BEN, "INBOX", "6:7", ("other", FILE)),
            life.Expunged("P1", BEN, "INBOX", 1, "7", (FILE,)),
            life.Expunged("P1", BEN, "INBOX", 1, "6", ("other",)),
        )

    def test_story(self) -> None:
        """All of it and nothing else, by id, by Message-ID with brackets or without."""
        self.message()
        by = f"by {BEN}, IMAP session I1 from 192.0.2.8 (name=Reader)"
        expected = [
            "RCPT TO:<nobody@example.org> was refused in session S1: 550 5.1.1 No such mailbox",
            f"accepted as M1 in session S1 from 192.0.2.7 (laptop), logged in as {ANNA}: from <{ANNA}> to "
            f"{BEN}, {OUT}, 11 octets, Message-ID <1@client.example>",
            f"delivered to INBOX of {BEN}",
            f"mx.partner.example did not take it yet for {OUT}: 450 4.2.0 later \\x1b[31m",
            "tried 1 time; the next try is at 2023-11-14 22:23:20",
            f"marked as read in INBOX of {BEN} {by}",
            f"flagged in INBOX of {BEN} {by}",
            f"copied from INBOX of {BEN} to Work of {BEN} {by}",
            f"has from here on the flags $Label1 \\Seen in Work of {BEN} {by}",
            f"mx.partner.example took it for {OUT}: 250 ok",
            "left the queue: it was delivered or given up for each recipient",
            f"downloaded from INBOX of {BEN} in session P1",
            f"removed for good from INBOX of {BEN} in session P1",
        ]
        for text in ("M1", "<1@client.example>", "1@client.example"):
            self.assertEqual(self.told(text), expected)
        self.assertTrue(self.explain("M1").startswith("2023-11-14 22:13:22  RCPT"))
        self.assertIn(f"It is not in the mailbox of {BEN} any more.", self.explain("M1"))

    def test_dropped(self) -> None:
        """What an administrator has removed from the queue."""
        self.happened(SENT, life.Dropped("", "M1"))
        gone = "removed from the queue by an administrator; who lacked it does not get it"
        self.assertEqual(self.told("M1")[-1], gone)

    def test_json(self) -> None:
        """The events as they stand in the log, with who was in the sessions."""
        self.message()
        told = json.loads(self.explain("M1", "--json"))
        self.assertEqual([one["event"] for one in told["events"]][:3], ["Refused", "Accepted", "Delivered"])
        self.assertEqual([one["event"] for one in told["sessions"]["I1"]], ["Identified", "LoggedIn"])
        self.assertEqual(
            told["places"], [{"address": BEN, "file": FILE, "mailbox": "", "uid": None, "flags": []}]
        )

    def test_where_it_is(self) -> None:
        """The mailboxes and the queue are looked into, for where it is at this moment."""
        self.happened(life.Delivered("S1", "M1", BEN, "INBOX", FILE), SENT)
        root = self.folder / "state/mail/example.org/ben"
        for name in ("cur", "new", "tmp", ".Work/cur", ".Work/new", ".Work/tmp"):
            (root / name).mkdir(parents=True)
        (root / ".Work/maildirfolder").write_text("")
        (root / f".Work/cur/{FILE}:2,S").write_text("x")
        (root / ".Work/dovecot-uidlist").write_text(f"3 V5 N9 G0123456789abcdef\n8 :{FILE}:2,\n")
        (root / "new/other").write_text("x")
        (self.folder / "state/queue").mkdir()
        (self.folder / "state/queue/M1.envelope").write_text("x")
        lines = self.explain("M1").splitlines()
        self.assertEqual(
            lines[2:],
            [
                "It waits in the queue: mailnode queue show M1",
                f"It is in Work of {BEN}: UID 8, \\Seen.",
            ],
        )

    def test_address(self) -> None:
        """With several messages they are listed, with one its story is told; nobody else's are."""
        self.message()
        lines = self.explain(BEN.upper()).splitlines()
        self.assertEqual(lines[0], f"2023-11-14 22:13:21  M0  <{ANNA}> to {BEN}: Accepted")
        self.assertEqual(lines[1], f"2023-11-14 22:13:24  M1  <{ANNA}> to {BEN}, {OUT}: Ended")
        self.assertEqual(json.loads(self.explain(BEN, "--json")), {"messages": ["M0", "M1"]})
        self.assertEqual(self.told(OUT), self.told("M1"))

    def test_refused(self) -> None:
        """Of an address whose mail was refused the refusals are told."""
        self.message()
        self.assertEqual(
            self.told("later@EXAMPLE.org"),
            ["RCPT TO:<later@example.org> was refused in session S1: 550 5.1.1 No such mailbox"],
        )
        self.assertEqual(
            self.told("Z@b.example"),
            [
                f"DATA of mail from <z@b.example> to {ANNA} was refused in session S9 from 192.0.2.9: "
                "552 5.3.4 Too big"
            ],
        )
        self.assertIn(f"1 refused: mailnode log --event Refused --about {ANNA}", self.explain(ANNA))

    def test_session(self) -> None:
        """The id of a session tells all that was done in it."""
        self.message()
        self.assertEqual(len(self.told("I1")), 8)
        self.assertEqual(
            self.told("I1")[:2],
            ["the client says it is name=Reader", f"{BEN} logged in by IMAP from 192.0.2.8"],
        )

    def test_mailboxes(self) -> None:
        """Mailboxes that are renamed or deleted are told of while the message is in them."""

        def moved(old: str, new: str) -> deeds.Moved:
            return deeds.Moved("I1", BEN, old, "7", (FILE,), BEN, new, "7")

        self.happened(
            deeds.MailboxDeleted("I1", BEN, "INBOX"),
            life.Delivered("S1", "M1", BEN, "INBOX", FILE),
            deeds.MailboxDeleted("I1", BEN, "Old"),
            moved("INBOX", "Old/Work"),
            deeds.MailboxRenamed("I1", BEN, "Old", "New"),
            deeds.MailboxRenamed("I1", ANNA, "New", "Newer"),
            deeds.Flagged("I1", BEN, "New/Work", "1:500", (), "add", ("\\Seen",)),
            deeds.MailboxDeleted("I1", BEN, "New"),
            moved("New/Work", "Trash"),
            deeds.MailboxDeleted("I1", BEN, "New/Work"),
            deeds.MailboxDeleted("I1", BEN, "Trash"),
            deeds.MailboxDeleted("I1", BEN, "Trash"),
        )
        self.assertEqual(
            [line.partition(" in session")[0] for line in self.told("M1")[1:]],
            [
                f"moved from INBOX of {BEN} to Old/Work of {BEN}",
                f"Old of {BEN} was renamed to New",
                f"marked as read in New/Work of {BEN}",
                f"moved from New/Work of {BEN} to Trash of {BEN}",
                f"Trash of {BEN} was deleted with all messages in it",
            ],
        )

    def test_two_logins(self) -> None:
        """In a session of several people each deed is of who was logged in then (RFC 8437)."""
        where = (BEN, "INBOX", "7", (FILE,))
        self.happened(
            life.Delivered("S1", "M1", BEN, "INBOX", FILE),
            life.LoggedIn("I1", BEN, "imap", "192.0.2.8"),
            deeds.Flagged("I1", *where, "add", ("\\Seen",)),
            life.LoggedIn("I1", ANNA, "imap", "192.0.2.8"),
            deeds.Flagged("I1", *where, "remove", ("\\Seen",)),
        )
        told = self.told("M1")
        self.assertIn(f"marked as read in INBOX of {BEN} by {BEN}", told[1])
        self.assertIn(f"marked as unread in INBOX of {BEN} by {ANNA}", told[2])

    def test_nothing(self) -> None:
        """What is not in the log is said, with how far it reaches back; code 1."""
        self.assertIn("no event is in", self.explain("M1", code=1))
        self.message()
        said = self.explain("M9", code=1)
        self.assertIn("no event tells of M9; the log reaches back to 2023-11-14 22:13:20", said)
        for text in ("x@nowhere.example", "<1@client.exampl>", "client.example", "accepted"):
            self.explain(text, code=1)

    def test_broken_events(self) -> None:
        """Events of another make are told as well as can be."""
        self.happened(SENT)
        for row in (
            {"event": "Flagged", "message": "M1", "flags": None},
            {"event": "Strange", "message": "M1", "a": 5},
            {"event": "Held", "message": "M1", "until": 1e30},
            {"event": "Expunged", "address": BEN, "uids": "x", "names": [FILE]},
            {"event": "Delivered", "message": "M1", "address": "../x", "file": FILE},
        ):
            line = json.dumps({"time": self.now, **row}).encode() + b"\n"
            self.journal.append(line, size=10**6, keep=9)
        told = self.told("M1")
        self.assertIn("Strange: message M1, a 5", told)
        self.assertIn("held in the queue until 1e+30", told)

    def test_log(self) -> None:
        """The latest events, the newest last, of a kind or about somebody; for programs one on each line."""
        self.message()

        def log(*arguments: str) -> list[str]:
            path = str(self.folder / "mailnode.toml")
            result = CliRunner().invoke(cli.main, ["--config", path, "log", *arguments], obj=Outside())
            self.assertEqual(result.exit_code, 0, result.output)
            return str(result.stdout).splitlines()

        self.assertEqual(len(log()), 22)
        self.assertEqual(
            log("--lines", "2", "--event", "refused", "--event", "Ended"),
            [
                f"2023-11-14 22:13:28  S9          DATA of mail from <z@b.example> to {ANNA} was refused in "
                "session S9 from 192.0.2.9: 552 5.3.4 Too big",
                "2023-11-14 22:13:38  M1          left the queue: "
                "it was delivered or given up for each recipient",
            ],
        )
        self.assertEqual(len(log("--about", "M1", "--event", "Relayed")), 1)
        self.assertEqual(len(log("--about", OUT.upper())), 3)
        self.assertEqual([json.loads(line)["event"] for line in log("--json", "--lines", "1")], ["Expunged"])
        self.assertEqual(log("--event", "Nothing"), [])

    def test_follow(self) -> None:
        """Those that come are told as they come, of the same kind and about the same, till Ctrl-C."""
        self.message()
        steps = iter((SENT, None, SENT))

        def sleep(seconds: float) -> None:
            try:
                step = next(steps)
            except StopIteration:
                raise KeyboardInterrupt from None
            if step is not None:
                self.happened(step)

        path = str(self.folder / "mailnode.toml")
        arguments = ["--config", path, "log", "--follow", "--lines", "1", "--about", "M1"]
        result = CliRunner().invoke(cli.main, [*arguments, "--json"], obj=Outside(sleep=sleep))
        self.assertEqual(result.exit_code, 0, result.output)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        kind = type(SENT).__name__
        self.assertEqual([row["event"] for row in rows][1:], [kind, kind])
