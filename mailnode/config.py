"""What the administrator wrote: mailnode.toml and mailboxes.toml as values.

A key that is not written has the default that stands at its field here. Paths in the file are relative to
the folder of the file; in the values they are absolute.
"""

import os
from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from mailnode.config_acme import Acme
from mailnode.config_auth import Auth
from mailnode.config_folders import SpecialUse, namespace
from mailnode.config_lists import MailingList
from mailnode.config_messages import LiveMessages
from mailnode.config_mta_sts import MtaSts
from mailnode.config_quota import AS_DEFAULT, Messages, Octets, Quota, Room
from mailnode.config_rules import (
    FilePath,
    Language,
    Network,
    address,
    address_or_nothing,
    alias_name,
    between,
    domain_name,
    endpoint,
    mail_template,
    network,
    one_line,
    password_hash,
    scram_verifier,
    sender,
    split_address,
    subaddress_separator,
    uidl_format,
)
from mailnode.config_sending import Dns, Routes, SenderRoutes
from mailnode.config_submission import Submission, solicitation
from mailnode.tomlfile import FromText, Mistake
from mailnode.values import frozen
from mailnode.wire.scram import Verifier
from mailnode.wire.uidl import DEFAULT as DEFAULT_UIDL

Natural = Annotated[int, between(0, 2**53)]
Positive = Annotated[int, between(1, 2**53)]
MessageLimit = Annotated[int, between(0, 2**32 - 1)]  # as IMAP writes numbers
Size = Annotated[int, between(1, 2**53, "octets")]
Seconds = Annotated[int, between(1, 2**53, "seconds")]
SecondsOrNone = Annotated[int, between(0, 2**53, "seconds")]
LoginFailures = Annotated[int, between(1, 200)]  # more are not remembered of one source
Domain = Annotated[str, domain_name]
MailAddress = Annotated[str, address]
AliasName = Annotated[str, alias_name]

Networks = tuple[Annotated[Network, FromText(network)], ...]

_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@frozen
class Listener:
    """One place where connections come in; `endpoint` is a Twisted server endpoint string.

    With `proxy`, each begins with a PROXY header. `public_port` is the port by which mail clients find it, 0
    for that of the endpoint.
    """

    protocol: Literal["smtp", "submission", "lmtp", "pop3", "imap", "http", "metrics"]
    endpoint: Annotated[str, endpoint]
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    proxy: bool = False
    public_port: Annotated[int, between(0, 65535)] = 0


DEFAULT_LISTENERS = (
    Listener("smtp", "tcp:25"),
    Listener("submission", "tcp:587"),
    Listener("submission", "tcp:465", "implicit"),
    Listener("pop3", "tcp:110"),
    Listener("pop3", "tcp:995", "implicit"),
    Listener("imap", "tcp:143"),
    Listener("imap", "tcp:993", "implicit"),
)


@frozen
class Certificate:
    """A certificate chain and its private key; PEM files."""

    certificate: FilePath
    key: FilePath


@frozen
class Tls:
    """The server's certificate chain and private key, and the authorities of its clients; PEM files.

    `further` are certificates for clients that name another host; with `tickets` other servers may resume
    sessions. `acme` says from whom new ones come.
    """

    certificate: FilePath = ""
    key: FilePath = ""
    client_ca: FilePath = ""
    tickets: bool = False
    further: tuple[Certificate, ...] = ()
    acme: Acme = field(default_factory=Acme)

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """All of them, what clients see who name no other host first; none without TLS."""
        first = (Certificate(self.certificate, self.key),) if self.certificate and self.key else ()
        return (*first, *self.further) if first else ()


