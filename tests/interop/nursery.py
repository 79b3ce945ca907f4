"""Servers that start quickly: forked by a process that has imported everything a server is made of.

Each is a process of its own, and twistd runs in it as it would otherwise; what is saved is the time that all
the imports take, which is most of a start. It needs Linux, for pidfd_open.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from select import select
from threading import Lock


class Offspring:
    """A process that the nursery has forked, as subprocess.Popen has it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._gone = False
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._gone = True

    def poll(self) -> int | None:
        """None while it runs, or its number is still in use."""
        if not self._gone:
            try:
                signal.pidfd_send_signal(self._descriptor, 0)
            except ProcessLookupError:
                self._gone = True
                os.close(self._descriptor)
        return 0 if self._gone else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and until the nursery has taken note of that. Raises TimeoutExpired."""
        if self.poll() is None and not select([self._descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("twistd", timeout or 0)
        while self.poll() is None:
            time.sleep(0.001)
        return 0

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if not self._gone:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process, from when it is first needed until the tests end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def start(self, arguments: list[str], *, cwd: str, env: Mapping[str, str], log: str) -> Offspring:
        """Start twistd with these arguments, in this folder and environment; all it says goes to the log."""
        order = {"arguments": arguments, "cwd": cwd, "env": dict(env), "log": log}
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.interop.nursery"],
                    cwd=env["PYTHONPATH"],
                    env=env,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
                atexit.register(self._process.communicate)
            orders, answers = self._process.stdin, self._process.stdout
            assert orders is not None and answers is not None
            orders.write(json.dumps(order).encode() + b"\n")
            orders.flush()
            return Offspring(int(answers.readline()))


def main() -> None:
    """Read orders, a line each, and answer each with the number of a process, until there are no more."""
    import_module("mailnode.service")
    run = import_module("twisted.scripts.twistd").run
    signal.signal(signal.SIGCHLD, _take_note)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if not pid:
            _become(**json.loads(line))
            run()
            return
        sys.stdout.buffer.write(b"%d\n" % pid)
        sys.stdout.buffer.flush()


def _take_note(*_: object) -> None:
    """Let the numbers of processes that have ended go."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become(arguments: list[str], cwd: str, env: dict[str, str], log: str) -> None:
    """Be what a new process would be."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, copy in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, copy)
    os.close(output)
    os.close(nothing)
    sys.argv = ["twistd", *arguments]


if __name__ == "__main__":
    main()
