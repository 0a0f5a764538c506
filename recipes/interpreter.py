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
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .project import Project
from .settings import OFFLINE, SHA256, URL, ZIP_URL, Setting
from .shell import DownloadProgress, RecipeError, Shell, inside, progress_bar, quote

WGET = "wget -N --no-config --no-hsts -t 3 --waitretry=1 -T 30"
"""The article's `wget -N`, with options that wget and wget2 both take. TLS is verified; no `.wgetrc`
is read, and nothing is written to the home folder."""

NO_REDIRECT_TO_HTTP = "export http_proxy=http://127.0.0.1:9/"
"""Where https leads on to http, wget is to fail: it meets a proxy that is not there."""

MAX_DOWNLOAD = 2**30
"""How many bytes a download may have, where no lock says it."""


class Tool(NamedTuple):
    """What is fetched: its file name in the build folder, and the setting that says where from."""

    name: str
    setting: Setting[tuple[str, ...]]


PYTHON, ZIP = Tool("python", URL), Tool("zip", ZIP_URL)


def zip_command() -> str:
    """The zip to call in the build folder: the one on PATH, else the one that was fetched."""
    return "zip" if shutil.which("zip") else "sh ./zip"


def fetch_tools(p: Project, sh: Shell, force: bool = False) -> str:
    """Fetch the interpreter, and zip if none is installed; return the interpreter's address."""
    if not shutil.which("zip"):
        fetch_tool(p, sh, ZIP, force)
    return fetch_tool(p, sh, PYTHON, force)


def fetch_tool(p: Project, sh: Shell, tool: Tool, force: bool) -> str:
    """Fetch a tool from the cache, or the first of its addresses that has it; return that address."""
    addresses = p.settings.get(tool.setting)
    sha256 = wanted_sha256(p) if tool is PYTHON else ""
    if tool is PYTHON and p.lock and "://" in p.lock.url and p.lock.url not in addresses:
        default = p.settings.value(URL).source == "default"
        addresses = (p.lock.url,) if default else (*addresses, p.lock.url)
    cached = cached_file(sha256)
    if cached and not force:
        sh.log(
            "fetch", f"{tool.name} from the cache, as {'locked' if p.lock else 'COSMO_SHA256 says'}"
        )
        take_tool(p, sh, tool, str(cached), force)
        return addresses[0]
    for number, address in enumerate(addresses, 1):
        try:
            sh.log("fetch", address)
            take_tool(p, sh, tool, address, force)
        except RecipeError as error:
            if number == len(addresses):
                raise
            sh.log("fetch", f"{error.message}; trying the next"[len("cosmo: ") :])
        else:
            return address
    return addresses[-1]


def wanted_sha256(p: Project) -> str:
    """The sha256 that the interpreter must have, empty where any will do."""
    return p.lock.sha256 if p.lock else p.settings.get(SHA256)


def take_tool(p: Project, sh: Shell, tool: Tool, address: str, force: bool) -> None:
    """Bring a tool from one address into the build folder, and put it in place once it is verified.

    It must be an Actually Portable Executable, and the interpreter what is locked, with a zip at
    its end that can be read and holds a library. Source for the first bytes: Cosmopolitan,
    `ape/ape.S`; the second form is that of older releases.
    """
    part = os.path.join(p.build, f"{tool.name}.part")
    remedy, failed = f"correct {tool.setting.name}", f"{address} cannot be copied"
    name = ""
    if "://" in address:
        name = download(p, sh, tool, address, force)
        sh.run(f"mv -f {quote(p.build)}/download/* {quote(part)}", failed, remedy)
    else:
        sh.run(f"mkdir -p {quote(p.build)} && cp {quote(address)} {quote(part)}", failed, remedy)
    sha256 = wanted_sha256(p) if tool is PYTHON else ""
    if sha256:
        program = "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"
        line = f"echo '{sha256}  '{quote(part)} | {program} -c >/dev/null 2>&1"
        sh.run(
            line,
            f"{address} is not what is locked",
            f"{remedy}, or lock anew with `invoke cosmo.lock`",
            reason=lambda _: f"expected sha256 {sha256}, found {file_sha256(Path(part))}",
        )
    line = f"head -c 6 {quote(part)} | grep -Eq '^(MZqFpD|jartsr)'"
    failed = f"{address} is no Actually Portable Executable"
    sh.run(line, failed, remedy, reason=lambda _: "it begins with other bytes")
    if tool is PYTHON:
        line = inside(p.build, f"{zip_command()} -sf python.part | grep -q '^ *Lib/'")
        reason = "it has no zip at its end that can be read and has a Lib/"
        sh.run(line, f"{address} holds no Python", remedy, reason=lambda _: reason)
    if name and not sh.dry:
        cache_download(address, Path(part), name)
    line = (
        f"chmod +x {quote(part)} && mv -f {quote(part)} {quote(os.path.join(p.build, tool.name))}"
    )
    sh.run(line, f"{tool.name} cannot be put in place")


