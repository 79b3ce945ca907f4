"""Message file names: `<secs>.M<usec>P<pid>Q<n>.<host>,S=<disk octets>,W=<wire octets>:2,<flags>`.

The base is what stands before the first ":"; it names the message for ever and is never changed. Flags are
what follows the last ":2,"; letters we do not know, and what follows a comma, are kept as they are.
"""

import functools
import heapq
import itertools
import random
import re
from collections.abc import Callable, Sequence

from mailnode.store.values import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

FLAG_OF_LETTER = {"D": DRAFT, "F": FLAGGED, "R": ANSWERED, "S": SEEN, "T": DELETED}
_SORTED_AT_ONCE = 8192
_CREDIBLE = range(10**8, 4_102_444_800)  # from 1973, when seconds have nine digits, to the year 2100

_SIZES = re.compile(r",([SW])=([0-9]{1,15})(?=,|\Z)")
_USUAL = re.compile(r"[^,]*+,S=([0-9]{1,15}),W=([0-9]{1,15})")
_ARRIVAL = re.compile(r"([0-9]{1,15})\.((?:M([0-9]{1,9})(?![0-9]))?.*)", re.DOTALL)
_OURS = re.compile(r"\d+\.M\d+P\d+Q\d+\.")

LETTER_OF_FLAG = {flag: letter for letter, flag in FLAG_OF_LETTER.items()}


def is_message(name: str) -> bool:
    """Whether a name in new/ or cur/ may be a message: no dot file, no line break in it."""
    return not name.startswith(".") and "\n" not in name and "\r" not in name and not name.startswith(":")


def split(name: str) -> tuple[str, str]:
    """The base of a file name and what follows it, from the first ":" on."""
    base, colon, rest = name.partition(":")
    return base, colon + rest


@functools.lru_cache(maxsize=4096)
def info_of(suffix: str) -> str:
    """The letters, and what follows them, in what stands behind a base; "" where there are no flags."""
    last = suffix.rpartition(":")[2]
    return last[2:] if last.startswith("2,") else ""


def suffix_of(info: str) -> str:
    """What stands behind a base in cur/."""
    return ":2," + info


@functools.lru_cache(maxsize=64)  # who looks at a message asks several times
def sizes(base: str) -> tuple[int | None, int | None]:
    """The sizes (disk, wire) that a base carries as `,S=` and `,W=`; None where it does not."""
    usual = _USUAL.fullmatch(base)
    if usual is not None:
        return int(usual[1]), int(usual[2])
    found = dict(_SIZES.findall(base))
    on_disk, on_wire = (int(found[key]) if key in found else None for key in "SW")
    return on_disk, on_wire


def is_verbatim(base: str) -> bool:
    """Whether the name says that the message lies there as it goes over the wire."""
    usual = _USUAL.fullmatch(base)  # who reads many messages asks this alone, once of each
    if usual is not None:
        return int(usual[1]) == int(usual[2])
    on_disk, on_wire = sizes(base)
    return on_disk is not None and on_disk == on_wire


def is_plain(base: str) -> bool:
    """Whether the name is one of ours and says that the message is plain (see `Draft`)."""
    if _OURS.match(base) is None:
        return False
    on_disk, on_wire = sizes(base)
    return None not in (on_disk, on_wire) and on_disk != on_wire


def stating(name: str, on_disk: int | None, on_wire: int | None, *, plain: bool) -> str:
    """A base of ours with the sizes, so far as it may state them: different ones only of a plain message."""
    if on_disk is not None:
        name += f",S={on_disk}"
    if on_wire is not None and (plain or on_disk == on_wire):
        name += f",W={on_wire}"
    return name


def with_sizes_of(base: str, name: str) -> str:
    """A new base for the same octets: `name`, with the sizes that `base` carries."""
    return stating(name, *sizes(base), plain=is_plain(base))


def arrival_order(base: str) -> tuple[int, int, str]:
    """The order in which files that came without us get their UIDs: seconds, microseconds, the rest."""
    found = _ARRIVAL.fullmatch(base)
    if found is None:
        return 0, 0, base
    seconds, rest, micro = found.groups()
    return int(seconds), int(micro or 0), rest


def stamp(base: str) -> int | None:
    """The seconds that a Maildir name begins with: when it was made; None where it says nothing credible."""
    seconds = arrival_order(base)[0]
    return seconds if seconds in _CREDIBLE else None


def by_arrival(bases: Sequence[str]) -> list[str]:
    """The bases in that order; sorted some at a time, as sorting lets no other thread work."""
    parts = []
    for start in range(0, len(bases), _SORTED_AT_ONCE):
        parts.append(sorted((arrival_order(base), base) for base in bases[start : start + _SORTED_AT_ONCE]))
    return [base for _, base in heapq.merge(*parts)]


class UniqueNames:
    """Names that no other delivery on this or any other host makes."""

    def __init__(self, now: Callable[[], float], *, pid: int, host: str, rng: random.Random) -> None:
        self._now = now
        self._pid = pid
        self._host = host.replace("/", "\\057").replace(":", "\\072").replace(",", "\\054")
        self._counter = itertools.count(rng.randrange(1 << 30))  # one step cannot be split between threads

    def next(self) -> str:
        """A new name, without sizes."""
        seconds, fraction = divmod(self._now(), 1)
        return f"{int(seconds)}.M{int(fraction * 1_000_000)}P{self._pid}Q{next(self._counter)}.{self._host}"
