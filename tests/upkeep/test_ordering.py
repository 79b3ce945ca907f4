"""mailnode.upkeep.ordering and authority: a certificate from an authority, or none and why."""

import contextlib
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import acme.client
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.config import Certificate, Config, Listener, Tls
from mailnode.config_acme import Acme
from mailnode.fs import FileSystem, NewFile
from mailnode.net.tls import make_context
from mailnode.upkeep.acme_trouble import LONG, Trouble
from mailnode.upkeep.authority import suggested
from mailnode.upkeep.certificate_files import (
    facts_of,
    fault_of,
    key_of,
    life_of,
    pair_for,
    put_in_place,
    unwritable,
)
from mailnode.upkeep.ordering import (
    Order,
    account_key,
    account_of,
    fulfil,
    keep_failure,
    last_failure,
    order_for,
)
from mailnode.upkeep.own_port import OnOwnPort
from mailnode.upkeep.proofs import OnPages, proof_at
from tests.scratch import room_of
from tests.upkeep.acme_server import AcmeServer

NAMES = ("mail.example.org", "mta-sts.example.org")
FILES = FileSystem()


class Sleepless:
    """In the place of the module time of the client library."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class _Cut(BaseException):
    """The power is cut."""


class _CutFiles(FileSystem):
    """Does so many things, and no more."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _Cut

    def create(self, path: str, *, mode: int = 0o600) -> NewFile:
        self._count()
        return super().create(path, mode=mode)

    def rename(self, source: str, target: str) -> None:
        self._count()
        super().rename(source, target)

    def unlink(self, path: str, *, missing_ok: bool = False) -> None:
        self._count()
        super().unlink(path, missing_ok=missing_ok)

    def sync_directory(self, path: str) -> None:
        self._count()
        super().sync_directory(path)


class InDns:
    """Publishes records at once, unless it forgets them."""

    kind = "dns-01"

    def __init__(self, server: AcmeServer, *, forgets: bool = False) -> None:
        self.server = server
        self.forgets = forgets
        self.removed = 0

    def show(self, name: str, token: str, proof: str) -> None:
        self.shown = (name, proof)
        self.server.records.setdefault(f"_acme-challenge.{name}", set()).add(proof)

    def ready(self) -> None:
        if self.forgets:
            self.server.records.clear()

    def remove(self, token: str) -> None:
        self.removed += 1


class WithAuthority(SynchronousTestCase):
    """An authority on this machine, and a server's folder with a certificate of its own making."""

    def setUp(self) -> None:
        self.server = AcmeServer()
        self.server.start()
        self.addCleanup(self.server.stop)
        self.time = Sleepless()
        self.patch(acme.client, "time", self.time)
        self.room = Path(room_of(self))
        self.tls = write_certificates(str(self.room / "tls"), NAMES[0], FILES, self.now())
        self.order = Order(
            self.server.directory,
            NAMES,
            Certificate(self.tls.certificate, self.tls.key),
            keep_key=False,
            account=str(self.room / "state/acme/127.0.0.1.key"),
            now=self.now,
        )
        self.asked: list[str] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def agree(self, terms: str) -> bool:
        self.asked.append(terms)
        return True

    def fulfil(self, proofs: Any = None, **more: Any) -> None:
        own = OnOwnPort()
        with own.listening(0) as port:
            self.server.http_port = port
            account = account_of(self.order, FILES)
            fulfil(self.order, FILES, account, proofs or own, **{"agree": self.agree, **more})
        self.assertEqual(own.shown, {})

    def content(self) -> tuple[bytes, bytes]:
        return Path(self.tls.certificate).read_bytes(), Path(self.tls.key).read_bytes()


