"""docs/configuration.md and docs/commands.md against the code; commands in all documents against click."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import dropwhile
from pathlib import Path
from typing import Annotated, Literal, get_type_hints

import click
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.cli import main
from mailnode.config import Config, Listener, MailboxEntry, Mailboxes
from mailnode.config_auth import Auth
from mailnode.config_quota import Messages, Octets
from mailnode.config_rules import FilePath, between, domain_name
from mailnode.tomlfile import TomlFile
from tools import reference

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^ *```(.*?)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)  # its language, and what is in it
BEFORE = re.compile(r"sudo|root|do|then|if|!|[\d*]+")  # may stand before a command, also in cron's tables
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


@dataclass(frozen=True)
class Sample:
    """A field of every kind."""

    text: str
    seconds: Annotated[int, between(0, 2**53, "seconds")] = 5
    few: Annotated[int, between(1, 7)] = 2
    names: tuple[Annotated[str, domain_name], ...] = ("a.example",)
    path: FilePath = ""
    word: Literal["one", "two", "three"] = "one"
    many: Literal["a", "b", "c", "d", "e"] = "a"
    chosen: tuple[Literal["a", "b", "c"], ...] = ("a", "b")
    size: Octets = 3 * 2**30
    odd: Octets = 1000
    count: Messages = None
    switch: bool = True


def page(name: str) -> str:
    """A page of the documentation."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


class Reference(SynchronousTestCase):
    """What is written from the code."""

    def test_current(self) -> None:
        """Both pages are what `python -m tools.reference` writes."""
        for name, write in reference.PAGES.items():
            self.assertEqual(page(name), write(page(name)), f"{name}: run python -m tools.reference")

    def test_changes_are_seen(self) -> None:
        """Another default, type or option in a page is put right."""
        for name, right, wrong in (
            ("configuration.md", "| `smtp_timeout` | seconds, 1 or more | 300 |", "| `smtp_timeout` | 5 |"),
            ("commands.md", "`mailnode alias remove NAME [TARGET]...`", "`mailnode alias remove NAME`"),
            ("commands.md", "| `--repair` | Mend what can be mended; no message is removed. |\n", ""),
        ):
            changed = page(name).replace(right, wrong)
            self.assertNotEqual(changed, page(name))
            self.assertEqual(reference.PAGES[name](changed), page(name))

    def test_missing(self) -> None:
        """What the page has and the code has not is named, and the other way round."""
        for name, there, instead, said in (
            ("configuration.md", "| `workers`", "| `workes`", "differ: workers, workes"),
            ("configuration.md", "### [pop3]", "### [pop]", r"below \[pop\] is of nothing"),
            ("configuration.md", "### [[listener]]", "", "second one"),
            ("commands.md", "## mailnode queue drop", "## mailnode queue dropp", "queue dropp is no command"),
            ("commands.md", "## mailnode queue drop", "### mailnode queue drop", "no section for .*drop"),
            ("commands.md", "```\nmailnode queue drop", "mailnode queue drop", "has no example"),
        ):
            changed = page(name).replace(there, instead, 1)
            self.assertNotEqual(changed, page(name))
            with self.assertRaisesRegex(reference.Missing, said):
                reference.PAGES[name](changed)

    def test_words(self) -> None:
        """Each kind of field has its words, and its default as the file would have it."""
        keys = reference._keys(Sample)
        self.assertEqual(
            [keys[one.name] for one in fields(Sample)],
            [
                ("text", "must be given"),
                ("seconds, 0 or more", "5"),
                ("number, 1 to 7", "2"),
                ("list of domain names", '`["a.example"]`'),
                ("path", '`""`'),
                ('`"one"`, `"two"` or `"three"`', '`"one"`'),
                ("one of those named", '`"a"`'),
                ("list of names", "all but c"),
                ('size or `"none"`', '`"3 GiB"`'),
                ('size or `"none"`', '`"1000"`'),
                ('number or `"none"`', '`"none"`'),
                ("true or false", "true"),
            ],
        )

    def test_must_be_given(self) -> None:
        """The two keys that are said to be needed are those that an empty file is told of first."""
        expected = (ROOT / "tests" / "bad_configs" / "empty.expect").read_text(encoding="utf-8")
        told = re.findall(r": (\w+): is missing", expected)
        keys = reference._keys(Config)
        self.assertEqual(told, [name for name, known in keys.items() if known[1] == "must be given"])

    def test_choices_are_named(self) -> None:
        """Where the type does not name the choices, the text does."""
        text = page("configuration.md")
        for shape, key in ((Listener, "protocol"), (Auth, "mechanisms"), (MailboxEntry, "language")):
            choices = re.findall(r"'([^']+)'", str(get_type_hints(shape)[key]))
            self.assertGreater(len(choices), 3)
            self.assertEqual([one for one in choices if not re.search(f'`"?{one}"?`', text)], [])

    def test_exit_codes(self) -> None:
        """Commands that say in their help what an exit code means say so in their section too."""
        sections = {one.partition("\n")[0]: one for one in page("commands.md").split("\n## ")}
        for name, command in reference.leaves(main, "mailnode"):
            if "xit code" in (command.help or ""):
                self.assertIn("xit code", " ".join(sections[name].split()), name)


