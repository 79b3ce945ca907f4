"""What a server of an earlier commit left behind, as archives: what a later one must find again.

`python -m tests.interop.upgrading COMMIT FILE` takes that commit out of the history, runs its server, has
mail delivered, filed and flagged, and writes what then lies on disk, with what clients were told, to FILE.
"""

import contextlib
import imaplib
import io
import json
import os
import poplib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.interop.harness import ANNA, DOMAIN, HOSTNAME, PASSWORD, STANDARD_PORTS, free_ports, wait_until
from tests.scratch import untar

ELSEWHERE = "ben@elsewhere.example"  # whom nobody can reach, so that the mail waits
EXPECTED = "expected.json"
NOBODY_TO_ASK = '\n[dns]\nservers = ["127.0.0.1:9"]\n'
SERVICES = {"smtp": 25, "submission": 587, "pop3": 110, "imap": 143}

Told = dict[str, object]


def fill(ports: dict[str, int]) -> None:
    """Deliver, file, flag and remove messages, so that there is something to keep."""
    with smtplib.SMTP("127.0.0.1", ports["smtp"]) as client:
        for number in range(6):
            text = f"From: x@remote.example\r\nSubject: message {number}\r\n\r\nText {number}.\r\n"
            client.sendmail("x@remote.example", [ANNA], text.encode())
    with smtplib.SMTP("127.0.0.1", ports["submission"]) as client:
        client.login(ANNA, PASSWORD)
        with contextlib.suppress(smtplib.SMTPRecipientsRefused):  # the first ones had no queue
            text = f"From: {ANNA}\r\nSubject: waits\r\n\r\nText.\r\n"
            client.sendmail(ANNA, [ELSEWHERE], text.encode())
    with imaplib.IMAP4("127.0.0.1", ports["imap"]) as client:
        client.login(ANNA, PASSWORD)
        client.create("Work/2026")
        client.subscribe("Work/2026")
        client.select()
        client.store("1", "+FLAGS", r"(\Seen \Flagged $Forwarded)")
        client.store("2", "+FLAGS", "(Later)")
        client.copy("1:3", "Work/2026")
        client.store("4", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.select("Work/2026")
        client.store("2", "+FLAGS", r"(\Answered)")


def look(ports: dict[str, int]) -> Told:
    """What clients are told of all mailboxes and messages of Anna's, and by POP3."""
    told: Told = {}
    with imaplib.IMAP4("127.0.0.1", ports["imap"]) as client:
        client.login(ANNA, PASSWORD)
        told["subscribed"] = [line.decode() for line in client.lsub()[1] if isinstance(line, bytes)]
        for name in ("INBOX", "Work/2026"):
            told[name] = _mailbox(client, name)
    pop3 = poplib.POP3("127.0.0.1", ports["pop3"])
    pop3.user(ANNA)
    pop3.pass_(PASSWORD)
    told["uidl"] = [line.decode() for line in pop3.uidl()[1]]
    pop3.quit()
    return told


def _mailbox(client: imaplib.IMAP4, name: str) -> Told:
    condstore = "CONDSTORE" in client.capability()[1][0].decode()
    items = f"(UIDVALIDITY UIDNEXT MESSAGES{' HIGHESTMODSEQ' if condstore else ''})"
    status = client.status(name, items)[1][0].decode().rpartition("(")[2].strip(")").split()
    found: Told = {key: int(value) for key, value in zip(status[::2], status[1::2], strict=True)}
    client.select(name, readonly=True)
    messages: dict[str, object] = {}
    asked = f"(FLAGS{' MODSEQ' if condstore else ''} INTERNALDATE RFC822.SIZE BODY.PEEK[])"
    for answer in client.uid("fetch", "1:*", asked)[1]:
        if isinstance(answer, tuple):
            head, octets = answer
            (uid,) = re.findall(rb"UID (\d+)", head)
            (date,) = re.findall(rb'INTERNALDATE "([^"]*)"', head)
            flags = re.findall(rb"FLAGS \(([^)]*)\)", head)[0].decode().split()
            messages[uid.decode()] = {
                "flags": sorted(set(flags) - {r"\Recent"}),
                "modseq": max(map(int, re.findall(rb"MODSEQ \((\d+)\)", head)), default=0),
                "date": datetime.strptime(date.decode().strip(), "%d-%b-%Y %H:%M:%S %z").timestamp(),
                "text": octets.decode(),
            }
    found["messages"] = messages
    return found


def make(commit: str, file: str) -> None:
    """Write the archive of a commit."""
    with tempfile.TemporaryDirectory(prefix="mailnode-elder-") as room:
        code, home = os.path.join(room, "code"), os.path.join(room, "home")
        check_out(commit, code)
        ports = set_up(code, home)
        with running(code, home, ports):
            fill(ports)
            told = look(ports)
        (Path(home) / EXPECTED).write_text(json.dumps(told, indent=1), encoding="utf-8")
        shutil.rmtree(os.path.join(home, "tls"))
        move_ports(home, {port + ports["smtp"] - 25: port for port in STANDARD_PORTS})
        with tarfile.open(file, "w:xz") as archive:
            archive.add(home, arcname=".", filter=lambda one: None if one.name.endswith(".sock") else one)


def move_ports(home: str, ports: dict[int, int]) -> None:
    """Put other ports in place of those in a configuration."""
    config = Path(home) / "mailnode.toml"
    text = config.read_text(encoding="utf-8")
    for old, new in ports.items():
        text = text.replace(f'"tcp:{old}:', f'"tcp:{new}:')
    config.write_text(text, encoding="utf-8")


def check_out(commit: str, code: str) -> None:
    """Put the tree of a commit at a path."""
    packed = subprocess.run(["git", "archive", commit], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        untar(archive, code)


def set_up(code: str, home: str) -> dict[str, int]:
    """Have the commands of some code write a configuration with a mailbox; gives the ports."""
    offset = free_ports(1)[0] // 1000 * 1000
    program = [sys.executable, "-c", "from mailnode.admin.cli import main; main()"]
    names = [
        "--hostname",
        HOSTNAME,
        "--domain",
        DOMAIN,
        "--listen",
        "127.0.0.1",
        "--port-offset",
        str(offset),
    ]
    config = os.path.join(home, "mailnode.toml")
    add = ["--config", config, "mailbox", "add", ANNA, "--password-stdin"]
    for arguments in (["init", home, *names], add):
        environment = {**os.environ, "PYTHONPATH": code}
        typed = PASSWORD.encode()
        subprocess.run([*program, *arguments], cwd=code, env=environment, input=typed, check=True)
    if "[dns]" in (Path(code) / "etc" / "mailnode.toml").read_text(encoding="utf-8"):
        with open(config, "a", encoding="utf-8") as file:
            file.write(NOBODY_TO_ASK)
    return {name: port + offset for name, port in SERVICES.items()}


@contextlib.contextmanager
def running(code: str, home: str, ports: dict[str, int]) -> Iterator[None]:
    """The server of some code, for a while."""
    twistd = os.path.join(os.path.dirname(sys.executable), "twistd")
    command = [twistd, "-n", "--pidfile=", "mailnode", "--config", os.path.join(home, "mailnode.toml")]
    with open(f"{home}.log", "w+b") as log:
        environment = {**os.environ, "PYTHONPATH": code}
        process = subprocess.Popen(command, cwd=code, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or _listens(ports["imap"]), "the server", 30)
            assert process.poll() is None, Path(log.name).read_text("utf-8", "replace")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    make(*sys.argv[1:])
