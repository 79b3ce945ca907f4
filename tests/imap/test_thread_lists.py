"""Threads on the wire."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.thread_lists import thread_list
from mailnode.message.threading import Threads


def written(threads: Threads) -> str:
    """All lists; messages are called by their numbers, from 1 on."""
    names = range(1, threads.messages + 1)
    return b"".join(piece for root in threads.roots for piece in thread_list(threads, root, names)).decode()


def plainly(threads: Threads, node: int) -> str:
    """The same by recursion: members of a list, without its parentheses."""
    children = []
    child = threads.first[node]
    while child >= 0:
        children.append(child)
        child = threads.next[child]
    number = [str(node + 1)] if node < threads.messages else []
    if len(children) == 1:
        return " ".join([*number, plainly(threads, children[0])])
    nested = "".join(f"({plainly(threads, child)})" for child in children)
    return " ".join([*number, *([nested] if nested else [])])


class ThreadListTests(SynchronousTestCase):
    """thread_list()"""

    def test_the_examples_of_the_rfc(self) -> None:
        """RFC 5256 section 4: (2)(3 6 (4 23)(44 7 96)), and siblings without a parent."""
        threads = Threads(96)
        threads.roots = [1, 2]
        for parent, child in ((3, 6), (6, 4), (4, 23), (6, 44), (44, 7), (7, 96)):
            threads.add(parent - 1, child - 1)
        self.assertEqual(written(threads), "(2)(3 6 (4 23)(44 7 96))")
        siblings = Threads(5)
        dummy = siblings.dummy()
        siblings.roots = [dummy]
        siblings.add(dummy, 2)
        siblings.add(dummy, 4)
        self.assertEqual(written(siblings), "((3)(5))")

    @given(st.lists(st.integers(0, 30), max_size=30))
    def test_any_tree(self, choices: list[int]) -> None:
        """As recursion writes it."""
        threads = Threads(len(choices) + 1)
        threads.roots = [0]
        for message, choice in enumerate(choices, 1):
            threads.add(choice % message, message)
        self.assertEqual(written(threads), f"({plainly(threads, 0)})")

    def test_deep(self) -> None:
        """A list in a list, and so on, 50,000 times."""
        count = 50_000
        threads = Threads(2 * count)
        threads.roots = [0]
        for message in range(0, 2 * count - 2, 2):
            threads.add(message, message + 1)
            threads.add(message, message + 2)
        text = written(threads)
        self.assertEqual((text.count("("), text.count(")")), (2 * count - 1, 2 * count - 1))
        pieces = thread_list(threads, 0, range(2 * count))
        self.assertLess(max(map(len, pieces)), 20_000)
