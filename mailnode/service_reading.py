"""What the server reads when it starts and at each reload: the configuration, and the files that it names."""

import os
from collections.abc import Mapping
from operator import attrgetter

from OpenSSL import SSL

from mailnode.auth.tokens import Issuer, TokenKeysError, read_issuer
from mailnode.config import Config, Loaded, Mailboxes, Tls
from mailnode.config_reading import load
from mailnode.fs import FileSystem
from mailnode.net.shown import Shown, choosing, shown
from mailnode.net.tls import TlsError, make_context
from mailnode.tomlfile import ConfigurationError
from mailnode.upkeep.certificate_files import key_of
from mailnode.values import frozen

# What is wrong with the configuration, or with a file that it names.
CANNOT_START = (ConfigurationError, TlsError, TokenKeysError)

# What a reload leaves as it was when the server started.
_SETTLED = {
    "state": attrgetter("state"),
    "store.mail": attrgetter("store.mail"),
    "store.text_index": attrgetter("store.text_index"),
    "listener": attrgetter("listeners"),
    "workers": attrgetter("workers"),
    "dns": attrgetter("dns"),
    "log.format": attrgetter("log.format"),
}


@frozen
class TlsFiles:
    """What the files of [tls] hold: the contexts for other servers and for people, none without TLS.

    `ends` are the times at which certificates run out, in seconds since the epoch, by file, as far as they
    can be read; `stamp` tells this state of the files from others.
    """

    contexts: tuple[SSL.Context, ...]
    ends: Mapping[str, float]
    stamp: tuple[object, ...]


@frozen
class Reading:
    """All of it at one moment."""

    loaded: Loaded
    tls: TlsFiles
    issuer: Issuer | None  # whose tokens count


def read(path: str, files: FileSystem) -> Reading:
    """The configuration in the file at `path`, whole. Raises one of CANNOT_START."""
    loaded = load(path, files)
    tls, auth = loaded.config.tls, loaded.config.auth
    issuer = read_issuer(auth.oauth, lambda name: files.read(os.path.realpath(name)))
    return Reading(loaded, read_tls(tls, files), issuer)


def read_tls(tls: Tls, files: FileSystem) -> TlsFiles:
    """The files of [tls]. Raises TlsError."""
    stamp = stamp_of(tls, files)  # first: what changes meanwhile is read again
    facts = {one: _facts(one.certificate, files) for one in tls.certificates}
    keys = {one: key_of(one, files) for one in facts}

    def context(authorities: str, *, tickets: bool) -> SSL.Context:
        made = [make_context(one.certificate, key, authorities, tickets=tickets) for one, key in keys.items()]
        return choosing([(each, fact.names) for each, fact in zip(made, facts.values(), strict=True)])

    contexts = (context("", tickets=tls.tickets), context(tls.client_ca, tickets=False)) if facts else ()
    ends = {one.certificate: fact.ends for one, fact in facts.items() if fact.ends is not None}
    return TlsFiles(contexts, ends, stamp)


def _facts(path: str, files: FileSystem) -> Shown:
    """What a certificate says; nothing where that cannot be read, which OpenSSL may take all the same."""
    try:
        return shown(files.read(os.path.realpath(path)))
    except (OSError, ValueError):
        return Shown(frozenset(), None)


def stamp_of(tls: Tls, files: FileSystem) -> tuple[object, ...]:
    """What tells one state of the files of [tls] from another."""
    paths = [tls.client_ca] + [path for one in tls.certificates for path in (one.certificate, one.key)]
    found = [files.stat(os.path.realpath(path)) for path in paths if path]
    return tuple(one and (one.st_ino, one.st_mtime_ns, one.st_size) for one in found)


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
