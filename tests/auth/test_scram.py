"""mailnode.auth.scram: the server against a client of its own (vectors A1, A3, A7, A8)."""

import os
from base64 import b64encode
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.auth.keys import lasting_key
from mailnode.auth.login import NotOffered
from mailnode.config import Mailboxes
from mailnode.events.life import LoggedIn, LoginRefused
from mailnode.fs import FileSystem
from mailnode.wire.errors import BadSyntax
from mailnode.wire.scram import HASHES, parse_client_final
from tests.auth.house import ANNA, BEN, PASSWORD, House, entry
from tests.auth.scram_client import ScramClient

EXPORTER = b"p=tls-exporter,,"


class Scram(House):
    """SCRAM-SHA-1 and SCRAM-SHA-256, without channel binding and with it."""

    def client(self, username: str = ANNA, password: str = PASSWORD, **facts: bytes) -> ScramClient:
        return ScramClient("sha256", username, password, **facts)

    def say(self, client: ScramClient, mechanism: str = "SCRAM-SHA-256", **facts: object):  # type: ignore[no-untyped-def]
        """The whole exchange."""
        return self.authenticate(mechanism, client.final, client.end, initial=client.first(), **facts)

    def test_right(self) -> None:
        """Both schemes, with and without initial response; the server proves itself before the end."""
        for scheme, name in HASHES.items():
            client = ScramClient(name, ANNA, PASSWORD)
            self.assert_in(self.say(client, scheme))
            self.assertEqual(client.iterations, 4096)
            client = ScramClient(name, "ANNA", PASSWORD)
            first = client.first()
            self.assert_in(self.authenticate(scheme, lambda _, first=first: first, client.final, client.end))
        self.assertIsInstance(self.events[-1], LoggedIn)

    def test_wrong(self) -> None:
        """Another password, nobody, and the same answer: no signature, one counted failure (A1)."""
        for client in (self.client(password="geheimnis"), self.client("nobody"), self.client("no@where")):
            connection = self.connection()
            self.assert_failed(self.say(client, connection=connection))
            self.assertEqual((len(self.asked), connection.login_failures), (1, 1))
            self.assertIsInstance(self.events[-1], LoginRefused)

    def test_salt_of_nobody(self) -> None:
        """A1: a name that nobody has gets a salt like others, the same one each time and in any letters."""
        salts = []
        for name in ("nobody", "NOBODY@example.org", "nobody@example.org", "somebody", ANNA):
            client = self.client(name, "wrong")
            self.say(client).addErrback(lambda _: None)
            salts.append((client.salt, client.iterations))
        self.assertEqual(salts[0], salts[1])
        self.assertEqual(salts[1], salts[2])
        self.assertNotEqual(salts[2], salts[3])
        self.assertEqual({(len(salt), count) for salt, count in salts}, {(16, 4096)})

    def test_salt_of_nobody_lasts(self) -> None:
        """A1: a salt that changes with the next start would tell that it is nobody's."""
        files, path = FileSystem(), os.path.join(self.mktemp(), "state", "login.key")
        path = os.path.abspath(path)
        salts = []
        for _ in range(2):
            self.make_logins()
            self.logins.verifiers.key = lasting_key(path, files)
            client = self.client("nobody")
            self.say(client).addErrback(lambda _: None)
            salts.append(client.salt)
        self.assertEqual(salts[0], salts[1])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_a_key_that_cannot_be_used(self) -> None:
        """One that is broken is made anew; where none can be kept, there is one all the same."""
        files, folder = FileSystem(), os.path.abspath(self.mktemp())
        path = os.path.join(folder, "login.key")
        files.make_directories(folder)
        for content in (b"", b"00" * 31, b"xyz", b"\xff" * 64):
            files.replace(path, content)
            key = lasting_key(path, files)
            self.assertEqual((len(key), lasting_key(path, files)), (32, key))
        files.health.lost = True
        files.unlink(path)
        self.assertNotEqual(lasting_key(path, files), lasting_key(path, files))

    def test_third_is_the_last(self) -> None:
        """A3: three wrong proofs, and the connection has had its tries."""
        connection = self.connection()
        tries = [
            self.assert_failed(self.say(self.client(password="x"), connection=connection)) for _ in range(3)
        ]
        self.assertEqual([failed.give_up for failed in tries], [False, False, True])

    def test_replayed(self) -> None:
        """A8: a final message that was right once is not right again."""
        heard: list[bytes] = []
        client = self.client()

        def final(challenge: bytes) -> bytes:
            heard.append(client.final(challenge))
            return heard[0]

        self.assert_in(self.authenticate("SCRAM-SHA-256", final, client.end, initial=client.first()))
        self.assert_failed(self.authenticate("SCRAM-SHA-256", heard[0], initial=client.first()))

    def test_changed(self) -> None:
        """A8: another nonce, another header in c=, a cut proof, a proof of zeros."""

        def nonce(final: bytes) -> bytes:
            return final.replace(b",r=r", b",r=q", 1)

        def channel(final: bytes) -> bytes:
            return b"c=" + b64encode(b"y,,") + final[final.index(b",") :]

        def cut(final: bytes) -> bytes:
            proof = parse_client_final(final).proof
            return final[: final.index(b",p=") + 3] + b64encode(proof[:-1])

        def zeros(final: bytes) -> bytes:
            return final[: final.index(b",p=") + 3] + b64encode(bytes(32))

        for change in (nonce, channel, cut, zeros):
            client = self.client()
            login = self.authenticate(
                "SCRAM-SHA-256", lambda one, c=client, f=change: f(c.final(one)), initial=client.first()
            )
            self.assert_failed(login)

    def test_nonce_is_compared(self) -> None:
        """A8: a right proof over another nonce than the server's is worth nothing."""
        for nonce in (b"rOprNGfwEbeRWgbNEkqO", b"x"):
            client = self.client()
            login = self.authenticate(
                "SCRAM-SHA-256", lambda one, c=client, n=nonce: c.final(one, n), initial=client.first()
            )
            self.assert_failed(login)

    def test_channel_is_compared(self) -> None:
        """A right proof over another header than was sent first is worth nothing."""
        client = self.client()
        client._header = b"n,a=x,"
        self.assert_failed(self.authenticate("SCRAM-SHA-256", client.final, initial=b"n,," + client._bare))

    def test_bad_syntax(self) -> None:
        """Messages that are none, and words where there should be none; none of it counts as a try."""
        connection = self.connection()
        for answers in ((b"",), (b"n,,m=x,n=a,r=b",)):
            login = self.authenticate("SCRAM-SHA-256", *answers, connection=connection)
            self.failureResultOf(login, BadSyntax)
        client = self.client()
        login = self.authenticate(
            "SCRAM-SHA-256", client.final, b"x", initial=client.first(), connection=connection
        )
        self.failureResultOf(login, BadSyntax)
        self.assertEqual(connection.login_failures, 0)

    def test_authzid(self) -> None:
        """One may say who one is twice, in any form, and never somebody else."""
        for authzid, right in (
            (b"anna", True),
            (b"Anna@example.org", True),
            (b"ben", False),
            (b"\x07", False),
        ):
            login = self.say(self.client(header=b"n,a=" + authzid + b","))
            if right:
                self.assert_in(login)
            else:
                self.assert_failed(login)

    def test_offered_to_all_or_none(self) -> None:
        """Who has no verifier would be shut out by clients that prefer SCRAM: then nobody is offered it."""
        connection = self.connection()
        self.assertIn("SCRAM-SHA-256", self.logins.offered(connection))
        without = replace(entry(), scram=entry().scram[1:])
        self.live.mailboxes = Mailboxes({**self.live.mailboxes.mailboxes, BEN: without})
        missing = entry().scram[0].scheme
        offered = self.logins.offered(connection)
        self.assertNotIn(missing, offered)
        self.assertIn(entry().scram[1].scheme, offered)
        self.failureResultOf(self.say(self.client(), missing), NotOffered)
        self.live.mailboxes = Mailboxes({})
        self.assertEqual(self.logins.offered(connection), ("PLAIN", "LOGIN"))

    def test_reload_meanwhile(self) -> None:
        """A7: a password that is changed during the exchange is not right any more."""
        client = self.client()

        def end(answer: bytes) -> bytes:
            self.live.mailboxes = Mailboxes({ANNA: entry("neu"), BEN: entry()})
            return client.end(answer)

        self.assert_failed(self.authenticate("SCRAM-SHA-256", client.final, end, initial=client.first()))
        self.assert_in(self.say(self.client(password="neu")))

    @given(st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=20))
    @settings(deadline=None, max_examples=15, derandomize=True)
    def test_any_password(self, password: str) -> None:
        """Whatever the password, prepared on both sides: it and no other is right."""
        from mailnode.wire.saslprep import saslprep

        try:
            text = saslprep(password)
        except BadSyntax:
            return
        self.live.mailboxes = Mailboxes({ANNA: entry(text)})
        self.assert_in(self.say(self.client(password=text)))
        self.assert_failed(self.say(self.client(password=text + "x")))


