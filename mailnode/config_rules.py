"""What one value in a configuration file must look like.

Each function takes the value as written and gives it as it is used, or raises Fault. They stand in the
Annotated[...] of the fields in config.py.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal

import argon2
import idna

from mailnode.tomlfile import Fault
from mailnode.values import frozen
from mailnode.wire.abnf import ATEXT, is_all
from mailnode.wire.address import parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import a_labels, folded
from mailnode.wire.scram import Verifier, parse_verifier
from mailnode.wire.uidl import check_format

Network = IPv4Network | IPv6Network
Language = Literal["en", "de", "fr", "es"]  # those of reports; delivery.words has what they say

# Most addresses, as they are used: what the grammar says of these is known without it.
_COMMON_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@.{1,63}\Z)[a-z0-9_-]+(?:[.+][a-z0-9_-]+)*@"
    r"(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z][a-z0-9]*\Z"
)
_COMMON_HASH = re.compile(
    r"\$argon2id\$v=19\$m=[0-9]{1,10},t=[0-9]{1,10},p=[0-9]{1,10}(?:\$[A-Za-z0-9+/]+){2}\Z"
)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_WRITTEN_TOGETHER = {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"}
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|[{}]")
_WIDEST = {4: 8, 6: 32}  # prefix lengths below which a network is half the world
_ESCAPED = re.compile(r"(?:[^\\]|\\.)*")
_MAPPED = IPv6Network("::ffff:0:0/96")


@frozen
class Between:
    """A rule for whole numbers from `least` to `most`; `unit` says what they count, as "seconds"."""

    least: int
    most: int
    unit: str = ""

    def __call__(self, value: int) -> int:
        if not self.least <= value <= self.most:
            raise Fault(f"{value} is out of range", f"Use a number from {self.least} to {self.most}.")
        return value


def between(least: int, most: int, unit: str = "") -> Between:
    """The rule for whole numbers from `least` to `most` of this unit, such as "seconds"."""
    return Between(least, most, unit)


def file_path(text: str) -> str:
    """The path of a file or folder; a relative one begins at the folder of the configuration."""
    if "\0" in text:
        raise Fault("contains a NUL, which no path has", "Write the path of a file or folder.")
    return text


FilePath = Annotated[str, file_path]


def one_line(text: str) -> str:
    """Text without control characters, such as a person's name."""
    if not text.isprintable():
        raise Fault("contains characters that do not show", "Use one line of plain text.")
    return text


def domain_name(text: str) -> str:
    """A fully qualified domain name in lower case; letters, digits and hyphens (RFC 5321 section 2.3.5).

    It may be written with U-labels, and has A-labels then.
    """
    try:
        name = a_labels(text)
    except BadSyntax:
        raise Fault("is not a valid domain name", _ascii_remedy(text)) from None
    labels = name.split(".")
    if len(name) > 255 or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise Fault("is not a full domain name", 'Write it like "example.org" or "mail.example.org".')
    return name


def _ascii_remedy(text: str) -> str:
    try:
        return f'Write "{idna.encode(text, uts46=True).decode()}".'
    except idna.IDNAError:
        return "Use letters, digits, hyphens and dots."


def split_address(text: str) -> tuple[str, str]:
    """Local part and domain of an address that `address` has given."""
    local, _, domain = text.rpartition("@")
    return local, domain


def address(text: str) -> str:
    """A mail address as mailboxes are looked up, whose local part can be the name of a directory.

    Stricter than RFC 5321 section 4.1.2: a dot-atom without "/", so it is never empty, "." or "..".
    """
    return text if _COMMON_ADDRESS.match(text) else _address(text)


@lru_cache(4096)
def _address(text: str) -> str:
    try:
        found = None if '"' in text else parse_address(text, utf8=True)
    except BadSyntax:
        found = None
    if found is None or "/" in found.local or len(found.local.encode()) > 64:
        raise Fault(
            "is not a mail address", 'Write it like "anna@example.org", without quotes or blanks inside.'
        )
    return f"{_local_part(found.local)}@{domain_name(found.domain)}"


def _local_part(text: str) -> str:
    """The local part in lower case and NFC; Fault for one that could be taken for another.

    Beyond ASCII it is much like a UsernameCaseMapped of RFC 8265: the letters and digits that IDNA2008
    allows, which leaves out all that is invisible, wide or otherwise only another form. Its letters are of
    one script, so that no Cyrillic letter passes for a Latin one.
    """
    name = folded(text)
    if text.isascii():
        return name
    try:
        for part in filter(None, _PUNCTUATION.split(name)):
            idna.check_label(part)
    except ValueError:
        name = ""
    if not name or name.isascii():
        raise Fault("holds letters that only stand for others", "Use plain letters and digits of one script.")
    scripts = sorted({_script(letter) for letter in name if unicodedata.category(letter).startswith("L")})
    if len(scripts) > 1:
        raise Fault(f"mixes letters of {' and '.join(scripts)}", "Use the letters of one script.")
    return name


