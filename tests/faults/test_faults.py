"""Builds that are broken in many ways: `invoke faults` runs these, and prints what was left.

A good executable is there before. After a broken build, that is whole, or a new one; the last line
is for a person; no process is left; and the next build succeeds by itself, with the right bytes.
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
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, small_disk
from index import Index
from mirror import PYTHON, Mirror
from projects import IMPORTED, Project, Tasks, path_without, zip_program

pytestmark = pytest.mark.faults

HEAD = "[project]\nname = 'hello'\nversion = '1'\n"
TABLES = {
    "article": f"{HEAD}[tool.ds.scripts]\n_.env.PKG = 'hello'\n",
    "wheel": f"{HEAD}dependencies = ['bird']\n"
    "[build-system]\nrequires = ['uv_build']\nbuild-backend = 'uv_build'\n",
}


def table(names: str, rows: Iterable[Any]) -> pytest.MarkDecorator:
    """Run a test for all rows of a table; a column `bench` is the kind of bench."""
    indirect = ["bench"] if names.startswith("bench") else []
    return pytest.mark.parametrize(names, rows, indirect=indirect)


@pytest.fixture
def tasks() -> Tasks:
    """Return a `tasks.py` that imports the recipes; a vendored one breaks in the same ways."""
    return IMPORTED


@pytest.fixture(scope="session")
def mirror(interpreter: Path) -> Iterator[Mirror]:
    """Yield one download site for all tests of a worker: what was built once came from it."""
    with Mirror() as server:
        server.add(PYTHON, interpreter.read_bytes())
        server.add("/pub/cosmos/bin/zip", zip_program())
        Index(server).wheel("bird", "1.0", {"bird.py": "SONG = 'la'\n"})
        yield server


def number_lines(echo: str) -> dict[str, list[int]]:
    """Number the lines that each phase ran; `place` is the one that puts the executable in place."""
    numbers, phase, last = defaultdict(list), "", 0
    for line in echo.partition("\ndist/")[0].splitlines():
        if line.startswith("# cosmo."):
            phase = line[len("# cosmo.") :]
        elif not line.startswith("wget "):  # it is the second half of a line
            last += 1
            numbers[phase].append(last)
            if line.startswith("mv -f dist/cosmo/.new/"):
                numbers["place"].append(last)
    return numbers


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Yield a project with a good executable; the base of one with a dependency is not cached."""
    bench = Bench(request.getfixturevalue("installing"), request)
    bench.project.write("pyproject.toml", TABLES[bench.kind])
    built = bench.home.parent / f"built-{bench.kind}"
    if not built.exists():
        bench.change("one")
        done = bench.end(bench.begin())
        assert done.returncode == 0, done
        assert bench.output() == "one"
        if bench.kind == "wheel":
            shutil.rmtree(bench.cache / "base")
        subprocess.run(["cp", "-a", bench.home, built], check=True)
        bench.lines[bench.kind] = number_lines(bench.build("-e cosmo").stdout)
        shutil.rmtree(bench.home)
    subprocess.run(["cp", "-a", f"{built}/.", bench.home], check=True)
    yield bench
    shutil.rmtree(bench.home)
    bench.mirror.files = bench.files
    bench.mirror.ended.set()
    bench.mirror.ended = threading.Event()


BLOWS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGKILL": -9}  # how `invoke` ends then
MOMENTS = {
    "before": "{blow}; {rest}",
    "during": '/bin/sh -c "$2" & sleep 0.01; {blow}; wait; {rest}',
    "after": '/bin/sh -c "$2"; {blow}; {rest}',
}
POINTS = {"clean": 2, "setup": 6, "fetch": 8, "deps": 12, "compile": 4, "update": 12}
ROTA = [(list(MOMENTS)[n % 3], list(BLOWS)[n % 4]) for n in range(12)]
KILLS = [("wheel", phase, n, *ROTA[n]) for phase in POINTS for n in range(POINTS[phase])]
KILLS += [("article", phase, 0, *ROTA[3 + n]) for n, phase in enumerate(POINTS)]
KILLS += [("article", "place", 0, moment, blow) for moment in MOMENTS for blow in BLOWS]
KILLS += [("article", "another disk", 0, "during", blow) for blow in ("SIGTERM", "SIGKILL")]


