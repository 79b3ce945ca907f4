"""`mailnode restore --queue`: messages that waited when a backup was made wait again."""

import json
from typing import TYPE_CHECKING

import click

from mailnode.admin.control import ControlError, NotRunning, ask
from mailnode.admin.on_disk import Reading, lent_to_owner_of, plain
from mailnode.admin.queue_control import IDS
from mailnode.config import Config
from mailnode.counting import plural
from mailnode.events.journal import Journal, understood
from mailnode.queue.saved import NoQueue, PutBack, put_back
from mailnode.queue.spool import Spool

if TYPE_CHECKING:
    from mailnode.admin.command import Command

_LEFT = ("Ended", "Dropped")  # the events of messages that have left the queue
GATHERED = 1.0  # seconds after which the server has written of what it has done


def restore_queue(command: "Command", root: str, *, as_json: bool) -> None:
    """Put them back from the backup at `root`, have the running server know of them, and say so."""
    config = command.configuration().config
    try:
        with lent_to_owner_of(config.queue_directory, command.outside.files):
            spool = Spool(command.outside.files, config.queue_directory)
            found = put_back(spool, Reading(), root, lambda: _done(command, config))
    except NoQueue:
        raise click.ClickException(f"{root} has no queue: nothing waited, or not all was backed up") from None
    except OSError as error:
        raise click.ClickException(plain(str(error))) from None
    if as_json:
        row = {"messages": found.ids, "known": found.known, "done": found.done, "damaged": found.damaged}
        click.echo(json.dumps(row, indent=2))
    else:
        click.echo(_told(found))
    _tell_server(config, found.ids)
    if found.damaged:
        raise click.ClickException("some messages in the backup are not what was written; they were left out")


def _done(command: "Command", config: Config) -> set[str]:
    """The ids of messages of which the event log knows that they have left the queue."""
    command.outside.sleep(GATHERED)
    journal = Journal(Reading(), config.log_directory)
    rows = understood(journal.lines([f'"event":"{one}"'.encode() for one in _LEFT]))
    return {str(row.get("message")) for row in rows if row["event"] in _LEFT}


def _told(found: PutBack) -> str:
    text = f"queue: {len(found.ids)} put back, {found.known} {plural(found.known, 'was', 'were')} there"
    text += f", {found.done} {plural(found.done, 'has', 'have')} left it since"
    return text + (f", {found.damaged} damaged" if found.damaged else "")


def _tell_server(config: Config, ids: list[str]) -> None:
    """A server that runs looks into its queue at its start only."""
    try:
        for start in range(0, len(ids), IDS):
            answer = ask(config.control_socket, {"command": "queue take", "ids": ids[start : start + IDS]})
            if answer.get("ok") is not True or answer.get("left"):
                raise ControlError("it did not take all of them")
    except NotRunning:
        return
    except ControlError as error:
        text = f"the running server was not told ({error}); it will find them when it starts again"
        raise click.ClickException(text) from None
