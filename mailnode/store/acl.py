r"""Who may do what with a mailbox (RFC 4314 section 2), as it stands in Dovecot's `dovecot-acl`.

A line is an identifier, a blank, and letters of rights, then perhaps `:` and names of rights that have no
letter:

    user=ben@example.org lrws
    -user=ben@example.org w
    "group=the team" lr

A "-" before the identifier makes the rights negative. Lines that are empty, begin with "#" or mean nothing
here stay as they are, and grant nothing. Of the lines that fit somebody those of the most specific kind
count, and none of the others, as in Dovecot: `user=` before `authenticated` before `anyone`; negative rights
likewise, and they are taken from what is granted. Nobody here is in a group. The owner has all rights,
whatever a file says.
"""

from mailnode.store.values import DELETED, SEEN
from mailnode.values import frozen

Rights = frozenset[str]

STANDARD = "lrswipkxtea"  # RFC 4314 section 2.1
ALL: Rights = frozenset(STANDARD)
NO_RIGHTS: Rights = frozenset()

FILE_NAME = "dovecot-acl"
FILE_OCTETS = 65_536
ENTRIES = 200  # in one list

ANYONE, AUTHENTICATED, OWNER = "anyone", "authenticated", "owner"
USER = "user="
_OF_FLAGS = {SEEN: "s", DELETED: "t"}
_SYNONYMS = {"anonymous": ANYONE}
_KINDS = ("group=", "group-override=")


def may_set(rights: Rights, flag: str) -> bool:
    """Whether who has these rights may change a flag (RFC 4314 section 4, "Changing flags")."""
    return _OF_FLAGS.get(flag, "w") in rights


@frozen
class Entry:
    """A line: to whom which rights are granted or taken, and the names of those without a letter."""

    who: str
    rights: Rights
    negative: bool = False
    named: str = ""

    @property
    def place(self) -> tuple[str, bool]:
        """What a list has once."""
        return self.who, self.negative

    def encode(self) -> bytes:
        """The line."""
        who = f"-{self.who}" if self.negative else self.who
        if " " in who or who.startswith('"'):
            escaped = who.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
            who = f'"{escaped}"'
        letters = "".join(sorted(self.rights, key=STANDARD.index))
        named = f" :{self.named}" if self.named else ""
        return f"{who} {letters}{named}\n".encode()


@frozen
class Acl:
    """A list; lines that mean nothing here are kept as octets."""

    lines: tuple[Entry | bytes, ...] = ()

    @property
    def entries(self) -> list[Entry]:
        """The lines that mean something, in file order."""
        return [line for line in self.lines if isinstance(line, Entry)]

    def get(self, who: str, *, negative: bool) -> Entry | None:
        """What is said of an identifier."""
        return next((one for one in self.entries if one.place == (who, negative)), None)

    def with_entry(self, entry: Entry) -> "Acl":
        """The same with this entry, at the end if its identifier is new."""
        if self.get(entry.who, negative=entry.negative) is None:
            return Acl((*self.lines, entry))
        return Acl(tuple(entry if _is_at(line, entry.place) else line for line in self.lines))

    def without(self, who: str, *, negative: bool) -> "Acl":
        """The same with nothing said of an identifier."""
        return Acl(tuple(line for line in self.lines if not _is_at(line, (who, negative))))

    def rights(self, address: str) -> Rights:
        """What somebody may do who is not the owner."""
        granted = taken = NO_RIGHTS
        for who in (ANYONE, AUTHENTICATED, USER + address):
            granted = _or(self.get(who, negative=False), granted)
            taken = _or(self.get(who, negative=True), taken)
        return granted - taken

    def guests(self) -> set[str]:
        """Those to whom anything is granted: addresses, or ANYONE."""
        granted = {entry.who for entry in self.entries if entry.rights and not entry.negative}
        found = {who.removeprefix(USER) for who in granted if who.startswith(USER)}
        return found | {ANYONE} if granted & {ANYONE, AUTHENTICATED} else found

    def encode(self) -> bytes:
        """The file."""
        return b"".join(line.encode() if isinstance(line, Entry) else line + b"\n" for line in self.lines)


def _is_at(line: Entry | bytes, place: tuple[str, bool]) -> bool:
    return isinstance(line, Entry) and line.place == place


def _or(entry: Entry | None, rights: Rights) -> Rights:
    return rights if entry is None else entry.rights


def parse(data: bytes) -> Acl:
    """Read a file. Two lines for one identifier become one, in the place of the first."""
    lines: list[Entry | bytes] = []
    at: dict[tuple[str, bool], int] = {}
    for octets in data.split(b"\n"):
        line = _line(octets)
        if isinstance(line, Entry) and line.place in at:
            first = lines[at[line.place]]
            assert isinstance(first, Entry)
            named = " ".join(filter(None, (first.named, line.named)))
            lines[at[line.place]] = Entry(line.who, first.rights | line.rights, line.negative, named)
            continue
        if isinstance(line, Entry):
            at[line.place] = len(lines)
        lines.append(line)
    if lines and lines[-1] == b"":
        lines.pop()
    return Acl(tuple(lines))


def _line(octets: bytes) -> Entry | bytes:
    try:
        text = octets.decode("utf-8").strip(" \r")
    except UnicodeDecodeError:
        return octets
    who, rest = _quoted(text) if text.startswith('"') else text.partition(" ")[::2]
    negative = who.startswith("-")
    who = _identifier(who.removeprefix("-"))
    letters, _, named = rest.partition(":")
    letters = letters.strip()
    if not who or not ALL.issuperset(letters):
        return octets
    return Entry(who, frozenset(letters), negative, named.strip())


def _quoted(text: str) -> tuple[str, str]:
    """An identifier in quotes, with backslashes before what they must not end; "" where it does not end."""
    taken: list[str] = []
    letters = iter(enumerate(text[1:], 1))
    for index, letter in letters:
        if letter == '"':
            rest = text[index + 1 :]
            return ("".join(taken), rest) if not rest or rest.startswith(" ") else ("", "")
        taken.append(next(letters, (0, ""))[1] if letter == "\\" else letter)
    return "", ""


def _identifier(text: str) -> str:
    """As it is compared here: addresses in lower case; "" for what means nothing."""
    if text in (ANYONE, AUTHENTICATED, OWNER):
        return text
    if text in _SYNONYMS:
        return _SYNONYMS[text]
    if text.startswith(USER) and len(text) > len(USER):
        return text.lower()
    return text if any(text.startswith(kind) and text != kind for kind in _KINDS) else ""
