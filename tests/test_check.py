"""The start check, run over small programs in each Python from 3.10 that is found.

COSMO_TEST_PYTHONS names more of them, with a colon between two.
"""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

CHECK = Path(__file__).parent.parent / "recipes/inside/check.py"

RUN = """
import importlib.machinery, os, sys
check, site, lacking, *calls = sys.argv[1:]
sys.path[:] = [*filter(None, sys.path), site]
for finder in (importlib.machinery.PathFinder, importlib.machinery.BuiltinImporter):
    def find(name, *rest, find=finder.find_spec):
        return None if name in lacking.split() else find(name, *rest)
    finder.find_spec = find
exec(compile(open(check).read(), check, "exec"))
for call in calls:
    if os.fork() == 0:
        try:
            check_start(*call.split("|"))
        except SystemExit as ended:
            os._exit(ended.code)
        os._exit(0)
    _, status = os.wait()
    print(f"={call}={os.waitstatus_to_exitcode(status)}", flush=True)
"""
"""Stands for the executable: a Python whose site folder and missing modules are given."""


def find_pythons() -> dict[str, str]:
    """Find an interpreter of each version from 3.10."""
    names = [shutil.which(f"python3.{minor}") for minor in range(10, 15)]
    found = {}
    for path in [sys.executable, *names, *os.environ.get("COSMO_TEST_PYTHONS", "").split(":")]:
        line = [path or "false", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        version = subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()
        if version and tuple(map(int, version.split("."))) >= (3, 10):
            found.setdefault(version, line[0])
    return found


PYTHONS = find_pythons()


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest) -> str:
    return PYTHONS[request.param]


def write_files(site: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(textwrap.dedent(text))


def run_checks(python: str, site: Path, *calls: str, lacking: str = "") -> dict[str, list[str]]:
    """Run the check for each call, `ENTRY|NOTES|BESIDE|ARGUMENTS`; return the lines of each."""
    line = [python, "-ISc", RUN, str(CHECK), str(site), lacking, *calls]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=100)
    assert not done.stderr
    lines: list[str] = []
    found = {}
    for row in done.stdout.splitlines():
        if not row.startswith("="):
            lines.append(row)
            continue
        _, call, status = row.split("=")
        assert status == str(int(any(one.startswith("missing: ") for one in lines)))
        found[call], lines = lines, []
    return found


def check(
    python: str, site: Path, call: str, files: dict[str, str], lacking: str = ""
) -> list[str]:
    """Write the files of a program, and run the check for it."""
    write_files(site, files)
    return run_checks(python, site, call, lacking=lacking)[call]


# What a function imports

