"""The control socket: how the `mailnode` command talks to the running server.

A UNIX stream socket in the state directory, open to its owner only. Each line is one JSON object: a request
such as {"command": "reload"}, and one answer to each in order, {"ok": true, "warnings": [...]} or
{"ok": false, "mistakes": ["file:line: ..."]}. The server's side is a Twisted protocol, the client's plain
blocking sockets, since the command has nothing else to do meanwhile.
"""

import json
import socket
from collections.abc import Awaitable, Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

LINE_LIMIT = 65536  # octets of a request
_ANSWER_LIMIT = 4_194_304

Answer = Mapping[str, object]
Command = Callable[[Mapping[str, object]], Awaitable[Answer]]


class ControlProtocol(Protocol):
    """One connection of the command: a request, its answer, and so on until one side is tired."""

    _log = Logger()

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands
        self._buffer = bytearray()
        self._busy = False

    def dataReceived(self, data: bytes) -> None:
        """Take octets in; while a request is being worked on they only wait."""
        self._buffer += data
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._serve())

    async def _serve(self) -> None:
        try:
            while (line := self._line()) is not None:
                answer = await self._answer(line)
                self._write(answer)
        finally:
            self._busy = False
        if len(self._buffer) > LINE_LIMIT:
            self._buffer.clear()
            self._write(_refusal("request too long"))
            assert self.transport is not None
            self.transport.loseConnection()

    def _write(self, answer: Answer) -> None:
        assert self.transport is not None  # Twisted sets it before the first octet
        self.transport.write(json.dumps(answer).encode() + b"\n")

    def _line(self) -> bytes | None:
        line, end, rest = self._buffer.partition(b"\n")
        if not end or len(line) > LINE_LIMIT:
            return None
        self._buffer = rest
        return bytes(line)

    async def _answer(self, line: bytes) -> Answer:
        """What the command says; a failure of ours is logged here and told without its inside."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refusal("not a JSON object")
        name = request.get("command") if isinstance(request, dict) else None
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            return _refusal("unknown command; known: " + ", ".join(sorted(self._commands)))
        try:
            return await command(request)
        except Exception:
            self._log.failure("control command {name} failed", name=name)
            return _refusal("the server failed to do it; its log says why")


class ControlFactory(Factory):
    """Makes a ControlProtocol for each connection; `commands` are the functions by name."""

    noisy = False

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = dict(commands)

    def buildProtocol(self, addr: IAddress | None) -> ControlProtocol:
        """The protocol of one connection."""
        return ControlProtocol(self._commands)


def _refusal(text: str) -> Answer:
    return {"ok": False, "mistakes": [text]}


# The client's side


class ControlError(Exception):
    """The server could not be asked; the text is for the person at the keyboard."""


class NotRunning(ControlError):
    """Nobody listens on the control socket."""


def ask(path: str, request: Mapping[str, object], *, timeout: float = 60.0) -> Answer:
    """Send one request and wait for its answer; raises NotRunning or ControlError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_read_line(connection))
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(f"mailnode is not running: nobody answers on {path}") from None
    except PermissionError:
        raise ControlError(f"{path} belongs to another user; run this as that user or as root") from None
    except (OSError, ValueError) as error:
        raise ControlError(f"no answer on {path}: {error}") from None
    if not isinstance(answer, dict):
        raise ControlError(f"strange answer on {path}")
    return answer


def _read_line(connection: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and len(line) < _ANSWER_LIMIT:
        piece = connection.recv(LINE_LIMIT)
        if not piece:
            break
        line += piece
    return bytes(line)
