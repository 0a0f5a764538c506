"""Where a setting is looked for, what its value stands for, and which values are refused."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from projects import INVOKE, PYPROJECT, ROOT, Project, run
from recipes.project import Project as Packaged
from recipes.project import load_project
from recipes.pyproject import locate_project
from recipes.settings import SETTINGS, Table
from recipes.shell import RecipeError

ARTICLE = '[tool.ds.scripts]\n_.env.PKG = "from_ds"\n'
OURS = '[tool.cosmo.env]\nPKG = "from_ours"\n'
RELEASES = "https://cosmo.zip/pub/cosmos/v/"
BESIDE = '[tool.cosmo.env]\nCOSMO_PROJECT = "."\nCOSMO_ISOLATED = 1\n'
STANDARD = '[project]\nname = "from-project"\n'

Setenv = Callable[[str, str], None]


def read(here: Path, **environ: str) -> Packaged:
    """The project that `here` is in, with these in the environment."""
    given = Table("environment", environ)
    return Packaged(locate_project(here, given), given)


def values_of(here: Path, text: str, **environ: str) -> dict[str, tuple[str | None, str]]:
    """Each setting's value and source where `text` is the `pyproject.toml`."""
    (here / "pyproject.toml").write_text(text, "utf-8", "surrogateescape")
    project = read(here, **environ)
    values = {setting.name: project.value(setting.name) for setting in SETTINGS.values()}
    return {name: (value.text, value.source) for name, value in values.items()}


@pytest.fixture
def setenv(project: Project, monkeypatch: pytest.MonkeyPatch) -> Setenv:
    """Sets a variable in the environment of this process, which goes to the project's folder."""
    monkeypatch.chdir(project.path)
    return monkeypatch.setenv


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
    assert values_of(tmp_path, text, **environ)["PKG"] == value


def test_the_articles_table_is_read_as_it_stands(tmp_path: Path) -> None:
    text = """
        [tool.ds.scripts]
        _.env.PKG = "ds"
        _.env.DIR_SITE = "dist/cosmo/Lib/site-packages"
        _.env.X = 1.5
        _.env.Y = ['a']
        _.env.COSMO_HOME = ''
        cosmo-clean = "rm -rf $DIR_SITE || true"
        cosmo-fetch.cwd = "dist/cosmo"
        cosmo = ["cosmo-*"]
    """
    values = values_of(tmp_path, text)
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
    values = values_of(tmp_path, text, HOME="/home/x")
    assert values["DIR_SITE"][0] == "build/app/Lib/site-packages"
    assert values["COSMO_ISOLATED"][0] == "1"
    assert values["COSMO_PRUNE"][0] == "a$ $1 /home/x $PKG"


@pytest.mark.parametrize(
    ("text", "environ", "url"),
    [
        ("COSMO_VERSION = '4.0.2'", {}, f"{RELEASES}4.0.2/bin/python"),
        ("COSMO_VERSION = '4.0.2'", {"COSMO_VERSION": "3.9.2"}, f"{RELEASES}3.9.2/bin/python"),
        ("COSMO_VERSION = '4.0.2'", {"COSMO_URL": "https://x/y"}, "https://x/y"),
        ("COSMO_URL = 'https://x/y'", {"COSMO_VERSION": "4.0.2"}, f"{RELEASES}4.0.2/bin/python"),
    ],
)
def test_a_release_of_the_site_is_an_address_unless_one_is_set_nearer(
    tmp_path: Path, text: str, environ: dict[str, str], url: str
) -> None:
    values = values_of(tmp_path, f"[tool.cosmo.env]\nPKG = 'a'\n{text}", **environ)
    assert values["COSMO_URL"][0] == url
    if "https://x" not in url:
        assert values["COSMO_ZIP_URL"] == (url.replace("python", "zip"), "COSMO_VERSION")