BODIES = {
    "plain": ("import absent", "missing"),
    "in_package": ("from email import absent", "missing"),
    "second_line": ("pass\nfrom absent import name", "missing"),
    "guarded": ("try:\n import absent\nexcept ImportError:\n pass", "remark"),
    "guarded_by_name": ("try:\n import absent\nexcept Exception as e:\n print(e)", "remark"),
    "bare": ("try:\n import absent\nexcept:\n pass", "remark"),
    "in_tuple": ("try:\n import absent\nexcept (KeyError, ImportError):\n pass", "remark"),
    "second_clause": (
        "try:\n import absent\nexcept KeyError as e:\n print(e)\nexcept ImportError:\n pass",
        "remark",
    ),
    "bare_clause": ("try:\n import absent\nexcept KeyError:\n pass\nexcept:\n pass", "remark"),
    "other_error": ("try:\n import absent\nexcept KeyError:\n pass", "missing"),
    "other_errors": ("try:\n import absent\nexcept (KeyError, OSError) as e:\n pass", "missing"),
    "finally_": ("try:\n import absent\nfinally:\n print()", "missing"),
    "inner_finally": (
        "try:\n try:\n  import absent\n finally:\n  print()\nexcept ImportError:\n pass",
        "remark",
    ),
    "inner_guard": (
        "try:\n try:\n  print()\n except ImportError:\n  pass\n import absent\nfinally:\n pass",
        "missing",
    ),
    "try_returns": ("try:\n return print()\nfinally:\n import absent", "missing"),
    "after_try": ("try:\n print()\nexcept ImportError:\n pass\nimport absent", "missing"),
    "in_handler": ("try:\n print()\nexcept OSError:\n import absent", "remark"),
    "with_": ("with open('x') as f:\n import absent", "missing"),
    "suppressed": ("with suppress(ImportError):\n import absent", "remark"),
    "if_": ("if print():\n import absent", "remark"),
    "else_": ("if print():\n pass\nelse:\n import absent", "remark"),
    "after_if": ("if print():\n print()\nelse:\n print()\nimport absent", "missing"),
    "for_": ("for x in ():\n import absent", "remark"),
    "after_for": ("for x in ():\n print(x)\nimport absent", "missing"),
    "while_": ("while print():\n import absent", "remark"),
    "endless": ("while True:\n import absent", "missing"),
    "after_return": ("if print():\n return\nimport absent", "remark"),
    "after_exit": ("if print():\n raise SystemExit\nimport absent", "missing"),
    "far": (
        "\n".join(f"print('{n}', x{n}, {n})" for n in range(300)) + "\nimport absent",
        "missing",
    ),
    "calls": ("helper()", "missing"),
    "calls_with": ("print(helper(x, 1))", "missing"),
    "calls_perhaps": ("if print():\n helper()", ""),
    "calls_guarded": ("try:\n helper()\nexcept Exception:\n pass", ""),
    "mentions": ("print(helper)", ""),
    "inner": ("def helper():\n import json\nhelper()", ""),
    "inner_imports": ("def inner():\n import absent\ninner()", "missing"),
    "parameter": ("(lambda helper: helper())(print)", ""),
    "imports_function": ("from five import two as helper\nhelper()", "missing"),
    "imports_module": ("import five\nfive.two()", "missing"),
    "imports_alias": ("import box.five as helper\nhelper.two()", "missing"),
    "exits": ("import sys\nfrom five import two\nsys.exit(two())", "missing"),
    "five_deep": ("from five import one\none()", "missing"),
    "six_deep": ("from five import zero\nzero()", ""),
    "generator": ("yield\nimport absent", ""),
}
"""Bodies of a function, and what is said about `absent` that they import."""

FIVE = "def zero():\n one()\ndef one():\n two()\ndef two():\n three()\ndef three():\n four()\n"
FIVE += "def four():\n five()\ndef five():\n import absent\n"


@pytest.fixture(scope="module", params=PYTHONS)
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    site = tmp_path_factory.mktemp("site")
    helper = "from contextlib import suppress\ndef helper(*x):\n import absent\nx = 1\n"
    for name, (body, _) in BODIES.items():
        text = f"{helper}def main():\n{textwrap.indent(body, '    ')}\n"
        write_files(site, {f"{name}.py": text})
    write_files(site, {"five.py": FIVE, "box/__init__.py": "", "box/five.py": FIVE})
    calls = [f"{name}:main" for name in BODIES]
    return run_checks(PYTHONS[request.param], site, *calls)


@pytest.mark.parametrize("name", BODIES)
def test_what_a_function_imports_is_judged(name: str, verdicts: dict[str, list[str]]) -> None:
    expected = BODIES[name][1]
    lines = verdicts[f"{name}:main"]
    assert [line.partition(":")[0] for line in lines] == [expected] * bool(expected), lines


# What starts


def test_a_module_that_is_run_is_read_and_not_run(python: str, tmp_path: Path) -> None:
    main = """
        from . import part
        from .part import start, value
        def late():
            import missing_late
        def guard():
            pass
        print(missing_value)
        if __name__ == "__main__":
            start()
            import missing_here
        """
    part = "value = 1\ndef start():\n    from . import absent\n"
    files = {"tool/__init__.py": "", "tool/__main__.py": main, "tool/part.py": part}
    expected = ["missing: tool/part.py:3: ImportError: cannot import name 'absent' from 'tool'"]
    shown = check(python, tmp_path, "tool", files)
    assert [line.partition(" (")[0] for line in shown] == expected
    expected = "tool/__main__.py:11 imports missing_here, which is not installed"
    shown = check(python, tmp_path, "tool", {"tool/part.py": part.replace("from . ", "")[:-14]})
    shown = check(python, tmp_path, "tool", {"tool/part.py": "value = 1\ndef start(): pass\n"})
    assert shown == [f"missing: {expected}; add it to the dependencies"]


