"""What can go wrong in the store, as facts. Each protocol maps them to its replies in one table."""

import errno

# Nobody but the administrator can mend these: permissions, a wrong path, a disk that is mounted read-only.
_LASTING = frozenset({errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS})


def is_lasting(trouble: Exception) -> bool:
    """Whether the same will fail until somebody has mended something."""
    return isinstance(trouble, OSError) and trouble.errno in _LASTING


class StoreError(Exception):
    """The base of all: the request is refused, and nothing was changed."""


class NoSuchMailbox(StoreError):
    """There is no mailbox of that name."""


class NoRight(StoreError):
    """The owner has not given the right to do that, to somebody who knows that there is the mailbox."""


class TooManyEntries(StoreError):
    """The list of who may do what with a mailbox is as long as it may be."""


class MailboxExists(StoreError):
    """There is one already."""


class BadMailboxName(StoreError):
    """The name cannot be a mailbox here; the text says why."""


class NoSuchMessage(StoreError):
    """The message has gone meanwhile."""


class Unread(Exception):
    """Some messages have to be read first: they are asked for one by one, as that takes time."""


class InUse(StoreError):
    """Somebody else holds the maildrop or the folder; trying again later helps."""


class OverQuota(StoreError):
    """The account, or its domain, may not hold so much more."""


class TooManyKeywords(StoreError):
    """The mailbox has as many keywords as its file names can carry."""


class HasInferiors(NoSuchMailbox):
    """The name is no mailbox and only has inferiors; there is nothing to be removed."""


class BadUse(StoreError):
    """There is no such special use here, or the mailbox cannot have it; the text says why."""


class TooManyAnnotations(StoreError):
    """The mailbox, or the account, has as many annotations as it may have."""
