"""Starting and stopping as administrators do it: the commands, systemd's sockets, what goes wrong."""

import fcntl
import os
import poplib
import resource
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from threading import Thread

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.config import Limits, MailboxEntry, Mailboxes
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor, ThreadedExecutor
from mailnode.service import MailNode
from mailnode.service_listeners import connection_limits, make_room
from mailnode.service_reading import changed_people
from mailnode.service_stopping import DISK_PATIENCE, PATIENCE
from tests.interop.harness import (
    ANNA,
    BEN,
    CLIENT_SECONDS,
    DOMAIN,
    HOSTNAME,
    PASSWORD,
    Server,
    free_ports,
    wait_until,
)

BIN = os.path.dirname(sys.executable)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEXT = b"Subject: hello\r\n\r\nText.\r\n"

# What systemd does: hand over listening sockets from descriptor 3 on, and say so in the environment of the
# process that becomes the server.
ACTIVATE = """
import os, socket, sys
sockets = [socket.socket() for _ in range(2)]
for number, one in enumerate(sockets):
    one.bind(("127.0.0.1", 0))
    one.listen()
    os.dup2(one.fileno(), 100 + number)
print(*[one.getsockname()[1] for one in sockets], flush=True)
for number, one in enumerate(sockets):
    os.dup2(100 + number, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="a:b")
os.execv(sys.argv[1], sys.argv[1:])
"""


