"""Mailbox name patterns of LIST and LSUB (RFC 3501 section 6.3.8): `*` and `%`.

A pattern is run as a set of states, one bit each, over the name's letters: the time is linear in the name
whatever the pattern, where a backtracking regular expression can take for ever.
"""

from collections import defaultdict


class ListPattern:
    """A compiled pattern; `*` stands for any letters, `%` for any but the separator."""

    def __init__(self, pattern: str, separator: str) -> None:
        self._separator = separator
        self._letters: defaultdict[str, int] = defaultdict(int)
        self._stars = self._percents = 0
        bit = 1
        for index, token in enumerate(_tokens(pattern)):
            bit = 1 << index
            if token == "*":
                self._stars |= bit
            elif token == "%":
                self._percents |= bit
            else:
                self._letters[token] |= bit
            bit <<= 1
        self._end = bit

    def matches(self, name: str, *, caseless: int = 0) -> bool:
        """Whether the whole name matches; its first `caseless` letters do so in either case."""
        states = self._and_after_wildcards(1)
        for index, letter in enumerate(name):
            here = self._letters.get(letter, 0)
            if index < caseless:
                here |= self._letters.get(letter.lower(), 0) | self._letters.get(letter.upper(), 0)
            stay = self._stars if letter == self._separator else self._stars | self._percents
            states = self._and_after_wildcards((states & here) << 1 | states & stay)
            if not states:
                return False
        return bool(states & self._end)

    def _and_after_wildcards(self, states: int) -> int:
        """A wildcard may match nothing; no two stand side by side, so one step is enough."""
        return states | (states & (self._stars | self._percents)) << 1


def _tokens(pattern: str) -> list[str]:
    """The pattern's letters, with each run of wildcards as one: a `*` in it swallows the `%`."""
    tokens: list[str] = []
    for letter in pattern:
        if letter in "*%" and tokens and tokens[-1] in "*%":
            if letter == "*":
                tokens[-1] = "*"
        else:
            tokens.append(letter)
    return tokens