@pytest.mark.parametrize(
    ("text", "below", "environ", "source"),
    [
        ("", "inner/src/deep", {}, ""),
        ('[tool.cosmo.env]\nCOSMO_PROJECT = "inner"', "", {}, "[tool.cosmo.env]"),
        ('[tool.cosmo.env]\nCOSMO_PROJECT = "$IN"\nIN = "inner"', "", {}, "[tool.cosmo.env]"),
        ("", "", {"COSMO_PROJECT": "inner"}, "environment"),
    ],
    ids=["nearest", "sent on", "sent on by a name", "from anywhere"],
)
def test_the_project_is_the_nearest_folder_with_a_pyproject_or_where_one_sends_on_to(
    tmp_path: Path, text: str, below: str, environ: dict[str, str], source: str
) -> None:
    (tmp_path / "inner/src/deep").mkdir(parents=True)
    (tmp_path / "inner/pyproject.toml").write_text(ARTICLE)
    (tmp_path / "pyproject.toml").write_text(text)
    project = read(tmp_path / below, **environ)
    assert (project.root, project.pkg) == (tmp_path / "inner", "from_ds")
    assert project.location.source == source or not source


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[tool.cosmo\n", "pyproject.toml is not valid TOML: .*line 1"),
        ("\udcff\udcfe", "/pyproject.toml"),
        ("\nPKG =", "pyproject.toml is not valid TOML: .*line 2, the end"),
        ("[tool.cosmo.env]\nPKG = ['a']\n", "tool.cosmo.env.PKG is an array, and must be a string"),
        ("tool.cosmo.env = 'PKG'", "tool.cosmo.env is a string, and must be a table"),
        ("[tool.cosmo]\nPKG = 'a'", "tool.cosmo.PKG is not read; write it under \\[tool.cosmo.env"),
        ("[tool.cosmo.env]\nCOSMO_ISOLATE = 1", "is no setting; did you mean COSMO_ISOLATED?"),
        ("[tool.cosmo.env]\nENTRY = 'a'", "ENTRY .* is no setting; did you mean COSMO_ENTRY?"),
        ("[tool.cosmo.env]\npkg = 'a'", "pkg .* is no setting; did you mean PKG?"),
        ("[tool.cosmo.env]\nCOLOUR = 'red'", r"COLOUR .* is no setting; `invoke cosmo.settings"),
        (
            "[tool.ds.scripts]\n_.env.COSMO_ISOLATD = 1",
            "COSMO_ISOLATD .* is no setting; did you mean COSMO_ISOLATED?",
        ),
        ("[tool.ds]\nscripts = 1", "tool.ds.scripts is an? int.*, and must be a table"),
        (
            "[tool.cosmo.env]\nCOSMO_VERSION = '4.0.2'\nCOSMO_URL = 'x'",
            r"COSMO_VERSION and COSMO_URL .* both name an interpreter; set one of them",
        ),
        ("[tool.cosmo.env]\nDIR_SITE = '$NOWHERE'", r"\$NOWHERE is not set"),
        ("[tool.cosmo.env]\nDIR_SITE = '$DIR_SITE'", r"\$DIR_SITE leads back to itself"),
        (BESIDE, "COSMO_ISOLATED beside COSMO_PROJECT is not read"),
    ],
)
def test_a_pyproject_that_cannot_be_read_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(RecipeError, match=wrong):
        values_of(tmp_path, text)


DOUBLING = "".join(f"A{number + 1} = '$A{number}$A{number}'\n" for number in range(40))


@pytest.mark.parametrize(
    "text",
    [
        'DIR_SITE = "a\\u0000b"',
        f"PKG = '{'a' * 300}'",
        f"PKG = 0x{'f' * 9000}",
        f"PKG = {'[' * 100_000}",
        f"A0 = 'aa'\nPKG = '$A40'\n{DOUBLING}",
        "PKG = 'hello'\nCOSMO_URL = '~nobody-of-that-name/python'",
    ],
    ids=["nul", "long", "number", "deep", "doubling", "home"],
)
def test_what_cannot_be_a_value_is_one_line(project: Project, setenv: Setenv, text: str) -> None:
    project.write("pyproject.toml", f"[tool.cosmo.env]\n{text}\n")
    with pytest.raises(RecipeError):
        load_project().check()


