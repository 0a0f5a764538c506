"""The article's recipe: one task a phase, in the article's order, each of them its shell lines.

Lines run in the project's folder. `b` is the build folder, the article's `dist/cosmo`, quoted.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from functools import partial

from invoke.context import Context
from invoke.tasks import task

from .base import base_key, cached_base, store_base
from .dependencies import (
    check_frozen,
    check_lock,
    exclude,
    fit,
    include_lines,
    install_dependencies,
    install_program,
    network_remedy,
    requirements_kind,
    resolve,
    resolved_packages,
)
from .executable import (
    backend_problem,
    build_digest,
    check_file_names,
    check_shadows,
    check_target,
    compile_problem,
    is_current,
    missing_imports,
    read_build,
    record_build,
    result_path,
    show_all,
    smoke_remedy,
)
from .fetch import (
    FETCHED,
    cached_file,
    check_download,
    describe_file,
    download_problem,
    download_remedy,
    file_sha256,
    has_sha256,
    keep_download,
    lock_message,
    tool_address,
    touch_time,
    wanted_sha256,
    wget_limits,
)
from .lockfile import public_url
from .project import Project
from .session import compile_command, inside_text, needs_uv, session, zip_command
from .shell import Bar, RecipeError, Shell, count, print_result, quote

WGET = "wget -N --no-config --no-hsts -t 3 --waitretry=1 -T 30"
"""The article's `wget -N`, with options that wget and wget2 take. TLS is verified, no `.wgetrc`
is read, and nothing is written to the home folder."""


@task
def clean(c: Context) -> None:
    """Remove the files that the last build gathered."""
    with session(c, "clean") as (p, sh):
        b = quote(p.build)
        sh.log("clean", p.site)
        # the article: rm -rf $DIR_SITE
        sh.run(f'rm -rf "$DIR_SITE" {b}/Lib {b}/.deps {b}/.new {b}/.wheel {b}/.build')


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the program's sources, or build its wheel."""
    with session(c, "setup") as (p, sh):
        b = quote(p.build)
        lines = [
            # the article: mkdir -p $DIR_SITE
            f'mkdir -p "$DIR_SITE" {b}/.new/out {b}/.deps/Lib/site-packages {b}/.build',
            f"{inside_text(p)} > {b}/.inside.py",
        ]
        if p.source:
            sh.log("setup", f"{p.source} -> {p.site}")
            # the article: cp -r src/$PKG $DIR_SITE
            copy = f'cp -RL {quote(p.source)} "$DIR_SITE"{p.renamed}'
            lines += [copy, 'chmod -R u+w "$DIR_SITE"', *include_lines(p)]
            lines.append(f"ls -A {quote(p.beside)} > {b}/.new/beside")
        sh.run(*lines)
        if not (p.source or p.options.app):
            build_wheel(p, sh)


