"""The courier to people who are there now (RFC 821 section 3.4): to their sessions and their terminals."""

import platform
from collections.abc import Callable, Collection, Sequence

from twisted.python.failure import Failure

from mailnode.auth.live import Live
from mailnode.delivery.local import LocalCourier, LocalDelivery
from mailnode.envelope import Envelope, Kind
from mailnode.events.life import Bus, Shown
from mailnode.events.log import Log
from mailnode.events.presence import LiveSessions
from mailnode.fs import FileSystem
from mailnode.message.notice import Notice, notice
from mailnode.runtime import Runtime
from mailnode.values import frozen
from mailnode.wire import utmp

UTMP = "/run/utmp"
UTMP_LIMIT = 1_048_576  # octets that are read of it
MOST_TERMINALS = 16  # of one user


class NobodyThere(Exception):
    """There is nobody any more to whom the message could be shown."""


@frozen
class LiveCourier:
    """Shows messages; those that go into mailboxes too, or instead, it gives to the courier there."""

    live: Live
    runtime: Runtime
    sessions: LiveSessions
    files: FileSystem
    mail: LocalCourier
    bus: Bus
    utmp: str = UTMP

    async def is_there(self, address: str) -> bool:
        """Whether the owner of the mailbox has a session or a terminal now."""
        return self.sessions.count(address) > 0 or await self._terminals(address, b"") > 0

    async def tell(self, address: str, what: Notice) -> int:
        """Show it in all sessions and on all terminals; on how many."""
        return self.sessions.tell(address, what.line) + await self._terminals(address, what.screen)

    async def _terminals(self, address: str, data: bytes) -> int:
        user = self.live.config.messages.terminals.get(address)
        if user is None:
            return 0
        return await self.runtime.blocking.run(write_to_terminals, self.files, self.utmp, user, data)

    def begin(
        self,
        envelope: Envelope,
        addresses: Sequence[str],
        head: bytes,
        *,
        message: str,
        connection: str,
        always: Collection[str] = (),
        paired: bool = False,
    ) -> "LiveDelivery":
        """A delivery of what starts with `head`; there must be one address at least.

        No quota keeps it from the mailboxes in `always`. The ids of the message and of its connection go into
        the events. `paired` is for LocalCourier.begin().
        """

        def shown(address: str, count: int) -> None:
            self.bus.publish(Shown(connection, message, address, count))

        mail = None
        if envelope.kind is not Kind.SEND:
            mail = self.mail.begin(
                addresses, head, message=message, connection=connection, always=always, paired=paired
            )
        return LiveDelivery(self, envelope, addresses, head, shown, mail)


def write_to_terminals(files: FileSystem, path: str, user: str, data: bytes) -> int:
    """Write to the terminals of a user, as the utmp file at `path` has them; how many took it."""
    try:
        records = files.read(path, limit=UTMP_LIMIT)
    except OSError:
        return 0
    size = utmp.SIZES.get(platform.machine(), utmp.SIZE)
    lines = {login.line for login in utmp.logins(records, size=size) if login.user == user}
    return sum(files.write_to_terminal(f"/dev/{line}", user, data) for line in sorted(lines)[:MOST_TERMINALS])


class LiveDelivery:
    """One message on its way, used as a LocalDelivery is.

    Memory: its header, and the octets of its body that are looked at.
    """

    def __init__(
        self,
        courier: LiveCourier,
        envelope: Envelope,
        addresses: Sequence[str],
        head: bytes,
        shown: Callable[[str, int], None],
        mail: LocalDelivery | None,
    ) -> None:
        self._courier = courier
        self._kind = envelope.kind
        self._sender = str(envelope.reverse_path or "")
        self._addresses = addresses
        self._content = bytearray(head)
        self._room = courier.live.config.messages.limit
        self._shown = shown
        self._mail = mail

    async def write(self, data: bytes) -> None:
        """Add octets. Raises OSError."""
        piece = data[: self._room]
        self._content += piece
        self._room -= len(piece)
        if self._mail is not None:
            await self._mail.write(data)

    async def commit(self) -> None:
        """Bring it where its kind says. Raises NobodyThere, OSError, StoreError.

        What is said of a mailbox is said of all of them, as by LocalDelivery. Who is told and then hears of a
        full disk is told again: better than not at all.
        """
        if self._kind is Kind.SAML and self._mail is not None:
            await self._mail.commit()
        heard = await self._tell()
        if self._kind is Kind.SEND and not heard:
            raise NobodyThere
        if self._kind is Kind.SOML and self._mail is not None and len(heard) < len(self._addresses):
            self._mail.leave_out(heard)
            await self._mail.commit()

    async def abort(self) -> None:
        """Forget it; does nothing to what is delivered."""
        if self._mail is not None:
            await self._mail.abort()

    async def _tell(self) -> set[str]:
        """Show it to everybody; who has heard it. A bug of ours makes that nobody, and loses no mail."""
        courier, heard = self._courier, set[str]()
        try:
            what = await courier.runtime.blocking.run(notice, self._sender, bytes(self._content))
            for address in self._addresses:
                count = await courier.tell(address, what)
                if count:
                    heard.add(address)
                    self._shown(address, count)
        except Exception:
            Log("mailnode.mail").bug("message not shown", Failure())
        return heard
