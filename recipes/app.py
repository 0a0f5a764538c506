"""A program from the package index, without own code: the script that starts it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from configparser import ConfigParser
from pathlib import Path

from .dependencies import check_uv
from .metadata import is_entry_point
from .project import Project
from .shell import RecipeError, Shell, quote

WRITTEN = "# Written by `invoke cosmo.app`."
APP = """\
{written} `invoke cosmo.script {file}` packages it again.
# /// script
# dependencies = [{requirement}]
#
# [tool.cosmo.env]
# COSMO_OUT = "{command}"
# DIR_SITE = "cosmo/Lib/site-packages"
# ///
import sys

from {module} import {name}

if __name__ == "__main__":
    sys.argv[0] = sys.executable
    sys.exit({function}())
"""
"""A script with its requirements in its comments (PEP 723)."""


def write_app(p: Project, sh: Shell, requirement: str, entry: str) -> Path:
    """Write the script, in `dist`, that starts a command of a release; return its path.

    `entry` is the command's name, `module:function`, or empty for the only command, or the one
    that is called like the distribution.
    """
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    if not match or '"' in requirement or not requirement.isprintable():
        problem = f"{requirement!r} is no requirement"
        raise RecipeError(f"{problem}; name a distribution, as in `invoke cosmo.app black==25.1.0`")
    command = match[0].rstrip("._-")
    if not is_entry_point(entry):
        command, entry = find_command(p, sh, requirement, command, entry)
    module, _, function = entry.partition(":")
    path = Path("dist", f"{re.sub('[^A-Za-z0-9]', '_', command)}_app.py")
    if path.exists() and not path.read_text("utf-8").startswith(WRITTEN):
        raise RecipeError(f"{path} was not written by cosmo.app; move it away")
    values = {"written": WRITTEN, "file": path, "command": command, "module": module}
    name = function.partition(".")[0]
    text = APP.format(requirement=f'"{requirement}"', name=name, function=function, **values)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    sh.log("app", f"{path} starts {entry}")
    return path


def find_command(
    p: Project, sh: Shell, requirement: str, distribution: str, entry: str
) -> tuple[str, str]:
    """The name of a command of a distribution, and its `module:function`."""
    folder = os.path.join(p.build, ".app")
    if sh.dry:
        raise RecipeError(
            "a dry run installs nothing; name what starts with --entry=module:function"
        )
    sh.run(f"rm -rf {quote(folder)}")
    line = f"{check_uv(p, False)} pip install -q --no-deps --python {quote(sys.executable)}"
    line += f" --target {quote(folder)} {shlex.quote(requirement)}"
    sh.run(line, f"{requirement} cannot be installed", "correct its name, or check the network")
    parser = ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(Path(folder).glob("*.dist-info/entry_points.txt"), "utf-8")
    commands = dict(parser["console_scripts"]) if "console_scripts" in parser else {}
    names = re.sub(r"[-_.]+", "-", entry or distribution).lower()
    same = [name for name in commands if re.sub(r"[-_.]+", "-", name).lower() == names]
    programs = sorted(
        set(os.listdir(f"{folder}/bin")) - {"__pycache__"} if Path(folder, "bin").is_dir() else ()
    )
    sh.run(f"rm -rf {quote(folder)}")
    if not commands:
        native = (
            f"; bin/{programs[0]} is a native program, which cannot run in an executable"
            if programs
            else ""
        )
        raise RecipeError(f"{requirement} has no command of Python's{native}; require another")
    if not same and (entry or len(commands) > 1):
        problem = f"has no command {entry or distribution}"
        raise RecipeError(f"{requirement} {problem}; name one with --entry: {', '.join(commands)}")
    command = same[0] if same else next(iter(commands))
    return command, re.sub(r"\s*\[.*\]\s*$", "", commands[command]).replace(" ", "")