def test_a_script_needs_no_source(python: str, tmp_path: Path) -> None:
    write_files(tmp_path, {"tool.py": "import os\ndef main():\n    import absent\nmain()\n"})
    compiled = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[1] + 'c')"
    subprocess.run([python, "-c", compiled, str(tmp_path / "tool.py")], check=True)
    (tmp_path / "tool.py").unlink()
    assert check(python, tmp_path, "tool", {})[0].startswith("missing: tool.py:3 imports absent")


def test_what_starts_must_be_there(python: str, tmp_path: Path) -> None:
    write_files(tmp_path, {"tool/__init__.py": "class App:\n    def run(): pass\n"})
    calls = ["tol", "tol:main", "tool.cly:main", "tool", "tool:mian", "tool:App.go", "tool:App.run"]
    found = run_checks(python, tmp_path, *calls)
    remedy = "correct COSMO_ENTRY or"
    assert found == {
        "tol": [f"missing: there is no module tol; {remedy} PKG"],
        "tol:main": [f"missing: there is no module tol; {remedy} PKG"],
        "tool.cly:main": [f"missing: there is no module tool.cly; {remedy} PKG"],
        "tool": [f"missing: there is no module tool.__main__; {remedy} PKG"],
        "tool:mian": [f"missing: tool has no mian; {remedy} [project.scripts]"],
        "tool:App.go": [f"missing: tool has no App.go; {remedy} [project.scripts]"],
        "tool:App.run": [],
    }


def test_decorated_functions_are_followed(python: str, tmp_path: Path) -> None:
    files = {
        "wrapped.py": """
            import functools
            def again(function):
                @functools.wraps(function)
                def call():
                    return function()
                return call
            @again
            def main():
                import absent
            """,
        "command.py": """
            class Command:
                def __init__(self, callback): self.callback = callback
                def make_context(self): pass
            @Command
            def main():
                import absent
            """,
        "wild.py": """
            class Wild:
                def __getattr__(self, name): raise RuntimeError(name)
            main = Wild()
            """,
    }
    write_files(tmp_path, files)
    found = run_checks(python, tmp_path, *(f"{name[:-3]}:main" for name in files))
    assert [len(lines) for lines in found.values()] == [1, 1, 0]


# What goes wrong

FAILURES = {
    "exits": ("import sys\nsys.exit(3)", []),
    "exits_for_lack": (
        "try:\n    import absent\nexcept ImportError:\n    raise SystemExit('get absent')",
        ["missing: exits_for_lack.py:2 imports absent, which is not installed; add it to the"
         " dependencies"],
    ),
    "raises": ("int('x')", ["missing: raises.py:1: ValueError: invalid literal for int() with base 10: 'x'"]),
    "raises_lines": ("raise OSError('one\\ntwo')", ["missing: raises_lines.py:1: OSError: one"]),
    "killed": (
        "import os\nos.kill(os.getpid(), 11)",
        ["missing: importing killed ends the interpreter (signal 11)"],
    ),
    "ended": ("import os\nos._exit(0)", ["missing: importing ended ends the interpreter (exit status 0)"]),
    "slow": (
        "import signal\nsignal.alarm(1)\nwhile True: pass",
        ["missing: importing what starts takes longer than a minute"],
    ),
    "prints": ("import os\nprint('x')\nos.system('echo x; echo x >&2')\nassert not os.read(0, 1)", []),
    "threads": ("import threading, time\nthreading.Thread(target=time.sleep, args=[99]).start()", []),
    "forks": ("import os, time\nif not os.fork(): time.sleep(99)", []),
    "environment": (
        "import os\nassert set(os.environ) - {'LC_CTYPE'} == {'PATH', 'HOME', 'TERM'}\n"
        "assert os.listdir(os.environ['HOME']) == []", [],
    ),
    "connects": (
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        ["remark: importing connects fails without network, input and home; try it by hand"],
    ),
    "guards_network": (
        "import socket\ntry:\n    socket.getaddrinfo('localhost', 80)\n"
        "except socket.gaierror:\n    pass\nelse:\n    raise ValueError", [],
    ),
    "path_socket": (
        "import socket\ntry:\n    socket.socket(socket.AF_UNIX).connect('x')\n"
        "except FileNotFoundError:\n    pass", [],
    ),
}  # fmt: skip
"""Modules, and the lines that the check prints of each."""


