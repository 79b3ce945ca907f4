"""All commands: how their arguments are read, what they do, in which states, and what the loop must know."""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Any

from mailnode.imap.commands import (
    acl,
    append,
    arguments,
    authenticate,
    cancelupdate,
    capability,
    close,
    comparator,
    compress,
    copy,
    create,
    delete,
    enable,
    esearch,
    expunge,
    fetch,
    genurlauth,
    identify,
    idle,
    language,
    login,
    logout,
    lsub,
    metadata,
    move,
    namespace,
    noop,
    notify,
    quota,
    rename,
    replace,
    search,
    select,
    sort,
    starttls,
    status,
    store,
    subscribe,
    thread,
    unauthenticate,
    urlfetch,
)
from mailnode.imap.commands import list as listing
from mailnode.imap.replies import Reply
from mailnode.imap.session import Session, State
from mailnode.values import frozen
from mailnode.wire.imap.cursor import Cursor


class Rule(Enum):
    """What sets a command apart."""

    NONE = auto()
    USES_SEQUENCE_NUMBERS = auto()  # no EXPUNGE may be told while it runs (RFC 3501 section 7.4.1)
    TAKES_SEQUENCE_NUMBERS = auto()  # when it begins; EXPUNGE may be told
    ENDS_ALONE = auto()  # nothing is told between it and its tagged reply


@frozen
class Command:
    """A row: `parse` reads what follows the name, `run` gets what it gives; None: the reply was sent.

    `reads` says of a literal that is awaited at the end whether the command itself reads it, and the rest.
    """

    parse: Callable[[Cursor], Any]
    run: Callable[[Session, Any], Awaitable[Reply | None]]
    states: State
    rule: Rule = Rule.NONE
    reads: Callable[[Cursor], bool] = lambda _: False

    @property
    def takes_numbers(self) -> bool:
        """Whether it names messages by their sequence numbers."""
        return self.rule in (Rule.USES_SEQUENCE_NUMBERS, Rule.TAKES_SEQUENCE_NUMBERS)


_NEW = State.NOT_AUTHENTICATED
_SELECTED = State.SELECTED
_LOGGED_IN = State.AUTHENTICATED | State.SELECTED
_ANY = _NEW | _LOGGED_IN
_SEQ = Rule.USES_SEQUENCE_NUMBERS
_SEQ_EXPUNGES = Rule.TAKES_SEQUENCE_NUMBERS

