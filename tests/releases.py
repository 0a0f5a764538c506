"""Where real releases are packaged and run, as `invoke prove` does."""

from __future__ import annotations

import fnmatch
import os
import re
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uv

from projects import Done, Project, environment, run, start

GIVEN = re.compile(r"(?i)(PIP|UV)_.*|.*_PROXY|SSL_CERT_(FILE|DIR)")
"""What of the environment is passed on: how the package index is reached."""


class Bench:
    """A folder in which real programs are packaged and run; `rows` takes a table's rows."""

    def __init__(
        self, path: Path, interpreter: Path, cache: Path, rows: Callable[[str, object], None]
    ) -> None:
        self.path, self.away = path, path / "away"
        self.away.mkdir()
        self.interpreter = interpreter
        self.rows = rows
        self.network = {name: text for name, text in os.environ.items() if GIVEN.match(name)}
        self.network["PATH"] = f"{Path(uv.find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}"
        self.network.update(PIP_CACHE_DIR=str(cache / "pip"), UV_CACHE_DIR=str(cache / "uv"))
        self.network.update(XDG_CACHE_HOME=str(cache))

    def sdist(self, name: str, version: str) -> Path:
        """The unpacked sdist of a release."""
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        words = [*pip, "--no-binary", name, "-d", str(self.path), f"{name}=={version}"]
        done = run(words, environment(self.path, **self.network), self.path)
        assert done.returncode == 0, done.stderr
        (file,) = self.path.glob("*.tar.gz")
        with tarfile.open(file) as archive:
            archive.extractall(self.path)  # noqa: S202 - a release of PyPI's
        return self.path / file.name[: -len(".tar.gz")]

    def project(self, main: str, *dependencies: str) -> Path:
        """A project of one module that depends on releases."""
        project = Project(self.path / "app", self.interpreter)
        project.write("app.py", main)
        text = f"[project]\nname = 'app'\nversion = '1.0'\ndependencies = {list(dependencies)}\n"
        project.write("pyproject.toml", text)
        return project.path

    def package(self, title: str, root: Path, name: str, **settings: str) -> Path:
        """Package a project, which must succeed, and note what it took."""
        shown = " ".join(f"`{key}={value}`" for key, value in settings.items()) or "none"
        self.succeed(title, shown, "cosmo", COSMO_PROJECT=str(root), **settings)
        return root / "dist/cosmo" / name

    def succeed(self, title: str, shown: str, *words: str, **settings: str) -> Path:
        """Run `invoke`, which must succeed; note what it took, and return the executable."""
        begin = time.monotonic()
        done = self.invoke(*words, **settings)
        assert done.returncode == 0, done.stderr + done.stdout
        made = self.path / "tasks" / done.stdout.splitlines()[0]
        removed = re.findall(r"(?m)^  left out (\d+) extension modules? of (\S+)", done.stdout)
        size = f"{made.stat().st_size / 1e6:.1f} MB"
        took = f"{time.monotonic() - begin:.0f} s"
        names = ", ".join(f"{name} ({number})" for number, name in removed)
        self.rows("proof", [title, shown, size, took, names])
        return made

    def refused(self, title: str, shown: str, pattern: str, *words: str, **settings: str) -> None:
        """Run `invoke`, which must fail for the reason in the pattern; note it. `*` is any text."""
        done = self.invoke(*words, **settings)
        assert (done.returncode, done.stdout) == (1, ""), done
        last = done.stderr.splitlines()[-1]
        assert fnmatch.fnmatchcase(last, f"cosmo: * {pattern}"), done.stderr
        remedy = "; COSMO_CHECK=0 skips this check"
        assert last.endswith(remedy) or "is a native program" in last
        assert not [path for path in self.path.glob("tasks/dist/*") if path.is_file()]
        reason = last.partition(" cannot start: ")[2].partition(remedy)[0]
        self.rows("proof", [title, shown, "refused", "", reason])

    def release(self, name: str, version: str, program: str, **settings: str) -> Path:
        """Package a program from its sdist."""
        return self.package(f"{name} {version}", self.sdist(name, version), program, **settings)

    def invoke(self, *words: str, **settings: str) -> Done:
        """Run `invoke` in a folder that has nothing but tasks."""
        tasks = Project(self.path / "tasks", self.interpreter)
        tasks.write("tasks.py", tasks.tasks.text)
        return tasks.invoke(*words, **{**self.network, **settings})

    def start(self, file: Path, *arguments: str, status: int = 0, **env: str) -> str:
        """Start the executable in a folder of its own; it ends with `status`; return its output."""
        done = start(file, *arguments, home=self.path, cwd=self.away, **env)
        assert done.returncode == status, done.stderr + done.stdout
        return done.stdout + done.stderr * (status != 0)

    @contextmanager
    def serving(self, file: Path, *arguments: str) -> Iterator[str]:
        """The address that the executable serves; the port is the last of its arguments."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        words = ["sh", str(file), *arguments, str(port)]
        with (self.path / "log").open("w") as log:
            server = subprocess.Popen(
                words, cwd=self.path, env=environment(self.path), stdout=log, stderr=log
            )
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                server.wait(30)

    def get(self, url: str) -> str:
        """Return what a client is sent; the server may take a while to start."""
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
                    return str(answer.read().decode())
            except OSError:
                assert time.monotonic() < end, (self.path / "log").read_text()
                time.sleep(0.2)
