"""`mailnode route`, with a DNS of our own, and its own way to a real one."""

import json
import random
import shutil
import socket
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from click.testing import CliRunner
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import cli
from mailnode.admin.destinations import Found, find
from mailnode.admin.outside import Outside
from mailnode.auth.live import Live
from mailnode.config import Config, Loaded, Mailboxes
from mailnode.config_sending import Dns, Relay
from mailnode.delivery.destination import Destination, Destinations, NoDestination
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.resolver import Kind
from mailnode.runtime import Runtime
from mailnode.wire.address import Address
from mailnode.wire.mta_sts import StsPolicy
from mailnode.wire.srs import Srs
from tests.net.zone import Zone

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$qgMnGRcDKh6NzRLFpCuC3A"
ZONE: dict[tuple[str, Kind], Sequence[str]] = {
    ("partner.example", "MX"): ["20 b.partner.example.", "10 a.partner.example.", "5 10.0.0.1."],
    ("a.partner.example", "A"): ["9.0.0.1"],
    ("b.partner.example", "A"): ["9.0.0.2"],
    ("null.example", "MX"): ["0 ."],
    ("fails.example", "MX"): Zone.FAILS,
    ("relay.example", "A"): ["10.0.0.1"],
}


LISTS = """
[lists."club@example.org"]
members = ["anna@example.org", "x@partner.example"]
[lists."slow@example.org"]
members = ["club@example.org"]
owner = "info@example.org"
posting = "moderated"
"""


class NoPolicies:
    """No domain has one."""

    async def policy(self, domain: str) -> StsPolicy | None:
        return None


class RouteTests(SynchronousTestCase):
    """mailnode route"""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        self.outside = Outside(now=lambda: datetime(2026, 1, 2, tzinfo=UTC), find=self.find)
        self.asked: list[str] = []
        self.write()

    def write(self, more: str = "") -> None:
        """The configuration, with more behind it."""
        names = 'hostname = "mail.example.org"\ndomains = ["example.org"]\n[tls]\ncertificate = "x"\n'
        (self.folder / "mailnode.toml").write_text(names + more)
        aliases = {
            "info": ["anna@example.org", "x@partner.example"],
            "all": ["info@example.org", "anna@example.org", "y@null.example"],
            "away": ["x@PARTNER.example", "y@partner.example"],
        }
        lines = [f'"{name}@example.org" = {json.dumps(targets)}' for name, targets in aliases.items()]
        boxes = [f'[mailboxes."anna@example.org"]\npassword = "{HASH}"\n[aliases]', *lines, LISTS]
        (self.folder / "mailboxes.toml").write_text("\n".join(boxes))
        (self.folder / "mailboxes.toml").chmod(0o600)

    def find(
        self, loaded: Loaded, files: FileSystem, domains: Sequence[str], sender: Address | None
    ) -> Found:
        """As the real one, in ZONE."""
        self.asked += domains
        runtime = Runtime(Clock(), random.Random(1), InlineExecutor())
        live = Live(loaded.config, loaded.mailboxes)
        finder = Destinations(live, runtime, Zone(ZONE), NoPolicies(), ours=lambda address: False)
        found: Found = {}
        for domain in domains:
            finding = Deferred.fromCoroutine(finder.find(domain, sender=sender))
            result = self.successResultOf(finding.addErrback(lambda failure: failure.value))
            assert isinstance(result, Destination | NoDestination)
            found[domain] = result
        return found

    def route(self, *arguments: str, code: int = 0) -> str:
        path = str(self.folder / "mailnode.toml")
        result = CliRunner().invoke(cli.main, ["--config", path, "route", *arguments], obj=self.outside)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.assertEqual(result.exit_code, code, result.output)
        return str(result.output).replace(f"{self.folder}/", "")

    def test_here(self) -> None:
        """A mailbox of ours is named with its Maildir, and the DNS is not asked."""
        for address in ("anna@example.org", "ANNA+tag@example.org", "postmaster@example.org"):
            expected = f"{address}\n  mailbox anna@example.org: state/mail/example.org/anna\n"
            self.assertEqual(self.route(address), expected)
        self.assertIn("nobody here has that name", self.route("nobody@example.org", code=1))
        self.assertEqual(self.asked, [])

    def test_elsewhere(self) -> None:
        """Hosts come in their order, with what was passed over and why."""
        self.assertEqual(
            self.route("ben@partner.example"),
            "ben@partner.example\n"
            "  MX 5 10.0.0.1: no host name, passed over\n"
            "  MX 10 a.partner.example: 9.0.0.1; TLS where offered\n"
            "  MX 20 b.partner.example: 9.0.0.2; TLS where offered\n"
            "  1. a.partner.example (9.0.0.1), port 25: TLS where offered\n"
            "  2. b.partner.example (9.0.0.2), port 25: TLS where offered\n",
        )

    def test_nowhere(self) -> None:
        """Where a message cannot go, it is said whether it waits or comes back."""
        self.assertIn("takes no mail: the message comes back (5.1.10)", self.route("x@null.example", code=1))
        self.assertIn("the message waits (4.4.3)", self.route("x@fails.example", code=1))

    def test_aliases(self) -> None:
        """Aliases are followed to all whom they mean, each once; each domain is asked for once."""
        lines = self.route("all@example.org", code=1).splitlines()
        self.assertEqual(
            [line for line in lines if not line.startswith(" ")],
            [
                *("all@example.org", "info@example.org", "anna@example.org"),
                *("y@null.example", "x@partner.example"),
            ],
        )
        self.assertIn("  goes on to y@null.example", lines)
        self.route("away@example.org")
        self.assertEqual(self.asked, ["null.example", "partner.example", "partner.example"])

    def test_lists(self) -> None:
        """Of a list it is told who may send to it, and who hears of errors."""
        lines = self.route("slow@example.org").splitlines()
        self.assertEqual(
            lines[:6],
            [
                "slow@example.org",
                "  a list to which goes what is approved by info@example.org; errors go to info@example.org",
                "  goes on to club@example.org",
                "club@example.org",
                "  a list to which everybody may send; errors go to postmaster@example.org",
                "  goes on to anna@example.org",
            ],
        )
        told = json.loads(self.route("slow@example.org", "--json"))
        self.assertEqual(
            [(one["kind"], one.get("posting")) for one in told],
            [("list", "moderated"), ("list", "open"), ("mailbox", None), ("elsewhere", None)],
        )

    def test_rewritten(self) -> None:
        """A reverse-path that this server has made leads to whom it stands for, if its key is there."""
        key, now = b"k" * 32, datetime(2026, 1, 2, tzinfo=UTC).timestamp()
        sender = Address("x", "partner.example")
        written = str(Srs(key, lambda: now).rewritten(sender, "example.org"))
        self.assertIn("nobody here has that name", self.route(written, code=1))
        (self.folder / "state").mkdir()
        (self.folder / "state" / "senders.key").write_text(key.hex())
        output = self.route(written)
        self.assertIn("reports only go there\n  goes on to x@partner.example\nx@partner.example\n", output)
        self.assertIn("nobody here has that name", self.route(written.replace("=x@", "=y@"), code=1))

    def test_sender(self) -> None:
        """Where it depends on the sender."""
        self.write('[sender_routes."@example.org"]\nhost = "relay.example"\n')
        self.assertIn("1. relay.example", self.route("x@partner.example", "--from", "anna@example.org"))
        self.assertIn("1. a.partner.example", self.route("x@partner.example", "--from", "anna@b.example"))
        self.assertIn("1. a.partner.example", self.route("x@partner.example"))
        self.assertIn("has no domain", self.route("x@partner.example", "--from", "anna", code=2))

    def test_relay(self) -> None:
        """A route of the configuration is told, with who logs in."""
        (self.folder / "secret").write_text("secret\n")
        (self.folder / "secret").chmod(0o600)
        self.write(
            '[routes."*"]\nhost = "relay.example"\nport = 587\ntls = "required"\n'
            'username = "office"\npassword_file = "secret"\n'
        )
        output = self.route("x@null.example")
        for line in (
            "  the configuration routes this to relay.example, port 587",
            "  logs in as office",
            "  1. relay.example (10.0.0.1), port 587: TLS needed, certificate verified",
        ):
            self.assertIn(line, output.splitlines())

    def test_json(self) -> None:
        """--json has the same for programs."""
        self.assertEqual(
            json.loads(self.route("info@example.org", "--json"))[0],
            {
                "address": "info@example.org",
                "kind": "alias",
                "targets": ["anna@example.org", "x@partner.example"],
            },
        )
        (step,) = json.loads(self.route("x@partner.example", "--json"))
        host = {"name": "a.partner.example", "port": 25, "preference": 10, "addresses": ["9.0.0.1"]}
        self.assertEqual(step["hosts"][0], {**host, "tls": "TLS where offered"})
        (step,) = json.loads(self.route("x@fails.example", "--json", code=1))
        self.assertEqual((step["kind"], step["status"]), ("elsewhere", "4.4.3"))

    def test_no_address(self) -> None:
        """What is no address is a wrong command line."""
        for text in ("", "x", "x@", "x@y z", "x@\u3002"):
            self.route(text, code=2)


