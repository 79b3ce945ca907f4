"""Python's own clients and IMAPClient: what each sends is read back by each, octet for octet.

Each talks in clear, after STARTTLS, and under TLS from the start, with the server's certificate verified.
"""

import email.policy
import imaplib
import poplib
import re
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage

from imapclient import IMAPClient

from tests.interop.deflating import deflating
from tests.interop.harness import (
    ANNA,
    BEN,
    DOMAIN,
    HOST,
    PASSWORD,
    InteropTestCase,
    Sample,
    Server,
    samples,
    wait_until,
)

TRACE_FIELDS = re.compile(rb"Return-Path: .*\r\nDelivered-To: .*\r\nReceived: .*\r\n(?:[ \t].*\r\n)*")

# Senders: each takes a server and messages for BEN.


def smtp_plain(server: Server, messages: list[Sample]) -> None:
    """As another mail server would, on port 25."""
    with smtplib.SMTP(HOST, server.ports["smtp"]) as client:
        _smtp(client, messages)


def smtp_starttls(server: Server, messages: list[Sample]) -> None:
    """With STARTTLS and a password."""
    with smtplib.SMTP(HOST, server.ports["submission"]) as client:
        client.starttls(context=server.tls())
        client.login(ANNA, PASSWORD)
        _smtp(client, messages)


def smtp_tls(server: Server, messages: list[Sample]) -> None:
    """Under TLS and with a password."""
    with smtplib.SMTP_SSL(HOST, server.ports["submissions"], context=server.tls()) as client:
        client.login(ANNA, PASSWORD)
        _smtp(client, messages)


def _smtp(client: smtplib.SMTP, messages: list[Sample]) -> None:
    for message in messages:
        refused = client.sendmail(ANNA, [BEN], message.octets, mail_options=["BODY=8BITMIME"])
        assert not refused


def imaplib_append(server: Server, messages: list[Sample]) -> None:
    """APPEND by imaplib."""
    client = imap_in_clear(server)
    for message in messages:
        status, _ = client.append("INBOX", "", "", message.octets)
        assert status == "OK"
    client.logout()


def imaplib_deflate_append(server: Server, messages: list[Sample]) -> None:
    """The same, compressed."""
    client = deflating(imap_in_clear(server))
    for message in messages:
        status, _ = client.append("INBOX", "", "", message.octets)
        assert status == "OK"
    client.logout()


def imapclient_append(server: Server, messages: list[Sample]) -> None:
    """APPEND by IMAPClient."""
    with imapclient_tls(server) as client:
        for message in messages:
            client.append("INBOX", message.octets)


# Readers: each gives the messages in BEN's INBOX, in order.


def pop3_in_clear(server: Server) -> list[bytes]:
    """In clear, which is allowed on loopback."""
    return _pop3(poplib.POP3(HOST, server.ports["pop3"]))


def pop3_stls(server: Server) -> list[bytes]:
    """With STLS."""
    client = poplib.POP3(HOST, server.ports["pop3"])
    client.stls(context=server.tls())
    return _pop3(client)


def pop3_tls(server: Server) -> list[bytes]:
    """Under TLS."""
    return _pop3(poplib.POP3_SSL(HOST, server.ports["pop3s"], context=server.tls()))


def _pop3(client: poplib.POP3) -> list[bytes]:
    client.user(BEN)
    client.pass_(PASSWORD)
    count, octets = client.stat()
    messages = [b"".join(line + b"\r\n" for line in client.retr(number)[1]) for number in range(1, count + 1)]
    assert sum(map(len, messages)) == octets
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    assert sizes == list(map(len, messages))
    tops = [b"".join(line + b"\r\n" for line in client.top(number, 0)[1]) for number in range(1, count + 1)]
    assert all(message.startswith(top) for top, message in zip(tops, messages, strict=True))
    client.quit()
    return messages


def imap_in_clear(server: Server) -> imaplib.IMAP4:
    """imaplib, logged in in clear."""
    client = imaplib.IMAP4(HOST, server.ports["imap"])
    client.login(BEN, PASSWORD)
    return client


def imaplib_plain(server: Server) -> list[bytes]:
    """In clear."""
    return _imaplib(imap_in_clear(server))


def imaplib_starttls(server: Server) -> list[bytes]:
    """With STARTTLS."""
    client = imaplib.IMAP4(HOST, server.ports["imap"])
    client.starttls(ssl_context=server.tls())
    client.login(BEN, PASSWORD)
    return _imaplib(client)


def imaplib_tls(server: Server) -> list[bytes]:
    """Under TLS."""
    client = imaplib.IMAP4_SSL(HOST, server.ports["imaps"], ssl_context=server.tls())
    client.login(BEN, PASSWORD)
    return _imaplib(client)


def imaplib_deflate(server: Server) -> list[bytes]:
    """Compressed."""
    return _imaplib(deflating(imap_in_clear(server)))


def imaplib_tls_deflate(server: Server) -> list[bytes]:
    """Compressed, under TLS."""
    client = imaplib.IMAP4_SSL(HOST, server.ports["imaps"], ssl_context=server.tls())
    client.login(BEN, PASSWORD)
    return _imaplib(deflating(client))


