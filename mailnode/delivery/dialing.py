"""Beginning a session with a host of a destination: its endpoint, TLS, the password, and what is counted."""

import os
from collections.abc import Callable

from OpenSSL import SSL
from OpenSSL.crypto import X509Store
from twisted.internet.interfaces import IStreamClientEndpoint

from mailnode.auth.live import Live
from mailnode.delivery.client import Client, NotConnected, connect
from mailnode.delivery.destination import Destination, Host
from mailnode.delivery.destination import Login as Named
from mailnode.delivery.opening import Login, Manner, Place
from mailnode.delivery.outcome import Peer, Stage, own
from mailnode.delivery.tls_client import outcome
from mailnode.delivery.tls_policy import TlsOutcome
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.tls import TlsError, make_client_context
from mailnode.runtime import Runtime

LONGEST_PASSWORD = 4096

Endpoint = Callable[[str, int], IStreamClientEndpoint]


class Dialer:
    """Begins sessions.

    `endpoint` makes an endpoint of an IP address and a port, `roots` are the authorities that count, and
    `count` hears how TLS went with domains that may want to know (RFC 8460).
    """

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        files: FileSystem,
        endpoint: Endpoint,
        roots: X509Store,
        count: Callable[[TlsOutcome], None],
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._files = files
        self._endpoint = endpoint
        self._roots = roots
        self._count = count
        self._context = make_client_context()
        self._log = Log("mailnode.connections")

    async def connect(self, destination: Destination, host: Host, address: str) -> Client:
        """A session with a host of the destination at one of its addresses. Raises NotConnected."""
        manner = Manner(
            self._live.config.hostname,
            tls=host.tls,
            require_tls=destination.require_tls,
            roots=self._roots,
            context=await self._shown(host, destination.login),
            login=await self._login(host, destination.login),
        )
        place = Place(self._endpoint(address, host.port), host.name)
        try:
            client = await connect(place, manner, self._runtime)
        except NotConnected as error:
            self._tell(host, address, error.peer)
            self._log.info("no session", host=host.name, address=address, reason=error.verdict.reply)
            raise
        self._tell(host, address, client.peer)
        return client

    async def _shown(self, host: Host, named: Named | None) -> SSL.Context:
        """What to shake hands with: a certificate as it is in its files now, where there is one."""
        if named is None or not named.certificate:
            return self._context
        paths = map(os.path.realpath, (named.certificate, named.key))
        try:
            return await self._runtime.blocking.run(make_client_context, *paths)
        except TlsError as error:
            self._log.warn("no certificate for a route", host=host.name, reason=error)
            verdict = own(421, "4.3.5", f"The certificate for {host.name} cannot be read", Stage.CONNECT)
            raise NotConnected(verdict, Peer(host.name)) from None

    async def _login(self, host: Host, named: Named | None) -> Login | None:
        """With what the password file holds now, without its line end."""
        if named is None or not named.username:
            return None
        try:
            octets = await self._runtime.blocking.run(self._read, named.password_file)
            return Login(named.username, octets.decode().rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not in UTF-8"
            self._log.warn("no password for a route", file=named.password_file, reason=reason)
            verdict = own(421, "4.3.5", f"The password for {host.name} cannot be read", Stage.CONNECT)
            raise NotConnected(verdict, Peer(host.name)) from None

    def _read(self, path: str) -> bytes:
        return self._files.read(os.path.realpath(path), limit=LONGEST_PASSWORD)

    def _tell(self, host: Host, address: str, peer: Peer) -> None:
        counted = outcome(host, address, peer.tls_result) if peer.tls_result is not None else None
        if counted is not None:
            self._count(counted)
