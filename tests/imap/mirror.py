"""A disconnected client: what it believes of a mailbox, from nothing but the responses it has heard.

It applies EXISTS, EXPUNGE, VANISHED and FETCH as RFC 3501 and RFC 7162 tell clients to, and raises
AssertionError for a response that may not come, or that contradicts what it knows. It can go away, come back,
and catch up. With NOTIFY (RFC 5465) it hears outside of commands, in one of these ways:

    all        everything, at once
    delayed    everything, but expunges only with a command that allows them
    messages   new messages and expunges at once, flags never
    nothing    the mailbox stays as it was, but for what the client does itself
"""

import re

from tests.imap.world import Client, World

EXPUNGES_FORBIDDEN = ("FETCH", "STORE", "SEARCH")
_ALL = "(MessageNew (UID FLAGS) MessageExpunge FlagChange)"
NOTIFY = {
    "all": f"(selected {_ALL})",
    "delayed": f"(selected-delayed {_ALL})",
    "messages": "(selected (MessageNew (UID FLAGS) MessageExpunge)) (personal (MailboxName))",
    "nothing": "(selected NONE)",
}
_FETCH = re.compile(r"\* (\d+) FETCH \((.*)\)$")
_CODE = re.compile(r"\S+ OK \[HIGHESTMODSEQ (\d+)\]")
VALIDITY = re.compile(r"\* OK \[UIDVALIDITY (\d+)\]")


def changed(flags: frozenset[str], mode: str, flag: str) -> frozenset[str]:
    """What STORE makes of flags; the first letter of the mode says it."""
    return frozenset(flags | {flag} if mode[0] == "+" else flags - {flag} if mode[0] == "-" else {flag})


class Mirror:
    """One client with INBOX open. `enables` is what it asks for: "", "CONDSTORE" or "QRESYNC"."""

    def __init__(self, world: World, enables: str, notify: str = "") -> None:
        self._world = world
        self.enables = enables
        self.notify = notify
        self.uids: list[int | None] = []  # by number; None where the UID was not told
        self.flags: dict[int, frozenset[str]] = {}
        self.highest = 0
        self._validity = 0
        self._missing: set[int] = set()  # VANISHED (EARLIER), of messages that this client knew
        self.client: Client | None = None
        self.connect()

    # Conversations

    def connect(self) -> None:
        """Log in, select INBOX, and catch up with what is known from the last time."""
        self.client = self._world.client().login(None)
        if self.enables:
            self._hear("ENABLE", self.client.say(f"e ENABLE {self.enables}"))
        self.uids = []
        resync = ""
        if self.enables == "QRESYNC" and self.highest:
            resync = f" (QRESYNC ({self._validity} {self.highest}))"
        known = set(self.flags)
        self._missing = set()
        if not resync:
            self.flags = {}
        self._hear("SELECT", self.client.say(f"s SELECT INBOX{resync}"))
        if resync:  # the numbers follow from what is left, in order; the rest of it is new, and was told
            left = sorted((known | set(self.flags)) - self._missing)
            assert len(left) == len(self.uids), f"{left}, but there are {len(self.uids)} messages"
            told = self.uids
            assert all(one in (None, uid) for one, uid in zip(told, left, strict=True)), (told, left)
            self.uids = list(left)
            self.flags = {uid: self.flags[uid] for uid in left}
        else:
            self._ask_for_unknown()

    def listen(self) -> None:
        """Begin to use NOTIFY; nothing can have happened since connect()."""
        assert self.client is not None
        if self.notify:
            said = self.client.say(f"n NOTIFY SET {NOTIFY[self.notify]}")
            assert said == b"n OK You will hear of it\r\n", said

    def hear(self) -> None:
        """Believe what comes without having been asked for."""
        assert self.client is not None
        said = self.client.heard()
        if said:
            assert self.notify not in ("", "nothing"), said
            self._hear_lines("", said.decode().removesuffix("\r\n").split("\r\n"))

    def believe_change(self, number: int, mode: str, flag: str) -> None:
        """What a silent STORE will do; the server need not say it, but must say what it has not done."""
        uid = self.uids[number - 1]
        assert uid is not None
        self.flags[uid] = changed(self.flags[uid], mode, flag)

    def hang_up(self) -> None:
        """The connection is lost; what is known stays."""
        assert self.client is not None
        self.client.hang_up()
        assert self.client.failure is None, self.client.failure
        self.client = None

    def say(self, command: str) -> str:
        """Give a command, and believe its responses; gives the tagged one."""
        assert self.client is not None
        tagged = self._hear(command, self.client.say(f"x {command}"))
        self._ask_for_unknown()
        return tagged

    def _ask_for_unknown(self) -> None:
        unknown = [number for number, uid in enumerate(self.uids, 1) if uid is None or uid not in self.flags]
        if unknown:
            assert self.client is not None
            command = f"FETCH {unknown[0]}:{unknown[-1]} (UID FLAGS{' MODSEQ' if self.enables else ''})"
            self._hear(command, self.client.say(f"u {command}"))

    # Responses

    def _hear(self, command: str, said: bytes) -> str:
        lines = said.decode().removesuffix("\r\n").split("\r\n")
        end = next(number for number, line in enumerate(lines, 1) if not line.startswith("* "))
        self._hear_lines(command, lines[:end])
        if lines[end:]:
            assert self.notify == "all", lines
            self._hear_lines("", lines[end:])
        return lines[end - 1]

    def _hear_lines(self, command: str, lines: list[str]) -> None:
        """Those of a command, or of none; then its modification sequences count, or what was stated."""
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
            assert self.notify != "nothing" or command == "SELECT", line
            assert count >= len(self.uids), line
            self.uids += [None] * (count - len(self.uids))
        elif words[-1] == "EXPUNGE":
            assert self.enables != "QRESYNC" and self._may_expunge(command), line
            uid = self.uids.pop(int(words[1]) - 1)
            self.flags.pop(uid or 0, None)
        elif words[1] == "VANISHED":
            self._vanish(command, words[2:])
        elif found := _FETCH.match(line):
            return self._update(int(found[1]), found[2])
        elif validity := VALIDITY.match(line):
            self._validity = int(validity[1])
        return 0

    def _may_expunge(self, command: str) -> bool:
        if self.notify == "nothing":
            return command.split(" ")[0] in ("EXPUNGE", "MOVE", "SELECT")
        if not command:
            return self.notify in ("all", "messages")
        return command.split(" ")[0] not in EXPUNGES_FORBIDDEN

    def _vanish(self, command: str, words: list[str]) -> None:
        assert self.enables == "QRESYNC" and self._may_expunge(command), words
        earlier = words[0] == "(EARLIER)"
        assert earlier == (command == "SELECT"), (command, words)
        for one in words[-1].split(","):
            first, _, last = one.partition(":")
            for uid in range(int(first), int(last or first) + 1):
                if earlier:
                    self._missing.add(uid)
                else:
                    self.uids.remove(uid)  # only what was counted may vanish
                self.flags.pop(uid, None)

    def _update(self, number: int, items: str) -> int:
        uid = re.search(r"UID (\d+)", items)
        flags = re.search(r"FLAGS \(([^)]*)\)", items)
        modseq = re.search(r"MODSEQ \((\d+)\)", items)
        assert self.enables or modseq is None, items
        known = self.uids[number - 1]
        if uid is not None:
            assert known in (None, int(uid[1])), f"{number} is {known}, not {uid[1]}"
            known = self.uids[number - 1] = int(uid[1])
        if flags is not None and known is not None:
            self.flags[known] = frozenset(flags[1].split()) - {"\\Recent"}
        return int(modseq[1]) if modseq else 0
