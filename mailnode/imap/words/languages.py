"""All languages of IMAP, by their tags."""

from mailnode.imap.words.french import FRENCH
from mailnode.imap.words.german import GERMAN
from mailnode.imap.words.spanish import SPANISH
from mailnode.wire.language import Phrases

# English that programs know how to show, in US-ASCII: what is spoken until the client has chosen (RFC 2277
# section 4.5, RFC 5255 section 3.1).
DEFAULT = "i-default"

PHRASES = Phrases({"de": GERMAN, "fr": FRENCH, "es": SPANISH})


def resp_text(tag: str, text: str) -> bytes:
    """resp-text: in US-ASCII by default, in UTF-8 in a language that the client has chosen (section 3.2)."""
    if tag == DEFAULT:
        return text.encode("ascii", "replace")
    return PHRASES.translated(tag, text).encode("utf-8", "replace")
