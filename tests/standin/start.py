"""How a stand-in starts: `.args`, the interpreter's options, then the program."""

from __future__ import annotations

import _io
import builtins
import posix
import sys
from typing import Any

from .archive import ROOT, Archive
from .mount import ExtensionFinder, Mount, hide_builtins, limit_sysconf

LIB = ROOT + "/Lib"


def boot(absent: tuple[str, ...], loader: str, file: str, stage: str, *rest: str) -> None:
    """Start: read the command line's options, then run the program, in this process or a new one.

    The host was started with `-I -S`. This process goes on unless an option, or a PYTHON variable,
    needs a start of the host's own. `absent` names the extension modules that this stand-in lacks.
    """
    if stage == "options":
        archive = Archive(absolute(file))
        command = arguments(archive, list(rest))
        words, target = options(command)
        letters = "".join(words)
        isolated = "I" in letters
        heeded = not isolated and any(name.startswith(b"PYTHON") for name in posix.environ)
        if heeded or letters.strip("-IBS") or (target and target[0][:2] == "--"):
            restart(loader, archive.path, command)
            return
        flags = dict.fromkeys(("isolated", "ignore_environment", "no_user_site"), int(isolated))
        flags.update(no_site=int("S" in letters), dont_write_bytecode=int("B" in letters))
        if hasattr(sys.flags, "safe_path"):
            flags["safe_path"] = isolated
    else:
        archive, flags = Archive(file), {"no_site": int(rest[0] == "0")}
        count = int(rest[1]) + 2
        target, command = [*rest[2:count]], [*rest[count:]]
    become(archive, flags, command, absent)
    try:
        run_target(target)
    except SystemExit:
        raise
    except BaseException as error:
        report_uncaught(error)


def absolute(path: str) -> str:
    """The full path of the file that a shell was told to run as `path`."""
    return path if path.startswith("/") else f"{posix.getcwd()}/{path.removeprefix('./')}"


def restart(loader: str, file: str, command: list[str]) -> None:
    """Start the host again, with the options that the command line names."""
    flags, target = options(command)
    short = [flag for flag in flags if flag.startswith("-") and not flag.startswith("--")]
    letters = "".join(flag.partition("W")[0].partition("X")[0] for flag in short)
    if "V" in letters or target[:1] == ["--version"]:
        version = sys.version if "VV" in letters else sys.version.split()[0]
        print(f"Python {version} (stand-in)")
        return
    if "h" in letters or "?" in letters or (target and target[0].startswith("--")):
        posix.execv(sys.executable, [sys.executable, *flags, *target])
    site, without_site = ("0", []) if "S" in letters else ("1", ["-S"])
    environ = {name: value for name, value in posix.environ.items() if name != b"PYTHONHOME"}
    again = [sys.executable, *flags, *without_site, "-c", loader, loader, file, "run", site]
    posix.execve(sys.executable, [*again, str(len(target)), *target, *command], environ)


def arguments(archive: Archive, given: list[str]) -> list[str]:
    """The command line after `.args`: its lines, with a last `...` replaced by `given`."""
    if ROOT + "/.args" not in archive.files:
        return given
    text = archive.read(ROOT + "/.args").decode("utf-8", "surrogateescape")
    lines = [line.replace("\\n", "\n") for line in text.replace("\r", "\n").split("\n") if line]
    return (lines[:-1] if lines[-1:] == ["..."] else lines) + given


def options(words: list[str]) -> tuple[list[str], list[str]]:
    """Part a Python command line: the interpreter's options, then what to run and its arguments.

    The second list begins with `-c`, `-m`, `-` or the script, and is empty for the prompt.
    """
    place = 0
    while place < len(words) and words[place][:1] == "-" and words[place] != "-":
        word = words[place]
        if word[:2] == "--":
            if word != "--check-hash-based-pycs":
                break
            place += 2
            continue
        at = min((word.index(letter) for letter in "cmWX" if letter in word), default=len(word))
        letter, value = word[at : at + 1], word[at + 1 :]
        if letter in ("c", "m"):
            flags = [*words[:place], word[:at]] if at > 1 else words[:place]
            return flags, [f"-{letter}", *filter(None, [value]), *words[place + 1 :]]
        place += 2 if letter and not value else 1
    rest = words[place:]
    return words[:place], rest[1:] if rest[:1] == ["--"] else rest


