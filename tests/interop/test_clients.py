"""Debian's clients: what each sends is read back by each, octet for octet.

Where a client is known to add fields of its own (mbsync, neomutt), exactly these are taken out again.
"""

import email
import os
import pty
import re
import select
import tempfile
import time
from collections.abc import Callable

from twisted.trial.unittest import SkipTest

from mailnode.values import frozen
from mailnode.wire.dot import Encoder
from tests.interop.harness import (
    ANNA,
    BEN,
    CLIENT_SECONDS,
    HOST,
    PASSWORD,
    InteropTestCase,
    Sample,
    Server,
    attachment,
    program,
    run,
    samples,
    wait_until,
)
from tests.interop.test_stdlib import TRACE_FIELDS

OWN_FIELDS = re.compile(rb"^(?:X-TUID|Content-Length|Lines): [^\r\n]*\r\n", re.MULTILINE)


def wire(octets: bytes) -> bytes:
    """A file with LF line ends as it goes over the wire."""
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@frozen
class House:
    """A server and a folder for the clients' files."""

    server: Server
    folder: str

    def write(self, name: str, octets: bytes | str) -> str:
        """A file only its owner may read; gives its path."""
        path = os.path.join(self.folder, name)
        with open(path, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(octets.encode() if isinstance(octets, str) else octets)
        return path

    def make(self, *names: str) -> str:
        """Folders in the folder; gives the path of the first."""
        for name in names:
            os.makedirs(os.path.join(self.folder, name))
        return os.path.join(self.folder, names[0])

    def read_all(self, *names: str) -> list[bytes]:
        """The wire form of all files in these folders."""
        found = []
        for name in names:
            for directory, _, files in os.walk(os.path.join(self.folder, name)):
                for file in sorted(files):
                    if not file.startswith("."):
                        with open(os.path.join(directory, file), "rb") as opened:
                            found.append(wire(opened.read()))
        return found

    def url(self, place: str) -> str:
        """Such as imaps://localhost:993"""
        scheme = {"submission": "smtp", "submissions": "smtps"}.get(place, place)
        return f"{scheme}://{HOST}:{self.server.ports[place]}"


Send = Callable[[House, list[Sample]], None]
Read = Callable[[House], list[bytes]]


# swaks


def swaks_send(house: House, messages: list[Sample]) -> None:
    """In clear, with STARTTLS, and under TLS; the content goes out as swaks finds it."""
    server = house.server
    tls = ["--tls-verify", "--tls-ca-path", server.authority, "-au", ANNA, "-ap", PASSWORD]
    places = (("smtp", []), ("submission", ["-tls", *tls]), ("submissions", ["-tlsc", *tls]))
    for number, message in enumerate(messages):
        place, options = places[number % 3]
        encoder = Encoder()
        content = encoder.feed(message.octets) + encoder.finish()
        path = house.write("swaks.eml", content.removesuffix(b"\r\n"))
        server_option = ["--server", f"{HOST}:{server.ports[place]}"]
        envelope = ["--from", ANNA, "--to", BEN, "--no-data-fixup", "--data", "@" + path]
        run([program("swaks"), "--silent", "2", *server_option, *envelope, *options])


# curl


def _curl(house: House, *options: str) -> bytes:
    return run([program("curl"), "-sS", "--max-time", "50", "--cacert", house.server.authority, *options])


def curl_send(house: House, messages: list[Sample]) -> None:
    """SMTP three ways, and IMAP APPEND."""
    password = ["-u", f"{ANNA}:{PASSWORD}"]
    ways = (
        [house.url("smtp")],
        ["--ssl-reqd", *password, house.url("submission")],
        [*password, house.url("submissions")],
    )
    for number, message in enumerate(messages):
        path = house.write("curl.eml", message.octets)
        _curl(house, *ways[number % 3], "--mail-from", ANNA, "--mail-rcpt", BEN, "-T", path)


def curl_append(house: House, messages: list[Sample]) -> None:
    """IMAP APPEND."""
    for message in messages:
        path = house.write("curl.eml", message.octets)
        _curl(house, "-u", f"{BEN}:{PASSWORD}", house.url("imaps") + "/INBOX", "-T", path)


def _curl_pop3(place: str, *options: str) -> Read:
    def read(house: House) -> list[bytes]:
        login = ["-u", f"{BEN}:{PASSWORD}", *options]
        listing = _curl(house, *login, house.url(place) + "/").split(b"\r\n")[:-1]
        urls = [house.url(place) + "/" + line.split()[0].decode() for line in listing]
        messages = [_curl(house, *login, url) for url in urls]
        assert [int(line.split()[1]) for line in listing] == list(map(len, messages))
        return messages

    return read


def _curl_imap(place: str, *options: str) -> Read:
    def read(house: House) -> list[bytes]:
        login = ["-u", f"{BEN}:{PASSWORD}", *options]
        found = _curl(house, *login, house.url(place) + "/INBOX?ALL")
        numbers = found.split()[2:]
        return [
            _curl(house, *login, f"{house.url(place)}/INBOX;MAILINDEX={number.decode()}")
            for number in numbers
        ]

    return read


# mbsync


def _mbsync(house: House, place: str, kind: str) -> None:
    lines = (
        "IMAPAccount account",
        f"Host {HOST}",
        f"Port {house.server.ports[place]}",
        f"User {BEN}",
        f"Pass {PASSWORD}",
        f"SSLType {kind}",
        "SystemCertificates no",
        f"CertificateFile {house.server.authority}",
        "",
        "IMAPStore far",
        "Account account",
        "",
        "MaildirStore near",
        f"Path {house.folder}/mbsync/",
        f"Inbox {house.folder}/mbsync/INBOX",
        "",
        "Channel all",
        "Far :far:",
        "Near :near:",
        "Sync All",
        "SyncState *",
    )
    run([program("mbsync"), "-q", "-c", house.write("mbsyncrc", "\n".join(lines) + "\n"), "all"])


def _mbsync_folder(house: House) -> None:
    if not os.path.exists(f"{house.folder}/mbsync"):
        house.make("mbsync/INBOX/cur", "mbsync/INBOX/new", "mbsync/INBOX/tmp")


def mbsync_push(house: House, messages: list[Sample]) -> None:
    """From a Maildir to the server, with STARTTLS."""
    _mbsync_folder(house)
    for number, message in enumerate(messages):
        octets = message.octets.replace(b"\r\n", b"\n")
        house.write(f"mbsync/INBOX/new/{1700000000 + number}.{number}.client", octets)
    _mbsync(house, "imap", "STARTTLS")


def mbsync_pull(house: House) -> list[bytes]:
    """From the server to the same Maildir, under TLS."""
    _mbsync_folder(house)
    _mbsync(house, "imaps", "IMAPS")
    return house.read_all("mbsync/INBOX/cur", "mbsync/INBOX/new")


# fetchmail


def fetchmail(house: House, name: str, place: str, *options: str, protocol: str = "pop3") -> list[bytes]:
    """Fetch with some options of the poll; what came is in a folder of that name."""
    lines = (
        "set invisible",
        f"poll {HOST} protocol {protocol} service {house.server.ports[place]}"
        + (" uidl" if protocol == "pop3" else ""),
        f'  user "{BEN}" password "{PASSWORD}" no rewrite fetchall',
        *options,
        f'  mda "{script(house, name)}"',
    )
    path = house.write(f"{name}.rc", "\n".join(lines) + "\n")
    home = {**os.environ, "HOME": house.folder, "FETCHMAILHOME": house.folder}
    files = ["-i", f"{house.folder}/{name}.ids", "--pidfile", f"{house.folder}/{name}.pid"]
    run([program("fetchmail"), "-s", "-f", path, *files], env=home)
    return house.read_all(name)


def script(house: House, name: str) -> str:
    """A program that puts a message into a folder of this name."""
    folder = house.make(name)
    path = house.write(f"{name}.sh", f'#!/bin/sh\ncat > "{folder}/$$"\n')
    os.chmod(path, 0o700)
    return path


def trusted(house: House, kind: str) -> str:
    """How fetchmail is to encrypt, with the server's certificate checked."""
    return f"  {kind} sslcertck sslcertfile {house.server.authority}"


def _fetchmail(place: str, protocol: str) -> Read:
    def read(house: House) -> list[bytes]:
        tls = trusted(house, "ssl" if place.endswith("s") else "sslproto TLS1.2+")
        return fetchmail(house, f"fetchmail-{place}", place, "  keep", tls, protocol=protocol)

    return read


# msmtp


def msmtp_send(house: House, messages: list[Sample]) -> None:
    """In clear, with STARTTLS, and under TLS."""
    ports = house.server.ports
    login = f"auth on\nuser {ANNA}\npassword {PASSWORD}\ntls on\ntls_trust_file {house.server.authority}\n"
    path = house.write(
        "msmtprc",
        f"account 0\nhost {HOST}\nport {ports['smtp']}\nfrom {ANNA}\n"
        f"account 1\nhost {HOST}\nport {ports['submission']}\nfrom {ANNA}\n{login}tls_starttls on\n"
        f"account 2\nhost {HOST}\nport {ports['submissions']}\nfrom {ANNA}\n{login}tls_starttls off\n",
    )
    for number, message in enumerate(messages):
        run([program("msmtp"), "-C", path, "-a", str(number % 3), BEN], stdin=message.octets)


# neomutt


def _muttrc(house: House) -> str:
    ports = house.server.ports
    lines = (
        f'set from="{ANNA}"',
        f'set smtp_url="smtps://{ANNA}@{HOST}:{ports["submissions"]}"',
        f'set smtp_pass="{PASSWORD}"',
        f'set spoolfile="imaps://{HOST}:{ports["imaps"]}/INBOX"',
        f'set imap_user="{BEN}"',
        f'set imap_pass="{PASSWORD}"',
        f'set ssl_ca_certificates_file="{house.server.authority}"',
        f'set certificate_file="{house.server.authority}"',
        f'set folder="{house.folder}"',
        "set ssl_force_tls=yes copy=no mbox_type=Maildir confirmcreate=no confirmappend=no delete=no",
        "set quit=yes sleep_time=0 wait_key=no mail_check=0",
    )
    return house.write("muttrc", "\n".join(lines) + "\n")


def neomutt_send(house: House, content: bytes) -> None:
    """A message that neomutt makes itself, with a file attached."""
    attached = house.write("attached.bin", content)
    options = ["-n", "-F", _muttrc(house), "-s", "from neomutt", "-a", attached, "--", BEN]
    run([program("neomutt"), *options], stdin=b"Hello\n.\n..\nend\n")


def neomutt_copy(house: House) -> list[bytes]:
    """Open INBOX and copy every message to a Maildir, by keystrokes in a terminal."""
    keys = f"<tag-pattern>~A<enter><tag-prefix-cond><copy-message>{house.folder}/neomutt<enter><exit>"
    in_terminal([program("neomutt"), "-n", "-F", _muttrc(house), "-e", f'push "{keys}"'])
    return house.read_all("neomutt")


def in_terminal(command: list[str]) -> None:
    """Run a program that wants a terminal, until it ends."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], command)
    until = time.monotonic() + CLIENT_SECONDS
    try:
        while time.monotonic() < until:
            if select.select([terminal], [], [], 0.2)[0] and not os.read(terminal, 65536):
                break
        else:
            os.kill(child, 9)
            raise AssertionError(f"{command[0]} did not end")
    except OSError:
        pass  # how a terminal tells that nobody is at its other side
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


SENDERS: tuple[tuple[str, Send], ...] = (
    ("swaks", swaks_send),
    ("curl", curl_send),
    ("curl", curl_append),
    ("msmtp", msmtp_send),
    ("mbsync", mbsync_push),
)
READERS: tuple[tuple[str, Read], ...] = (
    ("curl", _curl_pop3("pop3")),
    ("curl", _curl_pop3("pop3", "--ssl-reqd")),
    ("curl", _curl_pop3("pop3s")),
    ("curl", _curl_imap("imap")),
    ("curl", _curl_imap("imap", "--ssl-reqd")),
    ("curl", _curl_imap("imaps")),
    ("mbsync", mbsync_pull),
    ("fetchmail", _fetchmail("pop3", "pop3")),
    ("fetchmail", _fetchmail("pop3s", "pop3")),
    ("fetchmail", _fetchmail("imaps", "imap")),
    ("neomutt", neomutt_copy),
)


def samples_for(send: Send) -> list[Sample]:
    """The usual ones, with a smaller attachment."""
    name = send.__name__.replace("_", "-")
    return [*(one for one in samples(name) if len(one.octets) < 100_000), attachment(name, 200_000)]


class HouseTestCase(InteropTestCase):
    """A server, a folder for the clients, and what lies in BEN's mailbox."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="mailnode-clients-")
        self.addCleanup(folder.cleanup)
        self.house = House(self.server, folder.name)

    def stored(self, count: int) -> list[bytes]:
        """The wire form of BEN's messages, when there are so many."""
        wait_until(lambda: len(self.server.files(BEN)) == count, f"{count} messages")
        found = []
        for path in self.server.files(BEN):
            with open(path, "rb") as file:
                found.append(wire(file.read()))
        return found


class Everybody(HouseTestCase):
    """Every sender, every reader."""

    def setUp(self) -> None:
        super().setUp()
        self.missing: set[str] = set()

    def have(self, name: str) -> bool:
        """Whether a program is there; the test goes on without it, and ends as skipped."""
        try:
            program(name)
        except SkipTest:
            self.missing.add(name)
            return False
        return True

    def test_octet_for_octet(self) -> None:
        """What was sent lies in the Maildir behind the trace fields, and every client reads exactly that."""
        sent: list[Sample] = []
        for name, send in SENDERS:
            if self.have(name):
                messages = samples_for(send)
                send(self.house, messages)
                sent += messages
        stored = self.stored(len(sent))
        for message in sent:
            (found,) = [one for one in stored if message.mark in one]
            trace = TRACE_FIELDS.match(found)
            by_smtp = not message.name.startswith(("curl-append", "mbsync"))
            self.assertEqual(bool(trace), by_smtp, message.name)
            rest = OWN_FIELDS.sub(b"", found[trace.end() :] if trace else found)
            self.assertTrue(rest == message.octets, (message.name, rest[:2000]))
        if self.have("neomutt"):
            stored = self.neomutt_sends(len(sent))
        self.everybody_reads(stored)
        if self.missing:
            raise SkipTest("done without: " + ", ".join(sorted(self.missing)))

    def neomutt_sends(self, count: int) -> list[bytes]:
        """Neomutt makes its message itself: its parts must come out as they went in."""
        content = bytes(range(256)) * 40
        neomutt_send(self.house, content)
        stored = self.stored(count + 1)
        (found,) = [one for one in stored if b"Subject: from neomutt\r\n" in one]
        text, attached = email.message_from_bytes(found).get_payload()
        self.assertEqual(text.get_payload(), "Hello\r\n.\r\n..\r\nend\r\n")
        self.assertEqual(attached.get_payload(decode=True), content)
        return stored

    def everybody_reads(self, stored: list[bytes]) -> None:
        """Each reader gives the stored messages, no more and no fewer."""
        expected = sorted(OWN_FIELDS.sub(b"", one) for one in stored)
        for name, read in READERS:
            if self.have(name):
                found = sorted(OWN_FIELDS.sub(b"", one) for one in read(self.house))
                self.assertEqual(len(found), len(expected), name)
                for wanted, got in zip(expected, found, strict=True):
                    self.assertTrue(wanted == got, (name, wanted[:600], got[:600], wanted[-60:], got[-60:]))
