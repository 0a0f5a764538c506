"""A program from the package index, without own code: the script that starts it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from configparser import ConfigParser
from pathlib import Path

from .dependencies import check_uv
from .inside.distribution import canonical
from .metadata import is_entry_point
from .project import APP_MARK, Project
from .shell import RecipeError, Shell, quote

APP = """\
{mark} `invoke cosmo.script {file}` packages it again.
# {slashes} script
# dependencies = [{requirements}]
#
# [tool.cosmo.env]
# COSMO_OUT = "{command}"
# DIR_SITE = "cosmo/Lib/site-packages"
# {slashes}
import sys

if __name__ == "__main__":
    sys.argv[0] = sys.executable
    sys.path[:0] = ["/zip/bin"] if sys.flags.isolated else []  # a program may replace the first
    from {module} import {name}

    sys.exit({function}())
"""
"""A script with its requirements in its comments (PEP 723)."""


def write_app(p: Project, sh: Shell, requirement: str, entry: str, also: Sequence[str]) -> Path:
    """Write the script, in `dist`, that starts a command of a release; return its path.

    `entry` is the command's name, `module:function`, or empty for the only command, or the one
    that is called like the distribution. `also` are requirements to install with it.
    """
    if sh.dry:
        problem = "a dry run writes no script; run cosmo.app without --dry, then `invoke --dry"
        raise RecipeError(f"{problem} cosmo.script FILE` of the script that it writes")
    command, *_ = [distribution_name(text) for text in (requirement, *also)]
    if not is_entry_point(entry):
        command, entry = choose_command(
            requirement, entry or command, bool(entry), *install_app(p, sh, requirement)
        )
    path = Path(p.folder, "dist", f"app_{re.sub('[^A-Za-z0-9]', '_', command)}.py")
    written = path.is_file() and not path.is_symlink()
    if os.path.lexists(path) and not (written and path.read_text("utf-8").startswith(APP_MARK)):
        raise RecipeError(f"{path} was not written by cosmo.app; move it away")
    module, _, function = entry.partition(":")
    text = APP.format(
        mark=APP_MARK,
        slashes="///",  # spelt out above, this file would have two such blocks where it is vendored
        file=f"dist/{path.name}",
        requirements=", ".join(f'"{text}"' for text in (requirement, *also)),
        command=command,
        module=module,
        name=function.partition(".")[0],
        function=function,
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    sh.log("app", f"{path} starts {entry}")
    return path


def distribution_name(requirement: str) -> str:
    """The name that a requirement begins with; `RecipeError` where it is none, or has quotes."""
    match = re.match(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", requirement)
    if not match or '"' in requirement or "\\" in requirement or not requirement.isprintable():
        problem = f"{requirement!r} is no requirement"
        raise RecipeError(f"{problem}; name a distribution, as in `invoke cosmo.app black==25.1.0`")
    return match[0]


def install_app(p: Project, sh: Shell, requirement: str) -> tuple[dict[str, str], dict[str, bool]]:
    """The commands that a release brings, each with its `module:function`, and its other programs.

    Of each of these it says whether it is a script. The release is installed by itself, into a
    folder that is removed again.
    """
    folder = os.path.join(p.build, ".app")
    sh.run(f"rm -rf {quote(folder)}")
    line = f"{check_uv(p, False)} pip install -q --no-deps --python {quote(sys.executable)}"
    line += f" --target {quote(folder)} {shlex.quote(requirement)}"
    sh.run(line, f"{requirement} cannot be installed", "correct its name, or check the network")
    parser = ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(Path(folder).glob("*.dist-info/entry_points.txt"), "utf-8")
    commands = dict(parser["console_scripts"]) if "console_scripts" in parser else {}
    others = [path for path in Path(folder, "bin").glob("*") if path.name not in commands]
    programs = {path.name: path.read_bytes()[:2] == b"#!" for path in others if path.is_file()}
    sh.run(f"rm -rf {quote(folder)}")
    return commands, programs


def choose_command(
    requirement: str, name: str, is_given: bool, commands: dict[str, str], programs: dict[str, bool]
) -> tuple[str, str]:
    """The command with that name, or, where none is given, the only one; and what it starts."""
    if not commands:
        scripts = sorted(program for program, is_script in programs.items() if is_script)
        if scripts:
            problem = f"{requirement} has no entry point, but bin/{' and bin/'.join(scripts)}"
            remedy = "name what that calls with --entry=module:function, or package a copy of it"
            remedy += ", with the requirement in its comments (PEP 723), by `invoke cosmo.script`"
            raise RecipeError(f"{problem}; {remedy}")
        native = f"; bin/{min(programs)} is a native program, which cannot run" if programs else ""
        remedy = "require another that has one, or name what starts with --entry=module:function"
        raise RecipeError(f"{requirement} has no command written in Python{native}; {remedy}")
    same = [command for command in commands if canonical(command) == canonical(name)]
    if not same and (is_given or len(commands) > 1):
        problem = f"{requirement} has no command {name}"
        raise RecipeError(f"{problem}; name one with --entry: {', '.join(commands)}")
    command = same[0] if same else next(iter(commands))
    entry = re.sub(r"\s*\[.*\]\s*$", "", commands[command]).replace(" ", "")
    if not re.fullmatch(r"\w[\w.-]*", command) or not is_entry_point(entry):
        problem = f"the command {command!r} of {requirement} cannot start {entry!r}"
        raise RecipeError(f"{problem}; name module:function with --entry")
    return command, entry