def _script(letter: str) -> str:
    """The script of a letter, as its name in Unicode begins; those that are written together are one."""
    name = re.split("[ -]", unicodedata.name(letter, "an unknown script"))[0]
    return "East Asian" if name in _WRITTEN_TOGETHER else name.capitalize()


def alias_name(text: str) -> str:
    """An address, or "@" and a domain: everybody there who has no name of their own."""
    return f"@{domain_name(text[1:])}" if text.startswith("@") else address(text)


def looked_up(rule: Callable[[str], str], text: str) -> str:
    """What a rule makes of a name; where it is wrong, the name in lower case."""
    try:
        return rule(text)
    except Fault:
        return text.lower()


def sender(text: str) -> str:
    """An address, or a whole domain such as "@example.org", in lower case."""
    remedy = 'Write it like "info@example.org", or "@example.org" for the whole domain.'
    if text.startswith("*"):
        raise Fault("the * would mean a mailbox of that name", remedy)
    try:
        return "@" + domain_name(text[1:]) if text.startswith("@") else address(text)
    except Fault as fault:
        raise Fault(fault.text, remedy) from None


def address_or_nothing(text: str) -> str:
    """An address, or the empty text."""
    return address(text) if text else text


def subaddress_separator(text: str) -> str:
    """One character of atext that is no letter or digit, or nothing (RFC 5233)."""
    if text and (len(text) > 1 or text.isalnum() or not text.isascii() or not is_all(text.encode(), ATEXT)):
        raise Fault("is not a separator", 'Use one character such as "+" or "-", or "" for none.')
    return text


def uidl_format(text: str) -> str:
    """A format of POP3's unique-ids."""
    try:
        check_format(text)
    except BadSyntax as bad:
        raise Fault(str(bad), 'Use "%08Xu%08Xv", or "UID%u-%v" for a tree that Courier has served.') from None
    return text


def network(text: str) -> Network:
    """An IP network; one so wide that strangers are in it is refused."""
    try:
        found = ip_network(text)
    except ValueError:
        raise Fault("is not a network", _network_remedy(text)) from None
    if found.prefixlen < _WIDEST[found.version]:
        remedy = f"Name the networks that are yours; /{_WIDEST[found.version]} is the widest allowed."
        raise Fault(f"{text} would trust the whole world", remedy)
    if found.version == 6 and found.subnet_of(_MAPPED):
        plain = ip_network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
        raise Fault("fits nobody, as mapped addresses count as those of IPv4", f'Write it as "{plain}".')
    return found


def _network_remedy(text: str) -> str:
    try:
        return f'Did you mean "{ip_network(text, strict=False)}"?'
    except ValueError:
        return 'Write it like "192.168.1.0/24" or "fd00:1234::/48".'


def mail_template(text: str) -> str:
    """A path with {local}, and perhaps {domain} and {state}, to be filled in."""
    unknown = set(_PLACEHOLDER.findall(text)) - {"{state}", "{domain}", "{local}"}
    if unknown:
        raise Fault(f"{min(unknown)} stands for nothing", "Use {state}, {domain} and {local}.")
    if "{local}" not in text:
        raise Fault(
            "has no {local}, so all would share one mailbox", "Add {local} where the mailbox's name goes."
        )
    return text


def password_hash(text: str) -> str:
    """An argon2 hash in its usual text form; the text itself is never shown."""
    try:
        if not _COMMON_HASH.match(text):
            argon2.extract_parameters(text)
    except (argon2.exceptions.InvalidHash, ValueError):
        remedy = "Set it with: mailnode mailbox passwd ADDRESS"
        raise Fault("is not an argon2 hash (passwords themselves are not stored)", remedy) from None
    return text


def scram_verifier(text: str) -> Verifier:
    """What is kept of a password for SCRAM; the text itself is never shown."""
    try:
        return parse_verifier(text)
    except BadSyntax:
        remedy = "Set it with: mailnode mailbox passwd ADDRESS"
        raise Fault("is not a SCRAM verifier of 4096 iterations or more", remedy) from None


# Endpoint strings


