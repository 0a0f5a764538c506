"""The layer: the dependencies as they go in, which are kept from one build to the next.

It lies in `.layer` in the build folder:

    Lib               what is installed, fit for the executable, and its bytecode
    changed, removed  what became of extension modules
    imports           what the start check read of it
    base.zip          the interpreter, pruned, and all that is installed
    key, base.key     what these were made of; each is written last
"""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

from .digest import digest_of, layer_inputs, tree_digest
from .executable import (
    MAY_NOT_COMPILE,
    add_line,
    compile_line,
    compile_others,
    list_unused,
    prune_interpreter,
    set_modes,
)
from .interpreter import ONLINE, cache_folder, file_state, inside_command
from .lockfile import count
from .project import Project
from .shell import Progress, Shell, line_environment, progress_bar, quote

NO_COMPILER = "CC=false CXX=false RUSTC=false CARGO=false"
"""An sdist is built with no compiler to be found: many leave their extensions out then."""

COMPILED = "(Compiling )|Listing "
"""How compileall's lines begin."""

MANY_FILES = 200
"""From how many files on four processes compile faster than one, though each must start."""

REPLACE = "do without it, or require a version that has a pure wheel"
"""What to do about a dependency that cannot go in."""


def pyc_suffix(p: Project) -> str:
    """What is behind the name of a `.py` once it is packed, as a shell word."""
    return "''" if p.get("COSMO_SOURCE") else "c"


def install_layer(p: Project, sh: Shell, uv: str, work: str) -> None:
    """Install what is resolved or locked, in a form that can run, and compile it.

    Where the last build did so from the same, that is kept.
    """
    pylock = Path(work, "pylock.toml") if p.lock is None else p.lock_file
    inputs = "" if sh.dry else layer_inputs(p, pylock, line_environment(sh.c))
    if inputs and not p.force and read_file(p, "key") == layer_key(p, inputs):
        sh.log("deps", "installed as in the last build")
        return
    if not needs_target_first(p):
        write_target(p, sh, work)
    sh.run(f"rm -rf {quote(p.layer)} && mkdir -p {quote(p.layer)}/Lib/site-packages")
    install(p, sh, uv, quote(str(pylock)), work)
    files = 0 if sh.dry else sum(1 for _ in Path(p.layer).rglob("*.py"))
    line = compile_line(p, build="../..")
    if files > MANY_FILES:
        part = f'awk "NR % 4 == $part" ../.py | {compile_line(p, "-i -", "../..")}'
        line = f"find site-packages -name '*.py' > ../.py && for part in 0 1 2 3; do {part} &"
        line += '\n  compilers="$compilers $!"; done; for compiler in $compilers; do'
        line += f"\n  wait $compiler || {MAY_NOT_COMPILE} || exit; done"
    with progress_bar("deps", files, "files") as bar:
        counted = Progress(bar, COMPILED)
        compile_others(sh, line, f"{p.layer}/Lib", counted, "the dependencies")
    if inputs:
        Path(p.layer, "key").write_text(layer_key(p, inputs), "utf-8")


def read_file(p: Project, name: str) -> str:
    """What the layer has in a file of that name, empty where there is none."""
    with suppress(OSError, ValueError):
        return Path(p.layer, name).read_text("utf-8")
    return ""


def layer_key(p: Project, inputs: str) -> str:
    """What is in `key` where the layer is made of `inputs`, and as it was made."""
    notes = [read_file(p, name) for name in ("changed", "removed")]
    return f"{inputs}\n{tree_digest(f'{p.layer}/Lib')}\n{digest_of(notes)}\n"


def base_key(p: Project, unused: str) -> str:
    """What is in `base.key` where `base.zip` is made of the layer, and as it was made."""
    key, zipped = read_file(p, "key"), file_state(Path(p.layer, "base.zip"))
    return (
        digest_of(key, zipped, p.get("COSMO_PRUNE"), unused, p.get("COSMO_COMPRESS"), p.epoch)
        if key
        else ""
    )


def has_base(p: Project, unused: str) -> bool:
    """Whether the `base.zip` of the last build is made of the layer as it is."""
    with suppress(OSError):
        return not p.force and "" != base_key(p, unused) == read_file(p, "base.key")
    return False


def begin_executable(p: Project, sh: Shell, new: str, progress: Progress) -> None:
    """Make the zip `new` of all but the program, and list the program's files in `.new/files`."""
    sh.run("rm -rf .new && mkdir .new && ln -s ../python .new/python.zip", at=p.build)
    unused = list_unused(p, sh)
    is_kept = bool(p.layer) and not sh.dry and has_base(p, unused)
    layer = " .layer/Lib" if p.layer and not is_kept else ""
    sh.run(set_modes(p, f".args Lib{layer}"), at=p.build)
    if layer:
        make_base(p, sh, unused, progress)
    elif not p.layer:
        prune_interpreter(p, sh, new, unused)
    copy = f"cp .layer/base.zip {new} && " if p.layer else ""
    sh.run(f"{copy}find Lib -type f > .new/files && sort -o .new/files .new/files", at=p.build)


