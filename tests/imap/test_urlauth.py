"""Authorized URLs where a dialogue does not reach: tokens, time, long messages, and who gets what."""

import os
from dataclasses import replace

from mailnode.config import Imap
from mailnode.fs import FileSystem
from mailnode.imap.commands.genurlauth import URLS
from mailnode.imap.url_tokens import token
from mailnode.store.body import Body
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client, people

HOST = b"mail.example.org"
START = b"imap://me@mail.example.org/"


class UrlAuthCase(SessionCase):
    """There are "me", who has a message, and "anna"."""

    def setUp(self) -> None:
        super().setUp()
        self.world.live.mailboxes = people("me", "anna")
        self.me = self.client().login()
        self.me.append(MESSAGE)

    def authorized(self, rump: bytes) -> bytes:
        """The URL with its token."""
        said = self.me.say(b'g GENURLAUTH "' + rump + b'" INTERNAL')
        self.assertIn(b"g OK", said)
        return said.split(b'"')[1]

    def anna(self) -> Client:
        """Somebody else, who has selected nothing."""
        return self.client().login(None, who="anna")

    def fetched(self, client: Client, url: bytes) -> bytes | None:
        """What the URL gives; None for NIL."""
        said = client.say(b'f URLFETCH "' + url + b'"')
        start, end = b'* URLFETCH "' + url + b'" ', b"\r\nf OK Fetched\r\n"
        self.assertEqual((said[: len(start)], said[-len(end) :]), (start, end))
        value = said[len(start) : -len(end)]
        if value == b'""':
            return b""
        if value == b"NIL":
            return None
        size, _, text = value.partition(b"}\r\n")
        self.assertEqual(size, b"{%d" % len(text))
        return text


