"""What every grammar raises when the peer's bytes do not follow it."""


class BadSyntax(ValueError):
    """The peer's bytes do not follow the grammar; the text is one line that may be shown to the peer."""


class BadLine(BadSyntax):
    """A line that could not be taken at all.

    `start` are its first octets, at most START of them: a protocol's tag may stand there.
    """

    START = 64

    def __init__(self, text: str, start: bytes = b"") -> None:
        super().__init__(text)
        self.start = start[: self.START]


class LineTooLong(BadLine):
    """A line did not end within its limit. The rest of it, up to its end, is dropped by the queue."""
