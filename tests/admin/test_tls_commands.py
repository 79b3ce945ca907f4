"""`mailnode tls` as a person meets it, with an authority on this machine."""

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import acme.client
from cryptography import x509

from mailnode.admin import tls_commands
from mailnode.net.shown import names_of
from tests.admin.test_cli import Commands
from tests.upkeep.acme_server import AcmeServer

HOST = "mail.example.org"


class TlsCommands(Commands):
    """A configuration as init writes it, and a port to which all names lead."""

    def setUp(self) -> None:
        super().setUp()
        self.outside = type(self.outside)(now=lambda: datetime.now(UTC))
        self.server = AcmeServer()
        self.server.start()
        self.addCleanup(self.server.stop)
        self.patch(acme.client, "time", type("Sleepless", (), {"sleep": staticmethod(lambda seconds: None)}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.server.http_port = free.getsockname()[1]
        self.init()
        self.certificate = self.path.parent / "tls/cert.pem"

    def request(self, *arguments: str, code: int = 0, input: str | None = None) -> str:
        where = ("--directory", self.server.directory, "--port", str(self.server.http_port))
        return self.mailnode("tls", "request", *where, *arguments, code=code, input=input)

    def add(self, text: str) -> None:
        self.path.write_text(self.path.read_text() + text)

    def names(self, path: Path | None = None) -> set[str]:
        chain = (path or self.certificate).read_bytes()
        return set(names_of(x509.load_pem_x509_certificate(chain)))


class Request(TlsCommands):
    """mailnode tls request."""

    def test_default(self) -> None:
        """For the host of the configuration, where [tls] says; it tells what to write to have it renewed."""
        said = self.request("--agree")
        self.assertEqual(self.names(), {HOST})
        self.assertIn("Wrote tls/cert.pem and tls/key.pem.", said)
        self.assertIn(f'[tls.acme]\ndirectory = "{self.server.directory}"', said)
        self.assertEqual(self.mailnode("check").splitlines()[-1], "1 warning")  # of postmaster

    def test_terms(self) -> None:
        """They are shown and asked about; without a yes nothing is done."""
        before = self.certificate.read_bytes()
        said = self.request(code=1, input="n\n")
        self.assertIn(f"{self.server.base}/terms", said)
        self.assertEqual(self.certificate.read_bytes(), before)
        self.request(input="y\n")
        self.assertNotEqual(self.certificate.read_bytes(), before)
        self.assertNotIn("terms", self.request())

    def test_configured(self) -> None:
        """[tls.acme] says who is asked, for what and by whom."""
        self.add(
            f'[tls.acme]\ndirectory = "{self.server.directory}"\nemail = "anna@example.org"\n'
            f'names = ["{HOST}", "pop.example.org"]\nkeep_key = true\n'
        )
        key = (self.path.parent / "tls/key.pem").read_bytes()
        said = self.mailnode("tls", "request", "--agree", "--port", str(self.server.http_port))
        self.assertEqual(self.names(), {HOST, "pop.example.org"})
        self.assertEqual(self.server.contacts, [["mailto:anna@example.org"]])
        self.assertEqual((self.path.parent / "tls/key.pem").read_bytes(), key)
        self.assertNotIn("directory =", said)

    def test_no_files(self) -> None:
        """Where [tls] names no files they lie in the state folder, and what to write there is said."""
        text = self.path.read_text()
        for line in text.splitlines():
            if line.startswith(("certificate =", "key =")):
                text = text.replace(line + "\n", "")
        self.path.write_text(text)
        said = self.request("pop.example.org", "--agree")
        made = self.path.parent / "state/acme/pop.example.org.pem"
        self.assertIn('[tls]\ncertificate = "state/acme/pop.example.org.pem"', said)
        self.assertEqual(self.names(made), {"pop.example.org"})

    def test_other_names(self) -> None:
        """A certificate for other names is left alone; one with fewer names is told of."""
        before = self.certificate.read_bytes()
        said = self.request("pop.example.net", "--agree")
        self.assertEqual(self.certificate.read_bytes(), before)
        self.assertIn('[[tls.further]]\ncertificate = "state/acme/pop.example.net.pem"', said)
        self.request(HOST, "imap.example.org")
        self.assertIn("The one before was for imap.example.org too.", self.request(HOST))

    def test_staging(self) -> None:
        """A trial leaves what is in use alone, and gives no advice to keep what nobody trusts."""
        before = self.certificate.read_bytes()
        with mock.patch.dict(tls_commands.DIRECTORIES, {tls_commands.STAGING: self.server.directory}):
            port = str(self.server.http_port)
            said = self.mailnode("tls", "request", "--staging", "--agree", "--port", port)
        self.assertIn(f"Wrote state/acme/{HOST}-staging.pem", said)
        self.assertIn("left alone", said)
        self.assertNotIn("[tls.acme]", said)
        self.assertEqual(self.certificate.read_bytes(), before)

    def test_dns(self) -> None:
        """Records are printed, and looked for when somebody says that they are there."""
        asked: list[str] = []
        self.patch(tls_commands.InDns, "ready", lambda proofs: asked.append("ready"))
        said = self.request("--dns", "--agree", "*.example.org", code=1)
        self.assertRegex(said, r'_acme-challenge\.example\.org\. IN TXT "[\w-]{43}"')
        self.assertIn("no TXT record fits", said)
        self.assertEqual(asked, ["ready"])

    def test_as_owner(self) -> None:
        """What root writes for the server belongs to the server; files that are there keep their owner."""
        if os.geteuid() != 0:
            return
        state = self.path.parent / "state"
        state.mkdir()
        os.chown(state, 65534, 65534)
        for path in (state, *state.parents):
            if self.folder in (path, *path.parents):
                path.chmod(0o755)
        self.request("--agree")
        self.assertEqual({path.stat().st_uid for path in state.rglob("*")}, {65534})
        self.assertEqual(self.certificate.stat().st_uid, 0)
        self.certificate.unlink()
        self.request("--agree")
        self.assertEqual(self.certificate.stat().st_uid, 65534)
        self.assertEqual((self.certificate.stat().st_mode & 0o777, os.geteuid()), (0o644, 0))

    def test_mistakes(self) -> None:
        """One line says what is wrong with the command line, with the machine or with the name."""
        self.assertIn("--dns", self.request("*.example.org", code=2))
        self.assertIn("is not a full domain name", self.request("mail", code=2))
        self.assertIn("--staging is a directory", self.request("--staging", code=2))
        said = self.mailnode("tls", "request", "--directory", "http://a.example", code=2)
        self.assertIn("https address", said)
        with socket.create_server(("0.0.0.0", self.server.http_port), reuse_port=False):
            self.assertIn("cannot be listened on", self.request("--agree", code=1))
        self.server.fails = {HOST: ("dns", "no address")}
        self.assertIn(f"Error: {HOST}: no address [dns]. Give", self.request("--agree", code=1))


class Renew(TlsCommands):
    """mailnode tls renew."""

    def renew(self, *arguments: str, code: int = 0) -> str:
        return self.mailnode("tls", "renew", "--port", str(self.server.http_port), *arguments, code=code)

    def doctor(self) -> str:
        return str(self.run_command("--config", str(self.path), "doctor", "--offline").output)

    def test_renew(self) -> None:
        """When it is due, or by force; a failure is kept for the doctor."""
        self.assertIn("names no directory", self.renew(code=1))
        self.add(f'[tls.acme]\ndirectory = "{self.server.directory}"\n')
        self.assertIn("no account", self.renew("--force", code=1))
        self.assertIn("there is no account with the authority", self.doctor())
        self.request("--agree")
        self.assertNotIn("no account", self.doctor())
        before = self.certificate.read_bytes()
        self.assertIn("Not due before", self.renew())
        self.assertEqual(self.certificate.read_bytes(), before)
        self.renew("--force")
        self.assertNotEqual(self.certificate.read_bytes(), before)
        later = datetime.now(UTC) + timedelta(days=61)
        self.outside = type(self.outside)(now=lambda: later)
        before = self.certificate.read_bytes()
        self.server.now = later
        self.renew()
        self.assertNotEqual(self.certificate.read_bytes(), before)


class Show(TlsCommands):
    """mailnode tls show."""

    def test_show(self) -> None:
        """Names, dates, issuer, key and file, for people and programs; exit code 1 where one is wrong."""
        said = self.mailnode("tls", "show")
        for part in ("tls/cert.pem\n", f"localhost, {HOST}", "valid   ", "mailnode authority of", "ECDSA"):
            self.assertIn(part, said)
        (row,) = json.loads(self.mailnode("tls", "show", "--json"))
        self.assertEqual((row["names"], row["wrong"]), (["localhost", HOST], ""))
        (self.path.parent / "tls/key.pem").unlink()
        self.assertIn("No such file", self.mailnode("tls", "show", code=1))
        self.certificate.write_text("nothing")
        (row,) = json.loads(self.mailnode("tls", "show", "--json", code=1))
        self.assertIn("no certificate", row["wrong"])
