"""`invoke vendor`: the recipes as one file in a stranger's repository."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from projects import INVOKE, PYPROJECT, ROOT, Project, environment, run
from recipes import __version__
from recipes.vendor import vendored

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

PRAGMA = re.compile(r"(?m)^# (fmt: off|ruff: noqa|mypy: .*)\n")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """An empty repository."""
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


def vendor(host: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke vendor` in this repository for the one at `host`."""
    given = environment(host.parent, PYTHONPATH=str(ROOT), **env)
    return run(
        [*INVOKE, *(() if "vendor" in words else ("vendor", str(host))), *words], given, ROOT
    )


def theirs(host: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke` in the repository at `host`, where the recipes cannot be imported."""
    none = host.parent / "none"
    none.mkdir(exist_ok=True)
    (none / "recipes.py").write_text("raise SystemExit('the recipes were imported')\n")
    return run([*INVOKE, *words], environment(host.parent, PYTHONPATH=str(none), **env), host)


def refused(host: Path, *words: str) -> str:
    """The one line on standard error; nothing in the repository may have changed."""
    before = {path: path.read_bytes() for path in host.rglob("*") if path.is_file()}
    done = vendor(host, *words)
    assert done.returncode == 1, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert {path: path.read_bytes() for path in host.rglob("*") if path.is_file()} == before
    return done.stderr


# What is written


def test_it_is_the_same_text_wherever_and_whenever_it_is_written(host: Path) -> None:
    assert vendor(host, PYTHONHASHSEED="1", TZ="Asia/Tokyo").returncode == 0
    first = (host / "tasks.py").read_bytes()
    (host / "tasks.py").unlink()
    assert vendor(host, PYTHONHASHSEED="2", LC_ALL="C").returncode == 0
    assert (host / "tasks.py").read_bytes() == first
    assert [path.name for path in host.iterdir()] == ["tasks.py"]


def test_its_head_tells_its_version_its_digest_and_what_it_needs() -> None:
    lines = vendored("tasks.py").splitlines(keepends=True)
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    (at,) = (at for at, line in enumerate(lines) if line.startswith("# sha256 of all other lines"))
    rest = "".join(lines[:at] + lines[at + 1 :])
    assert lines[at].split()[-1] == hashlib.sha256(rest.encode()).hexdigest()
    block = re.search(r"(?ms)^# /// script\n(.*?)^# ///\n", "".join(lines[:at]))
    assert block
    told = tomllib.loads(re.sub("(?m)^# ", "", block[1]))
    needed = project["dependencies"] + project["optional-dependencies"]["uv"]
    assert told["dependencies"] == [line.replace('"', "'") for line in needed]
    assert told["requires-python"] == project["requires-python"]


def test_it_has_the_recipes_own_code_with_every_comment() -> None:
    text = vendored("tasks.py")
    for path in sorted((ROOT / "recipes").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        head, *rest = ast.parse(source).body
        imports = (ast.Import, ast.ImportFrom)
        above = [node for node in rest[:-1] if isinstance(node, (*imports, ast.If))]
        lines = source.splitlines()[max(node.end_lineno or 0 for node in [head, *above]) :]
        apart = path.name == "vendor.py"
        assert ("\n".join(lines).strip() in text) != (apart and bool(lines)), path


def test_no_two_of_its_modules_bind_the_same_name() -> None:
    names = []
    for node in ast.parse(vendored("tasks.py")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [each.asname or each.name for each in node.names]
        elif isinstance(node, ast.Assign):
            names += [each.id for each in node.targets if isinstance(each, ast.Name)]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_it_imports_nothing_of_ours() -> None:
    for node in ast.walk(ast.parse(vendored("tasks.py"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, ast.unparse(node)
            assert not (node.module or "").startswith("recipes")


def test_type_checkers_and_linters_pass_it_without_the_lines_that_keep_them_off(
    host: Path,
) -> None:
    env = environment(host.parent, MYPY_CACHE_DIR=str(host / "cache"))
    for name, text in [("tasks.py", vendored("tasks.py")), ("bare.py", "")]:
        (host / name).write_text(text or PRAGMA.sub("", vendored("tasks.py")), encoding="utf-8")
    python = [sys.executable, "-m"]
    done = run([*python, "mypy", "--strict", "tasks.py"], env, host)
    assert done.returncode == 0, done.stdout
    done = run([*python, "mypy", "--strict", "bare.py"], env, host)
    assert done.returncode == 0, done.stdout
    ours = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    elsewhere = "lint.extend-ignore=['PTH', 'N815', 'D102', 'S603', 'E402', 'A001']"
    done = run([*python, "ruff", "check", *ours, "--config", elsewhere, "bare.py"], env, host)
    assert done.returncode == 0, done.stdout
    done = run([*python, "ruff", "format", "--diff", *ours, "bare.py"], env, host)
    assert done.returncode == 0, done.stdout
    blanket = ["--ignore=PGH004", "tasks.py"]
    done = run([*python, "ruff", "check", "--isolated", "--select=ALL", *blanket], env, host)
    assert done.returncode == 0, done.stdout
    done = run([*python, "ruff", "format", "--check", "--isolated", "tasks.py"], env, host)
    assert done.returncode == 0, done.stdout


def test_importing_it_asks_for_nothing_that_only_a_posix_system_has(host: Path) -> None:
    vendor(host)
    gone = "import invoke, tqdm, sys; sys.modules.update(posix=None, pwd=None, fcntl=None)"
    done = run([sys.executable, "-c", f"{gone}; import tasks"], environment(host), host)
    assert done.returncode == 0, done.stderr


def test_the_sample_projects_copy_is_current() -> None:
    assert (ROOT / "sample_project/tasks.py").read_text(encoding="utf-8") == vendored("tasks.py"), (
        "run `invoke vendor sample_project`"
    )


# Where it is put, and what is left alone


def test_a_repositorys_own_tasks_stay_and_two_lines_join_them(host: Path) -> None:
    (host / "tasks.py").write_text(WITH_NS)
    done = vendor(host)
    assert done.returncode == 0, done.stderr
    assert (host / "tasks.py").read_text() == WITH_NS
    assert done.stdout == "from cosmo_recipes import with_recipes\nns = with_recipes(__name__)\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tasks.py", WITH_NS),
        ("tasks.py", WITH_NS.replace("ns", "namespace")),
        ("tasks.py", HOSTS.replace("docs.target", "run.env or 'asked'")),
        ("tasks.py", f'"""Docs\n\nns = Collection() of\n"""\n{WITH_NS}'),
        ("tasks.py", f"namespace = 'prod'\n{WITH_NS}"),
        ("tasks/__init__.py", WITH_NS),
    ],
)
def test_a_host_is_not_disturbed(host: Path, file: str, text: str) -> None:
    (host / file).parent.mkdir(exist_ok=True)
    (host / file).write_text(text)
    (host / "invoke.yaml").write_text("docs: {target: asked}\nrun: {echo: true}\n")
    show = "\n\n@task\ndef show(c):\n    import json; print(json.dumps(c.config._config))\n"
    text = text.replace("\n\nn", f"{show}\n\nn").replace("(clean)", "(clean, show)")
    (host / file).write_text(text)
    before = theirs(host, "clean"), theirs(host, "--help", "clean").stdout
    config = theirs(host, "show").stdout
    done = vendor(host)
    assert done.returncode == 0, done.stderr
    with (host / file).open("a") as own:
        own.write(done.stdout)
    assert (host / file).with_name("cosmo_recipes.py").exists()
    after = theirs(host, "clean"), theirs(host, "--help", "clean").stdout
    assert after[0].stdout == before[0].stdout == "theirs asked True\n", before
    assert theirs(host, "show").stdout == config
    assert after[1] == before[1]
    assert theirs(host, "--dry", "cosmo").returncode == 1  # no PKG, but the task is there
    assert "PKG" in theirs(host, "cosmo").stderr
    assert vendor(host).stdout == ""  # it is joined already


def test_a_task_called_cosmo_stays(host: Path) -> None:
    (host / "tasks.py").write_text(
        HOSTS.replace("clean", "cosmo").replace("docs.target", "run.dry")
    )
    done = vendor(host)
    with (host / "tasks.py").open("a") as own:
        own.write(done.stdout)
    assert theirs(host, "cosmo").stdout == "theirs False False\n"
    assert "PKG" in theirs(host, "cosmo-recipes.setup").stderr


def test_what_it_needs_and_does_not_find_is_told_in_one_line(host: Path) -> None:
    vendor(host)
    code = "import sys; sys.modules['tqdm'] = None; import tasks"
    done = run([sys.executable, "-c", code], environment(host), host)
    assert done.returncode == 1
    assert done.stderr.endswith("tasks.py needs tqdm, which is not installed; pip install tqdm\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_copy_is_renewed_but_not_one_that_was_edited(host: Path) -> None:
    file = host / "tasks.py"
    vendor(host)
    current = file.read_text()
    file.write_text(older(current))
    assert vendor(host).returncode == 0
    assert file.read_text() == current
    file.write_text(current.replace("--waitretry=1", "--waitretry=5"))
    assert "was edited" in refused(host)
    assert vendor(host, "--force").returncode == 0
    assert file.read_text() == current
    file.chmod(0o755)
    file.write_text(older(current))
    vendor(host)
    assert file.stat().st_mode & 0o777 == 0o755


def older(text: str, version: str = "0.0.9") -> str:
    """The file as an older version would have written it."""
    text = text.replace(f"# cosmo-recipes {__version__}", f"# cosmo-recipes {version}")
    text = text.replace("--waitretry=1", "")
    rest = re.sub(r"(?m)^# sha256 of all other lines: .*\n", "", text)
    digest = hashlib.sha256(rest.encode()).hexdigest()
    return re.sub(r"(?m)^(# sha256 of all other lines: ).*", rf"\g<1>{digest}", text)


def test_a_file_called_like_ours_stays_without_force(host: Path) -> None:
    (host / "tasks.py").write_text(WITH_NS)
    (host / "cosmo_recipes.py").write_text("mine = True\n")
    assert "was not written by vendor" in refused(host)
    assert vendor(host, "--force").returncode == 0
    assert (host / "tasks.py").read_text() == WITH_NS
    assert "mine = True" not in (host / "cosmo_recipes.py").read_text()


def test_what_a_link_leads_to_stays(host: Path) -> None:
    shared = host.parent / "shared.py"
    shared.write_text(older(vendored("tasks.py")))
    (host / "tasks.py").symlink_to(shared)
    assert "is a symbolic link" in refused(host)
    assert "is a symbolic link" in refused(host, "--force")


def test_a_release_is_newer_than_its_candidate(host: Path) -> None:
    (host / "tasks.py").write_text(older(vendored("tasks.py"), f"{__version__}rc1"))
    assert vendor(host).returncode == 0
    assert (host / "tasks.py").read_text() == vendored("tasks.py")


def test_a_newer_copy_stays(host: Path) -> None:
    (host / "tasks.py").write_text(older(vendored("tasks.py"), "9.9.9"))
    assert "use newer recipes" in refused(host)
    assert "use newer recipes" in refused(host, "--check")
    assert vendor(host, "--force").returncode == 0


def test_a_dry_run_writes_nothing(host: Path) -> None:
    assert vendor(host, "--dry", "vendor", str(host), "--settings").returncode == 0
    assert list(host.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_line(host: Path) -> None:
    assert "no such folder" in refused(host, "vendor", str(host / "none"))


# --check


def test_check_passes_a_current_copy_also_with_other_line_ends(host: Path) -> None:
    vendor(host)
    assert vendor(host, "--check").returncode == 0
    file = host / "tasks.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert vendor(host, "--check").returncode == 0


def test_check_tells_of_a_copy_that_is_not_there_or_older(host: Path) -> None:
    assert "does not exist" in refused(host, "--check")
    vendor(host)
    file = host / "tasks.py"
    current = file.read_text()
    file.write_text(older(current))
    assert f"is cosmo-recipes 0.0.9, and this is {__version__}" in refused(host, "--check")
    file.write_text(older(current, __version__))
    assert f"cosmo-recipes {__version__}, of other sources" in refused(host, "--check")


def test_check_shows_what_a_person_edited(host: Path) -> None:
    vendor(host)
    file = host / "tasks.py"
    file.write_text(file.read_text().replace("--waitretry=1", "--waitretry=5"))
    assert "was edited by hand" in refused(host, "--check")
    changed = [line for line in vendor(host, "--check").stdout.splitlines() if line[0] in "+-"]
    assert len(changed) == 4
    assert "--waitretry=1" in changed[2]
    assert "--waitretry=5" in changed[3]


# --settings


@pytest.mark.parametrize(
    "text",
    ["", "# mine\n[project]\nname = 'a'\n", "[project]\nname = 'a'", "[tool.cosmo]\r\nx=1\r\n"],
)
def test_settings_adds_a_table_and_keeps_the_files_own_text(host: Path, text: str) -> None:
    file = host / "pyproject.toml"
    if text:
        file.write_bytes(text.encode())
    (host / "tasks.py").write_text(vendored("tasks.py"))
    done = vendor(host, "--check", "--settings")
    assert done.returncode == 1
    assert "has no [tool.cosmo.env]" in done.stderr.splitlines()[-1]
    assert vendor(host, "--settings").returncode == 0
    new = file.read_bytes().decode()
    assert new.startswith(text)
    assert tomllib.loads(new)["tool"]["cosmo"]["env"] == {"COSMO_ISOLATED": "1"}
    assert ("\r\n" in text) == ("\r\n" in new)
    assert new.count("\r\n") in (0, new.count("\n"))
    assert vendor(host, "--settings").returncode == 0
    assert vendor(host, "--check", "--settings").returncode == 0
    assert file.read_bytes().decode() == new


@pytest.mark.parametrize(
    ("text", "told"), [("tool = {cosmo = {}}\n", "inline table"), ("[tool\n", "not valid TOML")]
)
def test_settings_leaves_a_file_that_cannot_take_them(host: Path, text: str, told: str) -> None:
    (host / "pyproject.toml").write_text(text)
    assert told in refused(host, "--settings")
    assert not (host / "tasks.py").exists()


def test_settings_leaves_it_to_a_projects_own_args_whether_it_is_isolated(host: Path) -> None:
    (host / "pyproject.toml").write_text("[tool.ds.scripts]\n_.env.COSMO_ARGS = '-m hi ...'\n")
    assert vendor(host, "--settings").returncode == 0
    new = tomllib.loads((host / "pyproject.toml").read_text())
    assert new["tool"]["cosmo"]["env"] == {}


def test_the_settings_it_adds_are_in_force(host: Path) -> None:
    (host / "pyproject.toml").write_text(PYPROJECT)
    vendor(host, "--settings")
    rows = json.loads(theirs(host, "cosmo.settings", "--json").stdout)
    found = {row["name"]: (row["value"], row["source"]) for row in rows}
    assert found["COSMO_ISOLATED"] == ("1", "[tool.cosmo.env]")
    assert found["PKG"][0] == "hello"


# As a library, and a copied front door


def test_as_a_library_it_is_a_collection_among_others(host: Path) -> None:
    text = HOSTS.replace(
        "import Collection, task", "import Collection, task\nfrom recipes import cosmo"
    )
    (host / "tasks.py").write_text(f"{text}ns = Collection(cosmo, clean)\n")
    done = run([*INVOKE, "--list"], environment(host.parent, PYTHONPATH=str(ROOT)), host)
    assert "cosmo.clean" in done.stdout
    assert "  clean " in done.stdout


def test_a_copied_front_door_without_the_recipes_says_what_to_do(host: Path) -> None:
    shutil.copy(ROOT / "tasks.py", host)
    code = (
        "import sys, invoke.program; sys.modules['recipes'] = None; invoke.program.Program().run()"
    )
    done = run([sys.executable, "-c", code], environment(host.parent), host)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "pip install" in done.stderr
    assert "invoke vendor" in done.stderr


def test_the_recipes_claim_no_configuration(project: Project) -> None:
    project.write("conf.py", "")
    code = "import tasks; print(tasks.ns.configuration())"
    done = run([sys.executable, "-c", code], project.environment(), project.path)
    assert done.stdout == "{}\n", done.stderr
