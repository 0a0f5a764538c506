"""Builds that are broken in many ways: `invoke faults` runs these, and prints what was left.

The last good executable, or the new one, is whole; no process is left; the next build is right.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import cycle
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


def number_lines(echo: str) -> dict[str, list[range]]:
    """Number the lines that each phase ran, some in two parts; `place` puts the result in place."""
    numbers, phase, last, text = defaultdict(list), "", 0, ""
    for line in echo.partition("\ndist/")[0].splitlines():
        if line.startswith("# cosmo."):
            phase = line[len("# cosmo.") :]
            continue
        last, text = last + 1, f"{text}\n{line}".lstrip()
        if text.count("(") == text.count(")"):
            lines = range(last - text.count("\n"), last + 1)
            for name in (phase, *(["place"] if text.startswith("mv -f dist/cosmo/.new/") else [])):
                numbers[name].append(lines)
            text = ""
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
    "before": ("sleep 0.1; {blow}; {rest}", ":"),
    "during": ("{{ sleep 0.01; {blow}; }} &", "wait; {rest}"),
    "after": (":", "{blow}; {rest}"),
}
POINTS = {"clean": 1, "setup": 5, "fetch": 6, "deps": 12, "compile": 3, "update": 8}
ROTA = [(list(MOMENTS)[n % 3], list(BLOWS)[n % 4]) for n in range(12)]
KILLS = [("wheel", phase, n, *ROTA[n]) for phase in POINTS for n in range(POINTS[phase])]
KILLS += [("article", "place", 0, moment, blow) for moment in MOMENTS for blow in list(BLOWS)[2:]]


@table("bench, phase, point, moment, blow", KILLS)
def test_a_build_killed(bench: Bench, phase: str, point: int, moment: str, blow: str) -> None:
    numbers, place = bench.lines[bench.kind][phase], bench.lines[bench.kind]["place"][0]
    line = numbers[point * len(numbers) // POINTS.get(phase, 1)]
    late = line.start > place.start or (line == place and moment != "before")
    bench.orphans = blow == "SIGKILL"
    rest = "exit 1" if bench.orphans else "exec sleep 9"  # it waits to be ended
    message = "" if bench.orphans else f"interrupted by {blow}"
    kill = f"kill -{blow[3:]} $PPID"
    bench.at_line(line, *(text.format(blow=kill, rest=rest) for text in MOMENTS[moment]))
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
NO_PACKAGE, TOO_SLOW = "the dependencies of hello cannot be", "it took longer than 9 seconds"

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
    "a byte every half second": (TOO_SLOW, {"sent": half, "then": "slow"}),
    "no more than a half": (TOO_SLOW, {"sent": half, "then": "stalled"}),
    "index, a slow page": (TOO_SLOW, {"path": PAGE, "sent": half, "then": "slow"}),
    "index, half a page": (TOO_SLOW, {"path": PAGE, "sent": half, "then": "stalled"}),
    "index, a slow wheel": (TOO_SLOW, {"path": WHEEL, "sent": half, "then": "slow"}),
    "index, half a wheel": (TOO_SLOW, {"path": WHEEL, "sent": half, "then": "stalled"}),
    "a password": (REFUSED, {"COSMO_URL": "http://me:s3cret@127.0.0.1:9/python"}),
    "a token": (REFUSED, {"COSMO_URL": "http://127.0.0.1:9/python?token=s3cret#s3cret"}),
    "index, a password": (NO_PACKAGE, {"UV_DEFAULT_INDEX": "http://me:s3cret@127.0.0.1:9/s/"}),
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
    done = bench.build("-T 9 cosmo" if message == TOO_SLOW else "cosmo", **settings)
    assert python.read_bytes() == kept
    bench.check(done, message)
    assert python.read_bytes() == good


@table("words", ["cosmo", "cosmo --force"])
@table("later", [-9, 0, 9])
def test_another_file_with_a_time_of_its_own(bench: Bench, words: str, later: int) -> None:
    good, other = bench.files[PYTHON], bench.project.other_interpreter()
    bench.mirror.add(PYTHON, other, good.modified + later)
    done, is_new = bench.build(words), later > 0 or "force" in words
    assert (bench.project.build / "python").read_bytes() == (other if is_new else good.data)
    bench.check_either(done)


PROXIES: list[dict[str, str]] = [{}, {"no_proxy": "127.0.0.1"}]
PROXIES.append(dict.fromkeys(("http_proxy", "ftp_proxy"), "http://{}"))


@table("to", ["http://{}/python", "ftp://{}/python", "file:///bin/sh"])
@table("proxies", PROXIES)
def test_https_that_leads_elsewhere(
    bench: Bench, secure: Mirror, to: str, proxies: dict[str, str]
) -> None:
    host, asked = bench.mirror.address[len("http://") :], bench.mirror.asked
    bench.wrap(
        bench.path / "wget", f'{shutil.which("wget")} --ca-certificate=../../../ca "$@"', 0, ""
    )
    settings = {name: text.format(host) for name, text in proxies.items()}
    done = bench.build(COSMO_URL=secure.lead("/python", to.format(host)), **settings)
    assert bench.mirror.asked == asked
    bench.check(done, NO_FILE)


@table("name", ["../" * 5 + "theirs", "/{}/theirs", "a\nb.py", "a\rb", "..", "bird/../../theirs"])
@table("bench, folder", [("wheel", folder) for folder in ("", "bird-1.0.data/data/../../../")])
def test_a_wheel_that_holds_a_hostile_name(bench: Bench, folder: str, name: str) -> None:
    theirs = bench.project.write("theirs", "theirs")
    files = {"bird.py": "SONG = 'la'\n", folder + name.format(bench.project.path): "hostile"}
    Index(bench.mirror).wheel("bird", "1.0", files)
    done = bench.build(UV_NO_CACHE="1")
    assert (theirs.read_text(), [*bench.home.rglob("theirs")]) == ("theirs", [theirs])
    bench.check_either(done)


INCLUDED = 'more.txt ./more.txt "more.txt" ${HERE}/more.txt file://{}/more.txt next.txt'


@table("name", INCLUDED.split())
@table("option", ["-r ", "-c more.txt\n-r ", "--requirement="])
def test_an_included_file_that_changes(bench: Bench, option: str, name: str) -> None:
    name = name.replace("{}", str(bench.project.path))
    bench.project.write("outer.txt", f"bird\n{option}{name}\n")
    bench.project.write("next.txt", "-r more.txt\n")
    digest = hashlib.sha256(bench.files[WHEEL].data).hexdigest()
    for text, status in ((digest, 0), ("0" * 64, 1)):
        bench.project.write("more.txt", f"bird==1.0 --hash=sha256:{text}\n")
        done = bench.build(COSMO_DEPS="outer.txt", HERE=str(bench.project.path))
        assert done.returncode == status, done
    bench.check(done, NO_PACKAGE)


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
        line = f"cat /dev/zero >{bench.ballast} 2>/dev/null || :"
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
    zip exit 15: 1 2 3 4  zip KILLED: 2 3  cp exit 1: 1 2  cp KILLED: 2
    find exit 1: 1 2 3 4 5  find HALVED: 1 2 3 4 5  sort HALVED: 1 2  touch exit 1: 1 2 3
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
CACHED += [("base/*.json", "no bytes"), ("url/*/*/*", "no cache")]


@table("file, fault", CACHED)
def test_a_cache_that_is_damaged(bench: Bench, file: str, fault: str) -> None:
    (cached,) = bench.cache.glob(file)
    data, times = cached.read_bytes(), cached.stat()
    changes = {"1000 bytes": data[:1000], "one byte": one_byte_wrong(data), "no bytes": b""}
    if fault in changes:
        cached.write_bytes(changes[fault])
        os.utime(cached, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        shutil.rmtree(bench.cache)
        bench.cache.write_text("a file")
    bench.check_either(bench.build())


NAMES = "python python.part .args .deps .lock .new .wheel .name .start .build.json .digest"
NAMES += " download Lib hello .inside.py .target .files .build"
LEFT = "Lib/.DS_Store Lib/runpy.pyc Lib/site-packages/hello/old.pyc .deps/Lib/runpy.pyc"
LEFT += " .new/base.zip .new/out/hello .wheel/old-1-py3-none-any.whl .build/lib/x.py download/old"
ODD = ["a pipe", "a folder", "a link to a folder", "a link to a file", "a link to none", "garbage"]
CACHE = "../.cache/cosmo-recipes"
OTHERS = {
    "cosmo": ["out", "out/hello", "out/.cosmo.part", f"{CACHE}/url/*/*/*", f"{CACHE}/base/*.zip"],
    "cosmo.lock cosmo": ["pylock.cosmo.toml", ".pylock.cosmo.toml.part"],
    "cosmo release": ["dist/release"],
}
WRITTEN: list[tuple[str, str, str, str]] = [
    *(("wheel", "cosmo", f"dist/cosmo/{name}", "garbage") for name in f"{NAMES} {LEFT}".split()),
    *(
        ("article", "cosmo", f"dist/cosmo/{n}", k)
        for n, k in zip(NAMES.split() * 2, cycle(ODD[:5]))
    ),
    *(("article", task, name, k) for task, names in OTHERS.items() for name in names for k in ODD),
    *((kind, "cosmo", f"src/hello/a{n}b", "garbage") for kind in TABLES for n in "\n\r"),
]


@table("bench, words, name, kind", WRITTEN)
def test_what_lies_where_a_build_writes(bench: Bench, words: str, name: str, kind: str) -> None:
    root = bench.project.path
    if name[:3] == "out":
        bench.settings["COSMO_OUT"], bench.executable = "out/hello", root / "out/hello"
        assert bench.end(bench.begin()).returncode == 0
    path = next(root.glob(name), root / name)
    bench.put(path, kind)
    done = bench.build(words)
    assert sorted(one.name for one in bench.theirs.rglob("*")) == ["a file", "a folder"]
    assert (bench.theirs / "a file").read_text() == "theirs"
    if done.returncode:
        bench.put_back(path)
    else:
        with zipfile.ZipFile(bench.executable) as archive:
            assert b"garbage" not in map(archive.read, archive.namelist())
    bench.check_either(done, late=words == "cosmo release")


RELEASED = "SHA256SUMS sha256sums.com -x ünï x.exe x.json x.cdx.json it's $(id) %41"


@table("name", RELEASED.split())
def test_a_release_of_an_odd_name(bench: Bench, name: str) -> None:
    bench.executable = bench.project.path / "dist" / name
    bench.settings["COSMO_OUT"] = f"dist/{name}"
    done = bench.build("cosmo release")
    line = "cd dist/release && sha256sum --strict --status -c SHA256SUMS && [ $(ls | wc -l) = 5 ]"
    checked = subprocess.run(["sh", "-c", line], cwd=bench.project.path, check=False)
    assert bool(checked.returncode) == bool(done.returncode) == ("sums" in name.lower())
    bench.recover("", "replaced")


OUTLIVES = "uv2 uv3 uv4 uv5 zip1 cp1 wget1"


@table("bench, program, nth", [("wheel", one[:-1], int(one[-1])) for one in OUTLIVES.split()])
def test_a_program_that_outlives_its_build(bench: Bench, program: str, nth: int) -> None:
    sign, gate = bench.fault / "sign", bench.fault / "gate"
    bench.at_call(program, nth, f"touch {sign}; while [ ! -e {gate} ]; do sleep 0.02; done")
    bench.serve()
    bench.change()
    first = bench.begin()
    while first.poll() is None and not sign.exists():
        time.sleep(0.02)
    first.kill()
    assert "is in use by another build" in bench.begin().communicate()[1]
    gate.touch()
    bench.orphans = True
    bench.check(bench.end(first), status=-9)


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
