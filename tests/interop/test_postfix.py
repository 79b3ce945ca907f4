"""Postfix and its smtp-source, msmtp and aiosmtplib against a whole server, over real sockets."""

import asyncio
import os
import smtplib
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import aiosmtplib
from twisted.trial.unittest import SkipTest

from mailnode.config_rules import split_address
from tests.interop.harness import (
    _EXTRA,
    ANNA,
    BEN,
    CLIENT_SECONDS,
    DOMAIN,
    HOST,
    PASSWORD,
    InteropTestCase,
    Sample,
    Server,
    attachment,
    free_ports,
    program,
    run,
    samples,
    wait_until,
)
from tests.interop.postfix import Postfix
from tests.interop.test_clients import House, msmtp_send, wire
from tests.interop.test_stdlib import TRACE_FIELDS

WAYS = ("plain", "starttls", "wrapped", "submitted", "submitted-wrapped", "lmtp-tcp", "lmtp-unix")
LOADS = ((5, 200), (5, 1), (5, 3000), (2, 100_000), (10, 70))  # sessions, octets of 20 messages each

_LMTP = """
[[listener]]
protocol = "lmtp"
endpoint = "{endpoint}"
tls = "none"
"""


def small(prefix: str) -> list[Sample]:
    """The usual ones, with a smaller attachment."""
    usual = [one for one in samples(prefix) if len(one.octets) < 100_000]
    return [*usual, attachment(prefix, 200_000)]


def trouble(log: str) -> str:
    """The end of what Postfix says of messages that it could not send."""
    return "\n".join(line for line in log.splitlines() if "deferred" in line or "warning" in line)[-3000:]


def stored(server: Server, address: str) -> list[bytes]:
    """The wire form of what lies in an INBOX."""
    found = []
    for path in server.files(address):
        with open(path, "rb") as file:
            found.append(wire(file.read()))
    return found


