"""The interpreter's file, and the user's cache: its address, sha256 and content.

The cache keeps what was downloaded or made once, for all projects of this user:

    url/HASH/SHA256/NAME   what an address gave, by its content, with the server's name and time
    base/KEY.zip           an interpreter with dependencies; KEY.json: what was removed of them
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from invoke.runners import Result

from .lockfile import public_url
from .project import Project
from .shell import RecipeError, count, show_output

FETCHED = {"python": "COSMO_URL", "zip": "COSMO_ZIP_URL"}
"""What is fetched, by its name in the build folder, and the setting that says where from."""


def wanted_sha256(p: Project, name: str) -> str:
    """Return the sha256 that a fetched file must have, empty where any will do."""
    return p.lock.sha256 if p.lock and name == "python" else ""


def tool_address(p: Project, name: str) -> str:
    """Return the URL or path to fetch a file from; a locked one's own, unless a setting says."""
    default = p.settings.values[FETCHED[name]].origin == "default"
    if default and p.lock and name == "python" and "://" in p.lock.url:
        return p.lock.url
    return p.settings.zip_url if name == "zip" else p.settings.url


def lock_message(p: Project, kind: str) -> str:
    """Say what is locked; empty where that is no question. `kind` is that of the requirements."""
    if p.options.app or p.options.lock:
        return ""
    if p.lock is None:
        if kind == "uv.lock":
            return f"uv.lock; `{p.lock_command}` writes one that holds the interpreter, too"
        return f"none, so what is current goes in; `{p.lock_command}` writes one"
    url = p.settings.values["COSMO_URL"]
    other = url.origin != "default" and p.lock.url != public_url(url.text or "")
    mirror = f"; the interpreter from COSMO_URL ({url.origin})" if other else ""
    packages = count(len(p.lock.packages), "package")
    return f"{p.lock_file.name}: Python {p.lock.version}, {packages}{mirror}"


def is_ape(path: Path) -> bool:
    """Tell whether a file begins as an Actually Portable Executable, new or old.

    Source: Cosmopolitan, `ape/ape.S`.
    """
    with path.open("rb") as file:
        return file.read(8) in (b"MZqFpD='", b"jartsr='")


def describe_file(path: Path) -> str:
    """Say what a file that is no interpreter is instead."""
    if is_ape(path):
        return "it holds no Python: there is no readable zip with a Lib/ at its end"
    with path.open("rb") as file:
        return f"it is not an APE file (it begins with {str(file.read(4))[1:]})"


def python_sha256(p: Project) -> str:
    """Return the sha256 of the fetched interpreter; a locked one was verified when it was taken."""
    return wanted_sha256(p, "python") or file_sha256(p.path(f"{p.build}/python"))


def has_sha256(path: Path, sha256: str) -> bool:
    """Tell whether a file is there, can be run, and has this sha256, if any is given."""
    with suppress(OSError):
        return bool(sha256) and os.access(path, os.X_OK) and file_sha256(path) == sha256
    return False


def file_sha256(path: Path) -> str:
    """Compute the sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def digest_of(*parts: object) -> str:
    """Compute the sha256 of values whose `repr` is all there is to say of them."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def cache_folder() -> Path:
    """Return the folder of these recipes in the user's cache.

    Source: XDG Base Directory Specification, by which a relative path counts for nothing; without
    XDG_CACHE_HOME, on macOS, its File System Programming Guide.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = str(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return Path(base, "cosmo-recipes")


def prune_cache(days: int) -> None:
    """Remove from the cache what no build used for so many days; folders of older releases too."""
    for pattern in ("url/*/*", "base/*", "sha256/*", "url/*.json", "uv"):
        for path in cache_folder().glob(pattern):
            with suppress(OSError):
                if path.lstat().st_mtime <= time.time() - days * 86400:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def keep_file(source: Path, target: Path) -> None:
    """Copy a file into the cache by a rename; do without where the cache cannot be written."""
    part = target.with_name(f".{os.getpid()}.part")
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(source, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def use_file(path: Path) -> bool:
    """Tell whether the cache has a plain file, and note that it was used, for `--prune`."""
    with suppress(OSError):
        if path.is_file() and not path.is_symlink():
            os.utime(path)
            return True
    return False


def cached_file(sha256: str, url: str = "") -> Path | None:
    """Find a file with that content in the cache, or, for `*`, what an address gave last.

    One that is damaged is removed.
    """
    folder = hashlib.sha256(url.encode()).hexdigest()[:16] if url else "*"
    files = cache_folder().glob(f"url/{folder}/{sha256 or '-'}/*")
    with suppress(OSError):
        for path in sorted(files, key=lambda path: -path.parent.stat().st_mtime):
            is_whole = path.is_file() and file_sha256(path) == path.parent.name
            if is_whole and not path.name.startswith("."):
                os.utime(path.parent)  # it was used, which `--prune` asks for
                return path
            path.unlink()
    return None


def keep_download(url: str, file: Path) -> None:
    """Keep in the cache a file that an address gave, under its name."""
    folder = cache_folder() / "url" / hashlib.sha256(url.encode()).hexdigest()[:16]
    target = folder / file_sha256(file) / file.name
    if not target.exists():
        keep_file(file, target)
    with suppress(OSError):
        os.utime(target.parent)  # it is what the address gave last


def check_download(p: Project, url: str, last: Path | None) -> None:
    """Raise `RecipeError` where a file cannot be downloaded: offline, or without wget."""
    if p.settings.offline and not last:
        remedy = "go online once, without --offline or COSMO_OFFLINE"
        raise RecipeError(f"{public_url(url)} is not in the cache; {remedy}")
    if not (p.settings.offline or shutil.which("wget")):
        remedy = "install wget (apt install wget, brew install wget)"
        raise RecipeError(f"{public_url(url)}: there is no wget on PATH; {remedy}")


def download_remedy(p: Project, name: str) -> str:
    """Say what to do where a download failed."""
    if p.settings.values[FETCHED[name]].origin == "COSMO_VERSION":
        return "check the network, and COSMO_VERSION"
    remedy = f"check the network, or set {FETCHED[name]} to a mirror or a file"
    return remedy if name == "python" else f"install zip (apt install zip), or {remedy}"


def download_problem(result: Result) -> str:
    """Say why a download failed. SIGXFSZ comes from `ulimit`, which bounds its length."""
    return "it is longer than it may be" if result.exited in (153, -25) else show_output(result)


def wget_limits(url: str, size: int | None) -> str:
    """Return what bounds a download: its length, and, for https, where it may be led on to.

    Where https leads on to http or ftp, wget meets a proxy that is not there.
    """
    limits = f"ulimit -f {(size or 2**30) // 512 + 1} 2>/dev/null || :"  # a lower one may be set
    if url.startswith("https:"):
        limits += "; export http_proxy=http://127.0.0.1:9/ ftp_proxy=http://127.0.0.1:9/"
        limits += "" if os.environ.get("https_proxy") else " no_proxy="
    return limits


def touch_time(seconds: float) -> str:
    """Write a time as `touch -t` takes it, in UTC."""
    return time.strftime("%Y%m%d%H%M.%S", time.gmtime(seconds))
