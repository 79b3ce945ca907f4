"""FETCH responses for some neighbours, put together from columns: the same item of one message after another.

A response for each message by itself costs half a microsecond in Python before anything is in it. So all of
them are written by one `%`, and a column that comes as it stands in the cache is not taken apart for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from mailnode.store.blocks import Texts


@dataclass(slots=True)
class Rows:
    """`start` is what a response begins with, with a `%d` for the `numbers` of messages.

    Both methods raise what the columns raise.
    """

    start: bytes
    numbers: Sequence[int]
    _labels: list[bytes] = field(default_factory=list)
    _forms: list[bytes] = field(default_factory=list)
    _columns: list[tuple[Iterable[Any], ...]] = field(default_factory=list)

    def add(self, label: bytes, form: bytes, columns: tuple[Iterable[Any], ...]) -> None:
        """A further item: its name, how it is written, and for each `%` in that a column."""
        self._labels.append(label.replace(b"%", b"%%"))
        self._forms.append(form)
        self._columns.append(columns)

    def __iter__(self) -> Iterator[bytes]:
        """One response at a time; what a column gives is asked for when it is needed."""
        cells = zip(self.numbers, *chain.from_iterable(self._columns), strict=True)
        return map(self._form(self._items()).__mod__, cells)

    def together(self) -> bytes:
        """All responses."""
        items = self._items()
        for place, (label, columns) in enumerate(zip(self._labels, self._columns, strict=True)):
            if isinstance(columns[0], Texts):
                before = self.start + b" ".join([*items[:place], label, b""])
                behind = b" ".join([b"", *items[place + 1 :]]) + b")\r\n"
                template = columns[0].between(before, behind + before, behind)
                return template % self._cells([*self._columns[:place], *self._columns[place + 1 :]])
        return self._form(items) * len(self.numbers) % self._cells(self._columns)

    def _items(self) -> list[bytes]:
        return [b"%b %b" % item for item in zip(self._labels, self._forms, strict=True)]

    def _form(self, items: Sequence[bytes]) -> bytes:
        return self.start + b" ".join(items) + b")\r\n"

    def _cells(self, columns: Sequence[tuple[Iterable[Any], ...]]) -> tuple[Any, ...]:
        """Number and columns of the first message, then of the next, and so on."""
        every = [self.numbers, *chain.from_iterable(columns)]
        cells: list[Any] = [None] * (len(every) * len(self.numbers))
        for place, column in enumerate(every):
            cells[place :: len(every)] = column
        return tuple(cells)
