"""What mail clients ask to set themselves up: Thunderbird's, Outlook's and Apple's ways.

Everybody may ask. An answer depends on the domain of an address only: whether there is a mailbox of that name
nobody learns here.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from mailnode.auth.live import Live
from mailnode.config import Config
from mailnode.config_services import ClientService, client_services, https_base
from mailnode.values import replace
from mailnode.web import apple, outlook, thunderbird
from mailnode.web.pages import READING, Answer, Asked, Route, Routes
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import a_labels

NOT_OURS = Answer(
    b"This server has no mail of that domain, or nothing for clients from elsewhere.\n", status=404
)


ONLY_POST = Answer(b"Only: POST\n", status=405, fields={"Allow": "POST"})

OUTLOOK = "/autodiscover/autodiscover.xml"


class SettingUp:
    """The pages. `taken` gives the ports of endpoints that do not say themselves; `now` is the time.

    The listeners are those with which the server started: a reload makes no others.
    """

    def __init__(self, live: Live, now: Callable[[], float], taken: Callable[[], Mapping[str, int]]) -> None:
        self._live = live
        self._listeners = live.config.listeners
        self._now = now
        self._taken = taken

    def routes(self) -> Routes:
        """By their paths, in lower case."""
        return {
            "/mail/config-v1.1.xml": Route(self.thunderbird),
            "/.well-known/autoconfig/mail/config-v1.1.xml": Route(self.thunderbird),
            OUTLOOK: Route(self.outlook, ("POST", *READING)),
            "/mail.mobileconfig": Route(self.apple),
        }

    @property
    def _config(self) -> Config:
        return replace(self._live.config, listeners=self._listeners)

    def _services(self) -> list[ClientService]:
        return client_services(self._config, self._taken())

    def _ours(self, text: str) -> Address | None:
        """The address, if its domain is one of ours."""
        try:
            address = parse_address(text.replace(" ", "+"), utf8=True)  # "+" is a blank in a query
            return address if address.domain_key in self._live.config.domains else None
        except BadSyntax:
            return None

    def _domain(self, asked: Asked) -> str:
        """What is asked about: the domain of the address, else of the host, else our first; "" for none."""
        domains = self._live.config.domains
        if "emailaddress" in asked.query:
            address = self._ours(asked.query["emailaddress"])
            return address.domain_key if address else ""
        host = asked.host.removeprefix("autoconfig.")
        try:
            host = a_labels(host)
        except BadSyntax:
            return domains[0]
        return host if host in domains else domains[0]

    async def thunderbird(self, asked: Asked) -> Answer:
        """config-v1.1.xml."""
        domain, services = self._domain(asked), self._services()
        if not domain or not services:
            return NOT_OURS
        config = self._live.config
        text = thunderbird.autoconfig(domain, config.domains, services, config.auth.mechanisms)
        return Answer(text, thunderbird.KIND)

    async def outlook(self, asked: Asked) -> Answer:
        """autodiscover.xml; refusals are answers like others, as MS-OXDSCLI has them.

        Outlook trusts nothing that comes without TLS, but asks there whither to go: so one certificate, for
        our own name, does for all domains.
        """
        if asked.method != "POST":
            base = https_base(self._config, self._taken())
            away = base and asked.host != self._live.config.hostname
            return Answer(b"", status=302, fields={"Location": base + OUTLOOK}) if away else ONLY_POST
        text, schema = outlook.asked_for(asked.body)
        address, services = self._ours(text), self._services()
        if not text:
            content = self._refusal(600, "Invalid Request")
        elif schema and schema != outlook.SCHEMA:
            content = self._refusal(601, "Provider is not available")
        elif address is None or not services:
            content = self._refusal(500, "The email address cannot be found")
        else:
            content = outlook.autodiscover(str(address), services)
        return Answer(content, thunderbird.KIND)

    def _refusal(self, code: int, text: str) -> bytes:
        time = datetime.fromtimestamp(self._now(), UTC).strftime("%H:%M:%S")
        return outlook.refusal(code, text, time)

    async def apple(self, asked: Asked) -> Answer:
        """mail.mobileconfig."""
        address = self._ours(asked.query.get("email", ""))
        hostname = self._live.config.hostname
        content = apple.profile(str(address), hostname, self._services()) if address else None
        if content is None:
            return NOT_OURS
        name = {"Content-Disposition": 'attachment; filename="mail.mobileconfig"'}
        return Answer(content, apple.KIND, fields=name)