REFUSED = r"""
PKG              ∅  a;b  ../x  -x  a b  a..b  .a  1a  a␤b
PKG              python  Lib  zip  download.x  nowhere  plain
DIR_SITE         ∅  /  /tmp/Lib/site-packages  ../Lib/site-packages  Lib/site-packages
DIR_SITE         dist/../../x/Lib/site-packages  inner/../dist/Lib/site-packages
DIR_SITE         ./Lib/site-packages  dist/cosmo/site-packages  dist/cosmo
DIR_SITE         src/hello/Lib/site-packages  link/Lib/site-packages
DIR_SITE         sources/x/Lib/site-packages  outside/Lib/site-packages
COSMO_URL        ∅  ftp://host/python  http:///python  nowhere  src  http://host/a b
COSMO_URL        http://[/python  file://host/python
COSMO_ZIP_URL    gopher://host/zip
COSMO_PRUNE      -TT 'rm -rf ~'  @list  ''  '
COSMO_VERSION    ∅  4  v4.0.2  4.0.2/x  ../4.0
COSMO_ISOLATED   maybe
COSMO_ARGS       ∅  -m 'a␤b' ...  -c '' ...  -c 'print(1)\nprint(2)'  -c 'x
COSMO_PROJECT    nowhere  ∅
COSMO_SRC        nowhere  ..  /tmp  ∅  up
COSMO_EXCLUDE    /abs  ''  a[b]  'a\b'  'a␤b'  '
COSMO_KEEP       /abs  ''  a[b]  'a\b'  'a␤b'  '
COSMO_OPTIMIZE   3
COSMO_COMPRESS   -1  10  maybe  3␤
COSMO_SLIM       -x  ../x  os.path  0 csv  a;b
COSMO_SOURCE     maybe
COSMO_SMOKE      '
SOURCE_DATE_EPOCH  ∅  now  -5  1e9  1700000000; id  999999999999999999999999999999
COSMO_OUT        ∅  /x  ../x  dist/../../x  src  src/  .  pyproject.toml  up/x
COSMO_OUT        dist/cosmo/python  dist/cosmo/Lib/x  dist/cosmo/.args  dist/cosmo/x.zip
"""
"""Settings, and values that none of them can have; ∅ stands for no text, ␤ for a newline."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (row.split()[0], value.replace("∅", "").replace("␤", "\n"))
        for row in REFUSED.strip().splitlines()
        for value in re.split("  +", row)[1:]
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_it(
    project: Project, setenv: Setenv, name: str, value: str
) -> None:
    project.write("src/plain/__init__.py", "")
    (project.path / "outside").mkdir()
    for link, to in {"link": "/", "up": "..", "sources": "src", "outside/Lib": "/"}.items():
        (project.path / link).symlink_to(to)
    setenv(name, value)
    with pytest.raises(RecipeError) as stopped:
        load_project().check()
    assert stopped.value.code == 1
    assert stopped.value.message
    assert stopped.value.message.startswith(f"cosmo: {name}")
    assert "\n" not in stopped.value.message


@pytest.mark.parametrize(
    ("isolated", "args", "lines"),
    [
        ("0", "", "-m|hello|..."),
        ("1", "", "-I|-m|hello|..."),
        ("0", "-m\nhello\n'two words'\n...", "-m|hello|two words|..."),
        ("1", "-I -c 'print(1)'", "-I|-c|print(1)"),
        ("1", "-I -m hello ...", "-I|-m|hello|..."),
        ("1", "-B -I -m hello ...", "-B|-I|-m|hello|..."),
        ("1", "-BI -m hello ...", "-BI|-m|hello|..."),
        ("1", "-Im hello ...", "-Im|hello|..."),
        *(("1", args, "") for args in ("-m hello ...", "-m hello -I ...", "-mhello -I ...")),
        *(("1", args, "") for args in ("-WI -m hello ...", "hello.py -I ...")),
    ],
)
def test_the_lines_of_args_are_those_of_the_settings_and_isolation_is_not_lost_unseen(
    project: Project, setenv: Setenv, isolated: str, args: str, lines: str
) -> None:
    setenv("COSMO_ISOLATED", isolated)
    if args:
        setenv("COSMO_ARGS", args)
    if lines:
        assert load_project().executables[0].args == tuple(lines.split("|"))
    else:
        with pytest.raises(RecipeError, match="begin it with -I"):
            load_project().check()


def test_paths_are_relative_to_the_current_directory(project: Project, setenv: Setenv) -> None:
    project.write("python", "")
    project.write("pyproject.toml", PYPROJECT + '_.env.COSMO_URL = "x/python"\n')
    project.write("x/python", "")
    os.chdir("src")
    packaged = load_project()
    assert packaged.get("COSMO_URL") == ("../x/python",)
    assert packaged.site == "../dist/cosmo/Lib/site-packages"
    assert packaged.source == Path("hello")


def test_a_path_begins_where_the_command_runs(project: Project, setenv: Setenv) -> None:
    file = project.write("x/a b", "")
    os.chdir("x")
    setenv("HOME", str(project.path / "x"))
    urls = {"a b": "a b", "../x/a b": "../x/a b", str(file): str(file)}
    for value, url in {**urls, file.as_uri(): str(file), "~/a b": str(file)}.items():
        setenv("COSMO_URL", value)
        assert load_project().get("COSMO_URL") == (url,)


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


def test_a_reader_that_stops_early_is_no_error(project: Project) -> None:
    for words in ("cosmo.settings", "cosmo.settings --json", "cosmo.cache"):
        line = f"{shlex.join(INVOKE)} {words} | true"
        done = run(["sh", "-c", line], project.environment(PYTHONUNBUFFERED="1"), project.path)
        assert (done.stdout, done.stderr) == ("", "")


def test_settings_are_explained(project: Project) -> None:
    lines = project.invoke("cosmo.settings", "--explain").stdout.splitlines()
    assert "    1 takes what is in the user's cache and asks no server for anything" in lines
