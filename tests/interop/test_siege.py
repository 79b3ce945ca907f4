"""Peers that hold on: idle, slow, deaf, many. Good ones are served as ever, and nothing is left of it after.

Times are compared, never measured: what a delivery takes beside the rude peers with what it takes alone.
"""

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from statistics import median
from threading import Event, Thread

from tests.interop.harness import BEN, PASSWORD, InteropTestCase, Line, Server, sample, wait_until

IDLE = 500
ROUNDS = 9
SLOWER = 8.0  # times: far below what waiting for a rude peer would cost, far above what chance does
MEMORY = 32 << 20  # octets; 500 connections that are idle cost about 4 MB, and as much 20 that are deaf
SLOW = 20
DEAF = 20

EXTRA = """
[auth]
argon2_memory = 64
argon2_time = 1

[limits]
smtp_sessions = 600
junk_commands = 1000000
"""
STRANGERS = """
[limits]
smtp_sessions = 20
connections_per_address = 100
connection_rate = 1000
stress_timeout = 1
"""
ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\n" % BEN.encode()


class Siege(InteropTestCase):
    """Around a good client, which delivers over one connection and reads over another."""

    def setUp(self) -> None:
        self.server = Server(extra=EXTRA)
        self.addCleanup(self.clean_up, self.server)
        self.server.start()
        self.number = 0
        self.smtp = self.server.connect("smtp")
        self.imap = self.server.connect("imap")
        self.smtp.reply()
        self.smtp.ask(b"EHLO good.example")
        self.imap.line()
        self.imap.tagged(b"a LOGIN %s %s" % (BEN.encode(), PASSWORD.encode()))
        self.imap.tagged(b"b SELECT INBOX")
        self.deliver_and_read()  # what the first one costs, it costs once
        self.rude: list[Line] = []
        self.addCleanup(self.smtp.close)
        self.addCleanup(self.imap.close)

    def deliver_and_read(self) -> float:
        """Seconds that one message takes from MAIL until it is read."""
        self.number += 1
        message = sample(f"good-{self.number}", b"text\r\n" * 100)
        began = time.perf_counter()
        for command in (*ENVELOPE.split(b"\r\n")[:2], b"DATA"):
            self.assertRegex(self.smtp.ask(command), rb"^[23]50|^354")
        self.assertTrue(self.smtp.ask(message.octets + b".").startswith(b"250 "))
        self.imap.tagged(b"c NOOP")
        reply = self.imap.tagged(b"d FETCH %d BODY.PEEK[TEXT]" % self.number)
        self.assertTrue(reply.startswith(b"d OK"), reply)
        return time.perf_counter() - began

    def typical(self) -> float:
        """What it takes, of several."""
        return median(self.deliver_and_read() for _ in range(ROUNDS))

    def descriptors(self) -> int:
        """How many sockets the server has; it opens and closes files of its own accord."""
        folder = f"/proc/{self.server.pid}/fd"
        found = 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found += os.readlink(f"{folder}/{name}").startswith("socket:")
        return found

    def peak(self) -> int:
        """The most memory that the server has ever had, octets."""
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as file:
            found = re.search(r"VmHWM:\s+(\d+) kB", file.read())
        assert found
        return int(found[1]) * 1024

    def connect(self) -> Line:
        """A rude peer that has heard the greeting."""
        line = self.server.connect("smtp")
        self.rude.append(line)
        self.assertTrue(line.reply().startswith(b"220"))
        return line

    @contextlib.contextmanager
    def besieged(self) -> Iterator[None]:
        """Compare before, meanwhile and after; what is inside makes the rude peers and returns."""
        started, before, descriptors = self.typical(), self.peak(), self.descriptors()
        try:
            yield
            meanwhile, peak = self.typical(), self.peak()
        finally:
            for line in self.rude:
                line.cut()
        wait_until(lambda: self.descriptors() <= descriptors, "all descriptors to come back")
        self.assertLess(peak - before, MEMORY)
        self.assertLess(meanwhile / max(started, self.typical()), SLOWER)

    def test_idle(self) -> None:
        """Five hundred connections that say nothing more than EHLO."""
        with self.besieged():
            for _ in range(IDLE):
                self.connect().ask(b"EHLO idle.example")
            self.assertGreater(self.descriptors(), IDLE)

    def test_slow(self) -> None:
        """Slow lorises: an octet now and then, some within a command, some within a message (M5)."""
        with self.besieged():
            for number in range(SLOW):
                line = self.connect()
                line.ask(b"EHLO slow.example")
                if number % 2:
                    line.send(ENVELOPE + b"DATA\r\n")
            with self.meanwhile(self.drip):
                self.typical()
        self.assertEqual(len(self.server.files(BEN)), self.number)

    def drip(self) -> None:
        """One octet from each."""
        for line in self.rude:
            line.send(b"x")
        time.sleep(0.01)

    @contextlib.contextmanager
    def meanwhile(self, work: Callable[[], None]) -> Iterator[None]:
        """Do this again and again in another thread."""
        enough = Event()

        def again() -> None:
            while not enough.is_set():
                work()

        thread = Thread(target=again, daemon=True)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()

    def test_deaf(self) -> None:
        """Twenty thousand commands at once from each, and no reply is read: 7 MB that would wait for each."""
        with self.besieged():
            for _ in range(DEAF):
                line = self.connect()
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                line.send(b"HELP\r\n" * 20_000)


class Strangers(InteropTestCase):
    """A server that trusts nobody, with few places."""

    def setUp(self) -> None:
        self.server = Server(extra=STRANGERS, head="workers = 1\ntrusted_networks = []\n")
        self.addCleanup(self.clean_up, self.server)
        self.server.start()

    def test_stress(self) -> None:
        """When most places are taken strangers must hurry; when they are free again all is as before."""
        lines = []
        for _ in range(17):
            lines.append(self.server.connect("smtp"))
            self.assertTrue(lines[-1].reply().startswith(b"220"))
        hasty = self.server.connect("smtp")
        hasty.reply()
        self.assertTrue(hasty.ask(b"WHAT").startswith(b"500 "))
        self.assertTrue(hasty.rest().startswith(b"421 4.7.0 "))
        silent = self.server.connect("smtp")
        silent.reply()
        self.assertTrue(silent.reply().startswith(b"421 4.4.2 "))
        for line in (*lines[1:], hasty, silent):
            line.close()
        wait_until(lambda: "stress is over" in self.server.log(), "the stress to be over")
        self.assertEqual(self.server.log().count("stress begins"), 1)
        self.assertTrue(lines[0].ask(b"WHAT").startswith(b"500 "))
        self.assertTrue(lines[0].ask(b"QUIT").startswith(b"221 "))
        lines[0].close()

    def test_early_talker(self) -> None:
        """Who talks before the greeting is told so instead of being greeted (R24)."""
        replies = set()
        for _ in range(5):  # a machine that is busy elsewhere may send the one or other too late
            line = self.server.connect("smtp")
            line.send(b"EHLO a\r\n")
            replies.add(line.reply()[:10])
            line.close()
        self.assertIn(b"554 5.5.0 ", replies)

    def test_full(self) -> None:
        """The one too many is told to come again."""
        lines = [self.server.connect("smtp") for _ in range(21)]
        replies = [line.reply() for line in lines]
        self.assertEqual([reply[:9] for reply in replies if reply[:3] != b"220"], [b"421 4.3.2"])
        for line in lines:
            line.close()
