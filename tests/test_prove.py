"""Real releases from PyPI, each packaged by the recipes and run: `invoke prove` prints how it went.

They need the network, and a Python of 3.9 or newer as the interpreter.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uv

from mirror import Mirror
from projects import Done, Project, environment, path_without, run, start
from recipes.vendor import vendored

pytestmark = pytest.mark.prove

NETWORK = re.compile(r"(?i)(PIP|UV)_.*|.*_PROXY|SSL_CERT_(FILE|DIR)")
"""What in the environment says how the package index is reached from this machine."""


class Bench:
    """A folder in which real programs are packaged and run; `rows` takes a table's rows."""

    def __init__(
        self, path: Path, interpreter: Path, cache: Path, rows: Callable[[str, object], None]
    ) -> None:
        self.path, self.away = path, path / "away"
        self.away.mkdir()
        self.interpreter = interpreter
        self.rows = rows
        self.network = {name: text for name, text in os.environ.items() if NETWORK.match(name)}
        self.network["PATH"] = f"{Path(uv.find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}"
        self.network.update(PIP_CACHE_DIR=str(cache / "pip"), UV_CACHE_DIR=str(cache / "uv"))

    def sdist(self, name: str, version: str) -> Path:
        """The unpacked sdist of a release."""
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        words = [*pip, "--no-binary", name, "-d", str(self.path), f"{name}=={version}"]
        done = run(words, environment(self.path, **self.network), self.path)
        assert done.returncode == 0, done.stderr
        (file,) = self.path.glob("*.tar.gz")
        with tarfile.open(file) as archive:
            archive.extractall(self.path)  # noqa: S202 - a release of PyPI's
        return self.path / file.name[: -len(".tar.gz")]

    def app(self, main: str, *dependencies: str) -> Path:
        """A project of one module that depends on releases."""
        project = Project(self.path / "app", self.interpreter)
        project.write("app.py", main)
        text = f"[project]\nname = 'app'\nversion = '1.0'\ndependencies = {list(dependencies)}\n"
        project.write("pyproject.toml", text)
        return project.path

    def package(self, title: str, root: Path, name: str, **settings: str) -> Path:
        """Package a project, which must succeed, and note what it took."""
        begin = time.monotonic()
        done = self.invoke(root, **settings)
        assert done.returncode == 0, done.stderr + done.stdout
        made = root / "dist/cosmo" / name
        pure = [line[10:] for line in done.stdout.splitlines() if line.startswith("  pure")]
        shown = " ".join(f"`{key}={value}`" for key, value in settings.items()) or "none"
        size = f"{made.stat().st_size / 1e6:.1f} MB"
        took = f"{time.monotonic() - begin:.0f} s"
        self.rows("proof", [title, shown, size, took, ", ".join(map(short, pure))])
        return made

    def release(self, name: str, version: str, program: str, **settings: str) -> Path:
        """Package a program from its sdist."""
        return self.package(f"{name} {version}", self.sdist(name, version), program, **settings)

    def invoke(self, root: Path, **settings: str) -> Done:
        """Run `invoke cosmo` for a project that has no tasks of ours, from beside it."""
        tasks = Project(self.path / "tasks", self.interpreter)
        tasks.write("tasks.py", tasks.tasks.text)
        settings = {**self.network, "COSMO_PROJECT": str(root), **settings}
        return tasks.invoke("cosmo", **settings)

    def start(self, file: Path, *arguments: str, **env: str) -> str:
        """What the executable prints, started in an empty folder; it must end with status 0."""
        done = start(file, *arguments, home=self.path, cwd=self.away, **env)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    @contextmanager
    def serving(self, file: Path, *arguments: str) -> Iterator[str]:
        """The address that the executable serves; the port is the last of its arguments."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        words = ["sh", str(file), *arguments, str(port)]
        with (self.path / "log").open("w") as log:
            server = subprocess.Popen(
                words, cwd=self.path, env=environment(self.path), stdout=log, stderr=log
            )
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                server.wait(30)

    def get(self, url: str) -> str:
        """What a client is sent; the server may take a while to start."""
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
                    return str(answer.read().decode())
            except OSError:
                assert time.monotonic() < end, (self.path / "log").read_text()
                time.sleep(0.2)


def short(form: str) -> str:
    """What the report says of a form, for a table."""
    name, _, text = form.partition(": ")
    words = {"a pure wheel": "pure wheel", "its sdist, built without the extension": "sdist"}
    words["its wheel, without the extension"] = "stripped"
    return f"{name} ({words.get(text, 'left out')})"


@pytest.fixture
def bench(
    tmp_path: Path,
    interpreter: Path,
    version: tuple[int, int],
    record_property: Callable[[str, object], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Bench:
    if version < (3, 9):
        pytest.skip("these releases need Python 3.9")
    cache = tmp_path_factory.getbasetemp().parent / "cache"
    return Bench(tmp_path, interpreter, cache, record_property)


# Programs, from their sdists


HI = "from invoke import task\n\n@task\ndef hi(c):\n    c.run('echo by invoke')\n"


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("ds-run 1.3.0 ds PKG=ds", {"--version": "1.3.0.*", "hi": ".*hello from ds.*"}),
        ("cowsay 6.0 cowsay PKG=cowsay", {"-t moo": r".*\| moo \|.*"}),
        ("black 25.1.0 black", {"--version": ".*25.1.0.*", "-c x={'a':1}": 'x = {"a": 1}\n'}),
        ("pipdeptree 2.23.4 pipdeptree", {"": ".*pipdeptree==2.23.4\n.*"}),
        ("yt-dlp 2024.12.23 yt_dlp", {"--version": "2024.12.23\n"}),
        ("invoke 2.2.0 invoke PKG=invoke", {"--version": "Invoke 2.2.0\n", "hi": "by invoke\n"}),
    ],
)
def test_a_program_prints_what_it_should(bench: Bench, program: str, shown: dict[str, str]) -> None:
    name, version, file, *settings = program.split()
    made = bench.release(name, version, file, **dict(pair.split("=") for pair in settings))
    (bench.away / "ds.toml").write_text('[scripts]\nhi = "echo hello from ds"\n')
    (bench.away / "tasks.py").write_text(HI)
    for arguments, pattern in shown.items():
        assert re.fullmatch(pattern, bench.start(made, *arguments.split()), re.DOTALL)


def test_sqlite_utils(bench: Bench) -> None:
    made = bench.release("sqlite-utils", "3.38", "sqlite_utils", PKG="sqlite_utils")
    (bench.away / "rows.json").write_text('[{"name": "Cleo", "age": 4}, {"name": "Pan", "age": 2}]')
    bench.start(made, "insert", "data.db", "dogs", "rows.json")
    out = bench.start(made, "query", "data.db", "select name from dogs order by age", "--csv")
    assert out.split() == ["name", "Pan", "Cleo"]


def test_cookiecutter(bench: Bench) -> None:
    made = bench.release("cookiecutter", "2.6.0", "cookiecutter", PKG="cookiecutter")
    template = Project(bench.path / "template", bench.interpreter)
    settings = '{"name": "bird", "title": "{{ cookiecutter.name|upper }}"}'
    template.write("cookiecutter.json", settings)
    template.write("{{cookiecutter.name}}/a.py", "print('{{ cookiecutter.title }}')\n")
    bench.start(made, "--no-input", str(template.path), "name=owl")
    assert (bench.away / "owl/a.py").read_text() == "print('OWL')\n"


def test_mkdocs(bench: Bench) -> None:
    made = bench.release("mkdocs", "1.6.1", "mkdocs")
    bench.start(made, "new", ".")
    bench.start(made, "build", "--quiet")
    assert "Welcome to MkDocs" in (bench.away / "site/index.html").read_text()
    assert (bench.away / "site/css/base.css").exists()


# The vendored file, as a script


def test_uv_runs_a_vendored_file_where_nothing_is_installed(bench: Bench) -> None:
    project = Project(bench.path / "app", bench.interpreter)
    project.write("tasks.py", vendored("tasks.py"))
    needs = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['six>=1']\n"
    project.write("pyproject.toml", needs)
    project.write("hello.py", "import six; print('hello')\n")
    venv = bench.path / "empty"
    run([sys.executable, "-m", "venv", "--without-pip", str(venv)], os.environ, bench.path)
    path = f"{venv / 'bin'}{os.pathsep}{path_without('uv', bench.path)}"
    given = {**bench.network, "PATH": path, "VIRTUAL_ENV": str(venv)}
    env = environment(bench.path, **given, COSMO_URL=str(bench.interpreter))
    python = str(venv / "bin/python")
    script = [uv.find_uv_bin(), "run", "--python", python, "tasks.py"]
    done = run([*script, "cosmo"], env, project.path)
    assert done.returncode == 0, done.stderr
    assert bench.start(project.executable) == "hello\n"
    assert "cosmo.fetch" in run([*script, "--list"], env, project.path).stdout


# Libraries, in small programs

FLASK = """\
import sys
from importlib.metadata import version
from flask import Flask, render_template_string
app = Flask(__name__)
@app.get("/<name>")
def page(name):
    text = "<b>{{ name }}</b> {{ version }}"
    return render_template_string(text, name=name, version=version("app"))
