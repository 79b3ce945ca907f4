"""The [tls.acme] table: certificates from an authority, by ACME."""

from contextlib import suppress
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from mailnode.config_rules import address_or_nothing, domain_name
from mailnode.tomlfile import Fault
from mailnode.values import frozen

# Words for the directories (RFC 8555 section 7.1.1) of an authority that asks for no money.
DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
FIRST_CHOICE = "letsencrypt"

_HERE = ("127.0.0.1", "::1", "localhost")


def directory_url(text: str) -> str:
    """Where an authority's directory is: an https URL, or a word for one; "" for none.

    Without TLS only on this machine: whoever sits between could have a certificate for himself.
    """
    if not text or text in DIRECTORIES:
        return DIRECTORIES.get(text, "")
    parts = _parts(text)
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and parts.hostname in _HERE):
        return text
    words = " or ".join(f'"{word}"' for word in DIRECTORIES)
    raise Fault("is no https address", f"Write {words}, or the URL of the authority's directory.")


def _parts(text: str) -> SplitResult:
    """Those of a URL that can be asked for; none of anything else."""
    with suppress(ValueError):
        parts = urlsplit(text)
        if text.isascii() and text.isprintable() and " " not in text and parts.port != 0:
            return parts
    return urlsplit("")


@frozen
class Acme:
    """Whom the running server asks for a new certificate before the old one runs out; "" for nobody.

    `email` is for the account with the authority. `names` are those that the certificate is for, none for all
    by which clients ask for this server. With `keep_key` a new certificate is for the old key.
    """

    directory: Annotated[str, directory_url] = ""
    email: Annotated[str, address_or_nothing] = ""
    names: tuple[Annotated[str, domain_name], ...] = ()
    keep_key: bool = False
