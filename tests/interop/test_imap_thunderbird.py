"""Thunderbird's connections to a whole server: STARTTLS, compressed, CONDSTORE, and what it believes.

Its commands are in the order of tests/imap/dialogs/client-thunderbird.txt. Here it keeps what it hears, as
its database does, while another client, new mail and a crash change what there is.
"""

import base64
import io
import re
import socket
from dataclasses import dataclass, field
from typing import Any, cast

from tests.interop.both_sides import LETTERS, Kept, deliver, far_side, kept, login, lose_caches, uids_by_name
from tests.interop.deflating import DeflatingSocket
from tests.interop.harness import (
    BEN,
    CLIENT_SECONDS,
    HOST,
    PASSWORD,
    InteropTestCase,
    Server,
    sample,
    samples,
)

HEADER = (
    "BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References"
    " Newsgroups In-Reply-To Content-Type Reply-To)]"
)
FLAGS = ([], [b"\\Seen"], [b"\\Flagged", b"$Label1"], [b"\\Answered", b"\\Seen"], ["Old"])
_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_COUNT = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)")
_FETCH = re.compile(rb"\* (\d+) FETCH \((?:.* )?UID (\d+)")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_WHOLE = re.compile(rb"RFC822\.SIZE (\d+) BODY\[\] \{\d+\}\r\n(.*)\)\Z", re.DOTALL)
_CODE = re.compile(rb"\S+ OK \[(HIGHESTMODSEQ|UIDVALIDITY) (\d+)\]")


@dataclass(slots=True)
class Folder:
    """What its database holds of a folder; `codes` are the last HIGHESTMODSEQ and UIDVALIDITY."""

    flags: dict[int, frozenset[bytes]] = field(default_factory=dict)
    texts: dict[int, bytes] = field(default_factory=dict)
    codes: dict[bytes, int] = field(default_factory=dict)

    def shown(self) -> list[Kept]:
        """What the person sees."""
        return sorted(
            kept(self.texts[uid], "".join(LETTERS.get(flag, "") for flag in flags))
            for uid, flags in self.flags.items()
        )


class Thunderbird:
    """One of its connections; `folders` are shared by all of them, and stay."""

    def __init__(self, server: Server, folders: dict[str, Folder]) -> None:
        self.folders = folders
        self.folder = Folder()
        self._uids: list[int] = []  # of the selected folder, by their numbers; 0 is one not told yet
        self._number = 0
        bare = socket.create_connection((HOST, server.ports["imap"]), timeout=CLIENT_SECONDS)
        self._socket: Any = bare
        self._file = bare.makefile("rb")
        self._hear()
        self.say("capability")
        self.say("STARTTLS")
        self._socket = server.tls().wrap_socket(bare, server_hostname=HOST)
        self._file = self._socket.makefile("rb")
        self.say("capability")
        initial = base64.b64encode(f"\0{BEN}\0{PASSWORD}".encode()).decode()
        self.say(f"authenticate PLAIN {initial}")
        self.say('ID ("name" "Thunderbird" "version" "128.5.0")')
        self.say("namespace")
        self.say("compress DEFLATE")
        self._socket = DeflatingSocket(self._socket)
        self._file = io.BufferedReader(cast(Any, self._socket))
        self.say("enable CONDSTORE")
        self.say('list (subscribed) "" "*" return (special-use)')

    def say(self, command: str, literal: bytes | None = None) -> None:
        """Give a command, and believe all that comes until it is done."""
        self._number += 1
        octets = f"{self._number} {command}".encode()
        if literal is not None:
            octets += b" {%d+}\r\n" % len(literal) + literal
        self._socket.sendall(octets + b"\r\n")
        self._await(command)

    def _await(self, command: str) -> None:
        while not (response := self._hear()).startswith(b"%d " % self._number):
            pass
        assert response.startswith(b"%d OK" % self._number), (command, response)

    def _hear(self) -> bytes:
        """One response with its literals."""
        response = self._file.readline()
        while found := _LITERAL.search(response):
            response += self._file.read(int(found[1])) + self._file.readline()
        assert response.endswith(b"\r\n"), response
        self._believe(response.removesuffix(b"\r\n"))
        return response

    def _believe(self, response: bytes) -> None:
        if found := _COUNT.match(response):
            number = int(found[1])
            if found[2] == b"EXISTS":
                self._uids += [0] * (number - len(self._uids))
            else:
                uid = self._uids.pop(number - 1)
                self.folder.flags.pop(uid, None)
        elif found := _FETCH.match(response):
            number, uid = map(int, found.groups())
            assert self._uids[number - 1] in (0, uid), response
            self._uids[number - 1] = uid
            if flags := _FLAGS.search(response):
                self.folder.flags[uid] = frozenset(flags[1].split()) - {b"\\Recent"}
            if whole := _WHOLE.search(response):
                assert int(whole[1]) == len(whole[2])
                self.folder.texts[uid] = whole[2]
        elif found := _CODE.match(response):
            self.folder.codes[found[1]] = int(found[2])

    def open(self, name: str) -> None:
        """Select, learn what has changed, and fetch what it has not yet."""
        self.folder = self.folders.setdefault(name, Folder())
        self._uids = []
        known = dict(self.folder.codes)
        self.say(f'select "{name}" (CONDSTORE)')
        if known.get(b"UIDVALIDITY") == self.folder.codes[b"UIDVALIDITY"]:
            self.say(f"UID fetch 1:* (FLAGS) (CHANGEDSINCE {known[b'HIGHESTMODSEQ']})")
        if len(self.folder.flags) == len(self._uids):
            self._uids = sorted(self.folder.flags)
        else:
            self.folder.flags.clear()
            self.say("UID fetch 1:* (FLAGS)")
        self.fetch()

    def fetch(self) -> None:
        """Headers and texts of what is new."""
        for uid in sorted(self.folder.flags.keys() - self.folder.texts.keys()):
            self.say(f"UID fetch {uid} (UID RFC822.SIZE FLAGS {HEADER})")
            self.say(f"UID fetch {uid} (UID RFC822.SIZE BODY.PEEK[])")

    def idle(self) -> None:
        """Wait for news."""
        self._number += 1
        self._socket.sendall(b"%d IDLE\r\n" % self._number)
        while not self._hear().startswith(b"+"):
            pass

    def done(self) -> None:
        """Hear what there is to be heard, and look at what is new."""
        self._socket.sendall(b"DONE\r\n")
        self._await("IDLE")
        self.say("noop")
        self.say(f"UID fetch {max(self._uids, default=0) + 1}:* (FLAGS)")
        self.fetch()

    def uid(self, name: str) -> int:
        """The message of that name in the open folder."""
        (uid,) = (uid for uid in self.folder.flags if kept(self.folder.texts[uid], "").name == name)
        return uid


