"""The program's dependencies and metadata: resolved and installed by uv for the interpreter.

What one build needs for that lies in `.deps` in the build folder:

    target       uv's options for the interpreter
    pylock.toml  what was resolved, where it is not locked; `pylock.NAME.toml` are parts of it
    forms        what was chosen in place of wheels with extension modules
    wheel, own   the program's own wheel, where its build backend makes it, and that installed
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from invoke.runners import Result

from .inside.distribution import canonical, requirements_lines
from .interpreter import file_sha256, inside_command
from .layer import (
    NO_COMPILER,
    REPLACE,
    install_layer,
    needs_target_first,
    network_remedy,
    pyc_suffix,
    select_files,
    write_target,
)
from .lockfile import Lock, check_package, count, lock_text, read_lock
from .parsers import public_url
from .project import Project
from .pyproject import parse_toml, read_toml
from .shell import RecipeError, Shell, exit_on_error, log, quote, show_output

NOT_COPIED = (
    *("./.venv", "./venv", "./.tox", "./.nox", "./node_modules", "*/__pycache__"),
    "./cosmo_recipes.py",  # a second module, to a backend that looks for modules
)
"""What a build backend does not need, of the project's copy that it works in."""


def check_uv(p: Project, dry: bool) -> str:
    """How a line calls uv; `RecipeError` where there are dependencies to install and no uv.

    As on PATH, or the one beside this Python, or that which started it. Source: uv's documentation,
    by which `uv run` sets UV.
    """
    places = (str(Path(sys.executable).with_name("uv")), os.environ.get("UV", ""))
    found = next(filter(None, map(shutil.which, places)), None)
    if found and not shutil.which("uv"):
        return quote(found)
    if not found and not shutil.which("uv") and not dry and p.installs:
        raise RecipeError(
            f"the dependencies of {p.pkg} cannot be installed: there is no uv on PATH; get it with"
            " `pip install uv`, or leave them out with COSMO_DEPS=none"
        )
    return "uv"


def install_dependencies(p: Project, sh: Shell) -> None:
    """Install the dependencies and metadata beside the program."""
    uv, work = prepare(p, sh)
    if p.metadata.built and p.installs:
        sh.run(f'cp -R {quote(work)}/own/. "$DIR_SITE"')
        sh.exclude(p.site, [*p.excluded, "-name __pycache__"])
    if p.lock:
        check_lock_matches(p, p.lock, work, sh.dry)
    if p.installs and p.lock is None:
        resolve(p, sh, uv, work)
    if p.layer:
        install_layer(p, sh, uv, work)
    words = [quote(p.layer), shlex.quote(p.metadata.name or p.pkg), pyc_suffix(p)]
    if p.metadata.dist_info and not p.metadata.built:
        words += [quote(os.path.join(p.folder, "pyproject.toml")), p.metadata.dist_info]
    line = inside_command(p, "own", '"$DIR_SITE"', *words)
    sh.run(line, f"{p.pkg} cannot be packaged with its dependencies", REPLACE)


def prepare(p: Project, sh: Shell) -> tuple[str, str]:
    """Make the folder `.deps` anew, and what the lock or the resolution needs in it.

    Return how a line calls uv, and that folder.
    """
    work, metadata, uv = os.path.join(p.build, ".deps"), p.metadata, check_uv(p, sh.dry)
    sh.run(f"rm -rf {quote(work)} && mkdir -p {quote(work)}")
    if not p.installs:
        return uv, work
    if p.script and p.script.suffix != ".py":  # by that uv knows a script
        sh.run(f"cp {quote(str(p.source))} {quote(work)}/script.py")
    sh.exports.update(UV_PYTHON=sys.executable, UV_PYTHON_DOWNLOADS="never", UV_LINK_MODE="copy")
    if p.get("COSMO_OFFLINE"):
        sh.exports.update(UV_OFFLINE="1")
    if needs_target_first(p):
        write_target(p, sh, work)
    if metadata.built:
        build_wheel(p, sh, uv, work)
    return uv, work


