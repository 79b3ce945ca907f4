"""Two people and a real server: access lists by Python's own client, and messages both ways at once."""

import imaplib
import threading

from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, InteropTestCase

MESSAGE = b"Subject: shared\r\n\r\nHello.\r\n"
ROUNDS = 20


class SharedFolderTests(InteropTestCase):
    """Anna and Ben share folders with each other."""

    def client(self, who: str) -> imaplib.IMAP4:
        """Somebody, logged in."""
        client = imaplib.IMAP4(HOST, self.server.ports["imap"])
        self.addCleanup(client.shutdown)
        client.login(who, PASSWORD)
        return client

    def ok(self, answer: tuple[str, list[bytes]]) -> list[bytes]:
        """What the server said with its OK."""
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]

    def test_shared(self) -> None:
        """The commands of RFC 4314, and a folder that another person then reads."""
        anna, ben = self.client(ANNA), self.client(BEN)
        self.ok(anna.create("Work"))
        self.ok(anna.append("Work", "", "", MESSAGE))
        self.ok(anna.setacl("Work", BEN, "lrsi"))
        self.assertEqual(self.ok(anna.getacl("Work")), [f"Work {ANNA} lrswipkxteacd {BEN} lrsi".encode()])
        name = f"Shared/{ANNA.partition('@')[0]}/Work"
        self.assertEqual(self.ok(ben.namespace()), [b'(("" "/")) (("Shared/" "/")) (("Recovered/" "/"))'])
        self.assertEqual(self.ok(ben.list("Shared/", "*")), [b'(\\HasNoChildren) "/" ' + name.encode()])
        self.assertEqual(self.ok(ben.myrights(name)), [name.encode() + b" lrsi"])
        self.assertEqual(self.ok(ben.select(name)), [b"1"])
        self.ok(ben.fetch("1", "(BODY[])"))
        self.assertIn(b"\\Seen", self.ok(ben.fetch("1", "(FLAGS)"))[0])
        self.ok(anna.select("Work"))
        self.assertNotIn(b"\\Seen", self.ok(anna.fetch("1", "(FLAGS)"))[0])
        self.ok(anna.deleteacl("Work", BEN))
        self.assertEqual(self.client(BEN).select(name)[0], "NO")

    def test_both_ways_at_once(self) -> None:
        """Each copies from the other's folder into their own and back, at once; nobody waits for ever."""
        anna, ben = self.client(ANNA), self.client(BEN)
        for client, other in ((anna, BEN), (ben, ANNA)):
            self.ok(client.create("Open"))
            self.ok(client.append("Open", "", "", MESSAGE))
            self.ok(client.setacl("Open", other, "lrswite"))
        trouble: list[object] = []

        def copy(client: imaplib.IMAP4, source: str, target: str) -> None:
            try:
                for _ in range(ROUNDS):
                    self.ok(client.select(source))
                    self.ok(client.copy("1", target))
                    self.ok(client.select(target))
                    self.ok(client.uid("COPY", "1", source))  # type: ignore[arg-type]
            except BaseException as error:
                trouble.append(error)

        workers = []
        for who, other in ((ANNA, BEN), (BEN, ANNA)) * 2:
            shared = f"Shared/{other.partition('@')[0]}/Open"
            workers.append(threading.Thread(target=copy, args=(self.client(who), shared, "Open")))
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        self.assertEqual((trouble, [worker for worker in workers if worker.is_alive()]), ([], []))
        for client in (anna, ben):
            self.assertEqual(self.ok(client.select("Open")), [b"%d" % (1 + 4 * ROUNDS)])
