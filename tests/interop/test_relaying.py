"""Mail from one server to another: what the queue holds, over real sockets, with crashes."""

import email
import os
import socket
import threading
import time
from email import policy
from email.message import EmailMessage

from mailnode.envelope import Body, Envelope, Recipient
from mailnode.fs import FileSystem
from mailnode.queue.entry import new_entry
from mailnode.queue.spool import Spool
from mailnode.wire.address import parse_address
from tests.interop.harness import (
    _EXTRA,
    ANNA,
    PASSWORD,
    InteropTestCase,
    Server,
    free_ports,
    sample,
    wait_until,
)
from tests.interop.sink import SmtpSink

CARL, DORA = "carl@other.test", "dora@other.test"
TRACE = b"Received: from client.example by mail.example.test; Tue, 3 Feb 2026 04:05:06 +0000\r\n"


def routes(**ports: int) -> str:
    """Lines for mailnode.toml: a port on this machine for each domain under .test."""
    tables = [f'[routes."{name}.test"]\nhost = "127.0.0.1"\nport = {port}\n' for name, port in ports.items()]
    return "".join([_EXTRA, *tables])


class RelayingTestCase(InteropTestCase):
    """Two servers with routes to each other, and to a port for *@sink.test; none is started."""

    def setUp(self) -> None:
        (self.port,) = free_ports(1)
        self.other = Server((CARL, DORA), domain="other.test")
        self.addCleanup(self.clean_up, self.other)
        self.server = Server(extra=routes(other=self.other.ports["smtp"], sink=self.port))
        self.addCleanup(self.clean_up, self.server)
        self.other.write_config(routes(example=self.server.ports["smtp"]))

    def put(self, name: str, *people: str, server: Server | None = None, sender: str = ANNA) -> None:
        """A message in the queue of a server that does not run."""
        server = server or self.server
        spool = Spool(FileSystem(), server.config().queue_directory)
        recipients = tuple(Recipient(parse_address(one)) for one in people)
        envelope = Envelope(parse_address(sender), recipients=recipients, body=Body.EIGHT_BIT)
        arriving = spool.arriving(name)
        letter = sample(name, b"A text.\r\n.\r\n..\r\n").octets
        arriving.write(TRACE + letter.replace(ANNA.encode(), sender.encode()))
        arriving.accept(new_entry(name, envelope, came=time.time(), due=time.time()))

    def sink(self, *options: str) -> SmtpSink:
        """A server for *@sink.test."""
        one = SmtpSink(*options, port=self.port)
        self.addCleanup(one.clean_up)
        return one

    def queue(self, *arguments: str) -> str:
        """What `mailnode queue` prints."""
        return self.server.command("queue", *arguments).stdout

    def wait_for_the_end(self, server: Server | None = None) -> None:
        """Until the queue is empty."""
        directory = (server or self.server).config().queue_directory
        wait_until(lambda: os.listdir(directory) == [], "the queue to be empty")

    def stored(self, server: Server, who: str) -> list[bytes]:
        """The messages of somebody."""
        found = []
        for path in server.files(who):
            with open(path, "rb") as file:
                found.append(file.read())
        return found

    def report(self, server: Server | None = None, who: str = ANNA) -> EmailMessage:
        """The only message of somebody: the group of its one recipient."""
        server = server or self.server
        wait_until(lambda: bool(server.files(who)), "the report")
        (octets,) = self.stored(server, who)
        message = email.message_from_bytes(octets, policy=policy.default)
        assert isinstance(message, EmailMessage)
        (_, recipient) = list(message.iter_parts())[1].get_payload()
        assert isinstance(recipient, EmailMessage)
        return recipient


