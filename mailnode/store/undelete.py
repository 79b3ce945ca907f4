"""Bringing back what was removed lately (store.removed) into the folders that it was removed from."""

from collections.abc import Callable, Iterator

from mailnode.message.encoded import decode_words
from mailnode.message.header import scan
from mailnode.message.notice import plain
from mailnode.store.account import Account
from mailnode.store.errors import NoSuchMailbox, NoSuchMessage
from mailnode.store.identity import guid_of, saved
from mailnode.store.mailbox import Mailbox
from mailnode.store.transfer import Transfer
from mailnode.store.values import Name
from mailnode.values import frozen

TOGETHER = 100  # messages that are brought back in one step


@frozen
class Removed:
    """A message that can be brought back: from where and when it was removed, and what tells it to people."""

    folder: Name
    uid: int
    removed: int  # seconds since the epoch
    octets: int
    sender: str
    subject: str


def removed(account: Account, folder: Name | None = None, since: float = 0.0) -> Iterator[Removed]:
    """What was removed from one folder, or from all, at that time or after it; the oldest first in each."""
    there = account.recovered
    if not account.files.is_directory(there.root):
        return
    for name in there.names():
        if folder is None or name == folder:
            mailbox = there.mailbox(name)
            for uid in mailbox.uids:
                when = saved(mailbox.record(uid)) or 0
                if when >= since:
                    yield Removed(name, uid, when, *_told(mailbox, uid))


def _told(mailbox: Mailbox, uid: int) -> tuple[int, str, str]:
    fields = scan(mailbox.prepared(uid, "header"))
    sender, subject = (plain(decode_words(fields.get(one) or b"")) for one in (b"from", b"subject"))
    return mailbox.octets(uid), sender, subject


def bring_back(
    account: Account, folder: Name, uids: list[int], *, step: Callable[[int], None] = lambda count: None
) -> int:
    """Put removed messages of a folder back into it, which is made if it is gone; gives how many there were.

    What is there all the same, as a power cut may leave it, is not doubled. `step` is told how many are done.
    Raises OverQuota; then those that were told are back, and no others.
    """
    source, target = account.recovered.mailbox(folder), _folder(account, folder)
    there = {guid_of(target.record(uid)) for uid in target.uids}
    done = 0
    for start in range(0, len(uids), TOGETHER):
        some = [uid for uid in uids[start : start + TOGETHER] if source.get(uid)]
        missing = {guid: uid for uid in some if (guid := guid_of(source.record(uid))) not in there}
        _move(account, source, sorted(missing.values()), target)
        there.update(missing)
        source.expunge(some)
        done += len(some)
        step(len(some))
    return done


def _folder(account: Account, name: Name) -> Mailbox:
    try:
        return account.mailbox(name)
    except NoSuchMailbox:
        account.create(name)
        return account.mailbox(name)


def _move(account: Account, source: Mailbox, uids: list[int], target: Mailbox) -> None:
    transfer = Transfer(account)
    try:
        transfer.take(source, uids)
        transfer.put(target)
    except NoSuchMessage:  # somebody else has taken one out at this moment
        if len(uids) > 1:
            for uid in uids:
                _move(account, source, [uid], target)
    finally:
        transfer.drop()
