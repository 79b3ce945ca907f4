"""`mailnode dns`: what it wants published, and what it says of what is there."""

import json
import random
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.zone
from click.testing import CliRunner
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import cli
from mailnode.admin.certificates import write_certificates
from mailnode.admin.dns_records import services
from mailnode.admin.outside import Outside
from mailnode.admin.own_reactor import ask_dns
from mailnode.config import DEFAULT_LISTENERS, Listener
from mailnode.config_sending import Dns
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.resolver import Answer, Kind, Resolver
from mailnode.runtime import Runtime
from tests.interop.names import NameServer
from tests.net.zone import Zone

Records = Mapping[tuple[str, Kind], Sequence[str]]

HOST, DOMAIN, ADDRESS = "mail.example.org", "example.org", "9.0.0.1"
GOOD: Records = {
    (HOST, "A"): [ADDRESS],
    ("1.0.0.9.in-addr.arpa", "PTR"): [HOST],
    (DOMAIN, "MX"): ["10 mail.example.org."],
    (DOMAIN, "TXT"): ["something=else", "v=spf1 a:mail.example.org -all"],
    ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none"],
    ("_mta-sts.example.org", "TXT"): ["v=STSv1; id=1"],
    ("mta-sts.example.org", "CNAME"): ["www.example.org"],
    ("www.example.org", "A"): ["9.0.0.7"],
    ("_smtp._tls.example.org", "TXT"): ["v=TLSRPTv1; rua=mailto:x@example.org"],
    ("_submissions._tcp.example.org", "SRV"): ["0 1 465 mail.example.org"],
    ("_submission._tcp.example.org", "SRV"): ["9 0 587 mail.example.org"],
    ("_imaps._tcp.example.org", "SRV"): ["0 1 993 mail.example.org"],
    ("_imap._tcp.example.org", "SRV"): ["0 1 143 other.example", "0 1 143 mail.example.org"],
    ("_pop3s._tcp.example.org", "SRV"): ["0 1 995 mail.example.org"],
    ("_pop3._tcp.example.org", "SRV"): ["0 1 110 mail.example.org"],
}

