"""The units of systemd and what lies beside: they fit each other, the commands, and what the server does."""

import os
import re
import shlex
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.cli import main
from tests.interop.harness import ANNA, BEN, PASSWORD, REPOSITORY, Server, program, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
ETC = ROOT / "etc"
BIN = os.path.dirname(sys.executable)
TEXT = b"From: anna@example.test\r\nSubject: hello\r\n\r\nText.\r\n"
# SQLite gives its files to the owner of the database when root runs it, which the service never is.
AS_ROOT = {"fchown", "fchown32", "chown"}


def settings(unit: str) -> dict[str, list[str]]:
    """The values of each key of a unit, in their order."""
    found: dict[str, list[str]] = {}
    for line in (ETC / "systemd" / unit).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


class UnitTests(SynchronousTestCase):
    """etc/systemd, etc/sysusers.d, etc/tmpfiles.d"""

    def setUp(self) -> None:
        self.service = settings("mailnode.service")
        self.room = tempfile.mkdtemp(prefix="mailnode-units-")
        self.addCleanup(shutil.rmtree, self.room)

    def test_commands(self) -> None:
        """What the service runs are command lines that twistd and mailnode understand."""
        twistd, *arguments = shlex.split(self.service["ExecStart"][0])
        self.assertEqual(os.path.basename(twistd), "twistd")
        options = ServerOptions()
        options.parseOptions(arguments)
        self.assertEqual((options.subCommand, options["nodaemon"], options["pidfile"]), ("mailnode", 1, ""))
        self.assertEqual(options.subOptions["config"], "/etc/mailnode/mailnode.toml")
        mailnode, *arguments = shlex.split(self.service["ExecReload"][0])
        self.assertEqual(os.path.basename(mailnode), "mailnode")
        with main.make_context("mailnode", arguments) as context:
            self.assertEqual(context.params["path"], options.subOptions["config"])
            self.assertEqual(main.resolve_command(context, arguments[2:] or arguments)[0], "reload")

    def test_one_user(self) -> None:
        """The same user and folders are in all files."""
        (user,), (state,) = self.service["User"], self.service["StateDirectory"]
        sysusers = (ETC / "sysusers.d" / "mailnode.conf").read_text(encoding="utf-8")
        self.assertRegex(sysusers, rf'(?m)^u {user} - "[^"]+" /var/lib/{state} /usr/sbin/nologin$')
        tmpfiles = (ETC / "tmpfiles.d" / "mailnode.conf").read_text(encoding="utf-8")
        (mode,) = self.service["StateDirectoryMode"]
        self.assertIn(f"\nd /var/lib/{state} {mode} {user} {user} -\n", tmpfiles)
        self.assertIn(f"\nd /etc/mailnode 0750 {user} {user} -\n", tmpfiles)

    def test_openssl_can_call_back(self) -> None:
        """Memory that is written and run is not denied: pyOpenSSL makes its callbacks in it, or fails."""
        self.assertNotIn("MemoryDenyWriteExecute", self.service)

    def test_systemd_takes_them(self) -> None:
        """systemd has nothing to say about the units, and makes the user and the folders."""
        if shutil.which("systemd-analyze") is None:
            return
        for unit in ("mailnode.service", "mailnode.socket"):
            text = (ETC / "systemd" / unit).read_text(encoding="utf-8").replace("/opt/mailnode/bin", BIN)
            (Path(self.room) / unit).write_text(text, encoding="utf-8")
        units = [os.path.join(self.room, unit) for unit in ("mailnode.service", "mailnode.socket")]
        self.assertEqual(self.said("systemd-analyze", "verify", "--man=no", *units), "")
        if os.geteuid() != 0:
            return
        os.mkdir(os.path.join(self.room, "etc"))
        for tool, kind in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
            create = ["--create"] if kind == "tmpfiles.d" else []
            self.said(tool, f"--root={self.room}", *create, str(ETC / kind / "mailnode.conf"))
        passwd = (Path(self.room) / "etc" / "passwd").read_text(encoding="utf-8")
        number = int(re.findall(r"^mailnode:x:(\d+):", passwd, re.MULTILINE)[0])
        for folder, mode in (("etc/mailnode", 0o750), ("var/lib/mailnode", 0o700)):
            facts = (Path(self.room) / folder).stat()
            self.assertEqual((facts.st_uid, facts.st_mode & 0o7777), (number, mode), folder)

    def said(self, *command: str) -> str:
        """What a command of systemd's says; AssertionError where it fails."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr


class SystemCallTests(SynchronousTestCase):
    """SystemCallFilter"""

    def test_allowed(self) -> None:
        """All that the server asks of the kernel, from its start to its end, is what the unit allows."""
        strace, analyze = program("strace"), program("systemd-analyze")
        server = Server()
        self.addCleanup(server.clean_up)
        trace = os.path.join(server.directory, "trace")
        twistd = [os.path.join(BIN, "twistd"), "-n", "--pidfile=", "mailnode", "--announce"]
        with open(os.path.join(server.directory, "said"), "wb") as said:
            process = subprocess.Popen(
                [strace, "-fqqo", trace, *twistd, "--config", server.config_path],
                cwd=server.directory,
                env={**os.environ, "PYTHONPATH": REPOSITORY},
                stdout=said,
                stderr=said,
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(lambda: "mailnode ready" in Path(said.name).read_text(encoding="utf-8"), "the server")
        with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as client:
            client.starttls(context=ssl._create_unverified_context())
            client.login(ANNA, PASSWORD)
            client.sendmail(ANNA, [BEN], TEXT)
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
        os.kill(int(child), 15)
        process.wait(60)
        text = Path(trace).read_text("utf-8", "replace")
        calls = set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z0-9_]+)[( ]", text, re.MULTILINE))
        self.assertIn("fdatasync" if "fdatasync" in calls else "fsync", calls)
        allowed: set[str] = set()
        for line in settings("mailnode.service")["SystemCallFilter"]:
            for group in line.removeprefix("~").split():
                named = self.group(analyze, group)
                allowed = allowed - named if line.startswith("~") else allowed | named
        self.assertEqual(calls - allowed - AS_ROOT, set())

    def group(self, analyze: str, name: str) -> set[str]:
        """The names of the calls in a group of systemd's, and in the groups in it."""
        done = subprocess.run([analyze, "syscall-filter", name], capture_output=True, text=True, check=True)
        words = [line.strip() for line in done.stdout.splitlines()[1:]]
        calls = {word for word in words if word and word[0] not in "#@"}
        return calls.union(*(self.group(analyze, word) for word in words if word.startswith("@")))
