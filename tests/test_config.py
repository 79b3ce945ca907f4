"""mailnode.config, its rules and the TOML reader: what is taken, what is refused, and where it says so."""

import json
import os
import shutil
import tempfile
import tomllib
from dataclasses import fields, is_dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import argon2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode import config_quota, config_rules, config_submission, tomlfile
from mailnode.config import Config, Listener, MailboxEntry, Tls
from mailnode.config_acme import directory_url
from mailnode.config_lists import MailingList
from mailnode.config_quota import Room
from mailnode.config_reading import examine, load
from mailnode.config_sending import Relay, dns_server
from mailnode.fs import FileSystem
from mailnode.wire.international import folded
from mailnode.wire.scram import HASHES, make_verifier

ROOT = Path(__file__).parent.parent
BAD_CONFIGS = ROOT / "tests" / "bad_configs"

_RELAY = ("host", "port", "username", "password_file")
_NAMES = ("hostname", "domains", "listener", "protocol", "endpoint", "limits", "tls", "recipients", "x")

SIX_LINES = """\
hostname = "mail.example.org"
domains = ["example.org"]

[tls]
certificate = "tls/cert.pem"
key = "tls/key.pem"
"""
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$qgMnGRcDKh6NzRLFpCuC3A"
ANNA = f'[mailboxes."anna@example.org"]\npassword = "{HASH}"\n'


ENDPOINTS = (
    "tcp:25",
    "tcp:port=25",
    "tcp:25:interface=127.0.0.1:backlog=5",
    "tcp6:25:interface=\\:\\:1",
    "unix:/run/x\\:y.sock:mode=660",
    "unix:/x:mode=0660:lockfile=0:backlog=9",
    "systemd:domain=INET6:index=0",
    "systemd:domain=INET:name=smtp",
)
BAD_ENDPOINTS = (
    *(
        "",
        "25",
        "tcp",
        "tcp:",
        "tcp:0",
        "tcp:65536",
        "tcp:smtp",
        "tcp:\u0662\u0665",
        "tcp:25:iface=x",
        "tcp:25\n",
    ),
    *("haproxy:tcp:25", "haproxy:"),
    *("tcp:25:127.0.0.1", "tcp:25:interface=::1", "tcp:port=25:26", "tcp:25:port=26", "tcp6:25:backlog=x"),
    *("tcp:25:interface=127.0.0.1:interface=127.0.0.2", "tcp:25:interface=127.0.0.1\\", "tcp:25\\"),
    *("unix:/x:mode=999", "unix:/x:lockfile=x", "unix:/x:address=/y", "systemd:0:domain=INET:index=0"),
    *("systemd:domain=INET:index=0:name=x", "systemd:domain=INET"),
    *("ssl:993", "stdio:", "unix:run/x", "unix:", "systemd:index=0", "systemd:domain=INET:index=x"),
)
BAD_ADDRESSES = (
    *("", "anna", "@example.org", "anna@", "a@b@x.y", "a@[1.2.3.4]", "a@..", "a@x", "a@x..y", "a@-x.y"),
    *("../../etc/passwd@x.y", "a/b@x.y", ".a@x.y", "a.@x.y", "a..b@x.y", "a\n@x.y", "a@x.y\n", "a b@x.y"),
    *(
        '"a b"@x.y',
        "\u212a@x.y",
        "\uff41@x.y",
        "x" * 65 + "@x.y",
        "\u00e4" * 33 + "@x.y",
        "a@" + "x" * 64 + ".y",
    ),
)


