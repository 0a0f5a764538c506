"""The program's dependencies and metadata: resolved for the fetched interpreter, fit to run there.

All of it lies in `.deps` in the build folder until it is seen to be whole:

    own         the program's metadata, and what its build backend adds
    site        its dependencies
    pure/NAME   the form without extension modules of one of these, if there is one; beside it,
                NAME.txt asks for it, NAME.log is what was said, NAME.form tells what it is
    forms       which form each of them was given
    sift.py     what does the sifting, in the interpreter
    foreign.py  what starts pip, in the host's Python
"""

from __future__ import annotations

import hashlib
import os
import shlex
from contextlib import suppress
from pathlib import Path

from invoke.context import Context

from .cache import held_file, keep, place, see_sha256
from .console import Stop
from .excerpt import excerpt
from .foreign import run_pip
from .installer import has_uv, install_line, install_reason, off, pure_lines
from .lock import Lock
from .own import RUN, build_wheel, write_metadata
from .settings import Settings
from .shell import JUNK, here, leave_out, printf, q, sh, tell
from .sift.command import sift
from .sift.requirements import Requirements

WORK = ".deps"


def has_deps(s: Settings) -> bool:
    """Whether there is something to install, or metadata to write."""
    program = s.program
    told = program.built or program.dist_info or program.dependencies or program.requires_python
    return s.deps != "none" and bool(told or s.deps)


def install_deps(c: Context, s: Settings) -> None:
    """Install the dependencies and metadata beside the program."""
    work = prepare(c, s)
    if s.lock is None:
        if asks(s):
            resolve(c, s, work)
    else:
        see_asked(c, s, s.lock, work)
        if s.lock.packages:
            install_locked(c, s, s.lock, work)
    settle_deps(c, s, work)


def prepare(c: Context, s: Settings) -> str:
    """Write the program's metadata, and what it asks for, in a folder made anew; its path."""
    folders = " ".join(f"{WORK}/{each}" for each in ("own", "site", "pure"))
    sh(c, f"rm -rf {WORK} && mkdir -p {folders}", f"{s.build} cannot be written", at=s.build)
    work = os.path.join(s.build, WORK)
    failed = f"{work} cannot be written"
    sh(c, f"{printf([excerpt(sift)])} > sift.py", failed, at=work)
    if not has_uv():
        sh(c, f"{printf([excerpt(run_pip)])} > foreign.py", failed, at=work)
    if s.program.built:
        build_wheel(c, s, work)
    else:
        write_metadata(c, s, work)
    sh(c, leave_out(s.exclude, *JUNK), failed, at=os.path.join(work, "own"))
    return work


def asks(s: Settings) -> bool:
    """Whether there may be something to install."""
    return bool(s.deps or s.program.built or s.program.dependencies)


def resolve(c: Context, s: Settings, work: str, report: bool = False) -> None:
    """Install what is asked for; for each one with extension modules, look for a pure form too.

    With a lock, it is what `locked.txt` holds; with `report`, pip writes what it took.
    """
    place = os.path.relpath(work, s.root)
    file = os.path.join(place, "locked.txt" if s.lock else "requirements.txt")
    file = file if s.deps is None or s.lock else relative(s.deps, s.root)
    told = ", ".join(s.program.dependencies) or "what its metadata asks for"
    told = told if s.deps is None else s.deps
    tell(c, "deps", f"{len(s.lock.packages)} packages, as locked" if s.lock else told)
    failed = f"the dependencies of {s.pkg} cannot be installed"
    then = "correct the requirements, or see to the network"
    site = f"{q(place)}/site"
    words = [install_line(place), f"--target {site} -r {q(file)}"]
    words += ["--no-deps --require-hashes"] if s.lock else []
    words += [f"--report {site}.json"] if report else []
    line = f"{off(s.offline)}{ask(place)} && {' '.join(words)}"
    sh(c, line, failed, at=s.root, why=install_reason, then=then)
    line = "{ [ -e bin/__init__.py ] || rm -rf bin; } && rm -f .lock"
    line = f"{line} && {leave_out(s.exclude, '__pycache__')}"
    sh(c, line, failed, at=os.path.join(work, "site"))
    listed = os.path.relpath(os.path.join(s.root, file), work)
    sh(c, f"{RUN} -m sift compiled . {q(listed)}", failed, at=work)
    line = f"{off(s.offline)}{ask(place)} && {purify(place, report)}"
    sh(c, line, failed, at=s.root, why=install_reason, then=then)


