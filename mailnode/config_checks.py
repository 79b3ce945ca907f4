"""What is wrong in mailnode.toml as a whole, and with the files it names."""

import os

from mailnode.config import Config, Listener, Tls
from mailnode.config_auth import Auth, OAuth
from mailnode.config_rules import Network, domain_name, looked_up, reachable
from mailnode.config_sending import FILES, check_routes, check_sender_routes
from mailnode.config_services import client_services
from mailnode.config_submission import SOLICITATION_LIMIT
from mailnode.fs import FileSystem
from mailnode.tomlfile import TomlFile
from mailnode.values import replace

_ON_THIS_MACHINE = ("unix:", "systemd:domain=UNIX")
Key = tuple[str | int, ...]  # where something is written

# Protocols that only trusted networks may use, and who may be meant.
_FOR_TRUSTED = {
    "lmtp": ("LMTP is", "servers that hand over mail"),
    "metrics": ("metrics are", "machines that collect them"),
}
_SOCKET_PATH = 107  # octets that fit in sockaddr_un

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


def check_config(file: TomlFile, config: Config, files: FileSystem) -> None:
    """Add what is wrong to the file's mistakes, and what its author may want to know to its warnings."""
    if file.is_broken(("listener",)):
        config = replace(config, listeners=())  # not the standard ones, of which nobody has written a word
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
    _check_mta_sts(file, config)
    _check_auth(file, config.auth, config.tls, files)
    _check_domains(file, ("quota", "domains"), config)
    if len(",".join(config.no_soliciting)) > SOLICITATION_LIMIT:
        text = f"has more than {SOLICITATION_LIMIT} characters in all (RFC 3865 section 2.1)"
        file.mistake(("no_soliciting",), text, "Name fewer or shorter keywords.")
    check_routes(file, config.routes, config.domains)
    check_sender_routes(file, config.sender_routes)
    for table in ("routes", "sender_routes"):
        for name, relay in getattr(config, table).items():
            for key in FILES:
                others = 0o022 if key == "certificate" else 0o077
                _check_file(file, (table, name, key), getattr(relay, key), others, files)
    if len(os.fsencode(config.control_socket)) > _SOCKET_PATH:
        file.mistake(
            ("state",), "its path is too long for a UNIX socket in it", "Choose a shorter path for state."
        )
    check_mode(file, ("state",), config.state, 0o022, files)
    if len(config.domains) > 1 and "{domain}" not in config.store.mail:
        text = "has no {domain}, so equal names in two domains would share their mail"
        file.mistake(("store", "mail"), text, 'For example: mail = "{state}/mail/{domain}/{local}"')
    _check_namespace(file, config)
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


def _check_namespace(file: TomlFile, config: Config) -> None:
    """No folder of one's own is called as those that others share, or as removed mail; nor these alike."""
    shared, recovered = config.store.shared_namespace, config.store.recovered_namespace
    for use, levels in config.store.special_use.names().items():
        key = ("store", "special_use", use[1:].lower())
        if levels[0] == shared:
            text = f"is below {shared}, where the folders are that others share"
            file.mistake(key, text, "Choose another name, or another shared_namespace.")
        elif levels[0] == recovered:
            text = f"is below {recovered}, where removed mail is"
            file.mistake(key, text, "Choose another name, or another recovered_namespace.")
    if recovered and recovered == shared:
        text = "is the shared_namespace too"
        file.mistake(("store", "recovered_namespace"), text, "Choose another name for one of them.")


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
        _check_people(file, index, listener, config.auth)
        if listener.protocol in ("lmtp", "metrics"):
            _check_trusted(file, index, listener, config.trusted_networks)
        if listener.protocol in ("http", "metrics"):
            _check_http(file, index, listener, config)
    if not config.listeners:
        file.mistake(
            ("listener",), "nothing to listen on", "Remove the line to have the seven standard ports."
        )


def _check_mta_sts(file: TomlFile, config: Config) -> None:
    """Where there is a policy it is served, and names this server."""
    settings = config.mta_sts
    if settings.mode == "off":
        return
    if config.listeners and not any(one.protocol == "http" for one in config.listeners):
        text = "no listener has the page"
        remedy = 'Add one with protocol = "http" and tls = "implicit" on port 443.'
        file.warning(("mta_sts", "mode"), text, remedy)
    if config.hostname and not settings.policy(config.hostname).names(config.hostname):
        text = f"do not name {config.hostname}, so others will not bring mail here"
        file.warning(("mta_sts", "hosts"), text, f'Add "{config.hostname}", if it is in the MX records.')


def _check_people(file: TomlFile, index: int, listener: Listener, auth: Auth) -> None:
    """Where nothing is encrypted nobody is asked for a password, but by require_tls on this machine."""
    if listener.protocol not in ("submission", "pop3", "imap") or listener.tls != "none":
        return
    key = ("listener", index, "tls")
    if auth.require_tls == "always":
        text = 'nobody can log in here without TLS, as auth.require_tls is "always"'
        file.warning(key, text, 'Write tls = "starttls" or tls = "implicit".')
    elif reachable(listener.endpoint):
        text = "nobody but this machine itself can log in here, as no password is taken in clear"
        file.warning(
            key, text, 'Write tls = "starttls" or "implicit", or interface=127.0.0.1 at the endpoint.'
        )


