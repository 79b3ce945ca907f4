"""A disconnected client: what it believes of a mailbox, from nothing but the responses it has heard.

It applies EXISTS, EXPUNGE, VANISHED, FETCH, and the updates of a search, as RFC 3501, RFC 7162 and RFC 5267
tell clients to; with UIDONLY it gives and hears no numbers (RFC 9586). It raises AssertionError for a
response that may not come, or that contradicts what it knows. It can go away, come back, and catch up. With
NOTIFY (RFC 5465) it hears outside of commands, in one of these ways:

    all        everything, at once
    delayed    everything, but expunges only with a command that allows them
    messages   new messages and expunges at once, flags never
    nothing    the mailbox stays as it was, but for what the client does itself
"""

import re

from tests.imap.world import Client, World

EXPUNGES_FORBIDDEN = ("FETCH", "STORE", "SEARCH", "SORT")
FOLLOWED = "f"  # the tag of the search that is followed
_ALL = "(MessageNew (UID FLAGS) MessageExpunge FlagChange)"
NOTIFY = {
    "all": f"(selected {_ALL})",
    "delayed": f"(selected-delayed {_ALL})",
    "messages": "(selected (MessageNew (UID FLAGS) MessageExpunge)) (personal (MailboxName))",
    "nothing": "(selected NONE)",
}
_OWN_EXPUNGES = ("EXPUNGE", "MOVE", "REPLACE", "SELECT")  # commands that take messages away
_FETCH = re.compile(r"\* (\d+) (FETCH|UIDFETCH) \((.*)\)$")
_LARGEST = 2**32 - 1  # UID
_BY_NUMBER = re.compile(r"(FETCH|STORE|COPY|MOVE|REPLACE) ([0-9:,]+|\$) ")
_CODE = re.compile(r"\S+ OK \[HIGHESTMODSEQ (\d+)\]")
_VALIDITY = re.compile(r"\* OK \[UIDVALIDITY (\d+)\]")
_COUNTED = re.compile(r"(MESSAGES|UNSEEN|DELETED|UIDNEXT) (\d+)")
_UPDATE = re.compile(r"\* ESEARCH \(TAG \"f\"\) UID (ADDTO|REMOVEFROM) \(0 ([0-9:,]+)\)$")
_LABEL = re.compile(rb"\{\d+\}\r\nSubject: (\d+)\r\n\r\n")


def changed(flags: frozenset[str], mode: str, flag: str) -> frozenset[str]:
    """What STORE makes of flags; the first letter of the mode says it."""
    return frozenset(flags | {flag} if mode[0] == "+" else flags - {flag} if mode[0] == "-" else {flag})


def numbers(text: str) -> set[int]:
    """What a sequence-set names."""
    found: set[int] = set()
    for one in text.split(",") if text else ():
        first, _, last = one.partition(":")
        found.update(range(int(first), int(last or first) + 1))
    return found


