"""Who is there now: sessions that can tell their people something at once."""

from collections.abc import Callable

Tell = Callable[[str], bool]  # takes one line of text; whether it will be heard


class LiveSessions:
    """Sessions by the address of their account. Used on the reactor thread only."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[object, Tell]] = {}

    def join(self, address: str, tell: Tell) -> Callable[[], None]:
        """Have `tell` called with what is said to the account; gives a function that ends it."""
        token = object()
        self._sessions.setdefault(address, {})[token] = tell

        def leave() -> None:
            sessions = self._sessions.get(address, {})
            sessions.pop(token, None)
            if not sessions:
                self._sessions.pop(address, None)

        return leave

    def count(self, address: str) -> int:
        """How many sessions the account has."""
        return len(self._sessions.get(address, {}))

    def tell(self, address: str, text: str) -> int:
        """Say one line to all sessions of the account; how many of them hear it."""
        return sum([tell(text) for tell in list(self._sessions.get(address, {}).values())])
