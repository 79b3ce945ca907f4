"""What is fuzzed, by name: each target takes any octets, and raises when something does not hold.

They need no fuzzer: tests/fuzz/test_targets.py runs them on the seeds, and on what was found before.
"""

import binascii
import random
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from mailnode.auth.sasl import decode_base64
from mailnode.config_messages import LiveMessages
from mailnode.imap import protocol
from mailnode.imap.replies import Reply
from mailnode.imap.session import Session
from mailnode.net.stream import READ_BUFFER
from mailnode.wire.address import DOMAIN_LIMIT, LOCAL_LIMIT, parse_address, parse_path
from mailnode.wire.dot import Decoder, Encoder
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import (
    parse_deliver_by,
    parse_envelope_id,
    parse_full,
    parse_hold_for,
    parse_hold_until,
    parse_notify,
    parse_original_recipient,
    parse_priority,
    parse_solicitation,
)
from mailnode.wire.scram import parse_client_final, parse_client_first
from mailnode.wire.smtp import (
    after_keyword,
    decode_xtext,
    parse_chunk,
    parse_command,
    parse_hello,
    parse_parameters,
    parse_size,
)
from mailnode.wire.xclient import parse_xclient
from tests.smtp.world import EHLO, World, auth_plain
from tests.vectors.mailbox import OPENINGS, ImapWorld
from tests.vectors.maildrop import MESSAGES, PopWorld
from tests.vectors.people import logins, people
from tests.vectors.player import replies_in
from tests.vectors.vector import Vector

# Small, so that short inputs meet them.
LIMITS = {
    "message_size": 2000,
    "header_size": 1000,
    "header_field_size": 300,
    "received_hops": 3,
    "recipients": 4,
    "messages_per_session": 4,
    "command_line": 512,
    "login_delay": 0,
}
LOGIN = EHLO + auth_plain(b"anna@local.example")
LHLO = b"LHLO client.example\r\n"
PROXY = {"peer": "10.0.0.1", "trusted": True, "xclient_networks": ("10.0.0.0/8",)}
SPECIAL = {
    "on_demand": {"branch.example": ("anna@local.example",)},
    "messages": LiveMessages(allow="everybody"),
}
DOORS: Mapping[str, tuple[str, bytes, dict[str, Any]]] = {  # listener, what has been said, facts
    "connected": ("smtp", b"", {}),
    "greeted": ("smtp", EHLO, {}),
    "trusted": ("smtp", EHLO, {"trusted": True}),
    "proxy": ("smtp", EHLO, PROXY),
    "live": ("smtp", EHLO, {"config": SPECIAL}),
    "lmtp": ("lmtp", LHLO, {"trusted": True}),
    "submission": ("submission", b"", {"loopback": True}),
    "login": ("submission", LOGIN, {"loopback": True}),
    "special": ("submission", LOGIN, {"loopback": True, "config": SPECIAL}),
    "normalizing": ("submission", LOGIN, {"loopback": True, "submission": {"bare_line_ends": "normalize"}}),
}
NAMES = tuple(DOORS)
POP3_DOORS = (("connected", "stranger"), ("connected", "loopback"), ("login", "stranger"))
IMAP_DOORS = (
    ("connected", "stranger"),
    ("connected", "loopback"),
    ("login", "loopback"),
    ("selected", "loopback"),
)
IMAP_LIMITS = {"imap_line": 1000, "imap_preauth_line": 500, "imap_literals": 1000, "message_size": 2000}
POP3_LOGIN = b"USER anna@local.example\r\nPASS secret\r\n"
END = b"\r\n.\r\n"
PROMISE = re.compile(rb"250 2\.0\.0 Ok: (\S+)")
TRACE_ID = re.compile(rb"\bwith \w+ id (\w+)[;\s]")
VALUES: tuple[Callable[[bytes], object], ...] = (  # parsers of what stands in a line, BadSyntax or a value
    parse_size,
    parse_hello,
    parse_chunk,
    parse_xclient,
    decode_xtext,
    parse_deliver_by,
    parse_envelope_id,
    parse_full,
    parse_hold_for,
    parse_hold_until,
    parse_notify,
    partial(parse_original_recipient, utf8=False),
    partial(parse_original_recipient, utf8=True),
    parse_priority,
    parse_solicitation,
    parse_client_first,
    parse_client_final,
)
_bugs: list[str] = []


def _note(event: dict[str, Any]) -> None:
    """Keep what is logged as a bug."""
    if event["log_level"] is LogLevel.critical:
        _bugs.append(str(event.get("log_failure", event)))


