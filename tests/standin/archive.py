"""The zip at the end of a stand-in, as the file system below `/zip` sees it.

This module, mount and start run as one (see build.py), before `/zip` is there. So they `import`
what is built in, or loaded by every start of Python, and zlib; `from` is for type checkers alone.
"""

from __future__ import annotations

import _io
import errno
import posix
import time
import zlib
from typing import Any

ROOT = "/zip"


class Archive:
    """The zip at the end of `path`, read once; of two entries with one name the first wins."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: dict[str, bytes] = {}  # each file's header in the zip's central directory
        self.folders: dict[str, dict[str, None]] = {ROOT: {}}  # the names in each folder
        with _io.open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 0x10016))
            tail = file.read()
            end = tail.rindex(b"PK\5\6")
            file.seek(number(tail, end + 16, 4))
            directory = file.read(number(tail, end + 12, 4))
        place = 0
        while directory[place : place + 4] == b"PK\1\2":
            header = directory[place : place + 46]
            end = place + 46 + (header[28] | header[29] << 8)  # quicker than `number`, and all wait
            name = directory[place + 46 : end].decode("utf-8", "surrogateescape")
            place = end + (header[30] | header[31] << 8) + (header[32] | header[33] << 8)
            self._add(name, header)

    def _add(self, name: str, header: bytes) -> None:
        path = ROOT + "/" + name.rstrip("/")
        if name.endswith("/"):
            self.folders.setdefault(path, {})
        else:
            self.files.setdefault(path, header)
        while path != ROOT:
            path, _, child = path.rpartition("/")
            if path in self.folders:
                self.folders[path][child] = None
                break
            self.folders[path] = {child: None}

    def read(self, path: str) -> bytes:
        """The bytes of the file at `path`, a path below `/zip`."""
        header = self.files[path]
        with _io.open(self.path, "rb") as file:
            file.seek(number(header, 42, 4))
            local = file.read(30)
            file.seek(number(local, 26) + number(local, 28), 1)
            data = file.read(number(header, 20, 4))
        return zlib.decompress(data, -15) if number(header, 10) else data

    def stat(self, path: str) -> posix.stat_result:
        """Return what `os.stat` does; raise `FileNotFoundError` where there is nothing."""
        mode, size, seconds = 0o040555, 0, 0
        header = self.files.get(path)
        if header is not None:
            mode, size = number(header, 40), number(header, 24, 4)
            clock, day = number(header, 12), number(header, 14)
            date = ((day >> 9) + 1980, day >> 5 & 15, day & 31)
            moment = (clock >> 11, clock >> 5 & 63, (clock & 31) * 2)
            seconds = int(time.mktime((*date, *moment, 0, 0, -1)))
        elif path not in self.folders:
            above = path.rpartition("/")[0]
            raise failure(errno.ENOTDIR if above in self.files else errno.ENOENT, path)
        nanoseconds = dict.fromkeys(("st_atime_ns", "st_mtime_ns", "st_ctime_ns"), seconds * 10**9)
        return posix.stat_result((mode, 1, 1, 1, 0, 0, size, *[seconds] * 3), nanoseconds)

    def list(self, path: str) -> list[str]:
        """The names in the folder `path`."""
        self.stat(path)
        if path in self.files:
            raise failure(errno.ENOTDIR, path)
        return [*self.folders[path]]


def number(data: bytes, offset: int, size: int = 2) -> int:
    """The number in the `size` bytes at `offset`."""
    return int.from_bytes(data[offset : offset + size], "little")


def failure(code: int, path: object) -> OSError:
    """The `OSError` that the system would raise for `code`."""
    return OSError(code, posix.strerror(code), path)


def below(path: Any) -> str | None:
    """`path` with its dots resolved if it lies at or below `/zip`, else None."""
    try:
        text = posix.fspath(path)
    except TypeError:
        return None
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not text.startswith(ROOT):
        return None
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    clean = "/" + "/".join(parts)
    return clean if clean == ROOT or clean.startswith(ROOT + "/") else None