class Relaying(RelayingTestCase):
    """A server whose queue holds mail for others."""

    def test_each_other(self) -> None:
        """Both send, and both receive: all once, octet for octet; several recipients in one transaction."""
        self.put("there", CARL, DORA)
        self.put("back", ANNA, server=self.other, sender=CARL)
        self.other.start()
        self.server.start()
        self.wait_for_the_end()
        wanted = (TRACE + sample("there", b"A text.\r\n.\r\n..\r\n").octets).replace(b"\r\n", b"\n")
        for who in (CARL, DORA):
            (found,) = self.stored(self.other, who)
            self.assertTrue(found.endswith(wanted))
            self.assertIn(b"Return-Path: <anna@example.test>\n", found)
        self.assertEqual(self.stored(self.other, CARL)[0].count(b"\nReceived: "), 2)
        # The server whose peer was not there yet has to be told that it is now.
        if not self.server.files(ANNA):
            self.other.stop()
            self.other.command("queue", "release", "back")
            self.other.start()
        self.wait_for_the_end(self.other)
        self.assertEqual(len(self.server.files(ANNA)), 1)

    def test_down_and_up(self) -> None:
        """Nobody is there: it waits, says why, and is delivered when there is somebody."""
        self.put("patient", CARL)
        self.server.start()
        wait_until(lambda: "Postponed" in self.server.log(), "the next try to be planned")
        self.assertIn("refused", self.queue("list", "--json"))
        self.other.start()
        self.queue("release", "patient")
        self.wait_for_the_end()
        self.assertEqual(len(self.stored(self.other, CARL)), 1)
        self.assertEqual(self.server.files(ANNA), [])

    def test_later(self) -> None:
        """4yz to one of the recipients, then 250: he gets it once."""
        sink = self.sink("-r", "RCPT")
        self.put("later", "a@sink.test", CARL)
        self.other.start()
        self.server.start()
        wait_until(lambda: "Postponed" in self.server.log(), "the first try")
        self.assertEqual(sink.messages(), [])
        sink.stop()
        second = self.sink()
        self.queue("release", "later")
        self.wait_for_the_end()
        self.assertEqual([recipients for recipients, _ in second.messages()], [1])
        self.assertEqual(len(self.stored(self.other, CARL)), 1)

    def test_refused(self) -> None:
        """550: the sender gets a report, with the reply in it."""
        self.sink("-f", "RCPT")
        self.put("refused", "a@sink.test")
        self.server.start()
        recipient = self.report()
        self.assertEqual(str(recipient["Action"]), "failed")
        self.assertTrue(str(recipient["Diagnostic-Code"]).startswith("smtp; 5"), recipient.as_string())
        self.wait_for_the_end()

    def test_smarthost(self) -> None:
        """A relay with a login: TLS from the start or by STARTTLS, and only with the right certificate."""
        secret = os.path.join(self.server.directory, "relay")
        FileSystem().replace(secret, f"{PASSWORD}\n".encode())
        self.other.start()
        environment = dict(os.environ)
        for name, door, tls, authority in (
            ("implicit", "submissions", "implicit", self.other.authority),
            ("required", "submission", "required", self.other.authority),
            ("stranger", "submission", "required", self.server.authority),
        ):
            route = f'host = "127.0.0.1"\nport = {self.other.ports[door]}\ntls = "{tls}"\n'
            login = f'username = "{CARL}"\npassword_file = "{secret}"\n'
            self.server.write_config(f'{_EXTRA}[routes."other.test"]\n{route}{login}')
            self.patch(os, "environ", {**environment, "SSL_CERT_FILE": authority})
            self.put(name, DORA, sender=CARL)
            self.server.start()
            wait_until(lambda: "message=" + name in self.server.log(), "the try")  # noqa: B023
            if name != "stranger":
                self.wait_for_the_end()
                self.assertIn(b" with ESMTPSA ", self.stored(self.other, DORA)[-1])
            self.server.stop()
        self.assertEqual(len(self.stored(self.other, DORA)), 2)
        self.assertIn("certificate-not-trusted", self.server.log())

    def test_killed_while_sending(self) -> None:
        """The sender dies behind DATA: nothing is lost, and who has it already gets it no second time."""
        stalling = Stalling(self.port)
        self.put("killed", "a@sink.test", CARL)
        self.other.start()
        self.server.start()
        wait_until(stalling.in_data.is_set, "DATA")
        wait_until(
            lambda: bool(self.other.files(CARL)) and "relayed" in self.queue("list", "--json"), "the others"
        )
        self.server.kill()
        stalling.close()
        sink = self.sink()
        self.server.start()
        self.wait_for_the_end()
        self.assertEqual(len(sink.messages()), 1)
        self.assertEqual(len(self.stored(self.other, CARL)), 1)

    def test_many(self) -> None:
        """Many messages over few connections, each once."""
        sink = self.sink()
        for number in range(60):
            self.put(f"many{number}", "a@sink.test")
        self.server.start()
        self.wait_for_the_end()
        self.assertEqual(len({content for _, content in sink.messages()}), 60)
        self.server.stop()  # with connections that are kept for the next message
        self.assertNotIn("without waiting longer", self.server.log())


class Stalling:
    """A server that takes all of an envelope and then says no more."""

    def __init__(self, port: int) -> None:
        self.in_data = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 stalling.test\r\n")
            for line in lines:
                if line == b".\r\n":
                    self.in_data.set()
                elif line == b"DATA\r\n":
                    connection.sendall(b"354 Go on\r\n")
                elif not self.in_data.is_set() and line[:4] in (b"EHLO", b"MAIL", b"RCPT"):
                    connection.sendall(b"250 Ok\r\n")

    def close(self) -> None:
        """Nobody listens any more."""
        self._listener.close()
        self._thread.join(5)
