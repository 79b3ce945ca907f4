"""The log in a file of a real server: put aside by hand and by logrotate, and no line is lost."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.harness import REPOSITORY, Server, run, wait_until

_ENVIRONMENT = {**os.environ, "PYTHONPATH": REPOSITORY}
_LOG = '\n[log]\nformat = "json"\n'


class LogRotationTests(SynchronousTestCase):
    """twistd --logfile, SIGUSR1, etc/logrotate.d"""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.clean_up)
        self.server.write_config(self.server.extra + _LOG)
        room = tempfile.mkdtemp(prefix="mailnode-log-")  # logrotate wants one that only its owner can write
        self.addCleanup(shutil.rmtree, room)
        self.path = os.path.join(room, "mailnode.log")

    def start(self) -> None:
        """Start the server, with its log at the path."""
        self.process = subprocess.Popen(self.command(), cwd=self.server.directory, env=_ENVIRONMENT)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.wait_for("ready", self.path)

    def command(self) -> list[str]:
        """What starts it."""
        twistd = os.path.join(os.path.dirname(sys.executable), "twistd")
        options = ["-n", "--pidfile=", f"--logfile={self.path}", "mailnode", "--config"]
        return [twistd, *options, self.server.config_path]

    def lines(self, path: str) -> list[dict[str, object]]:
        """The whole lines of a log."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, event: str, path: str) -> None:
        """Wait for a line with this event in a log."""
        wait_until(lambda: any(line["event"] == event for line in self.lines(path)), event)

    def greet(self, *names: str) -> None:
        """Say these names to the server, each in a command that its log tells of."""
        for name in names:
            line = self.server.connect("smtp")
            line.reply()
            line.ask(b"EHLO client.example")
            line.ask(b"MAIL FROM:<%s@remote.example>" % name.encode())
            self.assertEqual(line.ask(b"RCPT TO:<nobody@example.test>")[:3], b"550")
            line.ask(b"QUIT")
            line.finish()

    def told(self, *paths: str) -> list[str]:
        """The names that logs tell of, in their order."""
        texts = [
            json.dumps(line) for path in paths for line in self.lines(path) if line["event"] == "Refused"
        ]
        return [name for text in texts for name in re.findall(r"(m\d+)@remote\.example", text)]

    def test_put_aside(self) -> None:
        """Lines go into the renamed file until SIGUSR1, then into a new one; each is there once."""
        self.start()
        self.greet("m1", "m2")
        os.rename(self.path, f"{self.path}.1")
        self.greet("m3")
        wait_until(lambda: self.told(f"{self.path}.1") == ["m1", "m2", "m3"], "all of them")
        self.assertFalse(os.path.exists(self.path))
        os.kill(self.process.pid, signal.SIGUSR1)
        wait_until(lambda: os.path.exists(self.path), "a new file")
        self.greet("m4", "m5")
        wait_until(lambda: self.told(self.path) == ["m4", "m5"], "the others")
        self.assertEqual(self.told(f"{self.path}.1"), ["m1", "m2", "m3"])
        self.process.terminate()
        self.process.wait(60)
        self.assertEqual(self.lines(self.path)[-1]["event"], "Server Shut Down.")

    def test_logrotate(self) -> None:
        """What is shipped for logrotate does it, with a signal to this process in place of systemctl's."""
        logrotate = shutil.which("logrotate", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if logrotate is None:
            return
        self.start()
        text = (Path(REPOSITORY) / "etc" / "logrotate.d" / "mailnode").read_text(encoding="utf-8")
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = text.replace("/var/log/mailnode/*.log", self.path).replace(
            " mailnode mailnode", f" {user} {user}"
        )
        text, changed = re.subn(r"(?m)^ +systemctl kill .*$", f"kill -USR1 {self.process.pid}", text)
        self.assertEqual(changed, 1)
        config = os.path.join(self.server.directory, "logrotate.conf")
        Path(config).write_text(text, encoding="utf-8")
        os.chmod(config, 0o644)
        state = os.path.join(self.server.directory, "logrotate.state")
        self.greet("m1")
        for name in ("m2", "m3"):
            run([logrotate, "--force", "--state", state, config])
            self.greet(name)
            wait_until(lambda name=name: self.told(self.path) == [name], name)  # type: ignore[misc]
        self.assertEqual(self.told(f"{self.path}.1"), ["m2"])
        self.assertTrue(os.path.exists(f"{self.path}.2.gz"))

    def test_cannot_be_written(self) -> None:
        """A file that cannot be made is named, and the server does not start."""
        self.path = os.path.join(self.path, "not", "there.log")
        ended = subprocess.run(
            self.command(),
            cwd=self.server.directory,
            env=_ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(ended.returncode, 1)
        self.assertEqual(ended.stderr, f"cannot write the log to {self.path}: No such file or directory\n")