class Good(WithAuthority):
    """There is a new certificate."""

    def test_whole(self) -> None:
        """The files are good, the key is the owner's alone, nothing else is left, each name was looked at."""
        self.fulfil(email="anna@example.org")
        chain, key = self.content()
        self.assertEqual(fault_of(chain, key, NAMES, self.now()), "")
        self.assertEqual(chain.count(b"BEGIN CERTIFICATE"), 2)
        self.assertEqual(os.stat(self.tls.key).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.order.account).st_mode & 0o777, 0o600)
        self.assertEqual(sorted(os.listdir(self.room / "tls")), ["ca.pem", "cert.pem", "key.pem"])
        self.assertEqual(sorted(self.server.asked), sorted(NAMES))
        self.assertEqual(self.asked, [f"{self.server.base}/terms"])
        self.assertEqual(self.server.contacts, [["mailto:anna@example.org"]])

    def test_again(self) -> None:
        """The account stays, nobody is asked for terms once more; the key is another one, or the old one."""
        self.fulfil()
        _, first = self.content()
        self.fulfil()
        _, second = self.content()
        self.order = replace(self.order, keep_key=True)
        self.fulfil()
        chain, third = self.content()
        self.assertNotEqual(first, second)
        self.assertEqual(second, third)
        self.assertEqual(fault_of(chain, third, NAMES, self.now()), "")
        self.assertEqual((len(self.server.accounts), len(self.asked)), (1, 1))

    def test_nonce(self) -> None:
        """A request that is refused for its nonce is sent again."""
        self.server.bad_nonces = 5
        self.fulfil()
        self.assertEqual(self.server.bad_nonces, 0)

    def test_slow(self) -> None:
        """An authority that works at it is waited for as long as it says."""
        self.server.slow = 3
        self.fulfil()
        self.assertEqual(len(self.time.slept), 3)
        self.assertGreater(self.time.slept[-1], 2)

    def test_in_dns(self) -> None:
        """A wildcard is proved by a record at its domain."""
        self.order = replace(self.order, names=("*.example.org",))
        proofs = InDns(self.server)
        self.fulfil(proofs)
        self.assertEqual(fault_of(*self.content(), ["a.example.org"], self.now()), "")
        self.assertEqual((proofs.shown[0], proofs.removed), ("example.org", 1))

    def test_on_pages(self) -> None:
        """What a page of the server shows is a file that is there while it is looked at."""
        directory = str(self.room / "state/acme")
        pages = OnPages(FILES, directory)
        pages.show("mail.example.org", "abc", "abc.def")
        self.assertEqual(proof_at(FILES, directory, "abc"), b"abc.def")
        for token in ("abd", "", ".", "../127.0.0.1.key", "a/b", "ä"):
            self.assertIsNone(proof_at(FILES, directory, token), token)
        pages.remove("abc")
        self.assertIsNone(proof_at(FILES, directory, "abc"))
        self.assertRaises(Trouble, pages.show, "mail.example.org", "../x", "x")

    def test_one_file(self) -> None:
        """Key and chain may be in one file."""
        one = str(self.room / "tls/both.pem")
        self.order = replace(self.order, pair=Certificate(one, one))
        self.fulfil()
        data = Path(one).read_bytes()
        self.assertEqual(fault_of(data, data, NAMES, self.now()), "")
        self.assertEqual(os.stat(one).st_mode & 0o777, 0o600)

    def test_suggested(self) -> None:
        """An authority may say when to renew (RFC 9773)."""
        self.fulfil()
        chain, _ = self.content()
        self.assertIsNone(suggested(self.server.directory, chain))
        start = self.now().replace(microsecond=0) + timedelta(days=3)
        self.server.window = (start, start + timedelta(days=1))
        found = suggested(self.server.directory, chain)
        assert found is not None
        self.assertTrue(start <= found <= start + timedelta(days=1))
        self.assertIsNone(suggested(self.server.base, chain))


