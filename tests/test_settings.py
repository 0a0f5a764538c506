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
from recipes.project import Options, load_project
from recipes.project import Project as Loaded
from recipes.settings import STRUCK, TABLE
from recipes.shell import RecipeError

ARTICLE = "[tool.ds.scripts] _.env"
OURS = "[tool.cosmo.env]\n"
RELEASES = "https://cosmo.zip/pub/cosmos/v/"
Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the project in a folder with a few packages, with these variables alone set."""
    for name in ("hello", "from_env", "from_ours", "from_ds", "from_project"):
        (tmp_path / f"src/{name}").mkdir(parents=True)
        (tmp_path / f"src/{name}/__init__.py").write_text("")

    def load(text: str = PYPROJECT, cwd: str = "", script: str = "", **environ: str) -> Loaded:
        (tmp_path / "pyproject.toml").write_text(text, "utf-8", "surrogateescape")
        monkeypatch.chdir(tmp_path / cwd)
        monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path), **environ})
        return load_project(Options(script=script))

    return load


def test_the_nearest_source_counts(load: Load) -> None:
    text = f"[project]\nname = 'from-project'\n{PYPROJECT.replace('hello', 'from_ds')}"
    ours = f"{text}{OURS}PKG = 'from_ours'\n"
    for loaded, origin, module in (
        (load(ours, PKG="from_env"), "environment", "from_env"),
        (load(ours), "[tool.cosmo.env]", "from_ours"),
        (load(text), ARTICLE, "from_ds"),
        (load(text.partition("[tool")[0]), "not set", "from_project"),
    ):
        assert (loaded.settings.values["PKG"].origin, loaded.module) == (origin, module)
        assert loaded.settings.isolated == (origin == "not set")


def test_the_articles_table_is_read_as_it_stands(load: Load) -> None:
    text = f"{PYPROJECT}_.env.X = 1.5\n_.env.Y = ['a']\n_.env.COSMO_SOURCE = true\n"
    text += "cosmo-clean = 'rm -rf $DIR_SITE || true'\ncosmo = ['cosmo-*']\n"
    values = load(text).settings.values
    read = {name for name, value in values.items() if value.origin == ARTICLE}
    assert read == {"PKG", "DIR_SITE", "COSMO_ISOLATED", "COSMO_SOURCE"}
    assert values["COSMO_SOURCE"].text == "1"
    assert load(f"{text}{OURS}COSMO_ISOLATED = 1").settings.isolated


def test_a_name_in_a_value_stands_for_another_setting(load: Load) -> None:
    text = f"{OURS}PKG = 'hello'\nOUT = 'build/$PKG'\nDIR_SITE = '${{OUT}}/Lib/site-packages'\n"
    loaded = load(f"{text}COSMO_PRUNE = 'a$ $1 $NOTE $$PKG'", NOTE="note")
    assert loaded.site == "build/hello/Lib/site-packages"
    assert loaded.settings.prune == ("a$", "$1", "note", "$PKG")


def test_a_release_of_the_site_is_an_address_unless_one_is_set_nearer(load: Load) -> None:
    for text, environ, url in (
        ("COSMO_VERSION = '4.0.2'", {"COSMO_VERSION": "3.9.2"}, f"{RELEASES}3.9.2/bin/python"),
        ("COSMO_VERSION = '4.0.2'", {"COSMO_URL": "https://x/y"}, "https://x/y"),
        ("COSMO_URL = 'https://x/y'", {"COSMO_VERSION": "4.0.2"}, f"{RELEASES}4.0.2/bin/python"),
    ):
        settings = load(OURS + text, PKG="hello", **environ).settings
        assert [settings.url, settings.zip_url] == [url, f"{RELEASES}{settings.version}/bin/zip"]


def test_the_project_is_the_nearest_or_a_setting_names_it(load: Load, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / "src/hello/deep").mkdir(parents=True)
    (inner / "tool.py").write_text("# /// script\n# [tool.cosmo.env]\n# COSMO_SOURCE = 1\n# ///\n")
    (inner / "pyproject.toml").write_text(PYPROJECT)
    assert load(cwd="inner/src/hello/deep").root == inner
    for text in ("COSMO_PROJECT = 'inner'", "COSMO_PROJECT = '$IN'\nIN = 'inner'"):
        assert (load(OURS + text).root, load(OURS + text).settings.pkg) == (inner, "hello")
    assert load(COSMO_PROJECT="deep/../../..", cwd="inner/src/hello").root == inner
    tool = load(f"{OURS}COSMO_SCRIPT = 'inner/tool.py'", cwd="src")
    assert (tool.root, tool.script, tool.settings.source) == (inner, "tool.py", True)
    assert load(COSMO_SCRIPT="nowhere", script="../tool.py", cwd="inner/src").script == "tool.py"
    (inner / "pyproject.toml").write_text(f"{OURS}PKG = 'hello'\nCOSMO_PROJECT = '/'")
    assert load(f"{OURS}COSMO_PROJECT = 'inner'").root == inner


def test_a_folder_with_a_setup_or_tasks_is_a_project(load: Load, tmp_path: Path) -> None:
    load(PKG="hello")
    (tmp_path / "pyproject.toml").unlink()
    for name in ("setup.py", "setup.cfg", "tasks.py"):
        (tmp_path / name).write_text("")
        os.chdir(tmp_path / "src/hello")
        assert load_project().root == tmp_path
        os.chdir(tmp_path / "src")  # which PKG itself is in
        assert load_project().root == tmp_path / "src"
        (tmp_path / name).unlink()


DOUBLING = "".join(f"A{number + 1} = '$A{number}$A{number}'\n" for number in range(40))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("\udcff\udcfe", "/pyproject.toml is not valid TOML"),
        ("PKG =", "pyproject.toml is not valid TOML: .*line 2, the end"),
        (f"PKG = {'[' * 100_000}", "pyproject.toml is not valid TOML"),
        ("PKG = ['a']", r"pyproject.toml: \[tool.cosmo.env\] PKG must be a string"),
        ("[tool.cosmo]\nPKG = 'a'", r"tool.cosmo.PKG is not read; write it under \[tool.cosmo.env"),
        ("ISOLATED = 1", "ISOLATED .* is no setting; did you mean COSMO_ISOLATED?"),
        ("smoke = ''", "smoke .* is no setting; did you mean COSMO_SMOKE?"),
        ("WIDE = '9'", "WIDE .* is no setting; remove it"),
        (f"{PYPROJECT}_.env.COSMO_ISOLATD = 1", "is no setting; did you mean COSMO_ISOLATED?"),
        ("COSMO_VERSION = '4.0.2'\nCOSMO_URL = 'x'", "both name an interpreter; set one of"),
        ("COSMO_PRUNE = '$NOWHERE'", r"COSMO_PRUNE .*\$NOWHERE"),
        ("COSMO_PRUNE = '$COSMO_PRUNE'", r"COSMO_PRUNE .*\$COSMO_PRUNE.* itself"),
        (f"A0 = 'aa'\nCOSMO_PRUNE = '$A40'\n{DOUBLING}", r"COSMO_PRUNE .*\$A\d+"),
        ('DIR_SITE = "a\\u0000b"', "DIR_SITE"),
        (f"COSMO_PRUNE = 0x{'f' * 9000}", "digits"),
        ("[project]\ndependencies = 5", "dependencies must be a list of strings"),
        ("[project]\ndynamic = true", "dynamic must be a list of strings"),
        *((f"{name} = 1", f"{name} .*cosmo.env.* is no longer a setting: ") for name in STRUCK),
    ],
)
def test_a_pyproject_that_cannot_be_used_is_one_line(load: Load, text: str, wrong: str) -> None:
    with pytest.raises(RecipeError, match=wrong) as stopped:
        load(text if text[0] == "[" else OURS + text, PKG="hello")
    assert "\n" not in str(stopped.value.message)


REFUSED = r"""
PKG              ∅  a;b  ../x  -x  a b  a..b  .a  1a  a␤b  python  Lib  zip  download.x  nowhere
DIR_SITE         ∅  /  /tmp/Lib/site-packages  ../Lib/site-packages  Lib/site-packages  dist/cosmo
DIR_SITE         dist/../../x/Lib/site-packages  in/../dist/Lib/site-packages  dist/site-packages
DIR_SITE         src/hello/Lib/site-packages  link/Lib/site-packages  ./Lib/site-packages
DIR_SITE         sources/x/Lib/site-packages  outside/Lib/site-packages
COSMO_URL        ∅  ftp://host/python  http:///python  nowhere  src  http://host/a b
COSMO_URL        http://[/python  file://host/python  https://a/python https://b/python
COSMO_ZIP_URL    gopher://host/zip
COSMO_PRUNE      -TT 'rm -rf ~'  @list  ''  '
COSMO_VERSION    ∅  4  v4.0.2  4.0.2/x  ../4.0
COSMO_ISOLATED   maybe  2
COSMO_PROJECT    nowhere  ∅  src/hello/__init__.py
COSMO_SCRIPT     nowhere.py  ∅  src
COSMO_SRC        nowhere  ..  /tmp  up
COSMO_DEPS       ∅  nowhere.txt  src
COSMO_ENTRY      nowhere
COSMO_INCLUDE    /abs  ..  ../x  a/../../x  .  ''  '
COSMO_EXCLUDE    /abs  ''  a[b]  'a\b'  'a␤b'  '
COSMO_OPTIMIZE   3  ∅
COSMO_SMOKE      '
COSMO_SLIM       ∅  1
COSMO_ARGS       ∅  -m hello ...
SOURCE_DATE_EPOCH  ∅  now  -5  1e9  1700000000; id  999999999999999999999999999999
COSMO_OUT        ∅  /x  ../x  dist/../../x  src  src/  .  up/x
COSMO_OUT        dist/cosmo  dist
COSMO_OUT        dist/cosmo/python  dist/cosmo/Lib/x  dist/cosmo/.args  dist/cosmo/x.zip
"""
"""Values that no setting can have; ∅ stands for no text, ␤ for a newline."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (row.split()[0], value.replace("∅", "").replace("␤", "\n"))
        for row in REFUSED.strip().splitlines()
        for value in re.split("  +", row)[1:]
    ],
)
def test_a_bad_value_is_named(load: Load, tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "outside").mkdir()
    for link, to in {"link": "/", "up": "..", "sources": "src", "outside/Lib": "/"}.items():
        (tmp_path / link).symlink_to(to)
    with pytest.raises(RecipeError) as stopped:
        load(**{name: value})
    assert re.fullmatch(f"cosmo: {name}.*", str(stopped.value.message))


