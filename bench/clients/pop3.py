"""A bare POP3 client; replies are read and not looked at."""

import socket
import threading

from tests.interop.harness import PASSWORD

LINE, LINES = b"\r\n", b"\r\n.\r\n"


class Client:
    """One connection, blocking."""

    def __init__(self, port: int, user: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read(LINE)
        self.say(b"USER " + user.encode())
        self.say(b"PASS " + PASSWORD.encode())

    def _read(self, end: bytes) -> int:
        reply = self._socket.recv(1 << 17)
        octets = len(reply)
        assert reply.startswith(b"+OK"), reply[:80]
        while not reply.endswith(end):
            more = self._socket.recv(1 << 17)
            assert more, "the server has hung up"
            octets += len(more)
            reply = reply[-len(end) :] + more
        return octets

    def say(self, command: bytes, end: bytes = LINE) -> int:
        """A command, and its reply up to this end; gives the octets of the reply."""
        self._socket.sendall(command + b"\r\n")
        return self._read(end)

    def ask_all(self, commands: list[bytes]) -> int:
        """Many commands with replies of many lines, sent without waiting; gives the octets of the replies."""
        sending = threading.Thread(target=self._socket.sendall, args=(b"\r\n".join([*commands, b""]),))
        sending.start()
        ends, rest, octets = 0, b"", 0
        while ends < len(commands):
            piece = self._socket.recv(1 << 17)
            assert piece, "the server has hung up"
            octets += len(piece)
            data = rest + piece
            ends += data.count(LINES)
            rest = data[max(len(data) - len(LINES) + 1, data.rfind(LINES) + len(LINES), 0) :]
        sending.join()
        return octets

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
