"""`mailnode backup` and `mailnode restore`: the mail of everybody on another disk, and back."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mailnode import __version__
from mailnode.admin.on_disk import (
    Reading,
    Tools,
    as_owner,
    chosen_mail,
    locked_as_owner,
    plain,
    progress,
    shown,
)
from mailnode.config import Config
from mailnode.config_rules import address as check_address
from mailnode.fs import FileSystem
from mailnode.store.backup import SUMMARY, Counts, Directory, Sink, Tar, back_up
from mailnode.store.errors import StoreError
from mailnode.store.incoming_files import Taken
from mailnode.store.names import normal
from mailnode.store.restore import NoBackup, Source, restore
from mailnode.store.trees import remove_tree
from mailnode.store.values import Name
from mailnode.store.verify import read_tree
from mailnode.tomlfile import Fault

if TYPE_CHECKING:
    from mailnode.admin.command import Command

CONFIG = "config"

_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


# backup


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, resolve_path=True), required=False)
@click.argument("addresses", nargs=-1)
@click.option("--tar", type=click.Path(allow_dash=True), help="Write one tar archive instead, - to stdout.")
@click.option("--with-keys", is_flag=True, help="Also the private keys of the server.")
@click.option(
    "--keep", type=click.IntRange(1), help="Remove older backups but so many, when this one is whole."
)
@_JSON
@click.pass_obj
def backup(
    command: "Command",
    directory: str | None,
    addresses: tuple[str, ...],
    *,
    tar: str | None,
    with_keys: bool,
    keep: int | None,
    as_json: bool,
) -> None:
    """Copy the mail of everybody, or of some ADDRESSES, and the configuration, into a folder of DIRECTORY.

    Works while the server runs. Messages that an earlier backup in DIRECTORY has are linked to it and take no
    room. A backup that was cut off is gone on with by the next one.

    \b
    Example:
      mailnode backup /srv/backup --keep 30
    """
    if (directory is None) == (tar is None):
        raise click.UsageError("name a DIRECTORY, or an archive with --tar; addresses come after DIRECTORY")
    named: list[str | None] = [*dict.fromkeys(addresses)] or [None]
    chosen = [one for address in named for one in chosen_mail(command, address)]
    config = command.configuration().config
    with _worded():
        if tar is not None:
            counts = _to_tar(command, chosen, config, tar, with_keys=with_keys)
            where = tar
        else:
            assert directory is not None
            where, counts = _to_directory(command, chosen, config, directory, with_keys=with_keys)
            if keep is not None:
                _remove_older(command.outside.files, directory, keep)
    _tell(where, counts, len(chosen), as_json=as_json, err=tar == "-")


def _tell(where: str, counts: Counts, mailboxes: int, *, as_json: bool, err: bool) -> None:
    if as_json:
        told = json.dumps({"backup": where, "mailboxes": mailboxes, **asdict(counts)}, indent=2)
    else:
        size = f"{counts.octets / 1_000_000:.1f} MB"
        told = f"{where}: {mailboxes} mailboxes, {counts.messages} messages, {size}"
        told += f"; {counts.linked} of them as in the backup before." if counts.linked else "."
    click.echo(told, err=err)


@contextlib.contextmanager
def _worded() -> Iterator[None]:
    try:
        yield
    except (OSError, StoreError) as error:
        raise click.ClickException(plain(str(error))) from None


def _copy_all(
    sink: Sink, files: FileSystem, command: "Command", chosen: list[Tools], config: Config, *, with_keys: bool
) -> Counts:
    sink.begin(CONFIG)
    for path in _configuration(command.path, config, with_keys=with_keys):
        with contextlib.suppress(FileNotFoundError):
            sink.put(f"{CONFIG}/{os.path.basename(path)}", files.read(path))
    sink.end()
    counts = Counts()
    for tools in chosen:
        count = read_tree(files, tools.root).count(files)
        with progress(tools.address, count) as step:
            lock = partial(locked_as_owner, tools)
            counts += back_up(sink, files, tools.root, tools.address, lock=lock, step=step)
    return counts


def _configuration(path: str, config: Config, *, with_keys: bool) -> list[str]:
    keys = [config.tls.certificate, config.tls.key, config.tls.client_ca, config.login_key, config.sender_key]
    return [path, config.mailboxes, *(key for key in keys if key and with_keys)]


def _summary(command: "Command", chosen: list[Tools], counts: Counts) -> bytes:
    told = {
        "made": command.outside.now().isoformat(),
        "version": __version__,
        "mailboxes": [tools.address for tools in chosen],
        **asdict(counts),
    }
    return json.dumps(told, indent=2).encode() + b"\n"


def _to_directory(
    command: "Command", chosen: list[Tools], config: Config, directory: str, *, with_keys: bool
) -> tuple[str, Counts]:
    files = command.outside.files
    root = f"{directory}/{command.outside.now():%Y%m%dT%H%M%SZ}"
    if files.stat(root) is not None:
        raise click.ClickException(f"{root} is there already; wait a second")
    whole, cut_off = _backups(files, directory)
    sink = Directory(files, root, [*whole[-1:], *cut_off])
    files.make_directories(root)
    counts = _copy_all(sink, files, command, chosen, config, with_keys=with_keys)
    files.replace(f"{root}/{SUMMARY}", _summary(command, chosen, counts))
    for path in cut_off:
        remove_tree(files, path)
    return root, counts


def _backups(files: FileSystem, directory: str) -> tuple[list[str], list[str]]:
    """The paths of backups, the oldest first: those that are whole, and those that were cut off."""
    if not files.is_directory(directory):
        return [], []
    paths = [f"{directory}/{name}" for name in sorted(files.names(directory)) if _STAMP.fullmatch(name)]
    whole = [path for path in paths if files.stat(f"{path}/{SUMMARY}") is not None]
    return whole, [path for path in paths if path not in whole]


def _remove_older(files: FileSystem, directory: str, keep: int) -> None:
    for path in _backups(files, directory)[0][:-keep]:
        files.unlink(f"{path}/{SUMMARY}")  # what is half removed is no backup any more
        remove_tree(files, path)


def _to_tar(command: "Command", chosen: list[Tools], config: Config, path: str, *, with_keys: bool) -> Counts:
    with contextlib.ExitStack() as stack:
        if path == "-":
            stream: Any = sys.stdout.buffer
        else:
            stream = command.outside.files.create(os.path.abspath(path))
            stack.callback(stream.close)
        sink = Tar(command.outside.files, stream)
        counts = _copy_all(sink, command.outside.files, command, chosen, config, with_keys=with_keys)
        sink.put(SUMMARY, _summary(command, chosen, counts))
        sink.close()
        if path != "-":
            stream.sync()
    return counts


# restore


@click.command("restore")
@click.argument("path", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@click.argument("address")
@click.option("--folder", help="Only this folder, such as Work/2026.")
@click.option("--to", metavar="ADDRESS", help="Into another mailbox than the one it was.")
@_JSON
@click.pass_obj
def restore_command(
    command: "Command", path: str, address: str, *, folder: str | None, to: str | None, as_json: bool
) -> None:
    """Put the mail of ADDRESS back from the backup at PATH, or from the last one in the folder PATH.

    What is there stays, and nothing comes twice. A folder that is gone comes back with its UIDs. Works while
    the server runs.

    \b
    Example:
      mailnode restore /srv/backup/20261126T020000Z anna@example.org --folder Work
    """
    files = command.outside.files
    source = Source(Reading(), _chosen_backup(files, path), _checked(address))
    only = normal(tuple(folder.split("/"))) if folder else None
    rows: list[dict[str, Any]] = []
    for tools in chosen_mail(command, to or address, make=True):
        with as_owner(tools):
            rows = _restored(tools, source, only)
    if as_json:
        click.echo(json.dumps({"folders": rows}, indent=2))
    else:
        for row in rows:
            click.echo(_row(row))
    if any(row["damaged"] for row in rows):
        raise click.ClickException("some messages in the backup are not what was written; they were left out")


def _checked(address: str) -> str:
    try:
        return check_address(address)
    except Fault as fault:
        raise click.BadParameter(f"{address} {fault.text}. {fault.remedy}") from None


def _chosen_backup(files: FileSystem, path: str) -> str:
    if files.stat(f"{path}/{SUMMARY}") is not None:
        return path
    whole = _backups(files, path)[0]
    if not whole:
        raise click.ClickException(f"{path} is no backup that is whole, and has none in it")
    return whole[-1]


def _restored(tools: Tools, source: Source, only: Name | None) -> list[dict[str, Any]]:
    account = tools.account()
    rows = []
    try:
        count = sum(len(folder.messages) for folder in source.folders(only))
        with progress(tools.address, count) as step:
            for name, taken in restore(account, source, only, step=step):
                rows.append(_row_of(name, taken))
    except NoBackup:
        what = f"the folder {shown(only)} of {source.address}" if only else source.address
        raise click.ClickException(f"{source.root} has nothing of {what}") from None
    finally:
        account.close()
    # Who may see what is read anew.
    tools.files.unlink(f"{tools.config.state}/shares", missing_ok=True)
    return rows


def _row_of(name: Name, taken: Taken) -> dict[str, Any]:
    return {"folder": shown(name), **asdict(taken)}


def _row(row: dict[str, Any]) -> str:
    text = f"  {row['folder']:<30} {row['added']:>8} put back {row['known']:>8} were there"
    return text + (f" {row['damaged']:>8} damaged" if row["damaged"] else "")
