"""Mail readers in a terminal, by keystrokes: neomutt and mutt with QRESYNC and a cache of headers, alpine."""

import mailbox
import os
import re

from tests.interop.both_sides import (
    Kept,
    Side,
    Tree,
    deliver,
    far_side,
    kept,
    login,
    lose_caches,
    uids_by_name,
)
from tests.interop.harness import BEN, HOST, PASSWORD, program, samples
from tests.interop.terminal import Terminal
from tests.interop.test_clients import HouseTestCase, in_terminal

SAVED = r"saved\]|DONE\]"
C_CLIENT_FIELDS = re.compile(rb"^(?:Status|X-Status|X-Keywords|X-UID|X-IMAPbase): [^\r\n]*\n", re.MULTILINE)
LETTERS_OF_MBOX = str.maketrans("RA", "SR")
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
            f'set ssl_ca_certificates_file="{self.server.authority}"',
            f'set certificate_file="{self.server.authority}"',
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


class Alpine(HouseTestCase):
    """alpine, which knows the mailbox by sequence numbers."""

    def open(self) -> Terminal:
        """INBOX, with its list of messages on the screen."""
        inbox = f"{{{HOST}:{self.server.ports['imaps']}/imap/ssl/user={BEN}}}"
        features = (
            "quit-without-confirm",
            "expunge-without-confirm",
            "expunge-without-confirm-everywhere",
            "enable-aggregate-command-set",
            "enable-flag-cmd",
            "save-will-not-delete",
        )
        lines = (
            "user-domain=example.test",
            f"inbox-path={inbox}INBOX",
            f"folder-collections=far {inbox}[],near {self.house.folder}/mail/[]",
            "feature-list=" + ",".join(features),
            "last-version-used=6.26",
        )
        path = self.house.write("pinerc", "\n".join(lines) + "\n")
        trust = {
            "HOME": self.house.folder,
            "SSL_CERT_FILE": self.server.authority,
            "LINES": "24",
            "COLUMNS": "80",
        }
        terminal = Terminal([program("alpine"), "-p", path, "-i", "-nowrite_password_cache"], trust)
        self.addCleanup(terminal.close)
        terminal.expect("ENTER PASSWORD:")
        terminal.press(PASSWORD + "\r")
        terminal.answer("Preserve password", "n", "opened with")
        return terminal

    def test_alpine(self) -> None:
        """It copies, flags, deletes and expunges what stands on its screen, while others come and go."""
        with login(self.server) as client:
            client.create_folder("Work")
            for message, flags in zip(samples("first"), FLAGS, strict=False):
                client.append("INBOX", message.octets, flags=flags)
        before = far_side(self.server)["INBOX"]
        terminal = self.open()
        terminal.press(";", "a", "a", "s")
        terminal.expect("<far>")
        terminal.press("Work\r")
        terminal.expect(SAVED)
        self.assertEqual(far_side(self.server)["Work"], before)
        with login(self.server) as client:
            uids = uids_by_name(client, "INBOX")
            client.delete_messages([uids["first-last-dot"]])
            client.uid_expunge([uids["first-last-dot"]])
        deliver(self.server, samples("delivered")[:2])
        terminal.press("\x0c")  # look for new mail
        terminal.expect("Message 1 of 6")
        terminal.press("j1\r", "d", "j5\r", "*")
        terminal.answer("Important or", "*", "Flagged message 5")
        terminal.press("x")
        terminal.expect("expunged")
        terminal.press("q")
        terminal.wait()
        side = far_side(self.server)
        letters = {one.name: one.letters for one in side["INBOX"]}
        kept = {one.name: one.letters for one in before if one.name not in ("first-last-dot", "first-dots")}
        self.assertEqual(letters, kept | {"delivered-dots": "F", "delivered-last-dot": ""})
        self.assertEqual(side["Work"], before)
        self.assertEqual(self.shown(), side["INBOX"])

    def shown(self) -> list[Kept]:
        """All messages that it has in its list, as it writes them into a file."""
        terminal = self.open()
        terminal.press(";", "a", "a", "s")
        terminal.expect("<far>")
        terminal.press("\x0e", "copied\r")  # the next collection of folders
        terminal.answer(r"Create\?", "y", SAVED)
        terminal.press("q")
        terminal.wait()
        return sorted(
            kept(C_CLIENT_FIELDS.sub(b"", one.as_bytes()), one.get_flags().translate(LETTERS_OF_MBOX))
            for one in mailbox.mbox(os.path.join(self.house.folder, "mail", "copied"))
            if "X-IMAP" not in one  # a message of its own
        )
