"""Writes a stand-in: a shell script, the code that it starts, and a zip of the standard library."""

from __future__ import annotations

import ast
import compileall
import marshal
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

from tqdm import tqdm

HEAD = """\
MZqFpD='
{room}{code}
'
# A stand-in for the Cosmopolitan Python: it runs only where {host} is.
if [ "$1" = --assimilate ]; then
  printf '#!/bin/sh\\nMZ=\\047' | dd of="$0" conv=notrunc 2>/dev/null
  exit
fi
[ -x "$0" ] || {{ echo "$0: Permission denied" >&2; exit 126; }}
ape=${{TMPDIR:-${{HOME:-.}}}}/.ape-stand-in
[ -x "$ape" ] || {{ : >"$ape" && chmod +x "$ape"; }} || exit 1
load="import marshal, sys; file = open(sys.argv[2], 'rb'); file.seek(32); line = file.readline();
file.close(); exec(marshal.loads(bytes.fromhex(line.decode())), {{'__name__': 'stand-in'}})"
exec {host} -I -S -c "$load" "$load" "$0" options "$@"
"""
"""Up to byte 32 there is room for what assimilates it. Source: Cosmopolitan, `ape/ape.S`."""

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

    Raises `OSError` or `ValueError` where that fails or this Python has no pip to put in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder, "python")
        part.write_bytes(head())
        fill(part, Path(folder, "Lib"))
        part.chmod(0o755)
        part.replace(path)


def head() -> bytes:
    """The shell script at the front of a stand-in, with the start-up code in its first string."""
    host = shlex.quote(str(Path(sys.executable).resolve()))
    room = "\n" * (32 - HEAD.index("{room}"))
    return HEAD.format(room=room, code=start_up_code().hex(), host=host).encode()


def start_up_code() -> bytes:
    """The modules archive, mount and start as one code object that calls `boot`, marshalled.

    Their `from` imports are left out: they bring in each other's names, which are here already,
    and names that only type checkers need. Annotations stay text, so nothing looks for those.
    """
    names = ("archive.py", "mount.py", "start.py")
    texts = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names]
    module = ast.parse("\n".join([*texts, "boot(*sys.argv[1:])"]))
    module.body = [node for node in module.body if not isinstance(node, ast.ImportFrom)]
    return marshal.dumps(compile(module, "<stand-in>", "exec", annotations.compiler_flag))


def fill(file: Path, library: Path) -> None:
    """Add the zip to `file`; the standard library is copied to `library` and compiled there."""
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=LEFT_OUT)
    customize = library / "sitecustomize.py"
    customize.write_text(SITECUSTOMIZE)
    os.utime(customize, (0, 0))
    compileall.compile_dir(str(library), 9, "/zip/Lib", quiet=1, legacy=True)
    files = [path for path in sorted(library.rglob("*")) if path.is_file() and path.suffix != ".py"]
    with zipfile.ZipFile(file, "a") as archive:
        add(archive, "usr/share/zoneinfo/UTC", UTC)
        for path in tqdm(files, "stand-in", unit="files", leave=False, disable=None):
            add(archive, path.relative_to(library.parent).as_posix(), path.read_bytes())
        for name, data in pip_files():
            add(archive, f"Lib/site-packages/{name}", data)


def pip_files() -> Iterator[tuple[str, bytes]]:
    """The files of this Python's pip: their names below `site-packages`, and their contents."""
    try:
        pip = metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        wheel = next(Path(sysconfig.get_path("stdlib")).glob("ensurepip/_bundled/pip-*.whl"), None)
        if wheel is None:
            raise OSError(f"{sys.executable} has no pip; run it with -m ensurepip") from None
        with zipfile.ZipFile(wheel) as bundled:
            yield from ((name, bundled.read(name)) for name in sorted(bundled.namelist()))
        return
    for file in sorted(pip.files or []):
        if file.parts[0].startswith("pip") and file.suffix != ".pyc":
            yield file.as_posix(), Path(str(pip.locate_file(file))).read_bytes()


def add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file as `zip` does: with its type in its mode, without which it cannot be imported."""
    info = zipfile.ZipInfo(name, (2024, 9, 1, 2, 16, 6))
    info.external_attr = 0o100644 << 16
    archive.writestr(info, data, zipfile.ZIP_DEFLATED)
