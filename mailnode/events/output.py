"""The log on the standard output: the lines that twistd would write, octet for octet, for less; or JSON.

twistd makes the time, the format and the system of each event anew, and that takes longer than what most
commands do. Only where its options leave the log on the standard output, as services do that systemd or a
container keeps, is there anything to gain here; all else stays twistd's.

As JSON each line is an object: time, level, source, event, then the fields of the fact, with the ids of the
connection and the message; a bug has its traceback. It is ASCII, as all that peers have sent is escaped.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any

from twisted.logger import ILogObserver, LogEvent, formatEvent, formatEventAsClassicLogText
from twisted.python.components import Componentized
from zope.interface import implementer

from mailnode.events.log import cut

_BOUND = "field_"


@implementer(ILogObserver)
class Lines:
    """Writes an event as one line, and flushes it."""

    def __init__(self, output: IO[str]) -> None:
        self._output = output
        self._second = -1
        self._time = ""

    def __call__(self, event: LogEvent) -> None:
        """Twisted's: an event happened."""
        line = event.get("line")
        if line is None or "log_failure" in event:
            text = formatEventAsClassicLogText(event) or ""
        else:
            second = int(round(event["log_time"], 6))  # as datetime does, which knows microseconds
            if second != self._second:
                self._second = second
                self._time = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
            text = f"{self._time} [{event['log_namespace']}#{event['log_level'].name}] {line}\n"
        if text:
            self._output.write(text)
            self._output.flush()


@implementer(ILogObserver)
class JsonLines:
    """Writes an event as a JSON object on a line of its own, and flushes it."""

    def __init__(self, output: IO[str]) -> None:
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
        fields = fields_of(event)
        content.update((name, cut(value)) for name, value in fields.items() if name not in content)
        if "log_failure" in event:
            content["traceback"] = event["log_failure"].getTraceback()
        self._output.write(json.dumps(content) + "\n")
        self._output.flush()


def fields_of(event: LogEvent) -> dict[str, Any]:
    """The fields of a fact: those that are bound to its logger, and its own."""
    bound = {name[len(_BOUND) :]: value for name, value in event.items() if name.startswith(_BOUND)}
    return {**bound, **event.get("fields", {})}


FORMATS: dict[str, Callable[[IO[str]], Any]] = {"text": Lines, "json": JsonLines}


def take_over(application: Any, twistd: Any, output: IO[str], form: str = "text") -> bool:
    """Have the application log in this format where twistd would have it log on the standard output.

    Gives whether it does.
    """
    elsewhere = twistd["syslog"] or twistd["logfile"] not in (None, "", "-")
    ours = bool(twistd["nodaemon"]) and not elsewhere and isinstance(application, Componentized)
    if ours:
        application.setComponent(ILogObserver, FORMATS[form](output))
    return ours
