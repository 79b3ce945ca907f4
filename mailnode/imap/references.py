"""What an IMAP URL refers to: a message here, a section of it, or some octets of that.

In CATENATE (RFC 4469 section 3) and URLFETCH (RFC 4467 section 7) alike; PARTIAL may stand in both (RFC 5550
section 5.7.1).
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from mailnode.imap.fetch_items import section_octets, section_spec
from mailnode.imap.replies import Refused
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.imap.surrogates import Surrogates
from mailnode.message.rendered import Rendered
from mailnode.store.body import Body
from mailnode.store.errors import NoRight, NoSuchMailbox, NoSuchMessage
from mailnode.store.mailbox import Mailbox
from mailnode.store.prepared_tables import Prepared
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import url as urls
from mailnode.wire.imap.cursor import Cursor


class _Message:
    """A message as FETCH would read it."""

    def __init__(self, reading: Mailbox | Surrogates, uid: int) -> None:
        self.body: Body = reading.body(uid)
        self._reading = reading
        self._uid = uid

    def prepared(self, what: Prepared) -> Any:
        return self._reading.prepared(self._uid, what)

    @cached_property
    def rendered(self) -> Rendered:
        return self._reading.rendered(self._uid)


@frozen
class Referred:
    """The octets that a URL stands for, in chunks that are made in any lane: the file is open."""

    size: int
    chunks: Iterator[bytes]
    body: Body

    def close(self) -> None:
        """Close the message's file."""
        self.body.close()


async def referred(session: Session, url: bytes) -> Referred:
    """Look up a URL. Raises Refused, with [BADURL], for one that refers to nothing here."""
    try:
        parsed = urls.parse(url)
        if parsed.mailbox is not None:
            place = await session.place(parsed.mailbox)
            return await session.lane(_found, session, parsed, place.mailbox, of=place.account)
        if session.selected is None:
            raise BadSyntax("No mailbox is selected")
        return await session.lane(
            _found, session, parsed, _selected(session.view), of=session.view.place.account
        )
    except (BadSyntax, Refused, NoRight, NoSuchMailbox, NoSuchMessage) as error:
        raise Refused(b"BADURL " + urls.shown(url), "There is no such message, or part of one") from error


def _selected(view: Selected) -> Callable[[], Mailbox]:
    """The base URL of RFC 4469 section 3: that mailbox, and not another that has its name by now."""

    def look() -> Mailbox:
        view.mailbox.sync()
        return view.mailbox

    return look


def _found(session: Session, parsed: urls.MessageUrl, find: Callable[[], Mailbox]) -> Referred:
    referred = look_up(parsed, find(), utf8=session.utf8)
    if referred is None:
        raise NoSuchMessage(parsed.uid)
    return referred


def look_up(parsed: urls.MessageUrl, mailbox: Mailbox, *, utf8: bool) -> Referred | None:
    """What a URL refers to, as a client with or without UTF-8 reads it; None for no section of a message.

    Runs in the lane of the mailbox. Raises NoSuchMessage, BadSyntax, OSError.
    """
    args = Cursor([parsed.section + b"]"])
    section = section_spec(args)
    args.expect(b"]").end()
    if parsed.validity not in (None, mailbox.uid_validity) or mailbox.get(parsed.uid) is None:
        raise NoSuchMessage(parsed.uid)
    message = _Message(mailbox if utf8 else Surrogates(mailbox), parsed.uid)
    try:
        found = section_octets(message, section)
    except BaseException:
        message.body.close()
        raise
    if found is None:
        message.body.close()
        return None
    size, text = found
    chunks = iter((text,)) if isinstance(text, bytes) else text
    if parsed.partial is None:
        return Referred(size, chunks, message.body)
    start, most = parsed.partial
    count = max(0, min(size if most is None else most, size - start))
    return Referred(count, _cut(chunks, start, count), message.body)


def _cut(chunks: Iterator[bytes], start: int, count: int) -> Iterator[bytes]:
    """The octets from `start` on; what is before them comes as empty pieces: others have their turn."""
    while count and (chunk := next(chunks, None)) is not None:
        piece = chunk[start : start + count]
        start = max(0, start - len(chunk))
        count -= len(piece)
        yield piece
