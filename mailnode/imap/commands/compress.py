"""COMPRESS (RFC 4978): DEFLATE in both directions, below TLS where there is TLS."""

from mailnode.imap.replies import Reply, bad, ok
from mailnode.imap.session import Session
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor


def parse(args: Cursor) -> None:
    """compress = "COMPRESS" SP algorithm  ;  algorithm = "DEFLATE" """
    algorithm = args.sp().atom()
    args.end()
    if algorithm.upper() != b"DEFLATE":
        raise BadSyntax("Only DEFLATE is known here")


async def run(session: Session, _: None) -> Reply | None:
    """The OK is the last that is not compressed; what the client sends behind its command is.

    TLS does not compress here, so that only COMPRESS can have been there before: that is BAD (section 3).
    """
    if session.stream.compressed:
        return bad("DEFLATE is active already", b"COMPRESSIONACTIVE")
    await session.reply(ok("DEFLATE active"))
    session.stream.compress()
    return None
