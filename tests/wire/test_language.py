"""mailnode.wire.language"""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.language import Phrases, chosen


class LanguageTests(SynchronousTestCase):
    """Ranges and texts."""

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

    def test_phrases(self) -> None:
        """A text with its values, or without, by its English form; what is not known stays as it is."""
        phrases = Phrases(
            {"de": {"Done": "Fertig", "{} of {}": "{} von {}", "Hm": "Hm", "At most {}": "Bis {} (Zahl)"}}
        )
        for text, wanted in (
            ("Done", "Fertig"),
            ("1 of 2", "1 von 2"),
            ("Done of Hm", "Fertig von Hm"),
            ("At most {}", "Bis {} (Zahl)"),
            ("At most 7", "Bis 7 (Zahl)"),
            ("Nobody knows", "Nobody knows"),
            ("1 of " * 400, "1 of " * 400),
            ("", ""),
        ):
            self.assertEqual(phrases.translated("de", text), wanted, text)
            self.assertEqual(phrases.translated("xx", text), text)
        self.assertEqual(phrases.said("de", "{} of {}", 1, "Done"), "1 von Done")
        self.assertEqual(phrases.said("xx", "{} of {}", 1, 2), "1 of 2")
        self.assertEqual(phrases.said("de", "Invalid {base64}"), "Invalid {base64}")
