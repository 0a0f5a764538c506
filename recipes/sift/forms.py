"""Gives each distribution with extension modules a form without them, if it has one."""

import os
import re
import shutil
import sys
from typing import Iterator, List, Tuple

from .dists import Dist, canonical, chain, dists, see_conflicts, tidy
from .needed import unmet


def compiled(work: str, requirements: str) -> Iterator[str]:
    """The requirement of each distribution with extensions, and the hashes that are told of it.

    One that did not come from an index is left alone: another may have its name there.
    """
    text = ""
    if requirements:
        with open(requirements, encoding="utf-8") as file:
            text = file.read().replace("\\\n", " ")
    for dist in dists(os.path.join(work, "site")):
        if dist.extensions() and not dist.has("direct_url.json"):
            hashes: List[str] = []
            for line in text.splitlines():
                name = re.match(r"\s*([A-Za-z0-9._-]+)\s*(\[.*\]\s*)?==", line)
                if name and canonical(name.group(1)) == canonical(dist.name):
                    hashes += re.findall(r"--hash[= ]\S+", line)
            yield " ".join(["{}=={}".format(dist.name, dist.version), *hashes])


def settle(work: str, packed: str, program: str) -> Iterator[str]:
    """Make `site` and `own` fit to be packed; tell the form of each distribution that changed."""
    site, own = os.path.join(work, "site"), os.path.join(work, "own")
    found = [*dists(own), *dists(site)]
    see_conflicts(found, packed, program)
    rest = [path for path in sys.path if path not in ("", os.getcwd())]
    sys.path[:] = [os.path.abspath(own), os.path.abspath(site), *rest]
    for dist in found:
        lost = dist.extensions()
        if lost:
            now, form = changed(dist, os.path.join(work, "pure"))
            needed = unmet(now, strip(now, lost)) if form != "a pure wheel" else ""
            if needed:
                asked = " -> ".join(chain(dist, found, program))
                sys.exit(
                    "{} needs its extension module {}, which cannot run in the executable"
                    " ({})".format(dist.title, needed, asked)
                )
            yield "{}: {}".format(dist.title, form)
    for dist in [*dists(own), *dists(site)]:
        tidy(dist)


def changed(dist: Dist, pure: str) -> Tuple[Dist, str]:
    """The distribution in the form that lies below `pure`, if any does, and what form it has."""
    for folder in sorted(os.listdir(pure)):
        for other in dists(os.path.join(pure, folder)):
            if canonical(other.title) == canonical(dist.title) and not other.extensions():
                with open(os.path.join(pure, folder + ".form"), encoding="utf-8") as file:
                    return swap(dist, other), file.read().strip()
    return dist, "its wheel, without the extension"


def swap(dist: Dist, other: Dist) -> Dist:
    """Put another form of a distribution in its place."""
    for path in dist.files():
        os.remove(os.path.join(dist.folder, path))
    shutil.rmtree(os.path.join(dist.folder, dist.info))
    shutil.copytree(os.path.join(other.folder, other.info), os.path.join(dist.folder, other.info))
    for path in other.files():
        target = os.path.join(dist.folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.join(other.folder, path), target)
    return Dist(dist.folder, other.info)


def strip(dist: Dist, lost: List[str]) -> List[str]:
    """Remove the extensions of `lost` that are there; name those that no other file stands for."""
    gone = []
    for path in lost:
        whole = os.path.join(dist.folder, path)
        if os.path.exists(whole):
            os.remove(whole)
        parts = path.split(".", 1)[0].split("/")
        stem = os.path.join(dist.folder, *parts)
        if not all(part.isidentifier() for part in parts):
            continue
        if not os.path.exists(stem + ".py") and not os.path.exists(stem + "/__init__.py"):
            gone.append(".".join(parts))
    return gone