def run(*command: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
    """A command of ours, to its end."""
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run(
        command,
        input=typed,
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        env=environment,
        check=False,
    )


def mailnode(*arguments: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
    """The `mailnode` command."""
    program = "import sys; from mailnode.admin.cli import main; sys.argv[0] = 'mailnode'; main()"
    return run(sys.executable, "-c", program, *arguments, typed=typed)


class SetUpTests(SynchronousTestCase):
    """From nothing to a message, with the commands of the README."""

    def test_init_to_first_message(self) -> None:
        """init, mailbox add, check, twistd: then a message comes in and is fetched, also after a restart."""
        server = Server(())
        self.addCleanup(server.clean_up)
        directory = os.path.join(server.directory, "real")
        made = mailnode(
            "init", directory, "--hostname", HOSTNAME, "--domain", DOMAIN, "--listen", "127.0.0.1"
        )
        self.assertEqual(made.returncode, 0, made.stderr)
        config = os.path.join(directory, "mailnode.toml")
        for address in (ANNA, BEN):
            added = mailnode(
                "--config", config, "mailbox", "add", address, "--password-stdin", typed=PASSWORD
            )
            self.assertEqual(added.returncode, 0, added.stderr)
        listed = mailnode("--config", config, "mailbox", "list")
        self.assertIn(ANNA, listed.stdout)
        checked = mailnode("--config", config, "check")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

        with open(config, encoding="utf-8") as file:
            text = file.read()
        for place, port in zip((25, 587, 465, 110, 995, 143, 993), server.ports.values(), strict=True):
            text = text.replace(f"tcp:{place}:", f"tcp:{port}:")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        server.config_path = config
        server.start()
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
            client.sendmail("x@remote.example", [BEN], TEXT)
        server.restart()
        pop = poplib.POP3("127.0.0.1", server.ports["pop3"])
        pop.user(BEN)
        pop.pass_(PASSWORD)
        self.assertEqual(pop.stat()[0], 1)
        pop.quit()

    def test_broken_configuration(self) -> None:
        """twistd ends with status 1 and every mistake, each with file, line and remedy; no traceback."""
        directory = tempfile.mkdtemp()
        config = os.path.join(directory, "mailnode.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write('hostnam = "mail.example.org"\ndomains = "example.org"\n')
        os.chmod(config, 0o600)
        for ended in (
            run(os.path.join(BIN, "twistd"), "-n", "--pidfile=", "mailnode", "--config", config),
            mailnode("--config", config, "check"),
        ):
            said = ended.stdout + ended.stderr
            self.assertEqual(ended.returncode, 1, said)
            self.assertIn(f"{config}:1: hostnam", said)
            self.assertIn("hostname", said)
            self.assertIn(f"{config}:2: domains", said)
            self.assertNotIn("Traceback", said)


class SocketTests(SynchronousTestCase):
    """Ports."""

    def test_port_in_use(self) -> None:
        """A port that is taken is named, with what to do; the status is 1."""
        server = Server()
        self.addCleanup(server.clean_up)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", server.ports["imap"]))
            taken.listen()
            twistd = os.path.join(BIN, "twistd")
            ended = run(twistd, "-n", "--pidfile=", "mailnode", "--config", server.config_path)
        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"cannot listen on tcp:{server.ports['imap']}:", ended.stderr)
        self.assertNotIn("Traceback", ended.stdout + ended.stderr)

    def test_one_server_for_one_state(self) -> None:
        """A second server on the same state directory does not start."""
        server = Server()
        self.addCleanup(server.clean_up)
        server.start()
        text = server._files.read(server.config_path).decode()
        for old, new in zip(server.ports.values(), free_ports(7), strict=True):
            text = text.replace(f"tcp:{old}:", f"tcp:{new}:")
        other = os.path.join(server.directory, "other.toml")
        server._files.replace(other, text.encode())
        ended = run(os.path.join(BIN, "twistd"), "-n", "--pidfile=", "mailnode", "--config", other)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("control.sock", ended.stderr)
        self.assertTrue(server.reload()["ok"])

    def test_socket_activation(self) -> None:
        """Sockets handed over by systemd are served, and systemd is told when the server is ready."""
        server = Server()
        self.addCleanup(server.clean_up)
        with open(server.config_path, encoding="utf-8") as file:
            head = file.read().partition("# Where connections come in")[0]
        listeners = "".join(
            f'[[listener]]\nprotocol = "{protocol}"\nendpoint = "systemd:domain=INET:index={index}"\n'
            for index, protocol in enumerate(("smtp", "imap"))
        )
        with open(server.config_path, "w", encoding="utf-8") as file:
            file.write(head + listeners)
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notices.bind(os.path.join(server.directory, "notify"))
        notices.settimeout(30)
        self.addCleanup(notices.close)
        twistd = os.path.join(BIN, "twistd")
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                ACTIVATE,
                twistd,
                "-n",
                "--pidfile=",
                "mailnode",
                "--config",
                server.config_path,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": ROOT, "NOTIFY_SOCKET": os.path.join(server.directory, "notify")},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        ports = [int(word) for word in process.stdout.readline().split()]
        self.assertEqual(notices.recv(100), b"READY=1")
        for port, greeting in zip(ports, (b"220 ", b"* OK "), strict=True):
            with socket.create_connection(("127.0.0.1", port), timeout=CLIENT_SECONDS) as client:
                self.assertEqual(client.recv(100)[: len(greeting)], greeting)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(notices.recv(100), b"STOPPING=1")
        self.assertEqual(process.wait(CLIENT_SECONDS), -signal.SIGTERM)


class LimitTests(SynchronousTestCase):
    """What listeners let in, and who is sent away."""

    def test_other_mail_servers_never_log_in(self) -> None:
        """Port 25 has room for all SMTP sessions, though nobody logs in there."""
        numbers = Limits(preauth_connections=7, smtp_sessions=50, imap_sessions=60, pop3_sessions=70)
        for protocol, sessions, before_login in (
            ("smtp", 50, 50),
            ("submission", 50, 7),
            ("imap", 60, 7),
            ("pop3", 70, 7),
            ("http", 100, 100),
            ("metrics", 100, 100),
        ):
            limits = connection_limits(protocol, numbers)
            self.assertEqual((limits.sessions, limits.before_login), (sessions, before_login), protocol)

    def test_changed_people(self) -> None:
        """Who has another password, or secret, or no mailbox any more; not who is new or has another name."""
        before = {
            "a": MailboxEntry("1"),
            "b": MailboxEntry("2"),
            "c": MailboxEntry("3"),
            "d": MailboxEntry("4"),
            "f": MailboxEntry("6", secret="x"),
        }
        now = {
            "a": MailboxEntry("1"),
            "b": MailboxEntry("2", "Ben"),
            "c": MailboxEntry("x"),
            "e": MailboxEntry("5"),
            "f": MailboxEntry("6"),
        }
        self.assertEqual(changed_people(Mailboxes(before), Mailboxes(now)), {"c", "d", "f"})


class Reactor(MemoryReactorClock):
    """A reactor on which nothing comes back from threads."""

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:
        """Never."""


class NodeTestCase(SynchronousTestCase):
    """A server that does not listen and whose threads do no work."""

    def setUp(self) -> None:
        self.servers: list[Server] = []

    def node(self, more: str = "") -> tuple[MailNode, Reactor]:
        """The server, with more lines in its configuration."""
        server = Server()
        self.addCleanup(server.clean_up)
        server.write_config(server.extra + more)
        self.servers.append(server)
        reactor = Reactor()
        return MailNode(server.config_path, reactor), reactor


class TlsTests(NodeTestCase):
    """Who is asked for a certificate."""

    def test_only_people_are_asked(self) -> None:
        """Not other mail servers, on port 25; and a reload changes what both use."""
        node, _ = self.node()
        used = {factory._door.listener.protocol: factory._door for factory in node._factories.values()}
        plain, asking = node._entrance.certificates._servers
        self.assertIs(used["smtp"].tls, plain)
        self.assertIs(used["smtp"].serve.__self__.tls, plain)
        for protocol in ("submission", "pop3", "imap"):
            self.assertIs(used[protocol].tls, asking)
        self.assertIs(used["submission"].serve.__self__.tls, asking)
        self.assertIs(used["pop3"].serve.__self__._shared.tls, asking)
        self.assertIs(used["imap"].serve.__self__.shared.tls, asking)
        before = (plain.context, asking.context)
        self.patch(ThreadedExecutor, "run", InlineExecutor.run)
        self.successResultOf(Deferred.fromCoroutine(node.reload()))
        self.assertFalse({plain.context, asking.context} & set(before))

    def test_renewed(self) -> None:
        """Certificates that were renewed are taken within a minute, without a reload."""
        self.patch(ThreadedExecutor, "run", InlineExecutor.run)
        node, reactor = self.node()
        server = self.servers[-1]
        certificates = node._entrance.certificates
        before = [one.context for one in certificates._servers]
        certificates.renewal.start()
        self.addCleanup(certificates.renewal.stop)
        reactor.advance(60)
        self.assertEqual([one.context for one in certificates._servers], before)
        server.write_certificates()
        reactor.advance(60)
        self.assertFalse({one.context for one in certificates._servers} & set(before))


class DescriptorTests(SynchronousTestCase):
    """How many descriptors the process may have."""

    def test_room(self) -> None:
        """As many as all sessions need, as far as the system lets it; never fewer than before."""
        limits = Limits(smtp_sessions=1000, imap_sessions=4000, pop3_sessions=1000)
        infinite = resource.RLIM_INFINITY
        for before, after, said in (
            ((1024, 1_000_000), 17_000, ""),
            ((1024, infinite), 17_000, ""),
            ((20_000, 1_000_000), None, ""),
            ((infinite, infinite), None, ""),
            ((1024, 10_000), 10_000, ""),
            ((1024, 4096), 4096, "the system allows 4096 descriptors, which is too few for 8000 sessions"),
        ):
            changed: list[object] = []
            self.patch(resource, "getrlimit", lambda _, before=before: before)
            self.patch(resource, "setrlimit", lambda _, pair, changed=changed: changed.append(pair))
            self.assertEqual(make_room(limits), said)
            self.assertEqual(changed, [(after, before[1])] if after else [])

    def test_a_server(self) -> None:
        """A real one has raised its limit."""
        server = Server()
        self.addCleanup(server.clean_up)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
        server.start()
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        self.assertGreaterEqual(soft, 10_000 if hard == resource.RLIM_INFINITY else min(hard, 10_000))


class ReloadTests(NodeTestCase):
    """What a reload takes over."""

    def test_one_after_the_other(self) -> None:
        """Of two reloads at once the second reads when the first has read: the newer file stays in force."""
        node, _ = self.node()
        reads: list[Deferred[object]] = []

        def run(_: object, _function: object, *_args: object) -> "Deferred[object]":
            reads.append(Deferred())
            return reads[-1]

        self.patch(ThreadedExecutor, "run", run)
        first, second = (Deferred.fromCoroutine(node.reload()) for _ in range(2))
        self.assertEqual(len(reads), 1)
        reads[0].errback(ZeroDivisionError())
        self.failureResultOf(first, ZeroDivisionError)
        self.assertEqual(len(reads), 2)
        self.assertNoResult(second)


class SpaceTests(NodeTestCase):
    """Room on the disk."""

    def test_where_mail_lies(self) -> None:
        """The file system that is asked for room is that of the mail, not that of the state."""
        asked: list[str] = []
        self.patch(FileSystem, "free_space", lambda _, path: asked.append(path) or 1)
        self.patch(ThreadedExecutor, "run", InlineExecutor.run)
        node, _ = self.node('\n[store]\nmail = "/srv/mail/{domain}/{local}"\n')
        smtp = next(iter(node._factories.values()))._door.serve.__self__
        self.successResultOf(Deferred.fromCoroutine(smtp.free_space()))
        self.assertEqual(asked, ["/srv/mail/"])


class StopTests(NodeTestCase):
    """The end."""

    def test_disk_that_does_not_answer(self) -> None:
        """Jobs and threads that never end are waited for, but not for ever."""
        node, reactor = self.node()
        node._entrance.realm.account(ANNA).lane.run(int, "1")
        stopped = node.stopService()
        reactor.advance(DISK_PATIENCE - 1)
        self.assertNoResult(stopped)
        reactor.advance(1)
        self.successResultOf(stopped)
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_session_that_does_not_end(self) -> None:
        """Nor are sessions."""
        node, reactor = self.node()
        factory = next(iter(node._factories.values()))
        self.patch(factory, "sessions", lambda: [Deferred()])
        stopped = node.stopService()
        reactor.advance(PATIENCE - 1)
        reactor.advance(DISK_PATIENCE)
        self.assertNoResult(stopped)
        reactor.advance(DISK_PATIENCE)
        self.successResultOf(stopped)

    def test_command_that_is_being_done(self) -> None:
        """SIGTERM while a message is being stored: the client reads its OK, then BYE."""
        server = Server()
        self.addCleanup(server.clean_up)
        server.start()
        client = server.connect("imap")
        self.addCleanup(client.close)
        client.line()
        client.tagged(b"a LOGIN %s %s" % (ANNA.encode(), PASSWORD.encode()))
        client.send(b"b APPEND INBOX {%d}\r\n" % len(TEXT))
        self.assertTrue(client.line().startswith(b"+"))
        folder = os.open(server.maildir(ANNA), os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        client.send(TEXT + b"\r\n")
        later = server.connect("pop3")
        self.addCleanup(later.close)
        self.assertTrue(later.line().startswith(b"+OK"))  # so what came before has been read
        stopping = Thread(target=server.stop)
        stopping.start()
        wait_until(lambda: not listens(server.ports["imap"]), "the server to stop listening")
        os.close(folder)
        said = client.rest()
        stopping.join()
        self.assertRegex(said, rb"(?s)^(\* [^\r]*\r\n)*b OK [^\r]*\r\n\* BYE [^\r]*\r\n$")
        self.assertEqual(len(server.files(ANNA)), 1)


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=CLIENT_SECONDS).close()
    except OSError:
        return False
    return True


class DemoTests(SynchronousTestCase):
    """`mailnode demo`, what `make run` runs."""

    def test_demo(self) -> None:
        """One welcome, the line `mailnode ready`, a clean end by Ctrl-C; the next time the mail is there."""
        directory = os.path.join(tempfile.mkdtemp(), "var")
        log_path = directory + ".log"
        for turn in (1, 2):
            with open(log_path, "wb") as log:
                # As from a terminal, also where the tests themselves run as a job that Ctrl-C does not reach.
                begin = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
                program = begin + "from mailnode.admin.cli import main; sys.argv[0] = 'mailnode'; main()"
                process = subprocess.Popen(
                    [sys.executable, "-c", program, "demo", "--dir", directory, "--port-offset", "20000"],
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONPATH": ROOT},
                )
            self.addCleanup(process.kill)

            def said() -> str:
                with open(log_path, encoding="utf-8") as file:
                    return file.read()

            wait_until(lambda: "\nmailnode ready\n" in said(), "the demo to be ready")
            welcome = said().partition("\n20")[0]
            self.assertIn("anna@example.test", welcome)
            self.assertIn("swaks --server", welcome)
            if turn == 1:
                with smtplib.SMTP("127.0.0.1", 22525) as client:
                    client.sendmail("x@remote.example", ["ben@example.test"], TEXT)
            pop = poplib.POP3("127.0.0.1", 22110)
            pop.user("ben@example.test")
            pop.pass_("demo")
            self.assertEqual(pop.stat()[0], 1)
            pop.quit()
            process.send_signal(signal.SIGINT)
            self.assertEqual(
                process.wait(CLIENT_SECONDS), -signal.SIGINT
            )  # twistd ends as the signal would have it
            self.assertNotIn("Traceback", said())
