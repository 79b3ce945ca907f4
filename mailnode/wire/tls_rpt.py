"""Who wants TLS reports on a domain: the TXT record of _smtp._tls as values (RFC 8460 section 3).

tlsrpt-record = tlsrpt-version 1*(field-delim tlsrpt-field) [field-delim]
tlsrpt-rua    = %s"rua=" tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)
"""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_to_bytes

from mailnode.values import frozen
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax

DESTINATIONS = 5  # that one record may have

_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;(.*)", re.DOTALL)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*\.[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"  # never an IP address
_PATH_CHARACTER = r"[A-Za-z0-9._~$&'()*+=:@/%-]"
_HTTPS = re.compile(
    rf"https://({_HOST})(?::443)?(/{_PATH_CHARACTER}{{0,1000}})?(\?(?:{_PATH_CHARACTER}|\?){{0,1000}})?",
    re.IGNORECASE,
)
_MAILTO = re.compile(r"mailto:([^?#]{1,960})(?:[?#].*)?", re.IGNORECASE | re.DOTALL)


@frozen
class Web:
    """A host that takes reports by HTTPS, and the path there, with a query perhaps."""

    host: str
    path: str


Destination = Address | Web


def parse_record(texts: Sequence[str]) -> tuple[Destination, ...]:
    """Where reports are to go, by the TXT records; nowhere if they are none, or more than one.

    Other records are passed over, and so are destinations that are not understood: other schemes, other ports
    than 443, hosts without a name. `DESTINATIONS` are enough.
    """
    found = [one for text in texts if (one := _RECORD.match(text))]
    if len(found) != 1:
        return ()
    fields = (part.strip(" \t").partition("=") for part in found[0][1].split(";"))
    uris = (uri.strip(" \t") for name, _, value in fields if name == "rua" for uri in value.split(","))
    return tuple(dict.fromkeys(_understood(uris)))[:DESTINATIONS]


def _understood(uris: Iterator[str]) -> Iterator[Destination]:
    for uri in uris:
        if web := _HTTPS.fullmatch(uri):
            yield Web(web[1].lower(), (web[2] or "/") + (web[3] or ""))
        elif mail := _MAILTO.fullmatch(uri):
            try:
                address = parse_address(unquote_to_bytes(mail[1]).decode("ascii"))
            except (BadSyntax, UnicodeDecodeError):
                continue
            if not address.domain.startswith("["):
                yield address
