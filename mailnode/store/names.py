"""Mailbox names and Maildir++ directories: ("Work", "2026") lies in `.Work.2026`.

Levels are written in modified UTF-7 (RFC 3501 section 5.1.3), as Dovecot and Courier do by default. A
directory that is not canonical modified UTF-7 is read as UTF-8, as Dovecot does when told so; one that is
neither is not a mailbox. Names are in Unicode normal form C, so that the two spellings of an e acute are one.
"""

import functools
import os
import unicodedata
from collections.abc import Iterable

from mailnode.store.errors import BadMailboxName
from mailnode.store.values import INBOX, Name
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import mutf7

MAX_LEVELS = 10
_MAX_DIRECTORY = 250
_RESERVED = ("cur", "new", "tmp")


@functools.lru_cache(maxsize=16384)
def name_of(directory: str) -> Name | None:
    """The mailbox in a directory of the account's root, or None when it is none."""
    if not directory.startswith(".") or directory in (".", ".."):
        return None
    octets = os.fsencode(directory[1:])
    try:
        text = mutf7.decode(octets)
    except BadSyntax:
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if text.isascii():
            return None  # ASCII that is not modified UTF-7: no client could name it
    name = tuple(unicodedata.normalize("NFC", text).split("."))
    if not all(name) or name == INBOX:
        return None
    return name


def directory_of(name: Name, *, utf8: bool = False) -> str:
    """The directory for a new mailbox; raises BadMailboxName when there can be none."""
    check(name)
    text = ".".join(name)
    octets = text.encode("utf-8") if utf8 else mutf7.encode(text)
    if len(octets) > _MAX_DIRECTORY:
        raise BadMailboxName("The name is too long")
    return "." + os.fsdecode(octets)


def usual_directory(name: Name) -> str | None:
    """Where a mailbox lies in most trees, in modified UTF-7; of two directories of a name it is this one."""
    try:
        return directory_of(name)
    except BadMailboxName:
        return None


def normal(name: Name) -> Name:
    """The name in normal form C, INBOX in capitals."""
    levels = [unicodedata.normalize("NFC", level) for level in name]
    if levels and levels[0].upper() == "INBOX":
        levels[0] = "INBOX"
    return tuple(levels)


def check(name: Name) -> None:
    """Raise BadMailboxName, with a reason for the person, for a name no mailbox may have."""
    if not name or not all(name):
        raise BadMailboxName("The name has an empty level")
    if len(name) > MAX_LEVELS:
        raise BadMailboxName(f"The name has more than {MAX_LEVELS} levels")
    for level in name:
        if "." in level or "/" in level:
            raise BadMailboxName("A level of the name cannot hold a dot or a slash")
        if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in level):
            raise BadMailboxName("The name holds a control character")
        if level in _RESERVED or level.startswith("~"):
            raise BadMailboxName("The name is reserved")


def wants_utf8(directories: Iterable[str]) -> bool:
    """Whether the tree was made by a program that writes UTF-8: then new folders are written so too."""
    eight_bit = modified = False
    for directory in directories:
        octets = os.fsencode(directory)
        if any(octet >= 0x80 for octet in octets):
            eight_bit = True
        elif b"&" in octets and name_of(directory) is not None:
            modified = True
    return eight_bit and not modified
