"""How a name is proved by HTTP (http-01, RFC 8555 section 8.3): by what stands at a path of it.

A running server shows it on its own pages, of a file that a command or the server itself has written; where
there are none a listener is opened for the moment.
"""

import contextlib
import errno
import os
import re
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any, Literal

from mailnode.fs import FileSystem
from mailnode.upkeep.acme_trouble import Trouble

PATH = "/.well-known/acme-challenge/"
KIND = "application/octet-stream"  # as section 8.3 has it
PROOFS = "proofs"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_PATIENCE = 10.0  # seconds for a request to our own listener


def is_token(text: str) -> bool:
    """Whether a text may be a token; it is then the name of a file too (section 8.1)."""
    return _TOKEN.fullmatch(text) is not None


def proof_at(files: FileSystem, directory: str, token: str) -> bytes | None:
    """What is shown for a token by files in the folder of ACME; None for nothing. Raises OSError."""
    if not is_token(token):
        return None
    try:
        return files.read(os.path.join(directory, PROOFS, token), limit=4096)
    except FileNotFoundError:
        return None


class OnPages:
    """Proofs that the running server shows, as files in the folder of ACME."""

    kind: Literal["http-01"] = "http-01"

    def __init__(self, files: FileSystem, directory: str) -> None:
        self._files = files
        self._directory = os.path.join(directory, PROOFS)

    def _path(self, token: str) -> str:
        if not is_token(token):
            raise Trouble("the authority names a token that is none", "Choose another authority.")
        return os.path.join(self._directory, token)

    def show(self, name: str, token: str, proof: str) -> None:
        """Write the file."""
        self._files.make_directories(self._directory)
        self._files.replace(self._path(token), proof.encode("ascii"))

    def ready(self) -> None:
        """Nothing more is needed."""

    def remove(self, token: str) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._files.unlink(self._path(token), missing_ok=True)


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
