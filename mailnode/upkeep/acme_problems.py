"""What an authority of certificates says when it gives none, as one line and what to do about it.

Authorities answer with problem documents (RFC 8555 section 6.7). Their words are kept, as they say which name
is meant and until when to wait; what to do is said by the type of the problem.
"""

from collections.abc import Iterator

import requests
from acme import errors, messages

from mailnode.upkeep.acme_trouble import LONG, SHORT, Trouble

_REMEDIES = {
    "rateLimited": "Wait as long as it says. To try things out use --staging, which allows far more.",
    "dns": "Give the name an address in the DNS (A, AAAA or CNAME) that leads here (see: mailnode dns), or "
    "ask for other names only.",
    "dnssec": "Mend DNSSEC of the domain: its signatures or the DS record do not hold.",
    "caa": "Name this authority in the CAA records of the domain, or remove them.",
    "connection": "Have port 80 of the name lead here, by IPv6 too where it has such an address: look at "
    "firewall and router. Or prove the name in the DNS: --dns",
    "unauthorized": "The name leads to another server: correct its address in the DNS, or have that server "
    "hand /.well-known/acme-challenge/ over to this one.",
    "tls": "The name leads to a server that sends on to a broken HTTPS: correct that, or its address.",
    "rejectedIdentifier": "Name public names of your own only.",
    "unsupportedIdentifier": "Name host names only.",
    "invalidContact": "Give another address with --email, or none.",
    "unsupportedContact": "Give another address with --email, or none.",
    "invalidEmail": "Give another address with --email, or none.",
    "externalAccountRequired": "Choose another authority: with this one an account is made on its web page.",
    "userActionRequired": "Agree to its new terms, at the address that it names.",
    "accountDoesNotExist": "Run: mailnode tls request",
    "badCSR": "Let a new key be made: leave --keep-key out.",
    "badPublicKey": "Let a new key be made: leave --keep-key out.",
    "serverInternal": "Nothing is wrong here. Try again later.",
    "orderNotReady": "Try again later.",
    "badNonce": "Try again; if it stays so, something between here and the authority stores its answers.",
}
_REMEDIES["incorrectResponse"] = _REMEDIES["unauthorized"]
_ANY = "Try again later; if it stays so, look whether the authority's pages say something of it."
_IN_DNS = "The record is not what was printed, or not yet everywhere: wait until all servers have it."
_PREFIX = "urn:ietf:params:acme:error:"


def understood(error: Exception, directory: str, *, in_dns: bool = False) -> Trouble:
    """What an error of the client library means; with `in_dns` names were to be proved there."""
    problems = list(_problems(error))
    if problems:
        return _told(problems, in_dns=in_dns)
    if isinstance(error, errors.TimeoutError):
        text = "the authority has not decided in time"
        return Trouble(text, "Try again later; it may have gone on meanwhile.")
    if type(error) is errors.Error:
        return Trouble("the authority has given the order up, and does not say why", "Try again later.")
    if isinstance(error, requests.exceptions.SSLError):
        return Trouble(f"{directory} shows no certificate that holds", "Look at the clock, and at the URL.")
    if isinstance(error, requests.exceptions.RequestException):
        remedy = "Look at the URL, the DNS and the way out of this machine (port 443)."
        return Trouble(f"{directory} cannot be reached", remedy)
    text = f"{directory} does not answer as an authority does ({type(error).__name__})"
    return Trouble(text, "Look at the URL; an ACME directory (RFC 8555) must be there.")


def _problems(error: Exception) -> Iterator[tuple[str, messages.Error]]:
    """The problems, each with the name that it is about, "" where that is not said."""
    if isinstance(error, messages.Error):
        for one in error.subproblems or ():
            yield from _problems(one)
        if not error.subproblems:
            yield (error.identifier.value if error.identifier else ""), error
    elif isinstance(error, errors.IssuanceError):
        yield from _problems(error.error)
    elif isinstance(error, errors.ValidationError):
        for authorization in error.failed_authzrs:
            for challenge in authorization.body.challenges:
                if challenge.error is not None:
                    yield authorization.body.identifier.value, challenge.error


def _told(problems: list[tuple[str, messages.Error]], *, in_dns: bool) -> Trouble:
    """One line for the first of them; what is wrong with other names likewise is only counted."""
    name, first = problems[0]
    kind = str(first.typ).removeprefix(_PREFIX)
    detail = (first.detail or first.title or kind).rstrip(". ")
    others = sorted({one for one, _ in problems} - {name, ""})
    also = f" (and {', '.join(others)})" if others else ""
    remedy = _REMEDIES.get(kind, _ANY)
    if in_dns and kind in ("unauthorized", "incorrectResponse"):
        remedy = _IN_DNS
    return Trouble(
        f"{name + also + ': ' if name else ''}{detail} [{kind}]",
        remedy,
        LONG if kind in ("rateLimited", "rejectedIdentifier") else SHORT,
    )
