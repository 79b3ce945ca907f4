"""Programs that fetch, sort and look for mail by IMAP: getmail, fetchmail, pullimap, imapfilter and curl."""

import os
import re
import subprocess
from functools import partial

from tests.interop.both_sides import Kept, deliver, far_side, kept, login, uids_by_name
from tests.interop.harness import (
    ANNA,
    BEN,
    HOST,
    PASSWORD,
    STOP_SECONDS,
    Sample,
    program,
    run,
    sample,
    samples,
    wait_until,
)
from tests.interop.test_clients import House, HouseTestCase, fetchmail, script, trusted
from tests.interop.test_pop3_clients import home

GETMAIL_FIELDS = re.compile(rb"^(?:Return-Path: <unknown>|X-getmail-[^\r\n]*)\r\n", re.MULTILINE)
FLAGS = ([], [b"\\Seen"], [b"\\Flagged", b"$Label1"], [b"\\Answered", b"\\Seen"], ["Old"])


def fetched(messages: list[bytes]) -> list[Kept]:
    """What a program has brought, with no flags."""
    return sorted(kept(one, "") for one in messages)


def names(messages: list[bytes]) -> list[str]:
    """The same, when the octets do not matter."""
    return [one.name for one in fetched(messages)]


def getmail(house: House, name: str, *options: str) -> list[bytes]:
    """Fetch from INBOX and Work/Deep; gives what came. It remembers what it has seen."""
    data = os.path.join(house.folder, "getmail")
    os.makedirs(data, exist_ok=True)
    lines = (
        "[retriever]",
        "type = SimpleIMAPSSLRetriever",
        f"server = {HOST}",
        f"port = {house.server.ports['imaps']}",
        f"username = {BEN}",
        f"password = {PASSWORD}",
        f"ca_certs = {house.server.authority}",
        'mailboxes = ("INBOX", "Work/Deep")',
        "[destination]",
        "type = MDA_external",
        f"path = {script(house, name)}",
        "allow_root_commands = true",
        "[options]",
        "read_all = false",
        "received = false",
        "delivered_to = false",
        *options,
    )
    path = house.write("getmail/getmailrc", "\n".join(lines) + "\n")
    run([program("getmail"), "-q", "-g", data, "-r", path], env=home(house))
    return [GETMAIL_FIELDS.sub(b"", one) for one in house.read_all(name)]


