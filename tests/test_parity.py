"""`ds cosmo` and the recipes make the same executable of the article's own table."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from mirror import Mirror
from projects import Project, environment, run, start

ARTICLE = r'''
[tool.ds.scripts]
_.env.PKG = "hello"
_.env.DIR_SITE = "dist/cosmo/Lib/site-packages"

cosmo-clean = "rm -rf $DIR_SITE || true"

cosmo-setup = """
  mkdir -p $DIR_SITE;
  cp -r src/$PKG $DIR_SITE;
  printf -- "-m\\n$PKG\\n..." > dist/cosmo/.args;
"""

cosmo-fetch.cwd = "dist/cosmo"
cosmo-fetch.shell = """
  wget -N URL;
  chmod +x python;
  cp python $PKG.zip;
"""

cosmo-compile = """
  ./dist/cosmo/python -m compileall -b $DIR_SITE/$PKG;
  find $DIR_SITE/$PKG -name "*.py" -delete -print;
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

COMPARE = """
import json, marshal, os, sys

def plain(value):
    if not hasattr(value, "co_code"):
        return repr(value)
    names = [name for name in dir(value) if name.startswith("co_")]
    names = [name for name in names if name not in ("co_filename", "co_consts")]
    parts = [getattr(value, name) for name in names]
    parts = [repr(list(part()) if callable(part) else part) for part in parts if part.__class__]
    return [parts, [plain(part) for part in value.co_consts]]
def code(path):
    with open(path, "rb") as file:
        file.seek(16 if sys.version_info >= (3, 7) else 12)
        return plain(marshal.loads(file.read()))
print(json.dumps([name for name in sys.argv[3:]
    if code(os.path.join(sys.argv[1], name)) != code(os.path.join(sys.argv[2], name))]))
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="the article's printf needs bash")
def test_recipes_make_what_ds_makes_of_the_article(project: Project, mirror: Mirror) -> None:
    project.write("pyproject.toml", ARTICLE.replace("URL", mirror.python))
    theirs, home = project.beside("theirs"), project.home
    shutil.copytree(project.path, theirs.path)
    ds = str(Path(sys.executable).parent / "ds")
    done = run([ds, "cosmo"], environment(home, SHELL=str(shutil.which("bash"))), theirs.path)
    assert theirs.executable.exists(), done.stderr
    project.package(COSMO_URL=mirror.python)
    assert project.run_executable("x") == theirs.run_executable("x") == "hello x\n"
    ours_in, theirs_in = zipfile.ZipFile(project.executable), zipfile.ZipFile(theirs.executable)
    names = sorted(name for name in ours_in.namelist() if not name.endswith("/"))
    assert names == sorted(name for name in theirs_in.namelist() if not name.endswith("/"))
    assert ours_in.read(".args") == theirs_in.read(".args") == b"-m\nhello\n..."
    package = "Lib/site-packages/hello/"
    compiled = [name for name in names if name.startswith(package) and name.endswith(".pyc")]
    assert len(compiled) == 4
    differ = [name for name in names if ours_in.read(name) != theirs_in.read(name)]
    assert set(differ) <= set(compiled)
    ours_in.extractall(home / "a", compiled)
    theirs_in.extractall(home / "b", compiled)
    (home / "compare.py").write_text(COMPARE)
    words = [str(home / "compare.py"), str(home / "a"), str(home / "b"), *compiled]
    done = start(project.interpreter, *words, home=home)
    assert json.loads(done.stdout) == [], done.stderr
    hello = home / "b" / package
    shutil.copy(hello / "__main__.pyc", hello / "words.pyc")
    done = start(project.interpreter, *words, home=home)
    assert json.loads(done.stdout) == [f"{package}words.pyc"], done.stderr
