"""Plays a vector on a session over memory, in one of several ways, and looks at what has come of it."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mailnode.values import frozen
from tests.net.memory import TlsPeer
from tests.smtp.world import EHLO, MAIL, RCPT, auth_plain, by_chance, bytewise, whole
from tests.vectors.people import logins, people
from tests.vectors.vector import Message, Step, Vector, settings

ANNA = b"anna@local.example"
NOOP = Step(send=b"NOOP\r\n", expect=(b"250 2.0.0",))
REPLY_LINE = re.compile(rb"\d{3}([ -])[\t -~]*")
REPLY_LIMIT = 512  # octets with CRLF (RFC 5321 section 4.5.3.1.5)

_SAID = {  # what the client says to get from one state into the next, and the reply
    "greeted": (EHLO, b"250 "),
    "lmtp greeted": (b"LHLO client.example\r\n", b"250 "),
    "login": (auth_plain(ANNA), b"235 "),
    "mail": (MAIL, b"250 "),
    "own mail": (MAIL.replace(b"a@remote.example", ANNA), b"250 "),
    "rcpt": (RCPT, b"250 "),
    "data": (b"DATA\r\n", b"354 "),
}
_GROUPED = {"mail": ("mail",), "rcpt": ("mail", "rcpt"), "data": ("mail", "rcpt", "data")}


@frozen
class Way:
    """How the octets of the client come."""

    name: str
    cut: Callable[[bytes], Iterator[bytes]] = whole
    pipelined: bool = False
    encrypted: bool = False

    def suits(self, vector: Vector) -> bool:
        """Whether the vector can be played so."""
        if self.encrypted and (vector.state in ("tls", "implicit") or not vector.encrypted):
            return False
        if self.cut is not whole and not self.encrypted and not vector.split:
            return False
        return vector.pipelined or not self.pipelined


def in_segments(data: bytes) -> Iterator[bytes]:
    """In pieces of up to 250 octets, the same in every run; also what is encrypted comes in such pieces."""
    chance = random.Random(len(data))
    while data:
        length = chance.randint(1, 250)
        yield data[:length]
        data = data[length:]


WAYS = (
    Way("whole"),
    Way("octet by octet", bytewise),
    Way("at random splits", by_chance),
    Way("behind a NOOP", pipelined=True),
    Way("over TLS", in_segments, encrypted=True),
)


class Player:
    """One connection that plays one vector: what is the same for all protocols, and what is SMTP's."""

    def __init__(self, world: Any, vector: Vector, way: Way) -> None:
        self.world = world
        self._vector = vector
        self._way = way
        self._peer: TlsPeer | None = None

    def play(self) -> None:
        """Do all steps. Raises AssertionError for what is not as it must be."""
        if implicit(self._vector, self._way):
            self._handshake()
        for step in self.script(pipelined=self._way.pipelined):
            self._do(step)
        self.check_messages(self._vector.messages)

    def play_cut_off(self, left: int) -> None:
        """The last `left` octets of the last step never come, and the client goes."""
        *before, last = self.script(pipelined=False)
        for step in before:
            self._do(step)
        self._send(last.send[: len(last.send) - left])
        self.world.lose()
        self.check_messages(None)

    def script(self, *, pipelined: bool) -> list[Step]:
        """All steps from the connection on."""
        return script(self._vector, pipelined=pipelined)

    def replies_in(self, output: bytes) -> list[bytes]:
        """What is compared with what a step expects."""
        return replies_in(output)

    def check_messages(self, wanted: tuple[Message, ...] | None) -> None:
        """Compare the messages that are there; None where nothing may have happened."""
        delivered = self.world.courier.delivered
        check_messages([(one.accounts, one.content) for one in delivered], wanted or ())

    def _do(self, step: Step) -> None:
        if step.send:
            self._send(step.send)
        if step.clear:
            self.world.deliver_raw(step.clear)
        if step.handshake:
            self._handshake()
        if step.goodbye and self._peer is not None:
            self._peer.goodbye()
        self.world.settle()
        replies = self.replies_in(self._heard())
        begins = tuple(reply[: len(want)] for reply, want in zip(replies, step.expect, strict=False))
        said = step.send[:60] or step.clear[:60]
        if (begins, len(replies)) != (step.expect, len(step.expect)):
            raise AssertionError(f"after {said!r} came {_short(replies)}, not {_short(step.expect)}")
        if self.world.open == step.closed:
            raise AssertionError(f"after {said!r} the connection is {'open' if step.closed else 'closed'}")

    def _send(self, data: bytes) -> None:
        if self._peer is None:
            self.world.feed(data)
            return
        for piece in self._way.cut(data) if self._vector.split else [data]:
            if self.world.open:
                self._peer.send(piece)
                self.world.settle()

    def _heard(self) -> bytes:
        return self.world.transport.take() if self._peer is None else self._peer.receive()

    def _handshake(self) -> None:
        self._peer = TlsPeer(self.world.transport, cut=self._way.cut if self._way.encrypted else whole)
        self._peer.handshake()


