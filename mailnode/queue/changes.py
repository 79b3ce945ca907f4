"""What an administrator can do to a message in the queue, by the word for it.

Each takes an entry and the time, in seconds since the epoch, and gives what is to be in its place; the queue
does the rest when that is due. So it is one and the same with and without a running server.
"""

from collections.abc import Callable, Mapping

from mailnode.queue.entry import Approval, Entry, Proof
from mailnode.values import replace

HELD = 253_402_300_799.0  # the last second of the year 9999: until somebody releases it
GIVEN_UP = ("5.0.0", "The administrator of this server gave it up")
REJECTED = ("5.7.2", "A moderator of the list has rejected it")

Change = Callable[[Entry, float], Entry]


def release(entry: Entry, now: float) -> Entry:
    """To be tried now, whatever it waits for, approved if that is needed; its lifetime begins now if held."""
    envelope = replace(entry.envelope, release=min(entry.envelope.release, now))
    proof = Proof.NEEDED if entry.proof is Proof.MISSING else entry.proof
    return replace(entry, envelope=envelope, due=now, approval=Approval.GIVEN, proof=proof)


def retry(entry: Entry, now: float) -> Entry:
    """To be tried now, unless it is held."""
    return entry if entry.envelope.release > now else replace(entry, due=now)


def hold(entry: Entry, _now: float) -> Entry:
    """Not to be tried before it is released."""
    return replace(entry, envelope=replace(entry.envelope, release=HELD), due=HELD)


def bounce(entry: Entry, now: float) -> Entry:
    """To be given up: its sender is told, whoever that is."""
    return replace(entry.failed(*GIVEN_UP), due=now, proof=Proof.WAIVED)


def reject(entry: Entry, now: float) -> Entry:
    """To be given up, as a moderator of its list does not want it."""
    return replace(entry.failed(*REJECTED), due=now)


CHANGES: Mapping[str, Change] = {"release": release, "retry": retry, "hold": hold, "bounce": bounce}
