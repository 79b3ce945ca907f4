"""A real server as a process of its own, with its own folder and ports, for tests over real sockets.

Everything here blocks and may be used from any thread. The server writes stdout, stderr and its log into one
file; log() gives what it says.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Protocol

from click.testing import CliRunner, Result
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mailnode.admin import cli, mailboxes_file, templates
from mailnode.admin.certificates import write_certificates
from mailnode.admin.control import Answer, ask
from mailnode.auth.passwords import Hasher
from mailnode.config import DEFAULT_LISTENERS, Auth, Config
from mailnode.config_reading import load
from mailnode.fs import FileSystem
from mailnode.values import frozen
from tests.interop.nursery import Nursery, Offspring

HOSTNAME = "mail.example.test"
DOMAIN = "example.test"
ANNA, BEN = f"anna@{DOMAIN}", f"ben@{DOMAIN}"
PASSWORD = "secret"  # of everybody
HOST = "localhost"  # a name the server's certificate holds

# Limits that only what hangs will reach, also on a slow machine that does other things too.
START_SECONDS = 120.0
STOP_SECONDS = 60.0
CLIENT_SECONDS = 180.0

STANDARD_PORTS = [25, 587, 465, 110, 995, 143, 993]

_PLACES = ("smtp", "submission", "submissions", "pop3", "pop3s", "imap", "imaps")
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CHEAP = Auth(argon2_memory=64, argon2_time=1)
_EXTRA = """
[dns]
servers = ["127.0.0.1:9"]  # nobody

[auth]
argon2_memory = 64
argon2_time = 1

