"""Which names LIST gives, and with which attributes (RFC 5258 sections 3 and 4, RFC 3348, RFC 6154).

A level above a mailbox that is no mailbox itself is listed where nothing else in the answer shows that there
is something below it: `LIST "" %` needs it, `LIST "" *` does not.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mailnode.imap import names
from mailnode.store.names import MAX_LEVELS
from mailnode.store.values import INBOX, Name
from mailnode.values import frozen
from mailnode.wire.imap.listpattern import ListPattern

NO_USES: Mapping[Name, tuple[str, ...]] = {}
_PATTERN_LETTERS = 1000  # a longer one is ignored (RFC 5258 section 3)


class Patterns:
    """Patterns over mailbox names of one separator; INBOX matches in any case of its letters."""

    def __init__(self, patterns: Iterable[str], separator: str) -> None:
        self._separator = separator
        self._patterns = [ListPattern(one, separator) for one in patterns if len(one) <= _PATTERN_LETTERS]

    def __call__(self, name: Name) -> bool:
        """Whether one of them matches the whole name."""
        shown = names.shown(name, self._separator)
        caseless = len(INBOX[0]) if name[:1] == INBOX else 0
        return shown is not None and any(one.matches(shown, caseless=caseless) for one in self._patterns)


@frozen
class Selection:
    """The selection options; REMOTE is not among them, as there are no remote mailboxes."""

    subscribed: bool = False
    special_use: bool = False
    recursive: bool = False

    @property
    def of_all(self) -> bool:
        """Whether every mailbox that matches is wanted."""
        return not self.subscribed and not self.special_use


ALL = Selection()


@frozen
class Found:
    """A name to be listed: whether it meets the selection itself, and whether CHILDINFO goes with it."""

    name: Name
    selected: bool
    child_info: bool = False


@dataclass(slots=True)
class Tree:
    """The names of an account at one moment."""

    existing: frozenset[Name]
    subscribed: frozenset[Name] = frozenset()
    uses: Mapping[Name, tuple[str, ...]] = field(default_factory=lambda: NO_USES)
    _parents: frozenset[Name] = frozenset()

    def __post_init__(self) -> None:
        self._parents = frozenset(above(self.existing))

    def select(self, matches: Callable[[Name], bool], selection: Selection) -> Iterator[Found]:
        """The names to be listed, INBOX first (RFC 5258 sections 3.3 and 3.5)."""
        wanted: Collection[Name] = self.subscribed if selection.subscribed else self.existing
        if selection.special_use:
            wanted = {name for name in wanted if name in self.existing and self.uses.get(name)}
        parents = set(above(wanted))
        matching = {name for name in parents.union(wanted) if matches(name)}
        hiding = set(above(name for name in wanted if name not in matching))
        for name in sorted(matching, key=lambda name: (name != INBOX, name)):
            if name in wanted:
                yield Found(name, selected=True, child_info=selection.recursive and name in parents)
            elif name in hiding and (selection.recursive or selection.of_all):
                yield Found(name, selected=False, child_info=selection.recursive)

    def attributes(self, name: Name, *, absent: str) -> list[str]:
        r"""What is said of every listed name but \Subscribed; `absent` is said of what cannot be selected."""
        said = list(self.uses.get(name, ())) if name in self.existing else [absent]
        if name in self._parents:
            return [*said, "\\HasChildren"]
        if len(name) >= MAX_LEVELS:
            said.append("\\NoInferiors")
        return [*said, "\\HasNoChildren"]


def above(some: Iterable[Name]) -> Iterator[Name]:
    """All levels above these names, with repetitions."""
    return (name[:depth] for name in some for depth in range(1, len(name)))


def response(attributes: Iterable[str], mailbox: bytes, separator: str, extended: bytes = b"") -> bytes:
    """mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox
    [SP mbox-list-extended]"""
    said = " ".join(attributes).encode("ascii")
    more = b" (%s)" % extended if extended else b""
    return b'LIST (%s) "%s" %s%s' % (said, separator.encode("ascii"), mailbox, more)
