"""Attack vectors as data: what a file of tests/vectors holds, as values.

docs/vectors.md tells how they are written. A string stands for octets: each of its characters is the octet
of that number, so "\\u00ff" is 255, and a character above U+00FF is a mistake. Whatever is wrong with a file
is a ValueError that names the file and the vector.
"""

import tomllib
from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from itertools import chain, product
from pathlib import Path
from typing import Any

from mailnode.config import Config
from mailnode.tomlfile import TomlFile
from mailnode.values import frozen

HERE = Path(__file__).resolve().parent
# By letter: how many vectors it has.
FAMILIES = {"S": 20, "M": 20, "T": 19, "R": 34, "A": 14, "P": 7, "B": 11, "O": 5, "N": 8, "I": 22}
EVERY_ID = frozenset(f"{letter}{number + 1}" for letter, last in FAMILIES.items() for number in range(last))

LISTENERS = ("smtp", "submission", "lmtp", "pop3", "imap")
STATES = ("early", "connected", "greeted", "tls", "implicit", "login", "selected", "mail", "rcpt", "data")
PEERS = ("stranger", "loopback", "trusted")


@frozen
class Step:
    """What the client does, and the replies to it: the beginning of the last line of each.

    `clear` goes past the encryption, `handshake` and `goodbye` are those of TLS. The connection is closed
    after the step when `closed`, and open when not.
    """

    send: bytes = b""
    clear: bytes = b""
    handshake: bool = False
    goodbye: bool = False
    expect: tuple[bytes, ...] = ()
    closed: bool = False


@frozen
class Message:
    """A message that must have been delivered, or be in the maildrop; without `accounts`, anybody's."""

    accounts: tuple[str, ...] = ()
    contains: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()
    ends: bytes = b""


@frozen
class Vector:
    """One attack, from one connection. `file` is the name of the file it stands in."""

    id: str
    title: str
    steps: tuple[Step, ...]
    source: str
    file: str = ""
    listener: str = "smtp"
    state: str = "greeted"
    peer: str = "stranger"
    messages: tuple[Message, ...] = ()
    limits: tuple[tuple[str, int], ...] = ()
    config: str = ""
    split: bool = True
    pipelined: bool = True
    encrypted: bool = True
    cut_off: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.id} {self.title}"


def vectors(directory: Path = HERE) -> list[Vector]:
    """Those of all files in a directory."""
    return list(chain.from_iterable(read(path) for path in sorted(directory.glob("*.toml"))))


def read(path: Path) -> list[Vector]:
    """Those of one file."""
    text = path.read_text(encoding="utf-8")
    try:
        return parse(text, path.name)
    except ValueError as wrong:
        raise ValueError(f"{path.name}: {wrong}") from None


def parse(text: str, file: str = "") -> list[Vector]:
    """Those of one file's text."""
    return [
        _vector({**row, "file": file})
        for table in tomllib.loads(text).get("vector", [])
        for row in _rows(table)
    ]


def in_all_files(name: str) -> dict[str, Any]:
    """The table of that name, put together from all files."""
    paths = sorted(HERE.glob("*.toml"))
    parts = [tomllib.loads(path.read_text(encoding="utf-8")).get(name, {}) for path in paths]
    return {key: value for part in parts for key, value in part.items()}


def settings(config: str) -> dict[str, Any]:
    """The fields of Config that some lines of a mailnode.toml set."""
    file = TomlFile("config", config.encode())
    found = file.structure(Config)
    if file.mistakes:
        raise ValueError(str(file.mistakes[0]))
    return {name: getattr(found, name) for name in file.content}


def _rows(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The table, once for each of its cases with what they say put in, and for each listener and peer."""
    for case in table.pop("cases", [{}]):
        row = {**_filled(table, case), **{key: case[key] for key in case.keys() & {"id"}}}
        several = [key for key in ("listener", "peer") if isinstance(row.get(key), list)]
        for values in product(*(row[key] for key in several)):
            yield {**deepcopy(row), **dict(zip(several, values, strict=True))}


def _filled(value: Any, case: dict[str, Any]) -> Any:
    """The value with {name} replaced by what the case has for it: in a string, or in its place."""
    if isinstance(value, dict):
        return {key: _filled(item, case) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, case) for item in value]
    if isinstance(value, str):
        if value.startswith("{") and value[1:-1] in case and value.endswith("}"):
            return case[value[1:-1]]
        for name, item in case.items():
            if isinstance(item, str):
                value = value.replace("{" + name + "}", item)
    return value


def _vector(row: dict[str, Any]) -> Vector:
    about = row.get("id", "a vector without id")
    try:
        steps = tuple(_step(step) for step in row.pop("steps"))
        messages = tuple(_message(message) for message in row.pop("messages", ()))
        limits = tuple(row.pop("limits", {}).items())
        vector = Vector(steps=steps, messages=messages, limits=limits, **_known(row, Vector))
        _check(vector)
    except (KeyError, TypeError, ValueError) as wrong:
        raise ValueError(f"{about}: {wrong}") from None
    return vector


def _check(vector: Vector) -> None:
    for value, allowed in (
        (vector.id, EVERY_ID),
        (vector.listener, LISTENERS),
        (vector.state, STATES),
        (vector.peer, PEERS),
    ):
        if value not in allowed:
            raise ValueError(f"{value!r} is none of {', '.join(sorted(allowed))}")
    if not vector.steps or not vector.title or not vector.source:
        raise ValueError("steps, title and source are needed")
    settings(vector.config)
    if not (vector.split and vector.pipelined and vector.encrypted) and not vector.reason:
        raise ValueError("what is not split, not pipelined or not encrypted needs a reason")


def _step(row: dict[str, Any]) -> Step:
    expect = list(_pieces(row.pop("expect", ())))
    closed = expect[-1:] == [b"closed"]
    sent = {name: b"".join(_pieces(row.pop(name, ""))) for name in ("send", "clear")}
    return Step(**sent, expect=tuple(expect[: len(expect) - closed]), closed=closed, **_known(row, Step))


def _message(row: dict[str, Any]) -> Message:
    found = {name: tuple(_pieces(row.pop(name, ()))) for name in ("contains", "lacks")}
    ends = b"".join(_pieces(row.pop("ends", "")))
    return Message(tuple(row.pop("accounts", ())), ends=ends, **found, **_known(row, Message))


def _known(row: dict[str, Any], kind: type) -> dict[str, Any]:
    """The row, when it has only keys that are read; a misspelt one must not make a vector weaker."""
    if unknown := row.keys() - {field.name for field in fields(kind)}:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))}")
    return row


def _pieces(value: Any) -> Iterator[bytes]:
    """A string, an array, or a piece to be made: {repeat, times} or {base64}."""
    if isinstance(value, str):
        yield value.encode("latin-1")
    elif isinstance(value, list | tuple):
        for piece in value:
            yield from _pieces(piece)
    elif isinstance(value, dict) and value.keys() == {"repeat", "times"}:
        yield from [value["repeat"].encode("latin-1")] * value["times"]
    elif isinstance(value, dict) and value.keys() == {"base64"}:
        yield b64encode(b"".join(_pieces(value["base64"])))
    else:
        raise ValueError(f"a piece is a string, repeat and times, or base64, not {value}")
