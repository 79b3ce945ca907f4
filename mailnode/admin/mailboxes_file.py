"""Edits of mailboxes.toml that keep every comment and blank line of the people who wrote it.

A new mailbox goes to the end of the file, a removed one leaves exactly its own lines out. The edited text
is checked as a whole before it takes the place of the file, so that a file the server would refuse is
never written.
"""

import os
from collections.abc import Callable, Mapping

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mailnode.admin.toml_lines import Value, with_table, with_value, without
from mailnode.config import Config, Mailboxes
from mailnode.config_reading import check_mailboxes
from mailnode.config_rules import alias_name, looked_up
from mailnode.fs import FileSystem
from mailnode.tomlfile import ConfigurationError, TomlFile

Edit = Callable[[str], str]


class EditRefused(Exception):
    """The edit makes no sense with what is in the file; the text is for the person at the keyboard."""


def adding(
    address: str, credentials: Mapping[str, Value], name: str, *, quota: str = "", language: str = ""
) -> Edit:
    """Add a mailbox that is not there yet; what is empty is left out."""
    facts = {**credentials, "name": name, "quota": quota, "language": language}

    def edit(text: str) -> str:
        if written(text, address) is not None:
            raise EditRefused(f"{address} is there already")
        return with_table(text, ("mailboxes", address), facts)

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
    return with_value(text, ("mailboxes", _must_be_there(text, address)), key, value, beside="password")


def removing(address: str) -> Edit:
    """Remove a mailbox that is there; its mail stays where it lies."""
    return lambda text: without(text, ("mailboxes", _must_be_there(text, address)))


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


def written(text: str, name: str, table: str = "mailboxes") -> str | None:
    """A name in a table as the file writes it, however it does; None where it is not there."""
    entries = tomlkit.parse(text).unwrap().get(table, {})
    return next((str(one) for one in entries if looked_up(alias_name, one) == name), None)


def _must_be_there(text: str, address: str) -> str:
    found = written(text, address)
    if found is None:
        raise EditRefused(f"there is no mailbox {address}")
    return found
