"""`mailnode import` and `mailnode export`: mail from and for other servers and programs."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.command import JSON
from mailnode.admin.imap_source import Account as ImapAccount
from mailnode.admin.imap_source import ImapSource, SourceFailed, There
from mailnode.admin.on_disk import Reading, Tools, as_owner, chosen_mail, plain, progress, shown
from mailnode.counting import plural
from mailnode.store.account import Account
from mailnode.store.export import Exported, export_maildir, export_mbox
from mailnode.store.importing import (
    TOGETHER,
    Target,
    batched,
    import_maildir,
    import_mbox,
    is_mbox,
    mbox_files,
    renamed,
)
from mailnode.store.incoming_files import Taken
from mailnode.store.names import normal
from mailnode.store.values import Name
from mailnode.store.verify import read_tree

if TYPE_CHECKING:
    from mailnode.admin.command import Command

_INTO = click.option("--into", metavar="FOLDER", default="", help="Put all folders below this one.")
_MAP = click.option(
    "--map", "mapped", metavar="OLD=NEW", multiple=True, help="Another name for a folder and those below it."
)
_ADDRESS = click.argument("address")


def _name(text: str) -> Name:
    return normal(tuple(level for level in text.split("/") if level))


def _naming(into: str, mapped: tuple[str, ...]) -> Callable[[Name], Name]:
    pairs = []
    for one in mapped:
        old, equals, new = one.partition("=")
        if not equals or not old:
            raise click.BadParameter(f"{one} is not OLD=NEW, such as Sent=Old/Sent", param_hint="--map")
        pairs.append((_name(old), _name(new)))
    below = _name(into)

    def name(found: Name) -> Name:
        return renamed(normal(found), pairs, below) or ("INBOX",)

    return name


@contextlib.contextmanager
def _opened(command: "Command", address: str) -> Iterator[tuple[Tools, Account]]:
    [tools] = chosen_mail(command, address, make=True)
    with as_owner(tools):
        account = tools.account()
        try:
            yield tools, account
        finally:
            account.close()


def _tell(rows: list[tuple[Name, Taken]], *, as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps({"folders": [{"folder": shown(n), **asdict(taken)} for n, taken in rows]}, indent=2)
        )
        return
    for name, taken in rows:
        click.echo(f"  {shown(name):<30} {taken.added:>8} came {taken.known:>8} there already")
    if not rows:
        click.echo("There is no mail.")


@click.group("import")
def import_group() -> None:
    """Bring mail of another server or program into a mailbox. Nothing comes twice.

    What was cut off is gone on with by the same command. Works while the server runs.

    \b
    Example:
      mailnode import maildir anna@example.org /home/anna/Maildir
    """


@import_group.command("mbox")
@_ADDRESS
@click.argument("source", type=click.Path(exists=True, resolve_path=True))
@_INTO
@_MAP
@JSON
@click.pass_obj
def mbox_command(
    command: "Command", address: str, source: str, *, into: str, mapped: tuple[str, ...], as_json: bool
) -> None:
    """Bring an mbox file, or all of a directory as Thunderbird has it, into the mailbox ADDRESS.

    A file comes into the folder of its name: Inbox, Work.mbox, Work.sbd/2026.

    \b
    Example:
      mailnode import mbox anna@example.org ~/.thunderbird/x.default/Mail/Local\\ Folders --into Old
    """
    naming = _naming(into, mapped)
    files = command.outside.files
    if files.is_directory(source):
        found = list(mbox_files(files, source))
    elif is_mbox(files, source):
        found = [((os.path.basename(source).removesuffix(".mbox"),), source)]
    else:
        raise click.ClickException(f'{source} is no mbox file: it does not begin with "From "')
    rows = []
    with _opened(command, address) as (_, account):
        for name, path in found:
            facts = files.stat(path)
            with progress(shown(name), facts.st_size if facts else 0) as step:
                rows.append((naming(name), import_mbox(account, Reading(), path, naming(name), step=step)))
    _tell(rows, as_json=as_json)


@import_group.command("maildir")
@_ADDRESS
@click.argument("source", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@_INTO
@_MAP
@JSON
@click.pass_obj
def maildir_command(
    command: "Command", address: str, source: str, *, into: str, mapped: tuple[str, ...], as_json: bool
) -> None:
    """Bring a Maildir with its folders (Maildir++) into the mailbox ADDRESS; SOURCE stays as it is.

    To go on with a whole tree, UIDs and all, name it in store.mail instead: see mailnode store adopt.

    \b
    Example:
      mailnode import maildir anna@example.org /home/anna/Maildir --map Sent=Old/Sent
    """
    naming = _naming(into, mapped)
    files = command.outside.files
    if files.stat(f"{source}/cur") is None:
        raise click.ClickException(f"{source} is no Maildir: there is no cur/ in it")
    rows = []
    with _opened(command, address) as (tools, account):
        reading = Reading()
        tree = read_tree(reading, source)
        with progress(tools.address, tree.count(reading)) as step:
            for folder in tree.folders():
                name = naming(folder.name)
                rows.append((name, import_maildir(account, reading, folder, name, step=step)))
    _tell(rows, as_json=as_json)


@import_group.command("imap")
@_ADDRESS
@click.argument("host")
@click.option("--user", help="The login name there; ADDRESS if it is not named.")
@click.option("--port", type=click.IntRange(1, 65535), help="993, or 143 with --starttls.")
@click.option("--starttls", is_flag=True, help="Begin in clear and start TLS.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Its authority, a PEM file.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--folder", "only", multiple=True, help="Only this folder; may be said more than once.")
@_INTO
@_MAP
@JSON
@click.pass_obj
def imap_command(
    command: "Command",
    address: str,
    host: str,
    *,
    user: str | None,
    port: int | None,
    starttls: bool,
    ca: str | None,
    password_stdin: bool,
    only: tuple[str, ...],
    into: str,
    mapped: tuple[str, ...],
    as_json: bool,
) -> None:
    """Bring all mail from another IMAP server, HOST, into the mailbox ADDRESS. Nothing is changed there.

    TLS is needed, with a certificate that holds for HOST.

    \b
    Example:
      mailnode import imap anna@example.org imap.old.example --user anna
    """
    naming = _naming(into, mapped)
    password = (
        sys.stdin.readline().rstrip("\r\n") if password_stdin else click.prompt("Password", hide_input=True)
    )
    account = ImapAccount(host, port or (143 if starttls else 993), user or address, starttls, ca)
    rows: list[tuple[Name, Taken]] = []
    try:
        source = ImapSource(account, password)
        try:
            with _opened(command, address) as (_, store):
                for there in _wanted(source.folders(), only):
                    rows.append((naming(there.name), _fetched(source, there, store, naming(there.name))))
        finally:
            source.close()
    except SourceFailed as failed:
        _tell(rows, as_json=as_json)
        remedy = "The same command goes on where this one has ended."
        raise click.ClickException(f"{plain(str(failed))}. {remedy}") from None
    _tell(rows, as_json=as_json)


def _wanted(found: list[There], only: tuple[str, ...]) -> list[There]:
    names = {_name(text) for text in only}
    missing = names.difference(one.name for one in found)
    if missing:
        raise click.ClickException(f"there is no folder {shown(min(missing))} there")
    return [one for one in found if not names or one.name in names]


def _fetched(source: ImapSource, there: There, store: Account, name: Name) -> Taken:
    seen = source.look(there)
    target, taken = Target.of(store, name), Taken()
    missing = [one for one in seen if not target.has(one.guid)]
    taken.known = len(seen) - len(missing)
    with progress(shown(name), len(missing)) as step:
        for letters in batched(source.fetch(missing), TOGETHER):
            taken.count(target.take(letters))
            step(len(letters))
    return taken


# export


@click.group("export")
def export_group() -> None:
    """Write all mail of a mailbox out, for any other program. Works while the server runs.

    \b
    Example:
      mailnode export mbox anna@example.org /srv/export/anna
    """


def _export(command: "Command", address: str, target: str, write: Any, *, as_json: bool) -> None:
    rows: list[Exported] = []
    files = command.outside.files
    for tools in chosen_mail(command, address):
        try:
            tree = read_tree(files, tools.root)
            with progress(tools.address, tree.count(files)) as step:
                rows += write(files, tree, target, step=step)
        except OSError as error:
            raise click.ClickException(plain(str(error))) from None
    if as_json:
        told = [{"folder": shown(one.folder), "path": one.path, "messages": one.messages} for one in rows]
        click.echo(json.dumps({"folders": told}, indent=2))
        return
    for one in rows:
        word = plural(one.messages, "message")
        click.echo(f"  {shown(one.folder):<30} {one.messages:>8} {word:<8}  {plain(one.path)}")
    if not rows:
        click.echo("There is no mail.")


@export_group.command("mbox")
@_ADDRESS
@click.argument("target", type=click.Path(file_okay=False, resolve_path=True))
@JSON
@click.pass_obj
def export_mbox_command(command: "Command", address: str, target: str, *, as_json: bool) -> None:
    """Write a file for each folder of ADDRESS below TARGET: INBOX.mbox, Work/2026.mbox.

    Flags and keywords stand in Status, X-Status and X-Keywords. Files of an earlier export are replaced.

    \b
    Example:
      mailnode export mbox anna@example.org /srv/export/anna
    """
    _export(command, address, target, export_mbox, as_json=as_json)


@export_group.command("maildir")
@_ADDRESS
@click.argument("target", type=click.Path(file_okay=False, resolve_path=True))
@JSON
@click.pass_obj
def export_maildir_command(command: "Command", address: str, target: str, *, as_json: bool) -> None:
    """Write a Maildir with folders (Maildir++) at TARGET, as Dovecot, Courier and others read it.

    \b
    Example:
      mailnode export maildir anna@example.org /srv/export/anna
    """
    _export(command, address, target, export_maildir, as_json=as_json)