COMMANDS: Mapping[str, Command] = {
    "CAPABILITY": Command(arguments.nothing, capability.run, _ANY),
    "NOOP": Command(arguments.nothing, noop.run, _ANY),
    "LOGOUT": Command(arguments.nothing, logout.run, _ANY, Rule.ENDS_ALONE),
    "ID": Command(identify.parse, identify.run, _ANY),
    "LANGUAGE": Command(language.parse, language.run, _ANY),
    "COMPARATOR": Command(comparator.parse, comparator.run, _LOGGED_IN),
    "STARTTLS": Command(arguments.nothing, starttls.run, _NEW),
    "AUTHENTICATE": Command(authenticate.parse, authenticate.run, _NEW),
    "LOGIN": Command(login.parse, login.run, _NEW),
    "COMPRESS": Command(compress.parse, compress.run, _LOGGED_IN, Rule.ENDS_ALONE),
    "UNAUTHENTICATE": Command(arguments.nothing, unauthenticate.run, _LOGGED_IN, Rule.ENDS_ALONE),
    "ENABLE": Command(enable.parse, enable.run, _LOGGED_IN),
    "SELECT": Command(select.parse_select, select.run, _LOGGED_IN),
    "EXAMINE": Command(select.parse_examine, select.run, _LOGGED_IN),
    "CREATE": Command(create.parse, create.run, _LOGGED_IN),
    "DELETE": Command(arguments.mailbox, delete.run, _LOGGED_IN),
    "RENAME": Command(rename.parse, rename.run, _LOGGED_IN),
    "SUBSCRIBE": Command(arguments.mailbox, subscribe.subscribe, _LOGGED_IN),
    "UNSUBSCRIBE": Command(arguments.mailbox, subscribe.unsubscribe, _LOGGED_IN),
    "LIST": Command(listing.parse, listing.run, _LOGGED_IN),
    "LSUB": Command(lsub.parse, lsub.run, _LOGGED_IN),
    "STATUS": Command(status.parse, status.run, _LOGGED_IN),
    "GETMETADATA": Command(metadata.parse_get, metadata.get, _LOGGED_IN),
    "SETMETADATA": Command(metadata.parse_set, metadata.set_entries, _LOGGED_IN),
    "SETACL": Command(acl.parse_set, acl.set_acl, _LOGGED_IN),
    "DELETEACL": Command(acl.parse_identifier, acl.delete_acl, _LOGGED_IN),
    "GETACL": Command(arguments.mailbox, acl.get_acl, _LOGGED_IN),
    "LISTRIGHTS": Command(acl.parse_identifier, acl.list_rights, _LOGGED_IN),
    "MYRIGHTS": Command(arguments.mailbox, acl.run_my_rights, _LOGGED_IN),
    "NAMESPACE": Command(arguments.nothing, namespace.run, _LOGGED_IN),
    "ESEARCH": Command(esearch.parse, esearch.run, _LOGGED_IN),
    "GETQUOTA": Command(quota.parse, quota.get_quota, _LOGGED_IN),
    "GETQUOTAROOT": Command(arguments.mailbox, quota.get_quota_root, _LOGGED_IN),
    "APPEND": Command(append.parse, append.run, _LOGGED_IN, reads=append.reads),
    "GENURLAUTH": Command(genurlauth.parse, genurlauth.run, _LOGGED_IN),
    "RESETKEY": Command(genurlauth.parse_reset, genurlauth.reset, _LOGGED_IN),
    "URLFETCH": Command(urlfetch.parse, urlfetch.run, _LOGGED_IN),
    "IDLE": Command(arguments.nothing, idle.run, _LOGGED_IN),
    "NOTIFY": Command(notify.parse, notify.run, _LOGGED_IN),
    "CHECK": Command(arguments.nothing, noop.run, _SELECTED),
    "CLOSE": Command(arguments.nothing, close.close, _SELECTED),
    "UNSELECT": Command(arguments.nothing, close.unselect, _SELECTED),
    "EXPUNGE": Command(expunge.parse, expunge.run, _SELECTED),
    "CANCELUPDATE": Command(cancelupdate.parse, cancelupdate.run, _SELECTED),
    "SEARCH": Command(search.parse, search.run, _SELECTED, _SEQ),
    "SORT": Command(sort.parse, sort.run, _SELECTED, _SEQ),
    "THREAD": Command(thread.parse, thread.run, _SELECTED, _SEQ),
    "FETCH": Command(fetch.parse, fetch.run, _SELECTED, _SEQ),
    "STORE": Command(store.parse, store.run, _SELECTED, _SEQ),
    "COPY": Command(copy.parse, copy.run, _SELECTED, _SEQ_EXPUNGES),
    "MOVE": Command(copy.parse, move.run, _SELECTED, _SEQ_EXPUNGES),
    "REPLACE": Command(replace.parse, replace.run, _SELECTED, _SEQ_EXPUNGES, reads=replace.reads),
    "UID SEARCH": Command(search.parse_uid, search.run, _SELECTED),
    "UID SORT": Command(sort.parse_uid, sort.run, _SELECTED),
    "UID THREAD": Command(thread.parse_uid, thread.run, _SELECTED),
    "UID FETCH": Command(fetch.parse_uid, fetch.run, _SELECTED),
    "UID STORE": Command(store.parse_uid, store.run, _SELECTED),
    "UID COPY": Command(copy.parse_uid, copy.run, _SELECTED),
    "UID MOVE": Command(copy.parse_uid, move.run, _SELECTED),
    "UID REPLACE": Command(replace.parse_uid, replace.run, _SELECTED, reads=replace.reads),
    "UID EXPUNGE": Command(expunge.parse_uid, expunge.run, _SELECTED),
}
