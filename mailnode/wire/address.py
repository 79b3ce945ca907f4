"""Mail addresses as they stand in SMTP commands (RFC 5321 sections 4.1.2 and 4.1.3).

A quoted local part and the same one without quotes are one address: an Address holds the text without
quoting, and str() puts back as little of it as the grammar allows. Domains keep the case they came in;
`key` is what mailboxes are looked up by.
"""

import re
from dataclasses import field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import a_labels, check_local_part, folded, u_labels

LOCAL_LIMIT = 256  # octets; RFC 5321 section 4.5.3.1.1 asks for 64 at least
DOMAIN_LIMIT = 255

_BEYOND = r"\u0080-\ud7ff\ue000-\U0010ffff"  # UTF8-non-ascii (RFC 6531 section 3.3)
_ATOM = rf"[A-Za-z0-9!#$%&'*+\-/=?^_`{{|}}~{_BEYOND}]+"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED_STRING = re.compile(rf'"((?:[ !#-\[\]-~{_BEYOND}]|\\[ -~])*)"')
_DOMAIN = re.compile(rf"[A-Za-z0-9\-.{_BEYOND}]+")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"  # 63 octets
_LABELS = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[([!-Z^-~]+)\]")
_GENERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")
_SOURCE_ROUTE = re.compile(r"@[^@,:<>\" ]+(?:,@[^@,:<>\" ]+)*:")
_QUOTED_PAIR = re.compile(r"\\(.)")
_LOCAL_PART_WRONG = "The local part of the address is wrong"
_PLAIN_ATOM = _ATOM.replace(_BEYOND, "")
_USUAL_PATH = re.compile(rf"<({_PLAIN_ATOM}(?:\.{_PLAIN_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)>".encode("ascii"))
_SPECIAL = re.compile(r'(["\\])')


