"""The dialogues, three ways: whole, byte by byte, and cut at random."""

from twisted.trial.unittest import SynchronousTestCase

from tests.imap.dialog import at_random, byte_by_byte, dialogs, whole
from tests.scratch import room_of


class DialogTests(SynchronousTestCase):
    """Each file in dialogs/ states one behaviour."""

    def _play(self, cut: object) -> None:
        wrong = []
        for dialog in dialogs():
            try:
                dialog.run(room_of(self), cut)
            except AssertionError as error:
                wrong.append(str(error))
        self.assertEqual(wrong, [], "\n\n" + "\n\n".join(wrong))

    def test_whole(self) -> None:
        """What the client says between two answers comes in one piece."""
        self._play(whole)

    def test_byte_by_byte(self) -> None:
        """Every octet comes alone."""
        self._play(byte_by_byte)

    def test_at_random(self) -> None:
        """The octets come in pieces of any size."""
        self._play(at_random)
