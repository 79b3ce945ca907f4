"""What can be wrong with a server on its own machine: configuration, ports, certificate, clock, disk, rights.

Everything is only looked at, also as root and beside a running server. A check gives findings and never
raises: what cannot be looked at is a finding too.
"""

import os
import re
from collections.abc import Generator, Iterator
from datetime import UTC, date, datetime
from ipaddress import ip_address

from cryptography import x509

from mailnode.admin.certificates import inspect
from mailnode.admin.control import ControlError, NotRunning, ask
from mailnode.admin.findings import Finding, good, warning, wrong
from mailnode.admin.machine import Machine
from mailnode.config import Config, Listener
from mailnode.config_reading import Examination
from mailnode.config_rules import endpoint_interface, endpoint_port
from mailnode.config_services import client_hosts
from mailnode.counting import counted
from mailnode.fs import FileSystem
from mailnode.queue.spool import ASIDE
from mailnode.tomlfile import Mistake
from mailnode.upkeep.ordering import last_failure

MANY = 10  # mistakes of the configuration that are told one by one
SECONDS = 300.0  # by which files may be from the future
RELEASED = date(2026, 1, 1)  # no clock can be right that is before
OLDEST_PYTHON = (3, 11)
OLDEST_OPENSSL = 3
_MEGABYTE = 1_000_000

# When each version of Python gets its last repairs (PEP 664, 693, 719, 745).
_LAST_REPAIRS = {
    (3, 11): date(2027, 10, 31),
    (3, 12): date(2028, 10, 31),
    (3, 13): date(2029, 10, 31),
    (3, 14): date(2030, 10, 31),
}