def build_wheel(p: Project, sh: Shell) -> None:
    """Let the project's build backend make its wheel.

    The file lets setuptools leave no litter, and take nothing that an earlier build left.
    """
    b = quote(p.build)
    sh.log("setup", f"a wheel of {p.label}, by its build backend")
    sh.run(
        rf"printf '[build]\nbuild_base = %s\n' {b}/.build/lib > {b}/.build/setup.cfg",
        rf"""printf '[egg_info]\negg_base = %s\n' "$PWD"/{b}/.build >> {b}/.build/setup.cfg""",
    )
    remedy = "correct [build-system], or what it builds"
    if "build-system" not in p.data and not p.path("setup.py").exists():
        remedy = "uv builds nothing without one: write [build-system] in pyproject.toml"
    sh.run(
        f"{p.uv} build --wheel --out-dir {b}/.wheel .",
        failed=f"{p.label} cannot be built",
        remedy=network_remedy(p) if p.settings.offline else remedy,
        reason=backend_problem,
    )


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python."""
    with session(c, "fetch") as (p, sh):
        if message := lock_message(p, requirements_kind(p)):
            sh.log("lock", message)
        for name in ("python",) if shutil.which("zip") else ("zip", "python"):
            fetch_file(p, sh, name, force or p.options.force)


def download(p: Project, sh: Shell, name: str, url: str, force: bool) -> None:
    """Download a file; a server is asked with the time of what it gave before, if that is cached.

    Offline, what is cached is all there is.
    """
    b, last = quote(p.build), None if force or sh.dry else cached_file("*", url)
    if not sh.dry:
        check_download(p, url, last)
    sh.run(
        f"rm -rf {b}/download",
        f"mkdir -p {b}/download",
        *([f"cp -p {quote(str(last))} {b}/download"] if last else []),
    )
    if not p.settings.offline:
        size = p.lock.size if p.lock and name == "python" else None
        sh.run(
            # the article: wget -N https://cosmo.zip/pub/cosmos/bin/python
            f"({wget_limits(url, size)}\n{WGET} -P {b}/download {shlex.quote(url)})",
            failed=f"{public_url(url)} cannot be downloaded",
            remedy=download_remedy(p, name),
            bar=Bar("fetch", size and size // 51200, "B", r"\s*\d+K[ .]", 51200),
            reason=download_problem,
            seconds=3600,  # a server may be slow
        )
    sh.run(f"cp -p {b}/download/* {b}/{name}.part")


def fetch_file(p: Project, sh: Shell, name: str, force: bool) -> None:
    """Take a file from the cache, or its address; put it in place once it is verified.

    It must be an APE file with the locked sha256, if one is locked; the interpreter with a zip at
    its end that can be read and holds a library.
    """
    b, address, sha256 = quote(p.build), tool_address(p, name), wanted_sha256(p, name)
    source, remedy, part = public_url(address), f"correct {FETCHED[name]}", f"{b}/{name}.part"
    new, cached = p.path(f"{p.build}/{name}.part"), None if force else cached_file(sha256)
    if not (force or sh.dry) and has_sha256(p.path(f"{p.build}/{name}"), sha256):
        sh.log("fetch", f"{name} of that sha256 is there")
        return
    sh.log("fetch", f"{name} of that sha256, from the cache" if cached else source)
    downloads = "://" in address and not cached
    if downloads:
        download(p, sh, name, address, force)
    else:
        copy = f"cp {quote(str(cached or address))} {part}"
        sh.run(f"mkdir -p {b}", copy, failed=f"{source} cannot be copied", remedy=remedy)
    if sha256:
        program = "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"
        sh.run(
            f"echo '{sha256}  '{part} | {program} -c >/dev/null 2>&1",
            failed=f"{source} is not what {p.lock_file.name} names",
            remedy=f"{remedy}, or lock it anew with `{p.lock_command}`",
            reason=lambda _: f"expected sha256 {sha256}, found {file_sha256(new)}",
        )
    sh.run(
        f'head -c 8 {part} | grep -Eq "^(MZqFpD|jartsr)=\'"',
        *([f"{zip_command(p)} -sf {part} | grep -q '^ *Lib/'"] if name == "python" else []),
        failed=f"{source} cannot be used",
        remedy=remedy,
        reason=lambda _: describe_file(new),
    )
    if downloads and not sh.dry:
        keep_download(address, next(p.path(f"{p.build}/download").iterdir()))
    # the article: chmod +x python
    sh.run(f"chmod +x {part}", f"mv -f {part} {b}/{name}")


@task(pre=[setup, fetch])
def deps(c: Context) -> None:
    """Install the dependencies for the fetched Python."""
    with session(c, "deps") as (p, sh):
        b, kind = quote(p.build), requirements_kind(p)
        if needs_uv(p) or (p.way == "copy" and p.requires_python):
            requires = p.requires_python
            line = f"sh {b}/python -IB {b}/.inside.py target {shlex.quote(requires)} > {b}/.target"
            sh.run(line, failed=f"{p.label} cannot be installed", remedy="")
        if p.options.app:
            install_program(p, sh, shlex.quote(p.options.app[0]))
        if p.lock and not sh.dry:
            check_lock(p, p.lock)
        resolve(p, sh, kind)
        packages = [] if sh.dry else resolved_packages(p)
        if kind in ("uv.lock", "script") and not sh.dry:
            check_frozen(p, packages)
        key = "" if sh.dry else base_key(p, packages, {**os.environ, **c.config.run.env})
        if not sh.dry:
            p.path(f"{p.build}/.digest").write_text(build_digest(p, key), "utf-8")
        if is_current(p):
            return
        base = None if p.options.force else cached_base(key)
        if kind != "none":
            sh.log("deps", f"{count(len(packages), 'package')}{', from the cache' if base else ''}")
        if base:
            notes = quote(str(base.with_suffix(".json")))
            copy = f"cp {quote(str(base))} {b}/.new/base.zip"
            sh.run(copy, f"chmod +rx {b}/.new/base.zip", f"cp {notes} {b}/.new/notes.json")
        else:
            make_base(p, sh, kind, bool(packages) or (sh.dry and kind != "none"))
            if key:
                store_base(p, key)
        if not (p.source or p.options.app):
            install_program(p, sh, f"./{b}/.wheel/*.whl")


def make_base(p: Project, sh: Shell, kind: str, installs: bool) -> None:
    """Make the base archive: the interpreter, pruned, with the dependencies."""
    b = quote(p.build)
    prune = f" -x {shlex.join(p.settings.prune)}" if p.settings.prune else ""
    sh.run(
        f"sh {b}/python --version > {b}/.new/version",
        f"""printf '{{"python": "%s"}}' "$(cat {b}/.new/version)" > {b}/.new/notes.json""",
        f"ln -s ../python {b}/.new/python.zip",
        # the article: cp python $PKG.zip; zip -d $PKG.zip 'Lib/site-packages/pip*' 'usr/*'
        f"{zip_command(p)} -q -U {b}/.new/python.zip '*' --out {b}/.new/base.zip{prune}",
        f"chmod +x {b}/.new/base.zip",
        remedy="correct COSMO_PRUNE, or fetch the interpreter again",
    )
    if installs:
        install_dependencies(p, sh, kind)
        add_files(p, sh, f"{p.build}/.deps", "../.new/base.zip")


def add_files(p: Project, sh: Shell, folder: str, archive: str) -> None:
    """Add all of a folder's `Lib` to an archive, in one order, with one time and plain modes."""
    f, when = quote(folder), touch_time(p.epoch)
    sh.run(
        f"chmod -R u=rwX,go=rX {f}/Lib",
        f"find {f}/Lib -type f -exec touch -t {when} {{}} +",
        f"(cd {f} && find Lib -type f > .files && sort -o .files .files)",
    )
    files = 0 if sh.dry else p.path(f"{folder}/.files").read_bytes().count(b"\n")
    line = f"(cd {f} && {zip_command(p, folder)} -MM -X -g {archive} -@ < .files)"
    if folder == f"{p.build}/.deps":  # all dependencies may be for other systems
        line = f"[ ! -s {f}/.files ] || {line}"
    sh.run(line, bar=Bar("update", files, "files", r"\s*(adding|updating): "))


