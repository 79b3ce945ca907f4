"""SEND, SOML and SAML (RFC 821 section 3.4)."""

import errno
from typing import Any
from unittest.mock import patch

from mailnode.config_messages import LiveMessages
from mailnode.events.life import Accepted, Shown
from mailnode.store.errors import OverQuota
from tests.smtp.world import CUTS, EHLO, FROM, SmtpTestCase, World, auth_plain

ANNA, BOB = "anna@local.example", "bob@local.example"
TEXT = b"Subject: Lunch\r\n\r\nAt noon?\r\n.\r\n"
LINE = "Message from a@remote.example: Lunch: At noon?"
TO_ANNA, TO_BOB = (f"RCPT TO:<{one}>\r\n".encode() for one in (ANNA, BOB))
VERBS = (b"SEND", b"SOML", b"SAML")

# Verb, who is there, the replies to RCPT for Anna and Bob and to the text, who sees it, who gets it as mail.
OUTCOMES = (
    (b"SEND", (), (b"450 4.2.1", b"450 4.2.1", b""), (), ()),
    (b"SEND", (ANNA,), (b"250", b"450 4.2.1", b"250"), (ANNA,), ()),
    (b"SEND", (ANNA, BOB), (b"250", b"250", b"250"), (ANNA, BOB), ()),
    (b"SOML", (), (b"250", b"250", b"250"), (), (ANNA, BOB)),
    (b"SOML", (ANNA,), (b"250", b"250", b"250"), (ANNA,), (BOB,)),
    (b"SOML", (ANNA, BOB), (b"250", b"250", b"250"), (ANNA, BOB), ()),
    (b"SAML", (), (b"250", b"250", b"250"), (), (ANNA, BOB)),
    (b"SAML", (BOB,), (b"250", b"250", b"250"), (BOB,), (ANNA, BOB)),
)
# What is configured; whether a stranger, a trusted peer, and somebody who has logged in may.
ALLOWED = {
    "nobody": (False, False, False),
    "users": (False, False, True),
    "trusted": (False, True, True),
    "everybody": (True, True, True),
}