@table("bench, phase, point, moment, blow", KILLS)
def test_a_build_killed(bench: Bench, phase: str, point: int, moment: str, blow: str) -> None:
    lines = bench.lines[bench.kind]
    of_phase, (place,) = lines.get(phase, lines["place"]), lines["place"]
    number = of_phase[point * len(of_phase) // POINTS.get(phase, 1)]
    late = number > place or (number == place and moment != "before")
    with ExitStack() as stack:
        if phase == "another disk":
            put_the_executable_elsewhere(bench)
            stack.enter_context(small_disk(bench, bench.executable.parent))
        bench.orphans = blow == "SIGKILL"
        rest = "exit 1" if bench.orphans else "exec sleep 9"  # it waits to be ended
        then = MOMENTS[moment].format(blow=f"kill -{blow[3:]} $PPID", rest=rest)
        bench.at_line(number, then)
        message = "" if bench.orphans else f"interrupted by {blow}"
        bench.check(bench.build(), message, BLOWS[blow], late)


def half(data: bytes) -> int:
    return len(data) // 2


def one_byte_wrong(data: bytes) -> bytes:
    return data[: half(data)] + bytes([data[half(data)] ^ 1]) + data[half(data) + 1 :]


def garbage(data: bytes) -> bytes:
    return random.Random(5).randbytes(len(data))  # noqa: S311 - it keeps no secret


PAGE, WHEEL = "/simple/bird/", "/files/bird-1.0-py3-none-any.whl"
CLOSED, CLOSED_FTP = "http://127.0.0.1:9/python", "ftp://127.0.0.1:9/python"
REFUSED, LOCKED, TOO_LONG = "Connection refused", "is not what", "it is longer than"
NO_APE, NO_PYTHON = "is not an APE file", "holds no Python"
NO_FILE, NO_PACKAGE = "cannot be downloaded", "the dependencies of hello cannot be"
STATUSES, HUGE = (404, 403, 410, 429, 500, 503), {"Content-Length": str(10**10)}

ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{str(n): (f"ERROR {n}", {"status": n, "data": b"no"}) for n in STATUSES},
    "304 for nothing cached": ("", {"status": 304, "data": b""}),
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


@table("bench, fault", [("wheel" if name[:5] == "index" else "article", name) for name in ANSWERS])
def test_a_server_that_answers_wrongly_or_not_at_all(bench: Bench, fault: str) -> None:
    message, how = ANSWERS[fault]
    python, good = bench.project.build / "python", bench.files[PYTHON].data
    bench.settings["UV_NO_CACHE"] = "1"
    kept = good
    if "locked" in fault:  # what is locked is fetched where another interpreter is there
        assert bench.end(bench.begin("cosmo.lock")).returncode == 0
        kept = bench.project.other_interpreter()
        python.write_bytes(kept)
    if "locked" in fault or "nothing cached" in fault:
        shutil.rmtree(bench.cache)
    settings = {name: value for name, value in how.items() if name.isupper()}
    if not settings:
        bench.serve(**how)
    done = bench.build(**settings)
    assert python.read_bytes() == kept
    bench.check(done, message)
    assert python.read_bytes() == good


@table("bench, blow", [*(("article", blow) for blow in list(BLOWS)[:3]), ("wheel", "SIGTERM")])
def test_a_download_that_is_interrupted(bench: Bench, blow: str) -> None:
    bench.settings["UV_NO_CACHE"] = "1"
    bench.serve(PAGE if bench.kind == "wheel" else PYTHON, sent=half, then="stalled")
    bench.change()
    process = bench.begin()
    assert bench.mirror.stalled.wait(30)
    os.kill(process.pid, getattr(signal, blow))
    bench.check(bench.end(process), f"interrupted by {blow}", BLOWS[blow])


def put_the_executable_elsewhere(bench: Bench) -> None:
    """Let COSMO_OUT name another folder, and a good executable be there."""
    bench.settings["COSMO_OUT"], bench.executable = "out/hello", bench.project.path / "out/hello"
    assert bench.end(bench.begin()).returncode == 0


def fill_at_line(bench: Bench, number: int, folder: Path) -> None:
    """Fill the disk on which a folder lies at the n-th line; let the program be larger, too."""
    bench.ballast = f"{folder}/.ballast"
    bench.at_line(number, f"cat /dev/zero >{bench.ballast} 2>/dev/null")
    bench.project.write("src/hello/noise", "").write_bytes(garbage(bytes(10**6)))
    bench.kind = f"large {bench.kind}"


@table("bench, phase, nth", [("wheel", phase, n) for phase in list(POINTS)[1:] for n in (0, 2)])
def test_a_disk_that_is_full(bench: Bench, phase: str, nth: int) -> None:
    number = bench.lines[bench.kind][phase][: nth + 1][-1]
    with small_disk(bench, bench.project.build):
        fill_at_line(bench, number, bench.project.build)
        bench.check(bench.build())


@table("bench, place", [("article", "project/out"), ("article", ".cache"), ("wheel", ".cache")])
def test_a_disk_that_is_full_elsewhere(bench: Bench, place: str) -> None:
    number = bench.lines[bench.kind]["place"][0] if "out" in place else 1
    if "out" in place:
        put_the_executable_elsewhere(bench)
    with small_disk(bench, bench.home / place):
        fill_at_line(bench, number, bench.home / place)
        bench.serve()
        done = bench.build()
        assert bool(done.returncode) == ("out" in place), done
        bench.check_either(done)


@table("phase, nth", [(phase, n) for phase in POINTS for n in (0, 1, 2, 5)])
@table("bench, then", [("wheel", "ulimit -f 0"), ("wheel", "ulimit -f 100"), ("wheel", "exit 137")])
def test_a_line_that_may_write_no_file_or_is_killed(
    bench: Bench, phase: str, nth: int, then: str
) -> None:
    numbers = bench.lines[bench.kind][phase]
    if nth >= len(numbers):
        pytest.skip(f"{phase} has no such line")
    bench.at_line(numbers[nth], then)
    bench.serve()
    bench.check_either(bench.build())


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
    done = bench.end(bench.begin())
    bench.prefix = ()
    path.chmod(mode)
    assert ("ermission denied" in done.stderr) == in_project, done
    bench.check_either(done)


KILLED = '{real} "$@" & sleep 0.01; kill -KILL $! 2>/dev/null; exit 137'
HALVED = '{real} "$@" | head -n 1; exit 1'
CALLS = """
    zip exit 15: 1 2 3 4  zip KILLED: 2 3  cp exit 1: 1 2 3 4  cp KILLED: 2 4  mv exit 1: 1 2 3
    find exit 1: 1 2 3 4 5  find HALVED: 2 3 4 5  touch exit 1: 1 2 3  rm exit 1: 1 2  chmod exit 1: 1 3
    mkdir exit 1: 1 2  ln exit 1: 1  head exit 1: 1  grep exit 2: 1 2  sort HALVED: 1 2  sed exit 1: 1 2
    wget exit 4: 1  wget KILLED: 1  xargs exit 1: 1  cat exit 1: 1 2 3  ls exit 1: 1
    uv exit 2: 1 2 3 4 5  uv KILLED: 2 3 4 5
"""
FAILURES = [
    (kind, program, how, int(nth))
    for program, how, calls in re.findall(r"(\w+) ([^:]+):((?: \d)+)", CALLS)
    for nth in calls.split()
    for kind in TABLES
    if kind == "wheel" or program in ("zip", "cp", "mv", "find", "sort")
]


@table("bench, program, how, nth", FAILURES)
def test_a_program_that_fails_once(bench: Bench, program: str, how: str, nth: int) -> None:
    bench.settings["UV_NO_CACHE"] = "1"
    bench.serve()
    bench.at_call(program, nth, {"KILLED": KILLED, "HALVED": HALVED}.get(how, how))
    bench.check_either(bench.build())


@table("program, nth", [("zip", 0), ("wget", 0), ("sort", 0), ("zip", 1), ("zip", 2), ("zip", 3)])
def test_a_program_that_is_missing_or_goes_missing(bench: Bench, program: str, nth: int) -> None:
    if nth:
        bench.at_call(program, nth, 'rm "$0"')
    bench.check_either(bench.build(PATH=path_without(program, bench.home)))


FILES = [("article", "url/*/*/*"), ("article", "base/*.zip"), ("article", "base/*.json")]


@table("fault", ["cut off", "emptied", "garbage", "one byte", "folder", "no cache"])
@table("bench, file", FILES)
def test_a_cache_that_is_damaged(bench: Bench, file: str, fault: str) -> None:
    (cached,) = bench.cache.glob(file)
    data, times = cached.read_bytes(), cached.stat()
    changes = {"cut off": data[:1000], "emptied": b"", "garbage": garbage(data)}
    changes["one byte"] = one_byte_wrong(data)
    if fault in changes:
        cached.write_bytes(changes[fault])
        os.utime(cached, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif fault == "folder":
        cached.unlink()
        cached.mkdir()
    else:
        shutil.rmtree(bench.cache)
        bench.cache.write_text("a file")
    bench.check_either(bench.build())


NAMES = (
    "python python.part python.zip .args .deps .lock .new .wheel .name .start .made.json .digest"
)


@table("bench, name", [("wheel", name) for name in [*NAMES.split(), "download", "Lib"]])
def test_what_lies_in_the_build_folder_is_garbage(bench: Bench, name: str) -> None:
    path = bench.project.build / name
    if path.is_dir():
        shutil.rmtree(path)
    path.write_bytes(b"garbage")
    bench.check_either(bench.build())


@pytest.mark.parametrize("apart", [0.0, 0.3, 0.8])
def test_two_builds_of_one_project_at_once(bench: Bench, apart: float) -> None:
    bench.change()
    first = bench.begin()
    time.sleep(apart)
    second = bench.begin()
    bench.orphans = True
    ended = sorted([bench.end(first), bench.end(second)], key=lambda done: done.returncode)
    assert (ended[0].returncode, bench.output()) == (0, "two"), ended
    bench.check_either(ended[1], "in use by another build" * ended[1].returncode, late=True)


def test_two_projects_that_share_a_cache_at_once(bench: Bench) -> None:
    shutil.rmtree(bench.cache)
    bench.serve()
    project: Project = bench.project.beside("other")
    subprocess.run(["cp", "-a", bench.project.path, project.path], check=True)
    project.env, second = bench.project.env, Bench(project, bench.request)
    second.fault = bench.home / "fault2"
    second.fault.mkdir()
    for one in (bench, second):
        one.change()
    builds = [(one, one.begin()) for one in (bench, second)]
    for one, done in [(one, one.end(process)) for one, process in builds]:
        one.check_either(done)
        assert done.returncode == 0
    for path in bench.cache.glob("url/*/*/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name


def test_a_report_that_cannot_be_printed(bench: Bench) -> None:
    bench.prefix = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
    done = bench.build()
    bench.prefix = ()
    bench.check(done, "cannot be printed", late=True)
