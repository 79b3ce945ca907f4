"""Whose figures they are: mailnode, Dovecot, Postfix, each in a private directory on loopback ports.

A side is made, filled with mail, started, measured and closed; a person is known to all of them by a short
name. Settings are those that each comes with, but for limits that would stop one client from playing many.
"""

import contextlib
import os
import shutil
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from twisted.trial.unittest import SkipTest

from bench.clients.imap import Client
from bench.phases import WATCH
from bench.processes import descendants
from mailnode.admin.certificates import write_certificates
from mailnode.auth.passwords import Hasher
from mailnode.config_auth import Auth
from mailnode.fs import FileSystem
from tests.interop.dovecot import Dovecot
from tests.interop.harness import DOMAIN, HOSTNAME, PASSWORD, REPOSITORY, Server, free_ports, run
from tests.interop.postfix import Postfix

OURS = "mailnode"
_LIMITS = """
[auth]
argon2_memory = 64
argon2_time = 1

[limits]
connection_rate = 1000000
connections_per_address = 20000
preauth_connections = 20000
sessions_per_user_imap = 20000
sessions_per_user_submission = 1000
submission_recipients_hour = 0
submission_recipients_day = 0
imap_sessions = 20000
login_delay = 0

[[listener]]
protocol = "lmtp"
endpoint = "tcp:{lmtp}:interface=127.0.0.1"
tls = "none"

[dns]
servers = ["127.0.0.1:9"]  # nobody
"""
_DOVECOT = """
protocols = imap pop3 lmtp
mail_location = maildir:~/%n
auth_username_format = %Ln
mail_max_userip_connections = 20000
default_process_limit = 20000
default_client_limit = 40000
imap_max_line_length = 1M
ssl = yes
ssl_cert = <{directory}/tls/cert.pem
ssl_key = <{directory}/tls/key.pem
service imap-login {{
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {sasl}
  }}
}}
{more}
"""
# What its documentation calls the high-performance mode: login processes that serve many clients.
_MANY_LOGINS = """
service imap-login {
  service_count = 0
  process_min_avail = 2
}
service pop3-login {
  service_count = 0
  process_min_avail = 2
}
service imap {
  service_count = 256
  process_min_avail = 4
}
service pop3 {
  service_count = 256
  process_min_avail = 4
}
"""
# No pause for what comes in while there is much to deliver, and more of it at once.
_SWIFT = {
    "in_flow_delay": "0",
    "default_process_limit": "250",
    "default_destination_concurrency_limit": "50",
    "initial_destination_concurrency": "20",
}
_NOBODY = 65534


_AnySide = TypeVar("_AnySide", bound="Side")


class Side(ABC):
    """A server with people."""

    name: str
    ports: dict[str, int]

    @abstractmethod
    def login(self, person: str) -> str:
        """The name that the person logs in with."""

    def address(self, person: str) -> str:
        """Where mail for the person is sent."""
        return f"{person}@{DOMAIN}"

    @abstractmethod
    def maildir(self, person: str) -> str:
        """Where the person's mail lies."""

    @abstractmethod
    def start(self) -> None:
        """Start, and wait until it listens."""

    @abstractmethod
    def pids(self) -> list[int]:
        """All its processes."""

    @abstractmethod
    def close(self) -> None:
        """Stop it, and remove everything."""

    def imap(self, person: str) -> Client:
        """A session of the person's."""
        return Client(self.ports["imap"], self.login(person), PASSWORD)

    def fill(self, person: str, source: str) -> None:
        """Give a person the messages of a Maildir. They are the same files for all: nobody writes to them."""
        place = self.maildir(person)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copytree(source, place, copy_function=os.link)


