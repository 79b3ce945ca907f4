"""The table of commands: what runs them, in which states, and whether an argument belongs to them."""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto

from mailnode.pop3.capa import capa
from mailnode.pop3.commands.authorization import apop, auth, pass_, stls, user
from mailnode.pop3.commands.language import lang, utf8
from mailnode.pop3.commands.transaction import dele, list_, noop, retr, rset, stat, top_, uidl
from mailnode.pop3.commands.update import quit_
from mailnode.pop3.state import Session, State
from mailnode.values import frozen


class Takes(Enum):
    """What may follow the keyword."""

    NOTHING = auto()
    MAYBE = auto()  # one argument or none
    SOME = auto()
    TEXT = auto()  # the rest of the line to the last blank, and at least one octet


@frozen
class Verb:
    """One command. `run` gives the reply, or "" when it has written it itself."""

    run: Callable[[Session, bytes], Awaitable[bytes]]
    states: State
    takes: Takes


VERBS: Mapping[bytes, Verb] = {
    b"CAPA": Verb(capa, State.ANY, Takes.NOTHING),
    b"LANG": Verb(lang, State.ANY, Takes.MAYBE),
    b"UTF8": Verb(utf8, State.AUTHORIZATION, Takes.NOTHING),
    b"STLS": Verb(stls, State.AUTHORIZATION, Takes.NOTHING),
    b"USER": Verb(user, State.AUTHORIZATION, Takes.TEXT),
    b"PASS": Verb(pass_, State.AUTHORIZATION, Takes.TEXT),
    b"APOP": Verb(apop, State.AUTHORIZATION, Takes.SOME),
    b"AUTH": Verb(auth, State.AUTHORIZATION, Takes.SOME),
    b"STAT": Verb(stat, State.TRANSACTION, Takes.NOTHING),
    b"LIST": Verb(list_, State.TRANSACTION, Takes.MAYBE),
    b"UIDL": Verb(uidl, State.TRANSACTION, Takes.MAYBE),
    b"RETR": Verb(retr, State.TRANSACTION, Takes.SOME),
    b"TOP": Verb(top_, State.TRANSACTION, Takes.SOME),
    b"DELE": Verb(dele, State.TRANSACTION, Takes.SOME),
    b"NOOP": Verb(noop, State.TRANSACTION, Takes.NOTHING),
    b"RSET": Verb(rset, State.TRANSACTION, Takes.NOTHING),
    b"QUIT": Verb(quit_, State.ANY, Takes.NOTHING),
}

# Words of web browsers and proxies: somebody's page makes them talk to us (the ALPACA attack).
FOREIGN = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"})
