"""Real releases from PyPI, packaged and run; they need the network, and an interpreter of 3.11."""

from __future__ import annotations

import os
import re
import shlex
import sys
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest
import uv
from filelock import FileLock

from mirror import Mirror
from programs import APPS, REFUSED, App, lacking, needing
from projects import Project, environment, path_without, run
from recipes.vendor import vendored
from releases import Bench
from standin import make_standin

pytestmark = pytest.mark.prove


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path, version: tuple[int, int]) -> Bench:
    """Return a folder to package releases in."""
    if version < (3, 11):
        pytest.skip("these releases need Python 3.11")
    interpreter, rows = map(request.getfixturevalue, ("interpreter", "record_property"))
    assert request.config.cache
    return Bench(tmp_path, interpreter, request.config.cache.mkdir("prove"), rows)


@pytest.fixture
def suited(bench: Bench, app: App, pytestconfig: pytest.Config) -> list[str]:
    """Return the words that package an app, with an interpreter that has just its modules."""
    if app.modules and pytestconfig.getoption("--interpreter"):
        pytest.skip(f"a stand-in with {app.modules} is needed, and --interpreter names another")
    if app.requirement.startswith("pgcli") and "+" in app.modules and not find_library("pq"):
        pytest.skip("there is no libpq")
    if app.modules:
        file = bench.interpreter.with_name(f"interpreter{app.modules.replace(' ', '')}")
        names = {sign: re.findall(rf"\{sign}(\w+)", app.modules) for sign in "+-"}
        with FileLock(f"{file}.lock"):
            if not file.exists():
                make_standin(file, names["-"], names["+"])
        bench.interpreter = file
    return ["cosmo.app", app.requirement, *(["--entry", app.entry] if app.entry else ())]


@pytest.mark.parametrize("app", APPS, ids=str)
def test_program_from_the_index_works(bench: Bench, app: App, suited: list[str]) -> None:
    made = bench.succeed(str(app), f"`{' '.join([suited[0], *suited[2:]])}`", *suited)
    for name, text in app.files.items():
        Project(bench.away, bench.interpreter).write(name, text)
    out = bench.start(made, *shlex.split(app.arguments), status=app.status)
    assert app.text in ((bench.away / app.file).read_text() if app.file else out)


@pytest.mark.parametrize("app", REFUSED, ids=str)
def test_program_that_cannot_start_is_refused(bench: Bench, app: App, suited: list[str]) -> None:
    shown = f"`{' '.join([suited[0], *suited[2:]])}`"
    bench.refused(str(app), shown, app.text, *suited)


HI = "from invoke import task\n\n@task\ndef hi(c):\n    c.run('echo by invoke')\n"


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("ds-run 1.3.0 ds PKG=ds", {"--version": "1.3.0.*", "hi": ".*hello from ds.*"}),
        ("black 25.1.0 black", {"--version": ".*25.1.0.*", "-c x={'a':1}": 'x = {"a": 1}\n'}),
        ("pipdeptree 2.23.4 pipdeptree", {"": ".*pipdeptree==2.23.4\n.*"}),
        ("invoke 2.2.0 invoke PKG=invoke", {"--version": "Invoke 2.2.0\n", "hi": "by invoke\n"}),
    ],
)
def test_program_prints_what_it_should(bench: Bench, program: str, shown: dict[str, str]) -> None:
    name, version, file, *settings = program.split()
    made = bench.release(name, version, file, **dict(pair.split("=") for pair in settings))
    (bench.away / "ds.toml").write_text('[scripts]\nhi = "echo hello from ds"\n')
    (bench.away / "tasks.py").write_text(HI)
    for arguments, pattern in shown.items():
        assert re.fullmatch(pattern, bench.start(made, *arguments.split()), re.DOTALL)


HELLO = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['six>=1']\n"


def test_uv_runs_a_vendored_file_where_nothing_is_installed(bench: Bench) -> None:
    project = Project(bench.path / "app", bench.interpreter)
    project.write("tasks.py", vendored("tasks.py"))
    project.write("pyproject.toml", HELLO)
    project.write("hello.py", "import six; print('hello')\n")
    venv = bench.path / "empty"
    run([sys.executable, "-m", "venv", "--without-pip", str(venv)], os.environ, bench.path)
    path = f"{venv / 'bin'}{os.pathsep}{path_without('uv', bench.path)}"
    given = {"COSMO_URL": str(bench.interpreter), "PATH": path, "VIRTUAL_ENV": str(venv)}
    env = environment(bench.path, **{**bench.network, **given})
    script = [uv.find_uv_bin(), "run", "--python", str(venv / "bin/python"), "tasks.py"]
    done = run([*script, "cosmo"], env, project.path)
    assert done.returncode == 0, done.stderr
    assert bench.start(project.executable) == "hello\n"
    assert "cosmo.fetch" in run([*script, "--list"], env, project.path).stdout


