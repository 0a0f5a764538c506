"""The executable: how it is compiled, its `.args`, what it is tried with, and one rename."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from invoke.runners import Result

from .inside.imports import ImportVisitor
from .inside.start import read_note
from .interpreter import file_sha256, inside_command, zip_command
from .lockfile import count
from .metadata import run_module
from .project import Executable, Project
from .shell import Progress, RecipeError, Shell, log, quote

CHECK_REMEDY = "correct that, or build it all the same with COSMO_CHECK=0"
MAY_NOT_COMPILE = "[ $? = 1 ]"
"""What follows a compiler: of dependencies a file, as a template, may be none that compiles.

Source: compileall, which ends with status 1 then. One that was killed ends with another.
"""

INSTALLED = f"site-packages || {MAY_NOT_COMPILE}"
"""What to compile where all that is installed is, of which a file need not compile."""

CANNOT = "which cannot run in the executable"
LACKS = "which this interpreter lacks"
SOURCE_REMEDY = "if it looks for .py files of its own, keep them with COSMO_SOURCE=1; else "


def write_args(p: Project, executable: Executable) -> str:
    """The line that writes `.args`."""
    form = r"\n".join(["%s"] * len(executable.args))
    words = ['"$PKG"' if word == p.pkg else shlex.quote(word) for word in executable.args]
    return f"printf '{form}' {' '.join(words)} > {quote(p.build)}/.args"


def touch(p: Project) -> str:
    """The command that gives files the time of all that goes in."""
    return f"touch -t {time.strftime('%Y%m%d%H%M.%S', time.gmtime(p.epoch))}"


def compile_error(p: Project, result: Result) -> str:
    """The first error that compileall printed, with the source's file and line; else nothing."""
    pattern = r'(?ms)File "/zip/Lib/site-packages/([^"\n]+)", line (\d+)$.*?^(\w+Error: [^\n]*)$'
    match = re.search(pattern, result.stdout)
    if not match:
        return ""
    file = p.source if p.top.endswith(".py") else p.source.parent / match[1]
    return f"{file}:{match[2]}: {match[3]}"


def compile_line(p: Project, path: str = INSTALLED, build: str = "..") -> str:
    """The line that compiles what is below a path in `Lib`, so that tracebacks name it in /zip.

    It runs there, where no module but those to be packed can be in the compiler's way; `build` is
    the build folder from there. Where the
    `.py` is shipped too, its `.pyc` goes to `__pycache__`, and is never checked against it: Python
    ignores one that lies beside a `.py`.
    """
    options = f" -{'O' * p.get('COSMO_OPTIMIZE')}" if p.get("COSMO_OPTIMIZE") else ""
    form = "--invalidation-mode unchecked-hash" if p.get("COSMO_SOURCE") else "-b"
    keep = "|".join(re.escape(pattern) for pattern in p.get("COSMO_KEEP"))
    keep = keep.replace(r"\*", ".*").replace(r"\?", ".")
    left = f" -x {shlex.quote(f'^site-packages/({keep})(/.*)?$')}" if keep else ""
    return f"sh {build}/python{options} -m compileall {form}{left} -p /zip/Lib {path}"


def compile_others(sh: Shell, line: str, at: str, progress: Progress, what: str) -> None:
    """Run a line that compiles what need not all compile: MAY_NOT_COMPILE follows its compilers.

    Where a file cannot be written, compileall ends with the same status, and `RecipeError` says so
    of `what`.
    """
    done = sh.run(line, at=at, progress=progress)
    unwritten = re.search(r"(?m)^\*\*\* (\w+: \[Errno .*)", done.stdout)
    if unwritten:
        problem = f"the bytecode of {what} cannot be written"
        raise RecipeError(f"{problem}: {unwritten[1]}; fix this and run it again")


def new_zip(executable: Executable) -> str:
    """The path that an executable has in the build folder until it is whole."""
    return f".new/{shlex.quote(executable.name)}.zip"


def add_line(p: Project, new: str, build: str = ".") -> str:
    """The command that adds the files whose names it reads to a zip."""
    level = p.get("COSMO_COMPRESS")
    return f"{zip_command(build)} -MM -X -g {f'-{level} ' * (level != 6)}{new} -@"


