"""Measure the cost of the start check: build each project with and without it, in turn.

`invoke bench` runs this, and prints the median of the ratios of a build's whole time. It needs uv
and the network for all but the first project.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = {
    "sample_project, no dependency": ("", ""),
    "httpie 3.2.4": ("httpie==3.2.4", "httpie.__main__:main"),
    "mkdocs 1.6.1": ("mkdocs==1.6.1", "mkdocs.__main__:cli"),
}
SCRIPT = """\
# /// script
# dependencies = ["{requirement}"]
# ///
from {module} import {function}

if __name__ == "__main__":
    {function}()
"""


def build(folder: Path, env: dict[str, str]) -> float:
    """Build the project in a folder from nothing but uv's cache; return the seconds it takes."""
    for path in (folder / "dist", Path(env["XDG_CACHE_HOME"], "cosmo-recipes")):
        shutil.rmtree(path, ignore_errors=True)
    script = folder / "tool.py"
    words = ["cosmo.script", "tool.py"] if script.exists() else ["cosmo"]
    begin = time.monotonic()
    line = [sys.executable, "-m", "invoke", *words]
    done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - begin


def make_project(folder: Path, requirement: str, entry: str) -> None:
    """Make a project in a folder: a script that starts a release, or a module of its own."""
    (folder / "tasks.py").write_text("from recipes import ns\n")
    if requirement:
        module, _, function = entry.partition(":")
        values = {"requirement": requirement, "module": module, "function": function}
        (folder / "tool.py").write_text(SCRIPT.format(**values))
        return
    source = ROOT / "sample_project"
    (folder / "src").symlink_to(source / "src")
    (folder / "pyproject.toml").write_text((source / "pyproject.toml").read_text())


def main() -> None:
    """Build each project in turn with and without the check, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interpreter", help="the interpreter file to build with")
    parser.add_argument("--runs", type=int, default=5, help="how many pairs of builds (default 5)")
    given = parser.parse_args()
    print("| project | build with the check / without |\n| --- | --- |")
    for title, (requirement, entry) in PROJECTS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "project")
            folder.mkdir()
            make_project(folder, requirement, entry)
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            env.update(HOME=name, XDG_CACHE_HOME=f"{name}/cache", UV_CACHE_DIR=f"{name}/uv")
            env["COSMO_URL"] = str(Path(given.interpreter).resolve())
            checks = ["1", "0"] * given.runs
            build(folder, env)  # fills uv's cache
            times = [build(folder, {**env, "COSMO_CHECK": check}) for check in checks]
            ratios = [times[at] / times[at + 1] for at in range(0, len(times), 2)]
            low, high = min(ratios), max(ratios)
            print(f"| {title} | {median(ratios):.2f} ({low:.2f} to {high:.2f}) |", flush=True)


if __name__ == "__main__":
    main()