class Bad(WithAuthority):
    """There is none: the old one stays, and one line says why and what to do."""

    def setUp(self) -> None:
        super().setUp()
        self.before = self.content()

    def refused(self, *parts: str, proofs: Any = None, **more: Any) -> Trouble:
        trouble = self.assertRaises(Trouble, self.fulfil, proofs, **more)
        for part in parts:
            self.assertIn(part, str(trouble))
        self.assertNotIn("\n", str(trouble))
        self.assertEqual(self.content(), self.before)
        self.assertEqual(sorted(os.listdir(self.room / "tls")), ["ca.pem", "cert.pem", "key.pem"])
        return trouble

    def test_refused(self) -> None:
        """Whatever the authority refuses, at each step."""
        for step, kind, detail, remedy in (
            ("order", "rateLimited", "too many certificates\nalready, retry after 2026", "--staging"),
            ("order", "rejectedIdentifier", "example.org is forbidden", "public names"),
            ("account", "invalidContact", "no such domain", "--email"),
            ("account", "externalAccountRequired", "bind it", "another authority"),
            ("finalize", "badCSR", "a weak key", "--keep-key"),
            ("order", "serverInternal", "we are sorry", "later"),
            ("order", "madeUp", "who knows", "later"),
            ("certificate", "unauthorized", "not yours", "address"),
        ):
            self.server.refuses = {step: (kind, detail)}
            trouble = self.refused(" ".join(detail.split()), f"[{kind}]", remedy)
            self.assertEqual(trouble.wait == LONG, kind in ("rateLimited", "rejectedIdentifier"), kind)

    def test_not_proved(self) -> None:
        """The name is said, and what to do about it."""
        for kind, remedy in (
            ("dns", "mailnode dns"),
            ("caa", "CAA"),
            ("connection", "port 80"),
            ("unauthorized", "another server"),
            ("tls", "HTTPS"),
        ):
            self.server.fails = {NAMES[1]: (kind, "as it is.")}
            self.refused(f"{NAMES[1]}: as it is [{kind}]. ", remedy)
        self.server.fails = dict.fromkeys(NAMES, ("dns", "no address"))
        self.refused(f"(and {NAMES[1]}): no address")

    def test_looked_in_vain(self) -> None:
        """Nobody answers, or the record is not there."""
        account_of(self.order, FILES)
        self.refused("no TXT record", "wait until all servers", proofs=InDns(self.server, forgets=True))
        self.server.kinds = ("dns-01",)
        self.refused("by HTTP", "--dns")

    def test_bad_chains(self) -> None:
        """What cannot be used is not put in place."""
        for issues, text in (
            ("of another key", "for another key"),
            ("for another name", f"not for {', '.join(NAMES)}"),
            ("of the future", "valid from"),
            ("of the past", "ran out"),
            ("of another authority", "chain"),
            ("no certificate", "no certificate"),
            ("nothing", "CAA records forbid it"),
        ):
            self.server.issues = issues
            self.refused(text)

    def test_nonces(self) -> None:
        """One that refuses all nonces is not asked for ever."""
        self.server.bad_nonces = 1000
        self.refused("[badNonce]")
        self.assertGreater(self.server.bad_nonces, 990)

    def test_terms(self) -> None:
        """Without an account and somebody who agrees there is none."""
        self.refused("no account", "mailnode tls request", agree=lambda terms: False)
        self.assertEqual(self.server.accounts, {})

    def test_keys(self) -> None:
        """A key that is none is said to be none, and the authority is not asked."""
        account = account_of(self.order, FILES)
        self.order = replace(self.order, keep_key=True)
        Path(self.tls.key).write_text("nothing")
        self.before = self.content()
        self.refused(f"{self.tls.key} holds no private key")
        self.order = replace(self.order, keep_key=False)
        Path(self.order.account).write_text("nothing")
        self.refused("127.0.0.1.key holds no private key")
        Path(self.order.account).write_bytes(account)
        self.assertEqual(self.server.seen, {})

    def test_no_library(self) -> None:
        """What is not installed is said, with how to install it."""
        with mock.patch.dict(sys.modules, {"mailnode.upkeep.authority": None}):
            trouble = self.refused("not installed", "pip install 'mailnode[acme]'")
        self.assertEqual(trouble.wait, LONG)

    def test_two_at_once(self) -> None:
        """Who comes second waits."""
        account_of(self.order, FILES)
        lock = FILES.try_lock(self.order.account)
        assert lock is not None
        self.refused("somebody else")
        lock.release()
        self.fulfil()

    def test_given_up(self) -> None:
        """An order that ends without a reason."""
        self.server.issues = "silence"
        self.refused("given the order up")

    def test_no_authority(self) -> None:
        """Nobody is there, or something else."""
        for directory, text in (
            (f"{self.server.base}/nothing", "does not answer as an authority"),
            ("http://127.0.0.1:1/directory", "cannot be reached"),
        ):
            self.order = replace(self.order, directory=directory)
            self.refused(text)

    def test_half(self) -> None:
        """Where only the key can be put in place, it is the old one again."""
        taken = str(self.room / "tls/taken")
        os.mkdir(taken)
        pair = Certificate(taken, self.tls.key)
        self.assertRaises(OSError, put_in_place, pair, b"chain", b"key", FILES)
        self.assertEqual(Path(self.tls.key).read_bytes(), self.before[1])
        self.assertEqual(sorted(os.listdir(self.room / "tls")), ["ca.pem", "cert.pem", "key.pem", "taken"])

    def test_cut_off(self) -> None:
        """Whatever a crash leaves, there is a key for the certificate, and all is well after the next one."""
        olds = [Path(path).read_bytes() for path in (self.tls.certificate, self.tls.key)]
        new, later = (write_certificates(str(self.room / at), NAMES[0], FILES, self.now()) for at in "bc")
        seen = set()
        for count in range(20):
            for path, data in zip((self.tls.certificate, self.tls.key), olds, strict=True):
                FILES.replace(path, data)
            with contextlib.suppress(_Cut):
                self.put(new, _CutFiles(count))
                break
            make_context(self.tls.certificate, key_of(self.order.pair, FILES))
            seen.add(key_of(self.order.pair, FILES))
            self.put(later, FILES)
            make_context(self.tls.certificate, self.tls.key)
            self.assertNotIn("key.pem.new", os.listdir(self.room / "tls"))
        self.assertEqual(seen, {self.tls.key, f"{self.tls.key}.new"})
        self.assertEqual(Path(self.tls.key).read_bytes(), Path(new.key).read_bytes())

    def put(self, tls: Tls, files: FileSystem) -> None:
        chain, key = (Path(path).read_bytes() for path in (tls.certificate, tls.key))
        put_in_place(self.order.pair, chain, key, files)

    def test_cannot_write(self) -> None:
        """The authority is not asked where what it gave could not be kept."""
        link = str(self.room / "tls/link.pem")
        os.symlink(self.tls.certificate, link)
        self.assertIn("symlink", unwritable(Certificate(link, self.tls.key), FILES))
        self.assertIn("beside", unwritable(Certificate("/proc/nothing/a.pem", self.tls.key), FILES))
        self.assertEqual(unwritable(self.order.pair, FILES), "")
        self.order = replace(self.order, pair=Certificate(link, self.tls.key))
        self.assertRaises(Trouble, self.fulfil)
        self.assertEqual(self.server.seen, {})


