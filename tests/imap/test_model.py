"""Several clients at two mailboxes against a model of them: numbers, flags and expunges are exact for each.

There are clients that know RFC 3501 alone, CONDSTORE, QRESYNC and IMAP4rev2, who come and go. After every
command the belief of its client is compared with the truth, as far as the server may have told it by then.
"""

import contextlib
import os
import shutil
import tempfile
from typing import Any

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store.delivery import deliver
from mailnode.store.index import FILE_NAME
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import Name
from tests.imap.mirror import EXPUNGES_FORBIDDEN, FOLLOWED, Mirror, changed, numbers
from tests.imap.world import World

CLIENTS = (
    ("INBOX", ""),
    ("INBOX", "CONDSTORE"),
    ("INBOX", "QRESYNC"),
    ("INBOX", "QRESYNC IMAP4rev2"),
    ("Work", "QRESYNC"),
    ("Work", "IMAP4rev2"),
)
PATHS: dict[str, Name] = {"INBOX": ("INBOX",), "Work": ("Work",)}

WHO = st.integers(0, len(CLIENTS) - 1)
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

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="mailnode-")
        self.world = World(self.directory)
        self.boxes = {name: Box() for name in PATHS}
        self.label = 0
        self.world.account().store.create(PATHS["Work"])
        self.mirrors = [Mirror(self.world, enables, mailbox) for mailbox, enables in CLIENTS]

    def teardown(self) -> None:
        self._all_go()
        self.world.close()
        shutil.rmtree(self.directory)

    # Steps

    def _check(self, mirror: Mirror, command: str, tagged: str) -> None:
        """The client must believe the truth, but for expunges it may not hear of now."""
        assert not tagged.startswith("x BAD"), tagged
        truth = self.boxes[mirror.mailbox]
        seen, true = set(mirror.uids), set(truth.flags)
        quiet = command.split(" ")[0] in EXPUNGES_FORBIDDEN
        assert (true <= seen) if quiet else (seen == true), f"{command}: {seen}, not {true}"
        for uid, flags in truth.flags.items():
            assert mirror.flags[uid] == flags, f"{command}: {uid} has {set(flags)}, not {mirror.flags[uid]}"
        if mirror.followed is not None:
            flagged = {uid for uid, flags in truth.flags.items() if "\\Flagged" in flags}
            assert mirror.followed == flagged, f"{command}: {mirror.followed} are flagged, not {flagged}"

    def _say(self, mirror: Mirror, command: str) -> str:
        tagged = mirror.say(command)
        self._check(mirror, command, tagged)
        return tagged

    def _mirror(self, who: int) -> tuple[Mirror, Box]:
        mirror = self.mirrors[who]
        if mirror.client is None:
            mirror.connect()
        return mirror, self.boxes[mirror.mailbox]

    def _chosen(self, mirror: Mirror, places: list[int]) -> list[int]:
        """Numbers of messages, as far as the client sees any."""
        assume(mirror.uids)
        return sorted({place % len(mirror.uids) + 1 for place in places})

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
        store = self.world.account().store
        store._context.sleep = lambda seconds: None
        return store.mailbox(PATHS[mailbox])

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
        self._store_named(mirror, box, uids, f"{'UID ' * by_uid}STORE {named} {mode} ({flag})", mode, flag)

    def _store_named(
        self, mirror: Mirror, box: Box, uids: list[int], command: str, mode: str, flag: str
    ) -> None:
        for uid in uids:
            box.change(uid, mode, flag)
            if mode.endswith("SILENT"):
                mirror.believe_change(mirror.uids.index(uid) + 1, mode, flag)
        self._say(mirror, command)

    @rule(who=st.integers(1, 4), places=PLACES, flag=FLAG)
    def store_on_condition(self, who: int, places: list[int], flag: str) -> None:
        """With all the client knows as condition, what has changed meanwhile is left alone and named."""
        mirror, box = self._mirror(who)
        chosen = self._chosen(mirror, places)
        stale = {
            number
            for number in chosen
            if (uid := mirror.uids[number - 1] or 0) in box.flags and box.flags[uid] != mirror.flags[uid]
        }
        command = (
            f"STORE {','.join(map(str, chosen))} (UNCHANGEDSINCE {mirror.highest}) +FLAGS.SILENT ({flag})"
        )
        assert mirror.client is not None
        said = mirror.client.say(f"x {command}").decode()
        failed = numbers(said.partition("[MODIFIED ")[2].partition("]")[0])
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
        self._expunge(box, mirror.uids)
        self._say(mirror, "EXPUNGE")

    @rule(who=WHO, places=PLACES)
    def uid_expunge(self, who: int, places: list[int]) -> None:
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=True)
        self._expunge(box, uids)
        self._say(mirror, f"UID EXPUNGE {named}")

    def _expunge(self, box: Box, uids: "list[int | None] | list[int]") -> None:
        for uid in uids:
            if "\\Deleted" in box.flags.get(uid or 0, ()):
                del box.flags[uid or 0]

    @rule(who=WHO, places=PLACES, where=MAILBOX, by_uid=st.booleans(), moves=st.booleans())
    def copy_or_move(self, who: int, places: list[int], where: str, by_uid: bool, moves: bool) -> None:
        """Into the other mailbox, or the same: with other UIDs, the same flags, and nothing lost."""
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=by_uid)
        self._transfer(mirror, box, uids, f"{'UID ' * by_uid}{'MOVE' if moves else 'COPY'} {named}", where)

    def _transfer(self, mirror: Mirror, box: Box, uids: list[int], command: str, where: str) -> None:
        done = all(uid in box.flags for uid in uids)  # of messages that are gone nothing is done
        for uid in uids if done else ():
            self.boxes[where].add(box.labels[uid], box.flags[uid])
            if "MOVE" in command:
                del box.flags[uid]
        tagged = self._say(mirror, f"{command} {where}")
        assert tagged.startswith("x OK") is done, tagged

    @rule(who=WHO, place=st.integers(0, 30), flag=FLAG, where=MAILBOX, by_uid=st.booleans())
    def replace(self, who: int, place: int, flag: str, where: str, by_uid: bool) -> None:
        """Another message in the place of one; none where that is gone."""
        mirror, box = self._mirror(who)
        (uid,), named = self._named(mirror, [place], by_uid=by_uid)
        label = self._new_label()
        done = uid in box.flags
        if done:
            del box.flags[uid]
            self.boxes[where].add(label, frozenset({flag}))
        message = f"Subject: {label}\r\n\r\nbody\r\n"
        command = f"{'UID ' * by_uid}REPLACE {named} {where} ({flag}) {{{len(message)}+}}\r\n{message}"
        tagged = self._say(mirror, command)
        assert tagged.startswith("x OK") is done, tagged

    @rule(who=WHO, places=PLACES)
    def fetch(self, who: int, places: list[int]) -> None:
        mirror, _ = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=False)
        self._say(mirror, f"FETCH {named} (UID FLAGS)")
        self._say(mirror, f"UID FETCH {uids[0]} (FLAGS)")

    @rule(who=WHO, places=PLACES)
    def read(self, who: int, places: list[int]) -> None:
        r"""A FETCH that sets \Seen."""
        mirror, box = self._mirror(who)
        uids, named = self._named(mirror, places, by_uid=False)
        for uid in uids:
            box.change(uid, "+", "\\Seen")
        self._say(mirror, f"FETCH {named} (BODY[2])")

    @rule(who=WHO)
    def fetch_labels(self, who: int) -> None:
        """Whatever was moved and copied, each UID stands for the message that it stood for always."""
        mirror, box = self._mirror(who)
        known = {uid: box.labels[uid] for uid in mirror.uids if uid in box.flags}
        mirror.labels = {}
        self._say(mirror, "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert mirror.labels == known, (mirror.labels, known)

    @rule(who=st.integers(1, 4), which=st.sampled_from(("1:*", "2:4", "1,3:*")))
    def fetch_changed(self, who: int, which: str) -> None:
        """What has changed since, and what has gone where the client has QRESYNC."""
        mirror, _ = self._mirror(who)
        vanished = " VANISHED" if mirror.resyncs else ""
        self._say(mirror, f"UID FETCH {which} (FLAGS) (CHANGEDSINCE {max(1, mirror.highest)}{vanished})")

    @rule(who=WHO, flag=FLAG, by_uid=st.booleans())
    def search(self, who: int, flag: str, by_uid: bool) -> None:
        """Those that have a flag, and are still there, by the numbers that the client knows them by."""
        mirror, box = self._mirror(who)
        known = [uid for uid in mirror.uids if uid in box.flags]
        self._say(mirror, f"{'UID ' * by_uid}SEARCH {KEYS[flag]}")
        wanted = {uid for uid in known if uid and flag in box.flags[uid]}
        numbers_then = {uid: number for number, uid in enumerate(mirror.uids, 1)}
        if by_uid or not numbers_then:
            assert not by_uid or mirror.found == wanted, (mirror.found, wanted)
        else:
            assert mirror.found == {numbers_then[uid] for uid in wanted}, (mirror.found, wanted)

    @rule(who=WHO, flag=FLAG)
    def save_search(self, who: int, flag: str) -> None:
        mirror, box = self._mirror(who)
        mirror.saved = {uid for uid in mirror.uids if uid and flag in box.flags.get(uid, ())}
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
        self._expunge(box, self._saved(mirror))
        self._say(mirror, "UID EXPUNGE $")

    @rule(who=WHO)
    def search_saved(self, who: int) -> None:
        mirror, box = self._mirror(who)
        wanted = {uid for uid in self._saved(mirror) if uid in box.flags}
        self._say(mirror, "UID SEARCH $")
        assert mirror.found == wanted, (mirror.found, wanted)

    @rule(who=WHO)
    def follow(self, who: int) -> None:
        """Hear from then on which messages are flagged."""
        mirror, box = self._mirror(who)
        if mirror.followed is None:
            known = {uid for uid in mirror.uids if uid and "\\Flagged" in box.flags.get(uid, ())}
            mirror.followed = set(known)
            tagged = mirror.say("UID SEARCH RETURN (UPDATE ALL) FLAGGED", FOLLOWED)
            self._check(mirror, "UID SEARCH", tagged)
            assert mirror.found == known, (mirror.found, known)

    @rule(who=WHO)
    def noop(self, who: int) -> None:
        mirror, _ = self._mirror(who)
        self._say(mirror, "NOOP")

    @rule(who=WHO)
    def select_again(self, who: int) -> None:
        mirror, _ = self._mirror(who)
        mirror.select()
        self._say(mirror, "NOOP")

    @rule(who=WHO)
    def log_in_again(self, who: int) -> None:
        """On the same connection."""
        mirror, _ = self._mirror(who)
        mirror.log_out()
        mirror.log_in()
        self._say(mirror, "NOOP")

    @rule(who=WHO)
    def go_away(self, who: int) -> None:
        self.mirrors[who].hang_up()

    # What others do

    @rule(mailbox=MAILBOX, flag=FLAG)
    def another_program_changes(self, mailbox: str, flag: str) -> None:
        """Flags change on the disk, by nobody of ours."""
        box = self.boxes[mailbox]
        if box.flags:
            uid = min(box.flags)
            mode = "-" if flag in box.flags[uid] else "+"
            box.change(uid, mode, flag)
            self._store(mailbox).set_flags([uid], "add" if mode == "+" else "remove", frozenset({flag}))

    @rule(mailbox=MAILBOX, place=st.integers(0, 30))
    def another_program_removes(self, mailbox: str, place: int) -> None:
        """A file goes."""
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
        assume(len(box.flags) > 1)
        if follows:
            self.follow(who)
        self.another_program_removes(mirror.mailbox, place)
        self.another_program_changes(mirror.mailbox, flag)
        self._say(mirror, "FETCH 1 (UID)")
        if goes:
            mirror.hang_up()
            mirror.connect()
        self._say(mirror, "NOOP")

    @rule()
    def delivery(self) -> None:
        """A message comes into new/."""
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
        self.world.start()

    @rule()
    def lose_cache(self) -> None:
        """The cache is found damaged, and made anew."""
        self.world.account().store._context.discard_index()

    @invariant()
    def nobody_has_failed(self) -> None:
        for mirror in self.mirrors:
            assert mirror.client is None or mirror.client.failure is None


class ModelTests(SynchronousTestCase):
    """The machine, a thousand steps of it."""

    def test_clients(self) -> None:
        """Whatever they do, each believes what is true."""
        some: Any = settings(
            max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run_state_machine_as_test(Machine, settings=some)
