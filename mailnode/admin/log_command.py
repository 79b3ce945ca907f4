"""`mailnode log`: what happened lately, from the event log."""

import json
from itertools import islice
from typing import TYPE_CHECKING

import click

from mailnode.admin.command import JSON
from mailnode.admin.explain_search import as_written
from mailnode.admin.explain_words import told
from mailnode.admin.findings import plain
from mailnode.events.journal import Journal, understood

if TYPE_CHECKING:
    from mailnode.admin.command import Command


@click.command("log")
@click.option("--lines", type=click.IntRange(1), default=50, show_default=True, help="How many events.")
@click.option(
    "--event", "kinds", multiple=True, metavar="KIND", help="Only such as Refused; may be repeated."
)
@click.option("--about", default="", metavar="TEXT", help="Only those in which it stands: an address, an id.")
@JSON
@click.pass_obj
def log(command: "Command", *, lines: int, kinds: tuple[str, ...], about: str, as_json: bool) -> None:
    """Show the latest events of mail and logins, the newest last, each with the id of its message or session.

    With --json one event stands on each line, as in the log. What the server says beside that goes where
    twistd's options lead it, such as systemd's journal.

    \b
    Example:
      mailnode log --event Refused --event LoginRefused
      mailnode log --about anna@example.org --lines 10
    """
    journal = Journal(command.outside.files, command.configuration().config.log_directory)
    wanted = {kind.casefold() for kind in kinds}
    try:
        found = understood(journal.lines([as_written(about.lower())], fold=True))
        chosen = (row for row in found if not wanted or row["event"].casefold() in wanted)
        rows = list(islice(chosen, lines))[::-1]
    except OSError as error:
        remedy = "run this as root or as the server's user"
        raise click.ClickException(f"{error.filename or journal.path}: {error.strerror}; {remedy}") from None
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    for row, line in zip(rows, told(rows, {}), strict=True):
        when, _, text = line.partition("  ")
        id = row.get("message") or row.get("connection") or "-"
        click.echo(plain(f"{when}  {id!s:<10}  {text}"))
    if not rows:
        click.echo(f"No such event in {journal.path}", err=True)
