"""Which services there are for mail clients of our own people, and where: what a client can be told.

A service is told where its port can be reached from other machines, or where the configuration says by which
port it can (`public_port`), as behind a proxy. One at which no password is taken, being without TLS, is none.
"""

from collections.abc import Mapping
from typing import Literal

from mailnode.config import Config, Listener
from mailnode.config_rules import endpoint_port, reachable
from mailnode.values import frozen

ServiceName = Literal["imap", "pop3", "submission"]

_ORDER: tuple[ServiceName, ...] = ("imap", "pop3", "submission")


@frozen
class ClientService:
    """A service at a port of the host of this name; under TLS from the start, else by STARTTLS."""

    name: ServiceName
    host: str
    port: int
    implicit: bool


def client_services(config: Config, taken: Mapping[str, int] | None = None) -> list[ClientService]:
    """All of them, what a client should try first first: IMAP before POP3, TLS before STARTTLS.

    `taken` are the ports of endpoints that do not say themselves, as sockets of systemd.
    """
    found = {
        ClientService(name, config.hostname, port, listener.tls == "implicit")
        for listener in config.listeners
        for name in _ORDER
        if listener.protocol == name and listener.tls != "none" and (port := _port(listener, taken or {}))
    }
    return sorted(found, key=lambda one: (_ORDER.index(one.name), not one.implicit, one.port))


def https_base(config: Config, taken: Mapping[str, int] | None = None) -> str:
    """Where clients may ask by HTTPS under our own name, "https://mail.example.org"; "" for nowhere."""
    secure = (one for one in config.listeners if one.protocol == "http" and one.tls == "implicit")
    port = next(filter(None, (_port(one, taken or {}) for one in secure)), 0)
    return f"https://{config.hostname}{'' if port == 443 else f':{port}'}" if port else ""


def client_hosts(config: Config) -> list[str]:
    """The names by which clients ask for this server under TLS.

    Those with which they set themselves up are among them where they can do so by HTTPS only, and those of
    policies of MTA-STS, which other servers ask for, where HTTPS is spoken at all.
    """
    kinds = {one.tls for one in config.listeners if one.protocol == "http"}
    names = ("autoconfig", "autodiscover") if kinds == {"implicit"} else ()
    if config.mta_sts.mode != "off" and "implicit" in kinds:
        names = (*names, "mta-sts")
    return [config.hostname, *(f"{name}.{domain}" for domain in config.domains for name in names)]


def _port(listener: Listener, taken: Mapping[str, int]) -> int:
    """Where the world finds it; 0 for nowhere."""
    if listener.public_port:
        return listener.public_port
    if reachable(listener.endpoint):
        return endpoint_port(listener.endpoint)
    return taken.get(listener.endpoint, 0)
