"""Moving in: `mailnode import imap` from one real server into the store of another one, over TLS."""

import json
import os
import sys

from imapclient import IMAPClient

from tests.interop.both_sides import login
from tests.interop.harness import BEN, HOST, PASSWORD, REPOSITORY, InteropTestCase, Server, run, samples


def rows_of(client: IMAPClient) -> list[tuple[bytes, set[bytes], object]]:
    """The messages of the selected folder: octets, flags, date."""
    fetched = client.fetch(client.search(), ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]).values()
    found = [(row[b"BODY[]"], set(row[b"FLAGS"]) - {b"\\Recent"}, row[b"INTERNALDATE"]) for row in fetched]
    return sorted(found, key=lambda row: row[0])


class ImportTests(InteropTestCase):
    """The source is a server; the target one that runs too."""

    def setUp(self) -> None:
        super().setUp()
        self.target = Server()
        self.addCleanup(self.target.clean_up)
        self.target.start()

    def command(self, *arguments: str) -> bytes:
        """`mailnode` for the target, with the password of the source."""
        program = os.path.join(os.path.dirname(sys.executable), "mailnode")
        environment = {**os.environ, "PYTHONPATH": REPOSITORY}
        command = [sys.executable, program, "--config", self.target.config_path, *arguments]
        return run(command, stdin=PASSWORD.encode() + b"\n", env=environment)

    def test_all_folders(self) -> None:
        """Octets, flags and dates arrive; a session that is open there sees them; twice is as once."""
        flags = [[], ["\\Seen"], ["\\Flagged", "$Label1"], ["\\Answered"], [], ["\\Draft"]]
        with login(self.server) as client:
            client.create_folder("Wörk/2026")
            for folder in ("INBOX", "Wörk/2026"):
                for message, some in zip(samples(str(len(folder))), flags, strict=True):
                    client.append(folder, message.octets, flags=some)
        arguments = ("import", "imap", BEN, HOST, "--user", BEN, "--port", str(self.server.ports["imaps"]))
        arguments += ("--ca", self.server.authority, "--password-stdin", "--json", "--into", "Old")
        with login(self.target) as open_there:
            open_there.select_folder("INBOX")
            told = json.loads(self.command(*arguments))
            self.assertEqual([row["added"] for row in told["folders"] if row["added"]], [6, 6])
        with login(self.server) as source, login(self.target) as target:
            for folder in ("INBOX", "Wörk/2026"):
                source.select_folder(folder, readonly=True)
                target.select_folder(f"Old/{folder}", readonly=True)
                rows = [rows_of(client) for client in (source, target)]
                self.assertEqual(rows[0], rows[1])
        again = json.loads(self.command(*arguments))
        self.assertEqual({row["added"] for row in again["folders"]}, {0})
        self.assert_sound(self.target)
