"""MODSEQ in SEARCH and SORT: which messages, and which modification sequence is told (RFC 7162, RFC 4731)."""

import re

from tests.imap.test_session import SessionCase
from tests.imap.world import Client


class ModseqTests(SessionCase):
    """Four messages, each changed after the one that is named before it: 2, 4, 1, 3."""

    def setUp(self) -> None:
        super().setUp()
        self.reader = self.client().login()
        for subject in (b"d", b"b", b"c", b"a"):
            self.reader.append(b"Subject: " + subject + b"\r\n\r\n")
        self.reader.say("e ENABLE CONDSTORE")
        self.modseqs = {number: self.changed(self.reader, number) for number in (2, 4, 1, 3)}

    def changed(self, client: Client, number: int) -> int:
        """The modification sequence of a message that is given a flag."""
        said = client.say(f"s STORE {number} +FLAGS.SILENT (\\Seen)")
        found = re.search(rb"MODSEQ \((\d+)\)", said)
        assert found is not None, said
        return int(found[1])

    def found(self, command: str) -> tuple[str, int | None]:
        """What is said before the modification sequence, and of which message that is."""
        said = self.reader.say(f"x {command}").decode()
        response = re.fullmatch(r"\* (.*?)(?: \(?MODSEQ (\d+)\)?)?\r\nx OK .*\r\n", said)
        assert response is not None, said
        numbers = {str(modseq): number for number, modseq in self.modseqs.items()}
        return response[1], numbers[response[2]] if response[2] else None

    def test_search(self) -> None:
        """Equal or greater; the highest of all that are named is told."""
        two, four, one, three = self.modseqs.values()
        self.assertEqual(self.found(f"SEARCH MODSEQ {four}"), ("SEARCH 1 3 4", 3))
        self.assertEqual(self.found(f"SEARCH MODSEQ {four + 1}"), ("SEARCH 1 3", 3))
        self.assertEqual(self.found(f"SEARCH NOT MODSEQ {one}"), ("SEARCH 2 4", 4))
        self.assertEqual(self.found(f"SEARCH OR MODSEQ {three} SUBJECT b"), ("SEARCH 2 3", 3))
        self.assertEqual(self.found(f"SEARCH (MODSEQ {two}) SUBJECT b"), ("SEARCH 2", 2))
        self.assertEqual(self.found(f"SEARCH MODSEQ {three + 1}"), ("SEARCH", None))
        self.assertEqual(self.found("SEARCH SUBJECT b"), ("SEARCH 2", None))

    def test_options(self) -> None:
        """With MIN and MAX alone, that of these (RFC 4731 section 3.2)."""
        for options, said, number in (
            ("MIN", "MIN 1", 1),
            ("MAX", "MAX 4", 4),
            ("MIN MAX", "MIN 1 MAX 4", 1),
            ("MIN COUNT", "MIN 1 COUNT 4", 3),
            ("ALL", "ALL 1:4", 3),
            ("PARTIAL 1:2", "PARTIAL (1:2 1:2)", 1),
            ("PARTIAL -1:-1", "PARTIAL (-1:-1 4)", 4),
        ):
            found = self.found(f"SEARCH RETURN ({options}) MODSEQ 1")
            self.assertEqual(found, (f'ESEARCH (TAG "x") {said}', number))

    def test_sort(self) -> None:
        """Sorted results have it too, at their end."""
        one = self.modseqs[1]
        self.assertEqual(self.found(f"SORT (SUBJECT) UTF-8 MODSEQ {one}"), ("SORT 3 1", 3))
        found = self.found("SORT RETURN (MIN) (SUBJECT) UTF-8 MODSEQ 1")
        self.assertEqual(found, ('ESEARCH (TAG "x") MIN 4', 4))

    def test_followed(self) -> None:
        """What is changed comes to the results of a search that is followed."""
        self.reader.say(f"u SEARCH RETURN (UPDATE) MODSEQ {self.modseqs[3] + 1}")
        said = self.reader.say("x STORE 2 -FLAGS.SILENT (\\Seen)")
        self.assertIn(b'* ESEARCH (TAG "u") ADDTO (0 2)\r\n', said)
