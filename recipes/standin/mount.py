"""`/zip`, read-only, put under the functions of the system that take a path."""

from __future__ import annotations

import _io
import builtins
import errno
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import FileFinder, ModuleSpec
from typing import TYPE_CHECKING, Any

from .archive import Archive, below, failure

if TYPE_CHECKING:
    import posix

WRITERS = (
    *("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "link", "symlink"),
    *("chmod", "chown", "utime", "truncate", "mkfifo", "mknod", "setxattr", "removexattr"),
)


class DirEntry:
    """One child of a folder below `/zip`, as `os.scandir` gives it."""

    def __init__(self, archive: Archive, folder: Any, name: str) -> None:
        self.name = name
        self.path = folder.rstrip("/") + "/" + name
        self._stat = archive.stat(below(self.path) or "")

    def __fspath__(self) -> str:
        return str(self.path)

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

    def is_junction(self) -> bool:
        return False


class Scan:
    """The iterator and context manager that `os.scandir` returns."""

    def __init__(self, archive: Archive, folder: Any, path: str) -> None:
        self._entries = iter([DirEntry(archive, folder, name) for name in archive.list(path)])

    def __iter__(self) -> Iterator[DirEntry]:
        return self._entries

    def __next__(self) -> DirEntry:
        return next(self._entries)

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter([])


class Guard:
    """A function of `posix` that is told of a path below `/zip` before the system is.

    Its methods stand in for the function because, like a built-in function and unlike one written
    in Python, they are not bound again when a class holds them.
    """

    def __init__(self, real: Callable[..., Any], reader: Callable[[str, Any], Any] | None = None):
        self._real = real
        self._reader = reader

    def read(self, path: Any = ".", *rest: Any, **named: Any) -> Any:
        inside = below(path)
        if inside is None or self._reader is None:
            return self._real(path, *rest, **named)
        return self._reader(inside, path)

    def write(self, *paths: Any, **named: Any) -> Any:
        for path in (*paths[:2], *named.values()):
            if below(path) is not None:
                raise failure(errno.EINVAL, path)
        return self._real(*paths, **named)


class Mount:
    """`/zip`, read-only, put under the functions of `posix` and `_io` that take a path."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        reading = {
            "stat": lambda path, given: archive.stat(path),
            "lstat": lambda path, given: archive.stat(path),
            "listdir": lambda path, given: archive.list(path),
            "scandir": lambda path, given: Scan(archive, posix.fspath(given), path),
            "readlink": self._readlink,
            "listxattr": lambda path, given: [],
        }
        for name, reader in reading.items():
            if hasattr(posix, name):
                setattr(posix, name, Guard(getattr(posix, name), reader).read)
        for name in filter(posix.__dict__.__contains__, WRITERS):
            setattr(posix, name, Guard(getattr(posix, name)).write)
        self._access, posix.access = posix.access, self.access
        self._open, posix.open = posix.open, self.open
        self._opened = 0
        self._io_open = _io.open
        builtins.open = self.io_open
        for module in (_io, sys.modules["io"]):
            module.open = self.io_open  # type: ignore[attr-defined]
            module.open_code = self.open_code  # type: ignore[attr-defined]
        self._under_importlib()

    def _under_importlib(self) -> None:
        mount = self

        class FileIO(_io.FileIO):
            def __init__(self, file: Any, mode: str = "r") -> None:
                super().__init__(file, mode, opener=mount.open if below(file) else None)

        external: Any = sys.modules["_frozen_importlib_external"]
        inner = type(sys)("_io")
        inner.__dict__.update(_io.__dict__, FileIO=FileIO)
        external._io = inner

    def _readlink(self, path: str, given: Any) -> str:
        self.archive.stat(path)
        raise failure(errno.EINVAL, given)

    def access(self, path: Any, mode: int, **named: Any) -> bool:
        """`os.access`: what is there can be read."""
        inside = below(path)
        if inside is None:
            return bool(self._access(path, mode, **named))
        there = inside in self.archive.files or inside in self.archive.folders
        return there and not mode & posix.W_OK

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """`os.open`: a file below `/zip` is copied into an anonymous file."""
        inside = below(path)
        if inside is None:
            return int(self._open(path, flags, mode, dir_fd=dir_fd))
        if flags & (posix.O_WRONLY | posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC):
            raise failure(errno.EINVAL, path)
        self.archive.stat(inside)
        if inside not in self.archive.files:
            raise failure(errno.EISDIR, path)
        number = self._anonymous()
        posix.write(number, self.archive.read(inside))
        posix.lseek(number, 0, 0)
        return number

    def _anonymous(self) -> int:
        """An empty file without a name, for reading and writing."""
        if hasattr(posix, "memfd_create"):
            return int(posix.memfd_create("zip"))
        self._opened += 1
        folder = posix.environ.get(b"TMPDIR", b"/tmp").decode("utf-8", "surrogateescape")
        name = f"{folder}/.stand-in-{posix.getpid()}-{self._opened}"
        flags = posix.O_RDWR | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
        number = int(self._open(name, flags, 0o600))
        posix.unlink(name)
        return number

    def io_open(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        """`open`."""
        if opener is None and below(file) is not None:
            opener = self.open
        return self._io_open(file, mode, buffering, encoding, errors, newline, closefd, opener)

    def open_code(self, path: str) -> Any:
        """`io.open_code`."""
        return self.io_open(path, "rb")


class Extensions:
    """Finds the host's extension modules, which the real interpreter has built in."""

    def __init__(self, folder: str) -> None:
        external: Any = sys.modules["_frozen_importlib_external"]
        suffixes = sys.modules["_imp"].extension_suffixes()
        self._finder: FileFinder = external.FileFinder(
            folder, (external.ExtensionFileLoader, suffixes)
        )

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        spec = self._finder.find_spec(name) if path is None else None
        if spec is not None and name == "_ssl":
            loader: Any = Certificates(spec.loader)
            spec.loader = loader
        return spec


class Certificates:
    """Loads `_ssl`, which opens files by itself, so that it finds certificates below `/zip`."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.create_module = loader.create_module

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)

        class _SSLContext(module._SSLContext):  # type: ignore[misc]
            def load_verify_locations(
                self, cafile: Any = None, capath: Any = None, cadata: Any = None
            ) -> None:
                if cafile is None or below(cafile) is None:
                    super().load_verify_locations(cafile, capath, cadata)
                    return
                number = posix.open(cafile, posix.O_RDONLY)
                try:
                    super().load_verify_locations(f"/dev/fd/{number}", capath, cadata)
                finally:
                    posix.close(number)

        module._SSLContext = _SSLContext
