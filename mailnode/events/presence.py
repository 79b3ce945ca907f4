"""Who is there now: sessions that can tell their people something at once."""

from collections.abc import Callable

from mailnode.events.counts import Counts

Tell = Callable[[str], bool]  # takes one line of text; whether it will be heard


class LiveSessions:
    """Sessions by the address of their account. Used on the reactor thread only."""

    def __init__(self) -> None:
        self.counts = Counts()  # of all processes
        self.say: Callable[[str, str], None] = lambda address, text: None  # to the sessions of others
        self._sessions: dict[str, dict[object, Tell]] = {}

    def join(self, address: str, tell: Tell) -> Callable[[], None]:
        """Have `tell` called with what is said to the account; gives a function that ends it."""
        token = object()
        self._sessions.setdefault(address, {})[token] = tell
        self.counts.add(address, 1)

        def leave() -> None:
            sessions = self._sessions.get(address, {})
            if sessions.pop(token, None) is not None:
                self.counts.add(address, -1)
            if not sessions:
                self._sessions.pop(address, None)

        return leave

    def count(self, address: str) -> int:
        """How many sessions the account has."""
        return self.counts[address]

    def tell(self, address: str, text: str) -> int:
        """Say one line to all sessions of the account; how many of them hear it.

        Those of other processes, which are only told, count as hearing it.
        """
        elsewhere = self.counts[address] - len(self._sessions.get(address, {}))
        if elsewhere > 0:
            self.say(address, text)
        return elsewhere + self.hear(address, text)

    def hear(self, address: str, text: str) -> int:
        """Say it to the sessions of this process."""
        return sum([tell(text) for tell in list(self._sessions.get(address, {}).values())])
