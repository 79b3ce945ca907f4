"""What the control socket does with the queue: {"command": "queue release", "ids": [...]} and its kin.

The answer has a line for each message that was left alone: {"ok": true, "left": {id: why}}. "queue take" is
for what was put into the spool beside the server.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from mailnode.admin.control import Answer, Command
from mailnode.queue.changes import CHANGES
from mailnode.queue.entry import Entry
from mailnode.queue.runner import Busy, Runner
from mailnode.queue.spool import Unreadable

IDS = 500  # in one request

Work = Callable[[str], Awaitable[None]]


def queue_commands(queue: Runner, hurry: Callable[[], None]) -> dict[str, Command]:
    """The commands by name: each change, and drop.

    `hurry` has hosts called that are left alone for a while; what is to be tried now goes there at once.
    """

    async def retry(name: str) -> None:
        queue.retry(name)

    works: dict[str, Work] = {word: partial(queue.change, change=CHANGES[word]) for word in CHANGES}
    works |= {"retry": retry, "drop": queue.drop, "take": partial(queue.change, change=as_it_is)}
    first = {"retry": hurry, "release": hurry}
    return {f"queue {word}": _command(work, first.get(word, _nothing)) for word, work in works.items()}


def _nothing() -> None:
    pass


def as_it_is(entry: Entry, now: float) -> Entry:
    """What somebody has put into the spool, and the queue does not know yet."""
    return entry


def _command(work: Work, first: Callable[[], None]) -> Command:
    async def run(request: Mapping[str, object]) -> Answer:
        ids = request.get("ids")
        if not isinstance(ids, list):
            return {"ok": False, "mistakes": ["ids must be a list"]}
        first()
        reasons = {str(one): await _done(work, str(one)) for one in ids}
        return {"ok": True, "left": {name: why for name, why in reasons.items() if why}}

    return run


async def _done(work: Work, name: str) -> str:
    """Do it; why it could not be done, "" where it was."""
    try:
        await work(name)
    except Busy:
        return f"{name} is being delivered at this moment; try again"
    except FileNotFoundError:
        return no_such(name)
    except Unreadable as why:
        return f"{name} cannot be read: {why}"
    except OSError as error:
        return f"{name}: {error.strerror}"
    return ""


def no_such(name: str) -> str:
    """What to say of an id that is unknown."""
    return f"there is no message {name} in the queue; see: mailnode queue list"
