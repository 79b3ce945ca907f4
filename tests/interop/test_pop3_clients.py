"""Clients that fetch by POP3: in clear, with STLS and under TLS, keeping mail on the server and taking it.

curl and fetchmail, beside what reads by IMAP, are in test_clients.
"""

import base64
import os
import poplib
import smtplib
from collections.abc import Callable, Iterator

from tests.interop.harness import (
    ANNA,
    BEN,
    HOST,
    PASSWORD,
    Line,
    program,
    run,
    samples,
)
from tests.interop.test_clients import (
    OWN_FIELDS,
    House,
    HouseTestCase,
    fetchmail,
    in_terminal,
    script,
    trusted,
)

CLEAR, STLS, TLS = "pop3", "stls", "pop3s"  # ways to the server
Fetch = Callable[[House, str, bool], list[bytes]]


def _port(house: House, way: str) -> int:
    return house.server.ports["pop3s" if way == TLS else "pop3"]


def home(house: House) -> dict[str, str]:
    """The environment of a client; without the modules of our Python, as getmail has another one."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**ours, "HOME": house.folder}


def by_poplib(house: House, way: str, keep: bool) -> list[bytes]:
    """Python's, with every command it has."""
    if way == TLS:
        client: poplib.POP3 = poplib.POP3_SSL(HOST, _port(house, way), context=house.server.tls())
    else:
        client = poplib.POP3(HOST, _port(house, way))
    if way == STLS:
        client.stls(context=house.server.tls())
    client.user(BEN)
    client.pass_(PASSWORD)
    count, octets = client.stat()
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    uidls = [line.split()[1] for line in client.uidl()[1]]
    assert sum(sizes) == octets and len(set(uidls)) == len(sizes) == count
    found = []
    for number in range(1, count + 1):
        message = b"".join(line + b"\r\n" for line in client.retr(number)[1])
        top = b"".join(line + b"\r\n" for line in client.top(number, 0)[1])
        assert len(message) == sizes[number - 1] and message.startswith(top)
        found.append(message)
        if not keep:
            client.dele(number)
    client.noop()
    client.quit()
    return found


def by_mpop(house: House, way: str, keep: bool) -> list[bytes]:
    """mpop, which pipelines; its fields at the head are told not to come."""
    name = house.make(*[f"mpop-{way}-{keep}/{part}" for part in ("cur", "new", "tmp")]).removesuffix("/cur")
    tls = {CLEAR: ["--tls=off"], STLS: ["--tls=on", "--tls-starttls=on"], TLS: ["--tls=on"]}[way]
    if way == TLS:
        tls.append("--tls-starttls=off")
    login = [
        f"--user={BEN}",
        f"--passwordeval=echo {PASSWORD}",
        "--auth=user" if way == CLEAR else "--auth=on",
    ]
    place = [f"--host={HOST}", f"--port={_port(house, way)}", f"--tls-trust-file={house.server.authority}"]
    if way == CLEAR:
        place.pop()
    manner = [
        f"--keep={'on' if keep else 'off'}",
        "--only-new=off",
        f"--uidls-file={name}.uidls",
        "--received-header=off",
        f"--delivery=maildir,{name}",
    ]
    run([program("mpop"), "-q", *place, *login, *tls, *manner], env=home(house))
    return house.read_all(f"mpop-{way}-{keep}/new")


def by_getmail(house: House, way: str, keep: bool) -> list[bytes]:
    """getmail; it can do no STLS."""
    name = f"getmail-{way}-{keep}"
    data = house.make(f"{name}-data")
    lines = (
        "[retriever]",
        f"type = SimplePOP3{'SSL' if way == TLS else ''}Retriever",
        f"server = {HOST}",
        f"port = {_port(house, way)}",
        f"username = {BEN}",
        f"password = {PASSWORD}",
        f"ca_certs = {house.server.authority}" if way == TLS else "",
        "[destination]",
        "type = MDA_external",
        f"path = {script(house, name)}",
        "allow_root_commands = true",
        "[options]",
        f"delete = {'false' if keep else 'true'}",
        "read_all = true\nreceived = false\ndelivered_to = false",
    )
    path = house.write(f"{name}-data/getmailrc", "\n".join(lines) + "\n")
    run([program("getmail"), "-q", "-g", data, "-r", path], env=home(house))
    return house.read_all(name)


def by_fetchmail(house: House, way: str, keep: bool) -> list[bytes]:
    """fetchmail, which asks for UIDL."""
    place = "pop3s" if way == TLS else "pop3"
    kinds = {STLS: trusted(house, "sslproto TLS1.2+"), TLS: trusted(house, "ssl")}
    options = ("  keep" if keep else "  nokeep", kinds.get(way, "  sslproto ''"))
    return fetchmail(house, f"fetchmail-{way}-{keep}", place, *options)


