"""SEARCH keys that look for a string, in header fields and in texts.

What the text index is sure of is not looked at. Of the others, what is kept of some hundreds of messages is
asked together, and only where nothing is kept, or there are many needles, a file is read: then a key that
looks into texts raises TextsUnread until that was done, see needles.seek().
"""

from collections.abc import Sequence

from mailnode.imap.narrowing import Narrowing, between
from mailnode.imap.needles import Needle
from mailnode.imap.search_key import Asked, Cost, Key, Together, alone
from mailnode.imap.selected import Selected
from mailnode.message.searched import FIELDS, octets_of, values
from mailnode.store.messages import Message


def header_key(name: bytes, needle: str) -> Key:
    """HEADER <field-name> <string>, and the keys that name a field: a folded string in one of its values."""
    lower = name.lower()
    return Key(
        Cost.HEADER,
        lambda subject: subject.may_hold(needle) and any(needle in value for value in subject.values(lower)),
        possible=lambda narrowing: narrowing.candidates(needle),
        together=_in_kept_values(lower, needle) if lower in FIELDS else _in_headers(lower, needle),
    )


def _in_kept_values(name: bytes, needle: str) -> Together:
    """By what is prepared of the fields that are mostly asked for."""
    octets = octets_of(needle)
    if octets is None:
        return alone

    def together(view: Selected, messages: Sequence[Message], known: Narrowing) -> Sequence[bool | None]:
        found = view.mailbox.holding(_uids(messages), name, octets)
        return [None if one is None else bool(one) for one in found]

    return together


def _in_headers(name: bytes, needle: str) -> Together:
    """By the prepared headers, most of which have no such field."""
    begins = b"\n" + name

    def holds(header: bytes) -> bool:
        present = begins in b"\n" + header.lower()
        return present and any(needle in value for value in values(header, name))

    def asked(view: Selected, messages: Sequence[Message]) -> Sequence[bool | None]:
        headers = view.mailbox.headers(_uids(messages))
        return [None if header is None else holds(header) for header in headers]

    return _where_possible(needle, asked)


def text_key(needle: Needle) -> Key:
    """TEXT and BODY <string>."""

    def together(view: Selected, messages: Sequence[Message], known: Narrowing) -> Sequence[bool | None]:
        if not messages or not known.looks_for(needle):
            return alone(view, messages, known)
        uids = _uids(messages)
        texts = known.texts(needle)
        if texts is None:
            return _in_kept_texts(view, uids, needle)
        sure, perhaps = (between(some, uids[0], uids[-1]) for some in (texts.sure, texts.perhaps))
        answers: list[bool | None] = list(map(sure.__contains__, uids))
        if not perhaps:
            return answers
        asked = [place for place, uid in enumerate(uids) if uid in perhaps]
        looks = _in_kept_texts(view, [uids[place] for place in asked], needle)
        for place, answer in zip(asked, looks, strict=True):
            answers[place] = answer
        return answers

    return Key(
        Cost.BODY,
        lambda subject: subject.holds(needle),
        needles=frozenset((needle,)),
        possible=lambda known: texts.possible if (texts := known.texts(needle)) is not None else None,
        together=together,
    )


def _in_kept_texts(view: Selected, uids: Sequence[int], needle: Needle) -> Sequence[bool | None]:
    return view.mailbox.texts_holding(uids, needle.text, in_header=needle.in_header)


def _where_possible(needle: str, asked: Asked) -> Together:
    """Those messages that may hold the needle are asked; the others do not hold it."""

    def together(view: Selected, messages: Sequence[Message], known: Narrowing) -> Sequence[bool | None]:
        candidates = known.candidates(needle)
        if candidates is None or not messages:
            return asked(view, messages)
        possible = between(candidates, messages[0].uid, messages[-1].uid)
        wanted = [message for message in messages if message.uid in possible]
        answers = asked(view, wanted)
        if len(wanted) == len(messages):
            return answers
        answer_of = dict(zip(_uids(wanted), answers, strict=True))
        return [answer_of.get(uid, False) for uid in _uids(messages)]

    return together


def _uids(messages: Sequence[Message]) -> list[int]:
    return [message.uid for message in messages]
