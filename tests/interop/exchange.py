"""Two mailnodes and a Postfix send each other mail, by routes and by the DNS, and each is killed many times.

    python -m tests.interop.exchange --messages 2000 --kills 6 [--seed 1] [--json]

Mail comes in at all three at once, for people at all three and for aliases that lead from one to another.
A client that got no 250 sends again. In the end every message that was taken is in each mailbox it was for,
octet for octet, and no report has come to anybody.

Nothing may be lost. What may come twice is what was in doubt: a message of whose end a client heard nothing,
and one that was on its way when a server was killed. Each of these windows is counted, and no more messages
come twice than there were windows. To count, a server is stopped where it is just before it is killed.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import re
import signal
import smtplib
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from mailnode.admin.control import ControlError
from mailnode.values import frozen
from tests.interop import network
from tests.interop.names import NameServer
from tests.interop.nodes import DOMAINS, MEMBERS, PEOPLE, SENDER, Node, Ours, Theirs

SMALLEST, LARGEST = 1_000, 200_000  # octets of a message
MOST = 4  # recipients of a message
CLIENTS = 3  # of each server
PAUSE = 0.5  # seconds between two looks
DOWN = 1.0  # seconds that a server is dead, at most
SECONDS = 900.0  # until all has arrived

_ID = re.compile(rb"^Message-ID: <([0-9]+)@exchange\.test>\r$", re.MULTILINE)


@frozen
class Letter:
    """A message, the server that is to take it, and the recipients as the client names them."""

    number: int
    origin: str
    recipients: tuple[str, ...]
    size: int
    seed: int

    @property
    def sender(self) -> str:
        """The reverse-path."""
        return f"{SENDER}@{self.origin}"

    @property
    def mailboxes(self) -> list[str]:
        """Where it is to be in the end."""
        return [name for one in self.recipients for name in MEMBERS.get(one, (one,))]

    def octets(self) -> bytes:
        """All of it, in wire form: the same whenever it is asked for."""
        rng = random.Random(f"{self.seed} {self.number}")
        lines = base64.encodebytes(rng.randbytes(self.size * 3 // 4)).splitlines()
        lines[1:1] = [b".", b"..", b".a line with a dot", b""]
        body = b"\r\n".join(lines) + b"\r\n"
        head = (
            f"From: <{self.sender}>\r\nTo: {', '.join(self.recipients)}\r\n"
            f"Date: Tue, 3 Feb 2026 04:05:06 +0000\r\nMessage-ID: <{self.number}@exchange.test>\r\n"
            f"Subject: {hashlib.sha256(body).hexdigest()}\r\n\r\n"
        )
        return head.encode() + body


def letters(count: int, seed: int) -> list[Letter]:
    """So many: to everybody from everybody, small and large."""
    rng = random.Random(seed)
    # Whom aliases lead to has mail by these only, so that nobody is to get a message by two ways.
    led_to = {one for members in MEMBERS.values() for one in members}
    names = [f"{name}@{domain}" for name in PEOPLE for domain in DOMAINS]
    names = [*MEMBERS, *(name for name in names if name not in led_to)]
    found = []
    for number in range(count):
        recipients = tuple(rng.sample(names, rng.randint(1, MOST)))
        size = int(SMALLEST * (LARGEST / SMALLEST) ** rng.random())
        found.append(Letter(number, DOMAINS[number % len(DOMAINS)], recipients, size, seed))
    return found


@dataclass
class Findings:
    """What was counted. `windows` are by server: the messages that were on their way when it was killed."""

    messages: int = 0
    copies: int = 0  # one for each mailbox
    octets: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    sent_again: int = 0  # by clients, after they heard no answer to the end of a message
    refused: list[str] = field(default_factory=list)  # for good
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)  # mail that nobody sent: reports
    bugs: list[str] = field(default_factory=list)  # in logs
    messages_twice: int = 0
    copies_twice: int = 0
    seconds: float = 0.0

    @property
    def all_windows(self) -> int:
        """So many messages may have come twice."""
        return self.sent_again + sum(self.windows.values())

    @property
    def wrong(self) -> list[str]:
        """Everything that must not be; none is good."""
        found = [*self.refused, *self.lost, *self.damaged, *self.strange, *self.bugs]
        if self.messages_twice > self.all_windows:
            found.append(f"{self.messages_twice} messages came twice, but only {self.all_windows} may have")
        return found


class NoAnswer(Exception):
    """Nobody said whether the message was taken."""


class Exchange:
    """One run."""

    def __init__(self, nodes: list[Node], count: int, kills: int, seed: int) -> None:
        self.findings = Findings(count)
        self._nodes = {node.domain: node for node in nodes}
        self._letters = letters(count, seed)
        self._kills = kills
        self._seed = seed
        self._lock = Lock()
        self._taken = 0
        self._over = False
        self._failures: list[Exception] = []
        self._threads: list[Thread] = []
        self._to_send: dict[str, SimpleQueue[Letter]] = {domain: SimpleQueue() for domain in self._nodes}
        for letter in self._letters:
            self._to_send[letter.origin].put(letter)

    def run(self) -> None:
        """All of it."""
        begun = time.monotonic()
        for node in self._nodes.values():
            self._begin(self._kill, node)
            for _ in range(CLIENTS):
                self._begin(self._send_all, node)
        try:
            self._wait_until_quiet(begun + SECONDS)
        finally:
            self._over = True
            for thread in self._threads:
                thread.join()
        self.findings.kills = {domain: node.deaths for domain, node in self._nodes.items()}
        self.findings.seconds = time.monotonic() - begun
        self._look_at_mail()
        for node in self._nodes.values():
            for word in ("Traceback", "Unhandled", "panic:", "fatal:"):
                log = node.log()
                if word in log:
                    self.findings.bugs.append(f"{node.domain}: {log[max(0, log.find(word) - 300) :][:2000]}")

    def _begin(self, work: Callable[[Node], None], node: Node) -> None:
        def run() -> None:
            try:
                work(node)
            except Exception as error:
                self._failures.append(error)

        thread = Thread(target=run)
        self._threads.append(thread)
        thread.start()

    # Clients

    def _send_all(self, node: Node) -> None:
        """Send what is to be sent by this server, again and again until it has said yes."""
        session: smtplib.SMTP | None = None
        while not self._over:
            try:
                letter = self._to_send[node.domain].get_nowait()
            except Empty:
                return
            taken = False
            while not (taken or self._over):
                node.up.wait(PAUSE)
                try:
                    session = session or node.session()
                    taken = self._send(session, letter)
                except NoAnswer:
                    session = None
                    with self._lock:
                        self.findings.sent_again += 1
                except OSError:  # those of smtplib too
                    session = None
            with self._lock:
                self._taken += 1

    def _send(self, session: smtplib.SMTP, letter: Letter) -> bool:
        """Whether it is settled. Raises NoAnswer, and OSError where it was certainly not taken."""
        commands = [f"MAIL FROM:<{letter.sender}>", *(f"RCPT TO:<{one}>" for one in letter.recipients)]
        for line in [*commands, "DATA"]:
            code, text = session.docmd(line)
            if code >= 400:
                session.close()
                time.sleep(0.1)
                self._note_refusal(code, f"{letter.origin}: {line}: {code} {text!r}")
                return code >= 500
        assert session.sock is not None
        session.sock.sendall(re.sub(rb"(?m)^\.", b"..", letter.octets()) + b".\r\n")
        try:
            code, text = session.getreply()
        except OSError:
            raise NoAnswer from None
        self._note_refusal(code, f"{letter.origin}: end of message: {code} {text!r}")
        return code == 250 or code >= 500

    def _note_refusal(self, code: int, text: str) -> None:
        if code >= 500:
            with self._lock:
                self.findings.refused.append(text)

    # Deaths

    def _kill(self, node: Node) -> None:
        """Start the server, kill it at random moments while mail comes in, and start it again."""
        node.start()
        node.up.set()
        rng = random.Random(f"{self._seed} {node.domain}")
        for moment in sorted(rng.uniform(0.05, 0.95) for _ in range(self._kills)):
            while self._taken < moment * len(self._letters) and not self._over:
                time.sleep(0.01)
            if self._over:
                return
            time.sleep(0.2 * rng.random())
            node.up.clear()
            on_the_way = node.stop_for_ever()
            node.deaths += 1
            self.findings.windows[node.domain] = self.findings.windows.get(node.domain, 0) + on_the_way
            time.sleep(DOWN * rng.random())
            node.start()
            node.up.set()

    # The end

    def _wait_until_quiet(self, deadline: float) -> None:
        """Have what waits tried at once, until nobody has anything left to do in two looks."""
        quiet = 0
        while quiet < 2:
            if self._failures:
                raise self._failures[0]
            if time.monotonic() > deadline:
                return  # what is not there will be seen
            time.sleep(PAUSE)
            everybody = all(node.up.is_set() for node in self._nodes.values())
            for node in self._nodes.values() if everybody else ():
                deaths = node.deaths
                try:
                    node.hurry()
                except (ControlError, AssertionError):
                    if node.up.is_set() and node.deaths == deaths:
                        raise
            busy = any(thread.is_alive() for thread in self._threads)
            quiet = 0 if busy or any(node.waiting() for node in self._nodes.values()) else quiet + 1

    def _look_at_mail(self) -> None:
        """Hold what is in the mailboxes against what was sent."""
        findings, twice = self.findings, set[int]()
        contents = [letter.octets() for letter in self._letters]
        wanted = {(number, name) for number, one in enumerate(self._letters) for name in one.mailboxes}
        findings.octets = sum(map(len, contents))
        findings.copies = len(wanted)
        found: Counter[tuple[int, str]] = Counter()
        for node in self._nodes.values():
            for person in (SENDER, *PEOPLE):
                name = f"{person}@{node.domain}"
                for octets in node.mail(person):
                    mark = _ID.search(octets)
                    if mark is None or (int(mark[1]), name) not in wanted:
                        findings.strange.append(f"{name} has {octets[:2000]!r}")
                    elif not octets.endswith(contents[int(mark[1])]):
                        findings.damaged.append(f"{name}: message {mark[1].decode()}")
                    else:
                        found[int(mark[1]), name] += 1
        findings.lost = [
            f"{name} has not got message {number}" for number, name in sorted(wanted - found.keys())
        ]
        for (number, _), count in found.items():
            findings.copies_twice += count - 1
            twice |= {number} if count > 1 else set()
        findings.messages_twice = len(twice)


def exchange(count: int, kills: int, seed: int) -> Findings:
    """Build it all, run it, and take it away."""
    network.set_up()
    with ExitStack() as stack:
        nodes: list[Node] = []
        records = {}
        for number, (domain, kind) in enumerate(zip(DOMAINS, (Ours, Ours, Theirs), strict=True), 2):
            node = kind(domain, number)
            stack.callback(node.clean_up)
            nodes.append(node)
            records[domain, "MX"] = [f"10 mx.{domain}."]
            records[f"mx.{domain}", "A"] = [node.host.address]
        NameServer(network.GATEWAY, records)
        run = Exchange(nodes, count, kills, seed)
        run.run()
        return run.findings
    raise AssertionError("nothing was run")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=6, help="of each server")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.apart:
        command = network.apart([sys.executable, "-m", "tests.interop.exchange", *sys.argv[1:], "--apart"])
        os.execv(command[0], command)
    # Process 1 is sent away by what it listens for only; it leaves nothing behind then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    findings = exchange(options.messages, options.kills, options.seed)
    if options.json:
        print(json.dumps({**asdict(findings), "all_windows": findings.all_windows, "wrong": findings.wrong}))
        return
    for name, value in asdict(findings).items():
        print(f"{name.replace('_', ' '):16} {len(value) if isinstance(value, list) else value}")
    print(f"{'all windows':16} {findings.all_windows}")
    for text in findings.wrong[:20]:
        print(text)
    sys.exit(bool(findings.wrong))


if __name__ == "__main__":
    main()
