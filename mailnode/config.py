"""What the administrator wrote: mailnode.toml and mailboxes.toml as values, checked as a whole.

`load` gives the values or raises ConfigurationError with everything that is wrong; `examine` gives both.
A key that is not written has the default that stands at its field here. Paths in the file are relative to
the folder of the file; in the values they are absolute.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network, IPv6Network
from operator import attrgetter
from typing import Annotated, Literal

from mailnode import config_messages
from mailnode.config_auth import Auth, OAuth
from mailnode.config_messages import LiveMessages
from mailnode.config_names import as_written, check_names, check_targets
from mailnode.config_quota import AS_DEFAULT, Messages, Octets, Quota, Room
from mailnode.config_rules import (
    Network,
    address,
    address_or_nothing,
    alias_name,
    between,
    domain_name,
    endpoint,
    looked_up,
    mail_template,
    network,
    one_line,
    password_hash,
    scram_verifier,
    split_address,
    subaddress_separator,
)
from mailnode.config_sending import Dns, Routes, check_routes
from mailnode.config_submission import SOLICITATION_LIMIT, Submission, sender, solicitation
from mailnode.fs import FileSystem
from mailnode.tomlfile import ConfigurationError, FromText, Mistake, TomlFile
from mailnode.wire.scram import HASHES, Verifier

Natural = Annotated[int, between(0, 2**53)]
Positive = Annotated[int, between(1, 2**53)]
LoginFailures = Annotated[int, between(1, 200)]  # more are not remembered of one source
Domain = Annotated[str, domain_name]
MailAddress = Annotated[str, address]
AliasName = Annotated[str, alias_name]

Networks = tuple[Annotated[Network, FromText(network)], ...]

_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_ON_THIS_MACHINE = ("unix:", "systemd:domain=UNIX")
_NAMED = 10  # mailboxes that one warning names
_SOCKET_PATH = 107  # octets that fit in sockaddr_un


@dataclass(frozen=True, slots=True)
class Listener:
    """One place where connections come in; `endpoint` is a Twisted server endpoint string.

    With `proxy`, each begins with a PROXY header.
    """

    protocol: Literal["smtp", "submission", "lmtp", "pop3", "imap"]
    endpoint: Annotated[str, endpoint]
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    proxy: bool = False


DEFAULT_LISTENERS = (
    Listener("smtp", "tcp:25"),
    Listener("submission", "tcp:587"),
    Listener("submission", "tcp:465", "implicit"),
    Listener("pop3", "tcp:110"),
    Listener("pop3", "tcp:995", "implicit"),
    Listener("imap", "tcp:143"),
    Listener("imap", "tcp:993", "implicit"),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate chain and private key, and the authorities of its clients; PEM files."""

    certificate: str = ""
    key: str = ""
    client_ca: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """Where the Maildirs lie, what separates the levels of IMAP folder names, whether texts are indexed."""

    mail: Annotated[str, mail_template] = "{state}/mail/{domain}/{local}"
    separator: Literal["/", "."] = "/"
    text_index: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit; sizes in octets, times in seconds, a rate in octets a second, the rest counts."""

    message_size: Positive = 52_428_800
    recipients: Positive = 200
    messages_per_session: Positive = 50
    errors_soft: Positive = 5
    errors_hard: Positive = 10
    junk_commands: Positive = 20
    stress_percent: Annotated[int, between(1, 100)] = 80
    stress_timeout: Positive = 10
    connections_per_address: Positive = 20
    connection_rate: Positive = 60
    preauth_connections: Positive = 200
    smtp_sessions: Positive = 500
    imap_sessions: Positive = 4000
    pop3_sessions: Positive = 200
    sessions_per_user_imap: Positive = 32
    sessions_per_user_pop3: Positive = 4
    sessions_per_user_submission: Positive = 8
    login_failures: Positive = 3
    login_failures_minute: LoginFailures = 10
    login_failures_day: LoginFailures = 50
    login_delay: Natural = 2
    smtp_timeout: Positive = 300
    data_timeout: Positive = 180
    data_rate: Positive = 500
    imap_timeout: Positive = 1800
    pop3_timeout: Positive = 600
    login_timeout: Positive = 60
    write_timeout: Positive = 300
    tls_handshake_timeout: Positive = 15
    header_field_size: Positive = 65_536
    header_size: Positive = 524_288
    received_hops: Positive = 100
    min_free_space: Natural = 209_715_200
    command_line: Positive = 2048
    auth_line: Positive = 12_288
    imap_line: Positive = 65_536
    imap_preauth_line: Positive = 8192
    imap_literals: Positive = 262_144
    password_queue: Positive = 32
    submission_recipients_hour: Natural = 100
    submission_recipients_day: Natural = 1000
    submission_new_recipients_day: Natural = 200


# Below these a limit breaks a promise of the protocol: limit, least value, where it is written.
_RFC_FLOORS = (
    ("message_size", 65_536, "RFC 5321 section 4.5.3.1.7"),
    ("recipients", 100, "RFC 5321 section 4.5.3.1.8"),
    ("command_line", 512, "RFC 5321 section 4.5.3.1.4"),
    ("auth_line", 12_288, "RFC 4954 section 4"),
    ("smtp_timeout", 300, "RFC 5321 section 4.5.3.2.7"),
    ("imap_timeout", 1800, "RFC 3501 section 5.4"),
    ("pop3_timeout", 600, "RFC 1939 section 3"),
    ("received_hops", 100, "RFC 5321 section 6.3"),
)


@dataclass(frozen=True, slots=True)
class Config:
    """mailnode.toml. `domains` are those whose mailboxes are here; the first completes bare login names.

    `on_demand` has domains of other hosts, and the mailboxes whose owners may call for their mail.
    """

    hostname: Domain = ""
    domains: tuple[Domain, ...] = ()
    state: str = "state"
    mailboxes: str = "mailboxes.toml"
    postmaster: Annotated[str, address_or_nothing] = ""
    subaddress: Annotated[str, subaddress_separator] = "+"
    trusted_networks: Networks = _LOOPBACK
    proxy_networks: Networks = _LOOPBACK
    xclient_networks: Networks = ()
    no_soliciting: tuple[Annotated[str, solicitation], ...] = ()
    listeners: tuple[Listener, ...] = field(default=DEFAULT_LISTENERS, metadata={"key": "listener"})
    tls: Tls = Tls()
    auth: Auth = field(default_factory=Auth)
    store: Store = Store()
    quota: Quota = field(default_factory=Quota)
    submission: Submission = field(default_factory=Submission)
    messages: LiveMessages = field(default_factory=LiveMessages)
    on_demand: Mapping[Domain, tuple[MailAddress, ...]] = field(default_factory=dict)
    dns: Dns = field(default_factory=Dns)
    routes: Routes = field(default_factory=dict)
    limits: Limits = Limits()

    @property
    def control_socket(self) -> str:
        """The path of the socket on which the `mailnode` command talks to the running server."""
        return os.path.join(self.state, "control.sock")

    @property
    def login_key(self) -> str:
        """The path of the key that verifiers of unknown names are made of."""
        return os.path.join(self.state, "login.key")

    @property
    def queue_directory(self) -> str:
        """The folder of messages that wait for their time."""
        return os.path.join(self.state, "queue")

    def mail_directory(self, mailbox: str) -> str:
        """The absolute path of the Maildir of a mailbox address of this configuration."""
        local, domain = split_address(mailbox)
        return self.store.mail.replace("{domain}", domain).replace("{local}", local)

    def room(self, entry: "MailboxEntry | None") -> Room:
        """What a mailbox may hold; one without entry has what is the default for all."""
        if entry is None:
            return self.quota.room(AS_DEFAULT, AS_DEFAULT)
        return self.quota.room(entry.quota, entry.quota_messages)


@dataclass(frozen=True, slots=True)
class MailboxEntry:
    """One mailbox: the argon2 hash of its password, the person's name, how much it may hold, and what other
    ways to log in need: SCRAM's verifiers of the same password, and a secret as it is for CRAM-MD5 and APOP.

    `send_as` holds the addresses, and domains as "@example.org", it may send from besides its own.
    """

    password: Annotated[str, password_hash] = field(repr=False)
    name: Annotated[str, one_line] = ""
    quota: Octets = AS_DEFAULT
    quota_messages: Messages = AS_DEFAULT
    scram: tuple[Annotated[Verifier, FromText(scram_verifier)], ...] = field(default=(), repr=False)
    secret: str = field(default="", repr=False)
    send_as: tuple[Annotated[str, sender], ...] = ()

    @property
    def credentials(self) -> object:
        """What proves that somebody is the owner; whoever logged in by other ones has to do it again."""
        return self.password, self.scram, self.secret

    def verifier(self, scheme: str) -> Verifier | None:
        """The verifier of a scheme of SCRAM, or None."""
        return next((one for one in self.scram if one.scheme == scheme), None)


@dataclass(frozen=True, slots=True)
class MailingList:
    """A list: the addresses that get what is sent to it, and its full name."""

    members: tuple[MailAddress, ...]
    name: Annotated[str, one_line] = ""


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """mailboxes.toml: entries by address, alias targets by address, lists by address, all in lower case.

    The alias "@example.org" is the catch-all of that domain.
    """

    mailboxes: Mapping[MailAddress, MailboxEntry] = field(default_factory=dict)
    aliases: Mapping[AliasName, tuple[MailAddress, ...]] = field(default_factory=dict)
    lists: Mapping[MailAddress, MailingList] = field(default_factory=dict)

    def targets(self, name: str) -> tuple[str, ...]:
        """Where the alias or list of this name leads; nowhere when there is none."""
        entry = self.lists.get(name)
        return entry.members if entry else self.aliases.get(name, ())

    def knows(self, name: str) -> bool:
        """Whether a mailbox, alias or list has this name."""
        return name in self.mailboxes or name in self.aliases or name in self.lists


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what its author may want to know."""

    config: Config
    mailboxes: Mailboxes
    warnings: tuple[Mistake, ...] = ()


