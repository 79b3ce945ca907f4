"""The [messages] table: messages to people who are there now."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from mailnode.config_rules import address, between
from mailnode.tomlfile import Fault, TomlFile

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def unix_user(text: str) -> str:
    """The name of a user of this machine."""
    if not _USER.fullmatch(text):
        raise Fault("is not the name of a user", 'Write the login name, such as "anna".')
    return text


@dataclass(frozen=True, slots=True)
class LiveMessages:
    """SEND, SOML and SAML (RFC 821 section 3.4): who may use them, and whose terminals they reach.

    `limit` are the octets of a message by SEND, and those of any other that are looked at to be shown.
    """

    allow: Literal["nobody", "users", "trusted", "everybody"] = "nobody"
    terminals: Mapping[Annotated[str, address], Annotated[str, unix_user]] = field(default_factory=dict)
    limit: Annotated[int, between(1024, 65536)] = 8192


def check(file: TomlFile, mailboxes: Collection[str]) -> None:
    """The mailboxes that the table names are to be there."""
    for name, path in _written(file, "messages", "terminals").items():
        if name not in mailboxes:
            file.warning(path, "is no mailbox", "Correct the address, or remove the line.")


def _written(file: TomlFile, *path: str) -> dict[str, tuple[str, ...]]:
    """The keys of a table in lower case, and where each stands; one that stands there twice is a mistake."""
    content: object = file.content
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    keys: Iterable[str] = content if isinstance(content, dict) else ()
    found: dict[str, tuple[str, ...]] = {}
    for key in keys:
        if key.lower() in found:
            file.mistake((*path, key), "is there twice, in other letters", "Remove one of the two.")
        found[key.lower()] = (*path, key)
    return found