class Folder(SynchronousTestCase):
    """A folder with a configuration that works; each test changes what it is about."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp()).resolve()  # trial's own are too long for a socket's path
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "tls").mkdir()
        self.path = str(self.folder / "mailnode.toml")
        self.write("mailnode.toml", SIX_LINES)
        self.write("tls/cert.pem", "")
        self.write("tls/key.pem", "")

    def write(self, name: str, text: str | bytes, mode: int = 0o600) -> None:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)

    def mistakes(self) -> list[str]:
        """All mistakes as text, with file names instead of paths."""
        found = examine(self.path, FileSystem()).mistakes
        return [str(one).replace(f"{self.folder}/", "") for one in found]

    def warnings(self) -> list[str]:
        found = load(self.path, FileSystem()).warnings
        return [str(one).replace(f"{self.folder}/", "") for one in found]


class Loading(Folder):
    """What a good configuration becomes."""

    def test_six_lines(self) -> None:
        """The smallest file that works has six lines, and gives every other key its default."""
        self.assertEqual(len(SIX_LINES.splitlines()), 6)
        loaded = load(self.path, FileSystem())
        here = str(self.folder)
        self.assertEqual(
            loaded.config,
            Config(
                hostname="mail.example.org",
                domains=("example.org",),
                state=f"{here}/state",
                mailboxes=f"{here}/mailboxes.toml",
                tls=Tls(f"{here}/tls/cert.pem", f"{here}/tls/key.pem"),
                store=replace(Config().store, mail=f"{here}/state/mail/{{domain}}/{{local}}"),
            ),
        )
        self.assertEqual([w.text for w in loaded.warnings], ["no mailbox yet"])

    def test_sample_is_the_defaults(self) -> None:
        """etc/mailnode.toml says the same as the six lines, with every key written out."""
        smallest = load(self.path, FileSystem())
        for name in ("mailnode.toml", "mailboxes.toml"):
            self.write(name, (ROOT / "etc" / name).read_bytes())
        self.assertEqual(load(self.path, FileSystem()), smallest)
        written = tomllib.loads((ROOT / "etc" / "mailnode.toml").read_text())
        self.assertEqual(set(_leaves(written)), set(_keys(Config())))

    def test_send_as(self) -> None:
        """What a mailbox was granted comes out in lower case."""
        self.write("mailboxes.toml", ANNA + 'send_as = ["Info@Example.org", "@EXAMPLE.org"]\n')
        (entry,) = load(self.path, FileSystem()).mailboxes.mailboxes.values()
        self.assertEqual(entry.send_as, ("info@example.org", "@example.org"))

    def test_language(self) -> None:
        """Reports have a language for all, and perhaps another for a mailbox."""
        self.write("mailboxes.toml", ANNA + 'language = "de"\n')
        self.write("mailnode.toml", 'language = "fr"\n' + SIX_LINES)
        loaded = load(self.path, FileSystem())
        self.assertEqual(loaded.config.language, "fr")
        self.assertEqual([one.language for one in loaded.mailboxes.mailboxes.values()], ["de"])

    def test_mailboxes(self) -> None:
        """Addresses are lower case whatever the file writes; names and aliases come along."""
        aliases = '[aliases]\n"Info@Example.org" = ["ANNA@example.org"]\n'
        anna = f'[mailboxes."Anna@Example.ORG"]\npassword = "{HASH}"\nname = "Anna"\n'
        self.write("mailboxes.toml", aliases + anna)
        boxes = load(self.path, FileSystem()).mailboxes
        self.assertEqual(boxes.mailboxes, {"anna@example.org": MailboxEntry(HASH, "Anna")})
        self.assertEqual(boxes.aliases, {"info@example.org": ("anna@example.org",)})

    def test_lists(self) -> None:
        """Lists have members and a name; they, aliases and the catch-all may lead to one another."""
        aliases = (
            '[aliases]\n"@Example.org" = ["Team@example.org"]\n"info@example.org" = ["team@example.org"]\n'
        )
        team = '[lists."Team@example.org"]\nmembers = ["Anna@example.org", "all@example.org"]\nname = "Us"\n'
        every = '[lists."all@example.org"]\nmembers = ["anna@example.org"]\n'
        self.write("mailboxes.toml", aliases + ANNA + team + every)
        boxes = load(self.path, FileSystem()).mailboxes
        anna = "anna@example.org"
        self.assertEqual(boxes.lists["team@example.org"], MailingList((anna, "all@example.org"), "Us"))
        for name, targets in (
            ("@example.org", ("team@example.org",)),
            ("all@example.org", (anna,)),
            (anna, ()),
            ("nobody@example.org", ()),
        ):
            self.assertEqual(boxes.targets(name), targets)
            self.assertEqual(boxes.knows(name), not name.startswith("nobody"))

    def test_international(self) -> None:
        """Domains and names may be written in any spelling; A-labels and NFC are what is kept."""
        text = SIX_LINES.replace('["example.org"]', '["B\u00fccher.example", "example.org"]')
        quota = '[quota.domains."b\u00fccher.example"]\nmessages = 3\n'
        self.write("mailnode.toml", 'postmaster = "ju\u0308rgen@b\u00fccher.example"\n' + text + quota)
        aliases = '[aliases]\n"@b\u00fccher.example" = ["J\u00dcRGEN@b\u00fccher.example"]\n'
        box = ANNA.replace("anna@example.org", "J\u00fcrgen@xn--bcher-kva.example")
        self.write("mailboxes.toml", aliases + box)
        loaded = load(self.path, FileSystem())
        name = "j\u00fcrgen@xn--bcher-kva.example"
        self.assertEqual(loaded.config.domains, ("xn--bcher-kva.example", "example.org"))
        self.assertEqual((loaded.config.postmaster, *loaded.mailboxes.mailboxes), (name, name))
        self.assertEqual(loaded.mailboxes.aliases, {"@xn--bcher-kva.example": (name,)})
        self.assertEqual([*loaded.config.quota.domains], ["xn--bcher-kva.example"])
        self.assertEqual(
            loaded.config.mail_directory(name), f"{self.folder}/state/mail/xn--bcher-kva.example/j\u00fcrgen"
        )

    def test_credentials(self) -> None:
        """Verifiers are read into values; what is not written is not there."""
        verifiers = [make_verifier(one, b"x", salt=b"salt", iterations=4096) for one in HASHES]
        lines = f"scram = {[str(one) for one in verifiers]}\nsecret = 's'\n"
        self.write("mailboxes.toml", ANNA + lines)
        entry = load(self.path, FileSystem()).mailboxes.mailboxes["anna@example.org"]
        self.assertEqual((entry.scram, entry.secret), (tuple(verifiers), "s"))
        self.assertEqual([entry.verifier(one) for one in HASHES], verifiers)
        self.assertIsNone(MailboxEntry(HASH).verifier("SCRAM-SHA-1"))
        self.assertNotIn("scram", repr(entry))
        self.assertNotIn("secret", repr(entry))

    def test_routes(self) -> None:
        """Domains come in any spelling, hosts with or without brackets, paths relative to the file."""
        self.write("relay", "secret\n")
        table = '[routes."B\u00fccher.example"]\nhost = "[192.0.2.1]"\n[routes."*"]\nhost = "Mail.example"\n'
        login = 'tls = "required"\nusername = "office"\npassword_file = "relay"\n'
        self.write("mailnode.toml", SIX_LINES + table + login)
        routes = load(self.path, FileSystem()).config.routes
        relay = Relay("mail.example", 25, "required", "office", f"{self.folder}/relay")
        self.assertEqual(routes, {"xn--bcher-kva.example": Relay("192.0.2.1"), "*": relay})
        self.write("relay", "secret\n", mode=0o644)
        (mistake,) = self.mistakes()
        self.assertTrue(mistake.startswith('mailnode.toml:13: routes."*".password_file: others'), mistake)

    def test_sender_routes(self) -> None:
        """Senders are addresses or domains; what a host is shown lies beside the file."""
        self.write("relay", "secret\n")
        table = '[sender_routes."@B\u00fccher.example"]\nhost = "mail.example"\ntls = "required"\n'
        shown = 'certificate = "relay"\nkey = "relay"\n[routes."x.example"]\ntls = "required"\n'
        self.write("mailnode.toml", SIX_LINES + table + shown)
        config = load(self.path, FileSystem()).config
        path = f"{self.folder}/relay"
        relay = Relay("mail.example", 25, "required", certificate=path, key=path)
        self.assertEqual(config.sender_routes, {"@xn--bcher-kva.example": relay})
        self.assertEqual(config.routes, {"x.example": Relay(tls="required")})

    def test_secrets_have_no_repr(self) -> None:
        """A password hash does not show itself in logs."""
        self.assertNotIn(HASH, repr(MailboxEntry(HASH)))

    def test_mail_directory(self) -> None:
        """A mailbox's Maildir comes from the template; braces in a name stay as they are."""
        loaded = load(self.path, FileSystem()).config
        self.assertEqual(
            loaded.mail_directory("{domain}@example.org"), f"{self.folder}/state/mail/example.org/{{domain}}"
        )

    def test_networks(self) -> None:
        """Networks are values."""
        self.write("mailnode.toml", 'trusted_networks = ["192.168.0.0/16", "fd00::/48"]\n' + SIX_LINES)
        found = load(self.path, FileSystem()).config.trusted_networks
        self.assertEqual(found, (IPv4Network("192.168.0.0/16"), IPv6Network("fd00::/48")))

    def test_symlinks(self) -> None:
        """Files may be symlinks, as certificate tools make them; the mode that counts is the target's."""
        self.write("real.pem", "")
        (self.folder / "tls/key.pem").unlink()
        (self.folder / "tls/key.pem").symlink_to("../real.pem")
        self.assertEqual(self.mistakes(), [])
        self.write("real.pem", "", mode=0o644)
        self.assertEqual(len(self.mistakes()), 1)

    def test_closed_list_in_an_open_one(self) -> None:
        """What is sent to the outer list goes to the members of the inner one, unmoderated."""
        self.write("mailnode.toml", SIX_LINES)
        inner = '[lists."in@example.org"]\nmembers = ["x@third.example"]\nposting = "moderated"\n'
        for posting, count in (("open", 1), ("moderated", 0)):
            outer = f'[lists."out@example.org"]\nmembers = ["in@example.org"]\nposting = "{posting}"\n'
            self.write("mailboxes.toml", inner + outer)
            found = [one for one in self.warnings() if "whatever its own posting says" in one]
            self.assertEqual(len(found), count, found)

    def test_moderators_of_an_open_list(self) -> None:
        """They would have nothing to do."""
        self.write("mailnode.toml", SIX_LINES)
        for posting, count in (("open", 1), ("members", 0), ("moderated", 0)):
            text = f'members = ["x@third.example"]\nposting = "{posting}"\nmoderators = ["y@third.example"]\n'
            self.write("mailboxes.toml", f'[lists."team@example.org"]\n{text}')
            found = [one for one in self.warnings() if "moderators" in one]
            self.assertEqual(len(found), count, found)

    def test_quotas(self) -> None:
        """Sizes are texts or numbers; a mailbox has its own room, or what holds for all, or no limit."""
        table = 'storage = "1 GiB"\nmessages = 7\n[quota.domains."Example.org"]\nstorage = 5\n'
        self.write("mailnode.toml", SIX_LINES + f'[quota]\nover = "refuse"\n{table}')
        ben, carl = ANNA.replace("anna", "ben"), ANNA.replace("anna", "carl")
        own = 'quota = "500 MB"\nquota_messages = 3\n'
        self.write("mailboxes.toml", ANNA + own + ben + 'quota = "none"\nquota_messages = "none"\n' + carl)
        loaded = load(self.path, FileSystem())
        rooms = [loaded.config.room(entry) for entry in loaded.mailboxes.mailboxes.values()]
        self.assertEqual(rooms, [Room(500_000_000, 3), Room(), Room(2**30, 7)])
        self.assertEqual(loaded.config.room(None), Room(2**30, 7))
        self.assertEqual(loaded.config.quota.domains, {"example.org": Room(5)})