@dataclass(frozen=True, slots=True)
class Examination:
    """What a configuration says, as far as it can be read, and all that is wrong with it."""

    loaded: Loaded
    mistakes: tuple[Mistake, ...]


def load(path: str, files: FileSystem) -> Loaded:
    """The configuration in the file at `path`; raises ConfigurationError with every mistake in it."""
    found = examine(path, files)
    if found.mistakes:
        raise ConfigurationError(found.mistakes)
    return found.loaded


def examine(path: str, files: FileSystem) -> Examination:
    """Read the configuration and look for everything that is wrong, in both files and around them."""
    path = os.path.abspath(path)
    main = read_toml(path, files)
    written = main.structure(Config)
    config = _resolve(written, os.path.dirname(path))
    boxes = _mailboxes_file(main, config, files)
    mailboxes = Mailboxes()
    if main.readable:
        _check_config(main, config, files)
        if boxes.readable:
            mailboxes = check_mailboxes(boxes, config)
            _check_postmaster(main, config, mailboxes, warn=not boxes.mistakes)
            config_messages.check(main, config.on_demand, config.domains, mailboxes.mailboxes)
    warnings, mistakes = (
        tuple(sorted(one, key=attrgetter("line")) + sorted(two, key=attrgetter("line")))
        for one, two in ((main.warnings, boxes.warnings), (main.mistakes, boxes.mistakes))
    )
    return Examination(Loaded(config, mailboxes, warnings), mistakes)


