"""What is published with an executable: `release`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from index import BUILT, Index
from mirror import Mirror
from projects import Project, environment, run
from test_dependencies import BACKEND

COLLECTIONS = ["release"]
"""What a vendored `tasks.py` holds in these tests, beside `cosmo`."""

NAMED = "[project]\nname = 'hello'\nversion = '1.5'\ndependencies = ['bird', 'owl']\n"
WORKFLOW = ".github/workflows/release.yml"


@pytest.fixture
def dependent(installing: Project, index: Index) -> Project:
    """The small project, with dependencies whose licences are given in odd ways."""
    for name, lines in {
        "bird": 'License: "BSD"\\ & co\nClassifier: License :: OSI Approved :: MIT License',
        "owl": "License-Expression: MIT OR Apache-2.0\nLicense: x",
    }.items():
        info = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{lines}\n"
        index.wheel(name, "1.0", {f"{name}.py": "", f"{name}-1.0.dist-info/METADATA": info})
    installing.write("pyproject.toml", NAMED)
    return installing


def receipt(project: Project, name: str = "hello") -> dict[str, Any]:
    """The receipt that was written."""
    data: dict[str, Any] = json.loads((project.path / f"dist/release/{name}.json").read_bytes())
    return data


def test_the_executable_is_there_under_both_names_and_the_sums_are_right(project: Project) -> None:
    project.package()
    shown = project.succeed("release").stdout.splitlines()
    folder = project.path / "dist/release"
    assert sorted(shown) == sorted(f"dist/release/{path.name}" for path in folder.iterdir())
    for name in ("hello", "hello.exe"):
        assert (folder / name).read_bytes() == project.executable.read_bytes()
    assert project.says("you", name=str(folder / "hello")) == "hello you\n"
    program = "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"
    done = run(["sh", "-c", f"{program} -c SHA256SUMS"], environment(project.home), folder)
    assert done.stdout.count(": OK\n") == 4, done
    names = [line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert names == sorted(names)


def test_the_receipt_says_what_the_executable_is_made_of(dependent: Project) -> None:
    dependent.succeed("cosmo.lock")
    dependent.succeed("cosmo", "release")
    data, whole = receipt(dependent), dependent.executable.read_bytes()
    assert (data["name"], data["version"], data["isolated"]) == ("hello", "1.5", True)
    assert (data["size"], data["sha256"]) == (len(whole), hashlib.sha256(whole).hexdigest())
    python = dependent.interpreter.read_bytes()
    assert data["interpreter"]["sha256"] == hashlib.sha256(python).hexdigest()
    assert data["interpreter"]["size"] == len(python)
    assert data["interpreter"]["version"].count(".") == 2
    assert data["dependencies"] == [
        {"name": "bird", "version": "1.0", "license": '"BSD"\\ & co'},
        {"name": "owl", "version": "1.0", "license": "MIT OR Apache-2.0"},
    ]


def test_the_bill_of_materials_is_as_its_schema_says(dependent: Project) -> None:
    dependent.succeed("cosmo", "release")
    text = (dependent.path / "dist/release/hello.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    data = json.loads(text)
    purls = [part["purl"] for part in data["components"] if "purl" in part]
    assert purls == ["pkg:pypi/bird@1.0", "pkg:pypi/owl@1.0"]
    broken = text.replace('"library"', '"bookshelf"')
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(broken) is not None


def test_the_same_executable_gives_the_same_files(dependent: Project) -> None:
    def files() -> dict[str, bytes]:
        dependent.succeed("release", SOURCE_DATE_EPOCH="1700000000")
        return {p.name: p.read_bytes() for p in (dependent.path / "dist/release").iterdir()}

    dependent.package()
    assert files() == files()


def test_another_file_is_published_with_what_it_says_itself(dependent: Project) -> None:
    dependent.package()
    other = dependent.home / "my tool.com"
    dependent.executable.rename(other)
    (dependent.path / "pyproject.toml").unlink()
    dependent.succeed("release", "--file", str(other), "--dest", "out")
    data = json.loads((dependent.path / "out/my tool.json").read_bytes())
    assert data["interpreter"]["version"].startswith("3.")
    assert [row["name"] for row in data["dependencies"]] == ["bird", "hello", "owl"]


@pytest.mark.parametrize("dest", ["..", "/usr", ".", "link"])
def test_nothing_is_written_outside_the_project(project: Project, dest: str) -> None:
    project.package()
    (project.path / "link").symlink_to(project.home)
    said = project.refused("release", "--dest", dest)
    assert said.startswith(f"cosmo: --dest={dest}: ")
    assert said.endswith(" is not in the project; name a folder in it")


def test_what_is_of_no_release_is_neither_published_nor_overwritten(project: Project) -> None:
    project.package()
    for name in ("hello.json", "SHA256SUMS"):
        kept = project.write(f"{name}.d/{name}", "mine")
        said = project.refused("release", "--dest", f"{name}.d")
        assert said.startswith(f"cosmo: {name}.d holds {name}, which is not of a release; ")
        assert kept.read_text() == "mine"
    shutil.copy(project.executable, project.home / "other.com")
    project.succeed("release")
    project.succeed("release", "--file", str(project.home / "other.com"))
    folder = project.path / "dist/release"
    listed = [line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert sorted(listed) == sorted({path.name for path in folder.iterdir()} - {"SHA256SUMS"})
    assert {"hello", "other.exe"} <= set(listed)


def test_a_program_that_its_own_backend_builds_is_published_as_locked(
    dependent: Project,
) -> None:
    dependent.write("pyproject.toml", BUILT)
    named = BACKEND.replace("hello-7.8", "the_tool-7.8").replace("Name: hello", "Name: the-tool")
    dependent.write("backend.py", named)
    settings = {"PKG": "hello", "COSMO_PRUNE": ""}
    dependent.succeed("cosmo.lock", **settings)
    dependent.succeed("cosmo", "release", **settings)
    assert "bird" in [row["name"] for row in receipt(dependent)["dependencies"]]


def test_no_password_or_query_of_an_address_is_published(project: Project, mirror: Mirror) -> None:
    url = mirror.add("/python?token=t0ken", project.interpreter.read_bytes())
    settings = {"COSMO_URL": url.replace("://", "://me:s3cret@"), "no_proxy": "127.0.0.1"}
    said = "".join(project.succeed(*words, **settings).stderr for words in (["cosmo.lock"], []))
    project.succeed("release", **settings)
    files = [*(project.path / "dist/release").glob("*.json"), project.path / "pylock.cosmo.toml"]
    for text in (said, *(file.read_text(encoding="utf-8") for file in files)):
        assert "s3cret" not in text
        assert "t0ken" not in text
    assert receipt(project)["interpreter"]["url"] == f"{mirror.address}/python"


def test_an_executable_that_is_not_as_locked_is_not_published(project: Project) -> None:
    project.package()
    other = project.home / "python.com"
    other.write_bytes(project.other_interpreter())
    project.succeed("cosmo.lock", COSMO_URL=str(other))
    said = project.refused("release")
    assert said.startswith("cosmo: dist/cosmo/hello is not as locked: its interpreter ")


def test_an_executable_of_another_version_is_not_published(dependent: Project) -> None:
    dependent.package()
    file = dependent.path / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    dependent.write("pyproject.toml", re.sub("(?m)^version = .*$", "version = '9.9'", text))
    said = dependent.refused("release")
    assert re.search("is of an earlier build: it has version .*, and the project is 9.9; run", said)


def test_another_projects_executable_has_no_version_of_this_one(dependent: Project) -> None:
    dependent.package()
    other = dependent.home / "tool"
    shutil.copy(dependent.interpreter, other)
    dependent.succeed("release", "--file", str(other), "--dest", "out")
    data = json.loads((dependent.path / "out/tool.json").read_bytes())
    assert (data["version"], data["license"]) == ("", "")
    assert "owl" not in [row["name"] for row in data["dependencies"]]
    assert "sha256" not in data["interpreter"]


def test_a_dry_run_writes_nothing(project: Project) -> None:
    project.package()
    for words in (["release"], ["release.workflow"], ["release.docker"]):
        done = project.invoke("--dry", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert not any((project.path / name).exists() for name in ("dist/release", WORKFLOW))
    assert not (project.path / "Dockerfile").exists()


def test_what_is_not_built_cannot_be_published(project: Project) -> None:
    said = project.invoke("release")
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == (
        "cosmo: dist/cosmo/hello does not exist; make it with `invoke cosmo`, or name another\n"
    )


# How it is published


@pytest.mark.parametrize("smoke", ["", "greet 'two words'", "a: #b", '--x=${HOME} "it\'s"'])
def test_the_workflow_is_as_its_schema_says(project: Project, smoke: str) -> None:
    settings = {"COSMO_SMOKE": smoke} if smoke else {}
    project.succeed("release.workflow", **settings)
    words = ["--builtin-schema", "vendor.github-workflows", WORKFLOW]
    check = [sys.executable, "-m", "check_jsonschema", *words]
    done = run(check, environment(project.home), project.path)
    assert done.returncode == 0, done.stdout
    text = (project.path / WORKFLOW).read_text()
    (project.path / WORKFLOW).write_text(text.replace("runs-on: ubuntu", "runs: ubuntu"))
    assert run(check, environment(project.home), project.path).returncode == 1


def test_the_workflows_own_lines_run(project: Project) -> None:
    smoke = "'two words' \"it's\" '$(touch pwned)'"
    project.package()
    project.succeed("release")
    project.succeed("release.workflow", COSMO_SMOKE=smoke)
    text = (project.path / WORKFLOW).read_text()
    block = re.search(r"(?ms)^        run: \|\n(.*?done)$", text)
    assert block
    (project.path / "dist/release/hello").chmod(0o644)
    done = run(["bash", "-c", block[1]], environment(project.home), project.path / "dist")
    assert done.stdout == "hello two words|it's|$(touch pwned)\n"
    assert not (project.path / "dist/pwned").exists()
    assert "test -f pylock.cosmo.toml" in text


def test_a_dockerfile_copies_the_executable_alone(project: Project) -> None:
    project.succeed("release.docker")
    lines = (project.path / "Dockerfile").read_text().splitlines()
    steps = [line for line in lines if not line.startswith("#")]
    assert steps == [
        "FROM busybox:stable AS assimilate",
        "COPY dist/cosmo/hello /program",
        "RUN chmod 755 /program && sh /program --assimilate",
        "FROM scratch",
        'COPY --from=assimilate /program "/hello"',
        'ENTRYPOINT ["/hello"]',
    ]


@pytest.mark.parametrize(
    ("task", "file"), [("workflow", WORKFLOW), ("docker", "Dockerfile")], ids=["workflow", "docker"]
)
def test_a_file_of_ones_own_stays_without_force(project: Project, task: str, file: str) -> None:
    path = project.write(file, "mine\n")
    said = project.refused(f"release.{task}")
    assert said == f"cosmo: {file} is not as this task writes it; move it, or add --force"
    assert path.read_text() == "mine\n"
    project.succeed(f"release.{task}", "--force")
    first = path.read_text()
    project.succeed(f"release.{task}")
    assert path.read_text() == first
    path.write_text(f"{first}# and mine\n")
    assert "is not as this task writes it" in project.refused(f"release.{task}")
    assert path.read_text().endswith("# and mine\n")
    path.unlink()
    path.symlink_to(project.write("target", ""))
    assert "is a symbolic link" in project.refused(f"release.{task}", "--force")


def test_names_that_a_workflow_cannot_hold_are_refused(project: Project, tmp_path: Path) -> None:
    project.write("it's ${{ mine }}.py", "")
    settings = {"COSMO_SCRIPT": "it's ${{ mine }}.py"}
    for task in ("workflow", "docker"):
        said = project.refused(f"release.{task}", **settings)
        assert "is no name for a release: use letters, digits, dots and dashes" in said
    said = project.refused("release.workflow", COSMO_SMOKE="$${{ secrets.X }}")
    assert "cannot be written in a workflow" in said