def test_other_failures_are_told_in_plain_words(python: str, tmp_path: Path) -> None:
    write_files(
        tmp_path, {f"{name}.py": f"{text}\nmain = id\n" for name, (text, _) in FAILURES.items()}
    )
    found = run_checks(python, tmp_path, *(f"{name}:main" for name in FAILURES))
    assert found == {f"{name}:main": lines for name, (_, lines) in FAILURES.items()}


def write_dist(site: Path, name: str, *files: str) -> None:
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    record = "".join(f"{file},,\n" for file in files)
    tops = "".join(f"{file.partition('/')[0].partition('.')[0]}\n" for file in files)
    write_files(site, {f"{info}/METADATA": f"Name: {name}\nVersion: 1.0\n"})
    write_files(site, {f"{info}/RECORD": record, f"{info}/top_level.txt": tops})


NATIVE = {
    "tool.py": "import frames\nmain = id\n",
    "frames/__init__.py": """
        try:
            import arrays
        except ImportError as error:
            raise ImportError("cannot import required dependencies: arrays") from None
        """,
    "arrays/__init__.py": """
        try:
            from . import core
        except ImportError as error:
            raise ImportError("read the FAQ") from error
        """,
    "arrays/core.py": "from arrays._native import add\n",
}


def test_a_removed_extension_is_named_with_what_requires_it(python: str, tmp_path: Path) -> None:
    write_files(tmp_path, NATIVE)
    for dist, file in (("data-frames", "frames/__init__.py"), ("arrays", "arrays/__init__.py")):
        write_dist(tmp_path, dist, file)
    removed = {"arrays/_native.cpython-312-x86_64-linux-gnu.so": "arrays 1.0"}
    (tmp_path / "notes").write_text(json.dumps({"removed": removed}))
    call = f"tool:main|{tmp_path}/notes"
    native = (
        "missing: arrays 1.0 needs its extension module arrays._native, which cannot run in the"
    )
    chain = f"{native} executable (tool -> data-frames -> arrays; arrays/core.py:1)"
    assert run_checks(python, tmp_path, call)[call] == [chain]
    write_files(tmp_path, {"tool.py": "def main():\n    from arrays import core\n"})
    write_files(tmp_path, {"arrays/__init__.py": "", "arrays/core.py": "from . import _native\n"})
    chain = f"{native} executable (tool -> arrays; arrays/core.py:1)"
    assert run_checks(python, tmp_path, call)[call] == [chain]
    write_files(tmp_path, {"arrays/core.py": "\nassert False, 'not built'\n"})
    lacks = "arrays 1.0 lacks its extension modules, which cannot run in the executable"
    expected = [f"missing: {lacks} (arrays/core.py:2: AssertionError: not built)"]
    assert run_checks(python, tmp_path, call)[call] == expected


def test_what_the_interpreter_lacks_is_named_with_who_asks(python: str, tmp_path: Path) -> None:
    files = {
        "tool.py": "import dep\nmain = id\n",
        "dep.py": "import os\n\nfrom ctypes import util\n",
    }
    lines = check(python, tmp_path, "tool:main", files, lacking="_ctypes")
    needs = "ctypes needs _ctypes, which this interpreter lacks (dep.py:3 imports it)"
    assert lines == [f"missing: {needs}"]
    lines = check(python, tmp_path, "tool:main", files, lacking="ctypes")
    assert lines == ["missing: dep.py:3 imports ctypes, which this interpreter lacks"]


