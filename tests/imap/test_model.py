"""Several clients at one mailbox against a model of it: numbers, flags and expunges are exact for each.

One client knows RFC 3501 alone, one CONDSTORE, and two QRESYNC, who come and go; others hear at any time what
they have asked for with NOTIFY. After every command each client's belief is compared with the truth, as far
as the server may have told it by then.
"""

import shutil
import tempfile
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.lookout import POLL
from mailnode.store.values import INBOX
from tests.imap.mirror import EXPUNGES_FORBIDDEN, Mirror, changed
from tests.imap.world import World

WHO = st.integers(0, 3)
FLAG = st.sampled_from(("\\Seen", "\\Deleted", "\\Flagged", "$Work"))
MODE = st.sampled_from(("+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"))
PLACES = st.lists(st.integers(0, 30), min_size=1, max_size=3)


class Machine(RuleBasedStateMachine):
    """The mailbox as it must be: flags by UID."""

    clients = (("", ""), ("CONDSTORE", ""), ("QRESYNC", ""), ("QRESYNC", ""))

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="mailnode-")
        self.world = World(self.directory)
        self.truth: dict[int, frozenset[str]] = {}
        self.next_uid = 1
        self.mirrors = [Mirror(self.world, *one) for one in self.clients]
        for mirror in self.mirrors:
            mirror.listen()

    def teardown(self) -> None:
        for mirror in self.mirrors:
            if mirror.client is not None:
                mirror.hang_up()
        self.world.close()
        shutil.rmtree(self.directory)

    def _say(self, mirror: Mirror, command: str) -> str:
        """Give a command; then the client must believe the truth, but for expunges it may not hear of."""
        tagged = mirror.say(command)
        assert not tagged.startswith("x BAD"), tagged
        if mirror.notify != "nothing":
            quiet = command.split(" ")[0] in EXPUNGES_FORBIDDEN and mirror.notify in ("", "delayed")
            self._compare(mirror, command, expunges=not quiet, flags=mirror.notify != "messages")
        return tagged

    def _compare(self, mirror: Mirror, when: str, *, expunges: bool = True, flags: bool = True) -> None:
        seen, true = set(mirror.uids), set(self.truth)
        assert (seen == true) if expunges else (true <= seen), f"{when}: {seen}, not {true}"
        for uid, wanted in self.truth.items() if flags else ():
            assert mirror.flags[uid] == wanted, f"{when}: {uid} has {set(wanted)}, not {mirror.flags[uid]}"

    def _mirror(self, who: int) -> Mirror:
        mirror = self.mirrors[who]
        if mirror.client is None:
            mirror.connect()
            self._compare(mirror, "SELECT")
            mirror.listen()
        return mirror

    def _chosen(self, mirror: Mirror, places: list[int]) -> list[int]:
        """Numbers of messages, as far as the client sees any."""
        return sorted({place % len(mirror.uids) + 1 for place in places}) if mirror.uids else []

    @rule(who=WHO, flag=FLAG)
    def append(self, who: int, flag: str) -> None:
        mirror = self._mirror(who)
        assert mirror.client is not None
        self.truth[self.next_uid] = frozenset({flag})
        self.next_uid += 1
        said = mirror.client.append(b"Subject: x\r\n\r\nbody\r\n", flags=f"({flag})")
        mirror._hear("APPEND", said)
        self._say(mirror, "NOOP")

    @rule(who=WHO, places=PLACES, mode=MODE, flag=FLAG, by_uid=st.booleans())
    def store(self, who: int, places: list[int], mode: str, flag: str, by_uid: bool) -> None:
        mirror = self._mirror(who)
        chosen = self._chosen(mirror, places)
        for number in chosen:
            self._change(mirror.uids[number - 1], mode, flag)
            if mode.endswith("SILENT"):
                mirror.believe_change(number, mode, flag)
        if chosen:
            numbers = [mirror.uids[number - 1] for number in chosen] if by_uid else chosen
            command = f"STORE {','.join(map(str, numbers))} {mode} ({flag})"
            self._say(mirror, "UID " + command if by_uid else command)

    def _change(self, uid: int | None, mode: str, flag: str) -> None:
        if uid in self.truth:
            self.truth[uid] = changed(self.truth[uid], mode, flag)

    @rule(who=WHO, places=PLACES, flag=FLAG)
    def store_on_condition(self, who: int, places: list[int], flag: str) -> None:
        """With all the client knows as condition, what has changed meanwhile is left alone and named."""
        mirror = self._mirror(who)
        chosen = self._chosen(mirror, places)
        if not chosen or not mirror.enables:
            return
        stale = {
            number
            for number in chosen
            if (uid := mirror.uids[number - 1] or 0) in self.truth and self.truth[uid] != mirror.flags[uid]
        }
        command = (
            f"STORE {','.join(map(str, chosen))} (UNCHANGEDSINCE {mirror.highest}) +FLAGS.SILENT ({flag})"
        )
        assert mirror.client is not None
        said = mirror.client.say(f"x {command}").decode()
        failed = self._failed(said)
        assert stale <= failed <= set(chosen), said
        for number in chosen:
            mirror.believe_change(number, "+", flag)
        for number in set(chosen) - failed:
            self._change(mirror.uids[number - 1], "+", flag)
        mirror._hear(command, said.encode())
        self._say(mirror, "NOOP")

    @staticmethod
    def _failed(said: str) -> set[int]:
        _, code, rest = said.partition("[MODIFIED ")
        failed: set[int] = set()
        for one in rest.partition("]")[0].split(",") if code else []:
            first, _, last = one.partition(":")
            failed.update(range(int(first), int(last or first) + 1))
        return failed

    @rule(who=WHO)
    def expunge(self, who: int) -> None:
        mirror = self._mirror(who)
        for uid in [uid for uid in mirror.uids if "\\Deleted" in self.truth.get(uid or 0, ())]:
            del self.truth[uid or 0]
        self._say(mirror, "EXPUNGE")

    @rule(who=WHO, places=PLACES)
    def move_within(self, who: int, places: list[int]) -> None:
        """MOVE into the same mailbox gives other UIDs, with the same flags."""
        mirror = self._mirror(who)
        chosen = self._chosen(mirror, places)
        uids = [mirror.uids[number - 1] or 0 for number in chosen]
        if chosen and all(uid in self.truth for uid in uids):
            for uid in uids:
                self.truth[self.next_uid] = self.truth.pop(uid)
                self.next_uid += 1
            self._say(mirror, f"MOVE {','.join(map(str, chosen))} INBOX")

    @rule(who=WHO, places=PLACES)
    def fetch(self, who: int, places: list[int]) -> None:
        mirror = self._mirror(who)
        chosen = self._chosen(mirror, places)
        if chosen:
            self._say(mirror, f"FETCH {','.join(map(str, chosen))} (UID FLAGS)")
            self._say(mirror, f"UID FETCH {mirror.uids[chosen[0] - 1]} (FLAGS)")

    @rule(who=WHO, places=PLACES)
    def read(self, who: int, places: list[int]) -> None:
        r"""A FETCH that sets \Seen."""
        mirror = self._mirror(who)
        chosen = self._chosen(mirror, places)
        for number in chosen:
            self._change(mirror.uids[number - 1], "+", "\\Seen")
        if chosen:
            self._say(mirror, f"FETCH {','.join(map(str, chosen))} (BODY[2])")

    @rule(who=WHO)
    def search(self, who: int) -> None:
        self._say(self._mirror(who), "SEARCH ALL")

    @rule(who=WHO)
    def noop(self, who: int) -> None:
        self._say(self._mirror(who), "NOOP")

    @rule(who=WHO)
    def go_away(self, who: int) -> None:
        mirror = self._mirror(who)
        mirror.hang_up()

    @rule(who=WHO)
    def come_back(self, who: int) -> None:
        """At once, so that the least that it has missed shows."""
        self.go_away(who)
        self._mirror(who)

    @rule(flag=FLAG)
    def another_program(self, flag: str) -> None:
        """Flags change on the disk, by nobody of ours."""
        if self.truth:
            uid = min(self.truth)
            self.truth[uid] |= {flag}
            self.world.account().store.mailbox(INBOX).set_flags([uid], "add", frozenset({flag}))
            self.world.clock.advance(POLL)

    @invariant()
    def who_listens_knows(self) -> None:
        for mirror in self.mirrors:
            if mirror.client is not None:
                mirror.hear()
                if mirror.notify in ("all", "delayed", "messages"):
                    at_once = mirror.notify != "delayed"
                    assert set(mirror.uids) <= mirror.flags.keys(), "a new message without its FETCH"
                    self._compare(mirror, "NOTIFY", expunges=at_once, flags=mirror.notify != "messages")

    @invariant()
    def nobody_has_failed(self) -> None:
        for mirror in self.mirrors:
            assert mirror.client is None or mirror.client.failure is None


class ListeningMachine(Machine):
    """With clients that hear of everything outside of commands."""

    clients = (("", "all"), ("QRESYNC", "all"), ("CONDSTORE", "delayed"), ("QRESYNC", "delayed"))


class DeafMachine(Machine):
    """With clients that do not want to hear of everything, and must not think that they had."""

    clients = (("QRESYNC", "messages"), ("QRESYNC", "nothing"), ("QRESYNC", "nothing"), ("", "all"))


class ModelTests(SynchronousTestCase):
    """The machines, some hundred steps of each."""

    def run_machine(self, machine: type[Machine]) -> None:
        """Whatever the clients do, each believes what is true."""
        some: Any = settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run_state_machine_as_test(machine, settings=some)

    def test_clients(self) -> None:
        """RFC 3501 and RFC 7162."""
        self.run_machine(Machine)

    def test_who_listens(self) -> None:
        """RFC 5465."""
        self.run_machine(ListeningMachine)

    def test_who_does_not_want_to_know(self) -> None:
        """RFC 5465, and what RFC 7162 section 3.2 says of a client that was not told of everything."""
        self.run_machine(DeafMachine)