class LiveMessagesTests(SmtpTestCase):
    """With sessions that hear, or do not."""

    def greeted(self, protocol: str = "smtp", *, allow: str = "everybody", **facts: Any) -> World:
        """After EHLO, where these verbs are taken."""
        return super().greeted(protocol, config={"messages": LiveMessages(allow)}, **facts)  # type: ignore[arg-type]

    def join(self, world: World, *addresses: str) -> list[tuple[str, str]]:
        """Have them there; gives the list of what they hear."""
        heard: list[tuple[str, str]] = []

        def tell(address: str, text: str) -> bool:
            heard.append((address, text))
            return True

        for address in addresses:
            world.sessions.join(address, lambda text, address=address: tell(address, text))  # type: ignore[misc]
        return heard

    def begin(self, world: World, verb: bytes = b"SEND") -> None:
        """After the verb."""
        self.check(world, [(verb + b" FROM:<a@remote.example>\r\n", [b"250 2.1.0"])])

    def test_outcomes(self) -> None:
        """Who hears it, who gets it, and what is answered."""
        for cut in CUTS:
            for verb, there, replies, shown, mailed in OUTCOMES:
                world = self.greeted(cut=cut)
                heard = self.join(world, *there)
                self.begin(world, verb)
                self.check(world, [(TO_ANNA, [replies[0]]), (TO_BOB, [replies[1]])])
                if replies[2]:
                    self.check(world, [(b"DATA\r\n", [b"354"]), (TEXT, [replies[2]])])
                self.assertEqual(heard, [(one, LINE) for one in shown], (verb, there))
                delivered = [delivery.accounts for delivery in world.courier.delivered]
                self.assertEqual(delivered, [mailed] if mailed else [], (verb, there))

    def test_send_stores_nothing(self) -> None:
        """SEND never comes near a mailbox; the events say what became of it."""
        world = self.greeted()
        self.join(world, ANNA, ANNA)
        self.begin(world)
        chunk = b"BDAT %d LAST\r\n" % len(TEXT) + TEXT
        self.check(world, [(TO_ANNA, [b"250"]), (chunk, [b"250 2.0.0"])])
        self.assertEqual(world.courier.deliveries, [])
        shown, accepted = world.events
        assert isinstance(accepted, Accepted)
        self.assertEqual(shown, Shown("CONN", accepted.message, ANNA, 2))

    def test_unknown(self) -> None:
        """A mailbox that is not here is unknown to all of them."""
        for verb in VERBS:
            world = self.greeted()
            self.begin(world, verb)
            self.check(world, [(b"RCPT TO:<nobody@local.example>\r\n", [b"550 5.1.1"])])
            self.check(world, [(b"RCPT TO:<a@other.example>\r\n", [b"550 5.7.1"])])

    def test_gone_meanwhile(self) -> None:
        """Nobody hears any more: SEND is put off, SOML is mail."""
        for verb, reply, delivered in ((b"SEND", b"450 4.2.1", 0), (b"SOML", b"250", 1)):
            world = self.greeted()
            leave = world.sessions.join(ANNA, lambda _: True)
            self.begin(world, verb)
            self.check(world, [(TO_ANNA, [b"250"]), (b"DATA\r\n", [b"354"])])
            leave()
            self.check(world, [(TEXT, [reply])])
            self.assertEqual(len(world.courier.delivered), delivered)

    def test_deaf(self) -> None:
        """A session that cannot be told any more counts as nobody."""
        world = self.greeted()
        world.sessions.join(ANNA, lambda _: False)
        self.begin(world)
        self.check(world, [(TO_ANNA, [b"250"]), (b"DATA\r\n", [b"354"]), (TEXT, [b"450 4.2.1"])])

    def test_mailbox_decides(self) -> None:
        """SAML and SOML answer for the mailbox; SAML shows nothing that is not stored."""
        for verb, shown in ((b"SAML", []), (b"SOML", [(ANNA, LINE)])):
            world = self.greeted()
            heard = self.join(world, ANNA)
            world.courier.fails = OSError(errno.ENOSPC, "full")
            self.begin(world, verb)
            self.check(
                world, [(TO_ANNA + TO_BOB, [b"250"] * 2), (b"DATA\r\n", [b"354"]), (TEXT, [b"452 4.3.1"])]
            )
            self.assertEqual(heard, shown)

    def test_room(self) -> None:
        """A full mailbox matters to whoever gets it as mail, and not to who is there for SEND and SOML."""
        for verb, there, reply in (
            (b"SEND", True, b"250"),
            (b"SOML", True, b"250"),
            (b"SOML", False, b"452 4.2.2"),
            (b"SAML", True, b"452 4.2.2"),
        ):
            world = self.greeted()
            world.courier.full = OverQuota(ANNA)
            self.join(world, *([ANNA] if there else []))
            self.begin(world, verb)
            self.check(world, [(TO_ANNA, [reply])])

    def test_limit(self) -> None:
        """A message that is only shown is short; of others the beginning is shown."""
        long = b"Subject: Lunch\r\n\r\nAt noon?\r\n" + b"x" * 8192 + b"\r\n.\r\n"
        for verb, reply, heard in ((b"SEND", b"552 5.3.4", 0), (b"SOML", b"250", 1), (b"SAML", b"250", 1)):
            world = self.greeted()
            lines = self.join(world, ANNA)
            self.begin(world, verb)
            self.check(world, [(TO_ANNA, [b"250"]), (b"DATA\r\n", [b"354"]), (long, [reply])])
            self.assertEqual(len(lines), heard)
        world = self.greeted()
        self.check(
            world, [(b"SEND FROM:<> SIZE=8193\r\n", [b"552 5.3.4 The message is larger than 8192 octets"])]
        )
        self.check(world, [(b"SEND FROM:<> SIZE=8192\r\n", [b"250"])])

    def test_bug(self) -> None:
        """A message that cannot be shown for a bug of ours is stored where it may be."""
        for verb, reply, delivered in ((b"SEND", b"450", 0), (b"SOML", b"250", 1), (b"SAML", b"250", 1)):
            world = self.greeted()
            self.join(world, ANNA)
            self.begin(world, verb)
            with patch("mailnode.delivery.live.notice", side_effect=ZeroDivisionError):
                self.check(world, [(TO_ANNA, [b"250"]), (b"DATA\r\n", [b"354"]), (TEXT, [reply])])
            self.assertEqual(len(world.courier.delivered), delivered)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_who_may(self) -> None:
        """502 for whom they are not allowed; else EHLO and HELP name them."""
        for allow, answers in ALLOWED.items():
            worlds = (
                self.greeted(allow=allow),
                self.greeted(allow=allow, trusted=True),
                self.greeted("submission", allow=allow, loopback=True),
            )
            self.check(worlds[2], [(auth_plain(b"anna@local.example"), [b"235"])])
            for world, allowed in zip(worlds, answers, strict=True):
                world.stream.dataReceived(EHLO)
                announced = world.transport.take()
                for verb in VERBS:
                    self.assertEqual(b"-" + verb + b"\r\n" in announced, allowed)
                    self.check(
                        world, [(b"HELP " + verb + b"\r\n", [b"214 2.0.0 " + verb if allowed else b"504"])]
                    )
                    reply = b"250" if allowed else b"502 5.5.1"
                    self.check(world, [(verb + b" FROM:<anna@local.example>\r\nRSET\r\n", [reply, b"250"])])

    def test_lmtp(self) -> None:
        """LMTP has MAIL only."""
        world = self.world("lmtp", trusted=True, config={"messages": LiveMessages("everybody")})
        self.check(world, [(b"", [b"220"]), (b"LHLO a\r\n", [b"250"]), (b"SEND FROM:<>\r\n", [b"502 5.5.1"])])

    def test_submission(self) -> None:
        """Our own people send as themselves here too."""
        world = self.greeted("submission", loopback=True, allow="users")
        heard = self.join(world, BOB)
        self.check(world, [(auth_plain(b"anna@local.example"), [b"235"])])
        self.check(world, [(b"SEND FROM:<bob@local.example>\r\n", [b"550 5.7.1"])])
        self.check(world, [(b"SEND FROM:<anna@local.example>\r\n", [b"250"]), (TO_BOB, [b"250"])])
        self.check(world, [(b"DATA\r\n", [b"354"]), (FROM + TEXT, [b"250"])])
        self.assertEqual(heard, [(BOB, "Message from anna@local.example: Lunch: At noon?")])

    def test_one_transaction(self) -> None:
        """They begin a transaction as MAIL does, and end with it."""
        world = self.greeted()
        self.join(world, ANNA)
        self.begin(world)
        self.check(world, [(b"MAIL FROM:<>\r\n", [b"503 5.5.1"]), (b"SOML FROM:<>\r\n", [b"503 5.5.1"])])
        self.check(world, [(TO_ANNA, [b"250"]), (b"DATA\r\n", [b"354"]), (TEXT, [b"250"])])
        self.check(world, [(TO_ANNA, [b"503 5.5.1"]), (b"SEND\r\n", [b"501 5.5.4"])])