class Peers(InteropTestCase):
    """A server that also speaks LMTP, and has a mailbox for each way that mail comes in."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="mailnode-lmtp-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.folder = folder.name
        self.socket = os.path.join(folder.name, "lmtp")
        self.lmtp, self.port = free_ports(2)
        places = (f"tcp:{self.lmtp}:interface=127.0.0.1", f"unix:{self.socket}:mode=666")
        extra = _EXTRA + "".join(_LMTP.format(endpoint=place) for place in places)
        self.server = Server((ANNA, BEN, *(f"{way}@{DOMAIN}" for way in WAYS)), extra=extra)
        self.addCleanup(self.clean_up, self.server)
        self.server.start()

    # Postfix

    @contextmanager
    def postfix(self) -> Iterator[Postfix]:
        """One that knows all the ways."""
        program("postfix")
        if os.geteuid() != 0:
            raise SkipTest("Postfix runs only as root")
        ports = self.server.ports
        hops = {name: f"[{HOST}]:{port}" for name, port in ports.items()}
        checked = {
            "smtp_tls_security_level": "secure",
            "smtp_tls_secure_cert_match": HOST,
            "smtp_tls_CAfile": self.server.authority,
        }
        login = {"smtp_sasl_auth_enable": "yes", "smtp_sasl_security_options": "noanonymous"}
        wrapped = {"smtp_tls_wrappermode": "yes"}
        ways = {
            "plain": (hops["smtp"], "smtp", {"smtp_tls_security_level": "none"}),
            "starttls": (hops["smtp"], "smtp", checked),
            # No port is for other servers under TLS from the start: who comes that way logs in.
            "wrapped": (hops["submissions"], "smtp", checked | wrapped | login),
            "submitted": (hops["submission"], "smtp", checked | login),
            "submitted-wrapped": (
                hops["submissions"],
                "smtp",
                checked | wrapped | login | {"smtp_sasl_mechanism_filter": "login"},
            ),
            "lmtp-tcp": (f"inet:[127.0.0.1]:{self.lmtp}", "lmtp", {"lmtp_tls_security_level": "none"}),
            "lmtp-unix": (f"unix:{self.socket}", "lmtp", {}),
        }
        passwords = " ".join(
            f"{{ {hops[name]} = {ANNA}:{PASSWORD} }}" for name in ("submission", "submissions")
        )
        # Anna may have eight sessions at a time, of all three ways together.
        few = {"default_destination_concurrency_limit": "2"}
        settings = {"smtp_sasl_password_maps": f"inline:{{ {passwords} }}", **few}
        postfix = Postfix(ways, settings, self.port)
        try:
            postfix.start()
            yield postfix
        finally:
            postfix.close()

    def test_postfix(self) -> None:
        """What Postfix delivers, in clear, under TLS, with a login, and by LMTP, arrives octet for octet."""
        with self.postfix() as postfix:
            sent = {way: small(f"postfix-{way}") for way in WAYS}
            with smtplib.SMTP("127.0.0.1", postfix.port) as client:
                for way, messages in sent.items():
                    for message in messages:
                        client.sendmail(ANNA, [f"{way}@{DOMAIN}"], message.octets, ["BODY=8BITMIME"])
            for way, messages in sent.items():
                self.arrived(postfix, f"{way}@{DOMAIN}", messages)
            self.assertNotIn("status=deferred", postfix.log())
            self.one_message_to_all(postfix)

    def arrived(self, postfix: Postfix, address: str, messages: list[Sample]) -> None:
        """Each is there once, behind our trace fields and the one of Postfix."""
        try:
            wait_until(lambda: len(self.server.files(address)) >= len(messages), address)
        except AssertionError as error:
            raise AssertionError(f"{error}: {trouble(postfix.log())}") from None
        found = stored(self.server, address)
        self.assertEqual(len(found), len(messages), address)
        for message in messages:
            (got,) = [one for one in found if message.mark in one]
            rest = TRACE_FIELDS.sub(b"", got, count=1)
            self.assertRegex(rest, rb"\AReceived: from [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*From: Anna ")
            self.assertTrue(rest[rest.index(b"From: Anna ") :] == message.octets, (address, message.name))
        way, _ = split_address(address)
        protocol = {
            "plain": b"ESMTP",
            "starttls": b"ESMTPS",
            "lmtp-tcp": b"LMTP",
            "lmtp-unix": b"LMTP",
        }.get(way, b"ESMTPSA")
        self.assertIn(b" with " + protocol + b" id ", found[0].partition(b"\r\nFrom: ")[0])

    def one_message_to_all(self, postfix: Postfix) -> None:
        """One message with a recipient for each way, of whom LMTP answers each by itself."""
        (message,) = small("postfix-all")[:1]
        with smtplib.SMTP("127.0.0.1", postfix.port) as client:
            client.sendmail(ANNA, [f"{way}@{DOMAIN}" for way in WAYS], message.octets)
        everything = len(small("")) + 1
        for way in WAYS:
            address = f"{way}@{DOMAIN}"
            wait_until(lambda address=address: len(self.server.files(address)) == everything, way)

    # Load

    def test_smtp_source(self) -> None:
        """A hundred messages of several sizes by several sessions at once, and the same by LMTP."""
        smtp, lmtp = (ANNA, self.server.ports["smtp"], []), (BEN, self.lmtp, ["-L"])
        for address, port, options in (smtp, lmtp):
            for sessions, octets in LOADS:
                numbers = ["-s", str(sessions), "-m", "20", "-l", str(octets)]
                envelope = ["-M", "client.example", "-f", "load@client.example", "-t", address]
                run([program("smtp-source"), *options, *numbers, *envelope, f"inet:127.0.0.1:{port}"])
            sizes = sorted(len(one.partition(b"\r\n\r\n")[2]) for one in stored(self.server, address))
            wanted = sorted(octets for _, octets in LOADS for _ in range(20))
            self.assertEqual(len(sizes), len(wanted), address)
            for size, octets in zip(sizes, wanted, strict=True):
                self.assertLess(abs(size - octets), 90, address)  # it sends whole lines

    # Clients

    def test_clients(self) -> None:
        """msmtp and aiosmtplib in clear, with STARTTLS and under TLS, octet for octet."""
        missing = self.without("msmtp")
        sent = [] if missing else small("msmtp")
        msmtp_send(House(self.server, self.folder), sent)
        messages = small("aiosmtplib")
        asyncio.run(self.aiosmtplib_send(messages))
        sent += messages
        found = stored(self.server, BEN)
        self.assertEqual(len(found), len(sent))
        for message in sent:
            (got,) = [one for one in found if message.mark in one]
            self.assertTrue(TRACE_FIELDS.sub(b"", got, count=1) == message.octets, message.name)
        if missing:
            raise SkipTest(missing)

    def without(self, name: str) -> str:
        """Why the test has to go on without a program; "" where it is there."""
        try:
            program(name)
        except SkipTest as skip:
            return str(skip)
        return ""

    async def aiosmtplib_send(self, messages: list[Sample]) -> None:
        """A third of the messages in each way, several in a session."""
        ports = self.server.ports
        context = ssl.create_default_context(cafile=self.server.authority)
        login = {"username": ANNA, "password": PASSWORD, "tls_context": context}
        ways = (
            {"port": ports["smtp"], "start_tls": False},
            {"port": ports["submission"], "start_tls": True, **login},
            {"port": ports["submissions"], "use_tls": True, **login},
        )
        for index, way in enumerate(ways):
            async with aiosmtplib.SMTP(hostname=HOST, timeout=CLIENT_SECONDS, **way) as client:
                for message in messages[index::3]:
                    await client.sendmail(ANNA, [BEN], message.octets, mail_options=["BODY=8BITMIME"])
