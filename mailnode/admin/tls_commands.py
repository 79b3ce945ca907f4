"""`mailnode tls`: certificates from an authority, and a look at those in use."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import click

from mailnode.admin.command import JSON, checked
from mailnode.admin.control import ControlError, ask
from mailnode.config import Certificate, Config
from mailnode.config_acme import DIRECTORIES, FIRST_CHOICE, Acme, directory_url
from mailnode.config_rules import address_or_nothing, domain_name
from mailnode.config_services import client_hosts
from mailnode.values import frozen

if TYPE_CHECKING:
    from mailnode.admin.command import Command
    from mailnode.upkeep.authority import Proofs
    from mailnode.upkeep.ordering import Order

STAGING = "letsencrypt-staging"
HTTP_PORT = 80  # the authority asks there, and nowhere else (RFC 8555 section 8.3)


def _name(text: str) -> str:
    """A name that a certificate may be for; wildcards too."""
    star = "*." if text.startswith("*.") else ""
    return star + domain_name(text.removeprefix("*."))


@click.group("tls")
def tls() -> None:
    """Get certificates from an authority (ACME), renew them, and show those in use.

    \b
    Example:
      mailnode tls show
    """


def _options(function: Any) -> Any:
    """What requesting and renewing have in common."""
    options = (
        click.option("--dns", "in_dns", is_flag=True, help="Prove names by DNS records, which you publish."),
        click.option(
            "--port",
            type=click.IntRange(1, 65535),
            default=HTTP_PORT,
            show_default=True,
            help="Listen there where the server has no HTTP page; port 80 of the names must lead to it.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@tls.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", callback=checked(_name))
@click.option("--directory", metavar="URL", callback=checked(directory_url), help="Another authority's.")
@click.option("--staging", is_flag=True, help="Let's Encrypt's for trying out; nobody trusts what it gives.")
@click.option("--email", callback=checked(address_or_nothing), help="For the account with the authority.")
@click.option("--agree", is_flag=True, help="Agree to the authority's terms without being asked.")
@click.option("--keep-key", is_flag=True, help="For the key that is there, as TLSA records may name it.")
@_options
@click.pass_obj
def request(
    command: "Command",
    names: tuple[str, ...],
    *,
    directory: str | None,
    staging: bool,
    email: str | None,
    agree: bool,
    keep_key: bool,
    in_dns: bool,
    port: int,
) -> None:
    """Get a certificate for all names of this server, or for these, and put it where [tls] says.

    The authority is Let's Encrypt, or what [tls.acme] or the options name. It asks for a page on port 80 of
    each name: the running server shows it where it has a listener for HTTP, else this command does. Needs
    the extra acme: pip install 'mailnode[acme]'

    \b
    Example:
      mailnode tls request --email anna@example.org --agree
      mailnode tls request mail.example.org --staging
      mailnode tls request '*.example.org' --dns
    """
    if directory and staging:
        raise click.UsageError("--staging is a directory itself; leave --directory out")
    config = command.configuration().config
    known = config.tls.acme
    wanted = Acme(
        DIRECTORIES[STAGING] if staging else directory or known.directory or DIRECTORIES[FIRST_CHOICE],
        email or known.email,
        names or known.names or tuple(client_hosts(config)),
        keep_key or known.keep_key,
    )
    if not in_dns and any(one.startswith("*.") for one in wanted.names):
        raise click.UsageError("a wildcard can be proved in the DNS only: --dns")
    order = _order(command, config, wanted, staging=staging)
    agrees = (lambda terms: True) if agree else _agreed
    with _telling(command, order), _proofs(command, config, in_dns=in_dns, port=port) as proofs:
        _get(command, config, order, proofs, email=wanted.email, agree=agrees)
    if staging:
        click.echo("Nobody trusts it; those in [tls] were left alone. Without --staging you get a real one.")
        return
    if order.pair not in config.tls.certificates:
        table = "[[tls.further]]" if config.tls.certificates else "[tls]"
        click.echo(f'Name it in {command.path}:\n\n{table}\ncertificate = "{order.pair.certificate}"')
        click.echo(f'key = "{order.pair.key}"')
    if not known.directory and not in_dns:
        click.echo(f'To have it renewed:\n\n[tls.acme]\ndirectory = "{_word(wanted.directory)}"')


@contextlib.contextmanager
def _telling(command: "Command", order: "Order") -> Iterator[None]:
    """Say which names a certificate had that is replaced meanwhile, and the new one has not."""
    from mailnode.net.shown import covers
    from mailnode.upkeep.certificate_files import names_at

    before = names_at(order.pair.certificate, command.outside.files)
    yield
    if lost := sorted(one for one in before if not covers(order.names, one) and "." in one):
        click.echo(f"The one before was for {', '.join(lost)} too.", err=True)


def _word(directory: str) -> str:
    return next((word for word, url in DIRECTORIES.items() if url == directory), directory)


@tls.command()
@click.option("--force", is_flag=True, help="Also when it is not due.")
@_options
@click.pass_obj
def renew(command: "Command", *, force: bool, in_dns: bool, port: int) -> None:
    """Renew the certificate of [tls.acme], when a third of its life is left; for a timer, or by hand.

    The running server does that by itself; this is for where it may not write the files.

    \b
    Example:
      mailnode tls renew --force
    """
    from mailnode.upkeep.certificate_files import settle
    from mailnode.upkeep.ordering import order_for

    config = command.configuration().config
    order = order_for(config, command.outside.now, command.outside.files)
    if order is None:
        text = "[tls.acme] names no directory, or no certificate in [tls] is for its names"
        raise click.ClickException(f"{text}; see: mailnode tls request --help")
    settle(order.pair, command.outside.files)
    due = order.due(command.outside.files)
    if due > command.outside.now() and not force:
        click.echo(f"Not due before {due:%Y-%m-%d}. Nothing was done.")
        return
    with _proofs(command, config, in_dns=in_dns, port=port) as proofs:
        _get(command, config, order, proofs, email=config.tls.acme.email, agree=lambda terms: False)


def _order(command: "Command", config: Config, wanted: Acme, *, staging: bool) -> "Order":
    """What is wanted; in the state folder where [tls] names no files for it, or for a trial."""
    from mailnode.upkeep.certificate_files import pair_for
    from mailnode.upkeep.ordering import Order, account_key

    pair = None if staging else pair_for(config.tls, wanted.names, command.outside.files)
    if pair is None:
        name = wanted.names[0].replace("*", "_") + ("-staging" if staging else "")
        base = os.path.join(config.acme_directory, name)
        pair = Certificate(f"{base}.pem", f"{base}-key.pem")
    account = account_key(config, wanted.directory)
    return Order(wanted.directory, wanted.names, pair, wanted.keep_key, account, command.outside.now)


def _get(
    command: "Command",
    config: Config,
    order: "Order",
    proofs: "Proofs",
    *,
    email: str,
    agree: Callable[[str], bool],
) -> None:
    """Have the order fulfilled, and say what came of it."""
    from mailnode.admin.on_disk import lent_to_owner_of
    from mailnode.upkeep.acme_trouble import Trouble
    from mailnode.upkeep.ordering import account_of, fulfil, keep_failure

    files, now = command.outside.files, command.outside.now
    click.echo(f"Asking {_word(order.directory)} for {', '.join(order.names)}", err=True)
    problem = ""
    try:
        with lent_to_owner_of(config.state, files):
            account = account_of(order, files)
        facts = files.stat(config.state)
        owner = (facts.st_uid, facts.st_gid) if facts is not None and os.geteuid() == 0 else None
        fulfil(order, files, account, proofs, email=email, agree=agree, owner=owner)
    except (Trouble, OSError) as trouble:
        problem = str(trouble)
    with contextlib.suppress(OSError), lent_to_owner_of(config.state, files):
        if order.directory == config.tls.acme.directory:
            keep_failure(config, problem, now(), files)
    if problem:
        raise click.ClickException(problem)
    click.echo(f"Wrote {order.pair.certificate} and {order.pair.key}.")
    if order.pair in config.tls.certificates:
        click.echo("A running server takes them within a minute.")


def _agreed(terms: str) -> bool:
    """Ask whoever sits there."""
    named = f": {terms}" if terms else ""
    return click.confirm(f"Do you agree to the terms of the authority{named}?", err=True)


@contextlib.contextmanager
def _proofs(command: "Command", config: Config, *, in_dns: bool, port: int) -> "Iterator[Proofs]":
    """Where names are proved: in the DNS, on pages of the running server, or on a port of our own."""
    from mailnode.admin.on_disk import lent_to_owner_of
    from mailnode.upkeep.acme_trouble import Trouble
    from mailnode.upkeep.own_port import OnOwnPort
    from mailnode.upkeep.proofs import OnPages

    if in_dns:
        yield InDns()
        return
    if _server_shows(config):
        files = command.outside.files
        yield _AsOwner(OnPages(files, config.acme_directory), lambda: lent_to_owner_of(config.state, files))
        return
    own = OnOwnPort()
    try:
        with own.listening(port):
            yield own
    except Trouble as trouble:
        raise click.ClickException(str(trouble)) from None


def _server_shows(config: Config) -> bool:
    """Whether the server runs and has pages without TLS."""
    if not any(one.protocol == "http" and one.tls == "none" for one in config.listeners):
        return False
    try:
        ask(config.control_socket, {"command": "status"}, timeout=5.0)
    except ControlError:
        return False
    return True


@frozen
class _AsOwner:
    """Proofs that are written as the owner of the state folder, so that the server can read them."""

    proofs: Any
    lent: Any
    kind: Literal["http-01"] = "http-01"

    def show(self, name: str, token: str, proof: str) -> None:
        with self.lent():
            self.proofs.show(name, token, proof)

    def ready(self) -> None:
        pass

    def remove(self, token: str) -> None:
        with self.lent():
            self.proofs.remove(token)


class InDns:
    """Proofs that the administrator publishes (dns-01, RFC 8555 section 8.4)."""

    kind: Literal["dns-01"] = "dns-01"

    def show(self, name: str, token: str, proof: str) -> None:
        """Print the record."""
        click.echo(f'_acme-challenge.{name}. IN TXT "{proof}"')

    def ready(self) -> None:
        """Wait for the administrator."""
        click.echo(
            "Publish these records beside others of that name, and wait until the DNS has them.", err=True
        )
        if not click.confirm("Are they there?", default=True, err=True):
            raise click.Abort

    def remove(self, token: str) -> None:
        """The record may go."""


# show


@tls.command()
@JSON
@click.pass_obj
def show(command: "Command", *, as_json: bool) -> None:
    """Show the certificates in use: names, dates, issuer and key.

    Exit code 1 when one cannot be used.

    \b
    Example:
      mailnode tls show --json
    """
    config = command.configuration().config
    rows = [_row(pair, command) for pair in config.tls.certificates]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            for line in _told(row):
                click.echo(line)
        if not rows:
            click.echo("There is none: [tls] names no files.", err=True)
    if any(row["wrong"] for row in rows):
        raise click.exceptions.Exit(1)


def _row(pair: Certificate, command: "Command") -> dict[str, Any]:
    """What a program may want to know of a certificate; little of one that cannot be read."""
    from mailnode.upkeep.certificate_files import facts_of, fault_of, key_of, read_pem

    files, now = command.outside.files, command.outside.now()
    row: dict[str, Any] = {"certificate": pair.certificate, "key": pair.key}
    try:
        chain = read_pem(pair.certificate, files)
        row |= facts_of(chain)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no certificate in PEM"
        return {**row, "wrong": f"{pair.certificate}: {reason}"}
    try:
        return {**row, "wrong": fault_of(chain, read_pem(key_of(pair, files), files), (), now)}
    except OSError as error:
        return {**row, "wrong": f"{pair.key}: {error.strerror}"}


def _told(row: dict[str, Any]) -> Iterator[str]:
    yield str(row["certificate"])
    if "names" in row:
        yield f"  names   {', '.join(row['names']) or '-'}"
        yield f"  valid   {row['begins'][:10]} to {row['ends'][:10]}"
        yield f"  issuer  {row['issuer']}"
        yield f"  key     {row['key_type']}, in {row['key']}"
    if row["wrong"]:
        yield f"  wrong   {row['wrong']}"