class UrlFetchTests(UrlAuthCase):
    """RFC 4467 sections 6 and 7."""

    def test_submission_servers(self) -> None:
        """Those that are configured, whoever it is that submits; nothing else is open to them."""
        self.world.live.config = replace(self.world.config, imap=Imap(("anna@example.org",)))
        anna = self.anna()
        for access, text in ((b"submit+me", MESSAGE), (b"submit+nobody", MESSAGE), (b"user+me", None)):
            url = self.authorized(START + b"INBOX/;UID=1;URLAUTH=" + access)
            self.assertEqual(self.fetched(anna, url), text)
            self.assertEqual(self.fetched(self.me, url), MESSAGE if access == b"user+me" else None)

    def test_who(self) -> None:
        """Those whom the URL names, from any state; nobody is a server for submission unasked."""
        for access, me, anna in (
            (b"authuser", True, True),
            (b"anonymous", True, True),
            (b"user+anna", False, True),
            (b"user+anna%40example.org", False, True),
            (b"USER+me", True, False),
            (b"user+nobody", False, False),
            (b"submit+me", False, False),
            (b"submit+anna", False, False),
        ):
            url = self.authorized(START + b"INBOX/;UID=1;URLAUTH=" + access)
            for client, may in ((self.me, me), (self.anna(), anna)):
                self.assertEqual(self.fetched(client, url), MESSAGE if may else None, access)

    def test_what(self) -> None:
        """Sections, ranges, and what is not there; nothing is marked as seen."""
        self.me.say("a STORE 1 -FLAGS (\\Seen)")
        anna = self.anna()
        for rest, text in (
            (b"INBOX/;UID=1/;SECTION=TEXT", b"body\r\n"),
            (
                b"INBOX;UIDVALIDITY=1700000000/;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)",
                b"Subject: x\r\n\r\n",
            ),
            (b"%49nbox/;UID=1/;SECTION=TEXT/;PARTIAL=1.2", b"od"),
            (b"INBOX/;UID=1/;PARTIAL=6", MESSAGE[6:]),
            (b"INBOX/;UID=1/;PARTIAL=99.1", b""),
            (b"INBOX/;UID=1/;SECTION=2", b""),
            (b"INBOX/;UID=1/;SECTION=junk", None),
            (b"INBOX/;UID=7", None),
            (b"INBOX;UIDVALIDITY=7/;UID=1", None),
        ):
            url = self.authorized(START + rest + b";URLAUTH=anonymous")
            self.assertEqual(self.fetched(anna, url), text, rest)
        self.assertIn(b"FLAGS (\\Recent))", self.me.say("b FETCH 1 FLAGS"))

    def test_forged(self) -> None:
        """Any other octet in the rump, another key, or none: NIL."""
        url = self.authorized(START + b"INBOX/;UID=1;URLAUTH=anonymous")
        anna = self.anna()
        self.assertEqual(self.fetched(anna, url[:-8] + url[-8:].upper()), MESSAGE)
        for old, new in (
            (b"UID", b"uid"),
            (HOST, HOST.upper()),
            (HOST, b"imap.example.org"),
            (b"INBOX", b"Inbox"),
            (b"INBOX", b"nowhere"),
            (b"INBOX", b"a//b"),
            (b"INBOX", b"%00"),
            (b"INBOX", b"%2E%2E"),
            (b"me@", b"anna@"),
            (b"me@", b"nobody@"),
            (b"INTERNAL", b"XSAMPLE"),
            (b":01", b":02"),
            (b";URLAUTH", b";EXPIRE=2123-11-14T22:13:20Z;URLAUTH"),
        ):
            self.assertIsNone(self.fetched(anna, url.replace(old, new)), new)
        rump = b"imap://anna@mail.example.org/INBOX/;UID=1;URLAUTH=anonymous"
        for key in (b"", b"0" * 64):  # anna has no key
            forged = rump + b":INTERNAL:" + token(key, rump).encode()
            self.assertIsNone(self.fetched(self.me, forged))

    def test_expired(self) -> None:
        """Until that moment, and no longer (section 3)."""
        url = self.authorized(START + b"INBOX/;UID=1;EXPIRE=2023-11-14T22:14:20Z;URLAUTH=anonymous")
        anna = self.anna()
        self.world.clock.advance(60)
        self.assertEqual(self.fetched(anna, url), MESSAGE)
        self.world.clock.advance(0.5)
        self.assertIsNone(self.fetched(anna, url))

    def test_another_host(self) -> None:
        """A server that has another name does not answer for the old one."""
        url = self.authorized(START + b"INBOX/;UID=1;URLAUTH=anonymous")
        self.world.live.config = replace(self.world.config, hostname="new.example.org")
        self.assertIsNone(self.fetched(self.anna(), url))

    def test_revoked(self) -> None:
        """RESETKEY, of the mailbox or of all; a URL that was authorized afterwards is good."""
        anna = self.anna()
        rump = START + b"INBOX/;UID=1;URLAUTH=anonymous"
        for command in ("r RESETKEY INBOX", "r RESETKEY"):
            url = self.authorized(rump)
            self.assertEqual(self.fetched(anna, url), MESSAGE)
            self.assertIn(b"r OK", self.me.say(command))
            self.assertIsNone(self.fetched(anna, url))
        self.assertEqual(self.fetched(anna, self.authorized(rump)), MESSAGE)

    def test_other_sessions_hear(self) -> None:
        """Those of the same person that have the mailbox selected, once."""
        other, elsewhere = self.client().login(), self.client().login(None)
        self.me.say("r RESETKEY INBOX")
        self.assertIn(b"* OK [URLMECH INTERNAL] ", other.say("n NOOP"))
        self.assertEqual(other.say("n NOOP"), b"n OK Done\r\n")
        self.assertEqual(elsewhere.say("n NOOP"), b"n OK Done\r\n")

    def test_moves_with_its_mailbox(self) -> None:
        """A mailbox that was renamed is at the URL no more, another of its name neither; then it is again."""
        self.me.say("c CREATE Box")
        self.me.append(MESSAGE, "Box")
        url = self.authorized(START + b"Box/;UID=1;URLAUTH=anonymous")
        anna = self.anna()
        self.me.say("r RENAME Box Other")
        self.assertIsNone(self.fetched(anna, url))
        self.me.say("c CREATE Box")
        self.me.append(MESSAGE, "Box")
        self.assertIsNone(self.fetched(anna, url))
        self.me.say("d DELETE Box")
        self.me.say("r RENAME Other Box")
        self.assertEqual(self.fetched(anna, url), MESSAGE)

    def test_after_a_restart(self) -> None:
        """The key is on the disk."""
        url = self.authorized(START + b"INBOX/;UID=1;URLAUTH=anonymous")
        self.world.close()
        self.world.start()
        self.world.live.mailboxes = people("me", "anna")
        self.assertEqual(self.fetched(self.anna(), url), MESSAGE)

    def test_somebody_who_has_left(self) -> None:
        """The message of whom there is no mailbox any more."""
        url = self.authorized(START + b"INBOX/;UID=1;URLAUTH=anonymous")
        anna = self.anna()
        self.world.live.mailboxes = people("anna")
        self.assertIsNone(self.fetched(anna, url))

    def test_long(self) -> None:
        """In pieces; NUL is sent as 0x80, and no file stays open."""
        message = b"Content-Transfer-Encoding: binary\r\n\r\n\0" + os.urandom(400_000)
        self.me.send(b"a APPEND INBOX ~{%d+}\r\n" % len(message) + message + b"\r\n")
        url = self.authorized(START + b"INBOX/;UID=2/;PARTIAL=39;URLAUTH=anonymous")
        anna = self.anna()
        before = len(os.listdir("/proc/self/fd"))
        self.assertEqual(self.fetched(anna, url), message[39:].replace(b"\0", b"\x80"))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_unreadable(self) -> None:
        """NO, to be tried again (section 7), before any octet; a torn literal ends the connection."""
        url = self.authorized(START + b"INBOX/;UID=1;URLAUTH=anonymous")
        anna = self.anna()
        command = b'f URLFETCH "' + url + b'"'

        def broken(*_: object, **__: object) -> None:
            raise OSError(5, "broken")

        patch = self.patch(FileSystem, "open", broken)
        self.assertIn(b"f NO [UNAVAILABLE] ", anna.say(command))
        patch.restore()
        self.flushLoggedErrors(OSError)
        self.assertEqual(self.fetched(anna, url), MESSAGE)
        url = self.authorized(START + b"INBOX/;UID=1/;SECTION=TEXT;URLAUTH=anonymous")
        self.patch(Body, "wire", lambda *_: iter((b"b",)))
        self.assertNotIn(b"f OK", anna.say(b'f URLFETCH "' + url + b'"'))

    def test_too_many(self) -> None:
        """A command has some URLs."""
        many = b" x" * URLS
        self.assertIn(b"a OK", self.me.say(b"a URLFETCH" + many))
        self.assertEqual(self.me.say(b"a URLFETCH x" + many), b"a NO [LIMIT] There may be 100 URLs\r\n")
        rump = START + b"INBOX/;UID=1;URLAUTH=anonymous INTERNAL"
        self.assertIn(b"a OK", self.me.say(b"a GENURLAUTH" + (b" " + rump) * URLS))
        self.assertIn(b"a NO [LIMIT]", self.me.say(b"a GENURLAUTH" + (b" " + rump) * (URLS + 1)))


