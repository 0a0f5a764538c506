"""The start check, run over small programs in each Python from 3.10 that is found.

COSMO_TEST_PYTHONS names more of them, with a colon between two.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

INSIDE = Path(__file__).parent.parent / "recipes/inside"
CHECK = "".join((INSIDE / name).read_text("utf-8") for name in ("bytecode.py", "check.py"))
CHECK = re.sub(r"(?m)^from \.\w+ import .*\n", "", CHECK)
"""The start check as one text, as a build writes it."""

RUN = """
import importlib.machinery, os, sys
check, site, lacking, *calls = sys.argv[1:]
sys.path[:] = [*filter(None, sys.path), site]
for finder in (importlib.machinery.PathFinder, importlib.machinery.BuiltinImporter):
    def find(name, *rest, find=finder.find_spec):
        return None if name in lacking.split() else find(name, *rest)
    finder.find_spec = find
exec(compile(check, "check.py", "exec"))
for call in calls:
    if os.fork() == 0:
        try:
            check_start(*call.split("|"))
        except SystemExit as ended:
            os._exit(ended.code)
        os._exit(0)
    print(f"={call}={os.waitstatus_to_exitcode(os.wait()[1])}", flush=True)
"""
"""Stands for the executable: a Python with a site folder, that lacks some modules."""


def find_pythons() -> dict[str, str]:
    """Find an interpreter of each version from 3.10."""
    names = [shutil.which(f"python3.{minor}") for minor in range(10, 15)]
    found: dict[str, str] = {}
    for path in [sys.executable, *names, *os.environ.get("COSMO_TEST_PYTHONS", "").split(":")]:
        line = [path or "false", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        version = subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()
        if version and int(version.partition(".")[2]) >= 10:
            found.setdefault(version, line[0])
    return found


PYTHONS = find_pythons()
every_python = pytest.mark.parametrize("python", PYTHONS)


def write_files(site: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(textwrap.dedent(text))


def run_checks(python: str, site: Path, *calls: str, lacking: str = "") -> dict[str, list[str]]:
    """Run the check for each call, `ENTRY|NOTES|BESIDE`; return the lines of each."""
    line = [PYTHONS[python], "-ISc", RUN, CHECK, str(site), lacking, *calls]
    done = subprocess.run(
        line, cwd=site.parent, capture_output=True, text=True, check=True, timeout=100
    )
    assert not done.stderr
    found: dict[str, list[str]] = {"": []}
    for row in done.stdout.splitlines():
        if row.startswith("="):
            _, call, status = row.split("=")
            assert status == str(int("missing: " in " ".join(found[""])))
            found[call], found[""] = found[""], []
        else:
            found[""].append(row)
    assert found.pop("") == []
    return found


def kinds(lines: list[str]) -> str:
    return " ".join(line.partition(":")[0] for line in lines)


BODIES = {
    "plain": ("import absent", "missing"),
    "of_package": ("from email import absent", "missing"),
    "guarded": ("try: import absent / except ImportError: pass", "remark"),
    "guarded_as": ("try: import absent / except Exception as e: print(e)", "remark"),
    "bare": ("try: import absent / except: pass", "remark"),
    "in_tuple": ("try: import absent / except (OSError, ImportError): pass", "remark"),
    "second": ("try: import absent / except OSError as e: e / except ImportError: 1", "remark"),
    "bare_second": ("try: import absent / except OSError as e: e / except: pass", "remark"),
    "other": ("try: import absent / except KeyError: pass", "missing"),
    "others": ("try: import absent / except (KeyError, OSError) as e: pass", "missing"),
    "in_finally": ("try: return print() / finally: import absent", "missing"),
    "with_finally": ("try: import absent / finally: print()", "missing"),
    "outer": ("try: /  try: import absent /  finally: 1 / except ImportError: 1", "remark"),
    "inner": ("try: /  try: x /  except: 1 /  import absent / finally: 1", "missing"),
    "after_try": ("try: print() / except ImportError: pass / import absent", "missing"),
    "handler": ("try: print() / except OSError: import absent", "remark"),
    "in_with": ("with open('x'): import absent", "missing"),
    "suppressed": ("with suppress(ImportError): import absent", "remark"),
    "in_if": ("if print(): import absent", "remark"),
    "in_else": ("if print(): pass / else: import absent", "remark"),
    "after_if": ("if print(): print() / else: print() / import absent", "missing"),
    "in_for": ("for x in (): import absent", "remark"),
    "after_for": ("for x in (): print(x) / import absent", "missing"),
    "endless": ("while True: import absent", "missing"),
    "after_return": ("if print(): return / import absent", "remark"),
    "after_raise": ("if print(): raise SystemExit / import absent", "missing"),
    "far": (" / ".join(f"print('{n}', x{n})" for n in range(300)) + " / import absent", "missing"),
    "calls": ("print(helper(x, 1))", "missing"),
    "calls_perhaps": ("if print(): helper()", ""),
    "calls_guarded": ("try: helper() / except Exception: pass", ""),
    "mentions": ("print(helper, sorted(key=helper))", ""),
    "hidden": ("def helper(): import json / helper()", ""),
    "rebound": ("from five import two / two = print(two) / two()", ""),
    "nested": ("def inner(): import absent / inner()", "missing"),
    "from_module": ("from five import two as helper / helper()", "missing"),
    "of_module": ("import box.five / box.five.two()", "missing"),
    "of_alias": ("import box.five as helper / helper.two()", "missing"),
    "exits": ("import sys / from five import two / sys.exit(two())", "missing"),
    "five_deep": ("from five import one / one()", "missing"),
    "six_deep": ("from five import zero / zero()", ""),
    "recursive": ("main() / import absent", "missing"),
    "adds_path": ("import sys / sys.path.append('lib') / import absent", "remark"),
    "joins_path": ("import os, sys / os.path.join(sys.prefix) / import absent", "missing"),
    "needs_setup": ("import broken / import absent", "missing"),
    "may_need_setup": ("if print(): import broken", ""),
    "generator": ("yield / import absent", ""),
}
"""Bodies of functions, with lines behind each other, and what is said of `absent`."""

NAMES = ["zero", "one", "two", "three", "four", "five"]
FIVE = "".join(f"def {name}(): {below}()\n" for name, below in zip(NAMES, NAMES[1:]))
HELPER = "from contextlib import suppress\ndef helper(*x):\n import absent\nx = 1\n"


@every_python
def test_what_a_function_imports_is_judged(python: str, tmp_path: Path) -> None:
    for name, (body, _) in BODIES.items():
        body = textwrap.indent(body.replace(" / ", "\n"), "    ")
        write_files(tmp_path, {f"{name}.py": f"{HELPER}def main():\n{body}\n"})
    five = f"{FIVE}def five(): import absent\n"
    write_files(tmp_path, {"five.py": five, "box/__init__.py": "", "box/five.py": five})
    write_files(tmp_path, {"broken.py": "raise OSError('no settings')"})
    found = run_checks(python, tmp_path, *(f"{name}:main" for name in BODIES))
    assert all("absent" in line for lines in found.values() for line in lines)
    verdicts = {name.partition(":")[0]: kinds(lines) for name, lines in found.items()}
    assert verdicts == {name: verdict for name, (_, verdict) in BODIES.items()}


@every_python
def test_a_module_that_is_run_is_read_and_not_run(python: str, tmp_path: Path) -> None:
    main = """
        from .part import start
        print(missing_value)
        def late():
            import missing_late
        if __name__ == "__main__":
            start()
            import missing_here
        """
    files = {"tool/__init__.py": "", "tool/__main__.py": main, "tool/part.py": "start = id\n"}
    write_files(tmp_path, {**files, "more/__init__.py": "", "more/__main__.py": main})
    write_files(tmp_path, {"more/part.py": "def start():\n    from . import absent\n"})
    write_files(tmp_path, {"bare.py": "def main():\n    import absent\nmain()\n"})
    compiled = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[1] + 'c')"
    subprocess.run([PYTHONS[python], "-c", compiled, str(tmp_path / "bare.py")], check=True)
    (tmp_path / "bare.py").unlink()
    found = run_checks(python, tmp_path, "tool", "more", "bare")
    assert [line.partition(" (")[0] for lines in found.values() for line in lines] == [
        "missing: tool/__main__.py:8 imports missing_here, which is not installed",
        "missing: more/part.py:2: ImportError: cannot import name 'absent' from 'more'",
        "missing: bare.py:2 imports absent, which is not installed",
    ]


@every_python
def test_what_starts_must_be_there(python: str, tmp_path: Path) -> None:
    write_files(tmp_path, {"tool/__init__.py": "class App:\n    def run(): pass\n"})
    modules = {
        "tol": "tol",
        "tol:main": "tol",
        "tool.cly:main": "tool.cly",
        "tool": "tool.__main__",
    }
    functions = ["tool:mian", "tool:App.go", "tool:App.run"]
    found = run_checks(python, tmp_path, *modules, *functions)
    remedy = "correct COSMO_ENTRY or"
    for call, module in modules.items():
        assert found[call] == [f"missing: there is no module {module}; {remedy} PKG"]
    missing = [
        f"missing: tool has no {name}; {remedy} [project.scripts]" for name in ("mian", "App.go")
    ]
    assert [found[call] for call in functions] == [[missing[0]], [missing[1]], []]
    site = tmp_path / "site-packages"
    write_files(site, {"queue.py": "main = id", "colours/__init__.py": "main = id"})
    found = run_checks(python, site, "queue:main", "colours:main")
    problem = "the interpreter has a module queue of its own, which would run instead"
    assert [*found.values()] == [[f"missing: {problem}; rename the program"], []]


@every_python
def test_decorated_functions_are_followed(python: str, tmp_path: Path) -> None:
    wrap = "from functools import wraps\ndef wrap(call): return wraps(call)(lambda: call())\n"
    command = "class wrap:\n    def __init__(self, call): self.callback = call\n"
    main = "@wrap\ndef main():\n    import absent\n"
    wild = "class Wild:\n    def __getattr__(self, name): raise RuntimeError\nmain = Wild()\n"
    lazy = (
        "class Lazy:\n    __class__ = property(lambda self: 1 / 0)\n    def __call__(self): pass\n"
    )
    lazy += "lazy = Lazy()\ndef main(): lazy()\n"
    files = {
        "wrapped.py": wrap + main,
        "wild.py": wild,
        "lazy.py": lazy,
        "other.py": command + main,
    }
    files["command.py"] = f"{command}    def make_context(self): pass\n{main}"
    write_files(tmp_path, files)
    found = run_checks(python, tmp_path, *(f"{file[:-3]}:main" for file in files))
    assert [kinds(lines) for lines in found.values()] == ["missing", "", "", "", "missing"]


@every_python
def test_errors_of_what_is_imported_late_are_refused_or_remarked(
    python: str, tmp_path: Path
) -> None:
    files = {"syntax.py": "def f(:\n", "late.py": "class A(int.missing): x = 1\n"}
    files.update({f"main{n}.py": f"import {n}\nif 1: print()\n" for n in ("syntax", "late")})
    files["finds.py"] = "import sys\ndef more(): sys.path.append('x')\n"
    files["finds.py"] += "def main():\n    more()\n    import thing\n"
    write_files(tmp_path, files)
    found = run_checks(python, tmp_path, "mainsyntax", "mainlate", "finds:main")
    assert [kinds(lines) for lines in found.values()] == ["missing", "remark", "remark"]
    assert found["mainlate"][0].startswith("remark: importing late fails unless other code ran")
    assert found["mainsyntax"][0].startswith("missing: syntax.py:1: SyntaxError: ")


@every_python
def test_module_that_python_removed_is_not_called_a_dependency(python: str, tmp_path: Path) -> None:
    write_files(tmp_path, {"tool.py": "import asyncore\ndef main(): pass\n"})
    (line,) = run_checks(python, tmp_path, "tool:main", lacking="asyncore")["tool:main"]
    reason = "this interpreter lacks"
    if int(python[2:]) >= 12:
        reason = f"Python {python} no longer has; take a newer release, or another Python"
    assert line == f"missing: tool.py:1 imports asyncore, which {reason}"


INSTALL = "which is not installed"
ALONE = "fails without network, input and home; try it by hand"
FAILURES = """
exits import sys; sys.exit()
removed_name import collections
    class A(collections.Mapping): x = 1
    -> missing: removed_name.py:3: AttributeError: module 'collections' has no attribute 'Mapping'
