"""`pyproject.toml`: its accessors, where the project lies, and the tables that hold settings.

Errors name the file, the key and what is allowed there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .settings import Lookup, Table, is_setting
from .shell import RecipeError

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

    def wrong_kind(self, key: str, kind: str) -> RecipeError:
        """The error that a key's value is of another kind than it must be."""
        value = self.data[key]
        return self.error(
            key, f"is {KINDS.get(type(value), 'a date or a number')}, and must be {kind}"
        )

    def table(self, *keys: str) -> Toml:
        """The table at `keys`, empty where there is none."""
        table = self
        for key in keys:
            if not isinstance(table.data.get(key, {}), dict):
                raise table.wrong_kind(key, "a table")
            table = table._replace(data=table.data.get(key, {}), keys=(*table.keys, key))
        return table

    def tables(self, key: str) -> list[Toml]:
        """The array of tables at `key`."""
        values = self.data.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.error(key, "must be an array of tables")
        return [self._replace(data=value, keys=(*self.keys, key)) for value in values]

    def string(self, key: str, pattern: str = r"[^\n\r]*", default: str = "") -> str:
        """The string at `key`, which must match `pattern`."""
        value = self.data.get(key, default)
        if not isinstance(value, str):
            raise self.wrong_kind(key, "a string")
        if key in self.data and not re.fullmatch(pattern, value):
            raise self.error(key, f"cannot be {value!r}")
        return value

    def integer(self, key: str) -> int:
        """The integer at `key`, which cannot be negative."""
        value = self.data.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong_kind(key, "an integer")
        if value < 0:
            raise self.error(key, f"cannot be {value!r}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """The array of strings at `key`, each of them one line that begins with a letter or digit."""
        values = self.data.get(key, [])
        if not isinstance(values, list):
            raise self.wrong_kind(key, "an array")
        for value in values:
            if not isinstance(value, str) or not value[:1].isalnum() or not value.isprintable():
                raise self.error(key, f"cannot hold {value!r}")
        return tuple(values)

    def items(self) -> dict[str, str]:
        """The table as names and strings, each of them one line."""
        for key, value in self.data.items():
            if not isinstance(value, str) or not (key + value).isprintable():
                raise self.error(key, f"cannot be {value!r}")
        return dict(self.data)


def parse_toml(file: Path | str, content: bytes) -> Toml:
    """The TOML in the content of `file`; `RecipeError` where it is none."""
    text = ""
    try:
        text = content.decode()
        return Toml(file, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        end = f"at line {len(text.splitlines())}, the end"
        reason = str(error).replace("at end of document", end)
        raise RecipeError(f"{file} is not valid TOML: {reason}; correct it there") from error


def read_toml(path: Path) -> Toml:
    """The TOML file at `path`, empty where there is none."""
    try:
        return parse_toml(path, path.read_bytes())
    except FileNotFoundError:
        return Toml(path)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}; check its mode") from error


class Location(NamedTuple):
    """Where a project lies, what named it, its `pyproject.toml` (or a script's), and its settings."""

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
    lookups = {"COSMO_SCRIPT": locate_script, "COSMO_PROJECT": locate_folder}
    for name, locate in lookups.items():
        text, source = Lookup(*given).find(name)
        if text is not None:
            return locate(here, text, source)
    root = project_root(here, (Lookup(*given).find("PKG")[0] or "").partition(".")[0])
    location = locate_folder(root, ".", "default")
    for table in location.tables:
        for name, locate in lookups.items():
            if name in table.values:
                other = next((key for key in table.values if is_setting(key) and key != name), "")
                if other:
                    problem = f"{other} beside {name} is not read; write it there where that leads"
                    raise RecipeError(f"{location.pyproject.file}: {problem}")
                text, source = Lookup(*given, *location.tables).expand(name)
                return locate(root, text or "", source)
    return location


def project_root(here: Path, top: str) -> Path:
    """The folder of the project that `here` is in; `top` is the package in the environment."""

    def nearest(*names: str) -> Path | None:
        above = (here, *here.parents)
        return next(
            (path for path in above if any((path / name).is_file() for name in names)), None
        )

    if top and any((here / name).exists() for name in (top, f"{top}.py", f"src/{top}")):
        return nearest("pyproject.toml") or here
    return nearest("pyproject.toml") or nearest("setup.py", "setup.cfg", "tasks.py") or here


def locate_folder(base: Path, folder: str, source: str) -> Location:
    """The project in `folder`, which is relative to `base`."""
    root = base / Path(folder).expanduser()
    if not folder or not root.is_dir():
        problem = f"no such folder: {root}; name a project's folder"
        raise RecipeError(f"COSMO_PROJECT={folder!r} ({source}): {problem}")
    root = root.resolve()
    pyproject = read_toml(root / "pyproject.toml")
    article = pyproject.table("tool", "ds", "scripts", "_", "env")
    tables = [settings_table(pyproject), as_variables(ARTICLE, article)]
    for keys, where in zip((("project",), ("tool", "poetry")), NAMED_BY):
        name = pyproject.table(*keys).data.get("name")
        if isinstance(name, str):
            tables.append(Table(where, {"PKG": re.sub(r"[-.]", "_", name)}))
    return Location(root, source, pyproject, tuple(tables))


def locate_script(base: Path, file: str, source: str) -> Location:
    """The script at `file`, relative to `base`, as a project in the script's folder."""
    path = base / Path(file).expanduser()
    if not path.is_file() or path.suffix != ".py":
        problem = "is no name of a Python file" if path.is_file() else "is no such file"
        problem = f"{path} {problem}; name a script, *.py"
        raise RecipeError(f"COSMO_SCRIPT={file!r} ({source}): {problem}")
    path = path.resolve()
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        blocks = [match["content"] for match in re.finditer(SCRIPT_BLOCK, text)]
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path} cannot be read: {error}; correct the file") from error
    if not blocks and re.search("(?m)^# /// script$", text):
        raise RecipeError(f"{path} has a `# /// script` block without an end; end it with `# ///`")
    if len(blocks) > 1:
        raise RecipeError(f"{path} has several `# /// script` blocks, where one may be; join them")
    lines = [line[2:] if line[1:2] == " " else line[1:] for line in "".join(blocks).split("\n")]
    data = parse_toml(f"the `# /// script` block of {path}", "\n".join(lines).encode())
    project = {
        key: data.data[key] for key in ("dependencies", "requires-python") if key in data.data
    }
    name = Table("the script's name", {"PKG": re.sub(r"[-.]", "_", path.stem)})
    tables = (settings_table(data, " of the script"), name)
    return Location(path.parent, source, Toml(path, {"project": project}), tables, path)


def settings_table(toml: Toml, owner: str = "") -> Table:
    """The table `[tool.cosmo.env]`; `RecipeError` for keys beside it, which nothing would read."""
    for key in toml.table("tool", "cosmo").data:
        if key != "env":
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
            raise toml.wrong_kind(name, "a string")
    return Table(source, values)
