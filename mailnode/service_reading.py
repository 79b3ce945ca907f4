"""What the server reads when it starts and at each reload: the configuration, and the files that it names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from OpenSSL import SSL

from mailnode.auth.tokens import Issuer, TokenKeysError, read_issuer
from mailnode.config import Config, Loaded, Mailboxes
from mailnode.config_reading import load
from mailnode.fs import FileSystem
from mailnode.net.shown import expiry
from mailnode.net.tls import TlsError, make_context
from mailnode.tomlfile import ConfigurationError

# What is wrong with the configuration, or with a file that it names.
CANNOT_START = (ConfigurationError, TlsError, TokenKeysError)

# What a reload leaves as it was when the server started.
_SETTLED = {
    "state": attrgetter("state"),
    "store.mail": attrgetter("store.mail"),
    "store.text_index": attrgetter("store.text_index"),
    "listener": attrgetter("listeners"),
    "dns": attrgetter("dns"),
    "log.format": attrgetter("log.format"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """All of it at one moment; `contexts` are TLS for other servers and for people, empty without TLS.

    `certificates` are the times at which they run out, in seconds since the epoch, by file.
    """

    loaded: Loaded
    contexts: tuple[SSL.Context, ...]
    issuer: Issuer | None  # whose tokens count
    certificates: Mapping[str, float]


def read(path: str, files: FileSystem) -> Reading:
    """The configuration in the file at `path`, whole. Raises one of CANNOT_START."""
    loaded = load(path, files)
    tls, auth = loaded.config.tls, loaded.config.auth
    authorities = ("", tls.client_ca) if tls.certificate else ()
    contexts = tuple(make_context(tls.certificate, tls.key, one) for one in authorities)
    issuer = read_issuer(auth.oauth, lambda name: files.read(os.path.realpath(name)))
    shown = (tls.certificate,) if tls.certificate else ()
    certificates = {one: expiry(files.read(os.path.realpath(one))) for one in shown}
    return Reading(loaded, contexts, issuer, certificates)


def waits_for_a_start(started: Config, now: Config) -> list[str]:
    """What has changed in vain till the server is started again."""
    return [
        f"{key} has changed, which takes effect when the server is started again"
        for key, value in _SETTLED.items()
        if value(now) != value(started)
    ]


def changed_people(before: Mailboxes, now: Mailboxes) -> frozenset[str]:
    """The mailboxes that are gone or have other credentials: whoever logged in there has to do it again."""
    return frozenset(
        address
        for address, entry in before.mailboxes.items()
        if address not in now.mailboxes or now.mailboxes[address].credentials != entry.credentials
    )