class Around(Folder):
    """What is wrong around the files rather than in them (vector X7)."""

    def test_no_file(self) -> None:
        """A configuration that is not there is one mistake."""
        (self.folder / "mailnode.toml").unlink()
        self.assertEqual(
            self.mistakes(),
            [
                "mailnode.toml:1: cannot be read: No such file or directory."
                " Check the path and who may read the file."
            ],
        )

    def test_key_readable(self) -> None:
        """A private key that others may read is refused, with the chmod that helps."""
        self.write("tls/key.pem", "", mode=0o640)
        (mistake,) = self.mistakes()
        self.assertIn("mailnode.toml:6: tls.key: others than its owner may read", mistake)
        self.assertIn("chmod go-rwx tls/key.pem", mistake)

    def test_mailboxes_readable(self) -> None:
        """So is a mailboxes file with passwords; one without may be read by anybody."""
        self.write("mailboxes.toml", "[aliases]\n", mode=0o644)
        self.assertEqual(self.mistakes(), [])
        self.write("mailboxes.toml", ANNA, mode=0o644)
        (mistake,) = self.mistakes()
        self.assertIn("Run: chmod go-rwx mailboxes.toml", mistake)

    def test_writable_by_others(self) -> None:
        """Configuration and state must not be writable by others."""
        self.write("mailnode.toml", SIX_LINES, mode=0o666)
        (self.folder / "state").mkdir()
        (self.folder / "state").chmod(0o777)
        self.assertEqual(
            [one.rpartition(" Run: ")[2] for one in self.mistakes()],
            ["chmod go-w mailnode.toml", "chmod go-w state"],
        )

    def test_no_tls_files(self) -> None:
        """Missing TLS files are named, unless no listener wants TLS."""
        (self.folder / "tls/cert.pem").unlink()
        (mistake,) = self.mistakes()
        self.assertIn("mailnode.toml:5: tls.certificate: there is no file tls/cert.pem", mistake)
        plain = '[[listener]]\nprotocol = "imap"\nendpoint = "unix:/tmp/x"\ntls = "none"\n'
        self.write("mailnode.toml", SIX_LINES.partition("[tls]")[0] + plain)
        self.assertEqual(self.mistakes(), [])

    def test_named_mailboxes_file_must_exist(self) -> None:
        """A mailboxes file that was named and is gone is a mistake: else all mail would be refused."""
        self.write("mailnode.toml", 'mailboxes = "people.toml"\n' + SIX_LINES)
        (mistake,) = self.mistakes()
        self.assertIn("mailnode.toml:1: mailboxes: there is no file people.toml", mistake)

    def test_long_state_path(self) -> None:
        """The control socket's path must fit in a socket address."""
        self.write("mailnode.toml", f'state = "/{"x" * 120}"\n' + SIX_LINES)
        (mistake,) = self.mistakes()
        self.assertIn("too long for a UNIX socket", mistake)

    def test_warnings(self) -> None:
        """Doubts do not stop the server: public trusted networks, limits below the RFCs', no postmaster."""
        head = 'trusted_networks = ["8.8.8.0/24"]\n'
        self.write("mailnode.toml", head + SIX_LINES + "[limits]\nrecipients = 3\nimap_timeout = 60\n")
        self.write("mailboxes.toml", ANNA + '[aliases]\n"far@example.org" = ["a@example.com"]\n')
        self.assertEqual(
            [one.split(": ")[:2] for one in self.warnings()],
            [
                ["mailnode.toml:1", "trusted_networks[0]"],
                ["mailnode.toml:1", "postmaster"],
                ["mailnode.toml:9", "limits.recipients"],
                ["mailnode.toml:10", "limits.imap_timeout"],
            ],
        )

    def test_who_lacks_verifiers(self) -> None:
        """A scheme that some mailboxes have no verifier for is offered to nobody: they are named."""
        verifier = make_verifier("SCRAM-SHA-256", b"x", salt=b"salt", iterations=4096)
        with_it = f'[mailboxes."ben@example.org"]\npassword = "{HASH}"\nscram = ["{verifier}"]\n'
        self.write("mailnode.toml", 'postmaster = "ben@example.org"\n' + SIX_LINES)
        self.write("mailboxes.toml", with_it)
        self.assertEqual(self.warnings(), [])
        self.write("mailboxes.toml", with_it + ANNA)
        (warning,) = self.warnings()
        self.assertIn('mailboxes.toml:4: mailboxes."anna@example.org": SCRAM-SHA-256 is offered', warning)
        self.assertIn("no verifier for it of anna@example.org. Set their passwords anew", warning)
        off = '[auth]\nmechanisms = ["PLAIN"]\n'
        self.write("mailnode.toml", 'postmaster = "ben@example.org"\n' + SIX_LINES + off)
        self.assertEqual(self.warnings(), [])

    def test_listeners_in_vain(self) -> None:
        """Where nobody can do what the listener is for: passwords without TLS, LMTP from nowhere."""
        listener = '[[listener]]\nprotocol = "{}"\nendpoint = \'{}\'\ntls = "none"\n'
        always = '[auth]\nrequire_tls = "always"\n'
        self.write("mailboxes.toml", ANNA)
        for protocol, endpoint, more, word in (
            ("imap", "tcp:143", "", "this machine itself"),
            ("pop3", r"tcp6:110:interface=\:\:", "", "this machine itself"),
            ("submission", "tcp:587:interface=localhost", "", ""),
            ("imap", r"tcp6:143:interface=\:\:1", "", ""),
            ("imap", "tcp:143:interface=127.0.0.1", always, "require_tls"),
            ("imap", "unix:/run/x.sock", always, "require_tls"),
            ("imap", "systemd:domain=INET6:index=0", "", ""),
            ("smtp", "tcp:25", always, ""),
            ("lmtp", "tcp:24", "", "LMTP"),
            ("lmtp", "tcp:24:interface=127.0.0.1", "", ""),
            ("lmtp", "unix:/run/x.sock", "", ""),
            ("metrics", "tcp:9090", "", "metrics are for trusted networks"),
            ("metrics", "tcp:9090:interface=127.0.0.1", "", ""),
            ("smtp", "tcp:25", '[tls.acme]\ndirectory = "letsencrypt"\n', "port 80"),
            ("http", "tcp:80", '[tls.acme]\ndirectory = "letsencrypt"\n', "nothing to tell mail clients"),
            ("smtp", "tcp:25", '[mta_sts]\nmode = "testing"\n', "has the page"),
            ("smtp", "tcp:25", '[mta_sts]\nhosts = ["mx.example.net"]\n', ""),
            ("http", "tcp:80", '[mta_sts]\nmode = "none"\n', "nothing to tell mail clients"),
            ("http", "tcp:80", "", "nothing to tell mail clients"),
            ("http", "tcp:80", '[[listener]]\nprotocol = "imap"\nendpoint = "tcp:993"\n', ""),
        ):
            head = 'postmaster = "anna@example.org"\n' + SIX_LINES
            self.write("mailnode.toml", head + more + listener.format(protocol, endpoint))
            warnings = self.warnings()
            self.assertEqual(len(warnings), bool(word), (endpoint, warnings))
            self.assertIn(word, "".join(warnings))

    def test_ways_in(self) -> None:
        """Mechanisms that need of the mailboxes what none has."""
        self.write("mailboxes.toml", ANNA)
        for mechanisms, doubts in (
            ('"APOP", "CRAM-MD5"', 1),
            ('"SCRAM-SHA-1-PLUS"', 1),
            ('"APOP", "LOGIN"', 0),
        ):
            auth = f"[auth]\nmechanisms = [{mechanisms}]\n"
            self.write("mailnode.toml", 'postmaster = "anna@example.org"\n' + SIX_LINES + auth)
            self.assertEqual(len(self.warnings()), doubts, mechanisms)

    def test_no_such_mailbox(self) -> None:
        """Terminals, and mail that is called for, of people without mailbox here: a doubt, no mistake."""
        messages = '[messages.terminals]\n"Anna@example.org" = "anna"\n"ben@example.org" = "ben"\n'
        on_demand = '[on_demand]\n"Bücher.example" = ["anna@example.org", "ben@example.org"]\n'
        self.write("mailnode.toml", 'postmaster = "anna@example.org"\n' + SIX_LINES + messages + on_demand)
        self.write("mailboxes.toml", ANNA)
        loaded = load(self.path, FileSystem())
        self.assertEqual(loaded.config.messages.terminals["anna@example.org"], "anna")
        self.assertEqual(set(loaded.config.on_demand), {"xn--bcher-kva.example"})
        self.assertEqual(
            [one.split(": ")[:2] for one in self.warnings()],
            [
                ["mailnode.toml:10", 'messages.terminals."ben@example.org"'],
                ["mailnode.toml:12", 'on_demand."B\\xfccher.example"[1]'],
            ],
        )


