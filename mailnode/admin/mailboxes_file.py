"""Edits of mailboxes.toml that keep every comment and blank line of the people who wrote it.

A new mailbox goes to the end of the file, a removed one leaves exactly its own lines out. The edited text
is checked as a whole before it takes the place of the file, so that a file the server would refuse is
never written.
"""

import os
from collections.abc import Callable, Mapping

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mailnode.config import Config, Mailboxes
from mailnode.config_reading import check_mailboxes
from mailnode.config_rules import address as check_address
from mailnode.config_rules import looked_up
from mailnode.fs import FileSystem
from mailnode.tomlfile import ConfigurationError, TomlFile, find_lines

Edit = Callable[[str], str]
Value = str | list[str]


class EditRefused(Exception):
    """The edit makes no sense with what is in the file; the text is for the person at the keyboard."""


def adding(
    address: str, credentials: Mapping[str, Value], name: str, *, quota: str = "", language: str = ""
) -> Edit:
    """Add a mailbox that is not there yet; what is empty is left out."""
    facts = {**credentials, "name": name, "quota": quota, "language": language}

    def edit(text: str) -> str:
        if _written(text, address) is not None:
            raise EditRefused(f"{address} is there already")
        entry = tomlkit.table()
        entry.update({key: value for key, value in facts.items() if value})
        block = tomlkit.dumps({"mailboxes": {address: entry}})
        return f"{text.rstrip()}\n\n{block}" if text.strip() else block

    return edit


def setting_password(address: str, credentials: Mapping[str, Value]) -> Edit:
    """Change the credentials of a mailbox that is there: its password, and all that is made of it.

    What is not given is taken away, as nothing of an old password may go on working.
    """
    new: dict[str, Value] = {"scram": [], "secret": "", **credentials}

    def edit(text: str) -> str:
        for key, value in new.items():
            text = _set(text, address, key, value)
        return text

    return edit


def setting_quota(address: str, quota: str) -> Edit:
    """Change the quota of a mailbox that is there."""
    return lambda text: _set(text, address, "quota", quota)


def _set(text: str, address: str, key: str, value: Value) -> str:
    written = _must_be_there(text, address)
    document = tomlkit.parse(text)
    entry = document["mailboxes"][written]
    line = find_lines(text).get(("mailboxes", written, "password"))
    if key in entry and not value:
        del entry[key]
    elif key in entry or (value and line is None):
        entry[key] = value
    elif (
        value and line is not None
    ):  # beside the password, and before the comments that belong to what follows
        lines = text.split("\n")
        lines.insert(line, tomlkit.dumps({key: value}).rstrip("\n"))
        return "\n".join(lines)
    return tomlkit.dumps(document)


def removing(address: str) -> Edit:
    """Remove a mailbox that is there; its mail stays where it lies."""

    def edit(text: str) -> str:
        path = ("mailboxes", _must_be_there(text, address))
        own = [line for found, line in find_lines(text).items() if found[:2] == path]
        lines = text.split("\n")
        before, after = lines[: min(own) - 1], lines[max(own) :]
        if after and not after[0].strip() and not (before and before[-1].strip()):
            after = after[1:]  # of the blank lines around it one is enough
        return "\n".join(before + after)

    return edit


def apply(edit: Edit, config: Config, files: FileSystem) -> Mailboxes:
    """Edit the mailboxes file of a configuration and give what it says now.

    Raises EditRefused, or ConfigurationError if the file would be wrong afterwards. The folder is locked
    meanwhile: of two edits at once the second sees the first.
    """
    path = os.path.realpath(config.mailboxes)
    with files.locked(os.path.dirname(path)):
        before = files.stat(path)
        try:
            data = edit(files.read(path).decode() if before else "").encode()
        except (TOMLKitError, UnicodeError) as error:
            raise EditRefused(f"{path} cannot be edited: {error}") from None
        after = TomlFile(config.mailboxes, data)
        mailboxes = check_mailboxes(after, config)
        if after.mistakes:
            raise ConfigurationError(tuple(after.mistakes))
        # root edits, but the server must still be able to read it
        owner = (before.st_uid, before.st_gid) if before and before.st_uid != os.geteuid() else None
        files.replace(path, data, mode=0o600, owner=owner)
    return mailboxes


def _written(text: str, address: str) -> str | None:
    """The name of the mailbox as the file writes it, however it does."""
    boxes = tomlkit.parse(text).unwrap().get("mailboxes", {})
    return next((str(name) for name in boxes if looked_up(check_address, name) == address), None)


def _must_be_there(text: str, address: str) -> str:
    written = _written(text, address)
    if written is None:
        raise EditRefused(f"there is no mailbox {address}")
    return written