class Bound(House):
    """The -PLUS mechanisms, over real TLS."""

    def say(self, header: bytes, data: bytes, connection, mechanism="SCRAM-SHA-256-PLUS"):  # type: ignore[no-untyped-def]
        client = ScramClient("sha256", ANNA, PASSWORD, header=header, channel=data)
        return self.authenticate(
            mechanism, client.final, client.end, initial=client.first(), connection=connection
        )

    def test_exporter(self) -> None:
        """RFC 9266: both ends derive the same octets; others are refused."""
        connection, peer = self.encrypted()
        data = peer.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        self.assertIn("SCRAM-SHA-256-PLUS", self.logins.offered(connection))
        self.assert_in(self.say(EXPORTER, data, connection))
        for wrong in (b"", data[:-1], bytes(32)):
            self.assert_failed(self.say(EXPORTER, wrong, self.encrypted()[0]))

    def test_man_in_the_middle(self) -> None:
        """A login that was bound to one connection is worth nothing on another."""
        _, peer = self.encrypted()
        data = peer.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        self.assert_failed(self.say(EXPORTER, data, self.encrypted()[0]))

    def test_flags(self) -> None:
        """A8: "y" where PLUS is offered is a downgrade; the flag fits the mechanism; the type is known."""
        for header, mechanism in (
            (b"y,,", "SCRAM-SHA-256"),
            (b"y,,", "SCRAM-SHA-256-PLUS"),
            (b"n,,", "SCRAM-SHA-256-PLUS"),
            (EXPORTER, "SCRAM-SHA-256"),
            (b"p=tls-unique,,", "SCRAM-SHA-256-PLUS"),  # not with TLS 1.3
            (b"p=nonsense,,", "SCRAM-SHA-256-PLUS"),
        ):
            self.assert_failed(self.say(header, b"", self.encrypted()[0], mechanism))
            self.assertEqual(self.asked, [])
        self.assert_in(self.say(b"n,,", b"", self.encrypted()[0], "SCRAM-SHA-256"))

    def test_not_offered(self) -> None:
        """ "y" is right where PLUS is not offered: in clear, or switched off."""
        here = self.connection(secure=False, loopback=True)
        self.assertNotIn("SCRAM-SHA-256-PLUS", self.logins.offered(here))
        self.assert_in(self.say(b"y,,", b"", here, "SCRAM-SHA-256"))
        self.configure(mechanisms=("SCRAM-SHA-256",))
        self.assert_in(self.say(b"y,,", b"", self.encrypted()[0], "SCRAM-SHA-256"))
        self.failureResultOf(self.say(EXPORTER, b"", self.encrypted()[0]), NotOffered)