class BadConfigs(Folder):
    """tests/bad_configs: each NAME.toml beside NAME.expect, which holds the mistakes it must give."""

    def test_each(self) -> None:
        """Every mistake in the sample is reported, each with file, line, key and remedy, and no other."""
        samples = sorted(BAD_CONFIGS.glob("*.toml"))
        self.assertGreater(len(samples), 15)
        for sample in samples:
            target = "mailboxes.toml" if sample.name.startswith("mailboxes-") else "mailnode.toml"
            self.write("mailnode.toml", SIX_LINES)
            self.write("mailboxes.toml", "")
            self.write(target, sample.read_bytes())
            expected = sample.with_suffix(".expect").read_text().splitlines()
            self.assertEqual(self.mistakes(), expected, sample.name)

    def test_remedies(self) -> None:
        """Every mistake says what to do."""
        for sample in sorted(BAD_CONFIGS.glob("*.expect")):
            for line in sample.read_text().splitlines():
                self.assertRegex(line, r"^[a-z.]+:\d+: .+\. [A-Z].+", sample.name)


SENDERS = {"Info@Example.org": "info@example.org", "@Example.org": "@example.org"}
BAD_SENDERS = ("", "@", "@x", "@@x.y", "info", "info@", "a b@x.y", "@x.y ", "*@x.y", "@x..y")
BAD_SOLICITATIONS = ("", ":", "1a", "a b", "a,b", "a;b", "\u00e4", "a\n", "x" * 1001)


