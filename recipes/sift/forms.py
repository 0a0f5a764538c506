"""Gives each distribution with extension modules a form without them, if it has one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

from .dists import Dist, canonical, chain, find_dists, see_conflicts, tidy
from .needed import does_without, unmet
from .requirements import Requirements


def compiled(work: str, requirements: str) -> None:
    """Write a requirements file for each distribution with extensions, to `pure/NAME.txt`.

    It has the index options and hashes that were told; `pure/flags` is to go with it. One that did
    not come from an index is left alone: another may have its name there.
    """
    told = Requirements()
    told.add(requirements)
    with open(os.path.join(work, "pure", "flags"), "w") as file:
        file.write("--require-hashes" if told.hashes else "")
    for dist in find_dists(os.path.join(work, "site")):
        if dist.extensions() and not dist.has("direct_url.json"):
            name = canonical(dist.name)
            pinned = [f"{dist.name}=={dist.version}", *told.hashes.get(name, [])]
            with open(os.path.join(work, "pure", name + ".txt"), "w", encoding="utf-8") as file:
                file.write("\n".join([*told.options, " ".join(pinned)]) + "\n")


def settle(work: str, packed: str, program: str, suffix: str) -> Iterator[str]:
    """Make `site` and `own` fit to be packed; tell the form of each distribution that changed.

    A `.py` will be there with `suffix` after its name. The program itself is never a dependency.
    """
    site, own = os.path.join(work, "site"), os.path.join(work, "own")
    found = find_dists(own)
    mine = [canonical(dist.name) for dist in found]
    for dist in find_dists(site):
        if canonical(dist.name) in mine:
            remove_dist(dist)
        elif dist.is_editable():
            sys.exit(f"{dist.title} is editable, so it would stay where it is")
        else:
            found.append(dist)
    see_conflicts(found, packed, program)
    rest = [path for path in sys.path if path not in ("", os.getcwd())]
    sys.path[:] = [os.path.abspath(own), os.path.abspath(site), *rest]
    gone: list[str] = []
    for dist in found:
        lost = dist.extensions()
        if lost and dist.name not in gone:
            tops = dist.tops()
            now, form = changed(dist, os.path.join(work, "pure"))
            needed = unmet(now, strip_dist(now, lost)) if form != "a pure wheel" else ""
            if needed:
                asked = " -> ".join(chain(dist, found, program))
                spared = spare(now, tops, found, own)
                if not spared:
                    sys.exit(
                        f"{dist.title} needs its extension module {needed}, which cannot run in the"
                        f" executable ({asked})"
                    )
                gone += spared
                form = f"left out, for what asks for it does without ({asked})"
            yield f"{dist.title}: {form}"
    for dist in [*find_dists(own), *find_dists(site)]:
        tidy(dist, suffix)


def spare(dist: Dist, tops: list[str], found: list[Dist], own: str) -> list[str]:
    """Remove a distribution that those who ask for it can do without, and name it; else nothing.

    One that cannot do without is removed in turn, if those who ask for that one can. SQLAlchemy,
    for example, does without greenlet. The program's own word that it needs something stands.
    """
    askers = [each for each in found if each.needs(dist.name, extras=False)]
    if not askers or any(each.folder == own or each.is_asked_with_extras(found) for each in askers):
        return []
    remove_dist(dist)
    names = [dist.name]
    for each in askers:
        if not does_without(each, tops):
            more = spare(each, each.tops(), found, own)
            if not more:
                return []
            names += more
    return names


def changed(dist: Dist, pure: str) -> tuple[Dist, str]:
    """The distribution in the form that lies below `pure`, if any does, and what form it has."""
    for folder in sorted(os.listdir(pure)):
        for other in find_dists(os.path.join(pure, folder)):
            if canonical(other.title) == canonical(dist.title) and not other.extensions():
                with open(os.path.join(pure, folder + ".form"), encoding="utf-8") as file:
                    return swap_dist(dist, other), file.read().strip()
    return dist, "its wheel, without the extension"


def remove_dist(dist: Dist) -> None:
    """Remove a distribution's files, and the folders that are empty then."""
    for path in dist.files():
        os.remove(os.path.join(dist.folder, path))
        folder = os.path.dirname(path)
        while folder and not os.listdir(os.path.join(dist.folder, folder)):
            os.rmdir(os.path.join(dist.folder, folder))
            folder = os.path.dirname(folder)
    shutil.rmtree(os.path.join(dist.folder, dist.info))


def swap_dist(dist: Dist, other: Dist) -> Dist:
    """Put another form of a distribution in its place."""
    remove_dist(dist)
    shutil.copytree(os.path.join(other.folder, other.info), os.path.join(dist.folder, other.info))
    for path in other.files():
        target = os.path.join(dist.folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.join(other.folder, path), target)
    return Dist(dist.folder, other.info)


def strip_dist(dist: Dist, lost: list[str]) -> list[str]:
    """Remove the extensions of `lost` that are there; name those that no other file stands for."""
    gone = []
    for path in lost:
        whole = os.path.join(dist.folder, path)
        if os.path.exists(whole):
            os.remove(whole)
        folder, _, name = path.rpartition("/")
        parts = [*filter(None, folder.split("/")), name.split(".")[0]]
        stem = os.path.join(dist.folder, *parts)
        if not all(part.isidentifier() for part in parts):
            continue
        if not os.path.exists(stem + ".py") and not os.path.exists(stem + "/__init__.py"):
            gone.append(".".join(parts))
    return gone