globalLogPublisher.addObserver(_note)  # type: ignore[arg-type]


def pieces(data: bytes, how: int) -> Iterator[bytes]:
    """The data as it comes: in one piece for 0, line by line up to 127, else in pieces of random length."""
    if how == 0:
        yield data
    elif how < 128:
        yield from data.splitlines(keepends=True)
    else:
        chance = random.Random(how)
        while data:
            length = chance.randint(1, 1 + how // 8)
            yield data[:length]
            data = data[length:]


def session(data: bytes) -> None:
    """A whole SMTP session. The first octet chooses the door, the second how the rest is cut."""
    if len(data) < 2:
        return
    _bugs.clear()
    listener, before, facts = DOORS[NAMES[data[0] % len(NAMES)]]
    world = World(listener, limits=LIMITS, logins=logins, mailboxes=people(), **facts)
    for line in before.splitlines(keepends=True):
        world.feed(line)
    output = world.transport.take()
    sent = data[2:]
    for piece in pieces(sent, data[1]):
        world.feed(piece)
        output += world.transport.take()
        if world.stream.pending > READ_BUFFER + len(piece):
            raise AssertionError(f"{world.stream.pending} octets are waiting")
    world.lose()
    _check_end(world)
    _check_replies(world, output, before + sent)


def _check_end(world: World) -> None:
    bugs = "\n".join(_bugs)
    if bugs or not world.outcome:
        raise AssertionError(f"the session has failed, or has not ended: {bugs}")
    if world.clock.getDelayedCalls():
        raise AssertionError(f"something still waits: {world.clock.getDelayedCalls()}")
    for delivery in [*world.courier.deliveries, *world.queue.admissions]:
        if delivery.outcome == "open" or delivery.longest > READ_BUFFER:
            raise AssertionError(f"{delivery.outcome}, in pieces of up to {delivery.longest} octets")


def _check_replies(world: World, output: bytes, sent: bytes) -> None:
    """A reply a line at most, each well-formed; and a message for each acknowledgement, which had an end.

    LMTP has a reply for each recipient. A last chunk is an end too; only a message that was announced as
    binary may have other line ends than CRLF.
    """
    replies = replies_in(output)
    ends = sum(sent.startswith(END, place) for place in range(len(sent))) + sent.upper().count(b" LAST")
    more = ends * (LIMITS["recipients"] - 1) if world.connection.listener.protocol == "lmtp" else 0
    # The greeting, one for a line that has no end, and the 421 that may follow any other.
    if len(replies) > sent.count(b"\n") + 3 + more:
        raise AssertionError(f"{len(replies)} replies to {sent.count(bytes([10]))} lines")
    promised = {found[1] for reply in replies if (found := PROMISE.match(reply))}
    taken = [one for one in [*world.courier.delivered, *world.queue.admissions] if one.outcome == "delivered"]
    ids = {found[1] for delivery in taken if (found := TRACE_ID.search(delivery.content))}
    if (
        promised != ids or len(promised) > ends
    ):  # one may be taken twice: for those here, and for those elsewhere
        raise AssertionError(f"{ids} taken, {promised} promised, {ends} ends")
    binary = b"BINARYMIME" in sent.upper()
    for delivery in taken:
        rest = b"" if binary else delivery.content.replace(b"\r\n", b"")
        if any(octet in rest for octet in b"\r\n\0") or len(delivery.content) > LIMITS["message_size"] + 2000:
            raise AssertionError(f"delivered: {delivery.content!r}")


def maildrop(data: bytes) -> None:
    """A whole POP3 session. The first octet says from where and how far, the second how the rest is cut."""
    if len(data) < 2:
        return
    _bugs.clear()
    state, peer = POP3_DOORS[data[0] % len(POP3_DOORS)]
    door = Vector("P1", "fuzzed", (), "", listener="pop3", state=state, peer=peer)
    clock = Clock()
    world = PopWorld(door, clock=clock, tls=None, encrypted=False, cut=lambda octets: iter((octets,)))
    before = POP3_LOGIN if state == "login" else b""
    sent = data[2:]
    world.feed(before)
    for piece in pieces(sent, data[1]):
        world.feed(piece)
    output = world.transport.take()
    kept = world.kept()
    world.clean_up()
    bugs = "\n".join(_bugs)
    if bugs or not world.outcome or clock.getDelayedCalls():
        raise AssertionError(f"the session has failed, has not ended, or something waits: {bugs}")
    if kept != list(MESSAGES) and not (b"QUIT" in sent.upper() and b"DELE" in sent.upper()):
        raise AssertionError(f"{len(kept)} messages are left")
    if output and not output.endswith(b"\r\n"):
        raise AssertionError(f"a line without end: {output[-80:]!r}")
    statuses = sum(line.startswith((b"+OK", b"-ERR", b"+ ")) for line in output.split(b"\r\n"))
    if statuses > (before + sent).count(b"\n") + 2:
        raise AssertionError(f"{statuses} replies")


class _Counted:
    """Holds IMAP sessions to one tagged reply for each command."""

    def __init__(self) -> None:
        self.replies = 0
        self.wrong = 0
        self._write, self._command = Session.write, protocol._one_command

    def __enter__(self) -> "_Counted":
        async def one_command(session: Session) -> None:
            before = self.replies
            await self._command(session)
            self.wrong += self.replies != before + 1

        def write(session: Session, reply: Reply) -> None:
            self.replies += 1
            self._write(session, reply)

        Session.write, protocol._one_command = write, one_command  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Session.write, protocol._one_command = self._write, self._command  # type: ignore[method-assign]


def imap(data: bytes) -> None:
    """A whole IMAP session. The first octet says from where and how far, the second how the rest is cut."""
    if len(data) < 2:
        return
    _bugs.clear()
    state, peer = IMAP_DOORS[data[0] % len(IMAP_DOORS)]
    door = Vector(
        "I1", "", (), "", listener="imap", state=state, peer=peer, limits=tuple(IMAP_LIMITS.items())
    )
    clock = Clock()
    with _Counted() as counted:
        world = ImapWorld(door, clock=clock, tls=None, encrypted=False, cut=lambda octets: iter((octets,)))
        for line in OPENINGS.get(state, ()):
            world.feed(line)
        world.transport.take()
        sent = data[2:]
        for piece in pieces(sent, data[1]):
            world.feed(piece)
            if world.stream.pending > READ_BUFFER + len(piece):
                raise AssertionError(f"{world.stream.pending} octets are waiting")
        output = world.transport.take()
        world.lose()
    world.kept()
    outside = world.outside()
    world.clean_up()
    bugs = "\n".join(_bugs)
    if bugs or not world.outcome or clock.getDelayedCalls() or outside:
        raise AssertionError(f"the session has failed, has not ended, or left something: {bugs} {outside}")
    if counted.wrong or (counted.replies > sent.count(b"\n") + 4 and b"COMPRESS" not in sent.upper()):
        raise AssertionError(f"{counted.replies} replies, {counted.wrong} commands without one, or with more")
    if output and not output.endswith(b"\r\n") and b"COMPRESS" not in sent.upper():
        raise AssertionError(f"a line without end: {output[-80:]!r}")


def address(data: bytes) -> None:
    """The parser of paths and addresses: what it takes is within limits, and can be written again."""
    for utf8 in (False, True):
        try:
            found, rest = parse_path(data, utf8=utf8)
        except BadSyntax:
            continue
        assert data.endswith(rest), rest
        if found is None or not found.domain:
            continue
        assert len(found.local.encode()) <= LOCAL_LIMIT and len(found.domain.encode()) <= DOMAIN_LIMIT
        text = str(found)
        assert not any(ord(letter) < 32 or letter == "\x7f" for letter in text), text
        assert parse_address(text, utf8=utf8) == found, text
        assert parse_path(f"<{text}>".encode() + rest, utf8=utf8) == (found, rest), text
        assert parse_address(text, utf8=utf8).key == found.key


def command(data: bytes) -> None:
    """The parsers of a line: BadSyntax or a value, and the value can be written again."""
    for parse in VALUES:
        try:
            parse(data)
        except BadSyntax:
            pass
    try:
        verb, argument = parse_command(data)
    except BadSyntax:
        return
    assert verb.isalpha() and verb.isascii() and verb.isupper(), verb
    assert parse_command(f"{verb} ".encode() + argument) == (verb, argument), argument
    try:
        parameters = parse_parameters(after_keyword(b"TO:" + argument, b"TO:"))
        parameters = parse_parameters(b" " + argument)
    except BadSyntax:
        return
    words = [key.encode() + (b"" if value is None else b"=" + value) for key, value in parameters.items()]
    assert parse_parameters(b"".join(b" " + word for word in words)) == parameters, parameters


def dots(data: bytes) -> None:
    """The decoder of dot-stuffing against a plain one, however the octets are cut; and the way back."""
    how, body = data[:1], data[1:]
    decoder = Decoder()
    content, left = b"", b""
    for piece in pieces(body, how[0] if how else 0):
        if decoder.finished:
            left += piece
        else:
            content += decoder.feed(piece)
    wanted, residue = plainly_decoded(body)
    assert decoder.finished == (residue is not None)
    if residue is None:
        assert wanted.startswith(content), (content, wanted)
        return
    assert (content, decoder.residue + left) == (wanted, residue), (content, wanted)
    rest = content.replace(b"\r\n", b"")
    assert decoder.bare == (b"\r" in rest or b"\n" in rest), content
    assert decoder.nul == (b"\0" in content), content
    encoder = Encoder()
    wire = encoder.feed(content) + encoder.finish()
    assert plainly_decoded(wire) == (content, b""), wire


def plainly_decoded(body: bytes) -> tuple[bytes, bytes | None]:
    """The content and what follows its end; None for a body that has not ended (RFC 5321 section 4.5.2)."""
    text, end, residue = (b"\r\n" + body).partition(END)
    lines = text.split(b"\r\n")[1:]
    content = b"\r\n".join(line.removeprefix(b".") for line in lines)
    return (content + b"\r\n" if end and lines else content), (residue if end else None)


def base64(data: bytes) -> None:
    """Base64 of AUTH: exactly the canonical form is taken."""
    try:
        found: bytes | None = decode_base64(data)
    except BadSyntax:
        found = None
    wanted: bytes | None
    try:
        wanted = b64decode(data, validate=True)
    except binascii.Error:
        wanted = None
    if wanted is not None and binascii.b2a_base64(wanted, newline=False) != data:
        wanted = None
    if data == b"=":
        wanted = b""
    assert found == wanted, (found, wanted)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "session": session,
    "maildrop": maildrop,
    "imap": imap,
    "address": address,
    "command": command,
    "dots": dots,
    "base64": base64,
}


