"""`mailnode list`: mailing lists, their members and who may send to them."""

import json
from dataclasses import asdict
from typing import Any

import click

from mailnode.admin.applied import apply_edit
from mailnode.admin.command import JSON, Command, checked
from mailnode.admin.completion import complete_lists
from mailnode.admin.names_edits import adding_list, changing_list, joining, leaving, removing_list
from mailnode.admin.toml_lines import Value
from mailnode.config_lists import MailingList, https_url
from mailnode.config_rules import address, address_or_nothing, one_line
from mailnode.counting import counted

_NAME = click.argument("list_name", metavar="LIST", callback=checked(address), shell_complete=complete_lists)
_MEMBERS = click.argument("members", metavar="MEMBER...", nargs=-1, required=True, callback=checked(address))


def _facts(function: Any) -> Any:
    """The options that say what a list is; one that is not given changes nothing."""
    options = (
        click.option("--name", callback=checked(one_line), help="Its full name."),
        click.option("--owner", callback=checked(address_or_nothing), help="Who hears of errors."),
        click.option("--posting", type=click.Choice(["open", "members", "moderated"]), help="Who may send."),
        click.option(
            "--moderator",
            "moderators",
            multiple=True,
            callback=checked(address_or_nothing),
            help='Who approves; may be repeated. "" for the owner alone.',
        ),
        click.option("--unsubscribe", callback=checked(https_url), help="A page for one-click requests."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _given(facts: dict[str, Any]) -> dict[str, Value]:
    """What was said on the command line; an empty text among several is none of them."""
    said = {key: value for key, value in facts.items() if value is not None and value != ()}
    return {key: [*filter(None, one)] if isinstance(one, tuple) else one for key, one in said.items()}


@click.group("list")
def lists() -> None:
    """Make mailing lists, change and show them, and say who is a member.

    \b
    Example:
      mailnode list show team@example.org
    """


@lists.command()
@_NAME
@_MEMBERS
@_facts
@click.pass_obj
def add(command: Command, /, list_name: str, members: tuple[str, ...], **facts: Any) -> None:
    """Make a list with these members.

    \b
    Example:
      mailnode list add team@example.org anna@example.org ben@example.org --posting members
    """
    config = command.configuration().config
    edit = adding_list(list_name, {"members": list(dict.fromkeys(members)), **_given(facts)})
    apply_edit(command, edit, config, f"Added {list_name}.")


@lists.command()
@_NAME
@_facts
@click.pass_obj
def change(command: Command, /, list_name: str, **facts: Any) -> None:
    """Change what a list is; "" takes a text or the moderators out, and what is not given stays.

    \b
    Example:
      mailnode list change team@example.org --posting moderated --moderator anna@example.org
      mailnode list change team@example.org --moderator ""
    """
    given = _given(facts)
    if not given:
        raise click.UsageError("nothing to change was given")
    config = command.configuration().config
    apply_edit(command, changing_list(list_name, given), config, f"Changed {list_name}.")


@lists.command()
@_NAME
@_MEMBERS
@click.pass_obj
def join(command: Command, list_name: str, members: tuple[str, ...]) -> None:
    """Add members to a list.

    \b
    Example:
      mailnode list join team@example.org carl@partner.example
    """
    config = command.configuration().config
    done = f"{', '.join(members)} {'is' if len(members) == 1 else 'are'} in {list_name}."
    apply_edit(command, joining(list_name, members), config, done)


@lists.command()
@_NAME
@_MEMBERS
@click.pass_obj
def leave(command: Command, list_name: str, members: tuple[str, ...]) -> None:
    """Take members out of a list.

    \b
    Example:
      mailnode list leave team@example.org carl@partner.example
    """
    config = command.configuration().config
    done = f"{', '.join(members)} {'is' if len(members) == 1 else 'are'} in {list_name} no more."
    apply_edit(command, leaving(list_name, members), config, done)


@lists.command()
@_NAME
@click.pass_obj
def remove(command: Command, list_name: str) -> None:
    """Remove a list; its members keep what they have.

    \b
    Example:
      mailnode list remove team@example.org
    """
    config = command.configuration().config
    apply_edit(command, removing_list(list_name), config, f"Removed {list_name}.")


@lists.command("list")
@JSON
@click.pass_obj
def list_lists(command: Command, *, as_json: bool) -> None:
    """List the lists, with how many members each has.

    \b
    Example:
      mailnode list list --json
    """
    found = command.configuration().mailboxes.lists
    if as_json:
        click.echo(json.dumps({name: asdict(entry) for name, entry in found.items()}, indent=2))
        return
    for name, entry in found.items():
        click.echo(f"{name}  {counted(len(entry.members), 'member')}, {entry.posting}  {entry.name}".rstrip())
    if not found:
        click.echo("No list yet. Make one with: mailnode list add LIST MEMBER...", err=True)


@lists.command()
@_NAME
@JSON
@click.pass_obj
def show(command: Command, list_name: str, *, as_json: bool) -> None:
    """Show a list and its members.

    \b
    Example:
      mailnode list show team@example.org
    """
    entry = command.configuration().mailboxes.lists.get(list_name)
    if entry is None:
        raise click.ClickException(f"there is no list {list_name}; see: mailnode list list")
    if as_json:
        click.echo(json.dumps({"address": list_name, **asdict(entry)}, indent=2))
        return
    for line in _told(entry):
        click.echo(line)


def _told(entry: MailingList) -> list[str]:
    facts = {
        "name": entry.name,
        "owner": entry.owner,
        "posting": entry.posting,
        "moderators": ", ".join(entry.moderators),
        "unsubscribe": entry.unsubscribe,
    }
    return [*(f"{key}: {value}" for key, value in facts.items() if value), "members:"] + [
        f"  {member}" for member in entry.members
    ]
