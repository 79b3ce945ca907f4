"""SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 section 3).

Identifiers are the addresses of people here, or local parts in the client's own domain, "anyone" and
"authenticated", which is the same for all of them, and "owner"; with "-" before one of them for negative
rights. The owner always has all rights. The virtual rights of section 2.1.1 are "c" for "kx" and "d" for
"te". Groups that another server has left in a list are shown with "$", and can be taken out.
"""

from collections.abc import Callable

from mailnode.auth.names import login_address
from mailnode.config_rules import split_address
from mailnode.events.feed import EVERYBODY
from mailnode.imap.places import Place
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.store.acl import (
    ALL,
    ANYONE,
    AUTHENTICATED,
    NO_RIGHTS,
    OWNER,
    STANDARD,
    USER,
    Acl,
    Entry,
    Rights,
)
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.writer import astring
from mailnode.wire.saslprep import saslprep

_VIRTUAL = {"c": frozenset("kx"), "d": frozenset("te")}
_ANY = "lrikxa"  # of which MYRIGHTS needs one
_GROUP = "group="
_GROUP_SIGN = "$"
_IDENTIFIER_OCTETS = 512


@frozen
class Identifier:
    """Who is meant; with "-" it is negative. `written` is what the client wrote."""

    text: str
    negative: bool
    written: bytes


@frozen
class SetAcl:
    """Rights that are to be granted: "+" and "-" change those that are there, "" replaces them."""

    mailbox: str
    identifier: Identifier
    mode: str
    rights: Rights


# Grammar


def parse_set(args: Cursor) -> SetAcl:
    """setacl = "SETACL" SP mailbox SP identifier SP mod-rights  ;  mod-rights = astring"""
    mailbox, identifier = args.sp().mailbox(), _identifier(args.sp())
    letters = args.sp().astring().decode("latin-1")
    args.end()
    mode = letters[:1] if letters[:1] in ("+", "-") else ""
    return SetAcl(mailbox, identifier, mode, _rights(letters.removeprefix(mode)))


def _rights(letters: str) -> Rights:
    """rights = astring  ;  only lowercase ASCII letters and digits"""
    if not ALL.union(_VIRTUAL).issuperset(letters):
        raise BadSyntax("There is no such right")
    return ALL.intersection(letters).union(*(_VIRTUAL[one] for one in letters if one in _VIRTUAL))


def parse_identifier(args: Cursor) -> tuple[str, Identifier]:
    """deleteacl = "DELETEACL" SP mailbox SP identifier  ;  listrights likewise"""
    mailbox, identifier = args.sp().mailbox(), _identifier(args.sp())
    args.end()
    return mailbox, identifier


def _identifier(args: Cursor) -> Identifier:
    """identifier = astring, in UTF-8, prepared by SASLprep; it begins with "-" for negative rights"""
    octets = args.astring()
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("The identifier is not UTF-8") from None
    if len(octets) > _IDENTIFIER_OCTETS:
        raise BadSyntax("The identifier is too long")
    return Identifier(saslprep(text.removeprefix("-")), text.startswith("-"), octets)


# Who is who


def _who(session: Session, place: Place, identifier: Identifier) -> str:
    """The identifier as it stands in a list; OWNER for the mailbox's owner, "" for what nobody is."""
    text = identifier.text
    if text in (ANYONE, AUTHENTICATED, OWNER):
        return text
    if text.startswith(_GROUP_SIGN):
        return _GROUP + text.removeprefix(_GROUP_SIGN)
    domain = split_address(session.account.address)[1]
    address = login_address(session.shared.live, text if "@" in text else f"{text}@{domain}")
    if address == place.account.address:
        return OWNER
    return f"{USER}{address}" if address else ""


def _shown(who: str) -> str:
    """How the client is told who is meant."""
    if who.startswith(_GROUP):
        return _GROUP_SIGN + who.removeprefix(_GROUP)
    return who.removeprefix(USER)


def _is_known(session: Session, who: str) -> bool:
    if who.startswith(USER):
        return session.shared.neighbours.knows(who.removeprefix(USER))
    return who in (ANYONE, AUTHENTICATED)


# Words to the client


def letters(rights: Rights) -> bytes:
    """rights, with the virtual ones that section 2.1.1 asks for."""
    virtual = "".join(name for name, members in _VIRTUAL.items() if not members.isdisjoint(rights))
    ordered = "".join(right for right in STANDARD if right in rights)
    return astring((ordered + virtual).encode("ascii"))


