"""What the tests are given: an interpreter, a mirror of the download site, a project to package."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
from collections.abc import Iterator
from compileall import compile_dir
from pathlib import Path

import pytest
import trustme
import uv
from filelock import FileLock

from index import Index
from mirror import PYTHON, Mirror
from projects import (
    IMPORTED,
    MAIN,
    PYPROJECT,
    ROOT,
    WORDS,
    Project,
    Tasks,
    start,
    zip_program,
)
from recipes.vendor import vendored
from standin import make_standin


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--interpreter=FILE`: the reason why this file lies where pytest finds it with any path."""
    parser.addoption(
        "--interpreter", metavar="FILE", help="the interpreter file to test, in place of a stand-in"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say at once that there is no such file; heed signals, also where a shell has them ignored.

    What a script starts in the background ignores ^C, and so would all that the tests start.
    """
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    given = config.getoption("--interpreter")
    if given and not Path(given).is_file():
        raise pytest.UsageError(f"--interpreter={given}: no such file")


TABLES = {
    "proof": ["release", "made with", "size", "time", "without extensions, or refused for"],
    "any": ["input", "cases", "built", "stopped by a phase", "refused", "as invoke shows"],
    "fault": ["fault", "moment", "what the user saw", "old executable", "next build"],
}
"""The tables that tests add a row to, with `record_property`, and their heads."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables of what was proved, and of what was broken."""
    reports = [each for kind in terminalreporter.stats.values() for each in kind]
    called = [each for each in reports if getattr(each, "when", "") == "call"]
    for table, head in TABLES.items():
        shown = [each for each in called if each.passed or table != "proof"]
        rows = [row for each in shown for name, row in each.user_properties if name == table]
        for row in [head, ["---"] * len(head), *sorted(rows)] if rows else ():
            terminalreporter.write_line(f"| {' | '.join(map(str, row))} |")


@pytest.fixture(scope="session")
def interpreter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter under test: a copy of FILE, else of a stand-in that is made once."""
    given = request.config.getoption("--interpreter")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    file = shared / "interpreter"
    with FileLock(shared / "interpreter.lock"):
        if file.exists():
            pass
        elif given:
            shutil.copy(given, shared / "copy")
            (shared / "copy").chmod(0o755)
            (shared / "copy").rename(file)
        else:
            make_standin(file)
        compile_dir(str(ROOT / "recipes"), quiet=2)  # as an installation does; Invoke does not
        warm = shared / "warm"
        if not warm.exists():
            warm.mkdir()
            start(file, "-V", home=warm)
    os.environ["COSMO_TESTS_TMPDIR"] = str(warm)
    return file


@pytest.fixture(scope="session")
def version(interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int]:
    """The interpreter's Python version."""
    shown = start(interpreter, "-V", home=tmp_path_factory.mktemp("home")).stdout
    major, minor = shown.split()[1].split(".")[:2]
    return int(major), int(minor)


@pytest.fixture
def tag(version: tuple[int, int]) -> str:
    """The tag of a wheel with extension modules for the interpreter."""
    return "cp{0}{1}-cp{0}{1}-manylinux2014_x86_64".format(*version)


@pytest.fixture
def mirror(interpreter: Path) -> Iterator[Mirror]:
    """A loopback server with the paths of the real download site."""
    with Mirror() as server:
        server.add("/pub/cosmos/bin/python", interpreter.read_bytes())
        server.add("/pub/cosmos/bin/zip", zip_program())
        yield server


@pytest.fixture
def secure(interpreter: Path, tmp_path: Path) -> Iterator[Mirror]:
    """A server with TLS, whose certificate is signed by the authority in the file `ca`."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    with Mirror(context) as server:
        server.add(PYTHON, interpreter.read_bytes())
        yield server


@pytest.fixture(params=["imported", pytest.param("vendored", marks=pytest.mark.vendored)])
def tasks(request: pytest.FixtureRequest, tmp_path: Path) -> Tasks:
    """A `tasks.py` that imports the recipes, or one that holds them and can import none."""
    if request.param == "imported":
        return IMPORTED
    (tmp_path / "none").mkdir()
    (tmp_path / "none/recipes.py").write_text("raise SystemExit('the recipes were imported')\n")
    return Tasks(vendored("tasks.py"), str(tmp_path / "none"))


@pytest.fixture
def project(tmp_path: Path, interpreter: Path, tasks: Tasks) -> Project:
    """A small project with the article's settings, to be packaged with the interpreter's file."""
    made = Project(tmp_path / "project", interpreter, tasks)
    made.write("pyproject.toml", PYPROJECT)
    made.write("tasks.py", tasks.text)
    made.write("src/hello/__init__.py", "")
    made.write("src/hello/__main__.py", MAIN)
    made.write("src/hello/words.py", WORDS)
    made.write("src/hello/greeting.txt", "hello\n")
    made.write("src/hello/deep/__init__.py", "")
    return made


@pytest.fixture
def index(mirror: Mirror) -> Index:
    """A package index on loopback."""
    return Index(mirror)


@pytest.fixture
def installing(project: Project, index: Index) -> Project:
    """The small project, where uv installs dependencies from the loopback index."""
    folder = Path(uv.find_uv_bin()).parent
    project.env = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": index.url,
        "UV_HTTP_RETRIES": "0",
    }
    return project
