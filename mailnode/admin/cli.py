"""The `mailnode` command: setting up, checking, and telling the server; what else it can do stands beside.

Exit codes: 0 done, 1 something is wrong and was said, 2 the command line itself is wrong.
"""

import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import asdict

import click

from mailnode import __version__
from mailnode.admin import demo as demonstration
from mailnode.admin import templates
from mailnode.admin.alias_commands import alias
from mailnode.admin.backup_commands import backup, restore_command
from mailnode.admin.certificates import inspect, write_certificates
from mailnode.admin.command import JSON, Command, Program, checked, failed, unanswered
from mailnode.admin.completion import completion
from mailnode.admin.control import ControlError, ask
from mailnode.admin.dns_command import dns
from mailnode.admin.doctor_command import doctor
from mailnode.admin.domain_commands import domain
from mailnode.admin.explain_command import explain
from mailnode.admin.import_commands import export_group, import_group
from mailnode.admin.list_commands import lists
from mailnode.admin.log_command import log
from mailnode.admin.mailbox_commands import mailbox
from mailnode.admin.outside import Outside
from mailnode.admin.queue_commands import queue
from mailnode.admin.route_command import route
from mailnode.admin.status_command import status
from mailnode.admin.store_commands import store
from mailnode.admin.tls_commands import tls
from mailnode.admin.undelete_command import undelete
from mailnode.auth.tokens import TokenKeysError, read_issuer
from mailnode.config import Config
from mailnode.config_reading import examine
from mailnode.config_rules import domain_name
from mailnode.config_services import client_hosts
from mailnode.counting import counted
from mailnode.tomlfile import ConfigurationError, Fault, Mistake


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise Fault("is not an IP address", "For example: 192.168.1.2") from None


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
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


for _command in (
    mailbox,
    alias,
    lists,
    domain,
    queue,
    route,
    store,
    status,
    tls,
    dns,
    doctor,
    log,
    explain,
    backup,
    restore_command,
    import_group,
    export_group,
    completion,
):
    main.add_command(_command)
store.add_command(undelete)


@main.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option(
    "--hostname", callback=checked(domain_name), required=True, help="The full name of this machine."
)
@click.option(
    "--domain",
    "domains",
    callback=checked(domain_name),
    required=True,
    multiple=True,
    help="A domain whose mail is kept here; may be repeated.",
)
@click.option("--listen", callback=checked(_ip_address), default="", help="Listen on this address only.")
@click.option(
    "--state", default="state", show_default=True, help="Where mail, queue and caches lie; from DIRECTORY on."
)
@click.option("--port-offset", type=click.IntRange(0, 64000), default=0, help="Add this to every port.")
@click.option("--tls-files/--no-tls-files", default=True, help="Make a certificate of our own, or not.")
@click.pass_obj
def init(
    command: Command,
    directory: str,
    hostname: str,
    domains: tuple[str, ...],
    listen: str,
    state: str,
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
        "mailnode.toml": templates.configuration(hostname, domains, ports, listen=listen, state=state),
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
        raise failed(error.mistakes) from None
    click.echo(demonstration.welcome(directory, config))
    demonstration.run(directory, command.outside)


@main.command()
@JSON
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
        tls_mistakes, tls_warnings = inspect(config.tls, client_hosts(config), outside.files, outside.now())
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
    said = [counted(count, word) for count, word in counts if count]
    return ", ".join(said) or "The configuration is good."


@main.command()
@JSON
@click.pass_obj
def reload(command: Command, *, as_json: bool) -> None:
    """Let the running server take changed mailboxes, aliases and certificates; no connection is dropped.

    A configuration with mistakes is refused, and the old one stays in force.

    \b
    Example:
      mailnode reload
    """
    found = examine(command.path, command.outside.files)
    try:
        answer = ask(found.loaded.config.control_socket, {"command": "reload"})
    except ControlError as error:
        raise unanswered(found, command.path, error) from None
    taken, warnings, mistakes = (
        answer.get("ok") is True,
        _texts(answer, "warnings"),
        _texts(answer, "mistakes"),
    )
    if as_json:
        click.echo(json.dumps({"ok": taken, "warnings": warnings, "mistakes": mistakes}, indent=2))
        raise click.exceptions.Exit(0 if taken else 1)
    for warning in warnings:
        click.echo(f"warning: {warning}")
    if not taken:
        raise click.ClickException(
            "\n".join(["the server refused it, and what was in force stays so", *mistakes])
        )
    click.echo("The running server has taken it.")


def _texts(answer: Mapping[str, object], key: str) -> list[str]:
    found = answer.get(key)
    return [str(one) for one in found] if isinstance(found, list) else []
