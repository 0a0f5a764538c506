"""How a stand-in starts: `.args`, the interpreter's options, then the program.

All of it runs in the Python that the stand-in was made from, before `/zip` is there at first: it
imports built-in modules alone until `Mount` has done its work.
"""

from __future__ import annotations

import _io
import builtins
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .archive import ROOT, Archive, below
from .mount import Extensions, Mount

if TYPE_CHECKING:
    import posix

LIB = ROOT + "/Lib"
SITE = LIB + "/site-packages"


def relabel(library: str) -> None:
    """Move the modules that were loaded before `/zip` was there into it, or drop them."""
    sys.modules.pop("linecache", None)  # from 3.13 on it holds the lines of the stand-in's own -c
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not file or not file.startswith(library + "/"):
            continue
        inside = LIB + file[len(library) :].rpartition(".")[0] + ".pyc"
        frozen = getattr(module.__spec__, "origin", None) == "frozen"
        if below(inside) and not frozen:
            try:
                posix.stat(inside)
            except OSError:
                del sys.modules[name]
                continue
            spec = module.__spec__
            if spec is not None:
                spec.origin = inside
                spec.cached = None
        module.__file__ = inside
        module.__dict__.pop("__cached__", None)
        if hasattr(module, "__path__"):
            module.__path__[:] = [inside.rpartition("/")[0]]


def options(words: list[str]) -> tuple[list[str], list[str]]:
    """Part a Python command line: the interpreter's options, then what to run and its arguments.

    The second list begins with `-c`, `-m`, `-` or the script, and is empty for the prompt.
    """
    place = 0
    while place < len(words):
        word = words[place]
        if word == "--check-hash-based-pycs":
            place += 2
            continue
        if word == "-" or not word.startswith("-") or word.startswith("--"):
            break
        for at, letter in enumerate(word[1:], 1):
            if letter in "cm":
                flags = words[:place] + (["-" + word[1:at]] if at > 1 else [])
                attached = [word[at + 1 :]] if word[at + 1 :] else []
                return flags, ["-" + letter, *attached, *words[place + 1 :]]
            if letter in "WX":
                place += word[at + 1 :] == ""
                break
        place += 1
    rest = words[place:]
    return words[:place], rest[1:] if rest[:1] == ["--"] else rest


def arguments(archive: Archive, given: list[str]) -> list[str]:
    """The command line after `.args`: its lines, with a last `...` replaced by `given`."""
    if ROOT + "/.args" not in archive.files:
        return given
    text = archive.read(ROOT + "/.args").decode("utf-8", "surrogateescape")
    lines = [line.replace("\\n", "\n") for line in text.replace("\r", "\n").split("\n") if line]
    return (lines[:-1] if lines[-1:] == ["..."] else lines) + given


def restart(loader: str, file: str, given: list[str]) -> None:
    """Start the host again, with the options that the command line names."""
    command = arguments(Archive(file), given)
    flags, target = options(command)
    short = [flag for flag in flags if flag.startswith("-") and not flag.startswith("--")]
    letters = "".join(flag.partition("W")[0].partition("X")[0] for flag in short)
    if "V" in letters or target[:1] == ["--version"]:
        version = sys.version if "VV" in letters else sys.version.split()[0]
        print(f"Python {version} (stand-in)")
        return
    host = sys.executable
    if "h" in letters or "?" in letters or (target[:1] and target[0].startswith("--")):
        posix.execv(host, [host, *flags, *target])
    site, without_site = ("0", []) if "S" in letters else ("1", ["-S"])
    environ = {name: value for name, value in posix.environ.items() if name != b"PYTHONHOME"}
    again = [host, *flags, *without_site, "-c", loader, loader, file, "run", site]
    posix.execve(host, [*again, str(len(target)), *target, *command], environ)


