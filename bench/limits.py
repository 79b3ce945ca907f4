"""What the machine itself can do, by the plainest program: nothing that a server does can be faster.

`fsyncs` are durable files a second as Maildir asks for them (write, fsync, link into another folder, fsync of
that), by one writer and by twenty; `loopback` are octets a second through one TCP connection; `round trips`
are questions and answers a second over one. Dialogues are what smtp-source and smtp-sink say to each other,
one after the other, for mail of which nothing is kept.
"""

import os
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from twisted.trial.unittest import SkipTest

from bench.clients.smtp import Load, Sink

DIALOGUES = "dialogues, a connection each"
DIALOGUES_KEPT = "dialogues on one connection"

_AT_ONCE = 200  # dialogues until the clock is looked at
_MESSAGE = b"x" * 2300
_PIECE = b"x" * (1 << 17)


def limits(seconds: float) -> dict[str, list[float]]:
    """By name; each is measured for so long. MB/s for loopback. What cannot be measured is not there."""
    with tempfile.TemporaryDirectory(prefix="mailnode-bench-") as folder:
        found = {
            "fsyncs": [_durable(folder, writers, seconds) for writers in (1, 20)],
            "loopback": [_loopback(seconds)],
            "round trips": [_round_trips(seconds)],
            DIALOGUES: [_dialogues(seconds, kept=False)],
            DIALOGUES_KEPT: [_dialogues(seconds, kept=True)],
        }
    return {name: values for name, values in found.items() if any(values)}


def _durable(folder: str, writers: int, seconds: float) -> float:
    for name in ("tmp", "new"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    new = os.path.join(folder, "new")
    until = time.perf_counter() + seconds

    def write(writer: int) -> int:
        count = 0
        directory = os.open(new, os.O_RDONLY)
        while time.perf_counter() < until:
            name = f"{writers}.{writer}.{count}"
            path = os.path.join(folder, "tmp", name)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(descriptor, _MESSAGE)
            os.fsync(descriptor)
            os.close(descriptor)
            os.link(path, os.path.join(new, name))
            os.fsync(directory)
            os.unlink(path)
            count += 1
        os.close(directory)
        return count

    with ThreadPoolExecutor(writers) as pool:
        return sum(pool.map(write, range(writers))) / seconds


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    for end in (one, other):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one, other


def _loopback(seconds: float) -> float:
    one, other = _pair()
    until = time.perf_counter() + seconds

    def send() -> None:
        with one:
            while time.perf_counter() < until:
                one.sendall(_PIECE)

    sending = threading.Thread(target=send)
    sending.start()
    octets, buffer = 0, bytearray(1 << 20)
    with other:
        while count := other.recv_into(buffer):
            octets += count
    sending.join()
    return octets / 1e6 / seconds


def _round_trips(seconds: float) -> float:
    one, other = _pair()

    def echo() -> None:
        with other:
            while octets := other.recv(64):
                other.sendall(octets)

    answering = threading.Thread(target=echo)
    answering.start()
    until, count = time.perf_counter() + seconds, 0
    with one:
        while time.perf_counter() < until:
            one.sendall(b"NOOP\r\n")
            one.recv(64)
            count += 1
    answering.join()
    return count / seconds


def _dialogues(seconds: float, *, kept: bool) -> float:
    """How many; none where Postfix is missing, or fails, for which the rest is measured all the same."""
    try:
        with closing(Sink()) as sink:
            begun, count = time.perf_counter(), 0
            while time.perf_counter() - begun < seconds:
                Load(_AT_ONCE, 1, kept).send(sink.port, "box@example.test")
                count += _AT_ONCE
            return count / (time.perf_counter() - begun)
    except (SkipTest, AssertionError):
        return 0.0
