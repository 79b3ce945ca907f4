"""A seeded corpus of mail as offices have it: threads, charsets, HTML, attachments, many small and few large.

The same seed gives the same octets, so that figures of two days are of the same work.
"""

import base64
import itertools
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from email.header import Header
from email.utils import formatdate

START = 1_600_000_000  # seconds since the epoch; the first message's date

_WORDS = (
    "invoice meeting draft office printer budget project schedule please attached regards contract review "
    "Thursday deliver customer holiday report update question answer server backup account number quarter "
    "Grüße Besprechung Angebot Rechnung réunion facture señor niño Łódź København naïve coöperate "
    "договор счёт встреча 会議 請求書 見積もり"
).split()
_PEOPLE = [
    (name, f"{name.lower()}@example.{place}")
    for name in ("Anna", "Ben", "Carla", "Dirk", "Elif", "Fatima", "Goran", "Hana", "Ivo", "Jo")
    for place in ("org", "net", "com")
]
RARE_WORD = "zanzibarwurst"  # in one message of RARE_EVERY, the first of them in the smallest mailbox too
RARE_EVERY, RARE_FIRST = 5000, 100
LARGE = ((5000, 14_600_000), (1000, 1_500_000), (200, 220_000))  # attachments: one in so many, octets in it
_SMALL = 590  # octets of a message by of_size() without its attachment


def messages(*, seed: int = 1, typical: int = 2500) -> Iterator[tuple[float, bytes]]:
    """Date in seconds since the epoch, and the octets with LF line ends; `typical` is a usual text's size.

    They do not end.
    """
    rng = random.Random(seed)
    threads: list[tuple[str, str]] = []
    for number in itertools.count():
        date = START + number * 600.0
        identifier = f"<{number}.{seed}@bench.example.org>"
        if threads and rng.random() < 0.6:
            parent, subject = rng.choice(threads[-200:])
            references = f"In-Reply-To: {parent}\nReferences: {parent}\n"
            subject = subject if subject.startswith("Re: ") else "Re: " + subject
        else:
            references, subject = "", _sentence(rng, 5)
        threads.append((identifier, subject))
        yield date, _message(rng, number, date, identifier, subject, references, typical)


def _message(
    rng: random.Random, number: int, date: float, identifier: str, subject: str, references: str, typical: int
) -> bytes:
    (name, sender), (other, receiver) = rng.sample(_PEOPLE, 2)
    head = (
        f"Return-Path: <{sender}>\n"
        f"Received: from relay{number % 7}.example.org (relay [192.0.2.{number % 250}])\n"
        f"\tby mail.example.org with ESMTPS id {number:08x};\n\t{formatdate(date)}\n"
        f"From: {name} <{sender}>\nTo: {other} <{receiver}>\nSubject: {_encoded(subject)}\n"
        f"Date: {formatdate(date)}\nMessage-ID: {identifier}\n{references}MIME-Version: 1.0\n"
    )
    text = _text(rng, int(rng.lognormvariate(0, 0.7) * typical))
    if number % RARE_EVERY == RARE_FIRST:
        text += f"\n{RARE_WORD}\n"
    kind = rng.random()
    large = next((octets for every, octets in LARGE if number % every == every // 2), 0)
    if kind < 0.45 and not large:
        return f"{head}{_leaf(rng, 'plain', text)}".encode()
    html = "<html><body><p>" + text.replace("\n", "</p>\n<p>") + "</p></body></html>"
    parts = [_leaf(rng, "plain", text), _leaf(rng, "html", html)]
    if kind < 0.85 and not large:
        return _multipart(rng, head, "alternative", parts)
    size = large or int(min(rng.lognormvariate(0, 1.5) * 3 * typical, LARGE[0][1]))
    return _multipart(rng, head, "mixed", [*parts, _attachment(rng, f"report {number}.pdf", size)])


def _multipart(rng: random.Random, head: str, subtype: str, parts: list[str]) -> bytes:
    boundary = f"=_{rng.getrandbits(64):x}"
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return (
        f'{head}Content-Type: multipart/{subtype}; boundary="{boundary}"\n\n{body}--{boundary}--\n'.encode()
    )


def _attachment(rng: random.Random, name: str, size: int) -> str:
    """A part of so many octets before base64."""
    return (
        f'Content-Type: application/pdf; name="{name}"\n'
        f'Content-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(rng.randbytes(size)).decode()}"
    )


def of_size(octets: int, *, sender: str = "anna@example.org", seed: int = 1) -> bytes:
    """A message with LF line ends and an attachment, of about this size."""
    rng = random.Random(seed)
    head = (
        f"From: Anna <{sender}>\nTo: Ben <ben@example.org>\nSubject: {octets} octets\n"
        f"Date: {formatdate(START)}\nMessage-ID: <{octets}.{seed}@bench.example.org>\nMIME-Version: 1.0\n"
    )
    size = max(octets - _SMALL, 1) * 74 // 100
    parts = [_leaf(rng, "plain", _sentence(rng, 11)), _attachment(rng, "report.pdf", size)]
    return _multipart(rng, head, "mixed", parts)


def _leaf(rng: random.Random, subtype: str, text: str) -> str:
    """A text part in one of the usual encodings."""
    if rng.random() < 0.3:
        return (
            f"Content-Type: text/{subtype}; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(text.encode()).decode()
        )
    return f"Content-Type: text/{subtype}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"


def _text(rng: random.Random, size: int) -> str:
    lines = []
    while size > 0:
        lines.append(_sentence(rng, 11))
        size -= len(lines[-1]) + 1
    return "\n".join(lines)


def _sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words)) + f" {rng.randrange(10000)}"


def _encoded(subject: str) -> str:
    return subject if subject.isascii() else Header(subject, "utf-8").encode()


class _Maildir:
    """One that grows: messages in cur/, without any index."""

    def __init__(self, path: str, typical: int) -> None:
        self.path = path
        self.count = 0
        self._messages = messages(typical=typical)
        _make(path)

    def grow(self, count: int) -> None:
        """Until it has so many."""
        for number in range(self.count, count):
            date, octets = next(self._messages)
            wire = len(octets) + octets.count(b"\n")
            flags = "S" if number % 3 else ""
            name = f"{int(date)}.M{number}P1.bench,S={len(octets)},W={wire}:2,{flags}"
            path = os.path.join(self.path, "cur", name)
            with open(path, "wb") as file:
                file.write(octets)
            os.utime(path, (date, date))
        self.count = max(self.count, count)


def _make(path: str) -> None:
    for name in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, name))


class Corpora:
    """Maildirs of the corpus for one run of the bench: each message is made once."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="mailnode-bench-")
        self._made: dict[int, _Maildir] = {}
        self._parts = 0

    def maildir(self, count: int, *, typical: int = 2500) -> str:
        """The path of one with the first so many messages whose texts have about this size."""
        if typical not in self._made:
            self._made[typical] = _Maildir(os.path.join(self._folder, str(typical)), typical)
        whole = self._made[typical]
        whole.grow(count)
        return self._part(whole.path, count)

    def _part(self, path: str, count: int) -> str:
        """The first messages of a Maildir."""
        self._parts += 1
        part = os.path.join(self._folder, f"part-{self._parts}")
        _make(part)
        names = sorted(os.listdir(os.path.join(path, "cur")), key=_number)
        for name in names[:count]:
            os.link(os.path.join(path, "cur", name), os.path.join(part, "cur", name))
        return part

    def close(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._folder)


def _number(name: str) -> int:
    return int(name.split(".", 1)[0])
