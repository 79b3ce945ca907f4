"""LANGUAGE (RFC 5255 section 3), and that every text is there in every language."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import mailnode
from mailnode.config import MailboxEntry, Mailboxes
from mailnode.imap.words.languages import PHRASES, resp_text
from mailnode.store.mailbox import Mailbox
from tests.imap.test_session import MESSAGE, SessionCase

_SAYING = {
    "ok",
    "no",
    "bad",
    "Refused",
    "BadSyntax",
    "BadWithCode",
    "Goodbye",
    "Reply",
    "BadMailboxName",
    "_take",
    "_atom_or_string",
}
# Code beside IMAP's own whose texts a client may get to hear.
_HEARD = (
    "wire/imap",
    "wire/framing.py",
    "wire/abnf.py",
    "wire/base64.py",
    "store/account.py",
    "store/names.py",
)


def strings(node: ast.AST) -> Iterator[str]:
    """The texts that an argument may be, with {} for values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    elif isinstance(node, ast.IfExp):
        yield from strings(node.body)
        yield from strings(node.orelse)


def texts() -> set[str]:
    """Everything that is said."""
    root = Path(mailnode.__file__).parent
    found: set[str] = set()
    for place in ("imap", *_HEARD):
        path = root / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                    if name in _SAYING:
                        found.update(text for one in node.args for text in strings(one))
    return found - {""}


class WordsTests(SynchronousTestCase):
    """mailnode.imap.words"""

    def test_complete(self) -> None:
        """Each text is there in each language, but for what is said before a language can be chosen."""
        for tag, known in PHRASES._texts.items():
            self.assertEqual(texts() - known.keys() - {"IMAP4rev1 server ready"}, set(), tag)

    def test_the_same_in_all(self) -> None:
        """All languages have the same texts, with the same values, of printable letters."""
        german = PHRASES._texts["de"]
        for known in PHRASES._texts.values():
            self.assertEqual(known.keys(), german.keys())
            for text, said in known.items():
                self.assertEqual(text.count("{}"), said.count("{}"), text)
                self.assertTrue(said.isprintable() and not said.startswith("["), said)
                self.assertTrue(text.isascii(), text)

    def test_resp_text(self) -> None:
        """US-ASCII by default; whatever happens, octets come out."""
        self.assertEqual(resp_text("i-default", "Grüße"), b"Gr??e")
        self.assertEqual(resp_text("en", "Grüße"), "Grüße".encode())
        self.assertEqual(resp_text("de", "INBOX expected"), b"INBOX erwartet")
        self.assertEqual(resp_text("de", "\ud800"), b"?")


class PreferenceTests(SessionCase):
    """What "default" means."""

    def test_preferred(self) -> None:
        """The server's language before the login, the mailbox's after it."""
        self.world.live.config = replace(self.world.config, language="es")
        self.world.live.mailboxes = Mailboxes(mailboxes={"me@example.org": MailboxEntry("x", language="fr")})
        client = self.client()
        self.assertIn(b"* LANGUAGE (es)\r\n", client.say("a LANGUAGE default"))
        client.say("l LOGIN me secret")
        self.assertIn(b"* LANGUAGE (fr)\r\n", client.say('b LANGUAGE "*"'))
        other = self.client()
        other.say("l LOGIN you secret")
        self.assertIn(b"* LANGUAGE (es)\r\n", other.say("c LANGUAGE sv DEFAULT de"))

    def test_later_responses(self) -> None:
        """What a selected mailbox says by itself is in the language of the moment."""
        client = self.client().login()
        client.say("a LANGUAGE de")
        client.append(MESSAGE)
        self.assertIn(b"Diese Markierungen bleiben", client.say("b STORE 1 FLAGS (word)"))
        self.patch(Mailbox, "sync", self.raising(OSError(5, "no")))
        self.assertIn(b"c OK Erledigt\r\n", client.say("c NOOP"))
        self.flushLoggedErrors(OSError)
