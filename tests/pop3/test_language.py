"""LANG (RFC 6856 section 3), and that every text is there in every language."""

import ast
import re
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import mailnode.pop3
from mailnode.config import MailboxEntry, Mailboxes
from mailnode.pop3.words import _ROWS, PHRASES
from mailnode.wire.language import LANGUAGES
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

    def test_unknown_text(self) -> None:
        """What nobody has translated, braces in it or not, is said as it is."""
        self.assertEqual(PHRASES.said("de", "Invalid {base64}"), "Invalid {base64}")


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
            "C: LIST\nS: +OK 1 Nachricht (38 Oktette)\nS: 1 38\nS: .\n"
            "C: STAT\nS: +OK 1 38\nC: RETR 2\nS: -ERR Keine solche Nachricht\n"
            "C: DELE 1\nS: +OK Zum Löschen markiert\nC: RSET\nS: +OK 1 Nachricht (38 Oktette)",
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


INTERNATIONAL = "From: Jürgen <jürgen@example.org>\r\nSubject: Grüße\r\n\r\nÄpfel\r\n.\r\n".encode()


class Utf8(Pop3TestCase):
    """UTF8 (RFC 6856 section 2) and what a client gets without it."""

    def test_as_it_is(self) -> None:
        """After UTF8 the message comes octet for octet."""
        self.put(INTERNATIONAL)
        talk = self.connect()
        self.assertEqual(talk.say(b"UTF8\r\n"), b"+OK UTF-8 from now on\r\n")
        talk.log_in()
        self.assertEqual(talk.say(b"LIST 1\r\n"), b"+OK 1 %d\r\n" % len(INTERNATIONAL))
        answer = talk.say(b"RETR 1\r\n")
        self.assertEqual(answer.partition(b"\r\n")[2], INTERNATIONAL[:-3] + b"..\r\n.\r\n")

    def test_surrogate(self) -> None:
        """Without it the header is ASCII, the body stays, and LIST, STAT, RETR and TOP agree."""
        for lines in (INTERNATIONAL, INTERNATIONAL.replace(b"pfel\r\n", b"pfel\n")):
            talk = self.logged_in(lines)
            for command, body in ((b"RETR 1", "Äpfel\r\n..\r\n".encode()), (b"TOP 1 0", b"")):
                text = talk.say(command + b"\r\n").partition(b"\r\n")[2]
                header, _, rest = text.partition(b"\r\n\r\n")
                self.assertTrue(header.isascii())
                self.assertIn(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", header)
                self.assertIn(b"<invalid@internationalized-address.invalid>", header)
                self.assertEqual(rest, body + b".\r\n")
                if body:
                    size = len(text) - len(b".") - len(b".\r\n")
                    self.assertEqual(talk.say(b"LIST 1\r\n"), b"+OK 1 %d\r\n" % size)
                    self.assertEqual(talk.say(b"STAT\r\n"), b"+OK 1 %d\r\n" % size)
            talk.say(b"DELE 1\r\nQUIT\r\n")

    def test_endless_header(self) -> None:
        """A header that is too long to be replaced comes as it is."""
        message = b"A: \xc3\xa9\r\n" + b"B: c\r\n" * 300_000
        talk = self.logged_in(message)
        self.assertTrue(talk.say(b"RETR 1\r\n").partition(b"\r\n")[2].startswith(message[:1000]))

    def test_order(self) -> None:
        """UTF8 is for before the login; TLS comes before UTF8."""
        talk = self.logged_in()
        self.assertTrue(talk.say(b"UTF8\r\n").startswith(b"-ERR "))
        talk = self.connect(tls="starttls")
        self.assertTrue(talk.say(b"UTF8 x\r\n").startswith(b"-ERR "))
        self.assertTrue(talk.say(b"UTF8\r\n").startswith(b"+OK "))
        self.assertEqual(talk.say(b"STLS\r\n"), b"-ERR STLS comes before UTF8\r\n")

    def test_capability(self) -> None:
        """USER stands behind it where a name and a password can be sent."""
        self.assertIn(b"\r\nUTF8 USER\r\n", self.connect().say(b"CAPA\r\n"))
        self.assertIn(b"\r\nUTF8\r\n", self.connect(tls="starttls").say(b"CAPA\r\n"))