@frozen
class Store:
    """Where the Maildirs lie, what separates the levels of IMAP folder names, whether texts are indexed, what
    the folders for drafts and so on are called, below what name others' shared folders are, and how long and
    how much of removed mail is kept, below what name.
    """

    mail: Annotated[str, mail_template] = "{state}/mail/{domain}/{local}"
    separator: Literal["/", "."] = "/"
    text_index: bool = True
    shared_namespace: Annotated[str, namespace] = "Shared"
    recover_days: Annotated[int, between(0, 3650, "days")] = 14
    recover_storage: Octets = 2_147_483_648
    recovered_namespace: Annotated[str, namespace] = "Recovered"
    special_use: SpecialUse = field(default_factory=SpecialUse)


@frozen
class Pop3:
    """Whether one session has a maildrop for itself or several read it at once; the form of unique-ids."""

    lock: Literal["exclusive", "shared"] = "exclusive"
    uidl: Annotated[str, uidl_format] = DEFAULT_UIDL


@frozen
class Imap:
    """The accounts of servers for submission, which fetch what URLs let them have (RFC 4467 section 3)."""

    submission_servers: tuple[MailAddress, ...] = ()


@frozen
class Logging:
    """The log on the standard output, lines of text or each a JSON object; how large the file of events gets,
    in octets, 0 for none, and how many older ones are kept.
    """

    format: Literal["text", "json"] = "text"
    events_size: Annotated[int, between(0, 2**40, "octets")] = 10_485_760
    events_keep: Annotated[int, between(0, 1000)] = 9


@frozen
class Limits:
    """Every limit; sizes in octets, times in seconds, a rate in octets a second, the rest counts."""

    message_size: Size = 52_428_800
    recipients: Positive = 200
    messages_per_session: Positive = 50
    errors_soft: Positive = 5
    errors_hard: Positive = 10
    junk_commands: Positive = 20
    stress_percent: Annotated[int, between(1, 100, "percent")] = 80
    stress_timeout: Seconds = 10
    connections_per_address: Positive = 20
    connection_rate: Positive = 60
    preauth_connections: Positive = 200
    smtp_sessions: Positive = 500
    imap_sessions: Positive = 4000
    pop3_sessions: Positive = 200
    http_sessions: Positive = 100
    sessions_per_user_imap: Positive = 32
    sessions_per_user_pop3: Positive = 4
    sessions_per_user_submission: Positive = 8
    login_failures: Positive = 3
    login_failures_minute: LoginFailures = 10
    login_failures_day: LoginFailures = 50
    login_delay: SecondsOrNone = 2
    smtp_timeout: Seconds = 300
    data_timeout: Seconds = 180
    data_rate: Annotated[int, between(1, 2**53, "octets a second")] = 500
    imap_timeout: Seconds = 1800
    pop3_timeout: Seconds = 600
    pop3_login_delay: SecondsOrNone = 0
    login_timeout: Seconds = 60
    write_timeout: Seconds = 300
    tls_handshake_timeout: Seconds = 15
    header_field_size: Size = 65_536
    header_size: Size = 524_288
    received_hops: Positive = 100
    min_free_space: Annotated[int, between(0, 2**53, "octets")] = 209_715_200
    command_line: Size = 2048
    auth_line: Size = 12_288
    imap_line: Size = 65_536
    imap_preauth_line: Size = 8192
    imap_literals: Size = 262_144
    imap_message_limit: MessageLimit = 0
    imap_save_limit: MessageLimit = 0
    password_queue: Positive = 32
    destination_connections: Positive = 5
    submission_recipients_hour: Natural = 100
    submission_recipients_day: Natural = 1000
    submission_new_recipients_day: Natural = 200
    delay_report: SecondsOrNone = 14_400


