"""Several processes in which people read their mail: one server to everybody, whatever becomes of one."""

import contextlib
import imaplib
import os
import poplib
import re
import signal
import smtplib
from collections.abc import Iterable
from contextlib import closing
from functools import partial

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from mailnode.admin.control import ask
from mailnode.fs import FileSystem
from tests.interop.both_sides import deliver, login
from tests.interop.harness import BEN, HOST, PASSWORD, InteropTestCase, Server, children, sample, wait_until

WORKERS = 2
LISTS = f"""
[lists."all@example.test"]
members = ["{BEN}"]
owner = "{BEN}"
posting = "open"

[lists."some@example.test"]
members = ["{BEN}"]
owner = "{BEN}"
posting = "moderated"
"""


def hang_up(client: IMAPClient) -> None:
    """Close a connection, if it is open."""
    with contextlib.suppress(OSError):
        client.shutdown()


class WorkerTests(InteropTestCase):
    """A server of three processes."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.server.stop)  # when the main process is killed the others end a moment later

    def make_server(self) -> Server:
        """One with workers."""
        server = Server(head=f"workers = {WORKERS}\ntrusted_networks = []\n")
        path = os.path.join(server.directory, "mailboxes.toml")
        files = FileSystem()
        files.replace(path, files.read(path) + LISTS.encode())
        return server

    def both(self) -> list[IMAPClient]:
        """A client of each worker, logged in; which is whose the log says."""
        clients: list[IMAPClient] = []
        for _ in range(40):
            client = IMAPClient(HOST, self.server.ports["imaps"], ssl_context=self.server.tls())
            client.login(BEN, PASSWORD)
            clients.append(client)
            self.addCleanup(hang_up, client)
            if len(self.busy()) == WORKERS:
                return clients
        raise AssertionError("all connections went to one worker")

    def busy(self, place: str = "imaps") -> set[int]:
        """The workers that have a connection of a client."""
        return self.having(place, children(self.server.pid))

    def having(self, place: str, pids: Iterable[int]) -> set[int]:
        """Those of these processes that have one."""
        found = set()
        for pid in pids:
            sockets = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
            with open(f"/proc/{pid}/net/tcp", encoding="ascii") as file:
                rows = [line.split() for line in file.readlines()[1:]]
            port = f"{self.server.ports[place]:04X}"
            mine = {row[9] for row in rows if row[1].endswith(port) and row[3] == "01"}
            if any(f"socket:[{inode}]" in sockets for inode in mine):
                found.add(pid)
        return found

    def test_one_server(self) -> None:
        """What one session does those of the other process hear, and modification sequences are the same."""
        clients = self.both()
        for client in clients:
            client.select_folder("INBOX")
        for client in clients:
            client.idle()
        deliver(self.server, [sample("one", b"text\r\n")])
        for client in clients:
            wait_until(lambda client=client: (1, b"EXISTS") in client.idle_check(timeout=1), "EXISTS")  # type: ignore[misc]
            client.idle_done()
        first, *others = clients
        for number, client in enumerate(clients):
            client.add_flags([1], [f"k{number}"])
        known = {client.fetch([1], ["FLAGS", "MODSEQ"])[1][b"MODSEQ"] for client in clients}
        self.assertEqual(len(known), 1)
        for client in others:
            client.idle()
        first.delete_messages([1])
        first.expunge()
        for client in others:
            wait_until(lambda client=client: (1, b"EXPUNGE") in client.idle_check(timeout=1), "EXPUNGE")  # type: ignore[misc]
            client.idle_done()

    def test_copies(self) -> None:
        """The first ones are copies of the main process, and have none of what it keeps for itself."""
        control = os.path.join(self.server.directory, "state", "control.sock")
        for pid in children(self.server.pid):
            words = []
            for about, name in ((self.server.pid, "cmdline"), (pid, "cmdline"), (pid, "comm")):
                with open(f"/proc/{about}/{name}", encoding="ascii") as file:
                    words.append(file.read())
            self.assertEqual(words[1:], [words[0], "mailnode-worker\n"])
            with open(f"/proc/{pid}/net/unix", encoding="ascii") as file:
                (listens,) = (line.split()[6] for line in file if line.endswith(f"{control}\n"))
            descriptors = os.listdir(f"/proc/{pid}/fd")
            targets = [os.readlink(f"/proc/{pid}/fd/{one}") for one in descriptors]
            self.assertNotIn(f"socket:[{listens}]", targets)
            self.assertEqual(sum("eventpoll" in one for one in targets), 1)
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                (ignored,) = (int(line.split()[1], 16) for line in file if line.startswith("SigIgn:"))
            self.assertTrue(ignored & 1 << signal.SIGUSR1 - 1)  # who has the log reopened may tell all

    def test_limits(self) -> None:
        """A person has so many sessions in all processes together."""
        self.server.stop()
        self.server.write_config("\n[limits]\nsessions_per_user_imap = 5\n")
        self.server.start()
        clients = []
        for _ in range(5):
            clients.append(login(self.server))
        wait_until(self.is_full, "all processes to know of all sessions")
        clients.pop().logout()
        wait_until(partial(self.lets_in, clients), "a place that is free again")
        for client in clients:
            client.logout()

    def is_full(self) -> bool:
        """Whether no further session is let in; one that is goes away."""
        try:
            login(self.server).logout()
        except IMAPClientError as error:
            self.assertIn("UNAVAILABLE", str(error))
            return True
        return False

    def lets_in(self, clients: list[IMAPClient]) -> bool:
        """Whether another session is possible; then it is there."""
        try:
            clients.append(login(self.server))
        except IMAPClientError:
            return False
        return True

    def test_a_worker_dies(self) -> None:
        """Its sessions are gone, all others go on, its places are free, and another one takes its place."""
        clients = self.both()
        before = set(children(self.server.pid))
        victim = sorted(self.busy())[0]
        deliver(self.server, [sample("one", b"text\r\n")])
        os.kill(victim, signal.SIGKILL)
        alive = 0
        for client in clients:
            try:
                client.noop()
                alive += 1
            except (IMAPClientError, OSError, imaplib.IMAP4.abort):
                continue
        self.assertTrue(0 < alive < len(clients), (alive, len(clients)))
        wait_until(
            lambda: victim not in (now := children(self.server.pid)) and len(now) == WORKERS, "another"
        )
        self.assertEqual(len(set(children(self.server.pid)) & before), WORKERS - 1)
        with login(self.server) as client:
            self.assertEqual(client.select_folder("INBOX")[b"EXISTS"], 1)
        self.assertRegex(self.server.log(), "worker died reason=.*signal 9")

    def test_restart(self) -> None:
        """One after the other is replaced; who is there stays until they go."""
        clients = self.both()
        before = set(children(self.server.pid))
        answer = ask(self.server.config().control_socket, {"command": "restart"})
        self.assertEqual(answer, {"ok": True})
        with login(self.server) as client:
            client.noop()
        for client in clients:
            client.noop()
            client.logout()
        wait_until(lambda: len(children(self.server.pid)) == WORKERS, "the old ones to be gone")
        self.assertEqual(set(children(self.server.pid)) & before, set())

    def test_restart_in_vain(self) -> None:
        """Where a new process cannot start nobody leaves, and people are served as before."""
        before = set(children(self.server.pid))
        self.server._write("mailnode.toml", "hostname = 5\n")
        answer = ask(os.path.join(self.server.directory, "state", "control.sock"), {"command": "restart"})
        self.assertFalse(answer["ok"], answer)
        self.assertEqual(set(children(self.server.pid)), before)
        with login(self.server) as client:
            client.noop()
        self.server.write_config(self.server.extra)

    def test_pop3(self) -> None:
        """The lock of a maildrop holds in all processes."""
        deliver(self.server, [sample("one", b"text\r\n")])
        port = self.server.ports["pop3s"]
        first = poplib.POP3_SSL(HOST, port, context=self.server.tls(), timeout=30)
        first.user(BEN)
        first.pass_(PASSWORD)
        for _ in range(6):
            with closing(poplib.POP3_SSL(HOST, port, context=self.server.tls(), timeout=30)) as second:
                second.user(BEN)
                with self.assertRaisesRegex(poplib.error_proto, "IN-USE"):
                    second.pass_(PASSWORD)
        self.assertEqual(first.stat()[0], 1)
        first.dele(1)
        first.quit()
        with login(self.server) as client:
            self.assertEqual(client.select_folder("INBOX")[b"EXISTS"], 0)

    def test_reload(self) -> None:
        """What the command has taken is in force in all processes, and all of them tell of stress once."""
        limits = "stress_percent = 10\nsmtp_sessions = 100\nconnections_per_address = 40\n"
        self.server.write_config(f"\n[limits]\n{limits}")
        for code in (550, 250):
            self.assertTrue(self.server.reload()["ok"])
            for _ in range(8):
                with smtplib.SMTP(HOST, self.server.ports["smtp"]) as client:
                    client.ehlo_or_helo_if_needed()
                    client.mail("a@example.net")
                    self.assertEqual(client.rcpt("new@example.test")[0], code)
            self.server.add_alias("new@example.test", BEN)
        lines = [self.server.connect("smtp") for _ in range(20)]
        self.assertEqual({line.reply()[:3] for line in lines}, {b"220"})
        wait_until(lambda: "stress begins" in self.server.log(), "stress")
        for line in lines:
            line.close()
        wait_until(lambda: "stress is over" in self.server.log(), "the end of stress")
        log = self.server.log()
        self.assertEqual((log.count("stress begins"), log.count("stress is over")), (1, 1))

    def test_mail_comes_in(self) -> None:
        """By SMTP in a worker: into a mailbox, whose readers hear of it, and by the queue to a list."""
        clients = self.both()
        for client in clients:
            client.select_folder("INBOX")
            client.idle()
        self.assertNotIn(self.server.pid, self.takes("smtp"))
        self.send(BEN, sample("one", b"text\r\n").octets)
        for client in clients:
            wait_until(lambda client=client: (1, b"EXISTS") in client.idle_check(timeout=1), "EXISTS")  # type: ignore[misc]
            client.idle_done()
        self.send("all@example.test", sample("two", b"text\r\n").octets)
        wait_until(lambda: len(self.server.files(BEN)) == 2, "the copy of the list")
        wait_until(lambda: "Ended" in self.server.log(), "the queue to be done")
        self.assertRegex(self.server.log(), r'(?m)mail#info\] Ended connection="" message=[0-9]U\w{10}$')

    def test_moderators(self) -> None:
        """An answer that comes to a worker is for the queue, which is in the main process."""
        self.send("some@example.test", sample("one", b"text\r\n").octets)
        wait_until(lambda: len(self.server.files(BEN)) == 1, "the question")
        with open(self.server.files(BEN)[0], "rb") as file:
            found = re.search(rb"\nReply-To: <(.*)>", file.read())
        assert found is not None
        self.send(found[1].decode(), b"Subject: Re: Approve?\r\n\r\nok\r\n")
        wait_until(lambda: len(self.server.files(BEN)) == 2, "the message")
        with self.assertRaises(smtplib.SMTPDataError) as caught:
            self.send(found[1].decode(), b"Subject: Re: Approve?\r\n\r\nok\r\n")
        self.assertEqual(caught.exception.smtp_code, 550)

    def test_dies_with_mail(self) -> None:
        """What workers took for the queue is sent on, although they are gone when somebody hears of it."""
        victims = children(self.server.pid)
        os.kill(self.server.pid, signal.SIGSTOP)  # so that nobody hears of it
        try:
            self.send("all@example.test", sample("one", b"text\r\n").octets)
            folder = self.server.config().queue_directory
            self.assertEqual(len(os.listdir(folder)), 2)
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
        finally:
            os.kill(self.server.pid, signal.SIGCONT)
        wait_until(lambda: len(self.server.files(BEN)) == 1, "the copy of the list")
        wait_until(lambda: os.listdir(folder) == [], "the queue to be empty")

    def send(self, to: str, octets: bytes) -> None:
        """A message by port 25, from a stranger."""
        with smtplib.SMTP(HOST, self.server.ports["smtp"]) as client:
            client.sendmail("stranger@elsewhere.example", [to], octets)

    def takes(self, place: str) -> set[int]:
        """The processes that have a connection there, while one is open."""
        with smtplib.SMTP(HOST, self.server.ports[place]):
            return self.having(place, [self.server.pid, *children(self.server.pid)])

    def test_the_log(self) -> None:
        """There is one, with the lines of all processes in the form of the main one's."""
        with login(self.server) as client:
            client.noop()
        line = (
            r"^\S+ \[mailnode\.mail#info\] LoggedIn connection=(\w+) address=ben@\S+ protocol=imap peer=\S+$"
        )
        wait_until(
            lambda: re.search(line, self.server.log(), re.MULTILINE) is not None, "the login in the log"
        )
        self.assertRegex(self.server.log(), r"(?m)\[mailnode\.imap#info\] connected ")

    def test_the_end(self) -> None:
        """All processes end when the server is stopped, and when the main one is killed."""
        clients = self.both()
        before = children(self.server.pid)
        self.server.stop()
        self.assertFalse(any(os.path.exists(f"/proc/{pid}") for pid in before))
        self.assertEqual(len(clients) > 0, True)
        self.server.start()
        before = children(self.server.pid)
        line = self.server.connect("imap")
        self.assertRegex(line.line(), rb"^\* OK ")
        self.server.kill()
        self.assertEqual(line.rest(), b"")  # at once: no worker goes on by itself, not even to say goodbye
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in before), "the workers to end")
        self.server.start()
