"""ID (RFC 2971): who is who, for statistics and bug reports."""

from mailnode.events.deeds import Identified
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

_FIELDS = 30  # RFC 2971 section 3.3
_NAME_OCTETS = 30
_VALUE_OCTETS = 1024


@frozen
class Identity:
    """What the client says of itself; a value may be NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...]


def parse(args: Cursor) -> Identity:
    """id = "ID" SPACE id_params_list  ;  id_params_list = "(" #(string SPACE nstring) ")" / nil"""
    args.sp()
    fields = args.list_of(_field, empty=True) if args.at(b"(") else [_nil(args)][:0]
    args.end()
    if len(fields) > _FIELDS:
        raise BadSyntax(f"ID takes at most {_FIELDS} fields")
    return Identity(tuple(fields))


def _nil(args: Cursor) -> tuple[bytes, bytes | None]:
    if args.nstring() is not None:
        raise BadSyntax("List or NIL expected")
    return b"", None


def _field(args: Cursor) -> tuple[bytes, bytes | None]:
    name, value = args.string(), args.sp().nstring()
    if len(name) > _NAME_OCTETS or len(value or b"") > _VALUE_OCTETS:
        raise BadSyntax("ID field too long")
    return name, value


async def run(session: Session, identity: Identity) -> Reply:
    """The client's words go to the log, escaped and cut; ours tell no version to strangers."""
    if identity.fields:
        pairs = b"; ".join(name + b"=" + (value or b"NIL") for name, value in identity.fields)
        session.connection.log.info("client", id=pairs)
        if not session.identified:  # once: a stranger may say ID as often as it likes
            session.identified = True
            client = pairs.decode("utf-8", "backslashreplace")
            session.shared.bus.publish(Identified(session.connection.id, client))
    session.untagged(b'ID ("name" "mailnode")')
    return ok("Pleased to meet you")
