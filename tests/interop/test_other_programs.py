"""Programs that write into a Maildir while the server runs: cp, rename as mutt does it, rm, a restore."""

import os
import random
import subprocess
import sys
import threading

from mailnode.store import filenames
from tests.interop.harness import ANNA, PASSWORD, InteropTestCase, Line

MESSAGE = b"From: a@example.org\nSubject: by hand\n\nText.\n"
MESSAGES = 150
ROUNDS = 4000

# A mail reader that knows no lock: it toggles flags by renaming, from new/ to cur/ and within cur/.
_RENAMER = """
import os, random, sys
root, rounds = sys.argv[1], int(sys.argv[2])
rng = random.Random(1)
for _ in range(rounds):
    directory = rng.choice(("cur", "cur", "new"))
    names = os.listdir(f"{root}/{directory}")
    if not names:
        continue
    name = rng.choice(names)
    base = name.partition(":")[0]
    flags = "".join(sorted(rng.sample("DFRS", rng.randrange(5))))
    try:
        os.rename(f"{root}/{directory}/{name}", f"{root}/cur/{base}:2,{flags}")
    except FileNotFoundError:
        pass
"""


class OtherProgramTests(InteropTestCase):
    """What they do is seen, and nothing that they did not do."""

    def setUp(self) -> None:
        super().setUp()
        self.root = self.server.maildir(ANNA)

    def session(self) -> Line:
        """A session in INBOX."""
        line = self.server.connect("imap")
        self.addCleanup(line.close)
        line.line()
        line.tagged(b"a LOGIN %s %s" % (ANNA.encode(), PASSWORD.encode()))
        line.tagged(b"b SELECT INBOX")
        return line

    def told(self, line: Line, word: bytes) -> bytes:
        """The next untagged response that holds the word."""
        while word not in (answer := line.line()):
            pass
        return answer

    def answers(self, line: Line, tag: bytes, command: bytes) -> list[bytes]:
        """All that a command is answered with."""
        line.send(tag + command + b"\r\n")
        heard = [line.line()]
        while not heard[-1].startswith(tag):
            heard.append(line.line())
        return heard

    def test_a_waiting_session_hears_of_them(self) -> None:
        """A message that is copied in, flagged by a rename, and removed, is told in IDLE."""
        line = self.session()
        line.send(b"c IDLE\r\n")
        self.told(line, b"+ ")
        with open(f"{self.server.directory}/mail", "wb") as file:
            file.write(MESSAGE)
        subprocess.run(
            ["cp", f"{self.server.directory}/mail", f"{self.root}/new/1700000000.1.host"], check=True
        )
        self.assertEqual(self.told(line, b"EXISTS"), b"* 1 EXISTS")
        (name,) = os.listdir(f"{self.root}/cur")  # the session has claimed it
        os.rename(f"{self.root}/cur/{name}", f"{self.root}/cur/1700000000.1.host:2,F")
        self.assertIn(b"\\Flagged", self.told(line, b"FETCH"))
        os.unlink(f"{self.root}/cur/1700000000.1.host:2,F")
        self.assertEqual(self.told(line, b"EXPUNGE"), b"* 1 EXPUNGE")
        line.send(b"DONE\r\n")

    def test_no_message_is_missed_while_others_rename(self) -> None:
        """Thousands of renames by a program without a lock expunge nothing and give no second UID (X4)."""
        os.makedirs(f"{self.root}/new")
        for number in range(MESSAGES):
            with open(f"{self.root}/new/17000{number:05d}.{number}.host", "wb") as file:
                file.write(MESSAGE)
        line = self.session()
        renamer = subprocess.Popen([sys.executable, "-c", _RENAMER, self.root, str(ROUNDS)])
        ended = threading.Event()
        threading.Thread(target=lambda: (renamer.wait(), ended.set()), daemon=True).start()
        rng = random.Random(2)
        uids = b" ".join(b"%d" % uid for uid in range(1, MESSAGES + 1))
        looks = 0
        while not ended.is_set() or looks < 20:
            looks += 1
            number = rng.randrange(1, MESSAGES + 1)
            for command in (b"NOOP", b"STORE %d +FLAGS.SILENT (\\Seen)" % number, b"UID SEARCH ALL"):
                heard = self.answers(line, b"x%d " % looks, command)
                self.assertTrue(heard[-1].startswith(b"x%d OK" % looks), heard[-1])
                self.assertEqual([one for one in heard if one.endswith((b" EXPUNGE", b" EXISTS"))], [])
            self.assertIn(b"* SEARCH " + uids, heard)
        self.assertEqual(renamer.returncode, 0)
        bases = {filenames.split(name)[0] for name in os.listdir(f"{self.root}/cur")}
        bases |= {filenames.split(name)[0] for name in os.listdir(f"{self.root}/new")}
        self.assertEqual(len(bases), MESSAGES)
