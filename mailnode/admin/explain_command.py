"""`mailnode explain`: the story of one message, from the connection it came on to whoever deleted it."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.command import JSON
from mailnode.admin.completion import complete_addresses
from mailnode.admin.explain_search import Found, Search
from mailnode.admin.explain_words import told, when
from mailnode.admin.findings import plain
from mailnode.config import Config
from mailnode.config_rules import address as check_address
from mailnode.events.journal import Journal, Row
from mailnode.fs import FileSystem
from mailnode.queue.spool import ENVELOPE
from mailnode.store import identity
from mailnode.store.verify import Folder, read_tree
from mailnode.tomlfile import Fault

if TYPE_CHECKING:
    from mailnode.admin.command import Command

SHOWN = 20  # messages of an address that are listed


@click.command("explain")
@click.argument("text", metavar="ID|ADDRESS|MESSAGE-ID", shell_complete=complete_addresses)
@JSON
@click.pass_obj
def explain(command: "Command", text: str, *, as_json: bool) -> None:
    """Tell what happened to a message, in the order of time.

    That is who brought it, what became of it here and at other hosts, in which mailboxes it came, and who
    read, moved or deleted it there. ID is that of the queue, of "250 Ok: ID", and of the log; with the id of
    a session all of that session is told. Of an ADDRESS with several messages the latest are listed.

    It reads the event log ([log] in the configuration), which reaches back as far as that is large, and the
    mailboxes; the server need not run.

    \b
    Example:
      mailnode explain 7K2M9QXW4T
      mailnode explain "<20260102.1@client.example>"
      mailnode explain anna@example.org
    """
    config, files = command.configuration().config, command.outside.files
    search = Search(Journal(files, config.log_directory))
    try:
        ids = _ids(search, text)
        if len(ids) > 1 and "@" in text and not text.startswith("<"):
            _list(search, text, ids, as_json=as_json)
            return
        found = search.story(ids) if ids else search.session(text)
        refusals = search.refusals(text) if not found.rows and "@" in text else []
        oldest = None if found.rows or refusals else search.oldest()
    except OSError as error:
        remedy = "run this as root or as the server's user"
        raise click.ClickException(
            f"{error.filename or config.log_directory}: {error.strerror}; {remedy}"
        ) from None
    rows = found.rows or refusals[-SHOWN:]
    if not rows:
        raise click.ClickException(_nothing(text, oldest, config))
    places = [*_waiting(found, config, files), *_places(found, config, files)]
    _print(rows, found, places, as_json=as_json)


def _ids(search: Search, text: str) -> list[str]:
    """The messages that are meant; a Message-ID may be written without its brackets."""
    ids = search.messages(text)
    return ids or (search.messages(f"<{text}>") if "@" in text and not text.startswith("<") else [])


def _nothing(text: str, oldest: float | None, config: Config) -> str:
    if oldest is None:
        return f"no event is in {config.log_directory}; the server writes them unless events_size is 0"
    return f"no event tells of {text}; the log reaches back to {when(oldest)}"


def _list(search: Search, address: str, ids: Sequence[str], *, as_json: bool) -> None:
    """The latest messages from or to an address, one line each."""
    if as_json:
        click.echo(json.dumps({"messages": list(ids)}, indent=2))
        return
    shown = ids[-SHOWN:]
    for one, rows in search.outlines(shown).items():
        begin = next((row for row in rows if row["event"] == "Accepted"), rows[0])
        sender = f"<{begin.get('reverse_path', '')}>"
        recipients = ", ".join(map(str, begin.get("recipients") or [address]))
        click.echo(plain(f"{when(begin['time'])}  {one}  {sender} to {recipients}: {rows[-1]['event']}"))
    if refused := len(search.refusals(address)):
        click.echo(f"{refused} refused: mailnode log --event Refused --about {address}", err=True)
    left = len(ids) - len(shown)
    more = f"{left} earlier ones are left out. " if left else ""
    click.echo(f"{more}For one of them: mailnode explain ID", err=True)


def _print(rows: Sequence[Row], found: Found, places: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sessions = {name: list(known) for name, known in found.sessions.items()}
        click.echo(json.dumps({"events": rows, "sessions": sessions, "places": places}, indent=2))
        return
    for line in told(rows, found.sessions):
        click.echo(plain(line))
    for place in places:
        if "queue" in place:
            click.echo(f"It waits in the queue: mailnode queue show {place['queue']}")
        elif not place["mailbox"]:
            click.echo(plain(f"It is not in the mailbox of {place['address']} any more."))
        else:
            flags = " ".join(place["flags"]) or "no flags"
            click.echo(
                plain(f"It is in {place['mailbox']} of {place['address']}: UID {place['uid']}, {flags}.")
            )


def _waiting(found: Found, config: Config, files: FileSystem) -> Iterator[dict[str, Any]]:
    """The queue, where the message is still in it."""
    for name in found.messages:
        if files.stat(f"{config.queue_directory}/{name}{ENVELOPE}") is not None:
            yield {"queue": name}


def _places(found: Found, config: Config, files: FileSystem) -> Iterator[dict[str, Any]]:
    """Where the message is at this moment: of each recipient here its folders, or an empty one."""
    for address, name in found.files:
        here = []
        try:
            root = config.mail_directory(check_address(address))
            folders = read_tree(files, root).folders() if files.is_directory(root) else ()
            for folder in folders:
                here += [{"address": address, "file": name, **one} for one in _within(folder, name)]
        except (OSError, Fault):
            continue  # somebody else's, or no address; what the events tell is told all the same
        yield from here or [{"address": address, "file": name, "mailbox": "", "uid": None, "flags": []}]


def _within(folder: Folder, name: str) -> Iterator[dict[str, Any]]:
    records = folder.listing.records
    for file in folder.messages:
        record = records.get(file.base)
        if name == (identity.guid_of(record) if record else file.base):
            flags = sorted(folder.keywords.flags(file.info))
            uid = record.uid if record else None
            yield {"mailbox": "/".join(folder.name), "uid": uid, "flags": flags}
