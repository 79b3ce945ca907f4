"""Counting how TLS went with other domains, day by day, for the reports that they may ask for (RFC 8460).

In memory, to be written down as a text (JSON) and read again, and bounded: of a domain with too many policies
or kinds of failure the sums stay right and details are left out; of too many domains the later ones are.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

from mailnode.delivery.tls_policy import PolicyType, Published, TlsOutcome

VERSION = 1
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
        self.changed = False  # since somebody last set it so

    def count(self, outcome: TlsOutcome, now: float) -> None:
        """One session that was good, or failed, at a time in seconds since the epoch."""
        day = day_of(now)
        self._add(day, outcome, 1)
        self._drop_old(day)

    def _drop_old(self, today: date) -> None:
        for old in [one for one in self._days if one <= today - timedelta(days=DAYS)]:
            del self._days[old]
            self.changed = True

    def _add(self, day: date, outcome: TlsOutcome, times: int) -> None:
        self.changed = True
        domains = self._days.setdefault(day, {})
        published = outcome.published
        if published.domain not in domains and len(domains) >= DOMAINS:
            return
        tallies = domains.setdefault(published.domain, {})
        if published not in tallies and len(tallies) >= POLICIES:
            published = next(reversed(tallies))
        tally = tallies.setdefault(published, _Tally())
        if not outcome.result:
            tally.good += times
            return
        detail = (outcome.result, outcome.host, outcome.address, outcome.local_address)
        known = detail in tally.bad or len(tally.bad) < DETAILS
        tally.bad[detail if known else (outcome.result, "", "", "")] += times

    def domains(self, day: date) -> tuple[str, ...]:
        """Those that something was counted of."""
        return tuple(self._days.get(day, ()))

    def whole_days(self, now: float) -> tuple[date, ...]:
        """The days that are over and that something was counted of, the oldest first."""
        self._drop_old(day_of(now))
        return tuple(sorted(day for day in self._days if day < day_of(now)))

    def forget(self, day: date, domain: str) -> None:
        """Count nothing any more of a domain on a day."""
        domains = self._days.get(day, {})
        if domains.pop(domain, None) is not None:
            self.changed = True
        if not domains:
            self._days.pop(day, None)

    def text(self) -> str:
        """All that was counted."""
        days = {
            str(day): [
                _written(published, tally)
                for tallies in domains.values()
                for published, tally in tallies.items()
            ]
            for day, domains in self._days.items()
        }
        return json.dumps({"version": VERSION, "days": days}, indent=1)

    def read(self, text: str) -> None:
        """Add what was counted earlier. Raises ValueError for a text that text() does not make."""
        try:
            for day, outcomes in _understood(text):
                for outcome, times in outcomes:
                    self._add(day, outcome, times)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None

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


def _written(published: Published, tally: _Tally) -> dict[str, Any]:
    return {
        "type": published.type,
        "domain": published.domain,
        **_filled((("strings", published.strings), ("hosts", published.hosts))),
        "good": tally.good,
        "bad": [[*detail, count] for detail, count in tally.bad.items()],
    }


def _understood(text: str) -> list[tuple[date, list[tuple[TlsOutcome, int]]]]:
    """All of it, before any of it counts."""
    content = json.loads(text)
    if content["version"] != VERSION:
        raise ValueError(f"it is not of version {VERSION}")
    return [
        (date.fromisoformat(day), [one for row in rows for one in _outcomes(row)])
        for day, rows in content["days"].items()
    ]


def _outcomes(row: dict[str, Any]) -> Iterable[tuple[TlsOutcome, int]]:
    if row["type"] not in get_args(PolicyType):
        raise ValueError("a policy is of no known type")
    published = Published(row["type"], str(row["domain"]), _texts(row, "strings"), _texts(row, "hosts"))
    if good := int(row["good"]):
        yield TlsOutcome(published, "", ""), good
    for result, host, address, local, times in row["bad"]:
        if not result:
            raise ValueError("a failure has no result")
        yield TlsOutcome(published, str(host), str(address), str(result), str(local)), int(times)


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(map(str, row.get(name, ())))


def day_of(now: float) -> date:
    """The day in UTC of a time in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).date()


def _text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