exits_with import sys; sys.exit('needs a terminal')
    -> remark: importing exits_with ends the program (needs a terminal)
lacks try: import absent
    except ImportError: sys.exit('get it')
    -> missing: lacks.py:2 imports absent, INSTALL
raises raise OSError('one\\ntwo')
    -> missing: raises.py:2: OSError: one
killed os.kill(os.getpid(), 11)
    -> missing: importing killed ends the interpreter (signal 11)
ends os._exit(0)
    -> missing: importing ends ends the interpreter (exit status 0)
slow signal.alarm(1); [0 for x in iter(int, 1)]
    -> missing: importing what starts takes longer than a minute
prints print('x'); os.system('echo x; echo x >&2'); assert not os.read(0, 1)
threads threading.Thread(target=time.sleep, args=[99]).start()
forks os.fork() or time.sleep(99)
clean assert os.listdir(os.environ['HOME']) == [] and len(os.environ) < 6, os.environ
connects socket.create_connection(('127.0.0.1', 9))
    -> remark: importing connects ALONE
looks socket.gethostbyname('localhost')
    -> remark: importing looks ALONE
guards try: socket.gethostbyname('localhost')
    except socket.gaierror: x = 1
    x
asks try: socket.gethostbyname('localhost')
    except socket.gaierror: import absent
    -> missing: asks.py:3 imports absent, INSTALL
