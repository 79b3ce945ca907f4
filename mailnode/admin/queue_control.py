"""What the control socket does with the queue: {"command": "queue release", "id": ...} and its kin."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from mailnode.admin.control import Answer, Command
from mailnode.queue.changes import CHANGES
from mailnode.queue.runner import Busy, Runner
from mailnode.queue.spool import Unreadable

_AT_ONCE = ("release", "retry")


def queue_commands(queue: Runner, hurry: Callable[[], None]) -> dict[str, Command]:
    """The commands by name: each change, and drop.

    `hurry` has hosts called that are left alone for a while; what is to be tried now goes there at once.
    """

    async def change(word: str, name: str) -> None:
        if word in _AT_ONCE:
            hurry()
        await queue.change(name, CHANGES[word])

    changes = {f"queue {word}": _command(partial(change, word)) for word in CHANGES}
    return {**changes, "queue drop": _command(queue.drop)}


def _command(work: Callable[[str], Awaitable[None]]) -> Command:
    async def run(request: Mapping[str, object]) -> Answer:
        name = str(request.get("id"))
        try:
            await work(name)
        except Busy:
            return _refusal(f"{name} is being delivered at this moment; try again")
        except FileNotFoundError:
            return _refusal(no_such(name))
        except Unreadable as why:
            return _refusal(f"{name} cannot be read: {why}")
        except OSError as error:
            return _refusal(f"{name}: {error.strerror}")
        return {"ok": True}

    return run


def no_such(name: str) -> str:
    """What to say of an id that is unknown."""
    return f"there is no message {name} in the queue; see: mailnode queue list"


def _refusal(text: str) -> Answer:
    return {"ok": False, "mistakes": [text]}
