"""`/zip`, read-only, put under the functions of the system that take a path."""

from __future__ import annotations

import _frozen_importlib_external as external
import _imp
import _io
import builtins
import errno
import io
import posix
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .archive import Archive, below, failure

WRITERS = (
    *("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "link", "symlink"),
    *("chmod", "chown", "utime", "truncate", "mkfifo", "mknod", "setxattr", "removexattr"),
)


class DirEntry:
    """One child of a folder below `/zip`, as `os.scandir` gives it."""

    def __init__(self, archive: Archive, folder: str, name: str) -> None:
        self.name = name
        self.path = folder.rstrip("/") + "/" + name
        self._stat = archive.stat(below(self.path) or "")

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def stat(self, *, follow_symlinks: bool = True) -> posix.stat_result:
        return self._stat

    def inode(self) -> int:
        return self._stat.st_ino

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._stat.st_mode & 0o170000 == 0o040000

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._stat.st_mode & 0o170000 == 0o100000

    def is_symlink(self) -> bool:
        return False

    is_junction = is_symlink


class Scan(map):  # type: ignore[type-arg]
    """The iterator and context manager that `os.scandir` returns."""

    def __enter__(self) -> Scan:
        return self

    def close(self, *_: object) -> None:
        """Nothing is open."""

    __exit__ = close


class Redirect:
    """Takes the place of a function of the system: for a path below `/zip` it calls `replacement`.

    It is an object because a function written in Python, unlike a built-in one, would become a
    method of every class that holds it.
    """

    def __init__(self, system: Callable[..., Any], replacement: Callable[..., Any]) -> None:
        self._system, self._replacement = system, replacement

    def __call__(self, *args: Any, **named: Any) -> Any:
        for path in (*args[:2], *named.values()):
            clean = below(path)
            if clean is not None:
                return self._replacement(clean, *args, **named)
        return self._system(*args, **named)


class Mount:
    """`/zip`, read-only, put under the functions of `posix` and `_io` that take a path.

    What takes the place of a function of `posix` gets the clean path before its arguments.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        replacements: dict[str, Callable[..., Any]] = {
            **dict.fromkeys(("stat", "lstat"), lambda clean, path, **_: archive.stat(clean)),
            "listdir": lambda clean, path: archive.list(clean),
            "listxattr": lambda clean, path, **_: [],
            "scandir": self.scandir,
            "readlink": self.readlink,
            "access": self.access,
            "open": self.open,
            **dict.fromkeys(WRITERS, self.refuse),
        }
        for name in filter(posix.__dict__.__contains__, replacements):
            setattr(posix, name, Redirect(getattr(posix, name), replacements[name]))
        self._io_open: Callable[..., Any] = _io.open
        for module in (builtins, _io, io):
            module.open = self.io_open  # type: ignore[attr-defined]
        _io.open_code = io.open_code = lambda path: self.io_open(path, "rb")
        get_file = external.FileLoader.get_data

        def get_data(self: external.FileLoader, path: str) -> bytes:
            clean = below(path)
            return archive.read(clean) if clean in archive.files else get_file(self, path)

        external.FileLoader.get_data = get_data  # type: ignore[method-assign]

    def scandir(self, clean: str, path: Any) -> Scan:
        folder = posix.fspath(path)
        return Scan(lambda name: DirEntry(self.archive, folder, name), self.archive.list(clean))

    def readlink(self, clean: str, path: Any, **_: Any) -> str:
        self.archive.stat(clean)
        raise failure(errno.EINVAL, path)

    def access(self, clean: str, path: Any, mode: int, **_: Any) -> bool:
        exists = clean in self.archive.files or clean in self.archive.folders
        return exists and not mode & posix.W_OK

    def refuse(self, clean: str, *_: Any, **__: Any) -> None:
        """Refuse to write below `/zip`."""
        raise failure(errno.EROFS, clean)

    def open(self, clean: str, path: Any, flags: int, *_: Any, **__: Any) -> int:
        """`os.open`: a file below `/zip` is copied into an anonymous file."""
        if flags & (posix.O_WRONLY | posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC):
            raise failure(errno.EROFS, path)
        self.archive.stat(clean)
        if clean not in self.archive.files:
            raise failure(errno.EISDIR, path)
        number = anonymous_file()
        posix.write(number, self.archive.read(clean))
        posix.lseek(number, 0, 0)
        return number

    def io_open(self, file: Any, *rest: Any, **named: Any) -> Any:
        """`open`."""
        if named.get("opener") is None and below(file) is not None:
            named["opener"] = posix.open
        return self._io_open(file, *rest, **named)


def anonymous_file() -> int:
    """An empty file without a name, for reading and writing."""
    if hasattr(posix, "memfd_create"):
        return posix.memfd_create("zip")
    folder = posix.environ.get(b"TMPDIR", b"/tmp").decode("utf-8", "surrogateescape")
    name = f"{folder}/.stand-in-{posix.getpid()}-{time.monotonic_ns()}"
    number = posix.open(name, posix.O_RDWR | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600)
    posix.unlink(name)
    return number


class ExtensionFinder:
    """Finds the host's extension modules, which the real interpreter has built in, but `absent`."""

    def __init__(self, folder: str, absent: tuple[str, ...]) -> None:
        self._absent = absent
        self._finder = external.FileFinder(folder, (ExtensionLoader, _imp.extension_suffixes()))

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return self._finder.find_spec(name) if path is None and name not in self._absent else None


def limit_sysconf() -> None:
    """Fail in `os.sysconf` for semaphores, as Cosmopolitan does; so `compileall -j` fails."""
    sysconf = posix.sysconf

    def limited(name: Any) -> int:
        if name in ("SC_SEM_NSEMS_MAX", posix.sysconf_names["SC_SEM_NSEMS_MAX"]):
            raise OSError(errno.EINVAL, posix.strerror(errno.EINVAL))
        return sysconf(name)

    posix.sysconf = limited


def hide_builtins(absent: tuple[str, ...]) -> None:
    """Hide the modules in `absent` that the host's executable holds, or that are loaded already."""
    is_builtin = _imp.is_builtin
    _imp.is_builtin = lambda name: 0 if name in absent else is_builtin(name)
    names = (name for name in sys.builtin_module_names if name not in absent)
    sys.builtin_module_names = tuple(names)
    for name in absent:
        sys.modules.pop(name, None)


class ExtensionLoader(external.ExtensionFileLoader):
    """Loads an extension module; `_ssl`, which opens files by itself, learns to read `/zip`."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if module.__name__ != "_ssl":
            return

        class _SSLContext(module._SSLContext):  # type: ignore[misc,name-defined]
            def load_verify_locations(self, cafile: Any = None, *rest: Any, **named: Any) -> None:
                if below(cafile) is None:
                    super().load_verify_locations(cafile, *rest, **named)
                    return
                number = posix.open(cafile, posix.O_RDONLY)
                try:
                    super().load_verify_locations(f"/dev/fd/{number}", *rest, **named)
                finally:
                    posix.close(number)

        module._SSLContext = _SSLContext  # type: ignore[attr-defined]
