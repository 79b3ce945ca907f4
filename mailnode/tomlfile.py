"""A TOML file read into dataclasses, with every mistake found at once and the line it stands on.

tomllib keeps no positions, so the lines are found by a second, lenient look at the text, and only when
somebody asks. What a value must be is written at the field: its type, and functions in Annotated[...] that
take the value and give it back, put right, or raise Fault. A broken value is reported and left out, its
default takes its place, and reading goes on; that is how one run finds everything.
"""

import copy
import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import takewhile
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import cattrs
from cattrs.cols import homogenous_tuple_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from mailnode.values import frozen

T = TypeVar("T")
Path = tuple[str | int, ...]
Hook = Callable[[Any, Any], Any]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_TABLE = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]")
_VALUE = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_TOKEN = re.compile(  # what may hide or open a multi-line string: whole strings, a comment, an open one
    r'''(?P<open>"""|\'{3})(?:(?P<close>.*?(?P=open))|.*)|"(?:\\.|[^"\\])*"|'[^']*'|#.*'''
)
_POSITION = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")
_NAMES = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number with a fraction",
    bool: "true or false",
    list: "an array [...]",
    dict: "a table",
}


@frozen
class Mistake:
    """One thing wrong in a file: where (line counts from 1), what, and what to do about it."""

    file: str
    line: int
    key: str
    text: str
    remedy: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {key}{self.text}. {self.remedy}"


class ConfigurationError(Exception):
    """The configuration cannot be used; `mistakes` holds all that is wrong."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


class Fault(ValueError):
    """What is wrong with one value, and the remedy; both without a full stop inside a sentence of ours."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text, remedy)
        self.text = text
        self.remedy = remedy


@frozen
class FromText:
    """In Annotated: the value is written as text, or perhaps as a number, and this makes the value of it."""

    read: Callable[[str], Any]
    or_number: bool = False


class TomlFile:
    """One file's content, and the mistakes and warnings found in it so far.

    Text that is not UTF-8 or not TOML is the first mistake; the content is then empty and `readable` false.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []
        self.broken: set[Path] = set()
        self.content: dict[str, Any] = {}
        self.written: dict[str, dict[str, str]] = {}  # how names are written, by table (config_names)
        self._lines: dict[Path, int] | None = None
        self._text = ""
        self.readable = self._parse(data)

    def structure(self, shape: type[T]) -> T:
        """The content as a dataclass; broken values are reported and have their defaults."""
        content = self.content
        while True:
            try:
                return _CONVERTER.structure(content, shape)
            except BaseValidationError as error:
                faults = list(_faults(error))
            if content is self.content:
                content = copy.deepcopy(content)
            for path, fault in faults:
                self.mistake(path, fault.text, fault.remedy)
                _prune(content, path[:-1] if isinstance(fault, _Missing) else path)
            self.broken.update(path for path, _ in faults)

    def mistake(self, path: Path, text: str, remedy: str) -> None:
        """Report what is wrong at a key, unless something was found wrong with that key before."""
        if not self.is_broken(path):
            self.mistakes.append(self._at(path, text, remedy))

    def warning(self, path: Path, text: str, remedy: str) -> None:
        """Report what will work, but perhaps not as meant."""
        self.warnings.append(self._at(path, text, remedy))

    def _at(self, path: Path, text: str, remedy: str) -> Mistake:
        return Mistake(self.name, self.line(path), key_name(path), text, remedy)

    def line(self, path: Path) -> int:
        """The line of a key, or of the nearest table around it; 1 where there is neither."""
        if self._lines is None:
            self._lines = find_lines(self._text)
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def is_broken(self, path: Path) -> bool:
        """Whether something was found wrong with this key, what is around it, or what is in it."""
        return any(path[: len(one)] == one[: len(path)] for one in self.broken)

    def _parse(self, data: bytes) -> bool:
        try:
            self._text = data.decode()
            self.content = tomllib.loads(self._text)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self.mistakes.append(Mistake(self.name, line, "", "not UTF-8 text", "Save the file as UTF-8."))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            position = _POSITION.search(str(error))
            last = self._text.rstrip().count("\n") + 1
            line = int(position[1]) if position and position[1] else last
            text = _POSITION.sub("", str(error)).rstrip(".")
            remedy = 'Texts stand in quotes, lists in [ ], and each key is given once: key = "value".'
            self.mistakes.append(Mistake(self.name, line, "", text, remedy))
        else:
            return True
        return False


def key_name(path: Path) -> str:
    """A path as one would write it: `listener[0].endpoint`, `mailboxes."anna@example.org".name`."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            name += ("." if name else "") + (
                part if bare else '"' + part.encode("unicode_escape").decode() + '"'
            )
    return name


