"""Destinations for a command: where mail for other hosts goes, by the DNS of this moment."""

from collections.abc import Sequence
from typing import Any

from mailnode.admin.own_reactor import run
from mailnode.auth.live import Live
from mailnode.config import Loaded
from mailnode.delivery.destination import Destination, Destinations, NoDestination
from mailnode.delivery.sts import StsCache
from mailnode.fs import FileSystem
from mailnode.net.dns_client import make_client
from mailnode.net.https import Https
from mailnode.net.identity import system_roots
from mailnode.runtime import Runtime
from mailnode.wire.address import Address

Found = dict[str, Destination | NoDestination]


def find(loaded: Loaded, files: FileSystem, domains: Sequence[str], sender: Address | None) -> Found:
    """Where mail of the sender for each of the domains goes now. Nothing is written anywhere."""

    async def look(reactor: Any, runtime: Runtime) -> Found:
        resolver = make_client(reactor, runtime, loaded.config.dns, files)
        https = Https(reactor, runtime, resolver, system_roots())
        policies = StsCache(runtime, files, lambda: "", resolver, https)
        finder = Destinations(Live(loaded.config, loaded.mailboxes), runtime, resolver, policies)
        found: Found = {}
        for domain in domains:
            try:
                found[domain] = await finder.find(domain, sender=sender)
            except NoDestination as nothing:
                found[domain] = nothing
        return found

    return run(look)
