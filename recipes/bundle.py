"""Look into an executable, ours or another, and change it: its entries, its `.args`, its parts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from json import dumps
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from .archive import SITE, Archive, find_executable
from .interpreter import file_sha256
from .session import handle_signals
from .shell import RecipeError, Shell, exit_on_error, print_bytes, print_result, printable, quote
from .treemap import Part, write_treemap
from .trial import try_executables, verify_executable

MAX_DEPTH = 50
"""How many folders deep a tree is shown."""

HELP = {
    "file": "The executable (default: the project's own).",
    "json": "Print JSON, for a machine.",
    "also": "One more, as the first; may be given several times.",
}


@task(
    name="ls",
    help={
        "tree": "Indent what is in a folder, and give its size as a whole.",
        "glob": "Only names that match, as in 'Lib/site-packages/*'.",
        "json": HELP["json"],
        "file": HELP["file"],
    },
)
def list_entries(
    c: Context, tree: bool = False, glob: str = "*", json: bool = False, file: str = ""
) -> None:
    """List what is in an executable: bytes unpacked, bytes packed, name."""
    entries = [one for one in find_executable(file).entries if fnmatchcase(one.filename, glob)]
    rows = [(one.filename, one.file_size, one.compress_size) for one in entries]
    if json:
        keys = ("name", "size", "packed")
        print_result(dumps([dict(zip(keys, row)) for row in rows], indent=2))
        return
    flat = [(printable(name), size, packed) for name, size, packed in rows]
    lines = tree_rows(rows) if tree else flat
    print_result("\n".join(f"{size:>13,} {packed:>13,}  {name}" for name, size, packed in lines))


def tree_rows(rows: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Rows of a tree: each folder before what is in it, with the sum of its sizes."""
    sums: dict[tuple[str, ...], tuple[int, int]] = {}
    for name, size, packed in rows:
        parts = tuple(f"{part}/" for part in name.split("/")[:-1][:MAX_DEPTH])
        leaf = (name.rpartition("/")[2],) * (not name.endswith("/"))
        for end in range(1, len(parts + leaf) + 1):
            total = sums.get((parts + leaf)[:end], (0, 0))
            sums[(parts + leaf)[:end]] = total[0] + size, total[1] + packed
    return [("  " * (len(path) - 1) + printable(path[-1]), *sums[path]) for path in sorted(sums)]


@task(help={"name": "The entry's name, as `bundle.ls` lists it.", "file": HELP["file"]})
def cat(c: Context, name: str, file: str = "") -> None:
    """Print the content of one entry."""
    archive = find_executable(file)
    if name not in archive.first:
        near = get_close_matches(name, archive.first, 1)
        also = f"; did you mean {printable(near[0])}?" if near else "; `invoke bundle.ls` lists all"
        raise RecipeError(f"{archive.path} has no entry {printable(name)}{also}")
    print_bytes(archive.blocks(name))


@task(help={"set": "The new lines, as shell words, as in '-m almanac ...'.", "file": HELP["file"]})
def args(c: Context, set_: str | None = None, file: str = "") -> None:
    """Print the lines of .args, which say what starts, or set them."""
    if set_ is None:
        print_result("\n".join(find_executable(file).args))
        return
    with exit_on_error(f"--set={set_}"):
        words = shlex.split(set_)
    if not all(words) or re.search(r"[\n\r]|\\n", set_) or words[-1:] != ["..."]:
        rule = "give lines that are not empty, of which the last is ..., for the user's arguments"
        raise RecipeError(f"--set={set_}: {rule}")
    with changed_copy(c, "args", file) as (sh, work):
        form = r"\n".join(["%s"] * len(words))
        sh.run(f"mkdir {work}/files && printf '{form}' {shlex.join(words)} > {work}/files/.args")
        sh.run(f"(cd {work}/files && zip -q -X -g ../copy.zip .args)")


@task(
    iterable=["also"],
    help={
        "path": "A file or folder.",
        "dest": "The folder in the executable, as in 'Lib/site-packages/almanac'.",
        "also": HELP["also"],
        "file": HELP["file"],
    },
)
def add(
    c: Context, path: str, dest: str = "", also: list[str] | None = None, file: str = ""
) -> None:
    """Add files to an executable, in place of those of the same name."""
    if dest.startswith("/") or ".." in dest.split("/") or not dest.isprintable():
        raise RecipeError(f"--dest={dest}: name a folder in the zip, as in `Lib/site-packages`")
    paths = " ".join(map(quote, (path, *(also or ()))))
    with changed_copy(c, "add", file) as (sh, work):
        target = f"{work}/files/{shlex.quote(dest)}" if dest else f"{work}/files"
        sh.run(f"mkdir -p {target} && cp -RL {paths} {target}", f"{path} cannot be added")
        failed = f"{path} cannot be added"
        sh.run(f"(cd {work}/files && zip -q -r -X -D -g ../copy.zip .)", failed, "name a file")


@task(
    name="rm",
    iterable=["also"],
    help={
        "glob": "The names, as zip's pattern: '*' stands for any text, '/' too.",
        "also": HELP["also"],
        "file": HELP["file"],
    },
)
def remove(c: Context, glob: str, also: list[str] | None = None, file: str = "") -> None:
    """Remove entries from an executable."""
    patterns = shlex.join([glob, *(also or ())])
    with changed_copy(c, "rm", file) as (sh, work):
        failed, remedy = f"{patterns} cannot be removed", "`invoke bundle.ls` lists what there is"
        sh.run(f"zip -q -d {work}/copy.zip -- {patterns}", failed, remedy)


