"""`mailnode doctor`: what is wrong with the server, its machine and its names, each with a remedy."""

import json
from typing import TYPE_CHECKING

import click

from mailnode.admin.command import JSON
from mailnode.admin.findings import is_wrong, rows, told
from mailnode.config_reading import examine

if TYPE_CHECKING:
    from mailnode.admin.command import Command


@click.command("doctor")
@click.option("--offline", is_flag=True, help="Ask the DNS nothing.")
@JSON
@click.pass_obj
def doctor(command: "Command", *, offline: bool, as_json: bool) -> None:
    """Look at everything a mail server depends on, and say what is wrong and what to do.

    That is versions, configuration, ports, certificate, clock, disk, access to files, and the DNS. It works
    with the server up or down, changes nothing, and sends nothing to others but questions to the DNS. Exit
    code 1 when something is wrong, 0 with warnings alone.

    \b
    Example:
      mailnode doctor
      mailnode doctor --offline --json
    """
    from mailnode.admin.dns_checks import look, own_chain
    from mailnode.admin.doctor_checks import Examiner

    outside = command.outside
    found = examine(command.path, outside.files)
    config = found.loaded.config
    examiner = Examiner(found, outside.files, outside.machine, path=command.path, now=outside.now())
    findings = list(examiner.findings())
    if not offline and config.hostname and config.domains:
        chain = own_chain(config, outside.files)
        found_there = outside.ask_dns(config.dns, outside.files, lambda *asking: look(config, chain, *asking))
        findings += found_there.findings
    if as_json:
        click.echo(json.dumps(rows(findings), indent=2))
    else:
        for line in told(findings):
            click.echo(line)
    if is_wrong(findings):
        raise click.exceptions.Exit(1)
