"""In which language the server speaks: language ranges (RFC 4647), and texts in several languages.

English is the key: what nobody has translated is said in English. What programs read, such as numbers and
response codes, is the same in all languages.
"""

import re
from collections.abc import Mapping

ENGLISH = "en"

# Tag, and the name of the language in itself.
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "de": "Deutsch", "fr": "Français", "es": "Español"}

_VALUE = "{}"
_LONGEST = 1000  # letters of a text that are compared with those that have values in them


def chosen(wanted: str, preferred: str) -> str | None:
    """The tag for a language range (RFC 4647 section 3.4): "de-AT" is "de"; "*" is what is preferred here.

    None for a language that there is not.
    """
    if wanted == "*":
        return preferred if preferred in LANGUAGES else ENGLISH
    found = wanted.lower()
    while found and found not in LANGUAGES:
        found = found.rpartition("-")[0]
    return found or None


class Phrases:
    """Texts by language and by their English form, in which {} stands for a value."""

    def __init__(self, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._texts = texts
        self._with_values = {
            tag: [
                (re.compile("(.*)".join(map(re.escape, text.split(_VALUE)))), text)
                for text in known
                if _VALUE in text
            ]
            for tag, known in texts.items()
        }

    def said(self, tag: str, text: str, *values: object) -> str:
        """A text with its values in a language."""
        known = self._texts.get(tag)
        found = known.get(text, text) if known else text
        return found.format(*values) if values else found

    def translated(self, tag: str, text: str) -> str:
        """The same for a text that has its values in it already."""
        known = self._texts.get(tag, {})
        if text in known or len(text) > _LONGEST:
            return known.get(text, text)
        for pattern, key in self._with_values.get(tag, ()):
            if found := pattern.fullmatch(text):
                return known[key].format(*(known.get(value, value) for value in found.groups()))
        return text
