"""All commands of `mailnode` together: what one may expect of each, found by walking through click's tree."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner, Result

from mailnode.admin import cli
from mailnode.admin.command import Command
from mailnode.admin.outside import Outside
from tests.admin.test_cli import Commands

Words = tuple[str, ...]

ROOT = Path(__file__).parent.parent.parent
MAKING = ("init", "demo", "completion")  # that need no configuration, but make something
VERBS = """
    add adopt backup bounce change check completion demo dns doctor drop explain hold imap init join
    leave list log maildir mbox passwd quota reindex release reload remove renew request restore
    retry route show stats status undelete verify
"""


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[Words, click.Command]]:
    """All commands, the groups among them, by their words."""
    yield path, command
    if isinstance(command, click.Group):
        for word, inner in command.commands.items():
            yield from walk(inner, (*path, word))


ALL = dict(walk(cli.main))
LEAVES = {path: one for path, one in ALL.items() if not isinstance(one, click.Group)}


def examples(command: click.Command) -> list[list[str]]:
    """The command lines below "Example:", in words, without the program's name."""
    text = (command.help or "").partition("Example:\n")[2].partition("\n\n")[0]
    return [words_of(line) for line in text.splitlines() if line.strip()]


def words_of(line: str) -> list[str]:
    """What the program gets of a line that a shell runs."""
    return shlex.split(re.split(r" [|>] ", line)[0])[1:]


def documented() -> Iterator[list[str]]:
    """The same of docs/commands.md."""
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    for block in re.findall(r"```\n(.*?)```", text, re.DOTALL):
        for line in re.findall(r"(?m)^(mailnode .*)$", block):
            yield words_of(line)


def parsed(words: list[str]) -> tuple[tuple[str, ...], click.Context]:
    """Which command that is, with its arguments taken and checked; nothing is run. Raises UsageError."""
    context = cli.main.make_context("mailnode", list(words))
    context.obj = Command("/nowhere/mailnode.toml", Outside())
    path: tuple[str, ...] = ()
    while isinstance(context.command, click.Group):
        word, command, rest = context.command.resolve_command(context, context.protected_args + context.args)
        assert word is not None and command is not None
        path = (*path, word)
        context = command.make_context(word, rest, parent=context)
    return path, context


class Tree(Commands):
    """Each command, each option, each example."""

    def test_words(self) -> None:
        """A noun and a verb, or one word; each says in a sentence what it does, and has an example."""
        self.assertGreater(len(LEAVES), 40)
        self.assertEqual({path[-1] for path in LEAVES} - {*VERBS.split()}, set())
        for path, command in ALL.items():
            self.assertLessEqual(len(path), 2, path)
            first = (command.help or "").partition("\n\n")[0]
            self.assertRegex(first, r"(?s)^\S.*\.$", path)
            self.assertTrue(examples(command), path)
            for option in command.params:
                if isinstance(option, click.Option):
                    self.assertRegex(option.help or "", r"[.;]?.*\.$", (path, option.name))

    def test_json(self) -> None:
        """What shows something does so for programs too, by one and the same option."""
        showing = {"list", "show", "verify", "stats", "adopt", "check", "status", "explain", "log", "dns"}
        for path, command in LEAVES.items():
            options = {word: option for option in command.params for word in option.opts}
            self.assertTrue("--json" in options or path[-1] not in showing, path)
            if "--json" in options:
                self.assertEqual((options["--json"].name, options["--json"].is_flag), ("as_json", True), path)  # type: ignore[attr-defined]

    def test_examples(self) -> None:
        """Each is a command line that is right, of its command; in the documentation too."""
        for path, command in LEAVES.items():
            for words in examples(command):
                self.assertEqual(self.understood(words), path, words)
        found = [self.understood(words) for words in documented()]
        self.assertGreater(len(found), 60)
        self.assertEqual(set(LEAVES) - set(found), set())

    def understood(self, words: list[str]) -> tuple[str, ...]:
        """Which command it is; files and folders need not be there."""
        self.patch(click.Path, "convert", lambda self, value, parameter, context: value)
        try:
            return parsed(words)[0]
        except click.UsageError as error:
            raise self.failureException(f"{words}: {error.format_message()}") from None

    def test_help(self) -> None:
        """-h and --help say the same, and end well; an option that nobody knows is a wrong command line."""
        for path in ALL:
            long, short = (self.run_command(*path, word) for word in ("--help", "-h"))
            self.assertEqual((long.exit_code, long.output), (0, short.output), path)
            self.assertEqual(self.run_command(*path, "--no-such-option").exit_code, 2, path)


class WithoutConfiguration(Commands):
    """A configuration that is not there, or has a mistake."""

    def run_example(self, path: tuple[str, ...]) -> Result:
        there = ("/srv/", "/home/", "~")
        words = [str(self.folder) if word.startswith(there) else word for word in examples(LEAVES[path])[0]]
        own = ("--config", str(self.path))
        return CliRunner().invoke(cli.main, [*own, *words], input="y\ny\n", obj=Outside(sleep=lambda _: None))

    def test_exit_codes(self) -> None:
        """1, and a line that says what is wrong and where; never a traceback, and nothing is written."""
        self.path.parent.mkdir(parents=True)
        for text in (None, "hostname = 5\n"):
            if text is not None:
                self.path.write_text(text)
            for path in LEAVES:
                if path[0] in MAKING:
                    continue
                done = self.run_example(path)
                self.assertIsInstance(done.exception, SystemExit, (path, done.exception))
                self.assertEqual(done.exit_code, 1, (path, done.output))
                self.assertTrue(done.output.strip(), path)
        self.assertEqual([one.name for one in self.path.parent.iterdir()], ["mailnode.toml"])

    def test_json(self) -> None:
        """What shows something prints JSON and nothing else, also where there is nothing to show."""
        self.init()
        for path, command in LEAVES.items():
            options = {word for one in command.params for word in one.opts}
            if "--json" not in options or any(one.required for one in command.params):
                continue
            offline = ["--offline"] if "--offline" in options else []
            done = self.run_command("--config", str(self.path), *path, "--json", *offline)
            self.assertIn(done.exit_code, (0, 1, 2), path)
            if done.exit_code != 2 and done.stdout:
                json.loads(done.stdout)
