"""A certificate from an authority for a server that runs: it shows what the authority looks for itself."""

import ssl

from mailnode.net.shown import shown
from tests.interop.harness import HOSTNAME, InteropTestCase, Server, free_ports
from tests.upkeep.acme_server import authority

_LISTENER = '\n[[listener]]\nprotocol = "http"\nendpoint = "tcp:{}:interface=127.0.0.1"\ntls = "none"\n'


class AcmeTests(InteropTestCase):
    """A server with pages on a port that the authority takes for port 80."""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.clean_up)
        (self.pages,) = free_ports(1)
        self.server.write_config(self.server.extra + _LISTENER.format(self.pages))
        self.server.start()

    def names(self) -> frozenset[str]:
        """Those of the certificate that clients see."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.server.ports["imaps"]))
        return shown(pem.encode()).names

    def test_request(self) -> None:
        """The command writes, the server shows, the authority looks; after a reload clients see it."""
        with authority() as acme:
            acme.http_port = self.pages
            names = (HOSTNAME, "pop.example.test")
            self.assertNotIn(names[1], self.names())
            done = self.server.command(
                "tls", "request", *names, "--agree", "--directory", acme.directory, "--port", "1"
            )
            self.assertEqual(done.exit_code, 0, done.output)
            self.assertEqual(sorted(acme.asked), sorted(names))
        self.server.reload()
        self.assertEqual(self.names(), frozenset(names))
        self.assertIn("path=/.well-known/acme-challenge/", self.server.log())
