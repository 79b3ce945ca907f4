"""The prepared answers of one mailbox: from the cache, or made now and kept for it.

What was made waits in memory until there is enough of it for one transaction. A look at the cache brings a
window: one answer of the messages of a block (store.blocks); of a few messages where it is in no block, and
of some hundreds from then on for whoever asks for all in order of UID. A search that is narrowed to messages
far apart asks for few of them.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from mailnode.message.listed import are_listed, chosen
from mailnode.message.rendered import Rendered, render
from mailnode.store.blocks import Texts
from mailnode.store.body import Body
from mailnode.store.cache import FolderCache
from mailnode.store.messages import Message, Several
from mailnode.store.prepared_tables import WINDOW_ROWS, Answer, Column, Prepared, Window

_uid, _base = attrgetter("uid"), attrgetter("base")

_FRESH_KEPT = 64  # answers that are put into the cache at once
_ALONE_KEPT = 32
_FRESH_OCTETS = 1 << 20  # or earlier, when they are so long together
_FEW = 8  # messages of the first window, and of every one for who does not ask in order


class Answers:
    """The answers of the messages whose folder this cache knows."""

    def __init__(self, cache: FolderCache) -> None:
        self._cache = cache
        self._windows: dict[Prepared, Window] = {}
        self._asked: dict[Prepared, int] = {}  # the UID asked for last
        self._fresh: dict[int, tuple[str, Rendered]] = {}  # made, and not yet in the cache
        self._fresh_octets = 0
        self._alone: dict[Answer, list[tuple[int, str, bytes]]] = {}  # made of headers, likewise

    def known(self, message: Message) -> Rendered | None:
        """All answers for a message, when they were made before."""
        fresh = self._fresh.get(message.uid)
        return fresh[1] if fresh else self._cache.rendered(message.uid, message.base)

    def one(self, message: Message, what: Prepared) -> Any | None:
        """One of the answers (the fields of Rendered), when it was made before and is in the cache."""
        uid = message.uid
        window = self._windows.get(what)
        if window is None or not window.first <= uid <= window.last:
            in_order = window is not None and self._asked[what] == window.last
            window = self._cache.prepared(uid, what, WINDOW_ROWS if in_order else _FEW)
            self._windows[what] = window
        self._asked[what] = uid
        base, value = window.answers.get(uid, ("", None))
        return value if base == message.base else None

    def column(self, some: Several, what: Prepared) -> Sequence[Any] | None:
        """One of the answers of each of some messages.

        None where not all of them are in the cache, or where some are long.
        """
        first, last = some.uids[0], some.uids[-1]
        if what == "header" or what == "octets":
            return _of(some.messages, self._cache.column(what, first, last))
        texts = self._cache.texts(what, first, last, some.names)
        if texts is None or isinstance(texts, Texts) or all(texts):
            return texts
        apart = _as_far_as_known(some.messages, self._cache.column(what, first, last))
        found = [text or other for text, other in zip(texts, apart, strict=True)]
        return None if None in found else found

    def fields(self, some: Several, names: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """The header fields of these names of each of some messages; None for one that has to be asked alone.

        Nothing where the headers have to be asked for.
        """
        if not are_listed(names):
            return None
        texts = self._cache.texts("fields", some.uids[0], some.uids[-1], some.names)
        if isinstance(texts, Texts):
            found = chosen(texts.joined, names)
            return found if len(found) == len(texts) else None
        if texts is None or not any(texts):
            return None
        return [chosen(text, names)[0] if text else None for text in texts]

    def orderings(self, messages: Sequence[Message]) -> list[bytes | None]:
        """What SORT and THREAD compare of messages in order of UID, where it is in the cache."""
        return _as_far_as_known(messages, self._cache.orderings(messages[0].uid, messages[-1].uid))

    def headers(self, messages: Sequence[Message]) -> list[bytes | None]:
        """The headers of messages in order of UID, where they are in the cache and not long."""
        return _as_far_as_known(messages, self._cache.column("header", messages[0].uid, messages[-1].uid))

    def holding(self, messages: Sequence[Message], name: bytes, needle: bytes) -> list[int | None]:
        """Whether a text of message.searched has the needle in it, of messages in order of UID.

        None where that is not in the cache.
        """
        return _as_far_as_known(messages, self._cache.holding(name, needle, list(map(_uid, messages))))

    def days(self, messages: Sequence[Message]) -> list[int | None]:
        """The days of message.searched, likewise."""
        return _as_far_as_known(messages, self._cache.days(list(map(_uid, messages))))

    def ready(self, message: Message, what: Prepared) -> Any | None:
        """One of the answers, when it was made before."""
        fresh = self._fresh.get(message.uid)
        return getattr(fresh[1], what) if fresh else self.one(message, what)

    def make(self, message: Message, body: Body) -> Rendered:
        """Read the message and keep the answers."""
        return self.keep(message, render(body.data, body.verbatim))

    def keep(self, message: Message, made: Rendered) -> Rendered:
        """Keep answers that were made from the message."""
        self._fresh[message.uid] = message.base, made
        self._fresh_octets += len(made.header) + 2 * len(made.bodystructure) + len(made.envelope)
        if len(self._fresh) >= _FRESH_KEPT or self._fresh_octets >= _FRESH_OCTETS:
            self.save()
        return made

    def keep_alone(self, what: Answer, answers: Iterable[tuple[int, str, bytes]]) -> None:
        """Keep one answer of messages of which the others are not made yet: UID, base name, answer."""
        alone = self._alone.setdefault(what, [])
        alone += answers
        if len(alone) >= _ALONE_KEPT:
            self.save_alone()

    def save_alone(self) -> None:
        """Put what was made of headers into the cache."""
        for what, answers in self._alone.items():
            self._cache.save_answers(what, answers)
        if self._alone:
            self._alone.clear()
            self._windows.clear()

    def save(self) -> None:
        """Put what was made lately into the cache."""
        self.save_alone()
        if not self._fresh:
            return
        self._cache.save_rendered([(uid, base, made) for uid, (base, made) in self._fresh.items()])
        self._fresh.clear()
        self._fresh_octets = 0
        self._windows.clear()


def _as_far_as_known(messages: Sequence[Message], column: Column) -> list[Any | None]:
    """The values of these messages, None where there is none."""
    known = _of(messages, column)
    if known is not None:
        return list(known)
    found = dict(zip(column.uids, zip(column.bases, column.values, strict=True), strict=True))
    rows = ((message, found.get(message.uid)) for message in messages)
    return [row[1] if row and row[0] == message.base else None for message, row in rows]


def _of(messages: Sequence[Message], column: Column) -> Sequence[Any] | None:
    """The values, if they are those of these messages."""
    known = column.uids == tuple(map(_uid, messages)) and column.bases == tuple(map(_base, messages))
    return column.values if known else None
