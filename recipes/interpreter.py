"""The fetched interpreter, and the zip beside it: downloaded by wget, verified, cached.

The user's cache keeps what was downloaded once, for all projects of this machine:

    sha256/HASH     a file, by its content
    url/HASH.json   what an address gave last: its sha256, file name and time, for `wget -N`
    uv/             what uv built without a compiler
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from invoke.runners import Result

from .lockfile import count
from .parsers import APE_STARTS, is_executable, public_url
from .project import Project
from .shell import Progress, RecipeError, Shell, progress_bar, quote, show_output

WGET = "wget -N --no-config --no-hsts -t 3 --waitretry=1 -T 30"
"""The article's `wget -N`, with options that wget and wget2 take. TLS is verified, no `.wgetrc`
is read, and nothing is written to the home folder."""

NO_HTTP = "; export http_proxy=http://127.0.0.1:9/"
"""Where https leads on to http, wget is to fail: it meets a proxy that is not there."""

MAX_DOWNLOAD = 2**30
"""How many bytes a download may have, where no lock says it."""

ONLINE = "go online once, without --offline or COSMO_OFFLINE"
"""What to do where the cache has not all that a build needs."""

FETCHED = {"python": "COSMO_URL", "zip": "COSMO_ZIP_URL"}
"""What is fetched, by its name in the build folder, and the setting that says where from."""


def zip_command(build: str = ".") -> str:
    """The zip to call: the one on PATH, else the one that was fetched into the build folder."""
    return "zip" if shutil.which("zip") else f"sh {build}/zip"


def inside_command(p: Project, mode: str, *words: str) -> str:
    """The line that runs a program of `inside` in the fetched interpreter.

    In a vendored file the programs are in that file itself.
    """
    path = Path(__file__)
    path = path.with_name("inside") if __name__ == "recipes.interpreter" else path
    file = str(path) if os.path.relpath(path).startswith("..") else os.path.relpath(path)
    return f"sh {quote(p.build)}/python -IB {quote(file)} {' '.join([mode, *words])}"


def fetch_tools(p: Project, sh: Shell, force: bool = False) -> str:
    """Fetch the interpreter, and zip if none is installed; return the interpreter's address."""
    if not shutil.which("zip"):
        fetch_tool(p, sh, "zip", force)
    return fetch_tool(p, sh, "python", force)


def wanted_sha256(p: Project, name: str) -> str:
    """The sha256 that a fetched file must have, empty where any will do."""
    return "" if name == "zip" else p.lock.sha256 if p.lock else str(p.get("COSMO_SHA256"))


def lock_message(p: Project) -> str:
    """What is locked, and what serves as a mirror of it."""
    if p.lock is None and p.get("COSMO_SHA256"):
        return "none; the interpreter is the one that COSMO_SHA256 names"
    if p.lock is None:
        also = " but uv.lock's dependencies" if p.uses_uv_lock else ""
        return f"none{also}, so what is current goes in; `{p.lock_command}` writes one"
    url = p.value("COSMO_URL")
    other = url.source != "default" and p.lock.url not in map(public_url, (url.text or "").split())
    mirror = f"; COSMO_URL ({url.source}) is asked for that file alone" if other else ""
    return (
        f"{p.lock_file}: Python {p.lock.version}, {count(len(p.lock.packages), 'package')}{mirror}"
    )


def tool_addresses(p: Project, name: str) -> tuple[str, ...]:
    """The addresses to fetch a file from, in order; where the interpreter is locked, its too."""
    p.get("COSMO_VERSION")  # which may be a part of them, is checked first
    addresses: tuple[str, ...] = p.get(FETCHED[name])
    if (
        name == "python"
        and p.lock
        and "://" in p.lock.url
        and p.lock.url not in map(public_url, addresses)
    ):
        default = p.value("COSMO_URL").source == "default"
        addresses = (p.lock.url,) if default else (*addresses, p.lock.url)
    return addresses


def fetch_tool(p: Project, sh: Shell, name: str, force: bool) -> str:
    """Fetch a file from the cache, or the first address that has it; return its address."""
    addresses, sha256 = tool_addresses(p, name), wanted_sha256(p, name)
    if not (force or p.force or sh.dry) and has_sha256(Path(p.build, name), sha256):
        sh.log("fetch", f"{name} of that sha256 is there")
        return addresses[0]
    cached = None if force else cached_file(sha256)
    if cached:
        sh.log("fetch", f"{name} of that sha256, from the cache")
        take_file(p, sh, name, str(cached), sha256 if sh.dry else "", force)
        return addresses[0]
    for address in addresses[:-1]:
        try:
            sh.log("fetch", public_url(address))
            take_file(p, sh, name, address, sha256, force)
        except RecipeError as error:
            sh.log("fetch", f"{error.message}; trying the next"[len("cosmo: ") :])
        else:
            return address
    sh.log("fetch", public_url(addresses[-1]))
    take_file(p, sh, name, addresses[-1], sha256, force)
    return addresses[-1]


