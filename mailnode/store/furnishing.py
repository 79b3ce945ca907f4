"""The mailboxes that a new account has: drafts, sent mail and so on, under their usual names."""

import contextlib

from mailnode.store.account import Account
from mailnode.store.errors import MailboxExists
from mailnode.store.values import INBOX, Name


def furnish(account: Account) -> None:
    """Make and subscribe the usual mailboxes where nobody has made any other; once.

    The subscriptions, which come last, tell that it was done: after a crash it is done to its end. A tree
    that another program has used is left as it is. Raises OSError, StoreError.
    """
    wanted: dict[Name, tuple[str, ...]] = {}
    for use, name in account.usual_names().items():
        wanted[name] = (*wanted.get(name, ()), use)
    there = set(account.names()) if wanted and not account.has_subscriptions else None
    if there is not None and there <= {INBOX, *wanted}:
        for name, uses in wanted.items():
            if name not in there:
                with contextlib.suppress(MailboxExists):  # another process does the same at this moment
                    account.create(name, uses)
        account.subscribe(INBOX, *wanted)
    account.furnished = True
