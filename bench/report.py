"""Results as a table for the eye, as Markdown for docs/performance.md, and as JSON."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from bench.limits import DIALOGUES, DIALOGUES_KEPT
from bench.measuring import Measured, Result, ratio
from bench.sides import OURS
from mailnode.values import frozen

BEGIN, END = "<!-- figures: written by python -m bench -->", "<!-- end of figures -->"


@frozen
class Line:
    """One figure of one row beside one peer; several values in a cell are of 1x, 4x and 16x of the work."""

    row: str
    unit: str
    ours: str
    peer: str
    theirs: str
    ratio: str
    memory: str
    processor: str
    limit: str


HEADS = ("row", "unit", "mailnode", "peer", "its figure", "ratio", "memory", "CPU", "limit")


def lines(result: Result, limits: dict[str, list[float]]) -> Iterator[Line]:
    """Those of one row, with what the machine can do."""
    peers = [name for name in result.sides if name != OURS] or [""]
    for number, figure in enumerate(result.row.figures):
        for peer in peers:
            ours, theirs = result.sides.get(OURS, []), result.sides.get(peer, [])
            ratios = [ratio(result, peer, number, size) for size in range(len(ours))]
            first = number == 0
            yield Line(
                result.row.name + (f", {figure.name}" if figure.name else ""),
                figure.unit,
                _values(ours, number),
                peer or "none",
                _values(theirs, number),
                _joined([f"{one:.2f}x" if one is not None else "-" for one in ratios]),
                f"{_memory(ours)} : {_memory(theirs)}" if first else "",
                f"{_cpu(ours)} : {_cpu(theirs)}" if first else "",
                _bound(result.row.limit, limits),
            )


_UNITS = {
    "fsyncs": "durable files/s",
    "loopback": "MB/s of loopback",
    DIALOGUES: "dialogues/s",
    DIALOGUES_KEPT: "dialogues/s",
}


def _bound(name: str, limits: dict[str, list[float]]) -> str:
    """The limit of the machine that no server can pass in this row."""
    if name not in limits:
        return ""
    unit = _UNITS.get(name, f"{name}/s")
    return f"{number(max(limits[name]))} {unit}"


def _joined(texts: Sequence[str]) -> str:
    return "-" if set(texts) <= {"-"} else " / ".join(texts)


def _values(many: Sequence[Measured | None], figure: int) -> str:
    return _joined([number(one.values[figure]) if one is not None else "-" for one in many])


def number(value: float) -> str:
    """With three digits that say something; nothing for what a side does not do."""
    if not value:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _memory(many: Sequence[Measured | None]) -> str:
    """MiB."""
    peaks = [one.peak_kib for one in many if one is not None]
    return f"{max(peaks) / 1024:.0f}" if peaks else "-"


def _cpu(many: Sequence[Measured | None]) -> str:
    """Seconds of the greatest size."""
    last = many[-1] if many else None
    return f"{max(last.cpu_seconds, 0):.2f}" if last is not None else "-"


def text(result: Result, limits: dict[str, list[float]]) -> str:
    """Lines for a terminal."""
    form = "{:60} {:>10} {:>26} {:>16} {:>26} {:>24} {:>12} {:>16}"
    return "\n".join(
        form.format(
            f"{result.group}: {line.row}"[:60],
            line.unit,
            line.ours,
            line.peer,
            line.theirs,
            line.ratio,
            line.memory,
            line.processor,
        ).rstrip()
        for line in lines(result, limits)
    )


def markdown(results: Sequence[Result], limits: dict[str, list[float]], scale: str) -> str:
    """All of it, between its marks."""
    parts = [BEGIN, "", f"{machine()}; {scale} form of the bench.", ""]
    parts += ["| limit of the machine | figure |", "|---|---|"]
    parts += [f"| {name} | {_limit(name, values)} |" for name, values in limits.items()]
    notes: dict[str, None] = {}
    for group, rows in groupby(results, key=lambda result: result.group):
        many = list(rows)
        sizes = next((result.counts for result in many if len(result.counts) > 1), None)
        parts += ["", f"### {group}" + (f" ({_joined([f'{one:,}' for one in sizes])})" if sizes else ""), ""]
        parts += ["| " + " | ".join(HEADS) + " |", "|---|---|--:|---|--:|--:|--:|--:|---|"]
        for result in many:
            notes.update(dict.fromkeys(result.notes))
            for line in lines(result, limits):
                cells = (_shown(str(value)) for value in asdict(line).values())
                parts.append("| " + " | ".join(cells) + " |")
    if notes:
        parts += ["", "Not measured:", "", *(f"- {note}" for note in notes)]
    return "\n".join([*parts, "", END, ""])


def _shown(value: str) -> str:
    return value.replace("|", "\\|")


def _limit(name: str, values: Sequence[float]) -> str:
    numbers = [number(value) for value in values]
    if name == "fsyncs":
        return f"{numbers[0]} durable files a second by one writer, {numbers[1]} by twenty"
    return f"{numbers[0]} MB/s through one connection" if name == "loopback" else f"{numbers[0]} a second"


def machine() -> str:
    """What it ran on, in a few words."""
    return f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"


def as_json(results: Sequence[Result], limits: dict[str, list[float]], scale: str) -> str:
    """Everything, for a program."""
    rows = [
        {
            "group": result.group,
            "row": result.row.name,
            "counts": result.counts,
            "figures": [asdict(figure) for figure in result.row.figures],
            "limit": result.row.limit,
            "sides": {
                name: [asdict(one) if one is not None else None for one in many]
                for name, many in result.sides.items()
            },
            "notes": result.notes,
        }
        for result in results
    ]
    return json.dumps({"machine": machine(), "form": scale, "limits": limits, "rows": rows}, indent=2) + "\n"


def into_document(document: str, table: str) -> str:
    """The text of a document with this table in the place of the one between its marks. Raises ValueError."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END + "\n")
    if not begin or not end:
        raise ValueError(f"the document has no lines {BEGIN} and {END}")
    return head + table + tail
