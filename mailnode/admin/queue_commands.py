"""`mailnode queue`: the messages that wait for their time.

Listing reads the files. What changes something is done by the running server, which may be working at that
very message; where none runs, the files are changed here.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mailnode.admin.command import JSON
from mailnode.admin.control import ControlError, NotRunning, ask
from mailnode.admin.on_disk import lent_to_owner_of
from mailnode.admin.queue_control import IDS, no_such
from mailnode.config import Config
from mailnode.counting import counted
from mailnode.events.journal import Journal, line_of
from mailnode.events.life import Dropped, Event
from mailnode.events.log import escape
from mailnode.fs import FileSystem
from mailnode.message.trace import date_time
from mailnode.queue.changes import CHANGES, HELD, Change
from mailnode.queue.entry import Approval, Entry, Fate, Proof
from mailnode.queue.spool import Spool, Unreadable
from mailnode.values import frozen
from mailnode.wire.address import parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import a_labels

HEADER = 65_536  # octets of a header that are shown

if TYPE_CHECKING:
    from mailnode.admin.command import Command


@frozen
class Filter:
    """Which messages are meant: all that each of these fits, None for whatever it is."""

    sender: str | None
    to: str | None
    domain: str | None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self != Filter(None, None, None)

    def fits(self, entry: Entry) -> bool:
        """Whether the message is one of them; recipients count that are still to get it."""
        waiting = [
            recipient.address
            for recipient, one in zip(entry.envelope.recipients, entry.progress, strict=True)
            if one.fate is Fate.WAITING
        ]
        sender = entry.envelope.reverse_path
        return (
            self.sender in (None, sender.key if sender else "")
            and (self.to is None or self.to in [one.key for one in waiting])
            and (self.domain is None or self.domain in [one.domain_key for one in waiting])
        )


def _address_key(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """An address as typed, as it is looked up; "" and "<>" for no address."""
    if text is None or text.strip("<>") == "":
        return text and ""
    try:
        return parse_address(text.strip("<>"), utf8=True).key
    except BadSyntax as wrong:
        raise click.BadParameter(f"{text}: {wrong}") from None


def _domain_key(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """A domain as typed, as it is looked up."""
    return text and (text.lower() if text.startswith("[") else a_labels(text))


_FILTERS = (
    click.option("--from", "sender", callback=_address_key, help='From that address only; "" for reports.'),
    click.option("--to", callback=_address_key, help="Still to go to that address only."),
    click.option("--domain", callback=_domain_key, help="Still to go to that domain only."),
)


def _filtered(command: Any) -> Any:
    """A command with the options of a Filter."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group()
