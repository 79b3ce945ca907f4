"""mailnode.admin.control: the talk between the command and the running server, both sides."""

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.control import LINE_LIMIT, Answer, ControlError, ControlFactory, NotRunning, ask

RELOAD = b'{"command": "reload"}\n'


class ServerSide(SynchronousTestCase):
    """The protocol, on a transport of strings."""

    def setUp(self) -> None:
        self.waiting: list[Deferred[Answer]] = []
        self.protocol = ControlFactory(
            {"reload": self.reload, "slow": self.slow, "broken": self.broken}
        ).buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)

    async def reload(self, request: Mapping[str, object]) -> Answer:
        return {"ok": True, "warnings": [], "request": request}

    async def slow(self, request: Mapping[str, object]) -> Answer:
        answer: Deferred[Answer] = Deferred()
        self.waiting.append(answer)
        return await answer

    async def broken(self, request: Mapping[str, object]) -> Answer:
        raise RuntimeError("/secret/path")

    def answers(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.transport.value().splitlines()]

    def test_request(self) -> None:
        """A request is answered in one line."""
        self.protocol.dataReceived(RELOAD)
        self.assertEqual(self.answers(), [{"ok": True, "warnings": [], "request": {"command": "reload"}}])

    def test_any_split(self) -> None:
        """How the octets come makes no difference."""
        for octet in RELOAD + RELOAD:
            self.protocol.dataReceived(bytes([octet]))
        self.assertEqual(len(self.answers()), 2)

    def test_many_at_once(self) -> None:
        """Thousands of requests in one piece are answered one by one."""
        self.protocol.dataReceived(RELOAD * 3000)
        self.assertEqual(len(self.answers()), 3000)

    def test_in_order(self) -> None:
        """The next request waits for the answer to the one before."""
        self.protocol.dataReceived(b'{"command": "slow"}\n')
        self.protocol.dataReceived(RELOAD)
        self.assertEqual(self.answers(), [])
        self.waiting[0].callback({"ok": False, "mistakes": ["x"]})
        self.assertEqual([answer["ok"] for answer in self.answers()], [False, True])

    def test_nonsense(self) -> None:
        """What is no request is refused, and the connection lives on."""
        for line in (b"", b"x", b"[]", b"3", b'{"command": 3}', b'{"command": "rm"}', b"\xff", b"[" * 60000):
            self.protocol.dataReceived(line + b"\n")
            self.assertFalse(self.answers()[-1]["ok"])
        self.protocol.dataReceived(RELOAD)
        self.assertTrue(self.answers()[-1]["ok"])

    def test_too_long(self) -> None:
        """A line without end ends the connection."""
        self.protocol.dataReceived(b"x" * (LINE_LIMIT + 1))
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.answers(), [{"ok": False, "mistakes": ["request too long"]}])

    def test_our_bug(self) -> None:
        """A failing command is logged, and its inside not told."""
        self.protocol.dataReceived(b'{"command": "broken"}\n')
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertNotIn("secret", self.transport.value().decode())
        self.assertFalse(self.answers()[0]["ok"])


class ClientSide(SynchronousTestCase):
    """`ask`, against a socket of the test's own."""

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "control.sock")

    def serve(self, answer: Callable[[bytes], bytes]) -> None:
        """Listen, and answer one request in a thread of its own."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path)
        listener.listen(1)

        def one() -> None:
            connection, _ = listener.accept()
            with connection, listener:
                connection.sendall(answer(connection.recv(LINE_LIMIT)))

        thread = threading.Thread(target=one)
        thread.start()
        self.addCleanup(thread.join)

    def test_answer(self) -> None:
        """The request goes out as a line and the answer comes back as a value."""
        self.serve(lambda line: json.dumps({"ok": True, "got": json.loads(line)}).encode() + b"\n")
        self.assertEqual(
            ask(self.path, {"command": "reload"}, timeout=60), {"ok": True, "got": {"command": "reload"}}
        )

    def test_not_running(self) -> None:
        """Without a socket, or with one that nobody serves, the server is not running."""
        self.assertRaises(NotRunning, ask, self.path, {})
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(self.path)
        self.assertRaises(NotRunning, ask, self.path, {})

    def test_strange_answers(self) -> None:
        """An answer that is none is an error with a text."""
        for answer in (b"", b"x\n", b"[]\n", b"\xff\n", b'{"ok"'):
            self.serve(lambda _, answer=answer: answer)
            self.assertRaises(ControlError, ask, self.path, {}, timeout=60)
            os.unlink(self.path)

    def test_path_too_long(self) -> None:
        """A path that fits in no socket address is an error with a text."""
        self.assertRaises(ControlError, ask, "/" + "x" * 200, {})
