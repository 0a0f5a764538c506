"""Builds that are broken in many ways: `invoke faults` runs these, and prints what was left.

The last good executable, or the new one, is whole; no process is left; the next build is right.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, small_disk
from index import Index
from mirror import PYTHON, Mirror
from projects import IMPORTED, Tasks

pytestmark = pytest.mark.faults

HEAD = "[project]\nname = 'hello'\nversion = '1'\n"
BUILT = "[build-system]\nrequires = ['uv_build']\nbuild-backend = 'uv_build'\n"
TABLES = {
    "article": f"{HEAD}[tool.ds.scripts]\n_.env.PKG = 'hello'\n",
    "wheel": f"{HEAD}dependencies = ['bird']\n{BUILT}",
}


def table(names: str, rows: Iterable[Any]) -> pytest.MarkDecorator:
    """Run a test for all rows of a table; a column `bench` is the kind of bench."""
    indirect = ["bench"] if names.startswith("bench") else []
    return pytest.mark.parametrize(names, rows, indirect=indirect)


@pytest.fixture
def tasks() -> Tasks:
    return IMPORTED  # a vendored one breaks in the same ways


@pytest.fixture(scope="session")
def mirror(interpreter: Path) -> Iterator[Mirror]:
    """Yield one download site for all tests of a worker: what was built once came from it."""
    with Mirror() as server:
        server.add(PYTHON, interpreter.read_bytes())
        Index(server).wheel("bird", "1.0", {"bird.py": "SONG = 'la'\n"})
        yield server


def number_lines(echo: str) -> dict[str, list[int]]:
    """Number the lines that each phase ran; `place` puts the executable in place."""
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
        assert (done.returncode, bench.output()) == (0, "one")
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
    "before": "sleep 0.1; {blow}; {rest}",
    "during": '/bin/sh -c "$2" & sleep 0.01; {blow}; wait; {rest}',
    "after": '/bin/sh -c "$2"; {blow}; {rest}',
}
POINTS = {"clean": 1, "setup": 5, "fetch": 6, "deps": 12, "compile": 3, "update": 8}
ROTA = [(list(MOMENTS)[n % 3], list(BLOWS)[n % 4]) for n in range(12)]
KILLS = [("wheel", phase, n, *ROTA[n]) for phase in POINTS for n in range(POINTS[phase])]
KILLS += [("article", "place", 0, moment, blow) for moment in MOMENTS for blow in list(BLOWS)[2:]]


@table("bench, phase, point, moment, blow", KILLS)
def test_a_build_killed(bench: Bench, phase: str, point: int, moment: str, blow: str) -> None:
    numbers, place = bench.lines[bench.kind][phase], bench.lines[bench.kind]["place"][0]
    number = numbers[point * len(numbers) // POINTS.get(phase, 1)]
    late = number > place or (number == place and moment != "before")
    bench.orphans = blow == "SIGKILL"
    rest = "exit 1" if bench.orphans else "exec sleep 9"  # it waits to be ended
    message = "" if bench.orphans else f"interrupted by {blow}"
    bench.at_line(number, MOMENTS[moment].format(blow=f"kill -{blow[3:]} $PPID", rest=rest))
    bench.check(bench.build(), message, BLOWS[blow], late)


def half(data: bytes) -> int:
    return len(data) // 2


def one_byte_wrong(data: bytes) -> bytes:
    return data[: half(data)] + bytes([data[half(data)] ^ 1]) + data[half(data) + 1 :]


def garbage(data: bytes) -> bytes:
    return random.Random(5).randbytes(len(data))  # noqa: S311 - it keeps no secret


PAGE, WHEEL = "/simple/bird/", "/files/bird-1.0-py3-none-any.whl"
CLOSED, LEADS = "http://127.0.0.1:9/python", {"status": 302}
NO_APE, NO_PYTHON, NO_FILE = "is not an APE file", "holds no Python", "cannot be downloaded"
REFUSED, LOCKED, TOO_LONG = "Connection refused", "is not what", "it is longer than"
NO_PACKAGE = "the dependencies of hello cannot be"

ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{str(n): (f"ERROR {n}", {"status": n, "data": b"no"}) for n in (404, 500, 503)},
    "304 for nothing cached": ("", {"status": 304, "data": b""}),
    "an empty body": ("", {"data": b""}),
    "half, with its length": (NO_FILE, {"sent": half}),
    "more than its length": (NO_PYTHON, {"headers": lambda d: {"Content-Length": str(half(d))}}),
    "garbage of the right length": (NO_APE, {"data": garbage}),
    "a zip cut in its directory": (NO_PYTHON, {"data": lambda data: data[: -len(data) // 100]}),
    "a redirect to no server": (REFUSED, {**LEADS, "headers": {"Location": CLOSED}}),
    "a redirect to ftp": (REFUSED, {**LEADS, "headers": {"Location": f"ftp{CLOSED[4:]}"}}),
    "a redirect to a file": (NO_FILE, {**LEADS, "headers": {"Location": "file:///bin/sh"}}),
    "a length that is no number": ("", {"headers": {"Content-Length": "many"}, "sent": half}),
    "unknown name": ("unable to resolve", {"COSMO_URL": "http://nowhere.invalid/python"}),
    "locked, wrong content": (LOCKED, {"data": one_byte_wrong}),
    "locked, an endless answer": (TOO_LONG, {"length": False, "then": "endless"}),
    "locked, half": (LOCKED, {"sent": half, "length": False}),
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


PLACES = [
    (phase, n) for phase, n in zip(["setup", *POINTS, "deps", "deps", "update"], "1000000261")
]
FULL = [("wheel", "project/dist/cosmo", *row) for row in PLACES]
FULL += [("article", "project/out", "place", "0"), ("article", ".cache", "clean", "0")]


@table("bench, name, phase, nth", FULL)
def test_a_disk_that_is_full(bench: Bench, name: str, phase: str, nth: str) -> None:
    folder = bench.home / name
    if name == "project/out":
        bench.settings["COSMO_OUT"], bench.executable = "out/hello", folder / "hello"
        assert bench.end(bench.begin()).returncode == 0
    with small_disk(bench, folder):
        bench.ballast, bench.kind = f"{folder}/.ballast", f"large {bench.kind}"
        line = f"cat /dev/zero >{bench.ballast} 2>/dev/null"
        bench.at_line(bench.lines[bench.kind[6:]][phase][int(nth)], line)
        bench.project.write("src/hello/noise", "").write_bytes(garbage(bytes(10**6)))
        bench.serve()
        bench.check_either(bench.build())


@table("then", ["ulimit -f 0", "ulimit -f 100", "exit 137"])
@table("bench, phase, nth", [("wheel", *row) for row in PLACES])
def test_a_line_that_cannot_write_or_is_killed(
    bench: Bench, phase: str, nth: str, then: str
) -> None:
    bench.at_line(bench.lines[bench.kind][phase][int(nth)], then)
    bench.serve()
    bench.check_either(bench.build())


OBEY_MODES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@table("name", ["project/dist/cosmo/Lib", "project/src/hello/__main__.py", ".cache"])
def test_what_is_not_permitted(bench: Bench, name: str) -> None:
    path = bench.home / name
    if name == ".cache":
        shutil.rmtree(path)
        path.mkdir()
    bench.change()
    path.chmod(0 if path.is_file() else 0o555)
    bench.prefix = OBEY_MODES if os.geteuid() == 0 else []
    done, bench.prefix = bench.end(bench.begin()), ()
    path.chmod(0o755)
    assert ("ermission denied" in done.stderr) == (name != ".cache"), done
    bench.check_either(done)


KILLED = '{real} "$@" & sleep 0.01; kill -KILL $! 2>/dev/null; exit 137'
HALVED = '{real} "$@" | head -n 1; exit 1'
CALLS = """
    zip exit 15: 1 2 3 4  zip KILLED: 2 3  cp exit 1: 1 2 3 4  cp KILLED: 2 4
    find exit 1: 1 2 3 4 5 6  find HALVED: 1 2 3 4 5 6  sort HALVED: 1 2  touch exit 1: 1 2 3
    rm exit 1: 1 2  chmod exit 1: 1 3  mkdir exit 1: 1 2  ln exit 1: 1  head exit 1: 1
    grep exit 2: 1 2  sed exit 1: 1 2  wget exit 4: 1  wget KILLED: 1  mv exit 1: 1
    cat exit 1: 1 2 3  xargs exit 1: 1  uv exit 2: 1 2 3 4 5  uv KILLED: 2 3 4 5
