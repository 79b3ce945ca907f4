"""What is announced is what is done, and what is done is what is announced."""

import re

from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.binary_items import NAMES
from mailnode.imap.extensions import EXTENSIONS
from mailnode.imap.fetch_items import ATTRIBUTES, MACROS
from mailnode.imap.search_keys import SEARCH_KEYS
from mailnode.imap.session import State
from mailnode.imap.table import COMMANDS
from tests.imap.dialog import dialogs


class HonestyTests(SynchronousTestCase):
    """The tables against the dialogues."""

    def setUp(self) -> None:
        self.dialogs = dialogs()
        self.said = "\n".join(
            line[3:] for dialog in self.dialogs for line in dialog.lines if line.startswith(("C: ", "D: "))
        ).upper()

    def test_every_dialogue_names_its_rfc(self) -> None:
        """The first line says where the behaviour is written, and what it is."""
        for dialog in self.dialogs:
            self.assertRegex(dialog.title, r"^# RFC \d+[^:]*: .+", dialog.name)

    def test_every_capability_has_a_dialogue(self) -> None:
        """Each row names an RFC that a dialogue is about, or stands by name in one."""
        titles = "\n".join(dialog.title for dialog in self.dialogs)
        for extension in EXTENSIONS:
            named = re.search(rf"(?<![\w-]){re.escape(extension.name)}(?![\w-])", titles) is not None
            shown = any(extension.name in line for dialog in self.dialogs for line in dialog.lines)
            self.assertTrue(named or f"RFC {extension.rfc}" in titles, extension.name)
            self.assertTrue(shown, extension.name)

    def test_one_kind_of_literals(self) -> None:
        """LITERAL+ and LITERAL- are not announced together (RFC 7888 section 5)."""
        self.assertEqual(len([one for one in EXTENSIONS if one.name in ("LITERAL+", "LITERAL-")]), 1)

    def test_every_command_of_a_capability_exists(self) -> None:
        """No row announces a command that there is not."""
        for extension in EXTENSIONS:
            self.assertLessEqual(set(extension.commands), COMMANDS.keys())

    def test_every_command_is_said(self) -> None:
        """Each row of the command table is reached by a dialogue, and none can be given after LOGOUT."""
        for name, command in COMMANDS.items():
            self.assertRegex(self.said, rf"(?m)^\S+ {name}(?= |$)", name)
            self.assertFalse(command.states & State.LOGOUT, name)

    def test_every_item_and_key_is_said(self) -> None:
        """Each FETCH item and SEARCH key is in a dialogue or in the tests of items."""
        for name in (*MACROS, *SEARCH_KEYS, *NAMES):
            self.assertRegex(self.said, rf"(?<![A-Z.]){re.escape(name)}(?![A-Z.])", name)
        for name in ATTRIBUTES:
            self.assertRegex(self.said, rf"(?<![A-Z.]){re.escape(name)}(?![A-Z.])", name)

    def test_mechanisms_are_announced(self) -> None:
        """AUTH= stands in no row of its own: it names what AUTHENTICATE takes, by the table for all."""
        self.assertFalse([one.name for one in EXTENSIONS if one.name.startswith("AUTH=")])
        self.assertIn("AUTH=PLAIN AUTH=LOGIN", "\n".join(line for one in self.dialogs for line in one.lines))
