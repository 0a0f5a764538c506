"""What installs, uv if it is there, else pip: its lines, and what it says went wrong."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys

from invoke.runners import Result

from .shell import last_line, q

NO_COMPILER = "CC=false CXX=false RUSTC=false CARGO=false"
"""An sdist is built with no compiler to be found: many leave their extensions out then."""

PIP_ENV = "PIP_USER=0 PIP_ROOT= PIP_PREFIX= PIP_TARGET="
"""What would lead pip to another place than `--target`."""

UV = "--link-mode copy --no-progress --color never"
PIP = "--no-color --progress-bar off --no-input --no-compile"


def has_uv() -> bool:
    """Whether uv is there."""
    return bool(uv())


def uv() -> str:
    """How a line calls uv: the one on PATH, else the one that started this; empty: there is none.

    Source: uv's documentation, which says that `uv run` sets UV.
    """
    if shutil.which("uv"):
        return "uv"
    return '"$UV"' if shutil.which(os.environ.get("UV", "")) else ""


def host_python() -> str:
    """The host's Python: pip runs in it, and uv builds with it."""
    return shlex.quote(sys.executable)


def wheel_line(project: str, folder: str) -> str:
    """The line that lets a project's build backend make a wheel of it."""
    if has_uv():
        return f"{NO_COMPILER} {uv()} build --wheel --python {host_python()} -o {folder} {project}"
    pip = f"{host_python()} -m pip wheel --no-deps --ignore-requires-python"
    return f"{NO_COMPILER} {pip} -w {folder} {project}"


def install_line(place: str) -> str:
    """The start of a line that installs for the interpreter that `$there` tells of.

    Wheels with extension modules for Linux may be taken: which version is resolved does not depend
    on them, and `sift` sees to them. `place` is the folder of `foreign.py`.
    """
    return uv_install("linux") if has_uv() else pip_install(place, "compiled")


def pure_lines(place: str) -> tuple[str, str]:
    """The starts of two lines: one takes a pure wheel, and one builds the sdist.

    What is built without a compiler is kept from the user's cache, in the build folder's own.
    """
    alone = f'{NO_COMPILER} UV_CACHE_DIR="$PWD"/{q(place)}/../.cache'
    if has_uv():
        # uv knows no platform without extensions; for this one there are hardly any
        wheel = f"{uv_install('wasm32-pyodide2024')} --only-binary :all:"
        name = '"$(sed -n \'s/==.*//p\' "$file")"'
        return wheel, f"{alone} {uv_install('linux')} --no-binary {name}"
    start = pip_install(place, "pure")
    return f"{start} --only-binary :all:", f"{alone.replace('UV_', 'PIP_')} {start}"


def compile_line() -> str:
    """The start of the line by which uv tells the hashes of what is pinned."""
    there = f'--python {host_python()} --python-version "$there" --python-platform linux'
    return f"{uv()} pip compile -q --generate-hashes --no-deps --no-header --no-annotate {there}"


def off(offline: bool) -> str:
    """What goes before a line that installs, and must ask no server where one is offline."""
    none = "PIP_PROXY=http://127.0.0.1:9 no_proxy= NO_PROXY="  # for what is asked for by its URL
    return f"export UV_OFFLINE=1 PIP_NO_INDEX=1 {none} && " if offline else ""


def uv_install(platform: str) -> str:
    """`uv pip install` for the version that `$there` tells of."""
    there = f'--python {host_python()} --python-version "$there" --python-platform {platform}'
    return f"{uv()} pip install {there} {UV}"


def pip_install(place: str, wheels: str) -> str:
    """`pip install` where the environment markers that `$there` tells of hold."""
    start = f"{PIP_ENV} {host_python()} {q(place)}/foreign.py"
    return f'{start} "$there" {wheels} install {PIP}'


def install_reason(result: Result) -> str:
    """What uv or pip says went wrong, in one line."""
    text = result.stderr + result.stdout
    told = re.search(r"^(?:error:|\s*\u00d7)(.*)", text, re.MULTILINE | re.DOTALL)
    if has_uv() and told:
        before = [line for line in text[: told.start()].splitlines() if line.strip()]
        said = f"{before[-1].strip()}: " if "backend" in told[1] and before else ""
        return said + re.sub(r"[\s\u2500-\u257f\u25b6\u00d7]+", " ", told[1]).strip()
    if "No module named 'pip'" in text or "No module named pip" in text:
        return "there is neither uv on PATH nor pip in this Python; install one (pip install uv)"
    if "MATCH THE HASHES" in text:
        found = re.search(r"^\s+(\S+) from .*\n\s+(Expected.*)\n\s+(Got.*)", text, re.MULTILINE)
        return " ".join(("the hash differs of", *(found.groups() if found else ())))
    missed = re.search(r"No matching distribution found for ([^\n]+)", text)
    if missed and "WARNING: Retrying" in text:
        why = re.findall(r"(?:object at \S+|\)): (.*?)'?\)?'?: /", text)
        return f"the package index cannot be reached, for {missed[1]}: {why[-1] if why else ''}"
    newer = re.findall(r"Requires-Python ([^;\n]+)", text)
    if missed and newer:
        return f"{missed[1]} needs Python {newer[-1]}, and the interpreter is older"
    if missed:
        return f"the package index has no {missed[1]}"
    clash = re.search(r"ERROR: (Cannot install .*?)\.?$", text, re.MULTILINE)
    if clash:
        return clash[1]
    failed = re.search(r"(?:Failed building wheel for|build wheels? for) ([^\s,]+)", text)
    tried = [failed[1]] if failed else re.findall(r"^Collecting (\S+)", text, re.MULTILINE)
    why = re.findall(r"^\s+(\S.*)\n\s+\[end of output\]", text, re.MULTILINE)
    if why:
        whose = [f"{name} has no wheel that fits, and its sdist does not build" for name in tried]
        return ": ".join([*whose[-1:], str(why[0])])
    errors = [each for each in re.findall(r"ERROR: (.*)", text) if each != "Exception:"]
    return errors[-1] if errors else last_line(result)
