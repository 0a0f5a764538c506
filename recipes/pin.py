"""Writes `cosmo.lock`: what a build would take today."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

from invoke.context import Context

from .console import Stop, one_line, say
from .deps import ask, asked, asks, has_deps, prepare, resolve
from .installer import compile_line, has_uv, install_reason, off
from .lock import PACKAGE, Lock
from .settings import Settings
from .shell import printf, q, sh
from .sift.dists import Dist, canonical, find_dists
from .sift.requirements import Requirements


def pin(c: Context, s: Settings, address: str) -> None:
    """Write the lock for the interpreter that came from `address`, and what is asked for."""
    s = replace(s, exclude=())  # what is left out of the executable is locked all the same
    packages: tuple[str, ...] = ()
    work = ""
    if has_deps(s):
        work = prepare(c, s)
        if asks(s):
            resolve(c, s, work, report=not has_uv())
            packages = () if c.config.run.dry else hashed(c, s, work)
    python = Path(s.build, "python")
    version = sh(c, "TMPDIR=. sh ./python --version", "python does not start", at=s.build).stdout
    if c.config.run.dry:
        return
    with one_line(f"{s.lock_file} cannot be written"):
        when = time.gmtime(python.stat().st_mtime)
        lock = Lock(
            url=address if "://" in address else Path(address).name,
            size=python.stat().st_size,
            sha256=hashlib.sha256(python.read_bytes()).hexdigest(),
            version=version.split()[1],
            last_modified=time.strftime("%Y-%m-%dT%H:%M:%SZ", when) if "://" in address else "",
            asked=asked(s, work),
            packages=packages,
        )
        part = Path(s.build, "lock.part")
        part.write_text(lock.text(), encoding="utf-8")
        part.replace(s.lock_file)
    say(f"lock     {s.lock_file}: Python {lock.version}, {len(packages)} packages; commit it")


def hashed(c: Context, s: Settings, work: str) -> tuple[str, ...]:
    """A line with its version and hashes for each package that was installed."""
    found = sorted(find_dists(os.path.join(work, "site")), key=lambda dist: canonical(dist.name))
    for each in found:
        if each.has("direct_url.json"):
            origin = Path(each.folder, each.info, "direct_url.json").read_text(encoding="utf-8")
            told = f"it comes from {json.loads(origin)['url']}, and only an index tells hashes"
            raise Stop(f"{each.name} cannot be locked: {told}; ask for a release of it")
    pinned = [f"{each.name}=={each.version}" for each in found]
    lines = told_by_uv(c, s, work, pinned) if has_uv() else told_by_pip(work, found)
    if len(lines) != len(pinned):
        told = "not all come from an index that tells hashes"
        raise Stop(f"{', '.join(pinned)} cannot be locked: {told}; ask an index for them")
    return tuple(lines)


def told_by_uv(c: Context, s: Settings, work: str, pinned: list[str]) -> list[str]:
    """What uv says of all files of these releases."""
    told, place = Requirements(), os.path.relpath(work, s.root)
    told.add(s.deps or "")
    failed = "the dependencies cannot be locked"
    sh(c, f"{printf([*told.options, *pinned])} > pinned.txt", failed, at=work)
    line = f"{off(s.offline)}{ask(place)} && {compile_line()} {q(place)}/pinned.txt"
    text = sh(c, line, failed, at=s.root, why=install_reason, then="see to the network").stdout
    lines = (re.sub(r"\s+", " ", line) for line in re.sub(r"\\\n", " ", text).splitlines())
    return [line.strip() for line in lines if re.fullmatch(PACKAGE, line.strip())]


def told_by_pip(work: str, found: list[Dist]) -> list[str]:
    """What pip reports of the files that it took."""
    hashes: dict[str, set[str]] = {}
    for path in (Path(work, "site.json"), *Path(work, "pure").glob("*.json")):
        for each in json.loads(path.read_text(encoding="utf-8"))["install"]:
            sha256 = each["download_info"]["archive_info"]["hashes"]["sha256"]
            hashes.setdefault(canonical(each["metadata"]["name"]), set()).add(sha256)
    return [
        " ".join([f"{each.name}=={each.version}", *(f"--hash=sha256:{it}" for it in sorted(known))])
        for each in found
        for known in [hashes.get(canonical(each.name), set())]
        if known
    ]


def see_lock(s: Settings) -> None:
    """End with status 1 where the lock is not there, or is for other requirements than now."""
    if s.lock is None:
        raise Stop(f"{s.lock_file} is not there; write it with `invoke cosmo.lock`")
    if s.deps is None and s.program.built:
        say(f"lock     {s.lock_file}: what it asks for is known when it is built")
        return
    if asked(s, "") != s.lock.asked:
        raise Stop(f"{s.lock_file} is for other requirements; lock anew with `invoke cosmo.lock`")
    say(f"lock     {s.lock_file} is current")
