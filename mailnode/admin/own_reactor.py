"""A reactor of its own for a command, for as long as it takes to ask the DNS and the like."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor

from mailnode.config_sending import Dns
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.dns_client import make_client
from mailnode.net.resolver import Resolver
from mailnode.runtime import Runtime

T = TypeVar("T")


def run(work: Callable[[Any, Runtime], Awaitable[T]]) -> T:
    """What the work gives, with a reactor and a runtime around it; raises what it raises."""
    reactor: Any = EPollReactor()
    runtime = Runtime(reactor, random.SystemRandom(), InlineExecutor())
    given: list[T] = []
    ended: list[object] = []

    async def all_of_it() -> None:
        given.append(await work(reactor, runtime))

    def end(result: object) -> None:
        ended.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(all_of_it()).addBoth(end))
    reactor.run()
    for failure in filter(None, ended):
        failure.raiseException()  # type: ignore[attr-defined]
    return given[0]


def ask_dns(settings: Dns, files: FileSystem, work: Callable[[Resolver, Runtime], Awaitable[T]]) -> T:
    """What the work gives that asks the DNS servers of the configuration."""

    async def asking(reactor: Any, runtime: Runtime) -> T:
        return await work(make_client(reactor, runtime, settings, files), runtime)

    return run(asking)
