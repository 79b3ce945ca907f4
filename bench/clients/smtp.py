"""smtp-source and smtp-sink of Postfix: clients and a target that cost next to nothing."""

import os
import re
import socket
import subprocess
from collections.abc import Callable
from threading import Thread

from mailnode.values import frozen
from tests.interop.harness import free_ports, program, run, wait_until

PATIENCE = 120.0  # seconds for one load
_COUNTED = re.compile(rb"mesg=(\d+)")


@frozen
class Load:
    """What is sent: so many messages by so many connections at a time, `kept` for many messages or for one.

    Of `recipients` each gets a number before its name. `file` holds a message; else it is made of `octets`.
    """

    messages: int
    connections: int
    kept: bool = True
    octets: int = 2000
    file: str = ""
    recipients: int = 1
    lmtp: bool = False

    def command(self, port: int, address: str) -> list[str]:
        """The command line."""
        options = ["-s", str(self.connections), "-m", str(self.messages), "-r", str(self.recipients)]
        options += ["-F", self.file] if self.file else ["-l", str(self.octets)]
        options += ["-d"] * self.kept + ["-L"] * self.lmtp
        names = ["-M", "client.example", "-f", "load@client.example", "-t", address]
        return [program("smtp-source"), *options, *names, f"inet:127.0.0.1:{port}"]

    def send(self, port: int, address: str) -> None:
        """All of it."""
        run(self.command(port, address), seconds=PATIENCE)


class Sink:
    """smtp-sink, which counts."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_ports(1)[0]
        self.count = 0
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [program("smtp-sink"), "-c", *user, f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()
        wait_until(self._listens, "the sink to listen")  # else a queue leaves it alone for a while

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while piece := os.read(descriptor, 65536):
            if found := _COUNTED.findall(piece):
                self.count = int(found[-1])

    def wait_for(self, count: int) -> None:
        """Until it has so many."""
        wait_until(lambda: self.count >= count, f"{count} messages in the sink", PATIENCE)

    def close(self) -> None:
        """The end of it."""
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def until(true: Callable[[], bool], what: str) -> None:
    """Wait as long as a load may take."""
    wait_until(true, what, PATIENCE)
