"""What would change if mailnode served a Maildir++ tree that another program made: words for one screen."""

import os
from collections.abc import Iterator

from mailnode.fs import FileSystem
from mailnode.store import subscriptions
from mailnode.store.verify import Finding, Folder, Tree, examine

_SHOWN = 3  # of each list, so that all stays on one screen
_LETTERS = 26  # keywords for which Dovecot has letters

# The kinds of verify() that tell of a tree of others, and what they are called here.
_TOPICS = {
    "stray-name": "no messages",
    "not-a-file": "no messages",
    "unreachable-folder": "hidden folders",
    "half-folder": "half folders",
    "permissions": "permissions",
    "foreign-owner": "owners",
    "twins": "equal bases",
    "left-over": "left over",
}


def survey(tree: Tree, files: FileSystem, now: float) -> Iterator[tuple[str, str]]:
    """Topics and what is to be said of them. Reads names and the small files only, and changes nothing."""
    octets = sum(file.facts.st_size for folder in tree.folders for file in folder.messages)
    yield "tree", tree.root
    yield "folders", str(len(tree.folders))
    yield "messages", f"{tree.messages} ({octets / 1_000_000:.1f} MB)"
    yield from _uids(tree)
    yield from _validities(tree)
    yield from _keywords(tree)
    yield "subscriptions", str(len(_subscriptions(tree, files)))
    facts = files.stat(tree.root)
    owner = facts.st_uid if facts else None
    found = [*tree.findings]
    for folder in tree.folders:
        found += examine(folder, files, now, owner)
    yield from _others(tree, found)


def _uids(tree: Tree) -> Iterator[tuple[str, str]]:
    """How many messages get other UIDs than they have, and why."""
    changing = [(folder, _changing(folder)) for folder in tree.folders]
    yield "UIDs", f"{sum(count for _, count in changing)} UIDs change"
    reasons = [
        f"{_name(folder)}: {count}, since line {_fault(folder)}" for folder, count in changing if count
    ]
    yield from _lines(reasons)
    first = sum(len(_unlisted(folder)) for folder, count in changing if not count)
    if first:
        yield "", f"{first} messages have none yet and get their first"


def _unlisted(folder: Folder) -> set[str]:
    return {file.base for file in folder.messages} - folder.listing.records.keys()


def _changing(folder: Folder) -> int:
    """Messages whose UID is not the one their clients know; a line that cannot be read may be anybody's."""
    listing = folder.listing
    if listing.there and listing.header is None:
        return len({file.base for file in folder.messages})
    return len(_unlisted(folder)) if listing.faults else 0


def _fault(folder: Folder) -> str:
    if folder.listing.header is None:
        return "1 of its uid list cannot be read"
    number, text = folder.listing.faults[0]
    return f"{number} of its uid list {text}"


def _validities(tree: Tree) -> Iterator[tuple[str, str]]:
    without = [_name(folder) for folder in tree.folders if folder.listing.header is None]
    yield "UIDVALIDITYs", f"{len(tree.folders) - len(without)} of {len(tree.folders)} are kept"
    yield from _lines([f"{name}: there is none that can be read; it gets a new one" for name in without])


def _keywords(tree: Tree) -> Iterator[tuple[str, str]]:
    full = [
        _name(folder)
        for folder in tree.folders
        if sum(number < _LETTERS for number in folder.keywords.names) >= _LETTERS
    ]
    unnamed = {
        _name(folder): folder.keywords.unnamed({file.info for file in folder.messages})
        for folder in tree.folders
    }
    nameless = [
        f"{name}: shown as {', '.join(f'unknown-{number}' for number in sorted(numbers))}"
        for name, numbers in unnamed.items()
        if numbers
    ]
    names = {name for folder in tree.folders for name in folder.keywords.names.values()}
    yield "keywords", str(len(names))
    if full:
        yield "", f"all {_LETTERS} letters are taken in the folders below; keywords that have none stand in"
        yield "", "Dovecot's index alone, cannot be seen from here, and are lost:"
        yield from _lines(full)
    if nameless:
        yield "", "letters without a name:"
        yield from _lines(nameless)


def _subscriptions(tree: Tree, files: FileSystem) -> list[tuple[str, ...]]:
    try:
        return subscriptions.parse(files.read(f"{tree.root}/{subscriptions.FILE_NAME}")).names
    except FileNotFoundError:
        return []


def _others(tree: Tree, found: list[Finding]) -> Iterator[tuple[str, str]]:
    for topic in dict.fromkeys(_TOPICS.values()):
        of_it = [one for one in found if _TOPICS.get(one.kind) == topic]
        if of_it:
            yield topic, str(len(of_it))
            yield from _lines([f"{os.path.relpath(one.path, tree.root)}: {one.text}" for one in of_it])


def _name(folder: Folder) -> str:
    return "/".join(folder.name)


def _lines(texts: list[str]) -> Iterator[tuple[str, str]]:
    yield from (("", text) for text in texts[:_SHOWN])
    if len(texts) > _SHOWN:
        yield "", f"and {len(texts) - _SHOWN} more"
