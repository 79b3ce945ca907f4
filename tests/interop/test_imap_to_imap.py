"""Programs that bring mail from one IMAP server to another: between a real Dovecot and this one, both ways.

interimap keeps two accounts the same, and knows nothing but what QRESYNC tells (RFC 7162).
"""

import os
from collections.abc import Iterator

from imapclient import IMAPClient

from tests.interop.both_sides import (
    deliver,
    folders,
    kept,
    known_to_clients,
    login,
    lose_caches,
    uids_by_name,
)
from tests.interop.dovecot import Dovecot
from tests.interop.harness import BEN, HOST, PASSWORD, Server, program, run, sample, samples
from tests.interop.test_clients import HouseTestCase, attachment

Row = tuple[str, list[bytes], object, bytes]


def rows(client: IMAPClient) -> Iterator[Row]:
    """The messages of the selected folder: name, all flags and keywords, date, octets."""
    for row in client.fetch(client.search(), ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]).values():
        message = kept(row[b"BODY[]"], "")
        yield message.name, sorted(set(row[b"FLAGS"]) - {b"\\Recent"}), row[b"INTERNALDATE"], message.octets


def account(server: Server | Dovecot, address: str = BEN) -> dict[str, list[Row]]:
    """Everything in all folders."""
    found = {}
    with login(server, address) as client:
        client.normalise_times = False
        for folder in folders(client):
            client.select_folder(folder, readonly=True)
            found[folder] = sorted(rows(client), key=lambda row: row[0])
    return found


def fill(server: Server | Dovecot, prefix: str, *names: str) -> None:
    """Every flag, a keyword of its own and common ones, in several folders."""
    flags = ([], [b"\\Seen"], [b"\\Flagged", b"$Label1"], [b"\\Answered", b"\\Seen"], [b"\\Draft"], [prefix])
    with login(server) as client:
        for folder in names:
            if not client.folder_exists(folder):
                client.create_folder(folder)
                client.subscribe_folder(folder)
            messages = [
                *samples(f"{prefix}-{len(folder)}")[:-1],
                attachment(f"{prefix}-{len(folder)}", 100_000),
            ]
            for message, some in zip(messages, flags, strict=True):
                client.append(folder, message.octets, flags=some)


class InterImap(HouseTestCase):
    """interimap, between Dovecot and this server."""

    def setUp(self) -> None:
        super().setUp()
        self.dovecot = Dovecot()
        self.addCleanup(self.dovecot.clean_up)
        self.dovecot.start()

    def sync(self) -> None:
        """Run it once."""
        login = (f"username = {BEN}", f"password = {PASSWORD}", f"host = {HOST}")
        lines = (
            f"database = {self.house.folder}/interimap.db",
            "[local]",
            "type = imap",
            "STARTTLS = NO",
            f"port = {self.dovecot.ports['imap']}",
            *login,
            "[remote]",
            "type = imaps",
            f"port = {self.server.ports['imaps']}",
            f"SSL_CAfile = {self.server.authority}",
            *login,
        )
        path = self.house.write("interimap.conf", "\n".join(lines) + "\n")
        run([program("interimap"), f"--config={path}", "-q"], env={**os.environ, "HOME": self.house.folder})

    def assert_same(self) -> None:
        """Both servers hold the same, and another run changes nothing at all."""
        here, there = account(self.server), account(self.dovecot)
        for folder in sorted(here.keys() | there.keys()):
            self.assertEqual(there.get(folder), here.get(folder), folder)
        before = known_to_clients(self.server), known_to_clients(self.dovecot)
        self.sync()
        self.assertEqual((known_to_clients(self.server), known_to_clients(self.dovecot)), before)

    def change(self, server: Server | Dovecot, prefix: str) -> None:
        """Flags, keywords, expunges, moves on one side, of what came from the other; and a new message."""
        with login(server) as client:
            uids = uids_by_name(client, "INBOX")
            client.add_flags([uids[f"{prefix}-5-dots"]], [b"\\Seen", b"Blue"])
            client.remove_flags([uids[f"{prefix}-5-8bit"]], [b"\\Flagged", b"$Label1"])
            client.delete_messages([uids[f"{prefix}-5-long"], uids[f"{prefix}-5-last-dot"]])
            client.uid_expunge([uids[f"{prefix}-5-long"], uids[f"{prefix}-5-last-dot"]])
            client.move([uids[f"{prefix}-5-empty"]], "Work/Deep")
            client.append("Grüße & Co", sample(f"{prefix}-again", b"text\r\n").octets, flags=[b"\\Flagged"])

    def test_both_ways(self) -> None:
        """What happens on either side is on the other, once; also what was before the caches were lost."""
        fill(self.server, "here", "INBOX", "Work/Deep", "Grüße & Co")
        fill(self.dovecot, "there", "INBOX", "Work/Deep", "Only there")
        self.sync()
        self.assert_same()
        self.assertEqual(sum(map(len, account(self.server).values())), 6 * 6)
        self.change(self.server, "there")
        self.change(self.dovecot, "here")
        deliver(self.server, samples("delivered")[:-1])
        self.sync()
        self.assert_same()
        self.assertEqual(sum(map(len, account(self.server).values())), 6 * 6 - 2 * 2 + 2 + 5)
        with login(self.server) as client:
            uids = uids_by_name(client, "INBOX")
            client.delete_messages([uids["delivered-dots"]])
            client.uid_expunge([uids["delivered-dots"]])
            client.add_flags([uids["delivered-8bit"]], [b"\\Answered", b"Late"])
        self.server.kill()
        lose_caches(self.server)
        self.server.start()
        self.sync()
        self.assert_same()
        names = [row[0] for messages in account(self.dovecot).values() for row in messages]
        self.assertNotIn("delivered-dots", names)
        self.assertEqual(len(names), len(set(names)))


