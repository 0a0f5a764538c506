"""Where a setting is looked for, what its value stands for, and which values are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from projects import PYPROJECT, ROOT, Project
from recipes.project import Project as Packaged
from recipes.project import load_project
from recipes.pyproject import locate_project
from recipes.settings import SETTINGS, Table
from recipes.shell import RecipeError

ARTICLE = '[tool.ds.scripts]\n_.env.PKG = "from_ds"\n'
OURS = '[tool.cosmo.env]\nPKG = "from_ours"\n'
STANDARD = '[project]\nname = "from-project"\n'


def read(here: Path, **environ: str) -> Packaged:
    """The project that `here` is in, with these in the environment."""
    given = Table("environment", environ)
    return Packaged(locate_project(here, given), given)


def found(here: Path, text: str, **environ: str) -> dict[str, tuple[str | None, str]]:
    """Each setting's value and source where `text` is the `pyproject.toml`."""
    (here / "pyproject.toml").write_text(text, encoding="utf-8")
    project = read(here, **environ)
    values = {setting.name: project.value(setting.name) for setting in SETTINGS.values()}
    return {name: (value.text, value.source) for name, value in values.items()}


@pytest.mark.parametrize(
    ("environ", "text", "value"),
    [
        ({"PKG": "from_env"}, ARTICLE + OURS + STANDARD, ("from_env", "environment")),
        ({}, ARTICLE + OURS + STANDARD, ("from_ours", "[tool.cosmo.env]")),
        ({}, ARTICLE + STANDARD, ("from_ds", "[tool.ds.scripts] _.env")),
        ({}, STANDARD, ("from_project", "[project] name")),
        ({}, "", (None, "not set")),
    ],
)
def test_the_nearest_source_counts(
    tmp_path: Path, environ: dict[str, str], text: str, value: tuple[str, str]
) -> None:
    assert found(tmp_path, text, **environ)["PKG"] == value


def test_the_articles_table_is_read_as_it_stands(tmp_path: Path) -> None:
    text = """
        [tool.ds.scripts]
        _.env.PKG = "ds"
        _.env.DIR_SITE = "dist/cosmo/Lib/site-packages"
        cosmo-clean = "rm -rf $DIR_SITE || true"
        cosmo-fetch.cwd = "dist/cosmo"
        cosmo = ["cosmo-*"]
    """
    values = found(tmp_path, text)
    assert values["PKG"] == ("ds", "[tool.ds.scripts] _.env")
    assert values["DIR_SITE"] == ("dist/cosmo/Lib/site-packages", "[tool.ds.scripts] _.env")
    assert values["COSMO_URL"] == ("https://cosmo.zip/pub/cosmos/bin/python", "default")


def test_a_name_in_a_value_stands_for_another_setting(tmp_path: Path) -> None:
    text = """
        [tool.cosmo.env]
        PKG = "app"
        OUT = "build/$PKG"
        DIR_SITE = "${OUT}/Lib/site-packages"
        COSMO_ISOLATED = true
        COSMO_PRUNE = "a$ $1 $HOME $$PKG"
    """
    values = found(tmp_path, text, HOME="/home/x")
    assert values["DIR_SITE"][0] == "build/app/Lib/site-packages"
    assert values["COSMO_ISOLATED"][0] == "1"
    assert values["COSMO_PRUNE"][0] == "a$ $1 /home/x $PKG"


@pytest.mark.parametrize(
    ("value", "wrong"),
    [("$NOWHERE", r"\$NOWHERE is not set"), ("$DIR_SITE", r"\$DIR_SITE leads back to itself")],
)
def test_a_name_that_stands_for_nothing_is_refused(tmp_path: Path, value: str, wrong: str) -> None:
    with pytest.raises(RecipeError, match=wrong):
        found(tmp_path, f'[tool.cosmo.env]\nDIR_SITE = "{value}"')


def test_the_project_is_the_nearest_folder_with_a_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(OURS)
    below = tmp_path / "src/deep"
    below.mkdir(parents=True)
    project = read(below)
    assert (project.root, project.pkg) == (tmp_path, "from_ours")


