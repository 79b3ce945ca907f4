"""What a search key is: a predicate on messages, with what is known of it before it is asked.

Keys say how dear they are, and the cheap ones of an AND are asked first: flags are in memory, sizes and dates
come from the file's name and its inode, headers from the cache, and only texts open the file. Keys with a
needle know which messages can match, as far as the text index knows; AND and OR know it of their keys, and
all others do not. What is in memory, in an inode or prepared is asked of many messages together.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum

from mailnode.imap import narrowing
from mailnode.imap.members import Members
from mailnode.imap.narrowing import Narrowing, Possible
from mailnode.imap.needles import Needle
from mailnode.imap.selected import Selected
from mailnode.imap.subject import Subject
from mailnode.store.messages import Message
from mailnode.values import frozen, replace


class Cost(IntEnum):
    """What has to be looked at."""

    MEMORY = 0
    INODE = 1
    HEADER = 2
    BODY = 3


def _every(narrowing: Narrowing) -> Possible:
    return None


# Whether each of some messages of a view matches, which are in order of UID; None where one has to be asked
# alone. Raises NoSuchMessage, OSError or Unread where all of them have to be.
Asked = Callable[[Selected, Sequence[Message]], Sequence[bool | None]]
Together = Callable[[Selected, Sequence[Message], Narrowing], Sequence[bool | None]]


def alone(view: Selected, messages: Sequence[Message], known: Narrowing) -> Sequence[bool | None]:
    """Each of them has to be."""
    return [None] * len(messages)


@frozen
class Hole:
    """The place of a search that is kept under a name, and how deep it is nested (RFC 5466)."""

    name: str
    depth: int


@frozen
class Key:
    """A predicate and its price, of how many keys it is made, and what it looks for in texts.

    `possible` gives the UIDs of a set of messages outside of which the key never matches, `within` are sets
    outside of which it never does either; `sets` must be bound to a view before the key is asked for messages
    there. `parts` are the keys that AND and OR join, `fuzzy` those that stand behind FUZZY; `together` asks
    the same of many messages. With `ages`, what matches changes as time goes by; with `modseqs`, the client
    wants to hear modification sequences. With `holes` it is no key before it was `filled`.
    """

    cost: Cost
    matches: Callable[[Subject], bool]
    count: int = 1
    needles: frozenset[Needle] = frozenset()
    possible: Callable[[Narrowing], Possible] = _every
    sets: tuple[Members, ...] = ()
    within: tuple[Members, ...] = ()
    parts: tuple["Key", ...] = ()
    fuzzy: tuple["Key", ...] = ()
    together: Together = alone
    ages: bool = False
    modseqs: bool = False
    holes: tuple[Hole, ...] = ()
    filled: "Callable[[Put], Key] | None" = None

    @property
    def by_number(self) -> bool:
        """Whether it names messages by their sequence numbers."""
        return any(members.by_number for members in self.sets)

    def fill(self, put: "Put") -> "Key":
        """The same with other keys in the place of its holes."""
        return self if self.filled is None or not self.holes else self.filled(put)

    def hits(self, subject: Subject) -> int:
        """How many of the keys that it is made of match."""
        if self.parts:
            return sum(part.hits(subject) for part in self.parts)
        return self.count if self.matches(subject) else 0

    def relevancy(self, subject: Subject) -> int:
        """score = 1*3DIGIT  ;; (1 <= n <= 100): how many in a hundred of the fuzzy keys match (RFC 6203)."""
        hits = sum(key.hits(subject) for key in self.fuzzy)
        return max(1, 100 * hits // sum(key.count for key in self.fuzzy))


Put = Callable[[Hole], Key]

EVERY = Key(Cost.MEMORY, lambda subject: True, together=lambda view, messages, known: [True] * len(messages))


# Combinations


def all_of(keys: list[Key]) -> Key:
    """All of them must match."""
    if len(keys) == 1:
        return keys[0]
    ordered = sorted(keys, key=lambda key: key.cost)
    return replace(
        _made_of(ordered, lambda subject: all(key.matches(subject) for key in ordered)),
        together=_joined(ordered, decisive=False),
        within=tuple(members for key in keys for members in key.within),
        possible=lambda known: narrowing.all_of(key.possible(known) for key in ordered),
        filled=lambda put: all_of([key.fill(put) for key in keys]),
    )


def _joined(keys: list[Key], *, decisive: bool) -> Together:
    """One key after the other, each of those messages for which none before gave the `decisive` answer."""

    def together(view: Selected, messages: Sequence[Message], known: Narrowing) -> Sequence[bool | None]:
        answers: list[bool | None] = [not decisive] * len(messages)
        left: Sequence[int] = range(len(messages))
        for key in keys:
            asked = key.together(view, [messages[at] for at in left], known)
            for place, answer in zip(left, asked, strict=True):
                if answer is not (not decisive):
                    answers[place] = answer
            left = [place for place in left if answers[place] is not decisive]
        return answers

    return together


def _made_of(keys: list[Key], matches: Callable[[Subject], bool]) -> Key:
    return Key(
        max(key.cost for key in keys),
        matches,
        sum(key.count for key in keys),
        frozenset().union(*(key.needles for key in keys)),
        sets=tuple(members for key in keys for members in key.sets),
        parts=tuple(keys),
        fuzzy=tuple(fuzzy for key in keys for fuzzy in key.fuzzy),
        ages=any(key.ages for key in keys),
        modseqs=any(key.modseqs for key in keys),
        holes=tuple(hole for key in keys for hole in key.holes),
    )


def not_of(key: Key) -> Key:
    """It must not match."""

    def together(view: Selected, messages: Sequence[Message], known: Narrowing) -> Sequence[bool | None]:
        return [None if answer is None else not answer for answer in key.together(view, messages, known)]

    return replace(
        key,
        together=together,
        matches=lambda subject: not key.matches(subject),
        within=(),
        possible=_every,
        parts=(),
        filled=lambda put: not_of(key.fill(put)),
    )


def any_of(keys: list[Key]) -> Key:
    """One of them must match."""
    ordered = sorted(keys, key=lambda key: key.cost)
    return replace(
        _made_of(ordered, lambda subject: any(key.matches(subject) for key in ordered)),
        together=_joined(ordered, decisive=True),
        possible=lambda known: narrowing.any_of(key.possible(known) for key in ordered),
        filled=lambda put: any_of([key.fill(put) for key in keys]),
    )


def fuzzy_of(key: Key) -> Key:
    """How well it matches counts (RFC 6203)."""
    return replace(key, fuzzy=(key,), filled=lambda put: fuzzy_of(key.fill(put)))
