"""A new certificate, from the question whether one is due to its files in their places.

The key of our account with an authority lies in the folder of ACME, under the host name of the authority, and
so does the last failure, for those who ask how things are.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailnode.config import Certificate, Config
from mailnode.config_services import client_hosts
from mailnode.fs import FileSystem
from mailnode.upkeep.acme_trouble import Trouble, missing
from mailnode.upkeep.certificate_files import (
    fault_of,
    is_key,
    key_of,
    life_of,
    new_key,
    pair_for,
    put_in_place,
    read_pem,
    unwritable,
)
from mailnode.values import frozen

if TYPE_CHECKING:
    from mailnode.upkeep.authority import Proofs

FAILURE = "failure.json"
_LEFT = 3  # the part of its life that a certificate has left when it is renewed


@frozen
class Order:
    """A certificate that is wanted: from whom, for which names and in which files.

    `now` is the real time.
    """

    directory: str
    names: tuple[str, ...]
    pair: Certificate
    keep_key: bool
    account: str  # the path of the account's key
    now: Callable[[], datetime]

    def due(self, files: FileSystem, spread: float = 0.0) -> datetime:
        """When to ask for it: when a third of the old one's life is left; at once where that is not good.

        `spread`, from 0 to 1, makes it up to a thirtieth of that life earlier.
        """
        try:
            life = life_of(read_pem(self.pair.certificate, files))
            key = read_pem(key_of(self.pair, files), files)
            fault = fault_of(read_pem(self.pair.certificate, files), key, self.names, self.now())
        except (OSError, ValueError):
            return self.now()
        lasts = life.ends - life.begins
        moment = life.ends - lasts / _LEFT - lasts / (10 * _LEFT) * spread
        return self.now() if fault else moment


def order_for(config: Config, now: Callable[[], datetime], files: FileSystem) -> Order | None:
    """What [tls.acme] wants; None where nobody is to be asked, or all of [tls] is for other names."""
    acme = config.tls.acme
    names = tuple(acme.names or client_hosts(config))
    pair = pair_for(config.tls, names, files)
    if not acme.directory or pair is None:
        return None
    account = account_key(config, acme.directory)
    return Order(acme.directory, names, pair, acme.keep_key, account, now)


def account_key(config: Config, directory: str) -> str:
    """The path of the key of our account with an authority."""
    parts = urlsplit(directory)
    place = f"{parts.hostname}-{parts.port}" if parts.port else str(parts.hostname)
    return os.path.join(config.acme_directory, f"{place}.key")


def account_of(order: Order, files: FileSystem) -> bytes:
    """The key of our account, made where there is none. Raises OSError."""
    if files.stat(order.account) is None:  # it is kept before the authority hears of it
        files.make_directories(os.path.dirname(order.account))
        files.replace(order.account, new_key())
    return files.read(order.account)


def fulfil(
    order: Order,
    files: FileSystem,
    account: bytes,
    proofs: "Proofs",
    *,
    email: str = "",
    agree: Callable[[str], bool] = lambda terms: False,
    owner: tuple[int, int] | None = None,
) -> None:
    """Get the certificate and put it in its place. Raises Trouble; then the old one is where it was.

    `agree` hears the URL of the authority's terms where an account must be made.
    """
    try:
        from mailnode.upkeep.authority import Authority
    except ImportError:
        raise missing() from None
    if reason := unwritable(order.pair, files):
        raise Trouble(reason, "Run: mailnode tls renew as root, or name files in [tls] that may be written.")
    try:
        with _alone(order, files):
            key = read_pem(key_of(order.pair, files), files) if order.keep_key else new_key()
            for path, data in ((order.account, account), (order.pair.key, key)):
                if not is_key(data):
                    raise Trouble(f"{path} holds no private key that can be used", "Remove it: one is made.")
            authority = Authority(order.directory, account, order.now)
            authority.open_account(email, agree)
            chain = authority.issue(order.names, key, proofs)
            if fault := fault_of(chain, key, order.names, order.now() + timedelta(minutes=1)):
                remedy = "The old one stays. Look at the clock of this machine; else ask the authority."
                raise Trouble(f"what the authority gave cannot be used: {fault}", remedy)
            put_in_place(order.pair, chain, key, files, owner)
    except OSError as error:
        raise Trouble(f"{error.filename or order.pair.key}: {error.strerror}", "Mend that first.") from None


@contextmanager
def _alone(order: Order, files: FileSystem) -> Iterator[None]:
    """Two at once, as the server and a command, could put the key of one beside the other's certificate."""
    lock = files.try_lock(order.account)
    if lock is None:
        raise Trouble("somebody else is asking for a certificate at this moment", "Wait until that is done.")
    try:
        yield
    finally:
        lock.release()


# What became of it


def keep_failure(config: Config, text: str, at: datetime, files: FileSystem) -> None:
    """Have it known that there was no certificate; with no text, that there was one. Raises OSError."""
    path = os.path.join(config.acme_directory, FAILURE)
    if text:
        files.make_directories(config.acme_directory)
        told = {"time": at.isoformat(timespec="seconds"), "reason": text}
        files.replace(path, json.dumps(told).encode() + b"\n")
    else:
        files.unlink(path, missing_ok=True)


def last_failure(config: Config, files: FileSystem) -> tuple[datetime, str] | None:
    """When and why there was no certificate the last time; None where there was one."""
    try:
        told = json.loads(files.read(os.path.join(config.acme_directory, FAILURE)))
        return datetime.fromisoformat(told["time"]).astimezone(UTC), str(told["reason"])
    except (OSError, ValueError, TypeError, LookupError):
        return None
