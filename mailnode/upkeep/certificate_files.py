"""The files of a certificate and its key: looked at before they are used, and put in place together.

What comes from an authority takes the place of a good certificate only when it is known to be good itself: it
is for the key and for the names, it is valid, and each certificate of the chain is signed by the next.

The new files are written beside the old ones and kept by the disk first. Then the certificate takes its place
by a rename, and the key follows. Till it has, it lies beside the old key, where those who read both find it
(`key_of`): so at each moment, and after a crash at any, there is a key for the certificate.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mailnode.config import Certificate, Tls
from mailnode.fs import FileSystem
from mailnode.net.shown import covers, names_of
from mailnode.values import frozen

Owner = tuple[int, int] | None


def new_key() -> bytes:
    """A private key, in PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def is_key(pem: bytes) -> bool:
    """Whether that is a private key with which a certificate can be asked for, without passphrase."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)


@frozen
class Life:
    """What a certificate says of itself: its names and its dates."""

    names: frozenset[str]
    begins: datetime
    ends: datetime


def life_of(chain: bytes) -> Life:
    """Of the first of a chain in PEM. Raises ValueError."""
    first = x509.load_pem_x509_certificate(chain)
    return Life(names_of(first), first.not_valid_before_utc, first.not_valid_after_utc)


def facts_of(chain: bytes) -> dict[str, object]:
    """The same for people and programs, with the issuer and the kind of key. Raises ValueError."""
    first = x509.load_pem_x509_certificate(chain)
    key = first.public_key()
    kind = f"ECDSA {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
    if isinstance(key, rsa.RSAPublicKey):
        kind = f"RSA {key.key_size}"
    return {
        "names": sorted(names_of(first)),
        "begins": first.not_valid_before_utc.isoformat(),
        "ends": first.not_valid_after_utc.isoformat(),
        "issuer": first.issuer.rfc4514_string(),
        "key_type": kind,
    }


def fault_of(chain: bytes, key: bytes, names: Iterable[str], now: datetime) -> str:
    """What is wrong with a chain, the server's certificate first, for this key; "" where nothing is."""
    try:
        certificates = x509.load_pem_x509_certificates(chain)
        public = serialization.load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "it is no certificate, or the key is none"
    first = certificates[0]
    if first.public_key() != public:
        return "it is for another key"
    held = names_of(first)
    if missing := [one for one in names if one not in held and not covers(held, one)]:
        return f"it is not for {', '.join(missing)}"
    if now < first.not_valid_before_utc:
        return f"it is valid from {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on only"
    if now >= first.not_valid_after_utc:
        return f"it ran out on {first.not_valid_after_utc:%Y-%m-%d}"
    return _fault_of_chain(certificates)


def _fault_of_chain(certificates: Sequence[x509.Certificate]) -> str:
    for one, issuer in pairwise(certificates):
        try:
            one.verify_directly_issued_by(issuer)
        except Exception:  # whatever cannot be verified
            return "its chain does not hold together"
    return ""


def pair_for(tls: Tls, names: Sequence[str], files: FileSystem) -> Certificate | None:
    """The files of [tls] that a certificate for these names belongs in; None where there are none.

    Those with a certificate for one of the names come first, then those that are not there. What is for other
    names is left alone.
    """
    for pair in tls.certificates:
        held = names_at(pair.certificate, files)
        if any(covers(held, one) for one in names) or any(covers(names, one) for one in held):
            return pair
    return next((one for one in tls.certificates if files.stat(one.certificate) is None), None)


def names_at(path: str, files: FileSystem) -> frozenset[str]:
    """What the certificate in a file is for; nothing where there is none."""
    try:
        return life_of(read_pem(path, files)).names
    except (OSError, ValueError):
        return frozenset()


def read_pem(path: str, files: FileSystem) -> bytes:
    """A file of [tls], which may be a symlink. Raises OSError."""
    return files.read(os.path.realpath(path))


def unwritable(pair: Certificate, files: FileSystem) -> str:
    """Why new files cannot be put in the place of these; "" where they can. Asked before an authority is."""
    for path in (pair.key, pair.certificate):
        if os.path.realpath(path) != os.path.abspath(path):
            return f"{path} is a symlink, so another program keeps it"
        try:
            files.make_directories(os.path.dirname(path))
            files.create(_beside(path)).close()
            files.unlink(_beside(path))
        except FileExistsError:
            files.unlink(_beside(path), missing_ok=True)
        except OSError as error:
            return f"nothing can be written beside {path}: {error.strerror}"
    return ""


def put_in_place(pair: Certificate, chain: bytes, key: bytes, files: FileSystem, owner: Owner = None) -> None:
    """Have both files with this content, whole and durably, or the old ones. Raises OSError.

    Files that are there keep their owner; for others root may name one.
    """
    _settle(pair, files)
    place, aside = pair.certificate, _beside(pair.certificate)
    try:
        if pair.key == place:
            _write(aside, key + chain, 0o600, files, _owner(place, files) or owner)
        else:
            _write(_waiting(pair), key, 0o600, files, _owner(pair.key, files) or owner)
            _write(aside, chain, 0o644, files, _owner(place, files) or owner)
            if files.stat(pair.key) is None:
                files.rename(_waiting(pair), pair.key)
            files.sync_directory(os.path.dirname(pair.key))
        files.rename(aside, place)
    except BaseException:
        files.unlink(aside, missing_ok=True)
        if key_of(pair, files) == pair.key:
            files.unlink(_waiting(pair), missing_ok=True)
        raise
    files.sync_directory(os.path.dirname(place))
    settle(pair, files)


def key_of(pair: Certificate, files: FileSystem) -> str:
    """The path of the key that is for the certificate; `pair.key` where there is none. Raises nothing."""
    try:
        if files.stat(_waiting(pair)) is not None:
            first = x509.load_pem_x509_certificate(read_pem(pair.certificate, files))
            key = serialization.load_pem_private_key(files.read(_waiting(pair)), password=None)
            return _waiting(pair) if key.public_key() == first.public_key() else pair.key
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        pass
    return pair.key


def settle(pair: Certificate, files: FileSystem) -> None:
    """Have the key in its own place, where something came between; whoever may not write there need not."""
    with suppress(OSError):
        _settle(pair, files)


def _settle(pair: Certificate, files: FileSystem) -> None:
    if key_of(pair, files) != pair.key:
        files.rename(_waiting(pair), pair.key)
        files.sync_directory(os.path.dirname(pair.key))


def _waiting(pair: Certificate) -> str:
    """Where a key is till its certificate is in place."""
    return f"{pair.key}.new"


def _beside(path: str) -> str:
    return f"{path}.new.{os.getpid()}"


def _owner(path: str, files: FileSystem) -> Owner:
    facts = files.stat(path)
    return (facts.st_uid, facts.st_gid) if facts is not None and os.geteuid() == 0 else None


def _write(path: str, data: bytes, mode: int, files: FileSystem, owner: Owner) -> None:
    files.unlink(path, missing_ok=True)
    file = files.create(path, mode=mode)
    try:
        file.write(data)
        if owner is not None:
            file.give_to(*owner)
        file.sync()
    finally:
        file.close()
