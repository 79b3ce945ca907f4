"""imaplib with COMPRESS=DEFLATE (RFC 4978), which it lacks: a socket that deflates as zlib does."""

import imaplib
import io
import zlib
from typing import Any, cast


class DeflatingSocket(io.RawIOBase):
    """As much of a socket, and of its file, as imaplib uses."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._deflate = zlib.compressobj(wbits=-15)
        self._inflate = zlib.decompressobj(-15)

    def sendall(self, data: bytes) -> None:
        """Send it, and let the peer have it."""
        self._socket.sendall(self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    def readable(self) -> bool:
        """For the buffer above."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some octets, none at the end."""
        while True:
            data = self._inflate.decompress(self._inflate.unconsumed_tail, len(buffer))
            if not data and (raw := self._socket.recv(8192)):
                data = self._inflate.decompress(raw, len(buffer))
            elif not data:
                return 0
            if data:
                buffer[: len(data)] = data
                return len(data)

    def shutdown(self, how: int) -> None:
        """The end of the socket; close() is that of its file, which imaplib closes first."""
        self._socket.shutdown(how)
        self._socket.close()


def deflating(client: imaplib.IMAP4) -> imaplib.IMAP4:
    """A client that is logged in, and compresses from here on."""
    imaplib.Commands["COMPRESS"] = ("AUTH", "SELECTED")
    status, _ = client._simple_command("COMPRESS", "DEFLATE")  # type: ignore[attr-defined]
    assert status == "OK"
    client.sock = cast(Any, DeflatingSocket(client.sock))
    client.file = io.BufferedReader(cast(Any, client.sock))
    return client
