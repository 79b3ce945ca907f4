"""Searches that are followed: whatever happens, the client's list is what a new search would give."""

import errno
import random
import re

from mailnode.imap import contexts
from mailnode.imap.narrowing import Narrowing
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import SEEN
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client

PROGRAMS = (
    "ALL",
    "NOT FLAGGED",
    "OR DELETED SEEN",
    "2:4",
    "NOT 1:3",
    "UID 3:*",
    "SUBJECT odd",
    "TEXT odd SEEN",
    "OR KEYWORD foo NOT DELETED",
)
UPDATE = re.compile(r'\* ESEARCH \(TAG "(\w+)"\)( UID)? (ADDTO|REMOVEFROM) \(0 (.*)\)')


def expanded(numbers: str) -> list[int]:
    """The numbers of a set."""
    pairs = [part.partition(":") for part in numbers.split(",")]
    return [n for first, _, last in pairs for n in range(int(first), int(last or first) + 1)]


class Follower:
    """What a client makes of the responses: UIDs of the mailbox, and results by tag."""

    def __init__(self, uids: list[int]) -> None:
        self.uids = uids
        self.results: dict[str, set[int]] = {}

    def hear(self, said: bytes, current: list[int]) -> None:
        """Take responses in order; `current` are the UIDs in the mailbox, the last of them new ones."""
        for line in said.decode().split("\r\n"):
            if found := re.fullmatch(r"\* (\d+) EXPUNGE", line):
                del self.uids[int(found[1]) - 1]
            elif found := re.fullmatch(r"\* (\d+) EXISTS", line):
                fresh = int(found[1]) - len(self.uids)
                self.uids += [uid for uid in current if not self.uids or uid > self.uids[-1]][:fresh]
            elif found := UPDATE.fullmatch(line):
                tag, by_uid, item, numbers = found.groups()
                meant = {n if by_uid else self.uids[n - 1] for n in expanded(numbers)}
                if item == "ADDTO":
                    assert not meant & self.results[tag], line
                    self.results[tag] |= meant
                else:
                    assert meant <= self.results[tag], line
                    self.results[tag] -= meant


