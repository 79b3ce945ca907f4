"""Prometheus' text format 0.0.4: families of samples as text.

https://prometheus.io/docs/instrumenting/exposition_formats/ : a HELP and a TYPE line, then a line for each
sample with its labels and value.
"""

import re
from collections.abc import Iterable
from typing import Literal

from mailnode.values import frozen

KIND = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPED = {"\\": "\\\\", "\n": "\\n", '"': '\\"'}


@frozen
class Sample:
    """A value and its labels, as pairs."""

    value: float
    labels: tuple[tuple[str, str], ...] = ()


@frozen
class Family:
    """All samples of a name; `help` is one sentence."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: tuple[Sample, ...]


def exposition(families: Iterable[Family]) -> bytes:
    """The whole text."""
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Family) -> Iterable[str]:
    yield f"# HELP {family.name} {_escaped(family.help, chr(92) + chr(10))}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
        yield f"{family.name}{'{' + labels + '}' if labels else ''} {_number(sample.value)}\n"


def _escaped(text: str, marks: str = '\\\n"') -> str:
    return re.sub("[" + re.escape(marks) + "]", lambda found: _ESCAPED[found[0]], text)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
