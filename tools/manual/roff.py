"""Text as man(7) macros: what a page is written with, whatever stands in the text.

In roff a line that begins with a dot or an apostrophe is a request, a backslash begins an escape, and a
hyphen, quotes, a caret, a grave accent and a tilde become typographic ones, which nobody can type or search.
All of these are escaped, and so is what is not ASCII: a page is the same in every program and locale.
"""

import re

_ESCAPES = {
    "\\": r"\e",
    "-": r"\-",
    "'": r"\(aq",
    '"': r"\(dq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
}


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isascii():
        return character if character.isprintable() else " "
    return f"\\[u{ord(character):04X}]" if character.isprintable() else " "


def plain(text: str) -> str:
    """The text, so that roff shows just that; line ends and other blanks become single blanks."""
    text = "".join(map(_escaped, " ".join(text.split())))
    return rf"\&{text}" if text.startswith(".") else text


def bold(text: str) -> str:
    """Text in bold."""
    return rf"\fB{plain(text)}\fR" if text else ""


def italic(text: str) -> str:
    """Text in italics, which terminals underline."""
    return rf"\fI{plain(text)}\fR" if text else ""


def macro(name: str, *arguments: str) -> str:
    """A request on a line of its own, with escaped arguments."""
    return " ".join([f".{name}", *(f'"{argument}"' for argument in arguments)])


def head(name: str, section: int, *, date: str, version: str) -> str:
    """What a page begins with."""
    return macro("TH", plain(name.upper()), str(section), date, plain(f"mailnode {version}"), "mailnode")


def paragraph(text: str) -> list[str]:
    """A paragraph of text that is roff already, and not empty."""
    return [".PP", text]


def item(term: str, text: str) -> list[str]:
    """A term, and under it what it means; both are roff already."""
    return [".TP", term or r"\&", text or r"\&"]


def verbatim(text: str) -> list[str]:
    """Lines as they are, in a type of equal width, indented."""
    lines = text.expandtabs().rstrip().splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    shown = []
    for line in lines:
        content = line[margin:].rstrip()
        escaped = "".join(map(_escaped, content))
        shown.append(rf"\&{escaped}" if re.match(r"[. ]|$", content) else escaped)
    return [".RS 4", ".nf", *shown, ".fi", ".RE"]


def joined(lines: list[str]) -> str:
    """The text of a page. After a heading a paragraph needs no request, and some programs complain of one."""
    kept = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if not (line == ".PP" and before.startswith((".SH", ".SS")))
    ]
    return "\n".join(kept) + "\n"
