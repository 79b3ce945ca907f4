"""Why there is no certificate: one line, and what to do about it."""

SHORT, LONG = 3600.0, 86400.0  # seconds until another try may do better

NEEDED = "pip install 'mailnode[acme]'"


class Trouble(Exception):
    """There is no certificate: why, what to do, and after how many seconds it makes sense to ask again."""

    def __init__(self, text: str, remedy: str, wait: float = SHORT) -> None:
        super().__init__(text)
        self.text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
        self.remedy = remedy
        self.wait = wait

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}"


def missing() -> Trouble:
    """What is said where the client library is not installed."""
    return Trouble("the library for ACME is not installed", f"Run: {NEEDED}", LONG)