def ask(place: str) -> str:
    """The line that sets `there` to what the installer must know of the interpreter."""
    mode = "version" if has_uv() else "markers"
    return f'there="$(cd -P {shlex.quote(here(place))} && {RUN} -m sift {mode})"'


def asked(s: Settings, work: str) -> tuple[str, ...]:
    """What the dependencies are resolved for: requirements, or the hash of the files with them."""
    if s.deps is not None and s.deps != "none":
        told = Requirements()
        told.add(s.deps)
        content = b"".join(Path(each).read_bytes() for each in told.read)
        return (f"-r {Path(s.deps).name} sha256:{hashlib.sha256(content).hexdigest()}",)
    if s.deps is None and s.program.built:
        return tuple(Path(work, "requirements.txt").read_text(encoding="utf-8").splitlines())
    return s.program.dependencies if s.deps is None else ()


def see_asked(c: Context, s: Settings, lock: Lock, work: str) -> None:
    """See that the packages were locked for what is asked for now."""
    if c.config.run.dry and s.program.built:
        return
    now = asked(s, work)
    if now != lock.asked:
        told = (
            f"{', '.join(lock.asked) or 'nothing'}, and {', '.join(now) or 'nothing'} is asked for"
        )
        raise Stop(f"{s.lock_file} is for {told}; lock anew with `invoke cosmo.lock`")


def install_locked(c: Context, s: Settings, lock: Lock, work: str) -> None:
    """Install what is locked, and nothing else; what that gave is kept in the cache."""
    link = place("deps", "\n".join([lock.sha256, *lock.packages, *s.exclude, excerpt(sift)]))
    held, failed = held_file(s.cache, f"{link}/deps"), f"{work} cannot be written"
    if held is not None:
        file = q(str(held))
        line = f"cp {file} deps.tar && {see_sha256('deps.tar', held.name)}"
        tell(c, "deps", f"{len(lock.packages)} packages, from the cache")
        with suppress(Stop):
            sh(c, f"{line} && tar -xf deps.tar && rm -f deps.tar", failed, at=work)
            return
        sh(c, f"rm -f {file}", failed)  # it was damaged
    told = Requirements()
    told.add(s.deps or "")
    line = "rm -rf site pure && mkdir site pure"
    locked = printf([*told.options, *lock.packages])
    sh(c, f"{line} && {locked} > locked.txt", failed, at=work)
    resolve(c, s, work)
    line = f"tar -cf deps.tar site pure && {keep(s.cache, 'deps.tar', link, 'deps')}"
    sh(c, f"{line}; rm -f deps.tar", failed, at=work)


def relative(path: str, root: str) -> str:
    """`path` as it is called in `root`."""
    return path if os.path.isabs(path) else os.path.relpath(path, root)


def purify(place: str, report: bool) -> str:
    """The line that installs, for each distribution that has one, the form without extensions.

    Both ways to it may fail: then there is none.
    """
    wheel, sdist = pure_lines(place)
    told = ' --report "$to.json"' if report else ""
    rest = f'$flags --no-deps --target "$to" -r "$file"{told} </dev/null >>"$to.log" 2>&1'
    return (
        f'flags="$(cat {q(place)}/pure/flags)" && for file in {q(place)}/pure/*.txt; do'
        f' [ -e "$file" ] || break; to="${{file%.txt}}"; form=\'a pure wheel\';'
        f" {wheel} {rest} || {{ rm -rf \"$to\"; form='its sdist, built without the extension';"
        f' {sdist} {rest}; }} || rm -rf "$to"; echo "$form" > "$to.form"; done'
    )


def settle_deps(c: Context, s: Settings, work: str) -> None:
    """See that all of it can run in the interpreter, and put it beside the program."""
    failed = f"{s.pkg} cannot be packaged with its dependencies"
    packed = os.path.relpath(s.site, work)
    suffix = "''" if s.ships_source else "c"
    words = f"settle . {q(packed)} {shlex.quote(s.program.name or s.pkg)} {suffix}"
    line = f"{RUN} -m sift {words} </dev/null > forms"
    then = "do without it, or leave such files out, as with COSMO_EXCLUDE='*.so'"
    sh(c, line, failed, at=work, then=then)
    failed = f"{s.site} cannot be written"
    sh(c, f"cp -R site/. own/. {q(packed)}", failed, at=work)
    sh(c, leave_out(s.exclude, "__pycache__"), failed, at=s.site)


def swapped(s: Settings) -> list[str]:
    """What the last build says of the distributions whose extension modules were left out."""
    told = Path(s.build, WORK, "forms")
    return told.read_text(encoding="utf-8").splitlines() if has_deps(s) and told.is_file() else []
