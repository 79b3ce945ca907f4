"""Keywords as letters in file names."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.store.errors import TooManyKeywords
from mailnode.store.keywords import Keywords
from mailnode.store.values import DELETED, SEEN


class KeywordTests(SynchronousTestCase):
    """The table of one folder."""

    def test_letters(self) -> None:
        """Numbers 0 to 25 are a to z, the next ones digits and capitals Maildir does not use."""
        keywords = Keywords()
        names = [f"k{number}" for number in range(56)]
        keywords.give_letters(names, set())
        self.assertTrue(keywords.full)
        self.assertEqual(keywords.info(frozenset(["k0", "k25", "k26", "k55", SEEN]), ""), "0SZaz")
        self.assertEqual(keywords.flags("0SZaz"), frozenset(["k0", "k25", "k26", "k55", SEEN]))
        first, second = keywords.encode()
        self.assertEqual(first.splitlines()[25], b"25 k25")
        self.assertEqual(second.splitlines()[0], b"26 k26")
        self.assertEqual(Keywords(first, second).names, keywords.names)

    def test_full(self) -> None:
        """The 57th keyword is refused, unless a letter is in no name any more."""
        keywords = Keywords()
        keywords.give_letters([f"k{number}" for number in range(56)], set())
        everything = {"abcdefghijklmnopqrstuvwxyz0123456789ABCEGHIJKLMNOQUVWXY"}
        self.assertRaises(TooManyKeywords, keywords.give_letters, ["x", "y"], everything)
        keywords.give_letters(["x"], everything)
        self.assertEqual(keywords.flags("Z"), frozenset(["x"]))

    def test_case(self) -> None:
        """A keyword has one spelling in a folder, whatever case clients use."""
        keywords = Keywords(b"0 $Forwarded\n")
        self.assertEqual(keywords.missing(frozenset(["$FORWARDED", SEEN])), [])
        self.assertEqual(keywords.canonical("$forwarded"), "$Forwarded")

    def test_what_we_do_not_know_stays(self) -> None:
        """Unknown letters, P, and what follows a comma are kept when flags change."""
        keywords = Keywords(b"0 one\n")
        self.assertEqual(keywords.info(frozenset([DELETED]), "PSay,mutt"), "PTy,mutt")

    def test_broken_files(self) -> None:
        """Lines that make no sense are passed over."""
        self.assertEqual(Keywords(b"x y\n99 z\n-1 a\n1\n2 ok\n\xff\n").names, {2: "ok"})

    def test_unnamed_letters(self) -> None:
        """A letter that stands in a file name without a name is noticed."""
        self.assertEqual(Keywords(b"0 one\n").unnamed({"Sab", "F0", "S,c"}), {1, 26})
