r"""How many messages one command may process, where the administrator has set a limit (RFC 9738).

- FETCH, STORE, MOVE and UID EXPUNGE process the newest of the messages that they name, and SEARCH looks at
  the newest of those that its keys name. The reply says so, with the lowest UID that was processed: the
  client repeats the command for those below. Where the reply has a code of its own, an untagged NO says it.
- COPY, APPEND, THREAD, and FETCH with PARTIAL do all or nothing: they are refused (sections 3.1 and 3.3).
- EXPUNGE, CLOSE and STATUS have no limit (3.1), nor has SORT (3.3), as its orders are kept prepared.

A FETCH with CHANGEDSINCE counts what has changed, and UID EXPUNGE what has \Deleted.
"""

from collections.abc import Sequence

from mailnode.imap.replies import Refused, Reply, no, ok
from mailnode.imap.session import Session
from mailnode.wire.imap.sequence import Positions, last_of


def most(session: Session) -> int:
    """Messages that a command may process; 0 for any number."""
    return session.config.limits.imap_message_limit


def most_saved(session: Session) -> int:
    """Messages that COPY and APPEND may save; 0 for no limit of theirs (SAVELIMIT)."""
    return most(session) or session.config.limits.imap_save_limit


def newest(session: Session, positions: Positions) -> Positions:
    """Those of the positions, which ascend, that this command may process; the reply will tell of others."""
    kept, exceeded = _cut(session, positions)
    if exceeded:
        reached(session, most(session), session.view.uids[kept[0].start])
    return kept


def newest_uids(session: Session, uids: list[int]) -> list[int]:
    """The same of UIDs, which ascend."""
    limit = most(session)
    if not limit or len(uids) <= limit:
        return uids
    reached(session, limit, uids[-limit])
    return uids[-limit:]


def reached(session: Session, limit: int, lowest: int) -> None:
    """Let the reply say that this command has processed no message below that UID."""
    session.limited = _code(limit, lowest)


def all_or_none(session: Session, positions: Positions) -> Positions:
    """These positions. Raises Refused where they are too many for a command."""
    kept, exceeded = _cut(session, positions)
    if exceeded:
        raise refusal(most(session))
    return kept


def _cut(session: Session, positions: Positions) -> tuple[list[range], bool]:
    """The last of the positions, as many as a command may process, and whether there are more."""
    limit = most(session)
    return last_of(positions, limit) if limit else (list(positions), False)


def require_few(session: Session, uids: Sequence[int]) -> None:
    """Raise Refused where the messages are too many for THREAD."""
    limit = most(session)
    if limit and len(uids) > limit:
        raise refusal(limit)


def require_savable(session: Session, uids: Sequence[int]) -> None:
    """Raise Refused where the messages, in the order of their UIDs, are too many for COPY."""
    limit = most_saved(session)
    if limit and len(uids) > limit:
        raise refusal(limit, uids[-limit])


def refusal(limit: int, lowest: int = 0) -> Refused:
    """NO: nothing is done of what would go on to this UID; 0 where that says nothing."""
    return Refused(_code(limit, lowest), f"One command takes at most {limit} messages")


def told(session: Session, reply: Reply | None) -> Reply | None:
    """The reply to a command, which says that messages were left out if that is so."""
    code = session.limited
    if reply is None or not code:
        return reply
    text = "Only the newest messages were processed; repeat it for the others"
    if reply.status == b"OK" and not reply.code:
        return ok(text, code)
    session.status(no(text, code))
    return reply


def _code(limit: int, lowest: int) -> bytes:
    """resp-text-code =/ "MESSAGELIMIT" SP message-limit [SP uniqueid]"""
    return b"MESSAGELIMIT %d %d" % (limit, lowest) if lowest else b"MESSAGELIMIT %d" % limit
