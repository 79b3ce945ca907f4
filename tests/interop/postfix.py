"""A real Postfix as another mail server: a private configuration and queue, on a port of its own.

It takes mail for `{way}@example.test` and hands it to the server under test in that way. Everything of it
lies in one folder; it runs in the foreground below this process, and ends with close() whatever has happened.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping

from tests.interop.harness import STOP_SECONDS, Network, program, run, wait_until

DAEMONS = "/usr/lib/postfix/sbin"

_MASTER = """\
{address}:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
showq     unix n - n - - showq
virtual   unix - n n - - virtual
smtp      unix - - n - - smtp
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

_QUEUES = ("maildrop", "incoming", "active", "deferred", "hold")


class Postfix:
    """One Postfix. `ways` gives for each way the next hop, its program (smtp or lmtp) and its settings."""

    def __init__(
        self,
        ways: Mapping[str, tuple[str, str, Mapping[str, str]]],
        settings: Mapping[str, str],
        port: int,
        network: Network | None = None,
    ) -> None:
        self.port = port
        self._address = "127.0.0.1" if network is None else network.address
        self._inside = [] if network is None else network.inside
        self.folder = tempfile.mkdtemp(prefix="mailnode-postfix-")
        os.chmod(self.folder, 0o755)
        self._log = os.path.join(self.folder, "log")
        self._process: subprocess.Popen[bytes] | None = None
        user = pwd.getpwnam("postfix")
        for name in ("queue", "data"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "data"), user.pw_uid, user.pw_gid)
        everything = self._settings(settings)
        self._write("main.cf", "".join(f"{key} = {value}\n" for key, value in everything.items()))
        services = _MASTER.format(address=self._address, port=port)
        self._write("master.cf", services + "".join(map(_transport, ways.items())))
        routes = (f"{way}@example.test {way}:{hop}\n" for way, (hop, _, _) in ways.items())
        self._write("transport", "".join(routes))

    def _settings(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "compatibility_level": "3.6",
            "queue_directory": f"{self.folder}/queue",
            "data_directory": f"{self.folder}/data",
            "daemon_directory": DAEMONS,
            "maillog_file": self._log,
            "maillog_file_prefixes": self.folder,
            "myhostname": "relay.example.net",
            "mydestination": "",
            "relay_domains": "example.test",
            "inet_interfaces": self._address,
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "transport_maps": f"texthash:{self.folder}/transport",
            "smtp_host_lookup": "native",
            "lmtp_host_lookup": "native",
            "alias_maps": "",
            "local_recipient_maps": "",
            "message_size_limit": "52428800",
            # Lines longer than RFC 5321 has are passed on as they came, not cut.
            "smtp_line_length_limit": "0",
            "lmtp_line_length_limit": "0",
            **more,
        }

    def _write(self, name: str, text: str) -> None:
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o644)  # its processes are not all root's

    def set(self, key: str, value: str) -> None:
        """A setting for the next start."""
        with open(os.path.join(self.folder, "main.cf"), "a", encoding="ascii") as file:
            file.write(f"{key} = {value}\n")

    def start(self) -> None:
        """Start, and wait until it listens."""
        command = [*self._inside, program("postfix"), "-c", self.folder, "start-fg"]
        already = self.log().count("daemon started")
        with open(os.path.join(self.folder, "out"), "ab") as out:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(lambda: self.log().count("daemon started") > already, "Postfix to be ready")

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes at once."""
        master = self.master()
        assert master is not None
        os.killpg(master, number)

    def kill(self) -> None:
        """SIGKILL for all of its processes."""
        process, self._process = self._process, None
        assert process is not None
        self.signal(signal.SIGKILL)
        process.wait(STOP_SECONDS)

    def flush(self) -> None:
        """Have all that waits tried now."""
        run([*self._inside, program("postqueue"), "-c", self.folder, "-f"])

    def waiting(self, *kinds: str) -> int:
        """How many messages are in its queues of these kinds, such as "active"; without any, in all."""
        folders = (os.path.join(self.folder, "queue", one) for one in kinds or _QUEUES)
        walks = (walk for one in folders for walk in os.walk(one))
        return sum(_is_whole(os.path.join(path, name)) for path, _, names in walks for name in names)

    def log(self) -> str:
        """Everything it has said."""
        said = []
        for name in ("out", "log"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                with open(path, "rb") as file:
                    said.append(file.read().decode("utf-8", "replace"))
        return "\n".join(said)

    def close(self) -> None:
        """End all its processes and remove its folder."""
        process, self._process = self._process, None
        try:
            if process is not None:
                self._end(process)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        """What was started waits for the master, which leads a process group of its own and ends it."""
        master = self.master()
        if master is None:
            process.terminate()
        else:
            os.kill(master, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            if master is not None:
                os.killpg(master, signal.SIGKILL)
            process.kill()
            process.wait()

    def master(self) -> int | None:
        """The process number of the master, None if it has not come that far."""
        try:
            with open(os.path.join(self.folder, "queue", "pid", "master.pid"), encoding="ascii") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return None


def _is_whole(path: str) -> bool:
    """Whether a file in a queue was accepted as a message: until then it may not be executed."""
    try:
        return bool(os.stat(path).st_mode & stat.S_IXUSR)
    except FileNotFoundError:
        return False


def _transport(way: tuple[str, tuple[str, str, Mapping[str, str]]]) -> str:
    name, (_, kind, settings) = way
    options = "".join(f"  -o {key}={value}\n" for key, value in settings.items())
    return f"{name} unix - - n - - {kind}\n{options}"
