"""Projects and settings of every kind, for Hypothesis to draw: good ones, odd ones, hostile ones.

In a value, `@BAIT@` stands for a folder that no build may touch, and the other names for what
`test_any_input.py` puts in their place.
"""

from __future__ import annotations

import datetime
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

Draw = st.DrawFn
Texts = st.SearchStrategy[str]

TOUCH = "touch pwned"
"""What a value tries to have run. No file of that name may ever appear."""

ODD = (
    *("a b", " lead", "trail ", "tab\there", "it's", 'say "hi"', f"$({TOUCH})", f"`{TOUCH}`"),
    *(f"a;{TOUCH}", f"a&{TOUCH}", f"a|{TOUCH}", f"';{TOUCH};'", "-dash", "--help", "-rf", "*"),
    *("?", "[a]", "[!a]", "{a,b}", "back\\slash", "a\\nb", "~", "~root", "~nobody-such", "#hash"),
    *("%41", "%s", "$HOME", "$PKG", "${PKG}", "$$", "!x", "@list", "+x", "=x", "a,b", "a:b"),
    *("ünï", "名前", "e\u0301", "\u202eevil", "\ufb01sh", "🐍", "\u2028", "x" * 200, ".hidden"),
    *("..dots", "\udcff\udcfe", "\x1b[31mred", "\x7f", "CON", "PK", ".git", ".lock", "x.py"),
)
"""Names that a file may have, and that a shell, `zip` or Python may take for something else."""

BREAKING = ("new\nline", "a\rb", "\n", f"a\n{TOUCH}")
"""Names that a file may have, and that cannot be written in one line."""

GOOD_PKG = (
    *("hello", "Hello", "_hello", "h" * 40, "h" * 200, "h2o", "tests", "setup", "pip2", "usr"),
    *("ünï", "名前", "\ufb01sh", "e\u0301", "match", "_", "__hello__", "pipeline", "a.b", "a.b.c"),
)
ODD_PKG = (
    *("class", "None", "import", "a.class", "__pycache__", "__init__", "x" * 251, "x" * 255),
    *("sys", "builtins", "time", "json", "encodings", "zipimport", "site", "runpy", "os", "math"),
)
BAD_PKG = (
    *("", ".", "..", ".a", "a.", "a..b", "1a", "a b", "a-b", "-m", "--help", "../bait", "a/b"),
    *("@BAIT@", "python", "zip", "lib", "Lib", "download", "python.x", "__main__", "nowhere"),
    *("a.nowhere", f"$({TOUCH})", f"a;{TOUCH}", "a\nb", "hello\n", "a.b\n", "*", "$HOME", "$PKG"),
    *("x" * 300, "hello ", " hello", "hello.py", "\udcff", "hello\u200b", "²", "٣"),
)

TRUTHS = ("1", "0", "", "true", "YES", "on", "off", "no", "False")
JUNK = ("2", "maybe", "1 ", "-1", "\uff11", "None", f"$({TOUCH})", "1\n", "0x1")


@dataclass
class Case:
    """A project and how it is packaged.

    `pkg` is what the package's own folder is called, `place` the folder that it is in, and `form`
    is `package`, `module`, or `function`: a package without a `__main__`. `files` lie in the
    package, `more` and `links` in the project. `start` is where the command runs.
    """

    folder: str = "project"
    pkg: str = "hello"
    place: str = "src"
    form: str = "package"
    start: str = "."
    environ: dict[str, str] = field(default_factory=dict)
    ours: dict[str, object] = field(default_factory=dict)
    article: dict[str, object] = field(default_factory=dict)
    project: dict[str, object] = field(default_factory=dict)
    pyproject: bytes | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    more: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    fifo: str = ""

    def key(self) -> str:
        """What tells this case from others; not in which of the three places a setting stands."""
        told = {**self.article, **self.ours, **self.environ}
        parts = (
            self.folder,
            self.pkg,
            self.place,
            self.form,
            self.start,
            sorted(told.items(), key=str),
        )
        rest = (self.project, self.pyproject, self.files, self.more, self.links, self.fifo)
        return repr((*parts, *rest))

    def has(self, name: str) -> bool:
        """Whether a setting is given already."""
        return any(name in each for each in (self.environ, self.ours, self.article))

    def put(self, draw: Draw, name: str, value: str) -> None:
        """Give a setting its value, in one of the three places, unless it has one."""
        tables: list[dict[str, str] | dict[str, object]] = [self.environ]
        if not any(0xD800 <= ord(each) < 0xE000 for each in value):
            tables += [self.environ, self.ours, self.article]
        if not self.has(name):
            draw(st.sampled_from(tables))[name] = value


