"""Moderated lists: their moderators are asked by mail about each message, and answer by mail.

The question has two addresses in it, one for yes and one for no, which only this server can make. A message
to one of them is the answer; what it says does not matter. So any mail program will do, on any host.
"""

import hmac
import re
from collections.abc import Awaitable, Callable
from functools import partial

from mailnode.auth.live import Live
from mailnode.config_lists import list_moderators, list_owner
from mailnode.delivery.letters import Letters
from mailnode.delivery.report import part, returned
from mailnode.delivery.reporting import original
from mailnode.envelope import Body
from mailnode.message import trace
from mailnode.message.encoded import encode_words
from mailnode.message.header import values_of
from mailnode.queue.changes import HELD, Change, reject, release
from mailnode.queue.entry import Approval, Entry
from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime
from mailnode.values import frozen, replace
from mailnode.wire.address import Address, parse_address

PATIENCE = 14 * 86400.0  # seconds for the moderators to answer

NOT_ANSWERED = ("5.7.2", "No moderator of the list has approved it in fourteen days")

_ANSWER = re.compile(r"(approve|reject)=([0-9A-Z]{1,64})=([A-Z2-7]{8})", re.IGNORECASE | re.ASCII)


class Decided(Exception):
    """The message does not wait for an answer: it has had one, or there never was one."""


@frozen
class Answer:
    """What a moderator wants of which message: "approve" or "reject"."""

    word: str
    message: str


class Answers:
    """What moderators answer; `decide` does it. It raises Decided, Busy, Unreadable and OSError."""

    def __init__(self, live: Live, decide: Callable[[Answer], Awaitable[None]]) -> None:
        self._live = live
        self.decide = decide

    def answer(self, address: Address) -> Answer | None:
        """What a message to this address says; None for an address that was not made here for that."""
        found = _ANSWER.fullmatch(address.local)
        if found is None or address.domain_key not in self._live.config.domains:
            return None
        answer = Answer(found[1].lower(), found[2].upper())
        right = _signature(self._live, answer)
        return answer if right and hmac.compare_digest(found[3].upper(), right) else None


def _signature(live: Live, answer: Answer) -> str:
    """ "" where nothing can be signed."""
    return live.srs.signature(f"{answer.word} {answer.message}") if live.srs else ""


class Moderation:
    """Asks, and does what the answer says; `change` changes a message of the queue."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        spool: Spool,
        letters: Letters,
        *,
        change: Callable[[str, Change], Awaitable[None]],
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._spool = spool
        self._letters = letters
        self._change = change

    async def ask(self, entry: Entry, name: str) -> Entry:
        """Ask the moderators of a list about a message; gives it as one that waits for the answer.

        Raises OSError and StoreError; then they are to be asked again.
        """
        listed = self._live.mailboxes.lists[name]
        moderators = [parse_address(one, utf8=True) for one in list_moderators(name, listed)]
        whole = entry.envelope.body is not Body.BINARY
        octets = await self._runtime.blocking.run(partial(original, self._spool, entry, whole=whole))
        letter = self._runtime.new_id()
        envelope = replace(entry.envelope, release=self._runtime.now() + PATIENCE)
        asked = replace(entry, approval=Approval.ASKED, envelope=envelope)
        question = self._question(letter, asked, name, list_owner(name, listed), moderators, octets)
        await self._letters.send(letter, question, moderators)
        return asked

    async def decide(self, answer: Answer) -> None:
        """Send the message to its list, or give it up. Raises Decided, Busy, Unreadable and OSError."""
        change = release if answer.word == "approve" else reject

        def decided(entry: Entry, now: float) -> Entry:
            if entry.approval is Approval.GIVEN or not entry.waiting:
                raise Decided
            if change is release and entry.due >= HELD:  # it is approved, and still the administrator's
                return replace(entry, approval=Approval.GIVEN)
            return change(entry, now)

        try:
            await self._change(answer.message, decided)
        except FileNotFoundError:
            raise Decided from None

    def _address(self, word: str, message: str, name: str) -> str:
        domain = name.rpartition("@")[2]
        return f"{word}={message}={_signature(self._live, Answer(word, message))}@{domain}"

    def _question(
        self, letter: str, entry: Entry, name: str, owner: str, to: list[Address], octets: bytes
    ) -> bytes:
        host, now = self._live.config.hostname, self._runtime.now()
        approve, reject_ = (self._address(word, entry.id, name) for word in ("approve", "reject"))
        sender = str(entry.envelope.reverse_path or "")
        utf8 = not "".join(map(str, (*to, sender, name))).isascii()
        header = (
            ("From", f"Mailing lists of {host} <MAILER-DAEMON@{host}>"),
            ("To", *[f"<{one}>," for one in to[:-1]], f"<{to[-1]}>"),
            ("Reply-To", f"<{approve}>"),
            ("Subject", *encode_words(f"Approve? A message for {name}")),
            ("Date", trace.date_time(now)),
            ("Message-ID", f"<{int(now)}.{letter}@{host}>"),
            ("Auto-Submitted", "auto-generated"),  # RFC 3834 section 5
            ("MIME-Version", "1.0"),
            ("Content-Transfer-Encoding", "8bit"),  # that of its parts (RFC 2045 section 6.4)
            ("Content-Type", "multipart/mixed;", f'boundary="question-{letter}"'),
        )
        words = (
            f"A message from <{sender}> has come for the list {name},",
            "and waits for one of its moderators. It is below, as it came on",
            f"{trace.date_time(entry.came)}.",
            "",
            "To send it to the list, answer this mail; nothing needs to be in the",
            "answer. Or write to:",
            "",
            f"  {approve}",
            "",
            "To reject it, write to the following address; the sender is told.",
            "",
            f"  {reject_}",
            "",
            f"What nobody approves before {trace.date_time(entry.envelope.release)}",
            f"is rejected. Questions about the list go to <{owner}>.",
        )
        text = part("text/plain; charset=utf-8", "8bit"), "\r\n".join((*words, "")).encode()
        content = b"".join(
            b"--question-%s\r\n%s\r\n%s\r\n" % (letter.encode(), head, body)
            for head, body in (text, returned(octets))
        )
        head = b"".join(trace.field(*one, utf8=utf8) for one in header)
        return b"%s\r\n%s--question-%s--\r\n" % (head, content, letter.encode())


def is_automatic(header: bytes) -> bool:
    """Whether nobody has written the message: an answering machine must not decide (RFC 3834 section 5)."""
    automatic = [value.split(b";")[0].strip().lower() for value in values_of(header, b"auto-submitted")]
    bulk = [value.strip().lower() for value in values_of(header, b"precedence")]
    return any(one not in (b"", b"no") for one in automatic) or any(
        one in (b"bulk", b"junk", b"list", b"auto_reply") for one in bulk
    )
