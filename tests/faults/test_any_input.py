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


PROGRAM = b"""\
import sys

def main():
    "Say how it was started."
    print(ascii(sys.argv[1:]), __debug__, main.__doc__ is None, sys.flags.isolated)

class held:
    main = staticmethod(main)
"""
MODULE = PROGRAM + b"\n\nif __name__ == '__main__':\n    main()\n"


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


class Place:
    """A case on the disk: its project, what is around it, its package, its environment."""

    def __init__(self, around: Path, case: Case, values: dict[str, str]) -> None:
        """Write what can have its name; `values` are what the names in a case stand for."""
        self.around, self.root = around, around / "parent" / case.folder
        bait, parts = around / "bait", case.pkg.split(".")
        if re.search(r"\0|/|^\.|\.\.|\.$|^$", case.pkg) or max(map(len, parts)) > 255:
            parts = ["hello"]
        self.sources = self.root / case.place
        self.package = self.sources.joinpath(*parts)
        self.values = {"@BAIT@": str(bait), "@CACHE@": str(around / "cache"), **values}
        self.values["@PKG@"] = os.path.join(case.place, *parts)
        names = ("http_proxy", "https_proxy", "all_proxy", "UV_DEFAULT_INDEX")
        self.environ = {**dict.fromkeys(names, "http://127.0.0.1:9/"), "no_proxy": "127.0.0.1"}
        self.environ.update(LANG="C.UTF-8", PATH=os.environ["PATH"], UV_OFFLINE="1")
        self.environ["UV_CACHE_DIR"] = f"{around.parent}/uv"
        self.environ.update(PYTHONPATH=str(ROOT), HOME=f"{around}/home", TMPDIR=f"{around}/temp")
        if case.pyproject is not None or "COSMO_URL" not in {**case.ours, **case.article}:
            self.environ["COSMO_URL"] = values["@PYTHON@"]
        self.environ.update({name: self.fill(str(text)) for name, text in case.environ.items()})
        for name in ("keep", "Lib/site-packages/x.py", "../home/x", "../temp/x", "../away/x"):
            write(bait / name, b"keep = 1\n")
        for path in (self.root / "tasks.py", self.root / "to-keep", self.root.parent / "tasks.py"):
            write(path, b"from recipes import ns\n")
        write(self.root / "pyproject.toml", self.pyproject(case))
        for name, to in {**case.links, "link": "@BAIT@", "near": "../home"}.items():
            write(self.root / self.fill(name), link=self.fill(to))
        self.write_package(case)
        for name, data in case.more.items():
            write(self.root / name, data.replace(b"#PROGRAM#", MODULE))
        start = self.root / case.start
        is_plain = start.is_dir() and case.pkg == "hello"  # else Python imports what lies there
        self.start = start if is_plain else self.root

    def fill(self, text: str) -> str:
        """Replace the names in a text by what they stand for."""
        return re.sub("@[A-Z]+@", lambda name: self.values.get(name[0], name[0]), text)

    def pyproject(self, case: Case) -> bytes:
        """Write the `pyproject.toml` of a case."""
        heads = {"tool.cosmo.env": toml_rows(case.ours), "project": toml_rows(case.project)}
        heads["tool.ds.scripts"] = [f"_.env.{row}" for row in toml_rows(case.article)]
        parts = ("\n".join([f"[{head}]", *rows, ""]) for head, rows in heads.items() if rows)
        return self.fill("".join(parts)).encode() if case.pyproject is None else case.pyproject

    def write_package(self, case: Case) -> None:
        """Write the program: a module, or a package with or without a `__main__`."""
        if case.form == "module":
            write(self.package.with_name(f"{self.package.name}.py"), MODULE)
            return
        files = {"words.py": PROGRAM, **case.files}
        if case.form == "package":
            files["__main__.py"] = b"from .words import main\n\nmain()\n"
        for folder in [self.package, *self.package.parents]:
            if self.sources in folder.parents:
                write(folder / "__init__.py")
        for name, data in files.items():
            write(self.package / name, data)

    def run(self, *line: str | Path, folder: str = "") -> Done:
        """Run a command, in the folder that the case starts in or another."""
        return run([*map(str, line)], self.environ, self.around / folder if folder else self.start)


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


def check_packed(place: Place, p: Project, made: Path) -> None:
    """Check that the files of the package are in an executable, except what rules leave out."""
    entries = zipfile.ZipFile(made).infolist()
    raw = [one.filename.encode("utf-8" if one.flag_bits & 0x800 else "cp437") for one in entries]
    packed = {os.fsdecode(name).removeprefix("Lib/site-packages/") for name in raw}
    for here, _, files in os.walk(place.package, followlinks=True):
        for path in (Path(here, file) for file in files):
            name = path.relative_to(place.sources)
            tests = [(one, pattern) for one in name.parts for pattern in IGNORED]
            tests += [(str(one), q) for one in (name, *name.parents) for q in p.settings.exclude]
            native = p.way == "copy" and re.search(r"\.(so|pyd|dylib)$|\.so\.", path.name)
            goes_in = path.is_file() and not native and not any(fnmatchcase(*one) for one in tests)
            assert bool({str(name), f"{name}c"} & packed) == goes_in, name


def expected_output(p: Project) -> str:
    """Return what the program prints where it was packaged with these settings."""
    level, isolated = p.settings.optimize, p.settings.isolated
    return f"{[*WORDS]!a} {level == 0} {level == 2} {int(isolated)}\n"


def try_case(place: Place, case: Case, full: bool = False) -> str:
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
    note = json.loads(p.path(f"{p.build}/.build.json").read_text("utf-8"))
    made = p.path(note["path"])
    started = place.run("sh", made, *WORDS, folder="away")
    assert started.stdout == expected_output(p), started
    if case.form != "module" and not p.script:
        check_packed(place, p, made)
    check_unchanged(place, before, p)
    return "built"


@pytest.mark.parametrize("theme", THEMES)
def test_any_input_is_built_or_stopped_by_one_line_and_harms_nothing(
    theme: str, interpreter: Path, mirror: Mirror, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ends, whole = Counter[str](), interpreter.read_bytes()
    for name, content in {"python": whole, "torn": whole[:-70_000], "text": b"none"}.items():
        mirror.add(f"/{name}", content)
    values = {"@PYTHON@": str(interpreter), "@MIRROR@": mirror.address}
    for number in range(EACH):
        case = draw_case(theme, number)
        place = Place(tmp_path / "around", case, values)
        full = ends["built"] + ends["stopped by a phase"] >= BUILT
        try:
            ends[try_case(place, case, full)] += 1
        except BaseException:
            print(case)
            raise
        shutil.rmtree(tmp_path / "around", ignore_errors=True)
    assert ends["built"] >= BUILT // 4, ends
    row = [theme, EACH, *(ends[end] for end in ("built", "stopped by a phase", "refused"))]
    request.getfixturevalue("record_property")("any", [*row, ends["as invoke shows"]])
