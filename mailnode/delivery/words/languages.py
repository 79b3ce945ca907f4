"""The languages that there are, and which one to take."""

from collections.abc import Iterable

from mailnode.config_rules import Language
from mailnode.delivery.words.english import ENGLISH
from mailnode.delivery.words.french import FRENCH
from mailnode.delivery.words.german import GERMAN
from mailnode.delivery.words.shape import Words
from mailnode.delivery.words.spanish import SPANISH

WORDS = {one.tag: one for one in (ENGLISH, GERMAN, FRENCH, SPANISH)}


def choose(wanted: Iterable[str], default: Language) -> Words:
    """The words of the first language wanted that there are words of, else of the default."""
    return next((WORDS[one] for one in wanted if one in WORDS), WORDS[default])
