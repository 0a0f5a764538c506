"""`invoke vendor`: the recipes as one file in a stranger's repository."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from invoke.config import Config
from invoke.context import Context

from projects import INVOKE, ROOT, Done, Project, environment, run
from recipes import __version__
from recipes.shell import RecipeError
from recipes.vendor import vendor, vendored

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOSTS = """\
from invoke import Collection, task


@task
def clean(c):
    '''Remove the docs.'''
    print("theirs", c.config.docs.target, c.config.run.echo)

"""
WITH_NS = HOSTS + "ns = Collection(clean)\nns.configure({'docs': {'target': 'built'}})\n"
JOIN = "from _cosmo_recipes import with_recipes\nns = with_recipes(__name__)\n"
SHOW = (
    "@task\ndef show(c):\n    import json; print(json.dumps(c.config._config, default=str))\n\n\n"
)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """An empty repository."""
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


def refuse(host: Path, **options: bool) -> str:
    """Run `invoke vendor`, which must fail and change nothing; return its message."""
    before = {path: path.read_bytes() for path in host.rglob("*") if path.is_file()}
    with pytest.raises(RecipeError) as stopped:
        vendor(Context(), str(host), **options)
    assert {path: path.read_bytes() for path in host.rglob("*") if path.is_file()} == before
    return str(stopped.value)


def invoke_theirs(host: Path, *words: str, path: Path | None = None) -> Done:
    """Run `invoke` in the repository, where the recipes can be imported from `path` at most."""
    none = host.parent / "none"
    none.mkdir(exist_ok=True)
    (none / "recipes.py").write_text("raise SystemExit('the recipes were imported')\n")
    return run([*INVOKE, *words], environment(host.parent, PYTHONPATH=str(path or none)), host)


def signed(text: str, version: str = __version__) -> str:
    """The file as another version, with this text, would have written it."""
    text = text.replace(f"# cosmo-recipes {__version__}", f"# cosmo-recipes {version}")
    rest = re.sub(r"(?m)^# sha256 of all other lines: .*\n", "", text)
    digest = hashlib.sha256(rest.encode()).hexdigest()
    return re.sub(r"(?m)^(# sha256 of all other lines: ).*", rf"\g<1>{digest}", text)


def test_it_is_the_same_text_every_time_and_its_head_says_what_it_is_and_needs(host: Path) -> None:
    for env in ({"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}, {"LC_ALL": "C"}):
        line = [*INVOKE, "vendor", str(host)]
        done = run(line, environment(host.parent, PYTHONPATH=str(ROOT), **env), ROOT)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        text = (host / "tasks.py").read_text()
        assert text == vendored("tasks.py") == signed(text)
        (host / "tasks.py").unlink()
    head, block = re.split("(?m)^# ///.*\n", text)[:2]
    needs, project = tomllib.loads(re.sub("(?m)^# ", "", block)), ROOT / "pyproject.toml"
    says = tomllib.loads(project.read_text())["project"]
    needed = says["dependencies"] + says["optional-dependencies"]["uv"]
    assert needs["dependencies"] == [line.replace('"', "'") for line in needed]
    assert needs["requires-python"] == says["requires-python"]
    assert f"This file is cosmo-recipes {__version__}" in head


def test_the_phases_come_first_then_the_settings_and_the_programs_inside_last() -> None:
    text = vendored("tasks.py")
    marks = "@task\ndef clean(", "class Settings:", "class Shell:", "# inside", "def fit_site("
    places = [text.index(f"\n{mark}") for mark in marks]
    assert places == sorted(places)
    assert text.count("\n", 0, places[0]) < 200
    for module, later in (("settings", 0), ("project", 1), ("fetch", 1), ("shell", 1)):
        assert places[later] < text.index(f"\n# recipes/{module}.py ") < places[2]


def test_it_has_the_collections_own_code_and_binds_no_name_twice() -> None:
    text = vendored("tasks.py")
    for path in sorted((ROOT / "recipes").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and path.stem != "__init__":
                left_out = path.stem in ("vendor", "bundle", "doctor", "release")
                code = ast.get_source_segment(source, node) or ""
                assert (code in text) != left_out, f"{path}: {node.name}"
    bound, imported = Counter[str](), set()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound[node.name] += 1
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            bound.update(one.id for one in targets if isinstance(one, ast.Name))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            module = f"{'.' * getattr(node, 'level', 0)}{getattr(node, 'module', '')}"
            imported |= {(alias.asname or alias.name, module, alias.name) for alias in node.names}
    bound.update(name for name, _, _ in imported)
    assert [name for name, number in bound.items() if number > 1] == []
    assert not [one for one in imported if re.match(r"\.|recipes", one[1])]


def test_type_checkers_and_linters_find_no_fault_in_it(host: Path) -> None:
    text = vendored("tasks.py")
    (host / "tasks.py").write_text(text, encoding="utf-8")
    bare = re.sub(r"(?m)^# (ruff|flake8): noqa\n", "", text)
    (host / "bare.py").write_text(bare, encoding="utf-8")
    for line in (  # a repeated import is no fault; other names are looked at above
        "ruff check --isolated --select=F,E9 --ignore=F811 bare.py",
        "ruff check --isolated --select=ALL --ignore=PGH004 tasks.py",
        "ruff format --check --isolated tasks.py",
        "mypy --strict tasks.py",
    ):
        env = environment(host.parent, MYPY_CACHE_DIR=str(host / "cache"))
        done = run([sys.executable, "-m", *line.split()], env, host)
        assert done.returncode == 0, done.stdout


def test_the_sample_projects_copy_is_current() -> None:
    copy = (ROOT / "sample_project/tasks.py").read_text(encoding="utf-8")
    assert copy == vendored("tasks.py"), "run `invoke vendor sample_project`"


@pytest.mark.parametrize(
    ("file", "text", "lines"),
    [
        ("tasks.py", WITH_NS, JOIN),
        ("tasks.py", WITH_NS, JOIN.replace("_cosmo_recipes", "recipes")),
        ("tasks.py", WITH_NS.replace("ns", "namespace"), JOIN),
        ("tasks.py", HOSTS.replace("docs.target", "run.env or 'asked'"), JOIN),
        ("tasks.py", f"namespace = 'prod'\n{WITH_NS}", JOIN),
        ("tasks/__init__.py", WITH_NS, JOIN),
    ],
)
def test_tasks_of_their_own_are_not_disturbed_and_two_lines_join_it(
    host: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, lines: str
) -> None:
    own, path = host / file, None if lines == JOIN else ROOT
    own.parent.mkdir(exist_ok=True)
    (host / "invoke.yaml").write_text("docs: {target: asked}\nrun: {echo: true}\n")
    own.write_text(text.replace("@task", f"{SHOW}@task").replace("(clean)", "(clean, show)"))
    old = vendored("cosmo_recipes.py").replace("--waitretry=1", "--waitretry=2")
    own.with_name("cosmo_recipes.py").write_text(signed(old, "0.0.9"))
    before = invoke_theirs(host, "clean", "show", path=path).stdout
    assert before.startswith("theirs asked True\n{")
    vendor(Context(), str(host))
    assert capsys.readouterr().out == JOIN
    assert {one.name for one in own.parent.glob("*.py")} == {own.name, "_cosmo_recipes.py"}
    own.write_text(own.read_text() + lines)
    assert invoke_theirs(host, "clean", "show", path=path).stdout == before
    assert "PKG is not set" in invoke_theirs(host, "cosmo", path=path).stderr
    vendor(Context(), str(host))
    assert (capsys.readouterr().out == "") == (lines == JOIN)  # it is joined already
    discovery = pytest.importorskip("setuptools.discovery")  # which refuses other names
    assert discovery.FlatLayoutModuleFinder.find(str(host)) == []


def test_a_task_called_cosmo_stays(host: Path) -> None:
    (host / "tasks.py").write_text(
        HOSTS.replace("clean", "cosmo").replace("docs.target", "run.dry")
    )
    vendor(Context(), str(host))
    with (host / "tasks.py").open("a") as file:
        file.write(JOIN)
    assert invoke_theirs(host, "cosmo").stdout == "theirs False False\n"
    assert "PKG is not set" in invoke_theirs(host, "cosmo-recipes.setup").stderr


def test_it_runs_as_a_program_and_is_imported_also_without_posix(project: Project) -> None:
    project.write("tasks.py", vendored("tasks.py"))
    env = {**project.environment(COSMO_PROJECT=str(project.path)), "PYTHONPATH": ""}
    done = run([sys.executable, str(project.path / "tasks.py"), "cosmo"], env, project.home)
    assert done.returncode == 0, done.stderr
    assert project.says("x") == "hello x\n"
    no_posix = "import invoke, tqdm, sys; sys.modules.update(posix=None, pwd=None, fcntl=None)"
    code = f"{no_posix}; import tasks; print(tasks.ns.configuration())"
    done = run([sys.executable, "-c", code], environment(project.home), project.path)
    assert done.stdout == "{}\n", done.stderr


def test_a_copy_is_renewed_but_not_one_that_was_edited(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, current = host / "tasks.py", vendored("tasks.py")
    assert "does not exist" in refuse(host, check=True)
    file.write_text(signed(current.replace("--waitretry=1", ""), "0.0.9"))
    assert "is cosmo-recipes 0.0.9, and not current" in refuse(host, check=True)
    file.chmod(0o755)
    vendor(Context(), str(host))
    assert (file.read_text(), file.stat().st_mode & 0o777) == (current, 0o755)
    file.write_text(current.replace("--waitretry=1", "--waitretry=5"))
    assert "was edited by hand, as --check shows" in refuse(host)
    assert capsys.readouterr().out == ""
    assert "was edited by hand, as shown" in refuse(host, check=True)
    diff = [line for line in capsys.readouterr().out.splitlines() if line[0] in "+-"]
    assert [re.findall(r"--waitretry=\d", line) for line in diff[2:]] == [
        ["--waitretry=1"],
        ["--waitretry=5"],
    ]
    vendor(Context(), str(host), force=True)
    for ending in ("\n", "\r\n"):
        file.write_bytes(current.replace("\n", ending).encode())
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
    (host / "shared.py").write_text(signed(vendored("tasks.py"), "0.0.9"))
    (host / "tasks.py").unlink()
    (host / "tasks.py").symlink_to("shared.py")
    assert "is a symbolic link" in refuse(host)
    assert "is a symbolic link" in refuse(host, force=True)


def test_neither_a_dry_run_nor_one_for_no_folder_writes_anything(host: Path) -> None:
    vendor(Context(Config(overrides={"run": {"dry": True}})), str(host))
    assert list(host.iterdir()) == []
    with pytest.raises(RecipeError, match="no such folder"):
        vendor(Context(), str(host / "none"))


def test_a_copied_front_door_without_the_recipes_says_what_to_do(host: Path) -> None:
    shutil.copy(ROOT / "tasks.py", host)
    code = "import sys; sys.modules['recipes'] = None; from invoke.program import Program; "
    done = run([sys.executable, "-c", f"{code}Program().run()"], environment(host.parent), host)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert re.search("pip install.*invoke vendor", done.stderr)