def has_sha256(path: Path, sha256: str) -> bool:
    """Whether a file is there, can be run, and has this sha256, if any is given."""
    with suppress(OSError):
        return bool(sha256) and os.access(path, os.X_OK) and file_sha256(path) == sha256
    return False


def take_file(p: Project, sh: Shell, name: str, address: str, sha256: str, force: bool) -> None:
    """Bring a file from one address into the build folder, and put it in place once it is verified.

    It must be an Actually Portable Executable with this sha256, if any is given; the interpreter
    with a zip at its end that can be read and holds a library.
    """
    file = os.path.join(p.build, name)
    part, remedy, downloaded = quote(f"{file}.part"), f"correct {FETCHED[name]}", ""
    shown = public_url(address)
    failed = f"{shown} cannot be copied"
    if "://" in address:
        downloaded = download(p, sh, name, address, force)
        sh.run(f"mv -f {quote(p.build)}/download/* {part}", failed, remedy)
    else:
        sh.run(f"mkdir -p {quote(p.build)} && cp {quote(address)} {part}", failed, remedy)

    def verify(line: str, problem: str, reason: Callable[[], str], remedy: str = remedy) -> None:
        sh.run(line, f"{shown} {problem}", remedy, reason=lambda _: reason())

    if sha256:
        program = "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"
        verify(
            f"echo '{sha256}  '{part} | {program} -c >/dev/null 2>&1",
            f"is not what {p.lock_file if p.lock else 'COSMO_SHA256'} names",
            lambda: f"expected sha256 {sha256}, found {file_sha256(Path(f'{file}.part'))}",
            f"{remedy}, or {f'lock it anew with `{p.lock_command}`' if p.lock else 'COSMO_SHA256'}",
        )
    line = f"head -c 6 {name}.part | grep -Eq '^({'|'.join(APE_STARTS)})'"
    line += f" && {zip_command()} -sf python.part | grep -q '^ *Lib/'" if name == "python" else ""
    verify(f"(cd {quote(p.build)} && {line})", "cannot be used", lambda: describe(f"{file}.part"))
    if downloaded and not sh.dry:
        cache_download(address, Path(f"{file}.part"), downloaded)
    # the article: chmod +x python
    sh.run(f"chmod +x {part} && mv -f {part} {quote(file)}", f"{file} cannot be put in place")


def describe(path: str) -> str:
    """What a file that is no interpreter is instead."""
    if not is_executable(Path(path)):
        return "it is no Actually Portable Executable, for it begins with other bytes"
    return "it holds no Python: it has no readable zip with a Lib/ at its end"


def download(p: Project, sh: Shell, name: str, url: str, force: bool) -> str:
    """Download `url` to the folder `download`, or, offline, take what it gave before.

    Nothing else is in that folder, so that it does not matter how wget names the file. Its name is
    returned, if it is not what the cache has.
    """
    folder = os.path.join(p.build, "download")
    entry, remove = {} if force else cached_download(url), f"rm -rf {quote(folder)}"
    if entry:
        when = time.strftime("%Y%m%d%H%M.%S", time.gmtime(entry["time"]))
        target = quote(os.path.join(folder, entry["name"]))
        copy = f"cp {quote(entry['file'])} {target} && touch -t {when} {target}"
        sh.run(f"{remove} && mkdir -p {quote(folder)} && {copy}")
        remove = ""
    if p.get("COSMO_OFFLINE"):
        if not entry:
            raise RecipeError(f"{public_url(url)} is not in the cache; {ONLINE}")
        return ""
    remedy = f"check the network, or set {FETCHED[name]} to a mirror or a file"
    if p.value(FETCHED[name]).source == "COSMO_VERSION":
        remedy = "check the network, and COSMO_VERSION"
    if name == "python":
        remedy += "; `invoke standin` in a clone of cosmo-recipes makes one to try with"
    else:
        remedy = f"install zip (apt install zip), or {remedy}"
    failed = f"{public_url(url)} cannot be downloaded"
    if not shutil.which("wget") and not sh.dry:
        remedy = "install wget (apt install wget, brew install wget)"
        raise RecipeError(f"{failed}: there is no wget on PATH; {remedy}")
    size = p.lock.size if p.lock and name == "python" else None
    limits = f"{remove}; " if remove else ""
    limits += f"ulimit -f {(size or MAX_DOWNLOAD) // 512 + 1} || :"
    if url.startswith("https:"):
        limits += NO_HTTP + ("" if os.environ.get("https_proxy") else " no_proxy=")
    before = {} if sh.dry else folder_state(folder)
    # the article: wget -N https://cosmo.zip/pub/cosmos/bin/python
    line = f"({limits}\n{WGET} -P {quote(folder)} {shlex.quote(url)})"

    def reason(result: Result) -> str:
        too_long = result.exited in (153, -25)  # SIGXFSZ, by `ulimit`
        return "it is longer than it may be" if too_long else show_output(result, progress)

    with progress_bar("fetch", size, "B") as bar:
        progress = Progress(bar, r"\s*\d+K[ .]", folder)
        sh.run(line, failed, remedy, progress=progress, reason=reason)
        progress.submit("")
    after = {} if sh.dry else folder_state(folder)
    return "" if after == before else next(iter(after), "")


