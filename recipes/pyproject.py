"""`pyproject.toml`: its accessors, where the project lies, and the tables that hold settings.

Errors name the file, the key and what is allowed there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .parsers import is_reserved
from .settings import SETTINGS, Settings, Table, is_setting, nearest_setting
from .shell import RecipeError, exit_on_error

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ARTICLE = "[tool.ds.scripts] _.env"
NAMED_BY = ("[project] name", "[tool.poetry] name")
SCRIPT_BLOCK = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
"""Metadata in a script's comments. Source: PEP 723, its reference implementation."""

KINDS = {dict: "a table", list: "an array", str: "a string", bool: "a boolean", int: "an integer"}


class Toml(NamedTuple):
    """A table of a TOML file: the file it is from, its data, and the keys that lead to it."""

    file: Path | str
    data: Mapping[str, Any] = {}
    keys: tuple[str, ...] = ()
    remedy: str = "correct it there"

    def error(self, key: str, problem: str) -> RecipeError:
        """The error that there is something wrong with a key."""
        return RecipeError(f"{self.file}: {'.'.join((*self.keys, key))} {problem}; {self.remedy}")

    def get(self, key: str, kind: type, default: Any) -> Any:
        """The value at `key`, which must be of a kind, else `default`."""
        value = self.data.get(key, default)
        if type(value) is not kind:
            found = KINDS.get(type(value), "a date or a number")
            raise self.error(key, f"is {found}, and must be {KINDS[kind]}")
        return value

    def table(self, *keys: str) -> Toml:
        """The table at `keys`, empty where there is none."""
        table = self
        for key in keys:
            table = table._replace(data=table.get(key, dict, {}), keys=(*table.keys, key))
        return table

    def tables(self, key: str) -> list[Toml]:
        """The array of tables at `key`."""
        values = self.get(key, list, [])
        if not all(isinstance(value, dict) for value in values):
            raise self.error(key, "must hold tables")
        return [self._replace(data=value, keys=(*self.keys, key)) for value in values]

    def string(self, key: str, pattern: str = r"[^\n\r]*", default: str | None = "") -> str:
        """The string at `key`, which must match `pattern`; without a default, it must be there."""
        if key not in self.data and default is None:
            raise self.error(key, "is missing")
        value: str = self.get(key, str, default)
        if key in self.data and not re.fullmatch(pattern, value):
            raise self.error(key, f"cannot be {value!r}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """The array at `key` of strings, each of one line that begins with a letter or digit."""
        values = self.get(key, list, [])
        for value in values:
            if not isinstance(value, str) or not value[:1].isalnum() or not value.isprintable():
                raise self.error(key, f"cannot hold {value!r}")
        return tuple(values)

    def items(self) -> dict[str, str]:
        """The table as names and strings, each of one line."""
        for key, value in self.data.items():
            if not isinstance(value, str) or not (key + value).isprintable():
                raise self.error(key, f"cannot be {value!r}")
        return dict(self.data)


def parse_toml(file: Path | str, content: bytes, remedy: str = "correct it there") -> Toml:
    """The TOML in the content of `file`; `RecipeError` where it is none, with the remedy."""
    text = ""
    try:
        text = content.decode()
        return Toml(file, tomllib.loads(text), remedy=remedy)
    except (ValueError, RecursionError) as error:
        end = f"at line {len(text.splitlines())}, the end"
        reason = str(error).replace("at end of document", end)
        raise RecipeError(f"{file} is not valid TOML: {reason}; {remedy}") from error


def read_toml(path: Path, remedy: str = "correct it there") -> Toml:
    """The TOML file at `path`, empty where there is none; errors in it end in the remedy."""
    with exit_on_error(f"{path} cannot be read"):
        content = path.read_bytes() if path.exists() else b""
        return parse_toml(path, content, remedy)


class Location(NamedTuple):
    """Where a project lies, what named it, its `pyproject.toml` (or a script's), its settings."""

    root: Path
    source: str
    pyproject: Toml
    tables: tuple[Table, ...]
    script: Path | None = None


def locate_project(here: Path, *given: Table) -> Location:
    """The project that COSMO_SCRIPT or COSMO_PROJECT names, else that at or above `here`.

    The nearest `pyproject.toml` counts, which may itself send on with one of these, once. Without
    any, it is `here`, if PKG is in it, else where the nearest `setup.py`, `setup.cfg` or `tasks.py`
    lies.
    """

    def nearest(*names: str) -> Path | None:
        folders = (here, *here.parents)
        return next((path for path in folders if any((path / n).is_file() for n in names)), None)

    locators = {"COSMO_SCRIPT": locate_script, "COSMO_PROJECT": locate_folder}
    settings = Settings(here, *given)
    for name, locate in locators.items():
        text, source = settings.find(name)
        if text is not None:
            return locate(here, text, source)
    top = (settings.find("PKG")[0] or "").partition(".")[0]
    is_here = top and any((here / name).exists() for name in (top, f"{top}.py", f"src/{top}"))
    root = nearest("pyproject.toml")
    root = root or (here if is_here else nearest("setup.py", "setup.cfg", "tasks.py") or here)
    location = locate_folder(root, ".", "default")
    for table in location.tables:
        for name in locators.keys() & table.values.keys():
            for other in filter(is_setting, table.values.keys() - {name}):
                problem = f"{other} beside {name} is not read; write it there where that leads"
                raise RecipeError(f"{location.pyproject.file}: {problem}")
            value = Settings(root, *given, *location.tables).value(name)
            return locators[name](root, value.text or "", value.source)
    return location


def locate_folder(base: Path, folder: str, source: str) -> Location:
    """The project in `folder`, which is relative to `base`."""
    root = base / Path(folder).expanduser()
    if not folder or not root.is_dir():
        problem = f"no such folder: {root}; name a project's folder"
        raise RecipeError(f"COSMO_PROJECT={folder!r} ({source}): {problem}")
    root = root.resolve()
    pyproject = read_toml(root / "pyproject.toml")
    article = pyproject.table("tool", "ds", "scripts", "_", "env")
    tables = [settings_table(pyproject, ""), as_variables(ARTICLE, article)]
    for keys, where in zip((("project",), ("tool", "poetry")), NAMED_BY):
        name = pyproject.table(*keys).data.get("name")
        tables += [name_table(where, name)] if isinstance(name, str) else []
    return Location(root, source, pyproject, tuple(tables))


def check_names(location: Location, given: tuple[Table, ...]) -> None:
    """Check the names in the tables of settings: what looks like a setting is to be one.

    In `[tool.cosmo.env]` all is refused that is neither a setting nor expanded in one; elsewhere,
    where others have their names too, only what is much like one.
    """
    texts = [text for table in location.tables for text in table.values.values()]
    used = set(re.findall(r"\$\{?(\w+)", "\n".join(texts)))
    for table in (*given, *location.tables):
        for name in sorted(table.values.keys() - SETTINGS.keys() - used):
            is_own = table is location.tables[0]
            if not is_own and not is_setting(name):
                continue
            near = nearest_setting(name, 0.6 if is_own else 0.8)
            if is_own or near:
                place = "" if table in given else f"{location.pyproject.file}: "
                also = f" did you mean {near}?" if near else ""
                problem = f"{place}{name} ({table.source}) is no setting;{also}"
                raise RecipeError(f"{problem} `invoke cosmo.settings` lists them")


def locate_script(base: Path, file: str, source: str) -> Location:
    """The script at `file`, relative to `base`, as a project in the script's folder."""
    path = (base / Path(file).expanduser()).resolve()
    if not path.is_file():
        problem = f"{path} is no such file; name a script"
        raise RecipeError(f"COSMO_SCRIPT={file!r} ({source}): {problem}")
    with exit_on_error(f"{path} cannot be read"):
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    blocks = [match["content"] for match in re.finditer(SCRIPT_BLOCK, text)]
    if not blocks and re.search("(?m)^# /// script$", text):
        raise RecipeError(f"{path} has a `# /// script` block without an end; end it with `# ///`")
    if len(blocks) > 1:
        raise RecipeError(f"{path} has several `# /// script` blocks, where one may be; join them")
    content = re.sub("(?m)^# ?", "", "".join(blocks)).encode()
    toml = parse_toml(f"the `# /// script` block of {path}", content)
    keys = {"dependencies", "requires-python"} & toml.data.keys()
    metadata = Toml(path, {"project": {key: toml.data[key] for key in keys}})
    pkg = Table("the script's name", {"PKG": script_module(path.stem)})
    tables = settings_table(toml, " of the script"), pkg
    return Location(path.parent, source, metadata, tables, path)


def script_module(stem: str) -> str:
    """The module that a script becomes: its name, where that is an identifier and not Python's."""
    name = re.sub(r"\W", "_", stem)
    here = (path.stem for path in Path(os.__file__).parent.iterdir())  # before Python 3.10
    library = getattr(sys, "stdlib_module_names", None) or set(here)
    taken = is_reserved(name) or name == "__main__" or name in library
    return name if name.isidentifier() and not taken else f"script_{name}"


def name_table(source: str, name: str) -> Table:
    """PKG where it follows from a name, in which `-` and `.` stand for `_`."""
    return Table(source, {"PKG": re.sub(r"[-.]", "_", name)})


def settings_table(toml: Toml, owner: str) -> Table:
    """The table `[tool.cosmo.env]`; `RecipeError` for keys beside it, which nothing would read."""
    for key in toml.table("tool", "cosmo").data.keys() - {"env"}:
        problem = f"tool.cosmo.{key} is not read; write it under [tool.cosmo.env]"
        raise RecipeError(f"{toml.file}: {problem}")
    return as_variables(f"[tool.cosmo.env]{owner}", toml.table("tool", "cosmo", "env"))


def as_variables(source: str, toml: Toml) -> Table:
    """A table as environment variables: strings; numbers and booleans are spelt out.

    What else it holds is left out, but for a setting, which must be one of these.
    """
    values: dict[str, str] = {}
    for name, value in toml.data.items():
        if isinstance(value, (str, int, float)):
            values[name] = str(int(value) if isinstance(value, bool) else value)
        elif is_setting(name):
            toml.get(name, str, "")
    return Table(source, values)
