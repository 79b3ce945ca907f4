"""The documentation against the code: what it names is there, and what the code cites is in it."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.mechanisms import MECHANISMS
from mailnode.imap.extensions import EXTENSIONS as IMAP_EXTENSIONS
from mailnode.pop3.capa import CAPABILITIES
from mailnode.smtp.extensions import EXTENSIONS as SMTP_EXTENSIONS
from mailnode.smtp.verbs import VERBS
from tests.test_floors import floors
from tools.self_contained import from_elsewhere

ROOT = Path(__file__).resolve().parent.parent
RFC_PAGE = ROOT / "docs" / "rfc.md"

# "RFC 2045", and what may follow it: "RFC 2045, 2183, 3282", "RFC 5234, 5321 and 3501", over line ends too.
CITATION = re.compile(r"RFC[\s#]+(\d+(?:(?:,|,? and| or)[\s#]+\d{3,5}\b(?!\.\d))*)")
PAGES = (ROOT / "README.md", ROOT / "CHANGES.md", *sorted((ROOT / "docs").rglob("*.md")))
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^( *)(`{3,}).*?^ *\2", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
IN_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """A row of a table: the RFCs in its first cell, its state, and the paths beside it."""

    text: str
    numbers: frozenset[int]
    state: str
    where: tuple[str, ...]
    shown_by: tuple[str, ...]


def paths(text: str) -> tuple[str, ...]:
    """What stands in the text as the path of a file; a pattern is none."""
    words = IN_CODE.findall(text)
    return tuple(word for word in words if re.search(r"\.(?:py|txt|md|toml)$", word) and "*" not in word)


def row(line: str) -> Row | None:
    """The row in a line; None for other lines, and for the head of a table.

    The last table has two columns only, for what is not yet there.
    """
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    numbers = frozenset(map(int, re.findall(r"\bRFC (\d+)", cells[0])))
    if not line.startswith("|") or not numbers:
        return None
    _, state, where, shown_by = [cells[0], "not yet", "", ""] if len(cells) == 2 else cells
    return Row(line, numbers, state, paths(where), paths(shown_by))


def rows(page: str) -> list[Row]:
    """The rows of all tables."""
    return [found for line in page.splitlines() if (found := row(line))]


def cited(source: str) -> set[int]:
    """The numbers of the RFCs that a text names."""
    return {int(number) for found in CITATION.finditer(source) for number in re.findall(r"\d+", found[1])}


def links(text: str) -> list[str]:
    """Where the links of a page lead; what stands in code is none."""
    return LINK.findall(IN_CODE.sub("", FENCED.sub("", text)))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings: in lower case, blanks as hyphens, without punctuation, each once."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", text)):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = (f"{name}-{number}" for number in itertools.count(1))
        found.add(name if name not in found else next(one for one in again if one not in found))
    return found


def broken(page: Path, text: str = "") -> list[str]:
    """The links of a page (or of this text in its place) that lead nowhere within the project."""
    text = text or page.read_text(encoding="utf-8")
    found = []
    for target in links(text):
        file, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = page.parent / file if file else page
        whole = there.exists() and (not anchor or anchor in anchors(there.read_text(encoding="utf-8")))
        found += [] if whole else [f"{page.name}: {target}"]
    return found


class RfcPage(SynchronousTestCase):
    """docs/rfc.md"""

    def setUp(self) -> None:
        self.page = RFC_PAGE.read_text(encoding="utf-8")
        self.rows = rows(self.page)
        self.numbers = {number for one in self.rows for number in one.numbers}

    def section(self, title: str) -> str:
        """The text under a heading, up to the next one."""
        (found,) = (part for part in self.page.split("\n## ") if part.startswith(f"{title}\n"))
        return found

    def assert_mentioned(self, names: list[str], title: str) -> None:
        """Each of the names stands in a piece of code in that section, as a word of its own."""
        words = {word for code in IN_CODE.findall(self.section(title)) for word in code.split()}
        self.assertEqual([name for name in names if name not in words], [])

    def test_paths_exist(self) -> None:
        """Every module, test and dialogue that is named is there."""
        named = sorted(set(paths(self.page)))
        self.assertGreater(len(named), 50)
        self.assertEqual([name for name in named if not (ROOT / name).is_file()], [])

    def test_claims_are_shown(self) -> None:
        """What is done, or done in part, has its state, a module and a test."""
        for one in self.rows:
            self.assertRegex(one.state, r"^(?:done|part|not yet)(?:$|[;:,] )", one.text)
            if not one.state.startswith("not yet"):
                self.assertTrue(
                    one.where and all(name.startswith("mailnode/") for name in one.where), one.text
                )
                shown = one.shown_by and all(name.startswith("tests/") for name in one.shown_by)
                self.assertTrue(shown, one.text)
            if one.state.startswith("part"):
                self.assertRegex(one.state, "^part: .", one.text)

    def test_every_citation_has_a_row(self) -> None:
        """Each RFC that the code names has a row, and so has each that an extension is announced for."""
        sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "mailnode").rglob("*.py")}
        missing = {
            f"{path.relative_to(ROOT)}: RFC {number}"
            for path, source in sources.items()
            for number in cited(source) - self.numbers
        }
        self.assertEqual(missing, set())
        announced = {one.rfc for one in IMAP_EXTENSIONS} | {one.rfc for one in SMTP_EXTENSIONS if one.rfc}
        self.assertEqual(announced - self.numbers, set())

    def test_citations_are_found(self) -> None:
        """The search for citations sees lists and line ends, and takes no section for an RFC."""
        for text, numbers in (
            ("(RFC 2045, 2183, 3282).", {2045, 2183, 3282}),
            ("RFC 5234, 5321, 5322 and 3501, and 12 strict numbers", {5234, 5321, 5322, 3501}),
            ("`code` from RFC 2449 or 3206.", {2449, 3206}),
            ("(RFC\n    # 5321 section 4.5.3.1, RFC 3501 2.2)", {5321, 3501}),
            ("(RFC 3501 section 6.4.5 and 7.4.2), RFC822.SIZE", {3501}),
        ):
            self.assertEqual(cited(text), numbers, text)

    def test_every_capability_is_mentioned(self) -> None:
        """IMAP capabilities, SMTP keywords and POP3 capabilities stand in the sections of their protocols."""
        self.assert_mentioned([one.name for one in IMAP_EXTENSIONS], "IMAP")
        self.assert_mentioned([one.keyword for one in SMTP_EXTENSIONS], "SMTP and submission")
        self.assert_mentioned([one.line.split()[0] for one in CAPABILITIES], "POP3")


class SmtpPage(SynchronousTestCase):
    """docs/smtp.md"""

    def setUp(self) -> None:
        self.page = (ROOT / "docs" / "smtp.md").read_text(encoding="utf-8")

    def named(self, title: str) -> list[str]:
        """What the first cells of the table under a heading name, in code."""
        (found,) = (part for part in self.page.split("\n## ") if part.startswith(f"{title}\n"))
        first = [line.split("|")[1] for line in found.splitlines() if line.startswith("| `")]
        return [word for cell in first for word in IN_CODE.findall(cell)]

    def test_all_is_there(self) -> None:
        """Each command, extension and mechanism has its place, and nothing else has."""
        self.assertEqual(sorted(self.named("Commands")), sorted(VERBS))
        self.assertEqual(sorted(self.named("Extensions")), sorted(one.keyword for one in SMTP_EXTENSIONS))
        self.assertEqual(sorted(self.named("Mechanisms of AUTH")), sorted(MECHANISMS))

    def test_paths_exist(self) -> None:
        """Every test that is named is there, and every row names one."""
        self.assertEqual([name for name in paths(self.page) if not (ROOT / name).is_file()], [])
        rows = [line for line in self.page.splitlines() if line.startswith("| `")]
        self.assertEqual([line for line in rows if "`tests/" not in line.split("|")[-2]], [])


class ImapPage(SynchronousTestCase):
    """docs/imap.md"""

    def test_all_is_there(self) -> None:
        """Each capability has its place, and nothing else has."""
        page = (ROOT / "docs" / "imap.md").read_text(encoding="utf-8")
        (found,) = (part for part in page.split("\n## ") if part.startswith("What the server offers\n"))
        first = [line.split("|")[1] for line in found.splitlines() if line.startswith("| `")]
        named = [word for cell in first for word in IN_CODE.findall(cell) if word != "AUTH="]
        self.assertEqual(sorted(named), sorted(one.name for one in IMAP_EXTENSIONS))


class ArchitecturePage(SynchronousTestCase):
    """docs/architecture.md"""

    def test_all_floors(self) -> None:
        """The drawing has every room of setup.cfg, each once, and none above what it may import from."""
        drawing = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
        drawn = [f"mailnode.{name}" for name in re.findall(r"\b([a-z_0-9]+)(?:\.py|/)", drawing)]
        levels = {room: level for level, rooms in enumerate(floors()) for room in rooms}
        self.assertEqual(sorted(drawn), sorted(levels))
        self.assertEqual(drawn, sorted(drawn, key=lambda room: levels[room]))


class Links(SynchronousTestCase):
    """README.md, CHANGES.md and docs/, as a forge shows them; `make docs` looks at them as a site."""

    def test_relative_links(self) -> None:
        """Each leads to a file or folder that is there, and to a heading in it."""
        self.assertEqual([one for page in PAGES for one in broken(page)], [])

    def test_broken_ones_are_found(self) -> None:
        """A file that is not there, a heading that is not there; code is no link."""
        page = ROOT / "docs" / "commands.md"
        text = "[a](nothing.md) [b](store.md#nothing) [c](#nothing) `[d](e)` [f](store.md) [g](#commands)"
        self.assertEqual(
            broken(page, text),
            [f"commands.md: {one}" for one in ("nothing.md", "store.md#nothing", "#nothing")],
        )

    def test_links_to_elsewhere(self) -> None:
        """They are whole addresses under https; whether somebody is there is not asked."""
        found = [one for page in PAGES for one in links(page.read_text(encoding="utf-8")) if "://" in one]
        odd = [one for one in found if not re.fullmatch(r"https://[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/\S*)?", one)]
        self.assertEqual(odd, [])

    def test_anchors(self) -> None:
        """Headings have the anchors that forges give them."""
        page = "# A b\n## [tls.further] and `x_y`\n```\n# no heading\n```\n## A b\n### What's (not)?\n"
        self.assertEqual(anchors(page), {"a-b", "tlsfurther-and-x_y", "a-b-1", "whats-not"})


class Site(SynchronousTestCase):
    """What `make docs` asks of the pages it has built."""

    def test_what_is_loaded(self) -> None:
        """Pictures, scripts and styles of other servers are found; links to click on are none."""
        for text, name, found in (
            ('<img src="a.png"><a href="https://x.example/"><link rel="canonical" href="https://y/">', "", 0),
            ('<script src="//x.example/a.js"></script>', "", 1),
            ('<link rel="stylesheet" href="https://x.example/a.css"><img src="HTTP://x.example/">', "", 2),
            ('<img srcset="a.png 1x, https://x.example/a.png 2x">', "", 1),
            ("<style media='all'>@import 'https://x.example/a.css'</style>", "", 1),
            ("<p style='background: url(//x/y)'>", "", 1),
            ("a { src: url(../f.woff) } b { src: url('https://x.example/f.woff') }", "a.css", 1),
        ):
            self.assertEqual(len(from_elsewhere(name or "a.html", text)), found, text)