class Programs(HouseTestCase):
    """Each on an account of several folders, with every flag."""

    def setUp(self) -> None:
        super().setUp()
        self.sent: dict[str, list[Sample]] = {}
        with login(self.server) as client:
            for folder, prefix in (("INBOX", "inbox"), ("Work/Deep", "deep")):
                if folder != "INBOX":
                    client.create_folder(folder)
                self.sent[folder] = samples(prefix)[:-1]
                for message, flags in zip(self.sent[folder], FLAGS, strict=True):
                    client.append(folder, message.octets, flags=flags)
        self.everything = fetched([one.octets for messages in self.sent.values() for one in messages])

    def flags(self) -> dict[str, list[bytes]]:
        """The flags of all messages of INBOX by name."""
        with login(self.server) as client:
            uids = {uid: name for name, uid in uids_by_name(client, "INBOX").items()}
            rows = client.fetch(list(uids), ["FLAGS"])
            return {uids[uid]: sorted(set(row[b"FLAGS"]) - {b"\\Recent"}) for uid, row in rows.items()}

    def test_getmail(self) -> None:
        """It fetches all, then only what is new, also after a restart; and takes away only what it has."""
        before = self.flags()
        self.assertEqual(fetched(getmail(self.house, "first")), self.everything)
        self.assertEqual(getmail(self.house, "again"), [])
        self.assertEqual(self.flags(), before)
        deliver(self.server, [sample("late", b"text\r\n")])
        self.server.restart()
        self.assertEqual(names(getmail(self.house, "late")), ["late"])
        deliver(self.server, [sample("later", b"text\r\n")])
        self.assertEqual(names(getmail(self.house, "taken", "delete = true")), ["later"])
        self.assertEqual(far_side(self.server)["INBOX"], [])
        self.assertEqual(far_side(self.server)["Work/Deep"], [])

    def test_fetchmail(self) -> None:
        """It takes what is unseen, marks it, and leaves the rest; or takes all, folder by folder."""
        tls = trusted(self.house, "ssl")
        messages = zip(self.sent["INBOX"], FLAGS, strict=True)
        unseen = [message.octets for message, flags in messages if b"\\Seen" not in flags]
        options = ("  keep no fetchall", tls)
        found = fetchmail(self.house, "unseen", "imaps", *options, protocol="imap")
        self.assertEqual(fetched(found), fetched(unseen))
        self.assertEqual([name for name, flags in self.flags().items() if b"\\Seen" not in flags], [])
        self.assertEqual(self.flags()["inbox-8bit"], [b"$Label1", b"\\Flagged", b"\\Seen"])
        options = ("  nokeep", "  folder INBOX,Work/Deep", tls)
        found = fetchmail(self.house, "all", "imaps", *options, protocol="imap")
        self.assertEqual(fetched(found), self.everything)
        self.assertEqual(sum(map(len, far_side(self.server).values())), 0)

    def test_pullimap(self) -> None:
        """It stays in IDLE, and hands on by SMTP what comes, each message once."""
        lines = (
            "statefile = pullimap.state",
            f"deliver-method = smtp:[127.0.0.1]:{self.server.ports['smtp']}",
            f"deliver-rcpt = {ANNA}",
            "[ben]",
            "type = imap",
            f"host = {HOST}",
            f"port = {self.server.ports['imap']}",
            "STARTTLS = YES",
            f"SSL_CAfile = {self.server.authority}",
            f"username = {BEN}",
            f"password = {PASSWORD}",
        )
        path = self.house.write("pullimap.conf", "\n".join(lines) + "\n")
        self.house.make(".local/share/pullimap")
        run([program("pullimap"), f"--config={path}", "-q", "ben"], env=home(self.house))
        command = [program("pullimap"), f"--config={path}", "--idle", "-q", "ben"]
        process = subprocess.Popen(command, env=home(self.house), stdin=subprocess.DEVNULL)
        try:
            for number in range(6):
                wait_until(partial(self.anna_has, 5 + number), f"message {number}")
                deliver(self.server, [sample(f"idle-{number}", b"text\r\n")])
            wait_until(partial(self.anna_has, 11), "the last message")
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
        run([program("pullimap"), f"--config={path}", "-q", "ben"], env=home(self.house))
        here = [one.name for one in far_side(self.server, ANNA)["INBOX"]]
        self.assertEqual(here, [one.name for one in far_side(self.server)["INBOX"]])

    def anna_has(self, count: int) -> bool:
        """Whether so many messages have come to ANNA."""
        return len(self.server.files(ANNA)) == count

    def test_imapfilter(self) -> None:
        """It sorts by flags, keywords, sizes and texts: copies, marks, moves, makes folders, deletes."""
        self.house.make(".imapfilter")
        script = f"""
            options.timeout = 30
            options.create = true
            options.subscribe = true
            options.starttls = true
            options.certificates = true
            function account(name)
                return IMAP {{ server = "{HOST}", port = {self.server.ports["imap"]},
                    username = name, password = "{PASSWORD}" }}
            end
            me, other = account("{BEN}"), account("{ANNA}")
            inbox = me.INBOX
            flagged = inbox:is_flagged() * inbox:has_keyword("$Label1")
            flagged:copy_messages(me["Work/Deep"])
            flagged:mark_answered()
            flagged:add_flags({{ "Blue" }})
            big = inbox:is_larger(5000) + inbox:contain_field("Message-ID", "inbox-last-dot")
            big:move_messages(me["Made/Here"])
            inbox:contain_body(".a"):copy_messages(other.INBOX)
            done = inbox:is_answered() * inbox:is_seen()
            done:delete_messages()
        """
        path = self.house.write("filter.lua", script)
        run([program("imapfilter"), "-c", path, "-t", self.server.authority], env=home(self.house))
        side = far_side(self.server)
        here = [*far_side(self.server, ANNA)["INBOX"], *side["INBOX"], *side["Made/Here"]]
        found = [(one.name, one.letters) for one in here]
        wanted = [("inbox-dots", ""), ("inbox-8bit", "FR"), ("inbox-dots", "")]
        self.assertEqual(found, [*wanted, ("inbox-last-dot", "S"), ("inbox-long", "")])
        self.assertEqual([one.letters for one in side["Work/Deep"] if one.name == "inbox-8bit"], ["F"])
        self.assertEqual(self.flags()["inbox-8bit"], [b"$Label1", b"Blue", b"\\Answered", b"\\Flagged"])
        sent = {kept(one.octets, "") for one in self.sent["INBOX"]}
        self.assertLessEqual({kept(one.octets, "") for one in here}, sent)

    def curl(self, path: str, *options: str) -> bytes:
        """One command."""
        login = ["--cacert", self.server.authority, "-u", f"{BEN}:{PASSWORD}"]
        return run(
            [program("curl"), "-sS", "--max-time", "50", *login, self.house.url("imaps") + path, *options]
        )

    def test_curl(self) -> None:
        """It asks, marks, copies, moves and removes by commands of one's own, and reads by URL (RFC 5092)."""
        listing = self.curl("/")
        self.assertIn(b'* LIST (\\HasNoChildren) "/" Work/Deep\r\n', listing)
        self.assertEqual(self.curl("/INBOX?UNSEEN"), b"* SEARCH 1 3 5\r\n")
        self.assertTrue(self.curl("/INBOX;UID=3") == self.sent["INBOX"][2].octets)
        body = self.sent["INBOX"][0].octets.partition(b"\r\n\r\n")[2]
        self.assertEqual(self.curl("/INBOX;UID=1;SECTION=TEXT"), body)
        self.curl("/INBOX", "-X", "UID STORE 3 +FLAGS.SILENT (\\Seen)")
        self.assertEqual(self.flags()["inbox-8bit"], [b"$Label1", b"\\Flagged", b"\\Seen"])
        self.curl("/INBOX", "-X", "UID MOVE 1 Work/Deep")
        self.curl("/INBOX", "-X", "UID COPY 3 Work/Deep")
        said = self.curl("/INBOX", "-X", "FETCH 1:* (UID RFC822.SIZE)")
        found = [tuple(map(int, pair)) for pair in re.findall(rb"UID (\d+) RFC822.SIZE (\d+)", said)]
        self.assertEqual(
            found, [(number + 2, len(one.octets)) for number, one in enumerate(self.sent["INBOX"][1:])]
        )
        deep = [(one.name, one.letters) for one in far_side(self.server)["Work/Deep"]]
        self.assertEqual(deep[-2:], [("inbox-8bit", "FS"), ("inbox-dots", "S")])
        self.assertEqual(self.curl("/Archive?ALL"), b"* SEARCH\r\n")
