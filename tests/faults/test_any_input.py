"""Whatever the settings, names and files are: a right executable, or one line; and no harm.

Settings are read in this process. Where they are refused, nothing may have changed; where they are
taken, the real `invoke cosmo` runs, and what it makes is started from elsewhere.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shlex
import shutil
import stat
import subprocess
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import HealthCheck, assume, given, settings

from hostile import THEMES, TOUCHED, Case, cases, toml_rows
from mirror import Mirror
from projects import INVOKE, PHASES, ROOT, run
from recipes.phases import IGNORED_DIRS, IGNORED_FILES
from recipes.project import Project as Packaged
from recipes.project import load_project
from recipes.shell import RecipeError

pytestmark = pytest.mark.faults
EVERY = settings(derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
EACH = 256  # cases of a theme
BUILT = 40  # cases of a theme that go through `invoke` because their settings are taken
SHOWN = 32  # of so many cases that are refused at once, one is put to `invoke` too
ENDS = ("built", "stopped by a phase", "refused", "as invoke shows")
WORDS = ("one", "two words", "$(touch pwned)", "")  # what an executable is started with
Snapshot = dict[str, tuple[str, int, str]]  # of a path: its kind, its mode, and what it holds


def listing(folder: str, ignored: tuple[str, ...] = ("__pycache__",)) -> list[str]:
    """What is in a folder of the program: its modules by name, its data with a checksum."""
    rows = set()
    for here, _, files in os.walk(folder, followlinks=True):
        for file in files:
            path = os.path.join(here, file)
            inside = os.path.relpath(path, folder)
            hidden = any(fnmatchcase(part, p) for part in inside.split("/") for p in ignored)
            stem, suffix = os.path.splitext(inside)  # noqa: PTH122 - a path as text
            if hidden or not os.path.isfile(path):
                continue
            if suffix in (".py", ".pyc"):
                rows.add(f"{stem!a} is a module")
                continue
            with open(path, "rb") as data:  # noqa: PTH123 - it runs in the executable too
                rows.add(f"{inside!a} {zlib.crc32(data.read())}")
    return sorted(rows)


PROGRAM = f"""\
import os
import sys
import zlib
from fnmatch import fnmatchcase


{inspect.getsource(listing)}

def main():
    "Say how it was started, and what it brought."
    print(ascii(sys.argv[1:]), __debug__, main.__doc__ is None, sys.flags.isolated)
    if __name__.endswith("words"):
        print("\\n".join(listing(os.path.dirname(os.path.abspath(__file__)))))


class held:
    main = staticmethod(main)
"""

MODULE = f"{PROGRAM}\n\nif __name__ == '__main__':\n    main()\n"

CLOSED = "http://127.0.0.1:9/"
VARIABLES = f"""
    http_proxy={CLOSED} https_proxy={CLOSED} all_proxy={CLOSED} no_proxy=127.0.0.1 LANG=C.UTF-8
    PATH={os.environ["PATH"]} PYTHONPATH={ROOT} UV_DEFAULT_INDEX={CLOSED} UV_HTTP_RETRIES=0
    UV_NO_CONFIG=1 UV_OFFLINE=1 UV_PYTHON_DOWNLOADS=never