class ThunderbirdTests(InteropTestCase):
    """Two connections, one of them in IDLE."""

    def setUp(self) -> None:
        super().setUp()
        self.folders: dict[str, Folder] = {}
        with login(self.server) as client:
            client.create_folder("Work")
            client.subscribe_folder("Work")
            for folder in ("INBOX", "Work"):
                for message, flags in zip(samples(folder.lower())[:-1], FLAGS, strict=True):
                    client.append(folder, message.octets, flags=flags)

    def assert_true(self, *names: str) -> None:
        """What it believes of these folders is what there is."""
        side = far_side(self.server)
        for name in names:
            self.assertEqual(self.folders[name].shown(), side[name], name)

    def elsewhere(self) -> None:
        """A phone, and new mail."""
        with login(self.server) as client:
            uids = uids_by_name(client, "INBOX")
            client.add_flags([uids["inbox-dots"]], [b"\\Seen", b"\\Answered"])
            client.remove_flags([uids["inbox-8bit"]], [b"\\Flagged"])
            client.delete_messages([uids["inbox-last-dot"], uids["inbox-long"]])
            client.uid_expunge([uids["inbox-last-dot"], uids["inbox-long"]])
        deliver(self.server, samples("delivered")[:2])

    def test_two_connections(self) -> None:
        """Each hears what others and the other connection do, and the database is true at every stop."""
        inbox, work = Thunderbird(self.server, self.folders), Thunderbird(self.server, self.folders)
        inbox.open("INBOX")
        work.open("Work")
        self.assert_true("INBOX", "Work")
        inbox.idle()
        self.elsewhere()
        work.say(f"uid store {work.uid('work-dots')} +Flags (\\Seen)")
        work.say(f"uid store {work.uid('work-dots')} +FLAGS ($Label1 NonJunk)")
        work.say(f'uid move {work.uid("work-8bit")},{work.uid("work-dots")} "INBOX"')
        work.say('append "Sent" (\\Seen)', sample("sent", b"text\r\n").octets)
        work.say(f"uid store {work.uid('work-long')} +FLAGS (\\Deleted)")
        work.say("expunge")
        inbox.done()
        self.assert_true("INBOX", "Work")
        self.assertEqual(len(self.folders["INBOX"].flags), 5 - 2 + 2 + 2)
        moved = self.folders["INBOX"].flags[inbox.uid("work-dots")]
        self.assertEqual(moved, {b"\\Seen", b"$Label1", b"NonJunk"})
        work.open("Sent")
        self.assert_true("Sent")
        self.assertEqual([one.name for one in self.folders["Sent"].shown()], ["sent"])

    def test_another_day(self) -> None:
        """What happened meanwhile is learned by CONDSTORE, also from a server that has lost its caches."""
        Thunderbird(self.server, self.folders).open("INBOX")
        self.elsewhere()
        Thunderbird(self.server, self.folders).open("INBOX")
        self.assert_true("INBOX")
        with login(self.server) as client:
            uids = uids_by_name(client, "INBOX")
            client.add_flags([uids["delivered-dots"]], [b"\\Flagged"])
            client.move([uids["inbox-empty"]], "Work")
        self.server.kill()
        lose_caches(self.server)
        self.server.start()
        deliver(self.server, [sample("late", b"text\r\n")])
        again = Thunderbird(self.server, self.folders)
        again.open("INBOX")
        self.assert_true("INBOX")
        again.open("Work")
        self.assert_true("Work")
