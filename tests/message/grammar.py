"""A reader of IMAP s-expressions, and the grammar of ENVELOPE and BODYSTRUCTURE (RFC 3501 section 9)."""

import re
from typing import Any

_TOKEN = re.compile(
    rb'(?P<open>\()|(?P<close>\))|(?P<space> )|"(?P<quoted>(?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"'
    rb"|\{(?P<size>\d+)\}\r\n|(?P<nil>NIL)|(?P<number>\d+)"
)


def read(text: bytes) -> Any:
    """The value of one s-expression: lists, bytes, int and None; spaces stand only between members.

    No space is between two lists, as the grammar writes addresses and the parts of a multipart.
    """
    stack: list[list[Any]] = [[]]
    position, before = 0, "open"
    while position < len(text):
        token = _TOKEN.match(text, position)
        assert token, text[position : position + 40]
        kind = str(token.lastgroup)
        position = token.end()
        separate = before in ("open", "space") or kind in ("close", "space")
        assert separate or (before, kind) == ("close", "open"), (before, kind, position)
        assert not (before in ("open", "space") and kind == "space"), position
        assert not (before == "space" and kind == "close"), position
        assert not (before == "open" and kind == "close"), position
        before = kind
        if kind == "open":
            stack.append([])
        elif kind == "close":
            done = stack.pop()
            stack[-1].append(done)
        elif kind == "quoted":
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", token["quoted"]))
        elif kind == "size":
            size = int(token["size"])
            literal = text[position : position + size]
            assert len(literal) == size and b"\0" not in literal
            stack[-1].append(literal)
            position += size
        elif kind == "number":
            stack[-1].append(int(token["number"]))
        elif kind == "nil":
            stack[-1].append(None)
    assert len(stack) == 1 and len(stack[0]) == 1, "not one value"
    return stack[0][0]


def _is_nstring(value: Any) -> bool:
    return value is None or isinstance(value, bytes)


def check_envelope(value: Any) -> None:
    """`envelope = "(" env-date SP env-subject ... ")"`."""
    assert len(value) == 10
    for index in (0, 1, 8, 9):
        assert _is_nstring(value[index])
    for addresses in value[2:8]:
        open_group = False
        for address in addresses or ():
            assert len(address) == 4 and all(map(_is_nstring, address))
            if address[3] is None:
                assert address[:2] == [None, None]
                assert open_group is (address[2] is None)
                open_group = not open_group
        assert not open_group
        assert addresses != []


def _check_params(value: Any) -> None:
    assert value is None or (value and len(value) % 2 == 0 and all(isinstance(text, bytes) for text in value))


def check_body(value: Any, *, extended: bool) -> None:
    """`body = "(" (body-type-1part / body-type-mpart) ")"`, with all of the extension data or none."""
    if isinstance(value[0], list):
        _check_multipart(value, extended=extended)
        return
    kind, subtype, params, identifier, description, encoding, octets, *rest = value
    assert isinstance(kind, bytes) and isinstance(subtype, bytes) and isinstance(encoding, bytes)
    assert isinstance(octets, int) and _is_nstring(identifier) and _is_nstring(description)
    _check_params(params)
    if (kind, subtype) == (b"message", b"rfc822"):
        envelope, body, *rest = rest
        check_envelope(envelope)
        check_body(body, extended=extended)
    if kind == b"text" or (kind, subtype) == (b"message", b"rfc822"):
        lines, *rest = rest
        assert isinstance(lines, int)
    if extended:
        md5, *rest = rest
        assert _is_nstring(md5)
    _check_extension(rest, extended=extended)


def _check_multipart(value: Any, *, extended: bool) -> None:
    bodies = [member for member in value if isinstance(member, list)]
    count = next(index for index, member in enumerate(value) if not isinstance(member, list))
    for body in bodies[:count]:
        check_body(body, extended=extended)
    subtype, *rest = value[count:]
    assert isinstance(subtype, bytes)
    if extended:
        params, *rest = rest
        _check_params(params)
    _check_extension(rest, extended=extended)


def _check_extension(rest: list[Any], *, extended: bool) -> None:
    if not extended:
        assert rest == []
        return
    disposition, language, location = rest
    if disposition is not None:
        assert isinstance(disposition[0], bytes) and len(disposition) == 2
        _check_params(disposition[1])
    assert _is_nstring(language) or (language and all(isinstance(tag, bytes) for tag in language))
    assert _is_nstring(location)