def list_unused(p: Project, sh: Shell) -> str:
    """List in `.new/unused` what COSMO_SLIM leaves out of the library; the patterns, if it does."""
    words = p.get("COSMO_SLIM")
    if not words:
        return ""
    kept = shlex.quote(",".join(word for word in words if word not in ("1", "list")))
    paths, file = (f"{quote(p.build)}/python", '"$DIR_SITE"'), f"{quote(p.build)}/.new/unused"
    line = inside_command(p, "unused", *paths, quote(p.layer), kept, *started_modules(p))
    sh.run(f"{line} > {file}", "COSMO_SLIM cannot be heeded", "correct it")
    unused = "" if sh.dry else Path(p.build, ".new/unused").read_text("utf-8")
    names = [] if sh.dry else unused_modules(p)
    sh.log("update", f"{count(len(names), 'module')} of the library not needed: {', '.join(names)}")
    return "" if "list" in words else unused or "dry"


def unused_modules(p: Project) -> list[str]:
    """The modules of the library that `.new/unused` lists."""
    return re.findall(r"Lib/(\w+)", Path(p.build, ".new/unused").read_text("utf-8"))


def started_modules(p: Project) -> list[str]:
    """The modules, at the top, that the arguments in `.args` run or import, as shell words."""
    names = {run_module(executable.args) for executable in p.executables}
    for word in (word for executable in p.executables for word in executable.args):
        with suppress(SyntaxError, ValueError):
            names |= {one.name for one in ImportVisitor("", True, word.encode(), set()).imports}
    tops = {name.partition(".")[0] for name in names}
    return [shlex.quote(name) for name in sorted(tops - {"", p.top})]


def prune_interpreter(p: Project, sh: Shell, new: str, unused: str) -> None:
    """Make a zip of the interpreter, without what is pruned, at a path in the build folder."""
    # the article: cp python $PKG.zip; zip -d $PKG.zip 'Lib/site-packages/pip*' 'usr/*'
    prune = p.get("COSMO_PRUNE")
    line = f"{zip_command()} -q -U .new/python.zip '*' --out {new}"
    line += f" -x {shlex.join(prune)}" if prune else ""
    line += " -x@.new/unused" if unused else ""
    sh.run(line, "", "correct COSMO_PRUNE, or fetch the interpreter again", at=p.build)


def set_modes(p: Project, files: str) -> str:
    """The line that gives what goes in its modes and time."""
    return f"chmod -R u=rwX,go=rX {files} && find {files} -type f -exec {touch(p)} {{}} +"


def try_imports(p: Project, sh: Shell, executable: Executable) -> None:
    """Let a new executable, which has no .args yet, import what it will when it starts."""
    line = f"sh ./{shlex.quote(executable.name)}.zip -I ../.imports"
    at, failed = os.path.join(p.build, ".new"), f"{executable.path} cannot start"

    def reason(result: Result) -> str:
        why = describe_failure(result, read_note(p.layer, "removed"))
        lacks = re.search(r"No module named '(\w+)", why)
        if lacks and p.get("COSMO_SLIM") and lacks[1] in unused_modules(p):
            return f"{why}; COSMO_SLIM left it out: keep it with COSMO_SLIM={lacks[1]}"
        may_help = not p.get("COSMO_SOURCE") and LACKS not in why and CANNOT not in why
        return f"{why}; {SOURCE_REMEDY * may_help}{CHECK_REMEDY}"

    shown = sh.run(line, failed, remedy="", at=at, reason=reason).stdout
    for remark in re.findall("(?m)^remark: (.*)$", shown):
        sh.log("check", remark)


