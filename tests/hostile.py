"""Projects and settings of every kind, for Hypothesis to draw: good ones, odd ones, hostile ones.

In a value, `@BAIT@` stands for a folder that no build may touch, and the other names for what
`test_any_input.py` puts in their place.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time

from hypothesis import strategies as st

Draw = st.DrawFn
Texts = st.SearchStrategy[str]

TOUCHED = "pwned"  # the file that hostile values try to make

VALUES = f"""\
file name: a b  ␣lead  trail␣  tab\there  it's  say "hi"  $(§)  `§`  PK  CON  a;§  a&§  a|§  ';§;'
  -dash  --help  -rf  *  ?  [a]  [!a]  {{a,b}}  back\\slash  a\\nb  ~  ~root  ~nobody-such  #hash
  %41  %s  $HOME  $PKG  ${{PKG}}  $$  !x  @list  +x  =x  a,b  a:b  ünï  名前  e\u0301  \u202eevil
  \ufb01sh  🐍  \u2028  .hidden  ..dots  \udcff\udcfe  \x1b[31mred  \x7f  {"x" * 200}  .git  .lock
  x.py
file name of two lines: new␤line  a␍b  ␤  a␤§
PKG: hello  Hello  _hello  {"h" * 40}  {"h" * 200}  h2o  tests  setup  pip2  usr  ünï  名前
  \ufb01sh  e\u0301  match  _  __hello__  pipeline  a.b  a.b.c  ¦  ∅  .  ..  .a  a.  a..b  1a  a b
  a-b  -m  --help  ../bait  a/b  @BAIT@  python  zip  lib  Lib  download  python.x  __main__
  nowhere  a.nowhere  $(§)  a;§  a␤b  hello␤  a.b␤  *  $HOME  $PKG  {"x" * 300}  hello␣  ␣hello
  hello.py  \udcff  hello\u200b  ²  ٣
  class  None  import  a.class  __pycache__  __init__  {"x" * 251}  {"x" * 255}  sys  os
  math  builtins  time  json  encodings  zipimport  site  runpy
DIR_SITE: ∅  /  .  …  dist/cosmo  ../bait  srcs/Lib/x  dist/…␤  -x/…␣  dist/x\\Lib/site-p  ../…
  @BAIT@/…  dist/../../x/…  src/…  src/hello/x/…  link/…  link/x/…  near/…  hello/…  ~/…  $HOME/…
  a␤b/…  pyproject.toml/…  tasks.py/../x/…  ./src/../…
COSMO_OUT: ∅  .  ..  /  ../bait/x  ../bait  @BAIT@/x  @BAIT@/keep  src  src/x/  pyproject.toml
  tasks.py  link/x  link  dist/cosmo  dist  dist/cosmo/python  dist/cosmo/Lib/x  dist/cosmo/.args
  dist/cosmo/x.zip  dist/cosmo/ZIP  a/../b  src/../../x  near/x  a␤b  tool/  ~/x  file/x  $HOME/x
  src/hello/words.py  to-keep  dist/cosmo/deep/x  dist/cosmo/.x  pyproject.toml/x  {"x" * 260}
COSMO_SRC: ∅  nowhere  ../bait  @BAIT@  link  near  /  ..  tasks.py  src/␤
link in the build folder: .args  .new  .deps  .uv  .lock  .smoke  python.part  zip.part  download
  download/x  python  zip  python.zip  hello  hello.zip  Lib  other.zip  Lib/site-packages
  Lib/site-packages/hello  Lib/x  .ape-stand-in
COSMO_URL: @PYTHON@  file://@PYTHON@  @MIRROR@/python  @MIRROR@/none @MIRROR@/python  ¦  ∅  .  /
  nowhere  src  @BAIT@  @BAIT@/keep  tasks.py  -x  --help  http://[/x  http:///x
  --output-document=@BAIT@/keep  http://127.0.0.1:9/x  http://127.0.0.1:9/$(§)  %00
  http://127.0.0.1:9/';§;'  ftp://h/x  https://127.0.0.1:9/-O@BAIT@/x  @MIRROR@/none  @MIRROR@/torn
  @MIRROR@/text  file://host/x  file:///  file://@BAIT@/keep  file:relative  data:,x  x␤y
  http://127.0.0.1:9/a b  ~/x  ~nobody-such/x  $HOME  @PYTHON@␣  file:///%00
  @MIRROR@/none @MIRROR@/text  http://127.0.0.1:x/y  http://␤/x
COSMO_SHA256: @SHA256@  ¦  {"0" * 64}  {"0" * 63}  ∅  {"z" * 64}  @SHA256@;§  {chr(0xFF10) * 64}
switch: 1  0  ∅  true  YES  on  off  no  False  ¦  2  maybe  1␣  -1  \uff11  None  $(§)  1␤  0x1
interpreter: COSMO_URL  COSMO_URL  COSMO_SHA256  COSMO_OFFLINE  XDG_CACHE_HOME  SOURCE_DATE_EPOCH
XDG_CACHE_HOME: ∅  relative  ../bait  @BAIT@/keep  @CACHE@  ~  $HOME  -x
SOURCE_DATE_EPOCH: 0  1  315532800  1700000000  {"9" * 18}  4291747199  ¦  ∅  -1  {"9" * 19}  1.5
  now  1␣  ١٢٣  1␤  $(§)
created-by: ""  3
lock-version: ""  "0.9"  "2.0"  1.0  []
packages: "text"  [3]  ["x==1"]  {{"a" = "b"}}  true  [["x"]]  [{{}}]  [{{name = "x"}}]
  [{{name = "-r /etc/passwd", version = "1"}}]  [{{name = "x; §", version = "1"}}]
  [{{name = "x", version = "1", sdist = {{url = "file:///x", hashes = {{}}}}}}]
  [{{name = "x", directory = {{path = "@BAIT@"}}}}]
  [{{name = "x", vcs = {{type = "git", url = "--upload-pack=§", commit-id = "x"}}}}]
  [{{name = "x", version = "1", wheels = [{{url = "http://127.0.0.1:9/x-1-py3-none-any.whl"}}]}}]
inputs: "text"  ["x"]  [3]  ["a\\nb"]  {{}}  ["$(§)"]  0
url: ""  3  " x"  "a\\nb"  "$(§)"
size: -1  "x"  1.5  1{"0" * 30}  ""  "1;§"  "٣"  0  true
sha256: ""  "{"0" * 64}"  3  "$(§)"  []  "@SHA256@\\n"
version: ""  "x"  3.11  "3.11\\n"  []
last-modified: "today"  3  "$(§)"  {{}}
right lock file: lock-version = "1.0"␤created-by = "cosmo-recipes"␤packages = []␤
  [tool.cosmo-recipes]␤inputs = []␤
  [tool.cosmo-recipes.python]␤url = "@PYTHON@"␤size = 7000000␤sha256 = "@SHA256@"␤
  version = "3.11.7"␤last-modified = ""␤
lock file: ∅  tool = 3  [tool.cosmo-recipes.python]␤  packages = []  \udcff  {"a" * 9999}
COSMO_ARGS: -m hello ...  -I -m hello 'x y' ...  -B -c 'print(6*7)' ...  -m hello -x ...  ¦  ∅  ''
  '  "  -m 'a␤b' ...  -c '' ...  -c 'a\\nb'  -c 'x  \\  ...␣␣''  -m hello\\␤ ''  'a␍b'  a '' b  ␤  ␣
  # only  -m 'x
COSMO_ENTRY: hello.words:main  hello.words:main  hello.words:held.main  ¦  ∅  :  hello  hello:
  hello:nope  nowhere:main  hello.words:main()  a b:c  class:main  hello.words:main␤  hello:x;§  *
  hello.words:main [x]  -m:x  ..:x  x.y:z'  os.path:  hello..words:main  hello.words:$(§)
script name: other  a-b  c.d  two  hello  python  ../bait  a b  ∅  .x  -x  $(§)  x/y  ünï  x.zip
  a␤b  {"x" * 260}  Zip  *
script call: hello.words:main  ␣hello.words : main␣  hello.words:main [x]  x  ∅  nowhere:x  a:b␤c
  a:b;§
COSMO_SMOKE: ∅  --version  '$(§)' "`§`"  a␤b  * ? [a]  -c x  '' ''  ¦  '  "  \\  it's  a 'b  "\\
COSMO_SCRIPT: tool.py  a-b.py  tool2.py  ünï.py  _.py  ¦  a b.py  python.py  -x.py  1.py  $(§).py
  x.PY  .py  lib.py  a␤b.py  ∅  src  nowhere.py  @BAIT@/keep  /dev/null  tasks.txt  ~/x.py  a;b.py
  \udcff.py
script block: ∅  # /// script␤# dependencies = []␤# ///␤  ¦  # /// script␤# dependencies = 3␤# ///␤
  # /// script␤# x␤# ///␤  # /// script␤#  # /// script␤# [tool.cosmo]␤# PKG = 'x'␤# ///␤
  # /// script␤# requires-python = []␤# ///␤
  # /// script␤# ///␤# /// script␤# a=1␤# ///␤# /// script␤# ///␤  \udcff␤
COSMO_DEPS: requirements.txt  ∅  nowhere  src  @BAIT@  -r  None  none␣  ~
requirements.txt: ∅  -r nowhere  --index-url=http://127.0.0.1:9/␤x  -e @BAIT@  @BAIT@  \0
  -r requirements.txt  \udcff  x; §␤$(§)
COSMO_OPTIMIZE: ∅  0  1  2  ¦  maybe  1␣  -1  \uff11  None  $(§)  1␤  0x1  3
COSMO_COMPRESS: ∅  0  6  9  ¦  -1  10  1␣  \uff11  None  $(§)  1␤
COSMO_SLIM: 0  1  ∅  list  sqlite3 csv  1 csv  ¦  nowhere  -x  $(§)  a;b  0 csv  os.path
COSMO_PRUNE: ∅  Lib/test/*  '$(§)'  `§`  ../bait/*  'a b' [a]  'a␤b'  \\\\
  Lib/lib2to3/* Lib/email/*  Lib/site-packages/*  ¦  -x  @list  ''  '  -TT '§'  --out=@BAIT@/keep  "
  \\  a -b
pattern: ∅  hello/data/*  '$(§)'  `§`  ../bait/*  'a b' ';'  -x  */data  hello/template.py
  '-exec' rm  ( ) !  *.nothing  'a|b' +^$.{{}}  ¦  /x  [a]  ''  'a␤b'  '  a\\\\b  "  @BAIT@/*  \\
  x ''  'a␍b'  *  hello  hello/__main__.py  hello*  */*
reference: $A  ${{A}}  $B$B  $A/x  $  $1  ${{  ${{}}  $UNSET  ${{A  $$A  {"$C" * 9}  {"$D" * 9}  $B
  $C  hello  1  $HOME/x  $PKG  $COSMO_OUT  $DIR_SITE  {"$B" * 9}  x$A  $(§)
COSMO_PROJECT: ∅  .  nowhere  @BAIT@  ../bait  ~  ~nobody-such  src  tasks.py  ␤
pyproject.toml: ∅  \udcff\udcfe  a =␣  a\0b  \ufeff[project]␤name = 'hello'␤  tool = []  ␍  # only␤
  x = {"[" * 5000}  x = {"{a=" * 3000}  x = {"[" * 90}{"]" * 90}  x = {"9" * 5000}
  [{"a." * 3000}a]␤  [tool]␤cosmo = 3␤  [tool.cosmo]␤PKG = 'x'␤  [tool.cosmo]␤env = 'x'␤
  [tool.cosmo.env]␤COSMO_NO = '1'␤  [tool.cosmo.env]␤COSMO_SCRIPT = 'x'␤PKG = 'y'␤
  [tool.cosmo.env]␤'' = 'x'␤'a b' = 'y'␤  [tool.cosmo.env]␤PKG = 1979-05-27␤  [[project]]␤
  [tool.ds]␤scripts = 1␤  [tool.ds.scripts]␤_ = 'x'␤  [project]␤[project]␤  project = 'x'␤
  [project]␤name = 3␤  [build-system]␤  [tool.poetry]␤name=[]  [tool.poetry]␤name = 'hello'␤
  [tool.poetry]␤scripts = 3␤  [tool.poetry.scripts]␤hello = 3␤
module: def  \udcff  \0  # coding: nonsense␤  x = 'a␤  \tif:␤␣␣x  {"((((" * 60}
link to: @BAIT@  @BAIT@/keep  words.py  .  ..  data  @BAIT@/own.py  /dev/null
"""
"""What settings, names and files are: good ones before a `¦`, and odd or hostile ones."""


def values(text: str) -> tuple[str, ...]:
    """The values in a text: two spaces or a line's end part them, and symbols stand for others."""
    symbols = {"␤": "\n", "␍": "\r", "␣": " ", "∅": "", "…": "Lib/site-packages"}
    signs = str.maketrans({**symbols, "§": f"touch {TOUCHED}"})
    return tuple(value.translate(signs) for value in re.split(r" *\n *|  +", text.strip(" \n")))


def among(text: str) -> Texts:
    return st.sampled_from(values(text))


LISTS: dict[str, tuple[str, ...]] = {}
for name, lists in re.findall(r"(?ms)^(\S.*?): (.*?)(?=^\S|\Z)", VALUES):
    LISTS[f"{name} good"], LISTS[name] = map(values, lists.rpartition("¦")[::2])


def listed(*names: str) -> Texts:
    """One of the values that VALUES has by these names."""
    return st.sampled_from([value for name in names for value in LISTS[name]])


def die(draw: Draw, sides: int) -> int:
    """A number below `sides`; all are as likely, which Hypothesis does not promise."""
    return zlib.crc32(draw(st.binary(min_size=4, max_size=4))) % sides


@st.composite
def often(draw: Draw, percent: int, first: Texts, other: Texts) -> str:
    """A text of `first`, at so many per cent, else one of `other`."""
    return draw(first if die(draw, 100) < percent else other)


def text(without: str = "") -> Texts:
    """Any text that the environment can hold."""
    signs = st.characters(exclude_categories=["Cs"], exclude_characters="\0" + without)
    return st.text(signs, max_size=20)


FREE = text("/").filter(lambda name: name not in ("", ".", "..") and len(os.fsencode(name)) < 200)
NAMES = often(80, listed("file name"), FREE)  # what a file or a folder can be called
ANY = text()
OUT = st.builds(str.format, among("{0}  dist/{0}  {0}/{0}"), NAMES)


def mostly(percent: int, name: str, *more: Texts) -> Texts:
    """A good value of that name, at so many per cent, else a hostile one."""
    return often(percent, listed(f"{name} good"), st.one_of(listed(name), *more))


DRAWN: dict[str, Texts] = {
    "DIR_SITE": often(16, NAMES.map("{}/Lib/site-packages".format), listed("DIR_SITE") | ANY),
    "COSMO_OUT": often(16, OUT, listed("COSMO_OUT") | ANY),
    "COSMO_URL": mostly(20, "COSMO_URL", ANY),
    "COSMO_SHA256": mostly(25, "COSMO_SHA256", ANY),
    "COSMO_OFFLINE": mostly(30, "switch", ANY),
    "XDG_CACHE_HOME": often(50, listed("XDG_CACHE_HOME"), NAMES.map("@CACHE@/{}".format)),
    "SOURCE_DATE_EPOCH": mostly(18, "SOURCE_DATE_EPOCH", ANY),
    "COSMO_ARGS": often(90, mostly(15, "COSMO_ARGS"), text("\\").map("{} ...".format)),
    "COSMO_ENTRY": mostly(18, "COSMO_ENTRY", ANY),
    "COSMO_SMOKE": often(92, mostly(25, "COSMO_SMOKE"), ANY),
    "COSMO_DEPS": often(70, listed("COSMO_DEPS"), ANY),
    **dict.fromkeys(("COSMO_PROJECT", "COSMO_SCRIPT"), often(80, listed("COSMO_PROJECT"), ANY)),
    **dict.fromkeys(("COSMO_SOURCE", "COSMO_ISOLATED"), mostly(20, "switch", ANY)),
    **{name: mostly(20, name) for name in ("COSMO_SLIM", "COSMO_COMPRESS")},
    "COSMO_OPTIMIZE": mostly(20, "COSMO_OPTIMIZE"),
    "COSMO_PRUNE": mostly(20, "COSMO_PRUNE"),
    **dict.fromkeys(("COSMO_EXCLUDE", "COSMO_KEEP"), mostly(20, "pattern")),
}
SWITCHES_AND_PATTERNS = list(DRAWN)[-8:]
SETTINGS = [*DRAWN, "PKG", "COSMO_SRC", "COSMO_NONE", "COSMO_ZIP_URL"]


@dataclass
class Case:
    """A project; `files` lie in its package, `more` and `links` (or pipes) beside that."""

    folder: str = "project"
    pkg: str = "hello"
    place: str = "src"
    form: str = "package"  # or `module`, or `function`: a package without a `__main__`
    start: str = "."
    environ: dict[str, str] = field(default_factory=dict)
    ours: dict[str, object] = field(default_factory=dict)
    article: dict[str, object] = field(default_factory=dict)
    project: dict[str, object] = field(default_factory=dict)
    pyproject: bytes | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    more: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def key(self) -> str:
        """What distinguishes this case; not in which of the three places a setting stands."""
        settings = {**self.article, **self.ours, **self.environ}
        rest = replace(self, environ={}, ours={}, article={})
        return repr((sorted(settings.items(), key=str), rest))

    def has(self, name: str) -> bool:
        """Whether a setting is given already."""
        return any(name in table for table in (self.environ, self.ours, self.article))

    def put(self, draw: Draw, name: str, value: str | None = None) -> None:
        """Give a setting a value, in one of the three places, unless it has one."""
        value = draw(DRAWN[name]) if value is None else value
        tables: list[dict[str, str] | dict[str, object]] = [self.environ]
        in_toml = name not in ("XDG_CACHE_HOME", "SOURCE_DATE_EPOCH")
        if in_toml and not re.search("[\ud800-\udfff]", value):
            tables += [self.environ, self.ours, self.article]
        if not self.has(name):
            draw(st.sampled_from(tables))[name] = value


def package(draw: Draw, case: Case) -> None:
    """PKG, and a package of that name, where a file can have it."""
    case.pkg = draw(mostly(18, "PKG", ANY))
    case.form = draw(among("package  package  module  function"))
    case.put(draw, "PKG", case.pkg)
    if case.form == "function" and die(draw, 4):
        case.put(draw, "COSMO_ENTRY", f"{case.pkg}.words:main")


def source(draw: Draw, case: Case) -> None:
    case.place = draw(often(45, NAMES, among(".  src  lib/deep  src/..")))
    case.put(draw, "COSMO_SRC", draw(often(12, st.just(case.place), listed("COSMO_SRC") | ANY)))


def links(draw: Draw, case: Case) -> None:
    name = draw(listed("link in the build folder"))
    folder = draw(among("dist  dist/cosmo  src  src/hello"))
    to = draw(among("@BAIT@  @BAIT@/keep  @BAIT@/none  ../..  nowhere"))
    case.links[f"dist/cosmo/{name}" if die(draw, 6) else folder] = to
    if name == "other.zip":
        case.project = {"name": "hello", "scripts": {"other": "hello.words:main"}}
        case.put(draw, "COSMO_ENTRY", "*")


def lock(draw: Draw, case: Case) -> None:
    """A lock file: the right one, or one with a value that it cannot have, or another file."""
    content = "".join(LISTS["right lock file"])
    if die(draw, 10) > 1:
        key = draw(st.sampled_from(re.findall("(?m)^(.*) = ", content)))
        value = draw(listed(key))
        content = re.sub(f"(?m)^{key} = .*", lambda _: f"{key} = {value}", content)
    if die(draw, 10) == 0:
        content = draw(listed("lock file"))
    case.more["pylock.cosmo.toml"] = os.fsencode(content)


def entries(draw: Draw, case: Case) -> None:
    case.form = draw(among("package  function"))
    calls = st.sampled_from((*LISTS["script call"], 3, []))
    scripts = st.dictionaries(listed("script name"), calls, min_size=1, max_size=2)
    case.project.update(name="hello", scripts=draw(scripts))
    if draw(st.booleans()):
        case.put(draw, "COSMO_ENTRY", draw(among("*  other  nowhere  a-b")))


def script(draw: Draw, case: Case) -> None:
    value = draw(often(18, listed("COSMO_SCRIPT good"), listed("COSMO_SCRIPT") | NAMES))
    block = draw(listed("script block good", "script block good", "script block"))
    if "/" not in value:
        case.more[value] = os.fsencode(block) + b"#PROGRAM#"
    case.environ["COSMO_SCRIPT"] = value


METADATA: dict[str, tuple[object, ...]] = {
    "version": (*values("1.0  1.0  ∅  $(§)  ../x  1.0␤"), 1.5, date(2024, 1, 1)),
    "description": (*values("it's  a␤b  $(§)  %s %n \\n  ∅"), 3),
    "requires-python": (*values(">=3.6  >=99  <2  junk  $(§)  ∅  >=3␤"), 3),
    "dependencies": ([], ["-r x"], [3], ["a\nb"], {}, "x", ["x;touch pwned"], ["x @ @BAIT@"], [[]]),
    "dynamic": ([], ["readme"], ["version"], "version", [3], ["\n"], {}),
    "entry-points": ({}, {"g": {"a": "b:c"}}, {"g": 3}, 3, {"a\nb": {}}, {"g": {"a": "b\nc"}}),
    "gui-scripts": ({}, {"x": "y:z"}, 3, {"x": []}),
    "name": (*values("Hello  hello  ∅  a␤b  -x"), [], 3),
    "scripts": (3, [], {"a": {"b": "c"}}, "x"),
}


def metadata(draw: Draw, case: Case) -> None:
    case.project["name"] = draw(often(60, st.just("hello"), listed("file name") | ANY))
    for key in draw(st.lists(st.sampled_from(sorted(METADATA)), max_size=3, unique=True)):
        case.project[key] = draw(st.sampled_from(METADATA[key]))
    if die(draw, 4) == 0:
        case.more["requirements.txt"] = os.fsencode(draw(listed("requirements.txt")))
        case.put(draw, "COSMO_DEPS")


def pattern(draw: Draw, case: Case) -> None:
    case.files.update({"data/one": b"one", "template.py": b"value = 1\n"})
    case.put(draw, draw(st.sampled_from(SWITCHES_AND_PATTERNS)))


ANYTHING: st.SearchStrategy[object] = st.one_of(
    *(st.integers(-2, 10), st.booleans(), st.floats(), st.just(10**400), ANY, st.dates()),
    *(st.datetimes(), st.times(), st.lists(ANY, max_size=2), st.just({}), st.just({"a": [1]})),
)


def value_of_any_type(draw: Draw, case: Case) -> None:
    table = draw(st.sampled_from((case.ours, case.article)))
    table[draw(st.sampled_from(SETTINGS))] = draw(ANYTHING)


def reference(draw: Draw, case: Case) -> None:
    table, key = draw(st.sampled_from((case.ours, case.article))), draw(st.sampled_from(SETTINGS))
    for variable in draw(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4)):
        table[variable] = draw(listed("reference"))
    if key not in ("COSMO_URL", "COSMO_DEPS"):
        table[key] = draw(listed("reference"))


def whole_pyproject(draw: Draw, case: Case) -> None:
    case.pyproject = draw(listed("pyproject.toml").map(os.fsencode) | st.binary(max_size=30))


def names(draw: Draw, case: Case) -> None:
    """The names of the project's folder and of files in the package; links; broken files."""
    if draw(st.booleans()):
        case.folder = draw(NAMES)
        case.start = draw(among(".  .  src  .."))
        if case.start == "..":
            case.environ["COSMO_PROJECT"] = f"./{case.folder}"
    case.place = draw(among("src  src  src  ."))
    data = st.binary(max_size=40) | st.sampled_from((b"", b"\0" * 3000, b"text\r\n"))
    for _ in range(die(draw, 5)):
        path = "/".join(draw(st.lists(NAMES, min_size=1, max_size=2)))
        case.files[f"data/{path}"] = draw(data)
    for _ in range(die(draw, 3)):
        module = draw(NAMES).removesuffix(".py") if draw(st.booleans()) else "module"
        case.files[f"{module}.py"] = b"value = 1\n"
    spoiled = die(draw, 10)
    if spoiled < 4:
        case.files[f"data/{draw(listed('file name of two lines'))}"] = b""
    elif spoiled == 4:
        file = f"{draw(NAMES)}.py".replace("/", "_")
        case.files[file] = os.fsencode(draw(listed("module")))
    elif spoiled == 5:
        case.links["@PKG@/link"] = draw(among("nowhere  link  @BAIT@/none  /nowhere  .#x  x␤y"))
    elif spoiled == 6:
        case.files[draw(among("x.so  data/x.pyd  a b.dylib  $(x).so"))] = b""
    if die(draw, 3) == 0:
        case.links[f"@PKG@/{draw(NAMES)}"] = draw(listed("link to"))
    if die(draw, 10) == 0:
        case.links[f"@PKG@/{draw(among('pipe  pipe.py  -p  a b'))}"] = "@FIFO@"


THEMES: dict[str, list[str | Callable[[Draw, Case], None]]] = {
    "packages": [package],
    "folders": ["DIR_SITE", "COSMO_OUT", source, links, "DIR_SITE", "COSMO_OUT"],
    "interpreters": [*LISTS["interpreter"], lock],
    "starts": ["COSMO_ARGS", "COSMO_ENTRY", entries, "COSMO_SMOKE", script, metadata],
    "patterns": [pattern],
    "tables": [
        *[value_of_any_type, reference] * 4,
        *[whole_pyproject] * 2,
        "COSMO_PROJECT",
        "COSMO_SCRIPT",
    ],
    "names": [names],
    "mixed": [],
}
"""What a theme varies: one of these, or one or two for some themes; `mixed` is other themes."""


@st.composite
def cases(draw: Draw, theme: str) -> Case:
    """A project that is good but for what the theme does to it."""
    case = Case()
    many = st.lists(st.sampled_from(list(THEMES)), min_size=2, max_size=3)
    for chosen in draw(many) if theme == "mixed" else [theme]:
        twice = chosen in ("interpreters", "patterns") and draw(st.booleans())
        for _ in range(0 if chosen == "mixed" else 1 + twice):
            step = draw(st.sampled_from(THEMES[chosen]))
            if isinstance(step, str):
                case.put(draw, step)
            else:
                step(draw, case)
    if not case.has("PKG"):
        case.article["PKG"] = case.pkg
    if die(draw, 2 if len(case.project) > 1 else 20):
        case.environ.setdefault("COSMO_DEPS", "none")
    return case


def toml(value: object) -> str:
    """A value as TOML spells it."""
    if isinstance(value, str):
        return '"' + re.sub(r'[^ -~]|["\\]', lambda sign: f"\\U{ord(sign[0]):08X}", value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(toml_rows(value))}}}"
    return value.isoformat() if isinstance(value, (date, time)) else str(value).lower()


def toml_rows(table: Mapping[str, object]) -> list[str]:
    return [f"{toml(key)} = {toml(value)}" for key, value in table.items()]
