"""`mailnode alias`, `list` and `domain`: edits that keep what people wrote and refuse what would be wrong."""

import json
from pathlib import Path

from mailnode.admin.toml_lines import end_of, without
from mailnode.config_reading import load
from mailnode.fs import FileSystem
from tests.admin.test_cli import HASHER, Commands

BOXES = """\
# the office

[mailboxes."anna@example.org"]
password = "HASH" # changed in May
send_as = [
  "info@example.org", # for the web page
]

[mailboxes."ben@example.org"]
password = "HASH"

# shared names, do not touch
[aliases]
"info@example.org" = ["Anna@example.org"]  # for the web page
# all of us
"all@Example.org" = [
  "anna@example.org", # the boss
  # and the other one
  "ben@example.org",
]

# the lists
[lists."team@example.org"]
members = [
    "anna@example.org", # a
    "x@partner.example" # b
] # end
# about nothing
"""


class NamesCase(Commands):
    """With the mailboxes above."""

    def setUp(self) -> None:
        super().setUp()
        self.init()
        self.text = BOXES.replace("HASH", HASHER.hash("x"))
        self.boxes.write_text(self.text)

    def aliases(self) -> dict[str, tuple[str, ...]]:
        return dict(load(str(self.path), FileSystem()).mailboxes.aliases)

    def changed(self, *lines: tuple[str, str]) -> None:
        """The file is what it was, but that one text stands for another each."""
        text = self.text
        for before, after in lines:
            self.assertEqual(text.count(before), 1, before)
            text = text.replace(before, after)
        self.assertEqual(self.boxes.read_text(), text)


class AliasTests(NamesCase):
    """mailnode alias"""

    def test_add(self) -> None:
        """A new one stands behind the others, and leads where it was said, each once."""
        output = self.mailnode(
            "alias", "add", "Sales@example.org", "ben@example.org", "y@b.example", "ben@example.org"
        )
        self.assertIn("sales@example.org goes to ben@example.org", output)
        self.assertIn("not running", output)
        line = '"sales@example.org" = ["ben@example.org", "y@b.example"]\n'
        self.changed(('  "ben@example.org",\n]\n', f'  "ben@example.org",\n]\n{line}'))
        self.assertEqual(self.aliases()["sales@example.org"], ("ben@example.org", "y@b.example"))
        self.mailnode("alias", "add", "@example.org", "anna@example.org")
        self.assertEqual(self.aliases()["@example.org"], ("anna@example.org",))

    def test_more(self) -> None:
        """To one that is there more is added, whatever letters it is written in; who is there stays."""
        self.mailnode("alias", "add", "ALL@example.org", "anna@example.org", "y@b.example")
        self.changed(('  "ben@example.org",\n]', '  "ben@example.org",\n  "y@b.example",\n]'))

    def test_remove(self) -> None:
        """Some of whom it leads to, or all of it; the last one takes the alias with it."""
        self.mailnode("alias", "remove", "all@example.org", "anna@example.org")
        self.changed(('  "anna@example.org", # the boss\n', ""))
        self.mailnode("alias", "remove", "all@example.org", "ben@example.org")
        self.assertEqual(list(self.aliases()), ["info@example.org"])
        self.boxes.write_text(self.text)
        self.mailnode("alias", "remove", "All@example.org")
        begin, end = self.text.index('"all@'), self.text.index("\n# the lists")
        self.assertEqual(self.boxes.read_text(), self.text[:begin] + self.text[end:])

    def test_refused(self) -> None:
        """What makes no sense, or a file that would be refused, changes nothing."""
        for arguments, said in (
            (("add", "anna@example.org", "ben@example.org"), "is a mailbox and an alias at once"),
            (("add", "x@other.example", "ben@example.org"), "is in no domain of this server"),
            (("add", "y@example.org", "nobody@example.org"), "is no mailbox, alias or list"),
            (("add", "y@example.org", "y@example.org"), "leads into a circle"),
            (("remove", "info@example.org"), "info@example.org"),
            (("remove", "nobody@example.org"), "there is no alias nobody@example.org"),
            (("remove", "all@example.org", "x@partner.example"), "is not in the alias all@Example.org"),
        ):
            if said == "info@example.org":
                continue  # see test_used
            self.assertIn(said, self.mailnode("alias", *arguments, code=1))
        self.assertEqual(self.boxes.read_text(), self.text)
        for bad in (("add", "x"), ("add", "x", "y@b.example"), ("add", "a@example.org", "y")):
            self.mailnode("alias", *bad, code=2)

    def test_used(self) -> None:
        """An alias that another leads to stays."""
        self.mailnode("alias", "add", "all@example.org", "info@example.org")
        before = self.boxes.read_text()
        self.assertIn("is no mailbox", self.mailnode("alias", "remove", "info@example.org", code=1))
        self.assertEqual(self.boxes.read_text(), before)

    def test_list(self) -> None:
        """For people and for programs."""
        self.assertEqual(
            self.mailnode("alias", "list").splitlines(),
            ["info@example.org -> anna@example.org", "all@example.org -> anna@example.org, ben@example.org"],
        )
        told = json.loads(self.mailnode("alias", "list", "--json"))
        self.assertEqual(told["info@example.org"], ["anna@example.org"])

    def test_every_form(self) -> None:
        """However the table is written, adding and removing leaves what it means."""
        box = self.text.split("# shared")[0]
        for table in (
            "",
            "[aliases]\n",
            "[aliases]\n# none\n",
            'aliases = { "i@example.org" = ["ben@example.org"] } # all\n',
            'aliases."i@example.org" = ["ben@example.org"]\n',
            "[aliases] # on one line\n\"i@example.org\" = ['ben@example.org']\n",
        ):
            text = f"{table}{box}" if table.startswith("aliases") else f"{box}{table}"
            self.boxes.write_text(text)
            before = self.aliases()
            self.mailnode("alias", "add", "info@example.org", "anna@example.org")
            self.assertEqual(self.aliases(), {**before, "info@example.org": ("anna@example.org",)}, table)
            self.mailnode("alias", "remove", "info@example.org") if "send_as" not in table else None
            self.assertEqual(self.aliases(), before, table)
            if table.startswith("[aliases]"):
                self.assertEqual(self.boxes.read_text(), text)


