"""`invoke vendor`: the recipes as one file in a stranger's repository."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from invoke.config import Config
from invoke.context import Context

from projects import INVOKE, ROOT, Project, environment, run
from recipes import __version__
from recipes.shell import RecipeError
from recipes.vendor import vendor, vendored

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
HOSTS = """\
from invoke import Collection, task
@task
def clean(c):
    print("theirs", c.config.docs.target, c.config.run.echo, c.config._config.keys())
"""
WITH_NS = HOSTS + "ns = Collection(clean)\nns.configure({'docs': {'target': 'built'}})\n"
JOIN = "from _cosmo_recipes import with_recipes\nns = with_recipes(__name__)\n"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """An empty repository, and beside it something that must not be imported."""
    (tmp_path / "recipes.py").write_text("raise SystemExit('the recipes were imported')\n")
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


def refuse(host: Path, **options: bool) -> str:
    """Run `invoke vendor`, which must fail and change nothing; return its message."""
    before = {path: path.read_bytes() for path in host.rglob("*") if path.is_file()}
    with pytest.raises(RecipeError) as stopped:
        vendor(Context(), str(host), **options)
    assert {path: path.read_bytes() for path in host.rglob("*") if path.is_file()} == before
    return str(stopped.value)


def invoke_theirs(host: Path, task: str, path: Path | None = None) -> str:
    """Run `invoke` in the repository, where the recipes can be imported from `path` at most."""
    done = run([*INVOKE, task], environment(host.parent, PYTHONPATH=str(path or host.parent)), host)
    return done.stdout + done.stderr


def sign(text: str, version: str = __version__) -> str:
    """Return the file as another version, with this text, would have written it."""
    text = text.replace(f"# cosmo-recipes {__version__}", f"# cosmo-recipes {version}")
    others = re.sub(r"(?m)^# sha256 of all other lines: .*\n", "", text)
    digest = hashlib.sha256(others.encode()).hexdigest()
    return re.sub(r"(?m)^(# sha256 of all other lines: ).*", rf"\g<1>{digest}", text)


def test_it_is_the_same_text_every_time_and_its_head_says_what_it_is_and_needs(host: Path) -> None:
    env = environment(host.parent, PYTHONPATH=str(ROOT), PYTHONHASHSEED="1", TZ="Asia/Tokyo")
    assert run([*INVOKE, "vendor", str(host)], env, ROOT).returncode == 0
    text = (host / "tasks.py").read_text()
    assert text == vendored("tasks.py") == sign(text)
    head, block = re.split("(?m)^# ///.*\n", text)[:2]
    needs = tomllib.loads(re.sub("(?m)^# ", "", block))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["uv"]
    assert needs["dependencies"] == [line.replace('"', "'") for line in needed]
    assert needs["requires-python"] == project["requires-python"]
    assert f"This file is cosmo-recipes {__version__}" in head
    sample = (ROOT / "sample_project/tasks.py").read_text(encoding="utf-8")
    assert sample == text, "run `invoke vendor sample_project`"


def test_it_is_the_recipes_own_text_in_order_and_binds_no_name_twice() -> None:
    text = vendored("tasks.py")
    marks = "@task\ndef clean(", "class Settings:", "class Shell:", "# inside", "def fit_site("
    places = [text.index(f"\n{mark}") for mark in marks]
    assert places == sorted(places)
    assert text.count("\n", 0, places[0]) < 200
    for path in sorted((ROOT / "recipes").rglob("*.py")):
        blocks = re.findall(r"(?ms)^(?:def|class) .*?(?=^[^\s)]|\Z)", path.read_text("utf-8"))
        there = {block.strip() in text for block in blocks if "with_recipes" not in block}
        left_out = path.stem in ("__init__", "vendor", "bundle", "doctor", "release")
        assert there <= {not left_out}, path
    found = re.findall(r"(?m)^(?:def|class) (\w+)|^(\w+)(?:: .*)? = ", text)
    bound, nodes = Counter(name or constant for name, constant in found), ast.parse(text).body
    imports = [node.names for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
    bound.update({alias.asname or alias.name for names in imports for alias in names})
    assert [name for name, number in bound.items() if number > 1] == []
    assert not re.search(r"(?m)^\s*from (\.|recipes)", text)


def test_type_checkers_and_linters_find_no_fault_in_it(host: Path) -> None:
    text = vendored("tasks.py")
    (host / "tasks.py").write_text(text)
    (host / "bare.py").write_text(re.sub(r"(?m)^# (ruff|flake8): noqa\n", "", text))
    env = environment(host.parent, MYPY_CACHE_DIR=str(host / "cache"))
    for line in (  # a repeated import is no fault; other names are looked at above
        "ruff check --isolated --select=F,E9 --ignore=F811 bare.py",
        "ruff check --isolated --select=ALL --ignore=PGH004 tasks.py",
        "ruff format --check --isolated tasks.py",
        "mypy --strict tasks.py",
    ):
        done = run([sys.executable, "-m", *line.split()], env, host)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", ["tasks.py", "tasks/__init__.py"])
@pytest.mark.parametrize("text", [HOSTS.replace("docs.target", "run.env"), WITH_NS, "namespace"])
def test_two_lines_join_it_to_their_tasks(
    host: Path, capsys: Capture, file: str, text: str
) -> None:
    text = text.replace("namespace", f"ns = 'prod'\n{WITH_NS.replace('ns', 'namespace')}")
    own = host / file
    own.parent.mkdir(exist_ok=True)
    own.write_text(text)
    (host / "invoke.yaml").write_text("docs: {target: asked}\nrun: {echo: true}\n")
    old = vendored("cosmo_recipes.py").replace("--waitretry=1", "--waitretry=2")
    own.with_name("cosmo_recipes.py").write_text(sign(old, "0.0.9"))
    before = invoke_theirs(host, "clean")
    assert before.startswith("theirs ")
    vendor(Context(), str(host))
    assert capsys.readouterr().out == JOIN
    assert "lacks two lines; `invoke vendor" in refuse(host, check=True)
    assert {one.name for one in own.parent.glob("*.py")} == {own.name, "_cosmo_recipes.py"}
    discovery = pytest.importorskip("setuptools.discovery")  # which refuses other names
    assert discovery.FlatLayoutModuleFinder.find(str(host)) == []
    for lines, path in ((JOIN.replace("_cosmo_recipes", "recipes"), ROOT), (JOIN, None)):
        own.write_text(text + lines)
        assert invoke_theirs(host, "clean", path) == before
        assert "PKG is not set" in invoke_theirs(host, "cosmo", path)
    vendor(Context(), str(host))
    assert capsys.readouterr().out == ""  # it is joined already


def test_a_task_called_cosmo_stays(host: Path) -> None:
    (host / "_cosmo_recipes.py").write_text(vendored("_cosmo_recipes.py"))
    (host / "tasks.py").write_text(WITH_NS.replace("clean", "cosmo") + JOIN)
    assert invoke_theirs(host, "cosmo").startswith("theirs built False")
    assert "PKG is not set" in invoke_theirs(host, "cosmo-recipes.setup")


def test_it_runs_as_a_program_and_is_imported_also_without_posix(project: Project) -> None:
    project.write("tasks.py", vendored("tasks.py"))
    env = project.environment(COSMO_PROJECT=str(project.path))
    done = run([sys.executable, str(project.path / "tasks.py"), "cosmo"], env, project.home)
    assert done.returncode == 0, done.stderr
    assert project.run_executable("x") == "hello x\n"
    no_posix = "import invoke, tqdm, sys; sys.modules.update(posix=None, pwd=None, fcntl=None)"
    code = f"{no_posix}; import tasks; print(tasks.ns.configuration())"
    done = run([sys.executable, "-c", code], environment(project.home), project.path)
    assert done.stdout == "{}\n", done.stderr


def test_a_copy_is_renewed_if_nobody_edited_it(host: Path, capsys: Capture) -> None:
    file, current = host / "tasks.py", vendored("tasks.py")
    assert "does not exist" in refuse(host, check=True)
    file.write_text(sign(current.replace("--waitretry=1", ""), "0.0.9"))
    assert "is cosmo-recipes 0.0.9, and not current" in refuse(host, check=True)
    file.chmod(0o755)
    vendor(Context(), str(host))
    assert (file.read_text(), file.stat().st_mode & 0o777) == (current, 0o755)
    file.write_text(current.replace("--waitretry=1", "--waitretry=5"))
    assert "was edited by hand, as --check shows" in refuse(host)
    refuse(host, check=True)
    assert re.search(r"\n-.*--waitretry=1.*\n\+.*--waitretry=5", capsys.readouterr().out)
    vendor(Context(), str(host), force=True)
    file.write_bytes(current.replace("\n", "\r\n").encode())
    vendor(Context(), str(host), check=True)


def test_what_is_not_ours_stays(host: Path) -> None:
    (host / "tasks.py").write_text(WITH_NS)
    for name in ("_cosmo_recipes.py", "cosmo_recipes.py"):
        (host / name).write_text("mine = True\n")
        assert f"{name} was not written by vendor" in refuse(host)
        vendor(Context(), str(host), force=True)
    assert (host / "_cosmo_recipes.py").read_text() == vendored("_cosmo_recipes.py")
    assert (host / "cosmo_recipes.py").read_text() == "mine = True\n"
    assert (host / "tasks.py").read_text() == WITH_NS
    (host / "tasks.py").unlink()
    (host / "tasks.py").symlink_to("_cosmo_recipes.py")
    assert "is a symbolic link" in refuse(host, force=True)
    vendor(Context(Config(overrides={"run": {"dry": True}})), str(host))  # writes nothing
    assert "no such folder" in refuse(host / "none")


def test_a_copied_front_door_without_the_recipes_says_what_to_do(host: Path) -> None:
    shutil.copy(ROOT / "tasks.py", host)
    code = "import sys; sys.modules['recipes'] = None; from invoke.program import Program; "
    done = run([sys.executable, "-c", f"{code}Program().run()"], environment(host.parent), host)
    assert re.fullmatch("cosmo: .*pip install.*invoke vendor.*\n", done.stderr)