class Mailnode(Side):
    """Ours."""

    name = OURS

    def __init__(
        self, people: Sequence[str], extra: str = "", *, aliases: str = "", workers: int | None = None
    ) -> None:
        (lmtp,) = free_ports(1)
        head = "" if workers is None else f"workers = {workers}\n"
        self.server = Server((), head=head, extra=_LIMITS.format(lmtp=lmtp) + extra)
        self.ports = {**self.server.ports, "lmtp": lmtp}
        hashed = Hasher(Auth(argon2_memory=64, argon2_time=1)).hash(PASSWORD)
        boxes = (f'[mailboxes."{self.address(one)}"]\npassword = "{hashed}"\n' for one in people)
        text = "[aliases]\n" + aliases + "\n" + "\n".join(boxes)
        FileSystem().replace(os.path.join(self.server.directory, "mailboxes.toml"), text.encode())
        self._config = self.server.config()

    def login(self, person: str) -> str:
        return self.address(person)

    def maildir(self, person: str) -> str:
        return self._config.mail_directory(self.address(person))

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        """Stop it."""
        self.server.stop()

    def reindex(self) -> None:
        """Do for all mail at once what the idle indexer does in time; only while the server is stopped."""
        self.command("store", "reindex")

    def command(self, *words: str) -> None:
        """The program `mailnode`, of the checkout that the server runs from."""
        program = os.path.join(os.path.dirname(sys.executable), "mailnode")
        environment = {**os.environ, "PYTHONPATH": REPOSITORY}
        run([program, "--config", self.server.config_path, *words], env=environment, seconds=1200)

    def pids(self) -> list[int]:
        return descendants(self.server.pid)

    def close(self) -> None:
        self.server.clean_up()


class DovecotSide(Side):
    """Dovecot, with its default settings, or with those for many logins."""

    def __init__(self, name: str = "dovecot", *, swift: bool = False, more: str = "") -> None:
        self.name = name
        self._dovecot = Dovecot()
        imaps, lmtp, self.sasl = free_ports(3)
        self.ports = {**self._dovecot.ports, "imaps": imaps, "lmtp": lmtp}
        self._dovecot.extra = _DOVECOT.format(
            directory=self._dovecot.directory,
            imaps=imaps,
            lmtp=lmtp,
            sasl=self.sasl,
            more=more + (_MANY_LOGINS if swift else ""),
        )
        place = os.path.join(self._dovecot.directory, "tls")
        write_certificates(place, HOSTNAME, FileSystem(), datetime.now(UTC))

    def login(self, person: str) -> str:
        return person

    def maildir(self, person: str) -> str:
        return os.path.join(self._dovecot.tree, person)

    def start(self) -> None:
        self._dovecot.start()

    def stop(self) -> None:
        """End all its processes, its master first: that would wait some seconds for the others."""
        with contextlib.suppress(AssertionError):  # it has not started
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._dovecot.stop()

    def pids(self) -> list[int]:
        return descendants(self._dovecot.pid)

    def close(self) -> None:
        self.stop()
        self._dovecot.clean_up()


class PostfixSide(Side):
    """Postfix, which delivers to Maildirs itself; with its default settings, or with swifter ones."""

    def __init__(
        self,
        people: Sequence[str],
        name: str = "postfix",
        *,
        swift: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if os.geteuid() != 0:
            raise SkipTest("Postfix starts for root only")
        self.name = name
        (port,) = free_ports(1)
        boxes = (f"{{ {self.address(one)} = {one}/ }}" for one in people)
        way = {
            "relay_domains": "",
            "virtual_mailbox_domains": DOMAIN,
            "virtual_mailbox_limit": "0",
            "virtual_uid_maps": f"static:{_NOBODY}",
            "virtual_gid_maps": f"static:{_NOBODY}",
            "virtual_mailbox_maps": f"inline:{{ {' '.join(boxes)} }}",
        }
        self.postfix = Postfix({}, {**way, **(_SWIFT if swift else {}), **(settings or {})}, port)
        self._mail = os.path.join(self.postfix.folder, "mail")
        os.mkdir(self._mail)
        os.chown(self._mail, _NOBODY, _NOBODY)
        self.postfix.set("virtual_mailbox_base", self._mail)
        self.ports = {"smtp": port, "submissions": port}

    def login(self, person: str) -> str:
        return person

    def maildir(self, person: str) -> str:
        return os.path.join(self._mail, person)

    def start(self) -> None:
        self.postfix.start()

    def pids(self) -> list[int]:
        master = self.postfix.master()
        assert master is not None
        return descendants(master)

    def close(self) -> None:
        self.postfix.close()


def filled(side: _AnySide, fill: Callable[[Side], None], *, start: bool = False) -> _AnySide:
    """The side, when it has its mail; nothing is left of it where that fails."""
    try:
        with WATCH.doing("filling"):
            fill(side)
        if start:
            with WATCH.doing("starting"):
                side.start()
    except BaseException:
        side.close()
        raise
    return side


def started(side: _AnySide, fill: Callable[[Side], None] = lambda side: None) -> _AnySide:
    """The same, when it listens."""
    return filled(side, fill, start=True)
