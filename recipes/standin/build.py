"""Writes a stand-in: its head, what runs inside, and the Python it is made from."""

from __future__ import annotations

import compileall
import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ..console import Stop, bar, one_line
from ..excerpt import excerpt
from .start import boot

MAGIC = "MZqFpD='\n"
"""The first bytes of an Actually Portable Executable. Source: Cosmopolitan, `ape/ape.S`."""

HEAD = """\
{padding}'
# A stand-in for the Cosmopolitan Python: it runs only where {host} is.
if [ "$1" = --assimilate ]; then
  printf '#!/bin/sh\\nMZ=\\047' | dd of="$0" conv=notrunc 2>/dev/null
  exit
fi
[ -x "$0" ] || {{ echo "$0: Permission denied" >&2; exit 126; }}
ape=${{TMPDIR:-${{HOME:-.}}}}/.ape-stand-in
[ -x "$ape" ] || {{ : >"$ape" && chmod +x "$ape"; }} || exit 1
load={load}
exec {host} -I -S -c "$load" "$load" "$0" options "$@"
"""

LOAD = (
    "import sys; file = open(sys.argv[2], 'rb'); file.seek({at}); boot = file.read({size});"
    " file.close(); exec(compile(boot, '<stand-in>', 'exec'), {{'__name__': 'stand-in'}})"
)

SITECUSTOMIZE = """\
import sys

sys.path[:] = [path for path in sys.path if path == "/zip" or path.startswith("/zip/")]
"""

UTC = (b"TZif2" + bytes(30) + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0") * 2 + b"\nUTC0\n"
"""The time zone UTC in the format of RFC 8536: what the real one carries under `usr/share`."""

LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "site-packages", "dist-packages", "lib-dynload", "config-*", "*.so", "*.exe"),
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "_bundled", "sitecustomize.py"),
)


def make_standin(path: Path) -> None:
    """Write a stand-in for the Python that is running to `path`.

    Raises `Stop` where this Python has no pip to put in, or `path` cannot be written.
    """
    with one_line(f"{path} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder, "python")
            part.write_bytes(standin_head())
            fill_standin(part, Path(folder, "Lib"))
            part.chmod(0o755)
            part.replace(path)


def fill_standin(file: Path, library: Path) -> None:
    """Add the zip to `file`; the standard library is gathered and compiled in `library`."""
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=LEFT_OUT)
    custom = library / "sitecustomize.py"
    custom.write_text(SITECUSTOMIZE)
    os.utime(custom, (0, 0))
    compileall.compile_dir(str(library), 9, "/zip/Lib", quiet=1, legacy=True)
    files = [path for path in sorted(library.rglob("*")) if path.is_file() and path.suffix != ".py"]
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as end:
        add_entry(end, "usr/share/zoneinfo/UTC", UTC)
        with bar("stand-in", len(files), "files") as shown:
            for path in files:
                add_entry(end, path.relative_to(library.parent).as_posix(), path.read_bytes())
                shown.update()
        for name, data in host_pip():
            add_entry(end, f"Lib/site-packages/{name}", data)


def standin_head() -> bytes:
    """The shell script at the front, with what runs inside behind its last line."""
    source = excerpt(boot).encode()
    padding = "\n" * 32
    host = shlex.quote(str(Path(sys.executable).resolve()))

    def script(at: int) -> bytes:
        load = shlex.quote(LOAD.format(at=f"{at:6}", size=len(source)))
        return (MAGIC + HEAD.format(padding=padding, host=host, load=load)).encode()

    return script(len(script(0))) + source


def host_pip() -> Iterator[tuple[str, bytes]]:
    """This Python's pip as names below `site-packages` and contents."""
    try:
        installed = metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        wheel = next(Path(sysconfig.get_path("stdlib")).glob("ensurepip/_bundled/pip-*.whl"), None)
        if wheel is None:
            raise Stop(f"stand-in: {sys.executable} has no pip; run it with -m ensurepip") from None
        with zipfile.ZipFile(wheel) as bundled:
            yield from ((name, bundled.read(name)) for name in sorted(bundled.namelist()))
        return
    for file in sorted(installed.files or []):
        if file.parts[0].startswith("pip") and file.suffix != ".pyc":
            yield file.as_posix(), Path(str(installed.locate_file(file))).read_bytes()


def add_entry(end: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file as `zip` does: with its type in its mode, without which it cannot be imported."""
    info = zipfile.ZipInfo(name, (2024, 9, 1, 2, 16, 6))
    info.external_attr = 0o100644 << 16
    end.writestr(info, data, zipfile.ZIP_DEFLATED)
