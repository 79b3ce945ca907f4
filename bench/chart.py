"""The ratios as bars: to the right of the line we are better, by how many times."""

from collections.abc import Sequence

from bench.measuring import Result, ratio
from bench.sides import OURS

_LEAST, _MOST = 0.1, 100.0
_COLOURS = ("#c0392b", "#27ae60")


def bars(results: Sequence[Result]) -> list[tuple[str, float]]:
    """For each row and peer its name, and the ratio of its first figure at the greatest size."""
    found = []
    for result in results:
        for peer in result.sides:
            if peer == OURS:
                continue
            one = ratio(result, peer, 0, len(result.counts) - 1)
            if one is not None:
                found.append((f"{result.group}: {result.row.name} ({peer})", one))
    return found


def draw(results: Sequence[Result], path: str) -> None:
    """Write a PNG file. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = bars(results)[::-1]
    figure, axes = pyplot.subplots(figsize=(11, 1.2 + 0.22 * len(found)), dpi=80)
    shown = [min(max(one, _LEAST), _MOST) for _, one in found]
    colours = [_COLOURS[one >= 1] for _, one in found]
    axes.barh(range(len(found)), [one - 1 for one in shown], left=1, color=colours)
    axes.set_yticks(range(len(found)), [name for name, _ in found], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(_LEAST, _MOST)
    axes.set_ylim(-1, len(found))
    ticks = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_title("mailnode beside its peers: how many times as good", fontsize=10)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
