"""One message while FETCH or SEARCH looks at it; what is dear is got once, when first asked for."""

from collections.abc import Set as AbstractSet
from functools import cached_property
from types import TracebackType
from typing import Any

from mailnode.imap.narrowing import Narrowing
from mailnode.imap.needles import Needle, TextsUnread
from mailnode.imap.selected import Selected
from mailnode.imap.surrogates import Surrogates
from mailnode.message.rendered import Rendered
from mailnode.message.searched import sent_day, values
from mailnode.store.body import Body
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Message
from mailnode.store.prepared_tables import Prepared


class Subject:
    """A message of the selected mailbox, by its position; leaving the context closes its file.

    A search says in `narrowing` what it knows of all messages; FETCH says by what it is `reading` them.
    Raises NoSuchMessage when this one has gone.
    """

    def __init__(
        self,
        view: Selected,
        position: int,
        narrowing: Narrowing | None = None,
        *,
        reading: Mailbox | Surrogates | None = None,
    ) -> None:
        self.view = view
        self.reading = reading or view.mailbox
        self.number = position + 1
        self.message: Message = view.message(position)
        self.uid = self.message.uid
        self.decoded: dict[tuple[int, ...], tuple[int, bool] | None] = {}  # see binary_items
        self.found: AbstractSet[Needle] | None = None  # in its texts, once they were read
        self._body: Body | None = None
        self._narrowing = narrowing
        self._values: dict[bytes, list[str]] = {}

    def prepared(self, what: Prepared) -> Any:
        """One of the prepared answers, without the others."""
        return self.reading.prepared(self.uid, what)

    @cached_property
    def rendered(self) -> Rendered:
        """The prepared answers, with the tree of parts."""
        return self.reading.rendered(self.uid)

    @cached_property
    def sent(self) -> int:
        """The day that the Date field states, see sent_day()."""
        return sent_day(self.prepared("header"))

    def values(self, name: bytes) -> list[str]:
        """The folded values of all fields of that name (in lower case)."""
        if name not in self._values:
            self._values[name] = values(self.prepared("header"), name)
        return self._values[name]

    def may_hold(self, needle: str) -> bool:
        """Whether the folded string may stand in the header or the texts; False is certain."""
        return self._narrowing is None or self._narrowing.may_hold(self.uid, needle)

    def holds(self, needle: Needle) -> bool:
        """Whether the needle stands in the texts. Raises TextsUnread where only `found` can tell."""
        if self._narrowing is not None and not self._narrowing.texts_may_hold(self.uid, needle):
            return False
        if self.found is None:
            raise TextsUnread
        return needle in self.found

    @property
    def body(self) -> Body:
        """The open message file."""
        if self._body is None:
            self._body = self.reading.body(self.uid)
        return self._body

    @property
    def recent(self) -> bool:
        r"""Whether the message is \Recent in this session."""
        return self.uid in self.view.recent

    def __enter__(self) -> "Subject":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._body is not None:
            self._body.close()
