"""What the control socket says of how the server is: {"command": "status"}.

The answer is {"ok": true, "status": {...}}: the figures, and under "warnings" what an administrator may have
to do something about. What is counted by labels has them behind its name, as "logins imap ok".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from mailnode.admin.control import Answer, Command
from mailnode.counting import counted
from mailnode.events.tally import Key
from mailnode.upkeep.figures import Figures, Observer
from mailnode.upkeep.health import Health

DAY = 86400.0

SOON = 21 * DAY  # that a certificate runs out
OLD = 1 * DAY  # of a message in the queue
LATE = 0.2  # seconds that the event loop may be late, once in a hundred times
MANY = 100  # wrong logins in an hour


def status_command(observer: Observer, health: Health, configuration: Callable[[], Sequence[str]]) -> Command:
    """The command; `configuration` gives the warnings that came with it when it was read."""

    async def run(_: Mapping[str, object]) -> Answer:
        problems = await health.problems()
        figures = await observer.look()
        warnings = [*problems, *doubts(figures), *configuration()]
        return {"ok": True, "status": {**content(figures), "warnings": warnings}}

    return run


def content(figures: Figures) -> dict[str, object]:
    """The figures as JSON can hold them."""
    names = {name: getattr(figures, name) for name in ("totals", "lately")}
    counts = {name: {_name(key): value for key, value in found.items()} for name, found in names.items()}
    plain = {
        name: getattr(figures, name) for name in ("now", "started", "version", "hostname", "certificates")
    }
    parts = {name: asdict(getattr(figures, name)) for name in ("queue", "store", "delay", "process")}
    lists = {name: [asdict(one) for one in getattr(figures, name)] for name in ("sessions", "threads")}
    return {**plain, **counts, **parts, **lists}


def _name(key: Key) -> str:
    return " ".join((key.name, *key.labels))


def doubts(figures: Figures) -> list[str]:
    """What an administrator may want to look at."""
    found = []
    for path, ends in sorted(figures.certificates.items()):
        if ends <= figures.now:
            found.append(f"the certificate in {path} has run out")
        elif ends - figures.now < SOON:
            left = counted(int((ends - figures.now) / DAY), "day")
            found.append(f"the certificate in {path} runs out in {left}")
    oldest = figures.queue.oldest
    if oldest is not None and figures.now - oldest > OLD and figures.queue.total > figures.queue.held:
        days = (figures.now - oldest) / DAY
        found.append(f"a message has waited in the queue for {days:.1f} days: mailnode queue list")
    if figures.delay.p99 > LATE:
        found.append(f"the server is busy: its event loop was {figures.delay.p99:.2f} s late")
    wrong = sum(
        count for key, count in figures.lately.items() if key.name == "logins" and "refused" in key.labels
    )
    if wrong > MANY:
        found.append(f"{wrong} logins went wrong in the last hour: somebody may be guessing passwords")
    return found