def file_state(path: Path) -> tuple[int, ...]:
    """What of a file changes when it does: where it is on the disk, its size, mode and times."""
    stat = path.stat()
    times = stat.st_mtime_ns, stat.st_ctime_ns
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mode, *times)


def folder_state(folder: str) -> dict[str, tuple[int, ...]]:
    """The names of the files in a folder, if there is one, and the state of each."""
    paths = Path(folder).iterdir() if Path(folder).is_dir() else ()
    return {path.name: file_state(path) for path in paths}


def file_sha256(path: Path) -> str:
    """The sha256 of a file; of one that did not change since it was asked for last, as it was."""
    return read_sha256(path, file_state(path))


@lru_cache
def read_sha256(path: Path, state: tuple[int, ...]) -> str:
    """The sha256 of a file in this state."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """The folder of these recipes in the user's cache.

    Source: XDG Base Directory Specification, by which a relative path counts for nothing; without
    XDG_CACHE_HOME, on macOS, its File System Programming Guide.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = str(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return Path(base, "cosmo-recipes")


def prune_cache(days: int) -> None:
    """Remove from the cache what no build used for so many days."""
    before, folder = time.time() - days * 86400, cache_folder()
    if (folder / "uv").is_dir() and (folder / "uv").stat().st_mtime <= before:
        shutil.rmtree(folder / "uv")
    for path in (path for kind in ("sha256", "url") for path in (folder / kind).glob("*")):
        if path.stat().st_mtime <= before:
            path.unlink()


def cached_file(sha256: str) -> Path | None:
    """The file of that content in the cache, None where it has none; a damaged one is removed."""
    path = cache_folder() / "sha256" / sha256
    with suppress(OSError):
        if re.fullmatch("[0-9a-f]{64}", sha256) and path.is_file() and not path.is_symlink():
            if file_sha256(path) == sha256:
                os.utime(path)  # it was used, which `cosmo.cache --prune` asks for
                return path
            path.unlink()
    return None


def cached_download(url: str) -> dict[str, Any]:
    """What an address gave last: `file`, `name` and `time`; empty where nothing whole is cached."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(url_entry(url).read_text("utf-8"))
        file, name = cached_file(str(entry["sha256"])), str(entry["name"])
        if file and re.fullmatch(r"[\w%?=&+~,:@-][\w.%?=&+~,:@-]*", name):
            return {"file": str(file), "name": name, "time": float(entry["time"])}
    return {}


def url_entry(url: str) -> Path:
    """Where the cache notes what an address gave last."""
    return cache_folder() / "url" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"


def cache_download(url: str, file: Path, name: str) -> None:
    """Put what an address gave into the cache, by renames; one that cannot be written is left."""
    sha256 = file_sha256(file)
    entry = {"url": url, "sha256": sha256, "name": name, "time": file.stat().st_mtime}
    with suppress(OSError):
        for path in (cache_folder() / "sha256" / sha256, url_entry(url)):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{os.getpid()}.part")
            if path.suffix == ".json":
                part.write_text(json.dumps(entry), "utf-8")
            else:
                shutil.copyfile(file, part)
            part.replace(path)