def describe_failure(result: Result, removed: Mapping[str, str] | None = None) -> str:
    """Why imports failed: the last frame of the traceback that is the program's, and the error.

    `removed` are the extension modules that were removed, and what each is of.
    """
    if result.exited in (142, -14):
        return "it takes longer than a minute to import what starts"
    found = list(re.finditer(r'File "(?:/zip/Lib/)?(.+)", line (\d+)(.*)', result.stderr))
    frames = [(match[1], match[2]) for match in found]
    own = [(file[14:], line) for file, line in frames if file.startswith("site-packages/")]
    error = traceback_error(result.stderr[found[-1].end() :] if found else "")
    *_, last = result.stderr.splitlines() or [f"exit status {result.exited}"]
    error = error or last
    where = "{}:{}".format(*(own or frames)[-1]) if frames else ""
    lacks = re.fullmatch(r"ModuleNotFoundError: No module named '([\w.]+)'", error)
    part = re.match(r"ImportError: cannot import name '(\w+)' from '([\w.]+)'", error)
    missing = lacks[1] if lacks else f"{part[2]}.{part[1]}" if part else ""
    if removed and missing in removed:
        return f"{removed[missing]} needs its extension module {missing}, {CANNOT} ({where})"
    is_private = re.fullmatch(r"_\w+", missing)
    if is_private and own and not frames[-1][0].startswith("site-packages/"):
        library = re.sub(r"(/__init__)?\.py$", "", frames[-1][0]).replace("/", ".")
        return f"{library} needs {missing}, {LACKS} ({where} imports it)"
    shown = f"{where}: {error}" if where else error
    top = re.split(r"[/.]", own[-1][0])[0] if own else ""
    dists = [dist for module, dist in (removed or {}).items() if module.split(".")[0] == top]
    return f"{dists[0]} lacks its extension modules, {CANNOT} ({shown})" if dists else shown


def traceback_error(text: str) -> str:
    """The error in what follows a traceback's last frame; with a second line behind a colon."""
    lines = [line for line in text.splitlines() if line.strip()]
    while lines and lines[0][0].isspace():  # it shows the source
        del lines[0]
    error, *more = [line.strip() for line in lines] or [""]
    return " ".join([error, *more[:1]]) if error.endswith(":") else error


def try_executable(p: Project, sh: Shell, executable: Executable) -> None:
    """Try a new executable with the arguments in COSMO_SMOKE, in an empty folder."""

    def show(result: Result) -> str:
        for text in filter(str.strip, (result.stdout, result.stderr)):
            log(text.rstrip())
        return f"exit status {result.exited}"

    words = shlex.join(p.get("COSMO_SMOKE"))
    sh.log("smoke", f"{Path(executable.path).name} {words}")
    env = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD/.."'
    start = f"{env} sh ../{new_zip(executable)} {words} </dev/null"
    end = "{ set -- $?; rm -rf .smoke .new; exit $1; }"
    line = f"rm -rf .smoke && mkdir .smoke && (cd .smoke && {start}) || {end} && rm -rf .smoke"
    failed = f"{executable.path} does not pass COSMO_SMOKE ({words})"
    sh.run(
        line,
        failed,
        "correct the program, or the arguments; the last executable stays",
        p.build,
        reason=show,
    )


def place(p: Project, sh: Shell, executable: Executable) -> None:
    """Put a whole executable in its place, by one rename.

    Elsewhere may be on another disk, where `mv` copies, after it removed what was there.
    """
    new, (folder, name) = f"{quote(p.build)}/{new_zip(executable)}", os.path.split(executable.path)
    line = f"mv -f {new} {quote(executable.path)}"
    if folder != p.build:
        part = quote(os.path.join(folder, f".{name}.part"))
        moved = f"mv -f {new} {part} && mv -f {part} {quote(executable.path)}"
        line = f"mkdir -p {quote(folder or '.')} && {{ {moved} || {{ rm -f {part}; false; }}; }}"
    sh.run(line, f"{executable.path} cannot be put in place")


def describe_executable(p: Project, executable: Executable, version: str) -> list[str]:
    """The lines of the report on an executable, which has this version of Python."""
    path, changes = Path(executable.path), Path(p.layer, "changed")
    forms = changes.read_text("utf-8").splitlines() if p.layer and changes.is_file() else []
    exe = "" if path.suffix in (".com", ".exe") else f"; on Windows, as {path.name}.exe"
    start = quote(str(path) if str(path).startswith(("/", "..")) else f"./{path}")
    rows = [("size", f"{path.stat().st_size:,} bytes"), ("sha256", file_sha256(path))]
    rows += [("python", version), *(("pure", form.replace("\t", ": ")) for form in forms)]
    rows.append(("start", f"{start}{exe}"))
    return [str(path), *(f"  {name:<7} {row}" for name, row in rows)]