def read_toml(path: str, files: FileSystem) -> TomlFile:
    """The file, parsed; that it cannot be read, or others may write it, is its first mistake."""
    real = os.path.realpath(
        path
    )  # symlinks that the administrator made are followed; FileSystem follows none
    try:
        data = files.read(real)
    except OSError as error:
        file = TomlFile(path, b"")
        file.readable = False
        file.mistake((), f"cannot be read: {error.strerror}", "Check the path and who may read the file.")
        return file
    file = TomlFile(path, data)
    _check_mode(file, (), path, 0o022, files)
    return file


def check_mailboxes(file: TomlFile, config: Config) -> Mailboxes:
    """The mailboxes, aliases and lists in a file; what is wrong with them is added to the file's mistakes."""
    mailboxes = file.structure(Mailboxes)
    check_names(file, config.domains, config.subaddress)
    lists = {name: entry.members for name, entry in mailboxes.lists.items()}
    check_targets(file, {"aliases": mailboxes.aliases, "lists": lists}, config.domains)
    _check_verifiers(file, mailboxes, config)
    _check_senders(file, mailboxes.mailboxes, config)
    if not file.content.get("mailboxes") and not file.mistakes:
        file.warning((), "no mailbox yet", "Make one with: mailnode mailbox add ADDRESS")
    return mailboxes


