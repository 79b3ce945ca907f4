"""The `mailnode` command: setting up, looking after mailboxes, checking, and telling the server.

Exit codes: 0 done, 1 something is wrong and was said, 2 the command line itself is wrong.
"""

import ipaddress
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click

from mailnode import __version__
from mailnode.admin import demo as demonstration
from mailnode.admin import mailboxes_file, templates
from mailnode.admin.certificates import inspect, write_certificates
from mailnode.admin.control import ControlError, NotRunning, ask
from mailnode.admin.outside import Outside
from mailnode.admin.queue_commands import queue
from mailnode.admin.route_command import route
from mailnode.admin.store_commands import store
from mailnode.auth.checker import LONGEST_PASSWORD
from mailnode.auth.passwords import Hasher
from mailnode.auth.tokens import TokenKeysError, read_issuer
from mailnode.auth.verifiers import make_verifiers
from mailnode.config import Config, Loaded
from mailnode.config_quota import size
from mailnode.config_reading import examine
from mailnode.config_rules import address as check_address
from mailnode.config_rules import domain_name
from mailnode.tomlfile import ConfigurationError, Fault, Mistake


@dataclass(frozen=True, slots=True)
class Command:
    """What every subcommand has: the path of the configuration and the world."""

    path: str
    outside: Outside

    def configuration(self) -> Loaded:
        """The configuration as far as editing mailboxes needs it: without a certificate it is good enough."""
        found = examine(self.path, self.outside.files)
        mistakes = [one for one in found.mistakes if not one.key.startswith("tls.")]
        if mistakes:
            raise _failed(mistakes)
        return found.loaded


def _checked(rule: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A click callback that holds what was typed against a rule of the configuration's."""

    def one(text: str) -> str:
        try:
            return rule(text)
        except Fault as fault:
            raise click.BadParameter(f"{text} {fault.text}. {fault.remedy}") from None

    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        return tuple(map(one, value)) if isinstance(value, tuple) else one(value)

    return callback


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise Fault("is not an IP address", "For example: 192.168.1.2") from None


def _failed(mistakes: "list[Mistake] | tuple[Mistake, ...]") -> click.ClickException:
    return click.ClickException("\n".join(["the configuration has mistakes", *map(str, mistakes)]))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "path",
    default="/etc/mailnode/mailnode.toml",
    show_default=True,
    envvar="MAILNODE_CONFIG",
    help="The configuration file.",
)
@click.version_option(__version__, prog_name="mailnode")
@click.pass_context
def main(context: click.Context, path: str) -> None:
    """mailnode, a mail server for a small office.

    The server itself is started with: twistd -n mailnode --config FILE

    \b
    Example:
      mailnode demo
    """
    context.obj = Command(os.path.abspath(path), context.obj or Outside())


main.add_command(store)
main.add_command(queue)
main.add_command(route)


@main.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option(
    "--hostname", callback=_checked(domain_name), required=True, help="The full name of this machine."
)
@click.option(
    "--domain",
    "domains",
    callback=_checked(domain_name),
    required=True,
    multiple=True,
    help="May be repeated.",
)
@click.option("--listen", callback=_checked(_ip_address), default="", help="Listen on this address only.")
@click.option("--port-offset", type=click.IntRange(0, 64000), default=0, help="Add this to every port.")
@click.option("--tls-files/--no-tls-files", default=True, help="Make a certificate of our own, or not.")
@click.pass_obj
def init(
    command: Command,
    directory: str,
    hostname: str,
    domains: tuple[str, ...],
    listen: str,
    port_offset: int,
    tls_files: bool,
) -> None:
    """Write a commented configuration to DIRECTORY.

    \b
    Example:
      mailnode init /etc/mailnode --hostname mail.example.org --domain example.org
    """
    files = command.outside.files
    directory = os.path.abspath(directory)
    ports = templates.standard_ports(port_offset)
    texts = {
        "mailnode.toml": templates.configuration(hostname, domains, ports, listen=listen),
        "mailboxes.toml": templates.MAILBOXES.format(domain=domains[0], aliases=""),
    }
    tls = os.path.join(directory, "tls")
    for name in (*texts, *(("tls/cert.pem", "tls/key.pem") if tls_files else ())):
        if files.stat(os.path.join(directory, name)) is not None:
            raise click.ClickException(
                f"{os.path.join(directory, name)} is there already; nothing was changed"
            )
    files.make_directories(directory)
    if tls_files:
        write_certificates(tls, hostname, files, command.outside.now())
    for name, text in texts.items():
        files.replace(os.path.join(directory, name), text.encode())
    click.echo(f"Wrote {', '.join(texts)}{' and tls/' if tls_files else ''} in {directory}.")
    if not tls_files:
        click.echo(f"Put the certificate and its key there: {tls}/cert.pem, {tls}/key.pem (chmod 600)")
    path = os.path.join(directory, "mailnode.toml")
    click.echo(f"Next:  mailnode --config {path} mailbox add anna@{domains[0]}")
    click.echo(f"Then:  twistd -n mailnode --config {path}")


