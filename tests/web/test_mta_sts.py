"""mailnode.web.mta_sts: the policy that others fetch."""

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.dns_records import wanted
from mailnode.auth.live import Live
from mailnode.config import Config, Listener, Mailboxes
from mailnode.config_mta_sts import MtaSts
from mailnode.config_services import client_hosts
from mailnode.web.mta_sts import PATH, mta_sts
from mailnode.web.pages import Answer, Asked, answered
from mailnode.wire.mta_sts import StsPolicy, parse_policy

CONFIG = Config(
    hostname="mail.example.org",
    domains=("example.org", "xn--bcher-kva.example"),
    listeners=(Listener("http", "tcp:443", "implicit"), Listener("http", "tcp:80", "none")),
)


class PolicyPage(SynchronousTestCase):
    """GET /.well-known/mta-sts.txt"""

    def setUp(self) -> None:
        self.live = Live(CONFIG, Mailboxes())

    def get(self, host: str, settings: MtaSts) -> Answer:
        self.live.config = replace(CONFIG, mta_sts=settings)
        asked = Asked("GET", PATH, host=host)
        return self.successResultOf(Deferred.fromCoroutine(answered(mta_sts(self.live), asked)))

    def test_policy(self) -> None:
        """What it says is what others read; none of the hosts means this one."""
        for settings, policy in (
            (MtaSts("testing"), StsPolicy("testing", 604_800, ("mail.example.org",))),
            (MtaSts("none"), StsPolicy("none", 604_800, ("mail.example.org",))),
            (
                MtaSts("enforce", ("mail.example.org", "*.backup.example"), 86400),
                StsPolicy("enforce", 86400, ("mail.example.org", "*.backup.example")),
            ),
        ):
            answer = self.get("mta-sts.example.org", settings)
            self.assertEqual((answer.status, parse_policy(answer.body)), (200, policy))
            self.assertTrue(answer.kind.startswith("text/plain"))
            self.assertEqual(self.get("mta-sts.xn--bcher-kva.example", settings).body, answer.body)

    def test_nothing(self) -> None:
        """Under no other host, and not when it is off."""
        for host in ("example.org", "mail.example.org", "mta-sts.example.net", "mta-sts.", "", "a.mta-sts"):
            self.assertEqual(self.get(host, MtaSts("enforce")).status, 404, host)
        self.assertEqual(self.get("mta-sts.example.org", MtaSts()).status, 404)

    def test_records(self) -> None:
        """The id in the DNS is another one for each policy, and the same for the same."""

        def ids(settings: MtaSts) -> set[str]:
            records = wanted(replace(CONFIG, mta_sts=settings), ())
            return {one.value for one in records if one.name.startswith("_mta-sts.")}

        settings = (MtaSts(), MtaSts("enforce"), MtaSts("none"), MtaSts("testing", ("mx.example.org",)))
        found = [ids(one) for one in settings]
        self.assertEqual([len(one) for one in found], [1] * len(settings))
        self.assertEqual(len(set.union(*found)), len(settings))
        self.assertEqual(ids(MtaSts()), ids(MtaSts("testing")))

    def test_names(self) -> None:
        """Certificates are to be for the hosts of the pages where these are served by HTTPS."""
        served = replace(CONFIG, mta_sts=MtaSts("testing"))
        names = ["mta-sts.example.org", "mta-sts.xn--bcher-kva.example"]
        self.assertEqual(client_hosts(served), ["mail.example.org", *names])
        self.assertEqual(client_hosts(CONFIG), ["mail.example.org"])
        plain = replace(served, listeners=CONFIG.listeners[1:])
        self.assertEqual(client_hosts(plain), ["mail.example.org"])
