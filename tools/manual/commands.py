"""Pages of section 1, from click's metadata: one for `mailnode`, one for each command or group."""

from collections.abc import Iterator

import click

from mailnode.values import frozen
from tools.manual import roff

PROGRAM = "mailnode"
REFERENCE = "mailnode.toml"
_EXAMPLE = "Example:"
_EXIT_STATUS = (
    ("0", "Done."),
    ("1", "Something is wrong, and was said."),
    ("2", "The command line is wrong."),
)


@frozen
class Page:
    """A page: the name of its file, and its text."""

    file: str
    text: str


@frozen
class _Help:
    """The parts of a help text: paragraphs, each with whether its lines are kept, and examples."""

    paragraphs: tuple[tuple[str, bool], ...]
    example: str


def pages(main: click.Group, *, date: str, version: str) -> Iterator[Page]:
    """All pages of section 1."""
    context = click.Context(main, info_name=PROGRAM)
    yield _page(PROGRAM, _whole(context), date, version)
    for name, command in _commands(context):
        inner = click.Context(command, info_name=name, parent=context)
        yield _page(f"{PROGRAM}-{name}", _one(inner), date, version)


def _page(name: str, body: list[str], date: str, version: str) -> Page:
    head = roff.head(name, 1, date=date, version=version)
    return Page(f"{name}.1", roff.joined([head, *body]))


def _commands(context: click.Context) -> list[tuple[str, click.Command]]:
    group = context.command
    if not isinstance(group, click.Group):
        return []
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [(name, command) for name, command in found if command is not None and not command.hidden]


def _help(command: click.Command) -> _Help:
    text = (command.help or "").partition("\f")[0]
    paragraphs: list[tuple[str, bool]] = []
    example = ""
    for part in text.split("\n\n"):
        lines = part.strip("\n").splitlines()
        kept = bool(lines) and lines[0].strip() == "\b"
        lines = lines[1:] if kept else lines
        if lines and lines[0].strip() == _EXAMPLE:
            example = "\n".join(lines[1:])
        elif lines:
            paragraphs.append(("\n".join(lines), kept))
    return _Help(tuple(paragraphs), example)


def _summary(command: click.Command) -> str:
    """The first sentence, which is the whole one where click's own is cut short."""
    first = next((text for text, _ in _help(command).paragraphs), "")
    return " ".join(first.split()).partition(". ")[0].rstrip(".:")


def _whole(context: click.Context) -> list[str]:
    """The page of the program: what all commands have in common, and where each is described."""
    body = _begin(PROGRAM, context)
    body.append(".SH COMMANDS")
    for name, command in _commands(context):
        body += roff.item(f"{roff.bold(f'{PROGRAM}-{name}')}(1)", roff.plain(_summary(command)) + ".")
    body += _examples(context, ".SH EXAMPLES") + _exit_status()
    body.append(".SH FILES")
    body += roff.item(roff.italic("/etc/mailnode/mailnode.toml"), f"How the server works, {_reference()}.")
    body += roff.item(roff.italic("/etc/mailnode/mailboxes.toml"), "Who has mail here, in the same page.")
    return [*body, ".SH SEE ALSO", f"{_reference()}, {roff.bold('twistd')}(1)"]


def _one(context: click.Context) -> list[str]:
    """The page of a command; that of a group has a part for each command in it."""
    name = context.command_path.replace(" ", "-")
    body = _begin(name, context)
    inner = [click.Context(one, info_name=key, parent=context) for key, one in _commands(context)]
    if inner:
        body.append(".SH COMMANDS")
    for one in inner:
        body += [roff.macro("SS", roff.plain(one.command_path)), *_usage(one), *_text(one.command)]
        body += _options(one, "") + _examples(one, "")
    body += _examples(context, ".SH EXAMPLES") + _exit_status()
    return [*body, ".SH SEE ALSO", f"{roff.bold(PROGRAM)}(1), {_reference()}"]


def _reference() -> str:
    return f"{roff.bold(REFERENCE)}(5)"


def _begin(name: str, context: click.Context) -> list[str]:
    """What both kinds of pages begin with: name, synopsis, description and options."""
    summary = _summary(context.command).removeprefix(f"{name}, ")
    named = rf"{roff.plain(name)} \- {roff.plain(summary[:1].lower() + summary[1:])}"
    described = [".SH DESCRIPTION", *_text(context.command), *_options(context, ".SH OPTIONS")]
    return [".SH NAME", named, *_synopsis(context), *described]


def _usage(context: click.Context) -> list[str]:
    pieces = [roff.italic(piece) for piece in context.command.collect_usage_pieces(context)]
    return roff.paragraph(" ".join([roff.bold(context.command_path), *pieces]))


def _synopsis(context: click.Context) -> list[str]:
    usages = [_usage(context)]
    if context.parent is not None and (inner := _commands(context)):
        usages = [_usage(click.Context(one, info_name=name, parent=context)) for name, one in inner]
    first, *others = usages
    return [".SH SYNOPSIS", first[1], *(line for usage in others for line in (".br", usage[1]))]


def _text(command: click.Command) -> list[str]:
    lines: list[str] = []
    for text, kept in _help(command).paragraphs:
        lines += roff.verbatim(text) if kept else roff.paragraph(roff.plain(text))
    return lines


def _options(context: click.Context, heading: str) -> list[str]:
    """What can be given; `--help` only stands in the page of the program, as every command has it."""
    lines: list[str] = []
    for one in context.command.get_params(context):
        record = one.get_help_record(context)
        if record is None or not record[1] or (context.parent is not None and "--help" in one.opts):
            continue
        lines += roff.item(roff.bold(record[0]), roff.plain(record[1]))
    return [heading, *lines] if heading and lines else lines


def _examples(context: click.Context, heading: str) -> list[str]:
    example = _help(context.command).example
    if not example:
        return []
    return [heading or ".PP", *([] if heading else [_EXAMPLE]), *roff.verbatim(example)]


def _exit_status() -> list[str]:
    rows = [line for code, text in _EXIT_STATUS for line in roff.item(roff.bold(code), roff.plain(text))]
    return [".SH EXIT STATUS", *rows]
