"""Debian's clients logging in, each with every mechanism that it knows, against a real server."""

import hashlib
import os
import re
import socket
import ssl
import tempfile
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import serialization

from mailnode.admin import mailboxes_file
from mailnode.auth.passwords import Hasher
from mailnode.auth.verifiers import make_verifiers
from mailnode.config_auth import Auth
from tests.auth.scram_client import ScramClient
from tests.auth.test_external import Authority
from tests.auth.test_tokens import Keys, token
from tests.interop.harness import (
    ANNA,
    BEN,
    CLIENT_SECONDS,
    HOST,
    PASSWORD,
    InteropTestCase,
    Server,
    program,
    run,
)

EXTRA = """
[auth]
argon2_memory = 64
argon2_time = 1
mechanisms = [
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1",
    "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "CRAM-MD5", "APOP",
]

[auth.oauth]
keys = "keys.json"
issuer = "https://id.example.org"
audience = "mail"

[limits]
login_delay = 0
"""
MESSAGE = f"From: {ANNA}\nTo: {BEN}\nSubject: {{}}\n\nx\n"


class Lines:
    """A connection on which one side speaks after the other."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self.greeting = self._heard()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def talk(self, line: bytes) -> bytes:
        """Say a line, and give what is said to it."""
        self._connection.sendall(line + b"\r\n")
        return self._heard()

    def _heard(self) -> bytes:
        """All lines up to the last of a reply, whichever protocol it is."""
        said = b""
        while not _ENDED.search(said):
            octets = self._connection.recv(65536)
            assert octets, said
            said += octets
        return said

    def binding(self, kind: str) -> tuple[bytes, bytes]:
        """The gs2-header and the channel binding data."""
        if kind == "tls-server-end-point":
            certificate = self._connection.getpeercert(binary_form=True)
            assert certificate is not None
            return b"p=tls-server-end-point,,", hashlib.sha256(certificate).digest()
        found = self._connection.get_channel_binding("tls-unique")
        assert found is not None
        return b"p=tls-unique,,", found if kind == "tls-unique" else found[::-1]


# The last line of an SMTP reply, a POP3 status line that nothing follows or the end of CAPA, a tagged line of
# IMAP or its greeting, and a challenge.
_ENDED = re.compile(
    rb"(?:^[0-9]{3} [^\r]*|^\+OK (?!Capability)[^\r]*|^-ERR[^\r]*|\n\.|^[ac] [^\r]*|\n[ac] [^\r]*"
    rb"|^\* OK [^\r]*|\n[0-9]{3} [^\r]*|^\+ [^\r]*)\r\n\Z"
)


class Mechanisms(InteropTestCase):
    """One server with everything switched on."""

    def setUp(self) -> None:
        self.server = server = Server((), extra="")
        self.addCleanup(self.clean_up, server)
        self.office = Authority()
        self.folder = tempfile.mkdtemp(dir=server.directory)
        self.write("tls/clients.pem", self.office.certificate.public_bytes(serialization.Encoding.PEM))
        self.write("keys.json", Keys.file("rsa"))
        server.write_config(EXTRA)
        path = server.config_path
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("[tls]\n", '[tls]\nclient_ca = "tls/clients.pem"\n')
        self.write("mailnode.toml", text.encode())
        hasher = Hasher(Auth(argon2_memory=64, argon2_time=1))
        for address in (ANNA, BEN):
            credentials = {
                "password": hasher.hash(PASSWORD),
                "scram": [str(one) for one in make_verifiers(PASSWORD)],
                "secret": PASSWORD,
            }
            edit = mailboxes_file.adding(address, credentials, "")
            mailboxes_file.apply(edit, server.config(), server._files)
        server.start()

    def write(self, name: str, octets: bytes) -> str:
        """A file in the server's folder, for its owner only."""
        path = os.path.join(self.server.directory, name)
        with open(path, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(octets)
        return path

    def msmtp(self, *options: str, subject: str) -> None:
        """Send a message under TLS."""
        command = [
            program("msmtp"),
            "--file=/dev/null",
            f"--host={HOST}",
            f"--port={self.server.ports['submissions']}",
            "--tls=on",
            "--tls-starttls=off",
            f"--tls-trust-file={self.server.authority}",
            f"--user={ANNA}",
            f"--from={ANNA}",
            *options,
            BEN,
        ]
        run(command, stdin=MESSAGE.format(subject).encode())

    def test_msmtp(self) -> None:
        """SCRAM, CRAM-MD5, PLAIN, LOGIN, tokens and a certificate."""
        password = f"--passwordeval=echo {PASSWORD}"
        for mechanism in ("scram-sha-256", "scram-sha-1", "cram-md5", "plain", "login"):
            self.msmtp(f"--auth={mechanism}", password, subject=mechanism)
        exp = (datetime.now(UTC) + timedelta(hours=1)).timestamp()
        bearer = token(exp=exp, email=ANNA)
        for mechanism in ("oauthbearer", "xoauth2"):
            self.msmtp(f"--auth={mechanism}", f"--passwordeval=echo {bearer}", subject=mechanism)
        certificate, key = self.office.files(ANNA)
        self.msmtp(
            "--auth=external",
            f"--tls-cert-file={self.write('client.pem', certificate)}",
            f"--tls-key-file={self.write('client-key.pem', key)}",
            subject="external",
        )
        self.assertEqual(self.server.log().count("LoggedIn"), 8)

    def test_swaks(self) -> None:
        """CRAM-MD5 on the port with STARTTLS."""
        run(
            [
                program("swaks"),
                "--silent",
                "2",
                "--server",
                HOST,
                "--port",
                str(self.server.ports["submission"]),
                "-tls",
                "-a",
                "CRAM-MD5",
                "-au",
                ANNA,
                "-ap",
                PASSWORD,
                "--from",
                ANNA,
                "--to",
                BEN,
            ]
        )

    def test_curl(self) -> None:
        """IMAP and POP3: CRAM-MD5, PLAIN, APOP, a token, and a certificate."""
        exp = (datetime.now(UTC) + timedelta(hours=1)).timestamp()
        bearer = token(exp=exp, email=ANNA)
        certificate, key = self.office.files(ANNA)
        files = ("--cert", self.write("c.pem", certificate), "--key", self.write("k.pem", key))
        ways = {
            "CRAM-MD5": ("-u", f"{ANNA}:{PASSWORD}", "--login-options", "AUTH=CRAM-MD5"),
            "PLAIN": ("-u", f"{ANNA}:{PASSWORD}", "--login-options", "AUTH=PLAIN"),
            "OAUTHBEARER": ("-u", ANNA, "--oauth2-bearer", bearer),
            "EXTERNAL": ("-u", f"{ANNA}:", "--login-options", "AUTH=EXTERNAL", *files),
        }
        for place, path in (("imaps", "/INBOX?ALL"), ("pop3s", "/")):
            for options in ways.values():
                self.curl(*options, self.url(place) + path)
        self.curl("-u", f"{ANNA}:{PASSWORD}", "--login-options", "AUTH=+APOP", self.url("pop3s") + "/")

    def test_bound_to_the_channel(self) -> None:
        """SCRAM-SHA-256-PLUS over all three protocols, by tls-unique and tls-server-end-point; once wrong."""
        for place, announce, start in (
            ("submissions", b"EHLO x", b"AUTH"),
            ("pop3s", b"CAPA", b"AUTH"),
            ("imaps", b"c CAPABILITY", b"a AUTHENTICATE"),
        ):
            for kind in ("tls-unique", "tls-server-end-point", "wrong"):
                with self.connect(place) as stream:
                    self.assertRegex(stream.greeting, rb"^(220|\+OK|\* OK) ")
                    self.assertIn(b"SCRAM-SHA-256-PLUS", stream.talk(announce))
                    header, data = stream.binding(kind)
                    client = ScramClient("sha256", ANNA, PASSWORD, header=header, channel=data)
                    challenge = stream.talk(start + b" SCRAM-SHA-256-PLUS " + b64encode(client.first()))
                    answer = stream.talk(b64encode(client.final(b64decode(challenge.split()[1]))))
                    if kind == "wrong":
                        self.assertRegex(answer, rb"^(535|-ERR \[AUTH\]|a NO \[AUTHENTICATIONFAILED\]) ")
                        continue
                    client.end(b64decode(answer.split()[1]))
                    self.assertRegex(stream.talk(b""), rb"^(235|\+OK|a OK) ")

    def connect(self, place: str) -> "Lines":
        """A connection under TLS 1.2, which is the last for which Python tells tls-unique."""
        context = ssl.create_default_context(cafile=self.server.authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        raw = socket.create_connection((HOST, self.server.ports[place]), timeout=CLIENT_SECONDS)
        return Lines(context.wrap_socket(raw, server_hostname=HOST))

    def url(self, place: str) -> str:
        return f"{place}://{HOST}:{self.server.ports[place]}"

    def curl(self, *options: str) -> None:
        run([program("curl"), "-sS", "--max-time", "30", "--cacert", self.server.authority, *options])