def often(draw: Draw, percent: int, first: st.SearchStrategy[str], other: Texts) -> str:
    """What is drawn from `first`, at so many per cent, else from `other`."""
    return draw(first if die(draw, 100) < percent else other)


def die(draw: Draw, sides: int) -> int:
    """A number below `sides`; each one is as likely, which Hypothesis does not promise."""
    return zlib.crc32(draw(st.binary(min_size=4, max_size=4))) % sides


def text(without: str = "") -> Texts:
    """Any text that the environment can hold."""
    signs = st.characters(exclude_categories=["Cs"], exclude_characters="\0" + without)
    return st.text(signs, max_size=20)


def name(percent_odd: int = 80) -> Texts:
    """A name that a file or a folder can have."""
    free = text("/").filter(lambda it: it not in ("", ".", "..") and len(os.fsencode(it)) < 200)
    return st.integers(0, 99).flatmap(
        lambda number: st.sampled_from(ODD) if number < percent_odd else free
    )


def packages(draw: Draw, case: Case) -> None:
    """PKG, and a package of that name, where a file can have it."""
    good = st.sampled_from(GOOD_PKG)
    case.pkg = often(draw, 18, good, st.sampled_from((*ODD_PKG, *BAD_PKG, *BAD_PKG)) | text())
    case.form = draw(st.sampled_from(("package", "package", "module", "function")))
    case.put(draw, "PKG", case.pkg)
    if case.form == "function" and die(draw, 4):
        case.put(draw, "COSMO_ENTRY", f"{case.pkg}.words:main")


def folders(draw: Draw, case: Case) -> None:
    """DIR_SITE, COSMO_OUT and COSMO_SRC, and what lies in their way."""
    bad: tuple[str, ...]
    which = draw(st.sampled_from(("site", "out", "src", "way", "site", "out")))
    if which == "site":
        inside = name().map(lambda it: f"{it}/Lib/site-packages")
        bad = (
            *(
                "",
                "/",
                ".",
                "Lib/site-packages",
                "../Lib/site-packages",
                "@BAIT@/Lib/site-packages",
            ),
            *("dist/../../x/Lib/site-packages", "dist/cosmo", "src/Lib/site-packages", "../bait"),
            *(
                "src/hello/x/Lib/site-packages",
                "link/Lib/site-packages",
                "link/x/Lib/site-packages",
            ),
            *("near/Lib/site-packages", "hello/Lib/site-packages", "dist/Lib/site-packages\n"),
            *("-x/Lib/site-packages ", "~/Lib/site-packages", "$HOME/Lib/site-packages"),
            *("a\nb/Lib/site-packages", "pyproject.toml/Lib/site-packages", "dist/x\\Lib/site-p"),
            *("tasks.py/../x/Lib/site-packages", "./src/../Lib/site-packages", "srcs/Lib/x"),
        )
        case.put(draw, "DIR_SITE", often(draw, 16, inside, st.sampled_from(bad) | text()))
    elif which == "out":
        good = name().flatmap(lambda it: st.sampled_from([it, f"dist/{it}", f"{it}/{it}"]))
        bad = (
            *(
                "",
                ".",
                "..",
                "/",
                "../bait/x",
                "../bait",
                "@BAIT@/x",
                "@BAIT@/keep",
                "src",
                "src/x/",
            ),
            *(
                "pyproject.toml",
                "tasks.py",
                "link/x",
                "link",
                "dist/cosmo",
                "dist",
                "dist/cosmo/python",
            ),
            *(
                "dist/cosmo/Lib/x",
                "dist/cosmo/.args",
                "dist/cosmo/x.zip",
                "dist/cosmo/ZIP",
                "a/../b",
            ),
            *("src/../../x", "near/x", "a\nb", "tool/", "~/x", "src/hello/words.py", "to-keep"),
            *(
                "dist/cosmo/deep/x",
                "dist/cosmo/.x",
                "pyproject.toml/x",
                "file/x",
                "x" * 260,
                "$HOME/x",
            ),
        )
        case.put(draw, "COSMO_OUT", often(draw, 16, good, st.sampled_from(bad) | text()))
    elif which == "src":
        case.place = often(draw, 45, name(), st.sampled_from((".", "src", "lib/deep", "src/..")))
        bad = ("", "nowhere", "../bait", "@BAIT@", "link", "near", "/", "..", "tasks.py", "src/\n")
        value = often(draw, 12, st.just(case.place), st.sampled_from(bad) | text())
        case.put(draw, "COSMO_SRC", value)
    else:
        held = (
            *(".args", ".cache", ".deps", ".lock", ".smoke", "python.part", "zip.part", "download"),
            *(
                "download/x",
                "python",
                "zip",
                "python.zip",
                "hello",
                "hello.zip",
                "Lib",
                "other.zip",
            ),
            *(
                "Lib/site-packages",
                "Lib/site-packages/hello",
                "Lib/x",
                ".ape-stand-in",
                "lock.part",
            ),
        )
        at = draw(st.sampled_from(held))
        to = draw(st.sampled_from(("@BAIT@", "@BAIT@/keep", "@BAIT@/none", "../..", "nowhere")))
        if die(draw, 6):
            case.links[f"dist/cosmo/{at}"] = to
        else:
            case.links[draw(st.sampled_from(("dist", "dist/cosmo", "src", "src/hello")))] = to
        if at == "other.zip":
            case.project = {"name": "hello", "scripts": {"other": "hello.words:main"}}
            case.put(draw, "COSMO_ENTRY", "*")