"""


class Place(NamedTuple):
    """Where a case happens: its project, what is around it, and what its values stand for."""

    around: Path
    root: Path
    package: Path
    environ: dict[str, str]
    start: Path
    values: dict[str, str]

    def fill(self, text: str) -> str:
        """A text, with the names in it replaced by what they stand for."""
        for name, meaning in self.values.items():
            text = text.replace(name, meaning)
        return text


def make_place(around: Path, case: Case, meanings: dict[str, str]) -> Place:
    """Make the project and its surroundings, but for files that cannot have their names."""
    for name in ("bait/Lib/site-packages", "home", "tmp", "away", "parent/near", "cache"):
        (around / name).mkdir(parents=True)
    for name in ("bait/keep", "bait/own.py", "bait/Lib/site-packages/x.py", "bait.txt", "parent/x"):
        (around / name).write_text("keep = 1\n")
    (around / "parent/tasks.py").write_text("from recipes import ns\n")
    root = around / "parent" / case.folder
    parts = case.pkg.split(".")
    unusable = "\0" in case.pkg or any(part in ("", "..") or len(part) > 255 for part in parts)
    if unusable or case.pkg.startswith("/") or ".." in case.pkg.split("/"):
        parts = ["hello"]
    values = {"@BAIT@": str(around / "bait"), "@CACHE@": str(around / "cache"), **meanings}
    values.update({"@PKG@": os.path.join(case.place, *parts), "#PROGRAM#": MODULE})
    package = root.joinpath(case.place, *parts)
    place = Place(around, root, package, {}, root, values)
    environ = {name: place.fill(value) for name, value in case.environ.items()}
    if case.pyproject is not None or not case.has("COSMO_URL"):
        environ.setdefault("COSMO_URL", meanings["@PYTHON@"])
    folders = f"HOME={around}/home UV_CACHE_DIR={around.parent}/uv TMPDIR={around / 'tmp'}"
    place.environ.update(re.findall(r"(\w+)=(\S*)", f"{VARIABLES} {folders}"), **environ)
    root.mkdir()
    (root / "tasks.py").write_text("from recipes import ns\n")
    (root / "to-keep").write_text("the user's own\n")
    content = "[tool.ds.scripts]\n"
    content += "".join(f"_.env.{row}\n" for row in toml_rows(case.article))
    for head, table in (("tool.cosmo.env", case.ours), ("project", case.project)):
        content += "\n".join([f"[{head}]", *toml_rows(table), ""]) if table else ""
    content = place.fill(content)
    write(root / "pyproject.toml", content.encode() if case.pyproject is None else case.pyproject)
    links = {root / place.fill(path): place.fill(to) for path, to in case.links.items()}
    for path, to in links.items():
        if path.name not in ("src", "hello"):
            write(path, link=to)
    with suppress(FileExistsError):
        (root / "link").symlink_to(place.values["@BAIT@"])
        (root / "near").symlink_to("../near")
    if case.form == "module":
        write(package.with_name(f"{package.name}.py"), MODULE.encode())
    else:
        write(package / "__init__.py", b"")
        write(package / "words.py", PROGRAM.encode())
        for folder in package.parents:
            if root / case.place in folder.parents:
                write(folder / "__init__.py", b"")
        if case.form != "function":
            write(package / "__main__.py", b"from .words import main\n\nmain()\n")
    for file, data in case.files.items():
        write(package / file, data)
    for file, data in case.more.items():
        write(root / file, os.fsencode(place.fill(os.fsdecode(data))))
    for path, to in links.items():
        if path.name in ("src", "hello") and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
            write(path, link=to)
    return place._replace(start=root / case.start if (root / case.start).is_dir() else root)


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


def snapshot(folder: Path) -> Snapshot:
    entries = {}
    for here, folders, files in os.walk(folder):
        for path in (os.path.join(here, name) for name in (*folders, *files)):
            mode, held = os.lstat(path).st_mode, ""
            if stat.S_ISLNK(mode):
                held = os.readlink(path)  # noqa: PTH115 - the text of the link
            elif stat.S_ISREG(mode):
                held = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            entries[path] = (stat.filemode(mode)[0], stat.S_IMODE(mode), held)
    return entries


def see_unchanged(place: Place, before: Snapshot, s: Packaged | None) -> None:
    """See that only the build folder, the cache, `__pycache__` and an APE's `.ape…` changed."""
    allowed = [str(place.root / "__pycache__"), str(place.around / "parent/__pycache__")]
    if s is not None:
        build = Path(os.path.normpath(place.start / s.build)).resolve()
        assert place.root in build.parents, "it is inside the project"
        assert build not in (place.package, *place.package.parents), "it holds no sources"
        cache = place.environ.get("XDG_CACHE_HOME", "")
        cache = cache if os.path.isabs(cache) else f"{place.environ['HOME']}/.cache"
        allowed += [str(build), os.path.join(cache, "cosmo-recipes")]
        allowed += [os.path.normpath(place.start / made.path) for made in s.executables]
    after = snapshot(place.around)
    assert not [path for path in after if path.endswith(f"/{TOUCHED}")]
    for path in {path for path, _ in before.items() ^ after.items()}:
        new_folder = path not in before and after[path][0] == "d"
        assert re.fullmatch(rf"{place.around}/(home|tmp)/\.ape[^/]*", path) or any(
            f"{path}/".startswith(f"{other}/") or (new_folder and other.startswith(f"{path}/"))
            for other in allowed
        ), f"{path!r} changed: {before.get(path)} -> {after.get(path)}"


def lines(text: str) -> list[str]:  # as a terminal shows them
    return re.split("[\n\r\v\f]", text.removesuffix("\n"))


def see_stopped(done: subprocess.CompletedProcess[str]) -> str:
    """See that a command ended with one line of ours, behind those of a tool that failed."""
    *before, last = lines(done.stderr)
    assert (done.returncode, done.stdout) == (1, ""), done
    assert last.startswith("cosmo: "), done
    assert not [line for line in before if line.startswith("cosmo: ")], done
    assert "Traceback" not in done.stderr.partition("\nsmoke ")[0], done
    return last


