"""The wheel and the source archive: what is in them, and that what is installed from them runs."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mailnode import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
_NOT_KEPT = shutil.ignore_patterns(
    ".git", ".venv", "var", "build", "dist", "*.egg-info", "_trial_temp*", ".*_cache", ".hypothesis", ".fuzz",
    "__pycache__", "dropin.cache",
)  # fmt: skip
_NOBODY = 65534
_SECONDS = 120.0
_TWISTD = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
# With a log from the beginning, as a server has, in which it says where it could not write its cache.
_LOGGED = "import sys; from twisted.python import log; log.startLogging(sys.stdout, setStdout=False); "
# Without an environment of its own: what the machine has must do, as nothing may come from elsewhere.
_BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def kept(*folders: str) -> set[str]:
    """The paths of all files below these folders, but for what programs leave there."""
    found: set[str] = set()
    for folder in folders:
        for directory, names, files in os.walk(ROOT / folder):
            names[:] = set(names) - {"__pycache__"} - _NOT_KEPT(directory, names)
            ours = set(files) - _NOT_KEPT(directory, files)
            found |= {os.path.relpath(os.path.join(directory, name), ROOT) for name in ours}
    return {path for path in found if not path.endswith((".pyc", ".pyo"))}


def run(*command: str, cwd: str) -> str:
    """What a command says, on both ways; AssertionError where it fails."""
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=_SECONDS, check=False, env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout[-3000:]}")
    return done.stdout


class Archives(SynchronousTestCase):
    """What `make dist` builds, from a copy of the checkout."""

    def setUp(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="mailnode-dist-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o755)
        self.copy = os.path.join(self.directory, "copy")
        shutil.copytree(ROOT, self.copy, ignore=_NOT_KEPT)

    def build(self, kind: str) -> str:
        """The path of an archive: `sdist` or `wheel`."""
        run(sys.executable, "-c", _BUILD, f"build_{kind}", self.directory, cwd=self.copy)
        ending = {"sdist": ".tar.gz", "wheel": ".whl"}[kind]
        (name,) = (one for one in os.listdir(self.directory) if one.endswith(ending))
        return os.path.join(self.directory, name)

    def test_source_archive(self) -> None:
        """It has all that the checkout has: the package, its tests and their data, documents and recipes."""
        with tarfile.open(self.build("sdist")) as archive:
            names = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
        folders = ("mailnode", "tests", "docs", "etc", "tools", "bench", "packaging", "twisted", ".ci")
        self.assertEqual(kept(*folders) - names, set())
        alone = {
            "LICENSE",
            "Makefile",
            "README.md",
            "CHANGES.md",
            "setup.cfg",
            "pyproject.toml",
            "mkdocs.yml",
        }
        self.assertEqual(alone - names, set())
        self.assertEqual({name for name in names if "__pycache__" in name or "dropin.cache" in name}, set())

    def test_wheel(self) -> None:
        """It has the whole package and twistd's plugin, nothing of Twisted's; its commands run anywhere."""
        wheel = self.build("wheel")
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
        ours = {name for name in names if ".dist-info/" not in name}
        self.assertEqual(ours, kept("mailnode") | {"twisted/plugins/mailnode_plugin.py"})
        self.assertIn("mailnode/py.typed", ours)
        shutil.rmtree(self.copy)
        empty = os.path.join(self.directory, "empty")
        os.mkdir(empty)
        packages = self.install(wheel)
        self.assert_commands(packages, empty)
        self.assert_plugin(packages, empty)

    def install(self, wheel: str) -> Path:
        """Install it beside what these tests run with, as its own dependencies would take a minute."""
        run(sys.executable, "-m", "venv", "--without-pip", self.room, cwd=self.directory)
        (packages,) = Path(self.room).glob("lib/python3*/site-packages")
        others = [path for path in sys.path if path.endswith("-packages")]
        (packages / "others.pth").write_text("".join(f"{path}\n" for path in others), encoding="utf-8")
        options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
        pip = (sys.executable, "-m", "pip", "--python", self.program("python"), "install")
        run(*pip, *options, wheel, cwd=self.directory)
        return packages

    @property
    def room(self) -> str:
        """The environment in which it is installed."""
        return os.path.join(self.directory, "room")

    def program(self, name: str) -> str:
        """The path of a program in it."""
        return os.path.join(self.room, "bin", name)

    def assert_commands(self, packages: Path, empty: str) -> None:
        """`mailnode` is what was installed, and answers."""
        where = run(self.program("python"), "-c", "import mailnode; print(mailnode.__file__)", cwd=empty)
        self.assertEqual(where.strip(), str(packages / "mailnode" / "__init__.py"))
        said = run(self.program("mailnode"), "--version", cwd=empty)
        self.assertEqual(said, f"mailnode, version {__version__}\n")
        self.assertIn("mailbox", run(self.program("mailnode"), "--help", cwd=empty))

    def assert_plugin(self, packages: Path, empty: str) -> None:
        """One look by who installed it makes twistd know it without a complaint, whoever asks."""
        cache = packages / "twisted" / "plugins" / "dropin.cache"
        self.assertFalse(cache.exists())
        self.assertIn("\n    mailnode  ", run(self.program("python"), "-c", _TWISTD, "--help", cwd=empty))
        self.assertTrue(cache.is_file())
        command = self.as_nobody(self.program("python"), "-c", _LOGGED + _TWISTD, "--help", cwd=empty)
        said = run(*command, cwd=empty)
        self.assertIn("Log opened", said)
        self.assertIn("\n    mailnode  ", said)
        for complaint in ("Unable to write", "Traceback"):
            self.assertNotIn(complaint, said)

    def as_nobody(self, *command: str, cwd: str) -> tuple[str, ...]:
        """The command of a user who may write nowhere, where we may become one who can read what we run."""
        another = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *command)
        tried = (*another[:-3], "-c", "import click, twisted")
        readable = os.geteuid() == 0 and not subprocess.run(tried, cwd=cwd, check=False).returncode
        return another if readable else command
