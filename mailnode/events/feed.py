"""The change feed: who wants to know that a mailbox is not what it was.

The feed says only that something changed; what changed, each session finds by comparing its own view with
the store (store.mailbox.changes). So a lost or doubled announcement does no harm.
"""

from collections.abc import Callable
from functools import partial

from mailnode.events.log import Log

MailboxKey = tuple[str, tuple[str, ...]]  # account address, levels of the mailbox name


class ChangeFeed:
    """Announcements by account and mailbox. Used on the reactor thread only."""

    def __init__(self) -> None:
        self._watchers: dict[MailboxKey, dict[object, Callable[[], None]]] = {}
        self._listeners: dict[object, Callable[[MailboxKey], None]] = {}

    def watch(self, key: MailboxKey, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each announcement for `key`; gives a function that ends the watch."""
        token = object()
        self._watchers.setdefault(key, {})[token] = wake

        def stop() -> None:
            watchers = self._watchers.get(key, {})
            watchers.pop(token, None)
            if not watchers:
                self._watchers.pop(key, None)

        return stop

    def listen(self, hear: Callable[[MailboxKey], None]) -> Callable[[], None]:
        """Call `hear` with the key of every announcement; gives a function that ends it."""
        token = object()
        self._listeners[token] = hear

        def stop() -> None:
            self._listeners.pop(token, None)

        return stop

    def announce(self, key: MailboxKey) -> None:
        """Wake everybody who watches `key`, and tell those who listen to all. Raises nothing."""
        hears = [partial(hear, key) for hear in self._listeners.values()]
        Log("mailnode.events").each("change not heard", [*hears, *self._watchers.get(key, {}).values()])

    def watched(self) -> list[MailboxKey]:
        """The mailboxes somebody watches now."""
        return list(self._watchers)