class Examples(SynchronousTestCase):
    """The commands in README.md and docs/."""

    def test_each_is_understood(self) -> None:
        """Each is a command that there is, with options and arguments that it takes."""
        found = [(one.name, words) for one in PAGES for words in in_code(one.read_text(encoding="utf-8"))]
        self.assertGreater(len(found), 50)
        wrong = [f"{name}: {' '.join(words)}: {said}" for name, words in found if (said := refused(words))]
        self.assertEqual(wrong, [])

    def test_every_command_has_one(self) -> None:
        """Each command is shown at work in docs/commands.md, and by its own help."""
        shown = [" ".join(words) for words in in_code(page("commands.md"))]
        for name, command in reference.leaves(main, "mailnode"):
            words = name.removeprefix("mailnode ")
            self.assertTrue(any(f"{one} ".startswith(f"{words} ") for one in shown), name)
            self.assertIn("Example:", command.help or "", name)

    def test_mistakes_are_found(self) -> None:
        """Unknown commands and options, missing and wrong arguments; within pipes and behind sudo too."""
        text = (
            "```\nmailnode chek\nsudo /opt/x/bin/mailnode check --jsn\ncat x | mailnode mailbox add > y\n"
            "mailnode mailbox add a@b.example \\\n    --language xx\nmailnode check  # --not-this\n"
            'mailnode list change l@b.example --name ""\n```\n'
        )
        said = [refused(words) for words in in_code(text)]
        self.assertEqual([bool(one) for one in said], [True, True, True, True, False, False], said)


class Snippets(SynchronousTestCase):
    """The pieces of configuration in README.md and docs/."""

    def test_each_is_understood(self) -> None:
        """Each has keys that there are, with values of their kind; hashes are cut short."""
        found = [(one.name, text) for one in PAGES for text in in_toml(one.read_text(encoding="utf-8"))]
        self.assertGreater(len(found), 20)
        wrong = [f"{name}: {said}" for name, text in found for said in mistakes(text)]
        self.assertEqual([one for one in wrong if ".password: " not in one], [])

    def test_mistakes_are_found(self) -> None:
        """Unknown keys, values out of range, and what is no TOML, in either file."""
        for text in ("workes = 1", "workers = 99", "workers 1", '[aliases]\n"a" = []'):
            self.assertEqual(len(mistakes(text)), 1, text)


def in_toml(text: str) -> Iterator[str]:
    """The pieces of configuration on a page; an attack that is kept as data is none."""
    for fence in FENCE.finditer(text):
        if fence[1] == "toml" and "[[vector]]" not in fence[2]:
            yield fence[2]


def mistakes(text: str) -> list[str]:
    """What is wrong with a piece of mailnode.toml, or of mailboxes.toml."""
    file = TomlFile("x.toml", text.encode())
    of_people = re.search(r"^\[(?:mailboxes|aliases|lists)\b", text, re.MULTILINE)
    file.structure(Mailboxes if of_people else Config)
    return [str(one) for one in file.mistakes]


def in_code(text: str) -> Iterator[list[str]]:
    """The words behind `mailnode` of each command in fenced code, `--config FILE` taken away."""
    for fence in FENCE.finditer(text):
        for line in fence[2].replace("\\\n", " ").splitlines() if fence[1] in ("", "sh") else ():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
            lexer.whitespace_split = True
            yield from _commands(lexer, line)


def _commands(lexer: shlex.shlex, line: str) -> Iterator[list[str]]:
    if "mailnode" not in line or line.count("'") % 2:
        return
    commands: list[list[str]] = [[]]
    for word in lexer:
        marks = set(word) or {"word"}  # "" is one too
        if marks <= set("<>&") and word != "&&":
            next(lexer, None)  # a file
        elif marks <= set("|;&()"):
            commands.append([])
        else:
            commands[-1].append(word)
    for words in commands:
        words = list(dropwhile(BEFORE.fullmatch, words))
        if words and words[0].rpartition("/")[2] == "mailnode":
            yield words[3:] if words[1:2] == ["--config"] else words[1:]


def refused(words: list[str]) -> str:
    """What click says against a command; "" where it takes it. Files need not be there."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group):
        if not rest or rest[0] not in command.commands:
            return "" if rest[:1] in (["--help"], ["--version"]) else f"no command {rest[:1]}"
        command = command.commands[rest.pop(0)]
    if "--help" in rest:
        return ""
    try:
        command.make_context("mailnode", rest, **main.context_settings)
    except click.UsageError as error:
        said = error.format_message()
        return "" if "does not exist" in said else said
    return ""
