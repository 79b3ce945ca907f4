"""The servers of the exchange: two mailnodes and a Postfix, each in a network of its own."""

import os
import shutil
import smtplib
import ssl
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from signal import SIGSTOP
from threading import Event

from mailnode.admin.control import ask
from mailnode.admin.queue_control import IDS
from mailnode.queue.entry import glance
from mailnode.queue.runner import TOGETHER
from mailnode.queue.spool import ENVELOPE
from tests.interop import network
from tests.interop.harness import CLIENT_SECONDS, PASSWORD, STANDARD_PORTS, Server
from tests.interop.postfix import Postfix

SENDER = "sender"  # has a mailbox at each server, where reports would come
PEOPLE = ("one", "two", "three", "four", "five", "six")
MEMBERS = {
    "all@a.test": ("one@a.test", "one@b.test", "one@p.test"),
    "away@b.test": ("two@p.test", "two@a.test"),
    "away@p.test": ("three@a.test", "three@b.test"),
}
DOMAINS = ("a.test", "b.test", "p.test")
# Who sends by the DNS to whom; all others have a route.
BY_DNS = {("b.test", "a.test"), ("a.test", "p.test"), ("p.test", "b.test")}
NOBODY = 65534
MAIL_PORTS = set(STANDARD_PORTS[:3])

_OURS = """
[auth]
argon2_memory = 64
argon2_time = 1

[limits]
login_delay = 0
submission_recipients_hour = 0
submission_recipients_day = 0
"""
# Postfix makes a connection for each message under TLS, and more of them than a stranger may.
_HEAD = f'trusted_networks = ["127.0.0.0/8", "{network.NET}.0/24"]\n'
_ROUTE = """
[routes."{domain}"]
host = "mx.{domain}"
"""


class Node(ABC):
    """One of the servers."""

    domain: str
    port: int

    def __init__(self, domain: str, number: int) -> None:
        self.domain = domain
        self.host = network.Host(number)
        self.up = Event()
        self.deaths = 0

    @abstractmethod
    def start(self) -> None:
        """Start, and wait until it listens."""

    @abstractmethod
    def stop_for_ever(self) -> int:
        """Stop all its processes where they are, then kill them; how many messages were on their way."""

    @abstractmethod
    def hurry(self) -> None:
        """Have all that waits tried now."""

    @abstractmethod
    def waiting(self) -> int:
        """How many messages are in its queue."""

    @abstractmethod
    def session(self) -> smtplib.SMTP:
        """A client that may send to everybody. Raises OSError, SMTPException."""

    @abstractmethod
    def maildir(self, name: str) -> str:
        """The folder of a mailbox."""

    @abstractmethod
    def log(self) -> str:
        """What it has said."""

    @abstractmethod
    def clean_up(self) -> None:
        """The end of it."""

    def mail(self, name: str) -> Iterator[bytes]:
        """The messages in a mailbox, in wire form."""
        for folder in ("new", "cur"):
            path = os.path.join(self.maildir(name), folder)
            for entry in sorted(os.listdir(path)) if os.path.isdir(path) else ():
                with open(os.path.join(path, entry), "rb") as file:
                    yield file.read().replace(b"\n", b"\r\n")


