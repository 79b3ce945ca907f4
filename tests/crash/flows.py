"""What clients do with the store, one small story each.

A story is a preparation, all of which is on disk for good before the power fails, and an act.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mailnode.store.values import ANSWERED, DELETED, FLAGGED, INBOX, NO_FLAGS, SEEN, Name
from tests.crash.oracle import Copies, message
from tests.crash.world import World

ANNA, BERT, CARL = "anna", "bert", "carl"
WORK: Name = ("Work",)
DEEP: Name = ("Work", "2026")
OLD: Name = ("Old",)


def _three(world: World) -> None:
    """Three messages in anna's INBOX, all seen by a client, and an empty mailbox."""
    for label in ("one", "two", "three"):
        world.append(ANNA, INBOX, label, frozenset({SEEN}) if label == "two" else NO_FLAGS)
    world.create(ANNA, WORK)
    world.look(ANNA)
    world.look(ANNA, WORK)


def _nothing(world: World) -> None:
    """Nobody has been here."""


def _accounts(world: World) -> None:
    """Three accounts, seen by their owners."""
    for name in (ANNA, BERT, CARL):
        world.look(name)


def _tree(world: World) -> None:
    """Work and Work/2026 with messages."""
    _three(world)
    world.create(ANNA, DEEP)
    world.append(ANNA, WORK, "four", frozenset({"$Todo"}))
    world.append(ANNA, DEEP, "five")
    world.look(ANNA, WORK)
    world.look(ANNA, DEEP)


def _foreign(world: World) -> None:
    """A Maildir of another program, without a uid list; one message has another keyword letter."""
    names = {
        "new/1700000001.1.host": "one",
        "cur/1700000002.M5P7.host,S=1:2,Sa": "two",
        "cur/1700000003.3.host": "three",
    }
    flags = {"two": frozenset({SEEN, "unknown-0"})}
    for name, label in names.items():
        octets = message(label).replace(b"\r\n", b"\n")
        world.plant(f"anna/{name.replace('S=1', f'S={len(octets)}')}", octets)
        world.box(ANNA, INBOX).copies[label] = Copies(1, 1, {flags.get(label, NO_FLAGS)})
    world.plant("anna/tmp/stray", b"From: half")


def _torn(world: World) -> None:
    """A uid list whose last line is half a line, behind messages that a client has seen."""
    _three(world)
    world.deliver("four", ANNA)
    with open(f"{world.base}/anna/dovecot-uidlist", "ab") as file:
        file.write(b"4 :17")


def _dead(world: World) -> None:
    """A uid list with many lines of messages that are gone: the next change sweeps it."""
    dead = "".join(f"{uid} :1600000000.M{uid}.host\n" for uid in range(1, 91))
    world.plant("anna/dovecot-uidlist", f"3 V1234 N91 G{7:032x}\n{dead}".encode())
    world.told.gone |= {(ANNA, 1234, uid) for uid in range(1, 91)}
    world.box(ANNA, INBOX).floor = (1234, 91, 0)


def _appends(world: World) -> None:
    world.append(ANNA, INBOX, "four", frozenset({SEEN, "$Fresh"}), 1_000_000_000.0)
    world.append(ANNA, INBOX, "bare five")
    world.append(ANNA, WORK, "big six", frozenset({FLAGGED}), 1_100_000_000.0)


def _replaces(world: World) -> None:
    """As REPLACE does it: the new message is there for good before the old one goes."""
    world.append(ANNA, INBOX, "four", frozenset({SEEN}))
    world.expunge(ANNA, INBOX, ["one"])


def _delivery(world: World) -> None:
    world.deliver("four", ANNA)
    world.look(ANNA)


def _deliveries(world: World) -> None:
    world.deliver("one", ANNA, BERT, CARL)
    world.deliver("two", BERT, ANNA)
    world.look(BERT)


def _stores(world: World) -> None:
    world.store(ANNA, INBOX, ["one", "three"], frozenset({SEEN, "$Project"}))
    world.store(ANNA, INBOX, ["two"], frozenset({SEEN}), "remove")
    world.store(ANNA, INBOX, ["one", "two"], frozenset({FLAGGED, ANSWERED, "$Second"}), "replace")


def _expunges(world: World) -> None:
    world.store(ANNA, INBOX, ["one", "three"], frozenset({DELETED}))
    world.expunge(ANNA, INBOX, ["one", "three"], having=DELETED)
    world.deliver("four", ANNA)
    world.look(ANNA)


def _removed(world: World) -> None:
    """Messages that were removed one by one, and with their mailbox."""
    _tree(world)
    world.expunge(ANNA, INBOX, ["one", "three"])
    world.delete(ANNA, WORK)


def _undeletes(world: World) -> None:
    world.undelete(ANNA, INBOX, ["one", "three"])
    world.undelete(ANNA, WORK, ["four"])
    world.look(ANNA)
    world.expunge(ANNA, INBOX, ["one"])


