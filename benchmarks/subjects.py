"""The projects that `compare` packages, generated ones too, and a padded interpreter."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 2**20


class Subject(NamedTuple):
    """A project: its name, its requirements, its imports, and the lines of its `main`."""

    name: str
    requires: tuple[str, ...] = ()
    imports: str = ""
    start: str = ""


# SymPy 1.13 and later need ctypes, which the published interpreter lacks.
SUBJECTS = (
    Subject("tiny"),
    Subject(
        "medium", ("rich", "typer", "httpx"), "import httpx\nimport rich.console\nimport typer"
    ),
    Subject(
        "large",
        ("django", "sympy<1.13"),
        "import django\nimport django.conf\nimport sympy",
        "    django.conf.settings.configure(INSTALLED_APPS=['django.contrib.contenttypes'])\n"
        "    django.setup()\n"
        "    from django import forms, template\n"
        "    from django.db import models\n"
        "    assert forms.Form and template.Template and models.Model\n"
        "    assert sympy.expand('(x + 1)**2') == sympy.sympify('x**2 + 2*x + 1')\n",
    ),
)

MAIN = """\
import sys

from hello import greet
{imports}


def main():
{start}    print(greet(sys.argv[1:]))


if __name__ == "__main__":
    main()
"""

WORDS = '''\
"""A greeting."""

NUMBER = {number}


def greet(names):
    return " ".join(["hello", str(NUMBER), *names])
'''

METADATA = """\
[project]
name = "hello"
version = "1.0"
requires-python = ">=3.10"
dependencies = {requires}

[project.scripts]
hello = "hello.__main__:main"

[build-system]
requires = ["uv_build>=0.8"]
build-backend = "uv_build"
"""

TABLE = """\
[tool.ds.scripts]
_.env.PKG = "hello"
_.env.DIR_SITE = "dist/cosmo/Lib/site-packages"
"""

# The article's own lines. With dependencies, `cosmo-setup` also copies their installed `<tree>`,
# and `cosmo-compile` compiles the whole folder: `<package>` is empty.
ARTICLE = r'''
cosmo-clean = "rm -rf $DIR_SITE || true"

cosmo-setup = """
  mkdir -p $DIR_SITE;
  cp -r src/$PKG $DIR_SITE;<tree>
  printf -- "-m\\n$PKG\\n..." > dist/cosmo/.args;
"""

cosmo-fetch.cwd = "dist/cosmo"
cosmo-fetch.shell = """
  wget -N <url>;
  chmod +x python;
  cp python $PKG.zip;
"""

cosmo-compile = """
  ./dist/cosmo/python -m compileall -b $DIR_SITE<package>;
  find $DIR_SITE<package> -name "*.py" -delete -print;
"""

cosmo-update.cwd = "dist/cosmo"
cosmo-update.shell = """
  zip -r $PKG.zip .args Lib;
  zip -d $PKG.zip 'Lib/site-packages/pip*';
  zip -d $PKG.zip 'usr/*';
  mv $PKG.zip $PKG;
"""

cosmo = ["cosmo-*"]
'''

MODULE = '''\
"""Module {number}."""

from __future__ import annotations

import functools


class Account{number}:
    """An account, of which there are many."""

    def __init__(self, owner: str, balance: int = {number}) -> None:
        self.owner, self.balance = owner, balance
        self.history: list[tuple[str, int]] = []

    def deposit(self, amount: int) -> int:
        """Add an amount, and note it."""
        if amount <= 0:
            raise ValueError(f"{{self.owner}} cannot deposit {{amount}}")
        self.history.append(("deposit", amount))
        self.balance += amount
        return self.balance

    def total(self) -> int:
        """What was deposited so far."""
        return sum(amount for kind, amount in self.history if kind == "deposit")


@functools.lru_cache(maxsize=None)
def steps{number}(start: int) -> int:
    """How many steps a number takes to reach 1."""
    count = 0
    while start != 1:
        start = start // 2 if start % 2 == 0 else 3 * start + 1
        count += 1
    return count
'''


def write_program(folder: Path, subject: Subject, number: int = 0) -> None:
    """Write the program of a project below `src`; `number` is the line that changes."""
    source = folder / "src/hello"
    source.mkdir(parents=True, exist_ok=True)
    (source / "__init__.py").write_text(WORDS.format(number=number))
    main = MAIN.format(imports=subject.imports, start=subject.start)
    (source / "__main__.py").write_text(main)


def write_metadata(folder: Path, subject: Subject) -> None:
    """Write a `pyproject.toml` with the metadata that any build tool reads."""
    text = METADATA.format(requires=list(subject.requires))
    (folder / "pyproject.toml").write_text(text)


def write_recipes(folder: Path, subject: Subject) -> None:
    """Add what `invoke cosmo` needs: its tasks; without dependencies, the article's table."""
    (folder / "tasks.py").write_text("from recipes import ns\n")
    if not subject.requires:
        (folder / "pyproject.toml").write_text(TABLE)


def write_article(folder: Path, url: str, tree: Path | None) -> None:
    """Write the article's table as `pyproject.toml`; `tree` holds the installed dependencies."""
    text = ARTICLE.replace("<url>", url)
    text = text.replace("<tree>", f"\n  cp -r {tree}/. $DIR_SITE;" if tree else "")
    text = text.replace("<package>", "" if tree else "/$PKG")
    (folder / "pyproject.toml").write_text(TABLE + text)


def write_modules(folder: Path, count: int) -> None:
    """Write a project without dependencies of so many modules, 100 in a package."""
    write_program(folder, Subject("generated"))
    for number in range(count - 2):
        package = folder / f"src/hello/part{number // 100}"
        if number % 100 == 0:
            package.mkdir(exist_ok=True)
        (package / f"module{number}.py").write_text(MODULE.format(number=number))
    (folder / "tasks.py").write_text("from recipes import ns\n")
    (folder / "pyproject.toml").write_text(TABLE)


def write_padded(source: Path, target: Path, size: int) -> None:
    """Copy an interpreter file; if it is smaller than `size`, put random bytes before its zip.

    They stand for machine code, which no tool can compress or leave out.
    """
    data = source.read_bytes()
    if len(data) >= size:
        target.write_bytes(data)
        return
    with zipfile.ZipFile(source) as old:
        start = min(info.header_offset for info in old.infolist())
        target.write_bytes(data[:start] + os.urandom(size - len(data)))
        with zipfile.ZipFile(target, "a") as new:
            for info in old.infolist():
                new.writestr(info, old.read(info.filename))
