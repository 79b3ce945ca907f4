"""TLS for both sides; for the server's one context, reloadable while connections are open.

TLS 1.2 and newer, no compression, no renegotiation, buffers given back while a connection idles (26 KiB a
connection instead of 46). A connection keeps the context it started with; the next one gets the new.

No session of somebody who may log in is ever resumed: there is neither a cache nor a ticket. So what one
listener has found out about a client, such as its certificate, can never be brought to another one, and
tls-unique is unique. Other servers may be given tickets, which are good for their own context only.

A client looks at the server's certificates when the handshake is done. Who insists has the connection cut off
before an octet is sent; everybody may ask what was wrong.
"""

import re
from collections.abc import Callable, Sequence

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from mailnode.net.channel import ServerConnection, channel_binding, note

_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS, which pyOpenSSL does not name
_NO_RENEGOTIATION = 0x40000000  # SSL_OP_NO_RENEGOTIATION


_AN_ADDRESS = re.compile(r"\[.*\]|.*:.*|[0-9.]+")


class TlsError(Exception):
    """The certificate or its key cannot be used; the text says which and why."""


def make_context(certificate: str, key: str, client_ca: str = "", *, tickets: bool = False) -> SSL.Context:
    """A server context from a PEM chain and a PEM key. Raises TlsError.

    With a PEM file of authorities it asks clients for a certificate, and takes those without a good one too;
    then, and without `tickets`, it lets nobody resume a session.
    """
    context = _context(SSL.TLS_SERVER_METHOD)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    if client_ca or not tickets:
        context.set_options(SSL.OP_NO_TICKET)
    _load(context, certificate, key)
    if client_ca:
        _ask_for_certificate(context, client_ca)
    return context


def make_client_context(certificate: str = "", key: str = "") -> SSL.Context:
    """A context for connections to servers. It verifies nothing itself, TlsClient does.

    With a PEM chain and its key the client shows who it is to servers that ask. Raises TlsError.
    """
    context = _context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_info_callback(_happened)
    if certificate:
        _load(context, certificate, key)
    return context


def _context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | _NO_RENEGOTIATION)
    context.set_mode(_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


def _load(context: SSL.Context, certificate: str, key: str) -> None:
    for what, load, path in (
        ("certificate", context.use_certificate_chain_file, certificate),
        ("key", context.use_privatekey_file, key),
    ):
        try:
            load(path)
        except (SSL.Error, OSError) as error:
            reason = _reason(error)
            if "mismatch" in reason:
                text = f"the TLS key in {key} does not belong to the certificate in {certificate}"
            else:
                text = f"the TLS {what} in {path} cannot be read: {reason}"
            raise TlsError(text) from None


def _ask_for_certificate(context: SSL.Context, client_ca: str) -> None:
    try:
        context.load_verify_locations(client_ca)
        context.load_client_ca(client_ca.encode())
    except (SSL.Error, OSError) as error:
        text = f"the authorities of clients in {client_ca} cannot be read: {_reason(error)}"
        raise TlsError(text) from None
    context.set_session_id(b"mailnode")  # OpenSSL refuses to ask for certificates without one
    context.set_verify(SSL.VERIFY_PEER, note)


def _reason(error: Exception) -> str:
    if isinstance(error, SSL.Error) and error.args:
        reasons = [str(entry[-1]) for entry in error.args[0] if entry[-1] not in ("", "system lib")]
        return reasons[0] if reasons else "no such file, or not readable"
    return getattr(error, "strerror", None) or "no PEM file"


@implementer(IOpenSSLServerConnectionCreator)
class TlsServer:
    """Makes the TLS side of each connection from the context of the moment."""

    def __init__(self, context: SSL.Context) -> None:
        self.context = context

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Twisted's: a new TLS connection."""
        connection = ServerConnection(self.context, None)
        connection.begun_with = self.context
        return connection


class WrongServer(Exception):
    """The server has not shown the certificate it must show; the text is the result type (RFC 8460, 4.3)."""


@implementer(IOpenSSLClientConnectionCreator)
class TlsClient:
    """The TLS side of one connection to the server `name`, a host name or an IP address.

    `examine` gets the certificates shown, the server's own first, and says what is wrong, "" for nothing.
    Then `problem` holds that; it is None before the handshake is done. With `strict`, a connection with
    a problem is cut off: nothing that is written goes out, the connection is lost with WrongServer.

    `context` is one of make_client_context(), which many connections may share.
    """

    def __init__(
        self,
        name: str,
        examine: Callable[[Sequence[X509]], str] = lambda chain: "",
        *,
        strict: bool = False,
        context: SSL.Context | None = None,
    ) -> None:
        self.problem: str | None = None
        self._context = context or make_client_context()
        self._name = name.removesuffix(".")
        self._examine = examine
        self._strict = strict
        self._protocol: TLSMemoryBIOProtocol | None = None
        self._connection: SSL.Connection | None = None

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Twisted's: a new TLS connection. It names the server, unless that has an address only."""
        connection = _ClientConnection(self._context, None)
        connection.owner = self
        if not _AN_ADDRESS.fullmatch(self._name):
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        self._protocol, self._connection = protocol, connection
        return connection

    @property
    def cipher(self) -> str:
        """The name of the cipher suite; "" before the handshake is done."""
        return (self._connection.get_cipher_name() if self._connection else None) or ""

    @property
    def exporter(self) -> bytes:
        """The data of the channel binding tls-exporter; b"" where the connection has none (RFC 9266)."""
        return (self._connection and channel_binding(self._connection, "tls-exporter")) or b""

    def abort(self) -> None:
        """Cut the connection off, if there is one."""
        if self._protocol is not None:
            self._protocol.abortConnection()

    def shaken(self, connection: SSL.Connection) -> None:
        """The handshake is done; TLS 1.3 says so more than once."""
        if self.problem is not None or self._protocol is None:
            return
        try:
            self.problem = self._examine(connection.get_peer_cert_chain() or ())
        except Exception:  # OpenSSL would go on
            self.problem = "validation-failure"
        if self.problem and self._strict:
            self._protocol.failVerification(Failure(WrongServer(self.problem)))


class _ClientConnection(SSL.Connection):
    """OpenSSL's side of a connection, which knows whose it is."""

    owner: TlsClient


def _happened(connection: SSL.Connection, where: int, _ret: int) -> None:
    """OpenSSL's: a step of the handshake."""
    if where & SSL.SSL_CB_HANDSHAKE_DONE:
        assert isinstance(connection, _ClientConnection)
        connection.owner.shaken(connection)