def _check_http(file: TomlFile, index: int, listener: Listener, config: Config) -> None:
    """HTTP begins with TLS or has none; and there is something to tell mail clients."""
    if listener.tls == "starttls":
        remedy = 'Write tls = "none", or tls = "implicit" for HTTPS.'
        file.mistake(("listener", index, "tls"), "HTTP has no STARTTLS", remedy)
    on_its_own = any(one.endpoint.startswith("systemd:") for one in config.listeners)
    if listener.protocol == "http" and not on_its_own and not client_services(config):
        text = "there is nothing to tell mail clients: no listener for people is reached from elsewhere"
        remedy = "Write public_port = 993, or whatever it is, at those behind a proxy."
        file.warning(("listener", index, "protocol"), text, remedy)


def _check_trusted(file: TomlFile, index: int, listener: Listener, trusted: tuple[Network, ...]) -> None:
    """LMTP and metrics are for trusted networks only."""
    key, here = ("listener", index, "endpoint"), listener.endpoint.startswith(_ON_THIS_MACHINE)
    what, who = _FOR_TRUSTED[listener.protocol]
    if not trusted and not here:
        text = f"{what} for trusted networks only, and trusted_networks is empty"
        file.mistake(key, text, f"Name the {who} there, or use a UNIX socket.")
    elif reachable(listener.endpoint) and all(network.is_loopback for network in trusted):
        text = f"other machines can connect, but {what} for trusted networks only, and these are on this one"
        file.warning(key, text, "Add interface=127.0.0.1, or name the servers in trusted_networks.")


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
    for part in ("certificate", "key", "client_ca"):
        path: str = getattr(config.tls, part)
        key = ("tls", part)
        if not path and wanted and part != "client_ca":
            text = f"is missing, and {len(wanted)} of {len(config.listeners)} listeners offer TLS"
            file.mistake(
                key, text, 'Name a PEM file here (`mailnode init` makes one), or set tls = "none" there.'
            )
        _check_pem(file, key, path, files)
    for index, pair in enumerate(config.tls.further):
        for part in ("certificate", "key"):
            path, at = getattr(pair, part), ("tls", "further", index, part)
            if not path:
                file.mistake(at, "is empty", "Name a PEM file here.")
            _check_pem(file, at, path, files)
    shown = any(one.protocol == "http" and one.tls == "none" for one in config.listeners)
    if config.tls.acme.directory and config.listeners and not shown:
        text = "the authority looks at port 80 of each name, and no listener shows what it looks for"
        remedy = 'Add one with protocol = "http" and tls = "none", or let a timer run: mailnode tls renew'
        file.warning(("tls", "acme", "directory"), text, remedy)
    if config.tls.further and not config.tls.certificate:
        text = "is there without a first certificate, which is for clients that name no other host"
        file.mistake(("tls", "further"), text, "Name that one in certificate and key of [tls].")


def _check_pem(file: TomlFile, key: Key, path: str, files: FileSystem) -> None:
    """A file that is named is there; a key is for its owner only, and nobody else changes the others."""
    if path and files.stat(os.path.realpath(path)) is None:
        file.mistake(key, f"there is no file {path}", "Put the PEM file there, or correct the path.")
    elif path:
        check_mode(file, key, path, 0o077 if key[-1] == "key" else 0o022, files)


def _check_auth(file: TomlFile, auth: Auth, tls: Tls, files: FileSystem) -> None:
    """A way to log in; of [auth.oauth] all or nothing, and keys that nobody else can change."""
    oauth, table = auth.oauth, ("auth", "oauth")
    needed = {"EXTERNAL": tls.client_ca, "OAUTHBEARER": oauth.keys, "XOAUTH2": oauth.keys}
    if not any(needed.get(name, "nothing") for name in auth.mechanisms):
        remedy = "Remove the line to have all that are safe."
        if auth.mechanisms:
            remedy = "EXTERNAL needs client_ca in [tls], OAUTHBEARER and XOAUTH2 need [auth.oauth]."
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
        check_mode(file, (*table, "keys"), oauth.keys, 0o022, files)


def _check_file(file: TomlFile, key: tuple[str, ...], path: str, forbidden: int, files: FileSystem) -> None:
    """A file that is named is there, and others may not do with it what is forbidden."""
    if path and files.stat(os.path.realpath(path)) is None:
        file.mistake(key, f"there is no file {path}", "Put it there, or correct the path.")
    elif path:
        check_mode(file, key, path, forbidden, files)


def check_mode(file: TomlFile, key: Key, path: str, forbidden: int, files: FileSystem) -> None:
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
