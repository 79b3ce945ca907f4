"""The fields of values, which are dataclasses that nobody changes, and values made of others.

dataclasses.replace() looks at each field in Python, and takes ten times as long as to make a value. A message
that goes on to another host has its envelope and its entry made anew eight times.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

Getter = Callable[[Any], tuple[Any, ...]]


@cache
def names_of(kind: Any) -> tuple[str, ...]:
    """The names of the fields that a kind of value is made of, in their order."""
    return tuple(one.name for one in fields(kind) if one.init)


def values_of(value: Any) -> tuple[Any, ...]:
    """The values of these fields, in their order."""
    kind: Any = type(value)
    return _getter(kind)(value)


@cache
def _getter(kind: Any) -> Getter:
    return getter_of(names_of(kind))


def getter_of(names: tuple[str, ...]) -> Getter:
    """What gives the values of these fields."""
    get: Callable[[Any], Any] = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)


if TYPE_CHECKING:
    from dataclasses import replace as replace
else:

    def replace(value, /, **changes):
        """A value of the same kind that differs in these fields. Raises TypeError where it has no such."""
        kind = type(value)
        return kind(**{**dict(zip(names_of(kind), _getter(kind)(value), strict=True)), **changes})
