"""Keywords as letters in file names.

`dovecot-keywords` names the letters a to z (numbers 0 to 25), one `<number> <name>` a line;
`mailnode-keywords`, in the same form, names numbers 26 to 55, whose letters Dovecot, mutt and neomutt do not
know but keep. A file is durable before any name uses its letters.
"""

import os
import string

from mailnode.store.errors import TooManyKeywords
from mailnode.store.filenames import FLAG_OF_LETTER, LETTER_OF_FLAG
from mailnode.store.values import Flags
from mailnode.wire.abnf import ATOM_CHAR, is_all

FIRST_FILE = "dovecot-keywords"
SECOND_FILE = "mailnode-keywords"

_FIRST_LETTERS = string.ascii_lowercase
_SECOND_LETTERS = string.digits + "ABCEGHIJKLMNOQUVWXYZ"
_LETTERS = _FIRST_LETTERS + _SECOND_LETTERS
_NUMBER_OF_LETTER = {letter: number for number, letter in enumerate(_LETTERS)}
_DIGITS = 2  # of the greatest number
NAME_LIMIT = 50


def _is_keyword(name: str) -> bool:
    octets = os.fsencode(name)
    return bool(octets) and len(octets) <= NAME_LIMIT and is_all(octets, ATOM_CHAR)


class Keywords:
    """The keyword table of one folder, and the two ways between flags and letters."""

    def __init__(self, first: bytes = b"", second: bytes = b"") -> None:
        self.names: dict[int, str] = {}
        for data in (first, second):
            for line in os.fsdecode(data).split("\n"):
                number, space, name = line.partition(" ")
                if (
                    space
                    and number.isascii()
                    and number.isdigit()
                    and len(number) <= _DIGITS
                    and int(number) < len(_LETTERS)
                ):
                    self.names[int(number)] = name if _is_keyword(name) else f"unknown-{number}"
        self._numbers = {name.lower(): number for number, name in self.names.items()}
        self._flags: dict[str, Flags] = {}

    @property
    def full(self) -> bool:
        """Whether every letter has a name."""
        return len(self.names) >= len(_LETTERS)

    def unnamed(self, infos: set[str]) -> set[int]:
        """The numbers of letters that stand in these infos without having a name."""
        letters = set().union(*(info.partition(",")[0] for info in infos)) if infos else set()
        return {
            number
            for letter in letters
            if (number := _NUMBER_OF_LETTER.get(letter)) is not None and number not in self.names
        }

    def add(self, number: int, name: str) -> None:
        """Name a letter."""
        self.names[number] = name
        self._numbers[name.lower()] = number
        self._flags.clear()

    def missing(self, flags: Flags) -> list[str]:
        """The keywords among `flags` that have no letter yet, sorted."""
        return sorted(
            flag for flag in flags if flag not in LETTER_OF_FLAG and flag.lower() not in self._numbers
        )

    def give_letters(self, names: list[str], used: set[str]) -> None:
        """Give each name a free number, or one whose letter no file has any more.

        `used` holds the infos of all files. Raises TooManyKeywords, and then changes nothing.
        """
        letters: set[str] = set().union(*(info.partition(",")[0] for info in used)) if used else set()
        free = [number for number in range(len(_LETTERS)) if number not in self.names]
        if len(free) < len(names):
            free += [number for number in self.names if _LETTERS[number] not in letters]
        if len(free) < len(names):
            raise TooManyKeywords
        for number, name in zip(free, names, strict=False):
            old = self.names.get(number)
            if old is not None:
                del self._numbers[old.lower()]
            self.add(number, name)

    def flags(self, info: str) -> Flags:
        """The flags that an info stands for; the same object for the same info."""
        known = self._flags.get(info)
        if known is None:
            found = set()
            for letter in info.partition(",")[0]:
                if letter in FLAG_OF_LETTER:
                    found.add(FLAG_OF_LETTER[letter])
                elif (name := self.names.get(_NUMBER_OF_LETTER.get(letter, -1))) is not None:
                    found.add(name)
            known = self._flags[info] = frozenset(found)
        return known

    def canonical(self, flag: str) -> str:
        """The spelling that a keyword has here, or the flag itself."""
        number = self._numbers.get(flag.lower())
        return flag if number is None or flag in LETTER_OF_FLAG else self.names[number]

    def info(self, flags: Flags, old: str) -> str:
        """The info for these flags; what `old` holds that is no flag of ours stays."""
        letters, comma, tail = old.partition(",")
        kept = {
            letter
            for letter in letters
            if letter not in FLAG_OF_LETTER and _NUMBER_OF_LETTER.get(letter) not in self.names
        }
        ours = {
            LETTER_OF_FLAG[flag] if flag in LETTER_OF_FLAG else _LETTERS[self._numbers[flag.lower()]]
            for flag in flags
        }
        return "".join(sorted(kept | ours)) + comma + tail

    def encode(self) -> tuple[bytes, bytes]:
        """The contents of the two files."""
        parts: tuple[list[str], list[str]] = ([], [])
        for number, name in sorted(self.names.items()):
            parts[number >= len(_FIRST_LETTERS)].append(f"{number} {name}\n")
        return os.fsencode("".join(parts[0])), os.fsencode("".join(parts[1]))