def interpreters(draw: Draw, case: Case) -> None:
    """Where the interpreter comes from, what is locked, the cache and the time."""
    good: tuple[str, ...]
    bad: tuple[str, ...]
    odd: tuple[str, ...]
    for _ in range(draw(st.integers(1, 2))):
        which = draw(st.sampled_from(("url", "url", "sha", "lock", "offline", "cache", "epoch")))
        if which == "url":
            good = (
                "@PYTHON@",
                "file://@PYTHON@",
                "@MIRROR@/python",
                "@MIRROR@/none @MIRROR@/python",
            )
            bad = (
                *(
                    "",
                    ".",
                    "/",
                    "nowhere",
                    "src",
                    "@BAIT@",
                    "@BAIT@/keep",
                    "tasks.py",
                    "-x",
                    "--help",
                ),
                *(
                    "--output-document=@BAIT@/keep",
                    "http://127.0.0.1:9/x",
                    "http://[/x",
                    "http:///x",
                ),
                *(
                    "http://127.0.0.1:9/$(touch pwned)",
                    "http://127.0.0.1:9/';touch pwned;'",
                    "ftp://h/x",
                ),
                *(
                    "https://127.0.0.1:9/-O@BAIT@/x",
                    "@MIRROR@/none",
                    "@MIRROR@/torn",
                    "@MIRROR@/text",
                ),
                *(
                    "file://host/x",
                    "file:///",
                    "file://@BAIT@/keep",
                    "file:relative",
                    "data:,x",
                    "x\ny",
                ),
                *("http://127.0.0.1:9/a b", "~/x", "~nobody-such/x", "$HOME", "@PYTHON@ ", "%00"),
                *(
                    "file:///%00",
                    "@MIRROR@/none @MIRROR@/text",
                    "http://127.0.0.1:x/y",
                    "http://\n/x",
                ),
            )
            value = often(draw, 20, st.sampled_from(good), st.sampled_from(bad) | text())
            case.put(draw, "COSMO_URL", value)
        elif which == "sha":
            good = ("@SHA256@", "@SHA256@")
            bad = ("0" * 64, "0" * 63, "", "z" * 64, f"@SHA256@;{TOUCH}", "\uff10" * 64)
            value = often(draw, 25, st.sampled_from(good), st.sampled_from(bad) | text())
            case.put(draw, "COSMO_SHA256", value)
        elif which == "lock":
            locks(draw, case)
        elif which == "offline":
            value = often(draw, 30, st.sampled_from(TRUTHS), st.sampled_from(JUNK) | text())
            case.put(draw, "COSMO_OFFLINE", value)
        elif which == "cache":
            odd = ("", "relative", "../bait", "@BAIT@/keep", "@CACHE@", "~", "$HOME", "-x")
            value = often(draw, 50, st.sampled_from(odd), name().map(lambda it: f"@CACHE@/{it}"))
            case.environ["XDG_CACHE_HOME"] = value
        else:
            odd = ("0", "1", "315532800", "1700000000", "9" * 18, "4291747199")
            bad = ("", "-1", "9" * 19, "1.5", "now", "1 ", "١٢٣", "1\n", f"$({TOUCH})")
            value = often(draw, 18, st.sampled_from(odd), st.sampled_from(bad) | text())
            case.environ["SOURCE_DATE_EPOCH"] = value