def build_wheel(p: Project, sh: Shell, uv: str, work: str) -> None:
    """Let the build backend make a wheel of a copy of the project, and install that in `own`."""
    sh.log("deps", f"a wheel of {p.metadata.name or p.pkg}, by its build backend")
    own = os.path.join(".", os.path.relpath(p.build, p.folder))
    options = " ".join(f"--exclude={shlex.quote(pattern)}" for pattern in (own, *NOT_COPIED))
    sh.run(f"tar -C {quote(p.folder)} {options} -cf {quote(work)}/project.tar .")
    line = "mkdir project && tar -C project -xf project.tar && chmod -R u+w project"
    sh.run(line, at=work)
    failed = f"{p.pkg} cannot be built by its own build backend"
    remedy = "correct [build-system], or what it builds"
    line = f"PYTHONUNBUFFERED=1 {NO_COMPILER} {uv} build --wheel -o wheel project"
    sh.run(line, failed, remedy, at=work, reason=backend_error)
    line = f"{uv} pip install -q --no-deps $(cat target) --target own wheel/*.whl"
    sh.run(line, f"the wheel of {p.pkg} cannot be installed", at=work)
    line = "rm -f own/.lock && { [ -e own/bin/__init__.py ] || rm -rf own/bin; }"
    sed = r"sed -n '/^.\{0,1\}$/q; s/^Requires-Dist: //p'"
    sh.run(f"{line} && {sed} own/*.dist-info/METADATA > requirements.txt", at=work)


def backend_error(result: Result) -> str:
    """Show what a build backend printed at last; return its error, or else its last line.

    uv's own lines follow, and it mixes the backend's two outputs.
    """
    shown = show_output(result, None)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    ends = [at for at, line in enumerate(lines) if "The build backend returned an error" in line]
    own = lines[: ends[-1] - 1] if ends else lines
    errors = [line for line in own if re.match(r"([\w.]+(Error|Exception)|error)\b", line)]
    return (errors or own or [shown])[-1].strip()


def requirements_file(p: Project, work: str) -> str:
    """The file that names what is required."""
    if p.get("COSMO_DEPS"):
        return str(p.get("COSMO_DEPS"))
    if p.metadata.built:
        return os.path.join(work, "requirements.txt")
    if p.script and p.script.suffix != ".py":
        return os.path.join(work, "script.py")
    return os.path.join(p.folder, p.script.name if p.script else "pyproject.toml")


def resolve(p: Project, sh: Shell, uv: str, work: str, upgrade: Iterable[str] = ()) -> None:
    """Resolve the dependencies to `pylock.toml`: from a `uv.lock`, else to what is current.

    Where there is one already, its versions stay, but for those of the names in `upgrade`.
    """
    folder, deps = quote(os.path.relpath(work, p.folder)), p.get("COSMO_DEPS")
    sh.log("deps", deps or ", ".join(p.metadata.dependencies) or "what its metadata requires")
    file = os.path.relpath(requirements_file(p, work), p.folder)
    line, at = f"{uv} pip compile -q $(cat {folder}/target) {quote(file)}", p.folder
    line += "".join(f" --upgrade-package {shlex.quote(name)}" for name in upgrade if name)
    if p.constraint:
        sh.run(f"printf '%s\\n' {p.constraint} > {quote(work)}/constraint.txt")
        line += f" -c {folder}/constraint.txt"
    if p.uses_uv_lock:  # read with a Python that suits the project, which this one may not
        line = f"{uv} export -q --locked --no-default-groups --no-editable --no-emit-project"
        line += " --format pylock.toml"
        line = f"unset UV_PYTHON && {line}"
    elif at == ".":
        at = ""
    failed = f"the dependencies of {p.pkg} cannot be resolved"
    sh.run(f"{line} -o {folder}/pylock.toml", failed, network_remedy(p), at=at)


def find_constraint(p: Project, sh: Shell) -> str:
    """Versions, as shell words, with which nothing that cannot run is required; empty for none.

    uv resolves once more, for a platform that there are hardly any wheels for, so that it takes
    pure ones alone of what is unsuitable. Of that, and of what requires it, other versions do.
    """
    work = os.path.join(p.build, ".deps")
    path, uv = Path(work, "unsuitable"), check_uv(p, sh.dry)
    if p.lock or p.uses_uv_lock or p.constraint or not p.installs or not path.exists():
        return ""
    rows = dict(row.split("\t") for row in path.read_text("utf-8").splitlines())
    if not rows:
        return ""
    sh.log("check", f"asks uv for versions that need no extension module of {' and '.join(rows)}")
    only = " ".join(f"--only-binary {shlex.quote(name)}" for name in rows)
    version = r"$(sed 's/ --python-platform.*//' .deps/target)"
    file = quote(os.path.relpath(requirements_file(p, work), p.build))
    line = f"{NO_COMPILER} {uv} pip compile -q {version} --python-platform wasm32-pyodide2024"
    try:
        line += f" {only} --no-header --no-annotate {file} -o .deps/advice.txt"
        sh.run(line, at=p.build, reason=lambda _: "there are none")
    except RecipeError:
        sh.log("check", "there are none")
        return ""
    pins = Path(work, "advice.txt").read_text("utf-8").splitlines()
    packages = read_toml(Path(work, "pylock.toml")).tables("packages")
    resolved = {f"{canonical(one.string('name'))}=={one.string('version')}" for one in packages}
    names = {canonical(name) for row in rows.items() for name in row}
    return shlex.join(
        pin for pin in pins if pin not in resolved and canonical(pin.partition("==")[0]) in names
    )


