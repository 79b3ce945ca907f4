"""One escaped line for each fact, with the ids that follow a connection and a message.

A line reads `event key=value key=value`. Values from peers are escaped and cut, so that no octet they
send can break the line, colour a terminal or fill the disk (vector C14 of the test suite).
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

T = TypeVar("T")

# The names of fields, and their values.
Fields = tuple[tuple[str, ...], tuple[object, ...]]

# A fact of which nobody wants more than its line: its time, its source, its level, the beginning of its line,
# and what gives the fields that follow, of what.
Fact = tuple[float, str, str, str, Callable[[Any], Fields], Any]


class Facts(Protocol):
    """Takes facts, whose lines are made a moment later."""

    def add(self, fact: Fact, /) -> None:
        """One more."""

    def flush(self) -> None:
        """Make their lines now."""


_LIMIT = 512
_ITEMS = 100
_PLAIN = re.compile(rf"[!#-<>-\[\]-~]{{1,{_LIMIT}}}")  # what is written as it is
_PAIRS = re.compile(r"(?: [a-z0-9_]+=[!#-<>-\[\]-~]+)+")  # several of these, each with its name
_OCTETS = "b'"  # how that begins which is not written as str() does it
_QUOTED = re.compile(rf"[ !#-\[\]-~]{{0,{_LIMIT}}}")  # and, where it is not plain, between quotes


def cut(value: object) -> object:
    """The value as JSON can hold it; a text has at most as many characters as one that is escaped."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, tuple | list):
        return [cut(one) for one in value[:_ITEMS]]
    if isinstance(value, bytes | bytearray):
        value = bytes(value[: _LIMIT + 1]).decode("utf-8", "backslashreplace")
    text = str(value)
    return text if len(text) <= _LIMIT else text[:_LIMIT] + "..."


def escape(value: object) -> str:
    """The value as one printable ASCII word; blanks, quotes and everything odd are escaped."""
    if isinstance(value, bytes | bytearray):
        text = bytes(value[: _LIMIT + 1]).decode("utf-8", "backslashreplace")
    else:
        text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    if _QUOTED.fullmatch(text):
        return f'"{text}"'
    cut = text[:_LIMIT]
    plain = cut.encode("unicode_escape").decode("ascii")
    if len(text) > _LIMIT:
        plain += "..."
    if not plain or any(mark in plain for mark in ' "='):
        return '"' + plain.replace('"', "'") + '"'
    return plain


def line_of(beginning: str, fields: Callable[[T], Fields], subject: T) -> str:
    """The line of a fact, or that it cannot be made: no other one is the worse for it."""
    try:
        names, values = fields(subject)
        return beginning + _pairs(names, values)
    except Exception as error:
        return f"log line not made error={type(error).__name__}"


def _pairs(names: tuple[str, ...], values: tuple[object, ...]) -> str:
    text = _template(names) % values
    # A value that has a blank could be taken for two, of which the second has a name: one "=" too many.
    if (
        len(text) <= _LIMIT
        and text.count("=") == len(names)
        and _OCTETS not in text
        and _PAIRS.fullmatch(text)
    ):
        return text
    return "".join([f" {name}={escape(value)}" for name, value in zip(names, values, strict=True)])


@cache
def _template(names: tuple[str, ...]) -> str:
    return "".join([f" {name}=%s" for name in names])


def fields_of(fields: Mapping[str, object]) -> Fields:
    """The fields in a mapping."""
    return tuple(fields), tuple(fields.values())


def no_fields(_: object) -> Fields:
    """Those of a fact of which all is said."""
    return (), ()


def emit(
    logger: Logger, level: Any, line: str, event: str, fields: Mapping[str, object], **structured: object
) -> None:
    """As Logger.emit() does it, but for the look whether there is such a level, which takes longest."""
    logger.observer(
        {
            **structured,
            "line": line,
            "event_name": event,
            "fields": fields,
            "log_logger": logger,
            "log_level": level,
            "log_namespace": logger.namespace,
            "log_source": None,
            "log_format": "{line}",
            "log_time": time.time(),
        }
    )


class Log:
    """A logger with fields bound to it, such as the connection's id.

    `lines` is where facts go of which nobody wants more than the line: past Twisted's log, where they would
    take twice as long. Used on the reactor thread only.
    """

    lines: ClassVar[Facts | None] = None

    def __init__(self, source: str, **fields: object) -> None:
        self._logger = Logger(namespace=source)
        self._bind(fields)

    def bind(self, **fields: object) -> "Log":
        """The same logger with more fields on every line."""
        bound = Log.__new__(Log)
        bound._logger = self._logger
        bound._bind({**self._fields, **fields})
        return bound

    def _bind(self, fields: dict[str, object]) -> None:
        self._fields = fields
        self._ending = _pairs(*fields_of(fields))

    def _structured(self) -> dict[str, Any]:
        """The fields that are bound, as they stand in an event of Twisted's log."""
        return {f"field_{name}": value for name, value in self._fields.items()}

    def info(self, event: str, **fields: object) -> None:
        """A fact of normal work. Its fields are made text a moment later: they do not change."""
        self.about(LogLevel.info, event, fields_of, fields)

    def warn(self, event: str, **fields: object) -> None:
        """A fact that an administrator may want to look at."""
        self.about(LogLevel.warn, event, fields_of, fields)

    def bug(self, event: str, failure: Failure) -> None:
        """An exception nobody expected: the one case in which a traceback belongs into the log."""
        self._logger.failure("{line}", failure=failure, line=event + self._ending, **self._structured())

    def about(self, level: Any, event: str, fields: Callable[[T], Fields], subject: T) -> None:
        """A fact whose fields can be had of its subject, which does not change, when its line is made."""
        beginning, lines = event + self._ending, Log.lines
        if lines is not None:
            lines.add((time.time(), self._logger.namespace, level.name, beginning, fields, subject))
            if level is not LogLevel.info:  # a crash may come next
                lines.flush()
        else:
            names, values = fields(subject)
            line = beginning + _pairs(names, values)
            known = dict(zip(names, values, strict=True))
            emit(self._logger, level, line, event, known, **self._structured())

    def each(self, event: str, calls: Iterable[Callable[..., None]], *arguments: object) -> None:
        """Make all these calls; one that fails is a bug of its own, and of nobody who is called after it."""
        for call in calls:
            try:
                call(*arguments)
            except Exception:
                self.bug(event, Failure())
