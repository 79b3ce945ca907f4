"""How a client begins a session: greeting, EHLO, STARTTLS, AUTH. When it is over, mail may be sent.

What must be protected never goes in clear: where the policy needs TLS nothing but EHLO, STARTTLS and QUIT is
said before there is TLS, and where it is strict, before the server has proved who it is.
"""

import base64
from dataclasses import field
from ipaddress import ip_address
from typing import Any, NoReturn

from OpenSSL import SSL
from OpenSSL.crypto import X509Store
from twisted.internet.interfaces import IStreamClientEndpoint

from mailnode.auth.sasl_client import ClientMechanism, Identity, choose
from mailnode.delivery.link import StreamLink, Timeouts
from mailnode.delivery.outcome import Broken, Peer, Stage, Tls, Verdict, out_of_step, own
from mailnode.delivery.tls_client import tls_client
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.net.identity import VALIDATION_FAILURE
from mailnode.net.stream import ConnectionClosed
from mailnode.net.tls import TlsClient
from mailnode.runtime import Runtime
from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply
from mailnode.wire.smtp_client import Capabilities, capabilities, command

NONCE_LETTERS = 26  # of five bits each
MOST_CHALLENGES = 10
GO_AHEAD = 220  # RFC 3207 section 4
CHALLENGE = 334  # RFC 4954 section 4
WELCOME = 235

WELCOME_TLS = TlsPolicy(Level.OPPORTUNISTIC)
NOT_OFFERED = "starttls-not-supported"  # RFC 8460 section 4.3.1
NOT_LOOKED_AT = "nobody asked who the server is"


@frozen
class Login:
    """With what to log in to a smarthost."""

    username: str
    password: str = field(repr=False)


@frozen
class Place:
    """Where to connect to, and by which name (with A-labels) or IP address it was found."""

    endpoint: IStreamClientEndpoint
    name: str


@frozen
class Manner:
    """How to speak. `hello` is this host's own name.

    `roots` are the authorities that count where the policy names an identity, and none without; `context` is
    one of make_client_context(). With `require_tls` a server needs REQUIRETLS (RFC 8689).
    `chunking` sends every message by BDAT where that is announced, not only binary ones.
    """

    hello: str
    lmtp: bool = False
    tls: TlsPolicy = WELCOME_TLS
    require_tls: bool = False
    roots: X509Store | None = None
    context: SSL.Context | None = None
    login: Login | None = None
    chunking: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)


class HandshakeFailed(Broken):
    """There is no TLS with this peer."""


