"""What a look at the machine or the DNS has found: how each thing is, and what to do about it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Literal

from mailnode.counting import counted
from mailnode.values import frozen

State = Literal["good", "warning", "wrong"]

_STATES: tuple[State, ...] = ("good", "warning", "wrong")  # what matters most stands nearest to the prompt


@frozen
class Finding:
    """One thing that was looked at, how it is, and one line on what to do where it is not good."""

    topic: str
    state: State
    text: str
    remedy: str = ""


def good(topic: str, text: str) -> Finding:
    """There is nothing to do."""
    return Finding(topic, "good", text)


def warning(topic: str, text: str, remedy: str) -> Finding:
    """It works, and something may not be as meant, or will not be for long."""
    return Finding(topic, "warning", text, remedy)


def wrong(topic: str, text: str, remedy: str) -> Finding:
    """Mail is lost, late or refused until something is done."""
    return Finding(topic, "wrong", text, remedy)


def is_wrong(findings: Iterable[Finding]) -> bool:
    """Whether any of them says that something is wrong."""
    return any(one.state == "wrong" for one in findings)


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [asdict(one) for one in findings]


def told(findings: Iterable[Finding]) -> Iterator[str]:
    """The lines for a person: in groups by state, each finding with its remedy below it, and a sum."""
    found = list(findings)
    for state in _STATES:
        group = [one for one in found if one.state == state]
        if group:
            yield f"{state}:"
        for one in group:
            yield f"  {one.topic}: {plain(one.text)}"
            if one.remedy:
                yield f"      {plain(one.remedy)}"
    numbers = {state: sum(one.state == state for one in found) for state in _STATES}
    yield f"{numbers['good']} good, {counted(numbers['warning'], 'warning')}, {numbers['wrong']} wrong"


def plain(text: str) -> str:
    """Text of others for a terminal: what does not print is escaped."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