def test_several_missing_modules_are_named(python: str, tmp_path: Path) -> None:
    tool = """
        import ctypes
        import first
        import part
        from second.sub import Base, wrap
        class Thing(ctypes.Structure, Base.Inner):
            size = ctypes.c_int * first.SIZE[0]
        @wrap
        def main():
            import third
        isinstance(1, Base)
        """
    files = {"tool.py": tool, "part.py": "import first\n"}
    lines = check(python, tmp_path, "tool:main", files, lacking="_ctypes")
    names = ["ctypes needs _ctypes", "imports first", "imports second", "imports third"]
    assert [name in line for name, line in zip(names, lines)] == [True] * 4 == [True] * len(lines)
    files = {
        "tool.py": "import first\nif first.VERSION < (1, 2):\n    raise OSError\nimport second\n"
    }
    assert len(check(python, tmp_path, "tool:main", files)) == 1


def test_a_module_that_is_not_installed_is_told_from_others(python: str, tmp_path: Path) -> None:
    files = {
        "helps.py": "from helper import x",
        "folder.py": "import polls.models",
        "path.py": "import old_mod",
        "partly.py": "import dep.absent",
        "space.py": "import space_dep.absent",
        "dep/__init__.py": "",
        "space_dep/part.py": "",
        "old.pth": "import sys\n\nold_stuff\n",
        "old_stuff/old_mod.py": "",
        "beside": "data.txt\nhelper.py\npolls\n",
    }
    write_files(tmp_path, files)
    names = ("helps", "folder", "path", "partly", "space")
    found = run_checks(python, tmp_path, *(f"{name}:main||{tmp_path}/beside" for name in names))
    beside = "which lies beside the program; put it in with COSMO_INCLUDE="
    pth = "which old.pth would make importable; .pth files do not work in the executable"
    assert [lines for [lines] in found.values()] == [
        f"missing: helps.py:1 imports helper, {beside}helper.py",
        f"missing: folder.py:1 imports polls, {beside}polls",
        f"missing: path.py:1 imports old_mod, {pth}",
        "missing: partly.py:1 imports dep.absent, which dep does not have",
        "missing: space.py:1 imports space_dep.absent, which is not installed; add it to the"
        " dependencies",
    ]


def test_time_zones_that_are_not_there_are_remarked(python: str, tmp_path: Path) -> None:
    files = {"tool.py": "import zoneinfo\nzoneinfo.reset_tzpath(())\nmain = id\n"}
    expected = ["remark: zoneinfo finds no time zones; require tzdata"]
    assert check(python, tmp_path, "tool:main", files) == expected


# Starting it

STARTS = {
    "good": ("sys.exit(sys.argv[1:] != ['--a b', 'c'])", ""),
    "usage": ("sys.exit(2)", ""),
    "fails": ("sys.exit('no')", "remark"),
    "returns": ("return 3", "remark"),
    "asks": ("input()", "remark"),
    "fetches": ("import urllib.request as r\n    r.urlopen('http://127.0.0.1/')", "remark"),
    "breaks": ("{}['x']", "missing"),
    "lacks": ("__import__('absent')", "missing"),
    "dies": ("os.kill(os.getpid(), 11)", "missing"),
    "runs": ("signal.alarm(1)\n    while True: pass", ""),
}


def test_a_program_is_started_with_arguments(python: str, tmp_path: Path) -> None:
    head = "import os, signal, sys\ndef main():\n    "
    for name, (body, _) in STARTS.items():
        write_files(
            tmp_path,
            {f"{name}.py": f"{head}{body}\nif __name__ == '__main__':\n    sys.exit(main())"},
        )
    calls = [f"{name}{call}|||'--a b' c" for name in STARTS for call in ("", ":main")]
    found = run_checks(python, tmp_path, *calls)
    kinds = [[line.partition(":")[0] for line in lines] for lines in found.values()]
    assert kinds == [[kind] * bool(kind) for _, kind in STARTS.values() for _ in range(2)]