class Opening:
    """The beginning of one session; run() once, then look at `peer` and `capabilities`."""

    def __init__(self, link: StreamLink, name: str, address: str, manner: Manner, runtime: Runtime) -> None:
        self.peer = Peer(name, address)
        self.capabilities: Capabilities = {}
        self._link = link
        self._manner = manner
        self._runtime = runtime
        self._tls: TlsClient | None = None

    async def run(self) -> None:
        """To where MAIL may come. Raises Broken, after QUIT where that could be said."""
        policy = self._manner.tls
        if policy.implicit:
            await self._handshake()
        greeting = await self._link.reply(Stage.GREETING)
        if greeting.code != GO_AHEAD:
            await self._refuse(greeting, Stage.GREETING)
        await self._hello()
        if not policy.implicit and policy.level is not Level.CLEAR:
            await self._starttls()
        if self._manner.require_tls and "REQUIRETLS" not in self.capabilities:
            await self._leave("5.7.30", "REQUIRETLS is required, and the server has none", Stage.EHLO)
        if self._manner.login is not None:
            await self._log_in(self._manner.login)

    async def _refuse(self, reply: Reply, stage: Stage) -> NoReturn:
        """Leave with the peer's reply as the reason; one that says yes makes no sense here."""
        if reply.positive:
            self._link.stream.abort()
            raise out_of_step(reply, stage)
        await self._link.quit()
        raise Broken(Verdict(reply, stage))

    async def _leave(self, enhanced: str, text: str, stage: Stage) -> NoReturn:
        """Leave for a reason of our own. Most are temporary: the other side may be mended."""
        await self._link.quit()
        raise Broken(own(550 if enhanced.startswith("5") else 454, enhanced, text, stage))

    async def _hello(self) -> None:
        """EHLO; HELO for a server that does not know it (RFC 5321 section 3.2); LHLO (RFC 2033)."""
        hello = self._manner.hello
        verb = "LHLO" if self._manner.lmtp else "EHLO"
        reply = await self._link.ask(command(verb, hello), Stage.EHLO)
        self.capabilities = capabilities(reply)
        if reply.code >= 500 and not self._manner.lmtp:
            reply = await self._link.ask(command("HELO", hello), Stage.EHLO)
            self.capabilities = {}
        if not 200 <= reply.code < 300:
            await self._refuse(reply, Stage.EHLO)

    # TLS

    async def _starttls(self) -> None:
        """STARTTLS where it is offered (RFC 3207); then all that was said before is forgotten."""
        needed = self._manner.tls.needed
        self._tell(tls_result=NOT_OFFERED)
        if "STARTTLS" not in self.capabilities:
            if needed:
                await self._leave("4.7.4", "TLS is required, and the server offers none", Stage.STARTTLS)
            return
        reply = await self._link.ask(b"STARTTLS\r\n", Stage.STARTTLS)
        if reply.code == GO_AHEAD:
            await self._handshake()
            await self._hello()
        elif reply.positive:
            await self._refuse(reply, Stage.STARTTLS)
        elif needed:
            await self._leave("4.7.4", f"TLS is required, and the server says {reply}", Stage.STARTTLS)

    async def _handshake(self) -> None:
        """TLS; who is strict learns of a wrong server by the connection being cut off."""
        manner = self._manner
        tls = tls_client(
            self.peer.name, manner.tls, manner.roots or X509Store(), self._runtime.now, manner.context
        )
        self._tls = tls
        self._tell(tls_result=VALIDATION_FAILURE)
        if self._link.pending:  # CVE-2021-38371: an answer in clear to what is yet to be asked under TLS
            raise self._link.broken("Octets in clear behind STARTTLS", Stage.STARTTLS, "4.7.0")
        lost = False
        try:
            await self._link.stream.start_tls(tls, timeout=manner.timeouts.handshake)
        except ConnectionClosed:
            lost = True
        result = tls.problem or ""
        if result and manner.tls.strict:
            self._tell(tls_result=result)
            raise self._link.broken(f"The server cannot be verified: {result}", Stage.STARTTLS, "4.7.5")
        if lost:
            raise HandshakeFailed(own(454, "4.7.5", "The TLS handshake failed", Stage.STARTTLS))
        problem = result if manner.tls.identity is not None else NOT_LOOKED_AT
        facts = Tls(self._link.stream.tls_version(), tls.cipher, problem)
        self._tell(tls=facts, tls_result=result)

    def _tell(self, **facts: Any) -> None:
        """Say more of the peer."""
        self.peer = replace(self.peer, **facts)

    # Login

    async def _log_in(self, login: Login) -> None:
        """AUTH (RFC 4954). A smarthost that refuses is a matter for the administrator: temporary."""
        if self.peer.tls is None and not _is_loopback(self.peer.address):
            await self._leave("4.7.0", "There is no TLS, so no password is sent", Stage.AUTH)
        binding = self._tls.exporter if self._tls else b""
        identity = Identity(login.username, login.password, self._runtime.letters(NONCE_LETTERS), binding)
        chosen = choose(self.capabilities.get("AUTH", ()), identity)
        if chosen is None:
            await self._leave("4.7.0", "The server offers no way to log in that is known here", Stage.AUTH)
        name, mechanism = chosen
        refusal = await self._exchange(name, mechanism)
        if refusal:
            await self._leave("4.7.0", f"The login failed: {refusal}", Stage.AUTH)

    async def _exchange(self, name: str, mechanism: ClientMechanism) -> str:
        """Why the login failed, "" where it did not. Hashes for long, so in a thread."""
        initial = mechanism.begin()
        words = [] if initial is None else [base64.b64encode(initial).decode() or "="]
        reply = await self._link.ask(command("AUTH", name, *words), Stage.AUTH)
        for _ in range(MOST_CHALLENGES):
            if reply.code != CHALLENGE:
                break
            try:
                challenge = base64.b64decode(reply.text, validate=True)
                response = await self._runtime.blocking.run(mechanism.step, challenge)
            except ValueError as error:
                await self._link.ask(b"*\r\n", Stage.AUTH)
                return str(error) if isinstance(error, BadSyntax) else "The challenge is not in base64"
            reply = await self._link.ask(base64.b64encode(response) + b"\r\n", Stage.AUTH)
        if reply.code != WELCOME:
            return str(reply)
        return "" if mechanism.done else "The server has not proved that it knows the password"


def _is_loopback(address: str) -> bool:
    """Also of a socket in the file system, which has no address."""
    try:
        return not address or ip_address(address).is_loopback
    except ValueError:
        return False
