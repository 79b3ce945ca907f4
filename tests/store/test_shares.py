"""Who has shared anything with whom, without a look into everybody's folders."""

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.store.shares import FILE_NAME, Shares
from tests.scratch import room_of

EVERYBODY = ("anna@x", "ben@x", "carl@x")


class SharesTests(SynchronousTestCase):
    """The file."""

    def setUp(self) -> None:
        self.directory = f"{room_of(self)}/state"
        self.granted: dict[str, set[str]] = {"anna@x": {"ben@x"}, "carl@x": {"anyone"}}
        self.looked: list[str] = []
        self.shares = self.begun()

    def begun(self) -> Shares:
        """As a server has it that has just started."""
        return Shares(FileSystem(), self.directory, self.guests)

    def guests(self, owner: str) -> set[str]:
        """What stands in the folders of somebody."""
        self.looked.append(owner)
        return self.granted.get(owner, set())

    def test_everybody_is_looked_at_once(self) -> None:
        """Then the file tells, also after the next start; who is new is looked at then."""
        self.assertEqual(self.shares.open_to("ben@x", EVERYBODY), ["anna@x", "carl@x"])
        self.assertEqual(self.shares.open_to("carl@x", EVERYBODY), [])
        self.assertEqual(self.begun().open_to("anna@x", EVERYBODY), ["carl@x"])
        self.assertEqual(sorted(self.looked), ["anna@x", "ben@x", "carl@x"])
        self.granted["dora@x"] = {"ben@x"}
        self.assertEqual(
            self.begun().open_to("ben@x", (*EVERYBODY, "dora@x")), ["anna@x", "carl@x", "dora@x"]
        )
        self.assertEqual(sorted(self.looked), ["anna@x", "ben@x", "carl@x", "dora@x"])
        with open(f"{self.directory}/{FILE_NAME}", encoding="utf-8") as file:
            self.assertEqual(
                file.read(), "mailnode-shares 1\nanna@x ben@x\nben@x\ncarl@x anyone\ndora@x ben@x\n"
            )

    def test_only_of_those_asked_for(self) -> None:
        """Who has no mailbox any more shares nothing, whatever the file says."""
        self.shares.open_to("ben@x", EVERYBODY)
        self.assertEqual(self.shares.open_to("ben@x", ("ben@x", "carl@x")), ["carl@x"])

    def test_changes(self) -> None:
        """A grant is noted before it is made, and one taken back after that; other processes hear of it."""
        other = self.begun()
        self.shares.open_to("ben@x", EVERYBODY)
        self.shares.add("anna@x", ("carl@x",))
        self.assertEqual(other.open_to("carl@x", EVERYBODY), ["anna@x"])
        self.assertEqual(other.open_to("ben@x", EVERYBODY), ["anna@x", "carl@x"])
        self.granted["anna@x"] = {"carl@x"}
        self.shares.look_again("anna@x")
        self.assertEqual(other.open_to("ben@x", EVERYBODY), ["carl@x"])

    def test_removed(self) -> None:
        """Whoever removes the file, or spoils it, has all looked at again."""
        self.shares.open_to("ben@x", EVERYBODY)
        for spoil in (os.unlink, lambda path: open(path, "w", encoding="utf-8").close()):
            self.looked.clear()
            spoil(f"{self.directory}/{FILE_NAME}")
            self.assertEqual(self.shares.open_to("ben@x", EVERYBODY), ["anna@x", "carl@x"])
            self.assertIn("anna@x", self.looked)

    def test_trouble(self) -> None:
        """One account that cannot be read, or a disk that takes nothing, is not everybody's trouble."""

        def guests(owner: str) -> set[str]:
            if owner == "carl@x":
                raise OSError(errno.EACCES, "no")
            return self.guests(owner)

        shares = Shares(FileSystem(), self.directory, guests)
        self.assertEqual(shares.open_to("ben@x", EVERYBODY), ["anna@x"])
        os.unlink(f"{self.directory}/{FILE_NAME}")
        full = FileSystem()

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "no")

        self.patch(full, "replace", fail)
        self.assertEqual(
            Shares(full, self.directory, self.guests).open_to("ben@x", EVERYBODY), ["anna@x", "carl@x"]
        )