def _day(world: World) -> None:
    """A bit of everything in one life of the process."""
    world.deliver("four", ANNA)
    world.look(ANNA)
    world.claim(ANNA)
    world.copy(ANNA, INBOX, WORK, ["four", "two"])
    world.store(ANNA, WORK, ["four"], frozenset({"$Project"}))
    world.expunge(ANNA, INBOX, ["four"])
    world.move(ANNA, WORK, INBOX, ["four"])
    world.deliver("seven", ANNA)
    world.look(ANNA)


def _adoption(world: World) -> None:
    world.look(ANNA)
    world.claim(ANNA)


def _sweep(world: World) -> None:
    world.append(ANNA, INBOX, "one")
    world.look(ANNA)
    world.expunge(ANNA, INBOX, ["one"])
    world.append(ANNA, INBOX, "two")


def _folders(world: World) -> None:
    world.create(ANNA, OLD)
    world.append(ANNA, OLD, "six")
    world.look(ANNA, OLD)
    world.delete(ANNA, OLD)
    world.create(ANNA, OLD)


def _selects(world: World) -> None:
    world.deliver("four", ANNA)
    world.deliver("five", ANNA)
    world.look(ANNA)
    world.claim(ANNA)
    world.look(ANNA)


def _subscriptions(world: World) -> None:
    world.subscribe(ANNA, WORK)
    world.subscribe(ANNA, OLD)
    world.subscribe(ANNA, WORK, wanted=False)


def _renamed_inbox(world: World) -> None:
    world.rename_inbox(ANNA, OLD)
    world.look(ANNA, OLD)
    world.look(ANNA)


def _first_index(world: World) -> None:
    world.look(ANNA)
    world.fetch(ANNA)
    world.fetch(ANNA)


def _renamed(world: World) -> None:
    world.rename(ANNA, WORK, OLD)
    world.append(ANNA, OLD, "six")


def _waiting(world: World) -> None:
    """A message in the queue, and what a crash left there."""
    _accounts(world)
    world.hold(("A1", "one", ANNA))
    world.plant("queue/B2.body", b"From: half")
    world.plant("queue/A1.envelope.new.1", b"{")


def _queue(world: World) -> None:
    world.hold(("C3", "big bare two", ANNA, BERT))
    world.release()
    world.hold(("D4", "three", BERT))


def _both(world: World) -> None:
    world.accept("C3", "big bare two", (ANNA,), (BERT, CARL))
    world.release()


@dataclass(frozen=True)
class Flow:
    """A story: what was before, and what is done while the power fails."""

    prepare: Callable[[World], None]
    act: Callable[[World], None]


FLOWS: dict[str, Flow] = {
    "deliver, first ever": Flow(_nothing, lambda world: world.deliver("one", ANNA)),
    "deliver to one": Flow(_three, _delivery),
    "deliver, large": Flow(_three, lambda world: world.deliver("big bare four", ANNA)),
    "deliver to three": Flow(_accounts, _deliveries),
    "deliver together": Flow(
        _accounts,
        lambda world: world.deliver_together(("one", ANNA), ("two", BERT, ANNA), ("four", ANNA)),
    ),
    "deliver to each": Flow(_accounts, lambda world: world.deliver_each("one", ANNA, BERT, CARL)),
    "append": Flow(_three, lambda world: world.append(ANNA, INBOX, "four")),
    "appends": Flow(_three, _appends),
    "append of several": Flow(
        _three, lambda world: world.append_all(ANNA, INBOX, "four", "big five", "bare six")
    ),
    "replace": Flow(_three, _replaces),
    "copy": Flow(_three, lambda world: world.copy(ANNA, INBOX, WORK, ["one", "two"]) and None),
    "copy in place": Flow(_three, lambda world: world.copy(ANNA, INBOX, INBOX, ["one", "two"]) and None),
    "move": Flow(_three, lambda world: world.move(ANNA, INBOX, WORK, ["one", "two"])),
    "store": Flow(_three, _stores),
    "expunge": Flow(_three, _expunges),
    "pop3 quit": Flow(_three, lambda world: world.quit(ANNA, ["one", "three"])),
    "undelete": Flow(_removed, _undeletes),
    "select": Flow(_three, _selects),
    "create, delete": Flow(_three, _folders),
    "delete": Flow(_tree, lambda world: world.delete(ANNA, WORK)),
    "rename": Flow(_tree, _renamed),
    "rename INBOX": Flow(_three, _renamed_inbox),
    "subscribe": Flow(_three, _subscriptions),
    "adoption": Flow(_foreign, _adoption),
    "first index": Flow(_foreign, _first_index),
    "torn uid list": Flow(_torn, lambda world: world.look(ANNA)),
    "sweep of the dead": Flow(_dead, _sweep),
    "hold": Flow(_accounts, lambda world: world.hold(("A1", "one", ANNA, BERT))),
    "hold together": Flow(
        _waiting,
        lambda world: world.hold(("C3", "two", BERT), ("D4", "big bare", ANNA, BERT), ("E5", "", ANNA)),
    ),
    "release": Flow(_waiting, lambda world: world.release()),
    "accept for both": Flow(_accounts, lambda world: world.accept("A1", "one", (ANNA, BERT), (CARL,))),
    "accept for both, large": Flow(_waiting, _both),
    "hold and release": Flow(_waiting, _queue),
    "a day": Flow(_three, _day),
}
