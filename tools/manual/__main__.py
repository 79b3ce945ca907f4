"""python -m tools.manual DIRECTORY: write all pages of the manual there.

Their date is that of SOURCE_DATE_EPOCH, if it is given, as builds of packages do.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from mailnode import __version__
from mailnode.admin.cli import main as program
from tools.manual import commands, reference

ROOT = Path(__file__).resolve().parent.parent.parent


def all_pages(date: str) -> Iterator[commands.Page]:
    """Every page of the manual."""
    yield from commands.pages(program, date=date, version=__version__)
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    yield reference.page(text, date=date, version=__version__)


def main(directory: str) -> None:
    """Write them."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    os.makedirs(directory, exist_ok=True)
    for page in all_pages(date):
        (Path(directory) / page.file).write_text(page.text, encoding="ascii")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.manual DIRECTORY")
    main(sys.argv[1])
