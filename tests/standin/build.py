"""Writes a stand-in: a shell script, the code that it starts, and a zip of the standard library."""

from __future__ import annotations

import ast
import compileall
import marshal
import os
import shlex
import shutil
import ssl
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Collection, Iterator
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
ape=${{TMPDIR:-${{HOME:-.}}}}/.ape-stand-in
case $0 in */*) ;; *) : >"$ape.$$"; echo "$0: not found" >&2; exit 127;; esac
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

UTC = (b"TZif2" + bytes(31) + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0") * 2 + b"\nUTC0\n"
"""The time zone UTC in the format of RFC 8536: what the real one carries under `usr/share`."""

TZPATH = '\nbuild_time_vars["TZPATH"] = "/zip/usr/share/zoneinfo"\n'
"""How the real one is configured, as a line for the variables that `sysconfig` reads."""

LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "site-packages", "dist-packages", "lib-dynload", "config-*", "*.so", "*.exe"),
    *("test", "tests", "idlelib", "tkinter", "turtle.py", "turtledemo", "ensurepip", "pydoc_data"),
    *("_pydecimal.py", "sitecustomize.py"),
)

ABSENT = {
    *("_ctypes", "_dbm", "_lzma", "_tkinter", "_ctypes_test", "_testbuffer", "_testcapi"),
    *("_testclinic", "_testclinic_limited", "_testexternalinspection", "_testimportmultiple"),
    *("_testinternalcapi", "_testlimitedcapi", "_testmultiphase", "_testsinglephase"),
    *("_xxtestfuzz", "xxlimited", "xxlimited_35"),
}
"""The extension modules that the real one is built without (superconfigure, `lang/python`)."""

TERMINALS = ("d/dumb", "l/linux", "s/screen", "v/vt100", "x/xterm", "x/xterm-256color")


def make_standin(path: Path, without: Collection[str] = (), also: Collection[str] = ()) -> None:
    """Write a stand-in for the Python that is running to `path`.

    It lacks the extension modules in `ABSENT` but for those in `also`, and those in `without`.
    Raises `OSError` or `ValueError` where that fails or this Python has no pip to put in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder, "python")
        part.write_bytes(head(tuple(sorted(ABSENT.difference(also).union(without)))))
        fill(part, Path(folder, "Lib"))
        part.chmod(0o755)
        part.replace(path)


def head(absent: tuple[str, ...]) -> bytes:
    """The shell script at the front of a stand-in, with the start-up code in its first string."""
    host = shlex.quote(str(Path(sys.executable).resolve()))
    room = "\n" * (32 - HEAD.index("{room}"))
    return HEAD.format(room=room, code=start_up_code(absent).hex(), host=host).encode()


def start_up_code(absent: tuple[str, ...]) -> bytes:
    """The modules archive, mount and start as one code object that calls `boot`, marshalled.

    What is `absent` is written there because packaging copies the head, whatever it prunes.

    Their `from` imports are left out: they bring in each other's names, which are here already,
    and names that only type checkers need. Annotations stay text, so nothing looks for those.
    """
    names = ("archive.py", "mount.py", "start.py")
    texts = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names]
    module = ast.parse("\n".join([*texts, f"boot({absent!r}, *sys.argv[1:])"]))
    module.body = [node for node in module.body if not isinstance(node, ast.ImportFrom)]
    return marshal.dumps(compile(module, "<stand-in>", "exec", annotations.compiler_flag))


def fill(file: Path, library: Path) -> None:
    """Add the zip to `file`; the standard library is copied to `library` and compiled there."""
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=LEFT_OUT)
    texts = dict.fromkeys(library.glob("_sysconfigdata*.py"), TZPATH)
    for path, text in {**texts, library / "sitecustomize.py": SITECUSTOMIZE}.items():
        with path.open("a", encoding="utf-8") as source:
            source.write(text)
        os.utime(path, (0, 0))
    compileall.compile_dir(str(library), 9, "Lib", quiet=1, legacy=True)
    files = [path for path in sorted(library.rglob("*")) if path.is_file() and path.suffix != ".py"]
    with zipfile.ZipFile(file, "a") as archive:
        add(archive, ".symtab.amd64", b"", mode=0)
        add(archive, "usr/share/zoneinfo/UTC", UTC)
        for name, data in share_files():
            add(archive, f"share/{name}", data)
        for path in tqdm(files, "stand-in", unit="files", leave=False, disable=None):
            add(archive, path.relative_to(library.parent).as_posix(), path.read_bytes())
        for name, data in pip_files():
            add(archive, f"Lib/site-packages/{name}", data)


def share_files() -> Iterator[tuple[str, bytes]]:
    """Certificates and terminal data of the host, below `share`; empty where it has none."""
    sources = {"ssl/cert.pem": [Path(ssl.get_default_verify_paths().cafile or os.devnull)]}
    for name in TERMINALS:
        folders = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")
        sources[f"terminfo/{name}"] = [Path(folder, name) for folder in folders]
    for name, paths in sources.items():
        path = next(filter(Path.is_file, paths), None)
        yield name, path.read_bytes() if path else b""


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


def add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int = 0o100644) -> None:
    """Add a file as `zip` does: with its type in its mode, without which it cannot be imported."""
    info = zipfile.ZipInfo(name, (2024, 9, 1, 2, 16, 6))
    info.external_attr = mode << 16
    archive.writestr(info, data, zipfile.ZIP_DEFLATED)
