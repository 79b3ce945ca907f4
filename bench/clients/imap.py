"""A bare IMAP client that reads as fast as it can, and keeps nothing.

    python -m bench.clients.imap PORT USER PASSWORD COMMAND...

runs commands in a session of its own; for work that goes on beside what is measured in another process. It
imports little, as its start is not the work.
"""

import re
import socket
import sys
import time

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


class Client:
    """One connection; commands are timed from the first octet sent to the last one read."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb", buffering=1 << 20)
        self._number = 0
        self.octets = 0  # of the last answer
        self._file.readline()
        self.command(f'LOGIN {user} "{password}"'.encode())

    def command(self, text: bytes, literal: bytes | None = None) -> float:
        """Run one command; gives its seconds. Raises AssertionError when the answer is not OK."""
        self._number += 1
        tag = b"a%d" % self._number
        begun = time.perf_counter()
        if literal is None:
            self._socket.sendall(tag + b" " + text + b"\r\n")
        else:
            self._socket.sendall(tag + b" " + text + b" {%d+}\r\n" % len(literal) + literal + b"\r\n")
        line = self._answer(tag + b" ")
        seconds = time.perf_counter() - begun
        assert line.split(b" ")[1] == b"OK", (text, line)
        return seconds

    def _answer(self, tag: bytes) -> bytes:
        self.octets = 0
        readline, read = self._file.readline, self._file.read
        while True:
            line = readline()
            assert line, "the server has hung up"
            self.octets += len(line)
            if line.startswith(tag):
                return line
            while line.endswith(b"}\r\n") and (found := _LITERAL.search(line)):
                left = int(found[1])
                self.octets += left
                while left:
                    left -= len(read(min(left, 1 << 20)))
                line = readline()
                self.octets += len(line)

    def close(self) -> None:
        """LOGOUT."""
        self.command(b"LOGOUT")
        self._file.close()
        self._socket.close()


def main() -> None:
    """The command line; prints the seconds of the last command."""
    port, user, password, *commands = sys.argv[1:]
    client = Client(int(port), user, password)
    for command in commands[:-1]:
        client.command(command.encode())
    print(client.command(commands[-1].encode()))


if __name__ == "__main__":
    main()
