"""The change feed: who wants to know that a mailbox is not what it was.

The feed says only that something changed; what changed, each session finds by comparing its own view with
the store (store.mailbox.changes). So a lost or doubled announcement does no harm. Besides mailboxes there is
what belongs to the account as a whole: which mailboxes it has, subscriptions, annotations.
"""

from collections.abc import Callable
from functools import partial

from mailnode.events.log import Log

MailboxName = tuple[str, ...]  # its levels
MailboxKey = tuple[str, MailboxName]  # account address and mailbox
THE_ACCOUNT: MailboxName = ()  # instead of a mailbox: what belongs to the account as a whole
EVERYBODY = ""  # instead of an account: who has opened what to whom


class ChangeFeed:
    """Announcements by account and mailbox. Used on the reactor thread only."""

    def __init__(self) -> None:
        self.tell: Callable[[MailboxKey], None] = lambda key: None  # the other processes
        self._log = Log("mailnode.events")
        self._watchers: dict[MailboxKey, dict[object, Callable[[], None]]] = {}
        self._listeners: dict[object, Callable[[MailboxKey], None]] = {}
        self._attentive: dict[str, dict[object, Callable[[MailboxName], None]]] = {}

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

    def attend(self, address: str, hear: Callable[[MailboxName], None]) -> Callable[[], None]:
        """Call `hear` with every mailbox of one account that is announced, and with THE_ACCOUNT.

        Gives a function that ends it.
        """
        token = object()
        self._attentive.setdefault(address, {})[token] = hear

        def stop() -> None:
            attentive = self._attentive.get(address, {})
            attentive.pop(token, None)
            if not attentive:
                self._attentive.pop(address, None)

        return stop

    def announce(self, key: MailboxKey) -> None:
        """Wake everybody who watches `key`, and tell those who listen to all. Raises nothing."""
        self.tell(key)
        self.hear(key)

    def hear(self, key: MailboxKey) -> None:
        """The same for what another process has announced."""
        if key[1] == THE_ACCOUNT:
            self._tell([], *key)
            return
        hears = [partial(hear, key) for hear in self._listeners.values()]
        self._tell([*hears, *self._watchers.get(key, {}).values()], *key)

    def announce_account(self, address: str) -> None:
        """Tell those who attend to an account that it has other mailboxes, subscriptions or annotations."""
        self.tell((address, THE_ACCOUNT))
        self.hear((address, THE_ACCOUNT))

    def _tell(self, hears: list[Callable[[], None]], address: str, name: MailboxName) -> None:
        attentive = [partial(hear, name) for hear in self._attentive.get(address, {}).values()]
        self._log.each("change not heard", [*hears, *attentive])

    def watched(self) -> list[MailboxKey]:
        """The mailboxes somebody watches now."""
        return list(self._watchers)