def seeds(vectors: list[Vector]) -> dict[str, set[bytes]]:
    """Inputs to begin with, for each target, made of what the vectors send."""
    found: dict[str, set[bytes]] = {name: set() for name in TARGETS}
    for vector in vectors:
        sent = b"".join(step.send for step in vector.steps)[:4000]
        if vector.listener == "pop3":
            door = POP3_DOORS.index((vector.state, vector.peer))
            found["maildrop"] |= {bytes([door, how]) + sent for how in (0, 1, 200)}
            continue
        if vector.listener == "imap":
            known = [number for number, one in enumerate(IMAP_DOORS) if one[0] == vector.state]
            found["imap"] |= {bytes([door, how]) + sent for door in known for how in (0, 1, 200)}
            continue
        doors, opening = _way_in(vector)
        for how in (0, 1, 200):
            found["session"].add(bytes([NAMES.index(doors[0]), how]) + opening + sent)
            found["dots"].add(bytes([how]) + sent[:600])
        for door in doors[1:]:
            found["session"].add(bytes([NAMES.index(door), 1]) + opening + sent)
        for line in sent.split(b"\r\n"):
            found["command"].add(line[:600])
            verb, _, argument = line.partition(b":")
            found["address"].add(argument[:600])
            found["command"].add(argument.partition(b"> ")[2][:600])
            if verb.startswith(b"AUTH"):
                found["base64"].add(line.split(b" ")[-1][:600])
    return found


def _way_in(vector: Vector) -> tuple[tuple[str, ...], bytes]:
    """The doors, the best first, and what is said there before the steps of the vector."""
    opening = _OPENINGS.get(vector.state, b"")
    if vector.listener != "submission":
        return _DOORS.get((vector.listener, vector.state)) or _DOORS[vector.listener, ""], opening
    if vector.state in ("login", *_OPENINGS):
        own = opening.replace(b"a@remote.example", b"anna@local.example")
        return ("login", "special", "normalizing"), own
    return ("submission",), b"" if vector.state == "connected" else EHLO


_DOORS = {  # by listener and state
    ("lmtp", ""): ("lmtp",),
    ("smtp", "connected"): ("connected",),
    ("smtp", ""): ("greeted", "trusted", "proxy", "live"),
}
_MAIL, _RCPT, _DATA = b"MAIL FROM:<a@remote.example>\r\n", b"RCPT TO:<anna@local.example>\r\n", b"DATA\r\n"
_OPENINGS = {"mail": _MAIL, "rcpt": _MAIL + _RCPT, "data": _MAIL + _RCPT + _DATA}