def locks(draw: Draw, case: Case) -> None:
    """A `cosmo.lock`: the right one, or one with a value that it cannot have."""
    python: dict[str, object] = {
        "url": "@PYTHON@",
        "size": 7_000_000,
        "sha256": "@SHA256@",
        "version": "3.11.7",
        "last-modified": "",
    }
    tables: dict[str, object] = {"python": python, "dependencies": {"asked": [], "packages": []}}
    if die(draw, 10) > 1:
        bad: dict[str, list[object]] = {
            "url": ["", 3, " x", "a\nb", f"$({TOUCH})"],
            "size": [-1, "x", 1.5, 10**30, "", f"1;{TOUCH}", "٣", 0, True],
            "sha256": ["", "0" * 64, 3, f"$({TOUCH})", [], "@SHA256@\n"],
            "version": ["", "x", 3.11, "3.11\n", []],
            "last-modified": ["today", 3, f"$({TOUCH})", {}],
            "asked": ["text", ["x"], [3], ["a\nb"], {}, [f"$({TOUCH})"], 0],
            "packages": [
                *("text", [3], ["x==1"], [f"x==1 --hash=sha256:{'0' * 64}; {TOUCH}"], {"a": "b"}),
                *(["-r /etc/passwd"], ["--index-url=http://127.0.0.1:9/"], True, ["x @ file:///x"]),
                *([f"x==1 --hash=sha256:{'0' * 64}"], [["x"]]),
            ],
        }
        key = draw(st.sampled_from(sorted(bad)))
        value = draw(st.sampled_from(bad[key]))
        target = python if key in python else tables["dependencies"]
        assert isinstance(target, dict)
        target[key] = value
    whole = die(draw, 10)
    odd = (b"", b"\xff", b"python = 3", b"[python]\n", b"dependencies = []", b"a" * 9999)
    content = "".join(
        f"[{table}]\n" + "".join(f"{key} = {toml(it)}\n" for key, it in values.items())
        for table, values in tables.items()
        if isinstance(values, dict)
    )
    case.more["cosmo.lock"] = draw(st.sampled_from(odd)) if whole == 0 else content.encode()


