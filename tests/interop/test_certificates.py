"""Several certificates, as OpenSSL's own client sees them."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime

from mailnode.admin.certificates import write_certificates
from mailnode.fs import FileSystem
from tests.interop.harness import HOSTNAME, REPOSITORY, InteropTestCase, Server, program

_FURTHER = '\n[[tls.further]]\ncertificate = "more/cert.pem"\nkey = "more/key.pem"\n'
_OTHER = "imap.other.test"


class CertificatesTests(InteropTestCase):
    """A server with two certificates."""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.clean_up)
        self.renew(_OTHER)
        self.server.write_config(self.server.extra + _FURTHER)
        self.server.start()

    def renew(self, name: str) -> None:
        """Put another certificate in the place of the further one."""
        directory = os.path.join(self.server.directory, "more")
        write_certificates(directory, name, FileSystem(), datetime.now(UTC))

    def seen(self, place: str, *options: str) -> tuple[str, str]:
        """The host that a certificate is for, and what is said of the session."""
        command = [
            program("openssl"),
            "s_client",
            "-connect",
            f"127.0.0.1:{self.server.ports[place]}",
            *options,
        ]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=False)
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        subject = re.search(r"subject=\s*CN\s*=\s*(\S+)", said)
        return (subject[1] if subject else ""), said

    def test_names(self) -> None:
        """By the name that is asked for, on every kind of port; a reload takes a renewed one."""
        for place, options in (
            ("imaps", ()),
            ("imap", ("-starttls", "imap")),
            ("smtp", ("-starttls", "smtp")),
        ):
            for asked, expected in (
                (("-servername", _OTHER), _OTHER),
                (("-servername", HOSTNAME), HOSTNAME),
                (("-servername", "nobody.test"), HOSTNAME),
                (("-noservername",), HOSTNAME),
            ):
                self.assertEqual(self.seen(place, *options, *asked)[0], expected, (place, asked))
        self.renew("*.other.test")
        self.assertTrue(self.server.reload()["ok"])
        self.assertEqual(self.seen("imaps", "-servername", "new.other.test")[0], "*.other.test")
        for version in ("-tls1", "-tls1_1"):
            self.assertEqual(self.seen("imaps", version, "-cipher", "DEFAULT@SECLEVEL=0")[0], "", version)

    def test_check(self) -> None:
        """`mailnode check` looks at all of them, and `status` says how long they last."""
        code = "import sys; from mailnode.admin.cli import main; sys.argv[0] = 'mailnode'; main()"
        environment = {**os.environ, "PYTHONPATH": REPOSITORY}

        def mailnode(*arguments: str) -> str:
            command = [sys.executable, "-c", code, "--config", self.server.config_path, *arguments]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60, env=environment, check=False
            )
            return done.stdout

        self.assertNotIn("cert.pem", mailnode("check"))
        self.assertEqual(mailnode("status").count("824 days left"), 2)
        os.unlink(os.path.join(self.server.directory, "more", "key.pem"))
        self.assertIn("tls.further[0].key: there is no file", mailnode("check"))
