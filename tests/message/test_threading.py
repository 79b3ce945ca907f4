"""The threading algorithms against their words, and at their worst."""

import time
from collections.abc import Iterable
from hashlib import blake2b

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message import slices
from mailnode.message.ordering import Facts
from mailnode.message.slices import Steps, arranged
from mailnode.message.threading import Algorithm, OrderedSubject, References, Refs, Threads
from tests.message.thread_model import Mail, Model

_NAMES = st.sampled_from("abcdefgh")
_MAILS = st.lists(
    st.builds(
        Mail,
        st.one_of(st.just(""), _NAMES),
        st.lists(_NAMES, max_size=5).map(tuple),
        st.sampled_from(["", "x", "y"]),
        st.booleans(),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=9,
)


def result_of(steps: Steps[Threads]) -> Threads:
    """What comes in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def threads_of(algorithm: Algorithm, mails: Iterable[Mail]) -> Threads:
    """What the algorithm makes of the messages."""
    for mail in mails:
        facts = Facts(
            mail.sent,
            mail.reply,
            mail.subject.encode(),
            _digest(mail.identity) if mail.identity else b"",
            tuple(_digest(one) for one in mail.references),
        )
        algorithm.add(facts, mail.sent, mail.arrived)
    return result_of(algorithm.threads())


def _digest(identity: str) -> bytes:
    return blake2b(identity.encode(), digest_size=16).digest()


def shown(threads: Threads) -> object:
    """As the model shows them."""

    def children(node: int) -> object:
        found = []
        child = threads.first[node]
        while child >= 0:
            found.append((child, children(child)))
            child = threads.next[child]
        return found

    return [(root if root < threads.messages else None, children(root)) for root in threads.roots]


class ModelTests(SynchronousTestCase):
    """Small mailboxes, of which many are loops, duplicates and gaps."""

    @settings(deadline=None, max_examples=400)
    @given(_MAILS)
    def test_references(self, mails: list[Mail]) -> None:
        """All the steps of section 3."""
        self.assertEqual(shown(threads_of(References(), mails)), Model(mails).references())

    @settings(deadline=None, max_examples=200)
    @given(_MAILS)
    def test_refs(self, mails: list[Mail]) -> None:
        """No subjects, and the thread where something arrived last is the last."""
        self.assertEqual(shown(threads_of(Refs(), mails)), Model(mails).refs())

    @settings(deadline=None, max_examples=100)
    @given(_MAILS)
    def test_ordered_subject(self, mails: list[Mail]) -> None:
        """The same subject, the same thread."""
        self.assertEqual(shown(threads_of(OrderedSubject(), mails)), Model(mails).ordered_subject())

    @settings(deadline=None, max_examples=100)
    @given(_MAILS)
    def test_every_message_once(self, mails: list[Mail]) -> None:
        """Nobody is lost, nobody stands there twice, and a dummy has two children at least."""
        for algorithm in (OrderedSubject(), References(), Refs()):
            threads = threads_of(algorithm, mails)
            found = [message for root in threads.roots for message in threads.below(root)]
            self.assertEqual(sorted(found), list(range(len(mails))))
            for root in threads.roots:
                if root >= len(mails):
                    self.assertNotEqual(threads.next[threads.first[root]], -1)


class WorstTests(SynchronousTestCase):
    """What somebody may have made to be slow."""

    def assert_quick(self, mails: list[Mail], seconds: float = 20) -> None:
        """It ends, and soon."""
        before = time.process_time()
        for algorithm in (References(), Refs()):
            threads = threads_of(algorithm, mails)
            found = sum(1 for root in threads.roots for _ in threads.below(root))
            self.assertEqual(found, len(mails))
        self.assertLess(time.process_time() - before, seconds)

    def test_deep(self) -> None:
        """Each answers the one before, or the one after."""
        count = 20_000
        self.assert_quick([Mail(str(n), (str(n - 1),)) for n in range(count)])
        self.assert_quick([Mail(str(n), (str(n + 1),)) for n in range(count)])

    def test_loops_at_depth(self) -> None:
        """Every message tries to put the root of a deep thread under its deepest message."""
        count = 10_000
        chain = [Mail(str(n), (str(n - 1),)) for n in range(count)]
        self.assert_quick(chain + [Mail("", (str(count - 1), "-1")) for _ in range(count)])

    def test_moves_at_depth(self) -> None:
        """Every message of a deep thread comes late, and goes elsewhere."""
        count = 10_000
        chain = [Mail("", tuple(map(str, range(at, at + 100)))) for at in range(0, count, 99)]
        late = [Mail(str(n), (str((n * 7919 + 13) % count),)) for n in range(count)]
        self.assert_quick(chain + late)

    def test_one_subject(self) -> None:
        """All have one subject, or each its own."""
        self.assert_quick([Mail(subject="x", reply=bool(n % 2)) for n in range(20_000)])
        self.assert_quick([Mail(subject=str(n)) for n in range(20_000)])


class ArrangedTests(SynchronousTestCase):
    """arranged()"""

    @settings(deadline=None, max_examples=50)
    @given(st.integers(0, 12_000), st.integers(1, 5), st.booleans())
    def test_is_sorted(self, count: int, kinds: int, reverse: bool) -> None:
        """As sorted() does it, in many steps."""
        self.patch(slices, "STRETCH", 1000)
        keys = [(n * 7919) % kinds for n in range(count)]
        steps = arranged(list(range(count)), keys.__getitem__, reverse=reverse)
        expected = sorted(range(count), key=keys.__getitem__, reverse=reverse)
        self.assertEqual(result_of(steps), expected)  # type: ignore[arg-type]
