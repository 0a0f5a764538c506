"""The programs that lines of a build run in the fetched interpreter: `FILE COMMAND ...`.

    target [SPECIFIERS]            print uv's options for this interpreter; refuse another Python
    fit SITE NOTES [SUFFIX]        make an installed tree fit for the executable
    start SITE ENTRY NAME SETTING [OPTION ...]
                                   write .args, and the names of the result and of what starts
    check ENTRY NOTES BESIDE [ARGUMENTS]
                                   check that what starts can be imported

A refusal is one line on standard error.
"""

import os
import re
import sys
from importlib import import_module

from .check import check_start
from .fit import canonical_name, dist_infos, fit_site, read_notes

CALLABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""`module:function`. Source: the entry points specification."""

RESERVED = re.compile(r"(?i)(python|zip|lib|download)$|\.|.*\.(zip|part)$")
"""Names that the build folder needs for its own files."""


def print_target(specifiers: str = "") -> None:
    """Print the options by which uv installs for this interpreter; exit if it is another Python."""
    version = "{}.{}.{}".format(*sys.version_info)
    if specifiers:
        sets = import_module("pip._vendor.packaging.specifiers")
        try:
            suits = sets.SpecifierSet(specifiers).contains(version, prereleases=True)
        except sets.InvalidSpecifier as error:
            sys.exit(f"requires-python cannot be {specifiers!r}: {error}; correct it")
        if not suits:
            remedy = "name another release with COSMO_VERSION, or a file with COSMO_URL"
            sys.exit(f"it requires Python {specifiers}, and this is {version}; {remedy}")
    print(f"--python-version {version} --python-platform linux")


def read_commands(site: str) -> dict[str, str]:
    """Read the commands that the program installs, each with its `module:function`."""
    from configparser import ConfigParser  # imported here, as most programs do without

    parser = ConfigParser(delimiters="=", interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for info in dist_infos(site):
        parser.read(os.path.join(site, info, "entry_points.txt"), "utf-8")
    groups = [group for group in ("console_scripts", "gui_scripts") if group in parser]
    return {
        name: re.sub(r"\s*\[.*\]\s*$", "", text).replace(" ", "")
        for group in groups
        for name, text in parser[group].items()
    }


def choose_start(site: str, notes: str, entry: str, setting: str) -> tuple[str, str]:
    """Choose the name of the result and what it starts: a command, else a package's `__main__`."""
    commands = read_commands(site)
    project = "".join(info.partition("-")[0] for info in dist_infos(site)) or "the program"
    listed = f"it has {', '.join(commands)}" if commands else "it has no commands"
    if entry in commands:
        return entry, commands[entry]
    if re.match("-[mr] ", entry) or CALLABLE.fullmatch(entry):
        return re.split("[:. ]", entry)[entry[:1] == "-"], entry
    if entry:
        sys.exit(f"{project} has no command {entry}; {listed}; name one, or module:function")
    same = [name for name in commands if canonical_name(name) == canonical_name(project)]
    if len(commands) == 1 or same:
        name = (same or list(commands))[0]
        return name, commands[name]
    if commands:
        remedy = f"name one with {setting}: {', '.join(commands)}"
        sys.exit(f"{project} has several commands; {remedy}")
    native = read_notes(notes).get("native", [])
    if native:
        program = "is a native program, which cannot run in the executable"
        sys.exit(f"{project} has no command written in Python: {native[0]} {program}")
    mains = [name for name in sorted(os.listdir(site)) if has_main_module(site, name)]
    same = [name for name in mains if canonical_name(name) == canonical_name(project)]
    if len(mains) == 1 or same:
        name = (same or mains)[0]
        return name, f"-m {name}"
    remedy = f"write one in [project.scripts], or name module:function with {setting}"
    sys.exit(f"{project} has no command, and no package with a __main__; {remedy}")


def has_main_module(site: str, name: str) -> bool:
    """Tell whether a package can be started by `python -m`."""
    main = os.path.join(site, name, "__main__.py")
    return os.path.isfile(main) or os.path.isfile(f"{main}c")


def write_start(site: str, entry: str, name: str, setting: str, *options: str) -> None:
    """Write `.args`, `.name`, the result's, and `.start`, what it starts, in the build folder."""
    command, target = choose_start(site, ".new/notes.json", entry, setting)
    plain = bool(name) or re.fullmatch(r"\w[\w.-]*", command)
    name = name or command
    if not plain or not name.isprintable() or RESERVED.match(name):
        sys.exit(f"the executable cannot be called {name!r}; name it with COSMO_OUT")
    module = target.partition(" ")[2] or target
    if target.startswith("-m "):
        start = ["-m", module]
    elif target.startswith("-r "):  # as `-m` does, but the executable's name is sys.argv[0]
        call = "import runpy, sys; sys.argv[0] = sys.executable;"
        start = ["-c", f'{call} runpy._run_module_as_main("{module}", False)']
    elif CALLABLE.fullmatch(target):
        module_name, _, function = target.partition(":")
        call = f"import sys; sys.argv[0] = sys.executable; from {module_name}"
        call += f" import {function.partition('.')[0]};"
        if "-I" in options:  # where a script's folder is not the first, as a program may expect
            call += ' sys.path.insert(0, "/zip/bin");'
        start = ["-c", f"{call} sys.exit({function}())"]
    else:
        sys.exit(f"the command {command} cannot start {target!r}: write module:function")
    for file, lines in (
        (".args", [*options, *start, "..."]),
        (".name", [name]),
        (".start", [module]),
    ):
        with open(file, "w", encoding="utf-8", newline="\n") as out:
            out.write("\n".join(lines))


def run_command(arguments: list[str]) -> None:
    """Run the program that the command line names."""
    programs = {
        "target": print_target,
        "fit": fit_site,
        "start": write_start,
        "check": check_start,
    }
    try:
        programs[arguments[0]](*arguments[1:])  # type: ignore[operator]
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    run_command(sys.argv[1:])
