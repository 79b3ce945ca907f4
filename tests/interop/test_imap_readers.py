"""Mail readers in a terminal, by keystrokes: neomutt and mutt with QRESYNC and a cache of headers, alpine."""

import os

from tests.interop.both_sides import (
    Side,
    Tree,
    deliver,
    far_side,
    login,
    lose_caches,
    uids_by_name,
)
from tests.interop.harness import BEN, HOST, PASSWORD, program, sample, samples
from tests.interop.test_clients import HouseTestCase, in_terminal

FLAGS = ([], [b"\\Seen"], [b"\\Flagged", b"$Label1"], [b"\\Answered", b"\\Seen"], [b"\\Flagged", b"\\Seen"])


class Mutt(HouseTestCase):
    """neomutt and mutt; both keep the headers they have seen, and ask by QRESYNC for what is different."""

    def setUp(self) -> None:
        super().setUp()
        with login(self.server) as client:
            client.create_folder("Work/Deep")
            for message, flags in zip(samples("first"), FLAGS, strict=False):
                client.append("INBOX", message.octets, flags=flags)

    def say(self, name: str, keys: str) -> None:
        """Open INBOX and press these keys."""
        lines = (
            f'set spoolfile="imaps://{HOST}:{self.server.ports["imaps"]}/INBOX"',
            f'set imap_user="{BEN}" imap_pass="{PASSWORD}"',
            f'set ssl_ca_certificates_file="{self.server.authority}" certificate_file="{self.server.authority}"',
            f'set folder="imaps://{HOST}:{self.server.ports["imaps"]}/"',
            "set ssl_force_tls=yes copy=no mbox_type=Maildir confirmcreate=no confirmappend=no delete=yes",
            "set quit=yes sleep_time=0 wait_key=no mail_check=0 mark_old=no",
            f"set imap_condstore=yes imap_qresync=yes header_cache={self.house.folder}/{name}-cache",
        )
        path = self.house.write(f"{name}rc", "\n".join(lines) + "\n")
        in_terminal([program(name), "-n", "-F", path, "-e", f'push "{keys}"'])

    def believed(self, name: str, number: int) -> Side:
        """What the reader shows: every message that it has in its list goes to a Maildir, with its flags."""
        path = os.path.join(self.house.folder, f"{name}-{number}")
        os.mkdir(path)
        self.say(name, f"<tag-pattern>~A<enter><tag-prefix-cond><copy-message>{path}/INBOX<enter><exit>")
        return Tree(path).side()

    def test_neomutt(self) -> None:
        """neomutt."""
        self.everything("neomutt")

    def test_mutt(self) -> None:
        """mutt."""
        self.everything("mutt")

    def everything(self, name: str) -> None:
        """What it shows is there, what it does is done, and the headers that it keeps do not mislead it."""
        for number, change in enumerate((lambda: None, self.elsewhere, self.crash)):
            change()
            self.assertEqual(self.believed(name, number)["INBOX"], far_side(self.server)["INBOX"], number)
        self.say(
            name,
            "<tag-pattern>~A<enter><tag-prefix><clear-flag>!<untag-pattern>~A<enter>"
            "<tag-pattern>~s delivered-dots$<enter><tag-prefix><set-flag>!<tag-prefix><set-flag>r"
            "<untag-pattern>~A<enter><tag-pattern>~s first-empty$<enter><tag-prefix><delete-message>"
            "<untag-pattern>~A<enter><tag-pattern>~s first-dots$|~s first-8bit$<enter><tag-prefix><set-flag>N"
            "<tag-prefix><save-message>=Work/Deep<enter><untag-pattern>~A<enter><sync-mailbox><exit>",
        )
        side = far_side(self.server)
        found = {(folder, one.name): one.letters for folder in side for one in side[folder]}
        wanted = {
            ("INBOX", "first-long"): "S",
            ("INBOX", "delivered-dots"): "FRS",
            ("INBOX", "delivered-last-dot"): "",
            ("Work/Deep", "first-dots"): "R",
            ("Work/Deep", "first-8bit"): "",
        }
        self.assertEqual(found, wanted)
        self.assertEqual(self.believed(name, 9)["INBOX"], side["INBOX"])
        with login(self.server) as client:
            client.select_folder("Work/Deep", readonly=True)
            self.assertEqual(len(client.search("KEYWORD $Label1 SUBJECT first-8bit")), 1)

    def elsewhere(self) -> None:
        """Another client, and mail."""
        with login(self.server) as client:
            uids = uids_by_name(client, "INBOX")
            client.add_flags([uids["first-dots"]], [b"\\Seen", b"\\Answered"])
            client.remove_flags([uids["first-8bit"]], [b"\\Flagged"])
            client.delete_messages([uids["first-last-dot"]])
            client.uid_expunge([uids["first-last-dot"]])
        deliver(self.server, samples("delivered")[:2])

    def crash(self) -> None:
        """The server loses its caches, and with them what it knew of expunged messages."""
        with login(self.server) as client:
            uids = uids_by_name(client, "INBOX")
            client.add_flags([uids["first-long"]], [b"\\Flagged", b"$Label1"])
        self.server.kill()
        lose_caches(self.server)
        self.server.start()