class GenUrlAuthTests(UrlAuthCase):
    """Section 7."""

    def test_names_that_cannot_be(self) -> None:
        """No mailbox has them."""
        for name in (b"%00", b"%2E%2E", b"a%0Ab"):
            said = self.me.say(b"a GENURLAUTH " + START + name + b"/;UID=1;URLAUTH=anonymous INTERNAL")
            self.assertRegex(said, b"^a (BAD|NO) .*\r\n$")
            self.assertNotIn(b"SERVERBUG", said)

    def test_nobody_is_touched(self) -> None:
        """Whoever has no keys: nothing is made for them."""
        rump = b"imap://anna@mail.example.org/INBOX/;UID=1;URLAUTH=anonymous"
        self.assertIsNone(self.fetched(self.me, rump + b":INTERNAL:" + b"01" * 33))
        self.assertFalse(os.path.exists(self.world.config.mail_directory("anna@example.org")))

    def test_all_or_none(self) -> None:
        """A wrong one among them: no response."""
        good = START + b"INBOX/;UID=1;URLAUTH=anonymous INTERNAL "
        said = self.me.say(b"a GENURLAUTH " + good + START + b"no/;UID=1;URLAUTH=anonymous INTERNAL")
        self.assertEqual(said, b"a BAD URL of a message of this account expected\r\n")

    def test_of_others(self) -> None:
        """What others have opened has no key of the client's: the answer is that to what is not there."""
        anna = self.anna()
        anna.say("c CREATE Work")
        anna.say("a SETACL Work me lr")
        for name in (b"Shared/anna/Work", b"Shared/anna/INBOX", b"Shared/carl/INBOX"):
            said = self.me.say(b"a GENURLAUTH " + START + name + b"/;UID=1;URLAUTH=anonymous INTERNAL")
            self.assertEqual(said, b"a BAD URL of a message of this account expected\r\n")
        self.assertIn(b"b NO [CANNOT] ", self.me.say("b RESETKEY Shared/anna/Work"))
        self.assertNotIn(b"URLMECH", self.me.say("s SELECT Shared/anna/Work"))
