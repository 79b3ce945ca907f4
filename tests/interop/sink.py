"""smtp-sink of Postfix, a server that takes all mail and keeps it, or refuses it as it is told."""

import os
import shutil
import socket
import subprocess
import tempfile

from tests.interop.harness import free_ports, program, wait_until


class SmtpSink:
    """One that runs; the options are those of smtp-sink(1)."""

    def __init__(self, *options: str, port: int = 0) -> None:
        command = [program("smtp-sink"), *options]
        self.directory = tempfile.mkdtemp(prefix="mailnode-")
        self.port = port or free_ports(1)[0]
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        os.chmod(self.directory, 0o777)
        command += [*user, "-d", "message.", f"127.0.0.1:{self.port}", "10"]
        self._process = subprocess.Popen(command, cwd=self.directory, stderr=subprocess.PIPE)
        wait_until(self._listens, "smtp-sink")

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """The end of it; what it got is still there."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def clean_up(self) -> None:
        """The end of all."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def messages(self) -> list[tuple[int, bytes]]:
        """What it took: how many recipients, and the content, with LF at the ends of lines."""
        found = []
        for name in os.listdir(self.directory):
            with open(os.path.join(self.directory, name), "rb") as file:
                octets = file.read()
            if b"X-Rcpt-Args: " not in octets:
                continue
            lines = octets.split(b"\n")
            said = next(number for number, line in enumerate(lines) if not line.startswith(b"X-"))
            content = b"\n".join(lines[said:]).removesuffix(b"\n")
            found.append((octets.count(b"X-Rcpt-Args: "), content))
        return found