def endpoint(text: str) -> str:
    """A Twisted server endpoint string that is plausible; what it names is tried when the server starts."""
    if not text.isprintable():
        raise Fault("contains characters that do not show", 'Write it like "tcp:25".')
    kind, *arguments = _endpoint_parts(text)
    rule = _ENDPOINTS.get(kind)
    if kind == "haproxy":
        remedy = f'Write endpoint = "{text[8:]}" and proxy = true, and the proxies into proxy_networks.'
        raise Fault("haproxy: would believe the PROXY header of everybody", remedy)
    if rule is None:
        remedy = 'Use "tcp:25", "tcp6:25:interface=\\:\\:", "unix:/path" or "systemd:domain=INET6:index=0".'
        if kind in ("ssl", "tls"):
            remedy = 'Use "tcp:993" with tls = "implicit".'
        raise Fault(f"{kind or 'nothing'} is no kind of endpoint known here", remedy)
    if not _ESCAPED.fullmatch(text):
        raise Fault("ends in a backslash with nothing behind it", "Remove it.")
    rule(_named(kind, arguments))
    return text


def _named(kind: str, arguments: list[str]) -> dict[str, str]:
    """The arguments of an endpoint by name; the first may go without one. Raises Fault."""
    named: dict[str, str] = {}
    for number, part in enumerate(arguments):
        name, found, value = part.partition("=")
        if not found:
            name, value = "" if number else _FIRST.get(kind, ""), part
        if not name:
            remedy = 'Write interface=, mode= and the like before it; a colon within an address is "\\:".'
            raise Fault(f'"{part}" stands there without a name', remedy)
        if name in named:
            raise Fault(f"has two values for {name}", "Write one.")
        named[name] = value
    return named


def reachable(endpoint: str) -> bool:
    """Whether other machines can connect to an endpoint; False also where systemd alone knows that."""
    kind, interface = _endpoint_parts(endpoint)[0], endpoint_interface(endpoint)
    try:
        return kind in ("tcp", "tcp6") and not (interface and ip_address(interface).is_loopback)
    except ValueError:
        return interface != "localhost"


def endpoint_port(endpoint: str) -> int:
    """The TCP port of an endpoint; 0 where it has none, or systemd alone knows."""
    kind, *arguments = _endpoint_parts(endpoint)
    return int(_named(kind, arguments).get("port", "0"))


def endpoint_interface(endpoint: str) -> str:
    """The address that an endpoint listens on; "" where it is all of them, or none."""
    kind, *arguments = _endpoint_parts(endpoint)
    return _named(kind, arguments).get("interface", "")


def with_backlog(endpoint: str, number: int) -> str:
    """An endpoint where so many connections may wait to be accepted, if it does not say itself how many.

    A socket of systemd's is what its unit says.
    """
    kind, *arguments = _endpoint_parts(endpoint)
    says = kind == "systemd" or "backlog" in _named(kind, arguments)
    return endpoint if says else f"{endpoint}:backlog={number}"


def _endpoint_parts(text: str) -> list[str]:
    """The parts between colons; a backslash takes its meaning from the character behind it."""
    parts = re.findall(r"(?:^|:)((?:[^:\\]|\\.)*)", text)
    return [re.sub(r"\\(.)", r"\1", part) for part in parts]


def _tcp(named: dict[str, str]) -> None:
    port = named.get("port", "")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise Fault(
            f'"{port}" is not a port',
            'Give a port from 1 to 65535: "tcp:25" or "tcp:25:interface=127.0.0.1".',
        )
    _only_known(named, {"port", "interface", "backlog"})


def _unix(named: dict[str, str]) -> None:
    path = named.get("address", "")
    if not path.startswith("/"):
        raise Fault(f'"{path}" is not an absolute path', 'Write it like "unix:/run/mailnode/imap.sock".')
    _only_known(named, {"address", "mode", "backlog", "lockfile"})


def _systemd(named: dict[str, str]) -> None:
    if named.get("domain") not in ("INET", "INET6", "UNIX") or not (named.keys() & {"index", "name"}):
        raise Fault("does not say which socket of systemd's", 'Write it like "systemd:domain=INET6:index=0".')
    if len(named) > 2:
        raise Fault("says which socket it is in two ways", "Write index= or name=.")
    _only_known(named, {"domain", "index", "name"})


def _only_known(named: dict[str, str], known: set[str]) -> None:
    for name, value in named.items():
        if name not in known:
            raise Fault(f"{name}= means nothing here", f"Known: {', '.join(sorted(known))}.")
        if name in _FORMS and not re.fullmatch(_FORMS[name][0], value):
            raise Fault(f'"{value}" is no value for {name}', f"Write it like {name}={_FORMS[name][1]}.")


_ENDPOINTS = {"tcp": _tcp, "tcp6": _tcp, "unix": _unix, "systemd": _systemd}
_FIRST = {"tcp": "port", "tcp6": "port", "unix": "address"}  # what the argument is that needs no name
_FORMS = {
    "backlog": ("[0-9]{1,5}", "100"),
    "mode": ("0?[0-7]{3}", "660"),
    "lockfile": ("[01]", "1"),
    "index": ("[0-9]{1,3}", "0"),
}
