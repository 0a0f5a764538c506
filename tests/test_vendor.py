"""`invoke vendor`: the recipes as one file in a stranger's repository."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from projects import INVOKE, PYPROJECT, ROOT, Done, Project, environment, run
from recipes import __version__
from recipes.vendor import ALL, OPTIONAL, vendored

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


def attempt(host: Path, *words: str, **env: str) -> Done:
    """Run `invoke vendor` in this repository for the one at `host`."""
    words = words if "vendor" in words else ("vendor", str(host), *words)
    return run([*INVOKE, *words], environment(host.parent, PYTHONPATH=str(ROOT), **env), ROOT)


def vendor(host: Path, *words: str, **env: str) -> str:
    """Run `invoke vendor`, which must succeed; what it prints."""
    done = attempt(host, *words, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(host: Path, *words: str) -> str:
    """The one line on standard error; nothing in the repository may have changed."""
    before = {path: path.read_bytes() for path in host.rglob("*") if path.is_file()}
    done = attempt(host, *words)
    assert done.returncode == 1, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert {path: path.read_bytes() for path in host.rglob("*") if path.is_file()} == before
    return done.stderr


def theirs(host: Path, *words: str) -> Done:
    """Run `invoke` in the repository at `host`, where the recipes cannot be imported."""
    none = host.parent / "none"
    none.mkdir(exist_ok=True)
    (none / "recipes.py").write_text("raise SystemExit('the recipes were imported')\n")
    return run([*INVOKE, *words], environment(host.parent, PYTHONPATH=str(none)), host)


def join(host: Path, file: str = "tasks.py") -> None:
    """Vendor, and add to the host's tasks the lines that this prints."""
    lines = vendor(host)
    with (host / file).open("a") as own:
        own.write(lines)


# What is written


def test_it_is_the_same_text_wherever_and_whenever_it_is_written(host: Path) -> None:
    vendor(host, PYTHONHASHSEED="1", TZ="Asia/Tokyo")
    first = (host / "tasks.py").read_bytes()
    (host / "tasks.py").unlink()
    vendor(host, PYTHONHASHSEED="2", LC_ALL="C")
    assert (host / "tasks.py").read_bytes() == first
    assert [path.name for path in host.iterdir()] == ["tasks.py"]


def test_its_head_says_its_version_its_digest_and_what_it_needs() -> None:
    lines = vendored("tasks.py").splitlines(keepends=True)
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    (at,) = (at for at, line in enumerate(lines) if line.startswith("# sha256 of all other lines"))
    rest = "".join(lines[:at] + lines[at + 1 :])
    assert lines[at].split()[-1] == hashlib.sha256(rest.encode()).hexdigest()
    block = re.search(r"(?ms)^# /// script\n(.*?)^# ///\n", "".join(lines[:at]))
    assert block
    needs = tomllib.loads(re.sub("(?m)^# ", "", block[1]))
    needed = project["dependencies"] + project["optional-dependencies"]["uv"]
    assert needs["dependencies"] == [line.replace('"', "'") for line in needed]
    assert needs["requires-python"] == project["requires-python"]