[limits]
login_delay = 0
"""


# Each process of tests takes a share of the ports: two could choose the same one before either listens.
_SHARES = 4
_SHARE = socket.socket(socket.AF_UNIX)


def _share() -> int:
    """The first that no other process has taken; it has it to its end."""
    for share in range(_SHARES):
        with contextlib.suppress(OSError):
            _SHARE.bind(f"\0mailnode-tests-ports-{share}")
            return share
    return 0


# Below those that Linux gives to outgoing connections: a server that is down for a moment gets its port back.
_PORTS = list(range(10000 + _share(), 32000, _SHARES))
random.shuffle(_PORTS)

_NURSERY = Nursery()


def free_ports(count: int) -> list[int]:
    """Port numbers nobody listens on now, and none of which was given before."""
    found: list[int] = []
    while len(found) < count:
        port = _PORTS.pop()
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
    return found


class Network(Protocol):
    """A network of its own for a server: its address there, and what to write before a command."""

    address: str
    inside: list[str]


class Server:
    """One server. `ports` are by service name: smtp submission submissions pop3 pop3s imap imaps."""

    def __init__(
        self,
        people: tuple[str, ...] = (ANNA, BEN),
        *,
        extra: str = _EXTRA,
        head: str = "workers = 1\n",
        domain: str = DOMAIN,
        hostname: str = HOSTNAME,
        network: Network | None = None,
    ) -> None:
        self.directory = tempfile.mkdtemp(prefix="mailnode-")
        ports = free_ports(len(_PLACES)) if network is None else STANDARD_PORTS
        self.ports = dict(zip(_PLACES, ports, strict=True))
        self._listen = "127.0.0.1" if network is None else network.address
        self._inside = [] if network is None else network.inside
        self.config_path = os.path.join(self.directory, "mailnode.toml")
        self.authority = os.path.join(self.directory, "tls", "ca.pem")
        self._log_path = os.path.join(self.directory, "log")
        self._process: subprocess.Popen[bytes] | Offspring | None = None
        self._files = FileSystem()
        self._hasher = Hasher(_CHEAP)
        self.extra = extra
        self.head = head
        self.domain = domain
        self.hostname = hostname
        self.write_certificates()
        self.write_config(extra)
        self._write("mailboxes.toml", "[aliases]\n")
        for address in people:
            self.add_mailbox(address)

    # Configuration

    def _write(self, name: str, text: str) -> None:
        self._files.replace(os.path.join(self.directory, name), text.encode())

    def write_certificates(self) -> None:
        """A new authority, certificate and key."""
        now = datetime.now(UTC)
        write_certificates(os.path.join(self.directory, "tls"), self.hostname, self._files, now)

    def write_config(self, extra: str) -> None:
        """mailnode.toml with these lines at its end, and the server's head at its beginning."""
        ports = dict(zip(DEFAULT_LISTENERS, self.ports.values(), strict=True))
        text = templates.configuration(self.hostname, (self.domain,), ports, listen=self._listen)
        self._write("mailnode.toml", self.head + text + extra)

    def config(self) -> Config:
        """What the files say."""
        return load(self.config_path, self._files).config

    def add_mailbox(self, address: str) -> None:
        """Write a mailbox into mailboxes.toml, with the usual password."""
        edit = mailboxes_file.adding(address, {"password": self._hasher.hash(PASSWORD)}, "")
        mailboxes_file.apply(edit, self.config(), self._files)

    def add_alias(self, name: str, *targets: str) -> None:
        """Write an alias into mailboxes.toml."""
        path = os.path.join(self.directory, "mailboxes.toml")
        names = ", ".join(f'"{target}"' for target in targets)
        text = self._files.read(path).decode().replace("[aliases]\n", f'[aliases]\n"{name}" = [{names}]\n')
        self._write("mailboxes.toml", text)

    # The process

    def start(self) -> None:
        """Start, and wait until it listens."""
        arguments = ["-n", "--pidfile=", "mailnode", "--config", self.config_path, "--announce"]
        environment = {**os.environ, "PYTHONPATH": REPOSITORY, "PYTHONUNBUFFERED": "1"}
        already = self.log().count("mailnode ready")
        if self._inside or not hasattr(os, "pidfd_open"):
            twistd = os.path.join(os.path.dirname(sys.executable), "twistd")
            self._process = self._popen([*self._inside, twistd, *arguments], environment)
        else:
            self._process = _NURSERY.start(arguments, cwd=self.directory, env=environment, log=self._log_path)
        wait_until(lambda: self._is_ready(already), "the server to be ready", START_SECONDS)

    def _popen(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with open(self._log_path, "ab") as log:
            return subprocess.Popen(
                command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _is_ready(self, already: int) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError("the server has ended: " + self.log()[-2000:])
        return self.log().count("mailnode ready") > already

    @property
    def pid(self) -> int:
        """The process number."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: no time for anything, for its workers neither."""
        workers = children(self.pid) if self._process is not None else []
        self._end(signal.SIGKILL)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError("the server did not end: " + self.log()[-2000:]) from None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def clean_up(self) -> None:
        """Stop it if it runs, and remove everything."""
        self.kill()
        shutil.rmtree(self.directory)

    def hang_up(self) -> None:
        """SIGHUP: reload."""
        os.kill(self.pid, signal.SIGHUP)

    def reload(self) -> Answer:
        """`mailnode reload`: the server's answer."""
        return ask(self.config().control_socket, {"command": "reload"})

    def command(self, *arguments: str) -> Result:
        """The `mailnode` command on this server's files; in this process, as a start takes a second."""
        return CliRunner().invoke(cli.main, ["--config", self.config_path, *arguments])

    def log(self) -> str:
        """Everything the server has written."""
        try:
            with open(self._log_path, "rb") as log:
                return log.read().decode("utf-8", "backslashreplace")
        except FileNotFoundError:
            return ""

    # Connecting

    def tls(self) -> ssl.SSLContext:
        """A client context that trusts this server's authority, and nobody else."""
        return ssl.create_default_context(cafile=self.authority)

    def connect(self, place: str) -> "Line":
        """A bare connection."""
        return Line(socket.create_connection(("127.0.0.1", self.ports[place]), timeout=CLIENT_SECONDS))

    def maildir(self, address: str) -> str:
        """Where the mail of an address lies."""
        return self.config().mail_directory(address)

    def files(self, address: str) -> list[str]:
        """The paths of all messages in INBOX."""
        found = []
        for name in ("new", "cur"):
            directory = os.path.join(self.maildir(address), name)
            if os.path.isdir(directory):
                found += [os.path.join(directory, entry) for entry in sorted(os.listdir(directory))]
        return found


class Line:
    """A socket that is read by lines."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._file = connection.makefile("rb")

    def send(self, octets: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(octets)

    def line(self) -> bytes:
        """The next line without its end; b"" at the end of the connection."""
        return self._file.readline().rstrip(b"\r\n")

    def reply(self) -> bytes:
        """The last line of an SMTP reply."""
        while (line := self.line())[3:4] == b"-":
            pass
        return line

    def ask(self, octets: bytes) -> bytes:
        """Send a line, get the last line of an SMTP reply, or the one line of any other."""
        self.send(octets + b"\r\n")
        return self.reply()

    def tagged(self, octets: bytes) -> bytes:
        """Send an IMAP command, get its tagged reply."""
        self.send(octets + b"\r\n")
        tag = octets.split(b" ")[0] + b" "
        while (line := self.line()) and not line.startswith(tag):
            pass
        return line

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        """Close."""
        self._file.close()
        self.socket.close()

    def finish(self) -> None:
        """Send no more, and close when the server has closed; TimeoutError when it does not."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.rest()
        self.close()

    def cut(self) -> None:
        """End the connection with a reset, as a crashed client would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()


class InteropTestCase(SynchronousTestCase):
    """Tests against a server of their own; its log must stay free of bugs."""

    def setUp(self) -> None:
        self.server = self.make_server()
        self.addCleanup(self.clean_up, self.server)
        self.server.start()

    def make_server(self) -> Server:
        """The server, not started."""
        return Server()

    def clean_up(self, server: Server) -> None:
        """The end of a server; to be added as a cleanup, as tearDown() comes after these."""
        try:
            self.assert_sound(server)
        finally:
            server.clean_up()

    def assert_sound(self, server: Server) -> None:
        """No bug has shown itself in the log."""
        log = server.log()
        for word in ("Traceback", "Unhandled"):
            self.assertNotIn(word, log, log[max(0, log.find(word) - 500) :][:3000])


def children(pid: int) -> list[int]:
    """The processes that a process has started; none where it is gone."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(one) for one in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def wait_until(true: Callable[[], bool], what: str, seconds: float = CLIENT_SECONDS) -> None:
    """Ask again and again; AssertionError after a while."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds for {what}")
        time.sleep(0.02)


def program(name: str) -> str:
    """The path of a program; where it is missing the test is skipped, in CI it fails."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
    if path is None:
        if os.environ.get("CI"):
            raise AssertionError(f"{name} is not installed")
        raise SkipTest(f"{name} is not installed")
    return path


def run(
    command: list[str],
    *,
    stdin: bytes = b"",
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    seconds: float = CLIENT_SECONDS,
) -> bytes:
    """Run a client to its end; gives its stdout, or AssertionError with all it said."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, cwd=cwd, env=env, timeout=seconds, check=False
    )
    if done.returncode:
        said = (done.stdout[-2000:] + done.stderr[-2000:]).decode("utf-8", "replace")
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout


# Messages


@frozen
class Sample:
    """A message to send, as it goes over the wire."""

    name: str
    octets: bytes

    @property
    def mark(self) -> bytes:
        """What stands in this message only."""
        return b"<%s@client.example>" % self.name.encode()


def sample(name: str, body: bytes, *, eight_bit: bool = False, extra: bytes = b"") -> Sample:
    """A complete message: nothing in it is left for a client or server to add."""
    date = format_datetime(datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)).encode()
    head = (
        b"From: Anna <anna@example.test>\r\nTo: Ben <ben@example.test>\r\n"
        b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?= " + name.encode() + b"\r\n"
        b"Date: " + date + b"\r\nMessage-ID: <" + name.encode() + b"@client.example>\r\n"
        b"X-Folded: one\r\n\ttwo\r\n  three   \r\nMIME-Version: 1.0\r\n"
    )
    kind = b"8bit" if eight_bit else b"7bit"
    text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + kind + b"\r\n"
    return Sample(name, head + (extra or text) + b"\r\n" + body)


def samples(prefix: str) -> list[Sample]:
    """Bodies that have broken mail systems: dots, 8-bit, long lines, nothing at all, two megabytes."""
    return [
        sample(f"{prefix}-dots", b".\r\n..\r\n.a\r\nb\r\n.\r\n\r\nend\r\n"),
        sample(f"{prefix}-last-dot", b"text\r\n\r\n.\r\n"),
        sample(f"{prefix}-8bit", "Grüße, Владимир, 你好 \U0001f600\r\n".encode() * 50, eight_bit=True),
        sample(f"{prefix}-empty", b""),
        sample(f"{prefix}-long", b"x" * 5000 + b"\r\n" + b"y " * 3000 + b"\r\nend\r\n"),
        attachment(prefix, 2_000_000),
    ]


def attachment(prefix: str, size: int) -> Sample:
    """A multipart message with about `size` octets of base64."""
    line = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ABCDEFGHIJKL\r\n"
    kind = b'Content-Type: multipart/mixed; boundary="cut here"\r\n'
    body = (
        b"preamble\r\n--cut here\r\nContent-Type: text/plain\r\n\r\nSee attachment.\r\n--cut here\r\n"
        b"Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + line * (size // len(line))
        + b"--cut here--\r\nepilogue\r\n"
    )
    return sample(f"{prefix}-attachment", body, extra=kind)
