"""What a seed chooses: servers, hosts and names, who sends what to whom, and when something goes wrong."""

import random
from dataclasses import replace

from mailnode.config import MailboxEntry
from mailnode.config_lists import MailingList
from mailnode.config_sending import Relay
from tests.simulation.clock import START
from tests.simulation.habits import FOR_GOOD, HARMLESS, TEMPORARY, Habit
from tests.simulation.plan import Death, HostPlan, NodePlan, Plan
from tests.simulation.senders import Message

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
FRIEND = "friend.example"  # whose host is always good: the strangers who send to us are there

_TIGHT = {  # limits that a server may have which is used to few messages
    "messages_per_session": (1, 2),
    "connections_per_address": (1, 2),
    "connection_rate": (3, 10),
    "recipients": (1, 2, 3),
    "errors_soft": (1,),
    "errors_hard": (1, 2),
    "destination_connections": (1, 2),
}
_TEXTS = (".", "..", ". x", "Hello.", "", "-- ", "From here", "x" * 700)


def make_plan(rng: random.Random) -> Plan:
    """The plan of a seed."""
    plan = Plan()
    plan.bad = rng.choice((0.0, 0.05, 0.2))
    plan.calm = START + rng.choice((2 * HOUR, 8 * HOUR, 2 * DAY))
    plan.zones.bad, plan.zones.calm = rng.choice((0.0, 0.05, 0.2)), plan.calm
    _hosts(plan, rng)
    _nodes(plan, rng)
    _names(plan, rng)
    _messages(plan, rng)
    _accidents(plan, rng)
    return plan


def _hosts(plan: Plan, rng: random.Random) -> None:
    zones, places = plan.zones, plan.places
    plan.hosts.append(HostPlan(f"mx.{FRIEND}", "11.9.0.1", FRIEND))
    zones.exchangers(FRIEND, (10, f"mx.{FRIEND}"))
    zones.host(f"mx.{FRIEND}", "11.9.0.1")
    zones.senders(FRIEND, "11.9.0.0/16")
    places.outside += [f"{name}@{FRIEND}" for name in ("f1", "f2")]
    for number in range(1, rng.choice((1, 2, 2, 3)) + 1):
        domain = f"h{number}.example"
        exchangers = []
        for which in range(rng.choice((1, 1, 2))):
            host = HostPlan(f"mx{which}.{domain}", f"11.8.{number}.{which + 1}", domain)
            if which == 0 or rng.random() < 0.5:
                _make_rude(host, plan, rng)
            plan.hosts.append(host)
            beside = ("11.8.0.1",) if rng.random() < 0.3 else ()  # where nobody is
            zones.host(host.name, *rng.sample((host.address, *beside), 1 + len(beside)))
            exchangers.append((10 * which + 10, host.name))
        zones.exchangers(domain, *exchangers)
        places.outside += [f"{name}@{domain}" for name in ("u1", "u2", "nobody")]
    zones.exchangers("null.example", (0, ""))
    zones.exchangers("private.example", (10, "inside.example"))
    zones.host("inside.example", "10.0.0.1")
    zones.exchangers("lost.example", (10, "nowhere.example"))
    strange = ("null.example", "private.example", "lost.example", "gone.example")
    places.outside += [f"x@{domain}" for domain in strange]
    places.doubtful.update(strange)


def _make_rude(host: HostPlan, plan: Plan, rng: random.Random) -> None:
    pool = rng.choice((HARMLESS, TEMPORARY, TEMPORARY, TEMPORARY, FOR_GOOD))
    host.habits = tuple(rng.sample(pool, rng.randrange(1, 4)))
    host.rudeness = rng.choice((0.4, 1.0))
    for_ever = rng.random() < 0.08
    host.mended = START + (100 * DAY if for_ever else rng.choice((10 * MINUTE, 2 * HOUR, 12 * HOUR)))
    if for_ever or pool is FOR_GOOD or Habit.EARLY_YES in host.habits or Habit.SEVEN_BIT in host.habits:
        plan.places.doubtful.add(host.domain)


