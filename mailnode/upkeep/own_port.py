"""A listener for the moment, on which an authority finds proofs (upkeep.proofs).

It is for where no server runs, or one without pages.
"""

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any, Literal

from mailnode.upkeep.acme_trouble import Trouble
from mailnode.upkeep.proofs import KIND, PATH

_PATIENCE = 10.0  # seconds for a request


class OnOwnPort:
    """Proofs on a listener of our own, as long as `listening` lasts."""

    kind: Literal["http-01"] = "http-01"

    def __init__(self) -> None:
        self.shown: dict[str, bytes] = {}

    def show(self, name: str, token: str, proof: str) -> None:
        """Have it answered."""
        self.shown[token] = proof.encode("ascii")

    def ready(self) -> None:
        """Nothing more is needed."""

    def remove(self, token: str) -> None:
        """Answer it no more."""
        self.shown.pop(token, None)

    @contextlib.contextmanager
    def listening(self, port: int) -> Iterator[int]:
        """Listen on a port of all addresses meanwhile; gives the port. Raises Trouble."""
        try:
            server = _server(port, _answering(self.shown))
        except OSError as error:
            remedy = (
                'Stop what listens there meanwhile, give mailnode a listener with protocol = "http" and '
                'tls = "none" there, or prove names in the DNS: --dns'
            )
            raise Trouble(f"port {port} cannot be listened on: {error.strerror}", remedy) from None
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    """On all addresses."""

    daemon_threads = True

    def server_bind(self) -> None:
        """The library's, which would ask the DNS for a name that nobody needs."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The library's: a connection broke, which is nobody's business."""


class _BothServer(_Server):
    """By IPv6 and IPv4."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """The library's."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _server(port: int, answering: Callable[..., BaseHTTPRequestHandler]) -> _Server:
    """By IPv4 alone where a machine has no IPv6."""
    try:
        return _BothServer(("", port), answering)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise
        return _Server(("", port), answering)


def _answering(shown: dict[str, bytes]) -> Callable[..., BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        """Proofs, and nothing else."""

        timeout = _PATIENCE
        server_version, sys_version = "mailnode", ""

        def do_GET(self) -> None:
            """The library's."""
            proof = shown.get(self.path.removeprefix(PATH)) if self.path.startswith(PATH) else None
            self.send_response(404 if proof is None else 200)
            self.send_header("Content-Type", KIND)
            self.send_header("Content-Length", str(len(proof or b"")))
            self.end_headers()
            self.wfile.write(proof or b"")

        def log_message(self, format: str, *args: object) -> None:
            """The library's: nothing is logged."""

    return Answering