"""
FAILURES = [
    ("wheel", program, how, int(nth))
    for program, how, calls in re.findall(r"(\w+) ([^:]+):((?: \d)+)", CALLS)
    for nth in calls.split()
]


@table("bench, program, how, nth", FAILURES)
def test_a_program_that_fails_once(bench: Bench, program: str, how: str, nth: int) -> None:
    bench.settings["UV_NO_CACHE"] = "1"
    bench.serve()
    bench.at_call(program, nth, {"KILLED": KILLED, "HALVED": HALVED}.get(how, how))
    bench.check_either(bench.build())


CACHED = [(file, n) for file in ("url/*/*/*", "base/*.zip") for n in ("1000 bytes", "one byte")]
CACHED += [("base/*.json", "no bytes"), ("base/*.zip", "a folder"), ("url/*/*/*", "no cache")]


@table("file, fault", CACHED)
def test_a_cache_that_is_damaged(bench: Bench, file: str, fault: str) -> None:
    (cached,) = bench.cache.glob(file)
    data, times = cached.read_bytes(), cached.stat()
    changes = {"1000 bytes": data[:1000], "one byte": one_byte_wrong(data), "no bytes": b""}
    if fault in changes:
        cached.write_bytes(changes[fault])
        os.utime(cached, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif fault == "a folder":
        cached.unlink()
        cached.mkdir()
    else:
        shutil.rmtree(bench.cache)
        bench.cache.write_text("a file")
    bench.check_either(bench.build())


NAMES = "python python.part .args .deps .lock .new .wheel .name .start .build.json .digest"


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


def test_a_report_that_cannot_be_printed(bench: Bench) -> None:
    bench.prefix = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
    done, bench.prefix = bench.build(), ()
    bench.check(done, "cannot be printed", late=True)