def _nodes(plan: Plan, rng: random.Random) -> None:
    places = plan.places
    for number in range(1, rng.choice((2, 2, 3, 3, 4)) + 1):
        domain, address = f"n{number}.example", f"11.7.0.{number}"
        plan.nodes.append(NodePlan(f"n{number}", address, (domain,)))
        plan.zones.host(f"mail.{domain}", address)
        plan.zones.exchangers(domain, (10, f"mail.{domain}"))
        plan.zones.senders(domain, "11.7.0.0/16")
    if rng.random() < 0.2:
        for node in plan.nodes[:2]:
            node.domains = (*node.domains, "both.example")
            node.entries["m@both.example"] = MailboxEntry("x")
        places.mailboxes["m@both.example"] = None
        plan.zones.exchangers("both.example", *((10, f"mail.{node.domain}") for node in plan.nodes[:2]))
    for node in plan.nodes:
        node.refuses_when_full = rng.random() < 0.5
        if rng.random() < 0.25:
            node.limits = replace(node.limits, **{name: rng.choice(low) for name, low in _TIGHT.items()})
        places.domains.update(node.domains)
        for name in ("a", "b", "c"):
            address = f"{name}@{node.domain}"
            limit = rng.choice((1, 2)) if name == "c" and rng.random() < 0.5 else None
            node.entries[address] = MailboxEntry("x", quota_messages=limit)
            places.mailboxes[address] = None
            if limit:
                places.full.add(address)
                if rng.random() < 0.6:
                    plan.emptied.append((START + rng.uniform(0, DAY), address))
    if rng.random() < 0.2:
        plan.smarthost = True
        first, last = plan.nodes[0], plan.nodes[-1]
        user = f"a@{first.domain}"
        first.entries[user] = MailboxEntry("x", send_as=(f"@{last.domain}", f"@mail.{last.domain}"))
        last.routes["*"] = Relay(first.smarthost, 587, "none", user, "/state/password")


def _names(plan: Plan, rng: random.Random) -> None:
    places = plan.places
    for node in plan.nodes:
        known = [*places.mailboxes, *places.leads_to, *places.outside]
        for number in range(rng.choice((0, 1, 2))):
            alias = f"alias{number}@{node.domain}"
            targets = tuple(rng.sample(known, rng.choice((1, 1, 2))))
            node.aliases[alias] = places.leads_to[alias] = targets
        if rng.random() < 0.4:
            team = tuple(f"{name}@{node.domain}" for name in "acb")
            node.aliases[f"team@{node.domain}"] = places.leads_to[f"team@{node.domain}"] = team
        if rng.random() < 0.4:
            name, owner = f"list@{node.domain}", f"a@{node.domain}"
            members = tuple(rng.sample(known, rng.randrange(2, 5)))
            node.lists[name] = MailingList(members, owner=owner)
            places.leads_to[name], places.owners[name] = members, owner
        if rng.random() < 0.15:
            places.catch_alls[node.domain] = f"b@{node.domain}"
            node.aliases[f"@{node.domain}"] = (f"b@{node.domain}",)
    if rng.random() < 0.2:
        one, other = (f"loop@{node.domain}" for node in plan.nodes[:2])
        for node, name, target in ((plan.nodes[0], one, other), (plan.nodes[1], other, one)):
            node.aliases[name] = places.leads_to[name] = (target,)


def _messages(plan: Plan, rng: random.Random) -> None:
    places = plan.places
    inside = [*places.mailboxes, *places.leads_to]
    extra = [f"unknown@{node.domain}" for node in plan.nodes]
    until = rng.choice((MINUTE, HOUR, 6 * HOUR))
    count = rng.randrange(2, 8)
    always: tuple[str, ...] = ()
    if rng.random() < 0.1:  # much at once, for few
        until, count = 1.0, rng.randrange(8, 16)
        always = tuple(rng.sample([*inside, *places.outside], 2))
    for number in range(count):
        node = rng.randrange(len(plan.nodes))
        home = plan.nodes[node]
        here = [name for name in (*inside, *extra) if name.rpartition("@")[2] in home.domains]
        kind = rng.random()
        if kind < 0.75:
            sender = login = f"{rng.choice('ab')}@{home.domain}"
            recipients = rng.sample([*inside, *extra, *places.outside], rng.choice((1, 1, 2, 3)))
        else:
            login, sender = "", _stranger(rng)
            recipients = rng.sample(here, min(len(here), rng.choice((1, 1, 2))))
        if always and login:
            recipients = [*always, *(one for one in recipients[:1] if one not in always)]
        message = Message(f"t{number}", sender, tuple(recipients), b"", login)
        _content(message, rng)
        _wishes(message, rng)
        if "HOLDFOR" in message.parameters and f"team@{home.domain}" in here and rng.random() < 0.7:
            message.recipients = (f"team@{home.domain}",)  # which may be reached one after the other
        plan.messages.append((START + rng.uniform(0, until), node, message))