@frozen
class Config:
    """mailnode.toml. `domains` are those whose mailboxes are here; the first completes bare login names.

    `on_demand` has domains of other hosts, and the mailboxes whose owners may call for their mail.
    """

    hostname: Domain = ""
    domains: tuple[Domain, ...] = ()
    state: FilePath = "state"
    mailboxes: FilePath = "mailboxes.toml"
    postmaster: Annotated[str, address_or_nothing] = ""
    language: Language = "en"
    workers: Annotated[int, between(0, 64)] = 0
    subaddress: Annotated[str, subaddress_separator] = "+"
    trusted_networks: Networks = _LOOPBACK
    proxy_networks: Networks = _LOOPBACK
    xclient_networks: Networks = ()
    tls_reports: bool = True
    srs: bool = True
    prove_senders: bool = True
    no_soliciting: tuple[Annotated[str, solicitation], ...] = ()
    listeners: tuple[Listener, ...] = field(default=DEFAULT_LISTENERS, metadata={"key": "listener"})
    tls: Tls = Tls()
    mta_sts: MtaSts = field(default_factory=MtaSts)
    auth: Auth = field(default_factory=Auth)
    store: Store = Store()
    pop3: Pop3 = Pop3()
    imap: Imap = Imap()
    quota: Quota = field(default_factory=Quota)
    submission: Submission = field(default_factory=Submission)
    messages: LiveMessages = field(default_factory=LiveMessages)
    on_demand: Mapping[Domain, tuple[MailAddress, ...]] = field(default_factory=dict)
    dns: Dns = field(default_factory=Dns)
    log: Logging = Logging()
    routes: Routes = field(default_factory=dict)
    sender_routes: SenderRoutes = field(default_factory=dict)
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
    def sender_key(self) -> str:
        """The path of the key that rewritten reverse-paths are signed with."""
        return os.path.join(self.state, "senders.key")

    @property
    def queue_directory(self) -> str:
        """The folder of messages that wait for their time."""
        return os.path.join(self.state, "queue")

    @property
    def log_directory(self) -> str:
        """The folder of what happened to messages."""
        return os.path.join(self.state, "log")

    @property
    def sts_directory(self) -> str:
        """The folder of the MTA-STS policies of other domains."""
        return os.path.join(self.state, "mta-sts")

    @property
    def acme_directory(self) -> str:
        """The folder of accounts with authorities of certificates, and of what they look for on our pages."""
        return os.path.join(self.state, "acme")

    @property
    def tls_reports_file(self) -> str:
        """The path of what was counted for reports on TLS."""
        return os.path.join(self.state, "tls-reports.json")

    def mail_directory(self, mailbox: str) -> str:
        """The absolute path of the Maildir of a mailbox address of this configuration."""
        local, domain = split_address(mailbox)
        return self.store.mail.replace("{domain}", domain).replace("{local}", local)

    def room(self, entry: "MailboxEntry | None") -> Room:
        """What a mailbox may hold; one without entry has what is the default for all."""
        if entry is None:
            return self.quota.room(AS_DEFAULT, AS_DEFAULT)
        return self.quota.room(entry.quota, entry.quota_messages)


@frozen
class MailboxEntry:
    """One mailbox: the argon2 hash of its password, the person's name, how much it may hold, and what other
    ways to log in need: SCRAM's verifiers of the same password, and a secret as it is for CRAM-MD5 and APOP.

    `send_as` holds the addresses, and domains as "@example.org", it may send from besides its own. `language`
    is that of reports for the person, "" for one that nobody said.
    """

    password: Annotated[str, password_hash] = field(repr=False)
    name: Annotated[str, one_line] = ""
    quota: Octets = AS_DEFAULT
    quota_messages: Messages = AS_DEFAULT
    scram: tuple[Annotated[Verifier, FromText(scram_verifier)], ...] = field(default=(), repr=False)
    secret: str = field(default="", repr=False)
    send_as: tuple[Annotated[str, sender], ...] = ()
    language: Literal[Language, ""] = ""

    @property
    def credentials(self) -> object:
        """What proves that somebody is the owner; whoever logged in by other ones has to do it again."""
        return self.password, self.scram, self.secret

    def verifier(self, scheme: str) -> Verifier | None:
        """The verifier of a scheme of SCRAM, or None."""
        return next((one for one in self.scram if one.scheme == scheme), None)


@frozen
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


@frozen
class Loaded:
    """A configuration that can be used, and what its author may want to know."""

    config: Config
    mailboxes: Mailboxes
    warnings: tuple[Mistake, ...] = ()
