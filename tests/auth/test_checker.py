"""mailnode.auth.passwords and checker: who is let in, and what it costs (vectors A1, A2, A6, A7, A12)."""

from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from mailnode.auth import checker
from mailnode.auth.checker import LONGEST_PASSWORD, LoginBusy, PasswordChecker
from mailnode.auth.live import Live
from mailnode.auth.passwords import Hasher, normalized
from mailnode.config import Auth, Config, Limits, MailboxEntry, Mailboxes

CHEAP = Auth(argon2_memory=8, argon2_time=1)
HASHER = Hasher(CHEAP)


class Counting:
    """An executor that works at once and counts; while `held`, work waits until `release`."""

    def __init__(self) -> None:
        self.runs = 0
        self.held = False
        self._waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def run(self, function: Callable[..., Any], *args: Any) -> "Deferred[Any]":
        self.runs += 1
        if not self.held:
            return maybeDeferred(function, *args)
        result: Deferred[Any] = Deferred()
        self._waiting.append((result, lambda: function(*args)))
        return result

    def release(self) -> None:
        self.held = False
        for result, work in self._waiting:
            result.callback(work())


class PasswordTests(SynchronousTestCase):
    """Hashes."""

    def test_round_trip(self) -> None:
        """A hash verifies its own password and no other."""
        stored = HASHER.hash("Grüße")
        self.assertTrue(stored.startswith("$argon2id$"))
        self.assertTrue(HASHER.verify(stored, "Grüße"))
        self.assertTrue(HASHER.verify(stored, "Gru\u0308ße"))
        self.assertFalse(HASHER.verify(stored, "grüße"))

    def test_salted(self) -> None:
        """Two hashes of one password differ."""
        self.assertNotEqual(HASHER.hash("x"), HASHER.hash("x"))

    def test_other_formats(self) -> None:
        """What is no argon2 hash verifies nothing."""
        for stored in ("", "x", "$6$salt$hash", "{PLAIN}x", "$argon2id$v=19$m=8,t=1,p=1$"):
            self.assertFalse(HASHER.verify(stored, "x"))

    def test_parameters(self) -> None:
        """New hashes carry the configured costs, and so does the dummy (A1)."""
        for made in (HASHER.hash("x"), HASHER.dummy):
            self.assertIn("$m=8,t=1,p=1$", made)


