"""Two mailnodes and a Postfix exchange mail and are killed: the short form of tests.interop.exchange."""

import json
import os
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.interop.harness import REPOSITORY, program, run
from tests.interop.network import can_be_apart
from tests.interop.nodes import DOMAINS

MESSAGES, KILLS = 100, 1
SECONDS = 600  # it takes a twentieth of that where nothing else is done


class TheExchange(SynchronousTestCase):
    """A run in networks of its own."""

    def test_nothing_is_lost(self) -> None:
        """By routes and by the DNS, over crashes: all there, whole, and no more twice than was in doubt."""
        for name in ("postfix", "ip", "unshare", "nsenter", "mount"):
            program(name)
        if os.geteuid() != 0:
            raise SkipTest("Postfix runs only as root")
        if not can_be_apart():
            raise SkipTest("networks of their own are not allowed here")
        numbers = ["--messages", str(MESSAGES), "--kills", str(KILLS), "--json"]
        command = [sys.executable, "-m", "tests.interop.exchange", *numbers]
        found = json.loads(run(command, cwd=REPOSITORY, seconds=SECONDS))
        self.assertEqual(found["wrong"], [])
        self.assertEqual(found["kills"], dict.fromkeys(DOMAINS, KILLS))
        self.assertGreater(found["copies"], MESSAGES)
