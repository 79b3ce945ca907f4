"""The `mailnode` command as a person meets it, in a temporary folder."""

import json
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import click
from click.testing import CliRunner, Result
from twisted.internet.endpoints import _parseServer as parse_endpoint
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import cli
from mailnode.admin.outside import Outside
from mailnode.auth.passwords import Hasher
from mailnode.config import Auth, Config
from mailnode.config_quota import Room
from mailnode.config_reading import load
from mailnode.fs import FileSystem
from mailnode.wire.scram import make_verifier

COMMENTED = """\
# the office

# the boss
[mailboxes."Anna@example.org"]
password = "HASH" # changed in May
name = "Anna"

# shared names, do not touch
[aliases]
"info@example.org" = ["anna@example.org"]  # for the web page
"""

ROOT = Path(__file__).parent.parent.parent
HASHER = Hasher(Auth(argon2_memory=8, argon2_time=1))

A_LIST = '[lists."l@example.org"]\nmembers = [\n  "a@example.org", # a\n]\n'


class Commands(SynchronousTestCase):
    """Runs the command; `executed` holds what it would have become."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = self.folder / "etc" / "mailnode.toml"
        self.executed: list[tuple[str, list[str]]] = []
        self.outside = Outside(
            now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
            execute=lambda path, arguments: self.executed.append((path, arguments)),
        )

    def run_command(self, *arguments: str, input: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(cli.main, arguments, input=input, obj=self.outside)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def mailnode(self, *arguments: str, input: str | bytes | None = None, code: int = 0) -> str:
        """Run with --config, and give the output with file names for paths.

        What is for programs is all of the standard output; beside it Python may complain of other tests. What
        keeps a command from doing anything stands on the standard error alone.
        """
        result = self.run_command("--config", str(self.path), *arguments, input=input)
        self.assertEqual(result.exit_code, code, result.output)
        output = (result.stdout if "--json" in arguments else "") or result.output
        return str(output).replace(f"{self.path.parent}/", "")

    def init(self, *more: str, code: int = 0) -> Result:
        names = ("--hostname", "Mail.example.org", "--domain", "example.org")
        result = self.run_command("init", str(self.path.parent), *names, *more)
        self.assertEqual(result.exit_code, code, result.output)
        return result

    def cheap(self) -> None:
        """Make password hashes cheap, for tests."""
        self.path.write_text(self.path.read_text() + "[auth]\nargon2_memory = 8\nargon2_time = 1\n")

    @property
    def boxes(self) -> Path:
        return self.path.parent / "mailboxes.toml"


class Init(Commands):
    """mailnode init."""

    def test_init(self) -> None:
        """What it writes is good as it is, and says the defaults."""
        self.init()
        loaded = load(str(self.path), FileSystem())
        self.assertEqual(loaded.config.listeners, Config().listeners)
        self.assertEqual(
            (loaded.config.hostname, loaded.config.domains), ("mail.example.org", ("example.org",))
        )
        self.assertEqual(loaded.config.limits, Config().limits)
        self.assertIn("1 warning", self.mailnode("check"))
        for name in ("mailnode.toml", "mailboxes.toml", "tls/key.pem"):
            self.assertEqual((self.path.parent / name).stat().st_mode & 0o777, 0o600)

    def test_state(self) -> None:
        """The folder of the state is where it is wanted, else beside the configuration."""
        state = str(self.path.parent.parent / "elsewhere")
        for options, expected in (((), str(self.path.parent / "state")), (("--state", state), state)):
            shutil.rmtree(self.path.parent, ignore_errors=True)
            self.init(*options)
            self.assertEqual(load(str(self.path), FileSystem()).config.state, expected)

    def test_listen_and_offset(self) -> None:
        """--listen and --port-offset shape the endpoints, for IPv6 too, as Twisted reads them."""
        self.init("--listen", "::1", "--port-offset", "2000", "--domain", "example.net")
        config = load(str(self.path), FileSystem()).config
        self.assertEqual(config.domains, ("example.org", "example.net"))
        self.assertEqual(config.listeners[0].endpoint, "tcp6:2025:interface=\\:\\:1")
        name, arguments, keywords = parse_endpoint(config.listeners[0].endpoint, None)[:3]
        self.assertEqual(keywords.get("interface", arguments), "::1", name)
        self.assertEqual(config.listeners[6].endpoint, "tcp6:2993:interface=\\:\\:1")

    def test_nothing_is_overwritten(self) -> None:
        """A second init changes nothing."""
        self.init()
        before = self.path.read_bytes()
        self.assertIn("is there already", self.init(code=1).output)
        self.assertEqual(self.path.read_bytes(), before)

    def test_no_tls_files(self) -> None:
        """Without a certificate check says what is missing, and mailboxes may be added all the same."""
        self.assertIn("chmod 600", self.init("--no-tls-files").output)
        self.cheap()
        self.assertIn("tls.key: there is no file tls/key.pem", self.mailnode("check", code=1))
        self.mailnode("mailbox", "add", "anna@example.org", "--password-stdin", input="x1\n")

    def test_bad_names(self) -> None:
        """Names that are none are an error of the command line."""
        for bad in (("--hostname", "mail"), ("--domain", "☃.example"), ("--listen", "localhost")):
            self.assertIn("Error", self.init(*bad, code=2).output)
        self.assertFalse(self.path.exists())


class Mailbox(Commands):
    """mailnode mailbox."""

    def setUp(self) -> None:
        super().setUp()
        self.init()
        self.cheap()

    def passwords(self) -> dict[str, str]:
        return {
            address: entry.password
            for address, entry in load(str(self.path), FileSystem()).mailboxes.mailboxes.items()
        }

    def test_quota(self) -> None:
        """--quota and `mailbox quota` write sizes as they were typed; what is no size is refused."""
        add = ("mailbox", "add", "anna@example.org", "--password-stdin", "--quota")
        self.assertIn("is not a size", self.mailnode(*add, "much", input="secret\n", code=2))
        self.mailnode(*add, "2 GiB", input="secret\n")
        self.assertIn('quota = "2 GiB"\n', self.boxes.read_text())

        def room() -> Room:
            loaded = load(str(self.path), FileSystem())
            return loaded.config.room(loaded.mailboxes.mailboxes["anna@example.org"])

        self.assertEqual(room(), Room(2**31))
        for text, octets in (("500 MB", 500_000_000), ("none", None), ("1000", 1000)):
            said = self.mailnode("mailbox", "quota", "Anna@example.org", text)
            self.assertIn("Changed anna@example.org.", said)
            self.assertEqual(room(), Room(octets))
        self.mailnode("mailbox", "quota", "anna@example.org", "0", code=2)
        self.assertIn("there is no mailbox", self.mailnode("mailbox", "quota", "x@example.org", "1", code=1))

    def test_add(self) -> None:
        """A new mailbox has its hash, its name and lower case; the comments stay."""
        before = self.boxes.read_text()
        output = self.mailnode(
            "mailbox", "add", "Anna@Example.org", "--name", 'Anna "A"', input="Geheim\nGeheim\n"
        )
        self.assertIn("Added anna@example.org.", output)
        self.assertNotIn("Geheim", output)
        self.assertTrue(self.boxes.read_text().startswith(before.rstrip()))
        self.assertTrue(HASHER.verify(self.passwords()["anna@example.org"], "Geheim"))
        self.assertEqual(self.boxes.stat().st_mode & 0o777, 0o600)
        self.assertIn("not running", output)

    def test_language(self) -> None:
        """--language is written; what is none is refused."""
        add = ("mailbox", "add", "anna@example.org", "--password-stdin", "--language")
        self.assertIn("'german' is not one of", self.mailnode(*add, "german", input="x\n", code=2))
        self.mailnode(*add, "de", input="x\n")
        (entry,) = load(str(self.path), FileSystem()).mailboxes.mailboxes.values()
        self.assertEqual(entry.language, "de")

    def test_add_refused(self) -> None:
        """R34: duplicates, look-alikes, foreign domains, bad names and empty passwords change nothing."""
        self.mailnode("mailbox", "add", "anna@example.org", "--password-stdin", input="x\n")
        before = self.boxes.read_bytes()
        for address, password, said, code in (
            ("ANNA@example.org", "y", "there already", 1),
            ("ben@example.com", "y", "in no domain of this server", 1),
            ("anna+shop@example.org", "y", "subaddress separator", 1),
            ("anna", "y", "not a mail address", 2),
            ("\u0430nna@example.org", "y", "mixes letters of Cyrillic and Latin", 2),
            ("\uff41nna@example.org", "y", "only stand for others", 2),
            ("anna\u200b@example.org", "y", "not a mail address", 2),
            ("../x@example.org", "y", "not a mail address", 2),
            ("ben@example.org", "", "empty password", 1),
            ("ben@example.org", "  ", "empty password", 1),
            ("ben@example.org", "x" * 1025, "at most 1024 octets", 1),
            ("ben@example.org", b"\xff\n", "not UTF-8", 1),
        ):
            output = self.mailnode("mailbox", "add", address, "--password-stdin", input=password, code=code)
            self.assertIn(said, output)
        self.assertEqual(self.boxes.read_bytes(), before)

    def test_international(self) -> None:
        """A name beyond ASCII is found in whatever form it is typed, and its mail has its name."""
        self.mailnode("mailbox", "add", "J\u00fcrgen@example.org", "--password-stdin", input="x\n")
        for command in (("passwd", "--password-stdin"), ("remove",)):
            said = self.mailnode("mailbox", *command, "Ju\u0308rgen@EXAMPLE.org", input="y\n")
            self.assertIn("j\u00fcrgen@example.org", said)
        self.assertIn("state/mail/example.org/j\u00fcrgen", said)

    def test_passwords_differ(self) -> None:
        """The prompt asks again when the two passwords differ."""
        self.mailnode("mailbox", "add", "anna@example.org", input="a\nb\nc\nc\n")
        self.assertTrue(HASHER.verify(self.passwords()["anna@example.org"], "c"))

    def test_passwd(self) -> None:
        """Only what is made of the password changes, in whatever letters the address is written."""
        text = COMMENTED.replace("HASH", HASHER.hash("old"))
        self.boxes.write_text(text)
        for password in ("newer", "new"):
            line = f"{password}\n"
            self.mailnode("mailbox", "passwd", "anna@EXAMPLE.org", "--password-stdin", input=line)
        stored = self.passwords()["anna@example.org"]
        self.assertTrue(HASHER.verify(stored, "new"))
        lines = self.boxes.read_text().split("\n")
        (verifiers,) = (line for line in lines if line.startswith("scram = "))
        self.assertEqual(lines[lines.index(verifiers) - 1][:8], "password")
        lines.remove(verifiers)
        self.assertEqual("\n".join(lines), COMMENTED.replace("HASH", stored))
        self.mailnode("mailbox", "passwd", "ben@example.org", "--password-stdin", input="new\n", code=1)

    def test_verifiers(self) -> None:
        """Adding writes what SCRAM needs: both schemes, of that password, and nothing readable of it."""
        self.mailnode("mailbox", "add", "anna@example.org", "--password-stdin", input="pencil\n")
        entry = load(str(self.path), FileSystem()).mailboxes.mailboxes["anna@example.org"]
        self.assertEqual([one.scheme for one in entry.scram], ["SCRAM-SHA-256", "SCRAM-SHA-1"])
        for one in entry.scram:
            again = make_verifier(one.scheme, b"pencil", salt=one.salt, iterations=one.iterations)
            self.assertEqual((one, one.iterations), (again, 100_000))
        self.assertNotIn("pencil", self.boxes.read_text())

    def test_plain_secret(self) -> None:
        """Only when asked for, with a warning, and gone with the next password."""
        add = ("mailbox", "add", "anna@example.org", "--password-stdin", "--plain-secret")
        self.assertIn("The password itself is kept", self.mailnode(*add, input="pencil\n"))
        entry = load(str(self.path), FileSystem()).mailboxes.mailboxes["anna@example.org"]
        self.assertEqual(entry.secret, "pencil")
        self.mailnode("mailbox", "passwd", "anna@example.org", "--password-stdin", input="crayon\n")
        text = self.boxes.read_text()
        self.assertFalse("secret" in text or "pencil" in text)

    def test_password_that_scram_cannot_have(self) -> None:
        """SASLprep forbids some characters; the password works all the same, and old verifiers are gone."""
        self.mailnode("mailbox", "add", "anna@example.org", "--password-stdin", input="pencil\n")
        passwd = ("mailbox", "passwd", "anna@example.org", "--password-stdin")
        self.assertIn("SCRAM does not allow", self.mailnode(*passwd, input="\ue000x\n"))
        entry = load(str(self.path), FileSystem()).mailboxes.mailboxes["anna@example.org"]
        self.assertEqual(entry.scram, ())
        self.assertTrue(HASHER.verify(entry.password, "\ue000x"))

    def test_add_and_remove(self) -> None:
        """Adding and removing again leaves the file as it was, wherever the tables stand."""
        anna = HASHER.hash("x")
        for text in (
            COMMENTED.replace("HASH", anna),
            "",
            "[aliases]\n# none\n",
            f'[mailboxes."a@example.org"]\npassword = "{anna}"\n{A_LIST}',
            f'[mailboxes]\n"a@example.org" = {{ password = "{anna}" }} # a\n',
        ):
            self.boxes.write_text(text)
            for address in ("ben@example.org", "carl@example.org"):
                self.mailnode("mailbox", "add", address, "--password-stdin", input="x\n")
            between = self.boxes.read_text()
            self.mailnode("mailbox", "passwd", "ben@example.org", "--password-stdin", input="y\n")
            for address in ("ben@example.org", "carl@example.org"):
                self.mailnode("mailbox", "remove", address)
            self.assertEqual(self.boxes.read_text().strip(), text.strip())
            self.assertEqual(len(tomllib.loads(between)["mailboxes"]), text.count("password") + 2)

    def test_postmaster(self) -> None:
        """Whom `postmaster` names can still be added, and is not removed: after that no reload is taken."""
        self.path.write_text('postmaster = "anna@example.org"\n' + self.path.read_text())
        self.assertIn("add the mailbox", self.mailnode("check", code=1))
        for address in ("ben@example.org", "anna@example.org"):
            self.mailnode("mailbox", "add", address, "--password-stdin", input="secret\n")
        self.mailnode("check")
        said = self.mailnode("mailbox", "remove", "Anna@example.org", code=1)
        self.assertIn("anna@example.org is postmaster in mailnode.toml; name another there first", said)
        self.mailnode("check")

    def test_remove(self) -> None:
        """The mailbox goes, the comments and the mail stay, and where the mail lies is said."""
        text = COMMENTED.replace("HASH", HASHER.hash("old"))
        self.boxes.write_text(text)
        self.assertIn(
            "is no mailbox, alias or list", self.mailnode("mailbox", "remove", "anna@example.org", code=1)
        )
        self.assertEqual(self.boxes.read_text(), text)
        self.boxes.write_text(text.replace('"info', '# "info'))
        output = self.mailnode("mailbox", "remove", "anna@example.org")
        self.assertIn("Its mail stays in state/mail/example.org/anna", output)
        left = '# the office\n\n# the boss\n\n# shared names, do not touch\n[aliases]\n# "info@example.org" ='
        self.assertTrue(self.boxes.read_text().startswith(left), self.boxes.read_text())
        self.assertIn("there is no mailbox", self.mailnode("mailbox", "remove", "anna@example.org", code=1))

    def test_list(self) -> None:
        """Mailboxes, aliases and lists, for people and for programs."""
        self.assertIn("No mailbox yet", self.mailnode("mailbox", "list"))
        team = '[lists."team@example.org"]\nmembers = ["anna@example.org", "info@example.org"]\n'
        self.boxes.write_text(COMMENTED.replace("HASH", HASHER.hash("old")) + f'{team}name = "Us"\n')
        self.assertEqual(
            self.mailnode("mailbox", "list").splitlines(),
            [
                "anna@example.org  Anna",
                "info@example.org -> anna@example.org",
                "team@example.org => anna@example.org, info@example.org  Us",
            ],
        )
        self.assertEqual(
            json.loads(self.mailnode("mailbox", "list", "--json")),
            {
                "mailboxes": [
                    {"address": "anna@example.org", "name": "Anna", "maildir": "state/mail/example.org/anna"}
                ],
                "aliases": {"info@example.org": ["anna@example.org"]},
                "lists": {
                    "team@example.org": {
                        "members": ["anna@example.org", "info@example.org"],
                        "name": "Us",
                        "owner": "",
                        "posting": "open",
                        "moderators": [],
                        "unsubscribe": "",
                    }
                },
            },
        )

    def test_broken_configuration(self) -> None:
        """With mistakes in the files nothing is edited."""
        self.boxes.write_text("[aliases\n")
        self.assertIn("mailboxes.toml:1", self.mailnode("mailbox", "list", code=1))
        self.mailnode("mailbox", "add", "anna@example.org", "--password-stdin", input="x\n", code=1)


class Check(Commands):
    """mailnode check and mailnode reload."""

    def test_all_at_once(self) -> None:
        """Every mistake of both files in one run, with exit code 1."""
        self.init()
        self.path.write_text(self.path.read_text() + "[limit]\n")
        self.boxes.write_text('[mailboxes."x"]\npassword = "y"\n')
        output = self.mailnode("check", code=1)
        self.assertIn("limit: unknown key. Did you mean limits?", output)
        self.assertIn("mailboxes.toml:1: mailboxes.x: is not a mail address.", output)
        self.assertIn("mailboxes.toml:2: mailboxes.x.password: is not an argon2 hash", output)
        self.assertIn("3 mistakes", output)

    def test_json(self) -> None:
        """The same for programs."""
        self.init()
        self.assertEqual(json.loads(self.mailnode("check", "--json"))["mistakes"], [])
        self.path.write_text("x = 1\n")
        (mistake, *_) = json.loads(self.mailnode("check", "--json", code=1))["mistakes"]
        self.assertEqual(set(mistake), {"file", "line", "key", "text", "remedy"})

    def test_certificate(self) -> None:
        """The certificate is looked at too."""
        self.init()
        (self.path.parent / "tls/cert.pem").write_text("x")
        self.assertIn("tls/cert.pem:1: holds no certificate.", self.mailnode("check", code=1))

    def test_files_for_logins(self) -> None:
        """So are the authorities of clients, and the keys of tokens."""
        self.init()
        folder, text = self.path.parent, self.path.read_text()
        oauth = '[auth.oauth]\nkeys = "keys.json"\nissuer = "i"\naudience = "a"\n'
        for name in ("keys.json", "tls/clients.pem"):
            (folder / name).write_text("x")
            (folder / name).chmod(0o600)
        self.path.write_text(text.replace("[tls]\n", '[tls]\nclient_ca = "tls/clients.pem"\n'))
        self.assertIn("tls/clients.pem:1: holds no certificate.", self.mailnode("check", code=1))
        self.path.write_text(text + oauth)
        self.assertIn("keys.json:1: keys.json is no JWK set", self.mailnode("check", code=1))

    def test_missing_file(self) -> None:
        """A configuration that is not there is a mistake, not a traceback."""
        self.assertIn("mailnode.toml:1: cannot be read", self.mailnode("check", code=1))

    def test_not_running(self) -> None:
        """reload without a server says so."""
        self.init()
        self.assertIn("mailnode is not running", self.mailnode("reload", code=1))

    def answering(self, answer: dict[str, object]) -> None:
        """A server that gives one answer on the control socket."""
        (self.path.parent / "state").mkdir(exist_ok=True, mode=0o700)
        path = self.path.parent / "state/control.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(1)

        def one() -> None:
            connection, _ = listener.accept()
            with connection, listener:
                connection.recv(1000)
                connection.sendall(json.dumps(answer).encode() + b"\n")

        thread = threading.Thread(target=one)
        thread.start()
        self.addCleanup(thread.join)

    def test_reload(self) -> None:
        """What the server answers is told: taken, with warnings, or refused, with mistakes."""
        self.init()
        self.answering({"ok": True, "warnings": ["careful"]})
        self.assertEqual(self.mailnode("reload"), "warning: careful\nThe running server has taken it.\n")
        self.answering({"ok": False, "mistakes": ["x.toml:3: y: z"]})
        self.assertIn("x.toml:3: y: z", self.mailnode("reload", code=1))
        self.answering({"ok": False, "mistakes": ["x.toml:3: y: z"]})
        told = json.loads(self.mailnode("reload", "--json", code=1))
        self.assertEqual(told, {"ok": False, "warnings": [], "mistakes": ["x.toml:3: y: z"]})

    def test_edit_tells_the_server(self) -> None:
        """An edit is taken by the running server at once."""
        self.init()
        self.cheap()
        self.answering({"ok": True})
        output = self.mailnode("mailbox", "add", "anna@example.org", "--password-stdin", input="x\n")
        self.assertIn("The running server has taken it.", output)


class Demo(Commands):
    """mailnode demo."""

    def test_demo(self) -> None:
        """Makes what is missing, says what to type, and becomes twistd."""
        directory = self.folder / "var"
        output = self.run_command("demo", "--dir", str(directory)).output
        for piece in ("127.0.0.1:2525", "127.0.0.1:2993", "anna@example.test", "password: demo", "swaks"):
            self.assertIn(piece, output)
        twistd = os.path.join(os.path.dirname(sys.executable), "twistd")
        path = str(directory / "mailnode.toml")
        arguments = ["twistd", "-n", "--pidfile=", "mailnode", "--config", path, "--announce"]
        self.assertEqual(self.executed, [(twistd, arguments)])
        loaded = load(path, FileSystem())
        self.assertEqual(set(loaded.mailboxes.mailboxes), {"anna@example.test", "ben@example.test"})
        ports = [listener.endpoint.split(":")[1] for listener in loaded.config.listeners]
        self.assertEqual(ports, ["2525", "2587", "2465", "2110", "2995", "2143", "2993"])
        password = loaded.mailboxes.mailboxes["anna@example.test"].password
        self.assertTrue(HASHER.verify(password, "demo"))

    def test_second_run(self) -> None:
        """A second run keeps everything."""
        directory = self.folder / "var"
        self.run_command("demo", "--dir", str(directory), "--port-offset", "100")
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        before = [path.read_bytes() for path in files]
        output = self.run_command("demo", "--dir", str(directory)).output
        self.assertEqual([path.read_bytes() for path in files], before)
        self.assertEqual(len(files), 5)
        self.assertIn("127.0.0.1:2625", output)


class Words(SynchronousTestCase):
    """Help and documentation."""

    def commands(self) -> list[str]:
        """The names of all commands, "mailbox add" for one in a group."""
        names = []
        for name, command in cli.main.commands.items():
            if isinstance(command, click.Group):
                names += [f"{name} {inner}" for inner in command.commands]
            else:
                names.append(name)
        return names

    def test_help(self) -> None:
        """Each command's help has an example."""
        groups = [name for name, command in cli.main.commands.items() if isinstance(command, click.Group)]
        for name in ["", *groups, *self.commands()]:
            output = CliRunner().invoke(cli.main, [*name.split(), "--help"]).output
            self.assertIn("Example:\n", output, name)

    def test_documentation(self) -> None:
        """docs/commands.md has a section with an example for each command, and names every option."""
        text = (ROOT / "docs" / "commands.md").read_text()
        for name in self.commands():
            heads = (
                f"## mailnode {name}\n",
                f"## mailnode {name.split()[0]}\n",
            )  # one of its own, or its group's
            sections = [text.partition(head)[2].partition("\n## ")[0] for head in heads]
            own, groups = (section.partition("```\n")[2] for section in sections)
            self.assertTrue(own.startswith("mailnode ") or f"mailnode {name} " in groups, name)
        written = set(re.findall(r"--[a-z-]+", text))
        self.assertEqual(self.options() - written - {"--tls-files"}, set())

    def options(self) -> set[str]:
        """All options of all commands."""
        commands = list(cli.main.commands.values())
        for one in commands:
            if isinstance(one, click.Group):
                commands += one.commands.values()
        return {word for one in commands for option in one.params for word in option.opts if word[:2] == "--"}

    def test_consistent(self) -> None:
        """Every command that shows something can show it to programs, by the same option."""
        for name in self.commands():
            command: click.Command = cli.main
            for part in name.split():
                assert isinstance(command, click.Group)
                command = command.commands[part]
            shows = name.split()[-1] in ("list", "show", "check", "route", "dns", "doctor", "log", "explain")
            options = {word: option for option in command.params for word in option.opts}
            self.assertTrue("--json" in options or not shows, name)
            if "--json" in options:
                self.assertEqual(options["--json"].name, "as_json", name)

    def test_usage_error(self) -> None:
        """A wrong command line gives 2."""
        for arguments in (["nonsense"], ["mailbox", "add"], ["init"]):
            self.assertEqual(CliRunner().invoke(cli.main, arguments).exit_code, 2)

    def test_systemd_units(self) -> None:
        """The socket unit has seven sockets in the order that the service unit documents."""
        sockets = (ROOT / "etc/systemd/mailnode.socket").read_text()
        service = (ROOT / "etc/systemd/mailnode.service").read_text()
        ports = [line.partition("=")[2] for line in sockets.splitlines() if line.startswith("ListenStream")]
        listeners = Config().listeners
        self.assertEqual(ports, [listener.endpoint.removeprefix("tcp:") for listener in listeners])
        for index, (port, listener) in enumerate(zip(ports, listeners, strict=True)):
            expected = rf'#   {listener.protocol} +endpoint = "systemd:domain=INET6:index={index}"'
            self.assertRegex(service, rf'{expected} +tls = "{listener.tls}" +\(port {port}\)')
