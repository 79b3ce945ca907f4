"""A real Dovecot as processes of its own, on a Maildir++ tree of the test's, for tests that go both ways.

It runs without root: whoever is root lends it the account nobody, and has the tree back when it has stopped.
"""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from twisted.trial.unittest import SkipTest

from tests.interop.harness import PASSWORD, START_SECONDS, STOP_SECONDS, free_ports, program, run, wait_until

_CONFIG = """\
base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={tree}
}}
mail_location = maildir:{tree}
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
{extra}
"""


class Dovecot:
    """One Dovecot for one person. `ports` are imap and pop3; `tree` is where the mail lies."""

    def __init__(self, *, extra: str = "") -> None:
        self._program = program("dovecot")
        for protocol in ("imap", "pop3"):
            program(f"/usr/lib/dovecot/{protocol}")
        version = run([self._program, "--version"]).decode().split()[0]
        if not version.startswith("2.3."):
            error = AssertionError if os.environ.get("CI") else SkipTest
            raise error(f"Dovecot 2.3 is not installed, but {version}, which reads another configuration")
        self.directory = tempfile.mkdtemp(prefix="dovecot-")
        os.chmod(self.directory, 0o755)
        self.tree = os.path.join(self.directory, "anna")
        self.ports = dict(zip(("imap", "pop3"), free_ports(2), strict=True))
        self.extra = extra
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._process: subprocess.Popen[bytes] | None = None
        os.mkdir(os.path.join(self.directory, "run"), 0o755)
        os.mkdir(self.tree, 0o700)
        self._log_path = os.path.join(self.directory, "log")
        with open(self._log_path, "wb"):
            pass

    def start(self) -> None:
        """Start, and wait until it listens."""
        path = os.path.join(self.directory, "dovecot.conf")
        text = _CONFIG.format(
            directory=self.directory,
            tree=self.tree,
            user=self._owner.pw_name,
            group=grp.getgrgid(self._owner.pw_gid).gr_name,
            password=PASSWORD,
            extra=self.extra,
            **self.ports,
        )
        with open(path, "w", encoding="utf-8") as config:
            config.write(text)
        self._give(self.directory, self._owner.pw_uid, self._owner.pw_gid)
        already = self.log().count("starting up")
        identity = {"user": self._owner.pw_uid, "group": self._owner.pw_gid} if os.geteuid() == 0 else {}
        self._process = subprocess.Popen(
            [self._program, "-F", "-c", path],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            extra_groups=[] if identity else None,
            **identity,
        )
        wait_until(lambda: self._is_ready(already), "Dovecot to be ready", START_SECONDS)

    def _is_ready(self, already: int) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            assert self._process.stderr is not None
            said = self._process.stderr.read().decode("utf-8", "replace") + self.log()[-2000:]
            raise AssertionError("Dovecot has ended: " + said)
        return self.log().count("starting up") > already

    @property
    def pid(self) -> int:
        """The process number of its master."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM, wait for the end of all its processes, and take the tree back."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError("Dovecot did not end: " + self.log()[-2000:]) from None
        self._give(self.tree, os.geteuid(), os.getegid())

    def _give(self, path: str, user: int, group: int) -> None:
        """Change the owner of a tree; only root has to, and only root can."""
        if os.geteuid() != 0:
            return
        os.chown(path, user, group)
        for directory, directories, files in os.walk(path):
            for name in (*directories, *files):
                os.chown(os.path.join(directory, name), user, group, follow_symlinks=False)

    def clean_up(self) -> None:
        """Stop it if it runs, and remove everything."""
        self.stop()
        shutil.rmtree(self.directory)

    def log(self) -> str:
        """Everything it has written."""
        with open(self._log_path, "rb") as log:
            return log.read().decode("utf-8", "backslashreplace")
