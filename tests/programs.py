"""The programs of the package index that `invoke prove` packages, and those that it refuses."""

from __future__ import annotations

from typing import NamedTuple


class App(NamedTuple):
    """A release, what to run of it with which `files`, and a text that comes of it.

    The text is in what it prints, or in `file`. `modules` are those that the interpreter has
    besides (`+_ctypes`) or has not (`-_ssl`); where it is to be refused, `text` has the reasons.
    """

    requirement: str
    arguments: str
    text: str
    files: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    entry: str = ""
    file: str = ""
    status: int = 0
    modules: str = ""

    def __str__(self) -> str:
        return f"{self.requirement.replace('==', ' ')} {self.modules}".strip()


BAD = {"bad.py": "import os\nx = {'a':1}\n\ndef owl(): pass\n\neval(input())\n"}
UNUSED = "def owl():\n    b = 1\n"
OWLS = {"owls.md": "# Owls\n\n* barn\n"}
CSV = {"birds.csv": "name,age\nCleo,4\nPan,2\n"}
TEMPLATE = {"template/cookiecutter.json": '{"name": "a", "title": "{{ cookiecutter.name|upper }}"}'}
VIDEO = '{"id": "1", "title": "Owls", "extractor": "x", "extractor_key": "X", "formats": [%s]}'
VIDEO %= '{"url": "http://localhost/a.mp4", "format_id": "1", "ext": "mp4"}'
SELECT = "'select name from birds order by age'"
NOX = "import nox\n\n@nox.session\ndef lint(session):\n    'Find faults.'\n"
TOX = "[tox]\nenvlist = lint\nskipsdist = 1\n[testenv:lint]\ndescription = Find faults.\n"
SITE = {"mkdocs.yml": "site_name: Birds\n", "docs/index.md": "# Owls\n"}
DOCS = {"in/conf.py": "project = 'Birds'\n", "in/index.rst": "Owls\n====\n\nBarn *owls*.\n"}
OFFLINE = "--offline --ignore-stdin POST example.org name=owl"
TEMPLATE["template/{{cookiecutter.name}}/a.py"] = "print('{{ cookiecutter.title }}')\n"

