"""`mailnode mailbox`: who has mail here."""

import json
import sys
from dataclasses import asdict
from typing import get_args

import click

from mailnode.admin import mailboxes_file
from mailnode.admin.applied import apply_edit
from mailnode.admin.command import JSON, Command, checked
from mailnode.admin.completion import complete_mailboxes
from mailnode.admin.toml_lines import Value
from mailnode.auth.checker import LONGEST_PASSWORD
from mailnode.auth.passwords import Hasher
from mailnode.auth.verifiers import make_verifiers
from mailnode.config_quota import size
from mailnode.config_rules import Language
from mailnode.config_rules import address as check_address


@click.group()
def mailbox() -> None:
    """Add, list and remove mailboxes, and set their passwords.

    \b
    Example:
      mailnode mailbox list
    """


def _password(from_stdin: bool) -> str:
    """The new password, asked for twice, or the first line of standard input."""
    if from_stdin:
        data = sys.stdin.buffer.readline()
        try:
            password = data.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.ClickException("the password is not UTF-8 text") from None
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not password.strip():
        raise click.ClickException("an empty password is no password")
    if len(password.encode()) > LONGEST_PASSWORD:
        raise click.ClickException(f"a password has at most {LONGEST_PASSWORD} octets")
    return password


def _credentials(command: Command, from_stdin: bool, plain_secret: bool) -> dict[str, Value]:
    """What an entry keeps of a new password."""
    password = _password(from_stdin)
    verifiers = make_verifiers(password)
    if not verifiers:
        click.echo("SCRAM does not allow a character of it, so SCRAM will be offered to nobody.", err=True)
    if plain_secret:
        click.echo("The password itself is kept in the file now, for CRAM-MD5 and APOP.", err=True)
    return {
        "password": Hasher(command.configuration().config.auth).hash(password),
        "scram": [str(verifier) for verifier in verifiers],
        "secret": password if plain_secret else "",
    }


_ADDRESS = click.argument("address", callback=checked(check_address), shell_complete=complete_mailboxes)
_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
_SECRET = click.option(
    "--plain-secret",
    is_flag=True,
    help="Keep the password itself too: CRAM-MD5 and APOP need it. Whoever reads the file can log in then.",
)


def _size(text: str) -> str:
    if text:
        size(text)
    return text


@mailbox.command()
@_ADDRESS
@click.option("--name", default="", help="The person's name.")
@click.option("--quota", metavar="SIZE", callback=checked(_size), default="", help='Such as "2 GiB".')
@click.option(
    "--language", type=click.Choice(get_args(Language)), default=None, help="That of reports for the person."
)
@_STDIN
@_SECRET
@click.pass_obj
def add(
    command: Command,
    address: str,
    name: str,
    quota: str,
    *,
    language: str | None,
    password_stdin: bool,
    plain_secret: bool,
) -> None:
    """Add a mailbox.

    \b
    Example:
      mailnode mailbox add anna@example.org --name "Anna Example"
    """
    config = command.configuration().config
    credentials = _credentials(command, password_stdin, plain_secret)
    edit = mailboxes_file.adding(address, credentials, name, quota=quota, language=language or "")
    apply_edit(command, edit, config, f"Added {address}.")


@mailbox.command()
@_ADDRESS
@_STDIN
@_SECRET
@click.pass_obj
def passwd(command: Command, address: str, *, password_stdin: bool, plain_secret: bool) -> None:
    """Set the password of a mailbox.

    \b
    Example:
      mailnode mailbox passwd anna@example.org
    """
    config = command.configuration().config
    credentials = _credentials(command, password_stdin, plain_secret)
    apply_edit(command, mailboxes_file.setting_password(address, credentials), config, f"Changed {address}.")


@mailbox.command()
@_ADDRESS
@click.argument("quota", metavar="SIZE|none", callback=checked(_size))
@click.pass_obj
def quota(command: Command, address: str, quota: str) -> None:
    """Set how much a mailbox may hold, such as "2 GiB"; none is no limit, whatever holds for the others.

    \b
    Example:
      mailnode mailbox quota anna@example.org "2 GiB"
    """
    config = command.configuration().config
    apply_edit(command, mailboxes_file.setting_quota(address, quota), config, f"Changed {address}.")


@mailbox.command()
@_ADDRESS
@click.pass_obj
def remove(command: Command, address: str) -> None:
    """Remove a mailbox; its mail stays on the disk.

    \b
    Example:
      mailnode mailbox remove ben@example.org
    """
    config = command.configuration().config
    if address == config.postmaster:
        raise click.ClickException(f"{address} is postmaster in {command.path}; name another there first")
    done = f"Removed {address}. Its mail stays in {config.mail_directory(address)}"
    apply_edit(command, mailboxes_file.removing(address), config, done)


@mailbox.command("list")
@JSON
@click.pass_obj
def list_mailboxes(command: Command, as_json: bool) -> None:
    """List mailboxes, aliases and lists.

    \b
    Example:
      mailnode mailbox list --json
    """
    loaded = command.configuration()
    config, boxes, aliases = loaded.config, loaded.mailboxes.mailboxes, loaded.mailboxes.aliases
    lists = loaded.mailboxes.lists
    if as_json:
        rows = [
            {"address": address, "name": entry.name, "maildir": config.mail_directory(address)}
            for address, entry in boxes.items()
        ]
        answer = {"mailboxes": rows, "aliases": aliases, "lists": {one: asdict(lists[one]) for one in lists}}
        click.echo(json.dumps(answer, indent=2))
        return
    for address, entry in boxes.items():
        click.echo(f"{address}  {entry.name}".rstrip())
    for name, targets in aliases.items():
        click.echo(f"{name} -> {', '.join(targets)}")
    for name, one in lists.items():
        click.echo(f"{name} => {', '.join(one.members)}  {one.name}".rstrip())
    if not boxes:
        click.echo("No mailbox yet. Make one with: mailnode mailbox add ADDRESS", err=True)
