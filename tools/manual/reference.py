"""The page of section 5, from docs/configuration.md: Markdown as our documents are written in, and no more.

That is headings, paragraphs, lists with `- `, tables, blocks of code between lines of ```, and in the text
code, bold text, and links, of which only the words are kept. In a table whose first cell is code, each row
becomes a term with its meaning; of other tables each row becomes a line.
"""

import re
from collections.abc import Iterator

from tools.manual import roff
from tools.manual.commands import REFERENCE, Page

_FENCE = "```"
_SPAN = re.compile(
    r"``(?P<long>.+?)``|`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\[(?P<link>[^]]+)\]\([^)\s]+\)"
)
_CELL = re.compile(r"(?<!\\)\|")


def page(markdown: str, *, date: str, version: str) -> Page:
    """The page."""
    lines = [
        roff.head(REFERENCE, 5, date=date, version=version),
        ".SH NAME",
        rf"{roff.plain(REFERENCE)}, mailboxes.toml \- the configuration of mailnode",
        ".SH DESCRIPTION",
    ]
    for block in _blocks(markdown):
        lines += _rendered(block)
    lines += [".SH SEE ALSO", f"{roff.bold('mailnode')}(1)"]
    return Page(f"{REFERENCE}.5", roff.joined(lines))


def _blocks(markdown: str) -> Iterator[list[str]]:
    """Its blocks: lines that belong together, without empty ones but in code."""
    block: list[str] = []
    fenced = False
    for line in markdown.splitlines():
        fence = line.startswith(_FENCE)
        begins = not fenced and (fence or line.startswith(("- ", "#", "|")) or not line.strip())
        if begins and block and not (line.startswith("|") and block[0].startswith("|")):
            yield block
            block = []
        if fenced or line.strip():
            block.append(line)
        if (fenced and fence) or (line.startswith("#") and not fenced):
            yield block
            block = []
        fenced = fenced != fence
    if block:
        yield block


def _rendered(block: list[str]) -> list[str]:
    first = block[0]
    if first.startswith("#"):
        depth = len(first) - len(first.lstrip("#"))
        name = "SH" if depth < 3 else "SS"
        return [roff.macro(name, roff.plain(first.lstrip("# ")))] if depth > 1 else []
    if first.startswith(_FENCE):
        return [".PP", *roff.verbatim("\n".join(block[1:-1]))]
    if first.startswith("|"):
        return _table([_cells(line) for line in block])
    text = " ".join(line.strip() for line in block)
    if first.startswith("- "):
        return [roff.macro("IP", r"\(bu", "2"), inline(text[2:])]
    return roff.paragraph(inline(text))


def _cells(line: str) -> list[str]:
    return [
        cell.strip().replace(r"\|", "|")
        for cell in _CELL.split(line.strip().removeprefix("|").removesuffix("|"))
    ]


def _table(rows: list[list[str]]) -> list[str]:
    names, _, *rows = rows
    lines: list[str] = []
    for first, *others in rows:
        said = [f"{name}: {cell}" for name, cell in zip(names[1:-1], others[:-1], strict=True) if cell]
        lines += roff.item(inline(first), inline("; ".join([*said, others[-1]])))
    return lines


def inline(text: str) -> str:
    """A text of Markdown on one line, as roff."""
    parts, end = [], 0
    for found in _SPAN.finditer(text):
        parts += [_between(text[end : found.start()]), _span(found)]
        end = found.end()
    shown = "".join([*parts, _between(text[end:])])
    return rf"\&{shown}" if shown.startswith(".") else shown


def _between(text: str) -> str:
    """Plain text with the blanks at its ends, at which spans stand."""
    words = roff.plain(text).removeprefix(r"\&")
    if not words:
        return " " if text else ""
    return (" " if text[0].isspace() else "") + words + (" " if text[-1].isspace() else "")


def _span(found: re.Match[str]) -> str:
    if link := found["link"]:
        return inline(link)
    return roff.bold(found["long"] or found["code"] or found["bold"])
