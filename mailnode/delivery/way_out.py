"""The way to other hosts, built from its parts once for the process."""

from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from mailnode.auth.live import Live
from mailnode.delivery.connections import Connections
from mailnode.delivery.destination import Destinations
from mailnode.delivery.dialing import Dialer
from mailnode.delivery.remote import RemoteCourier
from mailnode.delivery.sts import StsCache
from mailnode.delivery.tls_policy import Published, TlsOutcome
from mailnode.delivery.tls_report import TlsReports
from mailnode.events.life import Bus
from mailnode.fs import FileSystem
from mailnode.net.dns_client import make_client
from mailnode.net.https import Https
from mailnode.net.identity import system_roots
from mailnode.net.resolver import Resolver
from mailnode.runtime import Runtime
from mailnode.values import frozen


@frozen
class WayOut:
    """`courier` carries messages over the connections; `tls_reports` has what was counted of TLS.

    `resolver` and `https` are what it asks the world with.
    """

    courier: RemoteCourier
    connections: Connections
    tls_reports: TlsReports
    resolver: Resolver
    https: Https


def make_way_out(reactor: Any, live: Live, runtime: Runtime, files: FileSystem, bus: Bus) -> WayOut:
    """With the DNS servers of this moment; routes and limits are read anew for each message."""
    roots, reports = system_roots(), TlsReports()

    def count(outcome: TlsOutcome) -> None:
        reports.count(outcome, runtime.now())

    def no_policy(domain: str, result: str) -> None:
        count(TlsOutcome(Published("sts", domain), "", "", result))

    def endpoint(address: str, port: int) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        return kind(reactor, address, port)

    resolver = make_client(reactor, runtime, live.config.dns, files)
    https = Https(reactor, runtime, resolver, roots)
    policies = StsCache(runtime, files, lambda: live.config.sts_directory, resolver, https, failed=no_policy)
    destinations = Destinations(live, runtime, resolver, policies)
    dialer = Dialer(live, runtime, files, endpoint, roots, count)
    connections = Connections(runtime, dialer.connect, lambda: live.config.limits.destination_connections)
    courier = RemoteCourier(runtime.clock, destinations, connections, bus)
    return WayOut(courier, connections, reports, resolver, https)
