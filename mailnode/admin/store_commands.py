"""`mailnode store`: looking at the mail on the disk, mending it, and taking over a tree that Dovecot made.

All but reindex work beside a running server, under the store's locks. Root works as the owner of the mail, so
that nothing is written which the server cannot read.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.adoption import survey
from mailnode.admin.command import JSON
from mailnode.admin.control import ControlError, NotRunning, ask
from mailnode.admin.on_disk import Tools, as_owner, chosen_mail, plain, progress, shown
from mailnode.config import Config
from mailnode.config_rules import split_address
from mailnode.counting import counted, plural
from mailnode.store.index import FILE_NAME as INDEX
from mailnode.store.text_index import FILE_NAME as TEXT_INDEX
from mailnode.store.verify import Finding, Folder, Tree, read_tree, verify

if TYPE_CHECKING:
    from mailnode.admin.command import Command

_ADDRESS = click.argument("address", required=False)
_PIECE = 1.0  # seconds of reading between two writes to the caches


@click.group()
def store() -> None:
    """Verify, mend and measure the mail on the disk, and look at a tree from Dovecot.

    \b
    Example:
      mailnode store verify
    """


# verify


@store.command("verify")
@_ADDRESS
@click.option("--repair", is_flag=True, help="Mend what can be mended; no message is removed.")
@JSON
@click.pass_obj
def verify_command(command: "Command", address: str | None, repair: bool, as_json: bool) -> None:
    """Read all mail of ADDRESS, or of everybody, and say what is wrong with it.

    Exit code 1 when something was found, also when it was mended.

    \b
    Example:
      mailnode store verify anna@example.org --repair
    """
    rows: list[dict[str, Any]] = []
    messages = 0
    for tools in chosen_mail(command, address):
        with as_owner(tools):
            tree = read_tree(tools.files, tools.root, lock=tools.lock)
            count = tree.count(tools.files)
            with progress(tools.address, count) as step:
                found = list(verify(tree, tools.files, tools.now(), step=lambda: step(1)))
            mended = _mended(tools, tree, found) if repair else []
        messages += count
        rows += [_row(tools, finding, finding in mended) for finding in found]
    if as_json:
        click.echo(json.dumps({"messages": messages, "findings": rows}, indent=2))
    else:
        for row in rows:
            click.echo(_told(row))
        click.echo(_summary(messages, rows, repair))
    if not all(row["harmless"] for row in rows):
        raise click.exceptions.Exit(1)


def _mended(tools: Tools, tree: Tree, found: list[Finding]) -> list[Finding]:
    account = tools.account()
    try:
        return tools.mender(account).mend(tree, found)
    finally:
        account.close()


def _row(tools: Tools, finding: Finding, mended: bool) -> dict[str, Any]:
    return {
        "address": tools.address,
        "folder": shown(finding.folder),
        "kind": finding.kind,
        "path": plain(finding.path),
        "text": plain(finding.text),
        "remedy": finding.remedy,
        "harmless": finding.harmless,
        "mended": mended,
    }


def _told(row: dict[str, Any]) -> str:
    word = "mended" if row["mended"] else "note" if row["harmless"] else "found"
    text = f"{word}: {row['kind']}: {row['path']}\n    {row['text']}"
    return text if row["mended"] else f"{text}\n    {row['remedy']}"


def _summary(messages: int, rows: list[dict[str, Any]], repair: bool) -> str:
    wrong = [row for row in rows if not row["harmless"]]
    if not wrong:
        return f"{counted(messages, 'message')}, nothing is wrong."
    mended = sum(row["mended"] for row in wrong)
    return f"{counted(messages, 'message')}, {len(wrong)} found" + (f", {mended} mended." if repair else ".")


# reindex


@store.command()
@_ADDRESS
@click.pass_obj
def reindex(command: "Command", address: str | None) -> None:
    """Throw the caches of ADDRESS, or of everybody, away and make them again. The server must be stopped.

    Nothing is lost with them; afterwards no client waits until its messages have been read.

    \b
    Example:
      mailnode store reindex anna@example.org
    """
    chosen = chosen_mail(command, address)
    if chosen and _runs(chosen[0].config):
        raise click.ClickException("the server is running, and has the caches open. Stop it first.")
    for tools in chosen:
        with as_owner(tools):
            for suffix in ("", "-wal", "-shm"):
                for name in (INDEX, TEXT_INDEX):
                    tools.files.unlink(f"{tools.root}/{name}{suffix}", missing_ok=True)
            length = read_tree(tools.files, tools.root, lock=tools.lock).count(tools.files)
            with progress(tools.address, length) as step:
                messages, unread = _prepare_all(tools, step)
        told = f"{tools.address}  {counted(messages, 'message')}"
        click.echo(told + (f", {unread} unreadable" if unread else ""))


def _runs(config: Config) -> bool:
    try:
        ask(config.control_socket, {"command": "status"}, timeout=5.0)
    except NotRunning:
        return False
    except ControlError:
        return True
    return True


def _prepare_all(tools: Tools, step: Callable[[int], None]) -> tuple[int, int]:
    """How many messages were read, and how many could not be."""
    read = unread = 0
    account = tools.account()
    try:
        for name in account.names():
            mailbox = account.mailbox(name)
            more = True
            while more:
                piece = mailbox.prepare_some(_PIECE)
                more = piece.more
                read += piece.read
                unread += piece.unread
                step(piece.read + piece.unread)
    finally:
        account.close()
    return read, unread


# stats


@store.command()
@_ADDRESS
@JSON
@click.pass_obj
def stats(command: "Command", address: str | None, as_json: bool) -> None:
    """Count the folders, messages and octets of ADDRESS, or of everybody, beside the limits.

    \b
    Example:
      mailnode store stats --json
    """
    rows: list[dict[str, Any]] = []
    for tools in chosen_mail(command, address):
        with as_owner(tools):
            folders = [_folder_row(folder) for folder in read_tree(tools.files, tools.root).folders()]
            cache = tools.files.stat(f"{tools.root}/{INDEX}")
            text = tools.files.stat(f"{tools.root}/{TEXT_INDEX}")
            usage = tools.account().usage()
        rows.append(
            {
                "address": tools.address,
                "folders": folders,
                "cache": cache.st_size if cache else 0,
                "text_index": text.st_size if text else 0,
                "usage": {"octets": usage.octets, "messages": usage.messages},
                "limit": {"octets": tools.room.storage, "messages": tools.room.messages},
            }
        )
    domains = _domain_rows(command, rows) if address is None else []
    if as_json:
        click.echo(json.dumps({"mailboxes": rows, "domains": domains}, indent=2))
        return
    for row in rows:
        click.echo(row["address"])
        total: Counter[str] = Counter()
        for one in row["folders"]:
            click.echo(_columns(one["folder"], one))
            total.update({key: one[key] for key in ("messages", "unseen", "octets")})
        click.echo(_columns("all", total))
        for word in _beside(row["usage"], row["limit"]):
            click.echo(f"  {word}")
    if not rows:
        click.echo("There is no mail.")
    for row in domains:
        click.echo(row["domain"])
        for word in _beside(row["usage"], row["limit"]):
            click.echo(f"  {word}")


def _domain_rows(command: "Command", mailboxes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The domains that have a limit, with what their mailboxes hold together."""
    rows = []
    for domain, room in command.configuration().config.quota.domains.items():
        held = [row["usage"] for row in mailboxes if split_address(row["address"])[1] == domain]
        rows.append(
            {
                "domain": domain,
                "usage": {key: sum(one[key] for one in held) for key in ("octets", "messages")},
                "limit": {"octets": room.storage, "messages": room.messages},
            }
        )
    return rows