def _stranger(rng: random.Random) -> str:
    """Who is on another host, and may not hear of what becomes of a message; or nobody, as in a report."""
    strange = ("", f"nobody@{FRIEND}", "x@gone.example", "x@null.example")
    return f"f1@{FRIEND}" if rng.random() < 0.6 else rng.choice(strange)


def _content(message: Message, rng: random.Random) -> None:
    message.eight_bit = rng.random() < 0.2
    lines = [rng.choice(_TEXTS) for _ in range(rng.choice((0, 1, 5, 30)))]
    encoding = "7bit"
    if message.eight_bit:
        lines.append("Grüße")
        encoding = "8bit"
    message.chunks = rng.choice((0, 0, 0, 1, 3))
    if message.chunks and rng.random() < 0.5:
        lines += ["a\nb", "\0", "\r.\r", "."]
        message.binary, encoding = True, "binary"
    if encoding != "7bit":
        message.parameters += f" BODY={'8BITMIME' if encoding == '8bit' else 'BINARYMIME'}"
    if rng.random() < 0.02:
        lines += ["y" * 70] * 1000
    text = [
        f"X-Simulation: {message.token}",
        f"From: <{message.sender or 'nobody@elsewhere.example'}>",
        "Date: Sun, 09 Sep 2001 01:46:40 +0000",
        f"Message-ID: <{message.token}@sender.example>",
        "MIME-Version: 1.0",
        f"Content-Type: {'application/x-any' if message.binary else 'text/plain; charset=utf-8'}",
        f"Content-Transfer-Encoding: {encoding}",
        "",
        *lines,
        "",
    ]
    message.octets = "\r\n".join(text).encode()


def _wishes(message: Message, rng: random.Random) -> None:
    if rng.random() < 0.15:
        message.parameters += f" RET={rng.choice(('FULL', 'HDRS'))} ENVID={message.token}"
    if message.sender and rng.random() < 0.08:
        message.parameters += f" BY={rng.choice((600, 7200, 100000))};{rng.choice('RN')}"
    elif message.login and rng.random() < 0.15:
        message.parameters += f" HOLDFOR={rng.choice((60, 5000, 90000))}"
    if rng.random() < 0.05:
        message.parameters += f" MT-PRIORITY={rng.choice((-3, 4))}"
    for recipient in message.recipients:
        if rng.random() < 0.3:
            wish = rng.choice(("NEVER", "FAILURE", "SUCCESS,FAILURE", "SUCCESS,FAILURE,DELAY"))
            message.wishes[recipient] = f" NOTIFY={wish}"


def _accidents(plan: Plan, rng: random.Random) -> None:
    last = max(time for time, _, _ in plan.messages)
    for _ in range(rng.choice((0, 0, 1, 2, 4))):
        how = rng.random()
        time, _, _ = rng.choice(plan.messages)
        plan.deaths.append(
            Death(
                time + rng.uniform(0, rng.choice((10.0, 5 * MINUTE, HOUR))) if how < 0.8 else last,
                rng.randrange(len(plan.nodes)),
                rng.randrange(1, 6) if how < 0.4 else 0,
                rng.randrange(1, 60) if 0.4 <= how < 0.8 else 0,
                rng.random() < 0.5,
                rng.random() < 0.2,
                rng.choice((1.0, MINUTE, HOUR)),
            )
        )
    if rng.random() < 0.1:
        time, node = rng.choice(plan.messages)[0], rng.randrange(len(plan.nodes))
        plan.full.append((time + rng.uniform(-MINUTE, MINUTE), node, rng.choice((MINUTE, HOUR))))
    if rng.random() < 0.25:
        for _ in range(rng.choice((1, 2))):
            time, node = START + rng.uniform(0, DAY), rng.randrange(len(plan.nodes))
            plan.jumps.append((time, node, rng.choice((-1, 1)) * rng.choice((MINUTE, HOUR, 10 * HOUR))))