def test_a_pyproject_may_send_on_to_the_project(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/pyproject.toml").write_text(ARTICLE)
    (tmp_path / "pyproject.toml").write_text('[tool.cosmo.env]\nCOSMO_PROJECT = "inner"')
    project = read(tmp_path)
    assert (project.root, project.pkg) == (tmp_path / "inner", "from_ds")
    assert project.location.source == "[tool.cosmo.env]"


def test_a_setting_beside_the_one_that_sends_on_is_not_lost_unseen(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    text = '[tool.cosmo.env]\nCOSMO_PROJECT = "inner"\nCOSMO_ISOLATED = 1\n'
    with pytest.raises(RecipeError, match="COSMO_ISOLATED beside COSMO_PROJECT is not read"):
        found(tmp_path, text)


def test_a_projects_name_may_stand_for_another(tmp_path: Path) -> None:
    (tmp_path / "a/inner").mkdir(parents=True)
    text = '[tool.cosmo.env]\nCOSMO_PROJECT = "$WHERE/inner"\nWHERE = "a"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    assert read(tmp_path).root == tmp_path / "a/inner"


def test_the_environment_names_a_project_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/pyproject.toml").write_text(ARTICLE)
    project = read(tmp_path, COSMO_PROJECT="inner")
    assert (project.root, project.pkg) == (tmp_path / "inner", "from_ds")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[tool.cosmo\n", "pyproject.toml is not valid TOML: .*line 1"),
        ("\nPKG =", "pyproject.toml is not valid TOML: .*line 2, the end"),
        ("[tool.cosmo.env]\nPKG = ['a']\n", "tool.cosmo.env.PKG is an array, and must be a string"),
        ("tool.cosmo.env = 'PKG'", "tool.cosmo.env is a string, and must be a table"),
        ("[tool.cosmo]\nPKG = 'a'", "tool.cosmo.PKG is not read; write it under \\[tool.cosmo.env"),
        ("[tool.cosmo.env]\nCOSMO_ISOLATE = 1", "COSMO_ISOLATE is no setting"),
        ("[tool.ds]\nscripts = 1", "tool.ds.scripts is an? int.*, and must be a table"),
    ],
)
def test_a_pyproject_that_cannot_be_read_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(RecipeError, match=wrong):
        found(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        '[tool.cosmo.env]\nDIR_SITE = "a\\u0000b"\n',
        f"[tool.cosmo.env]\nPKG = '{'a' * 300}'\n",
        f"[tool.cosmo.env]\nPKG = 0x{'f' * 9000}\n",
        f"a = {'[' * 100_000}",
        "[tool.cosmo.env]\nA0 = 'aa'\nPKG = '$A40'\n"
        + "".join(f"A{n + 1} = '$A{n}$A{n}'\n" for n in range(40)),
        "[tool.cosmo.env]\nPKG = 'hello'\nCOSMO_URL = '~nobody-of-that-name/python'\n",
    ],
    ids=["nul", "long", "number", "deep", "doubling", "home"],
)
def test_what_cannot_be_a_value_is_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    project.write("pyproject.toml", text)
    monkeypatch.chdir(project.path)
    with pytest.raises(RecipeError):
        load_project().check()


def test_the_articles_table_may_hold_what_is_no_setting(tmp_path: Path) -> None:
    lines = ("PKG = 'ds'", "X = 1.5", "Y = ['a']", "COSMO_HOME = ''")
    text = "[tool.ds.scripts]\n" + "".join(f"_.env.{line}\n" for line in lines)
    assert found(tmp_path, text)["PKG"][0] == "ds"