class Orders(SynchronousTestCase):
    """What is wanted, and when."""

    def setUp(self) -> None:
        self.room = Path(room_of(self))
        self.made = datetime(2026, 1, 2, tzinfo=UTC)
        self.tls = write_certificates(str(self.room / "a"), NAMES[0], FILES, self.made)
        self.other = write_certificates(str(self.room / "b"), "other.example.net", FILES, self.made)

    def test_due(self) -> None:
        """A third of its life before the end, earlier by chance; at once where it is not good."""
        pair = Certificate(self.tls.certificate, self.tls.key)
        order = Order("", NAMES[:1], pair, keep_key=False, account="", now=lambda: self.made)
        life = life_of(Path(self.tls.certificate).read_bytes())
        third = (life.ends - life.begins) / 3
        self.assertEqual(order.due(FILES), life.ends - third)
        self.assertEqual(order.due(FILES, 1.0), life.ends - third - third / 10)
        for wrong in (
            replace(order, names=NAMES),
            replace(order, pair=Certificate(self.tls.certificate, self.other.key)),
            replace(order, pair=Certificate(str(self.room / "c"), self.tls.key)),
            replace(order, now=lambda: life.ends),
        ):
            self.assertEqual(wrong.due(FILES), wrong.now())

    def test_pairs(self) -> None:
        """The files with one of the names, also by a wildcard, else those that are not there, else none."""
        first = Certificate(self.tls.certificate, self.tls.key)
        second = Certificate(self.other.certificate, self.other.key)
        absent = Certificate(str(self.room / "c.pem"), str(self.room / "c.key"))
        for further, name, expected in (
            ((second,), "*.example.net", second),
            ((second,), "example.net", None),
            ((second,), NAMES[0], first),
            ((second, absent), "other.example.net", second),
            ((second, absent), "third.example.net", absent),
            ((second,), "third.example.net", None),
        ):
            self.assertEqual(pair_for(replace(self.tls, further=further), [name], FILES), expected)
        self.assertIsNone(pair_for(Tls(), NAMES, FILES))

    def test_order_for(self) -> None:
        """The names are those of the configuration, or all by which clients ask."""
        url = "https://acme.example.net:14000/dir"
        web = Listener("http", "tcp:443", "implicit")
        config = Config(hostname=NAMES[0], domains=("example.org",), state="/state", listeners=(web,))
        config = replace(config, tls=replace(self.tls, acme=Acme(url)))
        order = order_for(config, lambda: self.made, FILES)
        assert order is not None
        self.assertEqual(order.names[:2], (NAMES[0], "autoconfig.example.org"))
        self.assertEqual(order.account, "/state/acme/acme.example.net-14000.key")
        named = replace(config, tls=replace(self.tls, acme=Acme(url, names=NAMES)))
        order = order_for(named, lambda: self.made, FILES)
        assert order is not None
        self.assertEqual(order.names, NAMES)
        for tls in (self.tls, Tls(acme=Acme(url))):
            self.assertIsNone(order_for(replace(config, tls=tls), lambda: self.made, FILES))
        self.assertEqual(account_key(config, "https://a.example/x"), "/state/acme/a.example.key")

    def test_failures(self) -> None:
        """The last one is known until there is a certificate."""
        config = Config(state=str(self.room))
        self.assertIsNone(last_failure(config, FILES))
        keep_failure(config, "the DNS. Mend it.", self.made, FILES)
        self.assertEqual(last_failure(config, FILES), (self.made, "the DNS. Mend it."))
        keep_failure(config, "", self.made, FILES)
        self.assertIsNone(last_failure(config, FILES))
        keep_failure(config, "", self.made, FILES)

    def test_facts(self) -> None:
        """What is shown of a certificate."""
        found = facts_of(Path(self.tls.certificate).read_bytes())
        self.assertEqual(found["key_type"], "ECDSA secp256r1")
        self.assertEqual(found["names"], ["localhost", NAMES[0]])
