"""How the server is, as lines for a person: a screenful, whatever the number of people and of troubles."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from mailnode.counting import counted

PEOPLE = 6  # who are named
WARNINGS = 8

Status = Mapping[str, Any]

# What is counted: how it is called here, and which counts it is the sum of.
_RATES = (
    ("messages accepted", ("accepted",)),
    ("  refused", ("refused",)),
    ("  delivered to mailboxes", ("delivered",)),
    ("  taken by other hosts", ("relayed",)),
    ("  put off by them", ("put_off",)),
    ("  failed for good", ("failed",)),
    ("logins", ("logins ok",)),
    ("  refused", ("logins refused",)),
)


def screen(status: Status, before: Status | None) -> list[str]:
    """The lines; with the status `before`, at an earlier look, also what happened since then."""
    return [
        *_head(status),
        "",
        *_sessions(status),
        "",
        *_rates(status, before),
        "",
        *_state(status),
        *_warnings(status["warnings"]),
    ]


def _head(status: Status) -> Iterable[str]:
    now = datetime.fromtimestamp(status["now"], UTC).astimezone()
    up = span(status["now"] - status["started"])
    yield f"{status['hostname']}   mailnode {status['version']}   up {up}   {now:%Y-%m-%d %H:%M:%S}"


def _sessions(status: Status) -> Iterable[str]:
    yield f"{'SESSIONS':<26}{'logged in':>12}{'others':>12}{'no place for':>14}"
    everybody: dict[str, int] = {}
    for one in status["sessions"]:
        refused = sum(one["refused"].values())
        inside = sum(one["people"].values())
        yield f"  {one['protocol']:<24}{inside:>12}{one['others']:>12}{refused:>14}"
        for person, count in one["people"].items():
            everybody[person] = everybody.get(person, 0) + count
    if everybody:
        named = sorted(everybody.items(), key=lambda item: (-item[1], item[0]))
        text = ", ".join(f"{person} {count}" for person, count in named[:PEOPLE])
        more = f", and {len(named) - PEOPLE} more" if len(named) > PEOPLE else ""
        yield f"  {text}{more}"


def _rates(status: Status, before: Status | None) -> Iterable[str]:
    looks = "since last look" if before else ""
    yield f"{'RATES':<26}{'last hour':>12}{'since start':>14}{looks:>18}".rstrip()
    for title, names in _RATES:
        hour, start = (sum(_count(status[one], name) for name in names) for one in ("lately", "totals"))
        since = start - sum(_count(before["totals"], name) for name in names) if before else ""
        yield f"  {title:<24}{hour:>12}{start:>14}{since:>18}".rstrip()


def _count(counts: Mapping[str, int], wanted: str) -> int:
    """The sum of the counts of a name that have all these labels."""
    name, *labels = wanted.split()
    words = ((key.split(), value) for key, value in counts.items())
    return sum(value for (first, *rest), value in words if first == name and set(labels) <= set(rest))


def _state(status: Status) -> Iterable[str]:
    queue, store, delay, process = (status[name] for name in ("queue", "store", "delay", "process"))
    age = span(status["now"] - queue["oldest"]) if queue["oldest"] is not None else ""
    yield (
        f"QUEUE    {queue['due']} due, {queue['waiting']} waiting, {queue['held']} held,"
        f" {queue['active']} being delivered{f'; the oldest came {age} ago' if age else ''}"
    )
    free = size(store["free"]) if store["free"] is not None else "unknown"
    yield (
        f"STORE    {counted(store['mailboxes'], 'mailbox', 'mailboxes')}, {store['open']} open; {free} free;"
        f" {store['discarded']} broken caches made anew"
    )
    jobs = store["waiting"] + sum(one["waiting"] for one in status["threads"])
    busy = ", ".join(f"{one['busy']} {one['name']}" for one in status["threads"])
    yield (
        f"PROCESS  {counted(process['workers'], 'worker')}; {size(process['memory'])} memory,"
        f" {process['descriptors']} descriptors;"
        f" threads at work: {busy}; {counted(jobs, 'job')} waiting"
    )
    yield (
        f"LOOP     late by {delay['median'] * 1000:.1f} ms (half), {delay['p99'] * 1000:.1f} ms (99 %),"
        f" {delay['worst'] * 1000:.1f} ms (worst) in five minutes"
    )
    for path, ends in sorted(status["certificates"].items()):
        yield f"TLS      {path}: {counted(int((ends - status['now']) // 86400), 'day')} left"


def _warnings(warnings: list[str]) -> Iterable[str]:
    if warnings:
        yield ""
    for one in warnings[:WARNINGS]:
        yield f"warning: {one}"
    if len(warnings) > WARNINGS:
        yield f"and {len(warnings) - WARNINGS} more"


def span(seconds: float) -> str:
    """A time as its two largest units, such as "3 d 4 h"."""
    whole = max(0, int(seconds))
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts: list[str] = []
    for length, name in units:
        count, whole = divmod(whole, length)
        if count or parts or name == "s":
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def size(octets: float) -> str:
    """Octets as people write them, such as "80.3 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.1f} {unit}" if unit != "B" else f"{int(octets)} B"
        octets /= 1000
    return f"{octets:.1f} TB"