def find_lines(text: str) -> dict[Path, int]:
    """The line of every table header and key; lines inside multi-line strings are passed over."""
    found: dict[Path, int] = {}
    prefix: Path = ()
    counts: dict[Path, int] = {}
    quotes = ""
    for number, line in enumerate(text.split("\n"), 1):
        if quotes:
            quotes = "" if quotes in line else quotes
            continue
        if header := _TABLE.match(line):
            prefix = _resolve(_keys(header[2]), counts)
            if header[1] == "[[":
                counts[prefix] = counts.get(prefix, -1) + 1
                found.setdefault(prefix, number)
                prefix = (*prefix, counts[prefix])
            found.setdefault(prefix, number)
        elif value := _VALUE.match(line):
            found.setdefault(prefix + _keys(value[1]), number)
            tokens = _TOKEN.finditer(line, value.end())
            quotes = next((token["open"] for token in tokens if token["open"] and not token["close"]), "")
    return found


def _keys(dotted: str) -> Path:
    """The parts of a dotted key; tomllib itself takes the quotes and escapes away."""
    try:
        content: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(content, dict):
        ((key, content),) = content.items()
        path.append(key)
    return tuple(path)


def _resolve(keys: Path, counts: Mapping[Path, int]) -> Path:
    """A header's path, each array of tables on the way standing for its latest element."""
    path: Path = ()
    for key in keys[:-1]:
        path = (*path, key)
        path = (*path, counts[path]) if path in counts else path
    return path + keys[-1:]


def _prune(content: Any, path: Path) -> None:
    """Take the entry at a path away; inside an array the whole array, as indexes must not shift."""
    keys = list(takewhile(lambda part: isinstance(part, str), path))
    for key in keys[:-1]:
        content = content.get(key) if isinstance(content, dict) else None
    if isinstance(content, dict):
        content.pop(keys[-1], None)


# What cattrs found, as faults


class _Missing(Fault):
    """A required key that is not there; what must go is the table without it."""


def _faults(error: BaseValidationError, path: Path = ()) -> Iterator[tuple[Path, Fault]]:
    """Every fault in cattrs' tree of errors, with its path; the tree is as deep as our dataclasses."""
    for inner in error.exceptions:
        there = path + _step(inner, error.cl)
        if isinstance(inner, BaseValidationError):
            yield from _faults(inner, there)
        elif isinstance(inner, ForbiddenExtraKeysError):
            for key in sorted(inner.extra_fields):
                yield (*there, key), _unknown_key(key, inner.cl)
        elif isinstance(inner, Fault):
            yield there, inner
        elif isinstance(inner, KeyError):
            yield there, _Missing("is missing", f"Add a line {there[-1]} = ... here.")
        else:
            yield there, Fault("cannot be read", "Compare it with etc/mailnode.toml.")


def _step(error: Exception, shape: type) -> Path:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, IterableValidationNote):
            return (note.index,)
        if isinstance(note, AttributeValidationNote):
            return (_toml_keys(shape)[note.name],)
    return ()