class Examiner:
    """Looks at one server's configuration and surroundings."""

    def __init__(
        self, found: Examination, files: FileSystem, machine: Machine, *, path: str, now: datetime
    ) -> None:
        self._found = found
        self._config: Config = found.loaded.config
        self._files = files
        self._machine = machine
        self._path = path
        self._now = now

    def findings(self) -> Iterator[Finding]:
        """All of them, in the order of the checks."""
        yield from self._versions()
        yield from self._configuration()
        running = yield from self._server()
        yield from self._ports(running)
        yield from self._certificate()
        yield from self._clock()
        yield from self._disk()
        yield from self._permissions()
        yield from self._queue()

    def _versions(self) -> Iterator[Finding]:
        version = self._machine.python_version()
        text = ".".join(map(str, version))
        end = _LAST_REPAIRS.get(version[:2])
        if version[:2] < OLDEST_PYTHON:
            yield wrong("Python", f"{text} is too old", "Install Python 3.11 or newer, and mailnode with it.")
        elif end and self._now.date() > end:
            yield warning("Python", f"{text} gets no repairs since {end}", "Install a newer Python.")
        else:
            yield good("Python", text)
        for one in self._machine.openssl_versions():
            number = re.search(r"OpenSSL (\d+)\.", one)
            if number and int(number[1]) >= OLDEST_OPENSSL:
                yield good("OpenSSL", one)
            else:
                remedy = "Upgrade Python and its cryptography package."
                yield warning("OpenSSL", f"{one} gets no repairs", remedy)

    def _configuration(self) -> Iterator[Finding]:
        mistakes, warnings = self._found.mistakes, self._found.loaded.warnings
        for one in mistakes[:MANY]:
            yield wrong("configuration", _placed(one), one.remedy)
        if len(mistakes) > MANY:
            text = counted(len(mistakes) - MANY, "more mistake")
            yield wrong("configuration", text, f"Run: mailnode --config {self._path} check")
        for one in warnings:
            yield warning("configuration", _placed(one), one.remedy)
        if not mistakes and not warnings:
            yield good("configuration", self._path)

    def _server(self) -> Generator[Finding, None, bool]:
        """Whether it runs; that is what the generator returns."""
        try:
            ask(self._config.control_socket, {"command": "status"}, timeout=5.0)
        except NotRunning:
            remedy = f"Start it: twistd -n mailnode --config {self._path}"
            yield warning("server", "is not running here", remedy)
            return False
        except ControlError as error:
            remedy = "Run this as root or as the server's user; if that is not it, look at the server's log."
            yield wrong("server", str(error), remedy)
            return True
        yield good("server", "is running")
        return True

    def _ports(self, running: bool) -> Iterator[Finding]:
        """The server listens, or could; whether the Internet comes so far nobody can see from here."""
        for listener in self._config.listeners:
            port = endpoint_port(listener.endpoint)
            if not port:
                continue
            topic = f"port {port} ({listener.protocol})"
            address = _where(listener)
            if not self._machine.is_ours(address):
                text = f"{address} is no address of this machine"
                yield wrong(topic, text, f"Correct interface= in endpoint = {listener.endpoint!r}")
                continue
            listens = self._machine.listens(address, port)
            if listens and not running:
                remedy = f"See who that is: ss -ltnp sport = :{port}"
                yield wrong(topic, "another program listens there, so the server cannot start", remedy)
            elif running and not listens:
                remedy = "A listener that is changed needs a restart; else look at the server's log."
                yield wrong(topic, "nobody listens there", remedy)
            else:
                yield good(topic, "the server listens" if running else "is free")

    def _certificate(self) -> Iterator[Finding]:
        path = self._config.tls.certificate
        if any(one.key.startswith("tls.") for one in self._found.mistakes) or not path:
            return  # told as a mistake of the configuration, or no TLS at all
        mistakes, warnings = inspect(self._config.tls, client_hosts(self._config), self._files, self._now)
        for one in mistakes:
            yield wrong("certificate", f"{one.file} {one.text}", one.remedy)
        if mistakes:
            return
        certificate = x509.load_pem_x509_certificate(self._files.read(os.path.realpath(path)))
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        tell = warning if begin <= self._now.astimezone(UTC) <= end else wrong
        for one in warnings:
            yield tell("certificate", f"{one.file} {one.text}", one.remedy)
        if not warnings:
            yield good("certificate", f"{path} is good until {end:%Y-%m-%d}")
        yield from self._renewal()

    def _renewal(self) -> Iterator[Finding]:
        """Whether the authority of [tls.acme] gave a certificate the last time."""
        failure = last_failure(self._config, self._files)
        if self._config.tls.acme.directory and failure is not None:
            text = f"was not renewed on {failure[0]:%Y-%m-%d %H:%M} UTC: {failure[1]}"
            yield warning("certificate", text, "When that is mended, run: mailnode tls renew")

    def _clock(self) -> Iterator[Finding]:
        remedy = "Have it kept right: install chrony, or run timedatectl set-ntp true"
        if self._now.date() < RELEASED:
            yield wrong("clock", f"says {self._now:%Y-%m-%d %H:%M}, which cannot be", remedy)
        elif late := self._from_the_future():
            yield wrong("clock", f"{late} is from the future, so the clock went back", remedy)
        elif self._machine.clock_is_kept() is False:
            yield warning("clock", "the kernel says that nothing keeps it right", remedy)
        else:
            yield good("clock", f"says {self._now:%Y-%m-%d %H:%M %Z}")

    def _from_the_future(self) -> str:
        """A file of the server's that was written later than the clock says; "" where there is none."""
        config = self._config
        paths = (config.login_key, config.sender_key, config.tls_reports_file, config.queue_directory)
        for path in paths:
            facts = self._files.stat(path)
            if facts and facts.st_mtime > self._now.timestamp() + SECONDS:
                return path
        return ""

    def _disk(self) -> Iterator[Finding]:
        least = self._config.limits.min_free_space
        for path in dict.fromkeys((self._config.state, _mail_root(self._config))):
            topic = f"disk of {path}"
            try:
                free = self._files.free_space(path)
            except OSError as error:
                yield wrong(topic, str(error.strerror), "Mount it, or correct the path.")
                continue
            text = f"{free // _MEGABYTE} MB are free"
            remedy = "Make room, or enlarge the disk; no free inode counts as no room."
            if free < least:
                yield wrong(topic, f"{text}, and below {least // _MEGABYTE} MB no mail is taken", remedy)
            elif free < 5 * least:
                yield warning(topic, f"{text}; below {least // _MEGABYTE} MB no mail is taken", remedy)
            else:
                yield good(topic, text)

    def _permissions(self) -> Iterator[Finding]:
        """What the server writes belongs to one user, and nobody else looks at it."""
        state = self._files.stat(self._config.state)
        if state is None:
            yield good("permissions", f"{self._config.state} is not there yet; the server makes it")
            return
        owner = self._machine.user_name(state.st_uid)
        found = list(self._access(state.st_uid, owner))
        if self._machine.own_user() not in (0, state.st_uid):
            text = f"the server's files belong to {owner}, and you are somebody else"
            found.append(warning("permissions", text, f"Run this as root, or as {owner}, to see all."))
        yield from found or [good("permissions", f"all belongs to {owner}, and to nobody else")]

    def _access(self, user: int, owner: str) -> Iterator[Finding]:
        """What is wrong with who owns, and who may look at, what the server writes and what it reads."""
        config, mailboxes = self._config, self._found.loaded.mailboxes.mailboxes
        for path in (config.state, config.queue_directory, config.log_directory):
            facts = self._files.stat(path)
            if facts and facts.st_mode & 0o077:
                text = f"others than {owner} may look at {path}"
                yield warning("permissions", text, f"Run: chmod go-rwx {path}")
        written = [config.queue_directory, config.log_directory, *map(config.mail_directory, mailboxes)]
        strange = [path for path in written if user and self._owner(path) not in (None, user)]
        for path in strange[:MANY]:
            text = f"{path} belongs to {self._machine.user_name(self._owner(path) or 0)}"
            yield wrong("permissions", f"{text}, and the server is {owner}", f"Run: chown -R {owner} {path}")
        for path in filter(None, (config.tls.key, config.mailboxes)):
            facts = self._files.stat(os.path.realpath(path))
            if user and facts and facts.st_uid != user and not facts.st_mode & 0o044:
                text = f"{path} can be read by {self._machine.user_name(facts.st_uid)} only"
                yield wrong("permissions", f"{text}, and the server is {owner}", f"Run: chown {owner} {path}")

    def _queue(self) -> Iterator[Finding]:
        """Messages of the queue that could not be read are not lost, but nobody delivers them."""
        path = f"{self._config.queue_directory}/{ASIDE}"
        try:
            count = len(self._files.names(path)) if self._files.is_directory(path) else 0
        except OSError:
            return  # told with who may look at it
        if count:
            text = f"{counted(count, 'file')} could not be read, in {path}"
            yield warning("queue", text, "The server's log says why; put back one folder up what is mended.")

    def _owner(self, path: str) -> int | None:
        facts = self._files.stat(path)
        return facts.st_uid if facts else None


def _placed(mistake: Mistake) -> str:
    """Where it is and what, without the remedy."""
    key = f"{mistake.key}: " if mistake.key else ""
    return f"{mistake.file}:{mistake.line}: {key}{mistake.text}"


def _where(listener: Listener) -> str:
    """The address at which this machine itself reaches a listener."""
    interface = endpoint_interface(listener.endpoint)
    try:
        everywhere = not interface or ip_address(interface).is_unspecified
    except ValueError:  # a name, which is asked of nobody
        everywhere = interface == "localhost"
    loopback = "::1" if listener.endpoint.startswith("tcp6") else "127.0.0.1"
    return loopback if everywhere else interface


def _mail_root(config: Config) -> str:
    """The folder of all mail: the part of the template before the first name that is filled in."""
    return os.path.dirname(config.store.mail.partition("{")[0])
