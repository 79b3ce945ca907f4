"""The pages of the manual: each command has its place, each text comes out as it is, nothing complains."""

import os
import re
import shutil
import subprocess
import tempfile

import click
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.cli import main
from tools.manual import roff
from tools.manual.__main__ import all_pages
from tools.manual.reference import inline
from tools.manual.reference import page as reference_page

_NAMED = {"e": "\\", "-": "-", "(aq": "'", "(dq": '"', "(ga": "`", "(ha": "^", "(ti": "~", "&": ""}
_ESCAPE = re.compile(r"\\(?:\[u([0-9A-F]{4,6})\]|f([BIR])|(\([a-z]{2}|.))", re.DOTALL)
_TEXTS = st.text(st.sampled_from(".'\\-\"`^~ \n\tabcZ9äé€\U0001f600%#{}[](|") | st.characters(codec="utf-8"))
_DOCUMENT = r"""# Title

See [this](x.md) and `a-b`.

### [part]
| key | default | meaning |
|---|---|---|
| `some_key` | `"x\|y"` | what it\'s |

- one
  more
- two

```toml
.a = 1

  b = 2
```
"""
_VERSION = {"date": "2026-01-02", "version": "1.2.3"}


def shown(line: str) -> str:
    """What a program that shows a line of roff puts on the screen; AssertionError for a request."""
    assert line[:1] not in {".", "'"} and line.isascii() and "\n" not in line, line
    assert not set(_ESCAPE.sub("", line)) & set("\\-'\"`^~"), line

    def one(found: re.Match[str]) -> str:
        number, font, name = found.groups()
        return chr(int(number, 16)) if number else "" if font else _NAMED[name]

    return _ESCAPE.sub(one, line)


def legible(text: str) -> str:
    """The text without what no screen shows, and with single blanks."""
    words = "".join(letter if letter.isprintable() else " " for letter in text.replace("\n", " ")).split(" ")
    return " ".join(word for word in words if word)


class Escapes(SynchronousTestCase):
    """tools/manual/roff.py"""

    @settings(max_examples=300, deadline=None)
    @given(_TEXTS)
    @example(".TH is no request")
    @example("'quoted' \\fBnot bold\\fR --option")
    @example("\u0130 \u2028\x00\x1f")
    def test_text(self, text: str) -> None:
        """Every text is shown as it is, on one line that is none of roff's requests."""
        escaped = roff.plain(text)
        self.assertEqual(legible(shown(escaped)), legible(text))
        if escaped:
            self.assertEqual(legible(shown(roff.bold(text))), legible(text))

    @settings(max_examples=200, deadline=None)
    @given(_TEXTS)
    @example("\n  .fi\n\n    x  y\n")
    def test_lines(self, text: str) -> None:
        """Lines of code keep their blanks, but for the margin they share."""
        first, second, *inside, last, end = roff.verbatim(text)
        self.assertEqual([first, second, last, end], [".RS 4", ".nf", ".fi", ".RE"])
        lines = text.expandtabs().rstrip().splitlines()
        margins = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
        expected = [line[min(margins, default=0) :].rstrip() for line in lines]
        for line, original in zip(inside, expected, strict=True):
            want = "".join(letter if letter.isprintable() else " " for letter in original)
            self.assertEqual(shown(line), want)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from(["`", "**", "[a](b)", "x", " ", ".", "``", "\\", "-"])).map("".join))
    def test_markdown(self, text: str) -> None:
        """Whatever stands in a document, its words come out on a line that is no request."""
        self.assertEqual(shown(inline(text)).count("x"), text.count("x"))


class Pages(SynchronousTestCase):
    """All pages, as `make man` writes them."""

    def setUp(self) -> None:
        self.pages = {page.file: page.text for page in all_pages("2026-01-02")}

    def test_each_command(self) -> None:
        """Each command has a page, or a part of its group's, with all its options and an example."""
        for name, command in main.commands.items():
            text = self.pages[f"mailnode-{name}.1"]
            self.assertIn(roff.bold(f"mailnode-{name}") + "(1)", self.pages["mailnode.1"])
            inner = dict(command.commands) if isinstance(command, click.Group) else {}
            for other in inner:
                self.assertIn(f'\n.SS "{roff.plain(f"mailnode {name} {other}")}"\n', text)
            self.assertIn("EXAMPLES" if not inner else "Example:", text)
            for one in [command, *inner.values()]:
                for word in (word for option in one.params for word in option.opts if word[:2] == "--"):
                    self.assertIn(roff.plain(word), text, f"{name}: {word}")

    def test_help_is_whole(self) -> None:
        """Every word of a help text stands in its page."""
        for name, command in main.commands.items():
            words = set(re.findall(r"[A-Za-z]{4,}", (command.help or "").replace("Example:", "")))
            lines = self.pages[f"mailnode-{name}.1"].splitlines()
            text = " ".join(shown(line) for line in lines if not line.startswith("."))
            self.assertEqual({word for word in words if word not in text}, set(), name)

    def test_configuration(self) -> None:
        """A table of keys becomes terms with default and meaning; headings, code and lists are kept."""
        lines = reference_page(_DOCUMENT, **_VERSION).text.splitlines()
        for line in (
            r"See this and \fBa\-b\fR.",
            '.SS "[part]"',
            r"\fBsome_key\fR",
            r"default: \fB\(dqx|y\(dq\fR; what it\e\(aqs",
            "one more",
            r"\&.a = 1",
            r"\&  b = 2",
        ):
            self.assertIn(line, lines)
        self.assertIn(r"\fBevents_keep\fR", self.pages["mailnode.toml.5"])

    def test_no_complaints(self) -> None:
        """groff and mandoc have nothing to say about any page."""
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        for file, text in self.pages.items():
            with open(os.path.join(directory, file), "w", encoding="ascii") as written:
                written.write(text)
        files = [os.path.join(directory, file) for file in sorted(self.pages)]
        for command in (["groff", "-ww", "-z", "-man", "-Tutf8"], ["mandoc", "-Tlint", "-Wwarning"]):
            if shutil.which(command[0]):
                said = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
                self.assertEqual(said.stdout + said.stderr, "", command[0])
