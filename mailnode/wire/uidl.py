"""Formats of POP3's unique-ids (RFC 1939 section 7), as Dovecot's `pop3_uidl_format` has them.

`%u` is the UID, `%v` the UIDVALIDITY, `%f` the name of the file without flags, `%g` what names the message
through all copies, `%%` a percent sign. Between: a width with leading zeros such as `08`, `X` for hexadecimal
digits in lower case, `M` for the MD5 in hexadecimal digits.
"""

import hashlib
import re
from typing import Final

from mailnode.wire.errors import BadSyntax

DEFAULT: Final = "%08Xu%08Xv"
LONGEST: Final = 70  # RFC 1939 section 7

_DIRECTIVE = re.compile(r"%(?:0(\d{1,2}))?([XM]?)([uvfg])|%%")
_VISIBLE = re.compile(r"[!-~]+")
_UNIQUE_ID = re.compile(rf"[!-~]{{1,{LONGEST}}}")
_LARGEST = 2**32 - 1


def unique_id(template: str, *, uid: int, validity: int, base: str, guid: str) -> str:
    """The unique-id of a message; by the default format where that one gives something that is none."""
    if template == DEFAULT:
        return default_id(uid, validity)
    made = _made(template, uid=uid, validity=validity, base=base, guid=guid)
    return made if is_unique_id(made) else default_id(uid, validity)


def _made(template: str, *, uid: int, validity: int, base: str, guid: str) -> str:
    facts: dict[str, int | str] = {"u": uid, "v": validity, "f": base, "g": guid}

    def put(found: re.Match[str]) -> str:
        width, kind, letter = found.groups()
        if letter is None:
            return "%"
        fact = facts[letter]
        text = f"{fact:x}" if kind == "X" and isinstance(fact, int) else str(fact)
        if kind == "M":
            text = hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        return text.zfill(int(width or 0))

    return _DIRECTIVE.sub(put, template)


def is_unique_id(text: str) -> bool:
    """Whether it can be one: 1 to 70 characters from 0x21 to 0x7E."""
    return _UNIQUE_ID.fullmatch(text) is not None


def names_copies_alike(template: str) -> bool:
    """Whether a message and its copy in the same mailbox get the same."""
    return not _facts(template) & {"u", "f"}


def _facts(template: str) -> set[str]:
    return {found[3] for found in _DIRECTIVE.finditer(template)}


def default_id(uid: int, validity: int) -> str:
    """The unique-id of the default format."""
    return f"{uid:08x}{validity:08x}"


def check_format(template: str) -> None:
    """Raise BadSyntax for a format that gives one id to two messages, or what is none."""
    if not _VISIBLE.fullmatch(template) or "%" in _DIRECTIVE.sub("", template):
        raise BadSyntax("is not a format of unique-ids")
    if not _facts(template) & {"u", "f", "g"}:
        raise BadSyntax("gives all messages one unique-id")
    if len(_made(template, uid=_LARGEST, validity=_LARGEST, base="", guid="0" * 32)) > LONGEST:
        raise BadSyntax(f"gives unique-ids of more than {LONGEST} characters")