def starts(draw: Draw, case: Case) -> None:
    """What starts: COSMO_ARGS, COSMO_ENTRY, scripts, COSMO_SMOKE, and COSMO_SCRIPT."""
    good: tuple[str, ...]
    bad: tuple[str, ...]
    which = draw(st.sampled_from(("args", "entry", "scripts", "smoke", "script", "metadata")))
    if which == "args":
        good = (
            "-m hello ...",
            "-I -m hello 'x y' ...",
            "-B -c 'print(6*7)' ...",
            "-m hello -x ...",
        )
        bad = (
            *(
                "",
                "''",
                "'",
                '"',
                "-m 'a\nb' ...",
                "-c '' ...",
                r"-c 'a\nb'",
                "-c 'x",
                "\\",
                "...  ''",
            ),
            *("-m hello\\\n ''", "'a\rb'", "a '' b", "\n", " ", "# only", "-m 'x"),
        )
        free = text("\\").map(lambda it: f"{it} ...")
        value = often(draw, 15, st.sampled_from(good), st.sampled_from(bad))
        case.put(draw, "COSMO_ARGS", often(draw, 90, st.just(value), free))
    elif which == "entry":
        good = ("hello.words:main", "hello.words:main", "hello.words:held.main")
        bad = (
            *(
                "",
                ":",
                "hello",
                "hello:",
                "hello:nope",
                "nowhere:main",
                "hello.words:main()",
                "a b:c",
            ),
            *("hello.words:main\n", "class:main", f"hello:x;{TOUCH}", "*", "hello.words:main [x]"),
            *("-m:x", "hello..words:main", "..:x", f"hello.words:$({TOUCH})", "x.y:z'", "os.path:"),
        )
        value = often(draw, 18, st.sampled_from(good), st.sampled_from(bad) | text())
        case.put(draw, "COSMO_ENTRY", value)
    elif which == "scripts":
        case.form = draw(st.sampled_from(("package", "function")))
        names = ("other", "a-b", "c.d", "two", "hello", "python", "../bait", "a b", "", ".x", "-x")
        more = (f"$({TOUCH})", "x/y", "ünï", "x.zip", "a\nb", "x" * 260, "Zip", "*")
        calls = ("hello.words:main", " hello.words : main ", "hello.words:main [x]")
        wrong: tuple[object, ...] = ("x", "", "nowhere:x", f"a:b;{TOUCH}", 3, [], "a:b\nc")
        key, call = st.sampled_from((*names, *more)), st.sampled_from((*calls, *wrong))
        case.project["name"] = "hello"
        case.project["scripts"] = draw(st.dictionaries(key, call, min_size=1, max_size=2))
        if draw(st.booleans()):
            case.put(draw, "COSMO_ENTRY", draw(st.sampled_from(("*", "other", "nowhere", "a-b"))))
    elif which == "smoke":
        good = ("", "--version", f"'$({TOUCH})' \"`{TOUCH}`\"", "a\nb", "* ? [a]", "-c x", "'' ''")
        bad = ("'", '"', "\\", "it's", "a 'b", '"\\')
        value = often(draw, 25, st.sampled_from(good), st.sampled_from(bad))
        case.put(draw, "COSMO_SMOKE", often(draw, 92, st.just(value), text()))
    elif which == "script":
        scripts(draw, case)
    else:
        metadata(draw, case)


def scripts(draw: Draw, case: Case) -> None:
    """A script with its requirements in its comments, and COSMO_SCRIPT."""
    good = ("tool.py", "a-b.py", "tool2.py", "ünï.py", "_.py")
    bad = (
        *(
            "a b.py",
            "python.py",
            "-x.py",
            "1.py",
            f"$({TOUCH}).py",
            "x.PY",
            ".py",
            "lib.py",
            "a\nb.py",
        ),
        *(
            "",
            "nowhere.py",
            "src",
            "@BAIT@/keep",
            "/dev/null",
            "tasks.txt",
            "~/x.py",
            "a;b.py",
            "\udcff.py",
        ),
    )
    value = often(draw, 18, st.sampled_from(good), st.sampled_from(bad) | name())
    blocks = (b"", b"# /// script\n# dependencies = []\n# ///\n")
    odd = (
        *(b"# /// script\n# dependencies = 3\n# ///\n", b"# /// script\n# x\n# ///\n", b"\xff\n"),
        *(b"# /// script\n#", b"# /// script\n# [tool.cosmo]\n# PKG = 'x'\n# ///\n"),
        b"# /// script\n# requires-python = []\n# ///\n",
        b"# /// script\n# ///\n# /// script\n# a=1\n# ///\n# /// script\n# ///\n",
    )
    block = draw(st.sampled_from((*blocks, *blocks, *odd)))
    if "/" not in value:
        case.more[value] = block + b"#PROGRAM#"
    case.environ["COSMO_SCRIPT"] = value