class Mirror:
    """One client with a mailbox open. `enables` is what it asks for, such as "QRESYNC IMAP4rev2"."""

    def __init__(self, world: World, mailbox: str, enables: str = "", notify: str = "") -> None:
        self._world = world
        self.mailbox = mailbox
        self._enables = enables
        self.notify = notify
        self.resyncs = "QRESYNC" in enables
        self.knows_modseqs = self.resyncs or "CONDSTORE" in enables
        self._is_modern = "IMAP4rev2" in enables
        self.uid_only = "UIDONLY" in enables
        self.uids: list[int | None] = []  # by number; None where the UID was not told
        self.flags: dict[int, frozenset[str]] = {}
        self.labels: dict[int, int] = {}  # the subjects, where they were asked for
        self.found: set[int] = set()  # by the last SEARCH
        self.status: dict[str, int] = {}  # by the last STATUS
        self.followed: set[int] | None = None  # UIDs that a search has found, which is followed
        self.saved: set[int] = set()  # UIDs that "$" stands for
        self.highest = 0
        self._validity = 0
        self._missing: set[int] = set()  # VANISHED (EARLIER), of messages that this client knew
        self.client: Client | None = None
        self.connect()

    # Conversations

    def connect(self) -> None:
        """Open a connection, and catch up with what is known from the last time."""
        self.client = self._world.client()
        self.log_in()

    def log_in(self) -> None:
        """Log in, select the mailbox, and catch up."""
        self._said("LOGIN me secret")
        if self._enables:
            self._said(f"ENABLE {self._enables}")
        self.select()
        if self.notify:
            said = self._said(f"NOTIFY SET {NOTIFY[self.notify]}")
            assert said == "x OK You will hear of it", said

    def log_out(self) -> None:
        """UNAUTHENTICATE: nothing of this session is known to the next one."""
        self._said("UNAUTHENTICATE")

    def select(self) -> None:
        """Select the mailbox, and catch up."""
        self.uids = []
        self.followed = None
        self.saved = set()
        resync = f" (QRESYNC ({self._validity} {self.highest}))" if self.resyncs and self.highest else ""
        known = set(self.flags)
        self._missing = set()
        if not resync:
            self.flags = {}
        self._said(f"SELECT {self.mailbox}{resync}")
        if resync:  # the numbers follow from what is left, in order; the rest of it is new, and was told
            left = sorted((known | set(self.flags)) - self._missing)
            assert len(left) == len(self.uids), f"{left}, but there are {len(self.uids)} messages"
            told = self.uids
            in_place = all(one in (None, uid) for one, uid in zip(told, left, strict=True))
            assert set(told) <= {None, *left} if self.uid_only else in_place, (told, left)
            self.uids = list(left)
            self.flags = {uid: self.flags[uid] for uid in left}
        else:
            self._ask_for_unknown()

    def believe_change(self, number: int, mode: str, flag: str) -> None:
        """What a silent STORE will do; the server need not say it, but must say what it has not done."""
        uid = self.uids[number - 1]
        assert uid is not None
        self.flags[uid] = changed(self.flags[uid], mode, flag)

    def overhear(self) -> None:
        """Believe what comes without having been asked for."""
        assert self.client is not None
        said = self.client.heard()
        if said:
            assert self.notify not in ("", "nothing"), said
            self._hear("", self._lines(said))

    def hang_up(self) -> None:
        """The connection is lost; what is known stays."""
        if self.client is not None:
            self.client.hang_up()
            assert self.client.failure is None, self.client.failure
            self.client = None

    def say(self, command: str, tag: str = "x") -> str:
        """Give a command, and believe its responses; gives the tagged one."""
        self.found = set()
        tagged = self._said(command, tag)
        self._ask_for_unknown()
        return tagged

    def _said(self, command: str, tag: str = "x") -> str:
        assert self.client is not None
        return self.hear(command, self.client.say(f"{tag} {command}"), tag)

    def in_words(self, command: str) -> str:
        """A command as this client gives it: one that takes no numbers names the same messages by UID."""
        if not self.uid_only or command.startswith("UID "):
            return command.replace("SEARCH $", "SEARCH UID $") if self.uid_only else command
        named = _BY_NUMBER.match(command)
        if named is not None:
            chosen = [] if named[2] == "$" else sorted(numbers(named[2]))
            uids = ",".join(str(self.uids[number - 1]) for number in chosen) or "$"
            return f"UID {named[1]} {uids} {command[named.end() :]}"
        return f"UID {command}" if command.startswith("SEARCH ") else command

    def _ask_for_unknown(self) -> None:
        if self.uid_only:
            self._ask_for_unknown_uids()
            return
        unknown = [number for number, uid in enumerate(self.uids, 1) if uid is None or uid not in self.flags]
        if unknown:
            self._said(f"FETCH {unknown[0]}:{unknown[-1]} (UID FLAGS{' MODSEQ' * self.knows_modseqs})")

    def _ask_for_unknown_uids(self) -> None:
        """Of those of which only the count was told, the UIDs are above all that are known."""
        known = [uid for uid in self.uids if uid is not None]
        unknown = [uid for uid in known if uid not in self.flags]
        if len(known) < len(self.uids):
            unknown.append(max(known, default=0) + 1)
        if unknown:
            self._said(f"UID FETCH {min(unknown)}:{_LARGEST} (FLAGS{' MODSEQ' * self.knows_modseqs})")

    # Responses

    def hear(self, command: str, said: bytes, tag: str = "x") -> str:
        """Believe the responses to a command; gives the tagged one, which is the only one.

        It is the last, but for what a client hears that wants to know of everything at once.
        """
        lines = self._lines(said)
        end = next((number for number, line in enumerate(lines) if not line.startswith("* ")), 0)
        assert lines[end].startswith(f"{tag} "), lines
        self._hear(command, lines[: end + 1])
        if lines[end + 1 :]:
            assert self.notify in ("all", "messages"), lines
            self._hear("", lines[end + 1 :])
        return lines[end]

    @staticmethod
    def _lines(said: bytes) -> list[str]:
        return _LABEL.sub(rb'"\1"', said).decode().removesuffix("\r\n").split("\r\n")

    def _hear(self, command: str, lines: list[str]) -> None:
        """Responses that come together: the highest modification sequence counts, or what was stated."""
        modseqs = [0]
        stated: int | None = None
        for line in lines:
            code = _CODE.match(line)
            if code:
                stated = int(code[1])
            elif line.startswith("* "):
                modseqs.append(self._believe(command, line))
        self.highest = stated if stated is not None else max(self.highest, *modseqs)

    def _believe(self, command: str, line: str) -> int:
        """One untagged response; gives the modification sequence in it, or 0."""
        words = line.split(" ")
        if words[-1] == "EXISTS":
            count = int(words[1])
            assert self.notify != "nothing" or command.startswith("SELECT"), line
            assert count >= len(self.uids), line
            self.uids += [None] * (count - len(self.uids))
        elif words[-1] == "EXPUNGE":
            assert not self.resyncs and not self.uid_only and self._may_expunge(command), line
            uid = self.uids.pop(int(words[1]) - 1)
            self.flags.pop(uid or 0, None)
        elif words[-1] == "RECENT":
            assert not self._is_modern, line
        elif words[1] == "VANISHED":
            self._vanish(command, words[2:])
        elif words[1] == "SEARCH":
            assert not self._is_modern, line
            self.found = set(map(int, line.partition(" (")[0].split(" ")[2:]))
        elif update := _UPDATE.match(line):
            self._follow(update[1], numbers(update[2]))
        elif words[1] == "ESEARCH" and "ALL" in words:
            self.found = numbers(words[words.index("ALL") + 1])
        elif found := _FETCH.match(line):
            assert (found[2] == "UIDFETCH") is self.uid_only, line
            number = self._place(int(found[1])) if self.uid_only else int(found[1])
            return self._update(command, number, found[3])
        elif words[1] == "STATUS":
            self.status = {name: int(number) for name, number in _COUNTED.findall(line)}
        elif validity := _VALIDITY.match(line):
            self._validity = int(validity[1])
        return 0

    def _may_expunge(self, command: str) -> bool:
        if self.notify == "nothing":
            return command.removeprefix("UID ").split(" ")[0] in _OWN_EXPUNGES
        if not command:
            return self.notify != "delayed"
        return command.split(" ")[0] not in EXPUNGES_FORBIDDEN

    def _vanish(self, command: str, words: list[str]) -> None:
        earlier = words[0] == "(EARLIER)"
        assert self.resyncs or (self.uid_only and not earlier), (command, words)
        assert earlier or self._may_expunge(command), (command, words)
        assert earlier <= (command.startswith("SELECT") or "VANISHED" in command), (command, words)
        for uid in numbers(words[-1]):
            if earlier:
                assert uid not in self.uids, f"{uid} is told to have vanished earlier, and is counted"
                self._missing.add(uid)
            else:
                self.uids.remove(uid)  # only what was counted may vanish
            self.flags.pop(uid, None)

    def _place(self, uid: int) -> int:
        """Where a message is that UIDFETCH is about; if it was only counted so far, in the place of one."""
        if uid not in self.uids:
            self.uids.remove(None)  # nothing is told of what was not counted
            self.uids = sorted((*self.uids, uid), key=lambda one: one or _LARGEST)
        return self.uids.index(uid) + 1

    def _follow(self, what: str, uids: set[int]) -> None:
        assert self.followed is not None and uids.isdisjoint(self.followed) == (what == "ADDTO"), (what, uids)
        self.followed ^= uids

    def _update(self, command: str, number: int, items: str) -> int:
        uid = re.search(r"UID (\d+)", items)
        flags = re.search(r"FLAGS \(([^)]*)\)", items)
        modseq = re.search(r"MODSEQ \((\d+)\)", items)
        label = re.search(r'"(\d+)"', items)
        assert self.knows_modseqs or modseq is None, items
        assert uid is not None or not self._is_modern or self.uid_only or command.startswith("FETCH"), items
        known = self.uids[number - 1]
        assert command or self.notify != "messages" or known is None, items
        if uid is not None:
            assert known in (None, int(uid[1])), f"{number} is {known}, not {uid[1]}"
            known = self.uids[number - 1] = int(uid[1])
        if flags is not None and known is not None:
            assert "\\Recent" not in flags[1] or not self._is_modern, items
            self.flags[known] = frozenset(flags[1].split()) - {"\\Recent"}
        if label is not None and known is not None:
            self.labels[known] = int(label[1])
        return int(modseq[1]) if modseq else 0
