"""Clients that keep an account and a tree of Maildirs the same: mbsync and offlineimap.

Both sides change, the server restarts and loses its caches, mail comes in meanwhile; each message is on both
sides in the end, once, with the same flags, and another run changes nothing.
"""

import os
import threading

from tests.interop.both_sides import (
    Tree,
    deliver,
    far_side,
    known_to_clients,
    login,
    lose_caches,
    uids_by_name,
)
from tests.interop.harness import BEN, HOST, PASSWORD, Sample, program, run, sample, samples
from tests.interop.test_clients import HouseTestCase, attachment

FOLDERS = ("Work", "Work/Deep", "Grüße & Co")
UMLAUTS = "Gr&APwA3w-e &- Co"


def small(prefix: str) -> list[Sample]:
    """The usual ones, with a smaller attachment."""
    return [*samples(prefix)[:-1], attachment(prefix, 100_000)]


class TwoSides(HouseTestCase):
    """What each client has to stand; `sync` runs it once."""

    separator = "/"

    def setUp(self) -> None:
        super().setUp()
        self.near = Tree(os.path.join(self.house.folder, "near"), self.separator)
        os.mkdir(self.near.path)
        self.fill()

    def sync(self) -> None:
        """Run the client until it is done."""
        raise NotImplementedError

    def fill(self) -> None:
        """What the account holds before the client comes: every flag, keywords, several folders."""
        with login(self.server) as client:
            for folder in FOLDERS:
                client.create_folder(folder)
                client.subscribe_folder(folder)
            flags = (
                [],
                [b"\\Seen"],
                [b"\\Flagged", b"$Label1"],
                [b"\\Answered", b"\\Seen"],
                [b"\\Draft"],
                ["Old"],
            )
            for number, folder in enumerate(("INBOX", *FOLDERS)):
                for message, some in zip(small(f"first-{number}"), flags, strict=True):
                    client.append(folder, message.octets, flags=some)

    def assert_same(self) -> None:
        """Both sides hold the same, and what the server holds is the same after another run."""
        far, near = far_side(self.server), self.near.side()
        for folder in sorted(far.keys() | near.keys()):
            self.assertEqual(near.get(folder), far.get(folder), folder)
        known, files = known_to_clients(self.server), self.near.files()
        self.sync()
        self.assertEqual(known_to_clients(self.server), known)
        self.assertEqual(self.near.files(), files)

    def change_far(self) -> None:
        """A phone, so to say: flags come and go, messages go and move, one comes."""
        with login(self.server) as client:
            uids = uids_by_name(client, "INBOX")
            client.add_flags([uids["first-0-dots"]], [b"\\Seen", b"\\Answered", b"Blue"])
            client.remove_flags([uids["first-0-last-dot"]], [b"\\Seen"])
            client.move([uids["first-0-empty"]], "Work/Deep")
            client.delete_messages([uids["first-0-long"]])
            client.uid_expunge([uids["first-0-long"]])
            client.append("Work", sample("far", b"text\r\n").octets, flags=[b"\\Flagged"])

    def change_near(self) -> None:
        """A mail reader on the Maildirs: the same there, and a new folder."""
        self.near.flag("INBOX", "first-0-8bit", "RS")
        self.near.flag("Work/Deep", "first-2-last-dot", "")
        self.near.remove(UMLAUTS, "first-3-8bit")
        self.near.add("INBOX", sample("near-seen", b"here\r\n"), "FS")
        self.near.add("Work", sample("near-new", b"there\r\n"))
        for message in small("near"):
            self.near.add("Here", message, "S")

    def test_both_ways(self) -> None:
        """What happens on either side is on the other, once, and then nothing more differs."""
        self.sync()
        self.assert_same()
        self.change_far()
        self.change_near()
        deliver(self.server, small("delivered"))
        self.sync()
        self.assert_same()
        side = far_side(self.server)
        self.assertEqual(sum(map(len, side.values())), 24 - 1 - 1 + 1 + 2 + 6 + 6)
        found = {one.name: one.letters for messages in side.values() for one in messages}
        wanted = {
            "first-0-dots": "RS",
            "first-0-last-dot": "",
            "first-0-8bit": "RS",
            "first-0-empty": "RS",
            "first-2-last-dot": "",
            "far": "F",
            "near-seen": "FS",
            "near-new": "",
            "near-8bit": "S",
            "delivered-dots": "",
        }
        self.assertEqual({name: found.get(name) for name in wanted}, wanted)
        self.assertNotIn("first-0-long", found)
        self.assertNotIn("first-3-8bit", found)
        self.assertEqual([one.name for one in side["Work/Deep"]].count("first-0-empty"), 1)
        self.keywords_are_left()

    def keywords_are_left(self) -> None:
        """A Maildir knows no keywords: these clients must not lose those of the server."""
        with login(self.server) as client:
            for folder in ("INBOX", *FOLDERS):
                client.select_folder(folder, readonly=True)
                self.assertEqual(len(client.search("KEYWORD Old")), 1, folder)
                removed = folder == "Grüße & Co"
                self.assertEqual(len(client.search("KEYWORD $Label1")), 0 if removed else 1, folder)
            client.select_folder("INBOX", readonly=True)
            self.assertEqual(len(client.search("KEYWORD Blue SEEN ANSWERED")), 1)

    def test_server_between(self) -> None:
        """A restart, then a kill with all caches lost: the client finds what it knows, and moves nothing."""
        self.sync()
        known, files = known_to_clients(self.server), self.near.files()
        for event in (self.server.restart, self.crash):
            event()
            self.sync()
            self.assertEqual(known_to_clients(self.server), known, event.__name__)
            self.assertEqual(self.near.files(), files, event.__name__)
        self.change_far()
        self.change_near()
        self.sync()
        self.assert_same()

    def crash(self) -> None:
        """No time for anything, and somebody removes all that can be made again."""
        self.server.kill()
        lose_caches(self.server)
        self.server.start()

    def test_while_mail_comes_in(self) -> None:
        """Messages that are delivered, flagged and moved during many runs are there once in the end."""
        done = threading.Event()
        trouble: list[BaseException] = []

        def others() -> None:
            try:
                with login(self.server) as client:
                    uids = list(uids_by_name(client, "INBOX").values())
                    for number in range(20):
                        deliver(self.server, [sample(f"busy-{number}", b"text\r\n" * number)])
                        client.add_flags(client.search()[-1:], [b"\\Seen"] if number % 2 else [b"\\Flagged"])
                        if number % 5 == 0:
                            client.move([uids.pop()], "Work")
            except BaseException as error:
                trouble.append(error)
            finally:
                done.set()

        self.sync()
        thread = threading.Thread(target=others)
        thread.start()
        while not done.is_set():
            self.sync()
        thread.join()
        self.assertEqual(trouble, [])
        self.sync()
        self.assert_same()
        names = [one.name for messages in far_side(self.server).values() for one in messages]
        self.assertEqual(len(names), 24 + 20)
        self.assertEqual(len(set(names)), 24 + 20)


