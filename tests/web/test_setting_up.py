"""mailnode.web.setting_up: what mail clients are told."""

import plistlib
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import Config, Listener, Mailboxes
from mailnode.config_auth import Auth
from mailnode.config_services import client_hosts, client_services
from mailnode.web.outlook import SCHEMA, asked_for
from mailnode.web.pages import Answer, Asked, answered
from mailnode.web.setting_up import NOT_OURS, SettingUp

CONFIG = Config(hostname="mail.example.org", domains=("example.org", "xn--bcher-kva.example"))
HOST = "mail.example.org"
REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>{}</EMailAddress>
    <AcceptableResponseSchema>{}</AcceptableResponseSchema>
  </Request>
</Autodiscover>
"""
BOMB = '<!DOCTYPE x [<!ENTITY a "anna@example.org">]><EMailAddress>&a;</EMailAddress>'


class Services(SynchronousTestCase):
    """What a client can be told of."""

    def test_defaults(self) -> None:
        """The standard listeners, TLS from the start first; mail from other servers is nobody's service."""
        found = [(one.name, one.port, one.implicit) for one in client_services(CONFIG)]
        self.assertEqual(
            found,
            [
                ("imap", 993, True),
                ("imap", 143, False),
                ("pop3", 995, True),
                ("pop3", 110, False),
                ("submission", 465, True),
                ("submission", 587, False),
            ],
        )
        self.assertEqual({one.host for one in client_services(CONFIG)}, {HOST})

    def test_listeners(self) -> None:
        """Only what is reached from elsewhere with TLS; each once, by the port that others see."""
        for listener, port in (
            (Listener("imap", "tcp:1143:interface=192.0.2.1"), 1143),
            (Listener("imap", "tcp6:port=1143:interface=\\:\\:"), 1143),
            (Listener("imap", "tcp:1143:interface=127.0.0.1"), 0),
            (Listener("imap", "tcp:1143:interface=127.0.0.1", public_port=143), 143),
            (Listener("imap", "tcp:143", "none"), 0),
            (Listener("imap", "unix:/run/imap.sock"), 0),
            (Listener("imap", "unix:/run/imap.sock", public_port=993), 993),
            (Listener("imap", "systemd:domain=INET6:index=0"), 777),
            (Listener("imap", "systemd:domain=INET6:index=1"), 0),
            (Listener("smtp", "tcp:25"), 0),
            (Listener("lmtp", "tcp:24"), 0),
            (Listener("http", "tcp:80", "none"), 0),
        ):
            config = replace(CONFIG, listeners=(listener, listener))
            found = client_services(config, {"systemd:domain=INET6:index=0": 777})
            self.assertEqual([one.port for one in found], [port] if port else [], listener.endpoint)

    def test_hosts(self) -> None:
        """The names for certificates: autoconfig's only where nothing can be asked for without TLS."""
        plain, secure = Listener("http", "tcp:80", "none"), Listener("http", "tcp:443", "implicit")
        self.assertEqual(client_hosts(CONFIG), [HOST])
        for listeners, count in (((plain,), 1), ((secure,), 5), ((plain, secure), 1)):
            self.assertEqual(len(client_hosts(replace(CONFIG, listeners=listeners))), count)