def metadata(draw: Draw, case: Case) -> None:
    """COSMO_DEPS, and what `[project]` tells, which asks for nothing that can be had."""
    case.project["name"] = often(draw, 60, st.just("hello"), st.sampled_from(ODD) | text())
    values: dict[str, tuple[object, ...]] = {
        "version": (
            "1.0",
            "1.0",
            "",
            1.5,
            f"$({TOUCH})",
            "../x",
            "1.0\n",
            datetime.date(2024, 1, 1),
        ),
        "description": ("it's", "a\nb", f"$({TOUCH})", 3, "%s %n \\n", ""),
        "requires-python": (">=3.6", ">=99", "<2", "junk", f"$({TOUCH})", 3, "", ">=3\n"),
        "dependencies": (
            [],
            ["-r x"],
            [3],
            ["a\nb"],
            {},
            "x",
            [f"x;{TOUCH}"],
            ["x @ @BAIT@"],
            [[]],
        ),
        "dynamic": ([], ["readme"], ["version"], "version", [3], ["\n"], {}),
        "entry-points": ({}, {"g": {"a": "b:c"}}, {"g": 3}, 3, {"a\nb": {}}, {"g": {"a": "b\nc"}}),
        "gui-scripts": ({}, {"x": "y:z"}, 3, {"x": []}),
        "name": ([], 3, "Hello", "hello", "", "a\nb", "-x"),
        "scripts": (3, [], {"a": {"b": "c"}}, "x"),
    }
    for key in draw(st.lists(st.sampled_from(sorted(values)), max_size=3, unique=True)):
        case.project[key] = draw(st.sampled_from(values[key]))
    files = (b"", b"-r nowhere", b"--index-url=http://127.0.0.1:9/\nx", b"\xff", b"-e @BAIT@")
    odd_files = (f"x; {TOUCH}\n$({TOUCH})".encode(), b"@BAIT@", b"-r requirements.txt", b"\0")
    if die(draw, 4) == 0:
        odd = ("requirements.txt", "", "nowhere", "src", "@BAIT@", "-r", "None", "none ", "~")
        case.more["requirements.txt"] = draw(st.sampled_from((*files, *odd_files)))
        case.put(draw, "COSMO_DEPS", often(draw, 70, st.sampled_from(odd), text()))


def patterns(draw: Draw, case: Case) -> None:
    """The switches, and the settings that are patterns."""
    for _ in range(draw(st.integers(1, 2))):
        setting = draw(
            st.sampled_from(
                (
                    *("COSMO_PRUNE", "COSMO_EXCLUDE", "COSMO_KEEP"),
                    *("COSMO_SOURCE", "COSMO_OPTIMIZE", "COSMO_ISOLATED"),
                )
            )
        )
        if setting in ("COSMO_SOURCE", "COSMO_ISOLATED"):
            good, bad = st.sampled_from(TRUTHS), st.sampled_from(JUNK) | text()
        elif setting == "COSMO_OPTIMIZE":
            good, bad = st.sampled_from(("", "0", "1", "2")), st.sampled_from((*JUNK[1:], "3"))
        elif setting == "COSMO_PRUNE":
            good = st.sampled_from(
                (
                    "",
                    "Lib/test/*",
                    f"'$({TOUCH})'",
                    f"`{TOUCH}`",
                    "../bait/*",
                    "'a b' [a]",
                    "'a\nb'",
                    "Lib/lib2to3/* Lib/email/*",
                    "\\\\",
                    "Lib/site-packages/*",
                )
            )
            bad = st.sampled_from(
                (
                    "-x",
                    "@list",
                    "''",
                    "'",
                    "-TT 'touch pwned'",
                    "--out=@BAIT@/keep",
                    '"',
                    "\\",
                    "a -b",
                )
            )
        else:
            good = st.sampled_from(
                (
                    "",
                    "hello/data/*",
                    f"'$({TOUCH})'",
                    f"`{TOUCH}`",
                    "../bait/*",
                    "'a b' ';'",
                    "-x",
                    "*/data",
                    "hello/template.py",
                    "'-exec' rm",
                    "( ) !",
                    "*.nothing",
                    "'a|b' +^$.{}",
                )
            )
            bad = st.sampled_from(
                (
                    "/x",
                    "[a]",
                    "''",
                    "'a\nb'",
                    "'",
                    "a\\\\b",
                    '"',
                    "@BAIT@/*",
                    "\\",
                    "x ''",
                    "'a\rb'",
                    "*",
                    "hello",
                    "hello/__main__.py",
                    "hello*",
                    "*/*",
                )
            )
        case.files["data/one"] = b"one"
        case.files["template.py"] = b"value = 1\n"
        case.put(draw, setting, often(draw, 20, good, bad))


