"""A small authority of certificates that speaks ACME (RFC 8555) on this machine, as strict as a real one.

It checks signatures, takes each nonce once, and really asks for what stands at a path of http-01 at
`http_port`, whatever the name. Attributes say how it is to misbehave.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

Problem = tuple[int, str, str]  # status, type, detail


class Refused(Exception):
    """A problem document."""

    def __init__(self, kind: str, detail: str, status: int = 400) -> None:
        self.problem: Problem = (status, kind, detail)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class OneOrder:
    """What somebody has asked for."""

    names: list[str]
    tokens: dict[str, str]  # by name
    account: str
    proved: set[str] = field(default_factory=set)
    error: dict[str, Any] = field(default_factory=dict)  # by name
    chain: bytes = b""
    polls: int = 0
    failed: tuple[str, str] | None = None


class AcmeServer:
    """One authority; it answers in threads of its own between start() and stop()."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.http_port = 0
        self.records: dict[str, set[str]] = {}  # TXT records by name, for dns-01
        self.kinds = ("http-01", "dns-01")
        self.refuses: dict[str, tuple[str, str]] = {}  # by step: the type and the words of a problem
        self.fails: dict[str, tuple[str, str]] = {}  # by name: why it is not proved
        self.bad_nonces = 0  # how many requests are refused for their nonce
        self.slow = 0  # how often an order is still worked at
        self.issues = "good"
        self.window: tuple[datetime, datetime] | None = None  # when to renew (RFC 9773)
        self.seen: Counter[str] = Counter()
        self.asked: list[str] = []  # the Host fields with which we have looked
        self.accounts: dict[str, dict[str, Any]] = {}  # JWKs by URL
        self.contacts: list[list[str]] = []
        self._nonces: set[str] = set()
        self._orders: dict[str, OneOrder] = {}
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._ca = self._authority()

    def start(self) -> None:
        """Listen on a port of this machine."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _serving(self))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.directory = f"{self.base}/directory"

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # The protocol

    def nonce(self) -> str:
        made = b64(secrets.token_bytes(12))
        self._nonces.add(made)
        return made

    def get(self, path: str) -> dict[str, Any] | None:
        """What is there for everybody."""
        steps = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order", "revokeCert": "revoke"}
        if path == "/directory":
            links = {name: f"{self.base}/{step}" for name, step in steps.items()}
            if self.window is not None:
                links["renewalInfo"] = f"{self.base}/renewal"
            return {**links, "meta": {"termsOfService": f"{self.base}/terms"}}
        if path.startswith("/renewal/") and self.window is not None:
            start, end = (one.isoformat(timespec="seconds").replace("+00:00", "Z") for one in self.window)
            return {"suggestedWindow": {"start": start, "end": end}}
        return None

    def post(self, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status, content and header fields. Raises Refused."""
        step = path.split("/")[1]
        self.seen[step] += 1
        account, payload = self._signed(path, json.loads(body))
        if step in self.refuses:
            raise Refused(*self.refuses[step], 429 if self.refuses[step][0] == "rateLimited" else 403)
        rest = path.split("/")[2:]
        if step == "account":
            return self._account(account, payload)
        if step == "order" and not rest:
            return self._new_order(account, payload)
        return getattr(self, f"_{step}")(self._orders[rest[0]], rest, payload)

    def _signed(self, path: str, jws: dict[str, str]) -> tuple[Any, Any]:
        """Who has signed it (an account's URL, or a new key), and what."""
        head = json.loads(unb64(jws["protected"]))
        if head["url"] != self.base + path or head["alg"] != "ES256":
            raise Refused("unauthorized", "the URL or the algorithm is wrong")
        if head["nonce"] not in self._nonces or self.bad_nonces:
            self.bad_nonces -= bool(self.bad_nonces)
            raise Refused("badNonce", "this nonce is no good")
        self._nonces.discard(head["nonce"])
        if ("jwk" in head) == ("kid" in head) or ("jwk" in head) != (path == "/account"):
            raise Refused("malformed", "jwk or kid, as section 6.2 has it")
        if "kid" in head and head["kid"] not in self.accounts:
            raise Refused("accountDoesNotExist", "who is that?")
        jwk = head.get("jwk") or self.accounts[head["kid"]]
        x, y = (int.from_bytes(unb64(jwk[part]), "big") for part in "xy")
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        raw = unb64(jws["signature"])
        signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        try:
            key.verify(signature, f"{jws['protected']}.{jws['payload']}".encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Refused("malformed", "the signature does not hold") from None
        payload = unb64(jws["payload"])
        return head.get("kid") or jwk, json.loads(payload) if payload else None

    def _account(self, jwk: Any, payload: Any) -> tuple[int, Any, dict[str, str]]:
        url = f"{self.base}/account/{self._thumbprint(jwk)}"
        known = url in self.accounts
        if not known:
            if payload.get("onlyReturnExisting"):
                raise Refused("accountDoesNotExist", "there is no account with this key")
            if not payload.get("termsOfServiceAgreed"):
                raise Refused("userActionRequired", "agree to the terms")
            self.accounts[url] = jwk
            self.contacts.append(payload.get("contact", []))
        return 200 if known else 201, {"status": "valid"}, {"Location": url}

    @staticmethod
    def _thumbprint(jwk: Any) -> str:
        fields = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
        return b64(hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).digest())

    def _new_order(self, account: str, payload: Any) -> tuple[int, Any, dict[str, str]]:
        names = [one["value"] for one in payload["identifiers"]]
        number = str(len(self._orders) + 1)
        self._orders[number] = OneOrder(names, {one: b64(secrets.token_bytes(16)) for one in names}, account)
        return 201, self._shown(number), {"Location": f"{self.base}/order/{number}"}

    def _shown(self, number: str) -> dict[str, Any]:
        order = self._orders[number]
        status = "ready" if order.proved == set(order.names) else "pending"
        if order.chain:
            order.polls += 1
            status = "processing" if order.polls <= self.slow else "valid"
        shown: dict[str, Any] = {
            "status": "invalid" if order.failed else status,
            "identifiers": [{"type": "dns", "value": one} for one in order.names],
            "authorizations": [f"{self.base}/authz/{number}/{place}" for place in range(len(order.names))],
            "finalize": f"{self.base}/finalize/{number}",
        }
        if order.failed and order.failed[0]:
            shown["error"] = _problem(*order.failed)
        if status == "valid":
            shown["certificate"] = f"{self.base}/certificate/{number}"
        return shown

    def _order(self, order: OneOrder, rest: list[str], payload: Any) -> tuple[int, Any, dict[str, str]]:
        return 200, self._shown(rest[0]), {"Retry-After": "3"}

    def _authz(self, order: OneOrder, rest: list[str], payload: Any) -> tuple[int, Any, dict[str, str]]:
        number, place = rest
        name = order.names[int(place)]
        bare = name.removeprefix("*.")
        challenges = [self._challenge_of(order, number, place, kind) for kind in self.kinds]
        status = challenges[0]["status"]
        shown = {"status": status, "identifier": {"type": "dns", "value": bare}, "challenges": challenges}
        return 200, {**shown, "wildcard": True} if bare != name else shown, {}

    def _challenge_of(self, order: OneOrder, number: str, place: str, kind: str) -> dict[str, Any]:
        name = order.names[int(place)]
        status = "valid" if name in order.proved else "invalid" if name in order.error else "pending"
        shown = {"type": kind, "url": f"{self.base}/challenge/{number}/{place}/{kind}", "status": status}
        shown["token"] = order.tokens[name]
        return {**shown, "error": order.error[name]} if name in order.error else shown

    def _challenge(self, order: OneOrder, rest: list[str], payload: Any) -> tuple[int, Any, dict[str, str]]:
        number, place, kind = rest
        name = order.names[int(place)]
        expected = f"{order.tokens[name]}.{self._thumbprint(self.accounts[order.account])}"
        looks = self._by_http if kind == "http-01" else self._by_dns
        try:
            if name in self.fails:
                raise Refused(*self.fails[name])
            looks(name, order.tokens[name], expected)
            order.proved.add(name)
        except Refused as refused:
            order.error[name] = _problem(*refused.problem[1:])
        up = f'<{self.base}/authz/{number}/{place}>;rel="up"'
        return 200, self._challenge_of(order, number, place, kind), {"Link": up}

    def _by_http(self, name: str, token: str, expected: str) -> None:
        self.asked.append(name)
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", f"/.well-known/acme-challenge/{token}", headers={"Host": name})
            found = connection.getresponse()
            body = found.read()
        except OSError:
            raise Refused("connection", f"nobody answers at {name}") from None
        finally:
            connection.close()
        if found.status != 200 or body.strip() != expected.encode():
            raise Refused("unauthorized", f"{name} says something else", 403)

    def _by_dns(self, name: str, token: str, expected: str) -> None:
        wanted = b64(hashlib.sha256(expected.encode()).digest())
        if wanted not in self.records.get(f"_acme-challenge.{name.removeprefix('*.')}", set()):
            raise Refused("unauthorized", "no TXT record fits", 403)

    def _finalize(self, order: OneOrder, rest: list[str], payload: Any) -> tuple[int, Any, dict[str, str]]:
        if order.proved != set(order.names):
            raise Refused("orderNotReady", "not all names are proved", 403)
        request = x509.load_der_x509_csr(unb64(payload["csr"]))
        asked = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if sorted(asked.get_values_for_type(x509.DNSName)) != sorted(order.names):
            raise Refused("badCSR", "it is for other names")
        if self.issues in ("nothing", "silence"):
            order.failed = ("caa", "CAA records forbid it") if self.issues == "nothing" else ("", "")
        else:
            order.chain = self._issued(request, order.names)
        shown = self._shown(rest[0])
        return 200, shown, {"Location": f"{self.base}/order/{rest[0]}"}

    def _certificate(self, order: OneOrder, rest: list[str], payload: Any) -> tuple[int, Any, dict[str, str]]:
        return 200, order.chain, {}

    # Certificates

    def _authority(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _issued(self, request: x509.CertificateSigningRequest, names: list[str]) -> bytes:
        """The chain, with what is to be wrong with it."""
        key: Any = request.public_key()
        begin, signing = self.now - timedelta(hours=1), self._key
        if self.issues == "of another key":
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
        elif self.issues == "for another name":
            names = ["other.example.org"]
        elif self.issues == "of the future":
            begin = self.now + timedelta(days=2)
        elif self.issues == "of the past":
            begin = self.now - timedelta(days=100)
        elif self.issues == "of another authority":
            signing = ec.generate_private_key(ec.SECP256R1())
        elif self.issues == "no certificate":
            return b"-----BEGIN NOTHING-----\n"
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._ca.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=90))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=True)
            .add_extension(issuer, critical=False)
            .sign(signing, hashes.SHA256())
        )
        return b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, self._ca))


def _problem(kind: str, detail: str) -> dict[str, str]:
    return {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}


def _serving(acme: AcmeServer) -> type[BaseHTTPRequestHandler]:
    class Serving(BaseHTTPRequestHandler):
        """HTTP around it."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self, status: int, content: Any, kind: str, fields: dict[str, str]) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Replay-Nonce", acme.nonce())
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")

        def do_HEAD(self) -> None:
            self.answer(200, b"", "text/plain", {})

        def do_GET(self) -> None:
            found = acme.get(self.path)
            if found is None:
                self.answer(404, b"<html>not here</html>", "text/html", {})
            else:
                self.answer(200, found, "application/json", {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status, content, fields = acme.post(self.path, body)
                kind = "application/json"
                if isinstance(content, bytes):
                    kind = "application/pem-certificate-chain"
                self.answer(status, content, kind, fields)
            except Refused as refused:
                status, name, detail = refused.problem
                self.answer(status, _problem(name, detail), "application/problem+json", {})

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Serving


@contextlib.contextmanager
def authority() -> Iterator[AcmeServer]:
    """One that listens meanwhile."""
    server = AcmeServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
