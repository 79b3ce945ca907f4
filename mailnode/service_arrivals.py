"""Mail that comes in by SMTP and LMTP: what each process has that takes it.

It goes into mailboxes straight from here. What is to go on or to wait is written to the queue's folder here
too; the runner, which is in the main process, hears of it.
"""

from collections.abc import Awaitable, Callable

from mailnode.delivery.letters import Letters
from mailnode.delivery.live import LiveCourier
from mailnode.delivery.local import FreeSpace, LocalCourier
from mailnode.delivery.moderation import Answer, Answers
from mailnode.delivery.reporting import Reports
from mailnode.net.tls import TlsServer
from mailnode.queue.admission import WayIn
from mailnode.service_entrance import Entrance
from mailnode.smtp.server import Smtp
from mailnode.smtp.session import ForPeople


class Arrivals:
    """Built once for each process; `queue` is the way into it, `decide` does what moderators answer."""

    def __init__(self, entrance: Entrance, queue: WayIn, decide: Callable[[Answer], Awaitable[None]]) -> None:
        live, runtime, files, bus = entrance.live, entrance.runtime, entrance.files, entrance.bus
        self._entrance = entrance
        self._queue = queue
        self._free_space = FreeSpace(runtime, files, lambda: entrance.realm.mail_root)
        self._moderators = Answers(live, decide)
        self.courier = courier = LocalCourier(runtime, entrance.realm, entrance.feed, bus, files)
        self._live_courier = LiveCourier(live, runtime, entrance.sessions, files, courier, bus)
        self.letters = Letters(live, runtime, courier, begin=queue)
        self.reports = Reports(live, runtime, self.letters, bus)

    def smtp(self, tls: TlsServer | None, people: ForPeople | None = None) -> Smtp:
        """What serves it; with `people` also for those who log in to send."""
        entrance = self._entrance
        return Smtp(
            live=entrance.live,
            runtime=entrance.runtime,
            logins=entrance.logins,
            courier=self.courier,
            bus=entrance.bus,
            tls=tls,
            free_space=self._free_space,
            live_courier=self._live_courier,
            queue=self._queue,
            reports=self.reports,
            moderators=self._moderators,
            people=people,
        )
