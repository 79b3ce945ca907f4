"""What would change if mailnode served a Maildir++ tree that another program made: words for one screen."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailnode.counting import plural
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


@dataclass(slots=True)
class _Counted:
    """What is to be said of all folders, gathered one folder after the other."""

    folders: int = 0
    messages: int = 0
    octets: int = 0
    changing: int = 0
    first: int = 0  # messages without a UID so far
    reasons: list[str] = field(default_factory=list)
    without_validity: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)  # folders without a free keyword letter
    nameless: list[str] = field(default_factory=list)
    keywords: set[str] = field(default_factory=set)

    def add(self, folder: Folder) -> None:
        """Take in a folder."""
        name = "/".join(folder.name)
        messages = folder.messages
        self.folders += 1
        self.messages += len(messages)
        self.octets += sum(file.octets for file in messages)
        unlisted = {file.base for file in messages} - folder.listing.records.keys()
        if folder.listing.header is None:
            self.without_validity.append(f"{name}: there is none that can be read; it gets a new one")
        if changing := _changing(folder, unlisted):
            self.changing += changing
            self.reasons.append(f"{name}: {changing}, since line {_fault(folder)}")
        else:
            self.first += len(unlisted)
        if sum(number < _LETTERS for number in folder.keywords.names) >= _LETTERS:
            self.full.append(name)
        if numbers := folder.keywords.unnamed({file.info for file in messages}):
            shown = ", ".join(f"unknown-{number}" for number in sorted(numbers))
            self.nameless.append(f"{name}: shown as {shown}")
        self.keywords.update(folder.keywords.names.values())


def survey(tree: Tree, files: FileSystem, now: float) -> Iterator[tuple[str, str]]:
    """Topics and what is to be said of them. Reads names and the small files only, and changes nothing."""
    facts = files.stat(tree.root)
    owner = facts.st_uid if facts else None
    counted = _Counted()
    found = [*tree.findings]
    for folder in tree.folders():
        counted.add(folder)
        found += [one for one in examine(folder, files, now, owner) if one.kind in _TOPICS]
    yield "tree", tree.root
    yield "folders", str(counted.folders)
    yield "messages", f"{counted.messages} ({counted.octets / 1_000_000:.1f} MB)"
    yield "UIDs", f"{counted.changing} {plural(counted.changing, 'UID changes', 'UIDs change')}"
    yield from _lines(counted.reasons)
    if counted.first:
        one, more = "message has none yet and gets its", "messages have none yet and get their"
        yield "", f"{counted.first} {plural(counted.first, one, more)} first"
    kept = counted.folders - len(counted.without_validity)
    yield "UIDVALIDITYs", f"{kept} of {counted.folders} are kept"
    yield from _lines(counted.without_validity)
    yield from _keywords(counted.keywords, counted.full, counted.nameless)
    yield "subscriptions", str(len(_subscriptions(tree, files)))
    yield from _others(tree, found)


def _changing(folder: Folder, unlisted: set[str]) -> int:
    """Messages whose UID is not the one their clients know; a line that cannot be read may be anybody's."""
    listing = folder.listing
    if listing.there and listing.header is None:
        return len({file.base for file in folder.messages})
    return len(unlisted) if listing.faults else 0


def _fault(folder: Folder) -> str:
    if folder.listing.header is None:
        return "1 of its uid list cannot be read"
    number, text = folder.listing.faults[0]
    return f"{number} of its uid list {text}"


def _keywords(names: set[str], full: list[str], nameless: list[str]) -> Iterator[tuple[str, str]]:
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


def _lines(texts: list[str]) -> Iterator[tuple[str, str]]:
    yield from (("", text) for text in texts[:_SHOWN])
    if len(texts) > _SHOWN:
        yield "", f"and {len(texts) - _SHOWN} more"
