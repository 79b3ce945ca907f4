"""Numbers of things, as people are told of them in English."""


def counted(number: int, thing: str, things: str = "") -> str:
    """So many of them: "1 message", "3 messages"; `things` where that is not the word and an "s"."""
    return f"{number} {plural(number, thing, things)}"


def plural(number: int, thing: str, things: str = "") -> str:
    """The word alone, for so many."""
    return thing if number == 1 else things or f"{thing}s"
