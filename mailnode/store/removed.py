r"""Removed messages as mailboxes: what lies in `mailnode-recovered` (store.keeping), as an account.

Its mailboxes have the names of those that messages were removed from. They are looked at like any other,
and nothing is added or changed there: a message can only be taken out, back to where mail is, or removed once
more, and then it is gone. So of flags only \Deleted can be set. A message that is taken out has its old
base name, and so its EMAILID; SAVEDATE is the time of its removal.
"""

from collections.abc import Callable, Iterable, Sequence

from mailnode.store.acl import NO_RIGHTS, Rights, may_set
from mailnode.store.directory import CUR, NEW
from mailnode.store.errors import NoRight, NoSuchMailbox
from mailnode.store.identity import guid_of
from mailnode.store.keeping import original
from mailnode.store.mailbox import Linked, Mailbox, Mode
from mailnode.store.messages import Message
from mailnode.store.names import normal
from mailnode.store.sharing import Sharing
from mailnode.store.uidlist import Record
from mailnode.store.values import Flags, Name
from mailnode.values import replace

RIGHTS: Rights = frozenset("lrte")  # RFC 4314 section 2.1


class Removed(Mailbox):
    """The messages that were removed from one folder."""

    rights = RIGHTS

    def set_flags(
        self,
        uids: Iterable[int],
        mode: Mode,
        flags: Flags,
        *,
        unless: Callable[[Message], bool] = lambda message: False,
    ) -> dict[int, int]:
        r"""Change \Deleted, and leave the other flags as they are."""
        with self._changing():
            mine = frozenset(flag for flag in flags if may_set(self.rights, flag))
            if mode != "replace":
                return super().set_flags(uids, mode, mine, unless=unless) if mine else {}
            found = [uid for uid in dict.fromkeys(uids) if (one := self.get(uid)) and not unless(one)]
            changed: dict[int, int] = {}
            for uid in found:
                kept = frozenset(flag for flag in self._listed(uid).flags if not may_set(self.rights, flag))
                changed.update(super().set_flags([uid], "replace", kept | mine))
            return changed

    def linked(self, uids: Sequence[int], link: Callable[[str], str]) -> list[Linked]:
        """The messages on their way out, under their old names."""
        return [replace(one, base=original(one.base)) for one in super().linked(uids, link)]

    def _record(self, uid: int, base: str, fields: tuple[str, ...] = ()) -> Record:
        """Messages are what they were: EMAILID stays."""
        old = original(base)
        named = (*fields, "G" + guid_of(Record(uid, old))) if old != base else fields
        return super()._record(uid, base, named)


class Lent(Sharing):
    """What everybody may do with their own removed messages."""

    def rights(self, name: Name, address: str) -> Rights:
        """Look, and take out."""
        try:
            self._existing(normal(name))
        except NoSuchMailbox:
            return NO_RIGHTS
        return RIGHTS

    def check_parent(self, name: Name, address: str) -> None:
        """No mailbox is made here. Raises NoRight."""
        raise NoRight

    def shown_to(self, address: str) -> dict[Name, Rights]:
        """The mailboxes with anything in them; nothing is made for who has none."""
        files = self._context.files
        if not files.is_directory(self._context.root):
            return {}
        found = self._directories().items()
        return {
            name: RIGHTS
            for name, path in found
            if files.names(f"{path}/{CUR}") or files.names(f"{path}/{NEW}")
        }

    def open(self, name: Name, address: str, needed: str) -> Mailbox:
        """A mailbox, for its owner. Raises NoSuchMailbox, NoRight."""
        self.check(name, address, needed)
        return self._mailbox(normal(name))
