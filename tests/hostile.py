"""Projects and settings drawn at random: good ones, odd ones, hostile ones.

In a value, `@BAIT@` stands for a folder that no build may touch, and the other names for what
`test_any_input.py` puts in their place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from random import Random

TOUCHED = "pwned"  # the file that hostile values try to make

VALUES = f"""\
file name: a b  ␣lead  trail␣  tab\there  it's  say "hi"  $(§)  `§`  PK  CON  a;§  a|§  ';§;'  ünï
  -dash  --help  -rf  *  ?  [a]  {{a,b}}  back\\slash  a\\nb  ~  #hash  %41  $HOME  !x  @list
  a,b  e\u0301  \u202eevil  \ufb01sh  🐍  \u2028  .hidden  ..dots  \udcff\udcfe  \x1b[31mred  \x7f
  {"x" * 200}  .git  .lock  x.py  x~  .#x  x.egg-info  x.pyc
file name of two lines: new␤line  a␍b  ␤  a␤§
PKG: hello  Hello  _hello  {"h" * 200}  h2o  tests  setup  pip2  usr  ünï  名前  \ufb01sh  e\u0301
  match  _  __hello__  pipeline  a.b  a.b.c  ¦  ∅  .  ..  .a  a.  a..b  1a  a b  a-b  -m  ../bait
  a/b  @BAIT@  python  zip  Lib  download  __main__  nowhere  a.nowhere  $(§)  a;§  a␤b  hello␤  *
  $HOME  {"x" * 300}  ␣hello  hello.py  \udcff  ²  class  None  __pycache__  __init__  {"x" * 255}
  sys  os  math  builtins  json  encodings  zipimport  site  runpy
DIR_SITE: a b/…  ünï/…  -dash/…  it's/…  $(§)/…  ¦  ∅  /  .  …  dist/cosmo  ../bait  ../…  @BAIT@/…
  dist/../../x/…  src/…  src/hello/x/…  link/…  link/x/…  near/…  hello/…  ~/…  a␤b/…  tasks.py/…
COSMO_OUT: a b  dist/ünï  -x  it's/x.com  ¦  ∅  .  ..  /  ../bait/x  @BAIT@/keep  src  src/x/  a␤b
  tasks.py  link/x  link  dist/cosmo  dist/cosmo/python  dist/cosmo/.args  dist/cosmo/Lib/x  near/x
  dist/cosmo/x.zip  src/../../x  ~/x  src/hello/words.py  to-keep  dist/cosmo/deep/x  {"x" * 260}
COSMO_SRC: src  ¦  ∅  nowhere  ../bait  @BAIT@  link  near  /  ..  tasks.py  src/␤
work file: .args  .new  .deps  .lock  .wheel  .name  .start  .target  .digest  .files  .inside.py
  .build.json  python.part  download  python  hello  Lib  Lib/site-packages  Lib/x  .ape-stand-in
COSMO_URL: @PYTHON@  file://@PYTHON@  @MIRROR@/python  ¦  ∅  .  nowhere  src  @BAIT@/keep  tasks.py
  -x  http://[/x  http:///x  --output-document=@BAIT@/keep  http://127.0.0.1:9/$(§)  ftp://h/x  x␤y
  http://127.0.0.1:9/';§;'  https://127.0.0.1:9/-O@BAIT@/x  @MIRROR@/none  @MIRROR@/torn  data:,x
  @MIRROR@/text  file://host/x  file:///%00  http://127.0.0.1:9/a b  @MIRROR@/none @MIRROR@/python
switch: 1  0  ∅  true  YES  on  off  no  False  ¦  2  maybe  1␣  -1  \uff11  None  $(§)  1␤  0x1
XDG_CACHE_HOME: @CACHE@/a b  @CACHE@/$(§)  ¦  ∅  relative  ../bait  @BAIT@/keep  ~  $HOME  -x
SOURCE_DATE_EPOCH: 0  1  315532800  1700000000  {"9" * 18}  ¦  ∅  -1  {"9" * 19}  1.5  now  1␣  ١٢٣
COSMO_ENTRY: hello.words:main  hello.words:held.main  ¦  ∅  :  hello  hello:  hello:nope  a b:c  *
  nowhere:main  hello.words:main()  class:main  hello.words:main␤  hello:x;§  os.path:  -m:x  ..:x
script name: other  a-b  c.d  hello  ¦  python  ../bait  a b  ∅  .x  -x  $(§)  x/y  ünï  x.zip  a␤b
script call: hello.words:main  ¦  ␣hello.words : main␣  x  ∅  nowhere:x  a:b␤c  a:b;§
COSMO_SMOKE: ∅  --version  '$(§)' "`§`"  a␤b  * ? [a]  -c x  '' ''  ¦  '  "  \\  it's  a 'b
COSMO_SCRIPT: tool.py  a-b.py  ünï.py  ¦  _.py  a b.py  python.py  -x.py  1.py  $(§).py  x.PY  .py
  a␤b.py  ∅  src  nowhere.py  @BAIT@  /dev/null  a;b.py  \udcff.py
script block: ∅  # /// script␤# dependencies = []␤# ///␤  ¦  # /// script␤# dependencies = 3␤# ///␤
  # /// script␤# x␤# ///␤  # /// script␤#  # /// script␤# requires-python = []␤# ///␤  \udcff␤
COSMO_DEPS: none  ¦  requirements.txt  ∅  nowhere  src  @BAIT@  -r  None  none␣
COSMO_OPTIMIZE: 0  1  2  ¦  ∅  maybe  1␣  -1  \uff11  $(§)  3
COSMO_PRUNE: ∅  Lib/test/*  '$(§)'  `§`  ../bait/*  'a b' [a]  Lib/lib2to3/*  ¦  -x  @list  ''  '
  -TT '§'  --out=@BAIT@/keep  "  \\  a -b  *
COSMO_EXCLUDE: ∅  hello/data/*  '$(§)'  `§`  ../bait/*  ';'  */data  '-exec' rm  *.nothing  'a|b'
  hello/template.py  ¦  /x  [a]  ''  'a␤b'  '  a\\\\b  "  @BAIT@/*  \\  x ''  *  hello  hello*  */*
COSMO_INCLUDE: ∅  'extra file'  more/deep  ¦  '  ''  .  ..  ../bait  @BAIT@  /  nowhere  -x  $(§)
COSMO_PROJECT: ∅  .  ¦  nowhere  @BAIT@  ../bait  ~  ~nobody-such  src  tasks.py  ␤
pyproject.toml: ∅  \udcff\udcfe  a =␣  \ufeff[project]␤name = 'hello'␤  tool = []  x = {"[" * 5000}
  x = {"9" * 5000}  [{"a." * 3000}a]␤  [tool]␤cosmo = 3␤  [tool.cosmo]␤PKG = 'x'␤  [build-system]␤
  [tool.cosmo.env]␤COSMO_NO = '1'␤  [tool.cosmo.env]␤PKG = 1979-05-27␤  [[project]]␤  tool.uv = 3␤
  [project]␤name = 3␤  build-system = 3␤  [tool.poetry]␤name=[]  tool.ds.scripts = 1␤
module: def  \udcff  \0  # coding: nonsense␤  x = 'a␤  \tif:␤␣␣x  {"((((" * 60}
link to: @BAIT@  @BAIT@/keep  words.py  .  ..  data  nowhere  link  /dev/null
"""
"""What settings, names and files are: good ones before a `¦`, and odd or hostile ones."""

SIGNS = str.maketrans("␤␍␣", "\n\r ", "∅")
LISTS: dict[str, list[str]] = {}
for name, lists in re.findall(r"(?ms)^(\S.*?): (.*?)(?=^\S|\Z)", VALUES):
    for key, text in zip((f"{name} good", name), lists.rpartition("¦")[::2]):
        text = text.replace("…", "Lib/site-packages").replace("§", f"touch {TOUCHED}").strip(" \n")
        LISTS[key] = [word.translate(SIGNS) for word in re.split(r" *\n *|  +", text)]

SWITCHES = ("COSMO_SOURCE", "COSMO_ISOLATED", "COSMO_OPTIMIZE", "COSMO_CHECK")
PATTERNS = ("COSMO_PRUNE", "COSMO_EXCLUDE", "COSMO_INCLUDE", *SWITCHES)
SETTINGS = [name for name in LISTS if name.startswith("COSMO_") and " " not in name]
Table = dict[str, object]


def any_text(rng: Random, without: str = "") -> str:
    """Return any text that the environment can hold."""
    ranges = [(1, 128), (1, 128), (1, 0xD800), (0xE000, 0x110000)]
    signs = (chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(1, 12)))
    return "".join(sign for sign in signs if sign not in without)


def draw(rng: Random, name: str, good: float = 0.0) -> str:
    """Draw a good value of that name, with a probability, else a hostile one, or any text."""
    name = name if name in LISTS else "switch"
    if rng.random() < good:
        return rng.choice(LISTS[f"{name} good"])
    return rng.choice(LISTS[name]) if rng.random() < 0.9 else any_text(rng)


def draw_name(rng: Random) -> str:
    """Draw what a file or a folder can be called."""
    name = rng.choice(LISTS["file name"]) if rng.random() < 0.8 else any_text(rng, "/")
    return name if name not in ("", ".", "..") and len(os.fsencode(name)) < 200 else "x"


@dataclass
class Case:
    """A project; `files` lie in its package, `more` and `links` (or pipes) beside that."""

    folder: str = "project"
    pkg: str = "hello"
    place: str = "src"
    form: str = "package"  # or `module`, or `function`: a package without a `__main__`
    start: str = "."
    environ: Table = field(default_factory=dict)
    ours: Table = field(default_factory=dict)
    article: Table = field(default_factory=dict)
    project: Table = field(default_factory=dict)
    pyproject: bytes | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    more: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def put(self, rng: Random, name: str, value: str | None = None) -> None:
        """Give a setting a value, in one of the three places, unless it has one."""
        tables = [self.environ, self.environ, self.ours, self.article]
        value = draw(rng, name, 0.3) if value is None else value
        if re.search("[\ud800-\udfff]", value) or name in ("XDG_CACHE_HOME", "SOURCE_DATE_EPOCH"):
            tables = tables[:1]
        if not any(name in table for table in tables):
            rng.choice(tables)[name] = value.replace("\0", "")


def package(rng: Random, case: Case) -> None:
    """Choose PKG, and call the package so where a file can have that name."""
    case.pkg = draw(rng, "PKG", 0.4)
    case.form = rng.choice(["package", "package", "module", "function"])
    case.put(rng, "PKG", case.pkg)
    if case.form == "function":
        case.put(rng, "COSMO_ENTRY", f"{case.pkg}.words:main")


def folders(rng: Random, case: Case) -> None:
    """Put the program elsewhere, or a link in its place or in the build folder."""
    if rng.random() < 0.5:
        case.place = rng.choice([".", "src", "lib/deep", draw_name(rng)])
        case.put(rng, "COSMO_SRC", rng.choice([case.place, draw(rng, "COSMO_SRC")]))
        return
    name = rng.choice([f"dist/cosmo/{draw(rng, 'work file')}", "dist", "src/hello"])
    case.links[name] = rng.choice(["@BAIT@", "@BAIT@/keep", "@BAIT@/none", "../..", "nowhere"])


METADATA: dict[str, list[object]] = {
    "version": ["1.0", "$(touch pwned)", "../x", "1.0\n", 1.5, date(2024, 1, 1)],
    "requires-python": [">=3.6", ">=99", "<2", "junk", "$(touch pwned)", "", 3],
    "dependencies": [[], ["-r x"], [3], ["a\nb"], {}, "x", ["x;touch pwned"], ["x @ @BAIT@"], [[]]],
    "dynamic": [[], ["dependencies"], "version", [3], {}],
    "name": ["Hello", "hello", "", "a\nb", "-x", [], 3],
    "scripts": [3, [], {"a": {"b": "c"}}, "x"],
}


def starts(rng: Random, case: Case) -> None:
    """Write a script; or what `[project]` says, its commands with it."""
    kind = rng.randrange(3)
    if kind == 0:
        name = draw(rng, "COSMO_SCRIPT", 0.5).replace("\0", "")
        case.environ["COSMO_SCRIPT"] = name
        if "/" not in name:
            case.more[name] = os.fsencode(draw(rng, "script block", 0.6)) + b"#PROGRAM#"
    elif kind == 1:
        case.form = rng.choice(["package", "function"])
        calls = {draw(rng, "script name", 0.5): draw(rng, "script call", 0.6) for _ in "ab"}
        case.project.update(name="hello", scripts=calls)
        case.put(rng, "COSMO_ENTRY", rng.choice(["other", "nowhere", "a-b"]))
    else:
        keys = rng.sample(sorted(METADATA), 2)
        case.project.update({"name": "hello", **{key: rng.choice(METADATA[key]) for key in keys}})


def patterns(rng: Random, case: Case) -> None:
    """Add data and modules that patterns may name."""
    case.files.update({"data/one": b"one", "template.py": b"value = 1\n"})
    case.more.update({"src/extra file": b"", "src/more/deep/x": b""})
    case.put(rng, rng.choice(PATTERNS))


def tables(rng: Random, case: Case) -> None:
    """Write a value of any type, or a whole pyproject.toml."""
    values = [3, 0, -1, True, 1.5, 10**400, date(2024, 1, 1), time(1), [], ["x"], {}, {"a": [1]}]
    if rng.random() < 0.3:
        case.pyproject = os.fsencode(draw(rng, "pyproject.toml"))
    else:
        table = rng.choice([case.ours, case.article])
        table[rng.choice(SETTINGS)] = rng.choice([*values, "$PKG/$HOME", any_text(rng)])


def names(rng: Random, case: Case) -> None:
    """Choose names of the project's folder and of files in the package; add links, broken files."""
    case.folder = rng.choice([draw_name(rng), "project"])
    case.start = rng.choice([".", ".", "src", ".."])
    if case.start == "..":
        case.environ["COSMO_PROJECT"] = f"./{case.folder}"
    odd = [f"data/{draw(rng, 'file name of two lines')}", "x.so", "data/x.pyd", "$(x).so"]
    plain = [f"data/{draw_name(rng)}", f"data/{draw_name(rng)}/{draw_name(rng)}"]
    for file in rng.sample([*plain, *plain, *odd], rng.randrange(4)):
        case.files[file] = rng.choice([b"", b"\0" * 3000, b"text\r\n"])
    if rng.random() < 0.3:
        name = draw_name(rng).removesuffix(".py").replace("\n", "")
        case.files[f"{name}.py"] = os.fsencode(rng.choice([*LISTS["module"], "value = 1\n"]))
    if rng.random() < 0.3:
        case.links[f"@PKG@/{draw_name(rng)}"] = rng.choice([*LISTS["link to"], "@FIFO@"])


THEMES: dict[str, list[Callable[[Random, Case], None] | str]] = {
    "packages": [package],
    "folders": ["DIR_SITE", "COSMO_OUT", folders],
    "interpreters": ["COSMO_URL", "COSMO_OFFLINE", "XDG_CACHE_HOME", "SOURCE_DATE_EPOCH"],
    "starts": ["COSMO_ENTRY", "COSMO_SMOKE", starts, starts],
    "patterns": [patterns],
    "tables": [tables, tables, tables, "COSMO_PROJECT", "COSMO_SCRIPT", "COSMO_DEPS"],
    "names": [names],
    "mixed": [],
}
"""What a theme varies: one of these, or, for `mixed`, one of each of some themes."""


def draw_case(theme: str, number: int) -> Case:
    """Draw a project that is good but for what the theme does to it."""
    rng, case = Random(f"{theme} {number}"), Case()  # noqa: S311 - it keeps no secret
    chosen = [theme] if theme != "mixed" else rng.sample(list(THEMES)[:-1], rng.randrange(2, 4))
    for one in chosen:
        step = rng.choice(THEMES[one])
        case.put(rng, step) if isinstance(step, str) else step(rng, case)
    if not any("PKG" in table for table in (case.environ, case.ours, case.article)):
        rng.choice([case.article, case.ours])["PKG"] = case.pkg
    if rng.random() < 0.95:
        case.environ.setdefault("COSMO_DEPS", "none")
    return case


def toml(value: object) -> str:
    """Spell a value as TOML does."""
    if isinstance(value, str):
        return '"' + re.sub(r'[^ -~]|["\\]', lambda sign: f"\\U{ord(sign[0]):08X}", value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(toml_rows(value))}}}"
    return value.isoformat() if isinstance(value, (date, time)) else str(value).lower()


def toml_rows(table: Mapping[str, object]) -> list[str]:
    """Spell the rows of a table."""
    return [f"{toml(key)} = {toml(value)}" for key, value in table.items()]
