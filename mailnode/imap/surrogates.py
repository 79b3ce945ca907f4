"""Messages as a client reads them that has not asked for UTF-8 in headers (RFC 6855 sections 7, 8; RFC 6858).

A header in UTF-8 is replaced by a surrogate, in ENVELOPE, BODYSTRUCTURE, sizes and texts alike. What lies on
the disk, and what is searched, stays as it is; so does a header in another charset, of the times before.
"""

from collections.abc import Sequence
from typing import Any

from mailnode.message.envelope import envelope
from mailnode.message.header import scan
from mailnode.message.rendered import Rendered, render
from mailnode.message.surrogate import surrogate
from mailnode.store import filenames
from mailnode.store.blocks import Texts
from mailnode.store.body import HEADER_LIMIT, Body
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Several
from mailnode.store.prepared_tables import Prepared
from mailnode.values import frozen


@frozen
class Surrogates:
    """What FETCH reads of a mailbox, with the words of Mailbox."""

    mailbox: Mailbox

    def prepared(self, uid: int, what: Prepared) -> Any:
        """One of the prepared answers."""
        if what == "octets":
            return self.octets(uid)
        found = self.mailbox.prepared(uid, what)
        if what == "preview" or found.isascii() or not self._replaced(uid):  # RFC 8970 section 3.3: UTF-8
            return found
        if what in ("body", "bodystructure"):
            return getattr(self.rendered(uid), what)
        header = surrogate(self.mailbox.prepared(uid, "header"))
        return header if what == "header" else envelope(scan(header))

    def column(self, some: Several, what: Prepared) -> Sequence[Any]:
        """One of the prepared answers of each of some messages; raises as Mailbox.column."""
        found = self.mailbox.column(some, what)
        if what == "preview" or _are_ascii(found):
            return found
        return [
            answer if answer.isascii() else self.prepared(uid, what)
            for uid, answer in zip(some.uids, found, strict=True)
        ]

    def sizes(self, uids: Sequence[int]) -> list[int]:
        """RFC822.SIZE of each of some neighbours; raises as Mailbox.column."""
        ascii_headers = self.mailbox.ascii_headers(uids)
        sizes = self.mailbox.sizes(uids)
        if all(ascii_headers):
            return sizes
        return [
            size if in_ascii else self._octets(uid, size)
            for uid, size, in_ascii in zip(uids, sizes, ascii_headers, strict=True)
        ]

    def octets(self, uid: int) -> int:
        """RFC822.SIZE."""
        return self.sizes((uid,))[0]

    def _octets(self, uid: int, octets: int) -> int:
        if not self._replaced(uid):
            return octets
        header = self.mailbox.prepared(uid, "header")
        return octets - len(header) + len(surrogate(header))

    def rendered(self, uid: int) -> Rendered:
        """The prepared answers, with the tree of parts."""
        if not self._replaced(uid):
            return self.mailbox.rendered(uid)
        with self.body(uid) as body:
            return render(body.data, body.verbatim)

    def small(self, uid: int) -> bytes:
        """All of a small message; raises as Mailbox.small."""
        text = self.mailbox.small(uid)
        if _begins_in_ascii(text) or not self._replaced(uid):
            return text
        with self.body(uid) as body:
            return body.text()

    def body(self, uid: int) -> Body:
        """The open message."""
        body = self.mailbox.body(uid)
        try:
            if (body.is_small and _begins_in_ascii(body.data)) or not self._replaced(uid):
                return body
            return body.with_header(surrogate(body.header()))
        except BaseException:
            body.close()
            raise

    def _replaced(self, uid: int) -> bool:
        """Whether the header is in UTF-8, and not ASCII; most messages' names say that theirs is."""
        message = self.mailbox.get(uid)
        if message is not None and filenames.is_plain(message.base):
            return False
        header = self.mailbox.ready(uid, "header")
        if header is None:  # a look into the file costs less than to prepare everything
            with self.mailbox.body(uid) as body:
                header = body.header()
        return not header.isascii() and len(header) <= HEADER_LIMIT and _is_utf8(header)


def _are_ascii(texts: Sequence[bytes]) -> bool:
    return texts.joined.isascii() if isinstance(texts, Texts) else all(map(bytes.isascii, texts))


def _begins_in_ascii(text: bytes) -> bool:
    """Whether the header is ASCII, and perhaps some of what follows it: a look that costs little."""
    if text.isascii():  # most, and that is found out sooner than where the header ends
        return True
    end = text.find(b"\n\r\n")
    if end < 0:
        end = text.find(b"\n\n")
    return (text if end < 0 else text[:end]).isascii()


def _is_utf8(header: bytes) -> bool:
    try:
        header.decode()
    except UnicodeDecodeError:
        return False
    return True
