"""The [messages] and [on_demand] tables: messages to who is there now, mail that is called for."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from typing import Annotated, Literal

from mailnode.config_rules import address, between, domain_name, looked_up
from mailnode.tomlfile import Fault, TomlFile
from mailnode.values import frozen

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def unix_user(text: str) -> str:
    """The name of a user of this machine."""
    if not _USER.fullmatch(text):
        raise Fault("is not the name of a user", 'Write the login name, such as "anna".')
    return text


@frozen
class LiveMessages:
    """SEND, SOML and SAML (RFC 821 section 3.4): who may use them, and whose terminals they reach.

    `limit` are the octets of a message by SEND, and those of any other that are looked at to be shown.
    """

    allow: Literal["nobody", "users", "trusted", "everybody"] = "nobody"
    terminals: Mapping[Annotated[str, address], Annotated[str, unix_user]] = field(default_factory=dict)
    limit: Annotated[int, between(1024, 65536, "octets")] = 8192


def check(
    file: TomlFile,
    on_demand: Mapping[str, Collection[str]],
    domains: Collection[str],
    mailboxes: Collection[str],
) -> None:
    """What the two tables name must be there, and be there for that."""
    for name, path in _written(file, address, "messages", "terminals").items():
        if name not in mailboxes:
            file.warning(path, "is no mailbox", "Correct the address, or remove the line.")
    written = _written(file, domain_name, "on_demand")
    for domain, accounts in on_demand.items():
        path = written[domain]
        if domain in domains:
            remedy = "Name a domain whose mail waits here until another host calls for it."
            file.mistake(path, "is a domain of this server, which keeps its mail", remedy)
        if not accounts:
            file.mistake(path, "names nobody", "Name the mailboxes whose owners may call for its mail.")
        for index, account in enumerate(accounts):
            if account not in mailboxes:
                text = f"{account} is no mailbox"
                file.warning((*path, index), text, "Correct the address, or remove it.")


def _written(file: TomlFile, rule: Callable[[str], str], *path: str) -> dict[str, tuple[str, ...]]:
    """The keys of a table as they are looked up, and where each stands; to stand there twice is a mistake."""
    content: object = file.content
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    keys: Iterable[str] = content if isinstance(content, dict) else ()
    found: dict[str, tuple[str, ...]] = {}
    for key in keys:
        name = looked_up(rule, key)
        if name in found:
            file.mistake((*path, key), "is there twice, written differently", "Remove one of the two.")
        found[name] = (*path, key)
    return found
