"""Make an installed tree fit for the executable: no native code, no sources, a true RECORD."""

import csv
import json
import os
import posixpath
import re
import sys
from typing import Any

NATIVE_NAME = re.compile(r"\.(so|pyd|dylib)$|\.so(\.\d+)+$")
"""Names of extension modules and shared libraries, which cannot run in the executable."""

NATIVE_STARTS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How native programs begin: ELF, PE and Mach-O."""

MACHINE_FILES = ("uv_cache.json", "uv_build.json")
"""What uv notes of this machine in a dist-info."""


def fit_site(site: str, notes: str, suffix: str = "c") -> None:
    """Remove from `site` what cannot run, and the sources that were compiled; mend each RECORD.

    `notes` is a JSON file: `removed` has each removed file, and the distribution that it is of;
    `native` the programs among them; `uncompiled` the modules that do not compile, which stay;
    `packages` what distribution each package is of. `suffix` is what compiling adds to `.py`: `c`,
    or nothing where sources are shipped too.
    """
    noted = read_notes(notes)
    removed, owners = noted.setdefault("removed", {}), file_owners(site)
    uncompiled, native = noted.setdefault("uncompiled", []), noted.setdefault("native", [])
    modules = {top_name(file): dist for file, dist in owners.items() if file.endswith(".py")}
    noted.setdefault("packages", {}).update(modules)
    scripts = os.path.join(site, "bin")
    if os.path.isdir(scripts) and not os.path.exists(os.path.join(scripts, "__init__.py")):
        names = [name for name in sorted(os.listdir(scripts)) if f"bin/{name}" in owners]
        for name in names:  # others come from COSMO_INCLUDE
            removed[f"bin/{name}"] = owners[f"bin/{name}"]
            native += [f"bin/{name}"] if is_native(os.path.join(scripts, name)) else []
            os.unlink(os.path.join(scripts, name))
        if not os.listdir(scripts):
            os.rmdir(scripts)
    for folder, _, names in os.walk(site):
        for path in sorted(os.path.join(folder, name) for name in names):
            file = os.path.relpath(path, site)
            if re.search(r"[\n\r]", file):
                sys.exit(f"{file!r}: the name of a file cannot hold a newline; rename it")
            if NATIVE_NAME.search(os.path.basename(file)):
                os.unlink(path)
                removed[file] = owners.get(file, "")
            elif file.endswith(".py") and suffix and not fit_source(site, file):
                uncompiled.append(file)
    for info in dist_infos(site):
        mend_record(site, info)
    if os.path.isfile(os.path.join(site, ".lock")):
        os.unlink(os.path.join(site, ".lock"))
    with open(notes, "w", encoding="utf-8") as out:
        json.dump(noted, out, indent=1, sort_keys=True)


def read_notes(notes: str) -> dict[str, Any]:
    """Read what an earlier call noted, if there was one."""
    if not os.path.isfile(notes):
        return {}
    with open(notes, encoding="utf-8") as file:
        return dict(json.load(file))


def is_native(path: str) -> bool:
    """Tell whether a file is a native program."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4).startswith(NATIVE_STARTS)


def fit_source(site: str, file: str) -> bool:
    """Remove a `.py` that was compiled; keep one that is data. False if it does not compile."""
    path = os.path.join(site, file)
    if not is_module(site, file):
        if os.path.isfile(f"{path}c"):
            os.unlink(f"{path}c")
    elif os.path.isfile(f"{path}c"):
        os.unlink(path)
    else:
        with open(path, "rb") as source:
            content = source.read()
        try:
            compile(content, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        sys.exit(f"the bytecode of {file} was not written; is the disk full?")
    return True


def is_module(site: str, file: str) -> bool:
    """Tell whether a `.py` can be imported: all folders up to its top package have `__init__`.

    Above the top package there may be the folders of a namespace package (PEP 420).
    """
    *folders, name = file.split(os.sep)
    if not all(part.isidentifier() for part in (*folders, name[:-3])):
        return False
    inits = []
    for end in range(1, len(folders) + 1):
        init = os.path.join(site, *folders[:end], "__init__.py")
        inits.append(os.path.exists(init) or os.path.exists(f"{init}c"))
    while inits and not inits[0]:
        del inits[0]
    return not folders or bool(inits and all(inits))


def top_name(file: str) -> str:
    """Return the name by which the package or module that a `.py` is in is imported."""
    return re.split(r"[/.]", file)[0]


def name_packages(site: str, info: str) -> None:
    """Write `top_level.txt`: before Python 3.12, packages are not found by `.pyc` in RECORD.

    Source: `importlib.metadata.packages_distributions`.
    """
    path, rows = os.path.join(site, info, "top_level.txt"), record_rows(site, info)
    files = [posixpath.normpath(row[0]) for row in rows if row[0].endswith(".py")]
    ends = ("", "c")
    here = [one for one in files if any(os.path.isfile(f"{site}/{one}{end}") for end in ends)]
    tops = sorted(set(map(top_name, here)))
    if tops and not os.path.exists(path):
        with open(path, "w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{top}\n" for top in tops)
        with open(os.path.join(site, info, "RECORD"), "a", encoding="utf-8") as record:
            record.write(f"{info}/top_level.txt,,\n")


def dist_infos(site: str) -> list[str]:
    """List the names of the dist-info folders in `site`."""
    return sorted(name for name in os.listdir(site) if name.endswith(".dist-info"))


def record_rows(site: str, info: str) -> list[list[str]]:
    """Read the rows of a RECORD whose paths lie in `site`; a hostile wheel may list others."""
    path = os.path.join(site, info, "RECORD")
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    inside = [row for row in rows if posixpath.normpath(row[0]).split("/")[0] not in ("..", "")]
    return [row for row in inside if not re.search(r"[\n\r\0]", row[0])]


def file_owners(site: str) -> dict[str, str]:
    """Map each installed file to the canonical name and the version of its distribution."""
    owners = {}
    for info in dist_infos(site):
        name, _, version = info[: -len(".dist-info")].partition("-")
        for row in record_rows(site, info):
            owners[posixpath.normpath(row[0])] = f"{canonical_name(name)} {version}"
    return owners


def canonical_name(name: str) -> str:
    """Normalize a distribution's name. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def mend_record(site: str, info: str) -> None:
    """Make a RECORD list what is there, and remove what uv notes of this machine."""
    for name in MACHINE_FILES:
        if os.path.isfile(os.path.join(site, info, name)):
            os.unlink(os.path.join(site, info, name))
    address = os.path.join(site, info, "direct_url.json")
    if os.path.isfile(address):
        with open(address, encoding="utf-8") as file:
            local = '"file:' in file.read()
        if local:
            os.unlink(address)
    name_packages(site, info)
    rows = []
    for row in record_rows(site, info):
        path = os.path.join(site, row[0])
        if os.path.isfile(path):
            rows.append(row)
        elif row[0].endswith(".py") and os.path.isfile(f"{path}c"):
            rows.append([f"{row[0]}c", "", ""])
    if rows:
        with open(os.path.join(site, info, "RECORD"), "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(sorted(rows))
