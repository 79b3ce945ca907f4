"""What the folders for drafts, sent mail and so on are called: the [store.special_use] table."""

import re
import unicodedata
from dataclasses import fields
from typing import Annotated

from mailnode.tomlfile import Fault
from mailnode.values import frozen

FolderLevels = tuple[str, ...]

_LEVELS = re.compile(r"[./]")
_LETTERS = 100


def folder_name(text: str) -> str:
    """A folder's name with "/" or "." between its levels, or nothing."""
    levels = _LEVELS.split(text) if text else ["-"]
    if not all(levels) or not text.isprintable() or len(text) > _LETTERS or text.startswith("~"):
        raise Fault("is not the name of a folder", 'Write it like "Sent" or "INBOX/Sent", or "" for none.')
    if text.upper() == "INBOX" or levels[0] in ("cur", "new", "tmp"):
        raise Fault(
            "is a name that has another meaning", 'Choose another one, such as "Sent", or "" for none.'
        )
    return text


def namespace(text: str) -> str:
    """A folder's name of one level, or nothing."""
    if _LEVELS.search(text):
        raise Fault("has more than one level", 'Write one word, such as "Shared", or "" for none.')
    return unicodedata.normalize("NFC", folder_name(text))


FolderName = Annotated[str, folder_name]


@frozen
class SpecialUse:
    r"""The names of the folders that RFC 6154 has attributes for; "" for none."""

    drafts: FolderName = "Drafts"
    sent: FolderName = "Sent"
    junk: FolderName = "Junk"
    trash: FolderName = "Trash"
    archive: FolderName = "Archive"

    def names(self) -> dict[str, FolderLevels]:
        r"""The levels of each name, by the attribute: "\\Sent"."""
        named = {f"\\{one.name.capitalize()}": getattr(self, one.name) for one in fields(self)}
        return {use: tuple(_LEVELS.split(name)) for use, name in named.items() if name}


NONE = SpecialUse("", "", "", "", "")
