"""Mail clients that set themselves up, over real sockets: curl asks as they do."""

import plistlib
import re
from xml.etree.ElementTree import fromstring

from tests.interop.harness import HOSTNAME, InteropTestCase, Server, free_ports, program, run

_LISTENER = '\n[[listener]]\nprotocol = "http"\nendpoint = "tcp:{}:interface=127.0.0.1"\ntls = "{}"\n'
_REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>anna@example.test</EMailAddress><AcceptableResponseSchema>
http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
</Request></Autodiscover>"""


class SettingUpTests(InteropTestCase):
    """A server on this machine, as if the world reached it by other ports."""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.clean_up)
        self.plain, self.encrypted = free_ports(2)
        self.server.write_config(
            self.server.extra
            + _LISTENER.format(self.plain, "none")
            + _LISTENER.format(self.encrypted, "implicit")
        )
        with open(self.server.config_path, encoding="utf-8") as file:
            text = file.read()
        for name, port in (("imaps", 993), ("imap", 143), ("submissions", 465)):
            endpoint = rf'(endpoint = "tcp:{self.server.ports[name]}:.*\n)'
            text = re.sub(endpoint, rf"\1public_port = {port}\n", text)
        with open(self.server.config_path, "w", encoding="utf-8") as file:
            file.write(text)
        self.server.start()

    def curl(self, path: str, *options: str, secure: bool = False) -> bytes:
        """What is there."""
        scheme, port = ("https", self.encrypted) if secure else ("http", self.plain)
        trust = ["--cacert", self.server.authority]
        return run([program("curl"), "-sS", *trust, *options, f"{scheme}://localhost:{port}{path}"])

    def test_clients(self) -> None:
        """Thunderbird, Outlook and Apple's, by HTTP and HTTPS; what is not there is 404."""
        for secure in (False, True):
            path = "/mail/config-v1.1.xml?emailaddress=anna%40example.test"
            (provider,) = fromstring(self.curl(path, secure=secure))
            self.assertEqual([one.text for one in provider.iter("port")], ["993", "143", "465"])
            self.assertEqual({one.text for one in provider.iter("hostname")}, {HOSTNAME})
            answer = self.curl("/autodiscover/autodiscover.xml", "--data-binary", _REQUEST, secure=secure)
            self.assertEqual(re.findall(rb"<Port>(\d+)</Port>", answer), [b"993", b"465"])
            found = plistlib.loads(self.curl("/mail.mobileconfig?email=anna%40example.test", secure=secure))
            self.assertEqual(found["PayloadContent"][0]["IncomingMailServerPortNumber"], 993)
        codes = ("-o", "/dev/null", "-w", "%{http_code} ")
        for path, code in (("/", b"404 "), ("/metrics", b"404 "), ("/mail.mobileconfig?email=x", b"404 ")):
            self.assertEqual(self.curl(path, *codes), code, path)
        self.assertEqual(self.curl("/mail/config-v1.1.xml", "-T", self.server.authority, *codes), b"405 ")
        self.assertIn(" answered connection=", self.server.log())
        self.assertNotIn("anna", self.server.log().partition("mailnode ready")[2])