class ContextTests(SessionCase):
    """RFC 5267 section 4.3."""

    def found(self, client: Client, program: str) -> set[int]:
        """What a new search gives, as UIDs."""
        said = client.say(f"z UID SEARCH RETURN (ALL) {program}")
        numbers = re.search(rb"ALL ([0-9:,]+)", said)
        return set(expanded(numbers[1].decode())) if numbers else set()

    def test_anything_happens(self) -> None:
        """Two clients add, change and remove; the first follows a search of each kind."""
        for seed in range(12):
            rng = random.Random(seed)
            box = f"box{seed}"
            one, two = self.client().login(None), self.client().login(None)
            one.say(f"a CREATE {box}")
            for number in range(6):
                one.append(MESSAGE.replace(b": x", b": odd" if number % 2 else b": even"), box)
            one.say(f"a SELECT {box}")
            two.say(f"a SELECT {box}")
            follower = Follower([1, 2, 3, 4, 5, 6])
            programs = dict(zip("ABCDEFGH", rng.sample(PROGRAMS, 8), strict=True))
            frozen = {}
            for tag, program in programs.items():
                follower.results[tag] = self.found(one, program)
                frozen[tag] = program[-1] in "34" and program[:3] != "UID"
                prefix = rng.choice(("UID ", ""))
                self.assertIn(b" OK ", one.say(f"{tag} {prefix}SEARCH RETURN (UPDATE) {program}"))
            for _ in range(25):
                self._happen(rng, one, two, box, follower)
            current = self.world.account().store.mailbox((box,)).uids
            follower.hear(one.say("y NOOP"), list(current))
            self.assertEqual(follower.uids, list(current))
            for tag, program in programs.items():
                if not frozen[tag]:
                    self.assertEqual(follower.results[tag], self.found(one, program), (seed, program))
                else:
                    meant = {2, 3, 4} if program == "2:4" else None
                    expected = set(current) & meant if meant else set(current) - {1, 2, 3}
                    self.assertEqual(follower.results[tag], expected, (seed, program))
            one.say("x LOGOUT")
            two.say("x LOGOUT")

    def _happen(self, rng: random.Random, one: Client, two: Client, box: str, follower: Follower) -> None:
        who = rng.choice((one, two))
        mailbox = self.world.account().store.mailbox((box,))
        uid = rng.choice(list(mailbox.uids) or [1])
        flag = rng.choice(("\\Deleted", "\\Seen", "\\Flagged", "foo"))
        what = rng.choice(
            (
                f"b UID STORE {uid} {rng.choice('+-')}FLAGS{rng.choice(('', '.SILENT'))} ({flag})",
                f"b UID STORE {uid} +FLAGS (\\Deleted)",
                "b EXPUNGE",
                "b NOOP",
                "b FETCH 1 FLAGS",
                "APPEND",
            )
        )
        if what == "APPEND":
            said = who.append(MESSAGE.replace(b": x", rng.choice((b": odd", b": even"))), box)
        else:
            said = who.say(what)
        if who is one:
            follower.hear(said, list(self.world.account().store.mailbox((box,)).uids))

    def test_limit(self) -> None:
        """The ninth is refused, and what else was asked of it is answered (section 4.3.1)."""
        client = self.client().login()
        client.append(MESSAGE)
        for number in range(contexts.CONTEXTS):
            self.assertIn(b" OK ", client.say(f"a{number} SEARCH RETURN (UPDATE) ALL"))
        said = client.say("B02 UID SEARCH RETURN (UPDATE COUNT) ALL")
        self.assertIn(b'* NO [NOUPDATE "B02"] ', said)
        self.assertIn(b'* ESEARCH (TAG "B02") UID COUNT 1\r\nB02 OK ', said)
        client.say('c CANCELUPDATE "a3"')
        self.assertNotIn(b"NOUPDATE", client.say("B03 SEARCH RETURN (UPDATE) ALL"))
        client.say("d SELECT INBOX")
        self.assertNotIn(b"NOUPDATE", client.say("B03 SEARCH RETURN (UPDATE) ALL"))

    def test_while_the_search_goes_on(self) -> None:
        """What comes or changes behind the back of the search is told with its end."""
        one = self.client().login()
        for _ in range(2):
            one.append(MESSAGE)
        store = self.world.account().store
        real = Mailbox.candidates

        def candidates(mailbox: Mailbox, needle: str) -> object:
            if needle == "X":
                draft = store.draft()
                draft.write(MESSAGE)
                store.append(("INBOX",), draft)
                mailbox.set_flags([1], "add", frozenset((SEEN,)))
            return real(mailbox, needle)

        self.patch(Mailbox, "candidates", candidates)
        said = one.say("c SEARCH RETURN (UPDATE COUNT) SUBJECT x SEEN")
        self.assertIn(b"COUNT 1\r\n", said)
        self.assertNotIn(b"ADDTO", said)
        said = one.say("d SEARCH RETURN (UPDATE COUNT) SUBJECT x UNSEEN")
        order = rb'COUNT 2\r\n\* 4 EXISTS\r\n\* \d RECENT\r\n\* ESEARCH \(TAG "d"\) ADDTO \(0 4\)'
        self.assertRegex(said, order)

    def test_ages(self) -> None:
        """What grows too old goes when somebody looks, some minutes later at most (RFC 5032 section 2)."""
        client = self.client().login()
        client.say(b'd APPEND INBOX "14-Nov-2023 22:13:20 +0000" {%d+}\r\n' % len(MESSAGE) + MESSAGE)
        now = self.world.clock.seconds()
        client.say("a SEARCH RETURN (UPDATE) YOUNGER 100")
        self.world.clock.advance(200)
        self.assertEqual(client.say("b NOOP"), b"b OK Done\r\n")
        self.world.clock.advance(100)
        self.assertEqual(client.say("c NOOP"), b'* ESEARCH (TAG "a") REMOVEFROM (0 1)\r\nc OK Done\r\n')
        self.assertEqual(self.world.clock.seconds(), now + 300)

    def test_unreadable(self) -> None:
        """While a message cannot be read it stays what it was; later it is asked again."""
        client = self.client().login()
        client.say("a SEARCH RETURN (UPDATE) TEXT body")
        patch = self.patch(Mailbox, "body", self.raising(OSError(errno.EIO, "no")))
        self.assertNotIn(b"ADDTO", client.append(MESSAGE))
        self.assertNotIn(b"ADDTO", client.say("b NOOP"))
        patch.restore()
        self.assertEqual(client.say("c NOOP"), b'* ESEARCH (TAG "a") ADDTO (0 1)\r\nc OK Done\r\n')

    def test_failed_search_is_not_followed(self) -> None:
        """A search that ends in NO leaves nothing behind."""
        client = self.client().login()
        client.append(MESSAGE)
        patch = self.patch(Mailbox, "body", self.raising(OSError(errno.EIO, "no")))
        self.assertIn(b"a NO [UNAVAILABLE]", client.say("a SEARCH RETURN (UPDATE) TEXT body"))
        patch.restore()
        self.assertIn(b"b NO ", client.say('b CANCELUPDATE "a"'))

    def test_sequence_numbers_of_other_mailboxes(self) -> None:
        """A search of many mailboxes follows the selected one by its own numbers."""
        client = self.client().login()
        client.say("a CREATE zoo")
        for name in ("INBOX", "INBOX", "zoo"):
            client.append(MESSAGE, name)
        client.say("b ESEARCH IN (personal) RETURN (UPDATE) 2 SEEN")
        self.assertNotIn(b"ESEARCH", client.say("c STORE 1 +FLAGS (\\Seen)"))
        self.assertIn(b"ADDTO (0 2)", client.say("d STORE 2 +FLAGS (\\Seen)"))
        client.say("e SELECT zoo")
        client.say("f ESEARCH IN (personal) RETURN (UPDATE) SEEN")
        said = client.say("g STORE 1 +FLAGS (\\Seen)")
        self.assertRegex(said, rb'\* ESEARCH \(TAG "f" MAILBOX zoo UIDVALIDITY \d+\) UID ADDTO \(0 1\)')

    def test_nothing_is_narrowed_again(self) -> None:
        """A change is looked at, and the text index is not asked for each."""
        client = self.client().login()
        client.append(MESSAGE)
        client.say("a SEARCH RETURN (UPDATE) TEXT body UNSEEN")
        self.patch(Narrowing, "texts", self.raising(ValueError("asked")))
        self.assertIn(b"REMOVEFROM (0 1)", client.say("b STORE 1 +FLAGS (\\Seen)"))
