"""The project's folder, and the tables of its `pyproject.toml` that hold settings."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .console import Stop
from .layers import Layers, Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


SCRIPT_BLOCK = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
"""Metadata in a script's comments. Source: PEP 723, its reference implementation."""


class Project(NamedTuple):
    """A folder, what named it, what its `pyproject.toml` sets, most telling table first, and holds.

    For a script, `data` is what its metadata would be in a `pyproject.toml`.
    """

    root: Path
    source: str
    tables: tuple[Table, ...]
    data: dict[str, Any]
    script: Path | None = None

    @property
    def file(self) -> Path:
        """The file that `data` was read from, for an error message."""
        return self.script or self.root / "pyproject.toml"


def find_project(environ: Mapping[str, str], here: Path) -> Project:
    """The project to package: COSMO_SCRIPT or COSMO_PROJECT, else that at or above `here`.

    The nearest `pyproject.toml` counts, which may itself send on with one of these, once. Without
    any, it is `here`, if PKG is there, else where the nearest `setup.py`, `setup.cfg` or `tasks.py`
    lies. Raises `Stop` for what is not there and a file that is no TOML.
    """
    for name, become in (("COSMO_SCRIPT", scripted_project), ("COSMO_PROJECT", named_project)):
        if name in environ:
            return become(here, environ[name], "environment")
    root = project_root(here, environ.get("PKG", "").partition(".")[0])
    found = named_project(root, ".", "default")
    for source, names in found.tables:
        for name, become in (("COSMO_SCRIPT", scripted_project), ("COSMO_PROJECT", named_project)):
            if name in names:
                beside = [other for other in names if is_setting(other) and other != name]
                if beside:
                    told = f"{beside[0]} beside {name} is not read"
                    raise Stop(f"{found.file}: {told}; write it there where {name} leads")
                value = Layers(Table("environment", environ), *found.tables).expanded(name)
                return become(root, value.text or "", source)
    return found


def project_root(here: Path, top: str) -> Path:
    """Where the project begins that `here` is in; `top` is the package in the environment."""

    def nearest(*marks: str) -> Path | None:
        above = (here, *here.parents)
        return next((each for each in above if any((each / it).is_file() for it in marks)), None)

    if top and any((here / name).exists() for name in (top, f"{top}.py", f"src/{top}")):
        return nearest("pyproject.toml") or here
    return nearest("pyproject.toml") or nearest("setup.py", "setup.cfg", "tasks.py") or here


def named_project(base: Path, folder: str, source: str) -> Project:
    """The project in `folder`, which is relative to `base`."""
    root = base / Path(folder).expanduser()
    if not folder or not root.is_dir():
        raise Stop(
            f"COSMO_PROJECT={folder!r} ({source}): no such folder: {root}; name a project's folder"
        )
    root = root.resolve()
    path = root / "pyproject.toml"
    try:
        data = parse_toml(path, path.read_bytes())
    except FileNotFoundError:
        return Project(root, source, (), {})
    except OSError as error:
        raise Stop(f"{path} cannot be read: {error.strerror}; see to its mode") from error
    tables = [*settings_tables(path, "", data), texts_at(path, ARTICLES, data, *ARTICLES_KEYS)]
    for keys in (("project",), ("tool", "poetry")):
        name = table_at(path, data, *keys).get("name")
        if isinstance(name, str):
            source_of_name = f"[{'.'.join(keys)}] name"
            tables.append(pkg_table(source_of_name, name))
    return Project(root, source, tuple(tables), data)


def scripted_project(base: Path, file: str, source: str) -> Project:
    """The script at `file`, relative to `base`, as a project in the script's folder."""
    path = base / Path(file).expanduser()
    if not path.is_file() or path.suffix != ".py":
        wrong = "is no name of a Python file" if path.is_file() else "is no such file"
        raise Stop(f"COSMO_SCRIPT={file!r} ({source}): {path} {wrong}; name a script, *.py")
    path = path.resolve()
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        blocks = [match["content"] for match in re.finditer(SCRIPT_BLOCK, text)]
    except (OSError, ValueError) as error:
        raise Stop(f"{path} cannot be read: {error}; see to the file") from error
    if not blocks and re.search("(?m)^# /// script$", text):
        raise Stop(f"{path} has a `# /// script` block without an end; end it with `# ///`")
    if len(blocks) > 1:
        raise Stop(f"{path} has several `# /// script` blocks, where one may be; join them")
    lines = [
        line[2:] if line.startswith("# ") else line[1:] for line in "".join(blocks).split("\n")
    ]
    data = parse_toml(f"the `# /// script` block of {path}", "\n".join(lines).encode())
    project = {key: data[key] for key in ("dependencies", "requires-python") if key in data}
    tables = (
        *settings_tables(path, " of the script", data),
        pkg_table("the script's name", path.stem),
    )
    return Project(path.parent, source, tables, {"project": project}, path)


def pkg_table(source: str, name: str) -> Table:
    """PKG where it follows from a name, in which `-` and `.` stand for `_`."""
    return Table(source, {"PKG": re.sub(r"[-.]", "_", name)})


ARTICLES_KEYS = ("tool", "ds", "scripts", "_", "env")
ARTICLES = "[tool.ds.scripts] _.env"


def settings_tables(path: Path, whose: str, data: dict[str, Any]) -> tuple[Table]:
    """Our own table of settings; `Stop` for keys beside it, which nobody would read."""
    stray = [key for key in table_at(path, data, "tool", "cosmo") if key != "env"]
    if stray:
        raise Stop(f"{path}: tool.cosmo.{stray[0]} is not read; write it under [tool.cosmo.env]")
    return (texts_at(path, f"[tool.cosmo.env]{whose}", data, "tool", "cosmo", "env"),)


def parse_toml(path: Path | str, content: bytes) -> dict[str, Any]:
    """What the TOML of `path` holds; `Stop` where it is none."""
    text = ""
    try:
        text = content.decode()
        return tomllib.loads(text)
    except ValueError as error:
        end = f"at line {len(text.splitlines())}, the end"
        why = str(error).replace("at end of document", end)
        raise Stop(f"{path} is not valid TOML: {why}; correct it there") from error


def table_at(path: Path, data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table at `keys`, empty where there is none; `Stop` for a value that is no table."""
    for place, key in enumerate(keys, 1):
        data = data.get(key, {})
        if not isinstance(data, dict):
            name = ".".join(keys[:place])
            raise Stop(
                f"{path}: {name} is {toml_kind(data)}, and must be a table; correct it there"
            )
    return data


def texts_at(path: Path, source: str, data: dict[str, Any], *keys: str) -> Table:
    """The table at `keys` as environment variables: strings; numbers and booleans are spelt out.

    What else it holds is left out, but for a setting, which must be one of these.
    """
    found: dict[str, str] = {}
    for name, value in table_at(path, data, *keys).items():
        if isinstance(value, (str, int, float)):
            found[name] = str(int(value) if isinstance(value, bool) else value)
        elif is_setting(name):
            where = ".".join((*keys, name))
            raise Stop(
                f"{path}: {where} is {toml_kind(value)}, and must be a string; correct it there"
            )
    return Table(source, found)


def is_setting(name: str) -> bool:
    """Whether `name` is, or looks like, one of ours."""
    return name in ("PKG", "DIR_SITE") or name.startswith("COSMO_")


def toml_kind(value: object) -> str:
    """What TOML calls the type of `value`, with its article."""
    names = {dict: "table", list: "array", str: "string", int: "integer", bool: "boolean"}
    name = names.get(type(value), type(value).__name__)
    return f"an {name}" if name[0] in "aio" else f"a {name}"