def download(p: Project, sh: Shell, tool: Tool, url: str, force: bool) -> str:
    """Download `url` to the folder `download`, or, offline, take what it gave before.

    Nothing else is in that folder, so that it does not matter how wget names the file; its name is
    returned.
    """
    folder = os.path.join(p.build, "download")
    sh.run(f"rm -rf {quote(folder)} && mkdir -p {quote(folder)}", f"{folder} cannot be written")
    entry = {} if force else cached_download(url)
    if entry:
        when = time.strftime("%Y%m%d%H%M.%S", time.gmtime(entry["time"]))
        target = quote(os.path.join(folder, entry["name"]))
        line = f"cp {quote(entry['file'])} {target} && touch -t {when} {target}"
        sh.run(line, f"{folder} cannot be written")
    if p.settings.get(OFFLINE):
        if not entry:
            problem = "is not in the cache, and COSMO_OFFLINE is set; go online once, without it"
            raise RecipeError(f"{url} {problem}")
        return str(entry["name"])
    remedy = f"check the network, correct {tool.setting.name}, or try `invoke cosmo.fetch --force`"
    if tool is ZIP:
        remedy = f"install zip (apt install zip), or {remedy}"
    if not shutil.which("wget") and not sh.dry:
        problem = "there is no wget on PATH; install wget (apt install wget, brew install wget)"
        raise RecipeError(f"{url} cannot be downloaded: {problem}")
    size = p.lock.size if p.lock and tool is PYTHON else None
    limits = f"ulimit -f {(size or MAX_DOWNLOAD) // 512 + 1} || :"
    if url.startswith("https:"):
        limits += f"; {NO_REDIRECT_TO_HTTP}" + (
            "" if os.environ.get("https_proxy") else " no_proxy="
        )
    with progress_bar("fetch", size, "B") as bar:
        line = f"({limits}\n{WGET} -P {quote(folder)} {shlex.quote(url)})"
        progress = DownloadProgress(bar, folder)
        sh.run(line, f"{url} cannot be downloaded", remedy, progress)
        progress.submit("")
    return "" if sh.dry else next(iter(os.listdir(folder)), "")


def file_sha256(path: Path) -> str:
    """The sha256 of a file, empty where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(2**20), b""):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def cache_folder() -> Path:
    """The folder of these recipes in the user's cache.

    Source: XDG Base Directory Specification, by which a relative path counts for nothing; without
    XDG_CACHE_HOME, on macOS, its File System Programming Guide.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base, "cosmo-recipes")
    home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return home / "cosmo-recipes"


def cached_file(sha256: str) -> Path | None:
    """The file of that content in the cache, None where it has none; a damaged one is removed."""
    path = cache_folder() / "sha256" / sha256
    if not sha256 or path.is_symlink() or not path.is_file():
        return None
    if file_sha256(path) == sha256:
        return path
    with suppress(OSError):
        path.unlink()
    return None


def url_entry(url: str) -> Path:
    """Where the cache notes what an address gave last."""
    return cache_folder() / "url" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"


def cached_download(url: str) -> dict[str, Any]:
    """What an address gave last: `file`, `name` and `time`; empty where nothing whole is cached."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        entry = json.loads(url_entry(url).read_text(encoding="utf-8"))
        file = cached_file(str(entry["sha256"])) if str(entry["sha256"]).isalnum() else None
        if file and os.path.basename(entry["name"]) == entry["name"] not in ("", ".", ".."):
            return {"file": str(file), "name": entry["name"], "time": float(entry["time"])}
    return {}


def cache_download(url: str, file: Path, name: str) -> None:
    """Put a file that an address gave into the cache. One that cannot be written is done without."""
    sha256, cache = file_sha256(file), cache_folder()
    with suppress(OSError):
        write_whole(cache / "sha256" / sha256, lambda part: shutil.copyfile(file, part))
        entry = {"url": url, "sha256": sha256, "name": name, "time": file.stat().st_mtime}
        write_whole(url_entry(url), lambda part: part.write_text(json.dumps(entry)))


def write_whole(path: Path, write: Any) -> None:
    """Write a file under another name, and rename it once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:40]}.{os.getpid()}")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def cached_files() -> Iterator[tuple[Path, int]]:
    """Each file in the cache and its size in bytes."""
    for path in sorted(cache_folder().rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.stat().st_size