APPS = [
    App("autopep8==2.3.2", "bad.py", "x = {'a': 1}", BAD),
    App("babel==2.18.0", "--list-locales", "English (Zimbabwe)", entry="pybabel"),
    App("bandit==1.9.4", "-q bad.py", "B307", BAD, status=1),
    App("black==26.10.1", "-q bad.py", 'x = {"a": 1}', BAD, file="bad.py"),
    App("cookiecutter==2.7.1", "--no-input template name=owl", "'OWL'", TEMPLATE, file="owl/a.py"),
    App("datasette==0.65.5", "--memory --get /_memory.json?sql=select+6*7", "[[42]]"),
    App("doc8==2.0.0", "in", "D002 Trailing whitespace", {"in/a.rst": "Owls \n"}, status=1),
    App("docutils==0.23", "owls.rst", "<em>Barn</em>", {"owls.rst": "*Barn*\n"}, entry="rst2html"),
    App("flake8==7.5.0", "bad.py", "F401 'os' imported but unused", BAD, status=1),
    App("httpie==3.2.4", OFFLINE, '{"name": "owl"}', entry="http"),
    App("ipython==9.18.1", "-c '%timeit -n1 -r1 1'", "per loop"),
    App("isort==9.0.2", "a.py", "import os\nimport sys", {"a.py": "import sys, os"}, file="a.py"),
    App("jinja2-cli==1.0.1", "a.j2 -D name=owl", "OWL", {"a.j2": "{{ name|upper }}"}),
    App("litecli==1.17.1", "new.db -e 'select 6*7'", "42"),
    App("markdown==3.11.3", "owls.md", "<li>barn</li>", OWLS),
    App("mdformat==1.0.0", "owls.md", "- barn", OWLS, file="owls.md"),
    App("mkdocs==1.6.1", "build -q", ">Owls</h1>", SITE, file="site/index.html"),
    App("nox==2026.10.20", "--list", "lint -> Find faults.", {"noxfile.py": NOX}),
    App("pre-commit==4.7.0", "validate-config a", "Expected array", {"a": "repos: 1"}, status=1),
    App("ptpython==3.0.32", "a.py", "owl", {"a.py": "print('owl')\n"}),
    App("pygments==2.21.0", "-f html bad.py", '<span class="kn">import</span>', BAD, "pygmentize"),
    App("pylint==4.1.4", "--disable=C a.py", "W0612: Unused", {"a.py": UNUSED}, status=4),
    App("pytest==9.2.0", "-q a.py", "1 passed", {"a.py": "def test_a(): assert True\n"}),
    App("rich-cli==1.8.1", "owls.md", " • barn", OWLS),
    App("sphinx==9.0.4", "-q in out", "<em>owls</em>", DOCS, "sphinx-build", "out/index.html"),
    App("sqlite-utils==4.2.1", f"memory birds.csv {SELECT} --csv", "name\nPan\nCleo\n", CSV),
    App("tabulate==0.10.0", "-s, -f github birds.csv", "| Cleo", CSV),
    App("tldr==3.4.4", "--render owls.md", "Owls", OWLS),
    App("vulture==2.16", "bad.py", "unused function 'owl'", BAD, status=3),
    App("yamllint==1.38.0", "a.yaml", "duplication of key", {"a.yaml": "a: 1\na: 2\n"}, status=1),
    App("yt-dlp==2026.10.26", "--load-info-json a --print title -s", "Owls\n", {"a": VIDEO}),
    # with modules that the published interpreter lacks
    App("codespell==2.4.3", "a", "teh ==> the", {"a": "teh owl"}, status=65, modules="+_ctypes"),
    App("csvkit==2.2.0", "-c age birds.csv", "age\n4\n2\n", CSV, "csvcut", modules="+_lzma"),
    App("pgcli==4.7.1", "postgresql://127.0.0.1:9/", "refused", status=1, modules="+_ctypes"),
    App("tox==4.67.15", "list", "lint -> Find faults.", {"tox.ini": TOX}, modules="+_ctypes"),
    App("visidata==3.4", "-b birds.csv -o a.json", '"Pan"', CSV, file="a.json", modules="+_ctypes"),
]


def lacking(user: str, module: str) -> str:
    """Return the reason that the interpreter lacks what a module of its library needs."""
    return f"{module} needs _{module}, which this interpreter lacks ({user}:* imports it)*"


def needing(release: str, module: str, chain: str, file: str) -> str:
    """Return the reason that an extension module was removed, and is needed."""
    problem = f"{release} * needs its extension module {module}, which cannot run in the executable"
    return f"{problem} ({chain}{file}:*)*"


PSUTIL = needing("psutil", "psutil._psutil_*", "glances -> psutil; ", "psutil/_pslinux.py")
NBFORMAT = "jupytext -> nbformat -> jsonschema -> referencing -> rpds-py; "

REFUSED = [
    App("codespell==2.4.3", "", lacking("codespell_lib/_codespell.py", "ctypes")),
    App("csvkit==2.2.0", "", lacking("csvkit/cli.py", "lzma"), entry="csvcut"),
    App("glances==4.5.8", "", PSUTIL),
    App("httpie==3.2.4", "", lacking("httpie/compat.py", "ssl"), entry="http", modules="-_ssl"),
    App("jupytext==1.19.6", "", needing("rpds-py", "rpds.rpds", NBFORMAT, "rpds/__init__.py")),
    App("mypy==2.4.1", "", needing("librt", "librt.internal", "mypy -> librt; ", "mypy/build.py")),
    App("pgcli==4.7.1", "", lacking("psycopg/pq/misc.py", "ctypes")),
    App(
        "pipdeptree==4.2.15",
        "",
        needing("pipdeptree", "pipdeptree._rust", "", "pipdeptree/__init__.py"),
    ),
    App("tox==4.67.15", "", lacking("tox/util/venv_redirect.py", "ctypes")),
    App("visidata==3.4", "", lacking("visidata/vdobj.py", "curses"), modules="+_ctypes -_curses"),
    App("visidata==3.4", "", lacking("visidata/threads.py", "ctypes")),
    App("ruff==0.17.6", "", "*: bin/ruff is a native program, which cannot run in the executable"),
]
