"""`mailnode dns`: the records to publish, as lines of a zone file, and what is there already."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mailnode.admin.command import JSON, checked
from mailnode.admin.completion import complete_domains
from mailnode.admin.findings import Finding, is_wrong, plain, rows
from mailnode.config import Config
from mailnode.config_rules import domain_name
from mailnode.tomlfile import Fault

if TYPE_CHECKING:
    from mailnode.admin.command import Command
    from mailnode.admin.dns_records import DnsRecord


def _address(text: str) -> str:
    from ipaddress import ip_address

    try:
        return str(ip_address(text))
    except ValueError:
        raise Fault("is not an IP address", "For example: 192.0.2.1") from None


@click.command("dns")
@click.argument(
    "domains", metavar="[DOMAIN]...", nargs=-1, callback=checked(domain_name), shell_complete=complete_domains
)
@click.option(
    "--address",
    "addresses",
    metavar="IP",
    multiple=True,
    callback=checked(_address),
    help="The public address of this machine; may be repeated. Otherwise what the DNS says.",
)
@click.option("--offline", is_flag=True, help="Print the records, and ask nobody.")
@JSON
@click.pass_obj
def dns(
    command: "Command", domains: tuple[str, ...], addresses: tuple[str, ...], *, offline: bool, as_json: bool
) -> None:
    """Print the DNS records to publish for all domains, or for these, and look at those that exist.

    The records are lines of a zone file; what is to be said of them stands in comments. Exit code 1 when
    something is wrong.

    \b
    Example:
      mailnode dns
      mailnode dns example.org --offline --address 192.0.2.1
    """
    from mailnode.admin.dns_checks import DnsLook, look, own_chain
    from mailnode.admin.dns_records import wanted

    config = command.configuration().config
    if unknown := set(domains) - set(config.domains):
        raise click.BadParameter(f"{min(unknown)} is no domain of this server: {', '.join(config.domains)}")
    found = DnsLook((), ())
    if not offline:
        outside = command.outside
        chain = own_chain(config, outside.files)
        found = outside.ask_dns(
            config.dns, outside.files, lambda *asking: look(config, chain, *asking, domains=domains)
        )
    known = addresses or found.addresses
    records = [
        one for one in wanted(config, known) if not domains or one.domain in (*domains, config.hostname)
    ]
    if as_json:
        answer = {"records": [asdict(one) for one in records], "findings": rows(found.findings)}
        click.echo(json.dumps(answer, indent=2))
    else:
        for line in _zone(config, records, found.findings, known=bool(known)):
            click.echo(line)
    if is_wrong(found.findings):
        raise click.exceptions.Exit(1)


def _zone(
    config: Config, records: Sequence["DnsRecord"], findings: Sequence[Finding], *, known: bool
) -> Iterator[str]:
    """Lines of a zone file; what is not a record is a comment."""
    domain = ""
    if not known:
        yield f"; {config.hostname}"
        domain = config.hostname
        yield f"; {config.hostname}. IN A (the public address of this machine; give it with --address)"
    for record in records:
        if record.domain != domain:
            domain = record.domain
            yield f"; {domain}"
        yield record.line
    where = "on any web server" if config.mta_sts.mode == "off" else "which this server has"
    yield f"; https://mta-sts.DOMAIN/.well-known/mta-sts.txt, {where}, for each domain:"
    for line in config.mta_sts.policy(config.hostname).lines:
        yield f";   {line}"
    for finding in findings:
        yield f"; {finding.state}: {finding.topic}: {plain(finding.text)}"
        if finding.remedy:
            yield f";     {plain(finding.remedy)}"