@contextmanager
def changed_copy(c: Context, name: str, file: str) -> Iterator[tuple[Shell, str]]:
    """A shell, and a folder with `copy.zip`, which replaces the executable where nothing fails."""
    with exit_on_error(f"{file or 'the executable'} cannot be changed"):
        path = Path(os.path.relpath(os.path.realpath(find_executable(file).path)))
    if not shutil.which("zip"):
        raise RecipeError("there is no zip on PATH; install zip (apt install zip)")
    sh = Shell(c, name, {"LC_ALL": "C", "ZIP": "", "ZIPOPT": "", "TMPDIR": str(path.parent)})
    sh.comment = f"# bundle.{name}"
    before, folder = path.stat(), path.with_name(f".{path.name}.{'new' if sh.dry else os.getpid()}")
    own, work, failed = quote(str(path)), quote(str(folder)), f"{path} cannot be changed"
    with handle_signals():
        sh.run(f"mkdir {work}", failed)
        try:
            sh.run(f"cp -p {own} {work}/copy.zip", failed)
            yield sh, work
            if not sh.dry:
                Archive(folder / "copy.zip")
            now = path.stat()
            if (now.st_ino, now.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
                raise RecipeError(f"{failed}: something else changed it meanwhile; run it again")
            sh.run(f"chmod +x {work}/copy.zip && mv -f {work}/copy.zip {own}", failed)
        finally:
            sh.run(f"rm -rf {work}")
    sh.log(name, str(path))


@task(help={"file": HELP["file"]})
def verify(c: Context, file: str = "") -> None:
    """Check an executable's zip, .args and start, and print what it is made of."""
    verify_executable(c, find_executable(file))


@task(
    name="try",
    help={"args": "The arguments to start it with, as shell words.", "file": HELP["file"]},
)
def try_systems(c: Context, args: str = "--version", file: str = "") -> None:
    """Start an executable as other systems would, and print what ran."""
    with exit_on_error(f"--args={args}"):
        words = shlex.split(args)
    try_executables(c, find_executable(file), words)


@task(
    name="diff",
    help={"a": "An executable.", "b": "Another one.", "json": HELP["json"]},
)
def compare(c: Context, a: str, b: str, json: bool = False) -> None:
    """List the entries in which two executables differ.

    A `-` stands before what only the first has, a `+` before what only the second has, and a `~`
    before what is not the same in both.
    """
    archives = find_executable(a), find_executable(b)
    contents = [
        {name: (e.file_size, e.CRC, e.external_attr >> 16) for name, e in one.first.items()}
        for one in archives
    ]
    rows = []
    for name in sorted(contents[0].keys() | contents[1].keys()):
        sizes = [content[name][0] if name in content else None for content in contents]
        if contents[0].get(name) != contents[1].get(name):
            change = "+" if sizes[0] is None else "-" if sizes[1] is None else "~"
            rows.append({"change": change, "name": name, "before": sizes[0], "after": sizes[1]})
    heads = [one.path.open("rb").read(one.start) for one in archives]
    if heads[0] != heads[1]:
        rows.append({"change": "~", "name": "the interpreter, before the zip"})
    elif not rows and file_sha256(archives[0].path) != file_sha256(archives[1].path):
        rows.append({"change": "~", "name": "how the zip was written"})
    lines = [f"{one['change']} {printable(str(one['name']))}" for one in rows]
    print_result(dumps(rows, indent=2) if json else "\n".join(lines or ["no difference"]))


@task(
    help={
        "svg": "Draw it as a treemap, in a file (needs squarify: pip install squarify).",
        "json": HELP["json"],
        "file": HELP["file"],
    }
)
def size(c: Context, svg: str = "", json: bool = False, file: str = "") -> None:
    """Print where the bytes are: interpreter, standard library, dependencies, program."""
    archive = find_executable(file)
    parts = list(measure(archive))
    if svg:
        write_treemap(parts, archive.path.name, Path(svg))
    if json:
        print_result(dumps([one.row() for one in parts], indent=2))
        return
    total = archive.path.stat().st_size
    whole = Part("", "the whole file", total, sum(part.size for part in parts))
    rows = [
        f"{one.packed:>13,} {one.packed / total:>6.1%} {one.size:>13,}  {one.name}"
        for one in (*parts, whole)
    ]
    print_result("\n".join([f"{'packed':>13} {'':>6} {'unpacked':>13}", *rows]))


def measure(archive: Archive) -> Iterator[Part]:
    """The parts of an executable, of which each has what is in it, and the largest comes first."""
    program = SITE + archive.module.partition(".")[0]
    owners = {
        file: f"{dist.name} {dist.version}"
        for dist in archive.dists
        if not any(re.match(rf"{re.escape(program)}(/|\.pyc?$)", file) for file in dist.files)
        for file in dist.files
    }
    parts: dict[tuple[str, str], Part] = {}
    for name, entry in {one.header_offset: (one.filename, one) for one in archive.entries}.values():
        if not name.startswith(SITE):
            library = name.startswith(("Lib/", "lib/"))
            key = ("library", "standard library") if library else ("data", "interpreter's data")
            top = name.split("/")[1 if library else 0]
        else:
            key = ("dependency", owners[name]) if name in owners else ("program", "program")
            top = name[len(SITE) :].split("/")[0]
        part = parts.setdefault(key, Part(*key))
        part.add(top, entry.compress_size, entry.file_size)
    rest = archive.path.stat().st_size - archive.start - sum(p.packed for p in parts.values())
    head = Part("interpreter", "interpreter", archive.start, archive.start)
    names = Part("data", "zip's own headers", rest, rest)
    yield from sorted((head, names, *parts.values()), key=lambda part: -part.packed)


bundle = Collection(
    "bundle",
    *(list_entries, cat, args, add, remove, verify, compare, size, try_systems),
)
