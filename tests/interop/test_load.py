"""Many at once, and a server that is killed in the middle: nothing is lost, nothing comes twice."""

import imaplib
import poplib
import re
import smtplib
from collections import Counter
from threading import Event, Lock, Thread

from tests.interop.harness import (
    ANNA,
    BEN,
    HOST,
    PASSWORD,
    InteropTestCase,
    Sample,
    Server,
    program,
    run,
    sample,
    wait_until,
)

PARALLEL = 20
MESSAGES = 1000


class Idler(Thread):
    """An IMAP session that waits in IDLE and remembers the last EXISTS."""

    def __init__(self, server: Server, address: str) -> None:
        super().__init__(daemon=True)
        self.exists = 0
        self.error = ""
        self.line = server.connect("imap")
        self.line.line()
        self.line.tagged(b"a LOGIN %s %s" % (address.encode(), PASSWORD.encode()))
        self.line.tagged(b"b SELECT INBOX")
        self.line.send(b"c IDLE\r\n")
        assert self.line.line().startswith(b"+ ")
        self.start()

    def run(self) -> None:
        """Read until DONE is answered."""
        while line := self.line.line():
            found = re.fullmatch(rb"\* (\d+) EXISTS", line)
            if found:
                assert int(found[1]) >= self.exists
                self.exists = int(found[1])
            elif line.startswith(b"c "):
                if not line.startswith(b"c OK"):
                    self.error = repr(line)
                return
        self.error = "connection lost"

    def end(self) -> None:
        """DONE, LOGOUT."""
        self.line.send(b"DONE\r\n")
        self.join(30)
        assert not self.is_alive() and not self.error, self.error
        assert self.line.tagged(b"d LOGOUT").startswith(b"d OK")
        self.line.close()


class Download(Thread):
    """A POP3 session that fetches its maildrop again and again until told to end."""

    def __init__(self, server: Server, address: str) -> None:
        super().__init__(daemon=True)
        self.enough = Event()
        self.rounds: list[list[bytes]] = []
        self._client = poplib.POP3_SSL(HOST, server.ports["pop3s"], context=server.tls())
        self._client.user(address)
        self._client.pass_(PASSWORD)
        self.start()

    def run(self) -> None:
        """Fetch all, at least once."""
        count = self._client.stat()[0]
        while not self.rounds or not self.enough.is_set():
            messages = [self._client.retr(number)[1] for number in range(1, count + 1)]
            self.rounds.append([b"".join(line + b"\r\n" for line in lines) for lines in messages])
        self._client.quit()


class Load(InteropTestCase):
    """A thousand messages over twenty connections."""

    def test_once_each(self) -> None:
        """Each arrives once, while two sessions idle on the mailbox and another person downloads hers."""
        own = [sample(f"own-{number}", b"line\r\n" * 20_000) for number in range(5)]
        with smtplib.SMTP(HOST, self.server.ports["smtp"]) as client:
            for message in own:
                client.sendmail(BEN, [ANNA], message.octets)
        idlers = [Idler(self.server, BEN) for _ in range(2)]
        download = Download(self.server, ANNA)
        source = program("smtp-source")
        counts = ["-s", str(PARALLEL), "-m", str(MESSAGES), "-l", "2000"]
        place = f"inet:127.0.0.1:{self.server.ports['smtp']}"
        run([source, *counts, "-f", ANNA, "-t", BEN, place])

        wait_until(lambda: all(idler.exists == MESSAGES for idler in idlers), "both sessions to see all")
        for idler in idlers:
            idler.end()  # they move the files to cur/ as they see them
        ids = Counter(_message_id(path) for path in self.server.files(BEN))
        self.assertEqual((len(ids), max(ids.values())), (MESSAGES, 1))
        download.enough.set()
        download.join(60)
        self.assertTrue(download.rounds and not download.is_alive())
        for messages in download.rounds:
            for message, got in zip(own, messages, strict=True):
                self.assertTrue(got.endswith(message.octets))


def _message_id(path: str) -> bytes:
    with open(path, "rb") as file:
        found = re.search(rb"^Message-Id: (.*)$", file.read(), re.MULTILINE | re.IGNORECASE)
    assert found, path
    return found[1]


class Senders:
    """Threads that send messages, each its own, and remember which got their 250."""

    def __init__(self, server: Server, run_number: int) -> None:
        self.sent: dict[bytes, tuple[Sample, tuple[str, ...]]] = {}
        self.acknowledged: set[bytes] = set()
        self._server = server
        self._run_number = run_number
        self._lock = Lock()
        self._threads = [Thread(target=self._run, args=(number,), daemon=True) for number in range(PARALLEL)]
        for thread in self._threads:
            thread.start()

    def _run(self, thread: int) -> None:
        """Send until the server is gone."""
        number = 0
        try:
            while True:
                with smtplib.SMTP(HOST, self._server.ports["smtp"], timeout=30) as client:
                    for _ in range(5):
                        number += 1
                        self._send(client, thread, number)
        except (OSError, smtplib.SMTPException):
            return

    def _send(self, client: smtplib.SMTP, thread: int, number: int) -> None:
        name = f"{self._run_number}-{thread}-{number}"
        message = sample(name, b"%s\r\n" % name.encode() * (1 + 2000 * (number % 7 == 0)) + b"whole\r\n")
        recipients = (BEN, ANNA) if number % 3 == 0 else (BEN,)
        with self._lock:
            self.sent[message.mark] = message, recipients
        client.sendmail("out@side.example", recipients, message.octets)
        with self._lock:
            self.acknowledged.add(message.mark)

    def join(self) -> None:
        """Wait until all have seen that the server is gone."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


class Crash(InteropTestCase):
    """SIGKILL at any moment."""

    def test_acknowledged_is_there(self) -> None:
        """After each restart every message that got its 250 is there, whole and once, for each recipient."""
        sent: dict[bytes, tuple[Sample, tuple[str, ...]]] = {}
        acknowledged: set[bytes] = set()
        for run_number, goal in enumerate((1, 50, 300)):
            senders = Senders(self.server, run_number)
            wait_until(lambda s=senders, n=goal: len(s.acknowledged) >= n, f"{goal} messages")  # type: ignore[misc]
            self.server.kill()
            senders.join()
            self.server.start()
            sent |= senders.sent
            acknowledged |= senders.acknowledged
            for address in (ANNA, BEN):
                found = Counter(self.marks(sent, address))
                expected = {mark for mark in acknowledged if address in sent[mark][1]}
                self.assertEqual(expected - found.keys(), set())
                self.assertEqual([mark for mark, count in found.items() if count > 1], [])

    def marks(self, sent: dict[bytes, tuple[Sample, tuple[str, ...]]], address: str) -> list[bytes]:
        """The marks of all messages of an address, read over IMAP; each must be one that was sent, whole."""
        client = imaplib.IMAP4(HOST, self.server.ports["imap"])
        client.login(address, PASSWORD)
        if client.select("INBOX", readonly=True)[1] == [b"0"]:
            return []
        _, data = client.fetch("1:*", "(BODY.PEEK[])")
        client.logout()
        marks = []
        for _, octets in (part for part in data if isinstance(part, tuple)):
            found = re.search(rb"^Message-ID: (<.*>)\r$", octets, re.MULTILINE)
            assert found, octets[:1000]
            message, _ = sent[found[1]]
            self.assertTrue(octets.endswith(b"\r\n" + message.octets), octets[:1000])
            marks.append(found[1])
        return marks
