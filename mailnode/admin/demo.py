"""`mailnode demo`: a complete server on this machine only, with two mailboxes, to try a mail client on."""

import os
import sys

from mailnode.admin import mailboxes_file, templates
from mailnode.admin.certificates import write_certificates
from mailnode.admin.outside import Outside
from mailnode.admin.toml_lines import Value
from mailnode.auth.passwords import Hasher
from mailnode.auth.verifiers import make_verifiers
from mailnode.config import DEFAULT_LISTENERS, Config, Listener
from mailnode.config_auth import Auth
from mailnode.config_reading import load

HOSTNAME = "mail.example.test"
DOMAIN = "example.test"
PEOPLE = {"anna@example.test": "Anna", "ben@example.test": "Ben"}
ALIASES = '"postmaster@example.test" = ["anna@example.test"]\n'
PASSWORD = "demo"

_PORTS = dict(zip(DEFAULT_LISTENERS, (2525, 2587, 2465, 2110, 2995, 2143, 2993), strict=True))

# Nobody listens there: what goes to other hosts waits.
_ELSEWHERE = """
[routes."*"]
host = "127.0.0.1"
port = 9
"""

_WELCOME = """\
mailnode demo, on this machine only. Everything lies in {directory}.

  mailboxes   anna@example.test, ben@example.test     password: demo
  IMAP        {imap} (TLS), {imap_starttls} (STARTTLS)
  POP3        {pop3} (TLS), {pop3_starttls} (STARTTLS)
  sending     {submission} (TLS), {submission_starttls} (STARTTLS)
  mail in     {smtp_starttls}
  authority   {directory}/tls/ca.pem (let the mail client trust it)

Try it:
  swaks --server {submission_starttls} -tls -au anna@example.test -ap demo \\
        --from anna@example.test --to ben@example.test

Stop with Ctrl-C.
"""


def prepare(directory: str, port_offset: int, outside: Outside) -> Config:
    """Make what is missing in the demo's folder, keep what is there, and give its configuration."""
    files = outside.files
    config_path = os.path.join(directory, "mailnode.toml")
    mailboxes_path = os.path.join(directory, "mailboxes.toml")
    files.make_directories(directory)
    if files.stat(config_path) is None:
        ports = {listener: port + port_offset for listener, port in _PORTS.items()}
        text = templates.configuration(HOSTNAME, (DOMAIN,), ports, listen="127.0.0.1")
        files.replace(config_path, (text + _ELSEWHERE).encode())
    tls = os.path.join(directory, "tls")
    if files.stat(os.path.join(tls, "key.pem")) is None:
        write_certificates(tls, HOSTNAME, files, outside.now())
    if files.stat(mailboxes_path) is None:
        hasher = Hasher(Auth())
        text = templates.MAILBOXES.format(domain=DOMAIN, aliases=ALIASES)
        for address, name in PEOPLE.items():
            text = mailboxes_file.adding(address, _credentials(hasher), name)(text)
        files.replace(mailboxes_path, text.encode())
    return load(config_path, files).config


def _credentials(hasher: Hasher) -> dict[str, Value]:
    return {"password": hasher.hash(PASSWORD), "scram": [str(one) for one in make_verifiers(PASSWORD)]}


def welcome(directory: str, config: Config) -> str:
    """What to type into a mail client, and a line to try."""
    places = {_place(listener): _address(listener.endpoint) for listener in config.listeners}
    missing = {_place(listener): "-" for listener in DEFAULT_LISTENERS}
    return _WELCOME.format(directory=directory, **(missing | places))


def run(directory: str, outside: Outside) -> None:
    """Become the server; comes back only if `execute` does."""
    twistd = os.path.join(os.path.dirname(sys.executable), "twistd")
    path = os.path.join(directory, "mailnode.toml")
    arguments = ["-n", "--pidfile=", "mailnode", "--config", path, "--announce"]
    sys.stdout.flush()
    outside.execute(twistd, ["twistd", *arguments])


def _place(listener: Listener) -> str:
    return listener.protocol + ("" if listener.tls == "implicit" else "_starttls")


def _address(endpoint: str) -> str:
    """host:port of the endpoints that the demo writes; others are shown as they are."""
    port, found, host = endpoint.removeprefix("tcp:").partition(":interface=")
    return f"{host}:{port}" if found else endpoint