local socket.getaddrinfo('127.0.0.1', 80)
    try: socket.socket(socket.AF_UNIX).connect('x')
    except FileNotFoundError: x = 1
    x
zones import zoneinfo; zoneinfo.reset_tzpath(())
    -> remark: zoneinfo finds no time zones; require tzdata
helps import helper.x
    -> missing: helps.py:2 imports helper, which lies beside the program; put it in with COSMO_INCLUDE=helper.py
path import old_mod
    -> missing: path.py:2 imports old_mod, which old.pth would make importable; .pth files do not work in the executable
partly import dep.absent
    -> missing: partly.py:2 imports dep.absent, which dep does not have
space import plugins.absent
    -> missing: space.py:2 imports plugins.absent, INSTALL
"""  # noqa: E501 - messages are as long as they are
"""Modules, and the line that is printed when one is imported."""


@every_python
def test_failures_are_told_in_plain_words(python: str, tmp_path: Path) -> None:
    expected = {}
    for entry in re.split(r"\n(?=\w)", FAILURES.strip()):
        code, _, line = entry.replace("\n    ", "\n").partition("\n-> ")
        name, _, code = code.partition(" ")
        expected[f"{name}:main"] = line.replace("INSTALL", INSTALL).replace("ALONE", ALONE)
        imports = "import os, signal, socket, sys, threading, time"
        write_files(tmp_path, {f"{name}.py": f"{imports}\n{code}\nmain = id\n"})
    write_files(tmp_path, {"old.pth": "import sys\n\nold_stuff\n", "old_stuff/old_mod.py": ""})
    write_files(tmp_path, {"dep/__init__.py": "", "plugins/x.py": "", "beside": "a\nhelper.py\n"})
    calls = {f"{name}||{tmp_path}/beside": line for name, line in expected.items()}
    found = run_checks(python, tmp_path, *calls)
    assert {call: "\n".join(lines) for call, lines in found.items()} == calls


@every_python
def test_a_removed_extension_is_named_with_what_requires_it(python: str, tmp_path: Path) -> None:
    again = "try: {}\nexcept ImportError as error: raise ImportError('read the FAQ') from {}\n"
    files = {"tool.py": "import frames", "arrays/core.py": "from arrays._native import add"}
    files["frames/__init__.py"] = again.format("import arrays", None)
    files["arrays/__init__.py"] = again.format("from . import core", "error")
    removed = {"arrays/_native.cpython-312-x86_64-linux-gnu.so": "arrays 1.0"}
    packages = {"frames": "data-frames 1", "arrays": "arrays 1.0"}
    notes = json.dumps({"removed": removed, "packages": packages})
    write_files(tmp_path, {**files, "notes": notes})
    native = (
        "missing: arrays 1.0 needs its extension module arrays._native, which cannot run in the"
    )
    lacks = "missing: arrays 1.0 lacks its extension modules, which cannot run in the executable"
    call = f"tool:main|{tmp_path}/notes"
    chain = f"{native} executable (tool -> data-frames -> arrays; arrays/core.py:1)"
    assert run_checks(python, tmp_path, call)[call] == [chain]
    files = {"tool.py": "from arrays import core", "arrays/__init__.py": ""}
    write_files(tmp_path, {**files, "arrays/core.py": "from . import _native"})
    assert run_checks(python, tmp_path, call)[call] == [chain.replace("data-frames -> ", "")]
    listed = "errors = []\ntry: import arrays.core\nexcept ImportError as error: errors = [error]\n"
    write_files(tmp_path, {"tool.py": listed + "if errors: raise ImportError('read the FAQ')"})
    assert run_checks(python, tmp_path, call)[call] == [chain.replace("data-frames -> ", "")]
    write_files(tmp_path, {"tool.py": listed + "import email.absent"})
    assert "tool.py:4 imports email.absent" in run_checks(python, tmp_path, call)[call][0]
    write_files(tmp_path, {"arrays/core.py": "assert False, 'not built'"})
    error = f"{lacks} (arrays/core.py:1: AssertionError: not built)"
    assert run_checks(python, tmp_path, call)[call] == [error]


@every_python
def test_the_first_missing_module_is_named(python: str, tmp_path: Path) -> None:
    write_files(tmp_path, {"tool.py": "import dep, first", "dep.py": "import json\nimport ctypes"})
    found = run_checks(python, tmp_path, "tool:main", lacking="_ctypes")
    lacks = "missing: ctypes needs _ctypes, which this interpreter lacks (dep.py:2 imports it)"
    assert found["tool:main"] == [lacks]
    write_files(tmp_path, {"opens.py": "import os\ndef main(): os.popen('')"})
    assert run_checks(python, tmp_path, "opens:main", lacking="subprocess") == {"opens:main": []}
    found = run_checks(python, tmp_path, "dep:main", lacking="ctypes")
    assert found["dep:main"] == ["missing: dep.py:2 imports ctypes, which this interpreter lacks"]