def test_a_path_begins_where_the_command_runs_or_in_the_project(load: Load, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    file = tmp_path / "x/a b"
    file.touch()
    for value in ("a b", "../x/a b", str(file), file.as_uri(), "~/x/a b"):
        assert Path(load(cwd="x", COSMO_URL=value).settings.url).resolve() == file
    settings = load(f"{PYPROJECT}_.env.COSMO_URL = 'x/a b'", "x", COSMO_DEPS="a b").settings
    assert (settings.url, settings.deps) == (str(file), "x/a b")


def test_settings_are_printed_with_their_origins_and_explained(project: Project) -> None:
    shown = project.succeed("cosmo.settings", "--explain", COSMO_SOURCE="1").stdout
    row = r"PKG +hello +\[tool.ds.scripts\] _.env$.*^COSMO_SOURCE +1 +environment"
    assert re.search(f"(?ms)^{row}$", shown)
    assert "    1 takes what is in the user's cache and asks no server for anything\n" in shown
    rows = json.loads(project.succeed("cosmo.settings", "--json").stdout)
    assert [row["name"] for row in rows] == list(TABLE)
    assert rows[0] == {"name": "PKG", "value": "hello", "source": ARTICLE}
    assert rows[3]["value"] is None


def test_the_documents_tell_every_setting() -> None:
    text = "".join(path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    for one in (setting.metadata for setting in TABLE.values()):
        default = f"`{one['default']}`" if one["default"] else ""
        assert f"| `{one['name']}` | {default} | {one['meaning']} |" in text


def test_a_reader_that_stops_early_is_no_error(project: Project) -> None:
    for words in ("cosmo.settings --json", "cosmo.cache"):
        line = f"{shlex.join(INVOKE)} {words} | true"
        done = run(["sh", "-c", line], project.environment(PYTHONUNBUFFERED="1"), project.path)
        assert (done.stdout, done.stderr) == ("", "")