@main.command()
@click.option("--dir", "directory", default="var", show_default=True, help="Where the demo's files lie.")
@click.option("--port-offset", type=click.IntRange(0, 60000), default=0, help="Add this to the demo's ports.")
@click.pass_obj
def demo(command: Command, directory: str, port_offset: int) -> None:
    """Run a complete server on 127.0.0.1 with two mailboxes, to try things out.

    What is missing is made, what is there is kept.

    \b
    Example:
      mailnode demo --dir /tmp/mailnode-demo
    """
    directory = os.path.abspath(directory)
    try:
        config = demonstration.prepare(directory, port_offset, command.outside)
    except ConfigurationError as error:
        raise _failed(error.mistakes) from None
    click.echo(demonstration.welcome(directory, config))
    demonstration.run(directory, command.outside)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check(command: Command, as_json: bool) -> None:
    """Say everything that is wrong with the configuration, with file, line and remedy.

    \b
    Example:
      mailnode --config /etc/mailnode/mailnode.toml check
    """
    outside = command.outside
    found = examine(command.path, outside.files)
    config = found.loaded.config
    mistakes, warnings = list(found.mistakes), list(found.loaded.warnings)
    if not any(one.key.startswith("tls.") for one in mistakes):
        tls_mistakes, tls_warnings = inspect(config.tls, config.hostname, outside.files, outside.now())
        mistakes += tls_mistakes
        warnings += tls_warnings
    if not mistakes:
        mistakes += _keys_of_tokens(config, outside)
    if as_json:
        answer = {
            "mistakes": [asdict(one) for one in mistakes],
            "warnings": [asdict(one) for one in warnings],
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        for one in mistakes:
            click.echo(str(one))
        for one in warnings:
            click.echo(f"warning: {one}")
        click.echo(_summary(len(mistakes), len(warnings)))
    if mistakes:
        raise click.exceptions.Exit(1)


def _keys_of_tokens(config: Config, outside: Outside) -> list[Mistake]:
    oauth = config.auth.oauth
    try:
        read_issuer(oauth, lambda path: outside.files.read(os.path.realpath(path)))
    except TokenKeysError as error:
        return [Mistake(oauth.keys, 1, "", str(error), "Nobody can log in with a token until then.")]
    return []


def _summary(mistakes: int, warnings: int) -> str:
    counts = ((mistakes, "mistake"), (warnings, "warning"))
    said = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    return ", ".join(said) or "The configuration is good."


@main.command()
@click.pass_obj
def reload(command: Command) -> None:
    """Let the running server take changed mailboxes, aliases and certificates; no connection is dropped.

    A configuration with mistakes is refused, and the old one stays in force.

    \b
    Example:
      mailnode reload
    """
    config = examine(command.path, command.outside.files).loaded.config
    try:
        answer = ask(config.control_socket, {"command": "reload"})
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    for warning in _texts(answer, "warnings"):
        click.echo(f"warning: {warning}")
    if answer.get("ok") is not True:
        refusal = ["the server refused it, and what was in force stays so", *_texts(answer, "mistakes")]
        raise click.ClickException("\n".join(refusal))
    click.echo("The running server has taken it.")


def _texts(answer: Mapping[str, object], key: str) -> list[str]:
    found = answer.get(key)
    return [str(one) for one in found] if isinstance(found, list) else []


# Mailboxes


@main.group()
def mailbox() -> None:
    """Add, list and remove mailboxes, and set their passwords.

    \b
    Example:
      mailnode mailbox list
    """


def _password(from_stdin: bool) -> str:
    """The new password, asked for twice, or the first line of standard input."""
    if from_stdin:
        data = sys.stdin.buffer.readline()
        try:
            password = data.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.ClickException("the password is not UTF-8 text") from None
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not password.strip():
        raise click.ClickException("an empty password is no password")
    if len(password.encode()) > LONGEST_PASSWORD:
        raise click.ClickException(f"a password has at most {LONGEST_PASSWORD} octets")
    return password


def _apply(command: Command, edit: mailboxes_file.Edit, config: Config, done: str) -> None:
    """Make the edit, and let the running server know if there is one."""
    try:
        mailboxes_file.apply(edit, config, command.outside.files)
    except mailboxes_file.EditRefused as refusal:
        raise click.ClickException(str(refusal)) from None
    except ConfigurationError as error:
        raise click.ClickException("\n".join(["nothing was changed", *map(str, error.mistakes)])) from None
    click.echo(done)
    try:
        answer = ask(config.control_socket, {"command": "reload"})
    except NotRunning:
        click.echo("mailnode is not running here; it will read this when it starts.")
    except ControlError as error:
        click.echo(f"The server was not told ({error}). Run: mailnode reload")
    else:
        taken = answer.get("ok") is True
        click.echo(
            "The running server has taken it." if taken else "The server refused it. Run: mailnode reload"
        )


def _credentials(command: Command, from_stdin: bool, plain_secret: bool) -> dict[str, mailboxes_file.Value]:
    """What an entry keeps of a new password."""
    password = _password(from_stdin)
    verifiers = make_verifiers(password)
    if not verifiers:
        click.echo("SCRAM does not allow a character of it, so SCRAM will be offered to nobody.", err=True)
    if plain_secret:
        click.echo("The password itself is kept in the file now, for CRAM-MD5 and APOP.", err=True)
    return {
        "password": Hasher(command.configuration().config.auth).hash(password),
        "scram": [str(verifier) for verifier in verifiers],
        "secret": password if plain_secret else "",
    }


_ADDRESS = click.argument("address", callback=_checked(check_address))
_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
_SECRET = click.option(
    "--plain-secret",
    is_flag=True,
    help="Keep the password itself too: CRAM-MD5 and APOP need it. Whoever reads the file can log in then.",
)


def _size(text: str) -> str:
    if text:
        size(text)
    return text


@mailbox.command()
@_ADDRESS
@click.option("--name", default="", help="The person's name.")
@click.option("--quota", metavar="SIZE", callback=_checked(_size), default="", help='Such as "2 GiB".')
@_STDIN
@_SECRET
@click.pass_obj
def add(
    command: Command, address: str, name: str, quota: str, *, password_stdin: bool, plain_secret: bool
) -> None:
    """Add a mailbox.

    \b
    Example:
      mailnode mailbox add anna@example.org --name "Anna Example"
    """
    config = command.configuration().config
    credentials = _credentials(command, password_stdin, plain_secret)
    _apply(command, mailboxes_file.adding(address, credentials, name, quota), config, f"Added {address}.")


@mailbox.command()
@_ADDRESS
@_STDIN
@_SECRET
@click.pass_obj
def passwd(command: Command, address: str, *, password_stdin: bool, plain_secret: bool) -> None:
    """Set the password of a mailbox.

    \b
    Example:
      mailnode mailbox passwd anna@example.org
    """
    config = command.configuration().config
    credentials = _credentials(command, password_stdin, plain_secret)
    _apply(command, mailboxes_file.setting_password(address, credentials), config, f"Changed {address}.")


@mailbox.command()
@_ADDRESS
@click.argument("quota", metavar="SIZE|none", callback=_checked(_size))
@click.pass_obj
def quota(command: Command, address: str, quota: str) -> None:
    """Set how much a mailbox may hold, such as "2 GiB"; none is no limit, whatever holds for the others.

    \b
    Example:
      mailnode mailbox quota anna@example.org "2 GiB"
    """
    config = command.configuration().config
    _apply(command, mailboxes_file.setting_quota(address, quota), config, f"Changed {address}.")


@mailbox.command()
@_ADDRESS
@click.pass_obj
def remove(command: Command, address: str) -> None:
    """Remove a mailbox; its mail stays on the disk.

    \b
    Example:
      mailnode mailbox remove ben@example.org
    """
    config = command.configuration().config
    done = f"Removed {address}. Its mail stays in {config.mail_directory(address)}"
    _apply(command, mailboxes_file.removing(address), config, done)


@mailbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_mailboxes(command: Command, as_json: bool) -> None:
    """List mailboxes, aliases and lists.

    \b
    Example:
      mailnode mailbox list --json
    """
    loaded = command.configuration()
    config, boxes, aliases = loaded.config, loaded.mailboxes.mailboxes, loaded.mailboxes.aliases
    lists = loaded.mailboxes.lists
    if as_json:
        rows = [
            {"address": address, "name": entry.name, "maildir": config.mail_directory(address)}
            for address, entry in boxes.items()
        ]
        answer = {"mailboxes": rows, "aliases": aliases, "lists": {one: asdict(lists[one]) for one in lists}}
        click.echo(json.dumps(answer, indent=2))
        return
    for address, entry in boxes.items():
        click.echo(f"{address}  {entry.name}".rstrip())
    for name, targets in aliases.items():
        click.echo(f"{name} -> {', '.join(targets)}")
    for name, one in lists.items():
        click.echo(f"{name} => {', '.join(one.members)}  {one.name}".rstrip())
    if not boxes:
        click.echo("No mailbox yet. Make one with: mailnode mailbox add ADDRESS", err=True)
