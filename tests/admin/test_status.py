"""`mailnode status`: what the server answers, and what a person sees."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import status_command as command
from mailnode.admin.control import Answer
from mailnode.admin.outside import Outside
from mailnode.admin.status_control import SOON, content, doubts, status_command
from mailnode.admin.status_screen import screen, size, span
from mailnode.events.tally import Key
from mailnode.queue.state import QueueState
from mailnode.upkeep.figures import Figures, Sessions
from mailnode.upkeep.pulse import Delay
from tests.admin.test_cli import Commands
from tests.web.test_metrics import FIGURES, Fake

GOOD = replace(FIGURES, certificates={"/c.pem": FIGURES.now + SOON})


class Answers(SynchronousTestCase):
    """The server's side."""

    def test_json(self) -> None:
        """The answer is JSON, with the problems, the doubts and the warnings of the configuration."""
        fake = Fake(["the disk is full"])
        run: Callable[[Mapping[str, object]], Any] = status_command(fake, fake, lambda: ["x.toml:1: odd"])  # type: ignore[arg-type]
        answer: Answer = self.successResultOf(Deferred.fromCoroutine(run({})))
        status: Any = json.loads(json.dumps(answer))["status"]
        self.assertEqual(status["totals"]["refused RCPT permanent address"], 8)
        self.assertEqual(status["sessions"][0]["people"], {"anna@example.org": 2})
        self.assertEqual(status["warnings"][0], "the disk is full")
        self.assertEqual(status["warnings"][-1], "x.toml:1: odd")

    def test_doubts(self) -> None:
        """What an administrator may want to look at, and nothing while all is well."""
        self.assertEqual(doubts(GOOD), [])
        day = 86400.0
        for figures, expected in (
            (replace(GOOD, certificates={"/c.pem": GOOD.now}), "has run out"),
            (replace(GOOD, certificates={"/c.pem": GOOD.now + 3.5 * day}), "runs out in 3 days"),
            (replace(GOOD, queue=QueueState(waiting=1, oldest=GOOD.now - 2 * day)), "for 2.0 days"),
            (replace(GOOD, delay=Delay(0, 0.5, 0.5)), "0.50 s late"),
            (replace(GOOD, lately={Key("logins", ("imap", "refused")): 101}), "101 logins"),
        ):
            (doubt,) = doubts(figures)
            self.assertIn(expected, doubt)
        held = QueueState(held=1, oldest=GOOD.now - 2 * day)
        self.assertEqual(doubts(replace(GOOD, queue=held)), [])


class Screen(SynchronousTestCase):
    """What a person sees."""

    def lines(self, figures: Figures, before: Figures | None = None, *warnings: str) -> list[str]:
        """The screen."""
        one: dict[str, Any] = json.loads(json.dumps({**content(figures), "warnings": list(warnings)}))
        return screen(one, None if before is None else json.loads(json.dumps(content(before))))

    def test_lines(self) -> None:
        """Everything has its line; sums are over what has the same labels."""
        lines = self.lines(replace(FIGURES, lately={Key("accepted"): 5}), None, "look")
        self.assertEqual([line for line in lines if line != line.rstrip()], [])
        text = "\n".join(lines)
        for expected in (
            "mail.example.org   mailnode",
            "up 16 min 39 s",
            "imap                               2           3             4",
            "anna@example.org 2",
            "messages accepted                  5             7",
            "refused                          0            17",
            "1 due, 2 waiting, 3 held, 4 being delivered; the oldest came 25 min 0 s ago",
            "5 mailboxes, 4 open; 123.5 kB free; 3 broken caches",
            "20.0 ms (99 %)",
            ".pem: 0 days left",
            "warning: look",
        ):
            self.assertIn(expected, text)

    def test_since(self) -> None:
        """With an earlier look, what has happened since."""
        before = replace(FIGURES, totals={Key("accepted"): 4})
        (line,) = (one for one in self.lines(FIGURES, before) if "messages accepted" in one)
        self.assertEqual(line.split()[-3:], ["0", "7", "3"])

    def test_a_screenful(self) -> None:
        """However many people and warnings there are, it fits."""
        people = {f"person{number}@example.org": number for number in range(500)}
        figures = replace(FIGURES, sessions=[Sessions(name, people) for name in ("smtp", "imap", "pop3")])
        lines = self.lines(figures, None, *["trouble"] * 50)
        self.assertLess(len(lines), 42)
        self.assertIn("person499@example.org 1497", "\n".join(lines))
        self.assertIn("and 494 more", "\n".join(lines))
        self.assertEqual(lines[-1], "and 42 more")

    def test_units(self) -> None:
        """Times and sizes as people write them."""
        for seconds, text in (
            (0, "0 s"),
            (59.9, "59 s"),
            (3600, "1 h 0 min"),
            (90061, "1 d 1 h"),
            (-5, "0 s"),
        ):
            self.assertEqual(span(seconds), text)
        for octets, text in (
            (0, "0 B"),
            (999, "999 B"),
            (1500, "1.5 kB"),
            (8e10, "80.0 GB"),
            (5e15, "5000.0 TB"),
        ):
            self.assertEqual(size(octets), text)


class Command(Commands):
    """The command."""

    def answering(self, *answers: Answer) -> None:
        """Have these answers come, one after the other."""
        patch = mock.patch.object(command, "ask", side_effect=answers)
        patch.start()
        self.addCleanup(patch.stop)

    def status(self) -> Answer:
        """An answer of the server."""
        return {"ok": True, "status": {**content(FIGURES), "warnings": []}}

    def test_not_running(self) -> None:
        """Exit code 1, and it says so."""
        self.init()
        for words in (("status",), ("status", "--watch"), ("status", "--json")):
            self.assertIn("mailnode is not running", self.mailnode(*words, code=1))

    def test_no_configuration(self) -> None:
        """Where a file that cannot be read would say where the server is, it is that file that is named."""
        for word in ("status", "reload"):
            self.assertIn("mailnode.toml:1: cannot be read", self.mailnode(word, code=1))

    def test_strange(self) -> None:
        """A server that does not know the question."""
        self.answering({"ok": False, "mistakes": ["unknown command"]})
        self.assertEqual(self.run_command("status").exit_code, 1)

    def test_once(self) -> None:
        """A screen, or JSON."""
        self.answering(self.status(), self.status())
        self.assertIn("QUEUE    1 due", self.run_command("status").output)
        self.assertEqual(json.loads(self.run_command("status", "--json").output)["queue"]["due"], 1)

    def test_watch(self) -> None:
        """Again and again, till Ctrl-C."""
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                raise KeyboardInterrupt

        self.outside = Outside(files=self.outside.files, now=self.outside.now, sleep=sleep)
        self.answering(*[self.status() for _ in range(6)])
        result = self.run_command("status", "--watch")
        self.assertEqual((result.exit_code, result.output.count("QUEUE")), (0, 3))
        self.assertEqual(result.output.count("since last look"), 2)
        waits.clear()
        lines = self.run_command("status", "--watch", "--json").output.splitlines()
        self.assertEqual([json.loads(line)["hostname"] for line in lines], ["mail.example.org"] * 3)
