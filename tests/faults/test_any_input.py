"""Whatever the settings, names and files are: a right executable, or one line; and no harm.

Settings are read in this process. Where they are refused, nothing may have changed; where they are
taken, the real `invoke cosmo` runs, and what it makes is started from elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
import zlib
from collections import Counter
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from hostile import THEMES, TOUCHED, Case, draw_case, toml_rows
from mirror import Mirror
from projects import INVOKE, PHASES, ROOT, Done, run
from recipes.fetch import file_sha256
from recipes.project import Project, load_project
from recipes.shell import RecipeError

pytestmark = pytest.mark.faults
EACH, BUILT, SHOWN = 200, 30, 32
"""Cases of a theme; those that may run `invoke`; of so many that are refused, one runs it too."""

WORDS = ("one", "two words", "$(touch pwned)", "")  # what an executable is started with
IGNORED = ("*.egg-info", ".DS_Store", "*~", ".#*", "#*#", ".*.sw[op]")
CLOSED = "http://127.0.0.1:9/"
TASKS = b"from recipes import ns\n"


PROGRAM = b"""\
import sys

def main():
    "Say how it was started."
    print(ascii(sys.argv[1:]), __debug__, main.__doc__ is None, sys.flags.isolated)

class held:
    main = staticmethod(main)
"""
MODULE = PROGRAM + b"\n\nif __name__ == '__main__':\n    main()\n"


class Place(NamedTuple):
    """Where a case happens: its project, what is around it, its package, its environment."""

    around: Path
    root: Path
    package: Path
    environ: dict[str, str]
    start: Path

    def run(self, *line: str | Path, folder: str = "") -> Done:
        """Run a command, in the folder that the case starts in or another."""
        return run([*map(str, line)], self.environ, self.around / folder if folder else self.start)


def write(path: Path, content: bytes = b"", link: str = "") -> None:
    """Write a new file, or make a symbolic link, if one can have that name."""
    with suppress(OSError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if link == "@FIFO@":
            os.mkfifo(path)
        elif link:
            path.symlink_to(link)
        elif path.parent.resolve() == path.parent:
            with path.open("xb") as file:
                file.write(content)


def make_place(around: Path, case: Case, values: dict[str, str]) -> Place:
    """Make the project and its surroundings, except files that cannot have their names."""
    bait, root, parts = around / "bait", around / "parent" / case.folder, case.pkg.split(".")
    if re.search(r"\0|/|^\.|\.\.|\.$|^$", case.pkg) or max(map(len, parts)) > 255:
        parts = ["hello"]
    package = root.joinpath(case.place, *parts)
    places = {"@BAIT@": str(bait), "@CACHE@": str(around / "cache"), **values}
    places["@PKG@"] = os.path.join(case.place, *parts)

    def fill(text: str) -> str:
        return re.sub("@[A-Z]+@", lambda name: places.get(name[0], name[0]), text)

    environ = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "UV_DEFAULT_INDEX"), CLOSED)
    environ.update(no_proxy="127.0.0.1", LANG="C.UTF-8", PATH=os.environ["PATH"], UV_OFFLINE="1")
    environ.update(PYTHONPATH=str(ROOT), HOME=str(around / "home"), TMPDIR=str(around / "temp"))
    if case.pyproject is not None or "COSMO_URL" not in {**case.ours, **case.article}:
        environ["COSMO_URL"] = values["@PYTHON@"]
    environ.update({name: fill(str(value)) for name, value in case.environ.items()})
    for name in ("keep", "Lib/site-packages/x.py", "../home/x", "../temp/x", "../away/x"):
        write(bait / name, b"keep = 1\n")
    for path in (root / "tasks.py", root / "to-keep", root.parent / "tasks.py"):
        write(path, TASKS)
    heads = {"tool.cosmo.env": toml_rows(case.ours), "project": toml_rows(case.project)}
    heads["tool.ds.scripts"] = [f"_.env.{row}" for row in toml_rows(case.article)]
    content = "\n".join("\n".join([f"[{head}]", *rows]) for head, rows in heads.items() if rows)
    toml = fill(content).encode() if case.pyproject is None else case.pyproject
    write(root / "pyproject.toml", toml)
    for name, to in {**case.links, "link": "@BAIT@", "near": "../home"}.items():
        write(root / fill(name), link=fill(to))
    files = {package / name: data for name, data in case.files.items()}
    files[package / "words.py"] = PROGRAM
    if case.form == "package":
        files[package / "__main__.py"] = b"from .words import main\n\nmain()\n"
    for folder in [package, *package.parents]:
        if root / case.place in folder.parents:
            files[folder / "__init__.py"] = b""
    if case.form == "module":
        files = {package.with_name(f"{package.name}.py"): MODULE}
    for path, data in files.items():
        write(path, data)
    for name, data in case.more.items():
        write(root / name, data.replace(b"#PROGRAM#", MODULE))
    start = root / case.start if (root / case.start).is_dir() else root
    return Place(around, root, package, environ, start)


def take_snapshot(folder: Path) -> dict[str, tuple[int, object]]:
    """Note the mode of each path, the content of each file, and where each link leads."""
    return {
        str(path): (
            path.lstat().st_mode,
            path.readlink() if path.is_symlink() else file_sha256(path) if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def check_unchanged(place: Place, before: dict[str, tuple[int, object]], p: Project | None) -> None:
    """Check that only the build folder, the cache, `__pycache__` and an APE's `.ape…` changed."""
    allowed = [f"{place.root}/__pycache__", f"{place.root.parent}/__pycache__"]
    if p is not None:
        build = p.path(p.build).resolve()
        assert place.root in build.parents
        assert build not in (place.package, *place.package.parents)
        cache = place.environ.get("XDG_CACHE_HOME", "")
        cache = cache if os.path.isabs(cache) else f"{place.environ['HOME']}/.cache"
        allowed += [str(build), f"{cache}/cosmo-recipes"]
        allowed += [str(p.path(p.settings.out))] if p.settings.out else []
    after = take_snapshot(place.around)
    assert not [path for path in after if path.endswith(f"/{TOUCHED}")]
    for path in {path for path, _ in before.items() ^ after.items()}:
        is_new_folder = path not in before and Path(path).is_dir()
        assert re.fullmatch(rf"{place.around}/(home|temp)/\.ape[^/]*", path) or any(
            f"{path}/".startswith(f"{other}/") or (is_new_folder and other.startswith(f"{path}/"))
            for other in allowed
        ), f"{path!r} changed: {before.get(path)} -> {after.get(path)}"


