"""What is published with an executable: `release`, and the workflow in the documents."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from invoke.config import Config
from invoke.context import Context

from projects import Project
from recipes import __version__
from recipes.executable import BuildRecord
from recipes.release import release
from recipes.shell import RecipeError

Call = Callable[..., Any]

HEAD = b"MZqFpD='\n'\nprintf '%s\\n' \"$@\"\nexit 0\n"
METADATA = (
    "Name: Hello\nVersion: 1.5\nLicense-Expression: MIT\n",
    'Name: Bird\nVersion: 1.0+x\nLicense: "BSD"\\ & co\n',
    "Name: owl\nVersion: 2\nLicense: a\n  b\nClassifier: License :: OSI Approved :: MIT License\n",
)
ENDS = ("hello", "hello.exe", "hello.json", "hello.cdx.json")
RELEASE = Path("dist/release")
WORKFLOW = Path(__file__).parent.parent / "docs/release.yml"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the task with settings, and return what it prints."""

    def call(dry: bool = False, **settings: str) -> str:
        for name, text in settings.items():
            monkeypatch.setenv(name, text)
        capsys.readouterr()
        release["files"](Context(Config(overrides={"run": {"dry": dry}})))
        return capsys.readouterr().out

    return call


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Put an executable, and what a build records, into the project that is current."""
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text('[project]\nname = "HELLO"\n[build-system]\n')
    Path("dist/cosmo").mkdir(parents=True)

    def make(path: str = "dist/cosmo/hello") -> Path:
        file = Path(path)
        file.write_bytes(HEAD)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(".args", "-I\n-m\nhello\n...")
            for number, text in enumerate(METADATA):
                archive.writestr(f"Lib/site-packages/{number}.dist-info/METADATA", text)
        placed = {path: hashlib.sha256(file.read_bytes()).hexdigest()}
        url = "https://me:s3cret@host/python?token=t0ken"
        made = BuildRecord("", "3.11.2", "ab" * 32, 40_000_000, url, path, placed, [], [])
        Path("dist/cosmo/.build.json").write_text(json.dumps(asdict(made)))
        return file

    return make


def read_files(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def check_refused(run: Call, problem: str) -> None:
    """Check that a task ends with an error, and leaves `dist` as it was."""
    before = read_files(Path("dist"))
    with pytest.raises(RecipeError, match=problem):
        run()
    assert read_files(Path("dist")) == before


def test_a_release_has_right_sums_and_replaces_the_last(build: Call, run: Call) -> None:
    file = build("dist/cosmo/other.com")
    assert sorted(run().split()) == sorted(map(str, RELEASE.iterdir()))
    for name in ("other", "other.exe"):
        assert (RELEASE / name).read_bytes() == file.read_bytes()
        assert (RELEASE / name).stat().st_mode & 0o777 == 0o755
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=RELEASE, check=True)
    assert len((RELEASE / "SHA256SUMS").read_text().splitlines()) == 4
    first = read_files(RELEASE)
    run()
    assert read_files(RELEASE) == first
    build()
    run()
    assert read_files(RELEASE).keys() == {*ENDS, "SHA256SUMS"}
    assert len(list(Path("dist").iterdir())) == 2


def test_receipt_and_bill_say_what_the_executable_is_made_of(build: Call, run: Call) -> None:
    whole = build().read_bytes()
    run(SOURCE_DATE_EPOCH="1700000000")
    data = json.loads((RELEASE / "hello.json").read_bytes())
    assert (data["name"], data["version"], data["license"]) == ("hello", "1.5", "MIT")
    assert (data["size"], data["sha256"]) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert (data["args"], data["isolated"]) == (["-I", "-m", "hello", "..."], True)
    python = {"name": "CPython", "version": "3.11.2", "size": 40_000_000, "sha256": "ab" * 32}
    assert data["interpreter"] == {**python, "url": "https://host/python"}
    bird = {"name": "bird", "version": "1.0+x", "license": '"BSD"\\ & co'}
    assert data["dependencies"] == [bird, {"name": "owl", "version": "2", "license": "MIT License"}]
    text = (RELEASE / "hello.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    assert '"timestamp": "2023-11-14T22:13:20Z"' in text
    purls = [part.get("purl") for part in json.loads(text)["components"]]
    assert purls == [None, "pkg:pypi/bird@1.0%2Bx", "pkg:pypi/owl@2"]


@pytest.mark.parametrize("tasks", ["imported"], indirect=True)
def test_what_a_build_made_is_checked_and_published(project: Project) -> None:
    project.package()
    project.write("src/hello/words.py", "def greet(name):\n    return f'good day {name[0]}'\n")
    shown = project.succeed("release", "bundle.verify").stdout
    assert "can import hello" in shown
    assert project.run_executable("x") == "good day x\n"
    receipt = json.loads((project.path / RELEASE / "hello.json").read_bytes())
    assert f"{receipt['sha256']}  hello\n" in (project.path / RELEASE / "SHA256SUMS").read_text()
    python = hashlib.sha256(project.interpreter.read_bytes()).hexdigest()
    assert receipt["interpreter"]["sha256"] == python


@pytest.mark.parametrize("name", ["SHA256SUMS", "sha256sums.com"])
def test_two_files_of_one_name_are_refused(build: Call, run: Call, name: str) -> None:
    build(f"dist/cosmo/{name}")
    check_refused(run, "two files of the release would be called ")


def test_what_is_not_as_locked_or_not_as_built_is_refused(build: Call, run: Call) -> None:
    file = build()
    head = "lock-version = '1.0'\ntool.cosmo-recipes.inputs = []\n[tool.cosmo-recipes.python]\n"
    head += "url = 'https://host/python'\nsize = 1\nversion = '3.11.2'\nlast-modified = ''\n"
    Path("pylock.cosmo.toml").write_text(f"{head}sha256 = '{'cd' * 32}'\n")
    check_refused(run, r"was not made with the interpreter in pylock\.cosmo\.toml")
    Path("pylock.cosmo.toml").write_text(f"{head}sha256 = '{'ab' * 32}'\n")
    run()
    file.write_bytes(file.read_bytes() + b"x")
    check_refused(run, "hello was changed since the build; run `invoke cosmo`")
    file.unlink()
    check_refused(run, "hello does not exist; make it with `invoke cosmo`")
    Path("dist/cosmo/.build.json").unlink()
    check_refused(run, "executable does not exist; make it with `invoke cosmo`")


def test_a_folder_that_this_task_did_not_write_is_left_alone(build: Call, run: Call) -> None:
    build()
    RELEASE.mkdir()  # an empty one is taken
    for name in ("notes", "hello", "hello.json", "SHA256SUMS"):
        run()
        (RELEASE / name).write_text("mine")
        check_refused(run, "dist/release is not what this task wrote; move it away")
        shutil.rmtree(RELEASE)
    RELEASE.mkdir()
    (RELEASE / "mine").write_text("")
    (RELEASE / "SHA256SUMS").write_text(f"{hashlib.sha256().hexdigest()}  mine\n")
    check_refused(run, "is not what this task wrote")
    shutil.rmtree(RELEASE)
    Path("empty").mkdir()
    RELEASE.symlink_to("../empty")
    check_refused(run, "is not what this task wrote")


def test_the_workflow_is_as_its_schema_says_and_names_this_release() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    subprocess.run([*check, "vendor.github-workflows", str(WORKFLOW)], check=True)
    assert "- run: cosmo-recipes cosmo release\n" in WORKFLOW.read_text()
    assert f'"cosmo-recipes=={__version__}"' in WORKFLOW.read_text()


def test_the_lines_of_the_workflow_start_the_executable(build: Call, run: Call) -> None:
    build()
    run()
    block = re.search(r"(?ms)^        run: \|\n(.*?done)$", WORKFLOW.read_text())
    assert block
    line = ["bash", "-c", f"chmod 644 release/*; {block[1]}"]
    assert subprocess.check_output(line, cwd="dist", text=True) == "--version\n"


def test_a_dry_run_writes_nothing(build: Call, run: Call) -> None:
    build()
    assert run(dry=True)
    assert not RELEASE.exists()