def implicit(vector: Vector, way: Way) -> bool:
    """Whether the connection is encrypted from its beginning."""
    return way.encrypted or vector.state == "implicit"


def facts(vector: Vector, way: Way, tls: Any) -> dict[str, Any]:
    """How the world must be for the vector."""
    # Nobody waits for the delay after a wrong password.
    found: dict[str, Any] = {"limits": {"login_delay": 0, **dict(vector.limits)}, "tls": tls}
    found |= {"config": settings(vector.config), "mailboxes": people(), "logins": logins}
    found["implicit"] = implicit(vector, way)
    # Our own people log in; in clear they may so from this very host only.
    own = vector.listener == "submission" and vector.state in ("login", "mail", "rcpt", "data")
    if vector.peer == "loopback" or own:
        found["loopback"] = True
    if vector.peer == "trusted":
        found["trusted"] = True
    if vector.state == "early":
        found["early"] = vector.steps[0].send
    return {**found, "cut": way.cut}


def script(vector: Vector, *, pipelined: bool) -> list[Step]:
    """All steps from the connection on; pipelined, all that may be is in one group behind a NOOP."""
    alone, group = _opening(vector)
    steps = list(vector.steps)
    if vector.state == "early":
        return [replace(steps[0], send=b""), *steps[1:]]
    opening = [Step(expect=(b"220 ",)), *alone]
    if not pipelined:
        return [*opening, *group, *steps]
    group = [NOOP, *group]
    if vector.state != "data":
        group.append(steps.pop(0))
    together = Step(
        send=b"".join(step.send for step in group),
        expect=tuple(reply for step in group for reply in step.expect),
        closed=group[-1].closed,
    )
    return [*opening, together, *steps]


def _opening(vector: Vector) -> tuple[list[Step], list[Step]]:
    """What leads to the state of the vector: steps each for itself, and steps that may be one group."""
    submission = vector.listener == "submission"
    if vector.state in ("connected", "early"):
        return [], []
    alone = [_said("lmtp greeted" if vector.listener == "lmtp" else "greeted")]
    if vector.state == "tls":
        starttls = Step(send=b"STARTTLS\r\n", expect=(b"220 2.0.0",))
        return [*alone, starttls, Step(handshake=True)], []
    if submission and vector.state not in ("greeted", "implicit"):
        alone.append(_said("login"))
    names = _GROUPED.get(vector.state, ())
    return alone, [_said("own mail" if submission and name == "mail" else name) for name in names]


def _said(name: str) -> Step:
    sent, reply = _SAID[name]
    return Step(send=sent, expect=(reply,))


def replies_in(output: bytes) -> list[bytes]:
    """The last line of each reply. Raises AssertionError for a line that is none of a reply."""
    lines = output.split(b"\r\n")
    if lines.pop():
        raise AssertionError(f"a reply without end: {output[-80:]!r}")
    last = []
    for line in lines:
        found = REPLY_LINE.fullmatch(line)
        if not found or len(line) + 2 > REPLY_LIMIT:
            raise AssertionError(f"no line of a reply: {line[:80]!r}")
        if found[1] == b" ":
            last.append(line)
    return last


def check_messages(found: list[tuple[tuple[str, ...], bytes]], wanted: tuple[Message, ...]) -> None:
    """The messages, whose they are and what is in them, are what must be. Raises AssertionError."""
    if len(found) != len(wanted):
        raise AssertionError(f"there are {len(found)} messages, not {len(wanted)}")
    for (accounts, content), message in zip(found, wanted, strict=True):
        if message.accounts and accounts != message.accounts:
            raise AssertionError(f"delivered to {accounts}, not {message.accounts}")
        for text in message.contains:
            if text not in content:
                raise AssertionError(f"the message does not contain {text!r}")
        for text in message.lacks:
            if text in content:
                raise AssertionError(f"the message contains {text!r}")
        if not content.endswith(message.ends):
            raise AssertionError(f"the message ends in {content[-80:]!r}, not {message.ends!r}")


def _short(replies: object) -> str:
    text = repr(list(replies))  # type: ignore[call-overload]
    return text if len(text) < 400 else text[:200] + " ... " + text[-200:]
