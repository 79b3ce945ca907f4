"""`mailnode backup` and `mailnode restore`: the mail of everybody on another disk, and back."""

import contextlib
import errno
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mailnode import __version__
from mailnode.admin.command import JSON, held_against
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
from mailnode.admin.queue_restore import restore_queue
from mailnode.config import Config
from mailnode.config_rules import address as check_address
from mailnode.config_sending import FILES
from mailnode.counting import counted
from mailnode.fs import FileSystem
from mailnode.queue.saved import save
from mailnode.queue.spool import Spool
from mailnode.store.backup import SUMMARY, Counts, Directory, Sink, Tar, back_up
from mailnode.store.errors import StoreError
from mailnode.store.incoming_files import Taken
from mailnode.store.names import normal
from mailnode.store.restore import NoBackup, Source, restore
from mailnode.store.trees import remove_tree
from mailnode.store.values import Name
from mailnode.store.verify import read_tree
from mailnode.upkeep.certificate_files import key_of
from mailnode.values import frozen

if TYPE_CHECKING:
    from mailnode.admin.command import Command

CONFIG = "config"

_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")


# backup


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, resolve_path=True), required=False)
@click.argument("addresses", nargs=-1)
@click.option("--tar", type=click.Path(allow_dash=True), help="Write one tar archive instead, - to stdout.")
@click.option("--with-keys", is_flag=True, help="Also the private keys of the server.")
@click.option(
    "--keep", type=click.IntRange(1), help="Remove older backups but so many, when this one is whole."
)
@JSON
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
    what = _What(command, chosen, config, with_keys=with_keys, with_queue=not addresses)
    with _worded():
        if tar is not None:
            copied, where = _to_tar(what, tar), tar
        else:
            assert directory is not None
            where, copied = _to_directory(what, directory)
            if keep is not None:
                _remove_older(command.outside.files, directory, keep)
    _tell(where, copied, len(chosen), as_json=as_json, err=tar == "-")


@frozen
class _What:
    """What is to be copied."""

    command: "Command"
    chosen: list[Tools]
    config: Config
    with_keys: bool
    with_queue: bool

    @property
    def files(self) -> FileSystem:
        return self.command.outside.files


@frozen
class _Copied:
    """How much that was: mail, and messages of the queue."""

    mail: Counts
    queue: int

    def row(self) -> dict[str, object]:
        return {**asdict(self.mail), "queue": self.queue}


def _tell(where: str, copied: _Copied, mailboxes: int, *, as_json: bool, err: bool) -> None:
    counts = copied.mail
    if as_json:
        told = json.dumps({"backup": where, "mailboxes": mailboxes, **copied.row()}, indent=2)
    else:
        size = f"{counts.octets / 1_000_000:.1f} MB"
        told = f"{where}: {counted(mailboxes, 'mailbox', 'mailboxes')}"
        told += f", {counted(counts.messages, 'message')}, {size}"
        told += f", {copied.queue} in the queue" if copied.queue else ""
        told += f"; {counts.linked} of them as in the backup before." if counts.linked else "."
    click.echo(told, err=err)


@contextlib.contextmanager
def _worded() -> Iterator[None]:
    try:
        yield
    except (OSError, StoreError) as error:
        raise click.ClickException(plain(str(error))) from None


def _copy_all(sink: Sink, what: _What) -> _Copied:
    files = what.files
    spool = Spool(files, what.config.queue_directory)
    # First: what is delivered meanwhile is then in the mail too, rather than in neither.
    queued = save(sink, files, spool) if what.with_queue and spool.names() else 0
    _copy_configuration(sink, what)
    counts = Counts()
    for tools in what.chosen:
        count = read_tree(files, tools.root).count(files)
        with progress(tools.address, count) as step:
            lock = partial(locked_as_owner, tools)
            counts += back_up(sink, files, tools.root, tools.address, lock=lock, step=step)
    return _Copied(counts, queued)


