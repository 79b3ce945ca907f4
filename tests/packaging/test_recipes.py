"""The recipes of packages: what they name is there, and what they run are commands that exist."""

import json
import os
import re
import subprocess
from pathlib import Path

from click.testing import CliRunner
from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from mailnode import __version__
from mailnode.admin.cli import main
from mailnode.config import DEFAULT_LISTENERS

ROOT = Path(__file__).resolve().parent.parent.parent
DEBIAN = ROOT / "packaging" / "debian"
SCRIPTS = ("mailnode.postinst", "mailnode.prerm", "mailnode.postrm")
CONFIG = "/etc/mailnode/mailnode.toml"


class DebianTests(SynchronousTestCase):
    """packaging/debian"""

    def text(self, name: str) -> str:
        """A file of the recipe."""
        return (DEBIAN / name).read_text(encoding="utf-8")

    def test_version(self) -> None:
        """The package has the version of the program."""
        found = re.match(r"mailnode \((\S+)\) ", self.text("changelog"))
        self.assertEqual(found and found[1], __version__)

    def test_files_are_there(self) -> None:
        """What the rules and lists take from the checkout is in it."""
        named = set(re.findall(r"\betc/[\w./$-]+", self.text("rules")))
        self.assertGreater(len(named), 3)
        for name in named:
            for unit in ("service", "socket"):
                path = name.replace("$$unit", unit)
                self.assertTrue((ROOT / path).is_file(), path)
        for line in (self.text("mailnode.docs") + self.text("mailnode.examples")).splitlines():
            self.assertTrue(list(ROOT.glob(line)), line)
        place = re.findall(r"(?m)^PLACE = (\S+)$", self.text("rules"))
        self.assertEqual(
            self.text("mailnode.links").split(), [f"{place[0][1:]}/bin/mailnode", "usr/bin/mailnode"]
        )

    def test_scripts(self) -> None:
        """The scripts are the shell's, stop at what fails, and remove no more than twistd's cache."""
        for name in SCRIPTS:
            subprocess.run(["sh", "-n", str(DEBIAN / name)], check=True)
            text = self.text(name)
            self.assertTrue(text.startswith("#!/bin/sh\nset -e\n"), name)
            self.assertIn("\n#DEBHELPER#\n", text)
            removed = re.findall(r"\brm\b.*", text)
            self.assertEqual([line for line in removed if not line.endswith("/dropin.cache")], [])
        self.assertTrue(os.access(DEBIAN / "rules", os.X_OK))

    def test_first_steps(self) -> None:
        """What README.Debian tells to type are commands that the program has, with options that it has."""
        text = self.text("mailnode.README.Debian").replace("\\\n", " ")
        lines = [line.split() for line in text.splitlines() if line.startswith("  ") and "mailnode" in line]
        typed = [
            words[words.index("--") + 2 if "--" in words else 1 :]
            for words in lines
            if words[0] != "systemctl"
        ]
        self.assertEqual([words[0] for words in typed], ["init", "mailbox", "alias", "check", "doctor"])
        for words in typed:
            assert_parses(words)


class InstallingTests(SynchronousTestCase):
    """docs/installing.md"""

    def setUp(self) -> None:
        self.text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
        self.lines = (
            "".join(re.findall(r"(?ms)^```\n(.*?)^```$", self.text)).replace("\\\n", " ").splitlines()
        )

    def test_commands(self) -> None:
        """What is to be typed are commands that the program has."""
        typed = [
            re.search(r"(?:^|-- |mailnode +)mailnode ((?:init|mailbox|alias|check|doctor)\b.*)", line)
            for line in self.lines
        ]
        found = [one[1].split() for one in typed if one]
        self.assertGreaterEqual(len(found), 8)
        for words in found:
            assert_parses(words)

    def test_files(self) -> None:
        """What is to be copied, built and read is there."""
        named = set(re.findall(r"(?<!/)\b(?:etc|packaging)/[\w./]+\w", self.text))
        self.assertGreater(len(named), 4)
        self.assertEqual([name for name in named if not (ROOT / name).exists()], [])
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in re.findall(r"\bmake (dist|deb|man)\b", self.text):
            self.assertRegex(makefile, rf"(?m)^{target}: ")


def assert_parses(words: list[str]) -> None:
    """The command is there, and has all these options."""
    shown = CliRunner().invoke(main, [*words, "--help"])
    assert shown.exit_code == 0, shown.output
    known = shown.output + CliRunner().invoke(main, ["--help"]).output
    assert all(word in known for word in words if word.startswith("--")), words


class ContainerTests(SynchronousTestCase):
    """packaging/Containerfile"""

    def setUp(self) -> None:
        text = (ROOT / "packaging" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.steps = [(line.split()[0], line.partition(" ")[2]) for line in lines]

    def step(self, kind: str) -> str:
        """The last step of a kind, which is the one that counts."""
        return [text for name, text in self.steps if name == kind][-1]

    def test_copies(self) -> None:
        """All that is copied is there, and is all that the package is built from."""
        copied = [text.split()[:-1] for name, text in self.steps if name == "COPY" and "--from" not in text]
        names = {name for one in copied for name in one}
        self.assertEqual({name for name in names if not (ROOT / name).exists()}, set())
        read = re.findall(
            r"(?m)^(?:license_files = |long_description = file: )(\S+)", (ROOT / "setup.cfg").read_text()
        )
        self.assertEqual({"mailnode", "twisted", "setup.cfg", "pyproject.toml", *read} - names, set())

    def test_commands(self) -> None:
        """The server starts in the foreground with the volume's configuration, of which health is asked."""
        program, *arguments = json.loads(self.step("CMD"))
        self.assertEqual(program, "twistd")
        options = ServerOptions()
        options.parseOptions(arguments)
        self.assertEqual((options.subCommand, options["nodaemon"]), ("mailnode", 1))
        self.assertEqual(options.subOptions["config"], CONFIG)
        program, *arguments = json.loads(self.step("HEALTHCHECK").partition("CMD ")[2])
        self.assertEqual((program, arguments[:2]), ("mailnode", ["--config", CONFIG]))
        assert_parses(arguments)

    def test_around(self) -> None:
        """It does not run as root, has its files on volumes, and tells of all ports."""
        self.assertEqual(self.step("USER"), "mailnode")
        self.assertEqual(json.loads(self.step("VOLUME")), [os.path.dirname(CONFIG), "/var/lib/mailnode"])
        ports = [listener.endpoint.removeprefix("tcp:") for listener in DEFAULT_LISTENERS]
        self.assertEqual(self.step("EXPOSE").split(), ports)