@frozen
class Address:
    """A mailbox: local part without quoting, and a domain name or address literal such as "[192.0.2.1]".

    The domain is "" only for <Postmaster>, which needs none (RFC 5321 section 4.1.1.3).
    """

    local: str
    domain: str
    _written: str = field(default="", init=False, repr=False, compare=False)  # once it was asked for

    @property
    def key(self) -> str:
        """ "local@domain" in lower case and without quoting: for look-ups, never for the wire.

        Spellings of one internationalised address have one key: NFC before the @, A-labels behind it.
        """
        return f"{folded(self.local)}@{self.domain_key}"

    @property
    def domain_key(self) -> str:
        """The domain as domains are looked up: in lower case, with A-labels."""
        return a_labels(self.domain)

    @property
    def international(self) -> bool:
        """Whether it can be sent with SMTPUTF8 only."""
        return not (self.local.isascii() and self.domain.isascii())

    @property
    def shown(self) -> "Address":
        """The same address with U-labels, for those who may be told UTF-8 (RFC 6531 section 3.7)."""
        return replace(self, domain=u_labels(self.domain))

    def __str__(self) -> str:
        if not self._written:
            object.__setattr__(self, "_written", self._as_written())  # that of each message, several times
        return self._written

    def _as_written(self) -> str:
        local = self.local
        if not _DOT_STRING.fullmatch(local):
            local = '"' + _SPECIAL.sub(r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local


def parse_address(text: str, *, utf8: bool = False) -> Address:
    """The whole text as Mailbox = Local-part "@" ( Domain / address-literal ).

    Other than ASCII is taken only with `utf8` (RFC 6531 section 3.3). Raises BadSyntax.
    """
    if not utf8 and not text.isascii():
        raise BadSyntax("The address is not in ASCII")
    address, end = _mailbox(text, 0)
    if end != len(text):
        raise BadSyntax("The domain of the address is wrong")
    return address


@lru_cache(1024)
def parse_path(data: bytes, *, utf8: bool = False) -> tuple[Address | None, bytes]:
    """The Path at the start of `data`, and what follows it; None stands for "<>".

    Path = "<" [ A-d-l ":" ] Mailbox ">". A source route is dropped (RFC 5321 appendix C). "<Postmaster>",
    in any letters, is an Address without domain. Raises BadSyntax.
    """
    usual = _USUAL_PATH.match(data) if data.isascii() else None
    if usual is not None and len(usual[1]) <= LOCAL_LIMIT and len(usual[2]) <= DOMAIN_LIMIT:
        return Address(usual[1].decode("ascii"), usual[2].decode("ascii")), data[usual.end() :]
    return _parse_path(data, utf8=utf8)


def _parse_path(data: bytes, *, utf8: bool) -> tuple[Address | None, bytes]:
    """The same for any path."""
    try:
        text = data.decode("utf-8" if utf8 else "ascii")
    except UnicodeDecodeError:
        raise BadSyntax("The address is not in " + ("UTF-8" if utf8 else "ASCII")) from None
    if not text.startswith("<"):
        raise BadSyntax("The address must stand between < and >")
    if text.startswith("<>"):
        return None, data[2:]
    if text[:12].lower() == "<postmaster>":
        return Address("postmaster", ""), data[12:]
    route = _SOURCE_ROUTE.match(text, 1)
    address, end = _mailbox(text, route.end() if route else 1)
    if not text.startswith(">", end):
        raise BadSyntax("The domain of the address is wrong, or the closing > is missing")
    return address, text[end + 1 :].encode()


def is_domain(text: str) -> bool:
    """Whether the text is Domain = sub-domain *("." sub-domain), each Let-dig [Ldh-str] or a U-label."""
    if not text.isascii():
        if _DOMAIN.fullmatch(text) is None or len(text.encode()) > DOMAIN_LIMIT:
            return False
        try:
            text = a_labels(text)
        except BadSyntax:
            return False
    return len(text) <= DOMAIN_LIMIT and _LABELS.fullmatch(text) is not None


def literal(host: str) -> str:
    """The address literal of an IP address: "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3)."""
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


def _mailbox(text: str, start: int) -> tuple[Address, int]:
    local, at = _local_part(text, start)
    if not text.startswith("@", at):
        cut_short = "@" in text[at:].partition(">")[0]
        raise BadSyntax(_LOCAL_PART_WRONG if cut_short else "The address has no domain")
    domain, end = _domain(text, at + 1)
    return Address(local, domain), end


def _local_part(text: str, start: int) -> tuple[str, int]:
    """Local-part = Dot-string / Quoted-string"""
    if quoted := _QUOTED_STRING.match(text, start):
        local, end = _QUOTED_PAIR.sub(r"\1", quoted[1]), quoted.end()
    elif plain := _DOT_STRING.match(text, start):
        local, end = plain[0], plain.end()
    else:
        raise BadSyntax(_LOCAL_PART_WRONG)
    if len(local.encode()) > LOCAL_LIMIT:
        raise BadSyntax("The local part of the address is too long")
    if not local.isascii():
        check_local_part(local)
    return local, end


def _domain(text: str, start: int) -> tuple[str, int]:
    """The domain without the dot that may end a full name, or an address literal with its brackets."""
    if (found := _LITERAL.match(text, start)) and len(found[0]) <= DOMAIN_LIMIT:
        _check_literal(found[1])
        return found[0], found.end()
    named = _DOMAIN.match(text, start)
    domain = named[0].removesuffix(".") if named else ""
    if named is None or not is_domain(domain):
        raise BadSyntax("The domain of the address is wrong")
    return domain, named.end()


def _check_literal(content: str) -> None:
    """IPv4-address-literal / IPv6-address-literal / General-address-literal"""
    try:
        if content[:5].lower() != "ipv6:":
            if not _GENERAL.fullmatch(content):
                IPv4Address(content)
        elif "%" in content:
            raise ValueError
        else:
            IPv6Address(content[5:])
    except ValueError:
        raise BadSyntax("The address literal is wrong") from None
