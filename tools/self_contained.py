"""Whether the pages of a built site load nothing from other servers: no fonts, no scripts, no pictures.

What a person has to click on may lead elsewhere; what a browser fetches by itself may not. Exit code 1, and a
line for each place, where something does.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# The attributes whose address a browser fetches by itself; `link` too, but for what only names another page.
_FETCHED = ("src", "poster", "data", "background")
_NAMES = ("canonical", "author", "license", "next", "prev", "search")
_FROM_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*([^"')\s]+)""")
_ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


class _Page(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        self.loaded += [values[name] for name in _FETCHED if name in values]
        self.loaded += [one.strip() for one in values.get("srcset", "").split(",")]
        if tag == "link" and values.get("rel") not in _NAMES:
            self.loaded.append(values.get("href", ""))
        self.loaded += _FROM_STYLE.findall(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loaded += _FROM_STYLE.findall(data)


def from_elsewhere(name: str, text: str) -> list[str]:
    """The addresses on other servers that a page (.html) or a style sheet loads."""
    if name.endswith(".html"):
        page = _Page()
        page.feed(text)
        loaded = page.loaded
    else:
        loaded = _FROM_STYLE.findall(text)
    return [one for one in loaded if _ELSEWHERE.match(one)]


def main(folder: str) -> int:
    """Look through all pages and style sheets of a folder."""
    files = [one for one in sorted(Path(folder).rglob("*")) if one.suffix in (".html", ".css")]
    found = [f"{one}: {what}" for one in files for what in from_elsewhere(one.name, one.read_text("utf-8"))]
    print("\n".join(found) or f"{len(files)} pages and style sheets load nothing from elsewhere")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
