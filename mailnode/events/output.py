"""The log as lines: those that twistd would write, octet for octet, for less; or JSON.

twistd makes the time, the format and the system of each event anew, and that takes longer than what most
commands do. Here facts are made lines a moment later, many at once; a warning at once, as a crash may come
next. Where its options leave the log on the standard output, as services do that systemd or a
container keeps, or in a file (`--logfile`), the lines are ours; all else, such as syslog, stays twistd's.
twistd would put its file aside itself, a megabyte at a time, and nobody else could without losing lines.

As JSON each line is an object: time, level, source, event, then the fields of the fact, with the ids of the
connection and the message; a bug has its traceback. It is ASCII, as all that peers have sent is escaped.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent, formatEvent, formatEventAsClassicLogText
from twisted.python.components import Componentized
from zope.interface import implementer

from mailnode.events.log import Fact, Fields, Log, cut, line_of, no_fields
from mailnode.events.soon import Soon

_BOUND = "field_"
_TO_NEXT = 0.9999995  # of a second: from there on microseconds are rounded up to the next one


class Output(Protocol):
    """What lines are written to: a text stream, or a LogFile."""

    def write(self, text: str, /) -> object:
        """Append the text."""

    def flush(self) -> object:
        """Hold nothing back."""


@implementer(ILogObserver)
class Lines:
    """Writes an event as one line, and flushes it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._from = self._until = 0.0
        self._time = ""  # as it is written between these
        self._soon: Soon[Fact] | None = None

    def begin(self, clock: IReactorTime) -> None:
        """Take facts past Twisted's log."""
        Log.lines = self._soon = Soon(clock, self._write)

    def end(self) -> None:
        """Leave them to it, and hold none back."""
        Log.lines = None
        if self._soon is not None:
            self._soon.flush()

    def __call__(self, event: LogEvent) -> None:
        """Twisted's: an event happened."""
        if self._soon is not None:
            self._soon.flush()
        line = event.get("line")
        if line is None or "log_failure" in event:
            text = formatEventAsClassicLogText(event) or ""
        else:
            level = event["log_level"].name
            text = self._line(event["log_time"], event["log_namespace"], level, line, no_fields, None)
        if text:
            self._put(text)

    def _write(self, facts: list[Fact]) -> None:
        """Write their lines; where that cannot be done there is nobody to tell."""
        lines = [self._line(*fact) for fact in facts]
        try:
            self._put("".join(lines))
        except UnicodeError:  # one of them holds what the output has no octets for; nothing is written so far
            for line in lines:
                with suppress(Exception):
                    self._put(line)
        except Exception:  # the disk is full, or whoever read it has gone; who says it goes on in any case
            pass

    def _put(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()

    def _line(
        self,
        when: float,
        source: str,
        level: str,
        beginning: str,
        fields: Callable[[Any], Fields],
        subject: Any,
    ) -> str:
        if not self._from <= when < self._until:
            self._look_at_the_clock(when)
        return f"{self._time} [{source}#{level}] {line_of(beginning, fields, subject)}\n"

    def _look_at_the_clock(self, when: float) -> None:
        second = int(round(when, 6))  # as datetime does, which knows microseconds
        self._time = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
        self._from, self._until = second, second + _TO_NEXT


@implementer(ILogObserver)
class JsonLines:
    """Writes an event as a JSON object on a line of its own, and flushes it."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, event: LogEvent) -> None:
        """Twisted's: an event happened."""
        text = event.get("event_name") or event.get("line") or formatEvent(event)
        if not text:
            return
        level = event.get("log_level")
        content: dict[str, object] = {
            "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
            "level": level.name if level is not None else "info",
            "source": str(event.get("log_namespace", "")),
            "event": cut(text),
        }
        fields = all_fields_of(event)
        content.update((name, cut(value)) for name, value in fields.items() if name not in content)
        if "log_failure" in event:
            content["traceback"] = event["log_failure"].getTraceback()
        self._output.write(json.dumps(content) + "\n")
        self._output.flush()


def all_fields_of(event: LogEvent) -> dict[str, Any]:
    """The fields of a fact: those that are bound to its logger, and its own."""
    bound = {name[len(_BOUND) :]: value for name, value in event.items() if name.startswith(_BOUND)}
    return {**bound, **event.get("fields", {})}


FORMATS: dict[str, Callable[[Output], "Lines | JsonLines"]] = {"text": Lines, "json": JsonLines}


def log_path(twistd: Any) -> str:
    """The path of the file in which twistd's options want the log; empty where they want it elsewhere."""
    path = twistd["logfile"]
    elsewhere = twistd["syslog"] or twistd.get("logger")
    return "" if elsewhere or path in (None, "", "-") else os.path.abspath(path)


def take_over(
    application: Any, twistd: Any, output: Output, form: str = "text"
) -> "Lines | JsonLines | None":
    """Have the application log in this format where twistd logs on the standard output, or in a file.

    `output` is that. Gives what does so, or None.
    """
    elsewhere = twistd["syslog"] or twistd.get("logger")
    here = not elsewhere and bool(twistd["nodaemon"] or log_path(twistd))
    if not here or not isinstance(application, Componentized):
        return None
    observer = FORMATS[form](output)
    application.setComponent(ILogObserver, observer)
    return observer
