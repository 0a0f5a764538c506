"""Builds that are broken in many ways: `invoke faults` runs these, and prints what was left.

A good executable is there before. After a broken build, that is whole, or a new one; the last line
is for a person; no process is left; and the next build succeeds, with no hand laid on it.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench import PYTHON, Bench, small_disk
from index import Index
from mirror import Mirror
from projects import IMPORTED, Project, Tasks, path_without, zip_program

pytestmark = pytest.mark.faults

SPANS: dict[str, dict[str, range]] = {}
PYPROJECT = "[project]\nname = 'hello'\nversion = '1'\ndependencies = [{}]\n"


def table(names: str, rows: Iterable[Any]) -> pytest.MarkDecorator:
    """Run a test for all rows of a table; a column `bench` is the kind of bench."""
    indirect = ["bench"] if names.startswith("bench") else []
    return pytest.mark.parametrize(names, rows, indirect=indirect)


@pytest.fixture
def tasks() -> Tasks:
    """A `tasks.py` that imports the recipes; a vendored one breaks in the same ways."""
    return IMPORTED


@pytest.fixture(scope="session")
def mirror(interpreter: Path) -> Iterator[Mirror]:
    """One download site for all tests of a worker: what was built once came from it."""
    with Mirror() as server:
        server.add(PYTHON, interpreter.read_bytes())
        server.add("/pub/cosmos/bin/zip", zip_program())
        Index(server).wheel("bird", "1.0", {"bird.py": "SONG = 'la'\n"})
        yield server


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A project with a good executable, `plain` or with a dependency that `uv` installs."""
    uv = getattr(request, "param", "plain") == "uv"
    project: Project = request.getfixturevalue("installing" if uv else "project")
    project.write("pyproject.toml", PYPROJECT.format("'bird'" if uv else ""))
    bench = Bench(project, request)
    built = bench.home.parent / f"built-{bench.kind}"
    if not built.exists():
        bench.change("one")
        done = bench.invoke()
        assert done.status == 0, done.err
        assert bench.output() == "one"
        subprocess.run(["cp", "-a", bench.home, built], check=True)
    subprocess.run(["cp", "-a", f"{built}/.", bench.home], check=True)
    yield bench
    shutil.rmtree(bench.home)
    bench.mirror.files = bench.files
    bench.mirror.ended.set()
    bench.mirror.ended = threading.Event()


def lines(bench: Bench, phase: str) -> range:
    """The numbers of a phase's lines in a whole build, which are counted once.

    A copy of a layer, as a bench begins with, is not used.
    """
    if bench.kind not in SPANS:
        tasks = ("clean", "setup", "fetch", "deps", "compile", "build", "report")
        counts = []
        for task in tasks:
            shutil.rmtree(f"{bench.root}{bench.project.build}/.layer", ignore_errors=True)
            bench.at_line(0, ":")
            done = bench.invoke(f"cosmo.{task}")
            assert done.status == 0, done.err
            counts.append(int((bench.fault / "sh.count").read_text()))
        clean, setup, fetch, deps, compiled, whole, report = counts
        ends = [0, clean, setup, setup + fetch, deps, compiled, whole - report, whole]
        spans = zip((*tasks[:5], "update", "report"), ends, ends[1:])
        SPANS[bench.kind] = {name: range(first + 1, last + 1) for name, first, last in spans}
    return SPANS[bench.kind][phase]