def expected_output(place: Place, case: Case, s: Packaged, interpreter: Path) -> str:
    given = {**case.article, **case.ours, **place.environ}

    def setting(name: str) -> str:
        value = given.get(name, "")
        return str(int(value) if isinstance(value, bool) else value)

    own, args = setting("COSMO_ARGS") if "COSMO_ARGS" in given else None, [*WORDS]
    if own is not None and "hello" not in own:
        lines = shlex.split(own)
        words = [*(lines[:-1] if lines[-1] == "..." else lines), *args]
        environ = {**place.environ, "PYTHONPATH": str(place.package.parent)}
        return run(["sh", str(interpreter), *words], environ, place.around / "away").stdout
    level = int(setting("COSMO_OPTIMIZE") or 0)
    faithful = s.value("PKG").source == "[tool.ds.scripts] _.env"
    isolated = setting("COSMO_ISOLATED").lower() in ("1", "true", "yes", "on")
    isolated = isolated or ("COSMO_ISOLATED" not in given and not faithful)
    if own is not None:
        isolated, level = "-I" in own, level if not s.get("COSMO_SOURCE") else 0
        args = [*shlex.split(own.partition("hello")[2])[:-1], *args]
    text = f"{args!a} {level == 0} {level == 2} {int(isolated)}\n"
    if case.form == "module" or s.script or s.source.suffix == ".py":
        return text
    patterns = shlex.split(setting("COSMO_EXCLUDE"))
    for row in listing(str(place.package), IGNORED_DIRS + IGNORED_FILES):
        name = row.rpartition("' ")[0][1:] + (".py" if row.endswith(" is a module") else "")
        path = Path(place.package.name, name)
        paths = (path, *path.parents)
        if not any(fnmatchcase(str(part), pattern) for part in paths for pattern in patterns):
            text += f"{row}\n"
    return text


def try_case(place: Place, case: Case, interpreter: Path, full: bool = False) -> str:
    """See to all that must hold; what became of a case: nothing, if `full` and it is taken."""
    before, command = snapshot(place.around), [*INVOKE, "cosmo"]
    clear = mock.patch.dict(os.environ, place.environ, clear=True)
    try:
        with pytest.MonkeyPatch.context() as patch, clear:
            patch.chdir(place.start)
            s = load_project()
            s.check()
    except RecipeError as error:
        message = f"{error.code} {error.message}".removeprefix("1 ")
        assert message.startswith("cosmo: ")
        assert len(lines(message)) == 1, message
        see_unchanged(place, before, None)
        if zlib.crc32(repr(case).encode()) % SHOWN:
            return "refused"
        line = see_stopped(run(command, place.environ, place.start))
        assert line.encode(errors="backslashreplace") == message.encode(errors="backslashreplace")
        see_unchanged(place, before, None)
        return "as invoke shows"
    if full:
        return ""
    done = run(command, place.environ, place.start)
    see_unchanged(place, before, s)
    if done.returncode:
        see_stopped(done)
        return "stopped by a phase"
    said = [line for line in lines(done.stderr) if not line.startswith(PHASES)]
    assert not said or "; trying the next\n" in done.stderr, done  # what wget said of a mirror
    for made in s.executables:
        start = ["sh", os.path.normpath(place.start / made.path), *WORDS]
        shown = run(start, place.environ, place.around / "away")
        assert shown.stdout == expected_output(place, case, s, interpreter), shown
    see_unchanged(place, before, s)
    return "built"


ONCE_WRONG = {
    "a link in the way of the loader": Case(links={"dist/cosmo/.ape-stand-in": "@BAIT@/keep"}),
    "a newline in COSMO_OUT": Case(environ={"COSMO_OUT": "a\nb"}),
    "a package named like a built-in module": Case(pkg="builtins"),
    "a module named like an extension module": Case(pkg="math", form="module"),
    "an entry that Python reads as another name": Case(
        pkg="\ufb01sh", form="function", environ={"COSMO_ENTRY": "\ufb01sh.words:main"}
    ),
    "nothing left to start": Case(environ={"COSMO_EXCLUDE": "hello/__main__.py"}),
}


@pytest.mark.parametrize("name", ONCE_WRONG)
def test_what_went_wrong_once_stays_right(name: str, interpreter: Path, tmp_path: Path) -> None:
    case = ONCE_WRONG[name]
    case = replace(case, environ={"PKG": case.pkg, "COSMO_DEPS": "none", **case.environ})
    place = make_place(tmp_path / "around", case, {"@PYTHON@": str(interpreter)})
    assert try_case(place, case, interpreter) in ENDS


@pytest.mark.parametrize("theme", THEMES)
def test_whatever_is_given_it_builds_or_stops_with_one_line_and_harms_nothing(
    theme: str, interpreter: Path, mirror: Mirror, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ends, known, whole = Counter[str](), set[str](), interpreter.read_bytes()
    for name, content in {"python": whole, "torn": whole[:-70_000], "text": b"none"}.items():
        mirror.add(f"/{name}", content)
    sha256 = hashlib.sha256(whole).hexdigest()
    meanings = {"@PYTHON@": str(interpreter), "@MIRROR@": mirror.address, "@SHA256@": sha256}

    @settings(EVERY, max_examples=EACH)
    @given(case=cases(theme))
    def tried(case: Case) -> None:
        assume(case.key() not in known)
        full = ends["built"] + ends["stopped by a phase"] >= BUILT
        try:
            place = make_place(tmp_path / "around", case, meanings)
            end = try_case(place, case, interpreter, full)
        finally:
            shutil.rmtree(tmp_path / "around", ignore_errors=True)
        known.add(case.key())
        assume(end)
        ends[end] += 1

    tried()
    assert sum(ends.values()) >= EACH
    assert ends["built"] >= BUILT // 4
    row = [theme, sum(ends.values()), *(ends[end] for end in ENDS)]
    request.getfixturevalue("record_property")("any", row)
