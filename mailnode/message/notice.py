"""What is shown of a message to somebody who is there: from whom, about what, how it begins."""

from mailnode.message import mime
from mailnode.message.encoded import decode_words
from mailnode.message.header import scan
from mailnode.message.text import part_text
from mailnode.values import frozen

LINE_LIMIT = 480  # characters, of all in one line
LINES = 20  # of the text on a terminal
WIDTH = 132  # characters of each of them


@frozen
class Notice:
    """Everything in it is printable: no message can move a cursor or begin a response."""

    sender: str
    subject: str
    text: tuple[str, ...]

    @property
    def line(self) -> str:
        """All in one line."""
        words = " ".join(part for part in self.text if part)
        parts = [f"Message from {self.sender}", self.subject, words]
        return ": ".join(part for part in parts if part)[:LINE_LIMIT]

    @property
    def screen(self) -> bytes:
        """Several lines with a bell, as a terminal takes them in any mode.

        US-ASCII only: which charset it has nobody knows, and in some of them octets of UTF-8 control it.
        """
        about = f" about {self.subject}" if self.subject else ""
        lines = [f"Message from {self.sender}{about}"[:WIDTH], *(part[:WIDTH] for part in self.text[:LINES])]
        return ("\r\n\a" + "\r\n".join(lines) + "\r\n").encode("ascii", "replace")


def notice(sender: str, data: bytes) -> Notice:
    """The notice of a message, of which `data` is the header and what has come of the body."""
    root = mime.parse(data)
    subject = scan(data, root.header_start, root.body_start).get(b"subject") or b""
    part = next((part for part in root.walk() if part.type == b"text"), None)
    text = part_text(data, part) if part is not None else ""
    lines = [plain(line) for line in text.strip().splitlines()]
    return Notice(plain(sender) or "nobody", plain(decode_words(subject)), tuple(lines))


def plain(text: str) -> str:
    """The text with a question mark for whatever is not printable, without blanks at its ends."""
    letters = text.replace("\t", " ")
    return "".join(letter if letter.isprintable() else "?" for letter in letters).strip()
