"""The log on the standard output: the lines that twistd would write, octet for octet, for less.

twistd makes the time, the format and the system of each event anew, and that takes longer than what most
commands do. Only where its options leave the log on the standard output, as services do that systemd or a
container keeps, is there anything to gain here; all else stays twistd's.
"""

import time
from typing import IO, Any

from twisted.logger import ILogObserver, LogEvent, formatEventAsClassicLogText
from twisted.python.components import Componentized
from zope.interface import implementer


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


def take_over(application: Any, twistd: Any, output: IO[str]) -> None:
    """Have the application log by Lines where twistd's options would have it log on the standard output."""
    elsewhere = twistd["syslog"] or twistd["logfile"] not in (None, "", "-")
    if twistd["nodaemon"] and not elsewhere and isinstance(application, Componentized):
        application.setComponent(ILogObserver, Lines(output))
