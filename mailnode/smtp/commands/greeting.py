"""EHLO and HELO (RFC 5321 section 4.1.1.1), and LHLO, the EHLO of LMTP (RFC 2033 section 4.1)."""

from functools import lru_cache

from mailnode.smtp.extensions import announcement
from mailnode.smtp.session import Hello, Session
from mailnode.wire.smtp import Reply, parse_hello


async def ehlo(session: Session, argument: bytes) -> Reply:
    """Name oneself and hear what this server can do; an open transaction is dropped."""
    await _introduce(session, Hello(parse_hello(argument), extended=True))
    return Reply(250, "", "\n".join([session.config.hostname, *announcement(session)]))


async def helo(session: Session, argument: bytes) -> Reply:
    """The same without extensions."""
    await _introduce(session, Hello(parse_hello(argument), extended=False))
    return _named(session.config.hostname)


@lru_cache(4)
def _named(hostname: str) -> Reply:
    return Reply(250, "", hostname)


async def _introduce(session: Session, hello: Hello) -> None:
    session.hello = hello
    await session.drop_transaction()