IMAP_COPY = """\
SourceServer {host}
SourcePort {source}
DestServer {host}
DestPort {destination}
DenyFlags "\\Recent"
Copy "{user}" "{password}" "{user}" "{password}"
"""
MIGRATE = """\
use strict; use warnings; use Mail::IMAPClient;
my ($host, $source, $destination, $user, $password) = @ARGV;
sub session {
    return Mail::IMAPClient->new(Server => $host, Port => $_[0], User => $user, Password => $password,
        Uid => 1, Peek => 1) or die "no session: $@";
}
my ($from, $to) = (session($source), session($destination));
for my $folder ($from->folders) {
    next unless $from->selectable($folder);
    $to->exists($folder) or $to->create($folder) or die $to->LastError;
    $to->subscribe($folder) or die $to->LastError;
    $from->examine($folder) or die $from->LastError;
    for my $uid ($from->messages) {
        my $row = $from->fetch_hash([$uid], "FLAGS", "INTERNALDATE")->{$uid};
        my $flags = join " ", grep { !/Recent/ } split " ", $row->{FLAGS};
        my $text = $from->message_string($uid);
        $to->append_string($folder, $text, $flags, $row->{INTERNALDATE}) or die $to->LastError;
    }
}
$from->logout; $to->logout;
"""


class Moving(HouseTestCase):
    """Somebody moves, with all folders, flags, keywords and dates."""

    def setUp(self) -> None:
        super().setUp()
        self.dovecot = Dovecot()
        self.addCleanup(self.dovecot.clean_up)
        self.dovecot.start()

    def imapcopy(self, source: Server | Dovecot, destination: Server | Dovecot) -> None:
        """A program of 2009, which knows no extension at all."""
        ports = {"source": source.ports["imap"], "destination": destination.ports["imap"]}
        self.house.write("ImapCopy.cfg", IMAP_COPY.format(host=HOST, user=BEN, password=PASSWORD, **ports))
        run([program("imapcopy"), "-e", "-s"], cwd=self.house.folder)

    def mail_imapclient(self, source: Server | Dovecot, destination: Server | Dovecot) -> None:
        """Perl's Mail::IMAPClient, in the way of imapsync."""
        path = self.house.write("migrate.pl", MIGRATE)
        ports = (str(source.ports["imap"]), str(destination.ports["imap"]))
        run([program("perl"), path, HOST, *ports, BEN, PASSWORD])

    def test_in(self) -> None:
        """What was at the old server is here."""
        for move, prefix in ((self.imapcopy, "copy"), (self.mail_imapclient, "perl")):
            folders = [f"{prefix}/{name}" for name in ("Work/Deep", "Grüße & Co")]
            fill(self.dovecot, prefix, *folders)
            move(self.dovecot, self.server)
            here, there = account(self.server), account(self.dovecot)
            for folder in folders:
                self.assertEqual(here[folder], there[folder])

    def test_out(self) -> None:
        """Nobody is held here."""
        for move, prefix in ((self.imapcopy, "copy"), (self.mail_imapclient, "perl")):
            folders = [f"{prefix}/{name}" for name in ("Work/Deep", "Grüße & Co")]
            fill(self.server, prefix, *folders)
            move(self.server, self.dovecot)
            here, there = account(self.server), account(self.dovecot)
            for folder in folders:
                self.assertEqual(there[folder], here[folder])