def become(file: str, site: bool, command: list[str]) -> None:
    """Make this process look as the real interpreter does."""
    python: Any = sys
    library = sys.modules["encodings"].__path__[0].rpartition("/")[0]
    extensions = [path for path in sys.path if path.endswith("/lib-dynload")]
    sys.path[:] = extensions
    import zlib  # noqa: F401 - while it can be found

    Mount(Archive(file))
    sys.path_importer_cache.clear()
    relabel(library)
    python.meta_path[2:2] = map(Extensions, extensions)
    python.prefix = python.exec_prefix = python.base_prefix = python.base_exec_prefix = ROOT
    python._stdlib_dir = LIB
    python.executable = python._base_executable = file
    python.orig_argv = [file, *command]
    python.version += " (stand-in)"
    given = posix.environ.get(b"PYTHONPATH", b"").decode("utf-8", "surrogateescape")
    extra = [] if sys.flags.ignore_environment else [path for path in given.split(":") if path]
    sys.path[:] = [*extra, LIB, SITE]
    if site:
        python.flags = Flags(sys.flags)
        import site as packages

        packages.main()


class Flags(tuple):  # type: ignore[type-arg]
    """`sys.flags` without the `-S` that `restart` adds."""

    no_site = 0

    def __new__(cls, real: Any) -> Flags:
        self = super().__new__(cls, (*real[:6], 0, *real[7:]))
        self.__dict__["real"] = real
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["real"], name)


def run_target(target: list[str]) -> None:
    """Run what the command line names, as the interpreter's own `main` does."""
    main = type(sys)("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    kind, *rest = target or ["-"]
    if kind in ("-c", "-m") and not rest:
        sys.exit(f"Argument expected for the {kind} option")
    safe = sys.flags.isolated or getattr(sys.flags, "safe_path", False)
    first = {"-c": "", "-m": posix.getcwd(), "-": ""}.get(kind, folder_of(kind))
    if not safe:
        sys.path.insert(0, first)
    if kind == "-m":
        sys.argv[:] = ["-m", *rest[1:]]
        import runpy

        runpy._run_module_as_main(rest[0])  # type: ignore[attr-defined]
    elif kind == "-c":
        sys.argv[:] = ["-c", *rest[1:]]
        source = rest[0].encode("utf-8", "surrogateescape")
        exec(compile(source, "<string>", "exec"), main.__dict__)
    elif kind == "-":
        sys.argv[:] = target or [""]
        prompt(main.__dict__)
    else:
        sys.argv[:] = target
        del sys.path[: not safe]
        run_script(kind, main.__dict__, [] if safe else [first])


def folder_of(path: str) -> str:
    """The folder that holds the script at `path`."""
    folder = path.rpartition("/")[0] or "."
    if folder == ".":
        return posix.getcwd()
    return folder if folder.startswith("/") else f"{posix.getcwd()}/{folder}"


def prompt(names: dict[str, Any]) -> None:
    """Run what standard input holds; on a terminal, line by line."""
    if sys.stdin.isatty():
        import code

        code.interact(f"Python {sys.version} on {sys.platform}", local=names)
    else:
        exec(compile(sys.stdin.buffer.read(), "<stdin>", "exec"), names)


def run_script(path: str, names: dict[str, Any], first: list[str]) -> None:
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
    exec(compile(source, path, "exec"), names)


def report_uncaught(error: BaseException) -> None:
    """End as an interpreter does after an uncaught exception, without the frames of this module."""
    trace: TracebackType | None = error.__traceback__
    here = report_uncaught.__code__.co_filename
    while trace is not None and trace.tb_frame.f_code.co_filename == here:
        trace = trace.tb_next
    error = error.with_traceback(trace)
    sys.excepthook(type(error), error, trace)
    if isinstance(error, KeyboardInterrupt):
        import signal

        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    sys.exit(1)


def boot(loader: str, file: str, stage: str, *rest: str) -> None:
    """The whole of a start, in two stages: the command line's options, then the program."""
    if stage == "options":
        restart(loader, absolute(file), list(rest))
        return
    site, count, *words = rest
    become(file, site == "1", words[int(count) :])
    try:
        run_target(words[: int(count)])
    except SystemExit:
        raise
    except BaseException as error:
        report_uncaught(error)


def absolute(path: str) -> str:
    """The full path of the file that a shell was told to run as `path`."""
    if path.startswith("/"):
        return path
    return f"{posix.getcwd()}/{path[2:] if path.startswith('./') else path}"
