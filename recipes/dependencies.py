"""The program's dependencies and metadata: resolved and installed by uv for the fetched interpreter.

All of it lies in `.deps` in the build folder until it is fit for the executable:

    target       uv's options for the interpreter
    pylock.toml  what was resolved, where it is not locked; `pylock.NAME.toml` parts of it by form
    site         what is installed; `forms` and `changed` note what was done about extension modules
    wheel        the program's own wheel, where its build backend makes it
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from .inside.distribution import requirements_lines
from .interpreter import cache_folder, file_sha256
from .lockfile import Lock, check_package, lock_text
from .project import Project
from .pyproject import parse_toml
from .settings import DEPS, EXCLUDE, OFFLINE, SOURCE
from .shell import RecipeError, Shell, exit_on_error, inside, log, quote, remove_matching

NO_COMPILER = "CC=false CXX=false RUSTC=false CARGO=false"
"""An sdist is built with no compiler to be found: many leave their extensions out then."""

NOT_COPIED = ("./.venv", "./venv", "./.tox", "./.nox", "./node_modules", "*/__pycache__")
"""What a build backend does not need, of the project's copy that it works in."""


def uv_exports(p: Project) -> dict[str, str]:
    """The variables that uv reads, where there are dependencies to install."""
    if not p.installs:
        return {}
    exports = {"UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    return {**exports, "UV_OFFLINE": "1"} if p.settings.get(OFFLINE) else exports


def find_uv() -> str:
    """How a line calls uv: as on PATH, or the one beside this Python, or that which started it.

    Empty where there is none. Source: uv's documentation, by which `uv run` sets UV.
    """
    if shutil.which("uv"):
        return "uv"
    beside = str(Path(sys.executable).with_name("uv"))
    found = shutil.which(beside) or shutil.which(os.environ.get("UV", ""))
    return quote(found) if found else ""


def check_uv(p: Project, dry: bool) -> str:
    """How a line calls uv; `RecipeError` where there are dependencies to install and no uv."""
    uv = find_uv()
    if not uv and not dry and p.installs:
        raise RecipeError(
            f"the dependencies of {p.pkg} cannot be installed: there is no uv on PATH; get it with"
            " `pip install uv`, or write COSMO_DEPS=none to leave them out"
        )
    return uv or "uv"


def inside_command(p: Project, mode: str, *words: str) -> str:
    """The line that runs a program of `inside` in the fetched interpreter.

    In a vendored file the programs are in that file itself.
    """
    path = Path(__file__)
    path = path.with_name("inside") if __name__ == "recipes.dependencies" else path
    relative = os.path.relpath(path)
    file = relative if not relative.startswith("..") else str(path)
    return f"sh {quote(p.build)}/python -IB {quote(file)} {' '.join([mode, *words])}"


def install_dependencies(p: Project, sh: Shell) -> None:
    """Install the dependencies and metadata beside the program."""
    work, uv = prepare(p, sh)
    if p.metadata.dist_info and not p.metadata.built:
        write_metadata(p, sh)
    if p.lock:
        check_lock_matches(p, p.lock, work, sh.dry)
    if p.installs:
        if p.lock is None:
            resolve(p, sh, uv, work)
        if p.lock is None or p.lock.packages or p.metadata.built:
            install(p, sh, uv, work)
        unused = [*excluded(p, '"$DIR_SITE"'), "-name __pycache__"]
        sh.run(remove_matching('"$DIR_SITE" -depth', unused), f"{p.site} cannot be written")


def prepare(p: Project, sh: Shell) -> tuple[str, str]:
    """Make the folder `.deps` anew, ask the interpreter which Python it is, build the own wheel.

    Return that folder, and how a line calls uv.
    """
    work, metadata, uv = os.path.join(p.build, ".deps"), p.metadata, check_uv(p, sh.dry)
    sh.exports.update(uv_exports(p))
    line = f"rm -rf {quote(work)} && mkdir -p {quote(work)}/site"
    sh.run(line, f"{work} cannot be written")
    if p.installs:
        specifiers = [shlex.quote(metadata.requires_python)] if metadata.requires_python else []
        line = f"{inside_command(p, 'target', *specifiers)} > {quote(work)}/target"
        sh.run(line, f"{metadata.name or p.pkg} cannot run in this interpreter", "")
    if metadata.built and p.installs:
        build_wheel(p, sh, uv, work)
    return work, uv


def write_metadata(p: Project, sh: Shell) -> None:
    """Write the metadata that `[project]` gives."""
    failed = f"the metadata of {p.pkg} cannot be written"
    folder = f'"$DIR_SITE/{p.metadata.dist_info}"'
    sh.run(f"mkdir -p {folder}", failed)
    texts = {
        "METADATA": p.metadata.metadata_lines(),
        "entry_points.txt": p.metadata.entry_points_lines(),
    }
    for name, lines in texts.items():
        if lines:
            text = "\n".join(lines)
            sh.run(f"cat > {folder}/{name} <<'END'\n{text}\nEND", failed)


def build_wheel(p: Project, sh: Shell, uv: str, work: str) -> None:
    """Let the build backend make a wheel of a copy of the project, and install that."""
    sh.log("deps", f"a wheel of {p.metadata.name or p.pkg}, by its build backend")
    left_out = [os.path.join(".", os.path.relpath(p.build, p.root)), *NOT_COPIED]
    left_out += ["./cosmo_recipes.py"]  # a second module, to a backend that looks for modules
    options = " ".join(f"--exclude={shlex.quote(pattern)}" for pattern in left_out)
    failed, folder = f"{p.root} cannot be copied", quote(work)
    sh.run(f"tar -C {quote(p.root)} {options} -cf {folder}/project.tar .", failed)
    line = "mkdir project && tar -C project -xf project.tar && chmod -R u+w project"
    sh.run(inside(work, line), failed)
    failed = f"{p.pkg} cannot be built by its own build backend"
    line = f"{NO_COMPILER} {uv} build -q --wheel -o wheel project"
    sh.run(inside(work, line), failed, "correct [build-system], or what it builds")
    line = f'{uv} pip install -q --no-deps $(cat {folder}/target) --target "$DIR_SITE"'
    failed = f"the wheel of {p.pkg} cannot be installed"
    sh.run(f"{line} {folder}/wheel/*.whl", failed)
    sed = r"sed -n '/^.\{0,1\}$/q; s/^Requires-Dist: //p'"
    sh.run(f'{sed} "$DIR_SITE"/*.dist-info/METADATA > {folder}/requirements.txt', failed)


def requirements_file(p: Project, work: str) -> str:
    """The file that the dependencies are required by, relative to the project's folder."""
    deps = p.settings.get(DEPS)
    if deps is not None:
        return deps if os.path.isabs(deps) else os.path.relpath(deps, p.root)
    if p.metadata.built:
        return os.path.join(os.path.relpath(work, p.root), "requirements.txt")
    return p.location.script.name if p.location.script else "pyproject.toml"


def resolve(p: Project, sh: Shell, uv: str, work: str) -> None:
    """Resolve the dependencies to `pylock.toml`: from a `uv.lock`, else by what is current."""
    folder = quote(os.path.relpath(work, p.root))
    output = f"-o {folder}/pylock.toml"
    if uses_uv_lock(p):
        sh.log("deps", "as in uv.lock")
        line = f"{uv} export -q --locked --no-dev --no-emit-project --format pylock.toml {output}"
    else:
        sh.log(
            "deps", ", ".join(p.metadata.dependencies) or p.settings.get(DEPS) or "by its metadata"
        )
        line = f"{uv} pip compile -q $(cat {folder}/target)"
        line = f"{line} {quote(requirements_file(p, work))} {output}"
    line = f"{line} >/dev/null"
    failed = f"the dependencies of {p.pkg} cannot be resolved"
    remedy = "correct the requirements, or check the network"
    sh.run(inside(p.root, line) if p.root != "." else line, failed, remedy)


def uses_uv_lock(p: Project) -> bool:
    """Whether the project's own `uv.lock` says what to install."""
    own = p.settings.get(DEPS) is None and not p.location.script
    return own and p.lock is None and (p.folder / "uv.lock").is_file()


def install(p: Project, sh: Shell, uv: str, work: str) -> None:
    """Install what is resolved or locked, in a form that can run, and put it beside the program.

    Of a package with extension modules the pure wheel is taken; else its sdist is built without a
    compiler; else its wheel is taken, and `purify` removes them.
    """
    failed, folder = f"the dependencies of {p.pkg} cannot be installed", quote(work)
    remedy = "correct the requirements, or check the network"
    deps = p.settings.get(DEPS)
    pylock = quote(str(p.lock_file)) if p.lock else f"{folder}/pylock.toml"
    if p.lock:
        sh.log("deps", f"{len(p.lock.packages)} packages, as locked")
    hashed = [quote(deps)] if deps and not p.lock else []
    sh.run(inside_command(p, "select", pylock, folder, *hashed), failed, remedy)
    pip = f"{uv} pip install -q --target site $(cat target) -r"
    sh.run(inside(work, f"{pip} pylock.wheels.toml"), failed, remedy)
    cache = cache_folder() / "uv"
    kept = os.access(cache.parent, os.W_OK) or not cache.parent.exists()
    kept_in = quote(str(cache)) if kept else "../.uv"
    loop = [
        'for lock in pylock.sdist-*.toml; do [ -e "$lock" ] || continue',
        f"  (export {NO_COMPILER} UV_CACHE_DIR={kept_in}",
        f'   {pip} "$lock") ||',
        f'   {pip} "pylock.any-${{lock#pylock.sdist-}}" || exit; done',
    ]
    sh.run(inside(work, "\n".join(loop)), failed, remedy)
    patterns = excluded(p, f"{folder}/site")
    if patterns:
        sh.run(remove_matching(f"{folder}/site -depth", patterns), failed)
    name, suffix = shlex.quote(p.metadata.name or p.pkg), "''" if p.settings.get(SOURCE) else "c"
    line = inside_command(p, "purify", folder, '"$DIR_SITE"', name, suffix)
    failed = f"{p.pkg} cannot be packaged with its dependencies"
    sh.run(line, failed, "do without it, or leave such files out, as with COSMO_EXCLUDE='*.so'")
    sh.run(f'cp -R {folder}/site/. "$DIR_SITE"', f"{p.site} cannot be written")


def excluded(p: Project, folder: str) -> list[str]:
    """The tests of `find` for what COSMO_EXCLUDE names below a folder."""
    patterns = p.settings.get(EXCLUDE)
    return [f"-path {folder}/{shlex.quote(pattern)}" for pattern in patterns]


def lock_inputs(p: Project, work: str) -> tuple[str, ...]:
    """What the dependencies are resolved for: requirements, or a digest of the file with them."""
    deps = p.settings.get(DEPS)
    if deps == "none":
        return ()
    if deps is not None:
        digest = hashlib.sha256("\n".join(line for line, _ in requirements_lines(deps)).encode())
        return (f"requirements {Path(deps).name} sha256:{digest.hexdigest()}",)
    if p.metadata.built:
        return tuple(Path(work, "requirements.txt").read_text(encoding="utf-8").splitlines())
    return p.metadata.dependencies


def check_lock_matches(p: Project, lock: Lock, work: str, dry: bool) -> None:
    """Check that the packages were locked for what is required now."""
    if dry and p.metadata.built:
        return
    inputs = lock_inputs(p, work)
    if inputs != lock.inputs:
        locked, now = (", ".join(texts) or "nothing" for texts in (lock.inputs, inputs))
        problem = f"is for {locked}, and {now} is required; lock anew with `invoke cosmo.lock`"
        raise RecipeError(f"{p.lock_file} {problem}")


def changed_forms(p: Project) -> list[str]:
    """What the last build did about the extension modules of each distribution that has some."""
    changed = Path(p.build, ".deps", "changed")
    return (
        changed.read_text(encoding="utf-8").splitlines() if p.installs and changed.is_file() else []
    )


def check_lock_current(p: Project) -> None:
    """Raise `RecipeError` where there is no lock, or it is for other requirements than now."""
    if p.lock is None:
        raise RecipeError(f"{p.lock_file} does not exist; write it with `invoke cosmo.lock`")
    if p.metadata.built and p.settings.get(DEPS) is None:
        log(f"lock     {p.lock_file}: what it must be for is known once the program is built")
        return
    check_lock_matches(p, p.lock, "", dry=False)
    log(f"lock     {p.lock_file} is current")


def write_lock(p: Project, sh: Shell, address: str) -> None:
    """Write the lock for the interpreter that came from `address`, and what is required now."""
    work, pylock = os.path.join(p.build, ".deps"), Path(p.build, ".deps", "pylock.toml")
    if p.installs:
        work, uv = prepare(p, sh)
        resolve(p, sh, uv, work)
    shown = sh.run(
        inside(p.build, "sh ./python --version"), "the interpreter does not start"
    ).stdout
    if sh.dry:
        return
    python, remote = Path(p.build, "python"), "://" in address
    modified = time.gmtime(python.stat().st_mtime)
    with exit_on_error(f"{p.lock_file} cannot be written"):
        lock = Lock(
            url=address if remote else Path(address).name,
            size=python.stat().st_size,
            sha256=file_sha256(python),
            version=shown.split()[1],
            last_modified=time.strftime("%Y-%m-%dT%H:%M:%SZ", modified) if remote else "",
            inputs=lock_inputs(p, work),
        )
        text = lock_text(pylock.read_text(encoding="utf-8") if p.installs else "", lock)
        packages = [
            check_package(one) for one in parse_toml(pylock, text.encode()).tables("packages")
        ]
        part = Path(p.build, ".new")
        part.mkdir(exist_ok=True)
        (part / "lock").write_text(text, encoding="utf-8")
        (part / "lock").replace(p.lock_file)
    log(f"lock     {p.lock_file}: Python {lock.version}, {len(packages)} packages; commit it")
