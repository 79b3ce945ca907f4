"""Imports point down the floors of setup.cfg, and nobody but service.py touches the global reactor."""

import ast
import configparser
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent


def floors() -> list[list[str]]:
    """The layers of the import contract, from the top; the rooms of one floor together."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["importlinter:contract:floors"]["layers"].split("\n")
    return [[room.strip() for room in line.split("|")] for line in lines if line.strip()]


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All that stands in a file."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path) -> Iterator[str]:
    """The modules a file imports, anywhere in it."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    """The dotted name of a file of the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


class FloorTests(SynchronousTestCase):
    """The plan of the house, held against the code."""

    def setUp(self) -> None:
        self.files = sorted((ROOT / "mailnode").rglob("*.py"))
        self.floor_of = {room: number for number, rooms in enumerate(floors()) for room in rooms}

    def room(self, module: str) -> str | None:
        """The room a module stands in."""
        return next((room for room in self.floor_of if module == room or module.startswith(room + ".")), None)

    def test_every_module_has_a_floor(self) -> None:
        """No module stands outside the plan."""
        homeless = [
            name for path in self.files if not self.room(name := module_name(path)) and name != "mailnode"
        ]
        self.assertEqual(homeless, [])

    def test_imports_point_down(self) -> None:
        """An import stays in its room or goes to a lower floor, never up or sideways."""
        wrong = []
        for path in self.files:
            mine = self.room(module_name(path))
            for imported in imports(path):
                other = self.room(imported)
                if mine and other and other != mine and self.floor_of[other] <= self.floor_of[mine]:
                    wrong.append(f"{module_name(path)} imports {imported}")
        self.assertEqual(wrong, [])

    def test_no_global_reactor(self) -> None:
        """The reactor is handed in."""
        users = [
            module_name(path) for path in self.files if "twisted.internet.reactor" in list(imports(path))
        ]
        self.assertEqual(users, ["mailnode.service", "mailnode.worker"])

    def test_one_module_touches_files(self) -> None:
        """open(), os.rename() and their kind stand in fs.py only; sqlite3 and sockets are no files."""
        banned = {
            "open",
            "rename",
            "replace",
            "link",
            "unlink",
            "remove",
            "mkdir",
            "makedirs",
            "rmdir",
            "fsync",
            "chmod",
            "fchmod",
            "chown",
            "fchown",
            "utime",
            "truncate",
            "listdir",
            "scandir",
            "stat",
            "lstat",
        }
        users = []
        for path in self.files:
            if path.name == "fs.py":
                continue
            for node in nodes(path):
                if not isinstance(node, ast.Call):
                    continue
                called = node.func
                by_os = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)
                if by_os and called.value.id == "os" and called.attr in banned:
                    users.append(f"{path.name}:{node.lineno}")
                if isinstance(called, ast.Name) and called.id == "open":
                    users.append(f"{path.name}:{node.lineno}")
        self.assertEqual(users, [])
