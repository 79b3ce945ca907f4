"""`mailnode store undelete`: bringing back mail that was deleted for good, within its days."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.command import JSON
from mailnode.admin.on_disk import Tools, as_owner, chosen_mail, plain, progress, shown
from mailnode.counting import counted
from mailnode.message.collation import fold
from mailnode.store.names import normal
from mailnode.store.undelete import Removed, bring_back, removed
from mailnode.store.values import Name

if TYPE_CHECKING:
    from mailnode.admin.command import Command

_AGO = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SUBJECT = 60  # characters that are shown


def moment(text: str, now: datetime) -> float:
    """Seconds since the epoch, from "2026-11-20", "2026-11-20T15:00", or how long ago: "3d".

    Without a zone it is this machine's local time. Raises ValueError.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).timestamp()
    return datetime.fromisoformat(text).timestamp()


@click.command()
@click.argument("address")
@click.option("--folder", help="Only what was deleted from this folder, such as Work/2026.")
@click.option("--since", metavar="WHEN", help='Only what was deleted since then: "3d", "12h", "2026-11-20".')
@click.option("--subject", metavar="TEXT", help="Only messages with this text in their subject.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is, and bring nothing back.")
@JSON
@click.pass_obj
def undelete(
    command: "Command",
    address: str,
    *,
    folder: str | None,
    since: str | None,
    subject: str | None,
    only_list: bool,
    as_json: bool,
) -> None:
    """Bring back mail of ADDRESS that was deleted for good, into the folders it was in.

    A folder that is gone is made again. Works with and without a running server, for store.recover_days.

    \b
    Example:
      mailnode store undelete anna@example.org --folder Work --since 3d --list
    """
    try:
        start = moment(since, command.outside.now()) if since else 0.0
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{since} is no time. Write it like 3d, 12h or 2026-11-20.") from None
    name = normal(tuple(folder.split("/"))) if folder else None
    for tools in chosen_mail(command, address):
        with as_owner(tools):
            found = _found(tools, name, start, fold(subject or ""))
            if not only_list:
                _bring_back(tools, found)
        _tell(found, done=not only_list, as_json=as_json)
        return
    _tell([], done=not only_list, as_json=as_json)


def _found(tools: Tools, folder: Name | None, since: float, needle: str) -> list[Removed]:
    account = tools.account()
    try:
        return [one for one in removed(account, folder, since) if needle in fold(one.subject)]
    finally:
        account.close()


def _bring_back(tools: Tools, found: list[Removed]) -> None:
    account = tools.account()
    try:
        with progress(tools.address, len(found)) as step:
            for name, some in groupby(found, key=lambda one: one.folder):
                bring_back(account, name, [one.uid for one in some], step=step)
    finally:
        account.close()


def _tell(found: list[Removed], *, done: bool, as_json: bool) -> None:
    if as_json:
        rows = [_row(one) for one in found]
        click.echo(json.dumps({"messages": rows, "brought_back": done}, indent=2))
        return
    for one in found:
        click.echo(_line(one))
    word = "brought back" if done else "can be brought back"
    click.echo(
        f"{counted(len(found), 'message')} {word}." if found else "There is nothing to be brought back."
    )


def _row(one: Removed) -> dict[str, Any]:
    return {**asdict(one), "folder": shown(one.folder), "removed": _when(one).isoformat()}


def _when(one: Removed) -> datetime:
    return datetime.fromtimestamp(one.removed, UTC)


def _line(one: Removed) -> str:
    when = _when(one).astimezone().strftime("%Y-%m-%d %H:%M")
    sender, subject = plain(one.sender)[:30], plain(one.subject)[:_SUBJECT]
    return f"{when}  {shown(one.folder):<16} {sender:<30} {subject}".rstrip()