# Checks of mailnode.toml


def _resolve(config: Config, base: str) -> Config:
    """The same with every path absolute."""

    def absolute(path: str) -> str:
        return os.path.normpath(os.path.join(base, path)) if path else ""

    state = absolute(config.state)
    return replace(
        config,
        state=state,
        mailboxes=absolute(config.mailboxes),
        tls=Tls(*(absolute(getattr(config.tls, part.name)) for part in fields(Tls))),
        auth=replace(config.auth, oauth=replace(config.auth.oauth, keys=absolute(config.auth.oauth.keys))),
        store=replace(config.store, mail=absolute(config.store.mail.replace("{state}", state))),
        routes={
            name: replace(one, password_file=absolute(one.password_file))
            for name, one in config.routes.items()
        },
    )


def _check_config(file: TomlFile, config: Config, files: FileSystem) -> None:
    if not config.hostname:
        file.mistake(
            ("hostname",), "is missing", 'Add the name of this machine: hostname = "mail.example.org"'
        )
    if not config.domains:
        file.mistake(
            ("domains",), "is missing", 'Add the domains of your mailboxes: domains = ["example.org"]'
        )
    for first, again in _repeated(config.domains):
        file.mistake(("domains", again), f"repeats entry {first + 1}", "Remove one of the two.")
    _check_listeners(file, config)
    _check_tls(file, config, files)
    _check_auth(file, config.auth, files)
    _check_domains(file, ("quota", "domains"), config)
    if len(",".join(config.no_soliciting)) > SOLICITATION_LIMIT:
        text = f"has more than {SOLICITATION_LIMIT} characters in all (RFC 3865 section 2.1)"
        file.mistake(("no_soliciting",), text, "Name fewer or shorter keywords.")
    check_routes(file, config.routes, config.domains)
    for name, relay in config.routes.items():
        _check_secret(file, ("routes", name, "password_file"), relay.password_file, files)
    if len(os.fsencode(config.control_socket)) > _SOCKET_PATH:
        file.mistake(
            ("state",), "its path is too long for a UNIX socket in it", "Choose a shorter path for state."
        )
    _check_mode(file, ("state",), config.state, 0o022, files)
    if len(config.domains) > 1 and "{domain}" not in config.store.mail:
        text = "has no {domain}, so equal names in two domains would share their mail"
        file.mistake(("store", "mail"), text, 'For example: mail = "{state}/mail/{domain}/{local}"')
    limits = config.limits
    if limits.errors_soft > limits.errors_hard:
        file.mistake(("limits", "errors_soft"), "is above errors_hard", "Make errors_soft the smaller one.")
    for name, least, source in _RFC_FLOORS:
        if getattr(limits, name) < least:
            text = f"is below {least}, which every peer may count on ({source})"
            file.warning(("limits", name), text, f"Raise it to {least} or more, or remove the line.")
    for index, trusted in enumerate(config.trusted_networks):
        if trusted.is_global:
            text = "holds public addresses, which no limit on connections, rates and messages holds for"
            file.warning(("trusted_networks", index), text, "Trust only networks that are yours.")


