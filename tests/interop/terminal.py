"""A program that wants a terminal, and somebody who reads the screen before pressing a key."""

import contextlib
import os
import pty
import re
import select
import time

from tests.interop.harness import CLIENT_SECONDS

PATIENCE = 3.0

_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0]|\x1b[=>78]")


class Terminal:
    """One program with its terminal; `close` ends it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._name = command[0]
        self._written = b""
        self._child, self._terminal = pty.fork()
        if self._child == 0:
            os.execve(command[0], command, {**os.environ, "TERM": "xterm", **environment})

    def expect(self, pattern: str, seconds: float = CLIENT_SECONDS) -> None:
        """Wait until the program has written something like this, behind what was expected before."""
        until = time.monotonic() + seconds
        while not (found := re.search(pattern.encode(), self._written)):
            if time.monotonic() > until or not self._read():
                raise AssertionError(f"{self._name} did not show {pattern!r}, but {self._written[-2000:]!r}")
        self._written = self._written[found.end() :]

    def answer(self, question: str, key: str, pattern: str) -> None:
        """Press a key at a question until there is a reaction; some programs flush what comes early."""
        self.expect(question)
        for _ in range(int(CLIENT_SECONDS / PATIENCE)):
            self.press(key)
            with contextlib.suppress(AssertionError):
                self.expect(pattern, PATIENCE)
                return
        self.expect(pattern)

    def press(self, *keys: str) -> None:
        """Send keystrokes."""
        for key in keys:
            os.write(self._terminal, key.encode())

    def wait(self) -> None:
        """Until the program ends by itself."""
        until = time.monotonic() + CLIENT_SECONDS
        while self._read():
            if time.monotonic() > until:
                raise AssertionError(f"{self._name} did not end, but showed {self._written[-2000:]!r}")

    def close(self) -> None:
        """Whatever it is doing."""
        os.kill(self._child, 9)
        os.close(self._terminal)
        os.waitpid(self._child, 0)

    def _read(self) -> bool:
        """Read what is there; False at the end."""
        try:
            if select.select([self._terminal], [], [], 0.2)[0]:
                octets = os.read(self._terminal, 65536)
                self._written = _ESCAPES.sub(b"", self._written + octets)
                return bool(octets)
        except OSError:  # how a terminal tells that nobody is at its other side
            return False
        return True
