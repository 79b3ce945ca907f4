"""`mailnode route`: where a message to an address would go, step by step, and why."""

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.command import JSON
from mailnode.admin.completion import complete_addresses
from mailnode.auth.keys import kept_key
from mailnode.auth.live import Live
from mailnode.config import Loaded
from mailnode.config_lists import list_moderators, list_owner
from mailnode.delivery.destination import NoDestination
from mailnode.delivery.route import Router
from mailnode.values import frozen
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.srs import Srs

if TYPE_CHECKING:
    from mailnode.admin.command import Command
    from mailnode.admin.destinations import Found


_POSTING = {
    "open": "a list to which everybody may send",
    "members": "a list to which its members may send",
    "moderated": "a list to which goes what is approved by ",
}


@frozen
class Step:
    """What becomes of one address: its kind, and to whom or where it leads."""

    address: Address
    kind: str  # "alias", "list", "rewritten", "mailbox", "elsewhere" or "nobody"
    targets: tuple[str, ...] = ()


def steps(live: Live, address: Address) -> Iterator[Step]:
    """From an address through aliases and lists to all mailboxes and hosts, each address once."""
    router = Router(live)
    seen: set[str] = set()
    waiting = [address]
    while waiting:
        one = waiting.pop(0)
        if one.key in seen:
            continue
        seen.add(one.key)
        step = _step(live, router, one)
        yield step
        if step.kind in ("alias", "list", "rewritten"):
            waiting += [parse_address(target, utf8=True) for target in step.targets]


def _step(live: Live, router: Router, address: Address) -> Step:
    route = router.resolve(address)
    if (sender := router.sender(address)) is not address:
        return Step(address, "rewritten", (str(sender),))
    if targets := tuple(target for _, target in router.expand(address)):
        is_list = len(route.lists) == 1 and targets == live.mailboxes.targets(route.lists[0])
        return Step(address, "list" if is_list else "alias", targets)
    if route.accounts:
        return Step(address, "mailbox", route.accounts)
    return Step(address, "elsewhere" if route.elsewhere else "nobody")


@click.command("route")
@click.argument("text", metavar="ADDRESS", shell_complete=complete_addresses)
@click.option("--from", "sender", metavar="ADDRESS", default="", help="Of that sender ([sender_routes]).")
@JSON
@click.pass_obj
def route(command: "Command", text: str, sender: str, as_json: bool) -> None:
    """Say where a message to ADDRESS would go, and why; nothing is sent.

    The DNS is asked, the running server is not.

    \b
    Example:
      mailnode route anna@example.org
      mailnode route ben@partner.example --from sales@example.org
    """
    address, from_whom = _address(text), _address(sender) if sender else None
    loaded = command.configuration()
    found = list(steps(_live(command, loaded), address))
    elsewhere = {step.address.domain_key: None for step in found if step.kind == "elsewhere"}
    outside = command.outside
    destinations = outside.find(loaded, outside.files, tuple(elsewhere), from_whom) if elsewhere else {}
    told = [_told(step, loaded, destinations) for step in found]
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for one in told:
            click.echo("\n".join(_lines(one)))
    if any(one["kind"] == "nobody" or "status" in one for one in told):
        raise click.exceptions.Exit(1)


def _live(command: "Command", loaded: Loaded) -> Live:
    """As the server has it; without its key, rewritten reverse-paths are names like others."""
    live = Live(loaded.config, loaded.mailboxes)
    with contextlib.suppress(OSError, ValueError):
        if key := kept_key(loaded.config.sender_key, command.outside.files):
            live.srs = Srs(key, lambda: command.outside.now().timestamp())
    return live


def _address(text: str) -> Address:
    try:
        address = parse_address(text, utf8=True)
        address.domain_key  # noqa: B018  # a domain that has no A-labels is none
    except BadSyntax as error:
        raise click.BadParameter(f"{text}: {error}") from None
    return address


def _told(step: Step, loaded: Loaded, destinations: "Found") -> dict[str, Any]:
    """A step as JSON has it; "status" is there only where a message cannot go on."""
    told: dict[str, Any] = {"address": str(step.address), "kind": step.kind}
    if step.kind in ("alias", "list", "rewritten"):
        told["targets"] = list(step.targets)
    if step.kind == "list":
        (name,) = Router(Live(loaded.config, loaded.mailboxes)).resolve(step.address).lists
        entry = loaded.mailboxes.lists[name]
        told |= {"posting": entry.posting, "owner": list_owner(name, entry)}
        told["moderators"] = list(list_moderators(name, entry)) if entry.posting == "moderated" else []
    elif step.kind == "mailbox":
        told["mailboxes"] = {one: loaded.config.mail_directory(one) for one in step.targets}
    elif step.kind == "elsewhere":
        destination = destinations[step.address.domain_key]
        told["notes"] = list(destination.notes)
        if isinstance(destination, NoDestination):
            return {**told, "status": destination.status, "reason": str(destination)}
        told["login"] = destination.login.username if destination.login else ""
        told["hosts"] = [
            {
                "name": host.name,
                "port": host.port,
                "preference": host.preference,
                "addresses": list(host.addresses),
                "tls": str(host.tls),
            }
            for host in destination.hosts
        ]
    return told


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """The same for a person."""
    yield told["address"]
    if told["kind"] == "nobody":
        yield "  nobody here has that name: 550 5.1.1"
    if told["kind"] == "rewritten":
        yield "  stands for the sender of a message that was sent on; reports only go there"
    if told["kind"] == "list":
        yield f"  {_POSTING[told['posting']]}{', '.join(told['moderators'])}; errors go to {told['owner']}"
    for target in told.get("targets", ()):
        yield f"  goes on to {target}"
    for mailbox, directory in told.get("mailboxes", {}).items():
        yield f"  mailbox {mailbox}: {directory}"
    for note in told.get("notes", ()):
        yield f"  {note}"
    if "status" in told:
        again = "comes back" if told["status"].startswith("5") else "waits"
        yield f"  {told['reason']}: the message {again} ({told['status']})"
    if told.get("login"):
        yield f"  logs in as {told['login']}"
    for number, host in enumerate(told.get("hosts", ()), 1):
        where = f"{host['name']} ({', '.join(host['addresses'])}), port {host['port']}"
        yield f"  {number}. {where}: {host['tls']}"