app.run(port=int(sys.argv[1]))
"""


def test_flask(bench: Bench) -> None:
    made = bench.package("Flask 3", bench.app(FLASK, "flask>=3,<4"), "app")
    with bench.serving(made) as url:
        assert bench.get(f"{url}/%3Cowl%3E") == "<b>&lt;owl&gt;</b> 1.0"


TYPER = """\
import httpx
import typer
from rich.console import Console
from rich.table import Table
def main(url: str, wide: bool = False):
    table = Table(title="birds")
    table.add_column("name")
    for name in httpx.get(url, trust_env=False).json():
        table.add_row(name)
    Console(width=80 if wide else 40).print(table)
typer.run(main)
"""


def test_rich_typer_and_httpx(bench: Bench, mirror: Mirror) -> None:
    root = bench.app(TYPER, "rich>=13", "typer>=0.12,<0.16", "httpx>=0.27")
    made = bench.package("rich, typer, httpx", root, "app")
    out = bench.start(made, mirror.add("/birds.json", b'["owl", "wren"]'))
    assert "birds" in out
    assert "│ owl  │" in out
    assert "--wide" in bench.start(made, "--help")


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
    made = bench.package("Django 4.2", bench.app(DJANGO, "django>=4.2,<5"), "app")
    data = {"DB": str(bench.path / "data.sqlite3"), "DJANGO_SUPERUSER_PASSWORD": "x"}
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


def test_sqlalchemy(bench: Bench) -> None:
    made = bench.package("SQLAlchemy 2.0", bench.app(SQLALCHEMY, "sqlalchemy>=2,<2.1"), "app")
    assert bench.start(made) == "42\n"


SYMPY = """\
import sys
from sympy import integrate, sympify, latex
from sympy.abc import x
print(latex(integrate(sympify(sys.argv[1]), x)))
"""


def test_sympy(bench: Bench) -> None:
    made = bench.package("SymPy 1.13", bench.app(SYMPY, "sympy~=1.13.0"), "app")
    integral = "x \\sin{\\left(x \\right)} + \\cos{\\left(x \\right)}\n"
    assert bench.start(made, "x*cos(x)") == integral


def test_numpy_is_refused(bench: Bench) -> None:
    root = bench.app("import pandas", "pandas")
    done = bench.invoke(root)
    assert done.returncode == 1
    chain = r"which cannot run in the executable \(app -> pandas -> numpy\)"
    last = done.stderr.splitlines()[-1]
    assert re.search(f"numpy.* needs its extension module numpy.*, {chain}", last)
    assert not (root / "dist/cosmo/app").exists()
    bench.rows("proof", ["numpy, asked for by pandas", "none", "refused", "", "needs its own"])