class ListTests(NamesCase):
    """mailnode list"""

    def test_add_and_remove(self) -> None:
        """A list has its members and what was said of it; removed, the file is as it was."""
        facts = ("--name", "All of us", "--posting", "moderated", "--moderator", "anna@example.org")
        self.mailnode("list", "add", "Club@example.org", "ben@example.org", "ben@example.org", *facts)
        entry = load(str(self.path), FileSystem()).mailboxes.lists["club@example.org"]
        self.assertEqual(
            (entry.members, entry.name, entry.posting), (("ben@example.org",), "All of us", "moderated")
        )
        self.assertEqual((entry.moderators, entry.owner), (("anna@example.org",), ""))
        self.assertIn(
            "there already", self.mailnode("list", "add", "club@example.org", "a@b.example", code=1)
        )
        self.mailnode("list", "remove", "club@example.org")
        self.assertEqual(self.boxes.read_text().rstrip(), self.text.rstrip())

    def test_members(self) -> None:
        """People join and leave; comments stay with those they are about."""
        self.mailnode("list", "join", "team@example.org", "Ben@example.org", "anna@example.org")
        self.changed(('"x@partner.example" # b\n', '"x@partner.example", # b\n    "ben@example.org"\n'))
        self.mailnode("list", "leave", "team@example.org", "ben@example.org", "anna@example.org")
        self.changed(('    "anna@example.org", # a\n    "x@partner.example" #', '    "x@partner.example", #'))
        self.assertIn(
            "is not in the list", self.mailnode("list", "leave", "team@example.org", "a@b.example", code=1)
        )
        said = self.mailnode("list", "leave", "team@example.org", "x@partner.example", code=1)
        self.assertIn("mailnode list remove team@example.org", said)

    def test_change(self) -> None:
        """Facts are set beside the members, and taken out again."""
        self.mailnode(
            "list", "change", "team@example.org", "--owner", "anna@example.org", "--posting", "members"
        )
        new = '] # end\nposting = "members"\nowner = "anna@example.org"\n'
        self.changed(("] # end\n", new))
        self.mailnode("list", "change", "team@example.org", "--owner", "", "--posting", "open")
        self.changed(("] # end\n", '] # end\nposting = "open"\n'))
        for arguments in ((), ("--posting", "all"), ("--unsubscribe", "http://x"), ("--owner", "x")):
            self.mailnode("list", "change", "team@example.org", *arguments, code=2)
        said = self.mailnode("list", "change", "team@example.org", "--owner", "z@example.org", code=1)
        self.assertIn("is no mailbox, alias or list", said)
        self.assertIn(
            "there is no list", self.mailnode("list", "change", "x@example.org", "--name", "x", code=1)
        )

    def test_no_moderators(self) -> None:
        """They are set, and taken out again; an empty text beside others is none of them."""
        moderators = ("--moderator", "anna@example.org", "--moderator", "")
        self.mailnode("list", "change", "team@example.org", "--posting", "moderated", *moderators)
        new = '] # end\nmoderators = ["anna@example.org"]\nposting = "moderated"\n'
        self.changed(("] # end\n", new))
        self.mailnode("list", "change", "team@example.org", "--moderator", "")
        self.changed(("] # end\n", '] # end\nposting = "moderated"\n'))
        self.mailnode("list", "change", "team@example.org", "--moderator", "x", code=2)

    def test_show(self) -> None:
        """One of them, or all in short."""
        self.assertEqual(self.mailnode("list", "list"), "team@example.org  2 members, open\n")
        shown = self.mailnode("list", "show", "Team@example.org").splitlines()
        self.assertEqual(shown, ["posting: open", "members:", "  anna@example.org", "  x@partner.example"])
        told = json.loads(self.mailnode("list", "show", "team@example.org", "--json"))
        self.assertEqual((told["address"], len(told["members"])), ("team@example.org", 2))
        self.assertEqual(list(json.loads(self.mailnode("list", "list", "--json"))), ["team@example.org"])
        self.assertIn("mailnode list list", self.mailnode("list", "show", "x@example.org", code=1))


