"""The attributes of XCLIENT: what a proxy says of the client it speaks for (Postfix, XCLIENT_README).

    xclient-command = XCLIENT 1*( SP attribute-name"="attribute-value )
    attribute-value = xtext

LOGIN is not among them: a name that somebody else has checked would open a mailbox without its password.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address

from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import decode_xtext, parse_hello

_UNAVAILABLE = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_IPV6 = "IPV6:"


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > 255:
        raise BadSyntax("Malformed host name")
    return text


def _address(text: str) -> str:
    """An IPv4 address, or "IPV6:" and an IPv6 address."""
    six = text[: len(_IPV6)].upper() == _IPV6
    try:
        address = IPv6Address(text[len(_IPV6) :]) if six else IPv4Address(text)
    except ValueError:
        raise BadSyntax("Malformed address") from None
    if "%" in text:
        raise BadSyntax("Malformed address")
    return str(address)


def _port(text: str) -> str:
    return str(number(text.encode("ascii"), limit=65535))


def _protocol(text: str) -> str:
    if text.upper() not in ("SMTP", "ESMTP"):
        raise BadSyntax("PROTO is SMTP or ESMTP")
    return text.upper()


def _hello(text: str) -> str:
    return parse_hello(text.encode("ascii"))


ATTRIBUTES: Mapping[str, Callable[[str], str]] = {
    "NAME": _name,
    "ADDR": _address,
    "PORT": _port,
    "PROTO": _protocol,
    "HELO": _hello,
    "DESTADDR": _address,
    "DESTPORT": _port,
}


def parse_xclient(argument: bytes) -> dict[str, str]:
    """What is said, by attribute name in upper case; "" for what is not known there. Raises BadSyntax."""
    said: dict[str, str] = {}
    for word in argument.split():
        written, equals, value = word.partition(b"=")
        name = written.decode("ascii", "replace").upper()
        check = ATTRIBUTES.get(name)
        if check is None or not equals:
            raise BadSyntax(f"Each attribute is one of {', '.join(ATTRIBUTES)}, with a value")
        if name in said:
            raise BadSyntax("Repeated attribute")
        said[name] = _checked(name, check, decode_xtext(value))
    if not said:
        raise BadSyntax("Name an attribute")
    return said


def _checked(name: str, check: Callable[[str], str], octets: bytes) -> str:
    if not octets.isascii():
        raise BadSyntax("An attribute is in ASCII")
    text = octets.decode("ascii")
    if text.upper() in _UNAVAILABLE and name != "PROTO":
        return ""
    return check(text)
