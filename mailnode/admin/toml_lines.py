"""Edits of TOML text that leave every other line as it is.

tomlkit changes values well, but does not know to which entry the comments before and after a new or removed
one belong. So whole entries are put in and taken out as lines.
"""

import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit

from mailnode.tomlfile import Path, find_lines

Value = str | list[str]

_ENDS = ("]", "}", '"""', "'''")  # one of these is in the last line of what has several


def end_of(text: str, first: int) -> int:
    """The number of the line in which what begins in line `first` ends; a value may have several."""
    lines = text.split("\n")
    for last in range(first, len(lines) + 1):
        if last > first and not any(mark in lines[last - 1] for mark in _ENDS):
            continue
        try:
            tomllib.loads("\n".join(lines[first - 1 : last]))
        except tomllib.TOMLDecodeError:
            continue
        return last
    return first


def without(text: str, path: Path) -> str:
    """The text without the entry at a path: a table with its keys, or a key with its value."""
    own = [line for found, line in find_lines(text).items() if found[: len(path)] == path]
    if not own:  # in a table in braces
        document = tomlkit.parse(text)
        del _inside(document, path[:-1])[path[-1]]
        return tomlkit.dumps(document)
    lines = text.split("\n")
    before, after = lines[: min(own) - 1], lines[end_of(text, max(own)) :]
    if after and not after[0].strip() and not (before and before[-1].strip()):
        after = after[1:]  # of the blank lines around it one is enough
    return "\n".join(before + after)


def with_table(text: str, path: tuple[str, str], facts: Mapping[str, Value]) -> str:
    """The text with a table more at its end; what is empty is left out."""
    entry = tomlkit.table()
    entry.update({key: value for key, value in facts.items() if value})
    block = tomlkit.dumps({path[0]: {path[1]: entry}})
    return f"{text.rstrip()}\n\n{block}" if text.strip() else block


def with_key(text: str, table: str, key: str, value: Value) -> str:
    """The text with a key more in a table of the first level, behind those that are there."""
    line = tomlkit.dumps({key: value}).rstrip("\n")
    found = find_lines(text)
    header = found.get((table,))
    lines = text.split("\n")
    if header is not None and lines[header - 1].lstrip().startswith("["):
        inside = [at for path, at in found.items() if len(path) == 2 and path[0] == table and at > header]
        lines.insert(end_of(text, max(inside)) if inside else header, line)
        return "\n".join(lines)
    if tomlkit.parse(text).get(table) is None:
        block = f"[{table}]\n{line}\n"
        return f"{text.rstrip()}\n\n{block}" if text.strip() else block
    document = tomlkit.parse(text)
    _inside(document, (table,))[key] = value
    return tomlkit.dumps(document)


def with_value(text: str, path: tuple[str, str], key: str, value: Value, *, beside: str) -> str:
    """The text in which a key of a table has this value, or is gone where that is empty.

    A new one stands behind the key `beside`, before the comments that belong to what follows.
    """
    document = tomlkit.parse(text)
    entry = _inside(document, path)
    line = find_lines(text).get((*path, beside))
    if key in entry and not value:
        del entry[key]
    elif key in entry or (value and line is None):
        entry[key] = value
    elif value and line is not None:
        lines = text.split("\n")
        lines.insert(end_of(text, line), tomlkit.dumps({key: value}).rstrip("\n"))
        return "\n".join(lines)
    return tomlkit.dumps(document)


def with_items(text: str, path: Path, *, more: list[str], fewer: list[str]) -> str:
    """The text in which an array has some items more and some fewer; these as they are written there."""
    document = tomlkit.parse(text)
    array = _inside(document, path)
    for item in fewer:
        array.remove(item)
    for item in more:
        array.append(item)
    return tomlkit.dumps(document)


def _inside(document: tomlkit.TOMLDocument, path: Path) -> Any:
    """What stands at a path; tomlkit has a type for each kind of it."""
    found: Any = document
    for part in path:
        found = found[part]
    return found
