"""Behind proxies: PROXY headers and XCLIENT over real sockets, from swaks and by hand."""

import os
import ssl

from tests.interop.harness import (
    BEN,
    HOST,
    InteropTestCase,
    Line,
    Server,
    free_ports,
    program,
    run,
    sample,
    wait_until,
)

HEAD = """
trusted_networks = ["10.0.0.0/8"]
xclient_networks = ["127.0.0.0/8"]
"""
LISTENERS = """
[[listener]]
protocol = "smtp"
endpoint = "tcp:{smtp}:interface=127.0.0.1"
proxy = true

[[listener]]
protocol = "imap"
endpoint = "tcp:{imaps}:interface=127.0.0.1"
tls = "implicit"
proxy = true

[auth]
argon2_memory = 64
argon2_time = 1
"""
LINE = b"PROXY TCP4 198.51.100.9 203.0.113.5 56324 25\r\n"
BLOCK = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + b"\xc6\x33\x64\x09\xcb\x00\x71\x05\xdc\x04\x00\x19"


class Proxies(InteropTestCase):
    """A server with listeners of both kinds; nobody on this machine is trusted."""

    def setUp(self) -> None:
        smtp, imaps = free_ports(2)
        self.server = Server(head=HEAD, extra=LISTENERS.format(smtp=smtp, imaps=imaps))
        self.server.ports |= {"proxied smtp": smtp, "proxied imaps": imaps}
        self.addCleanup(self.clean_up, self.server)
        self.server.start()

    def received(self) -> str:
        """The first Received field of the one message that came."""
        (path,) = self.server.files(BEN)
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        os.unlink(path)
        return next(line for line in lines if line.startswith("Received: "))

    def deliver(self, line: Line) -> None:
        """A message, from EHLO on."""
        line.ask(b"EHLO client.example")
        line.ask(b"MAIL FROM:<a@b.example>")
        line.ask(b"RCPT TO:<%s>" % BEN.encode())
        line.ask(b"DATA")
        self.assertTrue(line.ask(sample("proxied", b"text\r\n").octets + b".").startswith(b"250 "))
        line.close()

    def test_header(self) -> None:
        """Both versions, alone or in one segment with what follows, say where the mail came from."""
        for header in (LINE, BLOCK):
            line = self.server.connect("proxied smtp")
            line.send(header)
            self.assertTrue(line.reply().startswith(b"220 "))
            self.deliver(line)
            self.assertEqual(self.received(), "Received: from client.example ([198.51.100.9])")
        line = self.server.connect("proxied smtp")
        line.send(LINE + b"EHLO early.talker.example\r\n")
        self.assertTrue(line.reply().startswith(b"554 "))
        line.close()

    def test_no_header(self) -> None:
        """Without a header there is no greeting."""
        line = self.server.connect("proxied smtp")
        line.send(b"EHLO client.example\r\n")
        self.assertEqual(line.rest(), b"")
        line.close()

    def test_tls_behind_header(self) -> None:
        """On a TLS port the handshake follows the header, also in the same segment."""
        for header in (LINE, BLOCK):
            connection = self.server.connect("proxied imaps").socket
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = self.server.tls().wrap_bio(incoming, outgoing, server_hostname=HOST)
            first = header
            while True:
                try:
                    greeting = client.read()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(first + outgoing.read())
                    first = b""
                    incoming.write(connection.recv(65536))
            self.assertTrue(greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 "))
            connection.close()
        wait_until(lambda: self.server.log().count("peer=198.51.100.9 ") == 2, "both in the log")

    def test_xclient(self) -> None:
        """swaks names a client and hears the greeting again; the message came from that client."""
        options = ["--xclient-addr", "198.51.100.9", "--xclient-name", "client.remote.example"]
        place = ["--server", "127.0.0.1", "--port", str(self.server.ports["smtp"])]
        envelope = ["--from", "a@b.example", "--to", BEN, "--helo", "swaks.example"]
        said = run([program("swaks"), *place, *envelope, *options]).decode()
        self.assertEqual(said.count("<-  220 "), 2)
        self.assertEqual(said.count("XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT"), 1)
        self.assertEqual(self.received(), "Received: from swaks.example ([198.51.100.9])")
