"""What of docs/configuration.md and docs/commands.md can be known from the code is written from it.

In the tables of keys these are type and default of each key, which stand at its field in mailnode/config*.py;
in the sections of commands the usage line and the table of options, which click knows. All else is written
by hand and stays. `python -m tools.reference` writes both files; a test holds them to what it would write.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import click

from mailnode.admin.cli import main as program
from mailnode.config import Config, Listener, MailboxEntry
from mailnode.config_lists import MailingList
from mailnode.config_quota import AS_DEFAULT, count, size
from mailnode.config_rules import Between
from mailnode.config_sending import Relay
from mailnode.tomlfile import FromText

DOCS = Path(__file__).resolve().parent.parent / "docs"

_GIVEN = "must be given"
# Keys without which `check` refuses a configuration, although their fields have defaults.
_ALWAYS = ("hostname", "domains")
# What a rule takes, in one word and in several.
_WORDS = {
    "address": ("address", "addresses"),
    "address_or_nothing": ('address or `""`', ""),
    "directory_url": ('https address or `""`', ""),
    "dns_server": ("IP address with or without port", "IP addresses with or without port"),
    "domain_name": ("domain name", "domain names"),
    "endpoint": ("endpoint", "endpoints"),
    "file_path": ("path", "paths"),
    "folder_name": ('folder name or `""`', ""),
    "host_pattern": ("host name or `*.` and domain", "host names, or `*.` and domain"),
    "host_or_nothing": ('host name, IP address or `""`', ""),
    "https_url": ('https address or `""`', ""),
    "mail_template": ("path with `{local}`", ""),
    "namespace": ('one word or `""`', ""),
    "network": ("network", "networks"),
    "one_line": ("text of one line", "texts of one line"),
    "password_hash": ("argon2 hash", ""),
    "scram_verifier": ("SCRAM verifier", "SCRAM verifiers"),
    "sender": ("address or `@` and domain", "addresses, or `@` and domain"),
    "solicitation": ("keyword", "keywords"),
    "subaddress_separator": ('one character or `""`', ""),
    "uidl_format": ("format", ""),
}
_MANY = 4  # choices that are named in the cell; more stand in the text
_UNITS = (("GiB", 2**30), ("MiB", 2**20))


class Missing(Exception):
    """Something of the code that the page does not say, or that it says and the code does not have."""


@dataclass(frozen=True)
class Table:
    """The keys of one table of the configuration: the heading it stands below, and what each key is."""

    heading: str
    keys: Mapping[str, tuple[str, str]]  # type and default


# Keys


def kind_of(shape: Any, *, several: bool = False) -> str:
    """The type of a field, in words."""
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1], several)
    if origin is Literal:
        named = [f'`"{one}"`' for one in arguments]
        if several or len(named) > _MANY:
            return "names" if several else "one of those named"
        return f"{', '.join(named[:-1])} or {named[-1]}"
    if origin is tuple:
        return f"list of {kind_of(arguments[0], several=True)}"
    if origin is Mapping:
        return "table"
    return {str: "text", int: "number", bool: "true or false"}[shape]


def _annotated(inner: Any, rule: Any, several: bool) -> str:
    if isinstance(rule, Between):
        few = rule.most < 2**40
        bounds = f"{rule.least} to {rule.most}" if few else f"{rule.least} or more"
        return f"{rule.unit or 'number'}, {bounds}"
    if isinstance(rule, FromText):
        if rule.read in (size, count):
            return 'size or `"none"`' if rule.read is size else 'number or `"none"`'
        rule = rule.read
    if rule.__name__ not in _WORDS:
        raise Missing(f"the rule {rule.__name__} has no words yet; write them into _WORDS of {__file__}")
    return _WORDS[rule.__name__][several]


def written(field: Field[Any], shape: Any) -> str:
    """The default of a field of this type as it would stand in the file."""
    value = field.default if field.default is not MISSING else None
    if field.default_factory is not MISSING:
        value = field.default_factory()
    if field.default is field.default_factory is MISSING:
        return _GIVEN
    if value == AS_DEFAULT:
        return f"`{'messages' if 'messages' in field.name else 'storage'}` of `[quota]`"
    if isinstance(value, Mapping):
        return "none"
    if isinstance(value, tuple):
        return _list_written(value, get_args(shape)[0])
    if _is_size(shape):
        return f'`"{_size_written(value)}"`'
    return f'`"{value}"`' if isinstance(value, str) else str(value).lower()


def _list_written(value: tuple[Any, ...], item: Any) -> str:
    known = get_args(item) if get_origin(item) is Literal else ()
    if len(value) > len(known) / 2 > 0:
        return f"all but {' and '.join(one for one in known if one not in value)}"
    return "`[" + ", ".join(f'"{one}"' for one in value) + "]`"


def _is_size(shape: Any) -> bool:
    return any(isinstance(one, FromText) and one.read in (size, count) for one in get_args(shape))


def _size_written(value: int | None) -> str:
    if value is None:
        return "none"
    return next((f"{value // unit} {name}" for name, unit in _UNITS if not value % unit), str(value))


def tables() -> Iterator[Table]:
    """All tables of keys of both files, in no certain order."""
    yield from _tables(Config, "mailnode.toml")
    yield Table("[[listener]]", _keys(Listener))
    yield Table("[routes]", _keys(Relay))
    yield Table("`[mailboxes]`", _keys(MailboxEntry))
    yield Table("`[lists]`", _keys(MailingList))


def _tables(shape: type, heading: str, prefix: str = "") -> Iterator[Table]:
    yield Table(heading, _keys(shape))
    for name, inner in get_type_hints(shape).items():
        if is_dataclass(inner):
            yield from _tables(inner, f"[{prefix}{name}]", f"{prefix}{name}.")


def _keys(shape: type) -> dict[str, tuple[str, str]]:
    hints = get_type_hints(shape, include_extras=True)
    found = {}
    for field in fields(shape):
        of_its_own = shape is Config and (get_origin(hints[field.name]) is Mapping or "key" in field.metadata)
        if not is_dataclass(hints[field.name]) and not of_its_own:
            form = hints[field.name]
            of_tables = get_origin(form) is tuple and is_dataclass(get_args(form)[0])
            kind = "list of tables" if of_tables else kind_of(form)
            given = shape is Config and field.name in _ALWAYS
            found[field.name] = (kind, _GIVEN if given else written(field, form))
    return found


def configuration(page: str) -> str:
    """The page with each type and default from the code; Missing for a key on one side only."""
    left = {table.heading: table for table in tables()}
    heading, lines, out = "", page.splitlines(), []
    while lines:
        line = lines.pop(0)
        found = re.match(r"#+ (.*)", line)
        heading = found[1] if found else heading
        if not line.startswith("| key"):
            out.append(line)
            continue
        inside = re.search(r"`\[.*?\]`", line.split("|")[1])
        name = inside[0] if inside else heading
        if name not in left:
            raise Missing(f"the table of keys below {name} is of nothing in the code, or the second one")
        rows = [lines.pop(0) for _ in range(_length(lines))]
        first = line.split("|")[1].strip()
        out += [f"| {first} | type | default | meaning |", "|---|---|---|---|"]
        out += _rows(rows[1:], left.pop(name))
    if left:
        raise Missing(f"no table of keys below {', '.join(left)}")
    return "\n".join(out) + "\n"


def _length(lines: list[str]) -> int:
    """How many lines from the first on belong to a table."""
    return next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))


def _rows(rows: list[str], table: Table) -> Iterator[str]:
    meanings = {}
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        meanings[cells[0].strip("`")] = cells[-1]
    differing = set(meanings) ^ set(table.keys)
    if differing:
        raise Missing(f"in the table {table.heading} and in the code differ: {', '.join(sorted(differing))}")
    for key, meaning in meanings.items():
        kind, default = table.keys[key]
        yield f"| `{key}` | {kind} | {default} | {meaning} |"


# Commands


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, with its whole name."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from leaves(inner, f"{name} {word}")


def commands(page: str) -> str:
    """The page with usage and options from the code; Missing for a command that has no section or is none."""
    head, *sections = page.split("\n## ")
    left = dict(leaves(program, "mailnode"))
    out = [head]
    for section in sections:
        title = section.partition("\n")[0]
        below = {name: left.pop(name) for name in list(left) if f"{name} ".startswith(f"{title} ")}
        if title.startswith("mailnode ") and not below:
            raise Missing(f"{title} is no command, or there twice")
        out.append(_section(section, below) if below else section)
    if left:
        raise Missing(f"no section for {', '.join(left)}")
    return "\n## ".join(out)


def _section(section: str, below: Mapping[str, click.Command]) -> str:
    """A section with what is known of its commands behind its first example."""
    plain = re.sub(r"\nUsage: `.*\n(?:\n\| option \|.*(?:\n\|.*)*\n)?", "", section)
    found = re.match(r"(?s).*?\n```\n.*?\n```\n", plain)
    if not found:
        raise Missing(f"{next(iter(below))} has no example")
    known = "".join(f"\n{_usage(name, command)}" for name, command in below.items())
    return found[0] + known + plain[found.end() :]


def _usage(name: str, command: click.Command) -> str:
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if [one.opts for one in options] == [["--json"]]:  # the same everywhere
        return f"Usage: `{' '.join([name, '[--json]', *_arguments(command)])}`\n"
    pieces = [name, *(["[OPTIONS]"] if options else []), *_arguments(command)]
    rows = [f"| {_named(one)} | {_said(one)} |" for one in options]
    table = "\n".join(["", "| option | meaning |", "|---|---|", *rows, ""]) if rows else ""
    return f"Usage: `{' '.join(pieces)}`\n{table}"


def _arguments(command: click.Command) -> list[str]:
    context = click.Context(command, **program.context_settings)  # a command keeps its first option for help
    return [one for one in command.collect_usage_pieces(context) if one != "[OPTIONS]"]


def _named(option: click.Option) -> str:
    value = ""
    if not option.is_flag:
        kind = option.type.name.split()[0]
        known = {"choice": "NAME", "integer": "N", "directory": "PATH", "filename": "PATH"}
        value = " " + (option.metavar or known.get(kind, kind.upper()))
    names = [*option.opts, *option.secondary_opts]
    return ", ".join(f"`{one}{value}`" for one in names)


def _said(option: click.Option) -> str:
    said = [(option.help or "").strip()]
    if isinstance(option.type, click.Choice):
        said.append(f"One of {', '.join(f'`{one}`' for one in option.type.choices)}.")
    if isinstance(option.type, click.IntRange):
        bounds = option.type.min, option.type.max
        said.append(f"{bounds[0]} or more." if bounds[1] is None else f"{bounds[0]} to {bounds[1]}.")
    if option.show_default:
        said.append(f"`{option.default}` where it is not given.")
    if option.required:
        said.append("Must be given.")
    return " ".join(said)


PAGES = {"configuration.md": configuration, "commands.md": commands}


def main() -> int:
    """Write both pages anew; exit code 1 where something is missing in one."""
    for name, write in PAGES.items():
        path = DOCS / name
        try:
            path.write_text(write(path.read_text(encoding="utf-8")), encoding="utf-8")
        except Missing as error:
            print(f"{path}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