def split_lines(text: str) -> list[str]:
    """Split a text as a terminal does."""
    return re.split("[\n\r\v\f]", text.removesuffix("\n"))


def check_stopped(done: Done) -> str:
    """Check that a command ended with one line of ours, behind those of a tool that failed."""
    *before, last = split_lines(done.stderr)
    assert (done.returncode, done.stdout, last[:7]) == (1, "", "cosmo: "), done
    assert not [line for line in before if line.startswith("cosmo: ")], done
    assert "Traceback" not in done.stderr.partition("\nsmoke ")[0], done
    return last


def expected_files(place: Place, p: Project) -> set[str]:
    """List the files of the program's package that go in; `.py` stands for `.pyc` too."""
    files = set()
    for here, _, names in os.walk(place.package, followlinks=True):
        for path in (Path(here, name) for name in names):
            name = path.relative_to(place.package.parent)
            tests = [(one, pattern) for one in name.parts[1:] for pattern in IGNORED]
            tests += [(str(one), q) for one in (name, *name.parents) for q in p.settings.exclude]
            native = p.way == "copy" and re.search(r"\.(so|pyd|dylib)$|\.so\.", path.name)
            if path.is_file() and not native and not any(fnmatchcase(*test) for test in tests):
                files.add(re.sub(r"\.pyc$", ".py", str(name)))
    return files


def packed_files(executable: Path, package: Path) -> set[str]:
    """List the files of the program's package in an executable; `.py` stands for `.pyc` too."""
    files = set()
    for info in zipfile.ZipFile(executable).infolist():
        raw = info.filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
        place, found, name = os.fsdecode(raw).partition(f"/{package.name}/")
        if found and place.startswith("Lib/site-packages") and "__pycache__" not in name:
            files.add(re.sub(r"\.pyc$", ".py", f"{package.name}/{name}"))
    return files


