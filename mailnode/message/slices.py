"""Long work in small steps: a generator gives an empty chunk after each, for others to have their turn."""

from collections.abc import Callable, Generator
from itertools import chain
from typing import Any, Final, TypeVar

T = TypeVar("T")

Steps = Generator[bytes, None, T]  # empty chunks, and the result in the end

STEP: Final = 2048  # small pieces of work
STRETCH: Final = 8192  # numbers that are sorted at once


def arranged(numbers: list[int], key: Callable[[int], Any], *, reverse: bool = False) -> Steps[list[int]]:
    """The numbers in the order of their keys, and where these are the same, in the order they came in.

    Sorting lets no other thread work. So short stretches are sorted, and then two and two are merged: what
    sorts two sorted stretches that follow each other does no more than that.
    """
    stretches = [numbers[start : start + STRETCH] for start in range(0, len(numbers), STRETCH)]
    for stretch in stretches:
        stretch.sort(key=key, reverse=reverse)
        yield b""
    while len(stretches) > 1:
        merged = []
        for at in range(0, len(stretches), 2):
            both = list(chain.from_iterable(stretches[at : at + 2]))
            both.sort(key=key, reverse=reverse)
            merged.append(both)
            yield b""
        stretches = merged
    return stretches[0] if stretches else []