class Pages(SynchronousTestCase):
    """The answers."""

    def setUp(self) -> None:
        self.live = Live(CONFIG, Mailboxes())

    def ask(self, path: str, body: str = "", host: str = "", **query: str) -> Answer:
        """The answer to a GET, or to a POST with a body."""
        pages = SettingUp(self.live, lambda: 3600.0, dict).routes()
        asked = Asked("POST" if body else "GET", path, query, host, body.encode())
        answer: Answer = self.successResultOf(Deferred.fromCoroutine(answered(pages, asked)))
        return answer

    def thunderbird(self, **asked: str) -> Element:
        """The provider that Thunderbird is told of."""
        answer = self.ask("/mail/config-v1.1.xml", **asked)
        self.assertEqual((answer.status, answer.kind), (200, "application/xml; charset=utf-8"))
        root = fromstring(answer.body)
        self.assertEqual((root.tag, root.attrib), ("clientConfig", {"version": "1.1"}))
        (provider,) = root
        return provider

    def outlook(self, body: str) -> dict[str, Any]:
        """What Outlook is told, by the names of the elements without their namespaces."""
        answer = self.ask("/Autodiscover/Autodiscover.xml", body)
        self.assertEqual(answer.status, 200)
        found: dict[str, Any] = {"protocols": []}
        for one in fromstring(answer.body).iter():
            tag = one.tag.rpartition("}")[2]
            if tag == "Protocol":
                found["protocols"].append({child.tag.rpartition("}")[2]: child.text for child in one})
            else:
                found[tag] = one.text
        return found

    def test_thunderbird(self) -> None:
        """All services, in order; the name to log in with is the address, which the client puts in."""
        provider = self.thunderbird(emailaddress="anna@example.org")
        self.assertEqual(provider.get("id"), "example.org")
        self.assertEqual([one.text for one in provider.findall("domain")], list(CONFIG.domains))
        servers = [
            (one.tag, one.get("type"), *(child.text for child in one))
            for one in provider
            if one.tag.endswith("Server")
        ]
        end = ("password-cleartext", "%EMAILADDRESS%")
        self.assertEqual(servers[0], ("incomingServer", "imap", HOST, "993", "SSL", *end))
        self.assertEqual(servers[3], ("incomingServer", "pop3", HOST, "110", "STARTTLS", *end))
        self.assertEqual(servers[4], ("outgoingServer", "smtp", HOST, "465", "SSL", *end))
        self.assertEqual(len(servers), 6)

    def test_well_known(self) -> None:
        """Both places have the same."""
        one, two = (self.ask(f"{place}/mail/config-v1.1.xml") for place in ("", "/.well-known/autoconfig"))
        self.assertEqual(one, two)

    def test_domains(self) -> None:
        """The domain is that of the address, else of the host, else the first."""
        for asked, domain in (
            ({"emailaddress": "x@xn--bcher-kva.example"}, "xn--bcher-kva.example"),
            (
                {"emailaddress": "x@B\u00dcCHER.example", "host": "example.org"},
                "xn--bcher-kva.example",
            ),
            ({"host": "autoconfig.xn--bcher-kva.example"}, "xn--bcher-kva.example"),
            ({"host": "xn--bcher-kva.example"}, "xn--bcher-kva.example"),
            ({"host": "mail.example.org"}, "example.org"),
            ({"host": "\u0000.."}, "example.org"),
            ({}, "example.org"),
        ):
            self.assertEqual(self.thunderbird(**asked).get("id"), domain, asked)

    def test_mechanisms(self) -> None:
        """A server without PLAIN and LOGIN says what is left."""
        self.live.config = replace(CONFIG, auth=Auth(mechanisms=("SCRAM-SHA-256", "CRAM-MD5")))
        ways = {one.text for one in self.thunderbird().iter("authentication")}
        self.assertEqual(ways, {"password-encrypted"})

    def test_outlook(self) -> None:
        """The best of each service, with the whole address as the name to log in with."""
        found = self.outlook(REQUEST.format("anna+x&amp;y@example.org", SCHEMA))
        self.assertEqual((found["Action"], found["AccountType"]), ("settings", "email"))
        imap, pop3, smtp = found["protocols"]
        self.assertEqual(
            {**imap, "Type": None},
            {
                "Type": None,
                "Server": HOST,
                "Port": "993",
                "DomainRequired": "off",
                "LoginName": "anna+x&y@example.org",
                "SPA": "off",
                "SSL": "on",
                "Encryption": "SSL",
                "AuthRequired": "on",
            },
        )
        self.assertEqual([one["Type"] for one in (imap, pop3, smtp)], ["IMAP", "POP3", "SMTP"])
        self.assertEqual((smtp["Port"], smtp["UsePOPAuth"]), ("465", "on"))
        listeners = (Listener("imap", "tcp:143"), Listener("submission", "tcp:587"))
        self.live.config = replace(CONFIG, listeners=listeners)
        found = self.outlook(REQUEST.format("anna@example.org", SCHEMA))
        self.assertEqual([one["Encryption"] for one in found["protocols"]], ["TLS", "TLS"])

    def test_outlook_refusals(self) -> None:
        """What is no question, of other domains, or for phones has the error code for it."""
        phones = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
        for body, code in (
            ("<x/>", "600"),
            (BOMB, "600"),
            (REQUEST.format("<![CDATA[anna@example.org]]>", SCHEMA), "600"),
            (REQUEST.format("", SCHEMA), "600"),
            (REQUEST.format("anna@example.org", phones), "601"),
            (REQUEST.format("anna@elsewhere.example", SCHEMA), "500"),
            (REQUEST.format("&a;", SCHEMA), "500"),
            (REQUEST.format("no address", SCHEMA), "600"),
        ):
            found = self.outlook(body)
            self.assertEqual((found["ErrorCode"], found["protocols"]), (code, []), body)
        self.assertIn(b'Time="01:00:00"', self.ask("/autodiscover/autodiscover.xml", "<x/>").body)
        self.assertEqual(self.ask("/autodiscover/autodiscover.xml").status, 405)

    def test_outlook_is_sent_on(self) -> None:
        """Who asks without TLS, or by a name of a domain, is sent to the name that the certificate is for."""
        page, hosted = "/autodiscover/autodiscover.xml", "autodiscover.example.org"
        self.assertEqual(self.ask(page, host=hosted).status, 405)
        for listener, base in (
            (Listener("http", "tcp:443", "implicit"), f"https://{HOST}"),
            (Listener("http", "tcp:8443", "implicit"), f"https://{HOST}:8443"),
            (
                Listener("http", "tcp:8443:interface=127.0.0.1", "implicit", public_port=443),
                f"https://{HOST}",
            ),
        ):
            listeners = (Listener("http", "tcp:80", "none"), listener, *CONFIG.listeners)
            self.live.config = replace(CONFIG, listeners=listeners)
            answer = self.ask(page, host=hosted)
            self.assertEqual((answer.status, answer.fields), (302, {"Location": base + page}))
            self.assertEqual(self.ask(page, host=HOST).status, 405)
        self.live.config = replace(CONFIG, listeners=(Listener("http", "tcp:80", "none"),))
        self.assertEqual(self.ask(page, host=hosted).status, 405)

    def test_apple(self) -> None:
        """A profile with one account, whose identifiers are the same each time."""
        answer = self.ask("/mail.mobileconfig", email="anna shop@example.org")  # a + in a query
        self.assertEqual(answer.kind, "application/x-apple-aspen-config")
        found = plistlib.loads(answer.body)
        (mail,) = found["PayloadContent"]
        self.assertEqual(mail["EmailAddress"], "anna+shop@example.org")
        for way, port in (("Incoming", 993), ("Outgoing", 465)):
            self.assertEqual(mail[f"{way}MailServerHostName"], HOST)
            self.assertEqual(mail[f"{way}MailServerPortNumber"], port)
            self.assertEqual(mail[f"{way}MailServerUsername"], "anna+shop@example.org")
            self.assertIs(mail[f"{way}MailServerUseSSL"], True)
        self.assertEqual(mail["EmailAccountType"], "EmailTypeIMAP")
        self.assertNotEqual(mail["PayloadUUID"], found["PayloadUUID"])
        self.assertEqual(self.ask("/mail.mobileconfig", email="anna shop@example.org"), answer)
        listeners = (Listener("pop3", "tcp:110"), Listener("submission", "tcp:587"))
        self.live.config = replace(CONFIG, listeners=listeners)
        (mail,) = plistlib.loads(self.ask("/mail.mobileconfig", email="a@example.org").body)["PayloadContent"]
        self.assertEqual(mail["EmailAccountType"], "EmailTypePOP")
        self.assertEqual(mail["IncomingMailServerPortNumber"], 110)

    def test_reload(self) -> None:
        """A reload brings other names and mechanisms at once, and no listener before the next start."""
        pages = SettingUp(self.live, lambda: 0.0, dict)
        self.live.config = replace(
            CONFIG, hostname="mx.example.org", listeners=(Listener("imap", "tcp:1143"),)
        )
        answer = self.successResultOf(Deferred.fromCoroutine(pages.thunderbird(Asked("GET", "/"))))
        (provider,) = fromstring(answer.body)
        self.assertEqual(len(list(provider.iter("port"))), 6)
        self.assertEqual({one.text for one in provider.iter("hostname")}, {"mx.example.org"})

    def test_not_ours(self) -> None:
        """Other domains, and what is no address, get nothing; nobody does where there is no service."""
        for address in (
            "anna@elsewhere.example",
            "anna",
            "",
            "@example.org",
            "a@b@example.org",
            "<anna@example.org>",
        ):
            self.assertEqual(self.ask("/mail/config-v1.1.xml", emailaddress=address), NOT_OURS, address)
            self.assertEqual(self.ask("/mail.mobileconfig", email=address), NOT_OURS, address)
        self.assertEqual(self.ask("/mail.mobileconfig"), NOT_OURS)
        self.live.config = replace(CONFIG, listeners=(Listener("imap", "tcp:143"),))
        self.assertEqual(self.ask("/mail.mobileconfig", email="anna@example.org"), NOT_OURS)
        self.live.config = replace(CONFIG, listeners=(Listener("smtp", "tcp:25"),))
        self.assertEqual(self.ask("/mail/config-v1.1.xml"), NOT_OURS)
        self.assertEqual(self.outlook(REQUEST.format("anna@example.org", SCHEMA))["ErrorCode"], "500")

    def test_no_enumeration(self) -> None:
        """Nothing but the domain matters: the mailboxes are not even looked at."""
        self.live.mailboxes = None  # type: ignore[assignment]
        for name in ("anna", "nobody"):
            address = f"{name}@example.org"
            self.assertEqual(self.thunderbird(emailaddress=address).get("id"), "example.org")
            self.assertEqual(self.ask("/mail.mobileconfig", email=address).status, 200)
            self.assertEqual(len(self.outlook(REQUEST.format(address, SCHEMA))["protocols"]), 3)

    @given(st.text() | st.text("<>&;'\"anm@example.org").map("<EMailAddress>{}</EMailAddress>".format))
    @example(BOMB)
    @example("<EMailAddress>" * 4000)
    @example("<EMailAddress>" + " " * 60_000)
    @settings(deadline=None, max_examples=60)
    def test_anything(self, text: str) -> None:
        """Whatever is asked, the answer is XML, and quick."""
        asked_for(text.encode("utf-8", "surrogatepass"))
        for answer in (
            self.ask("/autodiscover/autodiscover.xml", text.encode("utf-8", "replace").decode() or "x"),
            self.ask("/mail/config-v1.1.xml", emailaddress=text, host=text),
        ):
            if answer is not NOT_OURS:
                fromstring(answer.body)
        self.ask("/mail.mobileconfig", email=text)
