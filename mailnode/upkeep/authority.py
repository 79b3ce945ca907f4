"""The talk with an authority of certificates (ACME, RFC 8555), by the client library of certbot.

It waits for the network, and for the authority, which looks at our names meanwhile: it is for a command's own
process or for a thread, never for the reactor's. The library is an extra of the package, so this module is
imported only where a certificate is wanted.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import josepy
import requests
from acme import client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from mailnode.upkeep.acme_problems import understood
from mailnode.upkeep.acme_trouble import Trouble

PATIENCE = timedelta(minutes=5)  # for all that the authority decides on
ANSWER = 45  # seconds for one answer of its server
NONCES = 3  # rounds of the two tries that the library makes, before a last one
AGENT = "mailnode"

# What the library raises for what it is told; what is no JSON object it may stumble over in many ways.
_TOLD = (
    errors.Error,
    josepy.errors.Error,
    requests.RequestException,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)


class Proofs(Protocol):
    """Where it is shown that names are ours: by HTTP (RFC 8555 section 8.3) or in the DNS (section 8.4)."""

    @property
    def kind(self) -> Literal["http-01", "dns-01"]:
        """Which of the two."""

    def show(self, name: str, token: str, proof: str) -> None:
        """Have it seen; under http-01 by whoever asks for the token, under dns-01 at the name."""

    def ready(self) -> None:
        """All are shown, and the authority is about to look."""

    def remove(self, token: str) -> None:
        """It was looked at."""


class _Network(client.ClientNetwork):
    """Sends again what was refused for its nonce, more often than the library (RFC 8555 section 6.5)."""

    def post(self, *args: Any, **more: Any) -> requests.Response:
        """The library's, which tries twice."""
        for _ in range(NONCES):
            try:
                return super().post(*args, **more)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **more)


class Authority:
    """One authority, and our account with it, which `key` (PEM) is for. `now` is the real time."""

    def __init__(self, directory: str, key: bytes, now: Callable[[], datetime]) -> None:
        self._url = directory
        self._now = now
        self._key: Any = JWKEC(key=load_pem_private_key(key, None))
        self._net = _Network(self._key, alg=ES256, user_agent=AGENT, timeout=ANSWER)
        self._found: client.ClientV2 | None = None

    def _client(self) -> client.ClientV2:
        if self._found is None:
            self._found = client.ClientV2(client.ClientV2.get_directory(self._url, self._net), self._net)
        return self._found

    def open_account(self, email: str, agree: Callable[[str], bool]) -> None:
        """Find our account, or make it if somebody agrees to the terms; he hears their URL, "" for none.

        Raises Trouble.
        """
        try:
            if not self._has_account():
                meta = getattr(self._client().directory, "meta", None)
                if not agree(getattr(meta, "terms_of_service", None) or ""):
                    remedy = "Run: mailnode tls request, and agree to the terms."
                    raise Trouble("there is no account with the authority", remedy)
                wanted: Any = messages.NewRegistration.from_data(
                    email=email or None, terms_of_service_agreed=True
                )
                self._client().new_account(wanted)
        except _TOLD as error:
            raise understood(error, self._url) from None

    def _has_account(self) -> bool:
        asked: Any = messages.RegistrationResource(body=messages.NewRegistration())
        try:
            self._client().query_registration(asked)
        except messages.Error as error:
            if error.code != "accountDoesNotExist":
                raise
            return False
        return True

    def issue(self, names: Sequence[str], key: bytes, proofs: Proofs) -> bytes:
        """A certificate with its chain (PEM) for these names and this key.

        Raises Trouble, and what the proofs raise.
        """
        try:
            return self._issued(list(names), key, proofs)
        except _TOLD as error:
            raise understood(error, self._url, in_dns=proofs.kind == "dns-01") from None

    def _issued(self, names: list[str], key: bytes, proofs: Proofs) -> bytes:
        talk = self._client()
        deadline = self._now().astimezone().replace(tzinfo=None) + PATIENCE  # as the library reckons
        order = talk.new_order(crypto_util.make_csr(key, names))
        with ExitStack() as shown:
            waiting = [self._shown(one, proofs, shown) for one in _undecided(order)]
            if waiting:
                proofs.ready()
            for challenge in waiting:
                talk.answer_challenge(challenge, challenge.response(self._key))
            order = talk.poll_authorizations(order, deadline)
        return talk.finalize_order(order, deadline).fullchain_pem.encode("ascii")

    def _shown(self, authorization: Any, proofs: Proofs, shown: ExitStack) -> Any:
        """The challenge that is answered of those for a name, with its answer shown."""
        body = authorization.body
        name = body.identifier.value
        chosen = next((one for one in body.challenges if one.chall.typ == proofs.kind), None)
        if chosen is None:
            what = "by HTTP" if proofs.kind == "http-01" else "in the DNS"
            remedy = "Prove it in the DNS: --dns" if proofs.kind == "http-01" else "Leave --dns out."
            raise Trouble(f"{name}: the authority does not want to see it proved {what}", remedy)
        token = chosen.chall.encode("token")
        proofs.show(name, token, chosen.chall.validation(self._key))
        shown.callback(proofs.remove, token)
        return chosen


def _undecided(order: messages.OrderResource) -> list[Any]:
    return [one for one in order.authorizations if one.body.status == messages.STATUS_PENDING]


def suggested(directory: str, chain: bytes) -> datetime | None:
    """When the authority wants the certificate renewed (RFC 9773): a time in its window, by chance.

    None where it says nothing, or cannot be asked.
    """
    try:
        net = client.ClientNetwork(user_agent=AGENT, timeout=ANSWER)
        talk = client.ClientV2(client.ClientV2.get_directory(directory, net), net)
        return talk.renewal_time(chain)[0]
    except (*_TOLD, x509.ExtensionNotFound):
        return None
