"""A temporary folder in which all tools package the same projects, and the servers they ask."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import trustme

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from mirror import PYTHON, Mirror
from subjects import (
    Subject,
    write_article,
    write_metadata,
    write_modules,
    write_padded,
    write_program,
    write_recipes,
)

ROOT = Path(__file__).resolve().parent.parent

NETWORK = re.compile(r"(?i)(PIP|UV)_.*|.*_PROXY|SSL_CERT_(FILE|DIR)")
"""The variables that say how this machine reaches the package index."""

INVOKE = (sys.executable, "-m", "invoke")
ONLINE = {"UV_OFFLINE": "0"}


class Run(NamedTuple):
    """One run of a command: its seconds, and the peak memory of its largest process."""

    seconds: float
    peak: float


@dataclass
class Tool:
    """A tool with its own copy of a project.

    `line` runs it in `folder`, and makes `executable`. `download` is the interpreter's file that it
    keeps in that folder, and `bases` the folder of base archives in its cache, if it has one.
    """

    name: str
    folder: Path
    line: Sequence[str]
    executable: Path
    download: str = ""
    bases: Path | None = None
    env: dict[str, str] = field(default_factory=dict)

    def clear(self, keep_bases: bool = False) -> None:
        """Remove all that builds made, but not what was downloaded; keep base archives if told."""
        download, aside = self.folder / (self.download or "dist/none"), self.folder / "download"
        if download.exists():
            download.replace(aside)
        shutil.rmtree(self.folder / "dist", ignore_errors=True)
        if aside.exists():
            download.parent.mkdir(parents=True)
            aside.replace(download)
        if self.bases and not keep_bases:
            shutil.rmtree(self.bases, ignore_errors=True)


class Workspace:
    """The temporary folder: one interpreter file, one environment and one cache for all tools."""

    def __init__(self, root: Path, urls: Sequence[str], ours: dict[str, str]) -> None:
        self.root, (self.url, self.secure) = root, urls
        self.interpreter, self.warm = root / "python", False
        host = Path(sys.base_prefix) / "bin"  # first, so that uv finds it and asks no shim
        path = os.pathsep.join([str(host), str(program("uv").parent), os.environ["PATH"]])
        self.env = {name: text for name, text in os.environ.items() if NETWORK.match(name)}
        self.env.update(PATH=path, LANG="C.UTF-8", SHELL=str(program("bash")), no_proxy="127.0.0.1")
        self.env.update(HOME=str(root / "home"), TMPDIR=str(root / "tmp"))
        self.env.update(XDG_CACHE_HOME=str(root / "cache"), UV_CACHE_DIR=str(root / "cache/uv"))
        self.env.update(UV_PYTHON_DOWNLOADS="never", UV_OFFLINE="1")
        for name in ("home", "tmp", "cache", "away"):
            (root / name).mkdir()
        self.ours = {"PYTHONPATH": str(ROOT), "COSMO_URL": self.url, **ours}

    def run(self, line: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> Run:
        """Run and measure a command, which must succeed; what it prints is in the file `said`."""
        result, said = self.root / "result.json", self.root / "said"
        words = [sys.executable, "-ISE", str(Path(__file__).with_name("measured.py")), str(result)]
        with said.open("wb") as file:
            subprocess.run(  # noqa: S603 - a benchmark's own lines
                [*words, *line],
                cwd=folder,
                env={**self.env, **(env or {})},
                stderr=file,
                check=True,
            )
        values = json.loads(result.read_text())
        if values["status"]:
            print(said.read_text(errors="replace")[-3000:], file=sys.stderr)
            sys.exit(f"cosmo: `{' '.join(line)}` failed in {folder}; see what it printed above")
        return Run(values["seconds"], values["peak"])

    def said(self) -> str:
        """Return what the last command printed."""
        return (self.root / "said").read_text(errors="replace")

    def start(self, executable: Path, *arguments: str) -> Run:
        """Start an executable in an empty folder, as a shell does."""
        return self.run(["sh", str(executable), *arguments], self.root / "away")

    def install(self, subject: Subject) -> tuple[Path, str]:
        """Resolve and install what a project requires; return the installed tree and the lock."""
        folder, tree = self.root / subject.name / "installed", self.root / subject.name / "tree"
        write_program(folder, subject)
        write_metadata(folder, subject)
        self.run(["sh", str(self.interpreter), "--version"], folder)
        target = ["--target", str(tree), "--python-version", self.said().split()[1]]
        uv = str(program("uv"))
        self.run([uv, "lock"], folder, ONLINE)
        export = [uv, "export", "--no-emit-project", "-o", "requirements.txt"]
        self.run(export, folder, ONLINE)
        install = [uv, "pip", "install", "--no-deps", *target, "-r", "requirements.txt"]
        self.run(install, folder, ONLINE)
        (tree / ".lock").unlink(missing_ok=True)
        shutil.rmtree(tree / "bin", ignore_errors=True)
        return tree, (folder / "uv.lock").read_text()

    def tools(self, subject: Subject, tree: Path | None, lock: str) -> dict[str, Tool]:
        """Make a copy of a project for each tool."""
        folders = {}
        for name in ("cosmo", "ds", "script", "cosmofy"):
            folder = folders[name] = self.root / subject.name / name
            write_program(folder, subject)
            write_metadata(folder, subject)
            (folder / "uv.lock").write_text(lock)
        for name in ("cosmo", "script"):
            write_recipes(folders[name], subject)
        write_article(folders["ds"], self.url, tree)
        bundle = [str(program("cosmofy")), "bundle", "--python-url", self.secure]
        bundle += ["--cache-dir", str(self.root / "cache/cosmofy")]
        lines = {"cosmo": [*INVOKE, "cosmo"], "ds": [str(program("ds")), "cosmo"]}
        lines.update(script=["sh", "-e", "build.sh"], cosmofy=bundle)
        made = {name: folders[name] / "dist/cosmo/hello" for name in lines}
        made["cosmofy"] = folders["cosmofy"] / "dist/hello"
        tools = {name: Tool(name, folders[name], lines[name], made[name]) for name in lines}
        tools["ds"].download = "dist/cosmo/python"  # `wget -N` asks whether that is current
        tools["cosmofy"].env = {"SSL_CERT_FILE": str(self.root / "authorities.pem")}
        for name in ("cosmo", "script"):
            self.give_cache(tools[name])
        return tools

    def give_cache(self, tool: Tool) -> None:
        """Give one of our tools a cache of its own."""
        place = self.root / "cache" / tool.name
        tool.env = {**self.ours, "XDG_CACHE_HOME": str(place)}
        tool.bases = place / "cosmo-recipes/base"

    def lock(self, tool: Tool, *others: Tool) -> None:
        """Lock the interpreter and the dependencies."""
        self.run([*INVOKE, "cosmo.lock"], tool.folder, {**tool.env, **ONLINE})
        for other in others:
            shutil.copy(tool.folder / "pylock.cosmo.toml", other.folder)

    @contextmanager
    def unlocked(self, tool: Tool) -> Iterator[Tool]:
        """Put a tool's lock files aside for a while; its builds may then ask the network."""
        locks = [tool.folder / "pylock.cosmo.toml", tool.folder / "uv.lock"]
        for path in locks:
            path.rename(self.root / path.name)
        yield replace(tool, env={**tool.env, **ONLINE})
        for path in locks:
            (self.root / path.name).rename(path)

    def print_script(self, tool: Tool) -> None:
        """Write the script that `invoke --dry cosmo` prints, for a build from nothing."""
        tool.clear()
        downloaded = self.root / "cache/cosmo/cosmo-recipes/url"
        if tool.bases and downloaded.exists():
            shutil.copytree(downloaded, tool.bases.with_name("url"), dirs_exist_ok=True)
        words = [*INVOKE, "--dry", "cosmo"]
        done = subprocess.run(  # noqa: S603 - a benchmark's own line
            words, cwd=tool.folder, env={**self.env, **tool.env}, check=True, capture_output=True
        )
        (tool.folder / "build.sh").write_bytes(done.stdout)

    def generate(self, count: int) -> Tool:
        """Make a project of so many modules."""
        folder = self.root / f"modules{count}"
        write_modules(folder, count)
        tool = Tool("cosmo", folder, [*INVOKE, "cosmo"], folder / "dist/cosmo/hello")
        self.give_cache(tool)
        return tool


def program(name: str) -> Path:
    """Return the path of a program: the one beside this Python, else the one on PATH."""
    places = (str(Path(sys.executable).parent), os.environ["PATH"])
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        sys.exit(
            f"cosmo: {name}, which is compared, is not installed; "
            "with Python 3.10 to 3.12, pip install '.[bench]'"
        )
    return Path(found)


@contextmanager
def open_workspace(source: Path, size: int, ours: dict[str, str]) -> Iterator[Workspace]:
    """Make the temporary folder, and serve the interpreter by http and, for cosmofy, by https."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory(prefix="cosmo-bench-"))).resolve()
        given = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
        known = Path(given).read_bytes() if given else b""
        (root / "authorities.pem").write_bytes(known + authority.cert_pem.bytes())
        write_padded(source, root / "python", size)
        (root / "python").chmod(0o755)
        data = (root / "python").read_bytes()
        mirrors = [stack.enter_context(Mirror(tls)) for tls in (None, context)]
        yield Workspace(root, [mirror.add(PYTHON, data) for mirror in mirrors], ours)