@task(pre=[deps], name="compile")
def compile_site(c: Context) -> None:
    """Compile the .py files with the fetched Python."""
    with session(c, "compile") as (p, sh):
        if is_current(p):
            return
        if not sh.dry:
            check_file_names(p)
        files = sum(1 for _ in p.path(p.site).rglob("*.py"))
        sh.log("compile", count(files, "file"))
        exclude(p, sh, '"$DIR_SITE"')
        # the article: ./dist/cosmo/python -m compileall -b $DIR_SITE/$PKG
        line = f"(cd {quote(p.build)}/Lib && {compile_command(p, '..')} -f site-packages)"
        bar = Bar("compile", files, "files", "Compiling ")
        if p.way == "article":
            failed = f"{p.source} does not compile"
            sh.run(line, failed=failed, remedy="correct it", bar=bar, reason=compile_problem)
            if not p.settings.source:  # the article: find $DIR_SITE/$PKG -name "*.py" -delete
                sh.run("""find "$DIR_SITE" -name '*.py' -delete""")
        else:
            sh.run(f"{line} || [ $? = 1 ]", bar=bar)
            fit(p, sh, '"$DIR_SITE"')


@task
def report(c: Context) -> None:
    """Print the executable's path, size and sha256."""
    with session(c, "report") as (p, sh):
        build = read_build(p)
        if sh.dry:
            return
        if build is None or not p.path(build.path).is_file():
            raise RecipeError("there is no executable of this project; make it with `invoke cosmo`")
        print_result("\n".join(build.report))


