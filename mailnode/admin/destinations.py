"""Destinations for a command: a reactor of its own, for as long as it takes to ask the DNS."""

import random
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor

from mailnode.auth.live import Live
from mailnode.config import Loaded
from mailnode.delivery.destination import Destination, Destinations, NoDestination
from mailnode.delivery.sts import StsCache
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.dns_client import make_client
from mailnode.net.https import Https
from mailnode.net.identity import system_roots
from mailnode.runtime import Runtime
from mailnode.wire.address import Address

Found = dict[str, Destination | NoDestination]


def find(loaded: Loaded, files: FileSystem, domains: Sequence[str], sender: Address | None) -> Found:
    """Where mail of the sender for each of the domains goes now. Nothing is written anywhere."""
    reactor: Any = EPollReactor()
    runtime = Runtime(reactor, random.SystemRandom(), InlineExecutor())
    resolver = make_client(reactor, runtime, loaded.config.dns, files)
    policies = StsCache(
        runtime, files, lambda: "", resolver, Https(reactor, runtime, resolver, system_roots())
    )
    finder = Destinations(Live(loaded.config, loaded.mailboxes), runtime, resolver, policies)
    found: Found = {}
    ended: list[object] = []

    async def look() -> None:
        for domain in domains:
            try:
                found[domain] = await finder.find(domain, sender=sender)
            except NoDestination as nothing:
                found[domain] = nothing

    def end(result: object) -> None:
        ended.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(look()).addBoth(end))
    reactor.run()
    for failure in filter(None, ended):
        failure.raiseException()  # type: ignore[attr-defined]
    return found
