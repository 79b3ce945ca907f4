"""`mailnode doctor`: each trouble that it knows, made in a temporary folder."""

import json
import os
import random
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import cli
from mailnode.admin.certificates import write_certificates
from mailnode.admin.machine import Machine, clock_is_kept, listens, openssl_versions, user_name
from mailnode.admin.outside import Outside
from mailnode.config_sending import Dns
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from tests.admin.test_dns_command import GOOD
from tests.net.zone import Zone

NOW = datetime(2026, 11, 2, tzinfo=UTC)
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$qgMnGRcDKh6NzRLFpCuC3A"
CONFIG = """\
hostname = "mail.example.org"
domains = ["example.org"]
postmaster = "anna@example.org"
[tls]
certificate = "tls/cert.pem"
key = "tls/key.pem"
[[listener]]
protocol = "smtp"
endpoint = "tcp:25"
[[listener]]
protocol = "imap"
endpoint = "tcp6:143:interface=\\\\:\\\\:"
[[listener]]
protocol = "lmtp"
endpoint = "unix:/run/mailnode/lmtp.sock"
tls = "none"
"""


class Room(FileSystem):
    """A disk of a size of our choice."""

    free = 10**11

    def free_space(self, path: str) -> int:
        return self.free


class DoctorTests(SynchronousTestCase):
    """mailnode doctor"""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        self.files = Room()
        write_certificates(str(self.folder / "tls"), "mail.example.org", self.files, NOW)
        (self.folder / "mailnode.toml").write_text(CONFIG)
        boxes = self.folder / "mailboxes.toml"
        boxes.write_text(f'[mailboxes."anna@example.org"]\npassword = "{HASH}"\n')
        boxes.chmod(0o600)
        self.asked: list[tuple[str, int]] = []
        self.machine: dict[str, Any] = {
            "python_version": lambda: (3, 11, 7),
            "openssl_versions": lambda: ("OpenSSL 3.0.19 27 Jan 2026",),
            "clock_is_kept": lambda: True,
            "listens": self.listens,
            "is_ours": lambda address: True,
            "user_name": lambda number: f"u{number}",
        }
        self.listening: set[int] = set()
        self.now = NOW
        self.zone = Zone(GOOD)

    def listens(self, address: str, port: int) -> bool:
        self.asked.append((address, port))
        return port in self.listening

    def ask(self, settings: Dns, files: FileSystem, work: Any) -> Any:
        runtime = Runtime(Clock(), random.Random(1), InlineExecutor())
        return self.successResultOf(Deferred.fromCoroutine(work(self.zone, runtime)))

    def state(self) -> Path:
        """The server's folder, as it makes it."""
        path = self.folder / "state"
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def run_command(self, *arguments: str, code: int = 0) -> str:
        outside = Outside(
            files=self.files, now=lambda: self.now, ask_dns=self.ask, machine=Machine(**self.machine)
        )
        path = str(self.folder / "mailnode.toml")
        result = CliRunner().invoke(cli.main, ["--config", path, "doctor", *arguments], obj=outside)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.assertEqual(result.exit_code, code, result.output)
        return str(result.output).replace(f"{self.folder}/", "")

    def bad(self, *arguments: str, code: int = 0) -> list[tuple[str, str, str, str]]:
        """What is not good, but that no server runs."""
        found = json.loads(self.run_command("--json", *arguments, code=code))
        rows = [(one["topic"], one["state"], one["text"], one["remedy"]) for one in found]
        no_server = ("server", "warning", "is not running here")
        return [one for one in rows if one[1] != "good" and one[:3] != no_server]

    def only(self, topic: str, state: str, text: str, remedy: str, *arguments: str) -> None:
        """Nothing else is bad but this."""
        (found,) = self.bad(*arguments, code=state == "wrong")
        self.assertEqual(found[:2], (topic, state), found)
        self.assertIn(text, found[2])
        self.assertIn(remedy, found[3])

    def test_good(self) -> None:
        """Everything is looked at, in groups; the DNS too, but not with --offline."""
        self.state()
        self.assertEqual(self.bad(), [])
        output = self.run_command()
        self.assertTrue(output.startswith("good:\n  Python: 3.11.7\n  OpenSSL: OpenSSL 3.0.19"), output)
        for line in (
            "  configuration: mailnode.toml",
            "  port 25 (smtp): is free",
            "  certificate: tls/cert.pem is good until 2029-02-04",
            "  clock: says 2026-11-02 00:00 UTC",
            "  disk of state: 100000 MB are free",
            f"  permissions: all belongs to u{os.getuid()}, and to nobody else",
            "  MX of example.org: mail.example.org",
            "warning:",
            "  server: is not running here",
            "      Start it: twistd -n mailnode --config mailnode.toml",
            "18 good, 1 warning, 0 wrong",
        ):
            self.assertIn(line, output.splitlines())
        self.zone = Zone({})
        self.assertNotIn("MX", self.run_command("--offline"))
        self.assertEqual(self.zone.asked, [])
        self.assertIn(("127.0.0.1", 25), self.asked)
        self.assertIn(("::1", 143), self.asked)

    def test_dns(self) -> None:
        """What is wrong in the DNS counts."""
        self.zone = Zone({**GOOD, ("example.org", "MX"): ["0 ."]})
        self.only("MX of example.org", "wrong", "takes no mail", "Publish")

    def test_configuration(self) -> None:
        """Mistakes and warnings are told with file and line; without names the DNS is not asked."""
        path = self.folder / "mailnode.toml"
        path.write_text(CONFIG.replace("[tls]\n", "[tls]\nsalt = 1\n"))
        self.only(
            "configuration", "wrong", "mailnode.toml:5: tls.salt: unknown key", "Known here", "--offline"
        )
        path.write_text("x = 1\n" * 30)
        self.zone = Zone({})
        self.assertIn("wrong:\n  configuration: ", self.run_command(code=1))
        self.assertEqual(self.zone.asked, [])

    def test_versions(self) -> None:
        """Old Pythons are wrong, those without repairs and old OpenSSLs a warning."""
        self.machine["python_version"] = lambda: (3, 10, 1)
        self.only("Python", "wrong", "3.10.1 is too old", "3.11")
        self.machine["python_version"] = lambda: (3, 11, 9)
        self.machine["openssl_versions"] = lambda: ("OpenSSL 1.1.1w  11 Sep 2023",)
        self.only("OpenSSL", "warning", "1.1.1w", "Upgrade")
        self.machine["openssl_versions"] = lambda: ("OpenSSL 4.0.0 1 Jan 2027",)
        self.assertEqual(self.bad(), [])
        self.now = datetime(2027, 12, 1, tzinfo=UTC)
        self.only("Python", "warning", "no repairs since 2027-10-31", "newer")

    def test_certificate(self) -> None:
        """Soon over is a warning, over is wrong, and so is a key that is another's."""
        self.now = NOW + timedelta(days=810)
        self.machine["python_version"] = lambda: (3, 14, 1)
        self.only("certificate", "warning", "runs out on 2029-02-04", "within a minute")
        self.now = NOW + timedelta(days=830)
        self.only("certificate", "wrong", "ran out on 2029-02-04", "within a minute")
        self.now = NOW
        write_certificates(str(self.folder / "other"), "mail.example.org", self.files, NOW)
        shutil.copy(self.folder / "other" / "key.pem", self.folder / "tls" / "key.pem")
        self.only("certificate", "wrong", "belongs to another certificate", "Put the key")

    def test_clock(self) -> None:
        """A clock nobody keeps is a warning; one before its own files, or before this program, is wrong."""
        self.machine["clock_is_kept"] = lambda: False
        self.only("clock", "warning", "nothing keeps it right", "chrony")
        self.machine["clock_is_kept"] = lambda: None
        self.assertEqual(self.bad(), [])
        path = self.state() / "login.key"
        path.write_text("")
        self.assertEqual(os.utime(path, (self.now.timestamp() + 200,) * 2), None)
        self.assertEqual(self.bad(), [])
        os.utime(path, (self.now.timestamp() + 400,) * 2)
        self.only("clock", "wrong", "login.key is from the future", "chrony")
        self.now = datetime(2025, 12, 31, tzinfo=UTC)
        found = self.bad("--offline", code=1)
        self.assertIn("clock", [one[0] for one in found if one[1] == "wrong"])

    def test_disk(self) -> None:
        """Below the room that mail needs is wrong, little more than that a warning."""
        self.files.free = 600_000_000
        disks = [("disk of state", "warning"), ("disk of state/mail", "warning")]
        self.assertEqual([one[:2] for one in self.bad()], disks)
        self.files.free = 100_000_000
        self.assertEqual({one[1] for one in self.bad(code=1)}, {"wrong"})

    def test_permissions(self) -> None:
        """What others may look at, and what the server cannot use, each with a command that mends it."""
        (self.state() / "queue").mkdir(mode=0o755)
        os.utime(self.folder / "state/queue", (NOW.timestamp(),) * 2)
        self.only("permissions", "warning", "may look at", "Run: chmod go-rwx ")
        (self.folder / "state" / "queue").chmod(0o700)
        if os.geteuid() != 0:
            return  # only root can give files away
        mail = self.folder / "state/mail/example.org/anna"
        mail.mkdir(parents=True)
        for path in (self.folder / "state", self.folder / "state/queue", mail):
            os.chown(path, 1234, 1234)
        key, boxes = "tls/key.pem", "mailboxes.toml"
        found = self.bad(code=1)
        self.assertEqual({one[3] for one in found}, {f"Run: chown u1234 {key}", f"Run: chown u1234 {boxes}"})
        os.chown(self.folder / key, 1234, 1234)
        os.chown(self.folder / boxes, 1234, 1234)
        self.assertEqual(self.bad(), [])
        os.chown(mail, 99, 99)
        self.only(
            "permissions",
            "wrong",
            "belongs to u99, and the server is u1234",
            "Run: chown -R u1234 state/mail/",
        )

    def test_other_user(self) -> None:
        """Who is neither root nor the server is told that not all could be seen."""
        self.state()
        self.machine["own_user"] = lambda: 4711
        self.only("permissions", "warning", "you are somebody else", "Run this as root")

    def server(self) -> Callable[[], None]:
        """Something that answers on the control socket, once."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = self.state() / "control.sock"
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(1)

        def one() -> None:
            with listener, listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b'{"ok": true}\n')

        thread = threading.Thread(target=one, daemon=True)
        thread.start()
        return lambda: thread.join(5)

    def test_ports(self) -> None:
        """A running server has its ports, a stopped one must find them free."""
        self.listening = {25}
        self.only("port 25 (smtp)", "wrong", "another program listens", "ss -ltnp sport = :25")
        done = self.server()
        self.only("port 143 (imap)", "wrong", "nobody listens there", "restart")
        done()
        self.listening = {25, 143}
        done = self.server()
        output = self.run_command()
        done()
        self.assertIn("  server: is running\n  port 25 (smtp): the server listens\n", output)

    def test_foreign_address(self) -> None:
        """An address that is not this machine's is told of, and nobody is asked there."""
        text = CONFIG.replace('"tcp:25"', '"tcp:25:interface=192.0.2.1"')
        (self.folder / "mailnode.toml").write_text(
            text.replace('"tcp6:143', '"tcp:143').replace("\\\\:\\\\:", "localhost")
        )
        self.machine["is_ours"] = lambda address: address == "127.0.0.1"
        self.only("port 25 (smtp)", "wrong", "192.0.2.1 is no address of this machine", "interface=")
        self.assertEqual(self.asked, [("127.0.0.1", 143)])

    def test_queue(self) -> None:
        """Messages that were put aside are not forgotten."""
        (self.state() / "queue" / "aside").mkdir(mode=0o700, parents=True)
        (self.state() / "queue").chmod(0o700)
        os.utime(self.state() / "queue", (NOW.timestamp(),) * 2)
        self.assertEqual(self.bad(), [])
        (self.state() / "queue" / "aside" / "M1.envelope").write_text("x")
        self.only("queue", "warning", "1 file could not be read", "put back")

    def test_stale_socket(self) -> None:
        """A socket that a dead server left behind is not a server."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self.state() / "control.sock"))
        self.assertIn("is not running here", self.run_command())


class MachineTests(SynchronousTestCase):
    """The real facts."""

    def test_listens(self) -> None:
        """A port on which somebody listens is told from one that is free."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            self.assertFalse(listens("127.0.0.1", port))
            listener.listen(1)
            self.assertTrue(listens("127.0.0.1", port))

    def test_facts(self) -> None:
        """What there is to know on every machine."""
        self.assertTrue(all(one.startswith("OpenSSL") for one in openssl_versions()))
        self.assertIn(clock_is_kept(), (True, False, None))
        self.assertEqual((user_name(0), user_name(4_000_111)), ("root", "4000111"))
