"""The header fields by which a mailing list is known (RFC 2369, RFC 2919, RFC 8058)."""

from urllib.parse import quote

from mailnode.message.encoded import encode_words
from mailnode.message.header import values_of
from mailnode.message.trace import field

# What a list takes out of a message before it puts in its own (RFC 2369 section 4, RFC 2919 section 6).
LIST_FIELDS = frozenset(
    b"list-" + name
    for name in (
        b"id",
        b"help",
        b"post",
        b"owner",
        b"archive",
        b"subscribe",
        b"unsubscribe",
        b"unsubscribe-post",
    )
)


def list_fields(
    name: str, *, full_name: str = "", owner: str, moderated: bool = False, unsubscribe: str = ""
) -> bytes:
    """The fields of a list, by its address, in ASCII.

    Who wants to leave writes to the owner, or asks at the page `unsubscribe`, which takes one click.
    """
    post = f"<mailto:{_mailto(name)}>"
    leave = f"<mailto:{_mailto(owner)}?subject={quote(f'unsubscribe {name}')}>"
    fields = [
        field("List-Id", *_phrase(full_name), f"<{list_id(name)}>"),
        field("List-Post", *([post, "(what is sent is moderated)"] if moderated else [post])),
        field("List-Owner", f"<mailto:{_mailto(owner)}>"),
        field("List-Help", f"<mailto:{_mailto(owner)}?subject={quote(f'help {name}')}>"),
        field("List-Unsubscribe", *([f"<{unsubscribe}>,", leave] if unsubscribe else [leave])),
    ]
    if unsubscribe:
        fields.append(field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return b"".join((*fields, field("Precedence", "list")))  # RFC 3834 section 2: no automatic answers


def list_id(name: str) -> str:
    """The identifier of a list with this address (RFC 2919 section 2): its name, as if it were a domain."""
    return quote(name.replace("@", "."), safe="!#$&'*+-./=?^_`{|}~")


def came_through(header: bytes, name: str) -> bool:
    """Whether a message has been sent to this list before."""
    identifier = f"<{list_id(name)}>".lower().encode()
    return any(identifier in value.lower() for value in values_of(header, b"list-id"))


def _mailto(address: str) -> str:
    """RFC 6068 section 2: what is not plain, and what is UTF-8, is percent-encoded."""
    return quote(address, safe="!$'*+-.@_~")


def _phrase(text: str) -> list[str]:
    """The full name in front, in lines: quoted, or as encoded words (RFC 2047)."""
    if not text:
        return []
    if text.isascii():
        return ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"']
    return encode_words(text)
