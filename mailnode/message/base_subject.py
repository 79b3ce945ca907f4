"""The base subject (RFC 5256 section 2.1): a subject without what answering and forwarding add to it."""

import re

_BLANKS = re.compile(r"[ \t\r\n]+")
_ANY_CASE = re.IGNORECASE | re.ASCII
# Possessive are single characters only: Python 3.11.2 does not go back where a group begins and then fails.
_BLOB = r"\[[^\[\]]*+\][ ]?"
_LEADER = re.compile(rf"(?:{_BLOB})*(?:re|fwd?)[ ]?(?:{_BLOB})?:[ ]?", _ANY_CASE)
_BLOBS = re.compile(rf"(?:{_BLOB})+")
_LAST_BLOB = re.compile(rf"{_BLOB}\Z")
_FORWARDED = re.compile(r"\(fwd\)\Z", _ANY_CASE)
_FORWARD_BEGINS = re.compile(r"\[fwd:", _ANY_CASE)


def base_subject(text: str) -> tuple[str, bool]:
    """The base subject of a decoded subject, and whether it is that of a reply or forward (section 3).

    Takes linear time: nothing is looked at again but what the next step begins with.
    """
    text = _BLANKS.sub(" ", text)
    start, end = 0, len(text)
    answers = False
    while True:
        end, forwarded = _without_trailers(text, start, end)
        start, led = _without_leaders(text, start, end)
        answers = answers or forwarded or led
        inside = _FORWARD_BEGINS.match(text, start, end)
        if inside is None or not text.startswith("]", end - 1):
            return text[start:end], answers
        start, end, answers = inside.end(), end - 1, True


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    """Step 2: subj-trailer = "(fwd)" / WSP. Where the rest ends, and whether a "(fwd)" was removed."""
    forwarded = False
    while end > start:
        if text[end - 1] == " ":
            end -= 1
        elif _FORWARDED.match(text, max(start, end - 5), end):
            end -= 5
            forwarded = True
        else:
            break
    return end, forwarded


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Steps 3 to 5: where the rest begins, and whether a subj-refwd was removed.

    subj-leader = (*subj-blob subj-refwd) / WSP; subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
    subj-blob = "[" *BLOBCHAR "]" *WSP

    Blobs that no subj-refwd follows all go at once, but for the last one if nothing would be left.
    """
    led = False
    if text.startswith(" ", start, end):
        start += 1
    while leader := _LEADER.match(text, start, end):
        start, led = leader.end(), True
    found = _BLOBS.match(text, start, end)
    if found is None:
        return start, led
    if found.end() < end:
        return found.end(), led
    return max(text.rfind("[", start, end), start), led
