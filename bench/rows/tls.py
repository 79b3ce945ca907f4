"""TLS: submission with a login, and bare handshakes.

A session of submission is: TLS from the start, EHLO, AUTH PLAIN, one message of 2 KB to a mailbox here, QUIT.
Postfix asks a Dovecot for passwords, as it has none; its processor time is not counted.
"""

import base64
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bench import corpus
from bench.row import Figure, Group, Row, Task
from bench.sides import OURS, DovecotSide, Mailnode, PostfixSide, Side, started
from mailnode.admin.certificates import write_certificates
from mailnode.fs import FileSystem
from tests.interop.harness import DOMAIN, HOSTNAME, PASSWORD, program

_BOX = "box"
_CLIENTS = 8
_HANDSHAKERS = 4
_CONNECTIONS = re.compile(rb"(\d+) connections in (\d+) real seconds")
_MESSAGE = corpus.of_size(2000, sender=f"{_BOX}@{DOMAIN}").replace(b"\n", b"\r\n") + b".\r\n"


class _Postfix(PostfixSide):
    """Postfix with TLS from the start, and with a Dovecot that knows the passwords."""

    def __init__(self) -> None:
        self._dovecot = started(DovecotSide())
        settings = {
            "smtpd_tls_wrappermode": "yes",
            "smtpd_tls_security_level": "encrypt",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{self._dovecot.sasl}",
        }
        try:
            super().__init__([_BOX], settings=settings)
        except BaseException:
            self._dovecot.close()
            raise
        place = os.path.join(self.postfix.folder, "tls")
        write_certificates(place, HOSTNAME, FileSystem(), datetime.now(UTC))
        self.postfix.set("smtpd_tls_cert_file", f"{place}/cert.pem")
        self.postfix.set("smtpd_tls_key_file", f"{place}/key.pem")

    def close(self) -> None:
        super().close()
        self._dovecot.close()


class _Submitter(threading.Thread):
    """A client that does a session after the other for a time."""

    def __init__(self, side: Side, until: float) -> None:
        super().__init__(daemon=True)
        self.sessions = 0
        self.error: Exception | None = None
        self._side = side
        self._until = until
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def run(self) -> None:
        try:
            while time.perf_counter() < self._until:
                self._session()
                self.sessions += 1
        except Exception as error:
            self.error = error

    def _session(self) -> None:
        side = self._side
        token = base64.b64encode(f"\0{side.login(_BOX)}\0{PASSWORD}".encode())
        address = side.address(_BOX).encode()
        bare = socket.create_connection(("127.0.0.1", side.ports["submissions"]), timeout=60)
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._context.wrap_socket(bare) as line, line.makefile("rb") as replies:
            for command in (
                b"",
                b"EHLO client.example\r\n",
                b"AUTH PLAIN " + token + b"\r\n",
                b"MAIL FROM:<" + address + b">\r\nRCPT TO:<" + address + b">\r\nDATA\r\n",
                _MESSAGE,
                b"QUIT\r\n",
            ):
                if command:
                    line.sendall(command)
                for _ in range(3 if command.startswith(b"MAIL") else 1):
                    _read_reply(replies.readline)


def _read_reply(readline: Callable[[], bytes]) -> None:
    while (reply := readline())[3:4] == b"-":
        pass
    assert reply[:1] in b"23" and reply, reply


def _submit(side: Side, task: Task) -> Sequence[float]:
    begun = time.perf_counter()
    clients = [_Submitter(side, begun + task.seconds) for _ in range(_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        if client.error is not None:
            raise AssertionError(f"a client failed: {client.error!r}")
    return [sum(client.sessions for client in clients) / (time.perf_counter() - begun)]


def _handshakes(side: Side, task: Task) -> Sequence[float]:
    """By several `openssl s_time`, which cost little."""
    seconds = max(round(task.seconds), 2)
    place = f"127.0.0.1:{side.ports['imaps']}"
    command = [program("openssl"), "s_time", "-connect", place, "-new", "-time", str(seconds)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(_HANDSHAKERS)]
    said = [client.communicate(timeout=60)[0] for client in clients]
    found = [_CONNECTIONS.search(one) for one in said]
    rates = [int(one[1]) / int(one[2]) for one in found if one is not None]
    assert len(rates) == _HANDSHAKERS, said
    return [sum(rates)]


SUBMISSION = Group(
    "Submission",
    {
        OURS: lambda setting: started(Mailnode([_BOX])),
        "postfix": lambda setting: started(_Postfix()),
    },
    (Row("TLS, login, a message; 8 clients", (Figure("sessions/s"),), _submit),),
)


def _make_box(side: Side) -> None:
    os.makedirs(side.maildir(_BOX))


HANDSHAKES = Group(
    "TLS",
    {
        OURS: lambda setting: started(Mailnode([_BOX])),
        "dovecot": lambda setting: started(DovecotSide(), _make_box),
        "dovecot, swift": lambda setting: started(DovecotSide("dovecot, swift", swift=True), _make_box),
    },
    (Row("full handshakes, 4 clients", (Figure("handshakes/s"),), _handshakes),),
)
