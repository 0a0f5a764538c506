"""Programs that run in the fetched interpreter, by path: `sh dist/cosmo/python FILE MODE ...`.

    target [SPECIFIERS]            print uv's options for this interpreter; refuse another Python
    select PYLOCK FOLDER [HASHED]  part a lock file into those that uv is to install from
    purify WORK LAYER PROGRAM SUFFIX
                                   make what is installed in a layer fit for the executable
    own PACKED LAYER PROGRAM SUFFIX [PYPROJECT INFO]
                                   make the program fit for it, and write its metadata
    check PACKED LAYER PROGRAM SPECIFIERS ROOT ...
                                   check that what starts can, and that this Python suits
    imports PACKED LAYER           import what starts
    unused PYTHON PACKED LAYER KEPT [STARTED ...]
                                   print what of the library in a file is not needed, for zip

FILE is this folder; in a vendored file, which holds all of it, that file itself. The standard
library alone is imported, and of the interpreter's own pip, `packaging` and (before Python 3.11)
`tomli`. A refusal is one line on standard error.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

if not __package__:  # run by its path
    sys.path[0] = os.path.dirname(os.path.abspath(sys.path[0]))
    __package__, __spec__ = "inside", None
    import_module("inside.purify")
    import_module("inside.start")
    del sys.path[0]

from .distribution import find_dists, requirements_lines
from .library import print_unused
from .purify import check_program, purify, remove_installer_files
from .start import check_python, check_start, import_started

if __spec__ is None:  # the program may have a package of that name
    for known in [name for name in sys.modules if name.partition(".")[0] == "inside"]:
        del sys.modules[known]


def target(specifiers: str = "") -> None:
    """Print the options by which uv installs for this interpreter; exit if it is another Python."""
    check_python(specifiers)
    print("--python-version {}.{}.{} --python-platform linux".format(*sys.version_info))


def choose_forms(pylock: str, folder: str, hashed: str = "") -> None:
    """Part a lock file into those to install from, in `folder`.

    `pylock.wheels.toml` has each package of which there is a pure wheel, with that alone, or no
    sdist. Of each other one, `pylock.sdist-NAME.toml` has the sdist, to be built without a
    compiler, and `pylock.any-NAME.toml` all that there is, for where that fails. `forms` notes what
    was chosen in place of a wheel with extension modules. `target.refresh` has what makes uv build
    what is a folder: of that uv looks at the time of its metadata alone. `hashed` is a requirements
    file: what it gives hashes of must have one of these.
    """
    packages = load_toml(pylock).get("packages", [])
    hashes = required_hashes(hashed)
    chosen, forms = [], []
    for number, package in enumerate(packages):
        name, version = package["name"], package.get("version", "")
        anchor_paths(package, os.path.dirname(os.path.abspath(pylock)))
        sdist, wheels = package.pop("sdist", None), package.pop("wheels", [])
        package.get("directory", {}).pop("editable", None)  # its files are to go in
        files = [file for file in (sdist, package.get("archive"), *wheels) if file]
        allowed = hashes.get(name, {file["hashes"]["sha256"] for file in files})
        files = [file for file in files if file["hashes"]["sha256"] in allowed]
        if not files and (sdist or wheels or name in hashes):
            sys.exit(f"{name} {version} has no file with a hash of {hashed}")
        wheels = [file for file in wheels if file in files]
        pure = [file for file in wheels if is_pure(file)]
        if pure or sdist not in files:
            forms += [f"{name}\ta pure wheel\n"] if pure and pure != wheels else []
            chosen.append({**package, **({"wheels": pure or wheels} if wheels else {})})
            continue
        forms += [f"{name}\tits sdist, built without the extension\n"] if wheels else []
        write_pylock(
            folder, f"any-{name}-{number}", [{**package, "sdist": sdist, "wheels": wheels}]
        )
        write_pylock(folder, f"sdist-{name}-{number}", [{**package, "sdist": sdist}])
    write_pylock(folder, "wheels", chosen)
    with open(os.path.join(folder, "target.refresh"), "w", encoding="utf-8") as options:
        folders = (package["name"] for package in packages if "directory" in package)
        options.writelines(f"--refresh-package {name}\n" for name in folders)
    with open(os.path.join(folder, "forms"), "w", encoding="utf-8") as notes:
        notes.writelines(forms)


def required_hashes(hashed: str) -> dict[str, set[str]]:
    """The sha256 hashes in a requirements file, by name; exit for one that cannot be checked."""
    hashes: dict[str, set[str]] = {}
    for line, name in requirements_lines(hashed) if hashed else ():
        if "--hash" in line:
            found = re.findall(r"--hash[= ]sha256:([0-9a-fA-F]{64})", line)
            if not name or not found:
                form = "NAME==VERSION --hash=sha256:HASH, or NAME @ URL --hash=sha256:HASH"
                sys.exit(f"{hashed}: the hash of {line!r} cannot be checked; write {form}")
            hashes.setdefault(name, set()).update(map(str.lower, found))
    return hashes


def load_toml(path: str) -> dict[str, Any]:
    """The data of a TOML file."""
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "pip._vendor.tomli")
    with open(path, "rb") as file:
        return dict(toml.load(file))


def fit_program(
    packed: str, layer: str, program: str, suffix: str, pyproject: str = "", info: str = ""
) -> None:
    """Make the program in `packed` fit for the executable, beside the dependencies in `layer`.

    A `.py` will get `suffix` behind its name there. `info` is the folder for the metadata that
    `pyproject` gives. Exits with one line for what the program and a dependency both bring.
    """
    if layer:
        check_program(packed, layer, program)
    for dist in find_dists(packed):
        remove_installer_files(dist, suffix)
    if pyproject:
        write_metadata(pyproject, os.path.join(packed, info))


def write_metadata(pyproject: str, folder: str) -> None:
    """Write what `[project]` says as an installed distribution's metadata, in `folder`.

    Source: the core metadata specification, version 2.1; the entry points specification.
    """
    project = load_toml(pyproject)["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    for key, header in (("description", "Summary"), ("requires-python", "Requires-Python")):
        lines += [f"{header}: {project[key]}"] if project.get(key) else []
    lines += [f"Requires-Dist: {line}" for line in project.get("dependencies", [])]
    groups = {"console_scripts": project.get("scripts"), "gui_scripts": project.get("gui-scripts")}
    points = []
    for group, entries in {**groups, **project.get("entry-points", {})}.items():
        rows = [f"{name} = {entry}" for name, entry in (entries or {}).items()]
        points += [f"[{group}]", *rows] if rows else []
    os.makedirs(folder, exist_ok=True)
    for name, text in (("METADATA", lines), ("entry_points.txt", points)):
        if text:
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(text) + "\n")


def is_pure(wheel: dict[str, Any]) -> bool:
    """Whether a wheel runs on any Python 3 and platform. Source: PEP 427, file names."""
    name = wheel.get("name") or wheel.get("url") or wheel.get("path") or ""
    return re.search(r"-(py2\.)?py3[0-9]*-none-any\.whl", name) is not None


def anchor_paths(value: Any, folder: str) -> None:
    """Make the paths of a package independent of where its lock file lies."""
    for entry in value if isinstance(value, list) else value.values():
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            entry["path"] = os.path.join(folder, entry["path"])
        if isinstance(entry, (dict, list)):
            anchor_paths(entry, folder)


def write_pylock(folder: str, label: str, packages: list[dict[str, Any]]) -> None:
    """Write a lock file with these packages. Source: PEP 751."""
    with open(os.path.join(folder, f"pylock.{label}.toml"), "w", encoding="utf-8") as file:
        file.write('lock-version = "1.0"\ncreated-by = "cosmo-recipes"\n')
        file.write("" if packages else "packages = []\n")
        for package in packages:
            file.write("\n[[packages]]\n")
            file.writelines(f"{key} = {toml_value(value)}\n" for key, value in package.items())


def toml_value(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {toml_value(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if hasattr(value, "isoformat"):  # a date, or a time
        return str(value.isoformat())
    return json.dumps(value, ensure_ascii=False)


PROGRAMS: dict[str, Callable[..., None]] = {
    "target": target,
    "select": choose_forms,
    "purify": purify,
    "own": fit_program,
    "check": check_start,
    "imports": import_started,
    "unused": print_unused,
}

if __name__ == "__main__" and sys.argv[1:2] and sys.argv[1] in PROGRAMS:
    try:
        sys.exit(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
    except OSError as problem:
        sys.exit(str(problem))