BLOWS = {  # what the shell that Invoke calls does, and how Invoke ends then
    "SIGINT": ("kill -INT $PPID", 130),
    "SIGTERM": ("kill -TERM $PPID", 143),
    "SIGHUP": ("kill -HUP $PPID", 129),
    "SIGKILL of all": ("kill -s KILL -- -$PPID", -9),
    "SIGKILL of invoke": ("kill -KILL $PPID", -9),
    "SIGINT of all": ("kill -s INT -- -$PPID", 130),
}
MOMENTS = {
    "before": "{blow}; {rest}",
    "during": '/bin/sh -c "$2" & sleep 0.01; {blow}; wait; {rest}',
    "after": '/bin/sh -c "$2"; {blow}; {rest}',
}
POINTS = {"clean": 12, "setup": 12, "fetch": 12, "deps": 10, "compile": 12, "update": 18}
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
ROTA = [(list(MOMENTS)[(n + n // 6) % 3], list(BLOWS)[n % 6]) for n in range(18)]
KILLS = [("plain", "settings", -1, "at git", blow) for blow in SIGNALS]
KILLS += [("plain", "report", -1, "during", blow) for blow in ("SIGHUP", "SIGKILL of all")]
for phase, points in POINTS.items():
    kind = "uv" if phase == "deps" else "plain"
    KILLS += [(kind, phase, n, *ROTA[n]) for n in range(points)]
for blow in ("SIGTERM", "SIGKILL of all", "SIGKILL of invoke"):  # where it is put in place
    KILLS += [("plain", "update", -1, moment, blow) for moment in MOMENTS]
    KILLS += [("plain", "another disk", -1, "during", blow)]


@table("bench, phase, point, moment, blow", KILLS)
def test_a_build_killed(bench: Bench, phase: str, point: int, moment: str, blow: str) -> None:
    last = lines(bench, "update")[-1]
    of_phase = lines(bench, phase if phase in POINTS or phase == "report" else "update")
    number = of_phase[-1 if point < 0 else point * len(of_phase) // POINTS[phase]]
    late = number > last or (number == last and moment not in ("before", "at git"))
    line, status = BLOWS[blow]
    with ExitStack() as stack:
        if phase == "another disk":
            put_the_executable_elsewhere(bench)
            stack.enter_context(small_disk(bench, bench.executable.parent))
        bench.orphans = blow == "SIGKILL of invoke"
        rest = "exit 1" if bench.orphans else "exec sleep 9"  # it waits to be ended
        if phase == "settings":
            bench.at_call("git", 1, f"{line}; {rest}")
        else:
            bench.at_line(number, MOMENTS[moment].format(blow=line, rest=rest))
        bench.breaks(bench.build(), f"interrupted by {blow.split()[0]}", status, late)


def half(data: bytes) -> int:
    return len(data) // 2


def one_byte_wrong(data: bytes) -> bytes:
    return data[: half(data)] + bytes([data[half(data)] ^ 1]) + data[half(data) + 1 :]


def garbage(data: bytes) -> bytes:
    return random.Random(5).randbytes(len(data))  # noqa: S311 - it keeps no secret


PAGE, WHEEL = "/simple/bird/", "/files/bird-1.0-py3-none-any.whl"
CLOSED, CLOSED_FTP = "http://127.0.0.1:9/python", "ftp://127.0.0.1:9/python"
REFUSED, LOCKED, TOO_LONG = "Connection refused", "is not what", "it is longer than"
NO_APE, NO_PYTHON = "is no Actually Portable Executable", "holds no Python"
NO_FILE, NO_PACKAGE = "cannot be downloaded", "the dependencies of hello cannot be"
STATUSES, HUGE = (404, 403, 410, 429, 500, 503), {"Content-Length": str(10**10)}

ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{str(n): (f"ERROR {n}", {"status": n, "data": b"no"}) for n in STATUSES},
    "304 for nothing cached": (NO_FILE, {"status": 304, "data": b""}),
    "204 for nothing cached": ("", {"status": 204, "data": b""}),
    "an empty body": ("", {"data": b""}),
    "HTML": (NO_APE, {"data": b"<html>Sign in</html>"}),
    "half, with its length": (NO_FILE, {"sent": half}),
    "half, with no length": (NO_PYTHON, {"sent": half, "length": False}),
    "more than its length": (NO_PYTHON, {"headers": lambda d: {"Content-Length": str(half(d))}}),
    "garbage of the right length": (NO_APE, {"data": garbage}),
    "a zip cut in its directory": (NO_PYTHON, {"data": lambda data: data[: -len(data) // 100]}),
    "a redirect to itself": (NO_FILE, {"status": 302, "headers": {"Location": PYTHON}}),
    "a redirect to no server": (REFUSED, {"status": 302, "headers": {"Location": CLOSED}}),
    "a redirect to ftp": (REFUSED, {"status": 301, "headers": {"Location": CLOSED_FTP}}),
    "a redirect to a file": (NO_FILE, {"status": 301, "headers": {"Location": "file:///bin/sh"}}),
    "a redirect to nothing": (NO_FILE, {"status": 301, "headers": {"Location": ""}}),
    "a length that is no number": ("", {"headers": {"Content-Length": "many"}, "sent": half}),
    "refused connection": (REFUSED, {"COSMO_URL": CLOSED}),
    "unknown name": ("unable to resolve", {"COSMO_URL": "http://nowhere.invalid/python"}),
    "locked, wrong content": (LOCKED, {"data": one_byte_wrong}),
    "locked, an endless answer": (TOO_LONG, {"length": False, "then": "endless"}),
    "locked, 10 GB": (TOO_LONG, {"headers": HUGE, "then": "endless"}),
    "locked, half": (LOCKED, {"sent": half, "length": False}),
    "index, missing": (NO_PACKAGE, {"path": PAGE, "status": 404, "data": b""}),
    "index, 500": (NO_PACKAGE, {"path": PAGE, "status": 500, "data": b""}),
    "index, wrong hash": (NO_PACKAGE, {"path": WHEEL, "data": one_byte_wrong}),
    "index, torn wheel": (NO_PACKAGE, {"path": WHEEL, "sent": half}),
    "index, refused": (NO_PACKAGE, {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple/"}),
}


@table("bench, fault", [("uv" if name[:5] == "index" else "plain", name) for name in ANSWERS])
def test_a_server_that_answers_wrongly_or_not_at_all(bench: Bench, fault: str) -> None:
    message, how = ANSWERS[fault]
    python, good = bench.project.build / "python", bench.files[PYTHON].data
    bench.settings["UV_NO_CACHE"] = "1"
    kept = good
    if "locked" in fault:  # what is locked is fetched where another interpreter is there
        assert bench.invoke("cosmo.lock").status == 0
        kept = bench.project.other_interpreter()
        python.write_bytes(kept)
    if "locked" in fault or "nothing cached" in fault:
        shutil.rmtree(bench.home / ".cache/cosmo-recipes")
    settings = {name: value for name, value in how.items() if name.isupper()}
    if not settings:
        bench.serve(**how)
    done = bench.build(**settings)
    assert python.read_bytes() == kept
    bench.breaks(done, message)
    assert python.read_bytes() == good


STALLS = [("plain", blow, headers) for blow in SIGNALS for headers in ({}, HUGE)]


@table("bench, blow, headers", [*STALLS, ("uv", "SIGTERM", {})])
def test_a_download_that_is_interrupted(bench: Bench, blow: str, headers: dict[str, str]) -> None:
    path = PAGE if bench.kind == "uv" else PYTHON
    bench.settings["UV_NO_CACHE"] = "1"
    bench.serve(path, sent=half, headers=headers, then="stalled")
    bench.change()
    build = bench.begin()
    assert bench.mirror.stalled.wait(30)
    os.kill(build.process.pid, getattr(signal, blow))
    bench.breaks(build.end(), f"interrupted by {blow}", BLOWS[blow][1])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_interpreter_with_two_entries_of_one_name(bench: Bench) -> None:
    path = bench.fault / "two.com"
    path.write_bytes(bench.files[PYTHON].data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("Lib/twice.txt", "one")
        archive.writestr("Lib/twice.txt", "two")
    bench.serve(data=path.read_bytes())
    bench.survives(bench.build())


def enlarge(bench: Bench) -> None:  # let the new executable be larger than the old one
    bench.project.write("src/hello/noise", "").write_bytes(garbage(bytes(10**6)))
    bench.kind = f"large {bench.kind}"


FULL = [("uv", phase, 1) for phase in ("setup", "fetch", "deps", "compile", "update")]
FULL += [("uv", "update", 3), ("uv", "update", 5)]  # where zip writes


@table("bench, phase, line", FULL)
def test_a_disk_that_is_full(bench: Bench, phase: str, line: int) -> None:
    with small_disk(bench, bench.project.build):
        bench.fill_at_line(lines(bench, phase)[line - 1], bench.project.build)
        if line > 1:
            enlarge(bench)
        bench.breaks(bench.build())


def put_the_executable_elsewhere(bench: Bench) -> None:
    bench.settings["COSMO_OUT"] = "out/hello"
    (bench.project.path / "out").mkdir(exist_ok=True)
    bench.executable = Path(shutil.copy(bench.executable, bench.project.path / "out"))


@table("bench, place", [("plain", "project/out"), ("plain", ".cache"), ("uv", "tmp")])
def test_a_disk_that_is_full_elsewhere(bench: Bench, place: str) -> None:
    folder, number = bench.home / place, 1
    folder.mkdir(exist_ok=True)
    if place == "project/out":
        put_the_executable_elsewhere(bench)
        number = lines(bench, "update")[-1]
    elif place == "tmp":
        bench.settings["TMPDIR"] = str(folder)
    with small_disk(bench, folder):
        bench.fill_at_line(number, folder)
        bench.serve()
        enlarge(bench)
        ends = {"project/out": bench.breaks, ".cache": bench.survives, "tmp": bench.either}
        ends[place](bench.build())


LINES = """
    uv setup 1: ulimit -f 0     uv setup 4: ulimit -f 0     uv fetch 2: ulimit -f 100
    uv deps 2: ulimit -f 0      uv deps 5: ulimit -f 0      uv compile 1: ulimit -f 0
    uv update 3: ulimit -f 100  uv update 5: ulimit -f 100  plain compile 2: exit 137
    plain compile 3: exit 137   plain deps 2: exit 137      plain report 1: exit 137
"""


@table("bench, phase, line, then", re.findall(r"(\w+) (\w+) (\d): (.+?)(?:  |\n)", LINES))
def test_a_line_that_may_write_no_file_or_is_killed(
    bench: Bench, phase: str, line: str, then: str
) -> None:
    bench.at_line(lines(bench, phase)[int(line) - 1], then)
    bench.serve()
    bench.breaks(bench.build(), late=phase == "report")


OBEY_MODES = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)
FORBIDDEN = ["dist/cosmo", "out", "dist/cosmo/Lib", "src/hello/__main__.py", "src/hello/deep"]


@table("name", [*(f"project/{name}" for name in FORBIDDEN), ".cache", "."])
def test_what_is_not_permitted(bench: Bench, name: str) -> None:
    path, in_project = bench.home / name, name.startswith("project")
    if name == "project/out":
        put_the_executable_elsewhere(bench)
    if not in_project:
        bench.serve()
        shutil.rmtree(bench.home / ".cache")
        path.mkdir(exist_ok=True)
    bench.settings["PYTHONDONTWRITEBYTECODE"] = "1"
    bench.change()
    mode = path.stat().st_mode
    path.chmod(0 if "src" in name else 0o555)
    bench.prefix = OBEY_MODES
    done = bench.invoke()
    bench.prefix = ()
    path.chmod(mode)
    if in_project:
        bench.breaks(done, "ermission denied")
    else:
        bench.survives(done)


KILLED = '{real} "$@" & sleep 0.01; kill -KILL $! 2>/dev/null; exit 137'
HALVED = '{real} "$@" | head -n 1; exit 1'

CALLS = """
    zip exit 15: 1 2 3 4  zip KILLED: 3 4  env KILLED: 1 2 3  cp exit 1: 1 2 3  cp KILLED: 3
    mv exit 1: 1 3 4  find exit 1: 1 3 5  find HALVED: 5 7  touch exit 1: 1 2  rm exit 1: 1 2
    chmod exit 1: 2 4  mkdir exit 1: 1 3  ln exit 1: 1 2  head exit 1: 1  grep exit 2: 1
    sort HALVED: 1  sha256sum exit 1: 1  wget exit 4: 1  wget KILLED: 1  uv exit 2: 1  uv KILLED: 1
"""
FAILURES = [
    ("uv" if program == "uv" else "plain", program, how, int(nth))
    for program, how, calls in re.findall(r"(\w+) ([^:]+):((?: \d)+)", CALLS)
    for nth in calls.split()
]


@table("bench, program, how, nth", FAILURES)
def test_a_program_that_fails_once(bench: Bench, program: str, how: str, nth: int) -> None:
    bench.settings["UV_NO_CACHE"] = "1"
    bench.serve()
    bench.at_call(program, nth, {"KILLED": KILLED, "HALVED": HALVED}.get(how, how))
    bench.either(bench.build())


@table("program, nth", [("zip", 0), ("wget", 0), ("sort", 0), ("zip", 1), ("zip", 2), ("zip", 3)])
def test_a_program_that_is_missing_or_goes_missing(bench: Bench, program: str, nth: int) -> None:
    if nth:
        bench.at_call(program, nth, 'rm "$0"')
    bench.either(bench.build(PATH=path_without(program, bench.home)))


DEEP = f"x = {'(' * 500}{')' * 500}\n"
BROKEN = [("def f(:\n", "line 1"), ("x = '\0'\n", "bad.py"), (DEEP, "bad.py")]


@table("text, message", BROKEN)
def test_a_program_that_does_not_compile(bench: Bench, text: str, message: str) -> None:
    path = bench.project.write("src/hello/bad.py", text)
    done = bench.build()
    path.unlink()
    bench.breaks(done, message)


@table("bench", ["uv"])
def test_a_dependency_that_does_not_exist(bench: Bench) -> None:
    bench.project.write("pyproject.toml", PYPROJECT.format("'bird', 'nowhere'"))
    done = bench.build()
    bench.project.write("pyproject.toml", PYPROJECT.format("'bird'"))
    bench.breaks(done, "nowhere")


@table("fault", ["a file", "cut off", "emptied", "garbage", "one byte", "folders"])
def test_a_cache_that_is_damaged(bench: Bench, fault: str) -> None:
    cache = bench.home / ".cache/cosmo-recipes"
    (cached,) = (cache / "sha256").iterdir()
    data, times = cached.read_bytes(), cached.stat()
    changes = {"cut off": data[:1000], "emptied": b"", "garbage": garbage(data)}
    changes["one byte"] = one_byte_wrong(data)
    if fault in changes:
        cached.write_bytes(changes[fault])
        os.utime(cached, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        shutil.rmtree(cache)
        cache.write_text("a file") if fault == "a file" else cached.mkdir(parents=True)
    done = bench.build()
    assert (bench.project.build / "python").read_bytes() == data
    bench.survives(done)


@pytest.mark.parametrize("name", ["python", "python.zip", "hello.zip", ".args", ".deps", ".lock"])
def test_what_lies_in_the_build_folder_is_garbage(bench: Bench, name: str) -> None:
    path = bench.project.build / name
    if path.is_dir():
        shutil.rmtree(path)
    path.write_bytes(b"garbage")
    bench.survives(bench.build())


@pytest.mark.parametrize("apart", [0.0, 0.3, 0.8])
def test_two_builds_of_one_project_at_once(bench: Bench, apart: float) -> None:
    bench.change()
    bench.orphans = True
    first = bench.begin()
    time.sleep(apart)
    second = bench.begin()
    ended = sorted([first.end(), second.end()], key=lambda build: build.status)
    assert ended[0].status == 0, ended[0].err
    assert bench.output() == "two"
    if ended[1].status:
        assert ended[1].errors() == [ended[1].message()]
    bench.either(ended[1], "in use by another build", late=True)


def test_two_projects_that_share_a_cache_at_once(bench: Bench) -> None:
    shutil.rmtree(bench.home / ".cache")
    bench.serve()
    project = bench.project.beside("other")
    subprocess.run(["cp", "-a", bench.project.path, project.path], check=True)
    second = Bench(project, bench.request)
    second.fault = bench.home / "fault2"
    second.fault.mkdir()
    bench.orphans = second.orphans = True
    bench.change()
    second.change()
    builds = [bench.begin(), second.begin()]
    for build, done in [(build, build.end()) for build in builds]:
        build.bench.survives(done)
    assert second.invoke(COSMO_OFFLINE="1").status == 0
    cached = (bench.home / ".cache/cosmo-recipes/sha256").iterdir()
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in cached)


def test_a_report_that_cannot_be_printed(bench: Bench) -> None:
    bench.prefix = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
    done = bench.build()
    bench.prefix = ()
    bench.breaks(done, "cannot be printed", late=True)