@task(pre=[compile_site], post=[report])
def update(c: Context) -> None:
    """Make the executable, try it, and put it in place."""
    with session(c, "update") as (p, sh):
        if is_current(p):
            sh.log("cosmo", "nothing has changed since the last build; --force builds it anew")
            return
        b = quote(p.build)
        if not sh.dry:
            check_shadows(p)
        files = sum(one.is_file() for one in p.path(f"{p.build}/Lib").rglob("*"))
        sh.log("update", f"{count(files + 1, 'file')} into the executable")
        add_files(p, sh, p.build, ".new/base.zip")  # the article: zip -r $PKG.zip .args Lib
        name, module = write_args(p, sh)
        if p.settings.check:
            check_imports(p, sh, module)
        sh.run(
            f"(cd {b} && {zip_command(p, p.build)} -q -X -g .new/base.zip .args)",
            f"mv {b}/.new/base.zip {b}/.new/out/{name}",
        )
        if p.settings.smoke is not None:
            try_executable(p, sh, p.settings.smoke, "COSMO_SMOKE")
        elif p.options.app and p.settings.check:
            try_executable(p, sh, ("--help",), "a start")
        place(p, sh, name)


def write_args(p: Project, sh: Shell) -> tuple[str, str]:
    """Write `.args`; return the result's name, and the module that starts, as shell words."""
    b, s = quote(p.build), p.settings
    options = ["-I"] if s.isolated else []
    options += ["-" + "O" * s.optimize] if s.source and s.optimize else []
    plain = f"chmod 644 {b}/.args", f"touch -t {touch_time(p.epoch)} {b}/.args"
    if p.way == "article" and p.start.entry == f"-m {p.module}":
        # the article: printf -- "-m\\n$PKG\\n..." > dist/cosmo/.args
        form = r"%s\n" * (len(options) + 2)
        sh.run(f"""printf '{form}...' {" ".join([*options, "-m"])} "$PKG" > {b}/.args""", *plain)
        return quote(p.start.name), quote(p.module)
    setting = "--entry" if p.options.app else "COSMO_ENTRY"
    target = shlex.join([p.start.entry, p.start.name, setting, *options])
    line = f"(cd {b} && sh ./python -IB .inside.py start Lib/site-packages {target})"
    sh.run(line, *plain, failed=f"{p.label} cannot start", remedy="")
    name = quote(p.start.name) if p.start.name else f'"$(cat {b}/.name)"'
    return name, '"$(cat ../.start)"'


def check_imports(p: Project, sh: Shell, module: str) -> None:
    """Let the new executable, which has no .args yet, import what it will when it starts."""
    line = f"sh ./base.zip -I ../.inside.py check {module} notes.json beside < /dev/null"
    result = sh.run(
        f"(cd {quote(p.build)}/.new && {line})",
        failed=f"{p.label} cannot start",
        remedy="",
        reason=partial(missing_imports, p),
    )
    for remark in re.findall("(?m)^remark: (.*)$", result.stdout):
        sh.log("check", remark)


def try_executable(p: Project, sh: Shell, arguments: tuple[str, ...], trial: str) -> None:
    """Start the new executable in an empty folder and environment, for a trial with that name."""
    b, command = quote(p.build), shlex.join(arguments)
    sh.log("smoke", command or "without arguments")
    env = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$TMPDIR"'
    line = f"(cd {b}/.new/try && {env} sh ../out/* {command} < /dev/null)"
    sh.run(
        f"rm -rf {b}/.new/try",
        f"mkdir {b}/.new/try",
        f"{line} || [ $? = 2 ]" if p.options.app else line,  # it may not know --help
        failed=f"{p.label} does not pass {trial} ({command})",
        remedy=smoke_remedy(p),
        reason=show_all,
    )


def place(p: Project, sh: Shell, name: str) -> None:
    """Put the whole executable in its place, by one rename, and record the build."""
    b, out = quote(p.build), p.settings.out
    if path := "" if sh.dry else result_path(p):
        check_target(p, path)
    if out or p.options.app:  # that may be on another disk, where mv copies
        folder = quote(os.path.dirname(out or "dist/") or ".")
        sh.run(
            f"mkdir -p {folder}",
            f"mv -f {b}/.new/out/{name} {folder}/.cosmo.part",
            f"mv -f {folder}/.cosmo.part {quote(out) if out else f'dist/{name}'}",
            failed="the executable cannot be put in place",
        )
    else:
        sh.run(f"mv -f {b}/.new/out/{name} {b}/{name}")  # the article: mv $PKG.zip $PKG
    if path:
        record_build(p, path)
