"""Carries messages to other hosts: to each destination the recipients that are there, all in one transaction.

What a host said, or why none was asked, ends in the progress of each recipient: words for the sender, and the
reply as it was. Nothing is raised: what one destination has taken is true whatever happens with the others.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailnode.delivery.client import NotConnected
from mailnode.delivery.destination import Destination, Login, NoDestination
from mailnode.delivery.fitting import Content, Message
from mailnode.delivery.outcome import Outcome, Result
from mailnode.envelope import Envelope
from mailnode.events.life import Bus, MaybeTwice, PutOff, Relayed
from mailnode.events.log import Log
from mailnode.net.turns import Turns
from mailnode.queue.entry import Entry, Fate, Progress
from mailnode.values import replace
from mailnode.wire.address import Address

T = TypeVar("T")

LOOKUPS = 20  # that go on at a time, of all messages
LONGEST_DIAGNOSTIC = 500

OUR_FAULT = Progress(Fate.WAITING, "4.3.0", "This server made a mistake")

Found = dict[int, Progress]
Settled = Callable[[Mapping[int, Progress]], Awaitable[None]]


class Finder(Protocol):
    """Finds destinations; see destination.Destinations."""

    async def find(
        self,
        domain: str,
        *,
        sender: Address | None = None,
        require_tls: bool = False,
        tls_optional: bool = False,
    ) -> Destination:
        """Where mail for a domain goes. Raises NoDestination."""


class Carrier(Protocol):
    """Brings messages to destinations; see connections.Connections."""

    async def deliver(self, destination: Destination, message: Message) -> tuple[Outcome, ...]:
        """What became of it for each recipient. Raises NotConnected."""


class RemoteCourier:
    """One for the process, and one for each connection that was reversed."""

    def __init__(self, clock: IReactorTime, destinations: Finder, connections: Carrier, bus: Bus) -> None:
        self._destinations = destinations
        self._connections = connections
        self._bus = bus
        self._lookups = Turns(clock, LOOKUPS)
        self._log = Log("mailnode.remote")

    async def carry(
        self,
        entry: Entry,
        numbers: Sequence[int],
        content: Content,
        octets: int,
        *,
        settled: Settled | None = None,
    ) -> Mapping[int, Progress]:
        """Try these recipients of the entry, given by their places in its envelope; how far each is then.

        `content` begins to read the message, `octets` is its size. Where there are several destinations,
        `settled` hears of the recipients of each as soon as it is through with them.
        """
        envelope = entry.envelope
        domains = dict.fromkeys(envelope.recipients[number].address.domain_key for number in numbers)
        places = await _each(self._find(domain, envelope) for domain in domains)
        where = dict(zip(domains, places, strict=True))
        found: Found = {}
        groups: dict[tuple[str, Login | None], tuple[Destination, list[int]]] = {}
        for number in numbers:
            place = where[envelope.recipients[number].address.domain_key]
            if isinstance(place, Progress):
                found[number] = place
            else:
                groups.setdefault((place.key, place.login), (place, []))[1].append(number)

        async def one(destination: Destination, group: list[int]) -> None:
            theirs = envelope
            if len(group) < len(envelope.recipients):
                people = tuple(envelope.recipients[number] for number in group)
                theirs = replace(envelope, recipients=people)
            message = Message(theirs, octets, content)
            progress = dict(zip(group, await self._send(entry, destination, message), strict=True))
            found.update(progress)
            if settled is not None and len(groups) > 1:
                await settled(progress)

        await _each(one(*group) for group in groups.values())
        return found

    async def _find(self, domain: str, envelope: Envelope) -> Destination | Progress:
        """Where it goes, or how it is with its recipients when nobody can say."""
        # RFC 8689 section 4.2.1: what has no reverse-path is a report, and goes as it can
        require_tls = envelope.require_tls and envelope.reverse_path is not None
        try:
            async with self._lookups:
                return await self._destinations.find(
                    domain,
                    # anybody can say to be somebody with a route, and a login there
                    sender=envelope.reverse_path if envelope.origin is None else None,
                    require_tls=require_tls,
                    tls_optional=envelope.tls_optional,
                )
        except NoDestination as nothing:
            fate = Fate.FAILED if nothing.permanent else Fate.WAITING
            return Progress(fate, nothing.status, str(nothing))
        except Exception:
            self._log.bug("no destination was found", Failure())
            return OUR_FAULT

    async def _send(self, entry: Entry, destination: Destination, message: Message) -> list[Progress]:
        people = message.envelope.recipients
        try:
            outcomes = await self._connections.deliver(destination, message)
        except NotConnected as error:
            outcomes = error.outcomes(people)
        except Exception:
            self._log.bug("a message was not sent", Failure())
            return [OUR_FAULT] * len(people)
        self._tell(entry.id, outcomes)
        return [progress(one) for one in outcomes]

    def _tell(self, message: str, outcomes: Sequence[Outcome]) -> None:
        """What a failure is called is for the caller, who knows of all kinds of them."""
        for one in outcomes:
            event = {Result.DELIVERED: Relayed, Result.TEMPORARY: PutOff}.get(one.result)
            if event is not None:
                said = str(one.verdict.reply)
                self._bus.publish(event("", message, str(one.recipient.address), one.peer.name, said))
        doubtful = [one for one in outcomes if one.verdict.maybe_delivered]
        if doubtful:
            self._bus.publish(MaybeTwice("", message, doubtful[0].peer.name, len(doubtful)))


async def _each(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What comes of all of these, which go on at the same time; mostly there is one."""
    waiting = list(works)
    if len(waiting) == 1:
        return [await waiting[0]]
    return await gatherResults([Deferred.fromCoroutine(one) for one in waiting])


def progress(outcome: Outcome) -> Progress:
    """How far a recipient is, by what became of the message at another host.

    A host that gives delivery status notifications owes them itself from then on: nothing is left to be told
    from here (RFC 3461 section 5.2.2).
    """
    verdict, host = outcome.verdict, outcome.peer.name
    status = verdict.status
    if outcome.result is Result.DELIVERED:
        if outcome.without_dsn:
            reason = f"The host {host} has taken it, and does not say more"
            return Progress(Fate.RELAYED, status, reason, _diagnostic(outcome), host=host)
        return Progress(Fate.RELAYED, status, f"The host {host} has taken it", told=True)
    fate = Fate.FAILED if outcome.result is Result.PERMANENT else Fate.WAITING
    if verdict.own:
        return Progress(fate, status, f"{host}: {verdict.text}")
    reason = f"The host {host} said: {verdict.reply.code} {verdict.text}"
    return Progress(fate, status, reason, _diagnostic(outcome), host=host)


def _diagnostic(outcome: Outcome) -> str:
    """The reply as a Diagnostic-Code field has it (RFC 3464 section 2.3.6); it is printable already."""
    reply = outcome.verdict.reply
    said = " ".join(part for part in (str(reply.code), reply.enhanced, outcome.verdict.text) if part)
    return f"smtp; {said.encode('ascii', 'backslashreplace').decode()}"[:LONGEST_DIAGNOSTIC]
