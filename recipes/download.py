"""A download: wget, in a folder of its own, beside what the same address gave before."""

from __future__ import annotations

import re
import shlex
import shutil

from invoke.context import Context
from invoke.runners import Result

from .cache import is_whole, keep, place
from .console import Download, Stop, bar
from .settings import Settings
from .shell import sh

WGET = (
    "LC_ALL=C wget -N --no-if-modified-since --no-config --no-hsts --tries=3 --waitretry=1"
    " --timeout=30 --progress=dot:mega"
)
"""The article's `wget -N`. With `--no-if-modified-since` it also compares sizes; `--no-config` and
`--no-hsts` keep it from writing where a `.wgetrc` says, and to the home folder. It verifies TLS."""

LONGEST_DOWNLOAD = 2**20
"""Of how many blocks a download may be; one has 512 bytes, or 1024 where the shell is bash."""


def download(c: Context, s: Settings, setting: str, url: str, force: bool) -> None:
    """Download `url` to `download`, or, offline, take what it gave before.

    Nothing else is in that folder, so that it does not matter what wget calls the file.
    """
    old = f"{shlex.quote(s.cache)}/{place('url', url)}"
    take = f'! {is_whole(s.cache)} || cp -L "$file" download || exit'
    seed = f'for file in {old}/*; do [ ! -f "$file" ] || [ ! -e {old}.time ] || {take}; done'
    seed = f"{seed} && {{ [ ! -e {old}.time ] || touch -c -r {old}.time download/*; }}"
    line = f"rm -rf download && mkdir download{'' if force else f' && {seed}'}"
    sh(c, line, f"{s.build}/download cannot be written", at=s.build)
    if s.offline:
        failed, then = f"{url} is not in the cache", "go online once, without COSMO_OFFLINE"
        sh(c, "ls download | grep -q .", failed, at=s.build, why=lambda _: "and offline", then=then)
        return
    then = f"see to the network, correct {setting}, or try `invoke cosmo.fetch --force`"
    if setting == "COSMO_ZIP_URL":
        then = f"install zip (apt install zip), or {then}"
    if not shutil.which("wget"):
        then = "install wget (apt install wget, brew install wget)"
    blocks = s.lock.size // 512 + 1 if s.lock and setting == "COSMO_URL" else LONGEST_DOWNLOAD
    limit, failed = f"ulimit -f {blocks} 2>/dev/null", f"{url} cannot be downloaded"
    line = f"{{ {limit} || :; }} && {WGET} -P download {shlex.quote(url)}"
    with bar("fetch", None, "B") as shown:
        done = sh(c, line, failed, Download(shown), at=s.build, why=wget_reason, then=then)
    insecure = re.search(r"^Location: (?!https:)\w+:\S*", done.stderr, re.MULTILINE)
    if url.startswith("https:") and insecure:
        raise Stop(f"{failed}: it leads on without TLS, {insecure[0]}; correct {setting}")


def keep_download(c: Context, s: Settings, url: str) -> None:
    """Put what was downloaded into the cache, and remove it here."""
    kept = keep(s.cache, '"$file"', place("url", url), '"${file##*/}"')
    line = f"for file in download/*; do {kept}; done"
    sh(c, f"{line}; rm -rf download", f"{s.build}/download cannot be removed", at=s.build)


def wget_reason(result: Result) -> str:
    """What wget says went wrong; the last thing that it prints may be a line of dots."""
    if result.exited == 127:
        return "there is no wget on PATH"
    told = re.findall(
        r"ERROR(?: \d+)?: .*|failed: .*|unable to .*|Read error.*|Connection closed at.*"
        r"|Unable to .*|No space left.*|File too large|\d+ redirections.*"
        r"|\S*: Unsupported.*",
        result.stderr,
    )
    if result.exited in (153, -25) or "File too large" in told:
        return "it is longer than a download may be"
    return told[-1].rstrip(".") if told else f"wget ended with exit status {result.exited}"