def queue() -> None:
    """Look at the messages that wait to be delivered, and change what becomes of them.

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


def _found(spool: Spool, wanted: Filter) -> list[Entry]:
    """The messages that are meant, what is due first first; a line on stderr for each that cannot be read."""
    entries = list(_entries(spool))
    for one in entries:
        if isinstance(one, str):
            click.echo(one, err=True)
    found = (one for one in entries if isinstance(one, Entry) and wanted.fits(one))
    return sorted(found, key=lambda entry: entry.due)


@queue.command("list")
@_filtered
@JSON
@click.pass_obj
def list_messages(
    command: "Command", sender: str | None, to: str | None, domain: str | None, as_json: bool
) -> None:
    """List what waits: id, when it is due, from whom, and to whom it is still to go.

    \b
    Example:
      mailnode queue list --domain partner.example --json
    """
    spool, wanted = _spool(command), Filter(sender, to, domain)
    found = _found(spool, wanted)
    if as_json:
        click.echo(json.dumps([_row(entry) for entry in found], indent=2))
        return
    for entry in found:
        left = Fate.FAILED if entry.proof is Proof.MISSING else Fate.WAITING
        to_whom = ", ".join(
            escape(one["address"]) for one in _row(entry)["recipients"] if one["state"] == left.value
        )
        tried = f", tried {counted(entry.tries, 'time')}" if entry.tries else ""
        click.echo(f"{entry.id}  {_due(entry)}{tried}  <{_sender(entry)}> to {to_whom}")
    if not found and (wanted.given or not spool.names()):
        click.echo("Nothing waits.")


@queue.command()
@click.argument("id")
@JSON
@click.pass_obj
def show(command: "Command", id: str, as_json: bool) -> None:
    """Show what is known of a message: its envelope, how far each recipient is and why, and its header.

    \b
    Example:
      mailnode queue show 7K2M9QXW4T
    """
    spool = _spool(command)
    try:
        entry = spool.read(id)
        with spool.body(id) as body:
            octets, header = body.stat().st_size, body.read_at(0, HEADER).partition(b"\r\n\r\n")[0]
    except FileNotFoundError:
        raise click.ClickException(no_such(id)) from None
    except (Unreadable, OSError) as why:
        raise click.ClickException(f"{id}: {why}") from None
    lines = (entry.head + header.decode("utf-8", "replace")).split("\r\n")
    if as_json:
        click.echo(json.dumps({**_row(entry), "octets": octets, "header": lines}, indent=2))
        return
    click.echo(f"{entry.id}  <{_sender(entry)}>, {counted(octets, 'octet')}")
    click.echo(f"  came {date_time(entry.came)}, {_due(entry)}, tried {counted(entry.tries, 'time')}")
    for one in _row(entry)["recipients"]:
        said = ": ".join(one[key] for key in ("state", "status", "reason", "diagnostic") if one[key])
        click.echo(_printable(f"  <{one['address']}> {said}"))
    click.echo("\n".join(["", *(_printable(f"  {line}") for line in lines)]))


def _printable(line: str) -> str:
    """The same with nothing in it that moves the cursor of a terminal."""
    return "".join(one if one.isprintable() else "?" for one in line.expandtabs())


def _sender(entry: Entry) -> str:
    return escape(str(entry.envelope.reverse_path)) if entry.envelope.reverse_path else ""


def _due(entry: Entry) -> str:
    if entry.approval is Approval.ASKED:
        return f"waits for a moderator until {date_time(entry.due)}"
    if entry.proof is Proof.MISSING:
        return f"kept until {date_time(entry.due)}, as nothing proves who sent it"
    return "held" if entry.due >= HELD else f"due {date_time(entry.due)}"


def _row(entry: Entry) -> dict[str, Any]:
    envelope = entry.envelope
    return {
        "id": entry.id,
        "sender": str(envelope.reverse_path or ""),
        "came": date_time(entry.came),
        "due": date_time(entry.due),
        "tries": entry.tries,
        "approval": entry.approval.value,
        "proof": entry.proof.value,
        "recipients": [
            {
                "address": str(recipient.address),
                "state": one.fate.value,
                "status": one.status,
                "reason": one.reason,
                "diagnostic": one.diagnostic,
            }
            for recipient, one in zip(envelope.recipients, entry.progress, strict=True)
        ],
    }


def _changing(word: str, help: str, done: str, by_hand: Callable[..., None]) -> None:
    """Add a command that changes messages, by their ids or by a filter."""

    @queue.command(word, help=f"{help}\n\n\b\nExample:\n  mailnode queue {word} 7K2M9QXW4T")
    @click.argument("ids", metavar="[ID]...", nargs=-1)
    @_filtered
    @JSON
    @click.pass_obj
    def change(
        command: "Command",
        ids: tuple[str, ...],
        sender: str | None,
        to: str | None,
        domain: str | None,
        as_json: bool,
    ) -> None:
        wanted, spool = Filter(sender, to, domain), _spool(command)
        if bool(ids) == wanted.given:
            raise click.UsageError("Name messages by their ids, or by --from, --to and --domain.")
        config, now = command.configuration().config, command.outside.now().timestamp()
        record = partial(_record, command.outside.files, config, now)
        names = list(dict.fromkeys(ids)) or [entry.id for entry in _found(spool, wanted)]
        mistakes: dict[str, str] = {}
        for start in range(0, len(names), IDS):
            some = names[start : start + IDS]
            try:
                left = _left_by_server(config.control_socket, f"queue {word}", some)
            except NotRunning:
                work = partial(by_hand, spool, now=now, record=record)
                left = {id: _changed_here(id, partial(work, id=id)) for id in some}
            mistakes |= {id: left.get(id, "") for id in some}
            if not as_json:
                for id in some:
                    click.echo(mistakes[id] or f"{id} {done}", err=bool(mistakes[id]))
        if as_json:
            rows = [{"id": id, "ok": not mistake, "mistake": mistake} for id, mistake in mistakes.items()]
            click.echo(json.dumps(rows, indent=2))
        if any(mistakes.values()):
            raise click.exceptions.Exit(1)


Record = Callable[[Event], None]


def _save(spool: Spool, change: Change, id: str, now: float, record: Record) -> None:
    spool.save(change(spool.read(id), now))


def _drop(spool: Spool, id: str, now: float, record: Record) -> None:
    spool.read(id)
    spool.remove(id)
    record(Dropped("", id))


def _record(files: FileSystem, config: Config, now: float, event: Event) -> None:
    """Have the event log tell of it, where no server does."""
    settings, journal = config.log, Journal(files, config.log_directory)
    try:
        if settings.events_size:
            with lent_to_owner_of(config.log_directory, files):
                journal.append(line_of(event, now), size=settings.events_size, keep=settings.events_keep)
    except OSError as error:
        click.echo(f"{journal.path}: {error.strerror}; the event log does not tell of it", err=True)


_DONE = {
    "release": ("Deliver messages now, whatever they wait for.", "is due now."),
    "retry": ("Try messages again now, but leave alone those that are held.", "is due, if it is not held."),
    "hold": ("Keep messages until they are released.", "is held."),
    "bounce": ("Give messages up. Their senders get a report.", "is given up."),
}
for _word, (_help, _said) in _DONE.items():
    _changing(_word, _help, _said, partial(_save, change=CHANGES[_word]))
_changing("drop", "Remove messages from the queue. Nobody gets them, and nobody is told.", "is gone.", _drop)


def _left_by_server(socket: str, what: str, ids: list[str]) -> dict[str, str]:
    """Have the running server do it; which messages it has left alone, and why. Raises NotRunning."""
    try:
        answer = ask(socket, {"command": what, "ids": ids})
    except NotRunning:
        raise
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    left = answer.get("left")
    if answer.get("ok") is not True or not isinstance(left, dict):
        raise click.ClickException(f"the server did not do it: {answer.get('mistakes')}")
    return {str(id): str(why) for id, why in left.items()}


def _changed_here(id: str, by_hand: Callable[[], None]) -> str:
    """Do it where no server runs: it will see that when it starts. Why it was not done, "" where it was."""
    try:
        by_hand()
    except FileNotFoundError:
        return no_such(id)
    except (Unreadable, OSError) as why:
        return f"{id}: {why}"
    return ""
