"""Builds that are broken in many ways: `invoke faults` runs these, and prints what was left.

Each begins with a good executable and a program that was changed since. A build of that is broken;
then the old executable is as it was, or the new one whole; there was one line for a person, where
there was time for one; no process is left; and the next build succeeds, with no hand laid on it.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import PYTHON, Bench, Build, Ended, Room
from index import Index
from mirror import Mirror
from projects import IMPORTED, Project, Tasks, zip_program

pytestmark = pytest.mark.faults

ASKS = "[project]\nname = 'hello'\nversion = '1'\ndependencies = [{}]\n"

LATER = 1_800_000_000
"""The time of what the server has instead of the interpreter: later, so that it is fetched."""


# What they are given


@pytest.fixture
def tasks() -> Tasks:
    """A `tasks.py` that imports the recipes; a vendored one breaks in the same ways."""
    return IMPORTED


@pytest.fixture(scope="session")
def site(interpreter: Path) -> Iterator[Mirror]:
    """One download site for all tests of a worker: what was built once came from there."""
    with Mirror() as server:
        server.add(PYTHON, interpreter.read_bytes())
        server.add("/pub/cosmos/bin/zip", zip_program())
        Index(server).wheel("bird", "1.0", {"bird.py": "SONG = 'la'\n"})
        yield server


@pytest.fixture
def mirror(site: Mirror) -> Iterator[Mirror]:
    """The download site; what a test changes of it is mended afterwards."""
    files = dict(site.files)
    yield site
    site.files = files
    site.ended.set()
    site.ended = threading.Event()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that takes the projects that were built once."""
    return tmp_path_factory.mktemp("built")


