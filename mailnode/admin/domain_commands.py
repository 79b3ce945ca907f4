"""`mailnode domain`: the domains whose mail is kept here.

They stand in mailnode.toml, which is edited as mailboxes.toml is: comments stay, and what the server would
refuse is never written.
"""

import json
import os
from collections.abc import Callable

import click
import tomlkit
from tomlkit.exceptions import TOMLKitError

from mailnode.admin.applied import tell_server
from mailnode.admin.command import JSON, Command, checked
from mailnode.admin.completion import complete_domains
from mailnode.admin.toml_lines import with_items
from mailnode.config import Loaded
from mailnode.config_reading import examine
from mailnode.config_rules import domain_name, looked_up, split_address
from mailnode.counting import counted
from mailnode.fs import FileSystem

_NAME = click.argument(
    "name", metavar="DOMAIN", callback=checked(domain_name), shell_complete=complete_domains
)


class _Edited(FileSystem):
    """The files as they will be: one of them has another content."""

    def __init__(self, path: str, data: bytes) -> None:
        super().__init__()
        self._edited = path
        self._data = data

    def read(self, path: str, *, limit: int | None = None) -> bytes:
        """The whole file, or its first `limit` octets."""
        return self._data[:limit] if path == self._edited else super().read(path, limit=limit)


@click.group()
def domain() -> None:
    """Add, list and remove the domains whose mail is kept here.

    \b
    Example:
      mailnode domain list
    """


@domain.command()
@_NAME
@click.pass_obj
def add(command: Command, name: str) -> None:
    """Take mail for a domain; `mailnode dns DOMAIN` says what to publish in the DNS for it.

    \b
    Example:
      mailnode domain add example.net
    """

    def edit(text: str, domains: list[str]) -> str:
        if name in {looked_up(domain_name, one) for one in domains}:
            raise click.ClickException(f"{name} is there already")
        return with_items(text, ("domains",), more=[name], fewer=[])

    _apply(command, edit, f"Added {name}. Next: mailnode dns {name}")


@domain.command()
@_NAME
@click.pass_obj
def remove(command: Command, name: str) -> None:
    """Take no more mail for a domain. Nobody may have a mailbox, an alias or a list in it any more.

    \b
    Example:
      mailnode domain remove example.net
    """

    def edit(text: str, domains: list[str]) -> str:
        written = [one for one in domains if looked_up(domain_name, one) == name]
        if not written:
            raise click.ClickException(f"there is no domain {name}; there are: {', '.join(domains)}")
        if len(domains) == 1:
            raise click.ClickException(f"{name} is the only domain; add another one first")
        return with_items(text, ("domains",), more=[], fewer=written)

    _apply(command, edit, f"Removed {name}. What mail there is stays where it lies.")


@domain.command("list")
@JSON
@click.pass_obj
def list_domains(command: Command, *, as_json: bool) -> None:
    """List the domains, with how many names each has; the first completes login names.

    \b
    Example:
      mailnode domain list --json
    """
    loaded = command.configuration()
    counts = {one: _counted(loaded, one) for one in loaded.config.domains}
    if as_json:
        click.echo(json.dumps(counts, indent=2))
        return
    for name, count in counts.items():
        told = (counted(number, _ONE[kind], kind) for kind, number in count.items())
        click.echo(f"{name}  {', '.join(told)}")


_ONE = {"mailboxes": "mailbox", "aliases": "alias", "lists": "list"}


def _counted(loaded: Loaded, name: str) -> dict[str, int]:
    boxes = loaded.mailboxes
    kinds = {"mailboxes": boxes.mailboxes, "aliases": boxes.aliases, "lists": boxes.lists}
    return {kind: sum(split_address(one)[1] == name for one in names) for kind, names in kinds.items()}


def _apply(command: Command, edit: Callable[[str, list[str]], str], done: str) -> None:
    """Edit mailnode.toml under a lock, if no mistake comes of it, and tell the server."""
    files, path = command.outside.files, os.path.realpath(command.path)
    config = command.configuration().config
    with files.locked(os.path.dirname(path)):
        before, facts = files.read(path), files.stat(path)
        try:
            text = before.decode()
            domains = tomlkit.parse(text).unwrap().get("domains", [])
            data = edit(text, [str(one) for one in domains]).encode()
        except (TOMLKitError, UnicodeError) as error:
            raise click.ClickException(f"{path} cannot be edited: {error}") from None
        known = {(one.key, one.text) for one in examine(command.path, files).mistakes}
        found = examine(command.path, _Edited(path, data)).mistakes
        if new := [one for one in found if (one.key, one.text) not in known]:
            raise click.ClickException("\n".join(["nothing was changed", *map(str, new)]))
        owner = (facts.st_uid, facts.st_gid) if facts and facts.st_uid != os.geteuid() else None
        files.replace(path, data, mode=facts.st_mode & 0o777 if facts else 0o600, owner=owner)
    click.echo(done)
    tell_server(config)
