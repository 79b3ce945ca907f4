"""Several clients at two mailboxes against a model of them: numbers, flags and expunges are exact for each.

There are clients that know RFC 3501 alone, CONDSTORE, QRESYNC, IMAP4rev2 and UIDONLY, who come and go; others
hear at any time what they have asked for with NOTIFY. After every command the belief of its client is
compared with the truth, as far as the server may have told it by then, and that of those who listen after
every step.
"""

import contextlib
import os
from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.lookout import POLL
from mailnode.store.delivery import deliver
from mailnode.store.index import FILE_NAME
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import Name
from tests.imap.mirror import EXPUNGES_FORBIDDEN, FOLLOWED, Mirror, changed, numbers
from tests.imap.world import World
from tests.scratch import scratch

PATHS: dict[str, Name] = {"INBOX": ("INBOX",), "Work": ("Work",)}

WHO = st.integers(0, 5)
MAILBOX = st.sampled_from(tuple(PATHS))
FLAG = st.sampled_from(("\\Seen", "\\Deleted", "\\Flagged", "$Work"))
KEYS = {"\\Seen": "SEEN", "\\Deleted": "DELETED", "\\Flagged": "FLAGGED", "$Work": "KEYWORD $Work"}
MODE = st.sampled_from(("+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"))
PLACES = st.lists(st.integers(0, 6), min_size=1, max_size=3)


class Box:
    """A mailbox as it must be: flags and labels by UID."""

    def __init__(self) -> None:
        self.flags: dict[int, frozenset[str]] = {}
        self.labels: dict[int, int] = {}
        self.next_uid = 1

    def add(self, label: int, flags: frozenset[str] = frozenset()) -> None:
        """Another message."""
        self.flags[self.next_uid], self.labels[self.next_uid] = flags, label
        self.next_uid += 1

    def change(self, uid: int | None, mode: str, flag: str) -> None:
        """STORE, of a message that may not be there any more."""
        if uid in self.flags:
            self.flags[uid] = changed(self.flags[uid], mode, flag)