def expected_output(place: Place, p: Project, interpreter: Path) -> str:
    """Return what the program prints where it was packaged with these settings."""
    s, args, level, isolated = p.settings, [*WORDS], p.settings.optimize, p.settings.isolated
    if s.args is not None and "hello" not in s.args:
        words = [*(s.args[:-1] if s.args[-1] == "..." else s.args), *args]
        return place.run("sh", interpreter, *words, folder="away").stdout
    if s.args is not None:
        isolated, level = "-I" in s.args, 0 if s.source else level
        args = [*s.args[s.args.index("hello") + 1 : -1], *args]
    return f"{args!a} {level == 0} {level == 2} {int(isolated)}\n"


def try_case(place: Place, case: Case, interpreter: Path, full: bool = False) -> str:
    """Check all that must hold; return what became of a case, nothing if taken and `full`."""
    before, message = take_snapshot(place.around), ""
    clear = mock.patch.dict(os.environ, place.environ, clear=True)
    with pytest.MonkeyPatch.context() as patch, clear:
        patch.chdir(place.start)
        try:
            p = load_project()
        except RecipeError as error:
            message = f"{error.code} {error.message}"
    if message:
        assert (message[:9], len(split_lines(message))) == ("1 cosmo: ", 1)
        shown = not zlib.crc32(repr(case).encode()) % SHOWN
        if shown:
            last = check_stopped(place.run(*INVOKE, "cosmo"))
            assert last.encode(errors="replace") == message[2:].encode(errors="replace")
        check_unchanged(place, before, None)
        return "as invoke shows" if shown else "refused"
    if full:
        return ""
    done = place.run(*INVOKE, "cosmo")
    if done.returncode:
        check_stopped(done)
        check_unchanged(place, before, p)
        return "stopped by a phase"
    assert not [one for one in split_lines(done.stderr) if not one.startswith(PHASES)], done
    note = json.loads(p.path(f"{p.build}/.made.json").read_text("utf-8"))
    for made in map(p.path, note["executables"]):
        started = place.run("sh", made, *WORDS, folder="away")
        assert started.stdout == expected_output(place, p, interpreter), started
        if case.form != "module" and not p.script:
            assert packed_files(made, place.package) == expected_files(place, p)
    check_unchanged(place, before, p)
    return "built"


ONCE_WRONG = {
    "packages": [Case(pkg="builtins"), Case(pkg="math", form="module"), Case(pkg="site")],
    "folders": [
        Case(links={"dist/cosmo/.ape-stand-in": "@BAIT@"}),
        Case(environ={"COSMO_OUT": "a\nb"}),
    ],
    "starts": [
        Case(pkg="\ufb01sh", form="function", environ={"COSMO_ENTRY": "\ufb01sh.words:main"})
    ],
    "patterns": [Case(environ={"COSMO_EXCLUDE": "hello/__main__.py"})],
}


@pytest.mark.parametrize("theme", THEMES)
def test_any_input_is_built_or_stopped_by_one_line_and_harms_nothing(
    theme: str, interpreter: Path, mirror: Mirror, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ends, whole = Counter[str](), interpreter.read_bytes()
    for name, content in {"python": whole, "torn": whole[:-70_000], "text": b"none"}.items():
        mirror.add(f"/{name}", content)
    values = {"@PYTHON@": str(interpreter), "@MIRROR@": mirror.address}
    once_wrong = [
        one for one in ONCE_WRONG.get(theme, []) if one.environ.setdefault("PKG", one.pkg)
    ]
    for case in [*once_wrong, *(draw_case(theme, number) for number in range(EACH))]:
        place = make_place(tmp_path / "around", case, values)
        full = ends["built"] + ends["stopped by a phase"] >= BUILT
        try:
            ends[try_case(place, case, interpreter, full)] += 1
        except BaseException:
            print(case)
            raise
        shutil.rmtree(tmp_path / "around", ignore_errors=True)
    assert ends["built"] >= BUILT // 4, ends
    row = [theme, EACH, *(ends[end] for end in ("built", "stopped by a phase", "refused"))]
    request.getfixturevalue("record_property")("any", [*row, ends["as invoke shows"]])