@pytest.mark.parametrize("others", [(), ("release",), tuple(OPTIONAL)])
def test_it_has_the_recipes_own_code_with_every_comment(others: tuple[str, ...]) -> None:
    text = vendored("tasks.py", others)
    held = {name for other in others for name in OPTIONAL[other]}
    left_out = {name for names in OPTIONAL.values() for name in names} - held
    for path in sorted((ROOT / "recipes").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        head, *rest = ast.parse(source).body
        imports = (ast.Import, ast.ImportFrom)
        above = [node for node in rest[:-1] if isinstance(node, (*imports, ast.If))]
        lines = source.splitlines()[max(node.end_lineno or 0 for node in [head, *above]) :]
        code = "\n".join(lines).strip().replace(ALL, f"Collection({', '.join(('cosmo', *others))})")
        assert (code in text) != (path.stem in {"vendor", *left_out} and bool(lines)), path


def test_no_two_of_its_modules_bind_the_same_name_and_none_imports_ours() -> None:
    names = []
    tree = ast.parse(vendored("tasks.py", list(OPTIONAL)))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    for inner in ast.walk(tree):
        if isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, ast.unparse(inner)
            assert not (inner.module or "").startswith("recipes")


def test_type_checkers_and_linters_pass_it_also_without_its_pragmas(host: Path) -> None:
    env = environment(host.parent, MYPY_CACHE_DIR=str(host / "cache"))
    (host / "tasks.py").write_text(vendored("tasks.py"), encoding="utf-8")
    (host / "bare.py").write_text(
        PRAGMA.sub("", vendored("tasks.py", list(OPTIONAL))), encoding="utf-8"
    )
    ours = f"--config={ROOT / 'pyproject.toml'} --no-cache"
    elsewhere = "lint.extend-ignore=['PTH','N815','D102','S603','E402','A001']"
    for line in (
        "mypy --strict tasks.py",
        "mypy --strict bare.py",
        f"ruff check {ours} --config={elsewhere} bare.py",
        f"ruff format --diff {ours} bare.py",
        "ruff check --isolated --select=ALL --ignore=PGH004 tasks.py",
        "ruff format --check --isolated tasks.py",
    ):
        done = run([sys.executable, "-m", *line.split()], env, host)
        assert done.returncode == 0, done.stdout


def test_the_sample_projects_copy_is_current() -> None:
    copy = (ROOT / "sample_project/tasks.py").read_text(encoding="utf-8")
    assert copy == vendored("tasks.py"), "run `invoke vendor sample_project`"


# Where it is put, and what is left alone


def test_a_repositorys_own_tasks_stay_and_two_lines_join_them(host: Path) -> None:
    (host / "tasks.py").write_text(WITH_NS)
    lines = "from cosmo_recipes import with_recipes\nns = with_recipes(__name__)\n"
    assert vendor(host) == lines
    assert (host / "tasks.py").read_text() == WITH_NS


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
    (host / "invoke.yaml").write_text("docs: {target: asked}\nrun: {echo: true}\n")
    show = "@task\ndef show(c):\n    import json; print(json.dumps(c.config._config, default=str))"
    text = text.replace("@task", f"{show}\n\n\n@task").replace("(clean)", "(clean, show)")
    (host / file).write_text(text)

    def behaviour() -> list[str]:
        return [theirs(host, *words).stdout for words in (["clean", "show"], ["--help", "clean"])]

    before = behaviour()
    assert before[0].startswith("theirs asked True\n{"), before
    join(host, file)
    assert (host / file).with_name("cosmo_recipes.py").exists()
    assert behaviour() == before
    assert theirs(host, "--dry", "cosmo").returncode == 1  # no PKG, but the task is present
    assert "PKG" in theirs(host, "cosmo").stderr
    assert vendor(host) == ""  # it is joined already


def test_a_task_called_cosmo_stays(host: Path) -> None:
    text = HOSTS.replace("clean", "cosmo").replace("docs.target", "run.dry")
    (host / "tasks.py").write_text(text)
    join(host)
    assert theirs(host, "cosmo").stdout == "theirs False False\n"
    assert "PKG" in theirs(host, "cosmo-recipes.setup").stderr


def test_it_needs_no_posix_system_and_names_what_else_it_needs_in_one_line(host: Path) -> None:
    vendor(host)
    no_posix = "import invoke, tqdm, sys; sys.modules.update(posix=None, pwd=None, fcntl=None)"
    done = run([sys.executable, "-c", f"{no_posix}; import tasks"], environment(host), host)
    assert done.returncode == 0, done.stderr
    code = "import sys; sys.modules['tqdm'] = None; import tasks"
    done = run([sys.executable, "-c", code], environment(host), host)
    assert done.returncode == 1
    assert done.stderr.endswith("tasks.py needs tqdm, which is not installed; pip install tqdm\n")
    assert len(done.stderr.splitlines()) == 1


def older(text: str, version: str = "0.0.9") -> str:
    """The file as an older version would have written it."""
    text = text.replace(f"# cosmo-recipes {__version__}", f"# cosmo-recipes {version}")
    text = text.replace("--waitretry=1", "")
    rest = re.sub(r"(?m)^# sha256 of all other lines: .*\n", "", text)
    digest = hashlib.sha256(rest.encode()).hexdigest()
    return re.sub(r"(?m)^(# sha256 of all other lines: ).*", rf"\g<1>{digest}", text)


def edited(text: str) -> str:
    """The file after a person has changed a line of it."""
    return text.replace("--waitretry=1", "--waitretry=5")


def test_a_copy_is_renewed_but_not_one_that_was_edited_or_is_newer(host: Path) -> None:
    file = host / "tasks.py"
    current = vendored("tasks.py")
    for version in ("0.0.9", f"{__version__}rc1"):  # a release is newer than its candidate
        file.write_text(older(current, version))
        vendor(host)
        assert file.read_text() == current
    for text, wrong in (edited(current), "was edited"), (older(current, "9.9.9"), "use newer rec"):
        file.write_text(text)
        assert wrong in refused(host)
        vendor(host, "--force")
        assert file.read_text() == current
    file.chmod(0o755)
    file.write_text(older(current))
    vendor(host)
    assert file.stat().st_mode & 0o777 == 0o755


def test_a_file_called_like_ours_stays_without_force(host: Path) -> None:
    (host / "tasks.py").write_text(WITH_NS)
    (host / "cosmo_recipes.py").write_text("mine = True\n")
    assert "was not written by vendor" in refused(host)
    vendor(host, "--force")
    assert (host / "tasks.py").read_text() == WITH_NS
    assert "mine = True" not in (host / "cosmo_recipes.py").read_text()


def test_what_a_link_leads_to_stays(host: Path) -> None:
    shared = host.parent / "shared.py"
    shared.write_text(older(vendored("tasks.py")))
    (host / "tasks.py").symlink_to(shared)
    assert "is a symbolic link" in refused(host)
    assert "is a symbolic link" in refused(host, "--force")


def test_neither_a_dry_run_nor_one_for_no_folder_writes_anything(host: Path) -> None:
    vendor(host, "--dry", "vendor", str(host), "--settings")
    assert "no such folder" in refused(host, "vendor", str(host / "none"))
    assert list(host.iterdir()) == []


def test_other_collections_are_written_on_request_and_stay_until_they_are_left_out(
    host: Path,
) -> None:
    vendor(host)
    bare = (host / "tasks.py").read_bytes()
    assert "bundle" not in theirs(host, "--list").stdout
    assert "name some of bundle, doctor, release, or none" in refused(host, "--with=bundel")
    vendor(host, "--with", "release,bundle")
    mark = f"\n# cosmo-recipes {__version__} with bundle,release\n"
    assert mark in (host / "tasks.py").read_text()
    listed = theirs(host, "--list").stdout
    assert "bundle.ls" in listed
    assert "doctor" not in listed
    vendor(host, "--check")
    vendor(host)
    assert theirs(host, "--list").stdout == listed
    vendor(host, "--with=none")
    assert (host / "tasks.py").read_bytes() == bare


def test_check_names_a_copy_that_is_missing_old_or_edited(host: Path) -> None:
    file, current = host / "tasks.py", vendored("tasks.py")
    assert "does not exist" in refused(host, "--check")
    for text, wrong in (
        (older(current), f"is cosmo-recipes 0.0.9, and this is {__version__}"),
        (older(current, __version__), f"cosmo-recipes {__version__}, of other sources"),
        (older(current, "9.9.9"), "use newer recipes"),
        (edited(current), "was edited by hand"),
    ):
        file.write_text(text)
        assert wrong in refused(host, "--check")
    changed = [line for line in attempt(host, "--check").stdout.splitlines() if line[0] in "+-"]
    assert len(changed) == 4
    assert "--waitretry=1" in changed[2]
    assert "--waitretry=5" in changed[3]
    for ending in ("\n", "\r\n"):
        file.write_bytes(current.replace("\n", ending).encode())
        vendor(host, "--check")


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
    done = attempt(host, "--check", "--settings")
    assert done.returncode == 1
    assert "has no [tool.cosmo.env]" in done.stderr.splitlines()[-1]
    vendor(host, "--settings")
    new = file.read_bytes().decode()
    assert new.startswith(text)
    assert tomllib.loads(new)["tool"]["cosmo"]["env"] == {"COSMO_ISOLATED": "1"}
    assert ("\r\n" in text) == ("\r\n" in new)
    assert new.count("\r\n") in (0, new.count("\n"))
    vendor(host, "--settings")
    vendor(host, "--check", "--settings")
    assert file.read_bytes().decode() == new


@pytest.mark.parametrize(
    ("text", "wrong"), [("tool = {cosmo = {}}\n", "inline table"), ("[tool\n", "not valid TOML")]
)
def test_settings_leaves_a_file_that_cannot_take_them(host: Path, text: str, wrong: str) -> None:
    (host / "pyproject.toml").write_text(text)
    assert wrong in refused(host, "--settings")
    assert not (host / "tasks.py").exists()


def test_settings_are_in_force_but_leave_isolation_to_a_projects_own_args(host: Path) -> None:
    file = host / "pyproject.toml"
    file.write_text(PYPROJECT)
    vendor(host, "--settings")
    rows = json.loads(theirs(host, "cosmo.settings", "--json").stdout)
    values = {row["name"]: (row["value"], row["source"]) for row in rows}
    assert values["COSMO_ISOLATED"] == ("1", "[tool.cosmo.env]")
    assert values["PKG"][0] == "hello"
    file.write_text("[tool.ds.scripts]\n_.env.COSMO_ARGS = '-m hi ...'\n")
    vendor(host, "--settings")
    assert tomllib.loads(file.read_text())["tool"]["cosmo"]["env"] == {}


# As a library, and a copied front door


def test_as_a_library_it_is_a_collection_among_others(host: Path) -> None:
    text = HOSTS.replace(", task\n", ", task\nfrom recipes import cosmo\n")
    (host / "tasks.py").write_text(f"{text}ns = Collection(cosmo, clean)\n")
    done = run([*INVOKE, "--list"], environment(host.parent, PYTHONPATH=str(ROOT)), host)
    assert "cosmo.clean" in done.stdout
    assert "  clean " in done.stdout


def test_a_copied_front_door_without_the_recipes_says_what_to_do(host: Path) -> None:
    shutil.copy(ROOT / "tasks.py", host)
    code = "import sys; sys.modules['recipes'] = None; from invoke.program import Program; "
    code += "Program().run()"
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
