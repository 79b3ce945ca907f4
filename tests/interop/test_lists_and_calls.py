"""Lists with their moderators, and mail that is called for, as a real server has them."""

import os
import re
import smtplib
from base64 import b64encode

from mailnode.fs import FileSystem
from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, InteropTestCase, Line, Server, sample, wait_until

ON_DEMAND = f"""
[on_demand]
"branch.example.net" = ["{ANNA}"]

[dns]
servers = ["127.0.0.1:9"]  # nobody

[auth]
argon2_memory = 64
argon2_time = 1
"""
LISTS = f"""
[lists."team@example.test"]
members = ["{ANNA}", "{BEN}"]
name = "Wir für alle"
owner = "{ANNA}"
posting = "moderated"
"""


class ListsAndCalls(InteropTestCase):
    """With a list that Anna moderates, and a branch whose mail she calls for."""

    def setUp(self) -> None:
        self.server = Server(extra=ON_DEMAND)
        self.addCleanup(self.clean_up, self.server)
        path = os.path.join(self.server.directory, "mailboxes.toml")
        files = FileSystem()
        files.replace(path, files.read(path) + LISTS.encode())
        self.server.start()

    def send(self, to: str, octets: bytes, sender: str = "stranger@elsewhere.example") -> None:
        """A message by port 25."""
        with smtplib.SMTP(HOST, self.server.ports["smtp"]) as client:
            client.sendmail(sender, [to], octets)

    def newest(self, address: str, count: int) -> bytes:
        """The last of so many messages, once it is there."""
        wait_until(lambda: len(self.server.files(address)) == count, f"{count} messages for {address}")
        newest = max(self.server.files(address), key=os.path.getmtime)
        with open(newest, "rb") as file:
            return file.read()

    def test_moderated(self) -> None:
        """The moderator is asked, answers with a mail program of 1995, and both members have it."""
        self.send("team@example.test", sample("list", b"to all of you\r\n").octets)
        question = self.newest(ANNA, 1)
        self.assertIn(b"\nReply-To: <approve=", question)
        self.assertEqual(self.server.files(BEN), [])
        self.server.kill()  # what waits for an answer outlives any crash
        self.server.start()
        reply_to = re.search(rb"\nReply-To: <(.*)>", question)
        assert reply_to is not None
        self.assertEqual(self.answer(reply_to[1].decode()), 250)
        for who, count in ((BEN, 1), (ANNA, 2)):
            octets = self.newest(who, count)
            self.assertIn(b"\nList-Id: =?utf-8?q?Wir_f=C3=BCr_alle?=\n\t<team.example.test>\n", octets)
            self.assertTrue(octets.endswith(b"\n\nto all of you\n"))
            self.assertTrue(octets.startswith(b"Return-Path: <anna@example.test>\n"))
        wait_until(lambda: self.server.log().count("Ended") == 1, "the queue to be done with it")
        self.assertEqual(self.answer(reply_to[1].decode()), 550)

    def answer(self, address: str) -> int:
        """Anna answers a question; the code at the end of her message."""
        with smtplib.SMTP(HOST, self.server.ports["submission"]) as client:
            client.starttls(context=self.server.tls())
            client.login(ANNA, PASSWORD)
            client.mail(ANNA)
            self.assertEqual(client.rcpt(address)[0], 250)
            return client.data(f"From: {ANNA}\r\nSubject: Re: Approve?\r\n\r\nok\r\n")[0]

    def test_atrn(self) -> None:
        """RFC 2645: the branch calls, becomes the server, and has its mail; then nothing waits any more."""
        text = sample("branch", b"for the branch\r\n.\r\n")
        self.send("tim@branch.example.net", text.octets)
        self.send("uta@branch.example.net", text.octets)
        wait_until(lambda: self.server.log().count("Postponed") == 2, "both to wait")
        branch = self.login()
        self.assertEqual(branch.ask(b"ATRN branch.example.net")[:3], b"250")
        self.assertEqual(branch.ask(b"220 branch.example.net ESMTP")[:5], b"EHLO ")
        branch.send(b"250 branch.example.net\r\n")
        taken = []
        for _ in range(2):
            self.assertTrue(branch.line().startswith(b"MAIL FROM:<stranger@elsewhere.example>"))
            taken.append(branch.ask(b"250 Ok"))
            self.assertEqual(branch.ask(b"250 Ok"), b"DATA")
            branch.send(b"354 Go on\r\n")
            lines = []
            while (line := branch.line()) != b".":
                lines.append(line)
            self.assertEqual(lines[-2:], [b"for the branch", b".."])
            branch.send(b"250 Taken\r\n")
        self.assertCountEqual(taken, [b"RCPT TO:<%b@branch.example.net>" % name for name in (b"tim", b"uta")])
        self.assertEqual(branch.line(), b"QUIT")
        branch.send(b"221 Bye\r\n")
        self.assertEqual(branch.rest(), b"")
        branch.close()
        wait_until(lambda: self.server.log().count("Ended") == 2, "nothing to wait")
        branch = self.login()
        self.assertEqual(branch.ask(b"ATRN")[:3], b"453")
        branch.close()

    def login(self) -> Line:
        """Anna's session, over TLS."""
        line = self.server.connect("submissions")
        wrapped = self.server.tls().wrap_socket(line.socket, server_hostname=HOST)
        line = Line(wrapped)
        self.assertEqual(line.reply()[:3], b"220")
        self.assertEqual(line.ask(b"EHLO branch.example.net")[:3], b"250")
        response = b64encode(f"\0{ANNA}\0{PASSWORD}".encode())
        self.assertEqual(line.ask(b"AUTH PLAIN " + response)[:3], b"235")
        return line
