"""What the commands share that edit mailboxes.toml: the edit itself, and the word to the running server."""

import click

from mailnode.admin import mailboxes_file
from mailnode.admin.command import Command
from mailnode.admin.control import ControlError, NotRunning, ask
from mailnode.config import Config
from mailnode.tomlfile import ConfigurationError


def apply_edit(command: Command, edit: mailboxes_file.Edit, config: Config, done: str) -> None:
    """Make the edit, and let the running server know if there is one."""
    try:
        mailboxes_file.apply(edit, config, command.outside.files)
    except mailboxes_file.EditRefused as refusal:
        raise click.ClickException(str(refusal)) from None
    except ConfigurationError as error:
        raise click.ClickException("\n".join(["nothing was changed", *map(str, error.mistakes)])) from None
    click.echo(done)
    tell_server(config)


def tell_server(config: Config) -> None:
    """Have the running server take what was written, if there is one, and say what it did."""
    try:
        answer = ask(config.control_socket, {"command": "reload"})
    except NotRunning:
        click.echo("mailnode is not running here; it will read this when it starts.")
    except ControlError as error:
        click.echo(f"The server was not told ({error}). Run: mailnode reload")
    else:
        taken = answer.get("ok") is True
        click.echo(
            "The running server has taken it." if taken else "The server refused it. Run: mailnode reload"
        )