def prepare(made: Bench, kept: Path) -> None:
    """Give a bench its good executable: copy what was built once, else build that."""
    if not kept.exists():
        made.says("one")
        done = made.invoke()
        assert done.status == 0, done
        assert made.printed() == "one"
        shutil.rmtree(made.fault)
        subprocess.run(["cp", "-a", made.home, kept], check=True)
    subprocess.run(["cp", "-a", f"{kept}/.", made.home], check=True)
    made.path.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def bench(
    project: Project, mirror: Mirror, built: Path, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    """A project without dependencies."""
    made = Bench(project, mirror, request.getfixturevalue("record_property"), "plain")
    project.write("pyproject.toml", ASKS.format(""))
    prepare(made, built / made.kind)
    yield made
    shutil.rmtree(made.home)


@pytest.fixture
def needy(
    installing: Project, mirror: Mirror, built: Path, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    """A project with a dependency from the loopback index, that uv installs, or pip."""
    kind = "pip" if "without-uv" in installing.env["PATH"] else "uv"
    made = Bench(installing, mirror, request.getfixturevalue("record_property"), kind)
    installing.write("pyproject.toml", ASKS.format("'bird'"))
    prepare(made, built / kind)
    yield made
    shutil.rmtree(made.home)


UV_ALONE = pytest.mark.parametrize("installing", ["uv"], indirect=True)
"""For what does not depend on the installer."""

COUNTS: dict[tuple[str, str], int] = {}
"""How many lines a task gives the shell, by the kind of bench and the task."""


def count(bench: Bench, task: str) -> int:
    """How many lines a task gives the shell, with the tasks before it."""
    key = (bench.kind, task)
    if key not in COUNTS:
        bench.at_line(0, "")
        done = bench.invoke(task)
        assert done.status == 0, done
        COUNTS[key] = bench.counted()
    return COUNTS[key]


def lines(bench: Bench, phase: str) -> list[int]:
    """The numbers of a phase's lines in a whole build."""
    if phase == "clean":
        numbers = (0, count(bench, "cosmo.clean"))
    elif phase == "setup":
        numbers = (count(bench, "cosmo.clean"), count(bench, "cosmo.setup"))
    elif phase == "fetch":
        before = count(bench, "cosmo.setup")
        numbers = (before, before + count(bench, "cosmo.fetch"))
    elif phase == "deps":
        before = count(bench, "cosmo.setup") + count(bench, "cosmo.fetch")
        numbers = (before, count(bench, "cosmo.deps"))
    elif phase == "compile":
        numbers = (count(bench, "cosmo.deps"), count(bench, "cosmo.compile"))
    elif phase == "update":
        after = count(bench, "cosmo.report")
        numbers = (count(bench, "cosmo.compile"), count(bench, "cosmo") - after)
    else:
        after = count(bench, "cosmo")
        numbers = (after - count(bench, "cosmo.report"), after)
    return list(range(numbers[0] + 1, numbers[1] + 1))


# Signals

BLOWS = {
    "SIGINT": ("kill -INT $PPID", 130),
    "SIGTERM": ("kill -TERM $PPID", 143),
    "SIGHUP": ("kill -HUP $PPID", 129),
    "SIGKILL of all": ("kill -s KILL -- -$PPID", -9),
    "SIGKILL of invoke": ("kill -KILL $PPID", -9),
    "SIGINT of all": ("kill -s INT -- -$PPID", 130),
}
"""What is done, in the shell that Invoke calls, and how Invoke ends then."""

MOMENTS = {
    "before": "{blow}; {rest}",
    "during": '/bin/sh -c "$2" & sleep 0.01; {blow}; wait; {rest}',
    "after": '/bin/sh -c "$2"; {blow}; {rest}',
}


def kills(phase: str, points: int) -> list[tuple[str, float, str, str]]:
    """At which part of a phase, and when, which blow falls."""
    return [
        (phase, each / points, list(MOMENTS)[(each + each // 6) % 3], list(BLOWS)[each % 6])
        for each in range(points)
    ]


KILLS = [
    row
    for phase, points in {
        "clean": 12,
        "setup": 12,
        "fetch": 12,
        "compile": 12,
        "update": 18,
    }.items()
    for row in kills(phase, points)
]


def blow_at(bench: Bench, number: int, moment: str, blow: str) -> None:
    """Let a blow fall at one line; what is left of the shell then waits to be ended."""
    line, _ = BLOWS[blow]
    rest = "exit 1" if blow == "SIGKILL of invoke" else "exec sleep 9"
    bench.at_line(number, MOMENTS[moment].format(blow=line, rest=rest))
    bench.orphans = blow == "SIGKILL of invoke"


def killed(bench: Bench, phase: str, number: int, moment: str, blow: str, where: str = "") -> None:
    """Let a blow fall at a line of a phase, and see to what is left."""
    last = lines(bench, "update")[-1]
    late = number > last or (number == last and moment != "before")
    where = where or f"{phase}, {moment} line {number - lines(bench, phase)[0] + 1}"
    blow_at(bench, number, moment, blow)
    status = BLOWS[blow][1]
    told = f"interrupted by {blow.split()[0]}"
    bench.breaks(blow, where, status=status, told=told, late=late)
    bench.mend()
    bench.orphans = False
    bench.recovers()


@pytest.mark.parametrize(("phase", "part", "moment", "blow"), KILLS)
def test_a_build_that_is_killed(
    bench: Bench, phase: str, part: float, moment: str, blow: str
) -> None:
    of_phase = lines(bench, phase)
    killed(bench, phase, of_phase[int(part * len(of_phase))], moment, blow)


@pytest.mark.parametrize("moment", list(MOMENTS))
@pytest.mark.parametrize("blow", ["SIGTERM", "SIGKILL of all", "SIGKILL of invoke"])
def test_a_build_that_is_killed_where_the_executable_is_put_in_place(
    bench: Bench, moment: str, blow: str
) -> None:
    where = f"update, {moment} the last mv"
    killed(bench, "update", lines(bench, "update")[-1], moment, blow, where)


@pytest.mark.parametrize("blow", ["SIGHUP", "SIGKILL of all"])
def test_a_build_that_is_killed_while_it_reports(bench: Bench, blow: str) -> None:
    killed(bench, "report", lines(bench, "report")[-1], "during", blow)


@UV_ALONE
@pytest.mark.parametrize(("part", "moment", "blow"), [each[1:] for each in kills("deps", 10)])
def test_a_build_that_is_killed_while_uv_installs(
    needy: Bench, part: float, moment: str, blow: str
) -> None:
    of_phase = lines(needy, "deps")
    killed(needy, "deps", of_phase[int(part * len(of_phase))], moment, blow)


@pytest.mark.parametrize("installing", ["pip"], indirect=True)
@pytest.mark.parametrize(("blow", "part"), [("SIGINT", 0.5), ("SIGTERM", 0.6), ("SIGHUP", 0.7)])
def test_a_build_that_is_killed_while_pip_installs(needy: Bench, blow: str, part: float) -> None:
    of_phase = lines(needy, "deps")
    killed(needy, "deps", of_phase[int(part * len(of_phase))], "during", blow)


@pytest.mark.parametrize(
    ("blow", "nth"), [("SIGINT", 1), ("SIGINT", 3), ("SIGTERM", 2), ("SIGHUP", 4)]
)
def test_a_build_that_is_killed_while_it_reads_its_settings(
    bench: Bench, blow: str, nth: int
) -> None:
    line, status = BLOWS[blow]
    bench.at_call("git", nth, f"{line}; exec sleep 9")
    told = f"interrupted by {blow}"
    bench.breaks(blow, f"settings, reading {nth}", status=status, told=told)
    bench.mend()
    bench.recovers()


# The server


def served(mirror: Mirror, **how: Any) -> None:
    """Let the interpreter's address give something else."""
    mirror.spoil(PYTHON, **{"modified": LATER, **how})


def without_directory(data: bytes) -> bytes:
    """An interpreter, the zip of which is cut within its central directory."""
    return data[: -len(data) // 100]


def garbage(data: bytes) -> bytes:
    """As many bytes, at random."""
    return random.Random(5).randbytes(len(data))  # noqa: S311 - it keeps no secret


def other(data: bytes) -> bytes:
    """The interpreter, but for one byte in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("404", "ERROR 404"),
        ("403", "ERROR 403"),
        ("410", "ERROR 410"),
        ("429", "ERROR 429"),
        ("500", "ERROR 500"),
        ("503 always", "ERROR 503"),
        ("304 for nothing cached", "cannot be downloaded"),
        ("204 for nothing cached", ""),
        ("an empty body", ""),
        ("HTML", "is no Actually Portable Executable"),
        ("half, its length told", "cannot be downloaded"),
        ("half, no length told", "holds no Python"),
        ("more than is told", "holds no Python"),
        ("garbage of the right length", "is no Actually Portable Executable"),
        ("a zip cut in its directory", "holds no Python"),
        ("a redirect to itself", "cannot be downloaded"),
        ("a redirect to a closed port", "Connection refused"),
        ("a redirect to ftp", "Connection refused"),
        ("a redirect to a file", "cannot be downloaded"),
        ("a redirect to nothing", "cannot be downloaded"),
        ("a length that is no number", ""),
    ],
)
def test_a_server_that_answers_wrongly(bench: Bench, mirror: Mirror, fault: str, told: str) -> None:
    data = mirror.files[PYTHON].data
    half = len(data) // 2
    to = mirror.address + PYTHON
    how: dict[str, dict[str, Any]] = {
        "304 for nothing cached": {"status": 304, "data": b""},
        "204 for nothing cached": {"status": 204, "data": b""},
        "an empty body": {"data": b""},
        "HTML": {"data": b"<html>Sign in</html>"},
        "half, its length told": {"sent": half},
        "half, no length told": {"sent": half, "length": False},
        "more than is told": {"headers": {"Content-Length": str(half)}},
        "garbage of the right length": {"data": garbage(data)},
        "a zip cut in its directory": {"data": without_directory(data)},
        "a redirect to itself": {"status": 302, "headers": {"Location": to}},
        "a redirect to a closed port": {
            "status": 302,
            "headers": {"Location": "http://127.0.0.1:9/python"},
        },
        "a redirect to ftp": {"status": 301, "headers": {"Location": "ftp://127.0.0.1:9/python"}},
        "a redirect to a file": {"status": 301, "headers": {"Location": "file:///bin/sh"}},
        "a redirect to nothing": {"status": 301, "headers": {"Location": ""}},
        "a length that is no number": {"headers": {"Content-Length": "many"}, "sent": half},
    }
    number = int(fault[:3]) if fault[:3].isdigit() else 0
    served(mirror, **how.get(fault, {"status": number, "data": b"no"}))
    if "nothing" in fault and number:
        shutil.rmtree(bench.home / ".cache")
    good = (bench.project.build / "python").read_bytes()
    bench.breaks(f"server: {fault}", "fetch", told=told)
    assert (bench.project.build / "python").read_bytes() == good
    mirror.add(PYTHON, data)
    bench.recovers()


def test_a_server_that_is_not_there(bench: Bench) -> None:
    good = bench.settings["COSMO_URL"]
    bench.settings["COSMO_URL"] = "http://127.0.0.1:9/python"
    bench.breaks("server: refused connection", "fetch", told="Connection refused")
    bench.settings["COSMO_URL"] = good
    bench.recovers()


def test_a_server_the_name_of_which_is_not_known(bench: Bench) -> None:
    good = bench.settings["COSMO_URL"]
    bench.settings["COSMO_URL"] = "http://nowhere.invalid/python"
    bench.breaks("server: unknown name", "fetch", told="unable to resolve")
    bench.settings["COSMO_URL"] = good
    bench.recovers()


@pytest.mark.parametrize("fault", ["wrong content", "an endless answer", "10 GB told", "half"])
def test_a_server_that_has_not_what_is_locked(bench: Bench, mirror: Mirror, fault: str) -> None:
    assert bench.invoke("cosmo.lock").status == 0
    shutil.rmtree(bench.home / ".cache/cosmo-recipes")
    data = mirror.files[PYTHON].data
    how: dict[str, dict[str, Any]] = {
        "wrong content": {"data": other(data)},
        "an endless answer": {"length": False, "then": "endless"},
        "10 GB told": {"headers": {"Content-Length": str(10**10)}, "then": "endless"},
        "half": {"sent": len(data) // 2, "length": False},
    }
    served(mirror, **how[fault])
    told = "it is longer than" if fault in ("an endless answer", "10 GB told") else "is not what"
    bench.breaks(f"server, under a lock: {fault}", "fetch", told=told)
    mirror.add(PYTHON, data)
    bench.recovers()
    assert hashlib.sha256((bench.project.build / "python").read_bytes()).digest() == (
        hashlib.sha256(data).digest()
    )


@pytest.mark.parametrize("blow", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("fault", ["a stalled answer", "10 GB told"])
def test_a_download_that_has_no_end_is_interrupted(
    bench: Bench, mirror: Mirror, blow: str, fault: str
) -> None:
    data = mirror.files[PYTHON].data
    told = {"Content-Length": str(10**10)} if fault == "10 GB told" else {}
    served(mirror, sent=len(data) // 2, headers=told, then="stalled")
    bench.change()
    build = bench.begin()
    assert mirror.stalled.wait(30)
    os.kill(build.process.pid, getattr(signal, blow))
    status = BLOWS[blow][1]
    bench.broke(build.end(), f"server: {fault}, {blow}", "fetch", status, f"interrupted by {blow}")
    mirror.add(PYTHON, data)
    bench.recovers()


def test_an_interpreter_with_two_entries_of_one_name(bench: Bench, mirror: Mirror) -> None:
    path = bench.fault / "two.com"
    data = mirror.files[PYTHON].data
    path.write_bytes(data)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        for text in ("one", "two"):
            archive.writestr("Lib/twice.txt", text)
    served(mirror, data=path.read_bytes())
    bench.survives("server: a zip with two entries of one name", "fetch")
    served(mirror, data=data, modified=LATER + 1)
    bench.recovers()


# The disk


def filled(folder: Path) -> str:
    """The line that fills the disk on which a folder lies."""
    return f"cat /dev/zero >{folder}/.ballast 2>/dev/null"


@pytest.fixture
def roomy(interpreter: Path) -> str:
    """The size of a disk that has room enough for a build."""
    line = "mount -t tmpfs tmpfs /mnt"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", line], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"no disk can be mounted: {done.stderr.decode()}")
    return str(10 * interpreter.stat().st_size)


@UV_ALONE
@pytest.mark.parametrize("phase", ["setup", "fetch", "deps", "compile", "update"])
def test_a_disk_that_is_full(needy: Bench, phase: str, roomy: str) -> None:
    number = lines(needy, phase)[0]
    folder = needy.project.build
    with Room(folder, roomy).opened(needy):
        needy.at_line(number, filled(folder))
        needy.breaks("disk full: the build folder's", phase)
        needy.mend()
        (needy.root / str(folder).lstrip("/") / ".ballast").unlink()
        needy.recovers()


def enlarge(bench: Bench) -> None:
    """Let the new executable be larger than the old one by a megabyte."""
    bench.project.write("src/hello/noise", "").write_bytes(garbage(bytes(10**6)))
    bench.kind = "large"


@pytest.mark.parametrize("line", [2, 4])
def test_a_disk_that_is_full_when_zip_writes(bench: Bench, line: int, roomy: str) -> None:
    number = lines(bench, "update")[line - 1]
    folder = bench.project.build
    with Room(folder, roomy).opened(bench):
        bench.at_line(number, filled(folder))
        enlarge(bench)
        bench.breaks("disk full: the build folder's", f"update, line {line}")
        bench.mend()
        (bench.root / str(folder).lstrip("/") / ".ballast").unlink()
        bench.recovers()


def elsewhere(bench: Bench) -> Path:
    """Let the executable lie in another folder; that."""
    folder = bench.project.path / "out"
    folder.mkdir()
    bench.settings["COSMO_OUT"] = "out/hello"
    shutil.copy(bench.executable, folder / "hello")
    bench.executable = folder / "hello"
    return folder


def test_a_disk_that_is_full_where_the_executable_lies(bench: Bench, roomy: str) -> None:
    folder = elsewhere(bench)
    with Room(folder, roomy).opened(bench):
        bench.at_line(lines(bench, "update")[-1], filled(folder))
        enlarge(bench)
        bench.breaks("disk full: the executable's", "update")
        bench.mend()
        (bench.root / str(folder).lstrip("/") / ".ballast").unlink()
        bench.recovers()


@pytest.mark.parametrize("blow", ["SIGTERM", "SIGKILL of all", "SIGKILL of invoke"])
def test_a_build_that_is_killed_while_the_executable_goes_to_another_disk(
    bench: Bench, blow: str, roomy: str
) -> None:
    folder = elsewhere(bench)
    number = lines(bench, "update")[-1]
    with Room(folder, roomy).opened(bench):
        killed(bench, "update", number, "during", blow, "update, on its way to another disk")


def test_a_disk_that_is_full_where_the_cache_is(bench: Bench, mirror: Mirror, roomy: str) -> None:
    folder = bench.home / ".cache"
    with Room(folder, roomy).opened(bench):
        bench.at_line(1, filled(folder))
        served(mirror)
        bench.survives("disk full: the cache's", "fetch")
        bench.mend()
        (bench.root / str(folder).lstrip("/") / ".ballast").unlink()
        bench.recovers()


def test_a_disk_that_is_full_where_temporary_files_are(needy: Bench, roomy: str) -> None:
    folder = needy.home / "tmp"
    folder.mkdir()
    needy.settings["TMPDIR"] = str(folder)
    with Room(folder, roomy).opened(needy):
        needy.at_line(1, filled(folder))
        needy.change()
        needy.either(needy.invoke(), f"disk full: TMPDIR's ({needy.kind})", "deps")
        needy.mend()
        (needy.root / str(folder).lstrip("/") / ".ballast").unlink()
        needy.recovers()


@UV_ALONE
@pytest.mark.parametrize(
    ("phase", "line", "blocks"),
    [
        ("setup", 2, 0),
        ("setup", 4, 0),
        ("fetch", 3, 100),
        ("fetch", 4, 100),
        ("deps", 2, 0),
        ("compile", 3, 0),
        ("update", 2, 100),
        ("update", 4, 100),
    ],
)
def test_a_file_that_may_not_grow(
    needy: Bench, mirror: Mirror, phase: str, line: int, blocks: int
) -> None:
    needy.at_line(lines(needy, phase)[line - 1], f"ulimit -f {blocks}")
    served(mirror)
    needy.breaks(f"ulimit -f {blocks}", f"{phase}, line {line}")
    needy.mend()
    needy.recovers()


# Permissions and tools

OBEYS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Makes root obey the permissions of files, as everyone else does."""


@pytest.mark.parametrize(
    "name", ["dist/cosmo", "out", "dist/cosmo/Lib", "src/hello/__main__.py", "src/hello/deep"]
)
def test_what_is_not_permitted(bench: Bench, name: str) -> None:
    if name == "out":
        elsewhere(bench)
    path = bench.project.path / name
    bench.prefix = OBEYS
    bench.settings["PYTHONDONTWRITEBYTECODE"] = "1"
    bench.change()
    mode = path.stat().st_mode
    path.chmod(0 if name.startswith("src") else 0o555)
    try:
        done = bench.invoke()
    finally:
        path.chmod(mode)
    bench.broke(done, f"no permission: {name}", "", told="ermission denied")
    bench.prefix = ()
    bench.recovers()


@pytest.mark.parametrize("name", [".cache", ""])
def test_a_home_that_is_not_writable(bench: Bench, mirror: Mirror, name: str) -> None:
    bench.prefix = OBEYS
    served(mirror)
    shutil.rmtree(bench.home / ".cache")
    path = bench.home / name
    path.mkdir(exist_ok=True)
    path.chmod(0o555)
    bench.change()
    try:
        done = bench.invoke()
    finally:
        path.chmod(0o755)
    bench.survived(done, f"no permission: {name or 'home'}", "")
    bench.prefix = ()
    bench.recovers()


TORN = '{real} "$@" & sleep 0.01; kill -KILL $! 2>/dev/null; exit 137'
"""A program that is killed while it works."""

HALF = '{real} "$@" | head -n 1; exit 1'
"""A program that prints one line, and fails."""


@pytest.mark.parametrize(
    ("program", "nth", "then"),
    [
        *(("zip", nth, "exit 15") for nth in (1, 2, 3, 4)),
        *(("zip", nth, TORN) for nth in (3, 4)),
        *(("env", nth, TORN) for nth in (1, 2, 3)),
        *(("cp", nth, "exit 1") for nth in (1, 2, 3)),
        ("cp", 3, TORN),
        *(("mv", nth, "exit 1") for nth in (1, 3, 4)),
        *(("find", nth, "exit 1") for nth in (1, 3, 5)),
        *(("find", nth, HALF) for nth in (5, 7)),
        *(("touch", nth, "exit 1") for nth in (1, 2)),
        *(("rm", nth, "exit 1") for nth in (1, 2)),
        *(("chmod", nth, "exit 1") for nth in (2, 4)),
        *(("mkdir", nth, "exit 1") for nth in (1, 3)),
        ("ln", 1, "exit 1"),
        ("ln", 2, "exit 1"),
        ("head", 1, "exit 1"),
        ("grep", 1, "exit 2"),
        ("sort", 1, HALF),
        ("sha256sum", 1, "exit 1"),
        ("wget", 1, "exit 4"),
        ("wget", 1, TORN),
    ],
)
def test_a_program_that_fails_once(
    bench: Bench, mirror: Mirror, program: str, nth: int, then: str
) -> None:
    how = {TORN: "is killed", HALF: "fails half way"}.get(then, "fails")
    served(mirror)
    bench.at_call(program, nth, then)
    bench.change()
    bench.either(bench.invoke(), f"{program} {how}", f"at call {nth}")
    bench.mend()
    bench.recovers()


@UV_ALONE
@pytest.mark.parametrize("then", ["exit 2", TORN])
def test_an_installer_that_fails(needy: Bench, then: str) -> None:
    needy.settings["UV_NO_CACHE"] = "1"
    needy.at_call("uv", 1, then)
    needy.change()
    needy.either(needy.invoke(), f"uv {'fails' if then == 'exit 2' else 'is killed'}", "deps")
    needy.mend()
    needy.recovers()


@pytest.mark.parametrize("program", ["zip", "wget", "sort"])
def test_a_program_that_is_missing(bench: Bench, program: str) -> None:
    bench.change()
    bench.either(bench.without(program), f"no {program}", "")
    bench.recovers()


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_zip_that_goes_missing(bench: Bench, nth: int) -> None:
    bench.at_call("zip", nth, 'rm "$0"')
    bench.change()
    bench.either(bench.without("zip"), "zip removed", f"at call {nth}")
    bench.mend()
    bench.recovers()


@pytest.mark.parametrize(
    ("phase", "line"), [("compile", 2), ("compile", 3), ("deps", 5), ("report", 1)]
)
def test_a_python_that_is_killed(bench: Bench, phase: str, line: int) -> None:
    bench.at_line(lines(bench, phase)[line - 1], "exit 137")
    late = phase == "report"
    bench.breaks("python is killed at once", f"{phase}, line {line}", late=late)
    bench.mend()
    bench.recovers()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", "line 1"),
        ("x = '\0'\n", "bad.py"),
        (f"x = {'(' * 500}{')' * 500}\n", "bad.py"),
    ],
)
def test_a_program_that_does_not_compile(bench: Bench, text: str, told: str) -> None:
    path = bench.project.write("src/hello/bad.py", text)
    bench.breaks("a file that does not compile", f"compile, {text[:9]!r}", told=told)
    path.unlink()
    bench.recovers()


@pytest.mark.parametrize("fault", ["missing", "500", "wrong hash", "torn wheel", "refused"])
def test_an_index_that_fails(needy: Bench, mirror: Mirror, fault: str) -> None:
    files = dict(mirror.files)
    wheel = next(path for path in files if path.endswith(".whl"))
    page = "/simple/bird/"
    needy.settings.update(UV_NO_CACHE="1", PIP_NO_CACHE_DIR="1")
    if fault == "missing":
        del mirror.files[page]
    elif fault == "500":
        mirror.spoil(page, status=500, data=b"")
    elif fault == "wrong hash":
        mirror.spoil(wheel, data=other(files[wheel].data))
    elif fault == "torn wheel":
        mirror.spoil(wheel, sent=len(files[wheel].data) // 2)
    else:
        needy.settings.update(
            UV_DEFAULT_INDEX="http://127.0.0.1:9/simple/",
            PIP_INDEX_URL="http://127.0.0.1:9/simple/",
        )
    needy.breaks(f"index: {fault} ({needy.kind})", "deps", told="cannot be installed")
    mirror.files.update(files)
    for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        needy.settings.pop(name, None)
    needy.recovers()


def test_an_index_that_stalls_is_interrupted(needy: Bench, mirror: Mirror) -> None:
    files = dict(mirror.files)
    needy.settings.update(UV_NO_CACHE="1", PIP_NO_CACHE_DIR="1")
    mirror.spoil("/simple/bird/", sent=10, then="stalled")
    needy.change()
    build = needy.begin()
    assert mirror.stalled.wait(30)
    os.kill(build.process.pid, signal.SIGTERM)
    fault = f"index: stalled, SIGTERM ({needy.kind})"
    needy.broke(build.end(), fault, "deps", 143, "interrupted by SIGTERM")
    mirror.files.update(files)
    needy.recovers()


@UV_ALONE
def test_a_dependency_that_there_is_not(needy: Bench) -> None:
    path = needy.project.path / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(ASKS.format("'bird', 'nowhere'"), encoding="utf-8")
    needy.breaks("a dependency that there is not", "deps", told="nowhere")
    path.write_text(text, encoding="utf-8")
    needy.recovers()


# The cache


@pytest.mark.parametrize(
    "fault", ["a file", "cut off", "emptied", "garbage", "one byte", "folders"]
)
def test_a_cache_that_is_damaged(bench: Bench, fault: str) -> None:
    cache = bench.home / ".cache/cosmo-recipes"
    (held,) = (cache / "sha256").iterdir()
    data, when = held.read_bytes(), held.stat()
    if fault in ("a file", "folders"):
        shutil.rmtree(cache)
    if fault == "a file":
        cache.write_text("a file")
    elif fault == "folders":
        held.mkdir(parents=True)
    else:
        changed = {"cut off": data[:1000], "emptied": b"", "garbage": garbage(data)}
        held.write_bytes(changed.get(fault, other(data)))
        os.utime(held, ns=(when.st_atime_ns, when.st_mtime_ns))
    bench.survives(f"the cache: {fault}", "fetch")
    assert (bench.project.build / "python").read_bytes() == data
    bench.recovers()


# What lies in the build folder from before


@pytest.mark.parametrize("name", ["python", "python.zip", "hello.zip", ".args", ".deps", ".lock"])
def test_what_lies_in_the_build_folder_is_garbage(bench: Bench, name: str) -> None:
    path = bench.project.build / name
    if path.is_dir():
        shutil.rmtree(path)
    path.write_bytes(b"garbage")
    bench.survives(f"garbage in the place of {name}", "")
    bench.recovers()


# Two at once


def at_once(*benches: Bench) -> list[Ended]:
    """Package all of them at the same time."""
    for each in benches:
        each.change()
    builds: list[Build] = [each.begin() for each in benches]
    for build in builds:
        build.bench.orphans = True
    ended = [build.end() for build in builds]
    for each in benches:
        each.orphans = False
    return ended


@pytest.mark.parametrize("apart", [0.0, 0.3, 0.8])
def test_two_builds_of_one_project_at_once(bench: Bench, apart: float) -> None:
    bench.change()
    bench.orphans = True
    first = bench.begin()
    time.sleep(apart)
    second = bench.begin()
    ended = sorted([first.end(), second.end()])
    bench.orphans = False
    assert ended[0].status == 0, ended
    for each in ended:
        assert "Traceback" not in each.err
        if each.status:
            assert each.status == 1
            assert [line for line in each.errors() if "in use by another build" in line]
            assert len(each.errors()) == 1, each
    assert bench.printed() == "two"
    saw = bench.shortened("; ".join(ended[1].errors()) or "no error")
    bench.row = ["two builds of one project", f"{apart} s apart", saw, "replaced"]
    bench.recovers()


def test_two_projects_that_share_a_cache_at_once(bench: Bench, mirror: Mirror) -> None:
    shutil.rmtree(bench.home / ".cache")
    served(mirror)
    project = bench.project.beside("other")
    subprocess.run(["cp", "-a", bench.project.path, project.path], check=True)
    second = Bench(project, mirror, bench.rows, bench.kind)
    second.fault = bench.home / "fault2"
    second.fault.mkdir()
    for each in at_once(bench, second):
        bench.survived(each, "two projects, one cache", "at once")
    assert second.printed() == "two"
    bench.recovers()
    assert second.invoke(COSMO_OFFLINE="1").status == 0
    held = (bench.home / ".cache/cosmo-recipes/sha256").iterdir()
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in held)


# What is said


def test_a_report_that_cannot_be_printed(bench: Bench) -> None:
    bench.prefix = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
    bench.breaks("standard output is full", "report", told="cannot be printed", late=True)
    bench.prefix = ()
    bench.recovers()
