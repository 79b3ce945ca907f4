"""Who gives rights to whom, and what others make and remove with them."""

from tests.imap.test_shared import SharedCase


class ManagingTests(SharedCase):
    """Mailboxes of others, made and removed."""

    def setUp(self) -> None:
        super().setUp()
        self.share("me lrkx")
        self.me = self.client().login()

    def test_create(self) -> None:
        """With "k" of the nearest mailbox above; the new one has the rights of that (section 4)."""
        heard = self.me.say("a CREATE Shared/anna/Work/2026/May")
        self.assertIn(b"a OK [MAILBOXID (", heard)
        self.assertIn(
            b"* MYRIGHTS Shared/anna/Work/2026/May lrkxcd"[:-1],
            self.me.say("b MYRIGHTS Shared/anna/Work/2026/May"),
        )
        self.assertIn(b"me@example.org lrkxc\r\n", self.anna.say("c GETACL Work/2026/May"))
        self.assertIn(b"d NO [ALREADYEXISTS]", self.me.say("d CREATE Shared/anna/Work/2026/May"))
        self.assertIn(b"e NO [NOPERM]", self.me.say("e CREATE Shared/anna/Top"))
        self.assertIn(b"f NO [NOPERM]", self.me.say("f CREATE Shared/anna/Work/x (USE (\\Junk))"))
        self.does(self.anna, "CREATE Work/Hidden", "DELETEACL Work/Hidden me")
        self.assertIn(b"g NO [NOPERM]", self.me.say("g CREATE Shared/anna/Work/Hidden"))
        self.assertIn(
            b"h NO [NOPERM]", self.me.say("h RENAME Shared/anna/Work/2026/May Shared/anna/Work/Hidden")
        )
        self.does(self.anna, "CREATE Work/Own", "CREATE Alone")
        self.assertIn(b"me@example.org", self.anna.say("i GETACL Work/Own"))
        self.assertNotIn(b"me@example.org", self.anna.say("j GETACL Alone"))

    def test_rename(self) -> None:
        """With "x" of the mailbox and "k" above the new name; rights go with it."""
        self.does(
            self.me, "CREATE Shared/anna/Work/a", "CREATE Shared/anna/Work/b", "SELECT Shared/anna/Work/a"
        )
        self.does(self.me, "RENAME Shared/anna/Work/a Shared/anna/Work/b/c", "NOOP")
        self.assertIn(b"me@example.org lrkxc\r\n", self.anna.say("c GETACL Work/b/c"))
        for line in (
            "RENAME Shared/anna/Work/b Shared/anna/b",
            "RENAME Shared/anna/Work/b b",
            "RENAME Shared/anna/Work/b Shared/carl/b",
            "RENAME INBOX Shared/anna/Work/mine",
        ):
            self.assertIn(b"d NO [NOPERM]", self.me.say(f"d {line}"), line)
        self.does(self.anna, "SETACL INBOX me lrkxte")
        self.assertIn(b"e NO [NOPERM]", self.me.say("e RENAME Shared/anna/INBOX Shared/anna/Work/all"))
        self.assertIn(b"f NO [CANNOT]", self.me.say("f DELETE Shared/anna/INBOX"))
        self.does(self.anna, "SETACL Work/b me lrk")
        self.assertIn(b"g NO [NOPERM]", self.me.say("g RENAME Shared/anna/Work/b Shared/anna/Work/d"))

    def test_delete(self) -> None:
        """The list goes with the mailbox, and inferiors stay."""
        self.does(self.me, "CREATE Shared/anna/Work/a", "SELECT Shared/anna/Work", "DELETE Shared/anna/Work")
        self.assertIn(b"a BAD", self.me.say("a FETCH 1 FLAGS"))
        self.does(self.anna, "CREATE Work")
        self.assertIn(b"b NO [NONEXISTENT]", self.me.say("b SELECT Shared/anna/Work"))
        self.does(self.me, "SELECT Shared/anna/Work/a")

    def test_administration(self) -> None:
        """Who has "a" may give rights to others, but never take any from the owner."""
        self.does(self.anna, "SETACL Work me +a")
        self.does(self.me, "SETACL Shared/anna/Work carl lr")
        self.assertIn(b"a NO [CANNOT]", self.me.say("a SETACL Shared/anna/Work anna l"))
        self.assertIn(
            b"anna@example.org lrswipkxteacd me@example.org lrkxac carl@example.org lr\r\n",
            self.me.say("b GETACL Shared/anna/Work"),
        )
        self.assertIn(
            b"* LISTRIGHTS Shared/anna/Work anna lrswipkxteacd\r\n",
            self.me.say("c LISTRIGHTS Shared/anna/Work anna"),
        )
        carl = self.client().login(who="carl")
        self.does(carl, "SELECT Shared/anna/Work")
        self.does(self.me, "DELETEACL Shared/anna/Work me")
        self.assertIn(b"d NO [NONEXISTENT]", self.me.say("d GETACL Shared/anna/Work"))

    def test_people_who_left(self) -> None:
        """Rights of somebody without a mailbox can be taken back, and not be given."""
        self.does(self.anna, "SETACL Work carl lrs")
        self.people("me", "anna")
        self.does(self.anna, "SETACL Work carl -s", "SETACL Work carl l")
        self.assertIn(b"a NO [NONEXISTENT]", self.anna.say("a SETACL Work carl +r"))
        self.does(self.anna, "DELETEACL Work carl")
        self.assertIn(b"b NO [NONEXISTENT]", self.anna.say("b SETACL Work carl l"))

    def test_too_many(self) -> None:
        """A list has an end."""
        names = [f"p{number}" for number in range(201)]
        self.people("me", "anna", *names)
        self.anna.send(b"".join(b"a SETACL Work %s lr\r\n" % name.encode() for name in names[:199]))
        self.assertIn(b"b NO [LIMIT]", self.anna.say("b SETACL Work p200 lr"))
        self.does(self.anna, "SETACL Work p0 lrs")

    def test_annotations(self) -> None:
        """Private ones are the reader's own; shared ones are everybody's, and for who may write."""
        shared, private = "/shared/comment", "/private/comment"
        self.does(self.anna, f'SETMETADATA Work ({shared} "of all" {private} "of anna")')
        self.assertIn(
            b"a NO [NOPERM]",
            self.me.say(f'a SETMETADATA Shared/anna/Work ({shared} "mine" {private} "mine")'),
        )
        heard = self.me.say(f"b GETMETADATA Shared/anna/Work ({shared} {private})")
        self.assertIn(
            b'* METADATA Shared/anna/Work (/shared/comment "of all" /private/comment NIL)\r\n', heard
        )
        self.does(self.me, f'SETMETADATA Shared/anna/Work ({private} "of me")')
        self.does(self.anna, "SETACL Work me +w")
        self.does(self.me, f'SETMETADATA Shared/anna/Work ({shared} "changed")')
        heard = self.me.say(f"c GETMETADATA Shared/anna/Work ({shared} {private})")
        self.assertIn(b'(/shared/comment "changed" /private/comment "of me")\r\n', heard)
        heard = self.anna.say(f"d GETMETADATA Work ({shared} {private})")
        self.assertIn(b'(/shared/comment "changed" /private/comment "of anna")\r\n', heard)
        self.assertIn(
            b"e NO [NOPERM]", self.me.say('e SETMETADATA Shared/anna/Work (/private/specialuse "\\\\Junk")')
        )
