"""Where mail for other hosts goes: the [dns] table and the [routes] tables."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, Literal

from mailnode.config_rules import FilePath, between, domain_name, looked_up, one_line, sender
from mailnode.tomlfile import Fault, Path, TomlFile
from mailnode.values import frozen

EVERYTHING_ELSE = "*"
VERIFYING = ("required", "implicit")  # TLS, with nobody but the host of the route

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def dns_server(text: str) -> str:
    """An IP address, or one with a port behind it: "192.0.2.1", "127.0.0.1:5353", "[2001:db8::1]:53"."""
    found = _WITH_PORT.fullmatch(text)
    address, port = (found[1] or found[2], int(found[3])) if found else (text, 53)
    if not _is_address(address) or not 0 < port < 65536:
        raise Fault(
            f'"{text}" is not the address of a DNS server', 'Write it like "192.0.2.1" or "127.0.0.1:5353".'
        )
    return text


def relay_host(text: str) -> str:
    """The name or IP address of a host; brackets around it, as Postfix has them, change nothing."""
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return str(ip_address(inside)) if _is_address(inside) else domain_name(inside)


def host_or_nothing(text: str) -> str:
    """The same, or "" for the hosts that the DNS names."""
    return relay_host(text) if text else ""


def routed(text: str) -> str:
    """A domain, or "*" for all that have no route of their own."""
    return text if text == EVERYTHING_ELSE else domain_name(text)


@frozen
class Dns:
    """The DNS servers to ask, or those of /etc/resolv.conf; with `trusted` their AD bit counts."""

    servers: tuple[Annotated[str, dns_server], ...] = ()
    trusted: bool = False


@frozen
class Relay:
    """The host that takes the mail, or how to encrypt to the hosts that the DNS names where there is none.

    The password is what its file holds, without line end; certificate and key are PEM files.
    """

    host: Annotated[str, host_or_nothing] = ""
    port: Annotated[int, between(1, 65535)] = 25
    tls: Literal["none", "opportunistic", "required", "implicit"] = "opportunistic"
    username: Annotated[str, one_line] = ""
    password_file: FilePath = ""
    certificate: FilePath = ""
    key: FilePath = ""


Routes = Mapping[Annotated[str, routed], Relay]
SenderRoutes = Mapping[Annotated[str, sender], Relay]

# The keys of a relay that name files, and those that say nothing without a host.
FILES = ("password_file", "certificate", "key")
_OF_A_HOST = ("port", "username", *FILES)


def check_routes(file: TomlFile, routes: Routes, domains: tuple[str, ...]) -> None:
    """Routes are for others' domains."""
    for name, domain in _written(file, "routes", routed):
        if domain in domains:
            text = "is a domain of this server, whose mail stays here"
            file.mistake(("routes", name), text, "Remove the route, or the domain from domains.")
        elif domain in routes:
            _check_relay(file, ("routes", name), routes[domain])


def check_sender_routes(file: TomlFile, routes: SenderRoutes) -> None:
    """The same rules for each; the senders may be anybody's."""
    for name, who in _written(file, "sender_routes", sender):
        if who in routes:
            _check_relay(file, ("sender_routes", name), routes[who])


def _written(file: TomlFile, table: str, rule: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The names in a table as written and as looked up; each once, however it is written."""
    written = file.content.get(table)
    seen: set[str] = set()
    for name in written if isinstance(written, dict) else ():
        found = looked_up(rule, name)
        if found in seen:
            file.mistake((table, name), "is there twice, written differently", "Remove one of the two.")
        else:
            yield name, found
        seen.add(found)


def _check_relay(file: TomlFile, path: Path, relay: Relay) -> None:
    if not relay.host:
        _check_without_host(file, path, relay)
        return
    for one, other in (("username", "password_file"), ("certificate", "key")):
        if bool(getattr(relay, one)) != bool(getattr(relay, other)):
            missing, written = (other, one) if getattr(relay, one) else (one, other)
            text = f"there is no {missing} with it"
            file.mistake((*path, written), text, f"Add {missing}, or remove this line.")
    local = _is_address(relay.host) and ip_address(relay.host).is_loopback
    if relay.username and relay.tls not in VERIFYING and not local:
        text = "the password would go to anybody who says to be that host"
        file.mistake((*path, "username"), text, 'Add tls = "required" to this route.')


def _check_without_host(file: TomlFile, path: Path, relay: Relay) -> None:
    """Then it can only say how to encrypt."""
    if relay.tls == "implicit":
        text = "other servers have TLS before the greeting on a port of their own only"
        file.mistake((*path, "tls"), text, 'Add a host with its port, or write tls = "required".')
    useless = [key for key in _OF_A_HOST if getattr(relay, key) != getattr(Relay(), key)]
    for key in useless:
        file.mistake((*path, key), "says nothing without a host", "Add host, or remove this line.")
    if relay.tls == "opportunistic" and not useless:
        text = "says nothing: without a host and tls the DNS says where mail goes"
        file.mistake(path, text, 'Add host = "...", or tls = "required".')
