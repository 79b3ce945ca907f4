"""`mailnode log`: what happened lately, from the event log, and what happens."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from typing import TYPE_CHECKING

import click

from mailnode.admin.command import JSON
from mailnode.admin.explain_search import as_written
from mailnode.admin.explain_words import told
from mailnode.admin.findings import plain
from mailnode.events.following import Follower
from mailnode.events.journal import Journal, Row, understood

if TYPE_CHECKING:
    from mailnode.admin.command import Command

EVERY = 0.5  # seconds between two looks


@click.command("log")
@click.option("--lines", type=click.IntRange(0), default=50, show_default=True, help="How many events.")
@click.option(
    "--event", "kinds", multiple=True, metavar="KIND", help="Only such as Refused; may be repeated."
)
@click.option("--about", default="", metavar="TEXT", help="Only those in which it stands: an address, an id.")
@click.option("--follow", is_flag=True, help="Go on with those that come, till Ctrl-C.")
@JSON
@click.pass_obj
def log(
    command: "Command", *, lines: int, kinds: tuple[str, ...], about: str, follow: bool, as_json: bool
) -> None:
    """Show the latest events of mail and logins, the newest last, each with the id of its message or session.

    With --json one event stands on each line, as in the log. What the server says beside that goes where
    twistd's options lead it, such as systemd's journal.

    \b
    Example:
      mailnode log --event Refused --event LoginRefused
      mailnode log --about anna@example.org --lines 10
      mailnode log --follow --event Accepted
    """
    files = command.outside.files
    journal = Journal(files, command.configuration().config.log_directory)
    wanted = {kind.casefold() for kind in kinds}
    word = as_written(about.lower())

    def chosen(some: Iterable[bytes]) -> Iterator[Row]:
        return (row for row in understood(some) if not wanted or row["event"].casefold() in wanted)

    try:
        mark = journal.mark() if follow else None
        rows = list(islice(chosen(journal.lines([word], fold=True, until=mark)), lines))[::-1]
        _show(rows, as_json=as_json)
        if mark is not None:
            with suppress(KeyboardInterrupt), closing(Follower(files, journal, mark)) as follower:
                for some in _coming(follower, command.outside.sleep):
                    _show(list(chosen(line for line in some if word in line.lower())), as_json=as_json)
    except OSError as error:
        remedy = "run this as root or as the server's user"
        raise click.ClickException(f"{error.filename or journal.path}: {error.strerror}; {remedy}") from None
    if lines and not rows and not as_json and not follow:
        click.echo(f"No such event in {journal.path}", err=True)


def _coming(follower: Follower, sleep: Callable[[float], None]) -> Iterator[list[bytes]]:
    """The lines that come, for ever."""
    while True:
        yield follower.more()
        sleep(EVERY)


def _show(rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    for row, line in zip(rows, told(rows, {}), strict=True):
        when, _, text = line.partition("  ")
        id = row.get("message") or row.get("connection") or "-"
        click.echo(plain(f"{when}  {id!s:<10}  {text}"))
