"""Whatever the settings, names and files are: a right executable, or one line; and no harm.

Each case is a project among files that are none of its build's business. Its settings are read in
this process; where they are refused, that is the end of it, and nothing at all may have changed.
Where they are taken, the real `invoke cosmo` runs, and what it makes is started from elsewhere.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from hostile import THEMES, TOUCH, Case, cases, toml
from mirror import Mirror
from projects import INVOKE, ROOT
from recipes.console import Stop
from recipes.settings import Settings, load_settings
from recipes.shell import JUNK

pytestmark = pytest.mark.faults

EACH = 256
"""How many cases a theme has; there are eight themes."""

BUILT = 40
"""How many cases of a theme go through `invoke` because their settings are taken."""

SHOWN = 32
"""Of how many cases that are refused at once, one is put to `invoke` too."""

ENDS = ("built", "stopped by a phase", "refused", "as invoke shows")
"""What may become of a case."""

STEPS = ("clean ", "setup ", "lock ", "fetch ", "deps ", "compile ", "update ", "smoke ")

WORDS = ("one", "two words", "$(touch pwned)", "")
"""What an executable is started with."""


def listing(folder: str, left: tuple[str, ...] = ("__pycache__",)) -> list[str]:
    """What is in a folder of the program: its modules by name, its data with a checksum."""
    found = set()
    for here, _, files in os.walk(folder, followlinks=True):
        for each in files:
            path = os.path.join(here, each)
            inside = os.path.relpath(path, folder)
            hidden = any(fnmatchcase(part, it) for part in inside.split("/") for it in left)
            stem, suffix = os.path.splitext(inside)  # noqa: PTH122 - a path as text
            if hidden or not os.path.isfile(path):  # noqa: PTH113
                continue
            if suffix in (".py", ".pyc"):
                found.add(f"{stem!a} is a module")
                continue
            with open(path, "rb") as file:  # noqa: PTH123 - it runs in the executable too
                found.add(f"{inside!a} {zlib.crc32(file.read())}")
    return sorted(found)


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


class Place(NamedTuple):
    """Where a case happens: its project, what is around it, and what its values stand for."""

    around: Path
    root: Path
    package: Path
    environ: dict[str, str]
    start: Path
    values: dict[str, str]

    def fill(self, value: object) -> object:
        """A value, with the names in it replaced by what they stand for."""
        if isinstance(value, str):
            for key, it in self.values.items():
                value = value.replace(key, it)
        elif isinstance(value, list):
            return [self.fill(each) for each in value]
        elif isinstance(value, dict):
            return {key: self.fill(it) for key, it in value.items()}
        return value


def make_place(around: Path, case: Case, given: dict[str, str]) -> Place:
    """Make the project and its surroundings; `given` is what some values stand for."""
    for name in ("bait/Lib/site-packages", "home", "tmp", "away", "parent/near", "cache"):
        (around / name).mkdir(parents=True)
    (around / "bait.txt").write_text("bait\n")
    for name in ("bait/keep", "bait/own.py", "bait/Lib/site-packages/x.py", "parent/beside.txt"):
        (around / name).write_text("keep = 1\n")
    (around / "parent/tasks.py").write_text("from recipes import ns\n")
    root = around / "parent" / case.folder
    folder = root / case.place
    parts = case.pkg.split(".")
    if "\0" in case.pkg or any(part in ("", "..") or len(part) > 255 for part in parts):
        parts = ["hello"]
    if case.pkg.startswith("/") or ".." in case.pkg.split("/"):
        parts = ["hello"]
    values = {
        "@BAIT@": str(around / "bait"),
        "@CACHE@": str(around / "cache"),
        **given,
        "@PKG@": os.path.join(case.place, *parts),
    }
    empty = Place(around, root, folder.joinpath(*parts), {}, root, values)
    environ = {name: str(empty.fill(value)) for name, value in case.environ.items()}
    if case.pyproject is not None or not case.has("COSMO_URL"):
        environ.setdefault("COSMO_URL", given["@PYTHON@"])
    base = {
        "PATH": os.environ["PATH"],
        "HOME": str(around / "home"),
        "TMPDIR": str(around / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9/"),
        "no_proxy": "127.0.0.1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_NO_CACHE_DIR": "1",
        "UV_CACHE_DIR": str(around.parent / "uv"),
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/",
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CONFIG": "1",
        "UV_OFFLINE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    place = empty._replace(environ={**base, **environ})
    write_project(place, case)
    start = root / case.start
    return place._replace(start=start if start.is_dir() else root)


def write_project(place: Place, case: Case) -> None:
    """Write the files of the project; what no file can be called is not there."""
    root, package = place.root, place.package
    root.mkdir()
    (root / "tasks.py").write_text("from recipes import ns\n")
    (root / "to-keep").write_text("the user's own\n")
    write(root / "pyproject.toml", pyproject(place, case))
    for link, to in case.links.items():
        path = root / str(place.fill(link))
        if path.name not in ("src", "hello"):
            write_link(path, str(place.fill(to)))
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
    for file, content in case.files.items():
        write(package / file, content)
    for file, content in case.more.items():
        text = content.replace(b"#PROGRAM#", MODULE.encode())
        for key, value in place.values.items():
            text = text.replace(key.encode(), value.encode())
        write(root / file, text)
    for link, to in case.links.items():
        path = root / str(place.fill(link))
        if path.name in ("src", "hello") and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
            write_link(path, str(place.fill(to)))
    if case.fifo:
        with suppress(OSError, ValueError):
            os.mkfifo(root / str(place.fill(case.fifo)))


def write(path: Path, content: bytes) -> None:
    """Write a file that is not there, if there can be one of that name."""
    with suppress(OSError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.resolve() == path.parent:
            with path.open("xb") as file:
                file.write(content)


def write_link(path: Path, to: str) -> None:
    """Make a symbolic link, if there can be one."""
    with suppress(OSError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(to)


def pyproject(place: Place, case: Case) -> bytes:
    """The text of `pyproject.toml`."""
    if case.pyproject is not None:
        return case.pyproject
    heads = {"[tool.cosmo.env]\n": case.ours, "[project]\n": case.project}
    text = "[tool.ds.scripts]\n"
    for key, value in case.article.items():
        text += f"_.env.{toml(key)} = {toml(place.fill(value))}\n"
    for head, table in heads.items():
        rows = (f"{toml(key)} = {toml(place.fill(value))}\n" for key, value in table.items())
        text += head + "".join(rows) if table else ""
    return text.encode()


@contextmanager
def inside(place: Place) -> Iterator[None]:
    """Be where the command runs, in its environment."""
    here, environ = Path.cwd(), dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(place.environ)
        os.chdir(place.start)
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(environ)


def snapshot(folder: Path) -> dict[str, tuple[str, int, str]]:
    """Each path below a folder: its kind, its mode, and what it holds or leads to."""
    found = {}
    for here, folders, files in os.walk(folder):
        for each in (*folders, *files):
            path = os.path.join(here, each)
            mode = os.lstat(path).st_mode
            held = ""
            if stat.S_ISLNK(mode):
                held = os.readlink(path)  # noqa: PTH115 - the text of the link
            elif stat.S_ISREG(mode):
                held = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            found[path] = (stat.filemode(mode)[0], stat.S_IMODE(mode), held)
    return found


def see_unchanged(
    place: Place, before: dict[str, tuple[str, int, str]], s: Settings | None
) -> None:
    """See that nothing changed but what may: with settings, the build folder and the cache.

    An Actually Portable Executable may write `.ape…` when it starts, and Python `__pycache__`.
    """
    allowed = []
    if s is not None:
        build = Path(os.path.normpath(place.start / s.build)).resolve()
        assert place.root in build.parents, "it is inside the project"
        assert build not in (place.package, *place.package.parents), "it holds no sources"
        cache = place.environ.get("XDG_CACHE_HOME", "")
        cache = cache if os.path.isabs(cache) else f"{place.environ['HOME']}/.cache"
        allowed += [str(build), os.path.join(cache, "cosmo-recipes")]
        allowed += [os.path.normpath(place.start / made.path) for made in s.executables]
    allowed += [str(place.root / "__pycache__"), str(place.around / "parent/__pycache__")]
    after = snapshot(place.around)
    assert not [path for path in after if path.endswith(f"/{TOUCH.split()[1]}")]
    for path in {*before, *after}:
        if before.get(path) == after.get(path):
            continue
        new_folder = path not in before and after[path][0] == "d"
        if any(path == each or path.startswith(f"{each}/") for each in allowed):
            continue
        if new_folder and any(each.startswith(f"{path}/") for each in allowed):
            continue
        ape = Path(path).name.startswith(".ape")
        if ape and os.path.dirname(path) in (place.environ["HOME"], place.environ["TMPDIR"]):
            continue
        raise AssertionError(f"{path!r} changed: {before.get(path)} -> {after.get(path)}")


def invoke(place: Place) -> subprocess.CompletedProcess[bytes]:
    """Run the real command."""
    return run([*INVOKE, "cosmo"], place.environ, place.start)


def run(
    command: list[str], environ: dict[str, str], cwd: Path
) -> subprocess.CompletedProcess[bytes]:
    """Run a command with no standard input, and keep the bytes that it prints."""
    return subprocess.run(
        command,
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )


def lines(text: str) -> list[str]:
    """What a terminal shows as lines."""
    return re.split("[\n\r\v\f]", text.removesuffix("\n"))


def see_stopped(done: subprocess.CompletedProcess[bytes]) -> str:
    """See that a command ended with one line behind those of the phases; that line."""
    errors = done.stderr.decode("utf-8", "surrogateescape")
    *steps, last = lines(errors) or [""]
    assert done.returncode == 1, done
    assert done.stdout == b"", done
    assert last.startswith("cosmo: "), errors
    tried = [place for place, line in enumerate(steps) if line.startswith("smoke ")]
    for line in steps[: tried[0] if tried else None]:  # then comes what the program printed
        assert line.startswith(STEPS), errors
    return last


def expected(
    place: Place, case: Case, s: Settings, interpreter: Path, args: tuple[str, ...]
) -> str:
    """What an executable has to print."""
    own = effective(place, case, "COSMO_ARGS")
    if own is not None and "hello" not in own:
        lines = shlex.split(own)
        site = place.package.parent
        environ = {**place.environ, "PYTHONPATH": str(site)}
        words = [*(lines[:-1] if lines[-1] == "..." else lines), *args]
        done = run(["sh", str(interpreter), *words], environ, place.around / "away")
        return done.stdout.decode("utf-8", "surrogateescape")
    level = int(effective(place, case, "COSMO_OPTIMIZE") or 0)
    switch = effective(place, case, "COSMO_ISOLATED") or ""
    isolated = switch.lower() in ("1", "true", "yes", "on")
    if own is not None:
        isolated, level = "-I" in own, level if not s.ships_source else 0
        args = (*shlex.split(own.partition("hello")[2])[:-1], *args)
    text = f"{list(args)!a} {level == 0} {level == 2} {int(isolated)}\n"
    if case.form == "module" or s.source.endswith(".py"):
        return text
    patterns = shlex.split(effective(place, case, "COSMO_EXCLUDE") or "")
    top = place.package
    names = [line for line in listing(str(top), JUNK) if not left_out(line, top.name, patterns)]
    return text + "\n".join(names) + "\n"


def left_out(line: str, top: str, patterns: list[str]) -> bool:
    """Whether COSMO_EXCLUDE names what a line of `listing` tells of."""
    name = line.rpartition("' ")[0][1:] + (".py" if line.endswith(" is a module") else "")
    path = Path(top, name)
    return any(fnmatchcase(str(each), it) for each in (path, *path.parents) for it in patterns)


def effective(place: Place, case: Case, name: str) -> str | None:
    """The value of a setting in which nothing stands for anything else."""
    for table in (place.environ, case.ours, case.article):
        if name in table:
            value = table[name]
            return str(int(value)) if isinstance(value, bool) else str(value)
    return None


def see_built(
    place: Place,
    case: Case,
    s: Settings,
    done: subprocess.CompletedProcess[bytes],
    interpreter: Path,
) -> None:
    """See that the executables are there and, started from elsewhere, do what they must."""
    errors = done.stderr.decode("utf-8", "surrogateescape")
    assert all(line.startswith(STEPS) for line in lines(errors)), errors
    for made in s.executables:
        file = Path(os.path.normpath(place.start / made.path))
        start = ["sh", str(file), *WORDS]
        shown = run(start, place.environ, place.around / "away")
        told = shown.stdout.decode("utf-8", "surrogateescape")
        assert told == expected(place, case, s, interpreter, WORDS), shown.stderr.decode()


def try_case(place: Place, case: Case, interpreter: Path, full: bool = False) -> str:
    """Put a case to the recipes, and see to all that must hold; what became of it.

    Nothing, where it could be built and there were enough of those.
    """
    before = snapshot(place.around)
    taken: Settings | None = None
    refused = ""
    with inside(place):
        try:
            taken = load_settings()
        except Stop as stop:
            refused = f"{stop.code} {stop.message}"
    if taken is None:
        refused = refused.removeprefix("1 ")
        assert refused.startswith("cosmo: ")
        assert len(lines(refused)) == 1, refused
        see_unchanged(place, before, None)
        if zlib.crc32(repr(case).encode()) % SHOWN:
            return "refused"
        line = see_stopped(invoke(place))
        assert (
            line.encode("utf-8", "backslashreplace").decode()
            == refused.encode("utf-8", "backslashreplace").decode()
        )
        see_unchanged(place, before, None)
        return "as invoke shows"
    if full:
        return ""
    done = invoke(place)
    see_unchanged(place, before, taken)
    if done.returncode:
        see_stopped(done)
        return "stopped by a phase"
    see_built(place, case, taken, done, interpreter)
    see_unchanged(place, before, taken)
    return "built"


FOUND = {
    "a link in the way of the loader": Case(links={"dist/cosmo/.ape-stand-in": "@BAIT@/keep"}),
    "a newline in COSMO_OUT": Case(environ={"COSMO_OUT": "a\nb"}),
    "a package named like a built-in module": Case(pkg="builtins"),
    "a module named like an extension module": Case(pkg="math", form="module"),
    "an entry that Python reads as another name": Case(
        pkg="\ufb01sh", form="function", environ={"COSMO_ENTRY": "\ufb01sh.words:main"}
    ),
    "nothing left to start": Case(environ={"COSMO_EXCLUDE": "hello/__main__.py"}),
}
"""What was not as it must be when the themes below were first tried."""


@pytest.mark.parametrize("found", FOUND)
def test_what_went_wrong_once_stays_mended(found: str, interpreter: Path, tmp_path: Path) -> None:
    case = FOUND[found]
    more = {"PKG": case.pkg, "COSMO_DEPS": "none", **case.environ}
    place = make_place(
        tmp_path / "around", replace(case, environ=more), {"@PYTHON@": str(interpreter)}
    )
    assert try_case(place, case, interpreter) in ENDS


@pytest.mark.parametrize("theme", THEMES)
def test_whatever_is_given_it_builds_or_stops_with_one_line_and_harms_nothing(
    theme: str,
    interpreter: Path,
    mirror: Mirror,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    ends: Counter[str] = Counter()
    known: set[str] = set()
    whole = interpreter.read_bytes()
    for name, content in {"python": whole, "torn": whole[:-70_000], "text": b"none"}.items():
        mirror.add(f"/{name}", content)
    sha256 = hashlib.sha256(whole).hexdigest()
    given_values = {"@PYTHON@": str(interpreter), "@MIRROR@": mirror.address, "@SHA256@": sha256}

    @settings(
        max_examples=EACH,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
    @given(case=cases(theme))
    def tried(case: Case) -> None:
        assume(case.key() not in known)
        full = ends["built"] + ends["stopped by a phase"] >= BUILT
        around = tmp_path / "around"
        try:
            place = make_place(around, case, given_values)
            end = try_case(place, case, interpreter, full)
        finally:
            shutil.rmtree(around, ignore_errors=True)
        known.add(case.key())
        assume(end)
        ends[end] += 1

    tried()
    assert sum(ends.values()) >= EACH
    assert ends["built"] >= BUILT // 4
    record_property("any", [theme, sum(ends.values()), *(ends[end] for end in ENDS)])
