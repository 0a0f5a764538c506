"""The zip at the end of a stand-in, as the file system below `/zip` sees it."""

from __future__ import annotations

import _io
import errno
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import posix

ROOT = "/zip"
S_IFDIR = 0o040555


class Entry:
    """One file of the archive: where its bytes lie and what `stat` says of it."""

    def __init__(self, header: bytes) -> None:
        number = int.from_bytes
        self.method = number(header[10:12], "little")
        clock, day = number(header[12:14], "little"), number(header[14:16], "little")
        self.modified = (
            (day >> 9) + 1980,
            day >> 5 & 15,
            day & 31,
            clock >> 11,
            clock >> 5 & 63,
            (clock & 31) * 2,
        )
        self.packed = number(header[20:24], "little")
        self.size = number(header[24:28], "little")
        self.mode = number(header[40:42], "little")
        self.offset = number(header[42:46], "little")


class Archive:
    """The zip at the end of `path`, read once; of two entries with one name the first wins."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: dict[str, Entry] = {}
        self.folders: dict[str, dict[str, None]] = {ROOT: {}}
        with _io.open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 0x10016))
            tail = file.read()
            end = tail.rindex(b"PK\5\6")
            length = int.from_bytes(tail[end + 12 : end + 16], "little")
            start = int.from_bytes(tail[end + 16 : end + 20], "little")
            file.seek(start)
            directory = file.read(length)
        place = 0
        while directory[place : place + 4] == b"PK\1\2":
            name, extra, comment = (
                int.from_bytes(directory[place + at : place + at + 2], "little")
                for at in (28, 30, 32)
            )
            self._add(
                directory[place + 46 : place + 46 + name].decode("utf-8", "surrogateescape"),
                directory[place : place + 46],
            )
            place += 46 + name + extra + comment

    def _add(self, name: str, header: bytes) -> None:
        path = ROOT + "/" + name.rstrip("/")
        if name.endswith("/"):
            self.folders.setdefault(path, {})
        elif path not in self.files:
            self.files[path] = Entry(header)
        while path != ROOT:
            folder, _, child = path.rpartition("/")
            known = folder in self.folders
            self.folders.setdefault(folder, {})[child] = None
            if known:
                break
            path = folder

    def read(self, path: str) -> bytes:
        """The bytes of the file at `path`, a path below `/zip`."""
        entry = self.files[path]
        with _io.open(self.path, "rb") as file:
            file.seek(entry.offset)
            header = file.read(30)
            name, extra = header[26:28], header[28:30]
            file.seek(int.from_bytes(name, "little") + int.from_bytes(extra, "little"), 1)
            data = file.read(entry.packed)
        if entry.method == 0:
            return data
        import zlib

        return zlib.decompress(data, -15)

    def stat(self, path: str) -> posix.stat_result:
        """What `os.stat` says of `path`; `FileNotFoundError` where there is nothing."""
        entry = self.files.get(path)
        if entry is not None:
            when = int(time.mktime((*entry.modified, 0, 0, -1)))
            return stat_result(entry.mode, entry.size, when)
        if path in self.folders:
            return stat_result(S_IFDIR, 0, 0)
        above = path.rpartition("/")[0]
        raise failure(errno.ENOTDIR if above in self.files else errno.ENOENT, path)

    def list(self, path: str) -> list[str]:
        """The names in the folder `path`."""
        if path in self.files:
            raise failure(errno.ENOTDIR, path)
        if path not in self.folders:
            raise failure(errno.ENOENT, path)
        return list(self.folders[path])


def stat_result(mode: int, size: int, when: int) -> posix.stat_result:
    """An `os.stat_result`; `when` is in seconds and stands for all three times."""
    nanoseconds = dict.fromkeys(("st_atime_ns", "st_mtime_ns", "st_ctime_ns"), when * 10**9)
    return posix.stat_result((mode, 1, 1, 1, 0, 0, size, when, when, when), nanoseconds)


def failure(code: int, path: object) -> OSError:
    """The `OSError` that the system would raise for `code`."""
    return OSError(code, posix.strerror(code), path)


def below(path: Any) -> str | None:
    """`path` with its dots resolved if it lies at or below `/zip`, else None."""
    if isinstance(path, int) or path is None:
        return None
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