class CheckerTests(SynchronousTestCase):
    """The credentials checker."""

    def setUp(self) -> None:
        boxes = {
            "anna@example.org": MailboxEntry(HASHER.hash("Geheimnis")),
            "ben@example.org": MailboxEntry(HASHER.hash("Geheimnis")),
        }
        config = Config("mail.example.org", ("example.org",), auth=CHEAP, limits=Limits(password_queue=2))
        self.live = Live(config, Mailboxes(boxes))
        self.clock = Clock()
        self.executor = Counting()
        self.checker = PasswordChecker(
            self.live, hasher=HASHER, executor=self.executor, clock=self.clock.seconds
        )

    def login(self, username: bytes, password: bytes) -> "Deferred[bytes | tuple[()]]":
        return self.checker.requestAvatarId(UsernamePassword(username, password))

    def assert_refused(self, username: bytes, password: bytes) -> None:
        """Refused, after exactly one hash."""
        before = self.executor.runs
        self.failureResultOf(self.login(username, password), UnauthorizedLogin)
        self.assertEqual(self.executor.runs, before + 1, username)

    def test_interface(self) -> None:
        """It is a checker of cred's."""
        verifyObject(ICredentialsChecker, self.checker)

    def test_names(self) -> None:
        """The address logs in in any letters, and without the only domain."""
        for name in (b"anna@example.org", b"Anna@Example.ORG", b"anna", b"ANNA"):
            self.assertEqual(self.successResultOf(self.login(name, b"Geheimnis")), b"anna@example.org")

    def test_international_names(self) -> None:
        """RFC 8265: a name is prepared as the mailbox's was; a look-alike is nobody."""
        entry = self.live.mailboxes.mailboxes["anna@example.org"]
        self.live.config = Config("mail.example.org", ("xn--bcher-kva.example",), auth=CHEAP)
        self.live.mailboxes = Mailboxes({"\u00e4nna@xn--bcher-kva.example": entry})
        written = (
            "\u00c4nna@B\u00fccher.example",
            "a\u0308nna@xn--bcher-kva.example",
            "\u00e4nna",
            "\u00e4nna\u200b",
        )
        for name in written:  # SASLprep drops what is not seen (RFC 4013 section 2.1)
            address = self.successResultOf(self.login(name.encode(), b"Geheimnis"))
            self.assertEqual(address.decode(), "\u00e4nna@xn--bcher-kva.example")
        for name in ("\u00e4nn\u0430", "anna", "\u00e4nna@bu\u0308cher"):
            self.assert_refused(name.encode(), b"Geheimnis")

    def test_cost_of_unknown_names(self) -> None:
        """A1: where hashes differ in what they cost, those of unknown names do too, each always the same."""
        dear = Hasher(Auth(argon2_memory=16, argon2_time=2)).hash("Geheimnis")
        boxes = dict(self.live.mailboxes.mailboxes)
        boxes["ben@example.org"] = MailboxEntry(dear)
        self.live.mailboxes = Mailboxes(boxes)
        asked: list[str] = []
        self.patch(HASHER, "verify", lambda stored, _: asked.append(stored) or True)
        names = [b"nobody%d@example.org" % number for number in range(20)]
        for name in names * 2:
            self.assert_refused(name, b"Geheimnis")
        self.assertEqual(asked[:20], asked[20:])
        self.assertEqual(set(asked), {entry.password for entry in boxes.values()})

    def test_two_domains(self) -> None:
        """With two domains a bare name is nobody's."""
        self.live.config = Config("mail.example.org", ("example.org", "example.net"), auth=CHEAP)
        self.assert_refused(b"anna", b"Geheimnis")

    def test_refusals_cost_the_same(self) -> None:
        """Wrong password, unknown user or domain, hostile names: the same answer after one hash (A1, A6)."""
        for name, password in (
            (b"anna@example.org", b"geheimnis"),
            (b"anna@example.org", b""),
            (b"anna@example.org", b"\xff"),
            (b"nobody@example.org", b"Geheimnis"),
            (b"anna@example.com", b"Geheimnis"),
            (b"", b"Geheimnis"),
            (b"\xff", b"Geheimnis"),
            (b"u' OR 1=1--", b"x"),
            (b"*)(uid=*", b"x"),
            (b"%{user}", b"x"),
            (b"../../etc/passwd@x", b"x"),
            (b"ann\xc3\xa4@example.org", b"x"),
            (b"anna@example.org\0", b"Geheimnis"),
            (b"u" * 10240, b"x"),
        ):
            self.assert_refused(name, password)

    def test_long_passwords(self) -> None:
        """Over 1,024 octets are wrong, right or not, at the cost of any; they are not even normalised."""
        longest = "ü" * (LONGEST_PASSWORD // 2)
        boxes = {"anna@example.org": MailboxEntry(HASHER.hash(longest + "x"))}
        self.live.mailboxes = Mailboxes(boxes)
        self.assert_refused(b"anna@example.org", longest.encode() + b"x")
        self.assert_refused(b"anna@example.org", "\u0315\u0300".encode() * 2048)
        boxes["anna@example.org"] = MailboxEntry(HASHER.hash(longest))
        self.successResultOf(self.login(b"anna@example.org", longest.encode()))

    def test_same_work_for_everybody(self) -> None:
        """A password is normalised as often for a mailbox as for none, and a long one for neither."""
        for password, length in ((b"falsch", 6), (b"x" * (LONGEST_PASSWORD + 1), 0)):
            for name in (b"anna@example.org", b"nobody@example.org"):
                lengths: list[int] = []

                def counted(text: str, lengths: list[int] = lengths) -> bytes:
                    lengths.append(len(text))
                    return normalized(text)

                self.patch(checker, "normalized", counted)
                self.assert_refused(name, password)
                self.assertEqual(lengths, [length], name)

    def test_remembered(self) -> None:
        """A right password costs no second hash for a while, in any spelling of the name."""
        self.successResultOf(self.login(b"anna@example.org", b"Geheimnis"))
        self.successResultOf(self.login(b"Anna", b"Geheimnis"))
        self.assertEqual(self.executor.runs, 1)
        self.clock.advance(CHEAP.cache_seconds)
        self.successResultOf(self.login(b"anna", b"Geheimnis"))
        self.assertEqual(self.executor.runs, 2)

    def test_no_cross_hit(self) -> None:
        """Equal passwords of two people are remembered apart; a changed one is wrong at once (A7)."""
        for name in (b"anna", b"ben"):
            self.successResultOf(self.login(name, b"Geheimnis"))
        self.assertEqual(self.executor.runs, 2)
        changed = {"anna@example.org": MailboxEntry(HASHER.hash("neu")), **self.live.mailboxes.mailboxes}
        changed["anna@example.org"] = MailboxEntry(HASHER.hash("neu"))
        self.live.mailboxes = Mailboxes(changed)
        self.assert_refused(b"anna", b"Geheimnis")
        self.successResultOf(self.login(b"ben", b"Geheimnis"))
        self.successResultOf(self.login(b"anna", b"neu"))

    def test_removed_mailbox(self) -> None:
        """A removed mailbox is refused although its password was remembered."""
        self.successResultOf(self.login(b"anna", b"Geheimnis"))
        self.live.mailboxes = Mailboxes({})
        self.assert_refused(b"anna", b"Geheimnis")

    def test_reload_meanwhile(self) -> None:
        """A password that is changed while it is being checked is not right any more."""
        self.executor.held = True
        login = self.login(b"anna", b"Geheimnis")
        self.live.mailboxes = Mailboxes({"anna@example.org": MailboxEntry(HASHER.hash("neu"))})
        self.executor.release()
        self.failureResultOf(login, UnauthorizedLogin)

    def test_failures_are_not_remembered(self) -> None:
        """Each wrong try costs a hash."""
        for _ in range(3):
            self.assert_refused(b"anna", b"falsch")

    def test_queue(self) -> None:
        """One login more than may wait is told to come again, known or not; then there is room (A12)."""
        self.executor.held = True
        first, second = self.login(b"anna", b"Geheimnis"), self.login(b"nobody", b"x")
        self.failureResultOf(self.login(b"anna", b"Geheimnis"), LoginBusy)
        self.failureResultOf(self.login(b"nobody", b"x"), LoginBusy)
        self.executor.release()
        self.assertEqual(self.successResultOf(first), b"anna@example.org")
        self.failureResultOf(second, UnauthorizedLogin)
        self.successResultOf(self.login(b"ben", b"Geheimnis"))

    def test_disconnect_keeps_the_place(self) -> None:
        """A client that goes away does not free a place while its hash is still to be worked out (A13)."""
        self.executor.held = True
        for _ in range(2):
            gone = self.login(b"anna", b"Geheimnis")
            gone.cancel()
            self.failureResultOf(gone)
        self.failureResultOf(self.login(b"ben", b"Geheimnis"), LoginBusy)
        self.executor.release()
        self.successResultOf(self.login(b"ben", b"Geheimnis"))

    def test_bounded(self) -> None:
        """Only so many right passwords are remembered."""
        self.patch(checker, "_CACHE_ENTRIES", 1)
        for name in (b"anna", b"ben", b"anna"):
            self.successResultOf(self.login(name, b"Geheimnis"))
        self.assertEqual(self.executor.runs, 3)

    def test_broken_executor(self) -> None:
        """An error of ours is neither yes nor no, and frees its place."""

        def broken(*_: object) -> bool:
            raise RuntimeError("no memory")

        self.patch(HASHER, "verify", broken)
        for _ in range(5):
            self.failureResultOf(self.login(b"anna", b"Geheimnis"), RuntimeError)