def become(
    archive: Archive, flags: dict[str, int], command: list[str], absent: tuple[str, ...]
) -> None:
    """Make this process look as the real interpreter does; `flags` are values of `sys.flags`."""
    python: Any = sys
    library = sys.modules["encodings"].__path__[0].rpartition("/")[0]
    extensions = [path for path in sys.path if path.endswith("/lib-dynload")]
    file = archive.path
    Mount(archive)
    sys.path_importer_cache.clear()
    relabel(library, archive)
    hide_builtins(absent)
    limit_sysconf()
    python.meta_path[2:2] = [ExtensionFinder(folder, absent) for folder in extensions]
    python.prefix = python.exec_prefix = python.base_prefix = python.base_exec_prefix = ROOT
    python._stdlib_dir = LIB
    python.executable = python._base_executable = file
    python.orig_argv = [file, *command]
    python.version += " (stand-in)"
    given = posix.environ.get(b"PYTHONPATH", b"").decode("utf-8", "surrogateescape")
    extra = [] if sys.flags.ignore_environment else [path for path in given.split(":") if path]
    sys.path[:] = [*extra, LIB, LIB + "/site-packages"]
    values = [*sys.flags]
    for name, value in flags.items():
        values[PLACES[name]] = value
    python.flags, real = Flags(values), sys.flags
    python.flags.__dict__.update(flags, real=real)
    python.dont_write_bytecode = bool(python.flags.dont_write_bytecode)
    if not python.flags.no_site:
        import site as packages

        packages.main()


def relabel(library: str, archive: Archive) -> None:
    """Move the modules that were loaded before `/zip` was there into it, or drop them."""
    sys.modules.pop("linecache", None)  # from 3.13 on it holds the lines of the stand-in's own -c
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or not file.startswith(library + "/"):
            continue
        inside = LIB + file[len(library) :].rpartition(".")[0] + ".pyc"
        spec: Any = module.__spec__
        if spec.origin != "frozen":
            if inside not in archive.files:
                del sys.modules[name]
                continue
            spec.origin, spec.cached = inside, None
        module.__file__ = inside
        module.__dict__.pop("__cached__", None)
        if hasattr(module, "__path__"):
            module.__path__[:] = [inside.rpartition("/")[0]]


PLACES = {"dont_write_bytecode": 4, "no_user_site": 5, "no_site": 6, "ignore_environment": 7}
PLACES.update(isolated=12, safe_path=16)
"""The places of some values in `sys.flags`. Source: CPython, `Python/sysmodule.c`."""


class Flags(tuple):  # type: ignore[type-arg]
    """`sys.flags` as the command line has them: the host was started with others."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def run_target(target: list[str]) -> None:
    """Run what the command line names, as the interpreter's own `main` does."""
    kind, *rest = target or ["-"]
    sys.argv[:] = target or [""]
    if kind in ("-c", "-m"):
        if not rest:
            sys.exit(f"Argument expected for the {kind} option")
        del sys.argv[1]
    main = type(sys)("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    folder = absolute(kind).rpartition("/")[0] or "/"
    safe = sys.flags.isolated or getattr(sys.flags, "safe_path", False)
    first = [] if safe else [{"-c": "", "-m": posix.getcwd(), "-": ""}.get(kind, folder)]
    if kind in ("-c", "-m", "-"):
        sys.path[:0] = first
    if kind == "-c":
        run_source(rest[0].encode("utf-8", "surrogateescape"), "<string>", main.__dict__)
    elif kind == "-m":
        import runpy

        runpy._run_module_as_main(rest[0])  # type: ignore[attr-defined]
    elif kind != "-":
        run_script(kind, first, main.__dict__)
    elif sys.stdin.isatty():
        import code

        code.interact(f"Python {sys.version} on {sys.platform}", local=main.__dict__)
    else:
        run_source(sys.stdin.buffer.read(), "<stdin>", main.__dict__)


def run_script(path: str, first: list[str], names: dict[str, Any]) -> None:
    """Run the script at `path`; a folder or a zip is run by its `__main__`."""
    try:
        with _io.open(path, "rb") as file:
            source = file.read()
    except IsADirectoryError:
        source = b"PK"
    except OSError as error:
        print(f"{sys.executable}: can't open file {path!r}: {error}", file=sys.stderr)
        sys.exit(2)
    if source[:2] == b"PK" or path.endswith(".pyc"):
        import runpy

        runpy.run_path(path, run_name="__main__")
        return
    sys.path[:0] = first
    names["__file__"] = path
    run_source(source, path, names)


def run_source(source: bytes, file: str, names: dict[str, Any]) -> None:
    """Run the text of a program, which inherits none of the `__future__` of this one."""
    exec(compile(source, file, "exec", dont_inherit=True), names)


def report_uncaught(error: BaseException) -> None:
    """End as an interpreter does after an uncaught exception, without the frames of this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == "<stand-in>":
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    if isinstance(error, KeyboardInterrupt):
        import signal

        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    sys.exit(1)
