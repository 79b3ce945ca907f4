"""One world of several servers, made and run from one number."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from mailnode.events.life import Ended, Event, MaybeTwice, NotTold, Postponed, PutOff, Relayed
from mailnode.queue.entry import Fate, decode
from tests.simulation.clock import START, Clock, Timeline
from tests.simulation.content import look
from tests.simulation.disk import File, Folder
from tests.simulation.hosts import Host, Taken
from tests.simulation.network import Network
from tests.simulation.node import SMTP, SUBMISSION, Life, Node
from tests.simulation.plan import Death, HostPlan, NodePlan
from tests.simulation.planning import DAY, make_plan
from tests.simulation.senders import Message, Sender
from tests.simulation.wire import Machine

LONGEST = 14 * DAY  # after which everything must be over: a message has five days, and a report of it too
MOST = 400_000  # happenings: more is a circle
AT_ONCE = 5.0  # seconds in which a server has written down what another host told it, disks being slow

MakeLife = Callable[..., Life]


@dataclass(frozen=True)
class Found:
    """A message somewhere; `wire`: with line ends of the wire; `converted`: may be in another encoding."""

    where: str
    octets: bytes
    wire: bool
    converted: bool = False


@dataclass
class Windows:
    """How often nobody can know whether there is one copy more, for a message and a name; and for reports."""

    copies: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reports: Counter[str] = field(default_factory=Counter)


class World:
    """Everything that a seed makes. `life` builds the servers, which tests may want to break."""

    def __init__(self, seed: int, *, life: MakeLife = Life, say: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.timeline = Timeline()
        self.plan = make_plan(rng)
        self.story = hashlib.sha256()
        self.windows = Windows()
        self.problems: list[str] = []
        self.unproved: set[str] = set()  # of whom a server believed that the sender is forged
        self.removed: list[Found] = []  # what was read and taken out of mailboxes
        self._say = say
        self._life = life
        self._doubt: dict[tuple[str, str], list[str]] = defaultdict(list)
        plan = self.plan
        self.network = Network(self.timeline, rng, self.tell, bad=plan.bad, calm=plan.calm)
        self.hosts = [self._host(one) for one in plan.hosts]
        self.nodes = [self._node(one) for one in plan.nodes]
        self.senders: list[Deferred[None]] = []

    def tell(self, who: str, text: str) -> None:
        """Something worth knowing has happened."""
        line = f"{self.timeline.now - START:12.3f} {who}: {text}"
        self.story.update(line.encode())
        if self._say is not None:
            self._say(line)

    # Making

    def _host(self, plan: HostPlan) -> Host:
        machine = Machine(plan.name, plan.address, Clock(self.timeline))
        host = Host(plan.name, machine, self.rng, self.tell, plan.habits, plan.rudeness, plan.mended)
        host.took = self._took
        self.network.listen(machine, SMTP, host.factory())
        return host

    def _took(self, host: Host, taken: Taken) -> None:
        self.tell(host.name, f"takes {look(taken.octets).token} for {taken.recipient}")

    def _node(self, plan: NodePlan) -> Node:
        def build(node: Node, ahead: float) -> Life:
            life = self._life(node, self.network, self.plan.zones, self.rng, self.timeline, ahead)
            inner = Machine(plan.name, plan.smarthost, life.clock)
            self.network.listen(inner, SUBMISSION, life.factories["tcp:587"])
            life.inner = inner
            return life

        node = Node(plan.name, plan.address, plan.config, plan.mailboxes, build, self._heard, self._died)
        state = Folder(next(node.disk.numbers), 0)
        secret = File(next(node.disk.numbers), 0, bytearray(b"secret\n"), b"secret\n")
        state.names["password"] = state.safe["password"] = secret
        node.disk.root.names["state"] = node.disk.root.safe["state"] = state
        return node

    # Running

    def run(self) -> None:
        """To the end, when nothing more can happen."""
        logged = cast(ILogObserver, self._logged)
        globalLogPublisher.addObserver(logged)
        try:
            self._begin()
            until = START + LONGEST
            while self.timeline.step(until):
                if self.timeline.happened > MOST:
                    self.problems.append("it does not come to rest")
                    break
        finally:
            globalLogPublisher.removeObserver(logged)

    def _logged(self, event: Any) -> None:
        failure = event.get("log_failure")
        if failure is not None or event.get("log_level") in (LogLevel.error, LogLevel.critical):
            what = failure.getTraceback() if isinstance(failure, Failure) else event.get("log_format")
            self.problems.append(f"a bug was logged: {event.get('line', '')}\n{what}")

    def _begin(self) -> None:
        clock = Clock(self.timeline)
        for node in self.nodes:
            node.start()
        for time, number, message in self.plan.messages:
            clock.callLater(time - START, self._send, number, message)
        for death in self.plan.deaths:
            clock.callLater(death.time - START, self._threaten, death)
        for time, number, seconds in self.plan.full:
            clock.callLater(time - START, self._fill, self.nodes[number], seconds)
        for time, number, seconds in self.plan.jumps:
            clock.callLater(time - START, self._jump, self.nodes[number], seconds)
        for time, address in self.plan.emptied:
            clock.callLater(time - START, self._empty, address)

    def _send(self, number: int, message: Message) -> None:
        node = self.nodes[number]
        # a person's machine is the server's own as far as addresses go; but it is not the one that dies
        clock = Clock(self.timeline)
        address = "127.0.0.1" if message.login else "11.9.0.9"
        machine = Machine(message.token, address, clock)
        port = SUBMISSION if message.login else SMTP
        call = self.network.endpoint(machine, node.address, port).connect
        wishes = message.wishes or ""
        self.tell(message.token, f"<{message.sender}> to {message.recipients}{message.parameters} {wishes}")
        done = Deferred.fromCoroutine(Sender(message, call, clock, self.rng, self.tell).run())
        done.addErrback(lambda failure: self.problems.append(f"a sender failed: {failure.getTraceback()}"))
        self.senders.append(done)

    def _jump(self, node: Node, seconds: float) -> None:
        if node.life is not None:
            self.tell(node.name, f"its clock jumps by {seconds:.0f} seconds")
            node.life.clock.jump(seconds)

    def _fill(self, node: Node, seconds: float) -> None:
        """A disk has no room for a while."""
        self.tell(node.name, f"its disk is full for {seconds:.0f} seconds")
        node.full_until = self.timeline.now + seconds

    def _empty(self, address: str) -> None:
        """Somebody reads and removes everything."""
        for node in self.nodes:
            new = node.disk.find(f"{node.config.mail_directory(address)}/new")
            if isinstance(new, Folder) and node.life is not None:
                self.tell(address, f"removes {len(new.names)} messages")
                self.removed += self._in(node, address)
                new.names.clear()
                new.safe.clear()
                node.disk.sync(new)
                new.safe.clear()
                new.mtime = node.life.files.time()

    # Dying

    def _threaten(self, death: Death) -> None:
        node = self.nodes[death.node]
        if node.life is None:
            return
        node.down = death.down
        if death.in_order:
            self.tell(node.name, "is to stop")
            self.network.close(node.life.machine)
            self.network.close(node.life.inner)
            node.stop()
        elif death.events:
            node.countdown = death.events
        elif death.operations:
            node.life.files.fatal = death.operations
        else:
            node.die(power=death.power)

    def _died(self, node: Node, life: Life, power: bool) -> None:
        self.tell(node.name, "loses its power" if power else "is killed")
        life.inner.dead, life.inner.silent = True, power
        self.network.kill(life.machine)
        self.network.kill(life.inner)
        if power:
            node.disk.cut_power(self.rng)
        for name in life.trying:
            self._on_its_way(node, life, name)
        Clock(self.timeline).callLater(node.down, self._revive, node)

    def _revive(self, node: Node) -> None:
        self.tell(node.name, "starts")
        node.start()

    # Windows

    def _on_its_way(self, node: Node, life: Life, name: str) -> None:
        """A message that was tried when its server died: what it had not yet written down is doubtful."""
        queue = node.disk.files(node.config.queue_directory)
        if f"{name}.envelope" not in queue or f"{name}.body" not in queue:
            return
        entry = decode(queue[f"{name}.envelope"])
        seen = look(queue[f"{name}.body"])
        self.windows.reports[seen.token] += bool(entry.owed)
        for recipient, progress in zip(entry.envelope.recipients, entry.progress, strict=True):
            address = str(recipient.address)
            said = life.relayed.get((name, address))
            late = said is not None and self.timeline.now - said > AT_ONCE
            if progress.fate is not Fate.WAITING or late or (name, address) in life.put_off:
                continue
            if seen.report:
                self.windows.reports[seen.token] += 1
            else:
                self.windows.copies[seen.token][address] += 1
                self.tell(node.name, f"had {seen.token} for {address} on its way")

    def _heard(self, node: Node, event: Event) -> None:
        """An event of a node."""
        life = node.life
        assert life is not None
        self.tell(node.name, str(event))
        match event:
            case PutOff(_, message, recipient, host, reply) if "end of content" in reply:
                self._doubt[message, host].append(recipient)
            case PutOff(_, message, recipient, _, _):
                life.put_off.add((message, recipient))
            case MaybeTwice(_, message, host, _):
                self._maybe_twice(node, message, self._doubt.pop((message, host), []))
            case Relayed(_, message, recipient, _, _):
                life.relayed[message, recipient] = self.timeline.now
            case NotTold(_, message, _, reason) if reason.startswith("SPF: fail"):
                queue = node.disk.files(node.config.queue_directory)
                self.unproved.add(look(queue.get(f"{message}.body", b"")).token)
            case Postponed(_, message, _, _) | Ended(_, message):
                life.trying.pop(message, None)
                life.put_off = {one for one in life.put_off if one[0] != message}

    def _maybe_twice(self, node: Node, name: str, recipients: list[str]) -> None:
        assert node.life is not None
        node.life.put_off.update((name, one) for one in recipients)
        queue = node.disk.files(node.config.queue_directory)
        seen = look(queue.get(f"{name}.body", b""))
        if seen.report:
            self.windows.reports[seen.token] += len(recipients)
        else:
            self.windows.copies[seen.token].update(recipients)

    # Afterwards

    def _in(self, node: Node, address: str) -> list[Found]:
        new = node.disk.files(f"{node.config.mail_directory(address)}/new")
        return [Found(address, octets, wire=False) for octets in new.values()]

    def found(self) -> list[Found]:
        """Every message in every mailbox, and at every host."""
        found = list(self.removed)
        for node in self.nodes:
            for address in node.mailboxes.mailboxes:
                found += self._in(node, address)
        for host in self.hosts:
            found += [Found(one.recipient, one.octets, True, one.converted) for one in host.taken]
        return found
