"""Where mail for other hosts goes: the [dns] table and the [routes] tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Literal

from mailnode.config_rules import between, domain_name, looked_up, one_line
from mailnode.tomlfile import Fault, TomlFile

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


def routed(text: str) -> str:
    """A domain, or "*" for all that have no route of their own."""
    return text if text == EVERYTHING_ELSE else domain_name(text)


@dataclass(frozen=True, slots=True)
class Dns:
    """The DNS servers to ask, or those of /etc/resolv.conf; with `trusted` their AD bit counts."""

    servers: tuple[Annotated[str, dns_server], ...] = ()
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Relay:
    """The host that takes the mail for a domain. The password is what the file holds, without line end."""

    host: Annotated[str, relay_host]
    port: Annotated[int, between(1, 65535)] = 25
    tls: Literal["none", "opportunistic", "required", "implicit"] = "opportunistic"
    username: Annotated[str, one_line] = ""
    password_file: str = ""


Routes = Mapping[Annotated[str, routed], Relay]


def check_routes(file: TomlFile, routes: Routes, domains: tuple[str, ...]) -> None:
    """Routes are for others' domains, each once, and no password goes to whoever asks for it."""
    written = file.content.get("routes")
    seen: set[str] = set()
    for name in written if isinstance(written, dict) else ():
        domain = looked_up(routed, name)
        if domain in domains:
            text = "is a domain of this server, whose mail stays here"
            file.mistake(("routes", name), text, "Remove the route, or the domain from domains.")
        elif domain in seen:
            file.mistake(("routes", name), "is there twice, written differently", "Remove one of the two.")
        seen.add(domain)
        if domain in routes:
            _check_login(file, name, routes[domain])


def _check_login(file: TomlFile, name: str, relay: Relay) -> None:
    if bool(relay.username) != bool(relay.password_file):
        missing = "password_file" if relay.username else "username"
        text = f"there is no {missing} with it"
        other = "username" if relay.username else "password_file"
        file.mistake(("routes", name, other), text, f"Add {missing}, or remove this line.")
    local = _is_address(relay.host) and ip_address(relay.host).is_loopback
    if relay.username and relay.tls not in VERIFYING and not local:
        text = "the password would go to anybody who says to be that host"
        file.mistake(("routes", name, "username"), text, 'Add tls = "required" to this route.')
