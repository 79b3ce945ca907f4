"""The base subject (RFC 5256 section 2.1)."""

import re
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.base_subject import base_subject

_BLOB = r"\[[^\[\]]*\][ ]*"
_REFWD = rf"(?:re|fwd?)[ ]*(?:{_BLOB})?:"


def word_by_word(text: str) -> tuple[str, bool]:
    """The steps of the section, one after the other, in any time."""
    text = re.sub(r"[ \t\r\n]+", " ", text)
    answers = False
    while True:
        while trailer := re.search(r"(?:(\(fwd\))|[ ])\Z", text, re.IGNORECASE):
            answers = answers or trailer[1] is not None
            text = text[: trailer.start()]
        while True:
            leader = re.match(rf"(?:((?:{_BLOB})*{_REFWD})|[ ])", text, re.IGNORECASE)
            blob = re.match(_BLOB, text)
            if leader:
                answers = answers or leader[1] is not None
                text = text[leader.end() :]
            elif blob and blob.end() < len(text):
                text = text[blob.end() :]
            else:
                break
        if not re.match(r"\[fwd:.*\]\Z", text, re.IGNORECASE | re.DOTALL):
            return text, answers
        text, answers = text[5:-1], True


class BaseSubjectTests(SynchronousTestCase):
    """base_subject()"""

    def test_examples(self) -> None:
        """What people and programs write."""
        for subject, base, answers in (
            ("", "", False),
            ("Hello", "Hello", False),
            ("Re: Hello", "Hello", True),
            ("RE: re:FW:  Fwd : Hello\t world ", "Hello world", True),
            ("[list] Re: [list] Hello", "Hello", True),
            ("[list] Hello", "Hello", False),
            ("[list]", "[list]", False),
            ("[a] [b] [c]", "[c]", False),
            ("Re[2]: Hello", "Hello", True),
            ("re [a] [b]: Hello", "re [a] [b]: Hello", False),
            ("Hello (fwd) (FWD)", "Hello", True),
            ("(fwd)", "", True),
            ("[Fwd: Re: Hello]", "Hello", True),
            ("[fwd: [fwd: Hello (fwd)] ]", "Hello", True),
            ("[fwd: Hello", "[fwd: Hello", False),
            ("[list] [fwd: Hello]", "Hello", True),
            ("Hello]", "Hello]", False),
            ("Reply: Hello", "Reply: Hello", False),
            ("Aw: Hello", "Aw: Hello", False),
            ("Re:", "", True),
            ("Re\u017f: Hello", "Re\u017f: Hello", False),
        ):
            self.assertEqual(base_subject(subject), (base, answers), subject)

    @settings(deadline=None, max_examples=500)
    @given(
        st.lists(st.sampled_from([*" x[]:\t", "re", "FW", "fwd", "[a]", "[fwd:", "(fwd)", "Re:"])).map(
            "".join
        )
    )
    @example("[a][fwd:x]")
    def test_word_by_word(self, subject: str) -> None:
        """The same as the steps say."""
        self.assertEqual(base_subject(subject), word_by_word(subject))

    def test_takes_linear_time(self) -> None:
        """Whatever a subject is made of."""
        before = time.process_time()
        for piece in (
            "[",
            "]",
            "[a]",
            "[fwd:",
            "re",
            "re:",
            "re[",
            "re [a]",
            "(fwd)",
            "[re]",
            "( fwd)",
            " ",
            "[",
        ):
            for end in ("", "x", ":", "]" * 60_000):
                base_subject(piece * 60_000 + end)
                base_subject(end + piece * 60_000)
        self.assertLess(time.process_time() - before, 10)
