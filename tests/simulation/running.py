"""Runs one world after the other, and leaves nothing of one to the next."""

import gc
import sys
from collections.abc import Callable
from typing import Any

from tests.simulation.node import Life
from tests.simulation.oracle import judge
from tests.simulation.world import World

ONE_LINE = "python -m tests.simulation {} --verbose"  # tells the story of a seed

Result = tuple[int, str, list[str]]  # the seed, the hash of the story, and what is wrong


def run(seed: int, *, life: Callable[..., Life] = Life, say: Callable[[str], None] | None = None) -> Result:
    """Run the world of a seed."""
    gc.disable()
    try:
        world = World(seed, life=life, say=say)
        world.run()
        result = seed, world.story.hexdigest(), judge(world)
        del world
        _bury()
    finally:
        gc.enable()
    return result


def _bury() -> None:
    """Collect the dead: what was going on in a machine when it died is not ended, and complains."""

    def ignore(_: Any) -> None:
        """It is dead."""

    before, sys.unraisablehook = sys.unraisablehook, ignore
    try:
        gc.collect()
    finally:
        sys.unraisablehook = before