def _folder_row(folder: Folder) -> dict[str, Any]:
    header = folder.listing.header
    return {
        "folder": shown(folder.name),
        "messages": len(folder.messages),
        "unseen": sum("S" not in file.info for file in folder.messages),
        "octets": sum(file.octets for file in folder.messages),
        "uidvalidity": header.validity if header else None,
    }


def _beside(usage: dict[str, int], limit: dict[str, int | None]) -> Iterator[str]:
    """Of each limit how much is used."""
    octets, messages = limit["octets"], limit["messages"]
    if octets is not None:
        used = f"{usage['octets'] / 1_000_000:.1f} of {octets / 1_000_000:.1f} MB"
        yield f"quota: {used} ({100 * usage['octets'] // octets} %)"
    if messages is not None:
        percent = 100 * usage["messages"] // messages
        yield f"quota: {usage['messages']} of {counted(messages, 'message')} ({percent} %)"


def _columns(name: str, counts: "dict[str, Any] | Counter[str]") -> str:
    messages = plural(counts["messages"], "message")
    numbers = f"{counts['messages']:>8} {messages:<8} {counts['unseen']:>8} unseen"
    return f"  {name:<30} {numbers} {counts['octets'] / 1_000_000:>10.1f} MB"


# adopt


@store.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@click.option("--dry-run", is_flag=True, help="Say what would change, and touch nothing.")
@JSON
@click.pass_obj
def adopt(command: "Command", path: str, dry_run: bool, as_json: bool) -> None:
    """Say what would change if mailnode served the Maildir at PATH, such as one that Dovecot made.

    Nothing has to be imported: store.mail in the configuration names the tree, and that is all.

    \b
    Example:
      mailnode store adopt --dry-run /srv/mail/anna
    """
    if not dry_run:
        raise click.UsageError(
            "nothing is to be done but to name the tree in store.mail; look with --dry-run"
        )
    files = command.outside.files
    if files.stat(f"{path}/cur") is None:
        raise click.ClickException(f"{path} is no Maildir: there is no cur/ in it")
    try:
        lines = list(survey(read_tree(files, path), files, command.outside.now().timestamp()))
    except OSError as error:
        raise click.ClickException(plain(str(error))) from None
    if as_json:
        topics: dict[str, list[str]] = {}
        for topic, text in lines:
            topics.setdefault(topic or list(topics)[-1], []).append(text)
        click.echo(json.dumps(topics, indent=2))
        return
    for topic, text in lines:
        click.echo(f"{topic:<15} {plain(text)}")
