"""LANG (RFC 6856 section 3), and that every text is there in every language."""

import ast
import re
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import mailnode.pop3
from mailnode.config import MailboxEntry, Mailboxes
from mailnode.pop3.words import _ROWS, LANGUAGES, chosen, said
from tests.pop3.talk import ADDRESS, MESSAGE, Pop3TestCase, Talk

_SAYING = {"say", "Refused", "BadSyntax"}


def texts() -> set[str]:
    """Every text that is said in the package, or by the parser of its commands."""
    root = Path(mailnode.pop3.__file__).parent
    found = set()
    for path in (*root.rglob("*.py"), root.parent / "wire" / "pop3.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in _SAYING:
                    strings = (one for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant))
                    found |= {one.value for one in strings if isinstance(one.value, str)}
    return found


class Words(SynchronousTestCase):
    """mailnode.pop3.words"""

    def test_complete(self) -> None:
        """Each text is there once, with the same values in every language, and short enough for a reply."""
        self.assertEqual(texts() - {row[0] for row in _ROWS}, set())
        self.assertEqual({row[0] for row in _ROWS} - texts(), set())
        self.assertEqual(len({row[0] for row in _ROWS}), len(_ROWS))
        for row in _ROWS:
            self.assertEqual({one.count("{}") for one in row}, {row[0].count("{}")}, row)
            self.assertTrue(all(one.isprintable() and len(one.encode()) < 200 for one in row), row)
            self.assertFalse(re.match(r"\[", row[0]), "it would look like a response code")

    def test_chosen(self) -> None:
        """RFC 4647 section 3.4: the range, or what is left of it without its last part."""
        for wanted, tag in (
            ("de", "de"),
            ("DE", "de"),
            ("de-AT", "de"),
            ("fr-CA-x-private", "fr"),
            ("*", "es"),
            ("sv", None),
            ("d", None),
            ("deutsch", None),
            ("-", None),
            ("de de", None),
        ):
            self.assertEqual(chosen(wanted, "es"), tag, wanted)
        self.assertEqual(chosen("*", "pl"), "en")

    def test_unknown_text(self) -> None:
        """What nobody has translated, braces in it or not, is said as it is."""
        self.assertEqual(said("de", "Invalid {base64}"), "Invalid {base64}")


class Lang(Pop3TestCase):
    """The command."""

    def play(self, talk: Talk, lines: str) -> None:
        """A dialogue in UTF-8."""
        self.dialogue(talk, lines.encode().decode("latin-1"))

    def test_before_login(self) -> None:
        """A list, a language, and errors in it; a language that there is not changes nothing."""
        names = "".join(f"S: {tag} {name}\n" for tag, name in LANGUAGES.items())
        self.play(
            self.connect(),
            f"C: LANG\nS: +OK Languages follow\n{names}S: .\n"
            "C: LANG sv\nS: -ERR This language is not known here\n"
            "C: LANG es-MX\nS: +OK es Idioma cambiado\n"
            "C: STAT\nS: -ERR No es posible antes de iniciar sesión\n"
            "C: lang UGA\nS: -ERR Este idioma no se conoce aquí\n"
            "C: LANG fr\nS: +OK fr Langue changée\n"
            "C: XTND\nS: -ERR Commande inconnue\n"
            "C: QUIT\nS: +OK Au revoir",
        )

    def test_after_login(self) -> None:
        """Numbers and response codes are the same in all languages."""
        self.play(
            self.logged_in(MESSAGE),
            "C: LANG de\nS: +OK de Sprache geändert\n"
            "C: LIST\nS: +OK 1 Nachrichten (38 Oktette)\nS: 1 38\nS: .\n"
            "C: STAT\nS: +OK 1 38\nC: RETR 2\nS: -ERR Keine solche Nachricht\n"
            "C: DELE 1\nS: +OK Zum Löschen markiert\nC: RSET\nS: +OK 1 Nachrichten (38 Oktette)",
        )

    def test_preferred(self) -> None:
        """ "*" is the server's before the login, the mailbox's after it."""
        self.live.config = replace(self.live.config, language="fr")
        self.live.mailboxes = Mailboxes({ADDRESS: MailboxEntry("x", language="de")})
        self.play(self.connect(), "C: LANG *\nS: +OK fr Langue changée")
        self.play(self.logged_in(), "C: LANG *\nS: +OK de Sprache geändert")

    def test_no_language(self) -> None:
        """What is no language range is none that is known."""
        talk = self.connect()
        for wanted in ("\xff", "de de", "-", "*-de", "x" * 400):
            self.dialogue(talk, f"C: LANG {wanted}\nS: -ERR This language is not known here")
