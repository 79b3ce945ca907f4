"""Counting how TLS went with other domains, day by day, for the reports that they may ask for (RFC 8460).

In memory, and bounded: of a domain with too many policies or kinds of failure the sums stay right and details
are left out; of too many domains the later ones are.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from mailnode.delivery.tls_policy import Published, TlsOutcome

DAYS = 3
DOMAINS = 5000  # of a day
POLICIES = 10  # of a domain
DETAILS = 50  # of a policy

_Detail = tuple[str, str, str, str]  # result type, host, its address, ours


@dataclass(slots=True)
class _Tally:
    good: int = 0
    bad: Counter[_Detail] = field(default_factory=Counter)


class TlsReports:
    """The counts of the last days."""

    def __init__(self) -> None:
        self._days: dict[date, dict[str, dict[Published, _Tally]]] = {}

    def count(self, outcome: TlsOutcome, now: float) -> None:
        """One session that was good, or failed, at a time in seconds since the epoch."""
        day = _day(now)
        domains = self._days.setdefault(day, {})
        for old in [one for one in self._days if one <= day - timedelta(days=DAYS)]:
            del self._days[old]
        published = outcome.published
        if published.domain not in domains and len(domains) >= DOMAINS:
            return
        tallies = domains.setdefault(published.domain, {})
        if published not in tallies and len(tallies) >= POLICIES:
            published = next(reversed(tallies))
        tally = tallies.setdefault(published, _Tally())
        if not outcome.result:
            tally.good += 1
            return
        detail = (outcome.result, outcome.host, outcome.address, outcome.local_address)
        known = detail in tally.bad or len(tally.bad) < DETAILS
        tally.bad[detail if known else (outcome.result, "", "", "")] += 1

    def domains(self, day: date) -> tuple[str, ...]:
        """Those that something was counted of."""
        return tuple(self._days.get(day, ()))

    def report(
        self, day: date, domain: str, *, organization: str, contact: str, id: str
    ) -> dict[str, Any] | None:
        """The report on a day in UTC, to be written as JSON (section 4.4); None where there is nothing."""
        tallies = self._days.get(day, {}).get(domain)
        if not tallies:
            return None
        start = datetime.combine(day, time(), UTC)
        end = start + timedelta(days=1, seconds=-1)
        return {
            "organization-name": organization,
            "date-range": {"start-datetime": _text(start), "end-datetime": _text(end)},
            "contact-info": contact,
            "report-id": id,
            "policies": [_policy(published, tally) for published, tally in tallies.items()],
        }


def _policy(published: Published, tally: _Tally) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": published.type, "policy-domain": published.domain}
    policy |= _filled((("policy-string", list(published.strings)), ("mx-host", list(published.hosts))))
    failed = sum(tally.bad.values())
    found: dict[str, Any] = {
        "policy": policy,
        "summary": {"total-successful-session-count": tally.good, "total-failure-session-count": failed},
    }
    if tally.bad:
        found["failure-details"] = [_detail(detail, count) for detail, count in tally.bad.items()]
    return found


def _detail(detail: _Detail, count: int) -> dict[str, Any]:
    result, host, address, local = detail
    told = _filled((("sending-mta-ip", local), ("receiving-mx-hostname", host), ("receiving-ip", address)))
    return {"result-type": result, **told, "failed-session-count": count}


def _filled(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value}


def _day(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()


def _text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