FLASK = """\
import sys
from flask import Flask, render_template_string
app = Flask(__name__)
@app.get("/<name>")
def page(name):
    return render_template_string("<b>{{ name }}</b>", name=name)
app.run(port=int(sys.argv[1]))
"""


def test_flask(bench: Bench) -> None:
    made = bench.package("Flask 3", bench.project(FLASK, "flask>=3,<4"), "app")
    with bench.serving(made) as url:
        assert bench.get(f"{url}/%3Cowl%3E") == "<b>&lt;owl&gt;</b>"


TYPER = """\
import httpx
import typer
from rich.console import Console
from rich.table import Table
def main(url: str):
    table = Table(title="birds")
    table.add_column("name")
    for name in httpx.get(url, trust_env=False).json():
        table.add_row(name)
    Console(width=40).print(table)
typer.run(main)
"""


def test_rich_typer_and_httpx(bench: Bench, mirror: Mirror) -> None:
    root = bench.project(TYPER, "rich>=13", "typer>=0.12,<0.16", "httpx>=0.27")
    made = bench.package("rich, typer, httpx", root, "app")
    out = bench.start(made, mirror.add("/birds.json", b'["owl", "wren"]'))
    assert "birds" in out
    assert "│ owl  │" in out


DJANGO = """\
import os
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import JsonResponse
from django.urls import path
settings.configure(
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DB"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
def users(request):
    from django.contrib.auth.models import User
    return JsonResponse({"users": [user.username for user in User.objects.all()]})
urlpatterns = [path("users", users)]
if sys.argv[1] == "serve":
    sys.argv[1:] = ["runserver", "--noreload", sys.argv[2]]
execute_from_command_line(sys.argv)
"""


def test_django(bench: Bench) -> None:
    made = bench.package("Django 4.2", bench.project(DJANGO, "django>=4.2,<5"), "app")
    data: dict[str, Any] = {"DB": f"{bench.path}/data.sqlite3", "DJANGO_SUPERUSER_PASSWORD": "x"}
    assert "Applying auth.0001_initial... OK" in bench.start(made, "migrate", **data)
    create = ["createsuperuser", "--no-input", "--username", "owl", "--email", "owl@example.org"]
    bench.start(made, *create, **data)
    server = bench.path / "serve"
    server.write_text(f'DB={data["DB"]}\nexport DB\nexec sh {made} "$@"\n')
    with bench.serving(server, "serve") as url:
        assert bench.get(f"{url}/users") == '{"users": ["owl"]}'


SQLALCHEMY = """\
from sqlalchemy import create_engine, text
with create_engine("sqlite://").connect() as connection:
    print(connection.execute(text("select 41 + 1")).scalar())
"""
SYMPY = """\
import sys
from sympy import integrate, sympify, latex
from sympy.abc import x
print(latex(integrate(sympify(sys.argv[1]), x)))
"""
INTEGRAL = "x \\sin{\\left(x \\right)} + \\cos{\\left(x \\right)}\n"
RESULTS = [(SQLALCHEMY, "sqlalchemy>=2,<2.1", "42\n"), (SYMPY, "sympy~=1.12.0", INTEGRAL)]


@pytest.mark.parametrize(("main", "dependency", "result"), RESULTS)
def test_library_computes(bench: Bench, main: str, dependency: str, result: str) -> None:
    made = bench.package(dependency, bench.project(main, dependency), "app")
    assert bench.start(made, "x*cos(x)") == result


NUMPY = needing(
    "numpy", "numpy._core._multiarray_umath", "app -> pandas -> numpy; ", "numpy/_core/*.py"
)
CTYPES = lacking("sympy/external/gmpy.py", "ctypes")


@pytest.mark.parametrize(
    ("main", "dependency", "pattern"),
    [(SYMPY, "sympy~=1.13.0", CTYPES), ("import pandas", "pandas==2.3.3", NUMPY)],
)
def test_library_that_cannot_be_imported_is_refused(
    bench: Bench, main: str, dependency: str, pattern: str
) -> None:
    root = bench.project(main, dependency)
    bench.refused(dependency, "none", pattern, "cosmo", COSMO_PROJECT=str(root))
    assert not (root / "dist/cosmo/app").exists()