def test_a_pyproject_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match=re.escape(str(tmp_path / "pyproject.toml"))):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("PKG", value) for value in ("", "a;b", "../x", "-x", "a b", "a..b", ".a", "1a", "a\nb")),
        *(("PKG", value) for value in ("python", "Lib", "zip", "download.x", "nowhere", "plain")),
        ("DIR_SITE", ""),
        ("DIR_SITE", "/"),
        ("DIR_SITE", "/tmp/Lib/site-packages"),  # noqa: S108 - a value, not a place
        ("DIR_SITE", "../Lib/site-packages"),
        ("DIR_SITE", "dist/../../x/Lib/site-packages"),
        ("DIR_SITE", "inner/../dist/Lib/site-packages"),
        ("DIR_SITE", "Lib/site-packages"),
        ("DIR_SITE", "./Lib/site-packages"),
        ("DIR_SITE", "dist/cosmo/site-packages"),
        ("DIR_SITE", "dist/cosmo"),
        ("DIR_SITE", "src/hello/Lib/site-packages"),
        ("DIR_SITE", "link/Lib/site-packages"),
        ("DIR_SITE", "sources/x/Lib/site-packages"),
        ("DIR_SITE", "outside/Lib/site-packages"),
        ("COSMO_URL", ""),
        ("COSMO_URL", "ftp://host/python"),
        ("COSMO_URL", "http:///python"),
        ("COSMO_URL", "nowhere"),
        ("COSMO_URL", "src"),
        ("COSMO_URL", "http://host/a b"),
        ("COSMO_URL", "http://[/python"),
        ("COSMO_URL", "file://host/python"),
        ("COSMO_ZIP_URL", "gopher://host/zip"),
        ("COSMO_PRUNE", "-TT 'rm -rf ~'"),
        ("COSMO_PRUNE", "@list"),
        ("COSMO_PRUNE", "''"),
        ("COSMO_PRUNE", "'"),
        ("COSMO_ISOLATED", "maybe"),
        ("COSMO_ARGS", ""),
        ("COSMO_ARGS", "-m 'a\nb' ..."),
        ("COSMO_ARGS", "-c '' ..."),
        ("COSMO_ARGS", r"-c 'print(1)\nprint(2)'"),
        ("COSMO_ARGS", "-c 'x"),
        ("COSMO_PROJECT", "nowhere"),
        ("COSMO_PROJECT", ""),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    project.write("src/plain/__init__.py", "")
    (project.path / "link").symlink_to("/")
    (project.path / "sources").symlink_to("src")
    (project.path / "outside").mkdir()
    (project.path / "outside/Lib").symlink_to("/")
    monkeypatch.chdir(project.path)
    monkeypatch.setenv(name, value)
    with pytest.raises(RecipeError) as stopped:
        load_project().check()
    assert stopped.value.code == 1
    assert stopped.value.message
    assert stopped.value.message.startswith(f"cosmo: {name}")
    assert "\n" not in stopped.value.message


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        ({}, ("-m", "hello", "...")),
        ({"COSMO_ISOLATED": "1"}, ("-I", "-m", "hello", "...")),
        ({"COSMO_ARGS": "-m\nhello\n'two words'\n..."}, ("-m", "hello", "two words", "...")),
        ({"COSMO_ARGS": "-I -c 'print(1)'", "COSMO_ISOLATED": "1"}, ("-I", "-c", "print(1)")),
    ],
)
def test_the_lines_of_args_are_those_of_the_settings(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    lines: tuple[str, ...],
) -> None:
    monkeypatch.chdir(project.path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert load_project().executables[0].args == lines


def test_paths_are_relative_to_the_current_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("python", "")
    project.write("pyproject.toml", PYPROJECT + '_.env.COSMO_URL = "x/python"\n')
    project.write("x/python", "")
    monkeypatch.chdir(project.path / "src")
    packaged = load_project()
    assert packaged.get("COSMO_URL") == ("../x/python",)
    assert packaged.site == "../dist/cosmo/Lib/site-packages"
    assert packaged.source == Path("hello")


def test_a_path_in_the_environment_begins_where_the_command_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project.write("x/a b", "")
    monkeypatch.chdir(project.path / "x")
    monkeypatch.setenv("HOME", str(project.path / "x"))
    for given, url in (
        ("a b", "a b"),
        ("../x/a b", "../x/a b"),
        (str(file), str(file)),
        (file.as_uri(), str(file)),
        ("~/a b", str(file)),
    ):
        monkeypatch.setenv("COSMO_URL", given)
        assert load_project().get("COSMO_URL") == (url,)


@pytest.mark.parametrize(
    ("args", "isolated"),
    [
        ("-I -m hello ...", True),
        ("-B -I -m hello ...", True),
        ("-BI -m hello ...", True),
        ("-Im hello ...", True),
        ("-m hello ...", False),
        ("-m hello -I ...", False),
        ("-mhello -I ...", False),
        ("-WI -m hello ...", False),
        ("hello.py -I ...", False),
    ],
)
def test_isolation_is_not_lost_unseen(
    project: Project, monkeypatch: pytest.MonkeyPatch, args: str, isolated: bool
) -> None:
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("COSMO_ISOLATED", "1")
    monkeypatch.setenv("COSMO_ARGS", args)
    if isolated:
        assert load_project().executables[0].args == tuple(args.split())
    else:
        with pytest.raises(RecipeError, match="begin it with -I"):
            load_project().check()


def test_settings_are_printed_with_their_sources(project: Project) -> None:
    done = project.invoke("cosmo.settings", COSMO_ISOLATED="1")
    assert re.search(r"^PKG +hello +\[tool.ds.scripts\] _.env$", done.stdout, re.MULTILINE)
    assert re.search(r"^COSMO_ISOLATED +1 +environment$", done.stdout, re.MULTILINE)
    rows = json.loads(project.invoke("cosmo.settings", "--json").stdout)
    assert [row["name"] for row in rows] == list(SETTINGS)
    assert rows[0] == {"name": "PKG", "value": "hello", "source": "[tool.ds.scripts] _.env"}


def test_the_readme_tells_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for setting in SETTINGS.values():
        default = "" if setting.default is None else f"`{setting.default}`"
        assert f"| `{setting.name}` | {default} | {setting.meaning} |" in readme
