"""RSET, NOOP and QUIT (RFC 5321 sections 4.1.1.5, 4.1.1.9 and 4.1.1.10)."""

from functools import lru_cache

from mailnode.smtp.outcome import NO_ARGUMENT, OK, Farewell, Refused
from mailnode.smtp.session import Session
from mailnode.wire.smtp import Reply


async def rset(session: Session, argument: bytes) -> Reply:
    """Drop the open transaction, if there is one."""
    if argument:
        raise Refused(NO_ARGUMENT)
    await session.drop_transaction()
    return OK


async def noop(_session: Session, _argument: bytes) -> Reply:
    """Nothing; an argument may be any text."""
    return OK


async def quit_(session: Session, argument: bytes) -> Reply:
    """Say goodbye; the connection is closed after the reply."""
    if argument:
        raise Refused(NO_ARGUMENT)
    raise Farewell(_goodbye(session.config.hostname))


@lru_cache(4)
def _goodbye(hostname: str) -> Reply:
    return Reply(221, "2.0.0", f"{hostname} closing connection")
