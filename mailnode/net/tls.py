"""TLS for the server side: one context, reloadable while connections are open.

TLS 1.2 and newer, no compression, no renegotiation, buffers given back while a connection idles (26 KiB a
connection instead of 46). A connection keeps the context it started with; the next one gets the new.

No session is ever resumed: there is neither a cache nor a ticket. So what one listener has found out about a
client, such as its certificate, can never be brought to another one, and tls-unique is unique.
"""

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from mailnode.net.channel import ServerConnection, note

_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS, which pyOpenSSL does not name
_NO_RENEGOTIATION = 0x40000000  # SSL_OP_NO_RENEGOTIATION


class TlsError(Exception):
    """The certificate or its key cannot be used; the text says which and why."""


def make_context(certificate: str, key: str, client_ca: str = "") -> SSL.Context:
    """A server context from a PEM chain and a PEM key. Raises TlsError.

    With a PEM file of authorities it asks clients for a certificate, and takes those without a good one too.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_TICKET | _NO_RENEGOTIATION
    )
    context.set_mode(_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
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
    if client_ca:
        _ask_for_certificate(context, client_ca)
    return context


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
        return ServerConnection(self.context, None)