class Machine(RuleBasedStateMachine):
    """The mailboxes as they must be, and the clients."""

    clients: tuple[tuple[str, ...], ...] = (
        ("INBOX", ""),
        ("INBOX", "CONDSTORE"),
        ("INBOX", "QRESYNC"),
        ("INBOX", "QRESYNC IMAP4rev2"),
        ("Work", "QRESYNC"),
        ("Work", "IMAP4rev2"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.room = scratch()
        self.world = self.make_world(self.room.name)
        self.boxes = {name: Box() for name in PATHS}
        self.label = 0
        self.mirrors: list[Mirror] = []
        self.cache_lost = False  # since the server started
        self.world.account().store.create(PATHS["Work"])

    def make_world(self, directory: str) -> World:
        """The server."""
        return World(directory)

    @initialize(delivered=st.integers(0, 4))
    def begin(self, delivered: int) -> None:
        for _ in range(delivered):
            self._deliver()
        self.mirrors = [Mirror(self.world, *client) for client in self.clients]

    def teardown(self) -> None:
        self._all_go()
        self.world.close()
        self.room.cleanup()

    # Steps

    def _check(self, mirror: Mirror, command: str, tagged: str) -> None:
        """The client must believe the truth, but for expunges it may not hear of now."""
        assert not tagged.startswith("x BAD"), tagged
        if mirror.notify != "nothing":
            quiet = command.split(" ")[0] in EXPUNGES_FORBIDDEN and mirror.notify in ("", "delayed")
            self._compare(mirror, command, expunges=not quiet, flags=mirror.notify != "messages")
        self._compare_followed(mirror, command)

    def _compare(self, mirror: Mirror, when: str, *, expunges: bool = True, flags: bool = True) -> None:
        truth = self.boxes[mirror.mailbox].flags
        seen, true = set(mirror.uids), set(truth)
        assert (seen == true) if expunges else (true <= seen), f"{when}: {seen}, not {true}"
        for uid, wanted in truth.items() if flags else ():
            assert mirror.flags[uid] == wanted, f"{when}: {uid} has {set(wanted)}, not {mirror.flags[uid]}"

    def _compare_followed(self, mirror: Mirror, when: str) -> None:
        if mirror.followed is not None:
            flagged = self._flagged(mirror, "\\Flagged")
            assert mirror.followed == flagged, f"{when}: {mirror.followed} are flagged, not {flagged}"

    def _flagged(self, mirror: Mirror, flag: str) -> set[int]:
        """Those of the messages a client knows of which are there and have a flag."""
        truth = self.boxes[mirror.mailbox].flags
        return {uid for uid in mirror.uids if uid and flag in truth.get(uid, ())}

    def _say(self, mirror: Mirror, command: str, removed: Iterable[int] = ()) -> str:
        """Give a command, which takes these messages away."""
        before = set(mirror.uids)
        command = mirror.in_words(command)
        tagged = mirror.say(command)
        self._check(mirror, command, tagged)
        if mirror.notify == "nothing":
            assert before - set(mirror.uids) == set(removed), f"{command}: {mirror.uids}, not {removed}"
        return tagged

    def _mirror(self, who: int) -> tuple[Mirror, Box]:
        mirror = self.mirrors[who]
        if mirror.client is None:
            mirror.connect()
            self._compare(mirror, "SELECT")
        return mirror, self.boxes[mirror.mailbox]

    def _chosen(self, mirror: Mirror, places: list[int]) -> list[int]:
        """Numbers of messages, as far as the client sees any."""
        return sorted({place % len(mirror.uids) + 1 for place in places}) if mirror.uids else []

    def _named(self, mirror: Mirror, places: list[int], *, by_uid: bool) -> tuple[list[int], str]:
        """UIDs of some messages, and what stands between the name of the command and the set's end."""
        chosen = self._chosen(mirror, places)
        uids = [mirror.uids[number - 1] or 0 for number in chosen]
        return uids, ",".join(map(str, uids if by_uid else chosen))

    def _all_go(self) -> None:
        for mirror in self.mirrors:
            mirror.hang_up()

    def _new_label(self) -> int:
        self.label += 1
        return self.label

    def _store(self, mailbox: str) -> Mailbox:
        return self.world.account().store.mailbox(PATHS[mailbox])

    # What clients do

    @rule(who=WHO, flag=FLAG, where=MAILBOX)
    def append(self, who: int, flag: str, where: str) -> None:
        mirror, _ = self._mirror(who)
        assert mirror.client is not None
        label = self._new_label()
        self.boxes[where].add(label, frozenset({flag}))
        said = mirror.client.append(b"Subject: %d\r\n\r\nbody\r\n" % label, where, f"({flag})")
        mirror.hear("APPEND", said, "ap")
        self._say(mirror, "NOOP")

    @rule(who=WHO, places=PLACES, mode=MODE, flag=FLAG, by_uid=st.booleans())
    def store(self, who: int, places: list[int], mode: str, flag: str, by_uid: bool) -> None:
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=by_uid)
        if uids:
            command = f"{'UID ' * by_uid}STORE {named} {mode} ({flag})"
            self._store_named(mirror, box, uids, command, mode, flag)

    def _store_named(
        self, mirror: Mirror, box: Box, uids: list[int], command: str, mode: str, flag: str
    ) -> None:
        for uid in uids:
            box.change(uid, mode, flag)
            if mode.endswith("SILENT"):
                mirror.believe_change(mirror.uids.index(uid) + 1, mode, flag)
        self._say(mirror, command)

    @rule(who=WHO, places=PLACES, flag=FLAG)
    def store_on_condition(self, who: int, places: list[int], flag: str) -> None:
        """With all the client knows as condition, what has changed meanwhile is left alone and named."""
        mirror, box = self._mirror(who)
        chosen = self._chosen(mirror, places)
        if not chosen or not mirror.knows_modseqs:
            return
        stale = {
            number
            for number in chosen
            if (uid := mirror.uids[number - 1] or 0) in box.flags and box.flags[uid] != mirror.flags[uid]
        }
        command = mirror.in_words(
            f"STORE {','.join(map(str, chosen))} (UNCHANGEDSINCE {mirror.highest}) +FLAGS.SILENT ({flag})"
        )
        assert mirror.client is not None
        said = mirror.client.say(f"x {command}").decode()
        failed = numbers(said.partition("[MODIFIED ")[2].partition("]")[0])
        if mirror.uid_only:
            failed = {mirror.uids.index(uid) + 1 for uid in failed}
        assert stale <= failed <= set(chosen), said
        for number in chosen:
            mirror.believe_change(number, "+", flag)
        for number in set(chosen) - failed:
            box.change(mirror.uids[number - 1], "+", flag)
        mirror.hear(command, said.encode())
        self._say(mirror, "NOOP")

    @rule(who=WHO)
    def expunge(self, who: int) -> None:
        mirror, box = self._mirror(who)
        removed = self._expunge(box, mirror.uids)
        self._say(mirror, "EXPUNGE", removed)

    @rule(who=WHO, places=PLACES)
    def uid_expunge(self, who: int, places: list[int]) -> None:
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=True)
        if uids:
            removed = self._expunge(box, uids)
            self._say(mirror, f"UID EXPUNGE {named}", removed)

    def _expunge(self, box: Box, uids: "list[int | None] | list[int]") -> list[int]:
        removed = [uid for uid in uids if uid and "\\Deleted" in box.flags.get(uid, ())]
        for uid in removed:
            del box.flags[uid]
        return removed

    @rule(who=WHO, places=PLACES, where=MAILBOX, by_uid=st.booleans(), moves=st.booleans())
    def copy_or_move(self, who: int, places: list[int], where: str, by_uid: bool, moves: bool) -> None:
        """Into the other mailbox, or the same: with other UIDs, the same flags, and nothing lost."""
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=by_uid)
        if uids:
            command = f"{'UID ' * by_uid}{'MOVE' if moves else 'COPY'} {named}"
            self._transfer(mirror, box, uids, command, where)

    def _transfer(self, mirror: Mirror, box: Box, uids: list[int], command: str, where: str) -> None:
        done = all(uid in box.flags for uid in uids)  # of messages that are gone nothing is done
        removed = uids if done and "MOVE" in command else []
        for uid in uids if done else ():
            self.boxes[where].add(box.labels[uid], box.flags[uid])
        for uid in removed:
            del box.flags[uid]
        tagged = self._say(mirror, f"{command} {where}", removed)
        assert tagged.startswith("x OK") is done, tagged

    @rule(who=WHO, place=st.integers(0, 30), flag=FLAG, where=MAILBOX, by_uid=st.booleans())
    def replace(self, who: int, place: int, flag: str, where: str, by_uid: bool) -> None:
        """Another message in the place of one; none where that is gone."""
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, [place], by_uid=by_uid)
        if not uids:
            return
        label = self._new_label()
        done = uids[0] in box.flags
        if done:
            del box.flags[uids[0]]
            self.boxes[where].add(label, frozenset({flag}))
        message = f"Subject: {label}\r\n\r\nbody\r\n"
        command = f"{'UID ' * by_uid}REPLACE {named} {where} ({flag}) {{{len(message)}+}}\r\n{message}"
        tagged = self._say(mirror, command, uids if done else ())
        assert tagged.startswith("x OK") is done, tagged

    @rule(who=WHO, places=PLACES)
    def fetch(self, who: int, places: list[int]) -> None:
        mirror, _ = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=False)
        if uids:
            self._say(mirror, f"FETCH {named} (UID FLAGS)")
            self._say(mirror, f"UID FETCH {uids[0]} (FLAGS)")

    @rule(who=WHO, places=PLACES)
    def read(self, who: int, places: list[int]) -> None:
        r"""A FETCH that sets \Seen."""
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=False)
        for uid in uids:
            box.change(uid, "+", "\\Seen")
        if uids:
            self._say(mirror, f"FETCH {named} (BODY[2])")

    @rule(who=WHO)
    def fetch_labels(self, who: int) -> None:
        """Whatever was moved and copied, each UID stands for the message that it stood for always.

        What others have removed may be answered as long as the client was not told.
        """
        mirror, box = self._mirror(who)
        known = {uid: box.labels[uid] for uid in mirror.uids if uid}
        there = {uid: label for uid, label in known.items() if uid in box.flags}
        mirror.labels = {}
        self._say(mirror, "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert there.items() <= mirror.labels.items() <= known.items(), (mirror.labels, known)

    @rule(who=WHO, which=st.sampled_from(("1:*", "2:4", "1,3:*")))
    def fetch_changed(self, who: int, which: str) -> None:
        """What has changed since, and what has gone where the client has QRESYNC."""
        mirror, _ = self._mirror(who)
        vanished = " VANISHED" if mirror.resyncs else ""
        if mirror.knows_modseqs:
            self._say(mirror, f"UID FETCH {which} (FLAGS) (CHANGEDSINCE {max(1, mirror.highest)}{vanished})")

    @rule(who=WHO, flag=FLAG, by_uid=st.booleans())
    def search(self, who: int, flag: str, by_uid: bool) -> None:
        """Those that have a flag, and are still there, by the numbers that the client knows them by."""
        mirror, _ = self._mirror(who)
        known = {uid: number for number, uid in enumerate(mirror.uids, 1)}
        flagged = self._flagged(mirror, flag)
        self._say(mirror, f"{'UID ' * by_uid}SEARCH {KEYS[flag]}")
        wanted = flagged if by_uid or mirror.uid_only else {known[uid] for uid in flagged}
        assert mirror.found == wanted, (mirror.found, wanted)

    @rule(who=WHO, flag=FLAG)
    def save_search(self, who: int, flag: str) -> None:
        mirror, _ = self._mirror(who)
        mirror.saved = self._flagged(mirror, flag)
        self._say(mirror, f"SEARCH RETURN (SAVE) {KEYS[flag]}")

    @rule(who=WHO, mode=MODE, flag=FLAG, by_uid=st.booleans())
    def store_saved(self, who: int, mode: str, flag: str, by_uid: bool) -> None:
        mirror, box = self._mirror(who)
        command = f"{'UID ' * by_uid}STORE $ {mode} ({flag})"
        self._store_named(mirror, box, self._saved(mirror), command, mode, flag)

    def _saved(self, mirror: Mirror) -> list[int]:
        """Of what "$" stands for, all that the client does not know to be gone."""
        return [uid for uid in mirror.uids if uid in mirror.saved]  # type: ignore[misc]

    @rule(who=WHO, where=MAILBOX, moves=st.booleans())
    def transfer_saved(self, who: int, where: str, moves: bool) -> None:
        mirror, box = self._mirror(who)
        command = "MOVE $" if moves else "COPY $"
        self._transfer(mirror, box, self._saved(mirror), command, where)

    @rule(who=WHO)
    def expunge_saved(self, who: int) -> None:
        mirror, box = self._mirror(who)
        removed = self._expunge(box, self._saved(mirror))
        self._say(mirror, "UID EXPUNGE $", removed)

    @rule(who=WHO)
    def search_saved(self, who: int) -> None:
        mirror, box = self._mirror(who)
        wanted = {uid for uid in self._saved(mirror) if uid in box.flags}
        self._say(mirror, "UID SEARCH $")
        assert mirror.found == wanted, (mirror.found, wanted)

    @rule(who=WHO)
    def follow(self, who: int) -> None:
        """Hear from then on which messages are flagged."""
        mirror, _ = self._mirror(who)
        if mirror.followed is None:
            known = self._flagged(mirror, "\\Flagged")
            mirror.followed = set(known)
            tagged = mirror.say("UID SEARCH RETURN (UPDATE ALL) FLAGGED", FOLLOWED)
            self._check(mirror, "UID SEARCH", tagged)
            assert mirror.found == known, (mirror.found, known)

    @rule(who=WHO, where=MAILBOX)
    def status(self, who: int, where: str) -> None:
        """The counts are those of the disk, whatever the client was told of a mailbox."""
        mirror, _ = self._mirror(who)
        box = self.boxes[where]
        self._say(mirror, f"STATUS {where} (MESSAGES UNSEEN DELETED UIDNEXT)")
        assert mirror.status == {
            "MESSAGES": len(box.flags),
            "UNSEEN": sum("\\Seen" not in flags for flags in box.flags.values()),
            "DELETED": sum("\\Deleted" in flags for flags in box.flags.values()),
            "UIDNEXT": box.next_uid,
        }, (mirror.status, box.flags)

    @rule(who=WHO)
    def noop(self, who: int) -> None:
        mirror, _ = self._mirror(who)
        self._say(mirror, "NOOP")

    @rule(who=WHO)
    def select_again(self, who: int) -> None:
        mirror, _ = self._mirror(who)
        mirror.select()
        self._compare(mirror, "SELECT")
        self._say(mirror, "NOOP")

    @rule(who=WHO)
    def log_in_again(self, who: int) -> None:
        """On the same connection."""
        mirror, _ = self._mirror(who)
        mirror.log_out()
        mirror.log_in()
        self._compare(mirror, "LOGIN")
        self._say(mirror, "NOOP")

    @rule(who=WHO)
    def go_away(self, who: int) -> None:
        self.mirrors[who].hang_up()

    @rule(who=WHO)
    def come_back(self, who: int) -> None:
        """At once, so that the least that it has missed shows."""
        self.mirrors[who].hang_up()
        self._mirror(who)

    # What others do

    @rule(mailbox=MAILBOX, flag=FLAG)
    def another_program_changes(self, mailbox: str, flag: str) -> None:
        """Flags change on the disk, by nobody of ours."""
        self._change_a_file(mailbox, flag)
        self.world.clock.advance(POLL)

    def _change_a_file(self, mailbox: str, flag: str) -> None:
        box = self.boxes[mailbox]
        if box.flags:
            uid = min(box.flags)
            mode = "-" if flag in box.flags[uid] else "+"
            box.change(uid, mode, flag)
            self._store(mailbox).set_flags([uid], "add" if mode == "+" else "remove", frozenset({flag}))

    @rule(mailbox=MAILBOX, place=st.integers(0, 30))
    def another_program_removes(self, mailbox: str, place: int) -> None:
        """A file goes."""
        self._remove_a_file(mailbox, place)
        self.world.clock.advance(POLL)

    def _remove_a_file(self, mailbox: str, place: int) -> None:
        box = self.boxes[mailbox]
        if box.flags:
            uid = sorted(box.flags)[place % len(box.flags)]
            store = self._store(mailbox)
            message = store.get(uid)
            assert message is not None
            os.unlink(store._path(message))
            del box.flags[uid]

    @rule(who=WHO, place=st.integers(0, 6), flag=FLAG, follows=st.booleans(), goes=st.booleans())
    def glimpse(self, who: int, place: int, flag: str, follows: bool, goes: bool) -> None:
        """A message goes, another one changes, and a client hears of the latter only before it goes away."""
        mirror, box = self._mirror(who)
        self._say(mirror, "NOOP")
        if len(box.flags) < 2 or not mirror.uids:
            return
        if follows:
            self.follow(who)
        self._remove_a_file(mirror.mailbox, place)
        self._change_a_file(mirror.mailbox, flag)
        self._say(mirror, "FETCH 1 (UID)")
        if goes:
            self.come_back(who)
        self._say(mirror, "NOOP")
        self.world.clock.advance(POLL)

    @rule()
    def delivery(self) -> None:
        """A message comes into new/."""
        self._deliver()
        self.world.clock.advance(POLL)

    def _deliver(self) -> None:
        label = self._new_label()
        account = self.world.account().store
        draft = account.draft()
        draft.write(b"Subject: %d\r\n\r\nbody\r\n" % label)
        deliver(draft, [account], self.world.files)
        self._store("INBOX")
        self.boxes["INBOX"].add(label)

    @rule(cache=st.sampled_from(("kept", "lost")))
    def restart(self, cache: str) -> None:
        """The server starts again, with its cache or without."""
        self._all_go()
        root = self.world.account().store.root
        self.world.close()
        for suffix in ("", "-wal", "-shm") if cache == "lost" else ():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{root}/{FILE_NAME}{suffix}")
        if cache == "lost" or self.cache_lost:
            # Where time goes on, what comes is later than all that was; here only the folders' own times do.
            for folder in (root, f"{root}/.Work"):
                os.utime(f"{folder}/cur")
        self.cache_lost = False
        self.world.start()

    @rule()
    def lose_cache(self) -> None:
        """The cache is found damaged, and made anew."""
        self.world.account().store._context.discard_index()
        self.cache_lost = True

    @invariant()
    def who_listens_knows(self) -> None:
        for mirror in self.mirrors:
            if mirror.client is not None:
                mirror.overhear()
                if mirror.notify in ("all", "delayed", "messages"):
                    at_once, flags = mirror.notify != "delayed", mirror.notify != "messages"
                    assert set(mirror.uids) <= mirror.flags.keys(), "a new message without its FETCH"
                    self._compare(mirror, "NOTIFY", expunges=at_once, flags=flags)
                    self._compare_followed(mirror, "NOTIFY")

    @invariant()
    def nobody_has_failed(self) -> None:
        for mirror in self.mirrors:
            assert mirror.client is None or mirror.client.failure is None


class UidMachine(Machine):
    """With clients that take no numbers, and one that does."""

    clients = (
        ("INBOX", "UIDONLY"),
        ("INBOX", "UIDONLY CONDSTORE"),
        ("INBOX", "UIDONLY QRESYNC", "all"),
        ("INBOX", "UIDONLY QRESYNC IMAP4rev2"),
        ("INBOX", ""),
        ("Work", "UIDONLY IMAP4rev2", "delayed"),
    )


class ListeningMachine(Machine):
    """With clients that hear of everything outside of commands."""

    clients = (
        ("INBOX", "", "all"),
        ("INBOX", "CONDSTORE", "delayed"),
        ("INBOX", "QRESYNC", "delayed"),
        ("INBOX", "QRESYNC IMAP4rev2", "all"),
        ("Work", "QRESYNC", "all"),
        ("Work", "IMAP4rev2", "delayed"),
    )


class DeafMachine(Machine):
    """With clients that do not want to hear of everything, and must not think that they had."""

    clients = (
        ("INBOX", "", "all"),
        ("INBOX", "CONDSTORE", "messages"),
        ("INBOX", "QRESYNC", "messages"),
        ("INBOX", "QRESYNC IMAP4rev2", "nothing"),
        ("Work", "QRESYNC", "nothing"),
        ("Work", "IMAP4rev2", "nothing"),
    )


def play(machine: type[Machine]) -> None:
    """Whatever the clients do, each believes what is true."""
    some: Any = settings(
        max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=some)


class ModelTests(SynchronousTestCase):
    """The machines, some hundred steps of each."""

    def test_clients(self) -> None:
        """RFC 3501, RFC 7162 and RFC 9051."""
        play(Machine)

    def test_uids_only(self) -> None:
        """RFC 9586."""
        play(UidMachine)

    def test_who_listens(self) -> None:
        """RFC 5465."""
        play(ListeningMachine)

    def test_who_does_not_want_to_know(self) -> None:
        """RFC 5465, and what RFC 7162 section 3.2 says of a client that was not told of everything."""
        play(DeafMachine)
