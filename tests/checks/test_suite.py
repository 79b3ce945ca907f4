"""The test suite that belongs to RFC 7208, over the DNS of other tests.

`rfc7208.json` holds its release 2014.04 as it was published in YAML, with the licence beside it: scenarios,
each with its zone and its tests. Explanations (`exp`) are not compared, as none is fetched.
"""

import json
import random
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.checks.spf import QUERIES, Spf
from mailnode.net.blocking import InlineExecutor
from mailnode.net.resolver import Kind
from mailnode.runtime import Runtime
from mailnode.wire.address import Address
from tests.net.zone import Zone

SUITE = Path(__file__).with_name("rfc7208.json")
KINDS: tuple[Kind, ...] = ("A", "AAAA", "MX", "TXT", "PTR")


def lines(kind: str, value: Any) -> list[str]:
    """The value of a record as a Zone has it."""
    if kind == "MX":
        return [f"{value[0]} {value[1] or '.'}"]
    if kind == "TXT":
        text = value if isinstance(value, str) else "".join(value)
        return [text.encode().decode("latin-1")]
    return [value]


def zone(data: dict[str, list[Any]]) -> Zone:
    """The zone of a scenario.

    SPF stands for TXT where a name has no TXT of its own, `TXT: NONE` for no record, and TIMEOUT for a server
    that does not answer: for that kind, or for all kinds that are not there.
    """
    records: dict[tuple[str, Kind], Any] = {}
    for name, entries in data.items():
        here: dict[Any, Any] = {}
        own = any("TXT" in one for one in entries if one != "TIMEOUT")
        for kind, value in (pair for one in entries if one != "TIMEOUT" for pair in one.items()):
            if kind == "SPF" and own:
                continue
            kind = "TXT" if kind == "SPF" else kind
            if value == "TIMEOUT":
                here[kind] = Zone.FAILS
            elif value != "NONE":
                here.setdefault(kind, []).extend(lines(kind, value))
        if "TIMEOUT" in entries:
            here = {**dict.fromkeys(KINDS, Zone.FAILS), **here}
        records |= {(name.lower(), kind): value for kind, value in here.items()}
    return Zone(records)


class SuiteTests(SynchronousTestCase):
    """203 checks"""

    def test_suite(self) -> None:
        """Each has a result that the suite allows; where it allows several, any of them."""
        wrong: dict[str, object] = {}
        count = 0
        for scenario in json.loads(SUITE.read_text(encoding="utf-8")):
            for name, test in scenario["tests"].items():
                count += 1
                allowed = test["result"] if isinstance(test["result"], list) else [test["result"]]
                resolver = zone(scenario["zonedata"])
                local, _, domain = test["mailfrom"].partition("@")
                sender = Address(local, domain) if domain else None
                checker = Spf(Runtime(Clock(), random.Random(1), InlineExecutor()), resolver)
                work = checker.check(test["host"], test["helo"], sender)
                found = self.successResultOf(Deferred.fromCoroutine(work))
                if found.result not in allowed or len(resolver.asked) > QUERIES:
                    wrong[name] = (found, allowed, test.get("comment"))
        self.assertEqual((count, wrong), (203, {}))
