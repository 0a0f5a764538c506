"""Builds that are broken in many ways: `invoke faults` runs these, and prints what was left.

The last good executable, or the new one, is whole; no process is left; the next build is right.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
import shutil
import ssl
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
import trustme

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

NAMES = "python python.part .args .deps .lock .new .wheel .name .start .build.json .digest"
ODD = ["a pipe", "a folder", "a link to a folder", "a link to a file", "a link to nothing"]


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
    "nothing more": (TOO_SLOW, {"sent": half, "then": "stalled"}),
    "index, a slow page": (TOO_SLOW, {"path": PAGE, "sent": half, "then": "slow"}),
    "index, a slow wheel": (TOO_SLOW, {"path": WHEEL, "sent": half, "then": "slow"}),
    "index, no more of a page": (TOO_SLOW, {"path": PAGE, "sent": half, "then": "stalled"}),
    "index, no more of a wheel": (TOO_SLOW, {"path": WHEEL, "sent": half, "then": "stalled"}),
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
    assert "fetch" not in message or python.read_bytes() == kept
    bench.check(done, message)
    assert python.read_bytes() == good


@table(
    "words, later, is_new",
    [(w, n, n > 0 or "f" in w) for w in ("cosmo", "cosmo --force") for n in (-9, 0, 9)],
)
def test_a_server_that_rolls_back(bench: Bench, words: str, later: int, is_new: bool) -> None:
    python, good = bench.project.build / "python", bench.files[PYTHON]
    other = bench.project.other_interpreter()
    bench.mirror.add(PYTHON, other, good.modified + later)
    done = bench.build(words)
    assert python.read_bytes() == (other if is_new else good.data)
    bench.check_either(done)


LEADS_TO = {"http": "http://{}/python", "ftp": "ftp://{}/python", "a file": "file:///bin/sh"}
PROXIES = {"no proxy": {}, "no_proxy": {"no_proxy": "127.0.0.1"}}
PROXIES["a proxy"] = {"http_proxy": "http://{}", "ftp_proxy": "http://{}"}


@table("to, proxy", [(to, proxy) for to in LEADS_TO for proxy in PROXIES])
def test_https_that_leads_elsewhere(bench: Bench, to: str, proxy: str) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(bench.fault / "signer"))
    line = f'{shutil.which("wget")} --ca-certificate={bench.fault}/signer "$@"'
    bench.wrap(bench.path / "wget", line, 0, "")
    plain, asked = bench.mirror.address[len("http://") :], bench.mirror.asked
    given = {name: text.format(plain) for name, text in PROXIES[proxy].items()}
    with Mirror(context) as secure:
        url = secure.lead("/python", LEADS_TO[to].format(plain))
        done = bench.build(COSMO_URL=url, **given)
    assert bench.mirror.asked == asked
    bench.check(done, NO_FILE)


WORK = f"{NAMES} download Lib hello .inside.py .target .files .build .new/out"
TWICE = zip([*WORK.split(), *WORK.split()], cycle(ODD))
ODD_PLACES = [(f"dist/cosmo/{name}", kind) for name, kind in TWICE]
ODD_PLACES += [(name, kind) for name in ("out/hello", "out/.cosmo.part") for kind in ODD]
ODD_PLACES += [("out/hello", "garbage"), ("out", "a link to a folder"), ("out", "a pipe")]


@table("name, kind", ODD_PLACES)
def test_what_lies_where_a_build_writes(bench: Bench, name: str, kind: str) -> None:
    if name[:3] == "out":
        bench.settings["COSMO_OUT"], bench.executable = (
            "out/hello",
            bench.project.path / "out/hello",
        )
        assert bench.end(bench.begin()).returncode == 0
    bench.put(bench.project.path / name, kind)
    bench.check_put(bench.build())


LOCKS = ["pylock.cosmo.toml", ".pylock.cosmo.toml.part"]


@table("name, kind", [(name, kind) for name in LOCKS for kind in ODD])
def test_what_lies_where_the_lock_is_written(bench: Bench, name: str, kind: str) -> None:
    bench.put(bench.project.path / name, kind)
    locked = bench.end(bench.begin("cosmo.lock"))
    assert locked.returncode == (kind == "a folder")
    if locked.returncode:
        bench.put_back()
    bench.check_put(bench.build())


LEFT = """
    Lib/.DS_Store Lib/runpy.pyc Lib/site-packages/hello/old.pyc .deps/Lib/runpy.pyc .new/base.zip
    .new/out/hello .wheel/old-1-py3-none-any.whl .build/lib/hello/old.py download/old .home-1/old
