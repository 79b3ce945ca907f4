"""Playing a story in a real process under strace, which counts its system calls, or makes one of them fail.

Starting Python for every story would be too dear: a child is forked from a process that has everything
imported. It waits in poll(2), which is never traced, until strace has it, so that the first call that counts
is the story's own. strace counts calls by their names: a name and an ordinal stand for one call of a story.

Three things can happen at a call:

- The process dies (SIGKILL) before the call is done. This is tried at every call that changes something or
  orders changes: death before a call that only reads equals death before the next one that writes.
- The call fails with EIO, also where it only reads; with ENOSPC where it needs room; with EMFILE where it
  needs a descriptor. It is not done then. The process lives on.
"""

import ctypes
import gc
import mmap
import os
import pickle
import re
import select
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from mailnode.values import frozen

KILL = "KILL"
PATIENCE = 60.0  # seconds for one story
SLATE_SIZE = 1 << 20

# Calls that change what is on the disk, or say in which order it changes.
_NEED_ROOM = {
    *("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "mkdir", "mkdirat"),
    *("rename", "renameat", "renameat2", "link", "linkat"),
}
_CHANGE = {*_NEED_ROOM, "unlink", "unlinkat", "rmdir", "utimensat", "fchmod", "flock"}
_READ = {
    *("openat", "read", "pread64", "getdents64", "fcntl"),
    *("newfstatat", "fstat", "statx", "statfs", "fstatfs"),
}
# A question mark: not every machine has every call.
EVERY_CALL = "trace=" + ",".join(f"?{name}" for name in sorted(_CHANGE | _READ))

_CALL = re.compile(r"(\w+)\(")
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)
_libc = ctypes.CDLL(None)


@frozen
class Call:
    """One system call of a story; `ordinal` counts those of its name, from 1."""

    name: str
    ordinal: int
    text: str


@frozen
class Injection:
    """What happens at a call: KILL, or the name of its error."""

    call: Call
    fault: str

    @property
    def options(self) -> tuple[str, str]:
        """For strace: what to trace, and what to do."""
        action = f"signal={KILL}" if self.fault == KILL else f"error={self.fault}"
        return f"trace={self.call.name}", f"inject={self.call.name}:{action}:when={self.call.ordinal}"


def calls(log: str) -> Iterator[Call]:
    """The calls in a log of strace."""
    count: Counter[str] = Counter()
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if found := _CALL.match(line):
                count[found[1]] += 1
                yield Call(found[1], count[found[1]], line.strip())


def injections(call: Call) -> Iterator[Injection]:
    """All that can happen at a call."""
    creates = call.name == "openat" and "O_CREAT" in call.text
    if call.name in _CHANGE or creates:
        yield Injection(call, KILL)
    if call.name in _NEED_ROOM or creates:
        yield Injection(call, "ENOSPC")
    if call.name == "openat":
        yield Injection(call, "EMFILE")
    # No system fails to give a lock of its own file back. SQLite, told so, waits for it in every later call.
    if "F_UNLCK" not in call.text:
        yield Injection(call, "EIO")


class Slate:
    """Memory shared with children: what one wrote there outlives it, whatever killed it.

    A story dies at a system call only, and writing here is none: so what is here is never half written.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLATE_SIZE)

    def write(self, value: Any) -> None:
        """Put a value in the place of the last one."""
        self._memory.seek(0)
        self._memory.write(pickle.dumps(value))

    def read(self) -> Any:
        """The last value."""
        return pickle.loads(self._memory)


@frozen
class Outcome:
    """How a story ended."""

    status: int  # as waitpid gives it
    injected: str  # the call that failed or was the last one, as strace shows it; empty if it never came


def play(story: Callable[[], None], log: str, options: tuple[str, ...]) -> Outcome:
    """Play a story in a child under strace, with these expressions (-e) for it; `log` is its file.

    Raises TimeoutError when the story does not end.
    """
    ready, go = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(go)
        _play_when_told(ready, story)
    os.close(ready)
    command = ["strace", "-y", "-p", str(pid), "-o", log, *(part for one in options for part in ("-e", one))]
    try:
        with subprocess.Popen(command, stderr=subprocess.PIPE) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline()
            if b"attached" not in said:
                raise RuntimeError(f"strace does not work here: {said!r}")
            os.close(go)
            _wait(pid)
            strace.stderr.read()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return Outcome(os.waitpid(pid, 0)[1], _injected(log))


def _injected(log: str) -> str:
    with open(log, encoding="utf-8", errors="replace") as lines:
        shown = [line.strip() for line in lines]
    if shown[-1].startswith("+++ killed"):
        return shown[-2]
    return next((line for line in shown if "(INJECTED)" in line), "")


def _play_when_told(ready: int, story: Callable[[], None]) -> None:
    status = 1
    gc.freeze()  # what the parent has is not looked through here
    try:
        _libc.prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)  # where only parents may trace (Yama)
        gate = select.poll()
        gate.register(ready, 0)
        gate.poll()
        story()
        status = 0
    finally:
        os._exit(status)


def _wait(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            os.kill(pid, signal.SIGKILL)
            raise TimeoutError("a story does not end")
    finally:
        os.close(descriptor)
