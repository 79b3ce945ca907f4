"""`mailnode alias`: other names for mailboxes, for lists, and for people elsewhere."""

import json

import click

from mailnode.admin.applied import apply_edit
from mailnode.admin.command import JSON, Command, checked
from mailnode.admin.completion import complete_aliases
from mailnode.admin.names_edits import adding_alias, removing_alias
from mailnode.config_rules import address, alias_name

_NAME = click.argument("name", callback=checked(alias_name), shell_complete=complete_aliases)


@click.group()
def alias() -> None:
    """Add, list and remove aliases.

    \b
    Example:
      mailnode alias list
    """


@alias.command()
@_NAME
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True, callback=checked(address))
@click.pass_obj
def add(command: Command, name: str, targets: tuple[str, ...]) -> None:
    """Have mail for NAME go to each TARGET; to these too, where the alias is there already.

    NAME may be "@example.org", for all in a domain who have no name of their own.

    \b
    Example:
      mailnode alias add info@example.org anna@example.org ben@example.org
    """
    config = command.configuration().config
    apply_edit(command, adding_alias(name, targets), config, f"{name} goes to {', '.join(targets)}.")


@alias.command()
@_NAME
@click.argument("targets", metavar="[TARGET]...", nargs=-1, callback=checked(address))
@click.pass_obj
def remove(command: Command, name: str, targets: tuple[str, ...]) -> None:
    """Remove an alias, or only these of those to whom it leads.

    \b
    Example:
      mailnode alias remove info@example.org
      mailnode alias remove info@example.org ben@example.org
    """
    config = command.configuration().config
    done = f"{name} goes to {', '.join(targets)} no more." if targets else f"Removed {name}."
    apply_edit(command, removing_alias(name, targets), config, done)


@alias.command("list")
@JSON
@click.pass_obj
def list_aliases(command: Command, *, as_json: bool) -> None:
    """List the aliases and to whom they lead.

    \b
    Example:
      mailnode alias list --json
    """
    aliases = command.configuration().mailboxes.aliases
    if as_json:
        click.echo(json.dumps({name: list(targets) for name, targets in aliases.items()}, indent=2))
        return
    for name, targets in aliases.items():
        click.echo(f"{name} -> {', '.join(targets)}")
    if not aliases:
        click.echo("No alias yet. Make one with: mailnode alias add NAME TARGET...", err=True)