def my_rights(mailbox: bytes, rights: Rights) -> bytes:
    """myrights-data = "MYRIGHTS" SP mailbox SP rights"""
    return b"MYRIGHTS %b %b" % (mailbox, letters(rights))


def _wire_name(session: Session, place: Place) -> bytes:
    return session.wire_name(session.places.shown(place))


# Commands


async def set_acl(session: Session, wanted: SetAcl) -> Reply:
    """To somebody who is not known here nothing is granted, but what is granted can be taken back."""
    place = await session.place(wanted.mailbox)
    who, negative = _who(session, place, wanted.identifier), wanted.identifier.negative
    known = _is_known(session, who)

    def changed(found: Acl) -> Acl:
        old = found.get(who, negative=negative)
        had = old.rights if old is not None else NO_RIGHTS
        rights = _combined(had, wanted)
        if not known and (old is None or not rights <= had):
            raise Refused(b"NONEXISTENT", "There is nobody of that name here")
        if old is None and wanted.mode and not rights:
            return found  # nothing is added, or taken from nothing
        if negative and not rights:
            return found.without(who, negative=True)
        return found.with_entry(Entry(who, rights, negative, old.named if old is not None else ""))

    owners = NO_RIGHTS if negative else ALL
    await _change(session, place, who, changed, harmless=_combined(owners, wanted) == owners)
    return ok("Rights are set")


def _combined(had: Rights, wanted: SetAcl) -> Rights:
    return {"+": had | wanted.rights, "-": had - wanted.rights}.get(wanted.mode, wanted.rights)


async def delete_acl(session: Session, named: tuple[str, Identifier]) -> Reply:
    """What is not there is gone already."""
    mailbox, identifier = named
    place = await session.place(mailbox)
    who = _who(session, place, identifier)

    def changed(found: Acl) -> Acl:
        return found.without(who, negative=identifier.negative)

    await _change(session, place, who, changed, harmless=identifier.negative)
    return ok("Rights are deleted")


async def _change(
    session: Session, place: Place, who: str, changed: Callable[[Acl], Acl], *, harmless: bool
) -> None:
    """Change a list; what would not change anything for the owner is done by doing nothing."""

    def change() -> None:
        _check(place)
        if who != OWNER:
            session.shared.neighbours.grant(place.account, place.name, changed)
        elif not harmless:
            raise Refused(b"CANNOT", "The owner always has all rights")

    await session.lane(change, of=place.account)
    session.announce(place)
    session.shared.feed.announce_account(EVERYBODY)


def _check(place: Place) -> Acl:
    """The list of a mailbox that the client administers. Raises NoSuchMailbox, NoRight."""
    place.check("a")
    return place.account.store.sharing.list(place.name)


async def get_acl(session: Session, mailbox: str) -> Reply:
    """acl-data = "ACL" SP mailbox *(SP identifier SP rights)"""
    place = await session.place(mailbox)
    found = await session.lane(_check, place, of=place.account)
    said = [b"ACL", _wire_name(session, place), astring(place.account.address.encode()), letters(ALL)]
    for entry in found.entries:
        if entry.who not in (OWNER, USER + place.account.address):
            minus = "-" if entry.negative else ""
            said += [astring(f"{minus}{_shown(entry.who)}".encode()), letters(entry.rights)]
    session.untagged(b" ".join(said))
    return ok("These are the rights")


async def list_rights(session: Session, named: tuple[str, Identifier]) -> Reply:
    """listrights-data = "LISTRIGHTS" SP mailbox SP identifier SP rights *(SP rights)

    The owner has them all; to others each can be granted without the others.
    """
    mailbox, identifier = named
    place = await session.place(mailbox)
    await session.lane(_check, place, of=place.account)
    said = [b"LISTRIGHTS", _wire_name(session, place), astring(identifier.written)]
    if _who(session, place, identifier) == OWNER and not identifier.negative:
        said.append(letters(ALL))
    else:
        said += [b'""', *(right.encode("ascii") for right in (*STANDARD, *_VIRTUAL))]
    session.untagged(b" ".join(said))
    return ok("These rights can be granted")


async def run_my_rights(session: Session, mailbox: str) -> Reply:
    """What the client may do."""
    place = await session.place(mailbox)

    def rights() -> Rights:
        place.check(any_of=_ANY)
        place.account.store.sharing.list(place.name)  # of the client's own too: it has to be there
        return place.rights()

    session.untagged(my_rights(_wire_name(session, place), await session.lane(rights, of=place.account)))
    return ok("These are your rights")