class FindTests(SynchronousTestCase):
    """What asks the real DNS, by a server on loopback."""

    def test_real_sockets(self) -> None:
        """It has a reactor of its own, asks the configured server, and ends when all is found."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.bind(("127.0.0.1", 0))
        records = {"MX": "10 mx.a.example.", "A": "9.0.0.1", "TXT": '"none"'}

        def serve() -> None:
            while True:
                data, peer = server.recvfrom(4096)
                question = dns.message.from_wire(data)
                answer = dns.message.make_response(question)
                asked = question.question[0]
                kind = dns.rdatatype.to_text(asked.rdtype)
                if asked.name.to_text().lower() == "stop.example.":
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                elif kind in records:
                    answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, records[kind]))
                server.sendto(answer.to_wire(), peer)
                if answer.rcode():
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        config = Config(
            hostname="mail.example.org",
            domains=("example.org",),
            dns=Dns((f"127.0.0.1:{port}",)),
            routes={"b.example": Relay("192.0.2.1")},
        )
        domains = ("a.example", "b.example", "stop.example")
        found = find(Loaded(config, Mailboxes()), FileSystem(), domains, None)
        thread.join(5)
        self.assertFalse(thread.is_alive())
        first, second, third = found.values()
        assert isinstance(first, Destination) and isinstance(second, Destination)
        self.assertEqual([(one.name, one.addresses) for one in first.hosts], [("mx.a.example", ("9.0.0.1",))])
        self.assertEqual(second.hosts[0].name, "192.0.2.1")
        assert isinstance(third, NoDestination)
        self.assertEqual(third.status, "5.1.2")