class DomainTests(NamesCase):
    """mailnode domain"""

    def test_add_and_remove(self) -> None:
        """A domain comes behind the others; the rest of the file, and who may read it, stay."""
        before = self.path.read_text()
        self.path.chmod(0o644)
        self.assertIn("Next: mailnode dns example.net", self.mailnode("domain", "add", "Example.net"))
        after = self.path.read_text()
        self.assertEqual(after, before.replace('["example.org"]', '["example.org", "example.net"]'))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o644)
        self.assertIn("there already", self.mailnode("domain", "add", "example.net", code=1))
        told = json.loads(self.mailnode("domain", "list", "--json"))
        self.assertEqual(told["example.org"], {"mailboxes": 2, "aliases": 2, "lists": 1})
        told = "example.org  2 mailboxes, 2 aliases, 1 list\nexample.net  0 mailboxes, 0 aliases, 0 lists\n"
        self.assertIn(told, self.mailnode("domain", "list"))
        self.mailnode("domain", "remove", "example.net")
        self.assertEqual(self.path.read_text(), before)

    def test_refused(self) -> None:
        """The only one stays, and so does one in which somebody has a name."""
        self.assertIn("is the only domain", self.mailnode("domain", "remove", "example.org", code=1))
        self.mailnode("domain", "add", "example.net")
        before = self.path.read_bytes()
        said = self.mailnode("domain", "remove", "example.org", code=1)
        self.assertIn("nothing was changed\nmailboxes.toml:3: mailboxes.", said)
        self.assertIn(
            "there is no domain other.example", self.mailnode("domain", "remove", "other.example", code=1)
        )
        self.assertEqual(self.path.read_bytes(), before)
        self.mailnode("domain", "add", "nodots", code=2)


class LineTests(NamesCase):
    """mailnode.admin.toml_lines"""

    def test_end_of(self) -> None:
        """A value may have several lines, with brackets in texts and comments."""
        for value, lines in (
            ('"x"', 1),
            ('[\n"]", # ]\n]', 3),
            ("'''\n]\n'''", 3),
            ("[ # [\n]", 2),
            ("[", 1),
        ):
            self.assertEqual(end_of(f"a = 1\nb = {value}\nc = 2\n", 2), 1 + lines, value)

    def test_mailbox_with_a_long_value(self) -> None:
        """A mailbox whose last value has several lines is removed whole."""
        text = without(self.text, ("mailboxes", "anna@example.org"))
        self.assertTrue(text.startswith('# the office\n\n[mailboxes."ben@example.org"]\n'), text[:200])


class CompletionTests(NamesCase):
    """mailnode completion, and what it leads to."""

    def complete(self, *words: str) -> list[str]:
        """What bash is offered for the last of these words."""
        line = " ".join(["mailnode", "--config", str(self.path), *words])
        environment = {
            "_MAILNODE_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        result = self.run_command_in(environment)
        return [one.partition(",")[2] for one in result.splitlines() if one]

    def run_command_in(self, environment: dict[str, str]) -> str:
        from click.testing import CliRunner

        from mailnode.admin import cli

        return str(CliRunner().invoke(cli.main, [], env=environment, prog_name="mailnode").output)

    def test_names(self) -> None:
        """Commands, options and names of this server are offered."""
        self.assertIn("doctor", self.complete("do"))
        self.assertEqual(self.complete("mailbox", "passwd", "an"), ["anna@example.org"])
        self.assertEqual(self.complete("list", "show", ""), ["team@example.org"])
        self.assertEqual(self.complete("alias", "remove", "I"), ["info@example.org"])
        self.assertEqual(self.complete("route", "t"), ["team@example.org"])
        self.assertIn("--json", self.complete("alias", "list", "--j"))
        self.path = Path("/nowhere/mailnode.toml")
        self.assertEqual(self.complete("mailbox", "passwd", "an"), [])

    def test_scripts(self) -> None:
        """Each shell has its script, on the standard output alone."""
        for shell in ("bash", "zsh", "fish"):
            output = self.run_command("completion", shell).stdout
            self.assertIn(f"_MAILNODE_COMPLETE={shell}_complete", output)
            self.assertNotIn("belongs into", output)
        self.run_command("completion", "csh")