def tables(draw: Draw, case: Case) -> None:
    """What TOML can hold in the place of a setting; `$NAME`s; files that are no such table."""
    which = draw(st.sampled_from(("type", "type", "refer", "refer", "whole", "where")))
    if which == "type":
        key = draw(st.sampled_from(SETTINGS))
        value = draw(VALUES)
        draw(st.sampled_from((case.ours, case.article)))[key] = value
    elif which == "refer":
        refers = ("$A", "${A}", "$B$B", "$A/x", "$", "$1", "${", "${}", "$UNSET", "${A", "$$A")
        more = ("$HOME/x", "$PKG", "$COSMO_OUT", "$DIR_SITE", "$B" * 9, "x$A", f"$({TOUCH})")
        table = draw(st.sampled_from((case.ours, case.article)))
        for key in draw(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4)):
            table[key] = draw(
                st.sampled_from((*refers, "$C" * 9, "$D" * 9, "$B", "$C", "hello", "1"))
            )
        key = draw(st.sampled_from(SETTINGS))
        if key not in ("COSMO_URL", "COSMO_DEPS"):
            table[key] = draw(st.sampled_from((*refers, *more)))
    elif which == "whole":
        case.pyproject = draw(st.sampled_from(WHOLE) | st.binary(max_size=30))
    else:
        odd = (
            "",
            ".",
            "nowhere",
            "@BAIT@",
            "../bait",
            "~",
            "~nobody-such",
            "src",
            "tasks.py",
            "\n",
        )
        key = draw(st.sampled_from(("COSMO_PROJECT", "COSMO_SCRIPT")))
        case.put(draw, key, often(draw, 80, st.sampled_from(odd), text()))


def names(draw: Draw, case: Case) -> None:
    """The names of the project's folder and of files in the package; links; broken files."""
    if draw(st.booleans()):
        case.folder = draw(name())
        case.start = draw(st.sampled_from((".", ".", "src", "..")))
        if case.start == "..":
            case.environ["COSMO_PROJECT"] = f"./{case.folder}"
    case.place = draw(st.sampled_from(("src", "src", "src", ".")))
    data = st.binary(max_size=40) | st.sampled_from((b"", b"\0" * 3000, b"text\r\n"))
    for _ in range(die(draw, 5)):
        inside = "/".join(draw(st.lists(name(), min_size=1, max_size=2)))
        case.files[f"data/{inside}"] = draw(data)
    for _ in range(die(draw, 3)):
        module = draw(name()).removesuffix(".py") if draw(st.booleans()) else "module"
        case.files[f"{module}.py"] = b"value = 1\n"
    spoil = die(draw, 10)
    if spoil < 4:
        case.files[f"data/{draw(st.sampled_from(BREAKING))}"] = b""
    elif spoil == 4:
        broken = (
            b"def",
            b"\0",
            b"\xff",
            b"# coding: nonsense\n",
            b"x = 'a\n",
            b"\tif:\n  x",
            b"((((" * 60,
        )
        case.files[f"{draw(name())}.py".replace("/", "_")] = draw(st.sampled_from(broken))
    elif spoil == 5:
        case.links["@PKG@/link"] = draw(
            st.sampled_from(("nowhere", "link", "@BAIT@/none", "/nowhere", ".#x", "x\ny"))
        )
    elif spoil == 6:
        case.files[draw(st.sampled_from(("x.so", "data/x.pyd", "a b.dylib", "$(x).so")))] = b""
    if die(draw, 3) == 0:
        to = ("@BAIT@", "@BAIT@/keep", "words.py", ".", "..", "data", "@BAIT@/own.py", "/dev/null")
        case.links[f"@PKG@/{draw(name())}"] = draw(st.sampled_from(to))
    if die(draw, 10) == 0:
        case.fifo = f"@PKG@/{draw(st.sampled_from(('pipe', 'pipe.py', '-p', 'a b')))}"