class Rules(SynchronousTestCase):
    """The form of single values."""

    def refused(self, rule: object, values: tuple[object, ...]) -> None:
        for value in values:
            self.assertRaises(tomlfile.Fault, rule, value)

    def test_directories(self) -> None:
        """Of authorities: by TLS, or on this machine, or a word for one."""
        for good in ("https://a.example/dir", "https://a.example:14000/dir", "http://127.0.0.1:80/d", ""):
            self.assertEqual(directory_url(good), good)
        self.assertTrue(directory_url("letsencrypt").startswith("https://"))
        bad = (
            "http://a.example/",
            "https:///x",
            "a.example",
            "https://[",
            "https://a:99999/",
            "https://a:0/",
        )
        self.refused(
            directory_url, (*bad, "https://a b/", "https://a\n.example/", "https://\u00e4.example/", " ")
        )

    def test_senders(self) -> None:
        """What a mailbox may send from is an address or a whole domain, in lower case."""
        for text, value in SENDERS.items():
            self.assertEqual(config_rules.sender(text), value)
        self.refused(config_rules.sender, BAD_SENDERS)

    def test_solicitations(self) -> None:
        """RFC 3865 section 2.2: word = ALPHA 0*(wordchar)"""
        self.assertEqual(config_submission.solicitation("Org.example:ADV_1-x"), "org.example:adv_1-x")
        self.refused(config_submission.solicitation, BAD_SOLICITATIONS)

    def test_endpoints(self) -> None:
        """Endpoint strings of the kinds we listen on are taken."""
        for text in ENDPOINTS:
            self.assertEqual(config_rules.endpoint(text), text)

    def test_backlog(self) -> None:
        """Each endpoint has one: its own, or ours; systemd's sockets have theirs."""
        for text, wanted in (
            ("tcp:25", "tcp:25:backlog=7"),
            ("tcp6:port=25:interface=\\:\\:1", "tcp6:port=25:interface=\\:\\:1:backlog=7"),
            ("tcp:25:backlog=5", "tcp:25:backlog=5"),
            ("unix:/a\\:backlog=1", "unix:/a\\:backlog=1:backlog=7"),
            ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
        ):
            self.assertEqual(config_rules.with_backlog(text, 7), wanted)

    def test_dns_servers(self) -> None:
        """Addresses, with a port or without; names are not, as somebody would have to be asked for them."""
        for text in ("192.0.2.1", "2001:db8::1", "127.0.0.1:5353", "[::1]:53"):
            self.assertEqual(dns_server(text), text)
        self.refused(
            dns_server, ("", "x", "localhost", "1.2.3", "::1:x", "[::1]", "1.2.3.4:", "1.2.3.4:65536")
        )

    def test_bad_endpoints(self) -> None:
        """Others are refused before Twisted sees them."""
        self.refused(config_rules.endpoint, BAD_ENDPOINTS)

    def test_addresses(self) -> None:
        """Addresses come out as they are compared: lower case, NFC, A-labels."""
        table = {
            "Anna@Example.ORG": "anna@example.org",
            "a.b+c@x.y": "a.b+c@x.y",
            "x{y}@a.b": "x{y}@a.b",
            "Ju\u0308rgen-1@B\u00fccher.Example": "j\u00fcrgen-1@xn--bcher-kva.example",
            "\u7530\u4e2d.\u3055\u304f\u3089@x.y": "\u7530\u4e2d.\u3055\u304f\u3089@x.y",
            "\u0410\u043d\u043d\u0430+1@x.y": "\u0430\u043d\u043d\u0430+1@x.y",
            "\u05d0\u05d1@x.y": "\u05d0\u05d1@x.y",
        }
        for text, expected in table.items():
            self.assertEqual(config_rules.address(text), expected)

    def test_bad_addresses(self) -> None:
        """What could leave the mail directory, or is no dot-atom, is refused (A6)."""
        self.refused(config_rules.address, BAD_ADDRESSES)

    @given(st.text(max_size=80))
    @settings(deadline=None, max_examples=200)
    def test_addresses_are_safe_names(self, text: str) -> None:
        """Whatever is taken as an address has a local part and domain that are plain file names."""
        try:
            local, domain = config_rules.split_address(config_rules.address(f"{text}@example.org"))
        except tomlfile.Fault:
            return
        for part in (local, domain):
            self.assertEqual(os.path.basename(part), part)
            self.assertFalse(part.startswith("."))
            self.assertTrue(part.isprintable() and part == folded(part) and part)
            self.assertLessEqual(len(os.fsencode(part)), 255)
        self.assertTrue(domain.isascii())

    @given(st.from_regex(r"[a-z0-9._+-]{1,66}@[a-z0-9.-]{1,64}\n?", fullmatch=True) | st.text(max_size=30))
    @example("a" * 64 + "@" + "b" * 61 + ".c")
    @example("a" * 65 + "@b.c")
    @example("a@" + "b" * 64 + ".c")
    @example("a@xn--a.b")
    @example("a@b.c\n")
    @settings(deadline=None, max_examples=500)
    def test_common_addresses(self, text: str) -> None:
        """One that is known at once to be an address is one by the grammar, and comes out as it is."""
        if config_rules._COMMON_ADDRESS.match(text):
            self.assertEqual(config_rules._address(text), text)

    def test_which_addresses_are_common(self) -> None:
        """Those of people are; what the grammar changes or refuses is not."""
        common = ("anna@example.org", "a.b+c@x-y.z1.de", "user_1@a.b", "a" * 64 + "@b.c")
        others = (
            "Anna@example.org",
            ".a@b.c",
            "a..b@c.d",
            "a@b",
            "a@xn--p1ai.de",
            "a@b.1",
            "a@-b.c",
            "é@b.c",
        )
        for text in common:
            self.assertTrue(config_rules._COMMON_ADDRESS.match(text), text)
        for text in others:
            self.assertFalse(config_rules._COMMON_ADDRESS.match(text), text)

    @given(st.from_regex(config_rules._COMMON_HASH, fullmatch=True))
    @settings(deadline=None, max_examples=200)
    def test_common_hashes(self, text: str) -> None:
        """One that is known at once to be a hash is one to argon2."""
        argon2.extract_parameters(text)

    def test_networks(self) -> None:
        """Networks that hold half the world are refused."""
        for text in ("0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3", "10.0.0.1/8", "localhost", ""):
            self.refused(config_rules.network, (text,))
        self.assertEqual(config_rules.network("10.0.0.0/8"), IPv4Network("10.0.0.0/8"))

    def test_sizes(self) -> None:
        """Sizes with their units, in any letters; what is no size is refused."""
        for text, octets in (
            ("1", 1),
            ("1 B", 1),
            ("500 MB", 500_000_000),
            ("500mb", 500_000_000),
            ("2 GiB", 2 * 2**30),
            ("1.5 GB", 1_500_000_000),
            ("0.001 kB", 1),
            ("1 TiB", 2**40),
            ("none", None),
        ):
            self.assertEqual(config_quota.size(text), octets, text)
        self.refused(
            config_quota.size,
            ("", "0", "0.5 B", "-1", "1 GBB", "GB", "1  GB", "1,5 GB", "9999 TiB" * 2, "16384 TiB", "\u0661"),
        )
        self.assertEqual((config_quota.count("12"), config_quota.count("none")), (12, None))
        self.refused(config_quota.count, ("0", "-1", "1 GB", "1.5", "", "9" * 17))

    def test_other_values(self) -> None:
        """Templates, separators and hashes."""
        self.refused(config_rules.mail_template, ("mail", "{user}/{local}", "{local", "{domain}"))
        self.refused(config_rules.subaddress_separator, ("++", "a", "@", " ", "é"))
        self.refused(config_rules.password_hash, ("", "demo", "$6$x$y", "{PLAIN}x", "$argon2id$v=19$"))