"""


@table("bench, name", [(kind, name) for kind in TABLES for name in LEFT.split()])
def test_what_was_left_in_the_build_folder_is_not_packed(bench: Bench, name: str) -> None:
    bench.put(bench.project.build / name, "garbage")
    done = bench.build()
    assert done.returncode == 0
    with zipfile.ZipFile(bench.executable) as archive:
        assert b"garbage" not in [archive.read(one) for one in archive.namelist()]
    bench.check_put(done)


OUTLIVES = "uv: 2 3 4 5  zip: 1 2 3  find: 1 3  cp: 1 2  wget: 1  xargs: 1"
OUTLIVES_ROWS = [
    ("wheel", program, int(nth))
    for program, calls in re.findall(r"(\w+):((?: \d)+)", OUTLIVES)
    for nth in calls.split()
]


@table("bench, program, nth", OUTLIVES_ROWS)
def test_a_program_that_outlives_its_build(bench: Bench, program: str, nth: int) -> None:
    sign, gate = bench.fault / "sign", bench.fault / "gate"
    wait = f"touch {sign}; while [ ! -e {gate} ]; do sleep 0.02; done"
    bench.settings["UV_NO_CACHE"] = "1"
    bench.serve()
    bench.at_call(program, nth, wait)
    bench.change()
    first = bench.begin()
    while not sign.exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.kill()
    second = bench.begin()
    assert "is in use by another build" in second.communicate()[1]
    gate.touch()
    bench.orphans = True
    bench.check(bench.end(first), status=-9)


ROWS = [
    "../" * 5 + "theirs",
    "/{}/theirs",
    "..",
    "",
    "bin/../../../../../../theirs",
    '"a\nb"',
    "\0",
]
MEMBERS = [
    "../" * 5 + "theirs",
    "/{}/theirs",
    "bird-1.0.data/scripts/" + "../" * 7 + "theirs",
    "a\nb.py",
    "\\x",
]
MEMBERS += [
    f"bird-1.0.data/{name}/" + "../" * 7 + "theirs" for name in ("data", "purelib", "headers")
]


@table(
    "bench, kind, name",
    [("wheel", "row", n) for n in ROWS] + [("wheel", "file", n) for n in MEMBERS],
)
def test_a_wheel_that_is_hostile(bench: Bench, kind: str, name: str) -> None:
    bench.settings["UV_NO_CACHE"] = "1"
    theirs = bench.project.write("theirs", "theirs")
    name, data = name.format(bench.project.path), io.BytesIO()
    good = zipfile.ZipFile(io.BytesIO(bench.files[WHEEL].data))
    with zipfile.ZipFile(data, "w") as archive:
        for one in good.namelist():
            more = f"{name},,\n".encode() if kind == "row" and one.endswith("RECORD") else b""
            archive.writestr(one, good.read(one) + more)
        if kind == "file":
            archive.writestr(name, "hostile")
    Index(bench.mirror).add("bird", WHEEL.rpartition("/")[2], data.getvalue(), "")
    done = bench.build()
    assert theirs.read_text() == "theirs"
    assert sorted(path.name for path in bench.home.glob("**/theirs")) == ["theirs"]
    bench.check_either(done)


NEWLINES = ["hello/a\nb.txt", "hello/a\rb", "hello/a\nb/c.txt", "more/a\nb"]


@table("bench, name", [("article", "hello/link/a\nb"), *((k, n) for k in TABLES for n in NEWLINES)])
def test_a_name_of_two_lines(bench: Bench, name: str) -> None:
    source = bench.project.path / "src"
    if "link" in name:
        bench.project.write("shared/x", "")
        (source / "hello/link").symlink_to("../../shared")
    bench.project.write(f"src/{name}", "")
    done = bench.build(COSMO_INCLUDE="more" if "more" in name else "")
    shutil.rmtree(source)
    shutil.copytree(f"{bench.home.parent}/built-{bench.kind}/project/src", source)
    bench.change()
    by_uv = bench.kind == "wheel" and "hello" in name
    bench.check(done, "cannot be installed" if by_uv else "cannot hold a newline")


INCLUDES = [
    *(
        "-r more.txt",
        "-r ./more.txt",
        "--requirement=more.txt",
        "-r ${{HERE}}/more.txt",
    ),
    *(
        '-r "more.txt"',
        "-r {}/more.txt",
        "-r file://{}/more.txt",
        "-r deep/next.txt",
        "-r more.txt # x",
    ),
]


@table("form", INCLUDES)
def test_an_included_file_of_requirements_that_changes(bench: Bench, form: str) -> None:
    digest, folder = hashlib.sha256(bench.files[WHEEL].data).hexdigest(), bench.project.path
    bench.project.write("outer.txt", f"{form.format(folder)}\n")
    bench.project.write("deep/next.txt", "-r ../more.txt\n")
    settings = {"COSMO_DEPS": "outer.txt", "HERE": str(folder)}
    for text, is_right in ((digest, True), ("0" * 64, False)):
        bench.project.write("more.txt", f"bird==1.0 --hash=sha256:{text}\n")
        done = bench.build(**settings)
        assert (done.returncode == 0) == is_right, done
    bench.check(done, NO_PACKAGE)


SECRETS = {
    "a user": ("COSMO_URL", "http://me:s3cret@{}/none"),
    "a query": ("COSMO_URL", "http://{}/none?token=s3cret"),
    "a fragment": ("COSMO_URL", "http://{}/none#s3cret"),
    "no server": ("COSMO_URL", "http://me:s3cret@127.0.0.1:9/none?token=s3cret"),
    "of an index": ("UV_DEFAULT_INDEX", "http://me:s3cret@{}/none/"),
    "of a wheel": ("bird", "http://me:s3cret@{}/none/bird-1.0-py3-none-any.whl?s3cret#s3cret"),
}


@table("bench, where", [("wheel", where) for where in SECRETS])
def test_an_address_with_a_secret_that_fails(bench: Bench, where: str) -> None:
    name, address = SECRETS[where]
    address = address.format(bench.mirror.address[len("http://") :])
    bench.settings["UV_NO_CACHE"] = "1"
    if name == "bird":
        bench.project.write(
            "pyproject.toml", TABLES["wheel"].replace("'bird'", f"'bird @ {address}'")
        )
    done = bench.build(**({name: address} if name.isupper() else {}))
    bench.project.write("pyproject.toml", TABLES["wheel"])
    assert not re.search("(?m)^cosmo.*s3cret", done.stderr)
    assert "s3cret" not in done.stdout
    bench.check(done, "cannot be")


RELEASED = ["SHA256SUMS", "sha256sums.com", "a b", "-x", "ünï", "x.exe", "x.json", "x.cdx.json"]
RELEASED += ["$(touch pwned)", "x\x1b[31m", "it's", "%41"]


@table("name", RELEASED)
def test_a_release_of_an_odd_name(bench: Bench, name: str) -> None:
    folder = bench.project.path / "dist/release"
    bench.executable, bench.settings["COSMO_OUT"] = folder.parent / name, f"dist/{name}"
    done = bench.build("cosmo release")
    if done.returncode:
        assert "two files of the release would be called" in done.stderr
        assert not folder.exists()
    else:
        line = "sha256sum --strict --status -c SHA256SUMS"
        assert subprocess.run(line.split(), cwd=folder, check=False).returncode == 0
        assert len(list(folder.iterdir())) == 5
        assert "\x1b" not in done.stderr
    assert not list(bench.home.rglob("pwned"))
    bench.recover("", "replaced")


@table("kind", [*ODD, "garbage"])
def test_what_lies_where_a_release_is_written(bench: Bench, kind: str) -> None:
    bench.put(bench.project.path / "dist/release", kind)
    done = bench.build("cosmo release")
    bench.check_put(done, "release", late=True)


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
CACHED += [("base/*.json", "no bytes"), ("url/*/*/*", "no cache")]
CACHED += [(f, kind) for f in ("url/*/*/*", "base/*.zip", "base/*.json") for kind in ODD]


@table("file, fault", CACHED)
def test_a_cache_that_is_damaged(bench: Bench, file: str, fault: str) -> None:
    (cached,) = bench.cache.glob(file)
    data, times = cached.read_bytes(), cached.stat()
    changes = {"1000 bytes": data[:1000], "one byte": one_byte_wrong(data), "no bytes": b""}
    if fault in changes:
        cached.write_bytes(changes[fault])
        os.utime(cached, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif fault in ODD:
        bench.put(cached, fault)
        bench.check_put(bench.build())
        return
    else:
        shutil.rmtree(bench.cache)
        bench.cache.write_text("a file")
    bench.check_either(bench.build())


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