def _copy_configuration(sink: Sink, what: _What) -> None:
    """What can be read of it; files of one name have numbers."""
    taken: Counter[str] = Counter()
    state = what.config.state
    sink.begin(CONFIG)
    for path in _configuration(what):
        try:
            # What the administrator names may be a symlink; in the state folder nothing of root's is one.
            data = what.files.read(path if path.startswith(f"{state}/") else os.path.realpath(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            click.echo(f"left out: {path}: {error.strerror}", err=True)
            continue
        name = os.path.basename(path)
        taken[name] += 1
        sink.put(f"{CONFIG}/{name}{'' if taken[name] == 1 else f'.{taken[name]}'}", data)
    sink.end()


def _configuration(what: _What) -> list[str]:
    """The paths of its files, with private keys where that is wanted, each once."""
    config, tls = what.config, what.config.tls
    paths = [what.command.path, config.mailboxes]
    if what.with_keys:
        for one in tls.certificates:
            paths += [one.certificate, one.key, key_of(one, what.files)]
        paths += [tls.client_ca, config.login_key, config.sender_key, config.auth.oauth.keys]
        relays = (*config.routes.values(), *config.sender_routes.values())
        paths += [getattr(relay, key) for relay in relays for key in FILES]
        accounts = config.acme_directory
        if what.files.is_directory(accounts):
            names = sorted(what.files.names(accounts))
            paths += [f"{accounts}/{name}" for name in names if name.endswith((".key", ".pem"))]
    return [path for path in dict.fromkeys(paths) if path]


def _summary(what: _What, copied: _Copied) -> bytes:
    told = {
        "made": what.command.outside.now().isoformat(),
        "version": __version__,
        "mailboxes": [tools.address for tools in what.chosen],
        **copied.row(),
    }
    return json.dumps(told, indent=2).encode() + b"\n"


def _to_directory(what: _What, directory: str) -> tuple[str, _Copied]:
    files = what.files
    root = f"{directory}/{what.command.outside.now():%Y%m%dT%H%M%SZ}"
    if files.stat(root) is not None:
        raise click.ClickException(f"{root} is there already; wait a second")
    whole, cut_off = _backups(files, directory)
    sink = Directory(files, root, [*whole[-1:], *cut_off])
    files.make_directories(root)
    copied = _copy_all(sink, what)
    files.replace(f"{root}/{SUMMARY}", _summary(what, copied))
    for path in cut_off:
        remove_tree(files, path)
    return root, copied


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


def _to_tar(what: _What, path: str) -> _Copied:
    if path == "-":
        return _archived(what, sys.stdout.buffer)
    path = os.path.abspath(path)
    if what.files.stat(path) is not None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    unfinished = f"{path}.partial"  # what is cut off is not taken for an archive
    what.files.unlink(unfinished, missing_ok=True)
    file = what.files.create(unfinished)
    try:
        copied = _archived(what, file)
        file.sync()
        what.files.rename(unfinished, path)
    except BaseException:
        what.files.unlink(unfinished, missing_ok=True)
        raise
    finally:
        file.close()
    what.files.sync_directory(os.path.dirname(path))
    return copied


def _archived(what: _What, stream: Any) -> _Copied:
    sink = Tar(what.files, stream)
    try:
        copied = _copy_all(sink, what)
        sink.put(SUMMARY, _summary(what, copied))
        sink.close()
    except BaseException:
        sink.cut_off()
        raise
    return copied


# restore


@click.command("restore")
@click.argument("path", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@click.argument("address", required=False)
@click.option("--folder", help="Only this folder, such as Work/2026.")
@click.option("--to", metavar="ADDRESS", help="Into another mailbox than the one it was.")
@click.option("--queue", "of_queue", is_flag=True, help="The messages that waited, instead of a mailbox.")
@JSON
@click.pass_obj
def restore_command(
    command: "Command",
    path: str,
    address: str | None,
    *,
    folder: str | None,
    to: str | None,
    of_queue: bool,
    as_json: bool,
) -> None:
    """Put the mail of ADDRESS back from the backup at PATH, or from the last one in the folder PATH.

    What is there stays, and nothing comes twice. A folder that is gone comes back with its UIDs. With --queue
    messages wait again that waited then, but for those that were delivered since. Works while the server
    runs.

    \b
    Example:
      mailnode restore /srv/backup/20261126T020000Z anna@example.org --folder Work
      mailnode restore /srv/backup --queue
    """
    files = command.outside.files
    if (of_queue and (address or folder or to)) or (not of_queue and not address):
        raise click.UsageError("name an ADDRESS, or give --queue and nothing else")
    if not address:
        restore_queue(command, _chosen_backup(files, path), as_json=as_json)
        return
    source = Source(Reading(), _chosen_backup(files, path), held_against(check_address, address))
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
    text = f"  {row['folder']:<30} {row['added']:>8} put back {row['known']:>8} there already"
    return text + (f" {row['damaged']:>8} damaged" if row["damaged"] else "")