# Records in place of the good ones, the topic they are about, its state, and words of text and remedy.
CASES: tuple[tuple[Mapping[tuple[str, Kind], Sequence[str] | None], str, str, str, str], ...] = (
    ({(HOST, "A"): None}, f"address of {HOST}", "wrong", "there is none", "mail.example.org. IN A"),
    ({(HOST, "A"): ["10.0.0.1"]}, f"address of {HOST}", "warning", "10.0.0.1 cannot", "public address"),
    ({(HOST, "A"): Zone.FAILS}, "DNS", "wrong", "SERVFAIL", "[dns]"),
    ({("1.0.0.9.in-addr.arpa", "PTR"): None}, "PTR of 9.0.0.1", "wrong", "there is none", HOST),
    ({("1.0.0.9.in-addr.arpa", "PTR"): ["x.example"]}, "PTR of 9.0.0.1", "warning", "is x.example", HOST),
    ({("1.0.0.9.in-addr.arpa", "PTR"): Zone.FAILS}, "PTR of 9.0.0.1", "warning", "nobody could say", "Ask"),
    ({(DOMAIN, "MX"): None}, "MX of example.org", "wrong", "no mail comes", "MX 10 mail.example.org."),
    ({(DOMAIN, "MX"): ["0 ."]}, "MX of example.org", "wrong", "takes no mail", "MX 10"),
    ({(DOMAIN, "MX"): ["5 mx.example."]}, "MX of example.org", "warning", "goes to mx.example", "Unless"),
    ({(DOMAIN, "MX"): Zone.FAILS}, "DNS of example.org", "warning", "nobody could say", "Ask again"),
    ({(DOMAIN, "TXT"): None}, "SPF of example.org", "wrong", "there is none", '"v=spf1 mx -all"'),
    ({(DOMAIN, "TXT"): ["v=spf1 mx", "v=spf1 a"]}, "SPF of example.org", "wrong", "2 records", "Keep one"),
    ({(DOMAIN, "TXT"): ["v=spf1 -all"]}, "SPF of example.org", "wrong", "9.0.0.1 send (fail", "v=spf1 mx"),
    ({(DOMAIN, "TXT"): ["v=spf1 mx:"]}, "SPF of example.org", "wrong", "permerror", "v=spf1 mx"),
    (
        {(DOMAIN, "TXT"): ["v=spf1 a:f.example"], ("f.example", "A"): Zone.FAILS},
        "SPF of example.org",
        "warning",
        "temperror",
        "Ask again",
    ),
    ({("_dmarc.example.org", "TXT"): None}, "DMARC of example.org", "warning", "there is none", "p=none"),
    (
        {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=reject"]},
        "DMARC of example.org",
        "warning",
        "p=reject",
        "Write p=none",
    ),
    ({("_dmarc.example.org", "TXT"): ["v=DMARC1"]}, "DMARC of example.org", "wrong", "p= is", "Keep one"),
    (
        {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none"] * 2},
        "DMARC of example.org",
        "wrong",
        "several",
        "Keep one",
    ),
    ({("_mta-sts.example.org", "TXT"): None}, "MTA-STS of example.org", "warning", "none", "v=STSv1; id="),
    (
        {("_mta-sts.example.org", "TXT"): ["v=STSv1; id=a-b"]},
        "MTA-STS of example.org",
        "wrong",
        "cannot be used",
        "Keep one",
    ),
    ({("www.example.org", "A"): None}, "MTA-STS of example.org", "wrong", "has no address", "CNAME"),
    ({("_smtp._tls.example.org", "TXT"): None}, "TLSRPT of example.org", "warning", "none", "TLSRPTv1"),
    (
        {("_smtp._tls.example.org", "TXT"): ["v=TLSRPTv1;"] * 2},
        "TLSRPT of example.org",
        "wrong",
        "several",
        "Keep one",
    ),
    (
        {("_imaps._tcp.example.org", "SRV"): None},
        "SRV of example.org",
        "warning",
        "by themselves",
        "mailnode dns example.org",
    ),
    (
        {("_imaps._tcp.example.org", "SRV"): ["0 0 0 ."]},
        "SRV of example.org",
        "warning",
        "_imaps._tcp is 0 0 0 .",
        "mailnode dns example.org",
    ),
)


class DnsTests(SynchronousTestCase):
    """mailnode dns"""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        self.zone = Zone(GOOD)
        self.outside = Outside(now=lambda: datetime(2026, 1, 2, tzinfo=UTC), ask_dns=self.ask)
        self.write()

    def write(self, more: str = "") -> None:
        names = 'hostname = "mail.example.org"\ndomains = ["example.org"]\n[tls]\ncertificate = "x"\n'
        (self.folder / "mailnode.toml").write_text(names + more)

    def ask(self, settings: Dns, files: FileSystem, work: Any) -> Any:
        """As the real one, in a zone."""
        runtime = Runtime(Clock(), random.Random(1), InlineExecutor())
        return self.successResultOf(Deferred.fromCoroutine(work(self.zone, runtime)))

    def run_command(self, *arguments: str, code: int = 0) -> str:
        path = str(self.folder / "mailnode.toml")
        result = CliRunner().invoke(cli.main, ["--config", path, "dns", *arguments], obj=self.outside)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.assertEqual(result.exit_code, code, result.output)
        return str(result.output)

    def test_zone_file(self) -> None:
        """What is printed is a zone file, with all that is wanted and no key of signatures."""
        output = self.run_command("--offline", "--address", ADDRESS, "--address", "2001:DB8::1")
        self.assertEqual(self.zone.asked, [])
        zone = dns.zone.from_text(f"$TTL 300\n{output}", origin=".", relativize=False, check_origin=False)
        found = {
            (str(name), kind)
            for name, node in zone.items()
            for kind in (str(one.rdtype.name) for one in node)
        }
        wanted = {(f"{name}.", kind) for name, kind in GOOD if not name.startswith(("www", "1.0"))}
        self.assertEqual(wanted - found, set())
        self.assertIn(("1.0.0.9.in-addr.arpa.", "PTR"), found)
        self.assertIn(("autoconfig.example.org.", "CNAME"), found)
        self.assertIn("mail.example.org. IN AAAA 2001:db8::1\n", output)
        self.assertNotIn("DKIM", output.upper())
        self.assertIn("the public address of this machine", self.run_command("--offline"))

    def test_own_records_are_good(self) -> None:
        """A zone of nothing but what the command wants is found to be good by it."""
        records = json.loads(self.run_command("--offline", "--json", "--address", ADDRESS))["records"]
        zone: dict[tuple[str, Kind], list[str]] = {}
        for one in records:
            value = one["value"].strip('"') if one["kind"] == "TXT" else one["value"].removesuffix(".")
            zone.setdefault((one["name"], one["kind"]), []).append(value)
        self.zone = Zone(zone)
        findings = json.loads(self.run_command("--json"))["findings"]
        self.assertEqual([one for one in findings if one["state"] != "good"], [])

    def test_good(self) -> None:
        """Where all is good nothing is to be done, also where it is written otherwise."""
        findings = json.loads(self.run_command("--json"))["findings"]
        self.assertEqual([one for one in findings if one["state"] != "good" or one["remedy"]], [])
        self.assertEqual(len(findings), 8)
        self.assertIn("; good: MX of example.org: mail.example.org\n", self.run_command())

    def test_what_is_wrong(self) -> None:
        """Each thing that is not good has its state and its remedy; the code is 1 for wrong only."""
        for changed, topic, state, text, remedy in CASES:
            records = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
            self.zone = Zone(records)
            output = self.run_command("--json", code=state == "wrong")
            findings = [one for one in json.loads(output)["findings"] if one["state"] != "good"]
            (found,) = [one for one in findings if one["topic"] == topic]
            self.assertEqual(found["state"], state, found)
            self.assertIn(text, found["text"])
            self.assertIn(remedy, found["remedy"])
            self.assertNotIn("\n", found["remedy"])

    def test_own_policy(self) -> None:
        """Where the policy of MTA-STS is ours, the id must be that of the policy; else any will do."""
        self.write('[mta_sts]\nmode = "enforce"\n')
        output = self.run_command()
        self.assertIn("; warning: MTA-STS of example.org: id 1 is not that of the policy here", output)
        self.assertIn(";   mode: enforce\n", output)
        id = re.search(r"v=STSv1; id=(\w+)", output)
        assert id is not None
        self.zone = Zone({**GOOD, ("_mta-sts.example.org", "TXT"): [f"v=STSv1; id={id[1]}"]})
        self.assertIn(f"; good: MTA-STS of example.org: id {id[1]}", self.run_command())

    def test_relay(self) -> None:
        """Where mail goes out through another host, PTR and SPF are that host's matter."""
        self.write('[routes."*"]\nhost = "relay.example"\n')
        changed: Records = {(DOMAIN, "TXT"): ["v=spf1 include:relay.example -all"]}
        records = {**GOOD, **changed}
        del records["1.0.0.9.in-addr.arpa", "PTR"]
        self.zone = Zone(records)
        self.assertIn("mail goes out through relay.example", self.run_command())
        del records[DOMAIN, "TXT"]
        self.zone = Zone(records)
        self.assertIn("the people of relay.example name", self.run_command(code=1))

    def test_certificate(self) -> None:
        """A TLSA record that does not fit keeps mail away; one that does, or says nothing, is no trouble."""
        name = "_25._tcp.mail.example.org"
        write_certificates(str(self.folder / "tls"), HOST, FileSystem(), datetime(2026, 1, 2, tzinfo=UTC))
        text = (self.folder / "mailnode.toml").read_text()
        (self.folder / "mailnode.toml").write_text(text.replace('"x"', '"tls/cert.pem"\nkey = "tls/key.pem"'))
        self.zone = Zone({**GOOD, (name, "TLSA"): [f"3 1 1 {'00' * 32}"]})
        output = self.run_command(code=1)
        self.assertIn(f"; wrong: TLSA of {name}: does not fit", output)
        found = re.search(rf"publish: {name}\. IN TLSA (3 1 1 [0-9a-f]{{64}})\n", output)
        assert found is not None
        self.zone = Zone({**GOOD, (name, "TLSA"): [f"3 1 1 {'00' * 32}", found[1]]})
        self.assertIn(f"; good: TLSA of {name}: fits", self.run_command())
        self.zone = Zone({**GOOD, (name, "TLSA"): ["0 1 1 " + "00" * 32]})
        self.assertNotIn("; good: TLSA", self.run_command())

    def test_octets_of_others(self) -> None:
        """What a zone says cannot colour a terminal."""
        self.zone = Zone({**GOOD, ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none; \x1b[31m\n"]})
        self.assertIn("\\x1b[31m\\n", self.run_command())

    def test_command_line(self) -> None:
        """Domains of others, and addresses that are none, are wrong on the command line."""
        self.assertIn("is no domain of this server", self.run_command("other.example", code=2))
        self.assertIn("is not an IP address", self.run_command("--address", "x", code=2))
        self.assertIn("example.org. IN MX", self.run_command("EXAMPLE.org", "--offline"))

    def test_services(self) -> None:
        """A service has the port where others can reach it, and 0 where they cannot."""
        listeners = (
            Listener("imap", "tcp:1143:interface=127.0.0.1"),
            Listener("imap", "tcp:port=2143"),
            Listener("imap", "systemd:domain=INET6:index=0", "implicit"),
            Listener("pop3", "unix:/run/pop3", "implicit"),
            Listener("pop3", "tcp:110", "none"),
        )
        ports = {name: port for name, _, port in services(listeners) if port}
        self.assertEqual(ports, {"_imap._tcp": 2143, "_imaps._tcp": 993})
        self.assertEqual(sorted(one[2] for one in services(DEFAULT_LISTENERS))[0], 110)


class AskTests(SynchronousTestCase):
    """The way to a real DNS."""

    def test_real_sockets(self) -> None:
        """A server on loopback is asked, and SRV records are understood."""
        name = "_imap._tcp.example.org"
        records = {(name, "SRV"): ["0 1 143 Mail.example.org."], ("none.example.org", "SRV"): ["0 0 0 ."]}
        server = NameServer("127.0.0.1", records, port=0)

        async def work(resolver: Resolver, _: Runtime) -> list[Answer]:
            return [await resolver.query(one, "SRV") for one, _ in records]

        found = ask_dns(Dns((f"127.0.0.1:{server.port}",)), FileSystem(), work)
        self.assertEqual([one.texts for one in found], [("0 1 143 mail.example.org",), ("0 0 0 .",)])
