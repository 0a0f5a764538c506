"""The dependencies: what says what they are, uv's lines, and the content of the lock."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from .fetch import digest_of, file_sha256, tool_address
from .lockfile import (
    Lock,
    check_package,
    lock_text,
    parse_toml,
    public_requirement,
    public_url,
    table,
)
from .project import Project
from .session import compile_command
from .shell import Bar, RecipeError, Shell, count, exit_on_error, log, quote

IGNORED = ("__pycache__ *.egg-info .DS_Store", "*~ .#* #*# .*.sw[op]")
"""What is not copied: the host's bytecode, what an editable install left, and editors' files."""


def requirements_kind(p: Project) -> str:
    """Say what the dependencies are taken from: the lock first, a new resolution last."""
    if not p.installs:
        return "none"
    if p.lock:
        return "lock"
    if p.options.app:
        return "app"
    if p.settings.deps:
        return "file"
    if p.script:
        return "script"
    if has_uv_lock(p):
        return "uv.lock"
    return "project" if p.way == "wheel" or p.is_dynamic else "pyproject"


def has_uv_lock(p: Project) -> bool:
    """Tell whether the project, or the workspace that it is a member of, has a `uv.lock`."""
    if not any((folder / "uv.lock").is_file() for folder in (p.root, *p.root.parents)):
        return False
    line = ["/bin/sh", "-c", f"{p.uv} workspace dir"]
    done = subprocess.run(line, cwd=p.root, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode == 0 and Path(done.stdout.strip(), "uv.lock").is_file()


def is_offline(p: Project) -> bool:
    """Tell whether uv asks no server: it then refuses to refresh what it keeps of a folder."""
    value = os.environ.get("UV_OFFLINE") or table(p.data, "tool", "uv").get("offline")
    return p.settings.offline or str(value).lower() in ("1", "true", "yes", "on")


def network_remedy(p: Project) -> str:
    """Say what to do where uv cannot resolve or install."""
    if p.settings.offline:
        return "go online once, without --offline or COSMO_OFFLINE"
    return "correct the requirements, or check the network"


def resolved_packages(p: Project) -> list[dict[str, Any]]:
    """Read the packages that the lock file, or the resolution, names."""
    path = resolved_file(p)
    return list(parse_toml(path, path.read_bytes()).get("packages", [])) if p.installs else []


def resolved_file(p: Project) -> Path:
    """Return the lock file that says which dependencies are installed."""
    return p.lock_file if p.lock else p.path(f"{p.build}/.deps/pylock.toml")


def read_requirements(path: Path, seen: tuple[Path, ...] = ()) -> list[bytes | None]:
    """Read a requirements file and those that it includes; None for what only uv can find."""
    if path in seen:
        return []
    if not path.is_file():
        return [None]
    content = path.read_bytes()
    files: list[bytes | None] = [content]
    include = rb"(?m)^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(.*?)\s*(?:\s#.*)?$"
    for match in re.finditer(include, content):
        name = match[1].decode("utf-8", "replace")
        files += read_requirements(path.parent / name, (*seen, path))
    return files


def wheel_file(p: Project) -> Path:
    """Return the wheel that was built. Raises `RecipeError` where it is not pure."""
    wheels = sorted(p.path(f"{p.build}/.wheel").glob("*.whl"))
    if len(wheels) != 1:
        raise RecipeError(f"{p.label}: its build backend made {count(len(wheels), 'wheel')}, not 1")
    if not wheels[0].name.endswith("-none-any.whl"):
        problem = f"{wheels[0].name} holds compiled modules, which cannot run in the executable"
        raise RecipeError(f"{problem}; build a pure wheel, one for any platform")
    return wheels[0]


def lock_inputs(p: Project) -> tuple[str, ...]:
    """List what the dependencies are resolved for: requirements, or digests of files with them."""
    uv = table(p.data, "tool", "uv")
    inputs = [f"tool.uv sha256:{digest_of(uv)}"] if uv else []
    if p.settings.deps and p.installs:
        digest = digest_of(read_requirements(p.path(p.settings.deps)))
        return (f"requirements {Path(p.settings.deps).name} sha256:{digest}", *inputs)
    if not (p.is_dynamic and p.installs) or p.source:
        return (*p.requires, *inputs) if p.installs else ()
    with exit_on_error("the wheel cannot be read"), zipfile.ZipFile(wheel_file(p)) as archive:
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(info).decode("utf-8", "replace"))
    return (*headers.get_all("Requires-Dist", []), *inputs)


def check_lock(p: Project, lock: Lock) -> None:
    """Check that the packages were locked for what is required now."""
    required, locked = set(lock_inputs(p)), set(lock.inputs)
    lacks, more = (
        ", ".join(sorted(map(public_requirement, one)))
        for one in (required - locked, locked - required)
    )
    if lacks or more:
        problems = [f"lacks {lacks}"] if lacks else []
        problems += [f"has {more}, which is no longer required"] if more else []
        problem = f"{p.lock_file.name} {' and '.join(problems)}"
        raise RecipeError(f"{problem}; lock anew with `{p.lock_command}`")


def check_frozen(p: Project, packages: list[dict[str, Any]]) -> None:
    """Refuse a lock of uv's that lacks a package; uv's `--locked` also refuses any mirror."""
    for name in sorted(p.required_names - {str(package.get("name")) for package in packages}):
        raise RecipeError(f"the lock of uv lacks {name}, which {p.label} requires; run `uv lock`")


def write_lock(p: Project, version: str) -> None:
    """Write the lock for the interpreter that was fetched, and what was resolved."""
    address, python = tool_address(p, "python"), p.path(f"{p.build}/python")
    remote = "://" in address

    def from_root(match: re.Match[str]) -> str:  # uv's paths begin in the folder of the file
        path = os.path.normpath(f"{p.build}/.deps/{match[1]}")
        return f'path = "{path}"'

    modified = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(python.stat().st_mtime))
    resolved = resolved_file(p).read_text("utf-8") if p.installs else ""
    resolved = re.sub(r'\bpath = "([^"/][^"]*)"', from_root, resolved)
    lock = Lock(
        url=public_url(address) if remote else Path(address).name,
        size=python.stat().st_size,
        sha256=file_sha256(python),
        version=version.split()[1],
        last_modified=modified if remote else "",
        inputs=lock_inputs(p),
        packages=tuple(check_package(package) for package in resolved_packages(p)),
    )
    for text in (lock.url if remote else "", *lock.inputs):
        if text != public_requirement(text) or (remote and address != public_url(address)):
            problem = "cannot be locked: its address holds a password or a token"
            raise RecipeError(f"{public_requirement(text)} {problem}; write that into ~/.netrc")
    part = p.lock_file.with_name(f".{p.lock_file.name}.part")
    with exit_on_error(f"{p.lock_file} cannot be written"):
        part.unlink(missing_ok=True)  # what lies there may be a link, or a pipe
        part.write_text(lock_text(resolved, lock), "utf-8")
        part.replace(p.lock_file)
    also = "" if remote else "; set COSMO_URL wherever it is built, for it came from a path"
    if p.settings.values["COSMO_URL"].origin == "default":
        also = "; that interpreter's address changes with each release: COSMO_VERSION names one"
    held = count(len(lock.packages), "package")
    log(f"lock     {p.lock_file.name}: Python {lock.version}, {held}; commit it{also}")


def install_program(p: Project, sh: Shell, requirement: str) -> None:
    """Install the program alone: its wheel, or what `cosmo.app` was given."""
    if not (sh.dry or p.options.app):
        wheel_file(p)
    target = f'--target "$DIR_SITE" $(cat {quote(p.build)}/.target)'
    sh.run(
        f"{p.uv} pip install -q --no-deps {target} {requirement}",
        failed=f"{p.label} cannot be installed",
        remedy=network_remedy(p),
    )
    if p.settings.include:
        sh.run(*include_lines(p), failed="COSMO_INCLUDE cannot be copied")


def resolve(p: Project, sh: Shell, kind: str, upgrade: str = "") -> None:
    """Resolve the dependencies to `.deps/pylock.toml`, unless they are locked."""
    if kind in ("none", "lock"):
        return
    b, uv = quote(p.build), p.uv
    options = f"{b}/.deps/options"
    lines = [f"echo {upgrade} > {options}"]
    line = f"{uv} pip compile -q $(cat {b}/.target {options})"
    if kind == "project":  # uv keeps its metadata, though the backend may read other files
        name = p.name or f"$(ls {b}/.wheel | sed 's/-.*//')"
        refresh = "" if is_offline(p) else f" --refresh-package {name}"
        lines.append(f"echo --no-emit-package {name}{refresh} >> {options}")
        line = f"echo . | {line} -"
    elif kind == "pyproject":
        line += " pyproject.toml"
    elif kind == "file":
        line += f" {quote(str(p.settings.deps))}"
    elif kind == "script":  # with -p it is not narrowed to the host's Python
        frozen = " --frozen" if p.path(f"{p.script}.lock").exists() else ""
        python = f"\"<=$(cut -d ' ' -f 2 {b}/.target)\""
        line = f"{uv} export -q{frozen} --script {quote(p.script)} -p {python} $(cat {options})"
    elif kind == "uv.lock":  # it may be for another Python than the host's
        line = f"env -u UV_PYTHON {uv} export -q --frozen --no-default-groups --no-emit-project"
    else:  # of the program that was installed already
        requirement, _, others = p.options.app or ("", "", ())
        lines += [
            rf"""ls "$DIR_SITE" | sed -n 's/-\([^-]*\)\.dist-info$/==\1/p' > {b}/.deps/pins.txt""",
            f"printf '%s\\n' {shlex.join([requirement, *others])} > {b}/.deps/app.txt",
            f"echo --no-emit-package $(cut -d = -f 1 {b}/.deps/pins.txt) >> {options}",
        ]
        line += f" -c {b}/.deps/pins.txt {b}/.deps/app.txt"
    line += f" -o {b}/.deps/pylock.all.toml"
    # of a folder, too, uv keeps what it built: then it is refreshed, and all resolved once more
    names = """sed -n '/^name/h;/^dir/{g; s/name =/--refresh-package/;s/"//gp;}' pylock.all.toml"""
    sh.run(
        *lines,
        line,
        f"(cd {b}/.deps && {':' if is_offline(p) else names} > refresh)",
        f"cat {b}/.deps/refresh >> {options}",
        f"([ ! -s {b}/.deps/refresh ] ||\n{line})",
        # uv refuses a file that is not for the host's own Python
        f"sed '/^#/d; /^requires-python/d' {b}/.deps/pylock.all.toml > {b}/.deps/pylock.toml",
        failed=f"the dependencies of {p.label} cannot be resolved",
        remedy=network_remedy(p),
    )


def install_dependencies(p: Project, sh: Shell, kind: str) -> None:
    """Install what is resolved or locked; compile it; remove what cannot run."""
    b, site = quote(p.build), f"{quote(p.build)}/.deps/Lib/site-packages"
    install = f"{p.uv} pip install -q --target"
    line = f"(cd {b}/.deps && {install} Lib/site-packages $(cat ../.target refresh) -r pylock.toml)"
    if kind == "lock":
        line = f"{install} {site} $(cat {b}/.target) -r {quote(p.lock_file.name)}"
    elif kind == "file":  # uv checks the hashes that stand in it, and nowhere else
        file = quote(str(p.settings.deps))
        line = f"{install} {site} $(cat {b}/.target {b}/.deps/refresh) -r {file}"
    failed = f"the dependencies of {p.label} cannot be installed"
    sh.run(line, failed=failed, remedy=network_remedy(p))
    exclude(p, sh, site)
    lib = f"cd {b}/.deps/Lib"
    sh.run(f"({lib} && find site-packages -name '*.py' -print0 > ../py)")
    files = 0 if sh.dry else p.path(f"{p.build}/.deps/py").read_bytes().count(b"\0")
    # a template need not compile: then compileall ends with 1, and xargs with 123
    line = f"xargs -0r -P4 -n400 {compile_command(p, '../..')} < ../py"
    sh.run(f"({lib} && {line}) || [ $? -lt 124 ]", bar=Bar("deps", files, "files", "Compiling "))
    fit(p, sh, site)


def include_lines(p: Project) -> list[str]:
    """Copy what COSMO_INCLUDE names beside the program's module, and remove what is IGNORED."""
    lines = []
    for name in map(os.path.normpath, p.settings.include):
        source, folder = os.path.normpath(os.path.join(p.beside, name)), os.path.dirname(name)
        if not p.path(source).exists():
            place = p.path(p.beside).resolve()
            raise RecipeError(f"COSMO_INCLUDE: there is no {source}; name what is in {place}")
        target = f'"$DIR_SITE"/{quote(folder)}' if folder else '"$DIR_SITE"'
        lines += [f"mkdir -p {target}"] if folder else []
        lines += [f"cp -RL {quote(source)} {target}", f"chmod -R u+w {target}"]
    for names in IGNORED:
        tests = " -o ".join(f"-name {shlex.quote(name)}" for name in names.split())
        lines.append(rf'find "$DIR_SITE" -depth \( {tests} \) -exec rm -rf {{}} +')
    return lines


def fit(p: Project, sh: Shell, site: str) -> None:
    """Remove what cannot run and the compiled .py; make RECORD list what is there."""
    b, suffix = quote(p.build), "''" if p.settings.source else "c"
    line = f"sh {b}/python -IB {b}/.inside.py fit {site} {b}/.new/notes.json {suffix}"
    sh.run(line, failed=f"{p.label} cannot be packaged", remedy="")


def exclude(p: Project, sh: Shell, site: str) -> None:
    """Remove what COSMO_EXCLUDE names, and folders that are empty then: Python imports those."""
    tests = " -o ".join(f"-path ./{shlex.quote(pattern)}" for pattern in p.settings.exclude)
    if tests:
        sh.run(
            rf"(cd {site} && find . -depth \( {tests} \) -exec rm -rf {{}} +)",
            f"(cd {site} && find . -depth -type d -exec rmdir {{}} + 2>/dev/null || :)",
        )
