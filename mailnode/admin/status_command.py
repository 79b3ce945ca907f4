"""`mailnode status`: how the running server is."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.command import unanswered
from mailnode.admin.control import ControlError, ask
from mailnode.admin.status_screen import screen
from mailnode.config_reading import Examination, examine

if TYPE_CHECKING:
    from mailnode.admin.command import Command

EVERY = 2.0  # seconds between two looks


@click.command()
@click.option("--watch", is_flag=True, help="Look again every two seconds, till Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch an object a line.")
@click.pass_obj
def status(command: "Command", watch: bool, as_json: bool) -> None:
    """Show sessions, queue, rates, store and certificates of the running server, and what to look after.

    \b
    Example:
      mailnode status --watch
    """
    known = examine(command.path, command.outside.files)
    before: Mapping[str, Any] | None = None
    try:
        while True:
            found = _asked(command.path, known)
            if as_json:
                click.echo(json.dumps(found, indent=None if watch else 2))
            else:
                if watch:
                    click.clear()
                click.echo("\n".join(screen(found, before)))
            if not watch:
                return
            before = found
            command.outside.sleep(EVERY)
    except KeyboardInterrupt:
        return


def _asked(path: str, known: Examination) -> Mapping[str, Any]:
    try:
        answer = ask(known.loaded.config.control_socket, {"command": "status"})
    except ControlError as error:
        raise unanswered(known, path, error) from None
    found = answer.get("status")
    if not isinstance(found, dict):
        raise click.ClickException("the running server does not tell; is it of an older version?")
    return found