def mixed(draw: Draw, case: Case) -> None:
    """Two or three of all the others."""
    chosen = draw(st.lists(st.sampled_from(list(THEMES.values())), min_size=2, max_size=3))
    for each in chosen:
        if each is not mixed:
            each(draw, case)


SETTINGS = (
    *("PKG", "DIR_SITE", "COSMO_SRC", "COSMO_DEPS", "COSMO_ENTRY", "COSMO_EXCLUDE", "COSMO_KEEP"),
    *(
        "COSMO_SOURCE",
        "COSMO_OPTIMIZE",
        "COSMO_PRUNE",
        "COSMO_ISOLATED",
        "COSMO_ARGS",
        "COSMO_SMOKE",
    ),
    *("COSMO_OUT", "COSMO_SHA256", "COSMO_OFFLINE", "COSMO_SCRIPT", "COSMO_PROJECT", "COSMO_NONE"),
    *("COSMO_ZIP_URL", "COSMO_URL"),
)

VALUES: st.SearchStrategy[object] = st.one_of(
    *(st.integers(-2, 10), st.booleans(), st.floats(), st.just(10**400), text(), st.dates()),
    *(st.datetimes(), st.times(), st.lists(text(), max_size=2), st.just({}), st.just({"a": [1]})),
)

WHOLE = (
    *(b"", b"\xff\xfe", b"a = ", b"a\0b", b"\xef\xbb\xbf[project]\nname = 'hello'\n", b"tool = []"),
    *(b"x = " + b"[" * 5000, b"x = " + b"{a=" * 3000, b"x = " + b"[" * 90 + b"]" * 90, b"\r"),
    *(b"[tool]\ncosmo = 3\n", b"[tool.cosmo]\nPKG = 'x'\n", b"[tool.cosmo.env]\nCOSMO_NO = '1'\n"),
    *(b"[tool.cosmo]\nenv = 'x'\n", b"[tool.ds]\nscripts = 1\n", b"[tool.ds.scripts]\n_ = 'x'\n"),
    *(
        b"[project]\n[project]\n",
        b"project = 'x'\n",
        b"[project]\nname = 3\n",
        b"[tool.poetry]\nname=[]",
    ),
    *(b"[[project]]\n", b"[tool.cosmo.env]\nPKG = 1979-05-27\n", b"[tool.poetry]\nscripts = 3\n"),
    *(
        b"[tool.poetry.scripts]\nhello = 3\n",
        b"[build-system]\n",
        b"[tool.poetry]\nname = 'hello'\n",
    ),
    *(b"# only\n", b"x = " + b"9" * 5000, b"[tool.cosmo.env]\nCOSMO_SCRIPT = 'x'\nPKG = 'y'\n"),
    *(b"[" + b"a." * 3000 + b"a]\n", b"[tool.cosmo.env]\n'' = 'x'\n'a b' = 'y'\n"),
)

THEMES: dict[str, Callable[[Draw, Case], None]] = {
    "packages": packages,
    "folders": folders,
    "interpreters": interpreters,
    "starts": starts,
    "patterns": patterns,
    "tables": tables,
    "names": names,
    "mixed": mixed,
}


@st.composite
def cases(draw: Draw, theme: str) -> Case:
    """A project that is good but for what the theme does to it."""
    case = Case()
    THEMES[theme](draw, case)
    if not case.has("PKG"):
        case.article["PKG"] = case.pkg
    if die(draw, 2 if len(case.project) > 1 else 20):
        case.environ.setdefault("COSMO_DEPS", "none")
    return case


def toml(value: object) -> str:
    """A value as TOML spells it."""
    if isinstance(value, str):
        return '"' + "".join(map(sign, value)) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(key)} = {toml(it)}' for key, it in value.items())}}}"
    return repr(value)


def sign(one: str) -> str:
    """One character of a TOML string."""
    return one if one.isascii() and one.isprintable() and one not in '"\\' else f"\\U{ord(one):08X}"
