"""LIST with METADATA: the same as GETMETADATA of each mailbox, and no failure where that would fail."""

from typing import Any
from unittest import mock

from mailnode.store import attributes
from mailnode.store.annotations import Annotations
from mailnode.store.errors import NoSuchMailbox
from tests.imap.test_shared import SharedCase

ENTRIES = "(/private/comment /shared/comment /private/specialuse /shared/x/y)"
RETURN = f"RETURN (METADATA {ENTRIES})"
NAMES = ("INBOX", "A", "A/B", "C", "Shared/anna/Work", "Shared/anna/Two", "Shared/carl/INBOX")


class ListMetadataTests(SharedCase):
    """I have mailboxes, and others share theirs."""

    def setUp(self) -> None:
        super().setUp()
        carl = self.client().login("INBOX", who="carl")
        self.does(carl, "SETACL INBOX me lrs")
        self.does(self.anna, "CREATE Work", "CREATE Two", "SETACL Work me lrs", "SETACL Two me lrsw")
        self.me = self.client().login("INBOX")
        self.does(self.me, "CREATE A/B", r"CREATE A (USE (\Junk))", "CREATE C")
        for number, client in enumerate((self.anna, carl, self.me)):
            self.does(
                client, f'SETMETADATA INBOX (/shared/comment "all {number}" /private/comment "own {number}")'
            )
        self.does(self.anna, 'SETMETADATA Work (/shared/comment {3+}\r\n"x" /private/comment "hidden")')
        self.does(self.me, 'SETMETADATA Shared/anna/Work (/private/comment "mine")')
        self.does(self.me, 'SETMETADATA Shared/anna/Two (/private/comment "more" /shared/x/y "")')
        self.does(self.me, "SETMETADATA A/B (/private/comment ~{4+}\r\n\0\r\nx)")

    def metadata(self, line: str) -> list[bytes]:
        """The METADATA responses to a command."""
        heard = self.does(self.me, line)
        return [b"* METADATA" + one for one in heard.split(b"* METADATA")[1:]]

    def test_as_getmetadata(self) -> None:
        """Each response is the one that GETMETADATA gives."""
        heard = self.does(self.me, f'LIST "" (* Shared/*) {RETURN}')
        for name in NAMES:
            [one] = self.metadata(f"GETMETADATA {name} {ENTRIES}")
            response, _, _ = one.rpartition(b"x OK")
            listed = heard.index(b'"/" ' + name.encode() + b"\r\n")
            self.assertTrue(heard[listed:].partition(b"\r\n")[2].startswith(response), name)
        self.assertEqual(heard.count(b"* METADATA"), len(NAMES))
        self.assertNotIn(b"hidden", heard)

    def test_one_look_at_each_account(self) -> None:
        """The file of an account is read once for LIST itself and once for all its annotations."""
        with mock.patch.object(attributes, "parse", wraps=attributes.parse) as parse:
            self.does(self.me, 'LIST "" (* Shared/*)')
            alone = parse.call_count
            self.does(self.me, f'LIST "" (* Shared/*) {RETURN}')
        self.assertEqual(parse.call_count - 2 * alone, 3)

    def test_what_cannot_be_looked_up(self) -> None:
        """A disk in trouble, and a mailbox that has gone meanwhile: METADATA is left out, no more."""
        guid = Annotations.guid

        def failing(error: Exception) -> Any:
            def fail(notes: Annotations, name: tuple[str, ...]) -> str:
                if name == ("Work",) or name == ("C",):
                    raise error
                return guid(notes, name)

            return fail

        for error in (OSError("no"), NoSuchMailbox(("C",))):
            with mock.patch.object(Annotations, "guid", failing(error)):
                heard = self.does(self.me, f'LIST "" (* Shared/*) {RETURN[:-1]} MYRIGHTS)')
            self.assertEqual(heard.count(b"* METADATA"), len(NAMES) - 2)
            self.assertEqual(heard.count(b"* MYRIGHTS"), len(NAMES))

    def test_others_file_in_trouble(self) -> None:
        """Nothing is said of those mailboxes; of one's own all is said."""
        with mock.patch.object(Annotations, "snapshot", autospec=True, side_effect=self.of_me_only()):
            heard = self.does(self.me, f'LIST "" (* Shared/*) {RETURN}')
        self.assertEqual(heard.count(b"* METADATA"), 4)
        self.assertNotIn(b"* METADATA Shared", heard)

    def of_me_only(self) -> Any:
        """Annotations.snapshot, which fails for others."""
        mine, snapshot = self.world.account().store.annotations, Annotations.snapshot

        def of(notes: Annotations) -> Any:
            if notes is not mine:
                raise OSError("no")
            return snapshot(notes)

        return of

    def test_limit(self) -> None:
        """No more entries than GETMETADATA takes."""
        for count, reply in ((100, b"x OK"), (101, b"x NO [LIMIT]")):
            entries = " ".join(f"/private/{number}" for number in range(count))
            self.assertIn(reply, self.me.say(f'x LIST "" C RETURN (METADATA ({entries}))'))
