"""What processes have used, as Linux counts it."""

import os

_TICKS = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        try:
            with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as children:
                found += map(int, children.read().split())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def cpu_seconds(pids: list[int]) -> float:
    """The CPU time of the processes, and of those of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return ticks / _TICKS


def share(pid: int) -> int:
    """What a process has for itself, and its share of what it has with others, in KiB; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as maps:
            return next((int(line.split()[1]) for line in maps if line.startswith("Pss:")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0