def _imaplib(client: imaplib.IMAP4) -> list[bytes]:
    client.select("INBOX", readonly=True)
    _, data = client.fetch("1:*", "(RFC822.SIZE BODY.PEEK[])")
    parts = [part for part in data if isinstance(part, tuple)]
    for head, message in parts:
        found = re.search(rb"RFC822\.SIZE (\d+)", head)
        assert found and int(found[1]) == len(message), head
    client.logout()
    return [message for _, message in parts]


def imapclient_plain(server: Server) -> list[bytes]:
    """In clear."""
    client = IMAPClient(HOST, server.ports["imap"], ssl=False)
    client.login(BEN, PASSWORD)
    return _imapclient(client)


def imapclient_starttls(server: Server) -> list[bytes]:
    """With STARTTLS."""
    client = IMAPClient(HOST, server.ports["imap"], ssl=False)
    client.starttls(server.tls())
    client.login(BEN, PASSWORD)
    return _imapclient(client)


def imapclient_tls(server: Server) -> IMAPClient:
    """IMAPClient, logged in under TLS."""
    client = IMAPClient(HOST, server.ports["imaps"], ssl_context=server.tls())
    client.login(BEN, PASSWORD)
    return client


def _imapclient(client: IMAPClient) -> list[bytes]:
    client.select_folder("INBOX", readonly=True)
    uids = client.search("ALL")
    found = client.fetch(uids, ["BODY.PEEK[]"])
    client.logout()
    return [found[uid][b"BODY[]"] for uid in uids]


SENDERS: tuple[Callable[[Server, list[Sample]], None], ...] = (
    smtp_plain,
    smtp_starttls,
    smtp_tls,
    imaplib_append,
    imaplib_deflate_append,
    imapclient_append,
)
READERS: tuple[Callable[[Server], list[bytes]], ...] = (
    pop3_in_clear,
    pop3_stls,
    pop3_tls,
    imaplib_plain,
    imaplib_starttls,
    imaplib_tls,
    imaplib_deflate,
    imaplib_tls_deflate,
    imapclient_plain,
    imapclient_starttls,
    lambda server: _imapclient(imapclient_tls(server)),
)


class Everybody(InteropTestCase):
    """Every sender, every reader."""

    def test_octet_for_octet(self) -> None:
        """What arrives is what was sent, by SMTP behind exactly three trace fields (RFC 5321 4.4)."""
        self.patch(poplib, "_MAXLINE", 1_000_000)
        sent: list[Sample] = []
        for send in SENDERS:
            messages = samples(send.__name__.replace("_", "-"))
            send(self.server, messages)
            sent += messages
        wait_until(lambda: len(self.server.files(BEN)) == len(sent), "all messages to be there")
        for read in READERS:
            found = read(self.server)
            self.assertEqual(len(found), len(sent))
            for message, got in zip(sent, found, strict=True):
                by_smtp = message.name.startswith("smtp")
                trace = TRACE_FIELDS.match(got)
                self.assertEqual(bool(trace), by_smtp, (read, got[:500]))
                rest = got[trace.end() :] if trace else got
                self.assertTrue(rest == message.octets, (read.__name__, message.name, rest[:500]))

    def test_certificate_is_verified(self) -> None:
        """The test above means something: with the system's authorities alone nobody is trusted."""
        for place in ("imaps", "pop3s", "submissions"):
            connection = self.server.connect(place)
            context = ssl.create_default_context()
            with self.assertRaises(ssl.SSLCertVerificationError):
                context.wrap_socket(connection.socket, server_hostname=HOST)
            connection.close()


class International(InteropTestCase):
    """SMTPUTF8 with Python's own client (RFC 6531)."""

    def test_there_and_back(self) -> None:
        """A message to a name in UTF-8, however it is spelled, is read back by the one who has that name.

        A client that has not enabled UTF-8 gets a header in ASCII (RFC 6855).
        """
        mailbox = f"j\u00fcrgen@{DOMAIN}"
        self.server.add_mailbox(mailbox)
        self.server.reload()
        message = EmailMessage(policy=email.policy.SMTPUTF8)
        message["From"], message["To"], message["Subject"] = mailbox, ANNA, "Gr\u00fc\u00dfe"
        message.set_content("text")
        with smtplib.SMTP(HOST, self.server.ports["smtp"]) as client:
            self.assertEqual(client.send_message(message, mailbox, [f"JU\u0308RGEN@{DOMAIN}"]), {})
        self.assertEqual(len(self.server.files(mailbox)), 1)
        client = imaplib.IMAP4_SSL(HOST, self.server.ports["imaps"], ssl_context=self.server.tls())
        client.authenticate("PLAIN", lambda _: f"\0J\u00fcrgen@{DOMAIN}\0{PASSWORD}".encode())
        client.select()
        _, ((_, header), *_) = client.fetch("1", "(BODY.PEEK[HEADER])")
        self.assertIn("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", header.decode("ascii"))
        client.unselect()
        client.enable("UTF8=ACCEPT")
        client.select()
        _, ((_, header), *_) = client.fetch("1", "(BODY[HEADER])")
        for text in (f"Delivered-To: {mailbox}\r\n", " with UTF8SMTP id ", "Subject: Gr\u00fc\u00dfe\r\n"):
            self.assertIn(text, header.decode())
        client.logout()
