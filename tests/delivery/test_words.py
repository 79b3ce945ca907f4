"""What reports say: all of it in each language."""

import re
from dataclasses import fields
from string import Formatter
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.config_rules import Language
from mailnode.delivery.words.languages import WORDS, choose
from mailnode.delivery.words.shape import Case, Kind, Words, kind_of
from mailnode.queue.entry import Fate


def texts(words: Words) -> dict[str, str]:
    """Each text of a language under a name that is the same in all."""
    found: dict[str, str] = {}
    for one in fields(words):
        value = getattr(words, one.name)
        if isinstance(value, str):
            found[one.name] = value
        elif isinstance(value, tuple):
            found |= {f"{one.name} {number}": text for number, text in enumerate(value)}
        else:
            for key, text in value.items():
                pair = (text.what, text.advice) if isinstance(text, Case) else (text,)
                found |= {f"{one.name} {key} {number}": text for number, text in enumerate(pair)}
    return found


def put_in(text: str) -> list[str]:
    """The names in braces."""
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


class WordsTests(SynchronousTestCase):
    """WORDS"""

    def test_languages(self) -> None:
        """There are words for each language that can be configured, under its tag."""
        self.assertEqual(sorted(WORDS), sorted(get_args(Language)))
        self.assertEqual([words.tag for words in WORDS.values()], list(WORDS))

    def test_complete(self) -> None:
        """Every language has a subject and a heading for each fate, a case for each kind, twelve months."""
        for words in WORDS.values():
            self.assertEqual((set(words.subjects), set(words.headings)), (set(Fate), set(Fate)))
            self.assertEqual(set(words.cases), set(Kind))
            self.assertEqual(len(words.months), 12)
            self.assertEqual([name for name, text in texts(words).items() if not text.strip()], [])

    def test_placeholders(self) -> None:
        """What is put into a text is the same in all languages."""
        for name, text in texts(WORDS["en"]).items():
            for words in WORDS.values():
                self.assertEqual(put_in(texts(words)[name]), put_in(text), (words.tag, name))

    def test_translated(self) -> None:
        """No sentence stands in two languages, and none twice in one: nothing was copied and left so."""
        seen: dict[str, tuple[str, str]] = {}
        for tag, words in WORDS.items():
            for name, text in texts(words).items():
                if name != "first_day" and not name.startswith("months"):
                    self.assertNotIn(text.lower(), seen, (tag, name))
                    seen[text.lower()] = (tag, name)
        self.assertEqual(len({words.months for words in WORDS.values()}), len(WORDS))

    def test_written_well(self) -> None:
        """Sentences begin and end as such; nothing is there that does not show, but the spaces of French."""
        for words in WORDS.values():
            for name, text in texts(words).items():
                self.assertTrue(text.replace("\u00a0", "").isprintable(), text)
                self.assertNotRegex(text, r"  |^ | $")
                if name.startswith("cases"):
                    self.assertRegex(text, r"^[A-ZÀ-Ý].*\.$")
        for text in texts(WORDS["fr"]).values():
            self.assertNotRegex(text.replace("{time}", ""), r"[^\u00a0][:;!?]")

    def test_kinds(self) -> None:
        """The common statuses have a sentence of their own; others are told by their class."""
        for status, kind in (
            ("5.1.1", Kind.NO_MAILBOX),
            ("5.1.2", Kind.NO_DOMAIN),
            ("5.1.3", Kind.BAD_ADDRESS),
            ("5.1.10", Kind.TAKES_NO_MAIL),
            ("5.2.1", Kind.CLOSED),
            ("5.2.2", Kind.FULL),
            ("4.2.2", Kind.FULL),
            ("5.2.3", Kind.TOO_LARGE),
            ("5.3.4", Kind.TOO_LARGE),
            ("4.3.0", Kind.TROUBLE),
            ("4.3.2", Kind.BUSY),
            ("4.4.1", Kind.UNREACHABLE),
            ("4.4.3", Kind.DNS_SILENT),
            ("4.4.4", Kind.DNS_SILENT),
            ("5.4.4", Kind.NO_DOMAIN),
            ("5.4.6", Kind.LOOP),
            ("4.4.7", Kind.TOO_OLD),
            ("5.4.7", Kind.TOO_LATE),
            ("4.5.3", Kind.TOO_MANY),
            ("5.6.7", Kind.UNFIT),
            ("5.7.1", Kind.REFUSED),
            ("4.7.1", Kind.NOT_NOW),
            ("4.7.5", Kind.NOT_SAFE),
            ("5.7.10", Kind.NOT_SAFE),
            ("5.7.26", Kind.DOUBTED),
            ("5.7.30", Kind.NOT_SAFE),
            ("4.0.0", Kind.NOT_NOW),
            ("5.0.0", Kind.NEVER),
            ("5.9.99", Kind.NEVER),
        ):
            self.assertIs(kind_of(status), kind, status)

    @settings(derandomize=True, database=None, deadline=None)
    @given(st.from_regex(re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII), fullmatch=True))
    def test_any_kind(self, status: str) -> None:
        """Whatever status a peer gives, there is something to say in every language."""
        for words in WORDS.values():
            self.assertTrue(words.cases[kind_of(status)].what)

    def test_choose(self) -> None:
        """The first that there is, else the default."""
        for wanted, tag in (
            (("de", "fr"), "de"),
            (("", "pl", "fr"), "fr"),
            (("pl",), "es"),
            ((), "es"),
        ):
            self.assertEqual(choose(wanted, "es").tag, tag)