def by_neomutt(house: House, way: str, keep: bool) -> list[bytes]:
    """neomutt, with the maildrop as its open mailbox."""
    name = f"neomutt-{way}-{keep}"
    lines = (
        f'set spoolfile="{"pops" if way == TLS else "pop"}://{HOST}:{_port(house, way)}"',
        f'set pop_user="{BEN}" pop_pass="{PASSWORD}" pop_authenticators="{"user" if way == CLEAR else ""}"',
        f'set ssl_ca_certificates_file="{house.server.authority}"',
        f'set certificate_file="{house.server.authority}"',
        f'set folder="{house.folder}" message_cachedir="" header_cache=""',
        f"set ssl_starttls={'no' if way == CLEAR else 'yes'} ssl_force_tls={'no' if way == CLEAR else 'yes'}",
        "set copy=no mbox_type=Maildir confirmcreate=no confirmappend=no pop_checkinterval=0",
        f"set delete={'no' if keep else 'yes'} quit=yes sleep_time=0 wait_key=no mail_check=0",
    )
    path = house.write(f"muttrc-{way}-{keep}", "\n".join(lines) + "\n")
    what = "copy-message" if keep else "save-message"
    keys = f"<tag-pattern>~A<enter><tag-prefix-cond><{what}>{house.folder}/{name}<enter><quit>"
    in_terminal([program("neomutt"), "-n", "-F", path, "-e", f'push "{keys}"'])
    return [OWN_FIELDS.sub(b"", one) for one in house.read_all(name)]


class _Thunderbird:
    """What Thunderbird says, in its order."""

    def __init__(self, house: House, way: str) -> None:
        self._house = house
        self._line = house.server.connect("pop3s" if way == TLS else "pop3")
        if way == TLS:
            self._encrypt()
        assert self._line.line().startswith(b"+OK")
        mechanisms = self._capabilities()
        if way == STLS:
            self.ask(b"STLS")
            self._encrypt()
            mechanisms = self._capabilities()
        assert b"PLAIN" in mechanisms, mechanisms
        login = base64.b64encode(b"\0" + BEN.encode() + b"\0" + PASSWORD.encode())
        self._line.send(b"AUTH PLAIN\r\n")
        assert self._line.line().rstrip() == b"+"
        self.ask(login)

    def _encrypt(self) -> None:
        self._line = Line(self._house.server.tls().wrap_socket(self._line.socket, server_hostname=HOST))

    def ask(self, command: bytes) -> bytes:
        """A command with an answer of one line."""
        self._line.send(command + b"\r\n")
        answer = self._line.line()
        assert answer.startswith(b"+OK"), (command, answer)
        return answer

    def listing(self, command: bytes) -> list[bytes]:
        """A command with an answer of many."""
        self.ask(command)
        return list(self._lines())

    def _lines(self) -> Iterator[bytes]:
        while (line := self._line.line()) != b".":
            yield line.removeprefix(b".") if line.startswith(b"..") else line

    def _capabilities(self) -> list[bytes]:
        found = {line.split()[0]: line.split()[1:] for line in self.listing(b"CAPA")}
        assert {b"UIDL", b"TOP"} <= set(found)
        return found[b"SASL"]

    def close(self) -> None:
        """Go away."""
        self.ask(b"QUIT")
        self._line.close()


def by_thunderbird(house: House, way: str, keep: bool) -> list[bytes]:
    """First the heads, as for "fetch headers only"; then whole messages; the next session deletes."""
    session = _Thunderbird(house, way)
    count = int(session.ask(b"STAT").split()[1])
    sizes = [int(line.split()[1]) for line in session.listing(b"LIST")]
    uidls = [line.split()[1] for line in session.listing(b"UIDL")]
    heads = [session.listing(b"TOP %d 20" % number) for number in range(1, count + 1)]
    session.close()

    session = _Thunderbird(house, way)
    assert [line.split()[1] for line in session.listing(b"UIDL")] == uidls
    found = []
    for number, (head, size) in enumerate(zip(heads, sizes, strict=True), 1):
        lines = session.listing(b"RETR %d" % number)
        message = b"".join(line + b"\r\n" for line in lines)
        assert len(message) == size and lines[: len(head)] == head
        found.append(message)
    session.close()

    if not keep:
        session = _Thunderbird(house, way)
        for line in session.listing(b"UIDL"):
            session.ask(b"DELE " + line.split()[0])
        session.close()
    return found


CLIENTS: tuple[tuple[Fetch, tuple[str, ...]], ...] = (
    (by_poplib, (CLEAR, STLS, TLS)),
    (by_mpop, (CLEAR, STLS, TLS)),
    (by_getmail, (CLEAR, TLS)),
    (by_fetchmail, (CLEAR, STLS, TLS)),
    (by_neomutt, (CLEAR, STLS, TLS)),
    (by_thunderbird, (CLEAR, STLS, TLS)),
)


class EveryWay(HouseTestCase):
    """Every client, every way."""

    def fill(self, name: str) -> list[bytes]:
        """Deliver some messages; gives them as they lie in the maildrop."""
        sent = [one for one in samples(name) if len(one.octets) < 100_000 and "long" not in one.name]
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"]) as client:
            for message in sent:
                client.sendmail(ANNA, BEN, message.octets, mail_options=["BODY=8BITMIME"])
        return self.stored(len(sent))

    def test_every_client(self) -> None:
        """What it keeps is there for the next; what it takes is whole before it is gone."""
        for fetch, ways in CLIENTS:
            for way in ways:
                name = f"{fetch.__name__} {way}"
                stored = sorted(self.fill(name.replace(" ", "-").replace("_", "-")))
                for keep in (True, False):
                    found = sorted(fetch(self.house, way, keep))
                    self.assertEqual(len(found), len(stored), f"{name} {keep}")
                    for wanted, got in zip(stored, found, strict=True):
                        self.assertTrue(wanted == got, (name, keep, wanted[:900], got[:900]))
                    left = len(self.server.files(BEN))
                    self.assertEqual(left, len(stored) if keep else 0, f"{name} {keep}")
