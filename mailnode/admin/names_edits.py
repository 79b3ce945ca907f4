"""Edits of aliases and lists in mailboxes.toml: whom a name leads to, and what is said of a list."""

from collections.abc import Mapping, Sequence

import tomlkit

from mailnode.admin.mailboxes_file import Edit, EditRefused, written
from mailnode.admin.toml_lines import Value, with_items, with_key, with_table, with_value, without
from mailnode.config_rules import address, looked_up
from mailnode.tomlfile import Path


def adding_alias(name: str, targets: Sequence[str]) -> Edit:
    """Have an alias lead to these too; one that is not there yet is made."""

    def edit(text: str) -> str:
        found = written(text, name, "aliases")
        if found is None:
            return with_key(text, "aliases", name, list(dict.fromkeys(targets)))
        return _with_people(text, ("aliases", found), targets)

    return edit


def removing_alias(name: str, targets: Sequence[str]) -> Edit:
    """Take these out of an alias; without any, or with none left, the alias itself."""

    def edit(text: str) -> str:
        path = "aliases", _found(text, name, "aliases")
        return _without_people(text, path, targets, kind="alias") if targets else without(text, path)

    return edit


def adding_list(name: str, facts: Mapping[str, Value]) -> Edit:
    """Add a list that is not there yet; what is empty is left out."""

    def edit(text: str) -> str:
        if written(text, name, "lists") is not None:
            raise EditRefused(f"{name} is there already")
        return with_table(text, ("lists", name), facts)

    return edit


def changing_list(name: str, facts: Mapping[str, Value]) -> Edit:
    """Give a list these facts; an empty one is taken out, so that its default counts."""

    def edit(text: str) -> str:
        path = "lists", _found(text, name, "lists")
        for key, value in facts.items():
            text = with_value(text, path, key, value, beside="members")
        return text

    return edit


def removing_list(name: str) -> Edit:
    """Remove a list."""
    return lambda text: without(text, ("lists", _found(text, name, "lists")))


def joining(name: str, members: Sequence[str]) -> Edit:
    """Add members to a list; who is one already stays one."""
    return lambda text: _with_people(text, ("lists", _found(text, name, "lists"), "members"), members)


def leaving(name: str, members: Sequence[str]) -> Edit:
    """Take members out of a list, of whom one must stay."""
    return lambda text: _without_people(
        text, ("lists", _found(text, name, "lists"), "members"), members, kind="list"
    )


def _found(text: str, name: str, table: str) -> str:
    """The name as it is written. Raises EditRefused where it is not there."""
    found = written(text, name, table)
    if found is None:
        raise EditRefused(f"there is no {'alias' if table == 'aliases' else 'list'} {name}")
    return found


def _people(text: str, path: Path) -> dict[str, str]:
    """Who is in an array: as they are looked up, and as they are written."""
    value = tomlkit.parse(text).unwrap()
    for part in path:
        value = value[str(part)]
    return {looked_up(address, str(one)): str(one) for one in value}


def _with_people(text: str, path: Path, more: Sequence[str]) -> str:
    there = _people(text, path)
    return with_items(text, path, more=[one for one in dict.fromkeys(more) if one not in there], fewer=[])


def _without_people(text: str, path: Path, fewer: Sequence[str], *, kind: str) -> str:
    there = _people(text, path)
    if missing := [one for one in fewer if one not in there]:
        raise EditRefused(f"{missing[0]} is not in the {kind} {path[1]}")
    if not there.keys() - set(fewer):
        if kind == "alias":
            return without(text, path)
        raise EditRefused(
            f"nobody would be left in {path[1]}; remove it with: mailnode list remove {path[1]}"
        )
    return with_items(text, path, more=[], fewer=[there[one] for one in dict.fromkeys(fewer)])