def _unknown_key(key: str, shape: type) -> Fault:
    known = list(_toml_keys(shape).values())
    close = difflib.get_close_matches(key, known, n=1)
    remedy = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(sorted(known))}."
    return Fault("unknown key", remedy)


def _toml_keys(shape: type) -> dict[str, str]:
    """Attribute names and the keys they have in the file; they differ where metadata says so."""
    return {field.name: field.metadata.get("key", field.name) for field in fields(shape)}


# How cattrs is to read: nothing is coerced, a table is a table, a list is a list


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        was = _NAMES.get(type(value), "something else")
        raise Fault(f"must be {_NAMES[kind]}, not {was}", f"Write {_NAMES[kind]} here.")
    return value


def _only(kind: type, hook: Hook) -> Hook:
    return lambda value, shape: hook(_exactly(value, kind), shape)


def _choice(shape: Any, converter: cattrs.Converter) -> Hook:
    allowed = get_args(shape)

    def hook(value: Any, _: Any) -> Any:
        if type(value) is not str or value not in allowed:
            close = difflib.get_close_matches(str(value), allowed, n=1)
            hint = f' Did you mean "{close[0]}"?' if close else ""
            raise Fault(
                "not a known choice", "Use one of: " + ", ".join(f'"{one}"' for one in allowed) + f".{hint}"
            )
        return value

    return hook


def _annotated(shape: Any, converter: cattrs.Converter) -> Hook:
    kind, *checks = get_args(shape)
    if isinstance(checks[0], FromText):
        return _from_text(checks[0])
    inner = converter.get_structure_hook(kind)

    def hook(value: Any, _: Any) -> Any:
        value = inner(value, kind)
        for check in checks:
            value = check(value)
        return value

    return hook


def _from_text(form: FromText) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        if form.or_number and type(value) not in (int, str):
            was = _NAMES.get(type(value), "something else")
            raise Fault(
                f"must be a whole number or a text in quotes, not {was}", "Write one of the two here."
            )
        return form.read(str(value) if form.or_number else _exactly(value, str))

    return hook


def _table(shape: Any, converter: cattrs.Converter) -> Hook:
    names = {name: override(rename=key) for name, key in _toml_keys(shape).items() if name != key}
    inner: Hook = make_dict_structure_fn(
        shape,
        converter,
        _cattrs_forbid_extra_keys=True,
        **names,  # type: ignore[arg-type]  # the rest are overrides
    )
    return _only(dict, inner)


def _is(origin: Any) -> Callable[[Any], bool]:
    return lambda shape: get_origin(shape) is origin


def _array(shape: Any, converter: cattrs.Converter) -> Hook:
    return _only(list, homogenous_tuple_structure_factory(shape, converter))


def _mapping(shape: Any, converter: cattrs.Converter) -> Hook:
    """Unlike cattrs' own it looks at the keys also where the values are wrong."""
    kinds = get_args(shape)

    def hook(value: Any, _: Any) -> Any:
        errors: list[Exception] = []
        items: list[list[Any]] = []
        readers = [(kind, converter.get_structure_hook(kind)) for kind in kinds]
        for item in _exactly(value, dict).items():
            items.append([])
            for part, (kind, read) in zip(item, readers, strict=True):
                try:
                    items[-1].append(read(part, kind))
                except Exception as error:
                    error.add_note(IterableValidationNote("", item[0], kind))
                    errors.append(error)
        if errors:
            raise IterableValidationError("a table has wrong entries", errors, shape)
        return dict(items)

    return hook


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook_factory(_is(Literal), _choice)
    converter.register_structure_hook_factory(_is(tuple), _array)
    converter.register_structure_hook_factory(_is(Mapping), _mapping)
    converter.register_structure_hook_factory(is_dataclass, _table)
    converter.register_structure_hook_factory(_is(Annotated), _annotated)
    return converter


_CONVERTER = _make_converter()
