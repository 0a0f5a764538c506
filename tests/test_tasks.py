"""The front door: what `invoke --list` and `invoke --help` show of it."""

from __future__ import annotations

import json
import re
from typing import Any

from projects import INVOKE, ROOT, Project, environment, run


def list_tasks(node: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Each task's full name and first line, from `invoke --list --list-format=json`."""
    names = {prefix + task["name"]: task["help"] for task in node["tasks"]}
    for inner in node["collections"]:
        names.update(list_tasks(inner, f"{prefix}{inner['name']}."))
    return names


def test_the_list_reads_as_documentation(project: Project) -> None:
    assert "cosmo.build (cosmo)" in project.invoke("--list").stdout
    names = list_tasks(json.loads(project.invoke("--list", "--list-format=json").stdout))
    phases = ["clean", "setup", "fetch", "deps", "compile", "update"]
    assert {f"cosmo.{phase}" for phase in phases} < set(names)
    sentence = re.compile(r"[A-Z].{0,58}\.")
    assert {name: line for name, line in names.items() if not sentence.fullmatch(line)} == {}
    assert len(names) <= 22
    for name, option in (("fetch", "--force"), ("settings", "--json"), ("lock", "--upgrade")):
        lines = project.invoke(f"cosmo.{name}", "--help").stdout.splitlines()
        row = next(line for line in lines if option in line)
        assert len(row.split(option)[1].split()) > 2


def test_this_repository_has_its_own_tasks_and_packages_sample_project(project: Project) -> None:
    env = environment(project.path, PYTHONPATH=str(ROOT))
    done = run([*INVOKE, "--list", "--list-format=json"], env, ROOT)
    names = list_tasks(json.loads(done.stdout))
    listed = run([*INVOKE, "--list"], env, ROOT).stdout.splitlines()  # in 80 columns
    assert len(listed) == len(names) + 3, "a summary wraps"
    assert {"cosmo.build", "vendor", "standin", "demo", "test", "lint", "types"} < set(names)
    assert all(line.endswith(".") for line in names.values())
    rows = json.loads(run([*INVOKE, "cosmo.settings", "--json"], env, ROOT).stdout)
    values = {row["name"]: row["value"] for row in rows}
    assert (values["PKG"], values["DIR_SITE"]) == ("almanac", "dist/cosmo/Lib/site-packages")
