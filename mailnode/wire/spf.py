"""SPF records: from their text to terms, and from a domain-spec with macros to a name (RFC 7208).

A record is read whole before anything in it is looked at, as a mistake anywhere in it counts (section 4.6).
What is written here asks nobody: values of macros are handed in. Of a name only the last 253 characters
matter (section 7.3), so it is put together from its end, and no macro makes more of it.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal, cast, get_args
from urllib.parse import quote

from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax

RECORD_LIMIT = 16_384  # octets; 512 are recommended (section 3.4), a few thousand occur
NAME_LIMIT = 253
LABEL_LIMIT = 63

Result = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
Mechanism = Literal["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"]

QUALIFIERS: dict[str, Result] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

_VERSION = re.compile(r"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([+~?-]?)([A-Za-z][A-Za-z0-9]*)(.*)", re.DOTALL)
_LENGTHS = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_ADDRESS = re.compile(r"([0-9A-Fa-f.:]+)(?:/(0|[1-9][0-9]{0,2}))?")
_MACRO = re.compile(r"%(?:\{([slodiphcrtv])([0-9]*)(r?)([.+,/_=-]*)\}|([%_-]))", re.IGNORECASE)
_LITERAL = re.compile(r"[!-$&-~]+")
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")

_PRINTABLE = re.compile(r"[ -~]+")

_IN_EXPLANATIONS_ONLY = frozenset("crt")  # macros that stand in texts for people (section 7.2)
_SIGNS = {"%": "%", "_": " ", "-": "%20"}
_MECHANISMS = frozenset(get_args(Mechanism))


@frozen
class Macro:
    """ "%{...}": a letter, and which parts of its value are wanted in what order (section 7.1).

    `keep` parts from the right, 0 for all of them; `escaped` as in a URL.
    """

    letter: str
    keep: int = 0
    reverse: bool = False
    delimiters: str = "."
    escaped: bool = False

    def expand(self, value: str) -> str:
        """The value as it is wanted (section 7.3)."""
        delimiter = self.delimiters[0]
        for other in set(self.delimiters[1:]):
            value = value.replace(other, delimiter)
        parts = value.split(delimiter)
        if self.reverse:
            parts.reverse()
        text = ".".join(parts[-self.keep :])
        return quote(text, safe="") if self.escaped else text


@frozen
class DomainSpec:
    """A name with macros in it."""

    parts: tuple[str | Macro, ...]

    @property
    def letters(self) -> frozenset[str]:
        """The macros that it has."""
        return frozenset(part.letter for part in self.parts if isinstance(part, Macro))

    def expand(self, values: Mapping[str, str]) -> str:
        """The name, with the values of the macros by their letters.

        What is too long loses labels at its left (section 7.3).
        """
        text = ""
        for part in reversed(self.parts):
            if len(text) > NAME_LIMIT + 1:
                break
            text = (part.expand(values[part.letter]) if isinstance(part, Macro) else part) + text
        text = text.removesuffix(".")
        if len(text) <= NAME_LIMIT:
            return text
        # Whoever stops early has more than enough: the first dot in the last characters is where to cut.
        return text[-NAME_LIMIT - 1 :].partition(".")[2]


@frozen
class Directive:
    """A mechanism, and what it means that it matches (section 4.6.2); `text` is how it was written.

    Without `spec` it is about the domain of the record. The prefixes are those of `a` and `mx`.
    """

    text: str
    result: Result
    mechanism: Mechanism
    spec: DomainSpec | None = None
    network: IPv4Network | IPv6Network | None = None
    prefix4: int = 32
    prefix6: int = 128

    def covers(self, address: IPv4Address | IPv6Address, host: IPv4Address | IPv6Address) -> bool:
        """Whether an address is in the network around a host (section 5.3)."""
        prefix = self.prefix4 if host.version == 4 else self.prefix6
        return address in ip_network((host, prefix), strict=False)


@frozen
class Record:
    """A record: its directives in order, and where to look when none of them matches.

    `exp` is read and left out: nobody repeats texts of strangers here.
    """

    directives: tuple[Directive, ...]
    redirect: DomainSpec | None = None


def is_record(text: str) -> bool:
    """Whether a TXT record is an SPF record, a good one or not (section 4.5)."""
    return _VERSION.match(text) is not None


def is_domain(name: str) -> bool:
    """Whether it can be asked for: several labels of 1 to 63 printable octets each (section 4.3)."""
    labels = name.split(".")
    fits = len(labels) > 1 and all(0 < len(one) <= LABEL_LIMIT for one in labels)
    return fits and len(name) <= NAME_LIMIT and _PRINTABLE.fullmatch(name) is not None


def parse_record(text: str) -> Record:
    """The record. Raises BadSyntax.

    record = version terms *SP; terms = *( 1*SP ( directive / modifier ) )
    """
    if len(text) > RECORD_LIMIT:
        raise BadSyntax(f"the record has {len(text)} octets")
    if not text.isascii():
        raise BadSyntax("the record is not in ASCII")
    directives: list[Directive] = []
    modifiers: dict[str, DomainSpec] = {}
    for term in filter(None, text.split(" ")[1:]):
        found = _MODIFIER.fullmatch(term)
        if found is None:
            directives.append(_directive(term))
            continue
        name = found[1].lower()
        if name not in ("redirect", "exp"):
            _parts(found[2])
        elif name in modifiers:
            raise BadSyntax(f"there are two of {name}=")
        else:
            modifiers[name] = _domain_spec(found[2])
    return Record(tuple(directives), modifiers.get("redirect"))


def _directive(term: str) -> Directive:
    """directive = [ qualifier ] mechanism"""
    found = _DIRECTIVE.fullmatch(term)
    mechanism = found[2].lower() if found else ""
    if found is None or mechanism not in _MECHANISMS:
        raise BadSyntax(f"{_shown(term)} is no mechanism")
    made = Directive(term, QUALIFIERS[found[1] or "+"], cast(Mechanism, mechanism))
    try:
        return _with_argument(made, found[3])
    except BadSyntax as error:
        raise BadSyntax(f"{_shown(term)}: {error}") from None


def _with_argument(made: Directive, rest: str) -> Directive:
    """The same directive with what follows the name of its mechanism (sections 5.1 to 5.7)."""
    mechanism = made.mechanism
    if mechanism == "all":
        if rest:
            raise BadSyntax("nothing may follow")
        return made
    if mechanism in ("ip4", "ip6"):
        return replace(made, network=_network(mechanism, rest))
    prefix4, prefix6 = 32, 128
    if mechanism in ("a", "mx"):
        found = cast("re.Match[str]", _LENGTHS.search(rest))
        prefix4, prefix6 = int(found[1] or 32), int(found[2] or 128)
        if prefix4 > 32 or prefix6 > 128:
            raise BadSyntax("a prefix is too long")
        rest = rest[: found.start()]
    spec = None
    if rest or mechanism in ("include", "exists"):
        if not rest.startswith(":"):
            raise BadSyntax("a domain is missing")
        spec = _domain_spec(rest[1:])
    return replace(made, spec=spec, prefix4=prefix4, prefix6=prefix6)


def _network(mechanism: str, rest: str) -> IPv4Network | IPv6Network:
    """ip4 = ":" ip4-network [ ip4-cidr-length ], and ip6 alike"""
    found = _ADDRESS.fullmatch(rest, 1) if rest.startswith(":") else None
    if found is None:
        raise BadSyntax("an address is missing")
    try:
        if mechanism == "ip4":
            return IPv4Network((found[1], int(found[2] or 32)), strict=False)
        return IPv6Network((found[1], int(found[2] or 128)), strict=False)
    except ValueError:
        raise BadSyntax("the address or its prefix is wrong") from None


def _domain_spec(text: str) -> DomainSpec:
    """domain-spec = macro-string domain-end; domain-end = ( "." toplabel [ "." ] ) / macro-expand"""
    parts, end = _parts(text)
    if any(isinstance(part, Macro) and part.letter in _IN_EXPLANATIONS_ONLY for part in parts):
        raise BadSyntax("%{c}, %{r} and %{t} are for explanations")
    _, dot, label = end.removesuffix(".").rpartition(".")
    top_label = dot and _TOP_LABEL.fullmatch(label) and not label.isdigit()
    if not parts or (end and not top_label):
        raise BadSyntax("the domain is wrong")
    return DomainSpec(parts)


def _parts(text: str) -> tuple[tuple[str | Macro, ...], str]:
    """macro-string = *( macro-expand / macro-literal ), and its end behind the last macro-expand"""
    parts: list[str | Macro] = []
    at, end = 0, ""
    while at < len(text):
        if literal := _LITERAL.match(text, at):
            end, at = literal[0], literal.end()
            parts.append(end)
        elif macro := _MACRO.match(text, at):
            end, at = "", macro.end()
            parts.append(_SIGNS[macro[5]] if macro[5] else _macro(macro))
        else:
            raise BadSyntax(f"wrong from {_shown(text[at:])} on")
    return tuple(parts), end


def _macro(found: "re.Match[str]") -> Macro:
    """macro-letter transformers *delimiter"""
    letter, digits, reverse, delimiters = found.group(1, 2, 3, 4)
    wanted = digits.lstrip("0")
    if digits and not wanted:
        raise BadSyntax("a macro is to have no parts")
    # No value has a thousand parts, and int() takes only so many digits.
    return Macro(letter.lower(), int(wanted[:4] or 0), bool(reverse), delimiters or ".", letter.isupper())


def _shown(text: str) -> str:
    """The text, or its start, for people: one printable line."""
    plain = "".join(one if " " <= one <= "~" else "?" for one in text[:60])
    return plain + "..." if len(text) > 60 else plain
