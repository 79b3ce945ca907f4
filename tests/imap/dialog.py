"""Runs dialogue files: what a client says and what it must hear.

The first line of a file is `# RFC <number> ...: <behaviour>`. Then, line by line:

    C: text         the first client says the line           S: text      and hears this line next
    D: text         a second client, logged in, INBOX selected, that appears with its first line
    T: text         what the second client hears
    = login         the first client is logged in and has selected INBOX, before the dialogue starts
    = second anna   the second client logs in as anna, not as me
    = people anna   there are mailboxes of these names, besides me
    = remote        it does not come from this machine
    = tls           the server has a certificate
    = separator .   the hierarchy separator
    = special-use   new accounts have folders for drafts, sent mail and so on
    = limit imap_message_limit 3    a key of [limits]
    = quota 20 2    every mailbox may hold so many octets and messages
    ! handshake     the TLS handshake is done
    ! seconds 60    time passes
    ! deflate       the first client compresses from here on, and what it hears is compressed
    ! clear         that is over; what it has heard has ended properly
    ! tell text     there is something to be said to the person (LiveSessions)
    ! closed        the server has closed the connection

In an expected line `*` stands for any text, but not at its start before a blank. Everything that is heard
must be expected; the greeting and the `= login` are not part of the dialogue.
"""

import random
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mailnode.config_folders import NONE, SpecialUse
from mailnode.config_quota import Quota
from tests.imap.world import Client, World, people

DIRECTORY = Path(__file__).parent / "dialogs"

Cut = Callable[[bytes], Iterator[bytes]]


def whole(octets: bytes) -> Iterator[bytes]:
    """All at once."""
    yield octets


def byte_by_byte(octets: bytes) -> Iterator[bytes]:
    """The slowest network."""
    for octet in octets:
        yield bytes([octet])


def at_random(octets: bytes) -> Iterator[bytes]:
    """Any network; the same one each time."""
    rng = random.Random(len(octets))
    while octets:
        size = rng.randint(1, 12)
        yield octets[:size]
        octets = octets[size:]


@dataclass
class Party:
    """A client, what it has heard and nobody has expected yet, and what it has to say."""

    client: Client
    heard: bytes = b""
    saying: list[bytes] = field(default_factory=list)
    deflater: Any = None
    inflater: Any = None

    def say(self, octets: bytes, cut: Cut) -> None:
        """Send all of this, in pieces."""
        if self.deflater is not None and octets:
            octets = self.deflater.compress(octets) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        for piece in cut(octets):
            self.hear(self.client.send(piece))
        self.hear(self.client.heard())

    def hear(self, octets: bytes) -> None:
        """Add what came."""
        self.heard += octets if self.inflater is None else self.inflater.decompress(octets)


class Dialog:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.title, *rest = path.read_text("utf-8").splitlines()
        self.lines = [line for line in rest if line]

    def run(self, directory: str, cut: Cut) -> None:
        """Play it; AssertionError with the line that went wrong."""
        settings = dict(line[2:].partition(" ")[::2] for line in self.lines if line.startswith("= "))
        tls = object() if "tls" in settings else None
        uses = SpecialUse() if "special-use" in settings else NONE
        world = World(directory, separator=settings.get("separator", "/"), tls=tls, special_use=uses)
        if "quota" in settings:
            octets, messages = map(int, settings["quota"].split())
            world.live.config = replace(world.config, quota=Quota(octets, messages))
        if "limit" in settings:
            key, value = settings["limit"].split()
            world.live.config = replace(
                world.config, limits=replace(world.config.limits, **{key: int(value)})
            )
        first = Party(world.client(loopback="remote" not in settings))
        world.live.mailboxes = people("me", *settings.get("people", "").split())
        self.second = settings.get("second", "me")
        parties = {"C": first, "S": first}
        if "login" in settings:
            first.client.login()
        try:
            for number, line in enumerate(self.lines, 2):
                try:
                    self._step(world, parties, line, cut)
                except AssertionError as error:
                    raise AssertionError(f"{self.name}, line {number}: {line}\n{error}") from None
            for party in parties.values():
                party.hear(party.client.heard())
                assert not party.heard, f"heard but not expected: {party.heard!r}"
                assert party.client.failure is None, party.client.failure
        finally:
            world.close()

    def _step(self, world: World, parties: dict[str, Party], line: str, cut: Cut) -> None:
        who, text = line[0], line[3:]
        if who in "DT" and who not in parties:
            parties["D"] = parties["T"] = Party(world.client().login(who=self.second))
        if who in "CD":
            parties[who].saying.append(text.encode("utf-8") + b"\r\n")
            return
        for party in parties.values():
            self._speak(party, cut)
        if who in "ST":
            self._hear(parties[who], text)
        elif who == "!":
            self._act(world, parties["C"], line[2:])

    def _speak(self, party: Party, cut: Cut) -> None:
        octets, party.saying = b"".join(party.saying), []
        party.say(octets, cut)

    def _hear(self, party: Party, expected: str) -> None:
        party.hear(party.client.heard())
        line, end, party.heard = party.heard.partition(b"\r\n")
        assert end, f"heard nothing more than {line!r}"
        start = re.escape("* ") if expected.startswith("* ") else ""
        pattern = start + ".*".join(map(re.escape, expected[2 if start else 0 :].split("*")))
        assert re.fullmatch(pattern, line.decode("utf-8"), re.DOTALL), f"heard {line!r}"

    def _act(self, world: World, party: Party, action: str) -> None:
        word, _, argument = action.partition(" ")
        if word == "handshake":
            party.client.stream.handshakeCompleted()
        elif word == "seconds":
            for _ in range(int(argument)):
                world.clock.advance(1)
        elif word == "tell":
            world.sessions.tell("me@example.org", argument)
        elif word == "deflate":
            party.deflater, party.inflater = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
        elif word == "clear":
            assert party.inflater.eof and not party.inflater.unused_data, "compression has not ended"
            party.deflater = party.inflater = None
        else:
            assert word == "closed", f"unknown action {word}"
            assert party.client.ended, "the session goes on"


def dialogs() -> list[Dialog]:
    """All of them."""
    return [Dialog(path) for path in sorted(DIRECTORY.glob("*.txt"))]