class Mbsync(TwoSides):
    """mbsync, compressed (COMPRESS=DEFLATE) and under TLS; the folders of the person are its patterns."""

    def sync(self) -> None:
        lines = (
            "IMAPAccount account",
            f"Host {HOST}",
            f"Port {self.server.ports['imaps']}",
            f"User {BEN}",
            f"Pass {PASSWORD}",
            "SSLType IMAPS",
            "SystemCertificates no",
            f"CertificateFile {self.server.authority}",
            "",
            "IMAPStore far",
            "Account account",
            "",
            "MaildirStore near",
            f"Path {self.near.path}/",
            f"Inbox {self.near.path}/INBOX",
            "SubFolders Verbatim",
            "",
            "Channel all",
            "Far :far:",
            "Near :near:",
            "Patterns *",
            "Sync All",
            "Create Both",
            "Expunge Both",
            "SyncState *",
        )
        run([program("mbsync"), "-q", "-c", self.house.write("mbsyncrc", "\n".join(lines) + "\n"), "all"])


class OfflineImap(TwoSides):
    """offlineimap 3, under TLS."""

    separator = "."

    def sync(self) -> None:
        lines = (
            "[general]",
            "accounts = one",
            f"metadata = {self.house.folder}/offlineimap",
            "[Account one]",
            "localrepository = near",
            "remoterepository = far",
            "[Repository near]",
            "type = Maildir",
            f"localfolders = {self.near.path}",
            "[Repository far]",
            "type = IMAP",
            f"remotehost = {HOST}",
            f"remoteport = {self.server.ports['imaps']}",
            f"remoteuser = {BEN}",
            f"remotepass = {PASSWORD}",
            "ssl = yes",
            f"sslcacertfile = {self.server.authority}",
        )
        path = self.house.write("offlineimaprc", "\n".join(lines) + "\n")
        ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        home = {**ours, "HOME": self.house.folder}
        run([program("offlineimap"), "-c", path, "-o", "-u", "quiet"], env=home)


del TwoSides