class Ours(Node):
    """A mailnode."""

    def __init__(self, domain: str, number: int) -> None:
        super().__init__(domain, number)
        others = (one for one in DOMAINS if one != domain and (domain, one) not in BY_DNS)
        extra = _OURS + "".join(_ROUTE.format(domain=one) for one in others)
        people = tuple(f"{name}@{domain}" for name in (SENDER, *PEOPLE))
        self._server = Server(
            people, extra=extra, head=_HEAD, domain=domain, hostname=f"mx.{domain}", network=self.host
        )
        config = self._server.config()
        self._queue, self._control = config.queue_directory, config.control_socket
        for alias, members in MEMBERS.items():
            if alias.endswith(f"@{domain}"):
                self._server.add_alias(alias, *members)

    def start(self) -> None:
        self._server.start()

    def stop_for_ever(self) -> int:
        os.kill(self._server.pid, SIGSTOP)
        on_the_way = self.host.connections(MAIL_PORTS) + min(self.waiting(), TOGETHER)
        self._server.kill()
        return on_the_way

    def hurry(self) -> None:
        ids = [name for name in self._names() if self._is_put_off(name)]
        if ids:
            ask(self._control, {"command": "queue retry", "ids": ids[:IDS]})

    def _is_put_off(self, name: str) -> bool:
        try:
            with open(os.path.join(self._queue, name + ENVELOPE), "rb") as file:
                return glance(file.read())[1] > time.time()
        except FileNotFoundError:
            return False

    def waiting(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        if not os.path.isdir(self._queue):
            return []
        return [name.removesuffix(ENVELOPE) for name in os.listdir(self._queue) if name.endswith(ENVELOPE)]

    def session(self) -> smtplib.SMTP:
        context = ssl.create_default_context(cafile=self._server.authority)
        context.check_hostname = False  # it is called by its address
        client = smtplib.SMTP_SSL(
            self.host.address, 465, "client.test", timeout=CLIENT_SECONDS, context=context
        )
        client.login(f"{SENDER}@{self.domain}", PASSWORD)
        return client

    def maildir(self, name: str) -> str:
        return self._server.maildir(f"{name}@{self.domain}")

    def log(self) -> str:
        return self._server.log()

    def clean_up(self) -> None:
        self._server.clean_up()


class Theirs(Node):
    """A Postfix."""

    def __init__(self, domain: str, number: int) -> None:
        super().__init__(domain, number)
        self._mail = tempfile.mkdtemp(prefix="mailnode-postfix-mail-")
        os.chown(self._mail, NOBODY, NOBODY)
        people = (f"{{ {name}@{domain} = {name}/ }}" for name in (SENDER, *PEOPLE))
        aliases = (
            f"{{ {alias} = {' '.join(members)} }}"
            for alias, members in MEMBERS.items()
            if alias.endswith(f"@{domain}")
        )
        routes = (
            f"{{ {one} = smtp:[mx.{one}] }}"
            for one in DOMAINS
            if one != domain and (domain, one) not in BY_DNS
        )
        settings = {
            "myhostname": f"mx.{domain}",
            "relay_domains": "",
            "mynetworks": f"{network.GATEWAY}/32",
            "smtp_host_lookup": "dns",
            "smtp_tls_security_level": "may",
            "transport_maps": f"inline:{{ {' '.join(routes)} }}",
            "virtual_mailbox_domains": domain,
            "virtual_mailbox_base": self._mail,
            "virtual_mailbox_maps": f"inline:{{ {' '.join(people)} }}",
            "virtual_alias_maps": f"inline:{{ {' '.join(aliases)} }}",
            "virtual_mailbox_limit": "0",
            "virtual_uid_maps": f"static:{NOBODY}",
            "virtual_gid_maps": f"static:{NOBODY}",
        }
        self._postfix = Postfix({}, settings, 25, self.host)

    def start(self) -> None:
        self._postfix.start()

    def stop_for_ever(self) -> int:
        self._postfix.signal(SIGSTOP)
        on_the_way = self.host.connections(MAIL_PORTS) + self._postfix.waiting("active")
        self._postfix.kill()
        return on_the_way

    def hurry(self) -> None:
        self._postfix.flush()

    def waiting(self) -> int:
        return self._postfix.waiting()

    def session(self) -> smtplib.SMTP:
        return smtplib.SMTP(self.host.address, 25, "client.test", timeout=CLIENT_SECONDS)

    def maildir(self, name: str) -> str:
        return os.path.join(self._mail, name)

    def log(self) -> str:
        return self._postfix.log()

    def clean_up(self) -> None:
        self._postfix.close()
        shutil.rmtree(self._mail)
