"""What must be true of a world when it has come to rest.

Each message that was taken is at each of its ends, or whoever sent it was told that it is not; once, and not
both, but for the windows: moments in which nobody can know whether there is one copy more. These are counted
one by one, and no more copies are forgiven than there were windows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.content import Seen, difference, look
from tests.simulation.places import Places
from tests.simulation.planning import FRIEND
from tests.simulation.senders import Message
from tests.simulation.world import Found, World


@dataclass
class _Fate:
    """What has become of a message: copies by where they are, and failures by who was told of which name."""

    copies: Counter[str] = field(default_factory=Counter)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)


def judge(world: World) -> list[str]:
    """Everything that is wrong."""
    return [*world.problems, *_Oracle(world).wrong()]


class _Oracle:
    def __init__(self, world: World) -> None:
        self._world = world
        self._places: Places = world.plan.places
        self._messages = {message.token: message for _, _, message in world.plan.messages}
        self._fates: dict[str, _Fate] = defaultdict(_Fate)

    def wrong(self) -> Iterator[str]:
        """Line by line."""
        for found in self._world.found():
            yield from self._look_at(found)
        for message in self._messages.values():
            for end in sorted({end for one in message.recipients for end in self._places.ends(one)}):
                yield from self._judge(message, end)
        yield from self._left_over()

    # What was found

    def _look_at(self, found: Found) -> Iterator[str]:
        seen = look(found.octets)
        message = self._messages.get(seen.token)
        if message is None:
            yield f"{found.where} has a message that nobody sent"
        elif seen.report:
            yield from self._report(found, seen, message)
        else:
            ends = {end for one in message.recipients for end in self._places.ends(one)}
            if found.where not in ends:
                yield f"{found.where} has {message.token} and is no recipient of it"
            converted = (found.converted and message.eight_bit) or (found.wire and message.binary)
            if problem := difference(found.octets, message.octets, wire=found.wire, converted=converted):
                yield f"{found.where} has {message.token}: {problem}"
            self._fates[message.token].copies[found.where] += 1

    def _report(self, found: Found, seen: Seen, message: Message) -> Iterator[str]:
        names = {name for one in message.recipients for way in self._places.ways(one) for name in way}
        if seen.about_report:
            yield f"{found.where} has a report on a report"
        if found.where not in self._to_be_told(message):
            yield f"{found.where} has a report on {message.token}, which it did not send"
        for name, action in seen.says:
            if name not in names:
                yield f"{found.where} has a report on {message.token} and {name}, where it did not go"
            if action == "failed":
                self._fates[message.token].told[name, found.where] += 1

    def _to_be_told(self, message: Message) -> set[str]:
        """Who may hear of a message: who sent it, and the owners of lists on its ways."""
        owners = self._places.owners
        on_the_way = {name for one in message.recipients for way in self._places.ways(one) for name in way}
        return {message.sender, *(owners[name] for name in on_the_way if name in owners)}

    # One message and one end

    def _judge(self, message: Message, end: str) -> Iterator[str]:
        places, fate = self._places, self._fates[message.token]
        ways = [
            way
            for one in message.recipients
            if one in message.accepted
            for way in places.ways(one)
            if way[-1] == end
        ]
        copies = fate.copies[end]
        told = {name: count for (name, _), count in fate.told.items() if end in places.ends(name)}
        alone = sum(count for name, count in told.items() if len(places.ends(name)) == 1)
        allowed = len(ways) + self._windows(message, end)
        about = f"{message.token} for {end}: {copies} copies, told {told}, {allowed} allowed"
        if copies + alone > allowed and copies:
            yield f"{about}: too often"
        if alone > allowed + self._world.windows.reports[message.token]:
            yield f"{about}: told too often"
        if ways and not copies and not told and not self._may_be_silent(message, end, ways):
            yield f"{about}: lost"
        certain = not message.deadline and not self._world.plan.smarthost
        certain = certain and any(self._is_certain(way) for way in ways)
        if ways and certain and not copies and not self._broken_promise(end):
            yield f"{about}: given up without a reason"

    def _is_certain(self, way: tuple[str, ...]) -> bool:
        """Whether there is no reason not to deliver at its end: it takes all, and so do those beside it.

        A name here is taken for all mailboxes that it leads to, or for none.
        """
        beside = {end for name in way for end in self._places.ends(name)}
        return self._places.is_certain(way[-1]) and not beside & self._places.full

    def _windows(self, message: Message, end: str) -> int:
        """How many copies more there may be."""
        counted = Counter(message.windows)
        counted.update(self._world.windows.copies[message.token])
        return sum(count * self._places.ends(name)[end] for name, count in counted.items())

    def _may_be_silent(self, message: Message, end: str, ways: list[tuple[str, ...]]) -> bool:
        """Whether nobody is owed a word: it is sent by nobody who can hear, or wants to hear of it.

        Behind a list its owner is, but such a message may have been refused before it came to the list.
        """
        deaf = message.sender not in {*self._places.mailboxes, f"f1@{FRIEND}"}
        quiet = deaf or all("NEVER" in message.wishes.get(way[0], "") for way in ways)
        reason = message.deadline or self._world.plan.smarthost or not any(map(self._is_certain, ways))
        # What went in a circle seems to come from where it went round, not from its sender.
        forged = self._places.is_circle(end) and message.token in self._world.unproved
        return self._broken_promise(end) or self._through_smarthost(ways) or forged or (quiet and reason)

    def _through_smarthost(self, ways: list[tuple[str, ...]]) -> bool:
        """Whether reports may have to go over a smarthost, which takes nothing that others have written."""
        plan = self._world.plan
        domain = plan.nodes[-1].domain
        return plan.smarthost and any(name.endswith(f"@{domain}") for way in ways for name in way[:-1])

    def _broken_promise(self, end: str) -> bool:
        """Whether a host has said yes to something that it then did not take."""
        return any(end in host.promised for host in self._world.hosts)

    # What must not be there any more

    def _left_over(self) -> Iterator[str]:
        world = self._world
        for node in world.nodes:
            queue = node.disk.find(node.config.queue_directory)
            names = set(getattr(queue, "names", ()))
            aside = node.disk.files(f"{node.config.queue_directory}/aside")
            if node.lost_power and all(name.endswith(".envelope") for name in aside):
                names.discard("aside")  # an envelope may be there without its message, if nobody was told yes
            if names:
                yield f"{node.name} has in its queue: {sorted(names)}, and aside: {sorted(aside)}"
            life = node.life
            if life is None:
                yield f"{node.name} is dead"
                continue
            if life.files.opened:
                yield f"{node.name} has {life.files.opened} files open"
            if life.streams():
                yield f"{node.name} has {len(life.streams())} connections open"
        for host in world.hosts:
            yield from (f"{host.name} failed: {failure}" for failure in host.failures)
        calls = world.timeline.waiting()
        if calls:
            yield f"there is still to happen: {calls[:5]}"
        for done in world.senders:
            if not done.called:
                yield "a sender waits for ever"
        if world.network.ends:
            yield f"open at the end: {[str(one) for one in world.network.ends]}"
