"""CATENATE where a dialogue does not reach: long parts, what they hold, and trouble."""

import errno
import os

from mailnode.imap import incoming
from mailnode.store.body import Body
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import World
from tests.scratch import room_of

PART = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"


class CatenateTests(SessionCase):
    """RFC 4469."""

    def body(self, said: bytes) -> bytes:
        """The first literal of a response."""
        announced, _, rest = said.partition(b"}\r\n")
        return rest[: int(announced.rpartition(b"{")[2])]

    def test_octets_are_copied_unchanged(self) -> None:
        """Long ones, in slices; NUL and lone line ends too."""
        client = self.client().login()
        self.patch(incoming, "_SLICE", 100_000)
        message = PART + b"\0\n\r" + os.urandom(700_000)
        client.send(b"a APPEND INBOX ~{%d+}\r\n" % len(message) + message + b"\r\n")
        said = client.say(
            'b APPEND INBOX CATENATE (URL "/INBOX/;UID=1" URL ";UID=1/;SECTION=TEXT" TEXT {3+}\r\nend)'
        )
        self.assertIn(b"b OK [APPENDUID 1700000000 2] ", said)
        self.assertEqual(
            self.body(client.say("c FETCH 2 BINARY.PEEK[]")), message + message[len(PART) :] + b"end"
        )

    def test_too_large_together(self) -> None:
        """The sum of all parts has the limit of a message; a URL is refused before its octets are read."""
        self.world.live.config = World(room_of(self), message_size=80).config
        client = self.client().login()
        self.assertIn(b"OK", client.append(MESSAGE))
        part = b' URL "/INBOX/;UID=1"'
        self.assertEqual(len(MESSAGE), 31)
        said = client.send(b"a APPEND INBOX CATENATE (TEXT {1+}\r\nx" + part * 3 + b" TEXT {1+}\r\nx)\r\n")
        self.assertEqual(said, b"a NO [TOOBIG] A message has at most 80 octets\r\n")
        self.assertEqual(os.listdir(f"{self.world.account().store.root}/tmp"), [])

    def test_many_parts(self) -> None:
        """The text of a command is limited, and files are closed as it goes on."""
        client = self.client().login()
        client.append(MESSAGE)
        part = b' URL "/INBOX/;UID=1"'
        before = len(os.listdir("/proc/self/fd"))
        said = client.send(b"a APPEND INBOX CATENATE (TEXT {1+}\r\nx" + part * 2000 + b")\r\n")
        self.assertIn(b"a OK", said)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        said = client.say("b FETCH 2 RFC822.SIZE")
        self.assertIn(b"RFC822.SIZE %d)" % (1 + 2000 * len(MESSAGE)), said)

    def test_surrogates(self) -> None:
        """A client that has not enabled UTF-8 joins what it has read: its message has an ASCII header."""
        modern = self.client().login(None)
        modern.say("e ENABLE UTF8=ACCEPT")
        modern.append("Subject: Grüße\r\n\r\nGrüße\r\n".encode())
        command = 'a APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER" TEXT {1+}\r\nx)'
        self.assertIn(b"a OK", self.client().login(None).say(command))
        self.assertIn(b"a OK", modern.say(command))
        modern.say("s SELECT INBOX")
        self.assertEqual(
            self.body(modern.say("f FETCH 2 BODY[]")), b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nx"
        )
        self.assertEqual(self.body(modern.say("f FETCH 3 BODY[]")), "Subject: Grüße\r\n\r\nx".encode())

    def test_unreadable_part(self) -> None:
        """A message that cannot be read, or is shorter than it was: NO, and nothing is kept."""
        client = self.client().login()
        client.append(MESSAGE)
        command = 'a APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT {1+}\r\nx)'
        self.patch(Body, "wire", lambda *_: iter((b"b",)))
        self.assertIn(b"a NO [UNAVAILABLE] ", client.say(command))
        self.patch(Body, "wire", self.raising(OSError(errno.EIO, "no")))
        self.assertIn(b"a NO [UNAVAILABLE] ", client.say(command))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)
        self.assertIn(b"(MESSAGES 1)", client.say("b STATUS INBOX (MESSAGES)"))

    def test_reference_that_has_gone(self) -> None:
        """A message that is removed meanwhile is [BADURL]."""
        client = self.client().login()
        client.append(MESSAGE)
        root = self.world.account().store.root
        (path,) = [
            f"{root}/{place}/{name}" for place in ("new", "cur") for name in os.listdir(f"{root}/{place}")
        ]
        os.unlink(path)
        said = client.say('a APPEND INBOX CATENATE (URL "/INBOX/;UID=1")')
        self.assertIn(b"a NO [BADURL /INBOX/;UID=1] ", said)
