"""The commented files that `mailnode init` and `mailnode demo` write."""

import ipaddress
import json
from collections.abc import Mapping

from mailnode.config import DEFAULT_LISTENERS, Listener

MAILBOXES = """\
# The mailboxes of this server. Edit by hand, or with `mailnode mailbox add|passwd|quota|remove`,
# `mailnode alias` and `mailnode list`; a running server takes changes with `mailnode reload`.

# Other names for mailboxes. Each leads to one or more addresses:
#   "info@{domain}" = ["anna@{domain}", "ben@{domain}"]
[aliases]
{aliases}
# The catch-all of a domain is the alias "@{domain}". A list is a table:
#   [lists."team@{domain}"]
#   members = ["anna@{domain}", "ben@{domain}"]

# Each mailbox is a table with its address as name:
#   [mailboxes."anna@{domain}"]
#   password = "$argon2id$..."      (a hash, never the password itself)
#   scram = ["SCRAM-SHA-256$..."]   (of the same password; `mailnode mailbox passwd` writes both)
#   name = "Anna"
#   quota = "2 GiB"
"""

_CONFIG = """\
# mailnode: the configuration. All keys and their defaults: docs/configuration.md and etc/mailnode.toml.
# Paths are relative to this file. After a change: mailnode --config THIS-FILE check

# The full name of this machine, as other mail servers see it.
hostname = {hostname}

# The domains whose mail is kept here. With only one, people may log in without writing it.
domains = {domains}

# Where everything lies that the server writes: mail, queue, caches, the control socket.
state = {state}

# The file with mailboxes and aliases.
mailboxes = "mailboxes.toml"

# The certificate (with its chain) and its private key, PEM files. Only the server may read the key.
[tls]
certificate = "tls/cert.pem"
key = "tls/key.pem"

# Where connections come in. tls: "starttls" offers it, "implicit" begins with it, "none" never.
{listeners}"""

_LISTENER = """\
# {title}
[[listener]]
protocol = "{protocol}"
endpoint = {endpoint}
tls = "{tls}"
"""

_TITLES = {
    ("smtp", "starttls"): "Mail from other servers",
    ("submission", "starttls"): "Mail from our own people, with password",
    ("submission", "implicit"): "The same, with TLS from the start",
    ("pop3", "starttls"): "Fetching mail",
    ("pop3", "implicit"): "The same, with TLS from the start",
    ("imap", "starttls"): "Reading mail",
    ("imap", "implicit"): "The same, with TLS from the start",
}


def standard_ports(offset: int = 0) -> dict[Listener, int]:
    """The default listeners, each with its port plus an offset."""
    return {listener: int(listener.endpoint.removeprefix("tcp:")) + offset for listener in DEFAULT_LISTENERS}


def endpoint(port: int, address: str) -> str:
    """The endpoint string of a port, on every IPv4 address or on the one address given."""
    if not address:
        return f"tcp:{port}"
    kind = "tcp6" if ipaddress.ip_address(address).version == 6 else "tcp"
    return f"{kind}:{port}:interface=" + address.replace(":", "\\:")


def configuration(
    hostname: str,
    domains: tuple[str, ...],
    ports: Mapping[Listener, int],
    *,
    listen: str = "",
    state: str = "state",
) -> str:
    """A mailnode.toml for these names, listening on these ports."""
    listeners = [
        _LISTENER.format(
            title=_TITLES[listener.protocol, listener.tls],
            protocol=listener.protocol,
            endpoint=_quoted(endpoint(port, listen)),
            tls=listener.tls,
        )
        for listener, port in ports.items()
    ]
    return _CONFIG.format(
        hostname=_quoted(hostname),
        state=_quoted(state),
        domains="[" + ", ".join(map(_quoted, domains)) + "]",
        listeners="\n".join(listeners),
    )


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's are the same for what stands in these."""
    return json.dumps(text)