def _check_listeners(file: TomlFile, config: Config) -> None:
    for first, again in _repeated([listener.endpoint for listener in config.listeners]):
        text = f"is the endpoint of entry {first + 1} already"
        file.mistake(("listener", again, "endpoint"), text, "Give each listener a port or path of its own.")
    for index, listener in enumerate(config.listeners):
        if (
            listener.proxy
            and not config.proxy_networks
            and not listener.endpoint.startswith(_ON_THIS_MACHINE)
        ):
            text = "nobody's PROXY header is believed, as proxy_networks is empty"
            file.mistake(("listener", index, "proxy"), text, "Name the networks of your proxies there.")
    if not config.listeners:
        file.mistake(
            ("listener",), "nothing to listen on", "Remove the line to have the seven standard ports."
        )


def _check_domains(file: TomlFile, path: tuple[str, ...], config: Config) -> None:
    """The names in a table are domains of ours, each once."""
    content: object = file.content
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    seen: set[str] = set()
    for written in content if isinstance(content, dict) else ():
        name = looked_up(domain_name, written)
        if config.domains and name not in config.domains:
            remedy = f"Add {written} to domains, or use one of: {', '.join(config.domains)}."
            file.mistake((*path, written), "is no domain of this server", remedy)
        elif name in seen:
            file.mistake((*path, written), "is there twice, written differently", "Remove one of the two.")
        seen.add(name)


def _check_tls(file: TomlFile, config: Config, files: FileSystem) -> None:
    wanted = [listener for listener in config.listeners if listener.tls != "none"]
    for part in fields(Tls):
        path: str = getattr(config.tls, part.name)
        key = ("tls", part.name)
        if not path and wanted and part.name != "client_ca":
            text = f"is missing, and {len(wanted)} of {len(config.listeners)} listeners offer TLS"
            file.mistake(
                key, text, 'Name a PEM file here (`mailnode init` makes one), or set tls = "none" there.'
            )
        elif path and files.stat(os.path.realpath(path)) is None:
            file.mistake(key, f"there is no file {path}", "Put the PEM file there, or correct the path.")
        elif path:
            _check_mode(file, key, path, 0o077 if part.name == "key" else 0o022, files)


def _check_auth(file: TomlFile, auth: Auth, files: FileSystem) -> None:
    """A way to log in; of [auth.oauth] all or nothing, and keys that nobody else can change."""
    oauth, table = auth.oauth, ("auth", "oauth")
    if not auth.mechanisms:
        remedy = "Remove the line to have all that are safe."
        file.mistake(("auth", "mechanisms"), "leaves no way to log in", remedy)
    if not oauth.keys:
        if oauth != OAuth():
            file.mistake((*table, "keys"), "is missing", "Name the file with the issuer's public keys.")
        return
    for name in ("issuer", "audience", "claim"):
        if not getattr(oauth, name):
            text = "is missing; without it every token of these keys would be good"
            file.mistake((*table, name), text, "Write what stands in the tokens of your issuer.")
    if files.stat(os.path.realpath(oauth.keys)) is None:
        remedy = "Put the issuer's JWK set there, or correct the path."
        file.mistake((*table, "keys"), f"there is no file {oauth.keys}", remedy)
    else:
        _check_mode(file, (*table, "keys"), oauth.keys, 0o022, files)


def _check_secret(file: TomlFile, key: tuple[str, ...], path: str, files: FileSystem) -> None:
    """A file that is named is there, and for its owner only."""
    if path and files.stat(os.path.realpath(path)) is None:
        file.mistake(key, f"there is no file {path}", "Write the password into it, or correct the path.")
    elif path:
        _check_mode(file, key, path, 0o077, files)


