"""A seeded corpus of mail as offices have it: threads, charsets, HTML, attachments, many small and few large.

The same seed gives the same octets, so that figures of two days are of the same work.
"""

import base64
import os
import random
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
RARE_WORD = "zanzibarwurst"  # in one message of RARE_EVERY
RARE_EVERY = 5000


def messages(count: int, *, seed: int = 1, typical: int = 2500) -> Iterator[tuple[float, bytes]]:
    """Date in seconds since the epoch, and the octets with LF line ends; `typical` is a usual text's size."""
    rng = random.Random(seed)
    threads: list[tuple[str, str]] = []
    for number in range(count):
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
    if number % RARE_EVERY == RARE_EVERY // 2:
        text += f"\n{RARE_WORD}\n"
    kind = rng.random()
    if kind < 0.45:
        return f"{head}{_leaf(rng, 'plain', text)}".encode()
    boundary = f"=_{number:x}_{rng.getrandbits(64):x}"
    html = "<html><body><p>" + text.replace("\n", "</p>\n<p>") + "</p></body></html>"
    parts = [_leaf(rng, "plain", text), _leaf(rng, "html", html)]
    multipart = "alternative"
    if kind > 0.85:
        multipart = "mixed"
        size = int(min(rng.lognormvariate(0, 1.5) * 3 * typical, 20_000_000))
        encoded = base64.encodebytes(rng.randbytes(size)).decode()
        parts.append(
            f'Content-Type: application/pdf; name="report {number}.pdf"\n'
            f'Content-Disposition: attachment; filename="report {number}.pdf"\n'
            f"Content-Transfer-Encoding: base64\n\n{encoded}"
        )
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return (
        f'{head}Content-Type: multipart/{multipart}; boundary="{boundary}"\n\n{body}--{boundary}--\n'.encode()
    )


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


def fill(maildir: str, count: int, *, seed: int = 1, typical: int = 2500) -> int:
    """Put messages into cur/ of a new Maildir, without any index; gives their octets on disk."""
    for name in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(maildir, name))
    total = 0
    for number, (date, octets) in enumerate(messages(count, seed=seed, typical=typical)):
        wire = len(octets) + octets.count(b"\n")
        flags = "S" if number % 3 else ""
        name = f"{int(date)}.M{number}P1.bench,S={len(octets)},W={wire}:2,{flags}"
        path = os.path.join(maildir, "cur", name)
        with open(path, "wb") as file:
            file.write(octets)
        os.utime(path, (date, date))
        total += len(octets)
    return total