class Lines(SynchronousTestCase):
    """Where keys stand in a TOML file."""

    def test_lines(self) -> None:
        """Tables, arrays of tables, dotted, quoted and escaped keys, but not the inside of long strings."""
        text = (
            'a = 1\nb.c = 2\ns = """\na = 3\n[t]\n"""\n[t."x.y"]\nk = 1\n[[l]]\nm = 1\n'
            + "[[l]]\nm = 2\n[l.n]\no = 1\n"
            + "[ 'q' . \"\\u0061\" ] # c\n z= 1"
        )
        self.assertEqual(
            tomlfile.find_lines(text),
            {
                ("a",): 1,
                ("b", "c"): 2,
                ("s",): 3,
                ("t", "x.y"): 7,
                ("t", "x.y", "k"): 8,
                ("l",): 9,
                ("l", 0): 9,
            }
            | {("l", 0, "m"): 10, ("l", 1): 11, ("l", 1, "m"): 12, ("l", 1, "n"): 13, ("l", 1, "n", "o"): 14}
            | {("q", "a"): 15, ("q", "a", "z"): 16},
        )

    @given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 9), max_size=6))
    @example({"'''": 1, "a": 1})
    @settings(deadline=None, max_examples=100)
    def test_any_key_is_found(self, table: dict[str, int]) -> None:
        """Any quoted key is found on its line."""
        keys = [key for key in table if key.isprintable()]
        text = "".join(f"{json.dumps(key, ensure_ascii=False)} = 1\n" for key in keys)
        self.assertEqual(tomlfile.find_lines(text), {(key,): number for number, key in enumerate(keys, 1)})

    def test_marks_that_open_nothing(self) -> None:
        """Only an open multi-line string hides keys, not its marks in another string or in a comment."""
        for value in ("\"'''\"", '\'"""\'', '1 # """', '"""whole"""', r'"\""'):
            self.assertEqual(tomlfile.find_lines(f"a = {value}\nb = 1\n"), {("a",): 1, ("b",): 2}, value)
        for mark in ('"""', "'''"):
            text = f"a = ['{{', {mark}\nb = 1\n{mark}]\nc = 1\n"
            self.assertEqual(tomlfile.find_lines(text), {("a",): 1, ("c",): 4}, text)

    @given(st.text(alphabet="[]\"'.=\\ \nab1#{}", max_size=60))
    @settings(deadline=None, max_examples=200)
    def test_anything_goes(self, text: str) -> None:
        """No text whatever breaks the reader: it becomes a value or a list of mistakes."""
        file = tomlfile.TomlFile("x.toml", text.encode())
        file.structure(Config)
        for mistake in file.mistakes:
            self.assertLessEqual(1, mistake.line)
            self.assertLessEqual(mistake.line, text.count("\n") + 1)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
            ),
            max_leaves=12,
        )
    )
    @settings(deadline=None, max_examples=200)
    def test_any_content(self, content: object) -> None:
        """Values of any type anywhere end in mistakes, never in another error."""
        file = tomlfile.TomlFile("x.toml", b"")
        file.content = content if isinstance(content, dict) else {"hostname": content}
        self.assertIsInstance(file.structure(Config), Config)


def _keys(value: object, prefix: str = "") -> list[str]:
    """The dotted TOML keys of a configuration dataclass."""
    found: list[str] = []
    for field in fields(value):  # type: ignore[arg-type]
        inner = getattr(value, field.name)
        key = prefix + field.metadata.get("key", field.name)
        if is_dataclass(inner):
            found += _keys(inner, f"{key}.")
        elif field.name == "listeners":
            found += [f"{key}.{part.name}" for part in fields(Listener)]
        else:
            found.append(key)
    return found


def _leaves(table: dict[str, object], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in table.items():
        if isinstance(value, dict) and value:
            found += _leaves(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found += _leaves(value[0], f"{prefix}{key}.")
        else:
            found.append(prefix + key)
    return found
