"""`mailnode queue`: the messages that wait for their time.

Listing reads the files. What changes something is done by the running server, which may be working at that
very message; where none runs, the files are changed here.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.control import ControlError, NotRunning, ask
from mailnode.admin.queue_control import no_such
from mailnode.events.log import escape
from mailnode.message.trace import date_time
from mailnode.queue.entry import Entry
from mailnode.queue.spool import Spool, Unreadable

if TYPE_CHECKING:
    from mailnode.admin.command import Command


@click.group()
def queue() -> None:
    """Look at the messages that wait for their time, and release or drop them.

    \b
    Example:
      mailnode queue list
    """


def _spool(command: "Command") -> Spool:
    return Spool(command.outside.files, command.configuration().config.queue_directory)


def _entries(spool: Spool) -> Iterator[Entry | str]:
    """All messages, and a line for each that cannot be read."""
    for name in sorted(spool.names()):
        try:
            yield spool.read(name)
        except FileNotFoundError:
            continue  # gone meanwhile
        except (Unreadable, OSError) as why:
            yield f"{name}  cannot be read: {why}"


@queue.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_messages(command: "Command", as_json: bool) -> None:
    """List what waits: id, when it is due, from whom, and to whom it is still to go.

    \b
    Example:
      mailnode queue list --json
    """
    entries = list(_entries(_spool(command)))
    for one in entries:
        if isinstance(one, str):
            click.echo(one, err=True)
    found = sorted((one for one in entries if isinstance(one, Entry)), key=lambda entry: entry.due)
    if as_json:
        click.echo(json.dumps([_row(entry) for entry in found], indent=2))
        return
    for entry in found:
        row = _row(entry)
        to = ", ".join(escape(one["address"]) for one in row["recipients"] if one["state"] == "delayed")
        tried = f", tried {entry.tries} times" if entry.tries else ""
        click.echo(
            f"{entry.id}  due {row['due']}{tried}  <{escape(row['sender']) if row['sender'] else ''}> to {to}"
        )
    if not entries:
        click.echo("Nothing waits.")


def _row(entry: Entry) -> dict[str, Any]:
    envelope = entry.envelope
    return {
        "id": entry.id,
        "sender": str(envelope.reverse_path or ""),
        "came": date_time(entry.came),
        "due": date_time(entry.due),
        "tries": entry.tries,
        "recipients": [
            {"address": str(recipient.address), "state": one.fate.value, "reason": one.reason}
            for recipient, one in zip(envelope.recipients, entry.progress, strict=True)
        ],
    }


@queue.command()
@click.argument("id")
@click.pass_obj
def release(command: "Command", id: str) -> None:
    """Deliver a message now, whatever it waits for.

    \b
    Example:
      mailnode queue release 7K2M9QXW4T
    """

    def by_hand(spool: Spool) -> None:
        now = command.outside.now().timestamp()
        spool.save(replace(spool.read(id), due=now))

    _change(command, "queue release", id, by_hand, f"{id} is due now.")


@queue.command()
@click.argument("id")
@click.pass_obj
def drop(command: "Command", id: str) -> None:
    """Remove a message from the queue. Nobody gets it, and nobody is told.

    \b
    Example:
      mailnode queue drop 7K2M9QXW4T
    """

    def by_hand(spool: Spool) -> None:
        spool.read(id)
        spool.remove(id)

    _change(command, "queue drop", id, by_hand, f"{id} is gone.")


def _change(command: "Command", what: str, id: str, by_hand: Callable[[Spool], None], done: str) -> None:
    """Have the server do it, or do it here where none runs."""
    config = command.configuration().config
    try:
        answer = ask(config.control_socket, {"command": what, "id": id})
        mistakes = answer.get("mistakes")
        if answer.get("ok") is not True:
            raise click.ClickException(" ".join(map(str, mistakes if isinstance(mistakes, list) else [])))
    except NotRunning:
        try:
            by_hand(_spool(command))
        except FileNotFoundError:
            raise click.ClickException(no_such(id)) from None
        except (Unreadable, OSError) as why:
            raise click.ClickException(f"{id}: {why}") from None
        done += " mailnode is not running here; it will see this when it starts."
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    click.echo(done)