def lock_inputs(p: Project, work: str) -> tuple[str, ...]:
    """What the dependencies are resolved for: requirements, or a digest of the file with them."""
    deps = p.get("COSMO_DEPS")
    if deps not in (None, "none"):
        text = "\n".join(line for line, _ in requirements_lines(deps))
        return (
            f"requirements {Path(deps).name} sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        )
    if deps is None and p.metadata.built:
        return tuple(Path(work, "requirements.txt").read_text("utf-8").splitlines())
    return p.metadata.dependencies if deps is None else ()


def check_lock_matches(p: Project, lock: Lock, work: str, dry: bool = False) -> None:
    """Check that the packages were locked for what is required now."""
    inputs = lock.inputs if dry and p.metadata.built else lock_inputs(p, work)
    if inputs != lock.inputs:
        locked, now = (", ".join(texts) or "nothing" for texts in (lock.inputs, inputs))
        problem = f"is for {locked}, and {now} is required; lock anew with `{p.lock_command}`"
        raise RecipeError(f"{p.lock_file} {problem}")


def check_lock(p: Project) -> None:
    """Raise `RecipeError` where there is no lock, or it is for other requirements than now."""
    if p.lock is None:
        raise RecipeError(f"{p.lock_file} does not exist; write it with `{p.lock_command}`")
    if p.metadata.built and p.get("COSMO_DEPS") is None:
        log(f"lock     {p.lock_file}: what it must be for is known once the program is built")
        return
    check_lock_matches(p, p.lock, "")
    log(f"lock     {p.lock_file} is current")


def is_lock(p: Project) -> bool:
    """Whether there is a lock, and it can be read."""
    with suppress(RecipeError):
        return p.lock_file.is_file() and read_lock(p.lock_file, "", p.lock_command) is not None
    return False


def write_lock(p: Project, sh: Shell, address: str, upgrade: str | bool = False) -> None:
    """Write the lock for the interpreter that came from `address`, and what is required now.

    What is locked, and still suits, stays, but for what is to `upgrade`: names, or all of it.
    """
    uv, work = prepare(p, sh)
    if p.installs:
        if upgrade is not True and is_lock(p):  # from which uv keeps what still suits
            sh.run(f"cp {quote(str(p.lock_file))} {quote(work)}/pylock.toml")
        resolve(p, sh, uv, work, str(upgrade or "").split(","))
        select_files(p, sh, f"{quote(work)}/pylock.toml", work)
    shown = sh.run("sh ./python --version", at=p.build).stdout
    if sh.dry:
        return
    python, pylock = Path(p.build, "python"), Path(work, "pylock.toml")
    modified, remote = time.gmtime(python.stat().st_mtime), "://" in address
    with exit_on_error(f"{p.lock_file} cannot be written"):
        lock = Lock(
            url=public_url(address) if remote else Path(address).name,
            size=python.stat().st_size,
            sha256=file_sha256(python),
            version=shown.split()[1],
            last_modified=time.strftime("%Y-%m-%dT%H:%M:%SZ", modified) if remote else "",
            inputs=lock_inputs(p, work),
        )
        resolved = pylock.read_text("utf-8") if p.installs else ""
        here = Path(os.path.relpath(work, p.folder))  # uv's paths begin there
        resolved = re.sub(
            r'\bpath = "([^"/][^"]*)"',
            lambda match: f'path = "{os.path.normpath(here / match[1])}"',
            resolved,
        )
        text = lock_text(resolved, lock)
        packages = parse_toml(pylock, text.encode()).tables("packages")
        names = [check_package(package) for package in packages]
        asked = upgrade.split(",") if isinstance(upgrade, str) else []
        unknown = {canonical(name) for name in asked if name} - set(names)
        if unknown:
            problem = f"{' and '.join(sorted(unknown))} is not among the dependencies"
            raise RecipeError(f"--upgrade={upgrade}: {problem}; correct it")
        pylock.write_text(text, "utf-8")
        pylock.replace(p.lock_file)
    also = "" if remote else "; set COSMO_URL wherever it is built, for it came from a path"
    held = count(len(names), "package")
    if p.value("COSMO_URL").source == "default":
        also = "; that interpreter's address changes with each release: COSMO_VERSION names one"
    log(f"lock     {p.lock_file}: Python {lock.version}, {held}; commit it{also}")
