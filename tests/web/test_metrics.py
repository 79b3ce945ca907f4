"""mailnode.web.metrics, exposition and watching: what Prometheus reads."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.tally import COUNTS, Key
from mailnode.queue.state import QueueState
from mailnode.upkeep.figures import Figures, Process, Sessions, Store, Threads
from mailnode.upkeep.pulse import Delay
from mailnode.web.exposition import Family, Sample, exposition
from mailnode.web.metrics import COUNTERS, families
from mailnode.web.pages import Answer, Asked
from mailnode.web.watching import watching
from tests.events.test_tally import EXAMPLES

FIGURES = Figures(
    now=2000.0,
    started=1000.5,
    hostname="mail.example.org",
    sessions=(Sessions("imap", {"anna@example.org": 2}, 3, {"too many sessions": 4}),),
    queue=QueueState(1, 2, 3, 4, oldest=500.0),
    totals={
        Key("accepted"): 7,
        Key("refused", ("RCPT", "permanent", "address")): 8,
        Key("refused", ("DATA", "temporary", "system")): 9,
    },
    store=Store(5, 4, 3, 2, 1, 123456),
    threads=(Threads("store", 6, 7),),
    delay=Delay(0.001, 0.02, 0.3),
    process=Process(1000, 20),
    certificates={'/a "b"\\c.pem': 3000.0},
)

LINES = (
    "mailnode_start_time_seconds 1000.5",
    "mailnode_accepted_messages_total 7",
    "mailnode_accepted_bytes_total 0",
    'mailnode_refusals_total{command="RCPT",kind="permanent",reason="address"} 8',
    'mailnode_refusals_total{command="DATA",kind="temporary",reason="system"} 9',
    'mailnode_sessions{protocol="imap",state="logged_in"} 2',
    'mailnode_sessions{protocol="imap",state="other"} 3',
    'mailnode_connections_refused_total{protocol="imap",reason="too many sessions"} 4',
    'mailnode_queue_messages{state="held"} 3',
    "mailnode_queue_oldest_seconds 1500",
    "mailnode_disk_free_bytes 123456",
    "mailnode_caches_discarded_total 3",
    'mailnode_jobs_waiting{pool="store"} 7',
    'mailnode_loop_delay_seconds{quantile="0.99"} 0.02',
    "process_open_fds 20",
    'mailnode_certificate_expiry_timestamp_seconds{file="/a \\"b\\"\\\\c.pem"} 3000',
)


class MetricsTests(SynchronousTestCase):
    """The text."""

    def test_every_count_has_a_metric(self) -> None:
        """What the tally counts is in the metrics, with as many labels."""
        for event, _ in EXAMPLES:
            for key, _ in COUNTS[type(event)](event):
                self.assertEqual(len(COUNTERS[key.name][2]), len(key.labels), key.name)
        self.assertEqual(len(COUNTERS), len(COUNTS) + 1)  # Accepted counts three, both logins one

    def test_figures(self) -> None:
        """Each figure is there, and no name of a person."""
        text = exposition(families(FIGURES)).decode()
        lines = text.splitlines()
        for line in LINES:
            self.assertIn(line, lines)
        self.assertNotIn("anna", text)

    def test_format(self) -> None:
        """HELP, TYPE and samples of a name stand together, each name once; the last line ends."""
        text = exposition(families(FIGURES)).decode()
        self.assertTrue(text.endswith("\n"))
        names = []
        for line in text.splitlines():
            if line.startswith("# HELP "):
                names.append(line.split()[2])
            elif line.startswith("# TYPE "):
                self.assertEqual(line.split()[2], names[-1])
                kind = "counter" if names[-1].endswith("_total") else "gauge"
                self.assertEqual(line.split()[3], kind, line)
            else:
                self.assertRegex(line, r"^" + names[-1] + r'(?:\{[a-z]+="[^\n]*"\})? [0-9.e+-]+$')
        self.assertEqual(len(names), len(set(names)))

    def test_escapes(self) -> None:
        """Nothing that a value or a help holds breaks a line."""
        family = Family("a", "gauge", 'one\n"two"\\', (Sample(0.5, (("b", 'x\n"\\'),)), Sample(1e16)))
        self.assertEqual(
            exposition([family]).decode(),
            '# HELP a one\\n"two"\\\\\n# TYPE a gauge\na{b="x\\n\\"\\\\"} 0.5\na 10000000000000000\n',
        )


class Fake:
    """An observer and the health of a server."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems

    async def look(self) -> Figures:
        """The figures."""
        return FIGURES

    async def problems(self) -> list[str]:
        """What is wrong."""
        return self._problems


class WatchingTests(SynchronousTestCase):
    """The pages."""

    def page(self, path: str, *problems: str) -> Answer:
        """What a page says."""
        fake = Fake(list(problems))
        page = watching(fake, fake)[path].page(Asked("GET", path))  # type: ignore[arg-type]
        answer: Answer = self.successResultOf(Deferred.fromCoroutine(page))  # type: ignore[arg-type]
        return answer

    def test_health(self) -> None:
        """200, or 503 with the reasons."""
        self.assertEqual(self.page("/healthz"), Answer(b"ok\n"))
        answer = self.page("/healthz", "one", "two")
        self.assertEqual((answer.status, answer.body), (503, b"one\ntwo\n"))

    def test_metrics(self) -> None:
        """The media type names the version of the format."""
        answer = self.page("/metrics")
        self.assertIn("version=0.0.4", answer.kind)
        self.assertIn(b"\nmailnode_accepted_messages_total 7\n", answer.body)