def _check_mode(file: TomlFile, key: tuple[str, ...], path: str, forbidden: int, files: FileSystem) -> None:
    """A mistake if others than the owner have more access to a file than they may."""
    facts = files.stat(os.path.realpath(path))
    if facts is None or not facts.st_mode & forbidden:
        return
    what = "read" if forbidden & 0o044 else "change"
    file.mistake(
        key,
        f"others than its owner may {what} {path}",
        f"Run: chmod go-{'rwx' if what == 'read' else 'w'} {path}",
    )


def _repeated(values: "tuple[str, ...] | list[str]") -> list[tuple[int, int]]:
    """Index pairs (first, again) of equal values."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(value, index), index) for index, value in enumerate(values)]
    return [pair for pair in pairs if pair[0] != pair[1]]


# Checks of mailboxes.toml


def _mailboxes_file(main: TomlFile, config: Config, files: FileSystem) -> TomlFile:
    """mailboxes.toml; it may be absent only where nobody named it.

    A server that lost its list would refuse the mail of everybody it does not know any more.
    """
    path = config.mailboxes
    if files.stat(os.path.realpath(path)) is None:
        if "mailboxes" in main.content:
            main.mistake(("mailboxes",), f"there is no file {path}", "Correct the path, or create the file.")
        return TomlFile(path, b"")
    file = read_toml(path, files)
    if file.content.get("mailboxes"):
        _check_mode(file, (), path, 0o044, files)
    return file


def _check_verifiers(file: TomlFile, mailboxes: Mailboxes, config: Config) -> None:
    """A mechanism that some cannot use is offered to nobody: a client that prefers it would be shut out."""
    for scheme in HASHES:
        lacking = [name for name, entry in mailboxes.mailboxes.items() if entry.verifier(scheme) is None]
        offered = {scheme, f"{scheme}-PLUS"} & set(config.auth.mechanisms)
        if offered and 0 < len(lacking) < len(mailboxes.mailboxes):
            names = ", ".join(lacking[:_NAMED]) + (", ..." if len(lacking) > _NAMED else "")
            path = ("mailboxes", as_written(file, "mailboxes")[lacking[0]])
            text = f"is offered to nobody, as there is no verifier for it of {names}"
            remedy = "Set their passwords anew: mailnode mailbox passwd ADDRESS"
            file.warning(path, f"{scheme} {text}", remedy)


def _check_senders(file: TomlFile, mailboxes: Mapping[str, MailboxEntry], config: Config) -> None:
    """Nobody is given an address of another host to send from."""
    written = as_written(file, "mailboxes")
    for name, entry in mailboxes.items():
        for index, allowed in enumerate(entry.send_as):
            domain = split_address(allowed)[1]
            if config.domains and domain not in config.domains:
                path = ("mailboxes", written[name], "send_as", index)
                remedy = f"Add {domain} to domains, or use one of: {', '.join(config.domains)}."
                file.mistake(path, f"{allowed} is in no domain of this server", remedy)


def _check_postmaster(file: TomlFile, config: Config, boxes: Mailboxes, *, warn: bool) -> None:
    """RFC 5321 section 4.5.1: mail for postmaster must reach somebody."""
    known = boxes.mailboxes.keys() | boxes.aliases.keys() | boxes.lists.keys()
    if config.postmaster:
        if config.postmaster not in known and warn:
            text = f"{config.postmaster} is no mailbox, alias or list"
            file.mistake(("postmaster",), text, "Correct the address, or add the mailbox.")
        return
    missing = [one for one in config.domains if not known & {f"postmaster@{one}", f"@{one}"}]
    if missing and known and warn:
        text = f"nobody reads mail for postmaster@{missing[0]} (RFC 5321 section 4.5.1)"
        file.warning(("postmaster",), text, 'Name a mailbox: postmaster = "anna@' + missing[0] + '"')
