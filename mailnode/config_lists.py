"""Mailing lists in mailboxes.toml: one table for each."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from mailnode.config_names import as_written, is_known
from mailnode.config_rules import address, address_or_nothing, one_line, split_address
from mailnode.tomlfile import Fault, Path, TomlFile
from mailnode.values import frozen

POSTMASTER = "postmaster"


def https_url(text: str) -> str:
    """The address of a page, or nothing; it goes into a header field as it is."""
    parts = urlsplit(text) if text.isascii() and text.isprintable() else urlsplit("")
    if text and (parts.scheme != "https" or not parts.hostname or set(text) & set(" <>,")):
        raise Fault("is no https address", 'Write it like "https://lists.example.org/leave".')
    return text


@frozen
class MailingList:
    """A list: the addresses that get what is sent to it, its full name, and who hears of errors.

    `posting` says who may send to it; what the `moderators` have not approved goes to nobody. `unsubscribe`
    is a page that takes a one-click request to leave (RFC 8058).
    """

    members: tuple[Annotated[str, address], ...]
    name: Annotated[str, one_line] = ""
    owner: Annotated[str, address_or_nothing] = ""
    posting: Literal["open", "members", "moderated"] = "open"
    moderators: tuple[Annotated[str, address], ...] = ()
    unsubscribe: Annotated[str, https_url] = ""


def list_owner(name: str, entry: MailingList) -> str:
    """Who hears of errors of the list with this name (RFC 5321 section 3.9.2)."""
    return entry.owner or f"{POSTMASTER}@{split_address(name)[1]}"


def list_moderators(name: str, entry: MailingList) -> tuple[str, ...]:
    """Who approves what is sent to the list with this name."""
    return entry.moderators or (list_owner(name, entry),)


def check_lists(file: TomlFile, lists: Mapping[str, MailingList], domains: tuple[str, ...]) -> None:
    """Who is to hear of errors of a list, or to moderate it, can be written to."""
    written = as_written(file, "lists")
    for name, entry in lists.items():
        for path, person in _people(("lists", written[name]), entry):
            if person and split_address(person)[1] in domains and not is_known(file, person):
                text = f"{person} is no mailbox, alias or list"
                file.mistake(path, text, "Correct the address, or add the mailbox.")
        for index, member in enumerate(entry.members):
            if entry.posting == "open" and lists.get(member, entry).posting != "open":
                text = f"{member} gets what everybody sends here, whatever its own posting says"
                remedy = f'Write posting = "{lists[member].posting}" here too, or name its members.'
                file.warning(("lists", written[name], "members", index), text, remedy)
        if entry.moderators and entry.posting == "open":
            text = "has no effect, as everybody may send to the list"
            file.warning(
                ("lists", written[name], "moderators"), text, 'Add posting = "moderated", or remove it.'
            )


def _people(path: Path, entry: MailingList) -> Iterator[tuple[Path, str]]:
    yield (*path, "owner"), entry.owner
    for index, moderator in enumerate(entry.moderators):
        yield (*path, "moderators", index), moderator
