"""`dovecot-uidlist` version 3: the truth for UIDs and UIDVALIDITY, one text file for each folder.

    3 V<uidvalidity> N<nextuid> G<32 hex digits>
    <uid> [<letter><value> ...] :<base name>

UIDs strictly increase. Fields are kept as they were, in order. A reader that meets a bad line skips it and
has the file rewritten; the message of that line gets a new UID, the UIDVALIDITY stays. Version 1
(`1 <uidvalidity> <nextuid>` and `<uid> <name>`) is read and rewritten as version 3.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

FILE_NAME = "dovecot-uidlist"
LOCK_NAME = "dovecot-uidlist.lock"

UID_END = 2**32 - 1


class Record(NamedTuple):
    """One line. `fields` are such as "S1234" or "Pabc". A named tuple: there may be hundreds of thousands."""

    uid: int
    base: str
    fields: tuple[str, ...] = ()

    def field(self, letter: str) -> str | None:
        """The value of a field, or None."""
        for text in self.fields:
            if text[0] == letter:
                return text[1:]
        return None

    def encode(self) -> bytes:
        """The line as it stands in the file."""
        return os.fsencode(self.line())

    def line(self) -> str:
        """The same as text."""
        if self.fields:
            return f"{self.uid} {' '.join(self.fields)} :{self.base}\n"
        return f"{self.uid} :{self.base}\n"


@dataclass(slots=True)
class UidList:
    """The parsed file. `sound` is False when it must be rewritten before anything is appended."""

    validity: int
    next_uid: int
    guid: str
    extra: tuple[str, ...] = ()
    records: dict[str, Record] = field(default_factory=dict)  # by base
    sound: bool = True

    def encode(self) -> bytes:
        """The whole file, canonically."""
        header = ["3", f"V{self.validity}", f"N{self.next_uid}", f"G{self.guid}", *self.extra]
        return os.fsencode(" ".join(header) + "\n") + encode(sorted(self.records.values()))


def encode(records: Iterable[Record]) -> bytes:
    """The lines of some records."""
    return os.fsencode("".join(map(Record.line, records)))


def parse(data: bytes) -> UidList | None:
    """The list, or None when the header cannot be read (then the folder needs a new UIDVALIDITY)."""
    text = os.fsdecode(data)
    lines = text.split("\n")
    torn = lines.pop() != ""  # the last line has no line end: it may be half a line, and is not believed
    if not lines:
        return None
    parsed = _header(lines[0])
    if parsed is None:
        return None
    old_version = lines[0].startswith("1 ")
    if torn or old_version or not parsed.guid:
        parsed.sound = False
    last = 0
    for line in lines[1:]:
        record = read_record(line, old_version=old_version)
        if record is None or record.uid <= last:
            parsed.sound = False
            continue
        last = record.uid
        if record.base in parsed.records:
            parsed.sound = False
        parsed.records[record.base] = record
    parsed.next_uid = max(parsed.next_uid, last + 1)
    return parsed


def extend(known: UidList, data: bytes) -> list[Record] | None:
    """Take in lines that stand behind those that are known; gives their records.

    None, and nothing is taken in, where they are not all as they should be: then all is to be read.
    """
    *lines, rest = os.fsdecode(data).split("\n")
    found: list[Record] = []
    next_uid = known.next_uid
    bases = set()
    for line in lines:
        record = read_record(line)
        if record is None or record.uid < next_uid or record.base in known.records or record.base in bases:
            return None
        next_uid = record.uid + 1
        bases.add(record.base)
        found.append(record)
    if rest or not known.sound:
        return None
    known.records.update(zip((record.base for record in found), found, strict=True))
    known.next_uid = next_uid
    return found


def bases_in(data: bytes) -> list[str]:
    """The bases of all readable records, in their order, whatever the header says."""
    lines = os.fsdecode(data).split("\n")[1:]
    return [record.base for record in map(read_record, lines) if record is not None]


def _decimal(text: str, end: int = UID_END) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < end:
        return int(text)
    return None


def _header(line: str) -> UidList | None:
    version, *fields = line.split(" ")
    if version == "1" and len(fields) == 2:
        fields = ["V" + fields[0], "N" + fields[1]]
    elif version != "3":
        return None
    values: dict[str, str] = {}
    extra = []
    for text in fields:
        if text[:1] in ("V", "N", "G"):
            values.setdefault(text[0], text[1:])
        elif text:
            extra.append(text)
    validity = _decimal(values.get("V", ""), 2**32)
    next_uid = _decimal(values.get("N", ""))  # when there are no more, the folder starts with a new V
    if not validity or not next_uid:
        return None
    return UidList(validity, next_uid, values.get("G", ""), tuple(extra))


def read_record(line: str, *, old_version: bool = False) -> Record | None:
    """A line as it stands in the file, without its end; None when it cannot be read."""
    if old_version:
        return _old_record(line)
    before, colon, base = line.partition(" :")
    if " " not in before:  # nearly all lines
        number, fields = before, []
    else:
        number, *fields = before.split(" ")
    uid = _decimal(number)
    if not uid or not colon or not base or "/" in base or "\r" in base:
        return None
    if fields and not all(text[:1].isalpha() and text[:1].isupper() for text in fields):
        return None
    return Record(uid, base.partition(":")[0] if ":" in base else base, tuple(fields))


def _old_record(line: str) -> Record | None:
    number, _, name = line.partition(" ")
    uid = _decimal(number)
    if not uid or not name or "/" in name:
        return None
    return Record(uid, name.partition(":")[0])