def make_base(p: Project, sh: Shell, unused: str, progress: Progress) -> None:
    """Make `base.zip`: the interpreter, pruned, and all that is installed, without sources."""
    inputs = read_file(p, "key").partition("\n")[0]
    for name in () if sh.dry else ("key", "base.key"):
        Path(p.layer, name).unlink(missing_ok=True)
    prune_interpreter(p, sh, ".layer/base.zip", unused)
    sh.run("find Lib -type f > .files && sort -o .files .files", at=p.layer)
    compiled = "sed -n /./d .files" if p.get("COSMO_SOURCE") else r"sed -n 's/\.pyc$/.py/p' .files"
    line = f"{compiled} | sort | comm -13 - .files | {add_line(p, 'base.zip', '..')}"
    if sh.dry or Path(p.layer, ".files").stat().st_size:
        sh.run(line, at=p.layer, progress=progress)
    if inputs and not sh.dry:
        Path(p.layer, "key").write_text(layer_key(p, inputs), "utf-8")
        Path(p.layer, "base.key").write_text(base_key(p, unused), "utf-8")


def network_remedy(p: Project) -> str:
    """What to do where uv cannot resolve or install."""
    if p.get("COSMO_OFFLINE"):
        return ONLINE
    remedy = "bring uv.lock up to date" if p.uses_uv_lock else "correct the requirements"
    return f"{remedy}, or check the network"


def needs_target_first(p: Project) -> bool:
    """Whether uv needs `.deps/target` before the layer: to resolve, or for the own wheel."""
    return p.lock is None or p.metadata.built


def write_target(p: Project, sh: Shell, work: str) -> None:
    """Write uv's options for the interpreter to `.deps/target`; refuse another Python."""
    metadata = p.metadata
    specifiers = [shlex.quote(metadata.requires_python)] if metadata.requires_python else []
    line = f"{inside_command(p, 'target', *specifiers)} > {quote(work)}/target"
    sh.run(line, f"{metadata.name or p.pkg} cannot run in this interpreter", remedy="")


def select_files(p: Project, sh: Shell, pylock: str, work: str) -> None:
    """Part a lock file into those to install from, with what a requirements file has hashes of."""
    hashed = [quote(p.get("COSMO_DEPS"))] if p.get("COSMO_DEPS") else []
    failed = f"the dependencies of {p.pkg} cannot be installed"
    remedy = "correct the requirements"
    sh.run(inside_command(p, "select", pylock, quote(work), *hashed), failed, remedy)


def install(p: Project, sh: Shell, uv: str, pylock: str, work: str) -> None:
    """Install what a lock file names, in a form that can run, in the layer.

    Of a package with extension modules the pure wheel is taken; else its sdist is built without a
    compiler; else its wheel is taken, and `purify` removes them.
    """
    if p.lock:
        sh.log("deps", f"{count(len(p.lock.packages), 'package')}, as locked")
    failed, remedy = f"the dependencies of {p.pkg} cannot be installed", network_remedy(p)
    select_files(p, sh, pylock, work)
    pip = f"{uv} pip install -q --target ../.layer/Lib/site-packages $(cat target*) -r"
    sh.run(f"{pip} pylock.wheels.toml", failed, remedy, at=work)
    cache = cache_folder()
    shared = os.access(cache, os.W_OK) or not cache.exists()
    with suppress(OSError):
        os.utime(cache / "uv")  # it was used, which `cosmo.cache --prune` asks for
    loop = (
        'for lock in pylock.sdist-*.toml; do [ -e "$lock" ] || continue',
        f"  (export {NO_COMPILER} UV_CACHE_DIR={quote(str(cache)) if shared else '..'}/uv",
        f'   {pip} "$lock") ||',
        f'   {pip} "pylock.any-${{lock#pylock.sdist-}}" || exit; done',
    )
    sh.run("\n".join(loop), failed, remedy, at=work)
    sh.exclude(f"{p.layer}/Lib/site-packages", p.excluded)
    own = shlex.quote(p.metadata.name if p.metadata.dist_info else "")
    words = quote(work), quote(p.layer), own, pyc_suffix(p)
    failed = f"{p.pkg} cannot be packaged with its dependencies"
    sh.run(inside_command(p, "purify", *words), failed, REPLACE)
