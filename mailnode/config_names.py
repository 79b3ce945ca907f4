"""The names in mailboxes.toml: whose they are, each once, and where they lead.

Aliases and lists lead to other names, of any table. What is said of a name stands at its line; wrong entries
are names too, so that one mistake does not make others of all that lead to it.
"""

from collections.abc import Iterator, Mapping

from mailnode.config_rules import alias_name, looked_up, split_address
from mailnode.tomlfile import Path, TomlFile

LEVELS = 20  # how many aliases and lists may lead into one another

Leads = Mapping[str, tuple[str, ...]]

_KINDS = {"mailboxes": "a mailbox", "aliases": "an alias", "lists": "a list"}


def check_names(file: TomlFile, domains: tuple[str, ...], subaddress: str) -> None:
    """Each name once, in a domain of ours; a mailbox must not look like a subaddress of another."""
    kinds: dict[str, str] = {}
    for table, kind in _KINDS.items():
        first = as_written(file, table)
        for written in _entries(file, table):
            name, path = looked_up(alias_name, written), (table, written)
            local, _, domain = name.rpartition("@")
            if domains and domain not in domains:
                remedy = f"Add {domain or 'its domain'} to domains, or use one of: {', '.join(domains)}."
                file.mistake(path, "is in no domain of this server", remedy)
            elif table == "mailboxes" and subaddress and subaddress in local:
                text = f"contains the subaddress separator {subaddress}"
                remedy = 'Choose another name, or set subaddress = "" in the configuration.'
                file.mistake(path, text, remedy)
            if first[name] != written:
                file.mistake(path, "is there twice, written differently", "Remove one of the two.")
            elif kinds.setdefault(name, kind) != kind:
                file.mistake(path, f"is {kinds[name]} and {kind} at once", "Rename one of the two.")


def check_targets(file: TomlFile, tables: Mapping[str, Leads], domains: tuple[str, ...]) -> None:
    """Aliases and lists, by the name of their table, lead somewhere, and not in circles."""
    known = {name for table in _KINDS for name in as_written(file, table)}
    mailboxes = as_written(file, "mailboxes")
    merged = {name: targets for leads in tables.values() for name, targets in leads.items()}
    levels = _levels({name: targets for name, targets in merged.items() if name not in mailboxes})
    for table, leads in tables.items():
        written = as_written(file, table)
        for name, targets in leads.items():
            path: Path = (table, written[name])
            inside = (*path, "members") if table == "lists" else path
            if not targets:
                file.mistake(inside, "leads nowhere", "Name at least one address.")
            for index, target in enumerate(targets):
                if split_address(target)[1] in domains and target not in known:
                    text = f"{target} is no mailbox, alias or list"
                    file.mistake((*inside, index), text, "Correct the address, or add the mailbox.")
            if name not in levels and name not in mailboxes:
                file.mistake(path, "leads into a circle", "Break the circle of aliases and lists.")
            elif levels.get(name, 0) > LEVELS:
                text = f"leads through {levels[name]} aliases and lists, and {LEVELS} is the most"
                file.mistake(path, text, "Name the mailboxes themselves.")


def is_known(file: TomlFile, name: str) -> bool:
    """Whether a mailbox, alias or list has this name."""
    return any(name in as_written(file, table) for table in _KINDS)


def _entries(file: TomlFile, table: str) -> Iterator[str]:
    """The names in a table as written, also of entries that are wrong otherwise."""
    content = file.content.get(table)
    return iter(content if isinstance(content, dict) else ())


def as_written(file: TomlFile, table: str) -> Mapping[str, str]:
    """How each name in a table is written, the first time."""
    written = file.written.get(table)
    if written is None:
        written = file.written[table] = {}
        for name in _entries(file, table):
            written.setdefault(looked_up(alias_name, name), name)
    return written


def _levels(leads: Leads) -> dict[str, int]:
    """How many aliases and lists lead into one another, from each of these on; circles have no level.

    They are resolved one by one, each after all that it leads to. What leads into a circle never is.
    """
    waiting = {name: sum(target in leads for target in set(targets)) for name, targets in leads.items()}
    used_by: dict[str, list[str]] = {}
    for name, targets in leads.items():
        for target in set(targets):
            used_by.setdefault(target, []).append(name)
    ready = [name for name, count in waiting.items() if not count]
    levels: dict[str, int] = {}
    while ready:
        name = ready.pop()
        levels[name] = 1 + max((levels.get(target, 0) for target in leads[name]), default=0)
        for user in used_by.get(name, ()):
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return levels
